"""What users' functions hand to Spark runs where their files are not."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from odibi.engine import SparkEngine
from odibi.testing import assert_frame_equal, project

PROJECT = """
    engine: spark
    connections: {lake: {type: local, base_path: lake}}
    transforms: [steps/mine.py]
    story: {auto_generate: false}
    pipelines:
      - pipeline: p
        nodes:
          - name: given
            transform: {steps: ["SELECT id, id % 2 AS k FROM range(4)"]}
          - name: done
            depends_on: [given]
            transform: {steps: [{function: FUNCTION}]}
            write: {connection: lake, path: done}
"""
MINE = """
import threading

import prices
import rules.vat as vat
from odibi import transform
from prices import Price, doubled
from pyspark.sql import functions as F

lock = threading.Lock()  # nothing that could be pickled
FACTOR = 10


def scaled(value):
    return doubled(value) * FACTOR


@transform
def by_udf(context, current):
    return current.withColumn("x", F.udf(scaled, "long")("id"))


@transform
def by_pandas_udf(context, current):
    @F.pandas_udf("long")
    def scale(values):
        return values.map(scaled).astype("int64")

    return current.withColumn("x", scale("id"))


@transform
def by_map(context, current):
    def add(batches):
        for batch in batches:
            yield batch.assign(x=batch["id"].map(scaled))

    return current.mapInPandas(add, "id long, k long, x long")


@transform
def by_group(context, current):
    def add(group):
        return group.assign(x=group["id"].map(lambda value: Price(value).doubled() * FACTOR))

    return current.groupBy("k").applyInPandas(add, "id long, k long, x long")


@transform
def by_module(context, current):
    return current.withColumn("x", F.udf(lambda value: prices.doubled(value) * FACTOR, "long")("id"))


@transform
def by_package(context, current):
    return current.withColumn("x", F.udf(lambda value: vat.twenty(value), "long")("id"))


@transform
def late(context, current):
    def scale(value):
        import prices_of_later

        return value

    return current.withColumn("x", F.udf(scale, "long")("id"))
"""
PRICES = """
import dataclasses
import logging

log = logging.getLogger(__name__)


def doubled(value):
    log.debug("doubled %s", value)
    return value * 2


@dataclasses.dataclass
class Price:
    value: int

    def doubled(self):
        return doubled(self.value)
"""
FILES = {
    "steps/mine.py": MINE,
    "prices.py": PRICES,
    "rules/__init__.py": "",
    "rules/vat.py": "from rules.rates import RATE\n\n\ndef twenty(value):\n    return value * RATE\n",
    "rules/rates.py": "RATE = 20\n",
    "prices_of_later.py": "",
}


@pytest.fixture
def run(spark: Any) -> Iterator[Callable[..., Any]]:
    """Run a function of the project; engines are closed at the end."""
    engines = []

    def work(function: str, files: Any = FILES) -> Any:
        made = project(PROJECT.replace("FUNCTION", function), files)
        engines.append(SparkEngine(made.load().project.connections, spark_session=spark))
        return made.run(engine=engines[-1]), engines[-1]

    yield work
    for engine in engines:
        engine.close()


@pytest.mark.parametrize("function", ["by_udf", "by_pandas_udf", "by_map", "by_group", "by_module", "by_package"])
def test_functions_and_the_modules_they_use_reach_the_executors(run: Any, function: str) -> None:
    done, engine = run(function)
    done.raise_for_failure()
    expected = [{"id": n, "k": n % 2, "x": n * 20} for n in range(4)]
    assert_frame_equal(engine.read("lake", path="done"), expected)


@pytest.mark.parametrize("form", ["parquet", "delta", "persisted"])
def test_a_udf_over_columns_comes_to_its_end(spark: Any, tmp_path: Path, form: str) -> None:
    """Spark 4.2.0 waits for ever where such a UDF is given columns."""
    from odibi.context import Context
    from odibi.engine.spark.frame import SparkFrame

    def less(context: Any, current: Any) -> Any:
        from pyspark.sql import functions as F  # noqa: N812

        return current.withColumn("x", F.udf(lambda value: value - 1, "long")("id"))

    engine = SparkEngine(spark_session=spark)
    stored = "parquet" if form == "persisted" else form
    spark.range(2).write.format(stored).save(str(tmp_path / "t"))
    frame = SparkFrame(spark.read.format(stored).load(str(tmp_path / "t")))
    frame = engine.keep(frame, repeatable=True) if form == "persisted" else frame
    found = engine.call(less, Context(engine, {}), frame, {})
    assert sorted(row.x for row in found.data.collect()) == [-1, 0]
    engine.close()


def test_an_edited_file_is_taken_as_it_is_now(run: Any) -> None:
    run("by_udf")[0].raise_for_failure()
    edited = {**FILES, "steps/mine.py": MINE.replace("FACTOR = 10", "FACTOR = 15")}
    done, engine = run("by_udf", edited)
    done.raise_for_failure()
    assert sorted(row.x for row in engine.read("lake", path="done").collect()) == [0, 30, 60, 90]


def test_the_session_is_as_it_was(spark: Any, run: Any) -> None:
    import sys

    setting = "spark.sql.execution.pythonUDF.arrow.enabled"
    before = list(sys.path), spark.conf.get(setting)
    done, engine = run("by_udf")
    done.raise_for_failure()
    engine.close()
    assert (sys.path, spark.conf.get(setting)) == before


def test_a_module_that_is_imported_on_the_executors_is_told(run: Any) -> None:
    done, _ = run("late")
    text = done.errors["done"]
    assert "No module named 'prices_of_later'" in text
    assert "at the top of" in text
    line = MINE.splitlines().index("        import prices_of_later") + 1
    assert f"mine.py:{line}" in text


def test_what_is_installed_is_left_alone(run: Any) -> None:
    import pyspark.cloudpickle as pickle

    from odibi.engine.spark import executors

    before = set(pickle.list_registry_pickle_by_value())  # type: ignore[no-untyped-call]
    run("by_udf")[0].raise_for_failure()
    names: Any = set(pickle.list_registry_pickle_by_value()) - before  # type: ignore[no-untyped-call]
    assert not {name.partition(".")[0] for name in names} & {"odibi", "pyspark", "pandas", "threading"}
    assert executors.modules_of(project) == []


def test_the_main_program_is_left_to_spark(tmp_path: Path) -> None:
    from odibi.engine.spark import executors

    scope: dict[str, Any] = {"__name__": "__main__"}
    exec(textwrap.dedent("def f(context): pass"), scope)
    assert executors.modules_of(scope["f"]) == []
