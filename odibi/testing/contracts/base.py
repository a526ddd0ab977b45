"""What contracts are given: an engine, and a place to write to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from odibi.connections import BaseConnection, LocalConnection
from odibi.engine import Engine

Rows = Sequence[Mapping[str, Any]]


class OnEngine:
    """What needs an engine alone."""

    @pytest.fixture
    def engine(self) -> Engine:
        """An engine without connections of its own."""
        raise NotImplementedError("override the fixture `engine`")


class OnPlace(OnEngine):
    """What reads and writes too."""

    @pytest.fixture
    def connection(self, tmp_path: Path) -> BaseConnection:
        """An empty place that can be written to, named `lake`."""
        return LocalConnection(tmp_path / "lake", name="lake")
