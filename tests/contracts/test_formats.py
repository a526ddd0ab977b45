"""The formats keep their contract on the pandas engine, on every connection."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from odibi.connections import BaseConnection, LocalConnection, LocalDBFS
from odibi.engine import Engine, PandasEngine
from odibi.testing import MemoryConnection
from odibi.testing.contracts import FormatContract
from odibi.testing.contracts.formats import EVERYTHING, ODD_NAMES


class OnPandas(FormatContract):
    """On the pandas engine, on disk and behind a URL."""

    @pytest.fixture
    def engine(self) -> Iterator[Engine]:
        made = PandasEngine()
        yield made
        made.close()

    @pytest.fixture(params=["local", "memory"])
    def connection(self, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BaseConnection]:
        if request.param != "memory":
            yield {"local": LocalConnection, "local_dbfs": LocalDBFS}[request.param](tmp_path / "lake", name="lake")
            return
        memory = MemoryConnection(name="lake")
        yield memory
        memory.clear()


class OnDisk(OnPandas):
    """delta-rs has stores of its own, and fsspec's memory is none of them."""

    @pytest.fixture(params=["local", "local_dbfs"])
    def connection(self, request: pytest.FixtureRequest, tmp_path: Path) -> BaseConnection:
        kind = {"local": LocalConnection, "local_dbfs": LocalDBFS}[request.param]
        return kind(tmp_path / "lake", name="lake")


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


class TestDelta(OnDisk):
    format = "delta"
    suffix = ".delta"
    illegal_names = ("with space", "semi;colon", "a,b")
