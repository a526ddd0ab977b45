"""The `filters` of a read: values are made to fit the columns' types once, so that every engine compares alike."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Context, Decimal, InvalidOperation
from typing import Any

from odibi.errors import DataError, UnknownNameError
from odibi.types import Column, DataType

LIMITS = {"tinyint": 7, "smallint": 15, "int": 31, "bigint": 63}
"""Whole numbers, and their bits without the sign."""
DIGITS = Context(prec=100)
"""Decimals have up to 38 digits; Python's own context has 28."""
ONLY_NULL = frozenset({"binary", "array", "map", "struct"})
"""Types whose columns can be compared with NULL alone."""


@dataclass(frozen=True)
class Condition:
    """One filter. `values` are texts that every engine's CAST to the column's type takes as the same value: one, or
    those of `in` and `not in`. `null` says that NULL is (with `!=` and `not in`: is not) among what is asked for."""

    column: Column
    operator: str
    values: tuple[str, ...] = ()
    null: bool = False

    @property
    def negative(self) -> bool:
        """True where it says what a row must not have. NULL is neither equal nor unequal to a value, as in SQL."""
        return self.operator in ("!=", "not in")


def conditions(columns: Sequence[Column], filters: Sequence[tuple[str, str, Any]], place: str) -> list[Condition]:
    """The filters with their columns and values that fit them. `place` is what is read, as messages show it.

    Raises `UnknownNameError` for a name that no column has, `DataError` for a value that its type does not.
    """
    by_name = {column.name.lower(): column for column in columns}
    found = []
    for name, operator, value in filters:
        column = by_name.get(name.lower())
        if column is None:
            raise UnknownNameError(f"column of {place} in filters", name, [column.name for column in columns])
        asked = value if isinstance(value, list | tuple) else [value]
        texts = tuple(_text(column, each, place) for each in asked if each is not None)
        found.append(Condition(column, operator, texts, any(each is None for each in asked)))
    return found


def _text(column: Column, value: Any, place: str) -> str:
    type = column.type
    if type is None or type.name in ONLY_NULL:
        raise DataError(
            f"{place}: filters compare {column.name!r}, which is {column.type_name}; such columns can be compared with "
            "NULL only"
        )
    try:
        found = _TEXTS.get(type.name, _string)(value, type)
    except (ValueError, TypeError, InvalidOperation, OverflowError):
        found = None
    if found is None:
        shown = value.isoformat() if isinstance(value, date | time) else repr(value)
        raise DataError(f"{place}: filters compare {column.name!r}, which is {type}, with {shown}, which is no {type}")
    return found


def _whole(value: Any, type: DataType) -> str | None:
    number = _exact(value)
    bits = LIMITS[type.name]
    return str(int(number)) if number == int(number) and -(2**bits) <= number < 2**bits else None


def _decimal(value: Any, type: DataType) -> str | None:
    number = _exact(value)
    digits = number.quantize(Decimal(1).scaleb(-type.scale, DIGITS), context=DIGITS)
    return f"{digits:f}" if digits == number and len(digits.as_tuple().digits) <= type.precision else None


def _exact(value: Any) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        raise TypeError
    number = Decimal(str(value).strip())
    if not number.is_finite():
        raise ValueError
    return number


def _floating(value: Any, type: DataType) -> str | None:
    del type
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        raise TypeError
    number = float(value)
    if math.isnan(number):
        return "NaN"
    return repr(number) if math.isfinite(number) else "Infinity" if number > 0 else "-Infinity"


def _boolean(value: Any, type: DataType) -> str | None:
    del type
    text = str(value).strip().lower()
    return text if isinstance(value, bool | str) and text in ("true", "false") else None


def _day(value: Any, type: DataType) -> str | None:
    del type
    if isinstance(value, str):
        value = datetime.fromisoformat(value.strip())
    if isinstance(value, datetime):
        return value.date().isoformat() if value.tzinfo is None and value.time() == time() else None
    return value.isoformat() if isinstance(value, date) else None


def _instant(value: Any, type: DataType) -> str | None:
    """In UTC; without a zone a value is taken as UTC, and a day begins at midnight."""
    if isinstance(value, str):
        value = datetime.fromisoformat(value.strip())
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day, tzinfo=UTC)
    if not isinstance(value, datetime):
        return None
    moment = value if value.tzinfo is None else value.astimezone(UTC).replace(tzinfo=None)
    text = moment.isoformat(sep=" ", timespec="microseconds")
    return f"{text}+00:00" if type.name == "timestamp" else text


def _string(value: Any, type: DataType) -> str | None:
    del type
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, date | time):
        return value.isoformat()
    return str(value) if isinstance(value, str | int | float | Decimal) else None


_TEXTS: Mapping[str, Callable[[Any, DataType], str | None]] = {
    **dict.fromkeys(LIMITS, _whole), "decimal": _decimal, "float": _floating, "double": _floating,
    "boolean": _boolean, "date": _day, "timestamp": _instant, "timestamp_ntz": _instant,
}  # fmt: skip
