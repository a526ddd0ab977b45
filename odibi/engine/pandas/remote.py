"""Files behind URLs, made readable for DuckDB: small ones are copied, of large Parquet only what a query needs comes.

Each connection's own store is used, with its own credential, so three accounts can be joined in one query. DuckDB reads
large Parquet through a file system of ours, `odibi://`: it asks for the columns and row groups of its query, which come
side by side: what is asked for again comes at most once more.
"""

from __future__ import annotations

import errno
import itertools
import os
import re
import threading
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from odibi.engine.pandas.session import Session
from odibi.errors import AccessError
from odibi.files.places import remote_files
from odibi.files.urls import UrlFiles
from odibi.location import Location
from odibi.parallel import each

WHOLE = 8 << 20
"""Bytes up to which a file is copied as a whole: that is one request, as the end of a Parquet file alone would be."""
FILES_AT_ONCE = 16
TAIL = 256 << 10
"""Bytes that DuckDB reads from the end of a Parquet file at first."""
PROTOCOL = "odibi"
_NO_NAME = re.compile(r'[<>:"|?*\[\]\\\x00-\x1f]')


def readable(
    session: Session, location: Location, paths: Sequence[str], sizes: Sequence[int | None] | None = None
) -> list[str]:
    """What `read_parquet([...])` takes for Parquet files below `location`, in their order. `paths` are URLs, spelled
    like `location.uri`; `sizes` are bytes, where they are known for certain.

    `k=v` folders below the location are kept, so hive partitions can be read. Raises `FileNotFoundError`, odibi errors.
    """
    files = remote_files(location)
    known = dict(zip(paths, sizes, strict=True)) if sizes is not None else {}
    return fetch(session, files, location, paths, location.uri, known, by_parts=True)


def fetch(
    session: Session,
    files: UrlFiles,
    location: Location,
    paths: Sequence[str],
    base: str,
    sizes: dict[str, int | None] | None = None,
    by_parts: bool = False,
) -> list[str]:
    """Paths at which DuckDB, and where not `by_parts` anybody, reads these files; `base` is the folder they are below.
    The names have no sign that DuckDB would take for a wildcard."""
    names = [_name(path[len(base) :]) for path in paths]
    places = [_place(session, number, name) for number, name in enumerate(names)]
    found: dict[int, str] = {}

    def get(number: int) -> None:
        path, local = paths[number], places[number]
        size = (sizes or {}).get(path)
        with _room(location, local):
            if by_parts and hasattr(files, "ranges") and (files.size(path) if size is None else size) > WHOLE:
                ranges = files.ranges(path, local, size, partial(getattr, session, "interrupted"))
                ranges.read(ranges.blob.size - TAIL, ranges.blob.size)
                found[number] = _mounted(session).add(ranges, location, names[number])
            else:
                files.download(path, local, partial(getattr, session, "interrupted"))
                found[number] = local

    each(get, range(len(paths)), FILES_AT_ONCE, partial(getattr, session, "interrupted"))
    return [found[number] for number in range(len(paths))]


def _name(relative: str) -> str:
    """A path without signs that file systems or DuckDB take for something else. In `k=v` they are quoted, as DuckDB
    expects it there."""
    parts = [_NO_NAME.sub(lambda sign: f"%{ord(sign[0]):02X}", part) for part in relative.split("/") if part]
    return "/".join(parts)


def _place(session: Session, number: int, name: str) -> str:
    """A path in the session's folder: with a number, for names that differ only in case."""
    from odibi.engine.pandas.formats.base import scratch_folder

    local = Path(scratch_folder(session), f"f{number}", name)
    local.parent.mkdir(parents=True, exist_ok=True)
    return str(local)


@contextmanager
def _room(location: Location, local: str) -> Iterator[None]:
    """Tell what it means when the disk of the session's folder is full."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)):
            raise
        raise AccessError(
            f"{location.display}: no space left for a copy in {os.path.dirname(local)}; free some, "
            "or name a folder on a larger disk in TMPDIR"
        ) from error


# -- DuckDB's way to them ----------------------------------------------------------------------------------------------

_MOUNTED: weakref.WeakKeyDictionary[Session, Any] = weakref.WeakKeyDictionary()
_MOUNTING = threading.Lock()


def _mounted(session: Session) -> Any:
    """The session's file system."""
    with _MOUNTING:
        if session not in _MOUNTED:
            from fsspec.spec import AbstractFileSystem

            made = type("Mounted", (_Mounted, AbstractFileSystem), {})(session)
            session.mount(made)
            _MOUNTED[session] = made
        return _MOUNTED[session]


class _Mounted:
    """A file system as DuckDB takes it (an fsspec one), of files that were made known to it."""

    protocol = PROTOCOL
    cachable = False

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = weakref.ref(session)
        self._files: dict[str, tuple[Any, Location]] = {}
        self._numbers = itertools.count()

    def add(self, ranges: Any, location: Location, name: str) -> str:
        """Make a file known; gives its URL, which ends in the name."""
        url = f"{PROTOCOL}://{next(self._numbers)}/{name}"
        self._files[url] = ranges, location
        return url

    def release(self) -> None:
        """Forget all files: DuckDB holds on to a file system after its end."""
        for ranges, _ in self._files.values():
            ranges.release()
        self._files.clear()

    def _found(self, path: str) -> tuple[Any, Location]:
        return self._files[path if path.startswith(f"{PROTOCOL}://") else f"{PROTOCOL}://{path}"]

    def open(self, path: str, mode: str = "rb", **_: Any) -> _Handle:
        """A file to read from."""
        del mode
        ranges, location = self._found(path)
        return _Handle(path, ranges, location, self._session)

    def glob(self, path: str, **_: Any) -> list[str]:
        """The file itself: its name has no wildcard."""
        return [path]

    def exists(self, path: str, **_: Any) -> bool:
        """Whether it was made known."""
        return path in self._files or f"{PROTOCOL}://{path}" in self._files

    isfile = exists

    def size(self, path: str) -> int:
        """Bytes of a file."""
        return int(self._found(path)[0].blob.size)

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        """What fsspec tells of a file."""
        return {"name": path, "size": self.size(path), "type": "file"}

    def modified(self, path: str) -> datetime:
        """Always the same: what was asked for stays as it was."""
        del path
        return datetime(2000, 1, 1, tzinfo=UTC)


class _Handle:
    """An open file. DuckDB's threads share it and seek before each read, so each has a place of its own."""

    mode = "rb"
    closed = False

    def __init__(self, path: str, ranges: Any, location: Location, session: weakref.ref[Session]) -> None:
        self.path, self._ranges, self._location, self._session = path, ranges, location, session
        self.size = ranges.blob.size
        self._at = threading.local()

    def seekable(self) -> bool:
        """It is."""
        return True

    def tell(self) -> int:
        """The place of this thread."""
        return int(getattr(self._at, "place", 0))

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to a place."""
        self._at.place = offset + (0, self.tell(), self.size)[whence]
        return int(self._at.place)

    def read(self, length: int = -1) -> bytes:
        """The bytes at the place. DuckDB makes a text of what is raised here: the session tells the error itself."""
        start = self.tell()
        end = self.size if length < 0 else min(start + length, self.size)
        try:
            with _room(self._location, str(self._ranges.local)):
                content: bytes = self._ranges.read(start, end)
        except BaseException as error:
            session = self._session()
            if session is None:
                raise
            raise OSError(session.failed(error)) from None
        self._at.place = end
        return content

    def close(self) -> None:
        """Nothing is held."""
        self.closed = True
