"""What a notebook or the Databricks runtime puts at hand (`dbutils`, `spark`, `displayHTML`), where there is one."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from typing import Any

RUNTIME_VARIABLE = "DATABRICKS_RUNTIME_VERSION"
RUNTIME_FILE = Path("/databricks/DBR_VERSION")
"""The file is there in custom containers too, which lack the variable."""


def in_databricks() -> bool:
    """Whether this process runs on Databricks; a laptop with Databricks Connect does not."""
    return bool(os.environ.get(RUNTIME_VARIABLE)) or RUNTIME_FILE.is_file()


def at_hand(name: str) -> Any | None:
    """What the notebook calls `name`; inside Databricks also what its runtime offers to modules. None where there is
    none, and nothing is imported outside of Databricks: there the import would ask for a login."""
    found = _user_namespace().get(name)
    if found is None and in_databricks():
        found = _of_the_runtime(name)
    return found


def _user_namespace() -> dict[str, Any]:
    """The variables of the notebook's user; of a notebook that nobody imported IPython for, there are none."""
    get_shell = getattr(sys.modules.get("IPython"), "get_ipython", None)
    shell = get_shell() if get_shell is not None else None
    return getattr(shell, "user_ns", None) or {}


def _of_the_runtime(name: str) -> Any | None:
    try:
        runtime = importlib.import_module("databricks.sdk.runtime")
    except Exception:  # noqa: BLE001 - in standard access mode and on odd images this import raises all sorts
        return None
    return getattr(runtime, name, None)
