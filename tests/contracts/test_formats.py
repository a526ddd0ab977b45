"""The formats keep their contract on the engines, on every connection that these reach."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest

from odibi.connections import AzureADLS, BaseConnection, LocalConnection, LocalDBFS
from odibi.testing import MemoryConnection
from odibi.testing.contracts import FormatContract
from odibi.testing.contracts.formats import EVERYTHING, ODD_NAMES
from tests.contracts.with_engines import WithPandas, WithSpark


def lake_of(request: pytest.FixtureRequest) -> BaseConnection:
    """A connection to a new container."""
    container: str = request.getfixturevalue("azure_container")
    key = request.getfixturevalue("azure").accounts["bronzeacct"]
    return AzureADLS("bronzeacct", container, "deep/down", auth_mode="direct_key", account_key=key, name="lake")


class OnPandas(WithPandas, FormatContract):
    """On the pandas engine, on disk, behind a URL and in a container of Azure storage."""

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


class OnSpark(WithSpark, FormatContract):
    """On the Spark engine, on disk; what Spark writes is a folder."""

    many: ClassVar[int] = 500  # Spark compiles a program for them

    @pytest.fixture
    def connection(self, tmp_path: Path) -> BaseConnection:
        """A folder, which is all that Spark sees of a LocalDBFS as well."""
        return LocalConnection(tmp_path / "lake", name="lake")


class Csv(FormatContract):
    format = "csv"
    suffix = ".csv"
    holds = EVERYTHING - {"nested", "binary"}
    read_options: ClassVar[Mapping[str, Any]] = {"multiline": True}


class JsonLines(FormatContract):
    format = "json"
    suffix = ".jsonl"


class Parquet(FormatContract):
    format = "parquet"
    suffix = ".parquet"


class Excel(FormatContract):
    format = "excel"
    suffix = ".xlsx"
    holds = EVERYTHING - {"nested", "binary"}


class Avro(FormatContract):
    format = "avro"
    suffix = ".avro"
    illegal_names = tuple(name for name in ODD_NAMES if name != "order")


class TestCsv(Csv, OnPandas):
    pass


class TestParquet(Parquet, OnPandas):
    pass


class TestJsonLines(JsonLines, OnPandas):
    pass


class TestExcel(Excel, OnPandas):
    pass


class TestAvro(Avro, OnPandas):
    pass


class TestCsvOnSpark(Csv, OnSpark):
    pass


class TestParquetOnSpark(Parquet, OnSpark):
    pass


class TestJsonLinesOnSpark(JsonLines, OnSpark):
    pass


class TestExcelOnSpark(Excel, OnSpark):
    pass


class TestAvroOnSpark(Avro, OnSpark):
    pass


class TestDelta(OnStores):
    format = "delta"
    suffix = ".delta"
    illegal_names = ("with space", "semi;colon", "a,b")
