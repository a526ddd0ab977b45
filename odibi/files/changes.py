"""Whether local files are as they were."""

from __future__ import annotations

import os
from functools import partial

from odibi.connections.base import Location
from odibi.files.local import LocalFiles
from odibi.files.problems import explained
from odibi.files.stages import Expected

_Facts = frozenset[tuple[str, int, int, int]]
"""Files by their names, with what changes when they do."""


def unchanged(location: Location) -> Expected | None:
    """A question to be asked later of a path: whether there is what is at a local place now, which may be a file, the
    files of a folder, or nothing. None for other places, where nobody can tell."""
    if location.local_path is None or location.governed:
        return None
    with explained(location, "write"):
        return partial(_is_still, _facts_of(location.uri))


def _is_still(before: _Facts, path: str) -> bool:
    return _facts_of(path) == before


def _facts_of(path: str) -> _Facts:
    if not os.path.exists(path):
        return frozenset()
    files = LocalFiles().walk(path) if os.path.isdir(path) else [path]
    return frozenset((os.path.relpath(file, path), *facts) for file in files if (facts := _facts(file)))


def _facts(path: str) -> tuple[int, int, int] | None:
    try:
        found = os.stat(path)
    except FileNotFoundError:  # deleted since it was listed: not there
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
