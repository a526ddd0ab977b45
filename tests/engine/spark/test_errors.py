"""Spark's errors become texts for users: short, without the JVM, at the place in the SQL that they wrote."""

from __future__ import annotations

import gzip
import logging
import re
from pathlib import Path

import pytest

from odibi.connections import LocalConnection
from odibi.engine import SparkEngine
from odibi.engine.base import Query, Source
from odibi.engine.spark import data_problems, errors, sql_problems
from odibi.engine.spark.errors import explain, is_interrupt, is_transient
from odibi.engine.spark.formats import explain as explain_file
from odibi.engine.spark.formats.base import open_input
from odibi.engine.spark.platform import NoDeltaError
from odibi.errors import AccessError, DataError, DataNotFoundError, OdibiError, SqlError, UnsupportedError

ROWS = "SELECT * FROM VALUES (2147483647, 'ü', 0.0D), (2, 'x', 1.0D) AS t(id, name, amount)"
NOISE = ("_pyspark", "SQLSTATE", "org.apache", "java.", "py4j", "JVM", "\tat ", "== SQL", "spark.sql.", "Traceback")


def failure(engine: SparkEngine, written: str) -> BaseException:
    """What Spark raises when the query is computed."""
    if engine.spark.version < ("4.2" if "assert_true" in written else "4" if "::" in written else ""):
        pytest.skip("only newer Spark has this, or says it so")
    frame = engine.query(Query(written, "spark"), {"t": engine.adopt(engine.spark.sql(ROWS))})[0]
    with pytest.raises(errors.spark_errors()) as caught:
        frame.data.collect()
    return caught.value


def plain(error: OdibiError) -> str:
    text = str(error)
    assert not [noise for noise in NOISE if noise in text], text
    return text


# -- values ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("SELECT CAST(name AS INT) AS x FROM t WHERE id = 2",
         "'x' is not INT (column 'name'); TRY_CAST gives NULL for such values"),
        ("SELECT t.name::DATE AS x FROM t WHERE id = 2",
         "'x' is not a date (column 'name'); it should look like YYYY-MM-DD; TRY_CAST gives NULL"),
        ("SELECT CAST(name AS TIMESTAMP) AS x FROM t WHERE id = 2", "'x' is not a timestamp (column 'name');"),
        ("SELECT CAST(name AS BOOLEAN) AS x FROM t WHERE id = 2", "'x' is not BOOLEAN"),
        ("SELECT CAST(id AS TINYINT) AS x FROM t", "2147483647 does not fit TINYINT"),
        ("SELECT CAST(id AS DECIMAL(3,1)) AS x FROM t", "2147483647 does not fit DECIMAL(3,1)"),
        ("SELECT CAST(amount * 1e30 AS BIGINT) AS x FROM t", "does not fit BIGINT; cast to a wider type"),
        ("SELECT id + id AS x FROM t", "overflow: id + id does not fit its type; cast to a wider type first"),
        ("SELECT sum(9223372036854775800 + id - id) AS x FROM t", "overflow"),
        ("SELECT 1 / amount AS x FROM t", "division by zero in (1 / amount); NULLIF(divisor, 0) gives NULL instead"),
        ("SELECT id % (id - 2) AS x FROM t", "division by zero in (id % (id - 2))"),
        ("SELECT (SELECT id FROM t) AS x FROM t", "a subquery that stands for one value returned more than one row"),
        ("SELECT element_at(array(id), 5) AS x FROM t", "index 5 is outside of an array of 1"),
        ("SELECT to_date(name, 'yyyy') AS x FROM t WHERE id = 2", "'x' does not have the format"),
        ("SELECT raise_error('no; way') AS x FROM t", "no; way"),
        ("SELECT assert_true(id < 0) AS x FROM t", "'(id < 0)' is not true!"),
        ("SELECT from_json(name, 'a INT', map('mode', 'FAILFAST')) AS x FROM t WHERE id = 2", "is not JSON"),
        ("SELECT name RLIKE '(' AS x FROM t", "("),
        ("SELECT format_string('%d', name) AS x FROM t", "a format has %d for a string; %s takes any value"),
        ("SELECT map('a', 1, 'a', id) AS x FROM t", "Duplicate map key a was found, please check the input data"),
    ],
)  # fmt: skip
def test_values_that_can_not_be_computed(engine: SparkEngine, written: str, message: str) -> None:
    found = explain(failure(engine, written))
    assert type(found) is DataError
    assert message in plain(found)
    assert "\n" not in str(found)


def test_a_failing_write_is_told_the_same(engine: SparkEngine, tmp_path: Path) -> None:
    frame = engine.query(Query("SELECT 1 / amount AS x FROM t", "spark"), {"t": engine.adopt(engine.spark.sql(ROWS))})[
        0
    ]
    with pytest.raises(errors.spark_errors()) as caught:
        frame.data.write.format("delta").save(str(tmp_path / "t"))
    found = explain(caught.value)
    assert type(found) is DataError
    assert "division by zero in (1 / amount)" in plain(found)


def test_what_a_failed_task_hides_is_found(engine: SparkEngine) -> None:
    """Connect may tell of it that it failed, and no more."""
    blind = pyspark_error("[TASK_WRITE_FAILED] Task failed while writing rows to file:/x/t. SQLSTATE: 58030")
    failing = engine.query(Query("SELECT 1 / amount AS x FROM t", "spark"), {"t": engine.adopt(engine.spark.sql(ROWS))})
    found = errors.underlying(blind, failing[0].data)
    assert "division by zero in (1 / amount)" in plain(explain(found))
    fine = engine.spark.range(1)
    assert errors.underlying(blind, fine) is blind
    other = pyspark_error("[DIVIDE_BY_ZERO] Division by zero.")
    assert errors.underlying(other, failing[0].data) is other


def test_our_own_texts_are_kept(engine: SparkEngine) -> None:
    written = "SELECT raise_error('odibi: in/a.csv, line 3: it is wrong; repair it') AS x FROM t"
    found = explain(failure(engine, written))
    assert str(found) == "in/a.csv, line 3: it is wrong; repair it"


def test_the_trace_is_only_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    error = of_jvm(ABORTED, "java.util.regex.PatternSyntaxException: Unclosed group")
    with caplog.at_level(logging.INFO, "odibi.spark"):
        explain(error)
    assert caplog.text == ""
    with caplog.at_level(logging.DEBUG, "odibi.spark"):
        explain(error)
    assert "PatternSyntaxException" in caplog.text


# -- Python functions --------------------------------------------------------------------------------------------------


def test_a_failing_udf_names_the_function_and_its_line(engine: SparkEngine) -> None:
    from pyspark.sql.functions import udf

    def double(value):  # type: ignore[no-untyped-def]  # pyspark takes no hints as text
        raise ValueError(f"no number: {value}\nat all")

    with pytest.raises(errors.spark_errors()) as caught:
        engine.spark.range(1).select(udf(double, "int")("id")).collect()
    found = explain(caught.value)
    assert type(found) is OdibiError
    line = double.__code__.co_firstlineno + 1
    assert str(found) == f"function 'double' failed: ValueError: no number: 0 at all\n  at {__file__}:{line}"


def test_what_a_function_gives_and_pyspark_refuses(engine: SparkEngine) -> None:
    def rename(parts):  # type: ignore[no-untyped-def]  # pyspark takes no hints as text
        return (part.rename(columns={"id": "b"}) for part in parts)

    with pytest.raises(errors.spark_errors()) as caught:
        engine.spark.range(1).mapInPandas(rename, "a long").collect()
    told = plain(explain(caught.value))
    assert told.startswith("a Python function failed: Column names of the returned "), told


def test_a_python_process_that_crashes(engine: SparkEngine) -> None:
    from pyspark.sql.functions import udf

    def crash(value):  # type: ignore[no-untyped-def]  # pyspark takes no hints as text
        import os

        os._exit(value)

    with pytest.raises(errors.spark_errors()) as caught:
        engine.spark.range(1).select(udf(crash, "int")("id")).collect()
    told = explain(caught.value)
    assert type(told) is AccessError
    assert plain(told).startswith("a Python process of Spark's ended in the middle of a function: it crashed")


def test_a_column_of_a_data_frame_that_is_not_there(engine: SparkEngine) -> None:
    from pyspark.sql import functions

    with pytest.raises(errors.spark_errors()) as caught:
        _ = engine.spark.sql(ROWS).select(functions.col("amont")).schema
    found = explain(caught.value)
    assert isinstance(found, SqlError)
    assert plain(found).startswith("there is no column 'amont'; did you mean 'amount'?")


# -- files -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        ("[DATA_SOURCE_NOT_FOUND] Failed to find the data source: delta. Make sure the provider name is correct",
         NoDeltaError, "this Spark session has no Delta; fetch its jars with: odibi spark jars"),
        ("[NOT_SUPPORTED_WITH_SERVERLESS] PERSIST TABLE is not supported on serverless compute. SQLSTATE: 0A000",
         UnsupportedError, "this serverless compute can not keep a frame"),
        ("User does not have permission SELECT on any file.", AccessError, "this compute reaches paths outside of"),
    ],
)  # fmt: skip
def test_what_the_platform_refuses_is_told_with_the_way_out(text: str, kind: type[OdibiError], message: str) -> None:
    found = explain(RuntimeError(text))
    assert type(found) is kind
    assert str(found).startswith(message)


def test_files_that_are_gone_or_damaged(engine: SparkEngine, tmp_path: Path) -> None:
    path = tmp_path / "p.parquet"
    engine.spark.range(3).write.parquet(str(path))
    frame = engine.spark.read.parquet(str(path))
    for file in path.glob("*.parquet"):
        file.unlink()
    with pytest.raises(errors.spark_errors()) as caught:
        frame.collect()
    assert isinstance(explain(caught.value), DataError | DataNotFoundError)  # Connect tells that there is no schema
    (tmp_path / "x.parquet").write_bytes(b"no parquet" * 5)
    with pytest.raises(errors.spark_errors()) as caught:
        engine.spark.read.schema("a int").parquet(str(tmp_path / "x.parquet")).collect()
    found = explain(caught.value)
    assert isinstance(found, DataError)
    assert "x.parquet" in plain(found)
    with pytest.raises(errors.spark_errors()) as caught:
        _ = engine.spark.read.parquet(str(tmp_path / "nothing")).schema
    assert isinstance(explain(caught.value), DataNotFoundError)


# -- texts of the JVM --------------------------------------------------------------------------------------------------


class Py4JJavaError(Exception):
    """As py4j raises it: the text of the JVM with its trace."""


def of_jvm(*causes: str) -> Py4JJavaError:
    lines = [f"An error occurred while calling o58.save.\n: {causes[0]}\n\tat org.apache.spark.X.y(X.scala:1)"]
    lines += [f"Caused by: {cause}\n\tat org.apache.spark.Z.w(Z.scala:2)\n\t... 9 more" for cause in causes[1:]]
    return Py4JJavaError("\n".join(lines))


def pyspark_error(text: str, kind: str = "SparkException") -> Exception:
    made: Exception = type(kind, (Exception,), {"__module__": "pyspark.errors.exceptions.captured"})(text)
    return made


ABORTED = "org.apache.spark.SparkException: Job aborted due to stage failure: Task 0 in stage 1.0 failed 4 times"


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (of_jvm(ABORTED, "java.lang.OutOfMemoryError: Java heap space"), AccessError, "out of memory: Java"),
        (of_jvm("java.lang.StackOverflowError"), SqlError, "nested too deeply"),
        (of_jvm(ABORTED, "java.io.IOException: No space left on device"), AccessError, "no space left on the disk"),
        (of_jvm(f"{ABORTED}, most recent failure: ExecutorLostFailure (executor 1 exited caused by one of the running "
                "tasks) Reason: worker lost"), AccessError, "Spark lost an executor"),
        (of_jvm(ABORTED, "org.apache.hadoop.security.AccessControlException: Permission denied: user=me"),
         AccessError, "no permission"),
        (of_jvm("org.apache.spark.SparkException: [SCALAR_SUBQUERY_TOO_MANY_ROWS] More than one row returned by a "
                "subquery used as an expression. SQLSTATE: 21000"), DataError, "returned more than one row"),
        (of_jvm("org.apache.spark.SparkException: Job 3 cancelled because killed via the Web UI"), OdibiError,
         "cancelled from outside"),
        (pyspark_error("it is odd\n\nJVM stacktrace:\njava.util.OddException\n\tat java.util.X.y(X.java:1)"), DataError,
         "it is odd"),
        (of_jvm(ABORTED, "some.library.StrangeException: it is odd\nin two"), DataError, "it is odd in two"),
    ],
)  # fmt: skip
def test_errors_of_the_jvm(error: Exception, kind: type[OdibiError], message: str) -> None:
    found = explain(error)
    assert type(found) is kind
    assert message in plain(found)
    assert "\n" not in str(found)


def test_files_in_the_words_of_spark_before_4(tmp_path: Path) -> None:
    reading = "org.apache.spark.SparkException: Encountered error while reading file file:///x/a.parquet. Details:"
    found = explain(of_jvm(ABORTED, reading, "java.io.IOException: FAILED_TO_UNCOMPRESS(5)"))
    assert type(found) is DataError
    assert "'/x/a.parquet' is damaged (FAILED_TO_UNCOMPRESS(5)); restore it" in plain(found)
    (tmp_path / "t" / "_delta_log").mkdir(parents=True)
    gone = f"org.apache.spark.SparkFileNotFoundException: File file:{tmp_path}/t/part-0.parquet does not exist\n"
    found = explain(of_jvm(ABORTED, gone + "It is possible the underlying files have been updated. You can …"))
    assert type(found) is DataNotFoundError
    assert "t: the log lists the data file part-0.parquet, which is gone" in plain(found)


MALFORMED = "org.apache.spark.SparkException: [MALFORMED_RECORD_IN_PARSING.WITHOUT_SUGGESTION] Malformed records are …"


@pytest.mark.parametrize(
    ("name", "content", "causes", "message"),
    [
        ("a.csv", b"id,name\n1,a\n2\n",
         (MALFORMED, "org.apache.spark.SparkRuntimeException: [MALFORMED_CSV_RECORD] Malformed CSV record: 2"),
         "raw:a.csv, line 3: expected 2 columns, found 1: '2'"),
        ("a.csv", b'id,name\n1,"a\n',
         ("com.univocity.parsers.common.TextParsingException: Unescaped quote character",),
         "raw:a.csv, line 2: a quote is opened here and never closed"),
        ("a.csv.gz", gzip.compress(b"id,name\n1,a\n" * 9)[:-9],
         ("java.io.EOFException: Unexpected end of input stream",), "raw:a.csv.gz is no whole gzip file; it was"),
        ("a.jsonl", b'{"id": 1}\n{"id"\n', (MALFORMED,), "raw:a.jsonl, line 2: Expecting"),
        ("a.jsonl", b"[1, 2]\n", (MALFORMED,), "raw:a.jsonl holds no JSON objects with fields"),
    ],
)  # fmt: skip
def test_a_file_that_spark_does_not_name(
    tmp_path: Path, name: str, content: bytes, causes: tuple[str, ...], message: str
) -> None:
    (tmp_path / name).write_bytes(content)
    (tmp_path / "fine.csv.gz").write_bytes(gzip.compress(b"id,name\n1,a\n"))
    lake = LocalConnection(tmp_path, name="raw")
    for each in (name, "fine.csv.gz"):
        source = Source(lake, each, "json" if "json" in each else "csv")
        explain_file.remember(open_input(source, text=True))
    found = explain(of_jvm(ABORTED, *causes))
    assert type(found) is DataError
    assert message in plain(found)


# -- what may pass, and what was stopped -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "transient"),
    [
        (of_jvm(ABORTED, "java.net.SocketTimeoutException: Read timed out"), True),
        (of_jvm(ABORTED, "java.net.ConnectException: Connection refused"), True),
        (of_jvm(f"{ABORTED}: ExecutorLostFailure (executor 1 exited)"), True),
        (pyspark_error("<_InactiveRpcError status = StatusCode.UNAVAILABLE", "SparkConnectGrpcException"), True),
        (of_jvm(ABORTED, "x.AbfsRestOperationException: Operation failed: \"busy\", 503, PUT, https://…"), True),
        (of_jvm(ABORTED, "java.lang.OutOfMemoryError: Java heap space"), False),
        (pyspark_error("[DIVIDE_BY_ZERO] Division by zero."), False),
        (pyspark_error("[PATH_NOT_FOUND] Path does not exist: Connection refused", "AnalysisException"), False),
        (ValueError("Connection refused"), False),
    ],
)  # fmt: skip
def test_only_passing_errors_are_transient(error: Exception, transient: bool) -> None:
    assert is_transient(error) is transient
    wrapped = AccessError("told to the user")
    wrapped.__cause__ = error
    assert is_transient(wrapped) is transient


@pytest.mark.parametrize(
    ("error", "interrupt"),
    [
        (of_jvm("x.SparkException: [SPARK_JOB_CANCELLED] Job 3 cancelled part of cancelled job tags odibi-7-1"), True),
        (pyspark_error("[OPERATION_CANCELED] Operation has been canceled. SQLSTATE: HY008"), True),
        (of_jvm("org.apache.spark.SparkException: Job 3 cancelled because SparkContext was shut down"), True),
        (of_jvm("org.apache.spark.SparkException: Job 3 cancelled because killed via the Web UI"), False),
        (pyspark_error("[DIVIDE_BY_ZERO] Division by zero."), False),
        (ValueError("odibi-7-1 cancelled"), False),
    ],
)  # fmt: skip
def test_what_was_stopped_by_us(error: Exception, interrupt: bool) -> None:
    assert is_interrupt(error) is interrupt


def test_pyspark_s_own_lines_are_silenced(engine: SparkEngine) -> None:
    pytest.importorskip("pyspark.logger", reason="Spark 3.5 has no such loggers")
    assert engine.spark
    for name in ("SQLQueryContextLogger", "DataFrameQueryContextLogger"):
        assert not logging.getLogger(name).isEnabledFor(logging.CRITICAL)


def test_no_table_of_errors_has_a_hole() -> None:
    """Every condition is written as Spark writes it."""
    for name in (*sql_problems.BY_CONDITION, *data_problems.BY_CONDITION):
        assert re.fullmatch(r"[A-Z][A-Z0-9_]+(?:\.[A-Z0-9_]+)?", name)
