"""The engines keep the contract of engines."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from odibi.connections import AzureADLS, BaseConnection, LocalConnection, LocalDBFS
from odibi.engine import Engine, PandasEngine, SparkEngine
from odibi.testing.azure import Sandbox
from odibi.testing.contracts import EngineContract, StorageContract
from tests.contracts.with_engines import WithPandas, WithSpark


def lake_of(azure: Sandbox, container: str) -> BaseConnection:
    """A connection to a container."""
    key = azure.accounts["silveracct"]
    return AzureADLS("silveracct", container, "lake", "direct_key", account_key=key, name="lake")


class TestPandas(WithPandas, EngineContract):
    pass


class TestPandasOnDBFS(TestPandas):
    @pytest.fixture
    def connection(self, tmp_path: Path) -> BaseConnection:
        return LocalDBFS(tmp_path / "dbfs", name="lake")


class TestPandasOnADLS(TestPandas):
    @pytest.fixture
    def connection(self, azure: Sandbox, azure_container: str) -> BaseConnection:
        return lake_of(azure, azure_container)


class TestSpark(WithSpark, EngineContract):
    pass


@pytest.mark.one_machine  # executors of their own would have to be started in the offline Azure
class TestSparkOnADLS(StorageContract):
    @pytest.fixture
    def connection(self, azure: Sandbox, azure_container: str) -> BaseConnection:
        return lake_of(azure, azure_container)

    @pytest.fixture
    def engine(self, azure_spark: Any, spark: Any) -> Iterator[Engine]:
        made = SparkEngine(spark_session=spark)
        yield made
        made.close()

    @pytest.mark.parametrize("format", ["delta"])  # Spark's files are folders, which no object store replaces
    def test_a_failed_check_leaves_the_target(self, engine: Engine, connection: BaseConnection, format: str) -> None:
        super().test_a_failed_check_leaves_the_target(engine, connection, format)


def test_names_of_connections_are_known_to_the_engine(tmp_path: Path) -> None:
    engine = PandasEngine({"lake": LocalConnection(tmp_path, name="lake")})
    (tmp_path / "a.csv").write_text("id\n1\n")
    assert engine.read("lake", path="a.csv")["id"].tolist() == [1]
    engine.close()
