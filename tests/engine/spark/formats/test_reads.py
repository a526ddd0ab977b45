"""What reading costs, and the types of Parquet that Spark does not have."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from odibi.connections import LocalConnection
from odibi.engine import SparkEngine
from odibi.engine.base import Source
from odibi.errors import DataError
from odibi.testing import counted_jobs
from odibi.types import parse_type


def scan(engine: SparkEngine, folder: Path, path: str, format: str, schema: Any = None, **options: Any) -> Any:
    types = {name: parse_type(type) for name, type in (schema or {}).items()}
    return engine.scan(Source(LocalConnection(folder, name="raw"), path, format, options, types))


@pytest.mark.jvm
def test_with_declared_types_reading_starts_no_job(spark: Any, engine: SparkEngine, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a,b\n1,x\n")
    (tmp_path / "a.jsonl").write_text('{"a": 1, "b": "x"}\n')
    pq.write_table(pa.table({"a": [1], "b": ["x"]}), tmp_path / "a.parquet")
    with counted_jobs(spark) as work:
        for path, format in (("a.csv", "csv"), ("a.jsonl", "json"), ("a.parquet", "parquet")):
            frame = scan(engine, tmp_path, path, format, {"a": "int", "b": "string"})
            assert [column.type_name for column in frame.columns] == ["int", "string"]
        scan(engine, tmp_path, "a.parquet", "parquet")
    assert work.jobs == []


@pytest.mark.jvm
def test_types_cost_what_sparks_own_inference_costs(spark: Any, engine: SparkEngine, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    for number in range(3):
        (tmp_path / "d" / f"{number}.csv").write_text("a,b\n" + "1,x\n" * 100)
    with counted_jobs(spark) as own:
        spark.read.csv(str(tmp_path / "d"), header=True, inferSchema=True)
    with counted_jobs(spark) as work:
        frame = scan(engine, tmp_path, "d", "csv")
    assert [column.type_name for column in frame.columns] == ["bigint", "string"]
    assert 0 < len(work.jobs) <= len(own.jobs), f"{work}\n{own}"


def test_all_rows_tell_the_type(engine: SparkEngine, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a,b\n" + "1,2\n" * 30_000 + "x,3\n")
    assert [column.type_name for column in scan(engine, tmp_path, "a.csv", "csv").columns] == ["string", "bigint"]
    bounded = scan(engine, tmp_path, "a.csv", "csv", sample_size=100)
    assert [column.type_name for column in bounded.columns] == ["bigint", "bigint"]


def test_lines_that_are_broken_in_quotes_are_told(engine: SparkEngine, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('a,b\n1,"x\ny"\n2,z\n')
    with pytest.raises(DataError, match=r"raw:a.csv: fields in quotes hold line breaks; set multiline: true"):
        scan(engine, tmp_path, "a.csv", "csv")
    for end in ('1,"x\n2,y"\n', '1,"x\n2,y\n', '1,"x'):  # parts of the right width, and what nobody closes
        (tmp_path / "c.csv").write_text(f"a,b\n{end}")
        with pytest.raises(DataError, match=r"raw:c.csv: .*set multiline: true, or close the quote"):
            scan(engine, tmp_path, "c.csv", "csv")
    (tmp_path / "b.csv").write_text("a,b\n" + "1,x\n" * 30_000 + '1,"x\ny"\n')
    with pytest.raises(DataError, match=r"raw:b.csv, line 3000[23]: .*multiline: true"):
        scan(engine, tmp_path, "b.csv", "csv")


def test_a_row_of_another_width_is_told_where_its_columns_are_not_used(engine: SparkEngine, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a,b,c\n1,2,3\n4,5\n")
    frame = scan(engine, tmp_path, "a.csv", "csv", {"a": "int", "b": "int", "c": "int"}, columns=("a",))
    with pytest.raises(DataError, match=r"raw:a.csv, line 3: expected 3 columns, found 2: '4,5'; repair the line"):
        engine.narwhals(frame, lazy=False)


def test_parquet_that_spark_has_no_types_for(engine: SparkEngine, tmp_path: Path) -> None:
    moment = 1_700_000_000_123_456_789
    table = pa.table({
        "u8": pa.array([200], pa.uint8()), "u32": pa.array([2**32 - 1], pa.uint32()),
        "u64": pa.array([2**64 - 1], pa.uint64()), "ns": pa.array([moment], pa.timestamp("ns")),
        "old": pa.array([-1], pa.timestamp("ns")), "zoned": pa.array([moment], pa.timestamp("ns", "UTC")),
        "word": pa.array(["a"]).dictionary_encode(), "list": pa.array([[1]], pa.list_(pa.uint16())),
        "tree": pa.array([{"a": 1}], pa.struct([("a", pa.uint32())])), "d": pa.array([Decimal("1.50")]),
    })  # fmt: skip
    pq.write_table(table, tmp_path / "a.parquet")
    frame = scan(engine, tmp_path, "a.parquet", "parquet")
    assert {column.name: column.type_name for column in frame.columns} == {
        "u8": "smallint", "u32": "bigint", "u64": "decimal(20,0)", "ns": "timestamp_ntz", "old": "timestamp_ntz",
        "zoned": "timestamp", "word": "string", "list": "array<int>", "tree": "struct<a:bigint>", "d": "decimal(3,2)",
    }  # fmt: skip
    (row,) = engine.narwhals(frame, lazy=False).to_arrow().to_pylist()
    assert row["ns"] == row["zoned"].replace(tzinfo=None) == dt.datetime(2023, 11, 14, 22, 13, 20, 123456)  # noqa: DTZ001
    assert row["old"] == dt.datetime(1969, 12, 31, 23, 59, 59, 999999)  # noqa: DTZ001
    assert (row["u8"], row["u32"], row["u64"], row["tree"]) == (200, 2**32 - 1, 2**64 - 1, {"a": 2**0})


def test_int96_is_an_instant(engine: SparkEngine, tmp_path: Path) -> None:
    table = pa.table({"t": pa.array([dt.datetime(2024, 1, 2)])})  # noqa: DTZ001
    pq.write_table(table, tmp_path / "a.parquet", use_deprecated_int96_timestamps=True)
    assert scan(engine, tmp_path, "a.parquet", "parquet").columns[0].type_name == "timestamp"


def test_a_time_of_day_in_parquet_is_told(engine: SparkEngine, tmp_path: Path) -> None:
    pq.write_table(pa.table({"t": pa.array([dt.time(1, 2)])}), tmp_path / "a.parquet")
    with pytest.raises(DataError, match=r"raw:a.parquet: column 't' is time64\[us\], which Spark has no type for"):
        scan(engine, tmp_path, "a.parquet", "parquet")


def test_parquet_files_that_do_not_fit(engine: SparkEngine, tmp_path: Path) -> None:
    for name, table in {"1": {"a": [1]}, "2": {"a": [1.5]}, "3": {"b": [1]}}.items():
        pq.write_table(pa.table(table), tmp_path / f"{name}.parquet")
    with pytest.raises(DataError, match=r"column 'a' is BIGINT in raw:1.parquet and DOUBLE in raw:2.parquet; declare"):
        scan(engine, tmp_path, "[12].parquet", "parquet")
    with pytest.raises(DataError, match=r"raw:3.parquet has other columns .* lacks 'a' and adds 'b'"):
        scan(engine, tmp_path, "[13].parquet", "parquet")
    frame = scan(engine, tmp_path, "[13].parquet", "parquet", union_by_name=True)
    assert sorted(map(repr, engine.narwhals(frame, lazy=False).rows())) == ["(1, None)", "(None, 1)"]
    assert scan(engine, tmp_path, "[12].parquet", "parquet", {"a": "double"}).columns[0].type_name == "double"


def test_a_cut_parquet_file_is_told(engine: SparkEngine, tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": list(range(10_000))}), tmp_path / "a.parquet")
    whole = (tmp_path / "a.parquet").read_bytes()
    (tmp_path / "a.parquet").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"raw:a.parquet is not a whole Parquet file; it was cut off"):
        scan(engine, tmp_path, "a.parquet", "parquet")


def test_many_columns_are_inferred(engine: SparkEngine, tmp_path: Path) -> None:
    names = [f"c{number}" for number in range(200)]
    (tmp_path / "a.csv").write_text(",".join(names) + "\n" + ",".join(map(str, range(200))) + "\n")
    frame = scan(engine, tmp_path, "a.csv", "csv")
    assert {column.type_name for column in frame.columns} == {"bigint"}
    assert engine.narwhals(frame, lazy=False).rows() == [tuple(range(200))]


# -- quotes ------------------------------------------------------------------------------------------------------------

MANY = "id,t\n" + "".join(f"{number},x{number}\n" for number in range(10_000))


@pytest.mark.parametrize(
    ("end", "options"),
    [
        ('10000,"a\n10001,z\n10002,zz\n', {"multiline": True}),
        ('10000,"a\r\n10001,z\r\n10002,zz', {"multiline": True}),
        ('10000,"a\n' + MANY[5:], {"multiline": True}),
        ('10000,"a\n10001,"b"\n10002,c\n', {"multiline": True}),
        ('10000,"a"b\n', {}),
        ('10000,"a"b\n', {"multiline": True}),
    ],
)
def test_a_quote_that_is_not_closed(engine: SparkEngine, tmp_path: Path, end: str, options: Any) -> None:
    """Spark would take the rest of the file for one value."""
    (tmp_path / "a.csv").write_text(MANY + end, newline="")
    (tmp_path / "b.csv").write_text(MANY + end, newline="")
    for path in ("a.csv", "[ab].csv"):
        with pytest.raises(DataError, match=r"raw:[ab].csv, line 10002: a quote is opened here and never closed"):
            engine.compute(scan(engine, tmp_path, path, "csv", {"id": "bigint", "t": "string"}, **options))


@pytest.mark.parametrize(
    "end",
    ['10000,"a\nb\n"\n', '10000,"a\nb"', '10000,5" x\n', '10000,"a ""b"" c\n"\n10001,"x"\n', '10000,"x\ny"\n10001,y\n'],
)
def test_quotes_that_are_fine(engine: SparkEngine, tmp_path: Path, end: str) -> None:
    (tmp_path / "a.csv").write_text('id,t\n-1,"a\nb\n"\n' + end, newline="")
    frame = scan(engine, tmp_path, "a.csv", "csv", {"id": "bigint", "t": "string"}, multiline=True)
    rows = frame.data.collect()
    assert rows[0].t == "a\nb\n"
    assert [row.id for row in rows] == [-1, 10_000, 10_001][: len(rows)]


@pytest.mark.parametrize(
    ("pattern", "said"), [("EEE, dd MMM yyyy", "has the day of the week, which Spark writes"), ("%U %Y", "has '%U' in")]
)
def test_patterns_that_spark_can_not_read_with_are_told(
    engine: SparkEngine, tmp_path: Path, pattern: str, said: str
) -> None:
    (tmp_path / "a.csv").write_text('d\n"Mon, 01 Jan 2024"\n')
    with pytest.raises(DataError, match=f"timestamp_format {said}"):
        scan(engine, tmp_path, "a.csv", "csv", timestamp_format=pattern)
