"""Helpers for notebooks: set up access to Azure from Databricks, and see that it works.

They print what they do with `verbose=True`, and never a secret.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from odibi.utils.environment import validate_databricks_environment
    from odibi.utils.sample import run_sample_pipeline
    from odibi.utils.templates import print_connection_templates

__all__ = ["print_connection_templates", "run_sample_pipeline", "validate_databricks_environment"]

_HOMES = {
    "print_connection_templates": "odibi.utils.templates",
    "run_sample_pipeline": "odibi.utils.sample",
    "validate_databricks_environment": "odibi.utils.environment",
}


def __getattr__(name: str) -> Any:
    """Names are imported when asked for: nothing of Azure is loaded for those that do not need it."""
    if name in _HOMES:
        import importlib

        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
