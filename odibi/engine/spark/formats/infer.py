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
_NEITHER = "ascii({text}) NOT BETWEEN 45 AND 57 AND ascii({text}) NOT IN (32, 70, 73, 78, 84, 102, 105, 110, 116)"
"""That a text begins neither as a number or date (or with a space) nor as true, false, nan or inf: that is quick."""
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
    stated = [name for name, said in (("date", patterns.date), ("timestamp_ntz", patterns.timestamp)) if said]

    tests = (
        f"CASE WHEN {attempt('text', DataType(name), patterns)} IS NOT NULL THEN {BITS[name]} ELSE 0 END"
        for name in stated
    )
    whole = union([frame.select(*map(quote, names)) for frame in frames])
    found = _bits(whole, f"CASE WHEN text IS NOT NULL THEN {' | '.join(tests)} END")
    return {name: _first(bits, True) for place, name in enumerate(names) if (bits := found.get(place))}


def _bits(texts: Any, fits: str) -> dict[int, int | None]:
    """What all texts of each column, by its place, have in common, by the SQL `fits` for one `text`; None where it has
    none but NULL, nothing where there is no row. Each cell becomes a row: the plan is as small for many columns, and
    small enough for the JVM to compile."""
    cells = texts.selectExpr(f"posexplode(array({', '.join(map(quote, texts.columns))})) AS (place, text)")
    return dict(cells.selectExpr("place", f"{fits} AS fits").groupBy("place").agg({"fits": "bit_and"}).collect())


def _first(bits: int, dates_first: bool) -> DataType:
    if dates_first and bits & BITS["date"]:
        return DataType("date")
    return parse_type(next((name for name, bit in BITS.items() if bits & bit), "string"))


def _fits(text: str, patterns: Patterns) -> str:
    """SQL for the types that a text fits, as bits; NULL for NULL. What is quick to tell comes first."""
    whole = (
        f"CASE WHEN try_cast({text} AS BIGINT) IS NOT NULL THEN 14 "
        f"WHEN try_cast({text} AS DECIMAL(38,0)) IS NOT NULL THEN 12 ELSE 8 END"
    )
    bits = _cases({
        _NEITHER.format(text=text): "0",
        _like(text, _WHOLE): whole,
        _like(text, "^ *[0-9]{4}[-/]"): _moment(text, patterns),
        _like(text, _NUMBER): "8",
        f"lower({text}) IN ('true', 'false')": "1",
        _like(f"lower({text})", _NO_NUMBER): "8",
    })  # fmt: skip
    for pattern, name in ((patterns.date, "date"), (patterns.timestamp, "timestamp_ntz")):
        if pattern:
            stated = attempt(text, DataType(name), patterns)
            bits = f"({bits} | CASE WHEN {stated} IS NOT NULL THEN {BITS[name]} ELSE 0 END)"
    return f"CASE WHEN {text} IS NOT NULL THEN {bits} END"


def _moment(text: str, patterns: Patterns) -> str:
    """The bits of a date or timestamp in ISO 8601. Where these are spelled otherwise, such a text is none but zoned."""
    zoneless = 0 if patterns.timestamp else BITS["timestamp_ntz"]
    day = 0 if patterns.date else BITS["date"]
    zoned = BITS["timestamp"]
    return _cases({
        _like(text, f"^ *{_DAY} *$"): _if_valid(text, "DATE", day | zoneless | zoned),
        _like(text, f"^ *{_DAY}{_TIME} *$"): _if_valid(text, "TIMESTAMP_NTZ", zoneless | zoned),
        _like(text, f"^ *{_DAY}{_TIME}{_ZONE} *$"): _if_valid(text, "TIMESTAMP", zoned),
        _like(text, f"^ *{_DAY.replace('-', '/')} *$"): _if_valid(
            f"replace({text}, '/', '-')", "DATE", zoneless | zoned
        ),
    })  # fmt: skip


def _cases(cases: Mapping[str, str]) -> str:
    return "CASE " + " ".join(f"WHEN {test} THEN {value}" for test, value in cases.items()) + " ELSE 0 END"


def _like(text: str, pattern: str) -> str:
    return f"{text} RLIKE {literal(pattern)}"


def _if_valid(text: str, type: str, bits: int) -> str:
    return f"CASE WHEN try_cast({text} AS {type}) IS NOT NULL THEN {bits} ELSE 0 END"
