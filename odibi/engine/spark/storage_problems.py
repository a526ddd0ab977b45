"""What a cloud's storage or a catalog refused Spark, in the words of every engine. Spark tells it as a text, in which
places are named by their URLs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from weakref import WeakValueDictionary

from odibi.connections.base import BaseConnection
from odibi.engine.spark.places import CLOUDS, authority, cloud_of, container_of, reachable
from odibi.errors import AccessError, ConfigError, DataNotFoundError, OdibiError
from odibi.location import Location

renewed: set[str] = set()
"""Containers whose credential changed while a server that can not be told to forget the old one was running."""
_connections: WeakValueDictionary[str, BaseConnection] = WeakValueDictionary()
"""Connections that were used, by their root: the texts of Spark name URLs."""
_NO_CATALOG = re.compile(
    "CATALOG_NOT_FOUND|NO_SUCH_CATALOG|REQUIRES_SINGLE_PART_NAMESPACE|[Cc]atalog plugin class not found"
)
_NO_RIGHT = re.compile(
    r"(?:PERMISSION_DENIED|INSUFFICIENT_PERMISSIONS)\S*\]?:?\s*([^\n]+?)(?:\.?\s*SQLSTATE|\.?$)", re.MULTILINE
)
_NOT_FOUND = re.compile(r"\[PATH_NOT_FOUND\]|DELTA_TABLE_NOT_FOUND|DELTA_PATH_DOES_NOT_EXIST")


def remember(connection: BaseConnection) -> None:
    """A connection that is used: what is wrong in its place is told by its name."""
    with suppress(ConfigError):
        root = connection.get_path("")
        if root.partition("://")[0] in CLOUDS:
            _connections[root] = connection


def explain(text: str, location: Location | None = None, doing: str = "read") -> OdibiError | None:
    """What a text of Spark says of a cloud's storage, in the words of every engine; None where it is about something
    else. `text` is the whole of it, with the JVM's trace. `location` is where Spark was reading or writing, if that is
    known; where the URLs in the text lead elsewhere, they tell (a write computes what it reads, too). `doing` is what
    was done there, `read` or `write`."""
    if location is not None and location.table:
        return _of_catalog(text, location, doing)
    urls = [url for module in dict.fromkeys(CLOUDS.values()) for url in import_module(module).urls_in(text)]
    place = location if location is not None and _concerns(location, urls) else _place_at(urls)
    if place is None:
        return None
    if _NOT_FOUND.search(text):
        return _missing(place)
    found: OdibiError | None = cloud_of(place.uri).explain(text, place, doing if place is location else "read")
    return None if found is None else _with_restart(found, place)


def _concerns(location: Location, urls: Sequence[str]) -> bool:
    """Whether a text with these URLs can be about a location."""
    if location.uri.partition("://")[0] not in CLOUDS:
        return False
    return not urls or any(_is_inside(url, container_of(location.uri)) for url in urls)


def _place_at(urls: Sequence[str]) -> Location | None:
    """Where URLs lead, as a place of a connection where one was used."""
    for url in urls:
        roots = [root for root in list(_connections) if _is_inside(url, root)]
        connection = _connections.get(max(roots, key=len)) if roots else None
        if connection is not None:
            root = connection.get_path("")
            options = connection.location("").storage_options if connection.is_ready() else {}
            relative = url[len(root) :].strip("/") if url.startswith(root) else ""
            return Location(url if relative else root, root, connection.name, relative or "/", options)
    return next(map(Location, urls), None)


def _is_inside(url: str, root: str) -> bool:
    if authority(url).startswith("*@"):  # only the account is named
        return authority(url)[1:] == authority(root)[authority(root).index("@") :]
    return url == root or url.startswith(f"{root}/")


def _of_catalog(text: str, location: Location, doing: str) -> OdibiError | None:
    """What a catalog says of one of its tables."""
    parts = [each.replace("``", "`") for each in re.findall(r"`((?:[^`]|``)+)`", location.table)]
    catalog, schema = parts[0], ".".join(parts[:2])
    if re.search(r"\[SCHEMA_NOT_FOUND\]|NoSuchNamespace|NoSuchDatabase", text):
        make = f"CREATE SCHEMA {location.table.rpartition('.')[0]}"
        return DataNotFoundError(f"{location.display}: there is no schema {schema}; check `schema`, or make it: {make}")
    if _NO_CATALOG.search(text):
        return DataNotFoundError(
            f"{location.display}: there is no catalog {catalog!r} that this Spark knows; check `catalog`, and where it"
            " runs"
        )
    if found := _NO_RIGHT.search(text):
        said = found[1].strip().rstrip(".")
        return AccessError(
            f"{location.display}: can not {doing}: {said}; the owner can grant it: USE CATALOG on {catalog}, USE"
            f" SCHEMA, SELECT and MODIFY on {schema}"
        )
    return None


def _missing(location: Location) -> OdibiError | None:
    """The error for data that is not there, with what is close; that of the account where the container is not."""
    if not reachable(location) or not location.connection:
        return None
    from odibi.files import missing

    try:
        return missing(location)
    except OdibiError as error:
        return error


def _with_restart(error: OdibiError, location: Location) -> OdibiError:
    """A Connect server keeps the client that it opened first, whatever key comes later."""
    if container_of(location.uri) not in renewed:
        return error
    hint = "the credential changed since this Spark server first used the account, and it keeps the old one: restart it"
    return type(error)(f"{error}; {hint}")
