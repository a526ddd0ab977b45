"""The first record of a CSV file: its column names as they stand there."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator, Mapping
from typing import Any

import duckdb

from odibi.engine.pandas.formats.base import File, reader
from odibi.engine.pandas.session import Session
from odibi.errors import DataError

HEAD_BYTES = 1 << 16
MAX_HEAD_BYTES = 1 << 24
WAY_OUT = "name the columns yourself: header: false, skip_rows: 1, names: [a, b, …]"


def header_of(
    session: Session, file: File, delimiter: str, options: Mapping[str, Any], encodings: Mapping[str, str]
) -> tuple[str, ...]:
    """The fields of the first record, behind `skip_rows` lines, comments and blank lines. Raises `DataError`."""
    size = HEAD_BYTES
    while True:
        text, whole = _head(session, file, size, options, encodings)
        record = _first_record(text, delimiter, options, whole)
        if record is not None:
            return record
        if whole or size >= MAX_HEAD_BYTES:
            raise DataError(
                f"{file.display} holds no line of data, not even a header; write it again, or leave the node out"
            )
        size *= 16


def _first_record(text: str, delimiter: str, options: Mapping[str, Any], whole: bool) -> tuple[str, ...] | None:
    """The record, or None where the text ends before it does."""
    lines = io.StringIO(text, newline="")
    for _ in range(options.get("skip_rows", 0)):
        lines.readline()
    comment = options.get("comment")
    left = [line for line in lines if line.strip("\r\n") and not (comment and line.startswith(comment))]
    if not left or (not whole and len(left) < 2):
        return None
    taken = _Counted(left)
    fields = next(_records(taken, delimiter, options), None)
    if fields is None or (not whole and taken.count == len(left)):
        return None
    return tuple(field.strip() for field in fields)


def _records(lines: Iterator[str], delimiter: str, options: Mapping[str, Any]) -> Iterator[list[str]]:
    mark, escape = options.get("quote", '"'), options.get("escape", '"')
    if len(delimiter) > 1:
        return (line.rstrip("\r\n").split(delimiter) for line in lines)
    quoting: dict[str, Any] = {"quotechar": mark} if mark else {"quoting": csv.QUOTE_NONE}
    if mark and escape and escape != mark:
        quoting |= {"escapechar": escape, "doublequote": False}
    return csv.reader(lines, delimiter=delimiter, **quoting)


class _Counted(Iterator[str]):
    """Lines, and how many of them were taken."""

    def __init__(self, lines: list[str]) -> None:
        self._lines, self.count = lines, 0

    def __next__(self) -> str:
        if self.count == len(self._lines):
            raise StopIteration
        self.count += 1
        return self._lines[self.count - 1]


def _head(
    session: Session, file: File, size: int, options: Mapping[str, Any], encodings: Mapping[str, str]
) -> tuple[str, bool]:
    """The beginning of a file as text, and whether that is all of it."""
    encoding = options.get("encoding", "utf-8")
    if file.compression == "zstd":
        return _head_of_zstd(session, file, encodings[encoding])
    from odibi.engine.pandas.formats.unpack import open_plain

    try:
        with open_plain(file) as stream:
            raw = stream.read(size)
    except (EOFError, OSError) as error:
        if file.compression != "gzip":
            raise
        raise DataError(
            f"{file.display} is no whole gzip file ({error}); it was cut off or is not compressed: write it again, "
            "or state `compression`"
        ) from error
    return _decode(raw, encoding, file, len(raw) < size), len(raw) < size


def _decode(raw: bytes, encoding: str, file: File, whole: bool) -> str:
    if b"\0" in raw and not encoding.startswith("utf-16"):
        utf16 = raw[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
        hint = "state encoding: utf-16" if utf16 else "check that it is a text file, and state its `encoding`"
        raise DataError(f"{file.display} is not {encoding} text: it holds zero bytes; {hint}")
    try:
        text = codecs.getincrementaldecoder("utf-8-sig" if encoding == "utf-8" else encoding)().decode(raw, final=whole)
    except UnicodeError as error:
        line = raw[: getattr(error, "start", 0)].count(b"\n") + 1
        raise DataError(
            f"{file.display}, line {line}: the text is not {encoding}; "
            "state its `encoding`, for example latin-1, cp1252 or utf-16"
        ) from error
    return text


def _head_of_zstd(session: Session, file: File, encoding: str) -> tuple[str, bool]:
    """The first lines, through DuckDB: Python's own zstd is younger than the oldest Python that odibi runs on."""
    limit = 100
    arguments = {
        "auto_detect": "false", "header": "false", "parallel": "false", "delim": "'\x01'", "quote": "''",
        "escape": "''", "compression": "'zstd'", "columns": "{'line': 'VARCHAR'}", "encoding": f"'{encoding}'",
    }  # fmt: skip
    try:
        found = session.execute(f"SELECT line FROM {reader('read_csv', [file], arguments)} LIMIT {limit}")
    except duckdb.IOException as error:
        raise DataError(
            f"{file.display} is no whole zstd file ({error}); it was cut off or is not compressed: write it again, "
            "or state `compression`"
        ) from error
    return "".join((line or "") + "\n" for (line,) in found).removeprefix("\ufeff"), len(found) < limit
