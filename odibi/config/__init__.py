"""What stands in a project file: the text and its positions (`loader`), and the models (`project`, `node`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from odibi.config.node import NodeConfig
    from odibi.config.project import PipelineConfig, ProjectConfig

__all__ = ["NodeConfig", "PipelineConfig", "ProjectConfig"]

_HOMES = {
    "NodeConfig": "odibi.config.node",
    "PipelineConfig": "odibi.config.project",
    "ProjectConfig": "odibi.config.project",
}


def __getattr__(name: str) -> Any:
    """The models are imported when asked for: they bring pydantic."""
    if name in _HOMES:
        import importlib

        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'odibi.config' has no attribute {name!r}")
