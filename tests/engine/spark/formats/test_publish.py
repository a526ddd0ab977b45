"""Plain files are put in place in one step, whatever is there and whoever wrote it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from odibi.connections import LocalConnection
from odibi.engine import Engine, PandasEngine, SparkEngine
from odibi.engine.base import Query, Source, Target
from odibi.engine.spark.formats import publish
from odibi.errors import DataError, DataNotFoundError, OdibiError, TargetExistsError, UnsupportedError
from odibi.files import stages
from odibi.testing import MemoryConnection
from odibi.testing.frames import arrow_table
from odibi.types import parse_type

SCHEMA = {"id": "bigint", "name": "string", "day": "date"}
ROWS = [{"id": 1, "name": "a,b", "day": None}, {"id": 2, "name": 'ü "x"\ny', "day": None}]
PATHS = {"csv": "t.csv", "json": "t.jsonl", "parquet": "t.parquet", "avro": "t.avro", "excel": "t.xlsx"}


@pytest.fixture
def on_spark(spark: Any) -> Iterator[Engine]:
    engine = SparkEngine(spark_session=spark)
    yield engine
    engine.close()


@pytest.fixture
def on_pandas() -> Iterator[Engine]:
    engine = PandasEngine()
    yield engine
    engine.close()


class Lake:
    """A folder, and what engines write to it and read from it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.connection = LocalConnection(folder, name="lake")

    def write(
        self,
        engine: Engine,
        path: str,
        format: str,
        rows: Sequence[Mapping[str, Any]] = ROWS,
        schema: Mapping[str, str] = SCHEMA,
        mode: str = "overwrite",
        partition_by: tuple[str, ...] = (),
        **options: Any,
    ) -> None:
        target = Target(self.connection, path, format, mode, partition_by, options=options)
        engine.save(engine.adopt(arrow_table(rows, schema)), target)

    def ids(self, engine: Engine, path: str, format: str, column: str = "id") -> list[Any]:
        options = {"multiline": True} if format == "csv" else {}
        schema = {} if format in ("avro", "parquet") else {name: parse_type(type) for name, type in SCHEMA.items()}
        frame = engine.scan(Source(self.connection, path, format, options, schema))
        values: list[Any] = engine.narwhals(frame, lazy=False)[column].to_list()
        return sorted(values, key=repr)

    def names(self) -> list[str]:
        return sorted(entry.name for entry in self.folder.iterdir())


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path)


@pytest.mark.parametrize("format", PATHS)
def test_each_engine_reads_appends_to_and_replaces_what_the_other_wrote(
    lake: Lake, on_spark: Engine, on_pandas: Engine, format: str
) -> None:
    path = PATHS[format]
    for one, other in ((on_spark, on_pandas), (on_pandas, on_spark)):
        lake.write(one, path, format)
        assert lake.ids(other, path, format) == [1, 2]
        lake.write(other, path, format, mode="append")
        assert lake.ids(one, path, format) == lake.ids(other, path, format) == [1, 1, 2, 2]
        lake.write(other, path, format)
        assert lake.ids(one, path, format) == [1, 2]
        lake.write(one, path, format)
    assert lake.names() == [path]


@pytest.mark.parametrize("format", ["csv", "json", "parquet"])
def test_what_spark_writes_is_a_folder_without_sums_that_grow_stale(lake: Lake, on_spark: Engine, format: str) -> None:
    lake.write(on_spark, PATHS[format], format)
    inside = {each.name for each in (lake.folder / PATHS[format]).iterdir()}
    assert inside
    assert not [name for name in inside if name.endswith(".crc")]


@pytest.mark.parametrize("before", ["file", "folder"])
@pytest.mark.parametrize("mode", ["overwrite", "append"])
def test_a_failed_write_leaves_what_is_there(
    lake: Lake, on_spark: Engine, on_pandas: Engine, before: str, mode: str
) -> None:
    lake.write(on_pandas if before == "file" else on_spark, "t.csv", "csv")
    contents = {path: path.read_bytes() for path in lake.folder.rglob("*") if path.is_file()}
    rows = on_spark.adopt(arrow_table([{"id": "1"}, {"id": "x"}]))
    query = Query("SELECT CAST(id AS BIGINT) AS id, 'n' AS name, DATE'2024-01-01' AS day FROM t", "spark")
    with pytest.raises(OdibiError, match="x"):
        on_spark.save(on_spark.query(query, {"t": rows})[0], Target(lake.connection, "t.csv", "csv", mode))
    assert {path: path.read_bytes() for path in lake.folder.rglob("*") if path.is_file()} == contents


def test_a_null_that_is_alone_in_its_line_is_a_row(lake: Lake, on_spark: Engine, on_pandas: Engine) -> None:
    rows = [{"id": 1}, {"id": None}, {"id": 2}]
    for one, other in ((on_pandas, on_spark), (on_spark, on_pandas)):
        lake.write(one, "t.csv", "csv", rows, {"id": "bigint"})
        lake.write(other, "t.csv", "csv", rows, {"id": "bigint"}, "append")
        for engine in (one, other):
            frame = engine.scan(Source(lake.connection, "t.csv", "csv", {}, {"id": parse_type("bigint")}))
            assert len(engine.narwhals(frame, lazy=False)) == 6


def test_partitions_are_appended_to(lake: Lake, on_spark: Engine, on_pandas: Engine) -> None:
    lake.write(on_spark, "p", "parquet", partition_by=("name",))
    old = {path.name for path in (lake.folder / "p").rglob("part-*")}
    lake.write(on_spark, "p", "parquet", mode="append", partition_by=("name",))
    new = {path.name for path in (lake.folder / "p").rglob("part-*")}
    assert old < new
    assert lake.ids(on_spark, "p", "parquet") == lake.ids(on_pandas, "p", "parquet") == [1, 1, 2, 2]
    assert set(lake.ids(on_spark, "p", "parquet", "name")) == {"a,b", 'ü "x"\ny'}


@pytest.mark.parametrize("name", ["on_spark", "on_pandas"])
def test_an_append_that_states_no_partitions_keeps_those_that_are_there(
    lake: Lake, request: pytest.FixtureRequest, on_spark: Engine, on_pandas: Engine, name: str
) -> None:
    engine = request.getfixturevalue(name)
    for format in ("parquet", "csv"):
        lake.write(engine, "p", format, partition_by=("name",))
        lake.write(engine, "p", format, mode="append")
        assert {path.parent.name[:5] for path in (lake.folder / "p").rglob("part-*")} == {"name="}
        assert lake.ids(on_spark, "p", format) == lake.ids(on_pandas, "p", format) == [1, 1, 2, 2]
        shutil.rmtree(lake.folder / "p")


@pytest.mark.parametrize("format", ["csv", "json", "parquet", "avro"])
@pytest.mark.parametrize("there", ["a folder", "a file", "nothing"])
def test_who_appends_at_the_same_time_loses_nothing(
    lake: Lake, on_spark: Engine, on_pandas: Engine, format: str, there: str
) -> None:
    """What makes the folder while others do the same is refused rather than forgotten."""
    path = PATHS[format]
    before = [] if there == "nothing" else [1, 2]
    if before:
        lake.write(on_spark if there == "a folder" else on_pandas, path, format)

    def append(number: int) -> int | None:
        try:
            lake.write(on_spark, path, format, [{"id": number, "name": "x", "day": None}], mode="append")
        except (DataError, DataNotFoundError):  # changed, or gone for a moment
            if there == "a folder":
                raise
            return None
        return number

    with ThreadPoolExecutor(4) as pool:
        done = [number for number in pool.map(append, range(10, 16)) if number is not None]
    assert len(done) == 6 if there == "a folder" else done
    assert lake.ids(on_spark, path, format) == sorted([*before, *done], key=repr)
    assert lake.names() == [path]


def test_an_append_that_fails_half_way_leaves_nothing(
    lake: Lake, on_spark: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor does one whose writer was killed there, once the next one comes."""
    lake.write(on_spark, "p", "parquet", partition_by=("name",))
    before = sorted((lake.folder / "p").rglob("part-*"))
    rename, left = os.rename, [2]

    def fail(old: str, new: str) -> None:
        if "part-" in new:
            left[0] -= 1
            if not left[0]:
                raise OSError("the disk is full")
        rename(old, new)

    monkeypatch.setattr(os, "rename", fail)
    with pytest.raises(OdibiError, match="the disk is full"):
        lake.write(on_spark, "p", "parquet", mode="append", partition_by=("name",))
    assert sorted((lake.folder / "p").rglob("part-*")) == before
    assert lake.names() == ["p"]
    left[0] = 2
    monkeypatch.setattr(stages, "_recover", lambda *_: None)
    monkeypatch.setattr(stages, "_remove_stage", lambda folder, lock: lock.release())
    with pytest.raises(OdibiError, match="the disk is full"):
        lake.write(on_spark, "p", "parquet", mode="append", partition_by=("name",))
    monkeypatch.undo()
    assert len(sorted((lake.folder / "p").rglob("part-*"))) == len(before) + 1
    lake.write(on_spark, "p", "parquet", mode="append", partition_by=("name",))
    assert lake.ids(on_spark, "p", "parquet") == [1, 1, 2, 2]
    assert lake.names() == ["p"]


def test_an_append_that_writes_all_anew_keeps_what_another_writer_added(
    lake: Lake, on_spark: Engine, on_pandas: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake.write(on_spark, "p", "parquet", partition_by=("name",))
    whole = publish._whole

    def meanwhile(*given: Any) -> Any:
        monkeypatch.setattr(publish, "_whole", whole)
        lake.write(on_spark, "p", "parquet", mode="append", partition_by=("name",))
        return whole(*given)

    monkeypatch.setattr(publish, "_whole", meanwhile)
    with pytest.raises(DataError, match="lake:p was changed by another writer meanwhile"):
        lake.write(on_spark, "p", "parquet", mode="append", partition_by=("id",))
    assert lake.ids(on_spark, "p", "parquet") == [1, 1, 2, 2]
    lake.write(on_spark, "p", "parquet", mode="append", partition_by=("id",))
    assert lake.ids(on_spark, "p", "parquet") == [1, 1, 1, 2, 2, 2]


def test_an_append_with_other_partitions_writes_all_of_it_anew(lake: Lake, on_spark: Engine) -> None:
    lake.write(on_spark, "p", "parquet", partition_by=("name",))
    lake.write(on_spark, "p", "parquet", mode="append", partition_by=("id",))
    assert lake.ids(on_spark, "p", "parquet") == [1, 1, 2, 2]
    assert {each.name for each in (lake.folder / "p").iterdir() if each.is_dir()} == {"id=1", "id=2"}


def test_an_append_in_another_order_of_columns(lake: Lake, on_spark: Engine) -> None:
    lake.write(on_spark, "t.csv", "csv")
    turned = {name: SCHEMA[name] for name in reversed(SCHEMA)}
    lake.write(on_spark, "t.csv", "csv", schema=turned, mode="append")
    assert lake.ids(on_spark, "t.csv", "csv") == [1, 1, 2, 2]
    assert set(lake.ids(on_spark, "t.csv", "csv", "name")) == {"a,b", 'ü "x"\ny'}


def test_an_empty_text_is_no_name_of_a_folder(lake: Lake, on_spark: Engine) -> None:
    rows = [{"id": 1, "name": "", "day": None}]
    with pytest.raises(DataError, match=r"partition column 'name' holds an empty text.*; turn it into NULL"):
        lake.write(on_spark, "p", "csv", rows, partition_by=("name",))
    assert lake.names() == []


def test_partition_by_must_name_columns_and_leave_one(lake: Lake, on_spark: Engine) -> None:
    with pytest.raises(DataError, match=r"partition_by names 'nam', which is no column; did you mean 'name'"):
        lake.write(on_spark, "p", "csv", partition_by=("nam",))
    with pytest.raises(DataError, match=r"partition_by names every column"):
        lake.write(on_spark, "p", "csv", partition_by=("id", "name", "day"))
    with pytest.raises(DataError, match=r"format avro can not be partitioned"):
        lake.write(on_spark, "p.avro", "avro", partition_by=("id",))


def test_a_folder_of_other_files_is_not_replaced(lake: Lake, on_spark: Engine) -> None:
    (lake.folder / "t.csv").mkdir()
    (lake.folder / "t.csv" / "notes.txt").write_text("mine")
    with pytest.raises(DataError, match=r"lake:t.csv is a folder that holds other files \(notes.txt"):
        lake.write(on_spark, "t.csv", "csv")
    (lake.folder / "d" / "_delta_log").mkdir(parents=True)
    with pytest.raises(DataError, match=r"lake:d is a Delta table; write it with format: delta"):
        lake.write(on_spark, "d", "csv")


def test_options_that_spark_does_not_have(lake: Lake, on_spark: Engine, on_pandas: Engine) -> None:
    lake.write(on_spark, "a.json", "json", lines=False)
    assert all(part.read_text().startswith("[") for part in (lake.folder / "a.json").glob("part-*"))
    assert lake.ids(on_pandas, "a.json", "json") == [1, 2]
    with pytest.raises(DataError, match=r"'漢' does not exist in the encoding cp1252; write UTF-8"):
        lake.write(on_spark, "l.csv", "csv", [{"name": "漢"}], {"name": "string"}, encoding="cp1252")
    lake.write(on_spark, "l.csv", "csv", [{"name": "ä"}], {"name": "string"}, encoding="cp1252")
    assert any(b"\xe4" in part.read_bytes() for part in (lake.folder / "l.csv").glob("part-*"))
    lake.write(
        on_spark, "o.csv", "csv", [{"id": None, "name": "x y ", "day": None}],
        delimiter=";", null_values="NA", header=False, quote="'",
    )  # fmt: skip
    texts = [part.read_text() for part in (lake.folder / "o.csv").glob("part-*")]
    assert [text for text in texts if text] == ["NA;x y ;NA\n"]


def test_memory_is_refused(on_spark: Engine) -> None:
    connection = MemoryConnection(name="mem")
    for use in (
        lambda: on_spark.scan(Source(connection, "a.csv", "csv")),
        lambda: on_spark.save(on_spark.adopt(arrow_table(ROWS, SCHEMA)), Target(connection, "a.csv", "csv")),
    ):
        with pytest.raises(UnsupportedError, match=r"'mem' keeps its files in the memory.*; use a connection of type"):
            use()


@pytest.mark.parametrize("mode", ["ignore", "error"])
def test_who_comes_second_leaves_what_is_there(
    lake: Lake, on_spark: Engine, on_pandas: Engine, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    real = publish.put

    def late(*given: Any) -> Any:
        lake.write(on_pandas, "t.csv", "csv", [{**ROWS[0], "id": 7}])
        return real(*given)

    monkeypatch.setattr(publish, "put", late)
    told = pytest.raises(TargetExistsError, match="exists and the mode is error") if mode == "error" else nullcontext()
    with told:
        lake.write(on_spark, "t.csv", "csv", mode=mode)
    assert lake.ids(on_pandas, "t.csv", "csv") == [7]
