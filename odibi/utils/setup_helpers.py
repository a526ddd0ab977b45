"""Connections of a notebook, configured with all their secrets at once; and secrets by themselves."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from odibi.connections import BaseConnection
from odibi.utils.building import Settings, build, build_all
from odibi.utils.printing import BAD, GOOD, say, tell

if TYPE_CHECKING:
    from odibi.azure.keyvault import KeyVaultFetchResult

TIMEOUT = 30.0
WORKERS = 5


def configure_connections_parallel(
    connections: Mapping[str, Settings],
    prefetch_secrets: bool = True,
    max_workers: int = WORKERS,
    timeout: float = TIMEOUT,
    verbose: bool = True,
) -> tuple[dict[str, BaseConnection], list[str]]:
    """Build connections and fetch the secrets that they need in parallel, each within `timeout` seconds.

    `connections` maps names to connections or to settings as in a project file; settings without a vault take the only
    one that the others name. Gives all connections that could be built, and a text `name: what is wrong; what would be
    right` for every one that failed: nothing is raised. One whose secret did not come is among both, and tries again
    when it is used. `verbose` prints a line to announce it, one for each connection, and one in total.

    >>> made, errors = configure_connections_parallel({"lake": {"type": "local", "base_path": "lake"}, "dev": {}})
    Configuring 2 connections, up to 5 at once
    ✓ lake     0 ms
    ✗ dev      0 ms  the key 'type' is missing; ...
    1 of 2 connections ready in ... ms
    >>> list(made), len(errors)
    (['lake'], 1)
    """
    began = time.perf_counter()
    say(f"Configuring {_count(len(connections), 'connection')}, up to {max_workers} at once", verbose)
    made, wrong = build(connections)
    results = _fetch(made, max_workers, timeout) if prefetch_secrets else {}
    for name, result in results.items():
        if result.success:
            made[name].receive(result.secret_value or "")
        else:
            wrong[name] = result.error or "the secret could not be fetched"
    times = {name: result.duration_ms or 0.0 for name, result in results.items()}
    _tell_each(connections, wrong, times, verbose)
    _tell_total(len(connections) - len(wrong), len(connections), "connection", "ready", began, verbose)
    return made, [f"{name}: {wrong[name]}" for name in connections if name in wrong]


def fetch_keyvault_secret(
    connection_name: str, key_vault_name: str, secret_name: str, timeout: float = TIMEOUT
) -> KeyVaultFetchResult:
    """Fetch one secret within `timeout` seconds, as the identity that this process has. What the vault answers is never
    raised: the result has `success`, `secret_value` or `error`, and `duration_ms`. Its `repr` does not show the secret.

    >>> from unittest.mock import patch
    >>> with patch("azure.identity.DefaultAzureCredential"), patch("azure.keyvault.secrets.SecretClient") as client:
    ...     client.return_value.get_secret.return_value.value = "c2VjcmV0"
    ...     result = fetch_keyvault_secret("bronze", "shop-kv", "bronze-key")
    >>> result.success, result.secret_value, "c2VjcmV0" in repr(result)
    (True, 'c2VjcmV0', False)
    """
    from odibi.azure.keyvault import fetch_keyvault_secret as fetch

    return fetch(connection_name, key_vault_name, secret_name, timeout)


def fetch_keyvault_secrets_parallel(
    connections: Mapping[str, Settings],
    max_workers: int = WORKERS,
    timeout: float = TIMEOUT,
    verbose: bool = True,
) -> dict[str, KeyVaultFetchResult]:
    """Fetch the Key Vault secrets of connections in parallel, one fetch for each distinct secret.

    `connections` as in `configure_connections_parallel`; those that need no secret of a vault are not in the result.
    Nothing is raised for what a vault answers. Raises `ValueError` for settings that can not be used.

    >>> fetch_keyvault_secrets_parallel({"lake": {"type": "local", "base_path": "lake"}}, verbose=False)
    {}
    """
    began = time.perf_counter()
    made = build_all(connections)
    asked = {name: each for name, each in made.items() if getattr(each, "auth_mode", None) == "key_vault"}
    say(f"Fetching {_count(len(asked), 'secret')} from Key Vault, up to {max_workers} at once", verbose)
    results = _fetch(asked, max_workers, timeout)
    errors = {name: each.error or "" for name, each in results.items() if not each.success}
    _tell_each(results, errors, {name: each.duration_ms or 0.0 for name, each in results.items()}, verbose)
    _tell_total(len(results) - len(errors), len(results), "secret", "fetched", began, verbose)
    return results


def _fetch(connections: Mapping[str, BaseConnection], workers: int, timeout: float) -> dict[str, KeyVaultFetchResult]:
    """Name to result for the connections that need something; where none does, nothing of Azure is imported."""
    asked = {name: each for name, each in connections.items() if each.needs() is not None}
    if not asked:
        return {}
    from odibi.prefetch import fetch_all

    return fetch_all(asked, max_workers=workers, timeout=timeout)


def _tell_each(names: Iterable[str], wrong: Mapping[str, str], times: Mapping[str, float], verbose: bool) -> None:
    names = list(names)
    width = max(map(len, names), default=0)
    for name in names:
        mark = BAD if name in wrong else GOOD
        tell(mark, f"{name:{width}}  {times.get(name, 0.0):4.0f} ms  {wrong.get(name, '')}".rstrip(), verbose)


def _tell_total(good: int, total: int, what: str, state: str, began: float, verbose: bool) -> None:
    said = f"{good} of {_count(total, what)}" if good != total else f"{_count(total, what)}"
    say(f"{said} {state} in {(time.perf_counter() - began) * 1000:.0f} ms", verbose)


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
