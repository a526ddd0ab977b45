"""What the notebook's surroundings are, and as whom it works."""

from __future__ import annotations

import importlib.util
from typing import TypedDict

from odibi.errors import install_command
from odibi.notebook import at_hand, in_databricks
from odibi.utils.printing import BAD, GOOD, NEUTRAL, tell
from odibi.utils.runtime import this_runtime

OUTSIDE = (
    "this is not Databricks: there is neither DATABRICKS_RUNTIME_VERSION nor /databricks/DBR_VERSION; "
    "run it in a notebook or a job of a workspace"
)
_AZURE = {"azure.identity": "azure-identity", "azure.keyvault.secrets": "azure-keyvault-secrets", "obstore": "obstore"}
"""Module to distribution: what odibi reaches Azure with."""


class Environment(TypedDict):
    """What `validate_databricks_environment` found. `errors` are whole sentences with what would be right."""

    is_databricks: bool
    spark_available: bool
    dbutils_available: bool
    runtime_version: str | None
    errors: list[str]


def validate_databricks_environment(verbose: bool = True) -> Environment:
    """What this process runs on: Databricks or not, its runtime, what is at hand, and what stands in odibi's way.

    A runtime that is too old is an error that says why. A missing `spark` or `dbutils` is none: the pandas engine needs
    neither. Touches no network. `verbose` prints a line for each fact.

    >>> found = validate_databricks_environment(verbose=False)
    >>> found["is_databricks"], found["runtime_version"], found["errors"][0]
    (False, None, 'this is not Databricks: ...')
    """
    runtime = this_runtime()
    errors = [runtime.trouble] if runtime else [OUTSIDE]
    errors.append(_missing_packages())
    found = Environment(
        is_databricks=runtime is not None,
        spark_available=_has_spark(),
        dbutils_available=at_hand("dbutils") is not None,
        runtime_version=runtime.version if runtime else None,
        errors=[error for error in errors if error],
    )
    if runtime and not runtime.trouble:
        tell(GOOD, str(runtime), verbose)
    for what, there in (("Spark session", found["spark_available"]), ("dbutils", found["dbutils_available"])):
        tell(GOOD if there else NEUTRAL, f"{what}: {'found' if there else 'not found'}", verbose)
    for error in found["errors"]:
        tell(BAD, error, verbose)
    return found


def _missing_packages() -> str:
    missing = [distribution for module, distribution in _AZURE.items() if not _can_import(module)]
    if not missing:
        return ""
    return f"packages for Azure are missing: {', '.join(missing)}; install them with: {install_command('azure')}"


def _can_import(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # of a package above it
        return False


def _has_spark() -> bool:
    """Whether there is a session; none is started for the question."""
    if at_hand("spark") is not None:
        return True
    if not in_databricks() or not _can_import("pyspark.sql"):
        return False
    from pyspark.sql import SparkSession

    return SparkSession.getActiveSession() is not None
