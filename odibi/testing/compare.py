"""Comparing frames of any kind: what differs is shown, not only that something does."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Literal

NullKinds = Literal["same", "any"]
SHOWN = 10
"""Differing rows that a message shows."""


class _Ambiguous:
    """What is missing in a pandas column of floats: NULL or NaN, the column can not tell."""

    def __repr__(self) -> str:
        return "NULL/NaN"


AMBIGUOUS = _Ambiguous()


@dataclass(frozen=True)
class Content:
    """A frame as plain data. `types` has a column's type where it is known; `rows` are in order."""

    names: Sequence[str]
    types: Mapping[str, str]
    rows: list[tuple[Any, ...]]


def assert_frame_equal(
    actual: Any,
    expected: Any,
    *,
    check_order: bool = False,
    check_dtypes: bool = True,
    check_column_order: bool = False,
    null_kinds: NullKinds = "same",
    rtol: float = 1e-9,
    atol: float = 0.0,
) -> None:
    """Raise `AssertionError`, which shows the rows that differ, unless both frames hold the same.

    Each side is a pandas, Arrow, polars, Spark or narwhals frame, or a list of dicts (whose values have no declared
    types: there only values are compared). Order of rows and of columns counts only when asked for. `check_dtypes`
    compares the types by their names in project files, so `int64` and `Int64` are both bigint. `null_kinds="same"`
    tells NULL from NaN wherever a frame can; `"any"` takes both for missing. Floats are equal within `rtol` (relative)
    or `atol` (absolute).

    >>> assert_frame_equal([{"a": 1, "b": 0.1 + 0.2}, {"a": 2}], [{"b": None, "a": 2}, {"b": 0.3, "a": 1}])
    >>> assert_frame_equal([{"a": 1}, {"a": 2}], [{"a": 1}, {"a": 3}])
    Traceback (most recent call last):
    AssertionError: frames differ
      1 of 2 rows differ
      - expected {'a': 3}
      + actual   {'a': 2}
    """
    __tracebackhide__ = True
    left, right = content_of(actual), content_of(expected)
    problems = _names(left, right, check_column_order)
    if not problems:
        left = _arranged(left, right.names)
        same = _sameness(null_kinds, rtol, atol)
        problems = [*(_types(left, right) if check_dtypes else ()), *_rows(left, right, same, check_order)]
    if problems:
        raise AssertionError("\n  ".join(["frames differ", *problems]))


def content_of(data: Any) -> Content:
    """The content of a frame. Raises `TypeError` for what is none."""
    if isinstance(data, Sequence) and not isinstance(data, str):
        return _of_dicts(data)
    package, kind = type(data).__module__.partition(".")[0], type(data).__name__
    if (package, kind) == ("pandas", "DataFrame"):
        return _of_pandas(data)
    if (package, kind) == ("pyarrow", "Table"):
        return _of_arrow(data)
    if package == "pyspark" and hasattr(data, "toArrow"):
        return _of_arrow(data.toArrow())
    return _of_narwhals(data)


# -- into plain data ---------------------------------------------------------------------------------------------------


def _of_dicts(rows: Sequence[Mapping[str, Any]]) -> Content:
    if not all(isinstance(row, Mapping) for row in rows):
        raise TypeError("a list of rows holds dicts: [{'id': 1}, {'id': 2}]")
    names = list(dict.fromkeys(name for row in rows for name in row))
    return Content(names, {}, [tuple(_plain(row.get(name)) for name in names) for row in rows])


def _of_arrow(table: Any) -> Content:
    from odibi.testing.frames import type_name

    types = {field.name: name for field in table.schema if (name := type_name(field.type)) is not None}
    columns = [[_plain(value) for value in column.to_pylist()] for column in table.columns]
    return Content(table.column_names, types, _transposed(columns, table.num_rows))


def _of_pandas(data: Any) -> Content:
    columns, types = [], {}
    for place, name in enumerate(data.columns):
        values, kind = _pandas_column(data.iloc[:, place])
        columns.append(values)
        if kind is not None:
            types[str(name)] = kind
    return Content([str(name) for name in data.columns], types, _transposed(columns, len(data)))


def _pandas_column(series: Any) -> tuple[list[Any], str | None]:
    """Values and type of a pandas column. Arrow tells the type, also of objects; the values are taken as they are."""
    import numpy as np
    import pandas as pd
    import pyarrow as pa

    from odibi.testing.frames import type_name

    floats = isinstance(series.dtype, np.dtype) and series.dtype.kind == "f"
    values = [_plain(value) for value in series.astype(object)]
    if floats:
        values = [AMBIGUOUS if value is None or value != value else value for value in values]
    elif series.dtype != object and not pd.api.types.is_float_dtype(series.dtype):
        values = [None if value is None or value != value else value for value in values]
    if series.dtype == object and not any(value is not None for value in values):
        return values, None
    try:
        return values, type_name(pa.array(series, from_pandas=True).type)
    except (pa.ArrowException, TypeError, ValueError):
        return values, str(series.dtype)


def _of_narwhals(data: Any) -> Content:
    import narwhals as nw

    try:
        given = data if isinstance(data, nw.DataFrame | nw.LazyFrame) else nw.from_native(data)
    except TypeError:
        raise TypeError(f"a {type(data).__name__} is no frame and no list of dicts") from None
    native = nw.to_native(given)
    if native is not data and type(native).__module__.partition(".")[0] in ("pandas", "pyarrow", "pyspark"):
        return content_of(native)
    eager = given.collect("pyarrow") if isinstance(given, nw.LazyFrame) else given
    return _of_arrow(eager.to_arrow())


def _transposed(columns: Sequence[Sequence[Any]], rows: int) -> list[tuple[Any, ...]]:
    return list(zip(*columns, strict=True)) if columns else [()] * rows


def _plain(value: Any) -> Any:
    """A value without the wrapping of a library: numpy numbers, pandas timestamps and missing values, nested ones."""
    kind = type(value)
    if value is None or kind in (bool, int, float, str, bytes, Decimal):
        return value
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    module = kind.__module__.partition(".")[0]
    if module == "pandas":
        return _of_pandas_value(value)
    if module == "numpy":
        plain = value.tolist()
        return [_plain(inner) for inner in plain] if isinstance(plain, list) else plain
    if isinstance(value, datetime):
        return value if value.tzinfo is None else value.astimezone(UTC)
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    return value


def _of_pandas_value(value: Any) -> Any:
    if not hasattr(value, "to_pydatetime") or type(value).__name__ == "NaTType":
        return None if type(value).__name__ in ("NAType", "NaTType") else value
    return _plain(value.to_pydatetime(warn=False) if type(value).__name__ == "Timestamp" else value)


# -- comparison --------------------------------------------------------------------------------------------------------

Same = Callable[[Any, Any], bool]


def _names(left: Content, right: Content, in_order: bool) -> list[str]:
    if not right.rows and not right.names and not left.rows:
        return []  # an empty list says nothing of columns
    if not left.rows and not left.names and not right.rows:
        return []
    extra = [name for name in left.names if name not in right.names]
    lacking = [name for name in right.names if name not in left.names]
    found = [f"columns only in actual: {', '.join(extra)}"] if extra else []
    found += [f"columns only in expected: {', '.join(lacking)}"] if lacking else []
    if not found and in_order and list(left.names) != list(right.names):
        found.append(f"columns are in the order {', '.join(left.names)}; expected {', '.join(right.names)}")
    return found


def _arranged(content: Content, names: Sequence[str]) -> Content:
    """The content with its columns in another order."""
    if list(content.names) == list(names) or not content.names or not names:
        return content
    places = [list(content.names).index(name) for name in names]
    return Content(names, content.types, [tuple(row[place] for place in places) for row in content.rows])


def _types(left: Content, right: Content) -> list[str]:
    return [
        f"column {name!r} is {left.types[name]}, expected {right.types[name]}"
        for name in right.types
        if name in left.types and left.types[name] != right.types[name]
    ]


def _rows(left: Content, right: Content, same: Same, in_order: bool) -> list[str]:
    def equal(one: tuple[Any, ...], other: tuple[Any, ...]) -> bool:
        return all(map(same, one, other))

    found = [] if len(left.rows) == len(right.rows) else [f"{len(left.rows)} rows, expected {len(right.rows)}"]
    if in_order:
        pairs = zip(left.rows, right.rows, strict=False)
        wrong = [(number, one, other) for number, (one, other) in enumerate(pairs) if not equal(one, other)]
        return [*found, *_told_in_order(wrong, right.names, same)]
    return [*found, *_told(*_unmatched(left.rows, right.rows, equal), len(right.rows), right.names)]


def _unmatched(
    left: Iterable[tuple[Any, ...]], right: Iterable[tuple[Any, ...]], equal: Callable[..., bool]
) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    """The rows of each side without an equal one on the other: merged in sorted order, then tried one by one, since
    numbers that are only nearly equal may sort apart."""
    mine, theirs = sorted(left, key=_sort_key), sorted(right, key=_sort_key)
    rest_mine, rest_theirs = [], []
    while mine and theirs:
        one, other = mine[-1], theirs[-1]
        if equal(one, other):
            mine.pop()
            theirs.pop()
        elif _sort_key(one) >= _sort_key(other):
            rest_mine.append(mine.pop())
        else:
            rest_theirs.append(theirs.pop())
    return _tried_singly([*rest_mine, *mine], [*rest_theirs, *theirs], equal)


def _tried_singly(
    mine: list[tuple[Any, ...]], theirs: list[tuple[Any, ...]], equal: Callable[..., bool]
) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    alone = []
    for one in mine:
        match = next((place for place, other in enumerate(theirs[:1000]) if equal(one, other)), None)
        if match is None:
            alone.append(one)
        else:
            theirs.pop(match)
    return alone, theirs


def _sort_key(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """Exact values first: numbers that are nearly equal must not decide the order of what is exact."""
    exact = tuple(_key(value) for value in row if not isinstance(value, float))
    return exact, tuple(_key(value) for value in row if isinstance(value, float))


def _key(value: Any) -> tuple[Any, ...]:
    if value is None or value is AMBIGUOUS or value != value:
        return (0, "", 0)
    if isinstance(value, (bool, int, float, Decimal)):
        return (1, "", value)
    return (2, type(value).__name__, repr(value))


def _sameness(null_kinds: NullKinds, rtol: float, atol: float) -> Same:
    def same(one: Any, other: Any) -> bool:
        missing = _missing(one), _missing(other)
        if any(missing):
            return _both_missing(missing) if null_kinds == "same" else all(missing)
        if isinstance(one, bool) or isinstance(other, bool):
            return one is other
        if isinstance(one, float) or isinstance(other, float):
            return _close(one, other, rtol, atol)
        if isinstance(one, dict) and isinstance(other, dict):
            return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
        if isinstance(one, list | dict) and isinstance(other, list | dict):
            mine, theirs = _entries(one), _entries(other)
            return len(mine) == len(theirs) and all(map(same, mine, theirs))
        return bool(one == other)

    return same


def _missing(value: Any) -> str:
    """The kind of a missing value, empty for one that is there."""
    if value is None:
        return "null"
    if value is AMBIGUOUS:
        return "null or nan"
    return "nan" if isinstance(value, float) and math.isnan(value) else ""


def _both_missing(kinds: tuple[str, str]) -> bool:
    one, other = kinds
    return bool(one and other) and (one in other or other in one)


def _close(one: Any, other: Any, rtol: float, atol: float) -> bool:
    try:
        return math.isclose(float(one), float(other), rel_tol=rtol, abs_tol=atol)
    except (TypeError, ValueError):
        return False


def _entries(value: list[Any] | dict[Any, Any]) -> list[Any]:
    """A list as it is, a map as its entries: Arrow gives a map as a list of pairs, others as a dict."""
    return [list(entry) for entry in value.items()] if isinstance(value, dict) else value


# -- the message -------------------------------------------------------------------------------------------------------


def _told(
    mine: Sequence[tuple[Any, ...]], theirs: Sequence[tuple[Any, ...]], rows: int, names: Sequence[str]
) -> list[str]:
    if not mine and not theirs:
        return []
    count = max(len(mine), len(theirs))
    shown = f" (the first {SHOWN} are shown)" if count > SHOWN else ""
    lines = [f"{count} of {max(rows, count)} rows differ{shown}"]
    lines += [f"- expected {_row(row, names)}" for row in sorted(theirs, key=_sort_key)[:SHOWN]]
    return lines + [f"+ actual   {_row(row, names)}" for row in sorted(mine, key=_sort_key)[:SHOWN]]


def _told_in_order(
    wrong: Sequence[tuple[int, tuple[Any, ...], tuple[Any, ...]]], names: Sequence[str], same: Same
) -> list[str]:
    lines = [f"{len(wrong)} rows differ" + (f" (the first {SHOWN} are shown)" if len(wrong) > SHOWN else "")]
    for number, one, other in wrong[:SHOWN]:
        cells = [
            f"{name} is {mine!r}, expected {theirs!r}"
            for name, mine, theirs in zip(names, one, other, strict=True)
            if not same(mine, theirs)
        ]
        lines.append(f"row {number}: {'; '.join(cells)}")
    return lines if wrong else []


def _row(row: tuple[Any, ...], names: Sequence[str]) -> str:
    return repr(dict(zip(names, row, strict=True)))
