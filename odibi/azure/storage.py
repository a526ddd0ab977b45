"""Storage accounts: the store that odibi reads and writes through, the options that delta-rs takes, what refusals mean.

The environment never decides: everything that the libraries would look up there is said to them.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from odibi.azure.access import CREDENTIALS, Access, Place, access_of, place_of, token_of
from odibi.azure.clouds import PUBLIC_CLOUD
from odibi.azure.storage_problems import explain, explained
from odibi.errors import AccessError, MissingExtraError
from odibi.location import Location

__all__ = [
    "CREDENTIALS", "Access", "Place", "access_of", "delta_options", "delta_uri", "drop_stores", "explain", "explained",
    "object_store", "place_of", "require_obstore",
]  # fmt: skip

KEYS_IN_ENVIRONMENT = ("azure_storage_account_key", "azure_storage_access_key", "azure_storage_master_key")
PROXY_ENVIRONMENT = ("HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR")


@dataclass(frozen=True)
class Limits:
    """Seconds: for a connection, for a whole request, and from the first try to the last one."""

    connect: float
    request: float
    retry: float
    retries: int


QUICK = Limits(connect=5, request=10, retry=12, retries=3)
"""Requests that carry next to nothing: they fail in seconds."""
BULK = Limits(connect=5, request=20, retry=15, retries=3)
"""One of several large parts of a file. A line that is too slow for it gets small ones, see `odibi.azure.transfer`."""
SLOW = Limits(connect=5, request=10, retry=8, retries=2)
"""A small part, alone."""
DELTA = Limits(connect=5, request=30, retry=20, retries=3)
"""delta-rs moves parts of 5 to 10 MiB, several at once."""


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
    if access.kind == "credential":
        token_of(access.value)  # here, where it costs nothing while the last one is good, its failure is told as it is
    with _MAKING:
        if key not in _STORES:
            # with the credential beside it: as long as it is held no other has its id
            _STORES[key] = _new_store(place, access, limits, http), access
        return _STORES[key][0]


def drop_stores() -> None:
    """Forget all stores; for tests."""
    with _MAKING:
        _STORES.clear()


def require_obstore() -> None:
    """Raises `MissingExtraError` where obstore is not installed."""
    try:
        import obstore.store  # noqa: F401
    except ImportError:
        raise MissingExtraError("obstore", "azure", "Azure storage") from None


def _new_store(place: Place, access: Access, limits: Limits, http: bool) -> Any:
    require_obstore()
    from obstore.store import AzureStore

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


def provider_of(access: Access) -> Callable[[], Any]:
    """What obstore asks for a credential; it beats the configuration and the environment."""
    if access.kind == "key":
        return lambda: {"access_key": access.value, "expires_at": None}
    if access.kind == "sas":
        return lambda: {"sas_token": access.value, "expires_at": None}
    if access.kind == "token":
        return lambda: {"token": access.value, "expires_at": None}
    return lambda: token_of(access.value)


def _seconds(seconds: float) -> timedelta:
    return timedelta(seconds=seconds)


# -- delta-rs ----------------------------------------------------------------------------------------------------------


def delta_uri(location: Location) -> str:
    """The URL for delta-rs, which knows no hosts of sovereign clouds: there the options name the account."""
    if f".{PUBLIC_CLOUD}/" in f"{location.uri}/":
        return location.uri
    place = place_of(location)
    return f"az://{place.container}/{place.path}".rstrip("/")


def delta_options(location: Location) -> dict[str, str]:
    """`storage_options` for delta-rs, to be made anew for every call: a token in it is fresh.

    Raises `AccessError` where delta-rs would take a key that is left in the environment for the connection's SAS.
    """
    place, access = place_of(location), access_of(location)
    if access.kind == "sas":
        _refuse_keys(location)
    value = access.value if access.kind != "credential" else token_of(access.value)["token"]
    name = {"key": "account_key", "sas": "sas_token"}.get(access.kind, "bearer_token")
    return {
        "account_name": place.account,
        "endpoint": place.endpoint,
        "container_name": place.container,
        "use_emulator": "false",
        "use_fabric_endpoint": "false",
        "skip_signature": "false",
        "allow_http": str(location.storage_options.get("allow_http", "false")).lower(),
        "connect_timeout": f"{DELTA.connect}s",
        "timeout": f"{DELTA.request}s",
        "max_retries": str(DELTA.retries),
        "retry_timeout": f"{DELTA.retry}s",
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
