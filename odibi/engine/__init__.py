"""Engines: who computes. One folder an engine, one line here to register it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from odibi.registry import Registry

if TYPE_CHECKING:
    from odibi.engine.base import Engine
    from odibi.engine.pandas.engine import PandasEngine

ENGINES = Registry("engine", {"pandas": "odibi.engine.pandas.engine:PandasEngine"}, entry_points="odibi.engines")

__all__ = ["ENGINES", "Engine", "PandasEngine"]


def __getattr__(name: str) -> Any:
    """Engines are imported when asked for: each brings its libraries."""
    if name == "Engine":
        from odibi.engine.base import Engine

        return Engine
    if name == "PandasEngine":
        return ENGINES["pandas"]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
