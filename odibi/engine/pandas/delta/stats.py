"""What DuckDB says of the files it wrote, as the statistics of Delta's `add` actions."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from odibi.engine.pandas.session import quote
from odibi.errors import DataError
from odibi.types import Column, DataType

INDEXED_COLUMNS = 32
"""Delta's default of `delta.dataSkippingNumIndexedCols`: statistics are kept for the first leaf columns."""
TEXT_LENGTH = 32
_NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][-+]?\d+)?")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_TIME = re.compile(r"(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)(?:\.(\d{1,6}))?(?:\+00)?")
_LAST = "\U0010ffff"


@dataclass(frozen=True)
class WrittenFile:
    """A Parquet file that COPY wrote: `path` is DuckDB's, `partition` has DuckDB's texts, `stats` are by quoted column.
    `blanks` are partition columns whose value was the empty text."""

    path: str
    rows: int
    size: int
    stats: Mapping[str, Mapping[str, str]]
    partition: Mapping[str, str | None]
    blanks: tuple[str, ...] = ()


def add_stats(file: WrittenFile, columns: Sequence[Column], limit: int = INDEXED_COLUMNS) -> str:
    """The `stats` JSON of a file: rows, and bounds and NULLs of the first `limit` leaf columns that are not nested.

    Bounds are left out where they could mislead: NaN or infinite floats, booleans, binary, years outside 1 to 9999.
    """
    lows, highs, nulls = [], [], []
    for column in _indexed(columns, limit):
        found = file.stats.get(quote(column.name))
        if found is None or column.type is None:
            continue
        name = json.dumps(column.name)
        if "null_count" in found:
            nulls.append(f"{name}:{int(found['null_count'])}")
        low, high = bounds(found, column.type)
        if low is not None and high is not None:
            lows.append(f"{name}:{low}")
            highs.append(f"{name}:{high}")
    parts = [f'"{key}":{{{",".join(pairs)}}}' for key, pairs in _named(lows, highs, nulls)]
    return "{" + ",".join([f'"numRecords":{file.rows}', *parts]) + "}"


def refuse_odd_dates(files: Sequence[WrittenFile], columns: Sequence[Column], place: str) -> None:
    """Raises `DataError` for dates and timestamps that readers of Delta do not take: infinite ones, and years outside 1
    to 9999. The bounds of each file tell without a look at the rows."""
    for column in columns:
        if column.type is None or column.type.name not in ("date", "timestamp", "timestamp_ntz"):
            continue
        whole = _DATE if column.type.name == "date" else _TIME
        for file in files:
            found = file.stats.get(quote(column.name), {})
            told = [found.get("min"), found.get("max"), file.partition.get(column.name)]
            odd = [text for text in told if text is not None and not whole.fullmatch(text)]
            if odd:
                raise DataError(
                    f"column {column.name!r} holds {odd[0]!r}, which is no {column.type} that {place} can keep: "
                    "years are 1 to 9999; replace it, with NULL for instance, before the write"
                )


def null_counts(files: Sequence[WrittenFile]) -> dict[str, int]:
    """NULLs by column over all files, for the columns that are not nested and that every file counted."""
    found: dict[str, int] = {}
    names = files[0].stats if files else {}
    nested = {quoted.partition('"."')[0].strip('"') for quoted in names if '"."' in quoted}
    for quoted in names:
        if '"."' in quoted or quoted.strip('"') in nested:
            continue
        counts = [file.stats.get(quoted, {}).get("null_count") for file in files]
        if all(count is not None for count in counts):
            found[quoted[1:-1].replace('""', '"')] = sum(int(count or 0) for count in counts)
    return found


def _named(lows: list[str], highs: list[str], nulls: list[str]) -> list[tuple[str, list[str]]]:
    return [("minValues", lows), ("maxValues", highs), ("nullCount", nulls)]


def _indexed(columns: Sequence[Column], limit: int) -> Sequence[Column]:
    """Columns that are not nested, among the first `limit` leaves (-1: all)."""
    found, leaves = [], 0
    for column in columns:
        if 0 <= limit <= leaves:
            break
        assert column.type is not None, "a written column has a type"
        leaves += _leaves(column.type)
        if not column.type.children:
            found.append(column)
    return found


def _leaves(type: DataType) -> int:
    return sum(map(_leaves, type.children)) if type.children else 1


def bounds(found: Mapping[str, str], type: DataType) -> tuple[str | None, str | None]:
    """Least and greatest value as JSON texts, None where they are not known exactly."""
    if "min" not in found or "max" not in found or found.get("has_nan", "false") != "false":
        return None, None
    if found.get("min_is_exact", "true") != "true" or found.get("max_is_exact", "true") != "true":
        return None, None
    if type.name in ("float", "double"):
        return _float(found["min"], "-0.0"), _float(found["max"], "0.0")
    if type.name == "string":
        return json.dumps(found["min"][:TEXT_LENGTH]), _longest(found["max"])
    return _bound(found["min"], type), _bound(found["max"], type)


def _float(text: str, zero: str) -> str | None:
    """A finite float; -0.0 is the least and 0.0 the greatest of the zeros, which some readers tell apart."""
    if not _NUMBER.fullmatch(text):
        return None
    return zero if float(text) == 0 else text


def _longest(text: str) -> str | None:
    if len(text) <= TEXT_LENGTH:
        return json.dumps(text)
    return json.dumps(text[:TEXT_LENGTH] + _LAST) if text[TEXT_LENGTH] < _LAST else None


def _bound(text: str, type: DataType) -> str | None:
    if type.is_integer or type.name == "decimal":
        return text if _NUMBER.fullmatch(text) else None
    if type.name == "date":
        return f'"{text}"' if _DATE.fullmatch(text) else None
    if type.name in ("timestamp", "timestamp_ntz"):
        found = iso_time(text, type)
        return f'"{found}"' if found else None
    return None


def iso_time(text: str, type: DataType) -> str | None:
    """DuckDB's text of a time as ISO 8601, with `Z` where the type has a zone; None outside the years 1 to 9999.

    >>> iso_time("2020-01-01 10:00:00.5+00", DataType("timestamp"))
    '2020-01-01T10:00:00.500000Z'
    """
    found = _TIME.fullmatch(text)
    if found is None:
        return None
    return f"{found[1]}T{found[2]}.{(found[3] or '').ljust(6, '0')}" + ("Z" if type.name == "timestamp" else "")
