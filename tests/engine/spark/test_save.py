"""Writes of the Spark engine beside the contract: other writers, lost answers, what a session's settings would do."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from pyspark.errors import AnalysisException

from odibi.connections import LocalConnection
from odibi.engine import PandasEngine, SparkEngine
from odibi.engine import delta_rules as rules
from odibi.engine.base import Checks, Query, RowCheck, Source, Target, WriteReport
from odibi.engine.delta_rules import UnknownOutcome
from odibi.engine.spark.delta import commit, write
from odibi.errors import DataError, OdibiError, TargetExistsError, UnsupportedError
from odibi.location import Location
from odibi.testing import assert_frame_equal, counted_jobs

Save = Callable[..., WriteReport]


@pytest.fixture
def save(engine: SparkEngine, lake: LocalConnection) -> Save:
    """Write the result of a query to the table `t`."""

    def run(sql: str, mode: str = "overwrite", checks: Checks | None = None, **facts: Any) -> WriteReport:
        frame = engine.query(Query(sql, "spark"), {})[0]
        return engine.save(frame, Target(lake, "t", "delta", mode, **facts), checks or Checks())

    return run


@pytest.fixture
def holds(engine: SparkEngine, lake: LocalConnection) -> Callable[[list[dict[str, Any]]], None]:
    def check(rows: list[dict[str, Any]]) -> None:
        assert_frame_equal(engine.narwhals(engine.scan(Source(lake, "t", "delta")), lazy=True), rows)

    return check


def table(lake: LocalConnection) -> Path:
    return Path(lake.get_path("t"))


def alter(spark: Any, lake: LocalConnection, rest: str) -> None:
    spark.sql(f"ALTER TABLE delta.`file://{table(lake)}` {rest}")


# -- other writers -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("there", [False, True], ids=["no table yet", "a table"])
@pytest.mark.parametrize("mode", ["append", "overwrite"])
def test_writers_at_the_same_time(save: Save, spark: Any, lake: LocalConnection, there: bool, mode: str) -> None:
    """All commit, and each knows its own commit."""
    if there:
        save("SELECT -1L AS id")
    with ThreadPoolExecutor(4) as pool:
        reports = list(
            pool.map(lambda number: save(f"SELECT {number}L AS id FROM range({number + 1})", mode), range(4))
        )
    assert [report.rows for report in reports] == [1, 2, 3, 4]
    assert sorted(report.version_after for report in reports) == [number + there for number in range(4)]
    assert all(report.version_before is None or report.version_before < report.version_after for report in reports)
    for number, report in enumerate(reports):
        log = (table(lake) / "_delta_log" / f"{report.version_after:020}.json").read_text(encoding="utf-8")
        rows = [json.loads(json.loads(line)["add"]["stats"]) for line in log.splitlines() if line.startswith('{"add"')]
        assert sum(row["numRecords"] for row in rows) == number + 1
    assert spark.read.format("delta").load(f"file://{table(lake)}").count() == (
        10 + there if mode == "append" else number_of_last(reports)
    )
    assert not [path for path in table(lake).iterdir() if path.name.startswith(rules.MARK)]


def number_of_last(reports: list[WriteReport]) -> int | None:
    return max(reports, key=lambda report: report.version_after or 0).rows


@pytest.mark.parametrize("mode", ["error", "ignore"])
def test_only_one_makes_the_table(save: Save, mode: str) -> None:
    def attempt(number: int) -> bool:
        try:
            return save(f"SELECT {number} AS id", mode).written
        except TargetExistsError:
            return False

    with ThreadPoolExecutor(3) as pool:
        written = list(pool.map(attempt, range(3)))
    assert sorted(written) == [False, False, True]


def test_a_table_that_changes_meanwhile_is_planned_anew(
    save: Save, holds: Any, spark: Any, lake: LocalConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The types of the table as it is then win."""
    save("SELECT 1 AS id")
    sent = write._Write._send
    others = iter(["SELECT 2L AS id"])

    def slow(self: Any, data: Any, *rest: Any) -> None:
        for sql in others:
            save(sql)
        sent(self, data, *rest)

    monkeypatch.setattr(write._Write, "_send", slow)
    report = save("SELECT 3 AS id", "append")
    assert (report.version_before, report.version_after) == (1, 2)
    assert report.columns[0].type_name == "bigint"
    holds([{"id": 2}, {"id": 3}])


# -- answers that are lost ---------------------------------------------------------------------------------------------


def lose(monkeypatch: pytest.MonkeyPatch, after: bool) -> list[str]:
    """Let the writer fail, before or after Spark has committed."""
    from pyspark.errors import PySparkException

    sent = write._Write._send
    tries = []

    def send(self: Any, data: Any, txn: str, place: Location) -> None:
        tries.append(txn)
        if after:
            sent(self, data, txn, place)
        raise PySparkException("java.net.SocketTimeoutException: Read timed out")

    monkeypatch.setattr(write._Write, "_send", send)
    return tries


def test_a_commit_whose_answer_is_lost_is_found(save: Save, holds: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    save("SELECT 1 AS id")
    tries = lose(monkeypatch, after=True)
    report = save("SELECT 2 AS id", "append")
    assert (report.rows, report.version_after, len(tries)) == (1, 1, 1)
    holds([{"id": 1}, {"id": 2}])


def test_a_commit_that_is_absent_is_an_error(save: Save, holds: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which the run may repeat, since the log was looked at."""
    save("SELECT 1 AS id")
    lose(monkeypatch, after=False)
    with pytest.raises(OdibiError, match="timed out") as caught:
        save("SELECT 2 AS id", "append")
    assert not isinstance(caught.value, UnknownOutcome)
    holds([{"id": 1}])


@pytest.mark.parametrize("mode", ["append", "overwrite"])
def test_what_a_server_may_still_do_is_not_done_again(
    save: Save, engine: SparkEngine, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    """Rows that are appended twice stay so; an overwrite may be repeated."""
    pytest.importorskip("grpc")
    from pyspark.errors.exceptions.connect import SparkConnectGrpcException

    def send(*_: Any) -> None:
        raise SparkConnectGrpcException("UNAVAILABLE: the server is gone")

    save("SELECT 1 AS id")
    monkeypatch.setattr(write._Write, "_send", send)
    with pytest.raises(OdibiError) as told:
        save("SELECT 2 AS id", mode)
    assert isinstance(told.value, UnknownOutcome) == (mode == "append")
    assert engine.is_transient(told.value) == (mode == "overwrite")


def test_a_log_that_can_not_be_read_leaves_the_outcome_open(
    save: Save, engine: SparkEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not repeated."""
    save("SELECT 1 AS id")
    lose(monkeypatch, after=True)

    def unreadable(*_: Any) -> None:
        raise OSError("the network is gone")

    monkeypatch.setattr(write, "find_commit", unreadable)
    with pytest.raises(UnknownOutcome, match=r"lake:t: the commit ended with an error .*the network is gone.*history"):
        save("SELECT 2 AS id", "append")
    with pytest.raises(UnknownOutcome) as caught:
        save("SELECT 2 AS id", "append")
    assert not engine.is_transient(caught.value)


# -- what the table and the session say --------------------------------------------------------------------------------


def test_an_overwrite_is_whole_whatever_the_session_says(save: Save, holds: Any, spark: Any) -> None:
    """Spark would replace partitions only, or the whole table and its partitioning, by a setting."""
    save("SELECT id, id % 2 AS p FROM range(4)", partition_by=("p",))
    spark.conf.set("spark.sql.sources.partitionOverwriteMode", "dynamic")
    try:
        report = save("SELECT 9L AS id, 1L AS p", partition_by=("p",))
        holds([{"id": 9, "p": 1}])
        assert report.schema_changes == ()
        report = save("SELECT 8L AS id, 0L AS p, 'x' AS new", partition_by=("p",))
        holds([{"id": 8, "p": 0, "new": "x"}])
        assert (report.schema_changes, report.partitions) == (("added column new: string",), 1)
    finally:
        spark.conf.unset("spark.sql.sources.partitionOverwriteMode")


def test_an_overwrite_that_changes_nothing_keeps_what_the_table_says(
    save: Save, spark: Any, lake: LocalConnection
) -> None:
    save("SELECT 1 AS id")
    alter(spark, lake, "ALTER COLUMN id COMMENT 'the key'")
    alter(spark, lake, "SET TBLPROPERTIES ('mine' = 'x')")
    save("SELECT 2 AS id")
    detail = spark.sql(f"DESCRIBE DETAIL delta.`file://{table(lake)}`").first()
    assert detail.properties["mine"] == "x"
    assert spark.sql(f"DESCRIBE delta.`file://{table(lake)}`").first().comment == "the key"


def test_rows_that_break_the_tables_own_rules(save: Save, holds: Any, spark: Any, lake: LocalConnection) -> None:
    spark.sql(f"CREATE TABLE delta.`file://{table(lake)}` (id INT, n STRING NOT NULL) USING delta")
    alter(spark, lake, "ADD CONSTRAINT positive CHECK (id > 0)")
    save("SELECT 1 AS id, 'x' AS n", "append")
    for sql in ("SELECT -1 AS id, 'x' AS n", "SELECT 1 AS id, CAST(NULL AS STRING) AS n", "SELECT 1 AS id"):
        with pytest.raises(
            DataError, match=r"lake:t: rows break a constraint of the table \(positive: id > 0; n is never"
        ):
            save(sql, "append")
    holds([{"id": 1, "n": "x"}])


def test_a_table_that_only_grows(save: Save, spark: Any, lake: LocalConnection) -> None:
    save("SELECT 1 AS id")
    alter(spark, lake, "SET TBLPROPERTIES ('delta.appendOnly' = 'true')")
    save("SELECT 2 AS id", "append")
    with pytest.raises(UnsupportedError, match=r"is append-only \(delta.appendOnly\) and can not be overwritten"):
        save("SELECT 3 AS id")


def test_generated_columns_are_left_to_the_table(save: Save, holds: Any, spark: Any, lake: LocalConnection) -> None:
    where = f"file://{table(lake)}"
    try:
        spark.sql(f"CREATE TABLE delta.`{where}` (id BIGINT, twice BIGINT GENERATED ALWAYS AS (id * 2)) USING delta")
    except AnalysisException as error:  # Delta 3.3 takes them from its own builder alone
        if "does not support generated columns" not in str(error):
            raise
        from delta.tables import DeltaTable

        builder = DeltaTable.create(spark).location(str(table(lake))).addColumn("id", "BIGINT")
        builder.addColumn("twice", "BIGINT", generatedAlwaysAs="id * 2").execute()
    save("SELECT 4 AS id", "append")
    holds([{"id": 4, "twice": 8}])


def test_identity_columns_are_numbered_by_the_table(save: Save, spark: Any, lake: LocalConnection) -> None:
    where = f"file://{table(lake)}"
    try:
        spark.sql(f"CREATE TABLE delta.`{where}` (k BIGINT GENERATED ALWAYS AS IDENTITY, name STRING) USING delta")
    except AnalysisException:
        if not spark.version.startswith("3."):
            raise
        pytest.skip("Delta 3.3 takes them from its own builder alone")
    save("SELECT 'a' AS name", "append")
    save("SELECT 'b' AS name", "append")
    (found,) = spark.sql(f"SELECT count(DISTINCT k) AS numbers, count(*) AS rows FROM delta.`{where}`").collect()
    assert (found["numbers"], found["rows"]) == (2, 2)


def test_types_without_a_name_of_ours_stay_as_they_are(save: Save, spark: Any, lake: LocalConnection) -> None:
    spark.range(1).selectExpr("id", "NULL AS n").write.format("delta").save(f"file://{table(lake)}")
    save("SELECT 2 AS id, NULL AS n", "append")
    save("SELECT 3 AS id", "append")
    assert spark.read.format("delta").load(f"file://{table(lake)}").count() == 3


# -- what is known of table and commit ---------------------------------------------------------------------------------


def test_what_the_log_says_is_found_without_a_job(
    save: Save, engine: SparkEngine, spark: Any, lake: LocalConnection
) -> None:
    """In the newest commit, in its summary, in an older commit."""
    save("SELECT 1L AS id, 'x' AS p", partition_by=("p",))
    for number in range(3):
        save(f"SELECT {number}L AS id, 'x' AS p", "append")
    location = Target(lake, "t", "delta").location()
    first = commit.find_table(engine.session, location)
    for path in (table(lake) / "_delta_log").glob("*.crc"):
        path.unlink()
    second = commit.find_table(engine.session, location)
    assert first == second
    assert first is not None
    assert (first.version, first.partition_by) == (3, ("p",))
    assert [(column.name, column.type_name) for column in first.columns] == [("id", "bigint"), ("p", "string")]


def test_tables_of_the_other_engine_are_continued(
    save: Save, holds: Any, engine: SparkEngine, lake: LocalConnection
) -> None:
    """Types, partitions and the names in the log are the same."""
    other = PandasEngine()
    made = other.query(Query("SELECT 1::BIGINT AS id, 'a b/ü=%' AS p, TIMESTAMP '2024-01-01' AS t", "duckdb"), {})[0]
    other.save(made, Target(lake, "t", "delta", partition_by=("p",), metadata={"by": "pandas"}))
    report = save("SELECT 2 AS ID, 'a b/ü=%' AS p, DATE'2024-01-02' AS t", "append", metadata={"by": "spark"})
    assert (report.version_before, report.version_after, report.partitions) == (0, 1, 1)
    assert [column.type_name for column in report.columns] == ["bigint", "string", "timestamp_ntz"]
    other.save(made, Target(lake, "t", "delta", "append", metadata={"by": "pandas"}))
    for each in (engine, other):
        history = each.get_delta_history(lake, "t")
        told = [commit["user_metadata"] for commit in history]
        assert told == ['{"by": "pandas"}', '{"by": "spark"}', '{"by": "pandas"}']
        assert [commit["metrics"]["num_output_rows"] for commit in history] == [1, 1, 1]
    assert len(other.read(lake, path="t")) == 3
    other.close()


def test_where_python_can_not_see_the_log_spark_is_asked(
    save: Save, holds: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commit, "reachable", lambda location: False)
    report = save("SELECT id, id % 2 AS p FROM range(5)", partition_by=("p",))
    assert (report.rows, report.version_before, report.version_after, report.partitions) == (5, None, 0, None)
    report = save("SELECT 7 AS ID, 1 AS p, 'x' AS new", "append")
    assert (report.rows, report.files, report.version_before, report.version_after) == (1, 1, 0, 1)
    assert report.schema_changes == ("added column new: string",)
    with pytest.raises(TargetExistsError):
        save("SELECT 1 AS id", "error")


def test_thousands_of_partitions_are_warned_of(save: Save) -> None:
    report = save("SELECT id, id % 1001 AS p FROM range(1001)", partition_by=("p",))
    assert report.partitions == 1001
    assert report.warnings == (
        (
            "partition_by [p]: 1,001 partitions were written (more than 1,000), and 1,001 of 1,001 partitions have "
            "fewer than 1,000 rows (the smallest 1); fewer, larger partitions are read faster"
        ),
    )


@pytest.mark.parametrize(("version", "text"), [(1, "garbage"), (1, '{"metaData": 5}\n'), (0, None)])
def test_a_damaged_log(save: Save, lake: LocalConnection, version: int, text: str | None) -> None:
    """The table is told, and what is wrong."""
    save("SELECT 1 AS id")
    save("SELECT 'x' AS id")
    log = table(lake) / "_delta_log"
    for path in log.glob("*.crc"):
        path.unlink()
    path = log / f"{version:020}.json"
    path.unlink() if text is None else path.write_text(text)
    with pytest.raises(DataError, match=r"lake:t: the table's log \(_delta_log\) can not be read"):
        save("SELECT 'y' AS id", "append")


# -- what is left and what it costs ------------------------------------------------------------------------------------


def test_what_a_writer_that_was_killed_left_is_no_obstacle(save: Save, holds: Any, lake: LocalConnection) -> None:
    table(lake).mkdir(parents=True)
    (table(lake) / f"{rules.MARK}1-2").write_text("a table is being made here")
    (table(lake) / "part-00000-5dbb6c99-d91a-4f11-b3ad-23fa00325748-c000.snappy.parquet").write_bytes(b"half")
    save("SELECT 1 AS id")
    holds([{"id": 1}])


def test_other_files_of_a_folder_survive_a_failed_write(save: Save, lake: LocalConnection) -> None:
    table(lake).mkdir(parents=True)
    (table(lake) / "_notes.txt").write_text("mine")
    checks = Checks((RowCheck("no", "id > 0", ("id",), "spark"),))
    with pytest.raises(OdibiError):
        save("SELECT 1 AS id", checks=checks)
    assert [path.name for path in table(lake).iterdir()] == ["_notes.txt"]


PART = "part-00000-5dbb6c99-d91a-4f11-b3ad-23fa00325748-c000.snappy.parquet"
"""A name as Spark gives it, whoever has it write."""
NO_ROWS = Checks((RowCheck("no", "id > 0", ("id",), "spark"),))


def beside(spark: Any, lake: LocalConnection, monkeypatch: pytest.MonkeyPatch, work: Callable[[], Any]) -> None:
    """Have another writer do its work while ours makes the table."""
    send = write._Write._send

    def sent(self: Any, *given: Any) -> None:
        monkeypatch.setattr(write._Write, "_send", send)
        try:
            send(self, *given)
        finally:
            work()

    monkeypatch.setattr(write._Write, "_send", sent)


@pytest.mark.parametrize("reach", ["local", "elsewhere"])
def test_files_of_another_writer_survive_a_failed_write(
    save: Save, holds: Any, spark: Any, lake: LocalConnection, monkeypatch: pytest.MonkeyPatch, reach: str
) -> None:
    """Even where they are called as ours are; and what stays there is no obstacle to the next write."""

    def work() -> None:
        table(lake).mkdir(parents=True, exist_ok=True)
        (table(lake) / PART).write_bytes(b"another's")

    if reach == "elsewhere":
        monkeypatch.setattr(commit, "is_local", lambda location: False)
    beside(spark, lake, monkeypatch, work)
    with pytest.raises(OdibiError):
        save("SELECT 1 AS id", checks=NO_ROWS)
    assert (table(lake) / PART).read_bytes() == b"another's"
    if reach == "local":
        assert [path.name for path in table(lake).iterdir()] == [PART]
        (table(lake) / PART).unlink()
    save("SELECT 1 AS id")
    holds([{"id": 1}])


def test_a_failed_write_leaves_nothing(save: Save, lake: LocalConnection) -> None:
    with pytest.raises(OdibiError):
        save("SELECT 1 AS id", checks=NO_ROWS)
    assert not list(Path(lake.get_path("t")).parent.iterdir())


@pytest.mark.parametrize("links", [True, False])
def test_a_table_of_another_writer_that_is_there_first(
    save: Save, holds: Any, spark: Any, lake: LocalConnection, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    def no_links(*given: Any) -> None:
        raise OSError("no links here")

    if not links:
        monkeypatch.setattr("os.link", no_links)
    beside(
        spark, lake, monkeypatch, lambda: spark.range(1).coalesce(1).write.format("delta").save(f"file://{table(lake)}")
    )
    report = save("SELECT 7L AS id", "append")
    assert (report.version_before, report.version_after) == (0, 1)
    holds([{"id": 0}, {"id": 7}])
    assert len(list(table(lake).glob("*.parquet"))) == 2
    assert [path.name for path in table(lake).parent.iterdir()] == ["t"]


@pytest.mark.parametrize("links", [True, False])
def test_a_table_is_made_where_something_lies(
    save: Save, holds: Any, lake: LocalConnection, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    """Hidden files of others stay, and a log that no commit is in is none."""

    def no_links(*given: Any) -> None:
        raise OSError("no links here")

    if not links:
        monkeypatch.setattr("os.link", no_links)
    (table(lake) / "_delta_log" / "_staged_commits").mkdir(parents=True)
    (table(lake) / "_notes.txt").write_text("mine")
    save("SELECT id, id % 2 AS p FROM range(4)", partition_by=("p",))
    holds([{"id": number, "p": number % 2} for number in range(4)])
    assert (table(lake) / "_notes.txt").read_text() == "mine"
    save("SELECT 4L AS id, 1L AS p", "append")
    assert not [path for path in table(lake).iterdir() if path.name.startswith(rules.MARK)]


@pytest.mark.jvm
def test_an_append_that_is_used_again_is_computed_once(
    save: Save, engine: SparkEngine, spark: Any, lake: LocalConnection, tmp_path: Path
) -> None:
    spark.range(10).write.parquet(f"file://{tmp_path}/source")
    frame = engine.adopt(spark.read.parquet(f"file://{tmp_path}/source").selectExpr("id * 2 AS id"))
    save("SELECT 0L AS id")
    report = engine.save(frame, Target(lake, "t", "delta", "append", reused=True))
    for path in (tmp_path / "source").glob("*.parquet"):
        path.unlink()
    assert engine.narwhals(report.frame, lazy=False).shape == (10, 1)


@pytest.mark.jvm
def test_a_schema_check_and_a_plan_cost_no_job(
    engine: SparkEngine, save: Save, spark: Any, lake: LocalConnection
) -> None:
    save("SELECT 1L AS id")
    frame = engine.query(Query("SELECT 'x' AS id", "spark"), {})[0]
    with counted_jobs(spark) as work:
        with pytest.raises(OdibiError, match="not every value would fit"):
            engine.save(frame, Target(lake, "t", "delta", "append"))
        with pytest.raises(TargetExistsError):
            engine.save(frame, Target(lake, "t", "delta", "error"))
        assert not engine.save(frame, Target(lake, "t", "delta", "ignore")).written
    assert not work.jobs


def test_plain_files_are_counted_as_they_are_written(engine: SparkEngine, lake: LocalConnection) -> None:
    frame = engine.query(Query("SELECT id FROM range(7)", "spark"), {})[0]
    report = engine.save(frame, Target(lake, "t.parquet", "parquet"))
    assert (report.rows, report.written) == (7, True)
    assert report.files
    assert report.bytes
    with pytest.raises(TargetExistsError, match=r"lake:t\.parquet exists and the mode is error"):
        engine.save(frame, Target(lake, "t.parquet", "parquet", "error"))
    assert not engine.save(frame, Target(lake, "t.parquet", "parquet", "ignore")).written


@pytest.mark.parametrize("keeps", [True, False])
def test_rows_that_the_driver_takes_one_by_one_are_counted(
    engine: SparkEngine, lake: LocalConnection, keeps: bool
) -> None:
    """To Spark that action is done before it began: what an Observation has is zero."""
    frame = engine.query(Query("SELECT id, id % 2 AS odd FROM range(10)", "spark"), {})[0]
    checks = Checks((RowCheck("even", "odd = 1", ("odd",), "spark"),), on_fail="warn") if keeps else Checks()
    for number, mode in enumerate(("overwrite", "append")):
        report = engine.save(frame, Target(lake, "t.xlsx", "excel", mode), checks)
        assert (report.rows, [each.failing_rows for each in report.checks]) == (10, [5] if keeps else [])
        found = engine.narwhals(engine.scan(Source(lake, "t.xlsx", "excel")), lazy=False)
        assert len(found) == 10 * (number + 1)
