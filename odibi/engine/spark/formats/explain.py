"""What Spark says of files that it could not read, in the words of the pandas engine: file, line, value.

Spark names a file and a record, but no line. So the file is looked through here, by Python, once something is wrong.
"""

from __future__ import annotations

import lzma
import re
import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import unquote

from odibi.engine.header import records, unpacked
from odibi.engine.sources import delimiter_of
from odibi.engine.spark.formats.base import File, Input
from odibi.errors import DataError, OdibiError

MAX_REMEMBERED = 200
MAX_LOOKED_AT = 256 << 20
"""Bytes of a file that are looked through for a line."""
NO_OBJECTS = "holds no JSON objects with fields; it should be one object a line, or an array of objects"
REPAIR = "repair the line, or check `delimiter`, `quote` and `header`"
_read: OrderedDict[str, Input] = OrderedDict()
_OWN = re.compile(r"odibi: (?P<text>.*?)(?:\"?\s*SQLSTATE|\n|$)", re.DOTALL)
_FILE = re.compile(r"[Ee]ncountered error while reading file (?P<file>.+?)\.\s+(?:SQLSTATE|\n|Parquet|The)", re.DOTALL)
_VALUE = re.compile(
    r"^(?P<file>\S.*?): '(?P<value>.*)' is not (?P<type>.+?) \(column '(?P<column>.*?)'\)(?P<rest>;.*)$", re.DOTALL
)
_RECORD = re.compile(r"\[MALFORMED_CSV_RECORD\] Malformed CSV record: (?P<record>.*?)\s*(?:SQLSTATE|\n|$)", re.DOTALL)


def remember(input: Input) -> None:
    """A source that is being read: its errors come when it is used."""
    key = input.root or input.files[0].spark
    _read[key] = input
    _read.move_to_end(key)
    while len(_read) > MAX_REMEMBERED:
        _read.popitem(last=False)


UNCLOSED = "a quote is opened here and never closed; close it, or check the option `quote`"


def explain(text: str) -> OdibiError | None:
    """The error for a failed read, None for other texts."""
    own = _OWN.search(text)
    if own is not None:
        return DataError(_own(own["text"].strip().rstrip('"')))
    named = _FILE.search(text)
    if named is None:
        return _of_unnamed(text)
    input, file = _find(named["file"])
    shown = file.display if file is not None else _plain(named["file"])
    if input is not None and file is not None and input.source.format == "csv" and "FAILED_READ_FILE" in text:
        told = _bad_quote(input, file)
        if told:
            return DataError(told)
    if "MALFORMED_RECORD_IN_PARSING" in text or "MALFORMED_CSV_RECORD" in text:
        return DataError(_malformed(text, input, file, shown))
    return _other(text, file, shown)


def _of_unnamed(text: str) -> OdibiError | None:
    """The error for a failed read of which only the kind is told, as Spark before 4 does behind the first row: the
    newest of the sources that has such a fault. None where none has."""
    if "MALFORMED_CSV_RECORD" in text:
        told = _first(_bad_line, "csv")
        record = _RECORD.search(text)
        shown = record["record"][:200] if record else ""
        return DataError(told or f"a line has not as many fields as the header: {shown!r}; {REPAIR}")
    if "TextParsingException" in text and (told := _first(_bad_quote, "csv")):
        return DataError(told)
    if "MALFORMED_RECORD_IN_PARSING" in text and (told := _first(bad_object, "json")):
        return DataError(told)
    if re.search(r"EOFException: Unexpected end of input|ZipException|DataFormatException", text):
        return DataError(told) if (told := _first(_not_whole)) else None
    return None


def _first(look: Callable[[Input, File], str], format: str = "") -> str:
    """What a look at files finds, of the source that was read last; empty where it finds nothing."""
    inputs = [each for each in reversed(_read.values()) if each.seen and format in ("", each.source.format)]
    return next((told for input in inputs for file in input.files if (told := look(input, file))), "")


def _not_whole(input: Input, file: File) -> str:
    """What is to be said of a compressed file that can not be unpacked; empty for others."""
    if file.compression == "none":
        return ""
    try:
        with input.open(file) as packed, unpacked(packed, file.compression) as stream:
            while stream.read(1 << 20):
                pass
    except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError):
        return _damaged(file)
    return ""


def _damaged(file: File) -> str:
    return (
        f"{file.display} is no whole {file.compression} file; it was cut off or is not compressed: write it again, "
        "or state `compression`"
    )


def _other(text: str, file: File | None, shown: str) -> OdibiError | None:
    if "FILE_NOT_EXIST" in text or "FileNotFoundException" in text:
        return DataError(f"{shown} is gone: it was deleted or replaced while it was read; run again")
    if re.search(
        r"is not a Parquet file|CANNOT_READ_FILE_FOOTER|Could not read footer|can not read class org.apache.p", text
    ):
        return DataError(f"{shown} is not a whole Parquet file; it was cut off or is of another format; write it again")
    if re.search(r"Not an Avro data file|InvalidAvroMagic|AvroRuntimeException|Invalid sync", text):
        return DataError(f"{shown} is no whole Avro file; it was cut off or is of another format: write it again")
    if file is not None and file.compression != "none":
        return DataError(_damaged(file))
    return None


def _find(uri: str) -> tuple[Input | None, File | None]:
    """The source and the file of a URL as Spark shows it."""
    wanted = _plain(uri)
    for input in reversed(_read.values()):
        for file in input.files:
            if _plain(file.spark) == wanted:
                return input, file
    return None, None


def _plain(uri: str) -> str:
    return re.sub(r"^file:/+", "/", unquote(uri.strip()))


def _own(text: str) -> str:
    """A text of ours, with the file as users know it and the line where the value stands."""
    found = _VALUE.match(text)
    if found is None:
        place, _, rest = text.partition(": ")
        input, known = _find(place)
        if input is None or known is None:
            return text
        if rest == UNCLOSED:
            return _bad_quote(input, known) or f"{known.display}: {rest}"
        line = _line_of_bytes(input, known) if "the text is not" in rest else 0
        return f"{known.display}, line {line}: {rest}" if line else f"{known.display}: {rest}"
    input, file = _find(found["file"])
    if input is None or file is None:
        return text
    line = _line_of_value(input, file, found["column"], found["value"])
    where = f"{file.display}, line {line}" if line else file.display
    return f"{where}: {found['value']!r} is not {found['type']} (column {found['column']!r}){found['rest']}"


def _malformed(text: str, input: Input | None, file: File | None, shown: str) -> str:
    if input is not None and file is not None and input.source.format == "csv":
        told = _bad_line(input, file)
        if told:
            return told
    if input is not None and file is not None and input.source.format == "json":
        told = bad_object(input, file)
        if told:
            return told
    record = _RECORD.search(text)
    what = f": {record['record'][:200]!r}" if record else ""
    if (input is not None and input.source.format == "json") or ("JSON" in text and record is None):
        return f"{shown}: a record is no JSON object; it was cut off or is no JSON: repair it or write it again"
    return f"{shown}: a line has not as many fields as the header{what}; {REPAIR}"


def _bad_line(input: Input, file: File) -> str:
    """The first record that has not as many fields as the header, or is made of several lines; empty where there is
    none."""
    width = 0
    multiline = input.options.get("multiline")
    for line, record in _records(input, file):
        if not width:
            width = len(record)
        elif len(record) != width:
            shown = delimiter_of(file.path, input.options).join(record)[:200]
            return f"{file.display}, line {line}: expected {width} columns, found {len(record)}: {shown!r}; {REPAIR}"
        elif not multiline and any("\n" in field for field in record):
            return f"{file.display}, line {line}: fields in quotes hold line breaks; set multiline: true"
    return ""


def _bad_quote(input: Input, file: File) -> str:
    """The first record in which a quote is not where one can be, or never closed; empty where there is none."""
    import csv

    delimiter, options = delimiter_of(file.path, input.options), input.options
    mark, escape = options.get("quote", '"'), options.get("escape", '"')
    if len(delimiter) > 1 or not mark:
        return ""
    doubled: dict[str, Any] = {} if escape in ("", mark) else {"escapechar": escape, "doublequote": False}
    reader = csv.reader(_lines(input, file), delimiter=delimiter, quotechar=mark, strict=True, **doubled)
    line = 1
    try:
        for _ in reader:
            line = reader.line_num + 1
    except csv.Error:
        return f"{file.display}, line {line}: {UNCLOSED}"
    return ""


def bad_object(input: Input, file: File, lines: bool = True) -> str:
    """The first place that is no JSON object; empty where there is none."""
    import json

    texts = _lines(input, file) if lines else iter(["".join(_lines(input, file))])
    for number, line in enumerate(texts, 1):
        try:
            found = json.loads(line.rstrip()) if line.strip() else {}
        except json.JSONDecodeError as error:
            return (
                f"{file.display}, line {number + error.lineno - 1}: {error.msg}; "
                "it was cut off or is no JSON: repair it or write it again"
            )
        if not isinstance(found, dict | list):
            return f"{file.display}, line {number}: no JSON object but {line.strip()[:100]!r}; repair the line"
        if isinstance(found, list) and found and not any(isinstance(each, dict) for each in found):
            return f"{file.display} {NO_OBJECTS}"
    return ""


def _line_of_value(input: Input, file: File, column: str, value: str) -> int:
    """The first line of a value in a column, 0 where it is not found."""
    place = -1
    for line, record in _records(input, file):
        if place < 0:
            header = [field.strip() for field in record]
            if not input.options.get("header", True):
                header = list(input.options.get("names") or input.source.schema) or [
                    f"_c{n}" for n in range(len(record))
                ]
            if column not in header:
                return 0
            place = header.index(column)
            if input.options.get("header", True):
                continue
        if place < len(record) and record[place][: len(value)] == value:
            return line
    return 0


def _line_of_bytes(input: Input, file: File) -> int:
    """The first line that is no UTF-8 text, 0 where there is none."""
    for number, line in enumerate(_lines(input, file), 1):
        if "\ufffd" in line:
            return number
    return 0


def _records(input: Input, file: File) -> Iterator[tuple[int, list[str]]]:
    """The records of a file, each with the line that it ends on, as far as the file is looked through."""
    import csv

    count = 0
    comment = input.options.get("comment")

    def lines() -> Iterator[str]:
        nonlocal count
        for each in _lines(input, file):
            count += 1
            if each.strip("\r\n") and not (comment and each.startswith(comment)):
                yield each

    csv.field_size_limit(2**31 - 1)
    with suppress(csv.Error):  # what is wrong is told anyway, without a line
        for record in records(lines(), delimiter_of(file.path, input.options), input.options):
            yield count, record


def _lines(input: Input, file: File) -> Iterator[str]:
    """The lines of a file, as far as it is looked through."""
    import io

    if not input.seen:
        return
    encoding = input.options.get("encoding", "utf-8")
    size = 0
    with suppress(OSError, EOFError), input.open(file) as packed, unpacked(packed, file.compression) as stream:
        text = io.TextIOWrapper(stream, "utf-8-sig" if encoding == "utf-8" else encoding, "replace", newline="")
        for each in text:
            size += len(each)
            if size > MAX_LOOKED_AT:
                return
            yield each
