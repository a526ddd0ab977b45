"""What is wrong with the settings of a connection to Azure storage, judged without the network; no value of a secret is
shown. Settings may be wrong in every way here: what is no text is for others to tell."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

from odibi.azure.clouds import PUBLIC_CLOUD
from odibi.errors import PathEscapeError, Position, Problem, suggest
from odibi.location import check_relative
from odibi.secrets import shown_value

DEFAULT_MODE = "key_vault"


@dataclass(frozen=True)
class Mode:
    """The keys that an auth mode must have, and those it may have."""

    required: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()


MODES: Mapping[str, Mode] = {
    "key_vault": Mode(("key_vault_name", "secret_name"), ("service_credential",)),
    "direct_key": Mode(("account_key",)),
    "managed_identity": Mode((), ("client_id",)),
    "service_principal": Mode(("tenant_id", "client_id", "client_secret")),
    "sas": Mode(("sas_token",)),
    "default": Mode((), ("service_credential",)),
    "unity_catalog": Mode(),
}
KEYS_OF_MODE: Mapping[str, tuple[str, ...]] = {name: (*mode.required, *mode.optional) for name, mode in MODES.items()}
"""Auth modes and the keys that each of them takes."""
SECRET_KEYS = ("account_key", "client_secret", "sas_token")
AUTH_KEYS = tuple(dict.fromkeys(key for keys in KEYS_OF_MODE.values() for key in keys))

MEANT = {
    "account_name": "account", "storage_account": "account", "container_name": "container", "filesystem": "container",
    "prefix": "path_prefix", "auth": "auth_mode", "mode": "auth_mode", "vault": "key_vault_name",
    "vault_name": "key_vault_name", "key_vault": "key_vault_name", "secret": "secret_name", "key": "account_key",
    "access_key": "account_key", "tenant": "tenant_id", "application_id": "client_id", "sas": "sas_token",
    "endpoint": "endpoint_suffix", "suffix": "endpoint_suffix", "credential": "service_credential",
}  # fmt: skip
"""Names that other tools use for a key, and the key."""

_ADD = {
    "key_vault_name": "add `key_vault_name: …`, the name of the vault, here or for the whole project",
    "secret_name": "add `secret_name: …`, the secret that holds the account key",
    "account_key": 'add `account_key: "${…}"`, a key of the storage account',
    "tenant_id": "add `tenant_id: …`, the directory (tenant) id",
    "client_id": "add `client_id: …`, the application (client) id",
    "client_secret": 'add `client_secret: "${…}"`, a secret of the application',
    "sas_token": 'add `sas_token: "${…}"`, a shared access signature',
}
_ACCOUNT = re.compile(r"[a-z0-9]{3,24}")
_CONTAINER = re.compile(r"(?=.{3,63}\Z)[a-z0-9]+(?:-[a-z0-9]+)*|\$(?:web|root|logs)")
_VAULT = re.compile(r"(?=.{3,24}\Z)[A-Za-z][A-Za-z0-9]*(?:-[A-Za-z0-9]+)*")
_SECRET = re.compile(r"[A-Za-z0-9-]{1,127}")
_SUFFIX = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)+")
_KEY_WITH_SPACE = re.compile(r"\s*([A-Za-z0-9+/]{86}==)\s*")


def mistakes(settings: Mapping[str, Any], name: str = "", now: datetime | None = None) -> Iterator[Problem]:
    """Each mistake, with the key it is about. `name` is the connection's, which is the default of its container."""
    yield from _account(settings.get("account"))
    yield from _container(settings, name)
    yield from _prefix(settings.get("path_prefix"))
    yield from _suffix(settings.get("endpoint_suffix"))
    mode = _mode(settings)
    if mode not in MODES:
        yield _problem("auth_mode", f"Unsupported auth_mode {shown_value(mode)}", suggest(mode, MODES))
        return
    foreign = [key for key in AUTH_KEYS if key not in KEYS_OF_MODE[mode] and _given(settings.get(key))]
    for key in foreign:
        yield _foreign(key, mode, "auth_mode" in settings)
    if foreign and "auth_mode" not in settings:
        return  # most likely another mode was meant, which then takes other keys: one mistake
    for key in MODES[mode].required:
        if not _given(settings.get(key), secret=key == "account_key"):
            yield _missing(key, mode, key in settings)
        else:
            yield from _form(key, settings[key], now)


def _problem(key: str, message: str, hint: str = "") -> Problem:
    return Problem(Position(), key, message, hint)


def _mode(settings: Mapping[str, Any]) -> str:
    mode = settings.get("auth_mode", DEFAULT_MODE)
    return str(mode) if isinstance(mode, str) else repr(mode)


def _given(value: Any, secret: bool = False) -> bool:
    """Whether a key says something. An empty text is what `${VAR:-}` gives; an account key may be any other text."""
    return bool(value if secret or not isinstance(value, str) else value.strip())


def _missing(key: str, mode: str, empty: bool) -> Problem:
    return _problem(key, f"{mode} mode requires {key!r}", f"it is empty: {_ADD[key]}" if empty else _ADD[key])


def _foreign(key: str, mode: str, explicit: bool) -> Problem:
    owners = [name for name, keys in KEYS_OF_MODE.items() if key in keys]
    which = " or ".join(owners)
    if explicit:
        return _problem(key, f"{key!r} belongs to auth_mode {which}, and this is {mode}", "take it out")
    wanted = " or ".join(f"`auth_mode: {name}`" for name in owners)
    return _problem(key, f"{key!r} belongs to auth_mode {which}, and the default is {mode}", f"add {wanted}")


# -- names -------------------------------------------------------------------------------------------------------------


def _account(value: Any) -> Iterator[Problem]:
    if not _given(value):
        yield _problem("account", "azure_adls requires 'account'", "add `account: …`, the name of the storage account")
    elif isinstance(value, str) and not _ACCOUNT.fullmatch(value):
        host = re.search(r"(?:^|[/@])([a-z0-9]{3,24})\.(?:dfs|blob)\.", value)
        hint = f"give its name alone: {host[1]!r}" if host else "one has 3 to 24 lower-case letters and digits"
        yield _problem("account", f"{shown_value(value)} is no name of a storage account", hint)


def _container(settings: Mapping[str, Any], name: str) -> Iterator[Problem]:
    value = settings.get("container")
    rule = "one has 3 to 63 lower-case letters, digits and single hyphens"
    if value is None and not name:
        yield _problem("container", "azure_adls requires 'container'", "name the container")
    elif value is None and not _CONTAINER.fullmatch(name):
        message = f"the container is that of the connection's name, and {name!r} is no name of a container"
        yield _problem("container", message, f"add `container: …`; {rule}")
    elif isinstance(value, str) and not _CONTAINER.fullmatch(value):
        if "/" in value and _CONTAINER.fullmatch(value.split("/")[0]):
            rule = f"write `container: {value.split('/')[0]}` and the folder as `path_prefix`"
        message = f"{shown_value(str(value))} is no name of a container" if value else "the container's name is empty"
        yield _problem("container", message, rule)


def _prefix(value: Any) -> Iterator[Problem]:
    if isinstance(value, str):
        try:
            check_relative(value)
        except PathEscapeError as error:
            message, _, _ = str(error).partition("; ")
            hint = "it is a folder inside of the container, without '..' and a leading '/'"
            yield _problem("path_prefix", message.removeprefix("path "), hint)


def _suffix(value: Any) -> Iterator[Problem]:
    if not isinstance(value, str) or not value:
        return
    bare = re.sub(r"^(?:https?://)?\.?(?:(?:dfs|blob)\.)?", "", value.strip().lower()).rstrip("/.")
    if bare != value or not _SUFFIX.fullmatch(value):
        hint = f"write {bare!r}" if _SUFFIX.fullmatch(bare) else f"write it like {PUBLIC_CLOUD!r}"
        yield _problem("endpoint_suffix", f"{shown_value(str(value))} is no DNS suffix of a cloud", hint)


# -- the keys of the modes ---------------------------------------------------------------------------------------------


def _form(key: str, value: Any, now: datetime | None) -> Iterator[Problem]:
    if not isinstance(value, str):
        return
    if key == "key_vault_name" and not _VAULT.fullmatch(value):
        host = re.search(r"(?:^|//)([A-Za-z][A-Za-z0-9-]{1,22}[A-Za-z0-9])\.", value)
        hint = f"give its name alone: {host[1]!r}" if host else "one has 3 to 24 letters, digits and single hyphens"
        yield _problem(key, f"{shown_value(str(value))} is no name of a key vault", hint)
    elif key == "secret_name" and not _SECRET.fullmatch(value):
        yield _problem(key, f"{shown_value(str(value))} is no name of a secret", "one has letters, digits and hyphens")
    elif key == "sas_token":
        yield from _sas(value, now or datetime.now(UTC))


def _sas(value: str, now: datetime) -> Iterator[Problem]:
    if "://" in value.partition("?")[0] or "sharedaccesssignature=" in value.lower():
        what, start = ("a connection string", "SharedAccessSignature=") if ";" in value else ("a whole URL", "the '?'")
        yield _problem("sas_token", f"sas_token is {what}", f"give only what stands behind {start}")
        return
    if not sas_parts(value).get("sig"):
        hint = "give the whole token, as the portal shows it: sv=…&se=…&sig=…"
        yield _problem("sas_token", "sas_token has no signature (sig=…)", hint)
    ends = expiry(value)
    if ends is not None and ends <= now:
        yield _problem("sas_token", f"sas_token expired on {ends:%Y-%m-%d %H:%M} UTC", "make a new one")


def bare_sas(token: str) -> str:
    """A SAS without the `?` and the blanks that were copied with it."""
    return token.strip().removeprefix("?")


def sas_parts(token: str) -> dict[str, str]:
    """The parameters of a SAS, decoded. A `+` stands for itself: it is a letter of signatures."""
    return dict(parse_qsl(bare_sas(token).replace("+", "%2B")))


def expiry(token: str) -> datetime | None:
    """When a SAS ends (UTC); None where it does not say so itself."""
    try:
        ends = datetime.fromisoformat(sas_parts(token).get("se", ""))
    except ValueError:
        return None
    return ends.replace(tzinfo=UTC) if ends.tzinfo is None else ends.astimezone(UTC)


def bare_key(text: str) -> str:
    """An account key without the blanks and the line break that were copied with it. What does not look like a key of
    Azure (64 bytes in base64) stays as it is: a key may be any text."""
    found = _KEY_WITH_SPACE.fullmatch(text)
    return found[1] if found else text
