"""The formats keep their contract on the pandas engine, on every connection."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from odibi.connections import AzureADLS, BaseConnection, LocalConnection, LocalDBFS
from odibi.engine import Engine, PandasEngine
from odibi.testing import MemoryConnection
from odibi.testing.contracts import FormatContract
from odibi.testing.contracts.formats import EVERYTHING, ODD_NAMES


def lake_of(request: pytest.FixtureRequest) -> BaseConnection:
    """A connection to a new container."""
    container: str = request.getfixturevalue("azure_container")
    key = request.getfixturevalue("azure").accounts["bronzeacct"]
    return AzureADLS("bronzeacct", container, "deep/down", auth_mode="direct_key", account_key=key, name="lake")


class OnPandas(FormatContract):
    """On the pandas engine, on disk, behind a URL and in a container of Azure storage."""

    @pytest.fixture
    def engine(self) -> Iterator[Engine]:
        made = PandasEngine()
        yield made
        made.close()

    @pytest.fixture(params=["local", "memory", "azure"])
    def connection(self, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BaseConnection]:
        if request.param == "azure":
            yield lake_of(request)
            return
        if request.param != "memory":
            yield {"local": LocalConnection, "local_dbfs": LocalDBFS}[request.param](tmp_path / "lake", name="lake")
            return
        memory = MemoryConnection(name="lake")
        yield memory
        memory.clear()


class OnStores(OnPandas):
    """delta-rs has stores of its own, and fsspec's memory is none of them."""

    @pytest.fixture(params=["local", "local_dbfs", "azure"])
    def connection(self, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BaseConnection]:
        if request.param == "azure":
            yield lake_of(request)
            return
        yield {"local": LocalConnection, "local_dbfs": LocalDBFS}[request.param](tmp_path / "lake", name="lake")


class TestCsv(OnPandas):
    format = "csv"
    suffix = ".csv"
    holds = EVERYTHING - {"nested", "binary"}


class TestParquet(OnPandas):
    format = "parquet"
    suffix = ".parquet"


class TestJsonLines(OnPandas):
    format = "json"
    suffix = ".jsonl"


class TestExcel(OnPandas):
    format = "excel"
    suffix = ".xlsx"
    holds = EVERYTHING - {"nested", "binary"}


class TestAvro(OnPandas):
    format = "avro"
    suffix = ".avro"
    illegal_names = tuple(name for name in ODD_NAMES if name != "order")


class TestDelta(OnStores):
    format = "delta"
    suffix = ".delta"
    illegal_names = ("with space", "semi;colon", "a,b")
