"""Frames that Spark computes once and holds, and what is done where a platform holds none."""

from __future__ import annotations

import gc
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from odibi.context import Context
from odibi.engine import SparkEngine
from odibi.engine.base import Query
from odibi.engine.spark import keep as module
from odibi.engine.spark.frame import SparkFrame
from odibi.errors import DataError, UnsupportedError


def query(engine: SparkEngine, sql: str, **inputs: Any) -> Any:
    return engine.query(Query(sql, "spark"), inputs)[0]


def numbers(engine: SparkEngine) -> Any:
    return query(engine, "SELECT id, id % 2 AS k FROM range(4)")


def is_held(frame: Any) -> bool:
    level = frame.data.storageLevel
    return bool(level.useMemory or level.useDisk)


# -- the two ways ------------------------------------------------------------------------------------------------------


def test_a_repeatable_frame_is_persisted_and_let_go(engine: SparkEngine) -> None:
    kept = engine.keep(numbers(engine), repeatable=True)
    data = SparkFrame(kept.data)
    assert not engine.is_lazy(kept)
    assert is_held(data)
    user = engine.call(lambda context, current: current.where("id > 1"), Context(engine, {}), kept, {})
    del kept
    gc.collect()
    engine.collect()
    assert is_held(data), "a frame of a function that was given it needs it"
    assert sorted(row.id for row in user.data.collect()) == [2, 3]
    del user
    gc.collect()
    engine.collect()
    assert not is_held(data)


def test_close_lets_everything_go(spark: Any) -> None:
    engine = SparkEngine(spark_session=spark)
    kept = engine.keep(numbers(engine), repeatable=True)
    engine.close()
    assert not is_held(kept)


def test_what_the_user_persisted_is_the_users(engine: SparkEngine) -> None:
    frame = numbers(engine)
    frame.data.persist()
    kept = engine.keep(frame, repeatable=True)
    del kept
    gc.collect()
    engine.collect()
    assert is_held(frame)
    frame.data.unpersist()


@pytest.mark.parametrize("told", [pytest.param("wrong", marks=pytest.mark.jvm), "right"])
def test_random_rows_are_the_same_for_all(engine: SparkEngine, told: str) -> None:
    kept = engine.keep(query(engine, "SELECT id, rand() AS r, uuid() AS u FROM range(100)"), told == "wrong")
    assert sorted(kept.data.collect()) == sorted(kept.data.collect())
    both = query(engine, "SELECT * FROM a JOIN b USING (id) WHERE a.r = b.r AND a.u = b.u", a=kept, b=kept)
    assert len(both.data.collect()) == 100


def test_rows_of_users_python_code_are_the_same_for_all(engine: SparkEngine) -> None:
    def draws(context: Any, current: Any) -> Any:
        import random

        from pyspark.sql import functions as F  # noqa: N812

        return current.withColumn("r", F.udf(lambda _: random.random(), "double")("id"))

    frame = engine.call(draws, Context(engine, {}), numbers(engine), {})
    assert not engine.is_repeatable(frame)
    kept = engine.keep(frame)
    assert sorted(kept.data.collect()) == sorted(kept.data.collect())


def test_users_at_the_same_time_see_the_same_rows(engine: SparkEngine) -> None:
    """Also where one of several executors is still at work on a part that another user asks for."""

    def draws(context: Any, current: Any) -> Any:
        import random
        import time

        from pyspark.sql import functions as F  # noqa: N812

        return current.withColumn("r", F.udf(lambda number: time.sleep(number) or random.random(), "double")("id"))

    data = engine.spark.range(0, 3, 1, 2)
    kept = engine.keep(engine.call(draws, Context(engine, {}), SparkFrame(data), {}))
    with ThreadPoolExecutor(3) as pool:
        one, *others = pool.map(lambda _: sorted(kept.data.collect()), range(3))
    assert others == [one, one]


def test_kept_rows_outlive_what_they_were_read_from(engine: SparkEngine, tmp_path: Any) -> None:
    place = str(tmp_path / "t")
    numbers(engine).data.write.parquet(place)
    kept = engine.keep(SparkFrame(engine.spark.read.parquet(place)))
    assert kept.data.count() == 4
    engine.spark.range(100, 101).selectExpr("id", "id AS k").write.mode("overwrite").parquet(place)
    assert sorted(row.id for row in kept.data.collect()) == [0, 1, 2, 3]


@pytest.mark.jvm
@pytest.mark.parametrize("sql", [
    "SELECT id FROM range(4)", pytest.param("SELECT rand() AS r FROM range(4)", marks=pytest.mark.one_machine),
])  # fmt: skip
def test_keeping_starts_no_job(engine: SparkEngine, sql: str) -> None:
    from odibi.testing.spark_jobs import counted_jobs

    frame = query(engine, sql)
    with counted_jobs(engine.spark) as work:
        kept = engine.keep(frame, repeatable=True)
    assert work.jobs == []
    with counted_jobs(engine.spark) as work:
        kept.data.collect()
    assert work.jobs


@pytest.mark.jvm
@pytest.mark.parametrize(
    ("sql", "same"),
    [
        ("SELECT id FROM range(4)", True),
        ("SELECT id FROM range(4) WHERE id > rand()", False),
        ("SELECT a.id FROM range(4) a JOIN (SELECT uuid() AS u) ON true", False),
        ("SELECT sum(id) AS s FROM range(4) GROUP BY id % 2", True),
    ],
)
def test_the_plan_tells_whether_rows_are_the_same(engine: SparkEngine, sql: str, same: bool) -> None:
    assert engine.is_repeatable(query(engine, sql)) is same


def test_what_is_held_is_not_kept_twice(engine: SparkEngine) -> None:
    kept = engine.keep(numbers(engine), repeatable=True)
    assert engine.keep(kept) is kept


# -- where the platform refuses ----------------------------------------------------------------------------------------


@pytest.fixture
def refusing(engine: SparkEngine, monkeypatch: pytest.MonkeyPatch) -> SparkEngine:
    """As on serverless compute."""
    platform = engine.session.platform
    monkeypatch.setitem(platform.__dict__, "persist", False)
    monkeypatch.setitem(platform.__dict__, "local_checkpoint", False)
    return engine


def test_repeatable_rows_are_computed_again(refusing: SparkEngine) -> None:
    frame = numbers(refusing)
    with pytest.warns(UserWarning, match="keeps no frames: this one is computed again.*write a table"):
        kept = refusing.keep(frame, repeatable=True)
    assert kept.data is frame.data
    assert refusing.is_lazy(kept)


def test_a_few_other_rows_go_through_the_driver(refusing: SparkEngine) -> None:
    kept = refusing.keep(query(refusing, "SELECT id, rand() AS r FROM range(4)"))
    assert kept.rows == 4
    assert sorted(kept.data.collect()) == sorted(kept.data.collect())


def test_many_other_rows_ask_for_a_table(refusing: SparkEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "COPIED", 3)
    with pytest.raises(UnsupportedError, match=r"more than 3 of them; let the node write a table"):
        refusing.keep(query(refusing, "SELECT id, rand() AS r FROM range(4)"))


def test_a_refusal_that_shows_when_it_is_tried(engine: SparkEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    from pyspark.errors import AnalysisException

    text = "[NOT_SUPPORTED_WITH_SERVERLESS] PERSIST TABLE is not supported on serverless compute. SQLSTATE: 0A000"

    def refuse(*_: Any, **__: Any) -> Any:
        raise AnalysisException(text)

    frame = query(engine, "SELECT rand() AS r FROM range(4)")
    monkeypatch.setattr(type(frame.data), "localCheckpoint", refuse)
    monkeypatch.setattr(type(frame.data), "persist", refuse)
    assert engine.keep(frame).rows == 4
    with pytest.warns(UserWarning, match="computed again"):
        engine.keep(numbers(engine), repeatable=True)


# -- computing ---------------------------------------------------------------------------------------------------------


def test_rows_are_counted_while_they_are_computed(engine: SparkEngine) -> None:
    assert engine.compute(numbers(engine)).rows in (4, None)  # Connect may not tell


@pytest.mark.jvm
def test_computing_is_one_job(engine: SparkEngine) -> None:
    from odibi.testing.spark_jobs import counted_jobs

    with counted_jobs(engine.spark) as work:
        assert engine.compute(numbers(engine)).rows == 4
    assert len(work.jobs) == 1


def test_what_can_not_be_computed(engine: SparkEngine) -> None:
    bad = query(engine, "SELECT 1 / (id - 1) AS x FROM range(4)")
    assert engine.probe(numbers(engine))
    assert not engine.probe(bad)
    with pytest.raises(DataError, match="division by zero"):
        engine.compute(bad)
