"""Values of samples: JSON's types only, exact, bounded, masked, without secrets."""

from __future__ import annotations

import json
import math
import uuid
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odibi.story.values import MASKED, MAX_CELL, MAX_LEAVES, Cleaner

clean = Cleaner().value


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, None),
        (True, True),
        (7, 7),
        (2**53, "9007199254740992"),
        (-(2**63), "-9223372036854775808"),
        (1.5, 1.5),
        (math.nan, "NaN"),
        (math.inf, "Infinity"),
        (-math.inf, "-Infinity"),
        (Decimal("1234567890123456789012.10"), "1234567890123456789012.10"),
        (Decimal("1E+5"), "100000"),
        (Decimal("1E+999999"), "1E+999999"),
        (Decimal("NaN"), "NaN"),
        (date(2025, 3, 1), "2025-03-01"),
        (datetime(2025, 3, 1, 12, tzinfo=UTC), "2025-03-01 12:00:00+00:00"),
        (time(1, 2, 3), "01:02:03"),
        (timedelta(seconds=90), "0:01:30"),
        (b"\x00\xff", "0x00ff"),
        (b"x" * 100, "0x" + "78" * 32 + "… (100 bytes)"),
        (uuid.UUID(int=5), "00000000-0000-0000-0000-000000000005"),
        ({"a": [1, (2, Decimal("0.10"))]}, {"a": [1, [2, "0.10"]]}),
        ({1: "x"}, {"1": "x"}),
        ("y" * 1_000, "y" * MAX_CELL + "… (1,000 characters)"),
        ("\ud800", "\\ud800"),
    ],
)
def test_a_value_is_shown_as(value, shown):
    assert clean(value) == shown


def test_missing_values_and_numbers_of_pandas_and_numpy():
    import numpy as np
    import pandas as pd

    assert [clean(pd.NA), clean(pd.NaT)] == [None, None]
    assert [clean(np.int64(5)), clean(np.float32(0.5)), clean(np.bool_(True))] == [5, 0.5, True]
    assert clean(pd.Timestamp("2025-03-01 12:00")) == "2025-03-01 12:00:00"
    assert clean({"n": np.float64("nan")}) == {"n": "NaN"}


def test_a_value_without_a_text():
    class Odd:
        def __str__(self) -> str:
            raise RuntimeError("no")

    assert clean(Odd()) == "<Odd>"


def test_nested_values_are_bounded_in_width_and_depth():
    wide = clean({"list": list(range(10_000)), "after": 1})
    assert len(wide["list"]) == MAX_LEAVES + 1
    assert wide["list"][-1] == "… (10,000 values)"
    deep: list[object] = []
    for _ in range(5_000):
        deep = [deep]
    assert len(json.dumps(clean(deep))) < 100
    broad = [[[list(range(100)) for _ in range(100)] for _ in range(100)]]
    assert len(json.dumps(clean(broad))) < 2_000


JSONABLE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.decimals() | st.datetimes(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text() | st.integers(), inner, max_size=4),
    max_leaves=20,
)


@given(JSONABLE)
def test_every_value_is_json_that_reads_back(value):
    shown = clean(value)
    assert json.loads(json.dumps(shown, allow_nan=False)) == shown
    json.dumps(shown, ensure_ascii=False).encode()


def test_masked_names_are_hidden_in_any_case_and_depth():
    cleaner = Cleaner(mask=["Email", "person.phone"])
    rows = [{"EMAIL": "a@b.c", "id": 1, "who": {"name": "x", "eMail": "a@b.c", "more": [{"PHONE": "123"}]}}]
    assert cleaner.rows(rows, ["EMAIL", "id", "who"]) == [
        [MASKED, 1, {"name": "x", "eMail": MASKED, "more": [{"PHONE": MASKED}]}]
    ]
    assert cleaner.mapping({"email": None, "id": 1}) == {"email": MASKED, "id": 1}
    assert cleaner.value([("email", "a@b.c"), ("id", 4)]) == [["email", MASKED], ["id", 4]]


@given(st.integers(0, MAX_CELL + 5), st.integers(2, 12))
def test_a_secret_is_taken_out_before_a_text_is_cut(before, length):
    secret = "KEY"[:3] * length
    shown = Cleaner(scrub=lambda text: text.replace(secret, "#")).value("." * before + secret + "." * 400)
    assert not set(shown) & set(secret)


def test_a_number_too_long_for_python_is_shown_in_part():
    assert clean(10**5000) == hex(10**5000)[:MAX_CELL] + "… (4,155 characters)"
