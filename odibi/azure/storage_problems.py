"""What Azure storage answers when it refuses, told in one sentence with the way out.

The texts of the libraries hold colours, XML and URLs with signatures; what is told is made anew from the code in them,
and the original stays the cause.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from odibi.azure.access import Access, Place, access_of, place_of, token_failure
from odibi.azure.clouds import STORAGE_SCOPE
from odibi.azure.rules import expiry
from odibi.errors import AccessError, OdibiError
from odibi.location import Location

if TYPE_CHECKING:
    from odibi.azure.identity import Claims


class PassingError(AccessError):
    """A refusal that may be gone at the next try."""

    transient = True


@dataclass(frozen=True)
class Refusal:
    """What is known of a refused request. `doing` is `read` or `write`; `detail` is what the server adds."""

    place: Place
    access: Access
    doing: str
    code: str = ""
    status: int = 0
    detail: str = ""

    @property
    def account(self) -> str:
        """As sentences name it."""
        return f"storage account {self.place.account!r}"


Teller = Callable[[Refusal], str]


def explain(error: BaseException, location: Location, doing: str) -> OdibiError | None:
    """The odibi error for what obstore, delta-rs or an Azure SDK raised about `location`, None where Azure is not the
    cause; `doing` is `read` or `write`. Raise it from `error`. Its `transient` says whether a later try may pass."""
    if isinstance(error, OdibiError):
        return error
    access = access_of(location)
    failed = token_failure(access)
    return failed if failed is not None else explain_text(str(error), location, doing, access)


def explain_text(text: str, location: Location, doing: str, access: Access) -> AccessError | None:
    """As `explain`, of the text of an error that is at hand no more; who asked had `access`."""
    told = _explain(clean(text), location, doing, access)
    if told is None:
        return None
    sentence, transient = told
    kind = PassingError if transient else AccessError
    return kind(f"{location.display}: can not {doing}: {sentence}")


@contextmanager
def explained(location: Location, doing: str) -> Iterator[None]:
    """Turn what the storage libraries raise in the body into odibi errors. A blob that is not there stays a
    `FileNotFoundError`."""
    try:
        yield
    except OdibiError:
        raise
    except Exception as error:
        if isinstance(error, FileNotFoundError) and _code(str(error)) not in _MISSING_PLACES:
            raise
        found = explain(error, location, doing)
        if found is None:
            raise
        raise found from error  # obstore's errors have no base class but Exception in old versions


def is_timeout(error: BaseException) -> bool:
    """True where no answer, or not all of it, came in time."""
    return bool(_TIMEOUT.search(clean(str(error)))) or isinstance(error, TimeoutError)


def is_unexplained(error: BaseException) -> bool:
    """True for the refusal of a HEAD, whose answer has no body: a GET would tell why."""
    text = clean(str(error))
    status = _status(text)
    return 400 <= status < 500 and status != 429 and not _code(text)


def clean(text: str) -> str:
    """A library's text, without colours."""
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def _explain(text: str, location: Location, doing: str, access: Access) -> tuple[str, bool] | None:
    place = place_of(location)
    code, status = _code(text), _status(text)
    refusal = Refusal(place, access, doing, code, status, _detail(text))
    if status in (401, 403) and access.kind == "sas" and (ended := _end_of(access.value)):
        return f"the SAS of {refusal.account} expired at {ended:%Y-%m-%d %H:%M} UTC; {_NEW_SAS}", False
    if odd := _ODD_NAME.search(text):
        return (
            f"container {place.container!r} of {refusal.account} has a blob named {odd[1]!r}: with nothing, or only "
            "dots, between two slashes it is in no folder; rename it"
        ), False
    if code in _PASSING:
        return _PASSING[code](refusal), True
    if code in _TELLERS:
        return _TELLERS[code](refusal), False
    for pattern, teller, transient in _TEXTS:
        if re.search(pattern, text, re.IGNORECASE):
            return teller(refusal), transient
    if status in _STATUS:
        teller, transient = _STATUS[status]
        return teller(refusal), transient
    if status:
        return f"{refusal.account} answered {status}{f' {code}' if code else ''}{_after(refusal.detail)}", status >= 500
    return None


def _code(text: str) -> str:
    found = re.search(
        r"<Code>(\w+)</Code>|\bErrorCode:\s?(\w+)|x-ms-error-code\W+(\w+)|\brId: [\w-]*, ([A-Z]\w+), ", text
    )
    return next((group for group in found.groups() if group), "") if found else ""


def _status(text: str) -> int:
    found = re.search(
        r"status code:? (\d{3})|\bstatus: (\d{3})|\b(\d{3}) (?:Forbidden|Not Found|Conflict)"
        r'|Operation failed: "[^"]*", (\d{3}), ', text
    )  # fmt: skip
    return int(next(group for group in found.groups() if group)) if found else 0


def _detail(text: str) -> str:
    found = re.search(r"<AuthenticationErrorDetail>(.*?)</", text, re.DOTALL)
    found = found or re.search(r"<Message>(.*?)(?:\s*RequestId|</Message>)", text, re.DOTALL)
    found = found or re.search(r'\brId: [\w-]*, [A-Z]\w+, "(.*?)(?:\s*RequestId|"$|"\s)', text, re.DOTALL)
    return " ".join(found[1].split()).rstrip(".") if found else ""


def _end_of(sas: str) -> datetime | None:
    """When a SAS ended, None where it does not tell or is still good."""
    end = expiry(sas)
    return end if end is not None and end < datetime.now(UTC) else None


def _after(detail: str) -> str:
    return f" ({detail})" if detail else ""


# -- causes ------------------------------------------------------------------------------------------------------------


def _not_accepted(it: Refusal) -> str:
    """AuthenticationFailed and its kin."""
    if it.access.kind == "key":
        return (
            f"the account key is not the one of {it.account} (wrong, or rotated meanwhile); put the current one where "
            f"the connection takes it from: az storage account keys list --account-name {it.place.account}"
        )
    if it.access.kind == "sas":
        if re.search(r"specified time frame|expir", it.detail, re.IGNORECASE):
            return f"the SAS of {it.account} is expired or not valid yet{_after(it.detail)}; {_NEW_SAS}"
        return f"the SAS is not accepted by {it.account} (wrong, or its key was rotated); {_NEW_SAS}"
    return (
        f"the token is not accepted by {it.account} (expired, or meant for another service or tenant)"
        f"{_after(it.detail)}; check the identity's tenant and this machine's clock with: odibi doctor"
    )


def _keys_off(it: Refusal) -> str:
    what = "a SAS that a key signed is" if it.access.kind == "sas" else "account keys are"
    return (
        f"{it.account} is closed to access by key, so {what} refused; use auth_mode: managed_identity, "
        "service_principal or default"
    )


def _no_right(it: Refusal) -> str:
    if it.access.kind == "sas":
        needs = "read (r) and list (l)" if it.doing == "read" else "read (r), write (w), create (c), list (l)"
        return f"the SAS of {it.account} lacks the permission to {it.doing}; make one with {needs}"
    from odibi.azure.grants import storage_role

    owner = owner_of(it.access)
    command = storage_role(it.place.account, owner.object_id, it.doing == "write", owner.is_user)
    writes = "" if it.doing == "write" else ", or Storage Blob Data Contributor where it is to write as well"
    return (
        f"the identity ({owner}) has no role that lets it {it.doing} in {it.account}; "
        f"grant one{writes} (it takes minutes to work): {command}"
    )


def owner_of(access: Access) -> Claims:
    """What the token that was refused says of its owner."""
    from odibi.azure.identity import Claims, claims_of

    with suppress(Exception):  # whatever is wrong with a token, the refusal is the news
        return claims_of(access.value if access.kind == "token" else access.value.get_token(STORAGE_SCOPE))
    return Claims()


def _firewall(it: Refusal) -> str:
    also = ", or the SAS is not meant for this kind of request" if it.access.kind == "sas" else ""
    return (
        f"{it.account} refuses requests from this network (its firewall, or public access is off){also}; run where it "
        "lets in, or add this machine's public address: "
        f"az storage account network-rule add --account-name {it.place.account} --ip-address ADDRESS"
    )


def _container_missing(it: Refusal) -> str:
    hint = _illegal(it.place.container)
    return (
        f"{it.account} has no container {it.place.container!r}; {hint}check `container`, or make it: "
        f"az storage container create --account-name {it.place.account} --name {it.place.container} --auth-mode login"
    )


def _illegal(name: str) -> str:
    good = re.fullmatch(r"(?=.{3,63}$)[a-z0-9]+(?:-[a-z0-9]+)*|\$\w+", name)
    return "" if good else "a container's name has 3 to 63 lower-case letters, digits and single hyphens; "


def _account_missing(it: Refusal) -> str:
    host = it.place.endpoint.split("://")[-1].split("/")[0]
    return f"there is no host {host}; check `account` ({it.place.account!r}) and the network's DNS"


def _said(text: str) -> Teller:
    """A sentence with the account in it."""
    return lambda it: text.format(account=it.account, doing=it.doing, container=it.place.container)


_NEW_SAS = "make a new SAS and put it where the connection takes it from"
_SAS_OF = "the SAS does not allow {doing}ing here in {account}: "
_LEASED = _said("the blob is leased by another program of {account}, which alone may change it; end the lease there")
_IMMUTABLE = _said(
    "a retention policy or legal hold of {account} protects the blob from changes; write to another path, "
    "or to a container without such a policy"
)
_UNFINISHED = _said(
    "another program uploaded to the same blob of {account} meanwhile, or left an upload unfinished; "
    "run again, and let only one write to this path"
)
_BUSY = _said("{account} is busy and asks to come back later; run again, or with fewer workers")
_FAULT = _said("{account} had a fault of its own; run again")
_SLOW = _said("{account} did not answer in time; check the network to it, and run again")
_CUT = _said("the connection to {account} broke off; run again")
_UNREACHABLE = _said("{account} can not be reached; check the network, a proxy (HTTPS_PROXY) and the account's name")

_TELLERS: Mapping[str, Teller] = {
    "AuthenticationFailed": _not_accepted,
    "InvalidAuthenticationInfo": _not_accepted,
    "NoAuthenticationInformation": _not_accepted,
    "KeyBasedAuthenticationNotPermitted": _keys_off,
    "AuthorizationPermissionMismatch": _no_right,
    "InsufficientAccountPermissions": _no_right,
    "AuthorizationFailure": _firewall,
    "AuthorizationSourceIPMismatch": _said(_SAS_OF + "it is bound to other addresses; make one for this machine's"),
    "AuthorizationProtocolMismatch": _said(_SAS_OF + "it is bound to another protocol; make one for HTTPS"),
    "AuthorizationServiceMismatch": _said(_SAS_OF + "it is for another service; make one for Blob (ss=b)"),
    "AuthorizationResourceTypeMismatch": _said(
        _SAS_OF + "it is for other kinds of resources; make one for containers and objects (srt=co)"
    ),
    "PublicAccessNotPermitted": _said("{account} lets nobody in without a credential; give the connection one"),
    "AccountRequiresHttps": _said("{account} takes HTTPS only; remove allow_http and the http:// endpoint"),
    "AccountIsDisabled": _said("{account} is disabled; its owner can tell why (an unpaid subscription, mostly)"),
    "ContainerNotFound": _container_missing,
    "FilesystemNotFound": _container_missing,
    "InvalidResourceName": _container_missing,
    "ContainerDisabled": _said("the container {container!r} of {account} is disabled; its owner can tell why"),
    "LeaseIdMissing": _LEASED,
    "LeaseAlreadyPresent": _LEASED,
    "BlobImmutableDueToPolicy": _IMMUTABLE,
    "ContainerImmutableDueToPolicy": _IMMUTABLE,
    "BlobArchived": _said("the blob is in the archive tier of {account}; bring it back (Set Blob Tier: Hot) first"),
    "BlobBeingRehydrated": _said("the blob is still on its way back from the archive tier of {account}; wait for it"),
    "ResourceTypeMismatch": _said("a folder of {account} is where a file must be, or the reverse; use another path"),
    "PathConflict": _said("a folder of {account} is where a file must be, or the reverse; use another path"),
    "AccountQuotaExceeded": _said("{account} is full; raise its quota, or write elsewhere"),
}
"""The codes of Azure that no second try changes."""
_PASSING: Mapping[str, Teller] = {
    "ServerBusy": _BUSY,
    "TooManyRequests": _BUSY,
    "InternalError": _FAULT,
    "OperationTimedOut": _SLOW,
    "ContainerBeingDeleted": _said("the container {container!r} of {account} is being deleted; wait a minute"),
    "ConditionNotMet": _said("the blob was replaced while it was read from {account}; run again"),
    "InvalidBlockList": _UNFINISHED,
    "InvalidBlobOrBlock": _UNFINISHED,
}
"""Those that may be gone at the next try."""
_MISSING_PLACES = frozenset({"ContainerNotFound", "FilesystemNotFound", "ContainerBeingDeleted"})
_ODD_NAME = re.compile(r'invalid path: .*?[Pp]ath "(.*?)"', re.DOTALL)
_TIMEOUT = re.compile(r"timed out|TimedOut|kind: Timeout")  # the texts name the setting retry_timeout too
_BROKEN = (
    r"connection (?:was )?(?:reset|closed|aborted)|ConnectionReset|IncompleteMessage|end of file|UnexpectedEof|"
    "broken pipe|error decoding response body|bytes came|body write aborted|channel closed"
)
_TEXTS: tuple[tuple[str, Teller, bool], ...] = (
    (
        r"Invalid Access Key|Invalid symbol|Invalid padding|Invalid last symbol|Incorrect padding",
        _said("the account key of {account} is no Base64 text; copy it whole, without quotes and spaces"),
        False,
    ),
    (
        r'Failure to initialize configuration\b.*key ="null"|Failure to initialize configuration for storage account',
        _said("Spark has no credential for {account}; read and write it by a connection of type azure_adls, or, on "
              "Databricks, by an external location of Unity Catalog over the container"),
        False,
    ),
    (
        r"Failure to initialize configuration",
        _said("the account key of {account} is no Base64 text; copy it whole, without quotes and spaces"),
        False,
    ),
    (
        r"dns error|failed to lookup|Name or service not known|nodename nor servname|getaddrinfo|UnknownHost",
        _account_missing,
        False,
    ),
    (
        r"invalid peer certificate|certificate verify failed|UnknownIssuer|self.signed",
        _said("the certificate of {account} is not trusted by this machine; where a proxy breaks up HTTPS, name its "
              "certificate in SSL_CERT_FILE"),
        False,
    ),
    (
        r"PKIX path|unable to find valid certification path",
        _said("the certificate of {account} is not trusted by Java; where a proxy breaks up HTTPS, put its "
              "certificate into Java's trust store (javax.net.ssl.trustStore)"),
        False,
    ),
    (
        r"Unable to tunnel through proxy",
        _said("the proxy of Java (https.proxyHost) refuses to connect to {account}; let it pass, or name the host in "
              "http.nonProxyHosts"),
        False,
    ),
    (
        r"unsuccessful tunnel|tunnel error|proxy authorization required",
        _said("the proxy (HTTPS_PROXY) refuses to connect to {account}; let it pass, or name the host in NO_PROXY"),
        False,
    ),
    (r"precondition|ConditionNotMet|412 Precondition", _PASSING["ConditionNotMet"], True),
    (_TIMEOUT.pattern, _SLOW, True),
    (_BROKEN, _CUT, True),
    (
        r"error sending request|Connect to .* failed|connection refused|ConnectionRefused|tcp connect|unreach",
        _UNREACHABLE,
        True,
    ),
)  # fmt: skip
"""What the libraries say where no server answered, and whether a later try may pass."""
_STATUS: Mapping[int, tuple[Teller, bool]] = {
    401: (_not_accepted, False),
    403: (_said("{account} refuses access and does not say why; odibi doctor finds out more"), False),
    408: (_SLOW, True),
    429: (_BUSY, True),
    500: (_FAULT, True),
    502: (_FAULT, True),
    503: (_BUSY, True),
    504: (_SLOW, True),
}
