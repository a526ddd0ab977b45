"""The one layer through which odibi touches files: native for local paths, a store of its own for the protocols of
`odibi.files.places`, any fsspec file system else.

`files_for(location)` gives the verbs (kind, listdir, walk, glob, open, size, delete), `expand(location)` the data files
of a file, folder or glob, `staged` and `staging` a private place to write that is published in one step, `sweep`
removes what killed writers left.
"""

from __future__ import annotations

import time
from contextlib import suppress

from odibi.connections.base import Location
from odibi.errors import AccessError, DataNotFoundError, closest
from odibi.files.base import Entry, Files, Kind, is_glob, is_hidden
from odibi.files.places import files_for
from odibi.files.problems import explain, explained
from odibi.files.stages import (
    READ_SECONDS,
    Stage,
    added,
    check_replaceable,
    in_exchange,
    move_in,
    new_txn,
    staged,
    staging,
    sweep,
)

__all__ = [
    "Entry", "Files", "Kind", "Stage", "added", "check_replaceable", "expand", "explain", "explained", "files_for",
    "is_glob", "is_hidden", "missing", "move_in", "new_txn", "staged", "staging", "sweep",
]  # fmt: skip


def expand(location: Location, files: Files | None = None) -> list[str]:
    """The data files of a file, a folder (all that is visible in it, recursively) or a glob, sorted; at least one.

    Hidden names (`_SUCCESS`, `.part.crc`) are left out. Raises `DataNotFoundError`, which names the close names that
    exist, `PathEscapeError` for links that leave the connection, `AccessError` without permission. `files` is the
    location's file system, where the caller has it: what it lists it knows the sizes of.
    """
    with explained(location, "read"):
        files = files or files_for(location)
        found = _expand(files, location.uri)
        if not found and not files.exists(location.uri):
            with suppress(AccessError):  # a reader may not be allowed to
                sweep(location)  # a killed writer may have left the folder moved aside
            found = _found_soon(files, location)
        if not found:
            raise missing(location)
    return found


def _found_soon(files: Files, location: Location) -> list[str]:
    """The files of a place where there are none, which a living writer may just be exchanging."""
    until = time.monotonic() + READ_SECONDS
    while not (found := _expand(files, location.uri)) and in_exchange(location) and time.monotonic() < until:
        time.sleep(0.005)
    return found or _expand(files, location.uri)  # where the exchange ended between the two looks


def _expand(files: Files, path: str) -> list[str]:
    kind = files.kind(path)
    if kind == "file":
        return [path]
    if kind == "folder":
        return list(files.walk(path))
    if not is_glob(path):
        return []
    matches = files.glob(path)
    return sorted({file for match in matches for file in _expand(files, match)})


def missing(location: Location) -> DataNotFoundError:
    """The error for data that is not there: it names what is in its place and what is close."""
    files = files_for(location)
    if files.kind(location.uri) == "folder":
        return DataNotFoundError(
            f"{location.display} is a folder without data files; check the path, or write to it first"
        )
    folder, names = files.neighbours(location.uri)
    place = _display(location, folder)
    wanted = location.uri[len(folder) :].strip("/\\")
    what = f"no file matches {location.display}" if is_glob(location.uri) else f"{location.display} does not exist"
    if not names:
        return DataNotFoundError(f"{what}; {place} is empty" if files.exists(folder) else f"{what}; nor does {place}")
    near = closest(wanted, names) or closest(wanted.split("/")[0].split("\\")[0], names)
    shown = ", ".join(names[:10]) + (f", … ({len(names)} in all)" if len(names) > 10 else "")
    return DataNotFoundError(f"{what}; " + (f"did you mean {near[0]!r}? " if near else "") + f"{place} has: {shown}")


def _display(location: Location, folder: str) -> str:
    """A folder above `location` as messages show it."""
    if location.connection and location.root and folder.startswith(location.root.rstrip("/\\")):
        inside = folder[len(location.root.rstrip("/\\")) :].strip("/\\").replace("\\", "/")
        return f"{location.connection}:{inside}" if inside else f"the root of connection {location.connection!r}"
    return folder
