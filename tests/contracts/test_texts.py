"""Text files mean the same on the engines, and bad files get the same words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from odibi.engine import Engine, PandasEngine, SparkEngine
from odibi.testing.contracts import TextFileContract


class TestOnPandas(TextFileContract):
    @pytest.fixture
    def engine(self) -> Iterator[Engine]:
        made = PandasEngine()
        yield made
        made.close()


class TestOnSpark(TextFileContract):
    @pytest.fixture
    def engine(self, spark: Any) -> Iterator[Engine]:
        made = SparkEngine(spark_session=spark)
        yield made
        made.close()
