"""The engines keep the contract of Delta tables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from odibi.connections import AzureADLS, BaseConnection
from odibi.engine import Engine, PandasEngine, SparkEngine
from odibi.testing.azure import Sandbox
from odibi.testing.contracts import DeltaContract


class TestPandas(DeltaContract):
    @pytest.fixture
    def engine(self) -> Iterator[Engine]:
        made = PandasEngine()
        yield made
        made.close()


class TestPandasOnADLS(TestPandas):
    @pytest.fixture
    def connection(self, azure: Sandbox, azure_container: str) -> BaseConnection:
        key = azure.accounts["silveracct"]
        return AzureADLS("silveracct", azure_container, "lake", "direct_key", account_key=key, name="lake")


@pytest.mark.one_machine  # the log is read by the driver, and the tables are in its folders
class TestSpark(DeltaContract):
    @pytest.fixture
    def engine(self, spark: Any) -> Iterator[Engine]:
        made = SparkEngine(spark_session=spark)
        yield made
        made.close()
