"""The types of texts: one aggregation over all rows and columns, by the rules of the pandas engine.

Every text fits some of the types, which is a number whose bits are the types; what all texts of a column fit is the AND
of them. The first that is left is the column's type.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from odibi.engine.spark.formats.base import literal, quote, union
from odibi.engine.spark.formats.texts import Patterns, attempt
from odibi.types import DataType, parse_type

BITS = {
    "boolean": 1, "bigint": 2, "decimal(38,0)": 4, "double": 8, "date": 16, "timestamp_ntz": 32, "timestamp": 64,
}  # fmt: skip
"""The types, the first that fits."""
_WHOLE = "^ *(0|[1-9][0-9]*|-[0-9]+) *$"
_NUMBER = "^ *(?=[-.]*[0-9])(-[0-9]*|0|[1-9][0-9]*)?([.][0-9]*)?([eE][+-]?[0-9]+)? *$"
_NO_NUMBER = "^ *-?(nan|inf|infinity) *$"
_DAY = "[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}"
_TIME = "[ T][0-9]{1,2}:[0-9]{2}(:[0-9]{2}([.][0-9]+)?)?"
_ZONE = "(Z|[+-][0-9]{2}(:?[0-9]{2})?)"


def infer(frames: Sequence[Any], names: Sequence[str], options: Mapping[str, Any]) -> dict[str, DataType | None]:
    """The types of columns of texts; None for all of them where there is no row at all.

    Two jobs, as Spark's own inference runs. `sample_size` bounds the rows where it is stated.
    """
    texts = [frame.select(*map(quote, (name for name in names if name in frame.columns))) for frame in frames]
    whole = union(texts)
    if options.get("sample_size"):
        whole = whole.limit(options["sample_size"])
    found = _bits(whole, _fits("text", Patterns.of(options)))
    if not found:
        return dict.fromkeys(names)
    dates_first = bool(options.get("date_format"))
    return {name: _first(found[place] or 0, dates_first) for place, name in enumerate(whole.columns)}


def fit_stated(frames: Sequence[Any], names: Sequence[str], options: Mapping[str, Any]) -> dict[str, DataType]:
    """The columns of texts that are all dates or timestamps as the options spell them."""
    patterns = Patterns.of(options)
    tests = [
        f"CASE WHEN {attempt('text', DataType(name), patterns)} IS NOT NULL THEN {BITS[name]} ELSE 0 END"
        for name, pattern in (("date", patterns.date), ("timestamp_ntz", patterns.timestamp))
        if pattern
    ]
    whole = union([frame.select(*map(quote, names)) for frame in frames])
    found = _bits(whole, f"CASE WHEN text IS NOT NULL THEN {' | '.join(tests)} END")
    return {name: _first(bits, True) for place, name in enumerate(names) if (bits := found.get(place))}


def _bits(texts: Any, fits: str) -> dict[int, int | None]:
    """What all texts of each column, by its place, have in common; None where it has none but NULL."""
    cells = texts.selectExpr(f"posexplode(array({', '.join(map(quote, texts.columns))})) AS (place, text)")
    return dict(cells.selectExpr("place", f"{fits} AS fits").groupBy("place").agg({"fits": "bit_and"}).collect())


def _first(bits: int, dates_first: bool) -> DataType:
    if dates_first and bits & BITS["date"]:
        return DataType("date")
    return parse_type(next((name for name, bit in BITS.items() if bits & bit), "string"))


def _fits(text: str, patterns: Patterns) -> str:
    """SQL for the types that a text fits, as bits; NULL for NULL."""
    whole = (
        f"CASE WHEN try_cast({text} AS BIGINT) IS NOT NULL THEN 14 "
        f"WHEN try_cast({text} AS DECIMAL(38,0)) IS NOT NULL THEN 12 ELSE 8 END"
    )
    cases = {
        f"lower({text}) IN ('true', 'false')": "1",
        _like(text, _WHOLE): whole,
        f"({_like(text, _NUMBER)} OR {_like(f'lower({text})', _NO_NUMBER)})": "8",
        _like(text, f"^ *{_DAY} *$"): _if_valid(text, "date", 32 + 64 if patterns.date else 16 + 32 + 64, patterns),
        _like(text, f"^ *({_DAY}{_TIME}|{_DAY.replace('-', '/')}) *$"): _if_valid(
            text, "timestamp_ntz", 32 + 64, patterns
        ),
        _like(text, f"^ *{_DAY}{_TIME}{_ZONE} *$"): _if_valid(text, "timestamp", 64, patterns),
    }
    bits = "CASE " + " ".join(f"WHEN {test} THEN {value}" for test, value in cases.items()) + " ELSE 0 END"
    for pattern, name in ((patterns.date, "date"), (patterns.timestamp, "timestamp_ntz")):
        if pattern:
            stated = attempt(text, DataType(name), patterns)
            bits = f"({bits} | CASE WHEN {stated} IS NOT NULL THEN {BITS[name]} ELSE 0 END)"
    return f"CASE WHEN {text} IS NOT NULL THEN {bits} END"


def _like(text: str, pattern: str) -> str:
    return f"{text} RLIKE {literal(pattern)}"


def _if_valid(text: str, type: str, bits: int, patterns: Patterns) -> str:
    """Where timestamps are spelled otherwise, an ISO text is none, but a zoned one."""
    if patterns.timestamp:
        bits &= ~32
    return f"CASE WHEN {attempt(text, DataType(type), Patterns())} IS NOT NULL THEN {bits} ELSE 0 END"
