"""Places that are no Delta table, damaged ones, and questions about versions that do not exist."""

from __future__ import annotations

import os
import time

import pytest
from deltalake import DeltaTable

from odibi.errors import (
    AccessError,
    DataError,
    DataNotFoundError,
    SchemaMismatchError,
    UnknownNameError,
    UnsupportedError,
)


def test_no_table_names_the_close_ones(lake):
    lake.write("SELECT 1 AS v", "orders")
    with pytest.raises(DataNotFoundError, match="lake:ordres does not exist; did you mean 'orders'"):
        lake.read("ordres")


def test_folders_without_a_log_say_what_they_hold(lake):
    lake.path("empty").mkdir(parents=True)
    lake.path("plain").mkdir()
    lake.session.execute(f"COPY (SELECT 1 AS v) TO '{lake.path('plain') / 'a.parquet'}'")
    with pytest.raises(DataNotFoundError, match=r"lake:empty is a folder without a _delta_log.*write the table first"):
        lake.read("empty")
    with pytest.raises(DataNotFoundError, match="plain Parquet files: read it with format: parquet"):
        lake.read("plain")
    with pytest.raises(DataNotFoundError, match="is a file, not a Delta table"):
        lake.read("plain/a.parquet")


def test_files_in_the_way_of_a_table_are_left_alone(lake):
    lake.path("plain").mkdir(parents=True)
    (lake.path("plain") / "a.csv").write_text("a\n1\n")
    (lake.root / "file").write_text("x")
    with pytest.raises(DataError, match="is a folder that holds other files"):
        lake.write("SELECT 1 AS v", "plain")
    with pytest.raises(DataError, match="is a file where the table's folder would go"):
        lake.write("SELECT 1 AS v", "file")
    assert sorted(path.name for path in lake.root.iterdir()) == ["file", "plain"]
    assert [path.name for path in lake.path("plain").iterdir()] == ["a.csv"]


def test_a_failed_first_write_leaves_nothing(lake):
    with pytest.raises(Exception, match="out of range"):
        lake.write("SELECT 300::TINYINT AS v FROM range(1)")
    with pytest.raises(Exception, match=r"(?s)boom"):
        lake.write(
            "SELECT CASE WHEN i > 5 THEN error('boom') ELSE i END AS v, i AS k FROM range(9) t(i)", partition_by=["k"]
        )
    assert not lake.path().exists()
    assert list(lake.root.iterdir()) == []


@pytest.mark.parametrize("damage", ["garbage", "first gone", "gap"])
def test_a_damaged_log(lake, damage):
    for value in range(3):
        lake.write(f"SELECT {value} AS v", mode="append")
    log = lake.path() / "_delta_log"
    if damage == "garbage":
        (log / f"{2:020}.json").write_text("garbage")
    else:
        (log / f"{0 if damage == 'first gone' else 1:020}.json").unlink()
    with pytest.raises(DataError, match=r"lake:t: the table's log \(_delta_log\) can not be read"):
        lake.read()


def test_a_data_file_that_is_gone_is_named(lake):
    lake.write("SELECT 1 AS v")
    lake.write("SELECT 2 AS v", mode="append")
    gone = lake.files()[0]
    (lake.path() / gone).unlink()
    with pytest.raises(DataNotFoundError, match=f"the log lists the data file .*{gone}, which is gone"):
        lake.read()


def test_versions_and_times_that_do_not_exist(lake):
    lake.write("SELECT 1 AS v")
    lake.write("SELECT 2 AS v")
    assert lake.rows(version_as_of=0) == ["{'v': 1}"]
    with pytest.raises(DataNotFoundError, match="has no version 7; its log has versions 0 to 1"):
        lake.read(version_as_of=7)
    with pytest.raises(DataNotFoundError, match="has no version from 2001-01-01"):
        lake.read(timestamp_as_of="2001-01-01")
    with pytest.raises(DataNotFoundError, match="was last changed at"):
        lake.read(timestamp_as_of="2999-01-01T00:00:00Z")


def test_time_travel_by_time(lake):
    from odibi.engine.pandas.delta import maintain

    for value in range(4):
        lake.write(f"SELECT {value} AS v")
        time.sleep(0.01)
    commits = maintain.history(lake.connection.location("t"))
    for commit in commits:
        os.utime(lake.path() / "_delta_log" / f"{commit['version']:020}.json")  # as of a table that was copied
        assert lake.rows(timestamp_as_of=commit["timestamp"]) == [f"{{'v': {commit['version']}}}"]
    between = commits[1]["timestamp"] + (commits[0]["timestamp"] - commits[1]["timestamp"]) / 2
    assert lake.rows(timestamp_as_of=between.isoformat()) == ["{'v': 2}"]


def test_a_version_whose_log_is_gone(lake):
    for value in range(4):
        lake.write(f"SELECT {value} AS v")
    DeltaTable(str(lake.path())).create_checkpoint()
    for version in range(2):
        (lake.path() / "_delta_log" / f"{version:020}.json").unlink()
    with pytest.raises(DataNotFoundError, match="has no version 0; its log has versions 2 to 3"):
        lake.read(version_as_of=0)


def test_a_filter_on_a_column_that_is_not_there(lake):
    lake.write("SELECT 1 AS year")
    with pytest.raises(UnknownNameError, match="did you mean 'year'"):
        lake.read(filters=[["yaer", "=", 1]])


@pytest.mark.parametrize(
    ("by", "said"),
    [
        (["yeer"], "did you mean 'year'"),
        (["year", "l"], "column 'l' is array<int>"),
        (["v", "v"], "names a column twice"),
    ],
)
def test_partition_columns_that_are_wrong(lake, by, said):
    with pytest.raises(SchemaMismatchError, match=said):
        lake.write("SELECT 1 AS v, 2 AS year, [1] AS l", partition_by=by)
    with pytest.raises(SchemaMismatchError, match="names every column"):
        lake.write("SELECT 1 AS v, 2 AS year", partition_by=["v", "year"])


def test_columns_without_a_type_ask_for_a_declaration(lake):
    with pytest.raises(SchemaMismatchError, match=r"column 'n' holds only NULL.*write: \{schema: \{n: string\}\}"):
        lake.write("SELECT 1 AS v, NULL AS n")
    lake.write("SELECT 1 AS v, NULL AS n, TIME '10:00:00' AS t", schema={"n": "date", "t": "string"})
    assert lake.types() == {"v": "int", "n": "date", "t": "string"}


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_no_permission(lake):
    lake.write("SELECT 1 AS v")
    lake.path().chmod(0o500)
    try:
        with pytest.raises(AccessError, match="no permission"):
            lake.write("SELECT 2 AS v", mode="append")
    finally:
        lake.path().chmod(0o700)


def test_a_folder_that_delta_rs_could_not_read_again_is_refused_before(lake):
    with pytest.raises(UnsupportedError, match="holds '%20', which delta-rs takes for an escaped character"):
        lake.write("SELECT 1 AS v", "a%20b")
    assert not lake.path("a%20b").exists()


def test_a_folder_with_odd_characters(lake):
    name = "a [1] * é 50% 'q' #"
    lake.write("SELECT 1 AS v, 'x y' AS k", name, partition_by=["k"])
    lake.write("SELECT 2 AS v, 'x/y' AS k", name, mode="append")
    assert lake.rows(name) == ["{'v': 1, 'k': x y}", "{'v': 2, 'k': x/y}"]
    assert lake.rows(name, filters=[["k", "=", "x/y"]]) == ["{'v': 2, 'k': x/y}"]


def test_small_and_many_partitions_are_warned_of(lake):
    report = lake.write("SELECT i % 1001 AS k, i AS v FROM range(3000) AS t(i)", partition_by=["k"])
    (warning,) = report.warnings
    assert "partition_by [k]: 1,001 partitions were written (more than 1,000), and 1,001 of 1,001" in warning
    assert "(the smallest 2)" in warning
    assert lake.write("SELECT 1 AS k, i AS v FROM range(1000) AS t(i)", "u", partition_by=["k"]).warnings == ()


def test_a_store_that_delta_rs_does_not_know_is_refused(tmp_path):
    from odibi.engine import PandasEngine
    from odibi.errors import UnsupportedError
    from odibi.testing import MemoryConnection

    engine = PandasEngine()
    with pytest.raises(UnsupportedError, match="memory://; write a plain format"):
        engine.read(MemoryConnection("x"), path="table")
    engine.close()


@pytest.mark.parametrize(
    "value", ["DATE 'infinity'", "TIMESTAMP '-infinity'", "DATE '12024-01-01'", "DATE '0044-03-15 (BC)'"]
)
def test_dates_that_other_readers_do_not_take_are_refused(lake, value):
    with pytest.raises(DataError, match="years are 1 to 9999"):
        lake.write(f"SELECT {value} AS d UNION ALL SELECT NULL")
    assert lake.files() == []
    lake.write("SELECT DATE '0001-01-01' AS d, TIMESTAMPTZ '9999-12-31 23:59:59.999999+00' AS t")


def test_an_infinite_date_is_no_partition_either(lake):
    with pytest.raises(DataError, match="years are 1 to 9999"):
        lake.write("SELECT DATE 'infinity' AS d, 1 AS v", partition_by=("d",))
    assert lake.files() == []
