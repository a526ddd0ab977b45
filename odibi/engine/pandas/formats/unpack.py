"""Compression and encodings that DuckDB does not know: the text is made plain in a scratch file."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from odibi.engine.header import unpacked
from odibi.engine.pandas.formats.base import File, scratch
from odibi.engine.pandas.session import Session
from odibi.errors import DataError

if TYPE_CHECKING:
    import zipfile

MARK = "\x1e"
"""Begins lines that are comments, in copies of ours."""
_OTHER_BYTES = "surrogateescape"
"""Bytes that are no UTF-8 stay as they are: DuckDB tells of them, with their line."""


def unpack(session: Session, file: File, suffixes: Sequence[str]) -> list[tuple[str, str]]:
    """The plain files inside a compressed one: local path and the name to show. Raises `DataError` for a broken one."""
    if file.compression == "zip":
        return _unzip(session, file, suffixes)
    import bz2
    import lzma

    local = scratch(session, os.path.splitext(file.local)[0])
    opener = bz2.open if file.compression == "bz2" else lzma.open
    try:
        with opener(file.local, "rb") as source, open(local, "wb") as target:
            shutil.copyfileobj(source, target, 1 << 20)
    except (OSError, EOFError, lzma.LZMAError) as error:
        raise _broken(file, str(error)) from error
    return [(local, file.display)]


def _unzip(session: Session, file: File, suffixes: Sequence[str]) -> list[tuple[str, str]]:
    import zipfile
    import zlib

    try:
        with zipfile.ZipFile(file.local) as archive:
            members = _members(archive, suffixes)
            if not members:
                raise DataError(
                    f"{file.display} holds no {' or '.join(suffixes)} file; "
                    f"it has: {', '.join(archive.namelist()[:10])}"
                )
            return [(_extract(session, archive, member), f"{file.display}/{member}") for member in members]
    except RuntimeError as error:  # what zipfile raises for a password
        raise DataError(f"{file.display} can not be unpacked: {error}; write it without a password") from error
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise _broken(file, str(error)) from error


def _members(archive: zipfile.ZipFile, suffixes: Sequence[str]) -> list[str]:
    """The data files of an archive; its only file whatever its name is."""
    names = sorted(info.filename for info in archive.infolist() if not info.is_dir() and info.file_size)
    visible = [name for name in names if not any(part.startswith((".", "__MACOSX")) for part in name.split("/"))]
    return visible if len(visible) == 1 else [name for name in visible if name.lower().endswith(tuple(suffixes))]


def _extract(session: Session, archive: zipfile.ZipFile, member: str) -> str:
    local = scratch(session, member)
    with archive.open(member) as source, open(local, "wb") as target:
        shutil.copyfileobj(source, target, 1 << 20)
    return local


def _broken(file: File, detail: str) -> DataError:
    return DataError(
        f"{file.display} is no whole {file.compression} file ({detail}); it was cut off or is of another kind: "
        "write it again, or state `compression`"
    )


def with_marks(session: Session, file: File, options: Mapping[str, Any]) -> str:
    """A UTF-8 copy of a text file in which the lines that are comments are one `MARK` each. DuckDB also takes what
    stands behind the character in a line of data for a comment, and would leave it out."""
    import io

    name = os.path.splitext(file.local)[0] if file.compression != "none" else file.local
    local, encoding = scratch(session, name), options.get("encoding", "utf-8")
    known = "utf-8-sig" if encoding == "utf-8" else encoding
    try:
        with (
            open(file.local, "rb") as packed,
            unpacked(packed, file.compression) as stream,
            io.TextIOWrapper(stream, known, _OTHER_BYTES if encoding == "utf-8" else "strict", newline="") as source,
            open(local, "w", encoding="utf-8", errors=_OTHER_BYTES, newline="") as target,
        ):
            target.writelines(_marked(source, options))
    except (UnicodeError, EOFError) as error:
        raise DataError(f"{file.display} is not {encoding} text ({error}); state the right `encoding`") from error
    return local


def _marked(lines: Iterable[str], options: Mapping[str, Any]) -> Iterator[str]:
    comment, left = options["comment"], options.get("skip_rows", 0)
    quote, escape = options.get("quote", '"'), options.get("escape", '"')
    quoted = False
    for line in lines:
        if left:
            left -= 1
        elif not quoted and line.startswith(comment):
            line = MARK + line[len(line.rstrip("\r\n")) :]  # noqa: PLW2901 - as many lines as before
        elif quote:
            bare = line.replace(escape + quote, "") if escape and escape != quote else line
            quoted ^= bare.count(quote) % 2 == 1
        yield line


def transcode(session: Session, file: File, encoding: str) -> str:
    """A UTF-8 copy of a text file. Raises `DataError` where the bytes do not fit the encoding."""
    import io

    name = os.path.splitext(file.local)[0] if file.compression != "none" else file.local
    local = scratch(session, name)
    try:
        with (
            open(file.local, "rb") as packed,
            unpacked(packed, file.compression) as stream,
            io.TextIOWrapper(stream, encoding=encoding, newline="") as source,
            open(local, "w", encoding="utf-8", newline="") as target,
        ):
            shutil.copyfileobj(source, target, 1 << 20)
    except (UnicodeError, EOFError) as error:
        raise DataError(f"{file.display} is not {encoding} text ({error}); state the right `encoding`") from error
    return local
