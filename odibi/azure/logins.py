"""How a login to Azure is made, and what is wrong with one that gives no token.

First that applies: the credential object that is given · the Unity Catalog service credential that is named ·
`DefaultAzureCredential`. The modes `managed_identity` and `service_principal` name theirs.
"""

from __future__ import annotations

import contextlib
import inspect
import logging
import os
import re
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from odibi.azure.attempts import in_short
from odibi.azure.deadline import at_work, loading
from odibi.azure.grants import service_credential as grant_of
from odibi.errors import KeyFetchError, MissingExtraError
from odibi.notebook import at_hand, in_databricks

if TYPE_CHECKING:
    from odibi.azure.identity import Identity

LIMITS: Mapping[str, Any] = {
    "connection_timeout": 3, "read_timeout": 8,
    "retry_total": 3, "retry_connect": 1, "retry_read": 1, "retry_backoff_factor": 0.2,
}  # fmt: skip
"""Seconds and retries of one request for a token. The SDK's own (300 s, ten retries) outlast every time-out of ours."""
CLI_SECONDS = 10
"""Seconds that `az`, `azd` and PowerShell may take; a first `az` takes some."""
MAX_REASON = 120
"""Characters of what a credential of a chain says; of longer ones the first sentence is told."""
PROBE_SECONDS = 0.3
"""How long an identity endpoint may take to accept a connection; on a machine in Azure it takes a millisecond."""
METADATA = "http://169.254.169.254"
METADATA_VARIABLE = "AZURE_POD_IDENTITY_AUTHORITY_HOST"
DEFAULT_SERVICE_CREDENTIAL = "DATABRICKS_DEFAULT_SERVICE_CREDENTIAL_NAME"
SAID = ("IDENTITY_ENDPOINT", "MSI_ENDPOINT", "AZURE_FEDERATED_TOKEN_FILE")
"""Variables by which a service of Azure says that there is an identity; then nothing is tried out."""

_TALKATIVE = (
    "azure.identity._credentials.chained", "azure.identity._internal.decorators",
    "azure.identity._internal.get_token_mixin", "azure.identity._internal.msal_managed_identity_client",
    "azure.core.pipeline.transport._requests_basic",
)  # fmt: skip
"""Loggers of the SDK that say what our error says."""
_probing = threading.Lock()
_answers: dict[str, bool] = {}


def sdk() -> Any:
    """The module `azure.identity`; its classes are looked up in it when they are called, so that tests can put their
    own in their place. Raises `MissingExtraError`."""
    try:
        with loading():
            import azure.identity as module
        for name in _TALKATIVE:
            logging.getLogger(name).addFilter(_not_ours)
    except ImportError as error:
        raise MissingExtraError("azure-identity", "azure", "a login to Azure") from error
    return module


def _not_ours(record: logging.LogRecord) -> bool:
    """Keeps the SDK from logging in our threads what our error says: without logging set up it lands on stderr."""
    return record.levelno != logging.WARNING or not at_work()


def new_credential(identity: Identity) -> Any:
    """A credential of the SDK that nobody shares. Raises `KeyFetchError` where it can not even be made."""
    if identity.kind == "given":
        return identity.credential
    module = sdk()
    login = {"authority": identity.authority} if identity.authority else {}
    try:
        if identity.kind == "managed_identity":
            return _managed(module, identity)
        if identity.kind == "service_principal":
            principal = {"tenant_id": identity.tenant_id or "", "client_id": identity.client_id or "",
                         "client_secret": identity.client_secret or ""}  # fmt: skip
            return made(module.ClientSecretCredential, principal, {**login, **LIMITS})
    except ValueError as error:
        raise KeyFetchError(f"no login as {who(identity)}: {in_short(str(error))}; {_way_out(identity)}") from error
    given = _of_unity_catalog(identity)
    return given if given is not None else _default(module, login)


def made(kind: Callable[..., Any], needed: Mapping[str, Any], more: Mapping[str, Any]) -> Any:
    """An object of an SDK's class. A stand-in of users' tests need not know the fine tuning (`more`)."""
    try:
        parameters = inspect.signature(kind).parameters
    except (TypeError, ValueError):
        return kind(**needed, **more)
    if not any(each.kind is each.VAR_KEYWORD for each in parameters.values()):
        more = {name: value for name, value in more.items() if name in parameters}
    return kind(**needed, **more)


def _managed(module: Any, identity: Identity) -> Any:
    if not metadata_answers():
        raise KeyFetchError(f"no login as {who(identity)}: {_no_metadata()}; {_way_out(identity)}")
    client = {"client_id": identity.client_id} if identity.client_id else {}
    return made(module.ManagedIdentityCredential, client, LIMITS)


def _default(module: Any, login: Mapping[str, str]) -> Any:
    chosen = os.environ.get("AZURE_TOKEN_CREDENTIALS")
    without = {} if chosen or metadata_answers() else {"exclude_managed_identity_credential": True}
    return made(module.DefaultAzureCredential, {}, {"process_timeout": CLI_SECONDS, **without, **login, **LIMITS})


def _of_unity_catalog(identity: Identity) -> Any | None:
    """The service credential that is named, None where there is none to be had: off Databricks."""
    named = identity.service_credential
    name = named or os.environ.get(DEFAULT_SERVICE_CREDENTIAL)
    if not name:
        return None
    provider = service_credentials()
    if provider is None:
        if named and in_databricks():
            raise KeyFetchError(
                f"service credential {named!r} can not be had here: this compute's dbutils does not offer service "
                "credentials; use Databricks Runtime 16.4 or newer with Unity Catalog"
            )
        return None
    try:
        return provider(name)
    except Exception as error:
        raise KeyFetchError(
            f"Databricks refuses service credential {name!r}: {in_short(str(error))}; the compute must have Unity "
            f"Catalog, and whoever runs this the privilege ACCESS: {grant_of(name)}"
        ) from error


def service_credentials() -> Callable[[str], Any] | None:
    """What gives a service credential of Unity Catalog by its name, None where dbutils does not offer it."""
    with contextlib.suppress(Exception):  # remote dbutils raise all sorts for what they lack
        provider = at_hand("dbutils").credentials.getServiceCredentialsProvider  # type: ignore[union-attr]
        return provider if callable(provider) else None
    return None


# -- whether a managed identity can be here ----------------------------------------------------------------------------


def metadata_answers() -> bool:
    """Whether a managed identity can be here. azure-identity takes a second, at every token, to find out that no
    endpoint answers; this takes a fraction of one, once a process."""
    if any(os.environ.get(name) for name in SAID):
        return True
    address = os.environ.get(METADATA_VARIABLE) or METADATA
    with _probing:
        if address not in _answers:
            _answers[address] = _accepts(address)
    return _answers[address]


def forget_answers() -> None:
    """Try again at the next credential; for tests."""
    _answers.clear()


def _accepts(address: str) -> bool:
    parts = urlsplit(address)
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80)
        socket.create_connection((parts.hostname or "", port), timeout=PROBE_SECONDS).close()
    except (OSError, ValueError):
        return False
    return True


def _no_metadata() -> str:
    return f"nothing answers at {os.environ.get(METADATA_VARIABLE) or METADATA}"


# -- why there is no token ---------------------------------------------------------------------------------------------

REFUSALS = {
    "AADSTS7000215": "the client_secret is wrong; give the secret's value, not its id",
    "AADSTS7000222": "the client_secret has expired; make a new one: az ad app credential reset --id <client_id>",
    "AADSTS700016": "there is no such application in this tenant; check client_id and tenant_id",
    "AADSTS90002": "there is no such tenant; check tenant_id",
    "AADSTS900023": "tenant_id is neither an id nor a domain of a tenant; check tenant_id",
    "AADSTS50076": "the tenant asks for a second factor; log in again with `az login`",
    "AADSTS700082": "the login has expired; log in again with `az login`",
    "AADSTS53003": "the tenant's conditional access does not allow it; ask its administrator",
}
"""Codes of Microsoft Entra, in words."""


def no_token(error: BaseException, identity: Identity) -> KeyFetchError:
    """The error for a login that failed: which credentials were tried, why each failed, and the way out."""
    said = str(getattr(error, "message", error))
    tried = _with_unasked(list(_tried(said)), identity)
    code = re.search(r"AADSTS\d+", said)
    known = REFUSALS.get(code[0]) if code else None
    if len(tried) > 1:
        lines = "\n".join(f"  {name}: {reason}" for name, reason in tried)
        return KeyFetchError(
            f"no credential could log in to Azure; tried in this order:\n{lines}\n{_way_out(identity)}"
        )
    if known is not None:
        return KeyFetchError(f"no login as {who(identity)}: {known} ({code[0] if code else ''})")
    reason = tried[0][1] if tried else in_short(said) or type(error).__name__
    return KeyFetchError(f"no login as {who(identity)}: {reason}; {_way_out(identity)}")


def _tried(said: str) -> Iterator[tuple[str, str]]:
    """The credentials of a chain and why each gave no token, out of the chain's own text."""
    for part in re.split(r"\n\s*(?=\w+Credential: )", said)[1:]:
        name, _, reason = part.partition(": ")
        yield name, _in_words(name, reason.split("\nTo mitigate this issue")[0])


def _in_words(name: str, reason: str) -> str:
    code = re.search(r"AADSTS\d+", reason)
    known = REFUSALS.get(code[0]) if code else None
    if known and code:
        return f"{known} ({code[0]})"
    if reason.startswith(("Failed to invoke the Azure CLI", "Failed to invoke Azure CLI")):
        return f"az failed, or took longer than {CLI_SECONDS} s"
    told = in_short(reason).removeprefix(f"{name} ").removeprefix("('")
    return told if len(told) <= MAX_REASON else told.split(". ")[0].split("', ")[0]


def _with_unasked(tried: list[tuple[str, str]], identity: Identity) -> list[tuple[str, str]]:
    """With the managed identity at its place, where nobody was asked for it because nothing answers there."""
    names = [name for name, _ in tried]
    if identity.kind != "default" or not tried or "ManagedIdentityCredential" in names or metadata_answers():
        return tried
    if os.environ.get("AZURE_TOKEN_CREDENTIALS"):
        return tried
    place = sum(name in ("EnvironmentCredential", "WorkloadIdentityCredential") for name in names)
    return [*tried[:place], ("ManagedIdentityCredential", _no_metadata()), *tried[place:]]


def who(identity: Identity) -> str:
    """The identity, as far as the file names it."""
    if identity.kind == "managed_identity":
        return f"managed identity {identity.client_id}" if identity.client_id else "the machine's managed identity"
    if identity.kind == "service_principal":
        return f"service principal {identity.client_id}"
    if identity.kind == "given":
        return f"the given {type(identity.credential).__name__}"
    return "the default identity"


def _way_out(identity: Identity) -> str:
    if identity.kind == "managed_identity":
        return (
            "only machines in Azure have a managed identity: give this one an identity, or use another auth_mode here"
        )
    if identity.kind == "service_principal":
        return "check tenant_id, client_id and client_secret"
    if identity.kind == "given":
        return "check the credential object"
    if in_databricks():
        return "name a service_credential of Unity Catalog, or use compute in dedicated access mode"
    return (
        "log in with `az login`, or set AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET; in Azure give the "
        "machine a managed identity"
    )


def slow_hint(identity: Identity) -> str:
    """What to do where a login does not end."""
    if identity.kind == "default":
        return (
            "an identity endpoint or the Azure CLI hangs: `odibi doctor` tells which, "
            "AZURE_TOKEN_CREDENTIALS leaves it out"
        )
    return "the identity endpoint does not answer: `odibi doctor` tells more"
