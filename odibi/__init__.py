"""odibi: data pipelines written in YAML, run on a laptop or a cluster, with a story of every run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from odibi._version import __version__

if TYPE_CHECKING:
    from odibi.pipeline import Pipeline
    from odibi.transforms import transform

__all__ = ["Pipeline", "__version__", "transform"]

_HOMES = {
    "Pipeline": "odibi.pipeline",
    "main": "odibi.databricks",  # where a Databricks wheel task looks when it does not find `entry_point: main`
    "transform": "odibi.transforms",
}


def __getattr__(name: str) -> Any:
    """Public names are imported when asked for, so that `import odibi` stays light."""
    if name in _HOMES:
        import importlib

        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'odibi' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
