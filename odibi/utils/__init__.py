"""Helpers for notebooks: set up access to Azure from Databricks, and see that it works.

They print what they do with `verbose=True`, and never a secret.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from odibi.azure.keyvault import KeyVaultFetchResult
    from odibi.utils.environment import validate_databricks_environment
    from odibi.utils.keyvault import (
        compare_fetch_times,
        get_databricks_identity_info,
        list_keyvault_secrets,
        print_keyvault_setup_instructions,
    )
    from odibi.utils.sample import run_sample_pipeline
    from odibi.utils.setup_helpers import (
        configure_connections_parallel,
        fetch_keyvault_secret,
        fetch_keyvault_secrets_parallel,
    )
    from odibi.utils.spark import configure_spark
    from odibi.utils.templates import print_connection_templates

__all__ = [
    "KeyVaultFetchResult",
    "compare_fetch_times",
    "configure_connections_parallel",
    "configure_spark",
    "fetch_keyvault_secret",
    "fetch_keyvault_secrets_parallel",
    "get_databricks_identity_info",
    "list_keyvault_secrets",
    "print_connection_templates",
    "print_keyvault_setup_instructions",
    "run_sample_pipeline",
    "validate_databricks_environment",
]

_HOMES = {
    "KeyVaultFetchResult": "odibi.azure.keyvault",
    "compare_fetch_times": "odibi.utils.keyvault",
    "configure_connections_parallel": "odibi.utils.setup_helpers",
    "configure_spark": "odibi.utils.spark",
    "fetch_keyvault_secret": "odibi.utils.setup_helpers",
    "fetch_keyvault_secrets_parallel": "odibi.utils.setup_helpers",
    "get_databricks_identity_info": "odibi.utils.keyvault",
    "list_keyvault_secrets": "odibi.utils.keyvault",
    "print_connection_templates": "odibi.utils.templates",
    "print_keyvault_setup_instructions": "odibi.utils.keyvault",
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
