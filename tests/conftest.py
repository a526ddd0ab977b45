"""What every test runs under: repeatable hypothesis and an environment of its own."""

from __future__ import annotations

import os
import signal
import sys
import threading
from typing import Any

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis

# No deadline: a test must not fail because the machine is busy. On CI the examples are the same every time.
hypothesis.register_profile("local", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis.register_profile("ci", parent=hypothesis.get_profile("local"), derandomize=True, print_blob=True)
hypothesis.load_profile("ci" if os.environ.get("CI") else "local")

# A shell without job control starts what it runs in the background with SIGINT ignored, and every process that a test
# starts and interrupts would inherit that: `odibi run` leaves a signal alone that its parent wants ignored.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN and threading.current_thread() is threading.main_thread():
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of the developer's shell reaches a test, but for the place where Azurite is installed."""
    for name in [*os.environ]:
        if name.startswith("ODIBI_") and name != "ODIBI_CACHE_DIR":
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def _no_secrets_of_others() -> None:
    """What one test made known is not taken out of the texts of the next."""
    from odibi.secrets import forget

    forget()


@pytest.fixture(autouse=True)
def _no_functions_of_docstrings() -> None:
    """The examples in docstrings register functions; no test sees them."""
    from odibi.transforms import TRANSFORMS, place_of

    for name in TRANSFORMS.loaded():
        if place_of(TRANSFORMS.registered(name)).startswith("<doctest"):
            TRANSFORMS.remove(name)


SPARK_SETTINGS = {
    "spark.master": "local[2]",
    "spark.driver.memory": "1g",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.shuffle.partitions": "2",
    "spark.default.parallelism": "2",
    "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
    "spark.databricks.delta.snapshotPartitions": "1",
}


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The one Spark session of this pytest process. Never stop it in a test; a fresh folder (`tmp_path`) is enough."""
    from odibi.engine.spark.jars import COMMAND, found, has_delta

    jars = found()
    if not has_delta(jars):
        missing = f"the jars of Spark are not there; run: {COMMAND}"
        pytest.fail(missing, pytrace=False) if os.environ.get("CI") else pytest.skip(missing)
    folder = tmp_path_factory.mktemp("spark")
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.appName("ODIBI")
    java = f"-Dderby.system.home={folder} -XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=240m"
    places = {"spark.sql.warehouse.dir": str(folder / "warehouse"), "spark.local.dir": str(folder / "tmp")}
    settings = {**SPARK_SETTINGS, **places, "spark.driver.extraJavaOptions": java}
    for name, value in {**settings, "spark.jars": ",".join(map(str, jars))}.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    yield session
    session.stop()
