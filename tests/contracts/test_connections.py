"""The connections keep the contract of connections."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from odibi.connections import AzureADLS, BaseConnection, LocalConnection, LocalDBFS
from odibi.testing import MemoryConnection
from odibi.testing.azure import Sandbox
from odibi.testing.contracts import ConnectionContract


class TestLocal(ConnectionContract):
    @pytest.fixture
    def connection(self, tmp_path: Path) -> BaseConnection:
        return LocalConnection(tmp_path / "lake", name="lake")


class TestLocalDBFS(ConnectionContract):
    @pytest.fixture
    def connection(self, tmp_path: Path) -> BaseConnection:
        return LocalDBFS(tmp_path / "dbfs", name="dbfs")


class TestMemory(ConnectionContract):
    @pytest.fixture
    def connection(self, tmp_path: Path) -> Iterator[BaseConnection]:
        made = MemoryConnection(name="memory")
        yield made
        made.clear()


class TestAzureADLS(ConnectionContract):
    @pytest.fixture
    def connection(self, azure: Sandbox, azure_container: str) -> BaseConnection:
        key = azure.accounts["silveracct"]
        return AzureADLS("silveracct", azure_container, "raw", auth_mode="direct_key", account_key=key, name="lake")
