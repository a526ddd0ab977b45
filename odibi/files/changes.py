"""Whether local files are as they were."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from odibi.connections.base import Location
from odibi.errors import AccessError, DataError, DataNotFoundError
from odibi.files.local import LocalFiles
from odibi.files.problems import explained
from odibi.files.stages import ChangedMeanwhile, sweep

Kinds = tuple[type[BaseException], ...]
_Facts = frozenset[tuple[str, int, int, int]]
"""Files by their names, with what changes when they do."""


@dataclass(frozen=True)
class Seen:
    """What was at a place: a file, the files of a folder, or nothing."""

    facts: _Facts

    def __call__(self, path: str) -> bool:
        """Whether a path has just that."""
        return _facts_of(path) == self.facts

    def and_more(self, path: str) -> bool:
        """Whether a path has all that, as a folder has to which others only added."""
        return self.facts <= _facts_of(path)


def unchanged(location: Location) -> Seen | None:
    """What is at a local place now, to be asked later whether it still is; what a killed writer left there is cleared
    away first. None for other places, where nobody can tell."""
    if location.local_path is None or location.governed:
        return None
    sweep(location)
    with explained(location, "write"):
        return Seen(_facts_of(location.uri))


@contextmanager
def told_as_change(
    location: Location, seen: Seen | None, raised: Kinds, is_interrupt: Callable[[BaseException], bool]
) -> Iterator[None]:
    """An error of the body that comes from what another writer took away is told as that. `raised` are the errors of
    the engine that reads there."""
    kinds: Kinds = (DataError, DataNotFoundError, AccessError, *raised)
    try:
        yield
    except kinds as error:
        if seen is None or is_interrupt(error) or isinstance(error, ChangedMeanwhile) or seen.and_more(location.uri):
            raise
        raise ChangedMeanwhile(location) from error


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
