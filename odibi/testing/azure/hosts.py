"""The host names of Azure and of its sovereign clouds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

STORAGE, VAULT, IDENTITY, LOGIN = "storage", "vault", "identity", "login"
METADATA_ADDRESS = "169.254.169.254"


@dataclass(frozen=True)
class Cloud:
    """The DNS suffixes of a cloud; `logins` has the hosts of Microsoft Entra, the usual one first."""

    storage: str
    vault: str
    logins: tuple[str, ...]


CLOUDS = (
    Cloud("core.windows.net", "vault.azure.net", ("login.microsoftonline.com", "login.windows.net")),
    Cloud("core.chinacloudapi.cn", "vault.azure.cn", ("login.chinacloudapi.cn", "login.partner.microsoftonline.cn")),
    Cloud("core.usgovcloudapi.net", "vault.usgovcloudapi.net", ("login.microsoftonline.us",)),
)


@dataclass(frozen=True)
class Place:
    """What a host name stands for. `name` is that of the account or vault; `identity` and `login` otherwise."""

    service: str
    name: str
    host: str
    cloud: Cloud


def place_of(host: str) -> Place | None:
    """What a host stands for, None where it is not one of Azure's that the sandbox plays.

    >>> place_of("lake.dfs.core.windows.net").name
    'lake'
    """
    host = host.lower().rstrip(".")
    if host == METADATA_ADDRESS:
        return Place(IDENTITY, IDENTITY, host, CLOUDS[0])
    name, _, rest = host.partition(".")
    for cloud in CLOUDS:
        if host in cloud.logins:
            return Place(LOGIN, LOGIN, host, cloud)
        if rest in (f"blob.{cloud.storage}", f"dfs.{cloud.storage}"):
            return Place(STORAGE, name, host, cloud)
        if rest == cloud.vault:
            return Place(VAULT, name, host, cloud)
    return None


def certificate_names() -> Iterator[str]:
    """The names that the servers' certificate is for."""
    for cloud in CLOUDS:
        yield from (f"*.blob.{cloud.storage}", f"*.dfs.{cloud.storage}", f"*.{cloud.vault}", *cloud.logins)
    yield from ("localhost", "127.0.0.1")


def storage_hosts(accounts: Iterable[str]) -> list[str]:
    """All hosts of storage accounts, in every cloud."""
    kinds = [(kind, cloud.storage) for cloud in CLOUDS for kind in ("blob", "dfs")]
    return [f"{account}.{kind}.{suffix}" for account in accounts for kind, suffix in kinds]
