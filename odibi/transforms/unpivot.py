"""`unpivot`: columns become rows."""

from __future__ import annotations

from pydantic import Field

from odibi.model import Model
from odibi.transforms.base import Columns, Finding, Operation, find, repeated, resolved, unknown
from odibi.transforms.dialect import Dialect
from odibi.types import INTEGERS, Column, DataType

_STRING = DataType("string")
_DIGITS = {"tinyint": 3, "smallint": 5, "int": 10, "bigint": 20}


class UnpivotParams(Model):
    """Parameters of `unpivot`."""

    id_columns: list[str] = Field(min_length=1, description="Columns that are repeated on every row")
    value_columns: list[str] | None = Field(
        None, min_length=1, description="Columns that become rows; default: all others"
    )
    name_column: str = Field("name", min_length=1, description="The new column that holds the old column's name")
    value_column: str = Field("value", min_length=1, description="The new column that holds the value")


class Unpivot(Operation[UnpivotParams]):
    """One row for each row and value column; columns that are in neither list are left out. NULLs are kept. The value
    columns must have one type, or be numbers, which take the type that holds them all."""

    name = "unpivot"
    Params = UnpivotParams

    def sql(self, params: UnpivotParams, columns: Columns, dialect: Dialect) -> str:
        """UNPIVOT over the columns that matter, cast to one type."""
        values = value_columns(params, columns)
        type = common_type(values)
        ids = dialect.names(resolved(params.id_columns, columns))
        items = [ids, *(_cast(column, type, dialect) for column in values)]
        name, value = dialect.quote(params.name_column), dialect.quote(params.value_column)
        listed = dialect.names(column.name for column in values)
        narrow = f"SELECT {', '.join(items)} FROM current"
        rows = f"UNPIVOT INCLUDE NULLS ({value} FOR {name} IN ({listed}))"
        return f"SELECT {ids}, {name}, {value} FROM ({narrow}) AS narrow {rows}"

    def output_columns(self, params: UnpivotParams, columns: Columns) -> tuple[Column, ...] | None:
        """The id columns, the name, the value."""
        ids = [column for name in params.id_columns if (column := find(name, columns))]
        values = value_columns(params, columns)
        type = common_type(values)
        value = Column(params.value_column, type, values[0].native if values and type == values[0].type else "")
        return (*ids, Column(params.name_column, _STRING), value)

    def problems(self, params: UnpivotParams, columns: Columns) -> list[Finding]:
        """Unknown columns, columns in both lists, value columns whose types do not go together."""
        found = [
            finding
            for field, names in (("id_columns", params.id_columns), ("value_columns", params.value_columns or ()))
            for index, name in enumerate(names)
            for finding in unknown(f"{field}[{index}]", [name], columns)
        ]
        if found:
            return found
        values = value_columns(params, columns)
        both = sorted({column.name for column in values} & set(resolved(params.id_columns, columns)))
        if both:
            found.append(("value_columns", f"column {both[0]!r} is an id column too", "name it in one of the lists"))
        if not values:
            found.append(("id_columns", "no column is left to unpivot", "leave at least one out of id_columns"))
        elif common_type(values) is None and len({column.type_name for column in values if column.type_name}) > 1:
            types = ", ".join(f"{column.name}: {column.type_name}" for column in values[:6])
            found.append(
                ("value_columns", f"the value columns have different types ({types})", "cast them to one type first")
            )
        return found + repeated("name_column", [*params.id_columns, params.name_column, params.value_column])


def value_columns(params: UnpivotParams, columns: Columns) -> list[Column]:
    """The columns that become rows, in order."""
    if params.value_columns is not None:
        return [column for name in params.value_columns if (column := find(name, columns))]
    ids = {name.lower() for name in params.id_columns}
    return [column for column in columns if column.name.lower() not in ids]


def common_type(columns: list[Column]) -> DataType | None:
    """The type that holds the values of all these columns, None where there is none."""
    types = [column.type for column in columns]
    first = types[0] if types else None
    if first is None or any(type is None for type in types):
        return None
    known = [type for type in types if type is not None]
    if all(type == first for type in known):
        return first
    if all(type.is_integer for type in known):
        return max(known, key=lambda type: INTEGERS.index(type.name))
    if not all(type.is_integer or type.name in ("decimal", "float", "double") for type in known):
        return None
    if any(type.name in ("float", "double") for type in known):
        return DataType("double")
    whole = max(_DIGITS.get(type.name, type.precision - type.scale) for type in known)
    scale = max(type.scale for type in known)
    return DataType("decimal", min(38, whole + scale), scale)


def _cast(column: Column, type: DataType | None, dialect: Dialect) -> str:
    name = dialect.quote(column.name)
    return name if type is None or type == column.type else f"{dialect.cast(name, type)} AS {name}"
