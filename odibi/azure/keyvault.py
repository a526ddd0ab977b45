"""Azure Key Vault: one client a vault, one fetch a secret, each ending in time, and what went wrong in words."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from odibi.azure.attempts import in_short, within
from odibi.azure.grants import vault_policy, vault_role
from odibi.azure.identity import Claims, Identity, claims_of, credential_for, no_token
from odibi.errors import KeyFetchError, KeyFetchTimeout, MissingExtraError, OdibiError
from odibi.secrets import remember

PUBLIC_VAULTS = "vault.azure.net"
TIMEOUT = 30.0
LIMITS: Mapping[str, Any] = {
    "connection_timeout": 5, "read_timeout": 10, "retry_total": 3, "retry_backoff_factor": 0.2,
}  # fmt: skip
"""Seconds and retries of one request. The SDK's own add up to twenty minutes for a vault that hangs."""
log = logging.getLogger("odibi")


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
    def vault_name(self) -> str:
        """The vault's name, also where its URL is given."""
        return self.url.partition("://")[2].partition(".")[0]

    def fetch(self, timeout: float = TIMEOUT) -> str:
        """The secret's value. Raises `KeyFetchError`, `KeyFetchTimeout`."""
        return str(read(self, timeout).value)


@dataclass(frozen=True)
class KeyVaultFetchResult:
    """What became of fetching one connection's secret; `duration_ms` is the time that the fetch took.

    >>> KeyVaultFetchResult("bronze", "account1", True, secret_value="hidden", duration_ms=12.0)
    KeyVaultFetchResult(connection_name='bronze', account='account1', success=True, error=None, duration_ms=12.0)
    """

    connection_name: str
    account: str
    success: bool
    secret_value: str | None = field(default=None, repr=False)
    error: str | None = None
    duration_ms: float | None = None


def read(secret: Secret, timeout: float = TIMEOUT) -> Any:
    """The secret with its properties, as the SDK's `KeyVaultSecret`, within `timeout` seconds.

    Raises `KeyFetchTimeout`, and `KeyFetchError` with the cause and the way out.
    """
    _check_names(secret)
    try:
        found = within(timeout, lambda: _client(secret).get_secret(secret.name))
    except OdibiError:
        raise
    except TimeoutError as error:
        raise _too_late(secret, timeout) from error
    except Exception as error:
        raise problem(error, secret) from error  # the SDK, its transport and each credential have errors of their own
    if not found.value:
        raise KeyFetchError(f"{_titled(secret)} is empty; store the account key in it")
    remember(str(found.value))
    _look_at_dates(secret, found)
    return found


def secret_names(vault: str, identity: Identity | None = None, timeout: float = TIMEOUT) -> list[str]:
    """The names of a vault's secrets, sorted, within `timeout` seconds. Raises as `read` does."""
    place = Secret(vault, "", identity or Identity())
    try:
        return within(timeout, lambda: sorted(str(each.name) for each in _client(place).list_properties_of_secrets()))
    except OdibiError:
        raise
    except TimeoutError as error:
        raise KeyFetchTimeout(f"vault {place.vault_name!r} did not list its secrets within {timeout:.1f}s") from error
    except Exception as error:
        raise problem(error, place) from error


def fetch_keyvault_secret(
    connection_name: str, key_vault_name: str, secret_name: str, timeout: float = TIMEOUT
) -> KeyVaultFetchResult:
    """Fetch one secret as the identity that this process has; what goes wrong is in the result, not raised."""
    return result_of(connection_name, "", lambda: Secret(key_vault_name, secret_name).fetch(timeout))


def result_of(connection_name: str, account: str, fetch: Any) -> KeyVaultFetchResult:
    """What `fetch()` gives, or why it did not, and how long it took."""
    began = time.perf_counter()
    try:
        value, error = str(fetch()), None
    except OdibiError as failure:
        value, error = None, str(failure)
    took = (time.perf_counter() - began) * 1000
    return KeyVaultFetchResult(connection_name, account, error is None, value, error, took)


# -- clients -----------------------------------------------------------------------------------------------------------

_CLIENTS: dict[tuple[str, Identity], Any] = {}
_MAKING = threading.Lock()


def _client(secret: Secret) -> Any:
    """The client of a vault, one for the whole process. The SDK's class is looked up when it is called, so that tests
    can put their own in its place."""
    try:
        import azure.keyvault.secrets as sdk
    except ImportError as error:
        raise MissingExtraError("azure-keyvault-secrets", "azure", "a secret in Key Vault") from error
    key = secret.url, secret.identity
    with _MAKING:
        if key not in _CLIENTS:
            credential = credential_for(secret.identity)
            _CLIENTS[key] = sdk.SecretClient(vault_url=secret.url, credential=credential, **LIMITS)
        return _CLIENTS[key]


def drop_clients() -> None:
    """Forget all clients; for tests."""
    with _MAKING:
        _CLIENTS.clear()


# -- what went wrong ---------------------------------------------------------------------------------------------------


def _check_names(secret: Secret) -> None:
    if not secret.vault or not secret.name:
        raise KeyFetchError("a Key Vault fetch needs the name of the vault and of the secret; "
                            "give key_vault_name and secret_name")  # fmt: skip


def _too_late(secret: Secret, timeout: float) -> KeyFetchTimeout:
    return KeyFetchTimeout(
        f"Key Vault fetch timed out after {timeout:.1f}s for vault {secret.vault_name!r}, secret {secret.name!r}"
    )


def _titled(secret: Secret) -> str:
    return f"Secret {secret.name!r} in vault {secret.vault_name!r}"


def _look_at_dates(secret: Secret, found: Any) -> None:
    """A vault hands out a secret after its end too; then the storage may refuse the key."""
    properties = getattr(found, "properties", None)
    ends, begins = (getattr(properties, name, None) for name in ("expires_on", "not_before"))
    if isinstance(ends, datetime) and ends < datetime.now(UTC):
        log.warning("%s expired on %s; its value is used all the same", _titled(secret), f"{ends:%Y-%m-%d}")
    if isinstance(begins, datetime) and begins > datetime.now(UTC):
        log.warning("%s is valid from %s on; its value is used all the same", _titled(secret), f"{begins:%Y-%m-%d}")


def problem(error: BaseException, secret: Secret) -> KeyFetchError:
    """The error for what the SDK raised: one sentence, with commands on lines of their own."""
    status = getattr(error, "status_code", None)
    asked = str(getattr(getattr(getattr(error, "response", None), "request", None), "url", ""))
    if status is None or (asked and not asked.startswith(secret.url)):
        return _no_answer(error, secret)
    said = in_short(str(getattr(error, "message", error)))
    vault = secret.vault_name
    if status == 404:
        return _missing(error, secret)
    if status == 403:
        return _refused(error, secret)
    if status == 401:
        return _not_accepted(said, secret)
    if status == 429:
        return KeyFetchError(f"Vault {vault!r} is asked too often (429 Too Many Requests); try again in a minute")
    return KeyFetchError(f"Vault {vault!r} failed ({status}: {said}); try again")


def _missing(error: BaseException, secret: Secret) -> KeyFetchError:
    if "SecretNotFound" not in str(error) and "not found in this key vault" not in str(error):
        return KeyFetchError(f"Vault {secret.vault_name!r} does not know the request; check key_vault_name")
    return KeyFetchError(
        f"Secret {secret.name!r} not found in vault {secret.vault_name!r}\n"
        f"  check secret_name; if it was deleted lately: az keyvault secret recover --vault-name {secret.vault_name} "
        f"--name {secret.name}"
    )


def inner_code(error: BaseException) -> str:
    """The inner code of what a vault answers (`ForbiddenByRbac`, …), empty without one."""
    inner = getattr(getattr(error, "error", None), "innererror", None)
    if isinstance(inner, Mapping) and inner.get("code"):
        return str(inner["code"])
    found = re.search(r"ForbiddenBy\w+|SecretDisabled|AccessDenied", str(error))
    return found[0] if found else ""


def _refused(error: BaseException, secret: Secret) -> KeyFetchError:
    code, vault = inner_code(error), secret.vault_name
    if code == "SecretDisabled" or "disabled secret" in str(error):
        enable = f"az keyvault secret set-attributes --vault-name {vault} --name {secret.name} --enabled true"
        return KeyFetchError(f"{_titled(secret)} is disabled; enable it: {enable}")
    if code == "ForbiddenByFirewall":
        return KeyFetchError(
            f"Vault {vault!r} refuses requests from this network (403, its firewall); run where it lets in, or add "
            f"this machine's public address: az keyvault network-rule add --name {vault} --ip-address ADDRESS"
        )
    if code == "ForbiddenByConnection":
        return KeyFetchError(
            f"Vault {vault!r} answers over private links only (403, public access is off); run inside of its network"
        )
    return KeyFetchError(_denied(code, secret, _owner(secret)))


def _denied(code: str, secret: Secret, who: Claims) -> str:
    """Access denied, as whom, and the grant that is missing: of the kind that the vault uses, or of both."""
    vault = secret.vault_name
    by_role, by_policy = vault_role(vault, who.object_id, who.is_user), vault_policy(vault, who.object_id)
    ways = {
        "ForbiddenByRbac": (by_role,),
        "AccessDenied": (by_policy,),
        "ForbiddenByPolicy": (by_policy,),
    }.get(code, (f"{by_role}   (RBAC)", f"{by_policy}   (access policies)"))
    commands = "\n".join(f"  {way}" for way in ways)
    return (
        f"Access denied to vault {vault!r} (403 Forbidden); grant 'get' on secrets to this identity: {who}\n{commands}"
    )


def _owner(secret: Secret) -> Claims:
    """Who was refused, by the token that was used."""
    try:
        return claims_of(credential_for(secret.identity).get_token(f"https://{secret.url.partition('.')[2]}/.default"))
    except Exception:  # noqa: BLE001 - the refusal is the news, not what is wrong with asking who we are
        return Claims()


def _not_accepted(said: str, secret: Secret) -> KeyFetchError:
    vault = secret.vault_name
    if "AKV10032" in said or "invalid issuer" in said.lower():
        return KeyFetchError(
            f"Vault {vault!r} is in another tenant than the identity ({_owner(secret)}); use an identity of its tenant"
        )
    return KeyFetchError(
        f"Vault {vault!r} does not accept the identity's token (401 Unauthorized: {said}); log in again, and check "
        "this machine's clock"
    )


def _no_answer(error: BaseException, secret: Secret) -> KeyFetchError:
    """No HTTP answer of the vault: no login, no address, no way, or no time."""
    said, host = str(getattr(error, "message", error)), secret.url.partition("://")[2]
    module = type(error).__module__
    if _is_login(error):
        return no_token(error, secret.identity)
    if "ProxyError" in said or "tunnel" in said.lower():
        return KeyFetchError(f"Vault {secret.vault_name!r} not found, or the proxy does not let us through to {host}; "
                             "check key_vault_name, HTTPS_PROXY and NO_PROXY")  # fmt: skip
    if re.search(r"resolve|getaddrinfo|Name or service|nodename|No address", said):
        return KeyFetchError(f"Vault {secret.vault_name!r} not found: no address is known for {host}; "
                             "check key_vault_name, and the network's DNS if the vault is private")  # fmt: skip
    if "certificate" in said.lower():
        return KeyFetchError(f"The certificate of {host} is not trusted; behind a proxy that reads along, set "
                             "REQUESTS_CA_BUNDLE to the file of its certificate authority")  # fmt: skip
    if "timed out" in said.lower():
        return KeyFetchTimeout(f"Vault {secret.vault_name!r} does not answer ({in_short(said)})")
    if module.startswith(("azure", "requests", "urllib3")) or isinstance(error, OSError):
        return KeyFetchError(f"Vault {secret.vault_name!r} can not be reached: {in_short(said)}; check the network")
    return KeyFetchError(f"{_titled(secret)} can not be read: {type(error).__name__}: {in_short(said)}")


def _is_login(error: BaseException) -> bool:
    """Whether a credential raised it, not the vault."""
    from azure.core.exceptions import ClientAuthenticationError

    return isinstance(error, ClientAuthenticationError) or type(error).__name__ == "CredentialUnavailableError"
