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

GZIP, ZSTD, ZIP = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"PK\x03\x04"


def goes_behind(old: DuckFrame, new: DuckFrame, target: Target, location: Location) -> bool:
    """Whether the new rows can be put behind the old file's text: one CSV file of the same columns in the same order,
    or one file of JSON lines, plain or gzip, that ends with a line break."""
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
    return last == b"\n" and not (target.format == "json" and first == b"[")


def put_behind(session: Session, new: DuckFrame, target: Target, location: Location) -> int:
    """Write the rows behind the file's text, aside, and publish the whole; gives the number of new rows."""
    bare = target
    if target.format == "csv":
        bare = replace(target, options={**target.options, "header": False})
    with staged(location) as path:
        beside = Path(path).parent.parent / "rows" / Path(path).name
        beside.parent.mkdir()
        rows: int = FORMATS[target.format].write(session, new, bare, str(beside))
        with Path(path).open("wb") as whole:
            with files_for(location).open_read(location.uri) as old:
                shutil.copyfileobj(old, whole)
            with beside.open("rb") as more:
                shutil.copyfileobj(more, whole)
    return rows


def _ends(location: Location) -> tuple[bytes, bytes]:
    """First and last byte of the text in a file, empty where it can not be told."""
    with files_for(location).open_read(location.uri) as file:
        magic = file.read(4)
        if magic.startswith((ZSTD, ZIP)) or not magic:
            return b"", b""
        if magic.startswith(GZIP):
            file.seek(0)
            return _gzip_ends(file)
        file.seek(-1, os.SEEK_END)
        return magic[:1], file.read(1)


def _gzip_ends(file: IO[bytes]) -> tuple[bytes, bytes]:
    first = last = b""
    with gzip.open(file, "rb") as text:
        while block := text.read(1 << 20):
            first, last = first or block[:1], block[-1:]
    return first, last
