"""The validation block of a node, compiled into checks that any engine can run.

NULL passes `ranges`, `accepted_values` and `expressions`: they must not be *false*. NaN is in no range. In `unique` a
NULL counts like any value: two rows whose keys are equal, NULLs included, are duplicates.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from odibi.config.node import RangeConfig, Scalar, ValidationConfig
from odibi.engine.base import Check, Checks, NotEmptyCheck, RowCheck, SchemaCheck, UniqueCheck
from odibi.errors import suggest
from odibi.transforms.dialect import Dialect, dialect
from odibi.types import INTEGERS, Column, DataType, parse_type

ANY_DECIMAL = DataType("decimal")
"""A decimal of any number of digits, in a schema check."""
_NUMBERS = frozenset((*INTEGERS, "float", "double", "decimal"))
_WORD = re.compile(r"""'(?:[^']|'')*'|"((?:[^"]|"")+)"|([^\W\d]\w*)""")


@dataclass(frozen=True)
class NullCheck(RowCheck):
    """`no_nulls` of one column."""


@dataclass(frozen=True)
class RangeCheck(RowCheck):
    """`ranges` of one column; both bounds are inclusive."""

    min: int | float | str | None = None
    max: int | float | str | None = None


@dataclass(frozen=True)
class ValuesCheck(RowCheck):
    """`accepted_values` of one column."""

    values: tuple[Scalar, ...] = field(default=())


def compile_checks(config: ValidationConfig, engine_dialect: str, sql_dialect: str | None = None) -> Checks:
    """The checks of a validation block. What odibi writes is in the engine's dialect, `expressions` are in the file's.

    Raises ValueError where a type in `schema.types` is none (see `problems`).
    """
    sql = dialect(engine_dialect)
    items: list[Check] = []
    if config.schema_ is not None:
        types = {column: parse_check_type(text) for column, text in config.schema_.types.items()}
        items.append(SchemaCheck("schema", tuple(config.schema_.required_columns), types))
    if config.not_empty:
        items.append(NotEmptyCheck())
    items += [_no_nulls(column, sql) for column in config.no_nulls]
    items += [UniqueCheck(f"unique({', '.join(key)})", key) for key in keys_of(config.unique)]
    items += [_range(column, limits, sql) for column, limits in config.ranges.items()]
    items += [_values(column, values, sql) for column, values in config.accepted_values.items()]
    items += [
        RowCheck(f"expressions[{index}]: {one_line(text)}", f"NOT ({text}\n)", (), sql_dialect or engine_dialect)
        for index, text in enumerate(config.expressions)
    ]
    return Checks(tuple(items), config.on_fail)


def keys_of(unique: Sequence[str] | Sequence[list[str]]) -> list[tuple[str, ...]]:
    """The keys of a `unique` entry: a list of columns is one key, a list of lists several."""
    names = tuple(each for each in unique if isinstance(each, str))
    lists = [tuple(each) for each in unique if not isinstance(each, str)]
    return [names, *lists] if names else lists


def parse_check_type(text: str) -> DataType:
    """A type of a schema check; `decimal` without digits is any decimal. Raises ValueError as `parse_type` does."""
    if text.strip().lower() in ("decimal", "dec", "numeric"):
        return ANY_DECIMAL
    return parse_type(text)


def words_of(sql: str) -> list[str]:
    """The identifiers of an expression, and whatever else looks like one, in order."""
    return [plain or quoted.replace('""', '"') for quoted, plain in _WORD.findall(sql)]


def one_line(text: str, limit: int = 80) -> str:
    """The text on one line, cut where it is long."""
    flat = " ".join(text.split())
    return flat if len(flat) <= limit else flat[: limit - 1] + "…"


def _no_nulls(column: str, sql: Dialect) -> NullCheck:
    return NullCheck(f"no_nulls({column})", f"{sql.quote(column)} IS NULL", (column,), sql.name)


def _range(column: str, limits: RangeConfig, sql: Dialect) -> RangeCheck:
    name = sql.quote(column)
    tests = [
        f"{name} {sign} {sql.literal(bound)}"
        for sign, bound in (("<", limits.min), (">", limits.max))
        if bound is not None
    ]
    if not isinstance(limits.min, str) and not isinstance(limits.max, str):
        tests.append(f"isnan({name})")
    return RangeCheck(f"ranges({column})", " OR ".join(tests), (column,), sql.name, min=limits.min, max=limits.max)


def _values(column: str, values: Sequence[Scalar], sql: Dialect) -> ValuesCheck:
    listed = ", ".join(sql.literal(value) for value in values)
    violation = f"{sql.quote(column)} NOT IN ({listed})" if values else f"{sql.quote(column)} IS NOT NULL"
    return ValuesCheck(f"accepted_values({column})", violation, (column,), sql.name, values=tuple(values))


# -- before anything runs ----------------------------------------------------------------------------------------------


def problems(config: ValidationConfig, columns: Sequence[Column] | None = None) -> list[tuple[str, str, str]]:
    """What is wrong with a validation block: (path inside it, message, hint). `columns` are the node's, None if not
    known; expressions are SQL and judged where SQL is."""
    found = [*_wrong_limits(config), *_wrong_types(config)]
    if columns is None:
        return found
    for path, name in _named_columns(config):
        if (column := find_column(name, columns)) is None:
            found.append((path, f"unknown column {name!r}", suggest(name, [each.name for each in columns])))
        elif path.startswith(("ranges.", "accepted_values.")) and (clash := _value_clash(config, path, column)):
            found.append((path, *clash))
    return found


def _wrong_limits(config: ValidationConfig) -> list[tuple[str, str, str]]:
    found = []
    for column, limits in config.ranges.items():
        path = f"ranges.{column}"
        if limits.min is None and limits.max is None:
            found.append((path, "a range has no limit", "give min, max or both"))
        elif isinstance(limits.min, str) is not isinstance(limits.max, str):
            if limits.min is not None and limits.max is not None:
                found.append((path, "min and max are a number and text", "give both as numbers, or both as dates"))
        elif not isinstance(limits.min, str) and not isinstance(limits.max, str) and _reversed(limits):
            found.append((path, f"min {limits.min} is above max {limits.max}", "no row could pass; exchange them"))
    return found


def _reversed(limits: RangeConfig) -> bool:
    low, high = limits.min, limits.max
    return isinstance(low, (int, float)) and isinstance(high, (int, float)) and low > high


def _wrong_types(config: ValidationConfig) -> list[tuple[str, str, str]]:
    found = []
    for column, text in (config.schema_.types if config.schema_ else {}).items():
        try:
            parse_check_type(text)
        except ValueError as error:
            found.append((f"schema.types.{column}", str(error), ""))
    return found


def _named_columns(config: ValidationConfig) -> Iterable[tuple[str, str]]:
    for index, column in enumerate(config.no_nulls):
        yield f"no_nulls[{index}]", column
    for index, key in enumerate(config.unique):
        if isinstance(key, str):
            yield f"unique[{index}]", key
        else:
            for position, column in enumerate(key):
                yield f"unique[{index}][{position}]", column
    for column in config.ranges:
        yield f"ranges.{column}", column
    for column in config.accepted_values:
        yield f"accepted_values.{column}", column
    if config.schema_ is not None:
        for index, column in enumerate(config.schema_.required_columns):
            yield f"schema.required_columns[{index}]", column
        for column in config.schema_.types:
            yield f"schema.types.{column}", column


def _value_clash(config: ValidationConfig, path: str, column: Column) -> tuple[str, str] | None:
    kind, _, name = path.partition(".")
    if kind == "ranges":
        limits = config.ranges[name]
        return clash(column, [each for each in (limits.min, limits.max) if each is not None])
    return clash(column, config.accepted_values[name])


# -- against the columns of a frame ------------------------------------------------------------------------------------


def misfit(check: Check, columns: Sequence[Column]) -> str:
    """Why a check can not hold for, or be computed over, these columns: a column that is not there, a value of another
    kind. Empty where nothing is in the way. A schema check is answered here whole: empty means it holds."""
    if isinstance(check, SchemaCheck):
        return "; ".join(schema_findings(check, columns))
    known = [column.name for column in columns]
    missing = [name for name in check.columns if find_column(name, columns) is None]
    if missing:
        return "; ".join(f"unknown column {name!r}; {suggest(name, known)}" for name in missing)
    values: Sequence[Any] = ()
    if isinstance(check, RangeCheck):
        values = [each for each in (check.min, check.max) if each is not None]
    elif isinstance(check, ValuesCheck):
        values = check.values
    column = find_column(check.columns[0], columns) if values else None
    return "; ".join(clash(column, values) or ()) if column else ""


def schema_findings(check: SchemaCheck, columns: Sequence[Column]) -> list[str]:
    """One text for each column that is missing or has another type."""
    known = [column.name for column in columns]
    wanted = dict.fromkeys((*check.required, *check.types))
    found = [
        f"column {name!r} is missing; {suggest(name, known)}" for name in wanted if find_column(name, columns) is None
    ]
    for name, type in check.types.items():
        column = find_column(name, columns)
        if column is None or not column.type_name:  # missing, or of a type that is known once the data is read
            continue
        if not type_fits(type, column.type):
            found.append(f"column {column.name!r} is {column.type_name}, not {type_text(type)}")
    return found


def type_fits(wanted: DataType, actual: DataType | None) -> bool:
    """Whether a column's type is the one a schema check names; `int` is any integer, `decimal` any decimal."""
    if actual is None:
        return False
    if wanted.name == "int":
        return actual.is_integer
    return actual.name == "decimal" if wanted == ANY_DECIMAL else actual == wanted


def type_text(wanted: DataType) -> str:
    """A type of a schema check as a reader should see it."""
    if wanted.name == "int":
        return "an integer"
    return "a decimal" if wanted == ANY_DECIMAL else str(wanted)


def clash(column: Column, values: Iterable[Any]) -> tuple[str, str] | None:
    """(message, hint) where a value of a check can not be compared with the column: text with numbers, numbers with
    dates. Text may stand for a date, a timestamp or anything else that is written as text, but not for a number."""
    kind = column.type.name if column.type else ""
    if not kind:
        return None
    for value in values:
        if _comparable(kind, value):
            continue
        hint = f"write {str(value)!r} in quotes" if kind == "string" else f"give values of type {column.type_name}"
        return f"column {column.name!r} is {column.type_name}, {value!r} is {_kind(value)}", hint
    return None


def _comparable(kind: str, value: Any) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    if isinstance(value, (int, float)):
        return kind in _NUMBERS
    return kind not in _NUMBERS and kind != "boolean"


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "a boolean"
    return "text" if isinstance(value, str) else "a number"


def find_column(name: str, columns: Sequence[Column]) -> Column | None:
    """The column of that name; case is ignored where none is spelled so."""
    by_name = {column.name.lower(): column for column in columns}
    return next((column for column in columns if column.name == name), by_name.get(name.lower()))
