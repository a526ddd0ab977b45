"""What `odibi doctor` finds out about reaching a container: address, identity, secret, list, read, write, each timed.

A step that fails ends what depends on it, which is then told as not checked. Nothing here raises, and every step ends
in time. Texts hold no secret: a key is only ever said to be there.
"""

from __future__ import annotations

import email.utils
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from odibi.azure.attempts import Attempt, in_short, observed, within
from odibi.azure.clouds import STORAGE_SCOPE, cloud_of
from odibi.azure.rules import expiry, sas_parts
from odibi.connections.base import Diagnosis, Location
from odibi.errors import OdibiError
from odibi.secrets import remember

if TYPE_CHECKING:
    from odibi.connections.azure_adls import AzureADLS

MARKER = ".odibi-doctor-"
MAX_SKEW = 300.0
"""Seconds between two clocks from which on tokens and signatures are refused."""
ODD_SKEW = 60.0
SLOW = 0.5
PAGE = 10
SOON = timedelta(days=14)
NO_WAY = "is there a way out of this network, or a proxy to go through?"
CERTIFICATES = "REQUESTS_CA_BUNDLE and SSL_CERT_FILE"
HINTS = {
    "default": "log in with `az login`, or set AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET; "
    "on Azure give the machine a managed identity, on Databricks name a service_credential",
    "managed_identity": "only machines in Azure have one: give this one an identity, or use another auth_mode here",
    "service_principal": "check tenant_id and client_id, and whether the client_secret has expired",
}
"""What to do where there is no token, by auth mode."""


@dataclass
class Case:
    """A connection under examination, and what the steps so far found out."""

    connection: AzureADLS
    timeout: float
    writes: bool
    object_id: str = ""
    app_id: str = ""

    @property
    def scope(self) -> str:
        """What the token is for: the vault where there is one, else the storage."""
        if self.connection.auth_mode != "key_vault":
            return STORAGE_SCOPE
        return f"https://{cloud_of(self.connection.endpoint_suffix).vault}/.default"


Check = Callable[[Case], Iterator[Diagnosis]]


def diagnose(connection: AzureADLS, timeout: float = 30.0, writes: bool = False) -> Iterator[Diagnosis]:
    """The steps of reaching a connection's container, as they are made."""
    if connection.auth_mode == "unity_catalog":
        yield Diagnosis("access", "info", "Unity Catalog decides who may; there is no secret and nothing to check here",
                        "only Spark on Databricks can use it, with an external location over this path")  # fmt: skip
        return
    case = Case(connection, timeout, writes)
    failed: set[str] = set()
    for name, check, needed in _steps(case):
        blocking = [each for each in needed if each in failed]
        if blocking:
            failed.add(name)
            yield Diagnosis(name, "info", f"not checked: it needs the {blocking[0]}, see above")
            continue
        for found in _timed(name, check, case):
            yield found
            if found.status == "red":
                failed.add(found.step)


def _steps(case: Case) -> Iterator[tuple[str, Check, tuple[str, ...]]]:
    """The steps, each with those that it can not do without."""
    mode = case.connection.auth_mode
    yield "address", _address, ()
    if mode in ("direct_key", "sas"):
        yield "credential", _given_credential, ()
    else:
        yield "identity", _identity, ()
    if mode == "key_vault":
        yield "secret", _secret, ("identity",)
    yield "list", _list, ("secret", "identity", "credential", "address")
    if case.writes:
        yield "write", _write, ("list",)


def _timed(name: str, check: Check, case: Case) -> Iterator[Diagnosis]:
    """What a step finds, with the time that it took. Whatever it raises is what it found."""
    began = time.monotonic()
    try:
        for found in check(case):
            yield replace(found, seconds=time.monotonic() - began)
            began = time.monotonic()
    except TimeoutError as error:
        yield Diagnosis(name, "red", in_short(str(error)), seconds=time.monotonic() - began)
    except OdibiError as error:
        text, hint = _split(str(error))
        yield Diagnosis(name, "red", text, hint, seconds=time.monotonic() - began)
    except Exception as error:  # noqa: BLE001 - SDKs raise all sorts, and doctor is there to show it
        yield Diagnosis(
            name, "red", f"{type(error).__name__}: {in_short(str(error))}", seconds=time.monotonic() - began
        )


def _split(message: str) -> tuple[str, str]:
    """A message of odibi, `what; what would be right`, as its two halves."""
    what, _, right = message.partition("; ")
    return what, right


# -- the address -------------------------------------------------------------------------------------------------------


def _address(case: Case) -> Iterator[Diagnosis]:
    """Whether the account answers at all, and whether its clock and ours agree."""
    host = f"{case.connection.account}.blob.{case.connection.endpoint_suffix}"
    asked = datetime.now(UTC)
    answer = within(case.timeout, lambda: _ask(host, case.timeout))
    if isinstance(answer, Diagnosis):
        yield answer
        return
    yield Diagnosis("address", "ok", f"{host} answers", facts={"host": host})
    yield from _clock(answer, asked + (datetime.now(UTC) - asked) / 2)


def _ask(host: str, timeout: float) -> Mapping[str, str] | Diagnosis:
    """The headers of an answer to nobody in particular, or why there is none."""
    import requests

    try:
        return requests.get(
            f"https://{host}/?comp=list", timeout=(min(5.0, timeout), timeout), allow_redirects=False
        ).headers
    except (requests.RequestException, OSError) as error:
        text, hint = _why_no_answer(error, host, timeout)
        return Diagnosis("address", "red", text, hint, {"host": host})


def _why_no_answer(error: Exception, host: str, timeout: float) -> tuple[str, str]:
    import requests

    said = str(error)
    if isinstance(error, requests.exceptions.ProxyError):
        text = f"the proxy does not let us through to {host}: {_reason(said)}"
        return text, "check `account`, and let the proxy pass this host; HTTPS_PROXY and NO_PROXY say who goes through it"
    if isinstance(error, requests.exceptions.SSLError):
        hint = f"behind a proxy that reads along: set {CERTIFICATES} to the file of its certificate authority"
        return f"the certificate of {host} is not trusted: {_reason(said)}", hint
    if "resolve" in said or "getaddrinfo" in said or "Name or service" in said:
        hint = "check `account`; a private endpoint's DNS zone must be linked to this network"
        return f"no address is known for {host}", hint
    if isinstance(error, requests.Timeout):
        return f"{host} does not answer within {timeout:.0f} s", NO_WAY
    return f"{host} can not be reached: {_reason(said)}", NO_WAY


def _reason(said: str) -> str:
    """The innermost reason of what requests says."""
    return said.rpartition("] ")[2].strip(")'\" ") or said


def _clock(headers: Mapping[str, str], now: datetime) -> Iterator[Diagnosis]:
    try:
        theirs = email.utils.parsedate_to_datetime(headers["Date"])
    except (KeyError, ValueError, TypeError):
        return
    skew = (now - theirs).total_seconds()
    if abs(skew) < ODD_SKEW:
        return
    where = "ahead of" if skew > 0 else "behind"
    text = f"this machine's clock is {abs(skew) / 60:,.0f} min {where} Azure's"
    status = "red" if abs(skew) > MAX_SKEW else "info"
    yield Diagnosis("clock", status, text, "set the clock: tokens and signatures are refused from 5 min on",
                    {"skew_seconds": round(skew)})  # fmt: skip


# -- credentials that the file holds -----------------------------------------------------------------------------------


def _given_credential(case: Case) -> Iterator[Diagnosis]:
    if case.connection.auth_mode == "direct_key":
        yield Diagnosis("credential", "ok", "account key from the file")
    else:
        yield _signature(case.connection.sas_token or "", case.writes)


def _signature(token: str, writes: bool) -> Diagnosis:
    """What a shared access signature says of itself; the signature is not shown."""
    expires, permissions = expiry(token), sas_parts(token).get("sp", "")
    facts = {"expires": expires and expires.isoformat(), "permissions": permissions}
    text = "SAS token from the file" + (f", permissions {permissions}" if permissions else "")
    if expires is None:
        return Diagnosis("credential", "ok", text, facts=facts)
    if expires < datetime.now(UTC):
        return Diagnosis("credential", "red", f"{text}, expired {_day(expires)}", "make a new one", facts)
    text += f", expires {_day(expires)}"
    if writes and permissions and "w" not in permissions:
        hint = "the project writes here: make one with the permissions racwdl"
        return Diagnosis("credential", "red", text, hint, facts)
    return Diagnosis("credential", "ok", text, "it expires soon" if expires < datetime.now(UTC) + SOON else "", facts)


def _day(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


# -- who we are --------------------------------------------------------------------------------------------------------


def _identity(case: Case) -> Iterator[Diagnosis]:
    """Get a token as a run would, and tell whose it is and which credential gave it."""
    from odibi.azure.identity import claims_of, new_credential

    attempts: list[Attempt] = []
    try:
        credential = observed(new_credential(case.connection.identity()), attempts)
        token = within(case.timeout, lambda: credential.get_token(case.scope))
    except Exception as error:  # noqa: BLE001 - credentials raise all sorts
        yield _no_token(error, attempts, case)
        return
    remember(token.token)
    claims = claims_of(token)
    case.object_id, case.app_id = claims.object_id, claims.app_id
    ids = {"object_id": claims.object_id, "app_id": claims.app_id, "tenant_id": claims.tenant_id}
    text = [f"object id {claims.object_id}", f"app id {claims.app_id}, tenant {claims.tenant_id}"]
    winner = next((attempt.credential for attempt in attempts if attempt.won), type(credential).__name__)
    lost = [attempt for attempt in attempts if not attempt.won]
    text.append(f"{winner} gave the token" + (", after these did not:" if lost else ""))
    text += [_told(attempt) for attempt in lost]
    yield Diagnosis("identity", "ok", "\n".join(text), facts={**ids, "credential": winner, **_tried(attempts)})


def _no_token(error: Exception, attempts: list[Attempt], case: Case) -> Diagnosis:
    hint = HINTS.get(case.connection.auth_mode, HINTS["default"])
    facts = {"credential": None, **_tried(attempts)}
    if len(attempts) > 1:
        text = f"none of {len(attempts)} credentials gave a token, in this order:"
        return Diagnosis("identity", "red", "\n".join([text, *map(_told, attempts)]), hint, facts)
    if isinstance(error, OdibiError):
        return Diagnosis("identity", "red", str(error), facts=facts)
    who = f"{attempts[0].credential}: " if attempts else ""
    return Diagnosis("identity", "red", who + in_short(str(getattr(error, "message", error))), hint, facts)


def _told(attempt: Attempt) -> str:
    slow = f" ({attempt.seconds:.1f} s)" if attempt.seconds is not None and attempt.seconds >= SLOW else ""
    return f"{attempt.credential}: {attempt.outcome}{slow}"


def _tried(attempts: list[Attempt]) -> dict[str, Any]:
    """The attempts as data, in their order."""
    return {
        "tried": [
            {"credential": attempt.credential, "error": attempt.outcome or None, "seconds": attempt.seconds}
            for attempt in attempts
        ]
    }


# -- the secret --------------------------------------------------------------------------------------------------------


def _secret(case: Case) -> Iterator[Diagnosis]:
    """Read the account key; what is told of it is that it is there, whether it looks like one, and until when."""
    need = case.connection.needs()
    name, vault = case.connection.secret_name, case.connection.key_vault_name
    if need is None:
        return
    value = within(case.timeout + 1, lambda: need.fetch(case.timeout))
    remember(value)
    case.connection.receive(value)
    yield Diagnosis("secret", "ok", f"{name!r} in vault {vault!r} can be read", facts={"secret": name, "vault": vault})


# -- the container -----------------------------------------------------------------------------------------------------


def _list(case: Case) -> Iterator[Diagnosis]:
    """List one page below the connection's path, then look at the first file of it."""
    from odibi.azure.storage import explained, object_store, place_of

    location = case.connection.location("")
    place = place_of(location)

    def first_page() -> list[Any]:
        with explained(location, "read"):
            pages = object_store(location).list(prefix=place.path or None, chunk_size=PAGE)
            return list(next(iter(pages), []))

    page = within(case.timeout, first_page)
    where = f"container {place.container!r}" + (f", folder {place.path!r}" if place.path else "")
    text = f"{where} can be listed" if page else f"{where} can be listed; nothing is in it"
    yield Diagnosis("list", "ok", text, facts={"container": place.container, "empty": not page})
    if page:
        path = str(page[0]["path"])
        yield from _timed("read", lambda case: _read(case, location, path), case)


def _read(case: Case, location: Location, path: str) -> Iterator[Diagnosis]:
    from odibi.azure.storage import explained, object_store

    def look() -> None:
        with explained(location, "read"):
            object_store(location).head(path)

    within(case.timeout, look)
    yield Diagnosis("read", "ok", f"{path!r} can be read")


def _write(case: Case) -> Iterator[Diagnosis]:
    """Write a marker and delete it; only where the project writes."""
    from odibi.azure.storage import explained, object_store, place_of

    location = case.connection.location(f"{MARKER}{uuid.uuid4().hex[:12]}")
    path = place_of(location).path

    def work(what: Callable[[Any], object]) -> None:
        def do() -> None:
            with explained(location, "write"):
                what(object_store(location))

        within(case.timeout, do)

    work(lambda store: store.put(path, b"odibi doctor tried whether it may write here\n"))
    try:
        work(lambda store: store.delete(path))
    except OdibiError as error:
        text, hint = _split(str(error))
        yield Diagnosis("write", "red", f"{path!r} was written and can not be deleted: {text}", hint)
        return
    yield Diagnosis("write", "ok", "a marker was written and deleted", facts={"marker": path})
