"""Comparing frames: what is equal, what is not, and what is told."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import narwhals as nw
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from odibi.testing import assert_frame_equal, frame, rows_of
from odibi.testing.frames import arrow_table

ROWS = [{"id": 1, "name": "a"}, {"id": 2, "name": None}]
KINDS = {
    "dicts": list,
    "pandas": frame,
    "arrow": arrow_table,
    "narwhals": lambda rows: nw.from_native(arrow_table(rows)),
    "lazy narwhals": lambda rows: nw.from_native(frame(rows)).lazy(),
}


@pytest.mark.parametrize("left", KINDS)
@pytest.mark.parametrize("right", KINDS)
def test_kinds_of_frames_compare(left: str, right: str) -> None:
    assert_frame_equal(KINDS[left](ROWS), KINDS[right](ROWS))
    with pytest.raises(AssertionError, match="1 of 2 rows differ"):
        assert_frame_equal(KINDS[left](ROWS), KINDS[right]([ROWS[0], {"id": 2, "name": "b"}]))


def differs(left: Any, right: Any, **options: Any) -> str:
    with pytest.raises(AssertionError) as caught:
        assert_frame_equal(left, right, **options)
    return str(caught.value)


def test_order_counts_when_asked_for() -> None:
    assert_frame_equal(ROWS, ROWS[::-1])
    assert_frame_equal(ROWS, ROWS, check_order=True)
    text = differs(ROWS, ROWS[::-1], check_order=True)
    assert "row 0: id is 1, expected 2; name is 'a', expected None" in text


def test_column_order_counts_when_asked_for() -> None:
    other = [{"name": "a", "id": 1}, {"name": None, "id": 2}]
    assert_frame_equal(ROWS, other)
    assert "in the order id, name; expected name, id" in differs(ROWS, other, check_column_order=True)


def test_columns_and_counts_are_told() -> None:
    text = differs([{"a": 1, "b": 1}], [{"a": 1, "c": 1}])
    assert "columns only in actual: b" in text
    assert "columns only in expected: c" in text
    text = differs([{"a": 1}, {"a": 1}], [{"a": 1}])
    assert "2 rows, expected 1" in text
    assert "+ actual   {'a': 1}" in text


def test_many_differences_are_cut() -> None:
    text = differs([{"a": n} for n in range(100)], [{"a": -n - 1} for n in range(100)])
    assert "100 of 100 rows differ (the first 10 are shown)" in text
    assert len(text.splitlines()) == 22


def test_types_count_unless_told_otherwise() -> None:
    ints, longs = frame([{"a": 1}], {"a": "int"}), frame([{"a": 1}], {"a": "bigint"})
    assert "column 'a' is int, expected bigint" in differs(ints, longs)
    assert_frame_equal(ints, longs, check_dtypes=False)
    assert_frame_equal(pd.DataFrame({"a": [1]}), longs)  # int64 and Int64
    assert_frame_equal(ints, [{"a": 1}])


def test_null_and_nan() -> None:
    null, nan = arrow_table([{"x": None}], {"x": "double"}), arrow_table([{"x": math.nan}], {"x": "double"})
    assert "rows differ" in differs(null, nan)
    assert_frame_equal(null, nan, null_kinds="any")
    cannot_tell = pd.DataFrame({"x": [math.nan]})
    assert_frame_equal(cannot_tell, null)
    assert_frame_equal(cannot_tell, nan)
    assert_frame_equal(pd.DataFrame({"x": pd.Series([pd.NaT], dtype="datetime64[us]")}), [{"x": None}])
    assert_frame_equal(pd.DataFrame({"x": pd.Series([None, "a"], dtype="str")}), [{"x": None}, {"x": "a"}])
    assert "rows differ" in differs([{"x": None}], [{"x": 0}], null_kinds="any")


def test_floats_are_close() -> None:
    assert_frame_equal(
        [{"x": 0.1 + 0.2, "k": "b"}, {"x": 0.3, "k": "a"}], [{"x": 0.3, "k": "b"}, {"x": 0.1 + 0.2, "k": "a"}]
    )
    differs([{"x": 1.0}], [{"x": 1.01}])
    assert_frame_equal([{"x": 1.0}], [{"x": 1.01}], rtol=0.1)
    assert_frame_equal([{"x": 1.0}], [{"x": 1.01}], atol=0.02)
    differs([{"x": 2**53 + 1}], [{"x": 2**53}])


def test_values_of_other_kinds_differ() -> None:
    for one, other in [(True, 1), ("1", 1), (date(2024, 1, 1), "2024-01-01"), (b"a", "a"), ([1], [1, 2]), ([], None)]:
        differs([{"x": one}], [{"x": other}])


def test_nested_values_and_moments() -> None:
    utc = datetime(2024, 1, 1, 12, tzinfo=UTC)
    other = datetime(2024, 1, 1, 13, tzinfo=timezone(timedelta(hours=1)))
    assert_frame_equal([{"t": utc, "s": {"a": [0.1 + 0.2, None]}}], [{"t": other, "s": {"a": [0.3, None]}}])
    differs([{"t": utc}], [{"t": utc.replace(tzinfo=None)}])
    maps = pa.table({"m": pa.array([[("k", 1.0)]], pa.map_(pa.string(), pa.float64()))})
    assert_frame_equal(maps, [{"m": {"k": 1.0}}])
    assert_frame_equal([{"d": Decimal("1.10")}], [{"d": Decimal("1.1")}])


def test_what_is_no_frame_is_told() -> None:
    for data in (5, [1], object()):
        with pytest.raises(TypeError, match=r"no frame|holds dicts"):
            assert_frame_equal(data, [])


VALUES = (
    st.none() | st.integers(-3, 3) | st.sampled_from(["", "a"]) | st.booleans() | st.sampled_from([0.5, math.nan, -0.0])
)


@given(st.lists(st.fixed_dictionaries({"a": VALUES, "b": VALUES}), max_size=8), st.randoms())
def test_a_shuffled_frame_is_equal_and_a_changed_one_is_not(rows: list[dict[str, Any]], chance: Any) -> None:
    shuffled = chance.sample(rows, len(rows))
    assert_frame_equal(shuffled, rows)
    if rows:
        assert "rows" in differs([*shuffled[1:], {"a": "other", "b": 1}], rows)


def test_rows_of_gives_plain_values() -> None:
    rows = [{"i": 2**53 + 1, "d": Decimal("1.50"), "t": datetime(2024, 1, 1, tzinfo=UTC), "l": [1, 2], "f": None}]
    types = {"i": "bigint", "d": "decimal(5,2)", "t": "timestamp", "l": "array<bigint>", "f": "double"}
    assert rows_of(frame(rows, types)) == rows
