"""CSV: the driver reads the headers, Spark reads all columns as texts, and casts that are written out make the types.

A row of the wrong width is an error. Types that nobody declares are found out by one aggregation over all rows
(`infer`); with declared types no job runs before the data is used.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from odibi.engine.base import Source, Target
from odibi.engine.header import WAY_OUT, head_of
from odibi.engine.sources import HINTS, check_names, delimiter_of, refuse_types
from odibi.engine.spark.formats import explain, on_executors
from odibi.engine.spark.formats.base import (
    Codec,
    File,
    Input,
    columns_of_types,
    empty_frame,
    grouped,
    literal,
    load,
    look,
    open_input,
    partition_item,
    quote,
    union,
)  # fmt: skip
from odibi.engine.spark.formats.by_python import read_by_python, says_its_compression
from odibi.engine.spark.formats.infer import infer
from odibi.engine.spark.formats.texts import Patterns, typed
from odibi.engine.spark.formats.write_texts import write_csv
from odibi.engine.spark.frame import SparkFrame
from odibi.engine.spark.raised import OURS
from odibi.engine.spark.session import Session
from odibi.engine.spark.types import schema_of
from odibi.errors import DataError
from odibi.formats.csv import CSV
from odibi.types import Column, DataType

NATIVE = {
    "utf-8": "UTF-8", "utf-8-sig": "UTF-8", "ascii": "US-ASCII", "iso8859-1": "ISO-8859-1", "utf-16": "UTF-16",
    "utf-16-le": "UTF-16LE", "utf-16-be": "UTF-16BE", "utf-32": "UTF-32",
}  # fmt: skip
"""Encodings that every Spark reads, by the names of Python's codecs."""
WIDE = ("utf-16", "utf-16-le", "utf-16-be", "utf-32")
"""Encodings in which a line break is more than one byte: such files are not split."""
NESTED = ("array", "map", "struct", "binary")
MOST_COLUMNS = 20_000
"""Columns that Spark's reader takes without being told; it makes room for as many."""
END_BYTES = 400
"""Bytes of a file's end that are compared with its last value; even, since some letters have two."""
STRING = DataType("string")
FILE = "__odibi_file"
"""A column of the file that a row is from, for messages; Spark leaves it out where none is raised."""


def scan(session: Session, source: Source) -> SparkFrame:
    """A lazy frame over delimited text. Raises `DataError` for a header that is not right."""
    input = open_input(source, text=True, empty_is_fine=HINTS in source.options)
    if not input.files:
        return empty_frame(session, input)
    explain.remember(input)
    said = [Column(name, type) for name, type in input.types.items()]
    refuse_types(said, NESTED, "csv", input.display, "declare it string")
    groups = grouped(input, _headers(session, input), WAY_OUT)
    names = list(dict.fromkeys(name for group in groups for name in group))
    partitions = [name for name in input.partitions if name not in names]
    wanted = input.pick([*names, *partitions])
    texts = {group: _texts(session, input, group, files) for group, files in groups.items()}
    types = _types(input, list(texts.values()), names)
    parts = [_select(input, frame, group, types, wanted, partitions) for group, frame in texts.items()]
    known = {**{name: input.partitions[name] for name in partitions}, **types}
    data = parts[0] if len(parts) == 1 else union(parts).select(*map(quote, wanted))
    return SparkFrame(data, columns_of_types(known, wanted))


# -- columns -----------------------------------------------------------------------------------------------------------


def _headers(session: Session, input: Input) -> list[tuple[File, tuple[str, ...]]]:
    """The column names of the files: their headers, or what stands for these."""
    if not input.seen:
        return [(input.files[0], _header_by_spark(session, input))]
    return look(input, partial(_header, input))


def _header(input: Input, file: File) -> tuple[str, ...]:
    options = input.options
    if file.compression == "zip":
        return _header_in_zip(input, file)
    first, spans = head_of(
        file.display, partial(input.open, file), file.compression, delimiter_of(file.path, options), options
    )
    if spans and not options.get("multiline") and not _in_python(input, file):
        raise DataError(
            f"{file.display}: fields in quotes hold line breaks; set multiline: true, or close the quote that is open"
        )
    return _names(input, file, first)


def _names(input: Input, file: File, first: tuple[str, ...]) -> tuple[str, ...]:
    options = input.options
    if len(first) == 1 and not options.get("delimiter") and (other := re.search(r"[;\t|]", first[0])):
        raise DataError(
            f"{file.display}: its first line is one column, {first[0]!r}; "
            f"state the delimiter: {other[0]!r} (or ',' if this is right)"
        )
    if options.get("header", True):
        check_names(first, f"{file.display}, header", WAY_OUT)
        return first
    names = options.get("names") or tuple(input.source.schema)
    if names and len(names) != len(first):
        raise DataError(f"{file.display} has {len(first)} columns in its first line, but {len(names)} names are given")
    check_names(names, "names", "give each column a name of its own")
    return tuple(names) or tuple(f"_c{number}" for number in range(len(first)))


def _header_in_zip(input: Input, file: File) -> tuple[str, ...]:
    import io

    with input.open(file) as packed:
        content = packed.read()
    found = []
    try:
        for name, stream in on_executors.unpacked(content, "zip", CSV.suffixes, file.display):
            head = io.BytesIO(stream.read())
            found.append(head_of(name, lambda: head, "none", delimiter_of(name, input.options), input.options)[0])  # noqa: B023
    except ValueError as error:
        if isinstance(error, DataError):
            raise
        raise DataError(str(error).removeprefix(OURS)) from error
    if any(set(names) != set(found[0]) for names in found):
        raise DataError(f"{file.display} holds files of different columns; unpack it and read them apart")
    return _names(input, file, found[0])


def _header_by_spark(session: Session, input: Input) -> tuple[str, ...]:
    """The first line where only Spark reaches the files: a job of one task, as Spark's own look at the header."""
    import io

    file = input.files[0]
    lines = session.spark.read.text(file.spark).limit(2 + int(input.options.get("skip_rows", 0)) + 20).collect()
    text = "\n".join(row[0] for row in lines) + "\n"
    first, _ = head_of(
        file.display, lambda: io.BytesIO(text.encode()), "none", delimiter_of(file.path, input.options), input.options
    )
    return _names(input, file, first)


# -- types -------------------------------------------------------------------------------------------------------------


def _types(input: Input, texts: Sequence[Any], names: Sequence[str]) -> dict[str, DataType | None]:
    """The type of every column: said, else inferred, else string; None where there is no row to tell it."""
    types: dict[str, DataType | None] = {name: input.types[name] for name in names if name in input.types}
    unknown = [name for name in names if name not in types]
    if unknown and not input.source.schema and input.options.get("infer_schema", True):
        types |= infer(texts, unknown, input.options)
    return {name: types.get(name, STRING) for name in names}


def _select(
    input: Input,
    texts: Any,
    group: Sequence[str],
    types: Mapping[str, DataType | None],
    wanted: Sequence[str],
    partitions: Sequence[str],
) -> Any:
    patterns = Patterns.of(input.options)
    guarded = "encoding" not in input.options
    items = []
    for name in wanted:
        type = types.get(name)
        if name in partitions:
            items.append(partition_item(input, name))
        elif name in group and type is None:
            items.append(f"CAST(NULL AS VOID) AS {quote(name)}")
        elif name in group and type is not None:
            items.append(typed(name, type, patterns, FILE, guarded))
    return texts.selectExpr(*items)


# -- texts -------------------------------------------------------------------------------------------------------------


def _texts(session: Session, input: Input, names: Sequence[str], files: Sequence[File]) -> Any:
    """All columns of some files as texts, as they stand there; words that mean NULL are NULL."""
    schema = schema_of(Column(name, STRING) for name in names)
    place = literal(input.display)
    if any(_in_python(input, file) for file in files):
        frame = _by_python(session, input, names, files, schema)
    else:
        layout = _layout(input, files[0], len(names))
        frame = load(input, session, "csv", schema, files, layout)
        if layout["multiLine"] == "true" and layout["quote"] and "_metadata" not in names:
            frame = _closed(input, frame, names[-1], files)
        if input.seen and len(files) == 1:  # to carry the name along costs as much as to read a number
            place = literal(files[0].spark)
        elif "_metadata" not in names:
            place = "_metadata.file_path"
    words = ", ".join(literal(word) for word in input.options.get("null_values", ()) if word)
    items = [
        f"CASE WHEN {quote(name)} IN ({words}) THEN NULL ELSE {quote(name)} END AS {quote(name)}"
        if words and name in names
        else quote(name)
        for name in frame.columns
    ]
    return frame.selectExpr(*items, f"{place} AS {FILE}")


def _closed(input: Input, frame: Any, last: str, files: Sequence[File]) -> Any:
    """The rows, but an error at a field that goes on to the end of its file because nothing closes it: Spark takes all
    that is there for its value. Only the last column can hold such a one; else the row has not as many fields as it
    should."""
    if not input.seen:
        return frame
    whole, parts = set[str](), set[str]()
    for _, (end, alone) in look(replace(input, files=tuple(files)), partial(_end, input)):
        (parts if alone else whole).add(end)
    value = f"replace({quote(last)}, {literal(chr(13) + chr(10))}, {literal(chr(10))})"
    tests = [f"{value} = {literal(end)}" for end in parts if end]
    tests += [f"endswith({value}, {literal(end)})" for end in whole if end]
    if not tests:
        return frame
    told = f"raise_error(concat({literal(OURS)}, _metadata.file_path, {literal(': ' + explain.UNCLOSED)}))"
    spans = f"instr({quote(last)}, {literal(chr(10))}) > 0"
    return frame.where(f"CASE WHEN {spans} AND ({' OR '.join(tests)}) THEN CAST({told} AS BOOLEAN) ELSE true END")


def _end(input: Input, file: File) -> tuple[str, bool]:
    """The end of a file, and whether it is all that lies behind the last quote; empty where that tells nothing."""
    if file.compression != "none":
        return "", False
    with input.open(file) as stream:
        stream.seek(-min(stream.seek(0, os.SEEK_END), END_BYTES), os.SEEK_END)
        raw = stream.read()
    codec = input.options.get("encoding", "utf-8")
    text = raw.decode(codec, "ignore").replace("\r\n", "\n")
    _, mark, behind = text.rpartition(str(input.options.get("quote", '"')))
    if not mark:
        return text[1:], False  # the first letter may be half of one
    return (behind if "\n" in behind.rstrip("\n") else ""), True


def _in_python(input: Input, file: File) -> bool:
    """Whether Spark's reader does not take a file."""
    options = input.options
    return (
        options.get("encoding", "utf-8") not in NATIVE
        or bool(options.get("skip_rows"))
        or file.compression in ("zip", "xz", "zstd")
        or not says_its_compression(file)
    )


def _layout(input: Input, file: File, width: int) -> dict[str, str]:
    """Everything of the text's layout, as Spark's options."""
    options = input.options
    encoding = options.get("encoding", "utf-8")
    quote_mark = options.get("quote", '"')
    layout = {
        "header": _flag(options.get("header", True)),
        "sep": delimiter_of(file.path, options),
        "quote": quote_mark,
        "escape": options.get("escape", '"') if quote_mark else "",
        "encoding": NATIVE[encoding],
        "multiLine": _flag(bool(options.get("multiline")) or encoding in WIDE),
        "mode": "FAILFAST",  # else a row of another width is filled up or cut
        "unescapedQuoteHandling": "RAISE_ERROR",  # else a field that is not closed goes on to the next quote
        "columnPruning": "false",  # else that is not seen where not all columns are used
        "ignoreLeadingWhiteSpace": "false",
        "ignoreTrailingWhiteSpace": "false",
    }
    if width > MOST_COLUMNS:
        layout["maxColumns"] = str(width + 1)
    if options.get("comment"):
        layout["comment"] = options["comment"]
    if options.get("empty_as_null") is False:
        layout |= {"nullValue": "\x01", "emptyValue": ""}
    return layout


def _flag(value: bool) -> str:
    return str(bool(value)).lower()


def _by_python(session: Session, input: Input, names: Sequence[str], files: Sequence[File], schema: Any) -> Any:
    """The texts of files that Spark's reader does not take."""
    options = input.options
    facts = {
        "delimiter": delimiter_of(files[0].path, options),
        "quote": options.get("quote", '"'),
        "escape": options.get("escape", '"'),
        "encoding": options.get("encoding", "utf-8"),
        "header": bool(options.get("header", True)),
        "skip_rows": options.get("skip_rows", 0),
        "comment": options.get("comment", ""),
    }
    return read_by_python(
        session, input, files, schema, partial(on_executors.rows_of, list(names)), facts, CSV.suffixes
    )


def write(session: Session, frame: SparkFrame, target: Target, path: str) -> None:
    """Write a frame as delimited text. Raises `DataError` for nested and binary columns."""
    write_csv(session, frame, target, path)


CODEC = Codec(scan, write)
