"""The engines keep the contract of the built-in operations."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from odibi.engine import Engine, PandasEngine
from odibi.testing.contracts import OperationContract


class TestPandas(OperationContract):
    @pytest.fixture
    def engine(self) -> Iterator[Engine]:
        made = PandasEngine()
        yield made
        made.close()


class TestSpark(OperationContract):
    @pytest.fixture
    def engine(self, spark: Any) -> Iterator[Engine]:
        from odibi.engine import SparkEngine

        made = SparkEngine(spark_session=spark)
        yield made
        made.close()
