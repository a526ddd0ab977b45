"""What tests of the Spark engine work with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from odibi.connections import LocalConnection
from odibi.engine import SparkEngine


@pytest.fixture
def engine(spark: Any) -> Iterator[SparkEngine]:
    """An engine on the session of the tests, without connections of its own."""
    made = SparkEngine(spark_session=spark)
    yield made
    made.close()


@pytest.fixture
def lake(tmp_path: Path) -> LocalConnection:
    """An empty folder, as the connection `lake`."""
    return LocalConnection(tmp_path / "lake", name="lake")
