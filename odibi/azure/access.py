"""What a location of Azure storage says: account, container, path, and with what a request is authorised.

`Location.storage_options` of Azure has one vocabulary, that of object_store: `account_name`, one of `account_key`,
`sas_token`, `bearer_token` and `credential` (a TokenCredential), and at will `endpoint_suffix`, `endpoint`,
`allow_http`. Where several credentials are given, the last one counts: what a user gives for one read comes behind what
the connection has.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from odibi.azure.attempts import in_short
from odibi.azure.clouds import PUBLIC_CLOUD, STORAGE_SCOPE
from odibi.errors import AccessError, DataError, KeyFetchError, OdibiError, suggest
from odibi.location import Location
from odibi.secrets import remember

CREDENTIALS = {
    "account_key": "key", "access_key": "key", "azure_storage_account_key": "key",
    "sas_token": "sas", "sas_key": "sas", "azure_storage_sas_token": "sas",
    "bearer_token": "token", "token": "token",
    "credential": "credential",
}  # fmt: skip
"""Options that are a credential, and the kind each of them is."""
_WHAT = {"key": "account key", "sas": "SAS", "token": "token"}
OTHERS = ("account_name", "endpoint_suffix", "endpoint", "allow_http")


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


def place_of(location: Location) -> Place:
    """Account, container, endpoint and path of `abfss://container@account.dfs.suffix/path`, or of `az://container/path`
    with the option `account_name`. Raises `DataError` for another URL."""
    options = location.storage_options
    protocol, _, rest = location.uri.partition("://")
    authority, _, path = rest.partition("/")
    container, at, host = authority.partition("@")
    account, _, domain = host.partition(".")
    named = str(options.get("account_name") or "")
    if not at:
        account = named
    elif named not in ("", account):
        raise DataError(
            f"{location.display}: storage_options has account_name {named!r}, and the path is in storage account "
            f"{account!r}; leave account_name out, or use a connection to the other account"
        )
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
            elif kind != "credential":
                raise DataError(
                    f"{location.display}: the {_WHAT[kind]} in storage_options is no text; write it in quotes"
                )
            return Access(kind, value.lstrip("?") if kind == "sas" else value)
    raise AccessError(f"{location.display}: no credential for storage account {place_of(location).account!r}; "
                      "give account_key, sas_token or credential in storage_options")  # fmt: skip


# -- tokens ------------------------------------------------------------------------------------------------------------

_FAILURES: dict[int, tuple[float, OdibiError]] = {}
"""By the credential's id, when and why it last gave no token: obstore asks for one deep inside, and gives the reason
as text only."""
REMEMBERED = 5.0


def token_of(credential: Any) -> Mapping[str, Any]:
    """A token of a TokenCredential as obstore takes it. Raises `KeyFetchError`."""
    try:
        got = credential.get_token(STORAGE_SCOPE)
    except Exception as error:
        told = error if isinstance(error, OdibiError) else _no_token(error)
        _FAILURES[id(credential)] = time.monotonic(), told
        if told is error:
            raise
        raise told from error  # each credential has errors of its own
    _FAILURES.pop(id(credential), None)
    remember(got.token)
    return {"token": got.token, "expires_at": datetime.fromtimestamp(got.expires_on, UTC)}


def token_failure(access: Access) -> OdibiError | None:
    """Why the credential gave no token just now, None where it did."""
    when, error = _FAILURES.pop(id(access.value), (0.0, None))
    return error if error is not None and time.monotonic() - when < REMEMBERED else None


def _no_token(error: Exception) -> KeyFetchError:
    return KeyFetchError(f"no token for Azure storage: {in_short(str(getattr(error, 'message', error)))}")
