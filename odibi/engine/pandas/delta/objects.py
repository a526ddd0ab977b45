"""A Delta table behind a URL, as the objects it is made of: the log's commits, and files to upload and delete.

A request takes as long as the way to the store and back, so each function says how many it makes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from odibi.engine.delta_log import LOG
from odibi.errors import AccessError, MissingExtraError, OdibiError
from odibi.files.base import is_hidden
from odibi.files.places import remote_files
from odibi.location import Location
from odibi.parallel import Stopped, each

CLOUDS = dict.fromkeys(("abfs", "abfss", "adl", "az", "azure"), "odibi.azure.storage")
"""Protocol to the module that knows its stores: it has `object_store`, `place_of`, `delta_uri`, `delta_options`,
`explain` and `explained`, all of a location. What is of no cloud here is left to the libraries."""
COMMITS_AT_ONCE = 16
"""Requests for commits that are under way together."""
SMALL, SMALL_AT_ONCE, LARGE_AT_ONCE = 8 << 20, 8, 2
"""Bytes up to which a file is one request; how many such files are uploaded together, and how many larger ones, whose
parts go side by side."""


def cloud_of(location: Location) -> Any:
    """The module that knows the store behind a URL, None where there is none."""
    module = CLOUDS.get(location.uri.partition("://")[0])
    return import_module(module) if module is not None else None


def _store(location: Location) -> tuple[Any, str]:
    """The object store, and the path of the table in it."""
    cloud = cloud_of(location)
    if cloud is not None:
        return cloud.object_store(location), cloud.place_of(location).path.strip("/")
    try:
        from obstore.store import from_url
    except ImportError:
        raise MissingExtraError("obstore", "azure", f"a {location.uri.split('://', 1)[0]}:// path") from None
    options: Any = {key: str(value) for key, value in location.storage_options.items()}
    return from_url(escaped(location.uri), config=options or None), ""


def escaped(uri: str) -> str:
    """The URI for who parses it as a URL. Ours are spelled as names are: a `#` in one is a sign like others, where a
    URL ends its path at it."""
    return re.sub("[%?#]", lambda sign: f"%{ord(sign[0]):02X}", uri)


@contextmanager
def explained(location: Location, doing: str) -> Iterator[None]:
    """Turn what the store raises into an odibi error; `FileNotFoundError` passes. `doing` is `read` or `write`."""
    try:
        with _explained_by_store(location, doing):
            yield
    except (FileNotFoundError, OdibiError):
        raise
    except Exception as error:
        if not type(error).__module__.startswith("obstore"):
            raise
        text = str(error).split("\n")[0]  # obstore's errors had no common base class before 0.5
        raise AccessError(f"{location.display}: can not {doing}: {text}") from error


def _explained_by_store(location: Location, doing: str) -> AbstractContextManager[None]:
    cloud = cloud_of(location)
    told: AbstractContextManager[None] = cloud.explained(location, doing) if cloud is not None else nullcontext()
    return told


def _inside(prefix: str, relative: str) -> str:
    return f"{prefix}/{relative}" if prefix else relative


def log_names(location: Location) -> list[str]:
    """The names in the table's log: one request for 5,000 of them."""
    return [path.rpartition("/")[2] for path in paths(location, LOG)]


def paths(location: Location, folder: str = "") -> list[str]:
    """All objects of the table, or of a folder of it, relative to the table: one request for 5,000 of them."""
    store, prefix = _store(location)
    start = len(prefix) + 1 if prefix else 0
    with explained(location, "read"):
        try:
            return [each["path"][start:] for batch in store.list(_inside(prefix, folder) or None) for each in batch]
        except FileNotFoundError:
            return []


def first_foreign(location: Location, ours: Callable[[str], bool]) -> str | None:
    """The first object of the folder that holds data and of which `ours(name)` is false, None where there is none: one
    request. Empty ones, by which Spark marks folders and its success, hold none."""
    store, prefix = _store(location)
    start = len(prefix) + 1 if prefix else 0
    with explained(location, "read"):
        try:
            for batch in store.list(prefix or None):
                for each in batch:
                    path = str(each["path"][start:])
                    hidden = any(map(is_hidden, path.split("/")))
                    if each["size"] and not hidden and not ours(path.rpartition("/")[2]):
                        return path
        except FileNotFoundError:
            return None
    return None


def is_file(location: Location) -> bool:
    """True where an object has the very name of the table: one request."""
    store, prefix = _store(location)
    if not prefix:
        return False
    with explained(location, "read"):
        try:
            found = store.head(prefix)
        except FileNotFoundError:
            return False
    return bool(found.get("size"))  # an empty object is how some accounts show a folder


def commit_text(location: Location, version: int) -> str | None:
    """A commit of the log, None where it is not there: one request."""
    store, prefix = _store(location)
    with explained(location, "read"):
        try:
            found = store.get(_inside(prefix, f"{LOG}/{version:020}.json")).bytes()
        except FileNotFoundError:
            return None
    return bytes(found).decode("utf-8", errors="replace")


def commit_texts(location: Location, versions: Sequence[int]) -> list[str | None]:
    """Several commits: one request each, some at a time."""
    found: dict[int, str | None] = {}

    def read(version: int) -> None:
        found[version] = commit_text(location, version)

    each(read, versions, COMMITS_AT_ONCE)
    return [found[version] for version in versions]


def upload(location: Location, root: Path, relative: Sequence[str], stopped: Stopped) -> None:
    """Upload local files, which are below `root`, to the same places below the table, some at a time.

    Raises `AccessError`, and `KeyboardInterrupt` once it is stopped; then some may be there.
    """
    files = remote_files(location)
    small = all((root / path).stat().st_size <= SMALL for path in relative)
    failures: list[BaseException] = []

    def put(path: str) -> None:
        if failures:
            return
        try:
            files.upload(str(root / path), f"{location.uri.rstrip('/')}/{path}", lambda: bool(failures) or stopped())
        except BaseException as error:  # noqa: BLE001 raised below, when nothing is under way any more
            failures.append(error)

    each(put, relative, SMALL_AT_ONCE if small else LARGE_AT_ONCE, stopped)
    if failures:
        raise failures[0]


def delete(location: Location, relative: Sequence[str]) -> None:
    """Delete objects of the table; missing ones are fine. One request for 256 of them."""
    store, prefix = _store(location)
    names = [_inside(prefix, path) for path in relative]
    with explained(location, "write"):
        try:
            store.delete(names)
        except FileNotFoundError:
            for name in names:
                with suppress(FileNotFoundError):
                    store.delete(name)
