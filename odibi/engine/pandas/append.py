"""Appending to text files: the new rows go behind the bytes that are there.

What is there is not read and written anew, which could change how its numbers and texts are spelled. The whole is
written aside and renamed over the file, as in every write.
"""

from __future__ import annotations

import gzip
import os
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

from odibi.connections.base import Location
from odibi.engine.base import Target
from odibi.engine.pandas.formats import FORMATS
from odibi.engine.pandas.session import DuckFrame, Session
from odibi.files import files_for, staged
from odibi.files.stages import Expected
from odibi.files.urls import UrlFiles

GZIP, ZSTD, ZIP = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"PK\x03\x04"
HEAD = 4096
"""Bytes in which an array of JSON shows itself, behind whatever space is before it."""


def goes_behind(old: DuckFrame, new: DuckFrame, target: Target, location: Location) -> bool:
    """Whether the new rows can be put behind the old file's text: one CSV file of the same columns in the same order,
    or one file of JSON lines, plain or gzip, that ends with a line break. CSV with lines that end in CRLF does not
    qualify: the new lines end in LF, and a file of both can not be read."""
    options: Mapping[str, Any] = target.options
    if target.format not in ("csv", "json") or target.partition_by or files_for(location).kind(location.uri) != "file":
        return False
    if str(options.get("encoding", "utf-8")).lower().replace("_", "-") not in ("utf-8", "utf8"):
        return False
    if target.format == "csv" and [c.name for c in old.columns] != [c.name for c in new.columns]:
        return False
    if target.format == "json" and not options.get("lines", True):
        return False
    first, last = _ends(location)
    if target.format == "csv":
        return last.endswith(b"\n") and last != b"\r\n"
    return last.endswith(b"\n") and not first.lstrip().startswith(b"[")


def put_behind(session: Session, new: DuckFrame, target: Target, location: Location, expected: Expected | None) -> int:
    """Write the rows behind the file's text, aside, and publish the whole; gives the number of new rows."""
    bare = target
    if target.format == "csv":
        bare = replace(target, options={**target.options, "header": False})
    with staged(location, stopped=lambda: session.interrupted, expected=expected) as path:
        beside = Path(path).parent.parent / "rows" / Path(path).name
        beside.parent.mkdir()
        rows: int = FORMATS[target.format].write(session, new, bare, str(beside))
        _copy(session, location, path)
        with Path(path).open("ab") as whole, beside.open("rb") as more:
            shutil.copyfileobj(more, whole)
    return rows


def _copy(session: Session, location: Location, local: str) -> None:
    """Copy the file that is there to a local path."""
    files = files_for(location)
    if isinstance(files, UrlFiles):
        files.download(location.uri, local, lambda: session.interrupted)
    else:
        shutil.copyfile(location.uri, local)


def _ends(location: Location) -> tuple[bytes, bytes]:
    """The first bytes and the last two of the text in a file, empty where they can not be told."""
    with files_for(location).open_read(location.uri) as file:
        first = file.read(HEAD)
        if first.startswith((ZSTD, ZIP)):
            return b"", b""
        if first.startswith(GZIP):
            file.seek(0)
            return _gzip_ends(file)
        file.seek(-min(len(first), 2), os.SEEK_END)
        return first, file.read(2)


def _gzip_ends(file: IO[bytes]) -> tuple[bytes, bytes]:
    first = last = b""
    with gzip.open(file, "rb") as text:
        while block := text.read(1 << 20):
            first, last = first or block[:HEAD], (last + block[-2:])[-2:]
    return first, last
