"""Python functions on Spark: what is Spark's alone. What every engine does is in the contract of functions."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from odibi.context import Context
from odibi.engine import SparkEngine
from odibi.engine.base import Query
from odibi.engine.spark import functions as module
from odibi.engine.spark import session
from odibi.errors import DataError, OdibiError, SqlError, UnsupportedError
from odibi.testing import assert_frame_equal


def sales(engine: SparkEngine) -> Any:
    rows = "VALUES (1, 'x'), (0, 'y')"
    return engine.query(Query(f"SELECT * FROM ({rows}) AS t(id, name)", "spark"), {})[0]


def call(engine: SparkEngine, function: Any, current: Any = None) -> Any:
    current = sales(engine) if current is None else current
    return engine.call(function, Context(engine, {"t": current}), current, {})


# -- plans stay plans --------------------------------------------------------------------------------------------------


def test_native_frames_are_plans_of_the_session(engine: SparkEngine) -> None:
    def f(context: Any, current: Any) -> Any:
        assert current.sparkSession is engine.spark
        assert context.get("t") is current
        return current.where("id > 0")

    found = call(engine, f)
    assert engine.is_lazy(found)
    assert found.rows is None
    assert engine.native(found).collect()[0].name == "x"


@pytest.mark.jvm
def test_lazy_functions_start_no_job(engine: SparkEngine) -> None:
    from odibi.testing.spark_jobs import counted_jobs

    def lazy(context: Any, current: nw.LazyFrame[Any]) -> Any:
        grouped = current.with_columns(n=nw.col("id") * 2).filter(nw.col("n") > 0).group_by("name")
        return grouped.agg(nw.col("n").sum())

    lazy.__annotations__["current"] = nw.LazyFrame
    with counted_jobs(engine.spark) as work:
        found = call(engine, lazy)
        call(engine, lambda context, current: current.union(context.get("t")))
        call(engine, lambda context, current: pd.DataFrame({"a": [1]}))
        engine.adopt(pa.table({"a": [1]}))
    assert work.jobs == []
    assert_frame_equal(engine.native(found), [{"name": "x", "n": 2}])


@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")  # of PySpark 3.5, which pytest.warns hands on
def test_an_eager_frame_is_arrow_and_many_rows_are_worth_a_warning(
    engine: SparkEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def eager(context: Any, current: nw.DataFrame[Any]) -> Any:
        assert isinstance(nw.to_native(current), pa.Table)
        return current

    eager.__annotations__["current"] = nw.DataFrame
    assert call(engine, eager).rows == 2
    monkeypatch.setattr(module, "MANY_ROWS", 1)
    with pytest.warns(UserWarning, match=r"2 rows were collected into the driver's memory.*nw.LazyFrame"):
        call(engine, eager)


# -- what comes back ---------------------------------------------------------------------------------------------------


@pytest.mark.skipif(int(pa.__version__.split(".")[0]) < 16, reason="older Arrow casts no number of 16 bits")
def test_types_of_arrow_that_spark_has_not_take_the_nearest(engine: SparkEngine) -> None:
    table = pa.table(
        {
            "u8": pa.array([255], pa.uint8()),
            "u32": pa.array([2**32 - 1], pa.uint32()),
            "u64": pa.array([5], pa.uint64()),
            "half": pa.array(np.array([0.5], dtype="float16")),
            "day": pa.array([datetime(2024, 1, 31)], pa.date64()),  # noqa: DTZ001
            "ns": pa.array([1_700_000_000_000_000_001], pa.timestamp("ns")),
            "berlin": pa.array([datetime(2024, 1, 31, 8, tzinfo=UTC)], pa.timestamp("ms", "Europe/Berlin")),
            "large": pa.array(["x"], pa.large_string()),
            "codes": pa.array(["x"]).dictionary_encode(),
            "fixed": pa.array([[1, 2]], pa.list_(pa.uint16(), 2)),
            "deep": pa.array([{"a": [{"b": 1}]}], pa.struct([("a", pa.large_list(pa.struct([("b", pa.uint8())])))])),
            "wide": pa.array([Decimal("1.5")], pa.decimal256(50, 2)),
        }
    )
    frame = engine.adopt(table)
    assert {column.name: column.type_name for column in frame.columns} == {
        "u8": "smallint", "u32": "bigint", "u64": "bigint", "half": "float", "day": "date", "ns": "timestamp_ntz",
        "berlin": "timestamp", "large": "string", "codes": "string", "fixed": "array<int>",
        "deep": "struct<a:array<struct<b:smallint>>>", "wide": "decimal(38,2)",
    }  # fmt: skip
    (row,) = frame.data.collect()
    assert (row.u8, row.u32, row.half, row.fixed, row.deep.a[0].b) == (255, 2**32 - 1, 0.5, [1, 2], 1)
    assert_frame_equal(engine.narwhals(frame, lazy=True).select("berlin", "ns"), table.select(["berlin"]).append_column(
        "ns", table["ns"].cast(pa.timestamp("us"), safe=False)
    ))  # fmt: skip


@pytest.mark.parametrize(
    ("column", "text"),
    [
        (pa.array([2**64 - 1], pa.uint64()), r"column 'c' holds uint64 that int64 can not hold.*18446744073709551615"),
        (pa.array([1], pa.time64("us")), r"column 'c' holds time64\[us\], which Spark has no type for; convert it"),
        (pa.array([[1]], pa.list_(pa.time32("s"))), "column 'c' holds list<item: time32.*no type for"),
    ],
)
def test_values_that_spark_can_not_hold(engine: SparkEngine, column: Any, text: str) -> None:
    with pytest.raises(DataError, match=text):
        engine.adopt(pa.table({"c": column}))


def test_a_frame_of_another_session_is_told(engine: SparkEngine, spark: Any) -> None:
    if not hasattr(spark, "newSession"):
        pytest.skip("Spark Connect makes no second session")

    def f(context: Any, current: Any) -> Any:
        return current.sparkSession.newSession().range(3)

    with pytest.raises(DataError, match=r"function 'f': the Spark DataFrame belongs to a session of its own; make it"):
        call(engine, f)


class Stopped:
    """A session that was stopped, as far as one looks at it."""

    is_stopped = True
    session_id = "another"


def test_a_frame_of_a_stopped_session_is_told(engine: SparkEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    data = sales(engine).data
    monkeypatch.setattr(type(data), "sparkSession", Stopped())
    with pytest.raises(DataError, match="belongs to a session that was stopped"):
        engine.adopt(data)


@pytest.mark.parametrize(
    ("function", "text"),
    [
        (lambda context, current: current.groupBy("id"), "a GroupedData is no frame; return a DataFrame"),
        (lambda context, current: current["id"], "a Column is no frame"),
        (lambda context, current: current.collect(), "a list is no frame"),
        (lambda context, current: current.selectExpr("id", "name AS ID"), "'ID' and 'id' differ only in case"),
        (lambda context, current: current.join(current, "id"), "the column name 'name' occurs twice; rename one"),
    ],
)
def test_what_is_no_frame_of_spark(engine: SparkEngine, function: Any, text: str) -> None:
    with pytest.raises(DataError, match=f"function '<lambda>': .*{text}"):
        call(engine, function)


@pytest.mark.jvm
def test_a_stream_is_told(engine: SparkEngine) -> None:
    with pytest.raises(DataError, match=r"a streaming DataFrame can not be used here; read it with spark.read"):
        call(engine, lambda context, current: current.sparkSession.readStream.format("rate").load())


# -- failures ----------------------------------------------------------------------------------------------------------


def pandas_method(context: Any, current: Any) -> Any:
    return current.assign(x=1)


def pandas_item(context: Any, current: Any) -> Any:
    current["x"] = 1
    return current


def pandas_group(context: Any, current: Any) -> Any:
    return current.groupby("name").id.sum()


def pandas_keyword(context: Any, current: Any) -> Any:
    return current.drop(columns=["id"])


def pandas_length(context: Any, current: Any) -> Any:
    return current if len(current) else None


@pytest.mark.parametrize("function", [pandas_method, pandas_item, pandas_group, pandas_keyword, pandas_length])
def test_a_function_written_for_pandas_is_told_what_to_do(engine: SparkEngine, function: Any) -> None:
    with pytest.raises(OdibiError) as caught:
        call(engine, function)
    line = function.__code__.co_firstlineno + 1
    assert "annotate `current` as nw.LazyFrame (narwhals) and the function runs on every engine" in str(caught.value)
    assert str(caught.value).endswith(f"at {__file__}:{line}")


def pandas_itself(context: Any, current: Any) -> Any:
    return pd.DataFrame({"id": [1]}).nmae


def no_keyword(context: Any, current: Any) -> Any:
    return pd.DataFrame({"id": [1]}).drop(nmae=1)


@pytest.mark.parametrize("function", [pandas_itself, no_keyword])
def test_what_pandas_refuses_is_not_put_down_to_spark(engine: SparkEngine, function: Any) -> None:
    with pytest.raises(OdibiError, match=r"nmae") as caught:
        call(engine, function)
    assert "nw.LazyFrame" not in str(caught.value)


@pytest.fixture
def ended(engine: SparkEngine, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bool]]:
    """The session counts as stopped once something is in the list."""
    ended: list[bool] = []
    for each in (module, session):
        monkeypatch.setattr(each, "is_stopped", lambda spark: bool(ended))
    yield ended
    ended.clear()
    engine.session._mark(on=False)  # which a session that is really stopped has no more


def test_a_function_that_stops_the_session_is_told(engine: SparkEngine, ended: list[bool]) -> None:

    def stops(context: Any, current: Any) -> Any:
        ended.append(True)  # as spark.stop() would, for everybody
        return current

    with pytest.raises(
        UnsupportedError, match=r"^function 'stops' stopped the Spark session, which the rest of the run"
    ):
        call(engine, stops)
    with pytest.raises(UnsupportedError, match=r"^the Spark session was stopped, which .*leave spark.stop\(\) out"):
        engine.adopt(None)


def test_a_session_that_is_stopped_meanwhile_is_told(engine: SparkEngine, ended: list[bool]) -> None:
    told = pytest.raises(UnsupportedError, match=r"^the Spark session was stopped, which the rest of the run needs")
    with told, engine._explained():
        ended.append(True)
        raise AttributeError("'NoneType' object has no attribute 'sc'")


def wrong_column(context: Any, current: Any) -> Any:
    return current.select("nmae")


def wrong_rows(context: Any, current: Any) -> Any:
    return current.selectExpr("1 / id").collect()


@pytest.mark.parametrize(("function", "text"), [(wrong_column, "'nmae'"), (wrong_rows, "division by zero")])
def test_what_spark_raises_in_a_function_is_said_in_words(engine: SparkEngine, function: Any, text: str) -> None:
    with pytest.raises(OdibiError) as caught:
        call(engine, function)
    message = str(caught.value)
    assert message.startswith(f"function {function.__name__!r} failed: ")
    assert text in message
    assert "SQLSTATE" not in message
    assert "JVM" not in message
    line = function.__code__.co_firstlineno  # Connect tells of a wrong plan after the function
    assert message.endswith((f"at {__file__}:{line + 1}", f"at {__file__}:{line}"))


def test_a_udf_that_fails_later_is_told_with_its_line(engine: SparkEngine) -> None:
    from pyspark.sql import functions as F  # noqa: N812

    def share(value):  # type: ignore[no-untyped-def]  # Spark reads the annotations
        return 1 // value

    frame = call(engine, lambda context, current: current.withColumn("x", F.udf(share, "long")("id")))
    with pytest.raises(OdibiError) as caught:
        engine.compute(frame)
    assert "ZeroDivisionError" in str(caught.value)
    assert f"{__file__}:{share.__code__.co_firstlineno + 1}" in str(caught.value)
    assert not engine.probe(frame)


def test_a_udf_that_can_not_be_sent_is_told(engine: SparkEngine) -> None:
    """On Connect, where it is sent when the columns are asked for, too."""
    from pyspark.sql import functions as F  # noqa: N812

    def locked(context: Any, current: Any) -> Any:
        lock = threading.Lock()
        return current.withColumn("x", F.udf(lambda _: lock.locked(), "boolean")("id"))

    with pytest.raises(OdibiError, match=rf"function 'locked' failed: PicklingError: .*\n  at {re.escape(__file__)}:"):
        call(engine, locked)


def test_rows_that_the_driver_does_not_take(engine: SparkEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    from pyspark.errors import PySparkException

    def collects(_: Any) -> Any:
        raise PySparkException("Total size of serialized results is bigger than spark.driver.maxResultSize (1g)")

    frame = sales(engine)
    monkeypatch.setattr(module, "_has_arrow", lambda: True)
    monkeypatch.setattr(type(frame.data), "toArrow", collects, raising=False)
    with pytest.raises(DataError, match=r"spark.driver.maxResultSize\); annotate `current` as nw.LazyFrame"):
        engine.narwhals(frame, lazy=False)


# -- before Spark 4 ----------------------------------------------------------------------------------------------------


def test_without_arrow_in_the_api_the_rows_are_the_same(engine: SparkEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    from odibi.testing.contracts.functions import ONE, SCHEMA
    from odibi.testing.frames import arrow_table

    monkeypatch.setattr(module, "_has_arrow", lambda: False)
    table = arrow_table([ONE, dict.fromkeys(ONE)], SCHEMA)
    frame = engine.adopt(table)
    assert {column.name: column.type_name for column in frame.columns} == SCHEMA
    assert_frame_equal(engine.narwhals(frame, lazy=False), table)


def test_a_frame_whose_mistake_shows_late_is_told(engine: SparkEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on Connect, where nothing is judged before its columns are asked for."""
    from pyspark.errors import AnalysisException

    with pytest.raises(AnalysisException) as caught:
        _ = engine.spark.range(1).select("idd").schema

    def late(*_: Any) -> Any:
        raise caught.value

    monkeypatch.setattr("odibi.engine.spark.functions.from_python", late)
    with pytest.raises(SqlError, match=r"^there is no column 'idd'; did you mean 'id'"):
        engine.adopt(engine.spark.range(1))
