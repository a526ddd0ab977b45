"""The first record of a CSV file: its column names as they stand there. Any engine reads it on the driver."""

from __future__ import annotations

import codecs
import csv
import io
import lzma
from collections.abc import Callable, Iterator, Mapping
from typing import IO, Any, cast

from odibi.errors import DataError

HEAD_BYTES = 1 << 16
MAX_HEAD_BYTES = 1 << 24
WAY_OUT = "name the columns yourself: header: false, skip_rows: 1, names: [a, b, …]"
Open = Callable[[], IO[bytes]]
"""Opens a file anew, packed as it lies there."""


def header_of(
    display: str, open_file: Open, compression: str, delimiter: str, options: Mapping[str, Any]
) -> tuple[str, ...]:
    """The fields of the first record, behind `skip_rows` lines, comments and blank lines. Raises `DataError`."""
    return head_of(display, open_file, compression, delimiter, options)[0]


def head_of(
    display: str, open_file: Open, compression: str, delimiter: str, options: Mapping[str, Any]
) -> tuple[tuple[str, ...], bool]:
    """The header, and whether quoted fields in the beginning of the file hold line breaks."""
    size = HEAD_BYTES
    while True:
        text, whole = read_head(display, open_file, compression, size, options.get("encoding", "utf-8"))
        lines = _lines(text, options)
        record = _first_record(lines, delimiter, options, whole)
        if record is not None:
            return record, _spans_lines(lines, delimiter, options, whole)
        if whole or size >= MAX_HEAD_BYTES:
            raise DataError(
                f"{display} holds no line of data, not even a header; write it again, or leave the node out"
            )
        size *= 16


def _lines(text: str, options: Mapping[str, Any]) -> list[str]:
    """The lines that are neither skipped nor blank nor comments."""
    lines = io.StringIO(text, newline="")
    for _ in range(options.get("skip_rows", 0)):
        lines.readline()
    comment = options.get("comment")
    return [line for line in lines if line.strip("\r\n") and not (comment and line.startswith(comment))]


def _first_record(lines: list[str], delimiter: str, options: Mapping[str, Any], whole: bool) -> tuple[str, ...] | None:
    """The record, or None where the text ends before it does."""
    if not lines or (not whole and len(lines) < 2):
        return None
    taken = _Counted(lines)
    fields = next(records(taken, delimiter, options), None)
    if fields is None or (not whole and taken.count == len(lines)):
        return None
    return tuple(field.strip() for field in fields)


def _spans_lines(lines: list[str], delimiter: str, options: Mapping[str, Any], whole: bool) -> bool:
    """Whether a record is made of several lines, or goes on where the text ends; of a text that is cut off there, its
    last record apart."""
    taken = _Counted(lines)
    try:
        for count, _ in enumerate(records(taken, delimiter, options, strict=whole), 1):
            if taken.count > count:
                return whole or taken.count < len(lines)
    except csv.Error as error:
        return "end of data" in str(error)
    return False


def records(
    lines: Iterator[str], delimiter: str, options: Mapping[str, Any], strict: bool = False
) -> Iterator[list[str]]:
    """The records of a delimited text, as lists of fields; a `strict` one that is not whole is a `csv.Error`."""
    mark, escape = options.get("quote", '"'), options.get("escape", '"')
    if len(delimiter) > 1:
        return (line.rstrip("\r\n").split(delimiter) for line in lines)
    quoting: dict[str, Any] = {"quotechar": mark} if mark else {"quoting": csv.QUOTE_NONE}
    if mark and escape and escape != mark:
        quoting |= {"escapechar": escape, "doublequote": False}
    return csv.reader(lines, delimiter=delimiter, strict=strict, **quoting)


class _Counted(Iterator[str]):
    """Lines, and how many of them were taken."""

    def __init__(self, lines: list[str]) -> None:
        self._lines, self.count = lines, 0

    def __next__(self) -> str:
        if self.count == len(self._lines):
            raise StopIteration
        self.count += 1
        return self._lines[self.count - 1]


# -- the beginning of a file -------------------------------------------------------------------------------------------


def read_head(display: str, open_file: Open, compression: str, size: int, encoding: str) -> tuple[str, bool]:
    """The beginning of a file as text, and whether that is all of it. Raises `DataError` for what is no such text."""
    try:
        with open_file() as packed, unpacked(packed, compression) as stream:
            raw = stream.read(size)
    except (EOFError, OSError, lzma.LZMAError) as error:
        if compression == "none":
            raise
        raise DataError(
            f"{display} is no whole {compression} file ({error}); it was cut off or is not compressed: write it again, "
            "or state `compression`"
        ) from error
    return _decode(raw, encoding, display, len(raw) < size), len(raw) < size


def unpacked(stream: IO[bytes], compression: str) -> IO[bytes]:
    """A stream of what a compressed stream holds."""
    if compression == "gzip":
        import gzip

        return cast("IO[bytes]", gzip.GzipFile(fileobj=stream))
    if compression == "bz2":
        import bz2

        return bz2.BZ2File(stream)
    if compression == "xz":
        return lzma.LZMAFile(stream)
    if compression == "zstd":  # Python's own is younger than the oldest Python that odibi runs on
        import pyarrow as pa

        return cast("IO[bytes]", pa.CompressedInputStream(pa.PythonFile(stream, "r"), "zstd"))
    return stream


def _decode(raw: bytes, encoding: str, display: str, whole: bool) -> str:
    if b"\0" in raw and not encoding.startswith(("utf-16", "utf-32")):
        utf16 = raw[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
        hint = "state encoding: utf-16" if utf16 else "check that it is a text file, and state its `encoding`"
        raise DataError(f"{display} is not {encoding} text: it holds zero bytes; {hint}")
    try:
        text = codecs.getincrementaldecoder("utf-8-sig" if encoding == "utf-8" else encoding)().decode(raw, final=whole)
    except UnicodeError as error:
        line = raw[: getattr(error, "start", 0)].count(b"\n") + 1
        raise DataError(
            f"{display}, line {line}: the text is not {encoding}; "
            "state its `encoding`, for example latin-1, cp1252 or utf-16"
        ) from error
    return text
