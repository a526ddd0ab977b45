"""The casts of a write as Spark's SQL; what is cast to what is decided in `odibi.engine.casting`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from pyspark.errors import AnalysisException
from pyspark.sql import types as T  # noqa: N812 - the name that Spark's own documentation gives it

from odibi.engine import casting
from odibi.engine.casting import CastPlan, Expressions, Given, Kind, given_of
from odibi.engine.spark.raised import OURS
from odibi.engine.spark.types import data_type
from odibi.errors import SchemaMismatchError
from odibi.transforms.dialect import SPARK
from odibi.types import Column, DataType

_BEYOND = {"bigint": "9223372036854775807"}
"""The greatest integer: a greater float becomes it, and not an error."""


def plan_cast(
    schema: Any,
    columns: Sequence[Column],
    declared: Mapping[str, DataType],
    existing: Sequence[Column] | None,
    mode: str,
    names: Sequence[str] | None = None,
) -> CastPlan:
    """How data of this Spark schema is written to a target with these declared types and, if it exists, these columns;
    see `casting.plan`."""
    types = [given(field.dataType) for field in schema.fields]
    return casting.plan(WRITE, columns, types, declared, existing, mode, names)


def apply(plan: CastPlan, data: Any, declared: Mapping[str, DataType]) -> Any:
    """The DataFrame, cast. Raises `SchemaMismatchError` where no value of a type can become the declared one."""
    if plan.by_place:
        data = data.toDF(*(WRITE.place(index) for index in range(len(plan.names))))
    if plan.identity:
        return data
    selected = [f"{item.expression} AS {WRITE.name(item.column.name)}" for item in plan.items]
    if not declared:
        return data.selectExpr(*selected)
    try:
        cast = data.selectExpr(*selected)
        cast.schema  # noqa: B018 - on Connect nothing is judged before
    except AnalysisException as error:
        if "DATATYPE_MISMATCH" not in str(error):
            raise
        raise _no_cast(data, plan, selected) from error
    return cast


def _no_cast(data: Any, plan: CastPlan, selected: Sequence[str]) -> SchemaMismatchError:
    """The error for the columns whose casts do not exist."""
    before = {field.name.lower(): field.dataType.simpleString() for field in data.schema.fields}
    told = []
    for item, expression in zip(plan.items, selected, strict=True):
        try:
            data.selectExpr(expression).schema  # noqa: B018 - asking for it judges the expression
        except AnalysisException:
            name = item.column.name
            own = before.get(name.lower(), "the data's type")
            told.append(casting.no_cast(f"column {name!r}", own, item.column.type_name))
    return SchemaMismatchError("\n".join(told))


def given(type: Any) -> Given:
    """A Spark type as the type of data that is to be written. A text with a collation is none of a table's: most
    readers of Delta know no other order than that of the characters."""
    collated = "collate" in type.simpleString()
    if collated and isinstance(type, T.StringType):
        return Given("text", None, DataType("string"), type.simpleString())
    found = None if collated else data_type(type)
    if found is not None:
        return given_of(found, str)
    if isinstance(type, T.ArrayType):
        return _nested("array", type, [type.elementType])
    if isinstance(type, T.MapType):
        return _nested("map", type, [type.keyType, type.valueType])
    if isinstance(type, T.StructType):
        names = tuple(field.name for field in type.fields)
        return _nested("struct", type, [field.dataType for field in type.fields], names)
    return Given("null" if isinstance(type, T.NullType) else "", None, None, type.simpleString())


def _nested(kind: Kind, type: Any, inner: Sequence[Any], names: tuple[str, ...] = ()) -> Given:
    children = tuple(map(given, inner))
    return Given(kind, None, None, type.simpleString(), children=children, field_names=names)


class _Spark(Expressions):
    """Spark's expressions."""

    def text(self, type: DataType) -> str:
        return str(type)

    def name(self, name: str) -> str:
        return SPARK.quote(name)

    def place(self, index: int) -> str:
        return f"__c{index}"

    def round_trip(self, expression: str, given: Given, target: DataType, told: Sequence[str]) -> str:
        wanted = str(target)
        same = f"try_cast(try_cast({expression} AS {wanted}) AS {given.text}) <=> {expression}"
        if given.text in _BEYOND:
            same += f" AND NOT ({expression} <=> {_BEYOND[given.text]})"
        if wanted in _BEYOND and given.kind == "fraction":
            same += f" AND NOT coalesce(CAST({expression} AS DOUBLE) >= {_BEYOND[wanted]}D, false)"
        text = f"concat({SPARK.text(OURS + told[0])}, CAST({expression} AS STRING), {SPARK.text(told[1])})"
        return f"CASE WHEN {same} THEN CAST({expression} AS {wanted}) ELSE CAST(raise_error({text}) AS {wanted}) END"

    def forced(self, expression: str, given: Given, target: DataType, at: str) -> str:
        """Spark makes 10:00 a time of today, 2024 its first day, and of a double that no float holds infinity."""
        cast = f"CAST({expression} AS {target})"
        if target.name in ("date", "timestamp", "timestamp_ntz") and given.text == "string":
            fits, told = f"{expression} RLIKE '^[ ]*[+-]?[0-9]+-[0-9]+-'", f" is not a {target.name} (column {at!r})"
            shown = f"concat({SPARK.text(OURS + chr(39))}, {expression}, {SPARK.text(chr(39) + told)})"
        elif target.name == "float" and given.kind == "fraction":
            fits = f"(abs({cast}) <> double('Infinity') OR abs({expression}) = double('Infinity'))"
            told = f" does not fit FLOAT (column {at!r})"
            shown = f"concat({SPARK.text(OURS)}, CAST({expression} AS STRING), {SPARK.text(told)})"
        else:
            return cast
        return f"CASE WHEN {expression} IS NULL OR {fits} THEN {cast} ELSE CAST(raise_error({shown}) AS {target}) END"

    def each(self, array: str, variable: str, element: str) -> str:
        return f"transform({array}, {variable} -> {element})"

    def entries(self, entries: str, variable: str, key: str, value: str) -> str:
        pair = f"named_struct('key', {key}, 'value', {value})"
        return f"map_from_entries(transform(map_entries({entries}), {variable} -> {pair}))"

    def field(self, struct: str, name: str) -> str:
        simple = re.fullmatch(r"\w+|(?:\w+|`(?:[^`]|``)+`)(?:\.`(?:[^`]|``)+`)*", struct)
        return f"{struct if simple else f'({struct})'}.{SPARK.quote(name)}"

    def struct(self, struct: str, fields: Sequence[tuple[str, str]]) -> str:
        parts = ", ".join(f"{SPARK.text(name)}, {value}" for name, value in fields)
        return f"CASE WHEN {struct} IS NULL THEN NULL ELSE named_struct({parts}) END"


WRITE = _Spark()
