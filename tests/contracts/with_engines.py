"""The engines that keep the contracts, each for the classes that inherit it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from odibi.engine import Engine, PandasEngine, SparkEngine


class WithPandas:
    @pytest.fixture
    def engine(self) -> Iterator[Engine]:
        made = PandasEngine()
        yield made
        made.close()


class WithSpark:
    """On the session of the tests."""

    @pytest.fixture
    def engine(self, spark: Any) -> Iterator[Engine]:
        made = SparkEngine(spark_session=spark)
        yield made
        made.close()
