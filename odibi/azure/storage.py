"""Storage accounts: the store that odibi reads and writes through, the options that delta-rs takes, what refusals mean.

`Location.storage_options` of Azure has one vocabulary, that of object_store: `account_name`, one of `account_key`,
`sas_token`, `bearer_token` and `credential` (a TokenCredential), and at will `endpoint_suffix`, `endpoint`,
`allow_http`. Where several credentials are given, the last one counts: what a user gives for one read comes behind what
the connection has. The environment never decides: everything that the libraries would look up there is said to them.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from odibi.azure.storage_problems import explain, explained
from odibi.connections.base import Location
from odibi.errors import AccessError, DataError, MissingExtraError, suggest
from odibi.secrets import remember

__all__ = ["Access", "Place", "access_of", "delta_options", "drop_stores", "explain", "explained", "object_store",
           "place_of"]  # fmt: skip

STORAGE_SCOPE = "https://storage.azure.com/.default"
PUBLIC_CLOUD = "core.windows.net"
CREDENTIALS = {
    "account_key": "key", "access_key": "key", "azure_storage_account_key": "key",
    "sas_token": "sas", "sas_key": "sas", "azure_storage_sas_token": "sas",
    "bearer_token": "token", "token": "token",
    "credential": "credential",
}  # fmt: skip
"""Options that are a credential, and the kind each of them is."""
OTHERS = ("account_name", "endpoint_suffix", "endpoint", "allow_http")
KEYS_IN_ENVIRONMENT = ("azure_storage_account_key", "azure_storage_access_key", "azure_storage_master_key")
PROXY_ENVIRONMENT = ("HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR")


@dataclass(frozen=True)
class Place:
    """What a URL of Azure storage names; `path` is without a leading slash."""

    account: str
    container: str
    endpoint: str
    path: str = ""


@dataclass(frozen=True)
class Access:
    """How a request is authorised: `kind` is key, sas, token or credential; `value` is never shown."""

    kind: str
    value: Any

    def __repr__(self) -> str:
        return f"Access({self.kind!r})"


@dataclass(frozen=True)
class Limits:
    """Seconds: for a connection, for a whole request, and from the first try to the last one."""

    connect: float
    request: float
    retry: float
    retries: int


QUICK = Limits(connect=5, request=10, retry=12, retries=3)
"""Requests that carry next to nothing: they fail in seconds."""
BULK = Limits(connect=5, request=30, retry=20, retries=3)
"""One part of a file; 4 MiB in 30 seconds is a line of 1.1 Mbit/s."""


def place_of(location: Location) -> Place:
    """Account, container, endpoint and path of `abfss://container@account.dfs.suffix/path`, or of `az://container/path`
    with the option `account_name`. Raises `DataError` for another URL."""
    options = location.storage_options
    protocol, _, rest = location.uri.partition("://")
    authority, _, path = rest.partition("/")
    container, at, host = authority.partition("@")
    account, _, domain = host.partition(".")
    if not at:
        account = str(options.get("account_name") or "")
    if not account or not container:
        raise DataError(f"{location.display}: {protocol}://{authority} names no account; write {protocol}://"
                        "container@account.dfs.core.windows.net/path, or give account_name")  # fmt: skip
    suffix = str(options.get("endpoint_suffix") or domain.partition(".")[2] or PUBLIC_CLOUD)
    endpoint = str(options.get("endpoint") or f"https://{account}.blob.{suffix}").rstrip("/")
    return Place(account, container, endpoint, path)


def access_of(location: Location) -> Access:
    """The credential that counts. Raises `DataError` for an option that nothing here knows, `AccessError` for none."""
    for name in location.storage_options:
        if name not in CREDENTIALS and name not in OTHERS:
            raise DataError(
                f"{location.display}: storage_options has {name!r}, which is not one of Azure storage; "
                f"{suggest(name, [*OTHERS, 'account_key', 'sas_token', 'bearer_token', 'credential'])}"
            )
    given = [(CREDENTIALS[name], value) for name, value in location.storage_options.items() if name in CREDENTIALS]
    for kind, value in reversed(given):
        if value:
            if isinstance(value, str):
                remember(value)
            return Access(kind, value.lstrip("?") if kind == "sas" else value)
    raise AccessError(f"{location.display}: no credential for storage account {place_of(location).account!r}; "
                      "give account_key, sas_token or credential in storage_options")  # fmt: skip


# -- the store ---------------------------------------------------------------------------------------------------------

_STORES: dict[Any, Any] = {}
_MAKING = threading.Lock()


def object_store(location: Location, limits: Limits = QUICK) -> Any:
    """The obstore store of the location's container; shared, so that connections to the server are used again.

    Raises `MissingExtraError`, `KeyFetchError` where no token can be had, `AccessError`, `DataError`.
    """
    place, access = place_of(location), access_of(location)
    http = str(location.storage_options.get("allow_http", "false")).lower() == "true"
    around = tuple(os.environ.get(name) for name in PROXY_ENVIRONMENT)
    value = id(access.value) if access.kind == "credential" else access.value
    key = (place.account, place.container, place.endpoint, access.kind, value, limits, http, around)
    with _MAKING:
        if key not in _STORES:
            # with the credential beside it: as long as it is held no other has its id
            _STORES[key] = _new_store(place, access, limits, http), access
        return _STORES[key][0]


def drop_stores() -> None:
    """Forget all stores; for tests."""
    with _MAKING:
        _STORES.clear()


def _new_store(place: Place, access: Access, limits: Limits, http: bool) -> Any:
    try:
        from obstore.store import AzureStore
    except ImportError:
        raise MissingExtraError("obstore", "azure", "Azure storage") from None
    return AzureStore(
        place.container,
        config={
            "account_name": place.account, "endpoint": place.endpoint, "use_emulator": False,
            "use_fabric_endpoint": False, "skip_signature": False,
        },
        client_options={
            "allow_http": http, "connect_timeout": _seconds(limits.connect), "timeout": _seconds(limits.request),
            "user_agent": "odibi",
        },
        retry_config={
            "max_retries": limits.retries, "retry_timeout": timedelta(seconds=limits.retry),
            "backoff": {
                "init_backoff": timedelta(seconds=0.1), "max_backoff": timedelta(seconds=3), "base": 2,
            },
        },
        credential_provider=provider_of(access),
    )  # fmt: skip


def provider_of(access: Access) -> Callable[[], Mapping[str, Any]]:
    """What obstore asks for a credential; it beats the configuration and the environment."""
    if access.kind == "key":
        return lambda: {"access_key": access.value, "expires_at": None}
    if access.kind == "sas":
        return lambda: {"sas_token": access.value, "expires_at": None}
    if access.kind == "token":
        return lambda: {"token": access.value, "expires_at": None}
    return lambda: _token(access.value)


def _token(credential: Any) -> Mapping[str, Any]:
    got = credential.get_token(STORAGE_SCOPE)
    remember(got.token)
    return {"token": got.token, "expires_at": datetime.fromtimestamp(got.expires_on, UTC)}


def _seconds(seconds: float) -> timedelta:
    return timedelta(seconds=seconds)


# -- delta-rs ----------------------------------------------------------------------------------------------------------


def delta_options(location: Location) -> dict[str, str]:
    """`storage_options` for delta-rs, to be made anew for every call: a token in it is fresh.

    Raises `AccessError` where delta-rs would take a key that is left in the environment for the connection's SAS.
    """
    place, access = place_of(location), access_of(location)
    if access.kind == "sas":
        _refuse_keys(location)
    value = access.value if access.kind != "credential" else _token(access.value)["token"]
    name = {"key": "account_key", "sas": "sas_token"}.get(access.kind, "bearer_token")
    return {
        "account_name": place.account,
        "endpoint": place.endpoint,
        "container_name": place.container,
        "use_emulator": "false",
        "use_fabric_endpoint": "false",
        "skip_signature": "false",
        "allow_http": str(location.storage_options.get("allow_http", "false")).lower(),
        "connect_timeout": f"{BULK.connect}s",
        "timeout": f"{BULK.request}s",
        "max_retries": str(BULK.retries),
        "retry_timeout": f"{BULK.retry}s",
        name: value,
    }


def _refuse_keys(location: Location) -> None:
    """delta-rs prefers an account key of the environment to a SAS that it is given, and no option changes that."""
    left = [name for name in os.environ if name.lower() in KEYS_IN_ENVIRONMENT]
    if left:
        raise AccessError(
            f"{location.display}: the environment holds {left[0]}, which delta-rs would use instead of the "
            "connection's sas_token; unset it"
        )
