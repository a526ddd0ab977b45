"""`fill_nulls`: a value in place of NULL."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from odibi.model import Model
from odibi.transforms.base import Columns, Finding, Operation, find, unknown
from odibi.transforms.dialect import Dialect
from odibi.types import INTEGERS, Column, DataType

Value = bool | int | float | str
_NUMBERS = (*INTEGERS, "float", "double", "decimal")
_DATES = ("date", "timestamp", "timestamp_ntz")


class FillNullsParams(Model):
    """Parameters of `fill_nulls`: a value per column, or one value."""

    values: dict[str, Value] = Field(default_factory=dict, description="Column: value")
    value: Value | None = Field(None, description="One value for every column of its kind (text, numbers, booleans)")
    columns: list[str] | None = Field(
        None, description="Only these columns are given `value`; default: all that it fits"
    )

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if bool(self.values) == (self.value is not None):
            raise ValueError("give either `values` (column: value) or `value`")
        if self.columns is not None and self.value is None:
            raise ValueError("`columns` belongs to `value`; with `values` the columns are its keys")
        return self


class FillNulls(Operation[FillNullsParams]):
    """Put a value where a column is NULL; types stay. NaN is not NULL and stays."""

    name = "fill_nulls"
    Params = FillNullsParams

    def sql(self, params: FillNullsParams, columns: Columns, dialect: Dialect) -> str:
        """Every column, coalesced where a value is given."""
        values = _filled(params, columns)
        items = []
        for column in columns:
            name = dialect.quote(column.name)
            if column.name not in values:
                items.append(name)
                continue
            value = dialect.literal(values[column.name])
            value = dialect.cast(value, column.type) if column.type else value
            items.append(f"coalesce({name}, {value}) AS {name}")
        return f"SELECT {', '.join(items)} FROM current"

    def output_columns(self, params: FillNullsParams, columns: Columns) -> tuple[Column, ...] | None:
        """The same columns."""
        return tuple(columns)

    def problems(self, params: FillNullsParams, columns: Columns) -> list[Finding]:
        """Unknown columns, and values that a column can not hold."""
        if params.value is not None and params.columns is None:
            return []
        found: list[Finding] = []
        for name, value, path in _named(params):
            column = find(name, columns)
            if column is None:
                found += unknown(path, [name], columns)
            elif column.type and not holds(column.type, value):
                hint = "cast the column first, or give a value of its type"
                found.append((path, f"column {column.name!r} is {column.type_name} and can not hold {value!r}", hint))
        return found


def holds(type: DataType, value: Value) -> bool:
    """Whether a column of this type can hold the value without losing anything of it."""
    if isinstance(value, bool):
        return type.name == "boolean"
    if isinstance(value, str):
        return type.name == "string" or type.name in _DATES
    if type.is_integer:
        return float(value).is_integer()
    return type.name in _NUMBERS


def _named(params: FillNullsParams) -> list[tuple[str, Value, str]]:
    """(column, value, path) of the columns that are named."""
    if params.value is not None:
        return [(name, params.value, f"columns[{index}]") for index, name in enumerate(params.columns or ())]
    return [(name, value, f"values.{name}") for name, value in params.values.items()]


def _filled(params: FillNullsParams, columns: Columns) -> dict[str, Value]:
    """Column name, as the columns spell it -> value."""
    if params.value is not None and params.columns is None:
        fits = (
            each for each in columns if each.type and each.type.name not in _DATES and holds(each.type, params.value)
        )
        return {each.name: params.value for each in fits}
    return {column.name: value for name, value, _ in _named(params) if (column := find(name, columns))}
