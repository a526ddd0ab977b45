"""The statistics of written files: exact, and never such that a reader skips a file that it needs."""

from __future__ import annotations

import json

import pytest

from odibi.engine.pandas.delta.stats import bounds, iso_time
from odibi.types import parse_type


def stats(lake, name="t"):
    text = (lake.path(name) / "_delta_log" / f"{0:020}.json").read_text(encoding="utf-8")
    adds = [json.loads(line)["add"] for line in text.splitlines() if line.startswith('{"add"')]
    return [json.loads(add["stats"], parse_float=str) for add in adds]


def test_statistics_have_deltas_types(lake):
    lake.write("""
        SELECT 9007199254740993 + i AS big, 1.5 + i AS price, DATE '2024-01-01' + i::INT AS day, 'a' || i AS text,
          TIMESTAMPTZ '2024-01-01 00:00:00.5+01' AS at, TIMESTAMP '2024-01-01 00:00:00.000001' AS local, i::DOUBLE AS d,
          CASE WHEN i = 1 THEN 'nan' ELSE '1' END::DOUBLE AS nan,
          CASE WHEN i = 1 THEN 'inf' ELSE '1' END::DOUBLE AS inf,
          'x'::BLOB AS bytes, i = 1 AS flag, [i] AS list, NULL::INT AS nothing
        FROM range(2) AS t(i)
    """)
    (found,) = stats(lake)
    assert found["numRecords"] == 2
    assert found["minValues"] == {
        "big": 9007199254740993, "price": "1.5", "day": "2024-01-01", "text": "a0", "at": "2023-12-31T23:00:00.500000Z",
        "local": "2024-01-01T00:00:00.000001", "d": "-0.0",
    }  # fmt: skip
    assert found["maxValues"]["price"] == "2.5"
    names = ["big", "price", "day", "text", "at", "local", "d", "nan", "inf", "bytes", "flag"]
    assert found["nullCount"] == dict.fromkeys(names, 0) | {"nothing": 2}


def test_long_texts_are_cut_to_bounds_that_hold(lake):
    lake.write("SELECT repeat('é', 40) AS v UNION ALL SELECT repeat('ü', 40)")
    (found,) = stats(lake)
    assert found["minValues"]["v"] == "é" * 32
    assert found["maxValues"]["v"] == "ü" * 32 + "\U0010ffff"


def test_statistics_are_kept_for_the_first_columns(lake):
    lake.write(f"SELECT {{'a': 1, 'b': 2}} AS s, {', '.join(f'{i} AS c{i}' for i in range(50))}")
    (found,) = stats(lake)
    assert len(found["minValues"]) == 30


VALUES = {
    "bigint": ["9007199254740993", "9007199254740992", "-9223372036854775808"],
    "double": ["0.0", "-0.0", "1e300", "-1e-300", "'inf'::DOUBLE", "'nan'::DOUBLE"],
    "decimal(38,10)": ["1234567890123456789012345678.0123456789", "-0.0000000001"],
    "date": ["'0001-01-01'", "'9999-12-31'", "'1969-12-31'"],
    "timestamp": ["'1500-01-01 00:00:00.000001+00'", "'2024-01-01 00:00:00.999999+00'"],
    "timestamp_ntz": ["'1969-12-31 23:59:59.999999'", "'2024-01-01 00:00:00'"],
    "string": ["''", "'" + "x" * 31 + "'", "'" + "x" * 40 + "'", "'é" + chr(0x10FFFF) * 40 + "'", "'a''b\n'"],
}


@pytest.mark.parametrize("type", list(VALUES))
def test_no_value_is_skipped_by_either_reader(lake, type):
    from deltalake import DeltaTable, QueryBuilder

    from odibi.engine.pandas.types import duckdb_type

    native = duckdb_type(parse_type(type))
    for value in VALUES[type]:
        lake.write(f"SELECT CAST({value} AS {native}) AS v", mode="append")
    for value in VALUES[type]:
        literal = f"CAST({value} AS {native})"
        ((text,),) = lake.session.execute(f"SELECT CAST({literal} AS VARCHAR)")
        equal = [other for other in VALUES[type] if same(lake, f"CAST({other} AS {native})", literal)]
        assert len(lake.rows(filters=[["v", "=", text]])) == len(equal)
        if type in ("bigint", "string"):
            query = QueryBuilder().register("t", DeltaTable(str(lake.path())))
            assert query.execute(f"SELECT count(*) FROM t WHERE v = {value}").read_all().column(0).to_pylist() == [1]


def same(lake, left, right):
    return lake.session.execute(f"SELECT {left} = {right}") == [(True,)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("2024-01-01 00:00:00+00", "2024-01-01T00:00:00.000000Z"),
        ("infinity", None),
        ("0044-03-15 (BC) 10:00:00+00", None),
        ("12024-01-01 00:00:00+00", None),
    ],
)
def test_times_outside_the_years_1_to_9999_have_no_bounds(text, said):
    assert iso_time(text, parse_type("timestamp")) == said


def test_inexact_bounds_are_left_out():
    assert bounds({"min": "1", "max": "2", "max_is_exact": "false"}, parse_type("int")) == (None, None)
