"""Azure Key Vault: one client a vault, one fetch a secret, each ending in time."""

from __future__ import annotations

import re
import threading
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import urlsplit

from odibi.azure.clouds import CLOUDS, PUBLIC_CLOUD
from odibi.azure.deadline import OutOfTime, doing, loading, noted, within
from odibi.azure.identity import ASKING, Identity, SharedCredential, credential_for
from odibi.azure.logins import made, slow_hint
from odibi.azure.transport import authorities, drop_sessions, new_transport
from odibi.azure.vault_problems import BUSY, Asked, code_of, problem
from odibi.errors import KeyFetchError, KeyFetchTimeout, MissingExtraError, OdibiError
from odibi.secrets import remember, shown_value

T = TypeVar("T")
PUBLIC_VAULTS = CLOUDS[PUBLIC_CLOUD].vault
TIMEOUT = 30.0
LIMITS: Mapping[str, Any] = {
    "connection_timeout": 5, "read_timeout": 10,
    "retry_total": 4, "retry_connect": 2, "retry_read": 3, "retry_backoff_factor": 0.2,
}  # fmt: skip
"""Seconds and retries of one request. The SDK's own add up to twenty minutes for a vault that hangs."""
TOKEN_REFUSED_FOR_GOOD = ("AKV10022", "AKV10032")
"""A wrong audience, a wrong tenant: another token of the same identity is refused as well."""


@dataclass(frozen=True)
class Secret:
    """A secret of a vault as a need of a connection: equal for all connections that share it. `vault` is a name or a
    whole https URL, `suffix` the DNS suffix of the cloud's vaults."""

    vault: str
    name: str
    identity: Identity = field(default_factory=Identity)
    suffix: str = PUBLIC_VAULTS

    @property
    def url(self) -> str:
        """The vault's address."""
        return self.vault.rstrip("/") if "://" in self.vault else f"https://{self.vault}.{self.suffix}"

    @property
    def host(self) -> str:
        """The vault's host."""
        return self.url.partition("://")[2].lower()

    @property
    def vault_name(self) -> str:
        """The vault's name, also where its URL is given."""
        return self.url.partition("://")[2].partition(".")[0]

    def fetch(self, timeout: float = TIMEOUT) -> str:
        """The secret's value. Raises `KeyFetchError`, `KeyFetchTimeout`."""
        return str(read(self, timeout).value)


@dataclass(frozen=True)
class KeyVaultFetchResult:
    """What became of fetching one connection's secret; `duration_ms` is the time that the fetch took, `warning` what is
    odd about a secret that was fetched.

    >>> KeyVaultFetchResult("bronze", "account1", True, secret_value="hidden", duration_ms=12.0)
    KeyVaultFetchResult(connection_name='bronze', account='account1', success=True, error=None, duration_ms=12.0)
    """

    connection_name: str
    account: str
    success: bool
    secret_value: str | None = field(default=None, repr=False)
    error: str | None = None
    duration_ms: float | None = None
    warning: str | None = field(default=None, repr=False)


def read(secret: Secret, timeout: float = TIMEOUT) -> Any:
    """The secret with its properties, as the SDK's `KeyVaultSecret`, within `timeout` seconds. Warns of one that has
    expired or is not valid yet: the vault hands it out all the same.

    Raises `KeyFetchTimeout`, and `KeyFetchError` with the cause and the way out.
    """
    _check_names(secret)
    found = _ask(secret, timeout, lambda client: client.get_secret(secret.name))
    if not isinstance(found.value, str) or not found.value.strip():
        raise KeyFetchError(f"Secret {secret.name!r} in vault {secret.vault_name!r} is empty; store the key in it")
    remember(found.value)
    _look_at_dates(secret, found)
    return found


def secret_names(
    vault: str, identity: Identity | None = None, timeout: float = TIMEOUT, suffix: str = PUBLIC_VAULTS
) -> list[str]:
    """The names of a vault's secrets, sorted, within `timeout` seconds. Raises as `read` does."""
    place = Secret(vault, "", identity or Identity(), suffix)
    _check_vault(place)
    return _ask(place, timeout, lambda client: sorted(str(each.name) for each in client.list_properties_of_secrets()))


def fetch_keyvault_secret(
    connection_name: str, key_vault_name: str, secret_name: str, timeout: float = TIMEOUT
) -> KeyVaultFetchResult:
    """Fetch one secret as the identity that this process has; what goes wrong is in the result, not raised."""
    began = time.perf_counter()
    try:
        value, error = Secret(key_vault_name, secret_name).fetch(timeout), None
    except OdibiError as failure:
        value, error = None, str(failure)
    took = (time.perf_counter() - began) * 1000
    return KeyVaultFetchResult(connection_name, "", error is None, value, error, took)


# -- asking ------------------------------------------------------------------------------------------------------------


def _ask(secret: Secret, timeout: float, question: Callable[[Any], T]) -> T:
    """The vault's answer, in time."""
    try:
        return within(timeout, lambda: _answer(secret, question), "key-vault")
    except OutOfTime as late:
        raise KeyFetchTimeout(_late(secret, timeout, late.doing)) from None


def _answer(secret: Secret, question: Callable[[Any], T]) -> T:
    """The vault's answer; asked once more with a new token where the vault refuses the one that we hold."""
    credential = credential_for(secret.identity).ready()
    generation = credential.generation
    try:
        try:
            return question(_client(secret, credential))
        except Exception as error:
            if getattr(error, "status_code", None) != 401 or code_of(error) in TOKEN_REFUSED_FOR_GOOD:
                raise
        credential.renew(generation)
        return question(_client(secret, credential))
    except OdibiError:
        raise
    except Exception as error:  # the SDK and its transport have errors of their own
        asked = Asked(secret.vault_name, secret.host, secret.name, credential.owner())
        raise problem(error, asked) from error


def _late(secret: Secret, timeout: float, at: str) -> str:
    what = f"secret {secret.name!r}" if secret.name else "the names of its secrets"
    text = f"Key Vault fetch timed out after {timeout:.1f}s for vault {secret.vault_name!r}, {what}"
    if at == ASKING:
        return f"{text}; {slow_hint(secret.identity)}"
    return f"{text}; {at}" if at else text


def _check_names(secret: Secret) -> None:
    if not secret.vault or not secret.name:
        raise KeyFetchError("a Key Vault fetch needs the name of the vault and of the secret; "
                            "give key_vault_name and secret_name")  # fmt: skip
    _check_vault(secret)
    if not re.fullmatch(r"[0-9a-zA-Z-]{1,127}", secret.name):
        raise KeyFetchError(
            f"{shown_value(secret.name)} can not be the name of a secret; it has letters, digits and hyphens"
        )


def _check_vault(secret: Secret) -> None:
    """The name becomes part of a URL to which a token is sent."""
    if not re.fullmatch(r"https://[0-9a-zA-Z-]+(\.[0-9a-zA-Z-]+)*(:\d+)?", secret.url):
        raise KeyFetchError(
            f"{shown_value(secret.vault)} can not be the name of a vault; it has 3 to 24 letters, digits and hyphens, "
            "or give its https URL"
        )


def _look_at_dates(secret: Secret, found: Any) -> None:
    """A vault hands out a secret after its end too; then the storage may refuse the key."""
    properties = getattr(found, "properties", None)
    ends, begins = (getattr(properties, name, None) for name in ("expires_on", "not_before"))
    title, now = f"Secret {secret.name!r} in vault {secret.vault_name!r}", datetime.now(UTC)
    if isinstance(ends, datetime) and ends < now:
        _warn(f"{title} expired on {ends:%Y-%m-%d}; its value is used, store a new version if the key was rotated")
    if isinstance(begins, datetime) and begins > now:
        _warn(f"{title} is valid from {begins:%Y-%m-%d} on; its value is used, check its activation date")


def _warn(text: str) -> None:
    if not noted(text):
        warnings.warn(text, UserWarning, stacklevel=5)


# -- clients -----------------------------------------------------------------------------------------------------------

_clients: dict[tuple[object, ...], Any] = {}
_making = threading.Lock()


def _client(secret: Secret, credential: SharedCredential) -> Any:
    """The client of a vault, one for the whole process. The SDK's class is looked up when it is called, so that tests
    can put their own in its place."""
    with _making:
        try:
            with loading():
                import azure.keyvault.secrets as sdk
        except ImportError as error:
            raise MissingExtraError("azure-keyvault-secrets", "azure", "a secret in Key Vault") from error
        key = sdk.SecretClient, secret.url, credential, credential.generation, authorities()
        if key not in _clients:
            tuning = {"raw_request_hook": _with_token(secret, credential), "raw_response_hook": _told,
                      "transport": new_transport(), **LIMITS}  # fmt: skip
            _clients[key] = made(sdk.SecretClient, {"vault_url": secret.url, "credential": credential}, tuning)
        return _clients[key]


def _with_token(secret: Secret, credential: SharedCredential) -> Callable[[Any], None]:
    """Shows our token at the first request already. The SDK would send one without, to learn from the refusal where to
    get a token from: a whole round to a vault of which we know that."""
    host, domain = secret.host, secret.host.partition(".")[2]
    known = domain in {cloud.vault for cloud in CLOUDS.values()}

    def hook(request: Any) -> None:
        sent = request.http_request
        if known and sent.method == "GET" and "Authorization" not in sent.headers and urlsplit(sent.url).netloc == host:
            token = credential.get_token(f"https://{domain}/.default", enable_cae=True).token
            sent.headers["Authorization"] = f"Bearer {token}"
        doing("the vault does not answer, check the network and any proxy")

    return hook


def _told(response: Any) -> None:
    """What the vault answered last, for the case that the time runs out while the SDK tries again."""
    status = response.http_response.status_code
    if status == 429:
        doing(f"the vault {BUSY}")
    elif status >= 500:
        doing(f"the vault answers {status}")


def drop_clients() -> None:
    """Forget all clients; for tests."""
    with _making:
        _clients.clear()
    drop_sessions()
