"""Who asks: the credential of a process, its tokens, and what a token says of its owner.

First that applies (the credential object that is given · the Unity Catalog service credential that is named ·
`DefaultAzureCredential`). There is one credential a process for each `Identity`; it asks for a token once, however many
threads want it.
"""

from __future__ import annotations

import base64
import json
import os
import re
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from odibi.azure.attempts import in_short, within
from odibi.errors import KeyFetchError, KeyFetchTimeout
from odibi.secrets import remember

LIMITS: Mapping[str, Any] = {"connection_timeout": 3, "read_timeout": 8, "retry_total": 1}
"""Seconds and retries of one request for a token. The SDK's own (300 s, ten retries) outlast every time-out of ours."""
CLI_SECONDS = 10
MARGIN = 300
"""Seconds before its end from which on a token is fetched anew, as the SDKs do."""
PROBE_SECONDS = 0.3
"""How long an identity endpoint may take to accept a connection; on a machine in Azure it takes a millisecond."""
IMDS = "http://169.254.169.254"
DEFAULT_SERVICE_CREDENTIAL = "DATABRICKS_DEFAULT_SERVICE_CREDENTIAL_NAME"
SAID = ("AZURE_TOKEN_CREDENTIALS", "IDENTITY_ENDPOINT", "MSI_ENDPOINT")
"""Variables that settle whether there is a managed identity; then nothing is tried out."""


@dataclass(frozen=True)
class Identity:
    """Whom a connection asks as. Equal ones share a credential. `kind` is default, managed_identity,
    service_principal or given; `authority` is the host that gives tokens, None for the public cloud's.

    >>> Identity("service_principal", client_id="app", tenant_id="t", client_secret="hidden")
    Identity(kind='service_principal', client_id='app', tenant_id='t', service_credential=None, authority=None)
    """

    kind: str = "default"
    client_id: str | None = None
    tenant_id: str | None = None
    client_secret: str | None = field(default=None, repr=False)
    service_credential: str | None = None
    credential: Any = field(default=None, repr=False)
    authority: str | None = None


@dataclass(frozen=True)
class Claims:
    """What a token says of its owner; empty texts where it does not. `is_user` is true for a person."""

    object_id: str = ""
    app_id: str = ""
    tenant_id: str = ""
    name: str = ""
    is_user: bool = False

    def __str__(self) -> str:
        parts = {"object id": self.object_id, "app id": self.app_id, "tenant": self.tenant_id}
        said = ", ".join(f"{what} {value}" for what, value in parts.items() if value)
        return f"{self.name} ({said})" if self.name and said else said or "of an unknown owner"

    @property
    def principal(self) -> str:
        """The kind of owner, as `az role assignment` calls it."""
        return "User" if self.is_user else "ServicePrincipal"


@dataclass(frozen=True)
class Token:
    """A token as a need of a connection: fetched before a run, so that a missing login is told at once."""

    identity: Identity
    scope: str

    def fetch(self, timeout: float) -> str:
        """The token. Raises `KeyFetchError`, `KeyFetchTimeout`."""
        return str(fetch_token(self.identity, self.scope, timeout).token)


def claims_of(token: Any) -> Claims:
    """The claims of a token, of its text or of an SDK's object. The signature is not looked at: it is not for us."""
    text = str(getattr(token, "token", token))
    try:
        body = text.split(".")[1]
        said = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    except (IndexError, ValueError):
        return Claims()
    if not isinstance(said, dict):
        return Claims()
    user = said.get("upn") or said.get("unique_name") or said.get("preferred_username")
    return Claims(
        object_id=str(said.get("oid") or ""),
        app_id=str(said.get("appid") or said.get("azp") or ""),
        tenant_id=str(said.get("tid") or ""),
        name=str(user or said.get("app_displayname") or ""),
        is_user=said.get("idtyp") == "user" or (bool(user) and said.get("idtyp") != "app"),
    )


# -- credentials -------------------------------------------------------------------------------------------------------


class SharedCredential:
    """A credential for all threads and libraries of a process: one request a token, which is kept until it is old.

    The SDK's credential is made when the first token is wanted.
    """

    def __init__(self, identity: Identity) -> None:
        self._identity = identity
        self._inner: Any = None
        self._tokens: dict[tuple[Any, ...], Any] = {}
        self._locks: dict[tuple[Any, ...], threading.Lock] = {}
        self._lock = threading.Lock()

    def get_token(self, *scopes: str, claims: str | None = None, tenant_id: str | None = None, **options: Any) -> Any:
        """A token for the scopes, as `azure.core.credentials.AccessToken`."""

        def ask() -> Any:
            given = {"claims": claims, "tenant_id": tenant_id, **options}
            return self._credential().get_token(*scopes, **{key: each for key, each in given.items() if each})

        return self._once(("token", scopes, tenant_id), ask, anew=claims is not None)

    def get_token_info(self, *scopes: str, options: Mapping[str, Any] | None = None) -> Any:
        """A token for the scopes, as `azure.core.credentials.AccessTokenInfo`, which newer SDKs ask for."""
        given = dict(options or {})
        inner = self._credential()
        if not hasattr(inner, "get_token_info"):
            from azure.core.credentials import AccessTokenInfo

            token = self.get_token(*scopes, **given)
            return AccessTokenInfo(token.token, token.expires_on)
        return self._once(
            ("info", scopes, given.get("tenant_id")),
            lambda: inner.get_token_info(*scopes, options=given),
            anew=bool(given.get("claims")),
        )

    def close(self) -> None:
        """Nothing to close: others use it."""

    def _credential(self) -> Any:
        with self._lock:
            if self._inner is None:
                self._inner = new_credential(self._identity)
            return self._inner

    def _once(self, key: tuple[Any, ...], ask: Any, anew: bool) -> Any:
        """The token of a key; who comes while another thread asks waits for its answer. `anew`: the kept one was
        refused."""
        with self._lock:
            lock = self._locks.setdefault(key, threading.Lock())
        with lock:
            kept = self._tokens.get(key)
            if kept is None or anew or _is_old(kept):
                kept = ask()
                remember(str(kept.token))
                self._tokens[key] = kept
            return kept


def _is_old(token: Any) -> bool:
    refresh = getattr(token, "refresh_on", None)
    ends = min(each for each in (refresh, token.expires_on - MARGIN) if each is not None)
    return bool(ends <= time.time())


_SHARED: dict[Identity, SharedCredential] = {}
_SHARING = threading.Lock()


def credential_for(identity: Identity) -> SharedCredential:
    """The credential of an identity, the same for the whole process."""
    with _SHARING:
        return _SHARED.setdefault(identity, SharedCredential(identity))


def drop_shared() -> None:
    """Forget all credentials, tokens and clients of this process; for tests."""
    from odibi.azure import keyvault

    with _SHARING:
        _SHARED.clear()
        _ANSWERS.clear()
    keyvault.drop_clients()


def new_credential(identity: Identity) -> Any:
    """A credential of the SDK that nobody shares. Raises `KeyFetchError` where it can not even be made."""
    if identity.kind == "given":
        return identity.credential
    from odibi.errors import MissingExtraError

    try:
        import azure.identity as sdk
    except ImportError as error:
        raise MissingExtraError("azure-identity", "azure", "a login to Azure") from error
    login = {"authority": identity.authority} if identity.authority else {}
    try:
        if identity.kind == "managed_identity":
            client: dict[str, Any] = {"client_id": identity.client_id} if identity.client_id else {}
            return sdk.ManagedIdentityCredential(**client, **LIMITS)
        if identity.kind == "service_principal":
            return sdk.ClientSecretCredential(
                tenant_id=identity.tenant_id or "", client_id=identity.client_id or "",
                client_secret=identity.client_secret or "", **login, **LIMITS,
            )  # fmt: skip
    except ValueError as error:
        raise KeyFetchError(f"no login as {_who(identity)}: {in_short(str(error))}") from error
    return _service_credential(identity) or _default_credential(sdk, login)


def _default_credential(sdk: Any, login: Mapping[str, str]) -> Any:
    nothing_there = {} if _may_have_identity() else {"exclude_managed_identity_credential": True}
    return sdk.DefaultAzureCredential(process_timeout=CLI_SECONDS, **nothing_there, **login, **LIMITS)


def _service_credential(identity: Identity) -> Any:
    """The service credential of Unity Catalog that is named, None where there is none to be had: off Databricks."""
    from odibi.notebook import at_hand

    name = identity.service_credential or os.environ.get(DEFAULT_SERVICE_CREDENTIAL)
    dbutils = at_hand("dbutils") if name else None
    provider = getattr(getattr(dbutils, "credentials", None), "getServiceCredentialsProvider", None)
    if not name or provider is None:
        return None
    try:
        return provider(name)
    except Exception as error:
        raise KeyFetchError(
            f"Databricks refuses the service credential {name!r}: {in_short(str(error))}; the cluster must have Unity "
            f"Catalog, and this user the privilege ACCESS: GRANT ACCESS ON SERVICE CREDENTIAL `{name}` TO `<user>`"
        ) from error


_ANSWERS: dict[str, bool] = {}


def _may_have_identity() -> bool:
    """Whether a managed identity can be here. azure-identity takes a second, at every token, to find out that no
    endpoint answers."""
    if any(os.environ.get(name) for name in SAID):
        return True
    address = os.environ.get("AZURE_POD_IDENTITY_AUTHORITY_HOST") or IMDS
    if address not in _ANSWERS:
        parts = urlsplit(address)
        try:
            socket.create_connection((parts.hostname or "", parts.port or 80), timeout=PROBE_SECONDS).close()
            _ANSWERS[address] = True
        except OSError:
            _ANSWERS[address] = False
    return _ANSWERS[address]


# -- tokens, and why there is none -------------------------------------------------------------------------------------


def fetch_token(identity: Identity, scope: str, timeout: float = 30.0) -> Any:
    """A token for a scope (`https://vault.azure.net/.default`), within `timeout` seconds.

    Raises `KeyFetchTimeout`, and `KeyFetchError` that tells which credentials were tried, and why each failed.
    """
    from odibi.errors import OdibiError

    credential = credential_for(identity)
    try:
        return within(timeout, lambda: credential.get_token(scope))
    except OdibiError:
        raise
    except TimeoutError as error:
        raise KeyFetchTimeout(f"no token for {_who(identity)} within {timeout:.1f}s; {_slow_hint(identity)}") from error
    except Exception as error:
        raise no_token(error, identity) from error  # each credential has errors of its own


def no_token(error: BaseException, identity: Identity) -> KeyFetchError:
    """The error for a login that failed, with the way out."""
    said = str(getattr(error, "message", error))
    tried = list(_tried(said))
    if len(tried) > 1:
        lines = "\n".join(f"  {name}: {reason}" for name, reason in tried)
        return KeyFetchError(
            f"no credential could log in to Azure; tried in this order:\n{lines}\n{_way_out(identity)}"
        )
    code = re.search(r"AADSTS\d+", said)
    known = _LOGIN_REFUSALS.get(code[0]) if code else None
    if known is not None:
        return KeyFetchError(f"no login as {_who(identity)}: {known} ({code[0] if code else ''})")
    return KeyFetchError(f"no login as {_who(identity)}: {in_short(said)}; {_way_out(identity)}")


_LOGIN_REFUSALS = {
    "AADSTS7000215": "the client_secret is wrong; give the secret's value, not its id",
    "AADSTS7000222": "the client_secret has expired; make a new one: az ad app credential reset --id <client_id>",
    "AADSTS700016": "there is no such application in this tenant; check client_id and tenant_id",
    "AADSTS90002": "there is no such tenant; check tenant_id",
    "AADSTS900023": "tenant_id is neither an id nor a domain of a tenant",
    "AADSTS50076": "the tenant asks for a second factor; log in again with `az login`",
    "AADSTS700082": "the login has expired; log in again with `az login`",
}


def _tried(said: str) -> Iterator[tuple[str, str]]:
    """The credentials of a chain and why each gave no token, out of the chain's own text."""
    for part in re.split(r"\n\s*(?=\w+Credential: )", said)[1:]:
        name, _, reason = part.partition(": ")
        yield name, in_short(reason.split("\nTo mitigate this issue")[0])


def _who(identity: Identity) -> str:
    if identity.kind == "managed_identity":
        return f"managed identity {identity.client_id}" if identity.client_id else "the machine's managed identity"
    if identity.kind == "service_principal":
        return f"service principal {identity.client_id}"
    if identity.kind == "given":
        return f"the given {type(identity.credential).__name__}"
    return "the default identity"


def _way_out(identity: Identity) -> str:
    if identity.kind == "managed_identity":
        return "only machines in Azure have a managed identity: give this one an identity, or use another auth_mode"
    if identity.kind == "service_principal":
        return "check tenant_id, client_id and client_secret"
    if identity.kind == "given":
        return "check the credential object"
    return (
        "log in with `az login`, or set AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET; in Azure give the "
        "machine a managed identity, on Databricks name a service_credential"
    )


def _slow_hint(identity: Identity) -> str:
    if identity.kind == "default":
        return "an identity endpoint or the Azure CLI hangs: `odibi doctor` tells which"
    return "the identity endpoint does not answer: `odibi doctor` tells more"
