"""The seed that a project file needs: the accounts, containers, vaults and secrets of its connections."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from odibi.connections.azure_adls import AzureADLS
from odibi.errors import ConfigError, Problem
from odibi.testing.azure.hosts import CLOUDS
from odibi.testing.azure.identity import Principal
from odibi.testing.azure.seed import Seed, SeedSecret
from odibi.testing.azure.seed_file import is_key

if TYPE_CHECKING:
    from odibi.project import Project


def seed_of(project: Project) -> Seed:
    """What the project's `azure_adls` connections need to work. A secret that a connection names holds the key of its
    account; a key that is written in the file is the account's. Raises `ConfigError` where that can not be."""
    found = {name: each for name, each in project.connections.items() if isinstance(each, AzureADLS)}
    problems = [*_clouds(project, found), *_keys(project, found), *_secrets(project, found)]
    if problems:
        raise ConfigError(problems)
    seed = Seed()
    for connection in found.values():
        _add(connection, seed)
    return seed


def _add(connection: AzureADLS, seed: Seed) -> None:
    account = connection.account
    mode = connection.auth_mode
    given = connection.account_key if mode == "direct_key" else None
    seed.accounts[account] = given or seed.accounts.get(account)
    seed.containers.append((account, connection.container))
    if mode == "key_vault" and connection.key_vault_name and connection.secret_name:
        seed.vaults.append(connection.key_vault_name)
        seed.secrets.append(SeedSecret(connection.key_vault_name, connection.secret_name, account_key_of=account))
    if mode == "service_principal" and connection.client_id:
        secret, tenant = connection.client_secret or "", connection.tenant_id or ""
        seed.principals.append(Principal(connection.client_id, secret, tenant))
    if mode == "sas" and connection.sas_token:
        seed.shared_access.append((account, connection.sas_token))


def _clouds(project: Project, found: dict[str, AzureADLS]) -> Iterator[Problem]:
    known = [cloud.storage for cloud in CLOUDS]
    for name, connection in found.items():
        if connection.endpoint_suffix not in known:
            text = f"the sandbox does not play {connection.endpoint_suffix!r}"
            yield _problem(project, name, "endpoint_suffix", text, f"it plays {', '.join(known)}")


def _keys(project: Project, found: dict[str, AzureADLS]) -> Iterator[Problem]:
    """Keys that the storage can not take, and a second one of an account."""
    keys: dict[str, tuple[str, str]] = {}
    for name, connection in found.items():
        key = connection.account_key if connection.auth_mode == "direct_key" else None
        if key is None:
            continue
        first, known = keys.setdefault(connection.account, (name, key))
        if not is_key(key):
            text = "is no base64, and the sandbox's storage takes no other keys"
            yield _problem(project, name, "account_key", text, "give one for the sandbox, e.g. with --set")
        elif known != key:
            text = f"is another key of account {connection.account!r} than that of connection {first!r}"
            yield _problem(project, name, "account_key", text, "in the sandbox an account has one key")


def _secrets(project: Project, found: dict[str, AzureADLS]) -> Iterator[Problem]:
    """A secret that would have to hold the keys of two accounts."""
    holders: dict[tuple[str, str], AzureADLS] = {}
    for name, connection in found.items():
        if connection.auth_mode != "key_vault":
            continue
        vault, secret = connection.key_vault_name or "", connection.secret_name or ""
        first = holders.setdefault((vault, secret), connection)
        if first.account != connection.account:
            text = f"secret {secret!r} of vault {vault!r} would hold the keys of two accounts"
            hint = f"{first.account!r} (connection {first.name!r}) and {connection.account!r}: name another secret"
            yield _problem(project, name, "secret_name", text, hint)


def _problem(project: Project, connection: str, key: str, text: str, hint: str) -> Problem:
    return project.document.problem(("connections", connection, key), text, hint)
