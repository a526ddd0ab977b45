"""The connections keep the contract of connections."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from odibi.connections import BaseConnection, LocalConnection, LocalDBFS
from odibi.testing import MemoryConnection
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
