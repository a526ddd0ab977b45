"""Values that a query could not compute, by the condition that Spark names, in the words of every engine."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from odibi.engine import words
from odibi.engine.spark.raised import Raised, clean, unquoted, without_condition
from odibi.engine.words import TRY_CAST, WIDER, Told

_SHAPES = {"DATE": "YYYY-MM-DD", "TIMESTAMP": "YYYY-MM-DD HH:MM:SS", "TIMESTAMP_NTZ": "YYYY-MM-DD HH:MM:SS"}


def tell_data(raised: Raised) -> Told:
    """Message and hint for values that a query could not compute."""
    teller = BY_CONDITION.get(raised.main)
    if teller is not None:
        return teller(raised)
    said = clean(raised) or raised.kind
    wrong = re.fullmatch(r"(\w) != (?:[a-z]\w*\.)+(\w+)", said)
    if wrong is not None:
        given = "a string" if wrong[2] == "UTF8String" else f"a value of type {wrong[2]}"
        return f"a format has %{wrong[1]} for {given}", "%s takes any value"
    return f"{said} ({raised.cause})" if raised.cause else said, ""


def _no_value(raised: Raised) -> Told:
    """A text that is no number, date or boolean."""
    value, target = raised.parameters.get("expression", ""), unquoted(raised.parameters.get("targetType", ""))
    if not target:
        found = re.search(r"The value (.*?) of the type .*? cannot be cast to \"(\w+)", raised.text, re.DOTALL)
        value, target = (found[1], found[2]) if found else ("the value", "of its type")
    shape = _SHAPES.get(target)
    if shape is not None:
        said = f"{value} is not a {target.lower()}{_column(raised)}; it should look like {shape}"
        return said, f"{TRY_CAST}; {'to_date' if target == 'DATE' else 'to_timestamp'}() reads other formats"
    return f"{value} is not {target}{_column(raised)}", TRY_CAST


def _no_room(raised: Raised) -> Told:
    """A value that is too large for its type."""
    value, target = raised.parameters.get("value", ""), unquoted(raised.parameters.get("targetType", ""))
    if not target and raised.parameters.get("precision"):
        target = f"DECIMAL({raised.parameters['precision']},{raised.parameters.get('scale', '0')})"
    if not target:
        said = without_condition(raised.text)
        found = re.search(r"(\S+)(?: of the type \S+)? cannot be (?:cast to|represented as) \"?([\w(), ]+)", said)
        value, target = (found[1], found[2].strip()) if found else ("a value", "its type")
    number = re.sub(r"(?<=\d)[LDSBF]$|(?<=\d)BD$", "", value)
    return f"{number} does not fit {target.upper()}{_column(raised)}", WIDER


def _column(raised: Raised) -> str:
    """` (column 'x')`, where the fragment is a cast of a column."""
    found = re.match(r"(?:try_)?cast\(\s*`?([\w.]+)`?\s+as\b|`?([\w.]+)`?::", raised.fragment, re.IGNORECASE)
    name = (found[1] or found[2]).rpartition(".")[2] if found else ""
    return f" (column {name!r})" if name and not name.isdigit() else ""


def _overflow(raised: Raised) -> Told:
    what = f": {raised.fragment} does not fit its type" if raised.fragment else " of an integer or decimal"
    return f"overflow{what}", words.OVERFLOW_HINT


def _division(raised: Raised) -> Told:
    return f"division by zero in ({raised.fragment})" if raised.fragment else "division by zero", words.DIVISION_HINT


def _several_rows(raised: Raised) -> Told:
    return words.ONE_VALUE


def _index(raised: Raised) -> Told:
    index, size = raised.parameters.get("indexValue", ""), raised.parameters.get("arraySize", "")
    what = f"index {index} is outside of an array of {size}" if index else "an index is outside of its array"
    return what, "try_element_at(), or get(), gives NULL for such an index"


def _no_time(raised: Raised) -> Told:
    found = re.search(r"Text '(.*?)' could not be parsed", raised.text, re.DOTALL)
    value = f"{found[1]!r} does" if found else "a value does"
    return f"{value} not have the format", "try_to_timestamp() gives NULL for such values"


def _raised_by_user(raised: Raised) -> Told:
    return raised.parameters.get("errorMessage") or clean(raised), ""


def _no_json(raised: Raised) -> Told:
    found = re.search(r"record parsing: (.*?)\.\s", raised.text + " ", re.DOTALL)
    return f"{found[1]!r} is not JSON" if found else clean(raised), ""


BY_CONDITION: Mapping[str, Callable[[Raised], Told]] = {
    "CAST_INVALID_INPUT": _no_value,
    "CAST_OVERFLOW": _no_room,
    "CAST_OVERFLOW_IN_TABLE_INSERT": _no_room,
    "NUMERIC_VALUE_OUT_OF_RANGE": _no_room,
    "ARITHMETIC_OVERFLOW": _overflow,
    "BINARY_ARITHMETIC_OVERFLOW": _overflow,
    "DIVIDE_BY_ZERO": _division,
    "REMAINDER_BY_ZERO": _division,
    "INTERVAL_DIVIDED_BY_ZERO": _division,
    "SCALAR_SUBQUERY_TOO_MANY_ROWS": _several_rows,
    "INVALID_ARRAY_INDEX": _index,
    "INVALID_ARRAY_INDEX_IN_ELEMENT_AT": _index,
    "CANNOT_PARSE_TIMESTAMP": _no_time,
    "USER_RAISED_EXCEPTION": _raised_by_user,
    "MALFORMED_RECORD_IN_PARSING": _no_json,
}
