"""Who asks: the credential of a process, its tokens, and what a token says of its owner.

There is one credential a process for each `Identity`, whichever connections and threads use it. It asks for a token
once, keeps it until it is old, and never lets anybody wait for longer than `PATIENCE` seconds. How a login is made is
in `odibi.azure.logins`.
"""

from __future__ import annotations

import base64
import contextlib
import inspect
import json
import os
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from odibi.azure.deadline import Flights, OutOfTime, doing, outcome, within
from odibi.azure.logins import forget_answers, new_credential, no_token, sdk, slow_hint, who
from odibi.errors import KeyFetchError, KeyFetchTimeout, OdibiError
from odibi.secrets import remember

__all__ = ["Claims", "Identity", "SharedCredential", "Token", "claims_of", "credential_for", "drop_shared",
           "fetch_token", "new_credential", "no_token"]  # fmt: skip

PATIENCE = 30.0
"""Seconds that anybody waits for a token; a request that is older hangs, and who asks then starts a new one."""
MARGIN = 300
"""Seconds before its end from which on a token is fetched anew, as the SDKs do."""
ASKING = "asking for a token"
PAUSE = 30
"""Seconds without another try after a token that still is good could not be renewed."""


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
    credential: Any = field(default=None, repr=False, compare=False)
    authority: str | None = None
    _object: int = field(default=0, init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_object", id(self.credential))  # credentials need not be hashable
        if self.client_secret:
            remember(self.client_secret)


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


# -- the shared credential ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Ask:
    """A request for a token. `claims` are what a service asks for when it no longer accepts the one it was shown."""

    scopes: tuple[str, ...]
    tenant_id: str | None = None
    enable_cae: bool = False
    claims: str | None = None

    def options(self) -> dict[str, Any]:
        """As the SDKs spell them; only those that say something."""
        given = {"claims": self.claims, "tenant_id": self.tenant_id, "enable_cae": self.enable_cae}
        return {name: value for name, value in given.items() if value}


@dataclass(frozen=True)
class _Held:
    """A token that is kept."""

    token: str = field(repr=False)
    expires_on: int
    refresh_on: int | None
    kind: str

    def is_good_for(self, seconds: float) -> bool:
        """Whether it lives for as long."""
        return self.expires_on - time.time() > seconds

    @property
    def is_fresh(self) -> bool:
        """Whether it is to be used without asking for a newer one."""
        return self.is_good_for(MARGIN) and (self.refresh_on is None or self.refresh_on > time.time())


class SharedCredential:
    """A credential for all threads and libraries of a process: one request a token, however many ask for it.

    The SDK's credential is made when the first token is wanted. Requests are made in daemon threads: nobody waits for
    longer than `PATIENCE` seconds, whatever hangs. Raises `KeyFetchError` with the way out where there is no token.
    """

    def __init__(self, identity: Identity) -> None:
        self.identity = identity
        self.generation = 0
        """How often the tokens were thrown away because a service refused one."""
        self._inner: Any = None
        self._held: dict[_Ask, _Held] = {}
        self._pauses: dict[_Ask, float] = {}
        self._flights: Flights[_Held] = Flights(PATIENCE)
        self._making: Flights[Any] = Flights(PATIENCE)
        self._lock = threading.Lock()

    def get_token(
        self,
        *scopes: str,
        claims: str | None = None,
        tenant_id: str | None = None,
        enable_cae: bool = False,
        **options: Any,
    ) -> Any:
        """A token for the scopes, as `azure.core.credentials.AccessToken`."""
        from azure.core.credentials import AccessToken

        del options
        held = self._token(_Ask(scopes, tenant_id, bool(enable_cae), claims))
        return AccessToken(held.token, held.expires_on)

    def get_token_info(self, *scopes: str, options: Mapping[str, Any] | None = None) -> Any:
        """A token for the scopes, as `azure.core.credentials.AccessTokenInfo`, which newer SDKs ask for."""
        from azure.core.credentials import AccessTokenInfo

        given = options or {}
        ask = _Ask(scopes, given.get("tenant_id"), bool(given.get("enable_cae")), given.get("claims"))
        held = self._token(ask)
        return AccessTokenInfo(held.token, held.expires_on, token_type=held.kind, refresh_on=held.refresh_on)

    def ready(self) -> SharedCredential:
        """Make the SDK's credential, where that was not done yet. Raises `KeyFetchError`, `MissingExtraError`."""
        self._credential()
        return self

    def owner(self) -> Claims:
        """What the last token said of its owner, without asking for one."""
        with self._lock:
            held = list(self._held.values())
        return claims_of(held[-1].token) if held else Claims()

    def renew(self, generation: int) -> None:
        """Throw the tokens away, and the SDK's credential that keeps them too: a service refused one. `generation` is
        that of the refused; of many threads that saw the refusal only one does it."""
        with self._lock:
            if generation == self.generation:
                self.generation += 1
                self._inner = None
                self._held.clear()

    def close(self) -> None:
        """Nothing: others use it too."""

    def __enter__(self) -> SharedCredential:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.identity!r})"

    def _token(self, ask: _Ask) -> _Held:
        fresh = self._fresh(ask)
        if fresh is not None:
            return fresh
        old = self._held.get(ask)
        usable = old is not None and not ask.claims and old.is_good_for(10)
        if old is not None and usable and time.monotonic() < self._pauses.get(ask, 0.0):
            return old
        doing(ASKING)
        try:
            return self._of_the_tenant(ask) or self._asked_for(ask)
        except OutOfTime:
            if old is None or not usable:
                raise KeyFetchTimeout(_late(self.identity, PATIENCE)) from None
        except OdibiError:
            if old is None or not usable:
                raise
        self._pauses[ask] = time.monotonic() + PAUSE
        return old

    def _of_the_tenant(self, ask: _Ask) -> _Held | None:
        """Where a tenant is named: the token without that, if it is of this tenant. A vault names its tenant, which
        nearly always is ours, to some of those who ask at once; all of them get one token."""
        if not ask.tenant_id or ask.claims:
            return None
        with contextlib.suppress(KeyFetchError):
            self._asked_for(_Ask(ask.scopes, None, ask.enable_cae))
        return self._fresh(ask)

    def _asked_for(self, ask: _Ask) -> _Held:
        """The token, asked for by one of all who want it now. Raises `OutOfTime`."""
        work = self._flights.join((self.generation, ask), lambda: self._fresh(ask) or self._request(ask), "token")
        return outcome(work, PATIENCE)

    def _fresh(self, ask: _Ask) -> _Held | None:
        """The kept token that answers; also one of the same tenant that was asked for without naming it."""
        if ask.claims:
            return None
        held = self._held.get(ask)
        if held is None and ask.tenant_id:
            other = self._held.get(_Ask(ask.scopes, None, ask.enable_cae))
            held = other if other is not None and claims_of(other.token).tenant_id == ask.tenant_id else None
        return held if held is not None and held.is_fresh else None

    def _request(self, ask: _Ask) -> _Held:
        generation = self.generation
        try:
            got = _asked(self._credential(), ask)
        except OdibiError:
            raise
        except Exception as error:
            raise no_token(error, self.identity) from error  # each credential has errors of its own
        held = _held(got, self.identity)
        with self._lock:
            if generation == self.generation:
                self._held[_Ask(ask.scopes, ask.tenant_id, ask.enable_cae)] = held
        return held

    def _credential(self) -> Any:
        """Made once; that may talk to Databricks, so it can hang too."""
        inner = self._inner
        if inner is not None:
            return inner

        def make() -> Any:
            if self._inner is None:
                self._inner = new_credential(self.identity)
            return self._inner

        try:
            return outcome(self._making.join("credential", make, "login"), PATIENCE)
        except OutOfTime:
            raise KeyFetchTimeout(_late(self.identity, PATIENCE)) from None


def _asked(credential: Any, ask: _Ask) -> Any:
    """What a credential answers; the newer way where it has it, and only with options that it takes."""
    options = ask.options()
    if hasattr(credential, "get_token_info"):
        return credential.get_token_info(*ask.scopes, options=options)
    try:
        parameters = inspect.signature(credential.get_token).parameters
    except (TypeError, ValueError):
        return credential.get_token(*ask.scopes, **options)
    if not any(each.kind is each.VAR_KEYWORD for each in parameters.values()):
        options = {name: value for name, value in options.items() if name in parameters}
    return credential.get_token(*ask.scopes, **options)


def _held(got: Any, identity: Identity) -> _Held:
    """A credential's answer as we keep it. Raises `KeyFetchError` for what is no token."""
    if inspect.isawaitable(got):
        if inspect.iscoroutine(got):
            got.close()
        raise KeyFetchError(
            f"{who(identity)} is one for `await`; give the same class of azure.identity instead of azure.identity.aio"
        )
    token, expires = getattr(got, "token", None), getattr(got, "expires_on", None)
    if not isinstance(token, str) or not token or not isinstance(expires, int | float):
        raise KeyFetchError(f"{who(identity)} gave no token but a {type(got).__name__}; check the credential object")
    remember(token)
    refresh = getattr(got, "refresh_on", None)
    return _Held(token, int(expires), int(refresh) if refresh else None, str(getattr(got, "token_type", "Bearer")))


# -- one for the process -----------------------------------------------------------------------------------------------

_shared: dict[tuple[object, ...], SharedCredential] = {}
_sharing = threading.Lock()
_SURROUNDINGS = ("AZURE_", "IDENTITY_", "MSI_", "DATABRICKS_DEFAULT_SERVICE_CREDENTIAL_NAME")


def credential_for(identity: Identity) -> SharedCredential:
    """The credential of an identity, the same for the whole process; a new one when the environment that decides who
    we are has changed, as in a notebook where a login was set after the first try."""
    key = (identity, *(() if identity.kind == "given" else _surroundings()))
    with _sharing:
        if key not in _shared:
            _shared[key] = SharedCredential(identity)
        return _shared[key]


def _surroundings() -> tuple[object, ...]:
    """What decides who `DefaultAzureCredential` is: variables, and the class itself, which tests replace."""
    variables = tuple(sorted(pair for pair in os.environ.items() if pair[0].startswith(_SURROUNDINGS)))
    return variables, sdk().DefaultAzureCredential


def drop_shared() -> None:
    """Forget all credentials, tokens and clients of this process; for tests."""
    with _sharing:
        _shared.clear()
    forget_answers()
    keyvault = sys.modules.get("odibi.azure.keyvault")
    if keyvault is not None:
        keyvault.drop_clients()


def fetch_token(identity: Identity, scope: str, timeout: float = PATIENCE) -> Any:
    """A token for a scope (`https://vault.azure.net/.default`), within `timeout` seconds.

    Raises `KeyFetchTimeout`, and `KeyFetchError` that tells which credentials were tried, and why each failed.
    """
    try:
        return within(timeout, lambda: credential_for(identity).get_token(scope), "token")
    except OutOfTime:
        raise KeyFetchTimeout(_late(identity, timeout)) from None


def _late(identity: Identity, seconds: float) -> str:
    return f"no token for {who(identity)} within {seconds:.1f}s; {slow_hint(identity)}"
