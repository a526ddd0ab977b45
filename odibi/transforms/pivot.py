"""`pivot`: values of a column become columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import Field, field_validator

from odibi.errors import DataError
from odibi.model import Model
from odibi.transforms.base import Columns, Finding, Operation, check_distinct, find, repeated, resolved, unknown
from odibi.transforms.dialect import Dialect
from odibi.transforms.fill_nulls import Value
from odibi.types import INTEGERS, Column, DataType

_BIGINT, _DOUBLE = DataType("bigint"), DataType("double")
_NUMBERS = (*INTEGERS, "float", "double", "decimal")
_SPREAD = {"first": "first"}  # a cell has one value: any aggregate gives it back, `max` where the type has an order


class PivotParams(Model):
    """Parameters of `pivot`."""

    group_by: list[str] = Field(min_length=1, description="One row for each combination of these columns")
    pivot_column: str = Field(description="The column whose values become columns")
    value_column: str = Field(description="The column that is aggregated")
    agg_func: Literal["sum", "count", "avg", "min", "max", "first"] = Field(
        "sum", description="How values are put together"
    )
    values: list[Value | None] | None = Field(
        None,
        min_length=1,
        max_length=1000,
        description="The values that become columns, in this order; default: all there are",
    )

    @field_validator("group_by", mode="before")
    @classmethod
    def _one_or_many(cls, value: object) -> object:
        return [value] if isinstance(value, str) else value


class Pivot(Operation[PivotParams]):
    """One row per group and one column per value. Without `values` the data is looked at first, and has 1,000 values at
    most. The columns are named as the values are written: `true`, `2024-01-31`; NULL is `null`, empty text `empty`.

    A group without a value holds NULL, and 0 for `count`. `sum` of integers is bigint, `avg` double.
    """

    name = "pivot"
    Params = PivotParams

    def sql(self, params: PivotParams, columns: Columns, dialect: Dialect) -> str:
        """Aggregated by group and value first, then spread into columns."""
        if params.values is None:
            raise ValueError("pivot: the values must be known; see Operation.distinct")
        groups = resolved(params.group_by, columns)
        key = _column(params.pivot_column, columns)
        value = _column(params.value_column, columns)
        grouped = ", ".join(f"{dialect.quote(name)} AS g{index}" for index, name in enumerate(groups))
        numbers = ", ".join(str(index + 1) for index in range(len(groups)))
        cells = (
            f"SELECT {grouped}, {dialect.quote(key.name)} AS k, {_aggregate(params.agg_func, value, dialect)} AS v "
            f"FROM current GROUP BY {numbers}, {len(groups) + 1}"
        )
        items = [f"g{index} AS {dialect.quote(name)}" for index, name in enumerate(groups)]
        for given, name in zip(params.values, value_names(params), strict=True):
            cell = f"{_SPREAD.get(params.agg_func, 'max')}(v) FILTER (WHERE {_is_value(given, key, dialect)})"
            cell = f"coalesce({cell}, 0)" if params.agg_func == "count" else cell
            items.append(f"{cell} AS {dialect.quote(name)}")
        return f"SELECT {', '.join(items)} FROM ({cells}) AS cells GROUP BY {numbers}"

    def output_columns(self, params: PivotParams, columns: Columns) -> tuple[Column, ...] | None:
        """The groups and one column per value; None where the values are in the data."""
        if params.values is None:
            return None
        value = _column(params.value_column, columns)
        type = result_type(params.agg_func, value.type)
        native = value.native if type == value.type else ""
        groups = [column for name in params.group_by if (column := find(name, columns))]
        return (*groups, *(Column(name, type, native) for name in value_names(params)))

    def problems(self, params: PivotParams, columns: Columns) -> list[Finding]:
        """Unknown columns, values that can not be added up, names that would exist twice."""
        found = [
            *(each for i, name in enumerate(params.group_by) for each in unknown(f"group_by[{i}]", [name], columns)),
            *unknown("pivot_column", [params.pivot_column], columns),
            *unknown("value_column", [params.value_column], columns),
        ]
        value = find(params.value_column, columns)
        if value and value.type and params.agg_func in ("sum", "avg") and value.type.name not in _NUMBERS:
            message = f"column {value.name!r} is {value.type_name}, {params.agg_func} needs numbers"
            found.append(("value_column", message, "use count, min, max or first, or cast the column first"))
        if params.values is not None:
            found += repeated("values", [*params.group_by, *value_names(params)])
        return found

    def is_deterministic(self, params: PivotParams) -> bool:
        """Not with `first`, which depends on the order of the rows."""
        return params.agg_func != "first"

    def distinct(self, params: PivotParams) -> str | None:
        """The pivot column, where no values are given."""
        return params.pivot_column if params.values is None else None

    def with_values(self, params: PivotParams, values: Sequence[Any]) -> PivotParams:
        """The same with the values, as the engine writes them as text. Raises DataError where they make no columns."""
        check_distinct(self.name, params.pivot_column, values)
        filled = params.model_copy(update={"values": list(values)})
        twice = repeated("values", [*params.group_by, *value_names(filled)])
        if twice:
            raise DataError(f"pivot: {twice[0][1]} (from the values of {params.pivot_column!r}); {twice[0][2]}")
        return filled


def value_names(params: PivotParams) -> list[str]:
    """The names of the new columns."""
    return [_text(value) or ("null" if value is None else "empty") for value in params.values or ()]


def result_type(agg_func: str, type: DataType | None) -> DataType | None:
    """The type of an aggregate over a column of `type`, the same on every engine."""
    if agg_func == "count":
        return _BIGINT
    if agg_func == "avg":
        return _DOUBLE
    if agg_func != "sum" or type is None:
        return type
    if type.name == "decimal":
        return DataType("decimal", min(38, type.precision + 10), type.scale)
    return _BIGINT if type.is_integer else _DOUBLE


def _column(name: str, columns: Columns) -> Column:
    return find(name, columns) or Column(name, None)


def _aggregate(agg_func: str, value: Column, dialect: Dialect) -> str:
    name = dialect.quote(value.name)
    if agg_func == "avg":
        return f"avg({dialect.cast(name, _DOUBLE)})"
    type = result_type("sum", value.type)
    return dialect.cast(f"sum({name})", type) if agg_func == "sum" and type else f"{agg_func}({name})"


def _is_value(value: Value | None, key: Column, dialect: Dialect) -> str:
    """Whether `k` is the value, compared in the column's own type."""
    if value is None:
        return "k IS NULL"
    text = dialect.text(_text(value))
    if key.type is None or key.type.children:
        return f"{dialect.cast('k', DataType('string'))} = {text}"
    return f"k = {text if key.type.name == 'string' else dialect.cast(text, key.type)}"


def _text(value: Value | None) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)
