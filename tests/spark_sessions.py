"""The Spark session that the tests share, and how the tests that use it are run. Registered by tests/conftest.py for
all tests, also for the examples in docstrings.

ODIBI_TEST_SPARK chooses the kind: `classic` (the default), `connect` (a local Spark Connect server), `cluster`
(executors as processes of their own, which see nothing of the driver's memory and modules), `none`. On Connect and on a
cluster only tests that use Spark are run; they bear the marker `spark`.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import shutil
import sys
import tempfile
import warnings
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

KIND = os.environ.get("ODIBI_TEST_SPARK", "classic")
MASTERS = {"classic": "local[2]", "connect": "local[2]", "cluster": "local-cluster[2,1,1024]"}
LIST = "spark_tests"
"""Where a worker of pytest-xdist writes which of its tests use Spark, for the scheduler."""
SETTINGS = {
    "spark.driver.memory": "1g",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "true",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    "spark.sql.shuffle.partitions": "2",
    "spark.default.parallelism": "2",
    "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
    "spark.databricks.delta.snapshotPartitions": "1",
}
JAVA = "-Xss4m -XX:+UseSerialGC -Xmn400m -XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=240m"
"""Quick to start, and few garbage collections. Without the last the one before it would leave a code cache that fills
within two minutes."""

OLD_SOCKETS = "ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning"
"""PySpark 3.5 and 4.0 leave their sockets to the garbage collector."""

_list = pytest.StashKey[Path]()


def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return ""


def pytest_configure(config: pytest.Config) -> None:
    if KIND not in (*MASTERS, "none"):
        raise pytest.UsageError(f"ODIBI_TEST_SPARK is {KIND!r}; it can be {', '.join(MASTERS)}, none")
    config.addinivalue_line("markers", "spark: uses Spark; every such test gets it by itself")
    if _version("pyspark").startswith(("3.", "4.0.")):
        config.addinivalue_line("filterwarnings", OLD_SOCKETS)
    if _version("pyspark").startswith("3."):
        config.addinivalue_line("filterwarnings", "ignore:distutils Version classes:DeprecationWarning")
    config.addinivalue_line("markers", "jvm: asks Spark's JVM; skipped on Spark Connect, which shows none")
    config.addinivalue_line("markers", "one_machine: needs executors on the driver; skipped on a cluster")


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Without Spark its tests need not even be importable."""
    return True if KIND == "none" and collection_path.match("engine/spark") else None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests of Spark get their marker; on another kind of session nothing else is run."""
    spark = [item for item in items if uses_spark(item)]
    others = [item for item in items if not uses_spark(item)]
    for item in spark:
        item.add_marker(pytest.mark.spark)
        _skip_what_this_kind_can_not(item)
    if KIND != "classic":
        items[:] = others if KIND == "none" else spark
        config.hook.pytest_deselected(items=spark if KIND == "none" else others)
    if hasattr(config, "workerinput"):
        file = Path(config.workerinput[LIST])
        aside = file.with_suffix(f".{os.getpid()}")
        aside.write_text(json.dumps([item.nodeid for item in spark]), encoding="utf-8")
        aside.replace(file)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker where its list goes."""
    node.workerinput[LIST] = str(_list_of(node.config))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """The tests that use Spark go to two workers: few JVMs, few warm-ups. The others go where there is time. (The
    groups of xdist itself are names behind the ids of tests, which pytest 9.2 no longer lets it change.)"""
    if config.getvalue("dist") not in ("load", "loadgroup"):
        return None
    from xdist.scheduler import LoadScopeScheduling

    class TwoWorkersForSpark(LoadScopeScheduling):  # type: ignore[misc]
        @cached_property
        def spark(self) -> frozenset[str]:
            return frozenset(json.loads(_list_of(config).read_text(encoding="utf-8")))

        def _split_scope(self, nodeid: str) -> str:
            if nodeid not in self.spark:
                return nodeid
            return "the engine" if nodeid.startswith("tests/engine/spark/") else "what every engine does"

    return TwoWorkersForSpark(config, log)


def _list_of(config: pytest.Config) -> Path:
    """The file of the lists, which are all the same."""
    if _list not in config.stash:
        folder = tempfile.mkdtemp(prefix="odibi-tests-")
        config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))
        config.stash[_list] = Path(folder, "spark.json")
    return config.stash[_list]


def uses_spark(item: pytest.Item) -> bool:
    """Whether a test takes the fixture `spark`, has a parameter of this name, or is an example in the Spark engine."""
    if "spark" in getattr(item, "fixturenames", ()):
        return isinstance(item, pytest.Function) or _is_example(item)
    callspec = getattr(item, "callspec", None)
    return callspec is not None and "spark" in callspec.params.values()


def _is_example(item: pytest.Item) -> bool:
    return isinstance(item, pytest.DoctestItem) and "spark" in Path(item.path).parts


def _skip_what_this_kind_can_not(item: pytest.Item) -> None:
    if KIND == "connect" and item.get_closest_marker("jvm"):
        item.add_marker(pytest.mark.skip(reason="asks Spark's JVM, which Spark Connect does not show"))
    if KIND == "cluster" and item.get_closest_marker("one_machine"):
        item.add_marker(pytest.mark.skip(reason="needs executors that see what the driver sees"))


@pytest.fixture(scope="session")
def spark_jars() -> tuple[Path, ...]:
    """The jars that Spark is started with. Skips where Java or jars are not installed; on CI (the variable CI) it fails
    instead."""
    from odibi.engine.spark.jars import COMMAND, find_java, found, has_delta
    from odibi.errors import OdibiError

    missing = ""
    paths: tuple[Path, ...] = ()
    try:
        find_java()
        paths = found()
    except OdibiError as error:
        missing = str(error)
    if not missing and not has_delta(paths):
        missing = f"the jars of Spark are not there; run: {COMMAND}"
    if missing and os.environ.get("CI"):
        pytest.fail(f"CI must test with Spark: {missing}", pytrace=False)
    if missing:
        pytest.skip(missing)
    return paths


@pytest.fixture(scope="session")
def spark(spark_jars: tuple[Path, ...], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The one Spark session of this pytest process, of the kind that ODIBI_TEST_SPARK names. A test never stops it, and
    takes a fresh folder (`tmp_path`) for what it writes."""
    folder = tmp_path_factory.mktemp("spark")
    _set_variables(folder)
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.appName("ODIBI")
    builder = builder.remote(MASTERS[KIND]) if KIND == "connect" else builder.master(MASTERS[KIND])
    for name, value in {**SETTINGS, **_places(folder), "spark.jars": ",".join(map(str, spark_jars))}.items():
        builder = builder.config(name, value)
    with warnings.catch_warnings():  # a server takes static settings at its start, and refuses them on its session
        warnings.filterwarnings("ignore", message="Failed to set spark", category=UserWarning)
        session = builder.getOrCreate()
    yield session
    session.stop()


def _places(folder: Path) -> dict[str, str]:
    """Settings that keep what Spark leaves behind out of the working directory."""
    settings = {
        "spark.sql.warehouse.dir": str(folder / "warehouse"),
        "spark.local.dir": str(folder / "tmp"),
        "spark.driver.extraJavaOptions": f"-Dderby.system.home={folder} {JAVA}",
    }
    quick = {
        "spark.executor.memory": "512m",
        "spark.executor.extraJavaOptions": "-XX:+UseSerialGC -XX:TieredStopAtLevel=1",
    }
    return {**settings, **(quick if KIND == "cluster" else {})}


def _set_variables(folder: Path) -> None:
    """What must be in the environment for the life of the session."""
    from odibi.engine.spark import build

    os.environ["PYSPARK_PYTHON"] = os.environ["PYSPARK_DRIVER_PYTHON"] = sys.executable
    os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"
    quiet = f"-Dlog4j2.configurationFile={build.LOGGING.as_uri()}"
    os.environ["SPARK_SUBMIT_OPTS"] = f"{os.environ.get('SPARK_SUBMIT_OPTS', '')} {quiet}".strip()
    os.environ["SPARK_WORKER_DIR"] = str(folder / "work")  # else inside the installed pyspark
    if KIND == "connect":
        os.environ["SPARK_TESTING"] = "1"  # the server takes a free port, and the client learns it
        os.environ["no_grpc_proxy"] = "localhost,127.0.0.1"  # noqa: SIM112 - so gRPC calls it


@pytest.fixture(autouse=True)
def _engines_are_closed(request: pytest.FixtureRequest) -> Iterator[None]:
    """What an engine changes in the session would reach the tests after it: none may be left open."""
    before = _engines()
    yield
    if uses_spark(request.node):
        assert _engines() == before, "an engine was not closed"


def _engines() -> int:
    """How many use the session."""
    module = sys.modules.get("odibi.engine.spark.session")
    return sum(each.users for each in module._changed.values()) if module else 0


@pytest.fixture(autouse=True)
def _spark_in_examples(request: pytest.FixtureRequest, doctest_namespace: dict[str, Any]) -> None:
    """The examples in docstrings of the Spark engine find a session under the name `spark`."""
    if _is_example(request.node):
        doctest_namespace["spark"] = request.getfixturevalue("spark")
