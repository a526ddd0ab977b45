"""Azure storage on Spark: what its driver (ABFS) says, told in the words of every engine, and what one read or write
takes as options.

Spark shows what goes wrong as a text, often with the JVM's trace; it names the place by its URL.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from contextlib import suppress

from odibi.azure.access import CREDENTIALS, Access, access_of, place_of
from odibi.azure.clouds import PUBLIC_CLOUD
from odibi.azure.hadoop import account_key, host_of, shared_access_signature
from odibi.azure.storage_problems import explain as explain_error
from odibi.azure.storage_problems import explain_text
from odibi.errors import AccessError, DataError, OdibiError, UnsupportedError
from odibi.location import Location

_OF_STORAGE = re.compile(
    r'Operation failed: "|AbfsRestOperation|azurebfs|Failure to initialize configuration|fs\.azure\.|Status code: -1 '
    r"|\.(?:dfs|blob)\.core\."
)
_ABFS_URL = re.compile(r"(abfss?)://([^@/\s\"'`]+)@([\w.-]+\w)((?:/[^\s\"'`?,;]*)?)")
_HTTP_URL = re.compile(r"https://(\w+)\.(?:dfs|blob)\.([\w.-]+\w)(?::\d+)?/([^/?\s\"]+)((?:/[^?\s\"]*)?)")
_HOST = re.compile(r"\b(\w+)\.(?:dfs|blob)\.(core(?:\.\w+){2,})")
_ANY = "*"
"""Stands for the container in a URL where only the account is known."""


def options_of(location: Location) -> dict[str, str]:
    """The credential that the user gave a read or write as `storage_options`, as options of Spark for it alone. Raises
    `UnsupportedError` for one that only Python can use."""
    given, place, access = location.storage_options, place_of(location), access_of(location)
    refused = next((name for name in ("endpoint", "allow_http") if given.get(name)), "")
    if refused or access.kind not in ("key", "sas"):
        what = refused or ("a token" if access.kind == "token" else "a credential object")
        raise UnsupportedError(
            f"{location.display}: storage_options has {what}, which Spark can not use; give account_key or sas_token,"
            " or use a connection with auth_mode managed_identity or service_principal"
        )
    host = host_of(place.account, str(given.get("endpoint_suffix") or _suffix_of(location)))
    if access.kind == "key":
        return account_key(host, access.value)
    return shared_access_signature(host, place.container, access.value)


def _suffix_of(location: Location) -> str:
    return location.uri.partition("@")[2].partition("/")[0].partition(".dfs.")[2] or PUBLIC_CLOUD


def opens(location: Location) -> bool:
    """Whether Python has what opens a location."""
    given = any(location.storage_options.get(name) for name in CREDENTIALS)
    return given and importlib.util.find_spec("obstore") is not None


# -- what Spark says ---------------------------------------------------------------------------------------------------


def urls_in(text: str) -> Iterator[str]:
    """The places that a text of Spark names, the likeliest first; `*` where only their account is named."""
    for scheme, container, host, path in _ABFS_URL.findall(text):
        yield f"{scheme}://{container}@{host}{path}".rstrip("/.:)")
    for account, suffix, container, path in _HTTP_URL.findall(text):
        yield f"abfss://{container}@{account}.dfs.{suffix}{path}".rstrip("/.:)")
    for account, suffix in _HOST.findall(text):
        yield f"abfss://{_ANY}@{account}.dfs.{suffix}"


def explain(text: str, location: Location, doing: str) -> OdibiError | None:
    """The error for what Spark says of a location; None where it is about something else. `doing` is `read` or
    `write`."""
    if not _OF_STORAGE.search(text):
        return None
    said = _without_trace(text)
    if _is_bare_refusal(said) and (asked := _ask(location, doing)) is not None:
        return asked
    found = explain_text(said, location, doing, _access_of(location))
    if found is None or f"://{_ANY}@" not in location.uri:
        return found
    return type(found)(str(found).removeprefix(f"{location.display}: "))


def _without_trace(text: str) -> str:
    """The sentences of a JVM's text, without the frames."""
    lines = [line for line in text.splitlines() if not re.match(r"\s+(at |\.\.\. \d+ more)", line)]
    return "\n".join(lines)


def _access_of(location: Location) -> Access:
    with suppress(AccessError, DataError):
        return access_of(location)
    return Access("none", "")


def _is_bare_refusal(text: str) -> bool:
    """The refusal of a HEAD, whose answer has no body that would tell why."""
    return re.search(r'Operation failed: "[^"]*", 4\d\d, HEAD, ', text) is not None


def _ask(location: Location, doing: str) -> OdibiError | None:
    """What the account says to Python, which asks in a way that is answered with a reason; None where it is let in."""
    if not opens(location):
        return None
    import obstore

    from odibi.azure.storage import object_store

    try:
        next(iter(obstore.list(object_store(location), place_of(location).path or None, chunk_size=1)), None)
    except OdibiError as error:
        return error
    except Exception as error:  # noqa: BLE001 - obstore's errors have no base class but Exception in old versions
        return explain_error(error, location, doing)
    return None
