"""Appending to plain files leaves what is there as it is, to the letter."""

from __future__ import annotations

import gzip
import shutil
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path

import pytest

from odibi.connections import LocalConnection
from odibi.engine import PandasEngine
from odibi.engine.pandas import save
from odibi.errors import DataError, TargetExistsError
from odibi.files import added, new_txn
from odibi.files.stages import ChangedMeanwhile


@pytest.fixture
def engine():
    made = PandasEngine()
    yield made
    made.close()


def write(engine: PandasEngine, folder: Path, path: str, sql: str, **options: object) -> None:
    frame = engine.session.frame(sql)
    lake = LocalConnection(folder)
    chosen = {name: value for name, value in options.items() if name != "mode"}
    engine.write(engine.native(frame), lake, path=path, mode=str(options.get("mode", "append")), options=chosen)


@pytest.mark.parametrize(
    ("name", "before", "row"),
    [
        ("a.csv", "id,price\n1,1.10\n007,3.000\n", "SELECT 2::BIGINT AS id, 1.5::DOUBLE AS price"),
        ("a.jsonl", '{"id":1,"n":12345678901234567890.123456789}\n', "SELECT 2::BIGINT AS id, 1.5::DOUBLE AS n"),
        ("a.json", '{"id":1,"n":1.10}\n', "SELECT 2::BIGINT AS id, 1.5::DOUBLE AS n"),
    ],
)
def test_what_is_in_a_text_file_stays_to_the_letter(engine, tmp_path, name, before, row):
    (tmp_path / name).write_bytes(before.encode())
    write(engine, tmp_path, name, row)
    after = (tmp_path / name).read_bytes().decode()
    assert after.startswith(before)
    assert len(after.splitlines()) == len(before.splitlines()) + 1
    assert "header" not in after.removeprefix(before)
    assert after.count("price") <= 1


def test_a_gzip_file_gets_one_more_part(engine, tmp_path):
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(b"id\n0010\n"))
    write(engine, tmp_path, "a.csv.gz", "SELECT 'x' AS id")
    assert gzip.decompress((tmp_path / "a.csv.gz").read_bytes()) == b"id\n0010\nx\n"


def test_other_columns_and_open_ends_are_joined_by_name(engine, tmp_path):
    (tmp_path / "a.csv").write_bytes(b"id,b\n1,2\n")
    write(engine, tmp_path, "a.csv", "SELECT 4 AS b, 3 AS id")
    write(engine, tmp_path, "a.csv", "SELECT 5 AS id, 6 AS b, 7 AS c")
    header, *rows = (tmp_path / "a.csv").read_text(encoding="utf-8").split()
    assert (header, sorted(rows)) == ("id,b,c", ["1,2,", "3,4,", "5,6,7"])  # rows of a table have no order
    (tmp_path / "open.csv").write_bytes(b"id\n1")
    write(engine, tmp_path, "open.csv", "SELECT 2 AS id")
    header, *rows = (tmp_path / "open.csv").read_text(encoding="utf-8").split()
    assert (header, sorted(rows)) == ("id", ["1", "2"])


def test_a_folder_gets_one_more_file(engine, tmp_path):
    folder = tmp_path / "rows"
    folder.mkdir()
    write(engine, folder, "part-0.parquet", "SELECT 1 AS id", mode="overwrite")
    kept = (folder / "part-0.parquet").read_bytes()
    frame = engine.native(engine.session.frame("SELECT 2 AS id"))
    engine.write(frame, LocalConnection(tmp_path), format="parquet", path="rows", mode="append")
    assert (folder / "part-0.parquet").read_bytes() == kept
    assert len(list(folder.iterdir())) == 2
    read = engine.read(LocalConnection(tmp_path), format="parquet", path="rows")
    assert sorted(read["id"].tolist()) == [1, 2]


@pytest.mark.parametrize(
    ("name", "before"),
    [
        ("crlf.csv", b"id,b\r\n1,x\r\n"),
        ("crlf.csv.gz", gzip.compress(b"id,b\r\n1,x\r\n", mtime=0)),
        ("array.json", b'\n [{"id":1,"b":"x"}]\n'),
    ],
)
def test_text_that_new_lines_would_make_unreadable_is_written_anew(engine, tmp_path, name, before):
    (tmp_path / name).write_bytes(before)
    write(engine, tmp_path, name, "SELECT 2 AS id, 'y' AS b")
    back = engine.read(LocalConnection(tmp_path), path=name)
    assert sorted(zip(back["id"], back["b"], strict=True)) == [(1, "x"), (2, "y")]


def test_without_a_header_columns_go_by_their_place(engine, tmp_path):
    (tmp_path / "a.csv").write_bytes(b"1,x\n")
    write(engine, tmp_path, "a.csv", "SELECT 2 AS id, 'y' AS t", header=False)
    assert (tmp_path / "a.csv").read_text(encoding="utf-8").split() == ["1,x", "2,y"]


@pytest.mark.parametrize("there", [True, False])
@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.parquet"])
def test_who_appends_at_the_same_time_loses_nothing(engine, tmp_path, name, there):
    """The first one is heard, the others are told."""
    told: list[str] = []
    if there:
        write(engine, tmp_path, name, "SELECT 0 AS id", mode="overwrite")

    def append(number: int) -> int | None:
        try:
            write(engine, tmp_path, name, f"SELECT {number} AS id")
        except DataError as error:
            told.append(str(error))
            return None
        return number

    with ThreadPoolExecutor(4) as pool:
        done = [number for number in pool.map(append, range(1, 25)) if number is not None]
    assert done
    assert all("changed by another writer meanwhile; nothing was written" in text for text in told)
    found = engine.read(LocalConnection(tmp_path), path=name)["id"]
    assert sorted(found) == [*([0] if there else []), *done]
    assert [entry.name for entry in tmp_path.iterdir()] == [name]


def test_what_a_killed_append_left_in_a_folder_goes_with_the_next_one(engine, tmp_path):
    (tmp_path / "t.csv").mkdir()
    (tmp_path / "t.csv" / "a.csv").write_text("id\n1\n")
    left = tmp_path / f".odibi-{new_txn()}"
    with added(LocalConnection(tmp_path).location("t.csv")):
        (staged,) = tmp_path.glob(".odibi-*")
        shutil.copytree(staged, left)
    write(engine, tmp_path, "t.csv", "SELECT 2 AS id")
    assert [entry.name for entry in tmp_path.iterdir()] == ["t.csv"]
    assert len(list((tmp_path / "t.csv").iterdir())) == 2


@pytest.mark.parametrize("meanwhile", ["gone", "damaged", "replaced"])
def test_what_another_writer_takes_away_is_told_as_that(engine, tmp_path, monkeypatch, meanwhile):
    """And may be tried again: nothing was written."""
    place = tmp_path / "t.parquet"
    write(engine, tmp_path, place.name, "SELECT 1 AS id")
    real = save._write

    def late(*args):
        if meanwhile == "gone":
            place.unlink()
        elif meanwhile == "damaged":
            place.write_bytes(b"PAR1 no more PAR1")
        else:
            write(engine, tmp_path, place.name, "SELECT 3 AS id", mode="overwrite")
        return real(*args)

    with monkeypatch.context() as patched:
        patched.setattr(save, "_write", lambda *args: (patched.setattr(save, "_write", real), late(*args))[1])
        with pytest.raises(ChangedMeanwhile, match="was changed by another writer meanwhile") as told:
            write(engine, tmp_path, place.name, "SELECT 2 AS id")
    assert engine.is_transient(told.value)


def test_partitions_that_another_writer_takes_away_are_told_as_that(engine, tmp_path, monkeypatch):
    sql, options = "SELECT 1 AS id, 'x' AS p", {"partition_by": ["p"]}
    write(engine, tmp_path, "t.parquet", sql, **options)
    real = save._existing

    def late(*args):
        found = real(*args)
        monkeypatch.setattr(save, "_existing", real)
        write(engine, tmp_path, "t.parquet", sql, mode="overwrite", **options)
        return found

    monkeypatch.setattr(save, "_existing", late)
    with pytest.raises(ChangedMeanwhile):
        write(engine, tmp_path, "t.parquet", sql, **options)


@pytest.mark.parametrize("mode", ["ignore", "error"])
def test_who_comes_second_leaves_what_is_there(engine, tmp_path, monkeypatch, mode):
    real = save._write

    def late(*args):
        monkeypatch.setattr(save, "_write", real)
        write(engine, tmp_path, "t.csv", "SELECT 1 AS id")
        return real(*args)

    monkeypatch.setattr(save, "_write", late)
    told = pytest.raises(TargetExistsError, match="exists and the mode is error") if mode == "error" else nullcontext()
    with told:
        write(engine, tmp_path, "t.csv", "SELECT 2 AS id", mode=mode)
    assert (tmp_path / "t.csv").read_text() == "id\n1\n"
