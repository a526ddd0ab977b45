"""Settings of connections as a project file has them, without the secrets that a notebook may hold."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from odibi.azure.rules import MEANT, SECRET_KEYS
from odibi.secrets import names_secret, remember
from odibi.utils.printing import say


def print_connection_templates(connections: Mapping[str, Mapping[str, Any]]) -> None:
    """Print settings of connections as the block `connections:` of a project file. A secret among them becomes a
    variable, which the environment or a `.env` file gives.

    >>> print_connection_templates({"bronze": {"type": "azure_adls", "account": "a1", "secret_name": "bronze-key"},
    ...                             "dev": {"type": "azure_adls", "auth_mode": "direct_key", "account_key": "a2V5"}})
    connections:
      bronze:
        type: azure_adls
        account: a1
        secret_name: bronze-key
      dev:
        type: azure_adls
        auth_mode: direct_key
        account_key: ${DEV_ACCOUNT_KEY}
    """
    say(as_yaml({"connections": without_secrets(connections)[0]}).rstrip())


def without_secrets(connections: Mapping[str, Mapping[str, Any]]) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """The settings with `${VAR}` in the place of every secret and without empty ones, and what the variables are."""
    variables: dict[str, str] = {}
    return {name: dict(_settings(name, each, variables)) for name, each in connections.items()}, variables


def _settings(name: str, settings: Mapping[str, Any], variables: dict[str, str]) -> dict[str, Any]:
    shown = {}
    for key, value in settings.items():
        if value is None:
            continue
        shown[key] = value
        if _is_secret(key) and not str(value).startswith("${"):
            variable = re.sub(r"\W", "_", f"{name}_{key}").upper()
            remember(str(value))
            variables[variable] = str(value)
            shown[key] = f"${{{variable}}}"
    return shown


def _is_secret(key: str) -> bool:
    """Also under another tool's name for the key, or a misspelt one: what is printed goes into a file."""
    return MEANT.get(key, key) in SECRET_KEYS or names_secret(key) or key.lower().endswith("key")


def as_yaml(data: Any) -> str:
    """Plain data as YAML, in its order."""
    import yaml

    return str(yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=120))
