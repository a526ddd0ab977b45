"""What is in a sandbox at its start: accounts, containers, blobs, secrets, applications."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from odibi.testing.azure.identity import Principal

if TYPE_CHECKING:
    from odibi.testing.azure.sandbox import Sandbox


@dataclass(frozen=True)
class Blob:
    """A blob; its content is bytes, or the file that holds them."""

    account: str
    container: str
    path: str
    content: bytes | Path = field(repr=False)


@dataclass(frozen=True)
class SeedSecret:
    """A secret of a vault: a value, or the key of an account."""

    vault: str
    name: str
    value: str = field(default="", repr=False)
    account_key_of: str | None = None
    enabled: bool = True


@dataclass
class Seed:
    """What to make. `accounts` has keys (base64) where they matter, else None; `shared_access` the access signatures
    that are accepted, by account."""

    accounts: dict[str, str | None] = field(default_factory=dict)
    containers: list[tuple[str, str]] = field(default_factory=list)
    blobs: list[Blob] = field(default_factory=list)
    vaults: list[str] = field(default_factory=list)
    secrets: list[SeedSecret] = field(default_factory=list)
    principals: list[Principal] = field(default_factory=list)
    shared_access: list[tuple[str, str]] = field(default_factory=list, repr=False)

    def __add__(self, other: Seed) -> Seed:
        """Both; keys of the first win."""
        keys = {**other.accounts, **self.accounts}
        known = {name: key or other.accounts.get(name) for name, key in keys.items()}
        return Seed(
            known,
            self.containers + other.containers,
            self.blobs + other.blobs,
            self.vaults + other.vaults,
            self.secrets + other.secrets,
            self.principals + other.principals,
            self.shared_access + other.shared_access,
        )


def as_seed(given: str | Path | Seed | Iterable[str | Path | Seed]) -> Seed:
    """One seed of what a caller names: seeds, folders and YAML files. Raises `ConfigError`."""
    from odibi.testing.azure.seed_file import read_seed

    if isinstance(given, Seed):
        return given
    if isinstance(given, (str, Path)):
        return read_seed(Path(given))
    total = Seed()
    for each in given:
        total += as_seed(each)
    return total


def fill(sandbox: Sandbox, seed: Seed) -> None:
    """Make everything; what is there is kept."""
    for name, key in seed.accounts.items():
        if name not in sandbox.accounts:
            sandbox.add_account(name, key)
    for vault in seed.vaults:
        sandbox.add_vault(vault)
    for principal in seed.principals:
        sandbox.add_principal(principal.client_id, principal.secret, principal.tenant_id)
    for account, token in seed.shared_access:
        sandbox.accept_shared_access(account, token)
    for secret in seed.secrets:
        value = secret.value if secret.account_key_of is None else sandbox.accounts[secret.account_key_of]
        sandbox.set_secret(secret.vault, secret.name, value, secret.enabled)
    for account, container in dict.fromkeys([*seed.containers, *_containers_of(seed.blobs)]):
        sandbox.make_container(account, container)
    for blob in seed.blobs:
        if isinstance(blob.content, Path):
            sandbox.put_file(blob.account, blob.container, blob.path, blob.content)
        else:
            sandbox.put(blob.account, blob.container, blob.path, blob.content)


def _containers_of(blobs: Iterable[Blob]) -> Iterator[tuple[str, str]]:
    for blob in blobs:
        yield blob.account, blob.container
