"""Engines: who computes. One folder an engine, one line here to register it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from odibi.registry import Registry

if TYPE_CHECKING:
    from odibi.engine.base import Engine
    from odibi.engine.pandas.engine import PandasEngine
    from odibi.engine.spark.engine import SparkEngine

ENGINES = Registry(
    "engine",
    {"pandas": "odibi.engine.pandas.engine:PandasEngine", "spark": "odibi.engine.spark.engine:SparkEngine"},
    entry_points="odibi.engines",
)

__all__ = ["ENGINES", "Engine", "PandasEngine", "SparkEngine"]


def __getattr__(name: str) -> Any:
    """Engines are imported when asked for: each brings its libraries."""
    if name == "Engine":
        from odibi.engine.base import Engine

        return Engine
    if name == "PandasEngine":
        return ENGINES["pandas"]
    if name == "SparkEngine":
        return ENGINES["spark"]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
