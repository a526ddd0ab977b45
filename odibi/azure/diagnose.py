"""What `odibi doctor` finds out about reaching a container: address, identity, secret, list, read, write, each timed.

A step that fails ends what depends on it, which is then told as not checked. Nothing here raises, and every step ends
in time. Texts hold no secret: a key is only ever said to be there.
"""

from __future__ import annotations

import base64
import email.utils
import os
import re
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from odibi.azure.attempts import Attempt, Observed, in_short, is_chain, names_of, observed
from odibi.azure.clouds import STORAGE_SCOPE, cloud_of
from odibi.azure.deadline import within
from odibi.azure.rules import expiry, sas_parts
from odibi.errors import MissingExtraError, OdibiError
from odibi.location import Diagnosis, Location
from odibi.secrets import remember

if TYPE_CHECKING:
    from odibi.azure.identity import Identity
    from odibi.connections.azure_adls import AzureADLS

MARKER = ".odibi-doctor-"
PLACE = re.compile(r"^\S*: can not (?:read|write): ")
"""What messages about storage begin with; here it is said by the step."""
MAX_SKEW = 300.0
"""Seconds between two clocks from which on tokens and signatures are refused."""
ODD_SKEW = 60.0
SLOW = 0.5
PAGE = 10
SOON = timedelta(days=14)
MANAGED = "ManagedIdentityCredential"
LATER = (
    "SharedTokenCacheCredential", "VisualStudioCodeCredential", "AzureCliCredential", "AzurePowerShellCredential",
    "AzureDeveloperCliCredential", "BrokerCredential",
)  # fmt: skip
"""Credentials of the chain that are asked after the managed identity."""
HANGS = "set AZURE_TOKEN_CREDENTIALS to the name of the credential that you use: the others are then left out"
NO_WAY = "is there a way out of this network, or a proxy to go through?"
CERTIFICATES = "REQUESTS_CA_BUNDLE and SSL_CERT_FILE"


@dataclass
class Case:
    """A connection under examination, and what the steps so far found out."""

    connection: AzureADLS
    timeout: float
    writes: bool

    @property
    def doing(self) -> str:
        """What the project does there: a role that only reads is the wrong one to ask for where it writes too."""
        return "write" if self.writes else "read"

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
            yield Diagnosis(name, "info", f"not checked: it needs `{blocking[0]}`")
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
    """A message of odibi as what is wrong, and what would be right: behind the first `; `, and commands below."""
    first, *commands = PLACE.sub("", message).splitlines() or [""]
    what, _, right = first.partition("; ")
    right = right.replace(": az ", ":\naz ")  # what is to be copied has a line of its own
    return what, "\n".join(filter(None, [right, *(line.strip() for line in commands)]))


# -- the address -------------------------------------------------------------------------------------------------------


def _address(case: Case) -> Iterator[Diagnosis]:
    """Whether the account answers at all, and whether its clock and ours agree."""
    host = f"{case.connection.account}.blob.{case.connection.endpoint_suffix}"
    asked = datetime.now(UTC)
    try:
        answer = within(case.timeout, lambda: _ask(host, case.timeout * 0.8))
    except TimeoutError:
        answer = Diagnosis("address", "red", f"{host} does not answer", NO_WAY)
    if isinstance(answer, Diagnosis):
        yield answer
        return
    yield Diagnosis("address", "ok", f"{host} answers", facts={"host": host})
    yield from _clock(answer, asked + (datetime.now(UTC) - asked) / 2)


def _ask(host: str, timeout: float) -> Mapping[str, str] | Diagnosis:
    """The headers of an answer to nobody in particular, or why there is none. Raises `MissingExtraError`."""
    try:
        import requests
    except ImportError:
        raise MissingExtraError("requests", "azure", "reaching a storage account") from None
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
        return text, "check `account`, and let the proxy pass it; HTTPS_PROXY and NO_PROXY say who goes through it"
    if isinstance(error, requests.exceptions.SSLError):
        hint = f"behind a proxy that reads along: set {CERTIFICATES} to the file of its certificate authority"
        return f"the certificate of {host} is not trusted: {_reason(said)}", hint
    if "resolve" in said or "getaddrinfo" in said or "Name or service" in said:
        hint = "check `account`; a private endpoint's DNS zone must be linked to this network"
        return f"no address is known for {host}", hint
    if isinstance(error, requests.Timeout):
        return f"{host} does not answer", NO_WAY
    return f"{host} can not be reached: {_reason(said)}", NO_WAY


def _reason(said: str) -> str:
    """The innermost reason of what requests says.

    >>> _reason("… (Caused by ProxyError('Unable to connect to proxy', OSError('Tunnel connection failed: 403')))")
    'Tunnel connection failed: 403'
    """
    inner = said.rpartition("(Caused by ")[2]
    quoted = re.findall(r"['\"]([^'\"]{3,})['\"]\)*$", inner)
    return quoted[-1] if quoted else inner.rpartition("] ")[2].strip(")'\" ") or said


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
    soon = expires < datetime.now(UTC) + SOON
    return Diagnosis("credential", "ok", text, "it expires soon: make a new one" if soon else "", facts)


def _day(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


# -- who we are --------------------------------------------------------------------------------------------------------


def _identity(case: Case) -> Iterator[Diagnosis]:
    """Get a token as a run would, and tell whose it is and which credential gave it."""
    from odibi.azure.identity import claims_of

    identity = case.connection.identity()
    if identity is None:
        return
    attempts: list[Attempt] = []
    try:
        token = within(case.timeout, lambda: _token(identity, case.scope, attempts))
    except Exception as error:  # noqa: BLE001 - credentials raise all sorts
        yield _no_token(error, identity, attempts, case)
        return
    remember(token.token)
    claims = claims_of(token)
    text = [", ".join(filter(None, [claims.name, f"object id {claims.object_id or 'unknown'}"]))]
    text.append(f"app id {claims.app_id or 'unknown'}, tenant {claims.tenant_id or 'unknown'}")
    winner = next((attempt.credential for attempt in attempts if attempt.won), "the credential")
    lost = [attempt for attempt in attempts if not attempt.won]
    text.append(f"{winner} gave the token" + (", after these did not:" if lost else ""))
    ids = {"object_id": claims.object_id, "app_id": claims.app_id, "tenant_id": claims.tenant_id, "name": claims.name}
    facts = {**ids, "credential": winner, **_tried(attempts)}
    yield Diagnosis("identity", "ok", "\n".join([*text, *map(_told, lost)]), facts=facts)


def _token(identity: Identity, scope: str, attempts: list[Attempt]) -> Any:
    """A token of a credential that nobody shares; `attempts` takes down who was asked for it."""
    from odibi.azure.logins import DEFAULT_SERVICE_CREDENTIAL, new_credential

    service = identity.service_credential or os.environ.get(DEFAULT_SERVICE_CREDENTIAL)
    made = new_credential(identity)
    if identity.kind != "default":
        return observed(made, attempts).get_token(scope)
    if not is_chain(made):
        return Observed(made, attempts, f"service credential {service!r} of Unity Catalog").get_token(scope)
    if service:
        attempts.append(Attempt(f"service credential {service!r}", "not used: no dbutils offers it here", 0.0))
    chain = observed(made, attempts)
    left_out = MANAGED not in names_of(chain) and not os.environ.get("AZURE_TOKEN_CREDENTIALS")
    try:
        return chain.get_token(scope)
    finally:
        if left_out:
            place = sum(attempt.credential not in LATER for attempt in attempts)
            attempts.insert(place, Attempt(MANAGED, "left out: no identity endpoint answers here", 0.0))


def _no_token(error: Exception, identity: Identity, attempts: list[Attempt], case: Case) -> Diagnosis:
    from odibi.azure.logins import no_token

    facts = {"credential": None, **_tried(attempts)}
    refusal = error if isinstance(error, OdibiError) else no_token(error, identity)
    if isinstance(error, TimeoutError):
        waiting = attempts[-1].credential if attempts else "the credential"
        text = [f"no token within {case.timeout:.0f} s: {waiting} does not answer", *map(_told, attempts[:-1])]
        hint = HANGS if identity.kind == "default" else _hint_of(str(refusal))
        return Diagnosis("identity", "red", "\n".join(text), hint, facts)
    if len(attempts) < 2:
        return Diagnosis("identity", "red", *_split(str(refusal)), facts)
    text = ["no credential gave a token", "they were asked in this order:", *map(_told, attempts)]
    return Diagnosis("identity", "red", "\n".join(text), _hint_of(str(refusal)), facts)


def _hint_of(message: str) -> str:
    """What to do, of a message about a login."""
    last = message.splitlines()[-1]
    return last if "\n" in message else _split(last)[1]


def _told(attempt: Attempt) -> str:
    slow = f" ({attempt.seconds:.1f} s)" if attempt.seconds is not None and attempt.seconds >= SLOW else ""
    return f"  {attempt.credential}: {attempt.outcome}{slow}"


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
    from odibi.azure.keyvault import Secret, read

    need = case.connection.needs()
    if not isinstance(need, Secret):
        return
    found = within(case.timeout + 1, lambda: read(need, case.timeout), "doctor")
    case.connection.receive(found.value)
    expires = found.properties.expires_on
    facts = {"vault": need.vault_name, "secret": need.name, "enabled": True, "expires": expires and expires.isoformat()}
    text = f"{need.name!r} in vault {need.vault_name!r} can be read" + (f", expires {_day(expires)}" if expires else "")
    wrong = _no_key(found.value)
    if wrong:
        yield Diagnosis("secret", "red", f"{text}, and {wrong}", "store the account key alone in it", facts)
    else:
        yield Diagnosis("secret", "ok", text, _when(expires), facts)


def _no_key(value: str) -> str:
    """Why a secret can not be an account key, empty where it may be one; nothing of it is told."""
    if "accountkey=" in value.lower():
        return "is a whole connection string"
    if "sig=" in value:
        return "is a shared access signature (auth_mode: sas)"
    try:
        base64.b64decode(value.strip(), validate=True)
    except ValueError:
        return "is no account key: it is not base64"
    return ""


def _when(expires: datetime | None) -> str:
    """What to do about the end of a secret."""
    if expires is None or expires > datetime.now(UTC) + SOON:
        return ""
    if expires > datetime.now(UTC):
        return "it expires soon: rotate the key and store the new one"
    return "it has expired; the vault hands it out all the same: rotate the key and store the new one"


# -- the container -----------------------------------------------------------------------------------------------------


def _list(case: Case) -> Iterator[Diagnosis]:
    """List one page below the connection's path, then look at the first file of it."""
    from odibi.azure.storage import explained, object_store, place_of

    location = case.connection.location("")
    place = place_of(location)

    def first_page() -> list[Any]:
        with explained(location, case.doing):
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
        with explained(location, case.doing):
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
