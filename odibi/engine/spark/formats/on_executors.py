"""Text files that Spark's own readers do not take, read in Python, a file at a time, on the executors.

This module is pickled by value, so that the executors need no odibi: it imports nothing of it, and its functions import
what they need. Errors begin with `odibi: `; what follows is the text for the user.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import IO, Any

BATCH_ROWS = 20_000


def rows_of(
    columns: Sequence[str], partitions: Sequence[str], facts: Mapping[str, Any], displays: Mapping[str, str]
) -> Callable[[Iterator[Any]], Iterator[Any]]:
    """A function for `mapInArrow` over `binaryFile`: the records of delimited files as columns of texts.

    `facts` are delimiter, quote, escape, encoding, header, skip_rows, comment, null_empty, and the suffixes of a zip's
    members; `displays` are the files' names for messages, by the path as Spark gives it.
    """

    def read(batches: Iterator[Any]) -> Iterator[Any]:
        for batch in batches:
            for path, content in zip(batch.column("path"), batch.column("content"), strict=True):
                shown = displays.get(path.as_py(), path.as_py())
                values = partition_values(path.as_py(), partitions)
                for member, stream in members(content.as_py(), facts, shown):
                    yield from batches_of(records(stream, facts, member, len(columns)), columns, values)

    return read


def lines_of(
    partitions: Sequence[str], facts: Mapping[str, Any], displays: Mapping[str, str]
) -> Callable[[Iterator[Any]], Iterator[Any]]:
    """The same for JSON: one text an object, in a column `value`."""

    def read(batches: Iterator[Any]) -> Iterator[Any]:
        for batch in batches:
            for path, content in zip(batch.column("path"), batch.column("content"), strict=True):
                shown = displays.get(path.as_py(), path.as_py())
                values = partition_values(path.as_py(), partitions)
                for member, stream in members(content.as_py(), facts, shown):
                    yield from batches_of(([text] for text in objects(stream, facts, member)), ["value"], values)

    return read


def batches_of(records: Iterator[Sequence[Any]], columns: Sequence[str], values: Mapping[str, Any]) -> Iterator[Any]:
    """Records as batches of texts; `values` are the same for all of them."""
    import itertools

    import pyarrow as pa

    while chunk := list(itertools.islice(records, BATCH_ROWS)):
        arrays = [pa.array([record[place] for record in chunk], pa.string()) for place in range(len(columns))]
        arrays += [pa.array([value] * len(chunk), pa.string()) for value in values.values()]
        yield pa.RecordBatch.from_arrays(arrays, names=[*columns, *values])


def partition_values(path: str, names: Sequence[str]) -> dict[str, str | None]:
    """The values of hive partitions in a path, which is a URL."""
    from urllib.parse import unquote

    found: dict[str, str | None] = dict.fromkeys(names)
    for part in unquote(path).split("/")[:-1]:
        name, sign, value = part.partition("=")
        if sign and name in found:
            found[name] = None if value == "__HIVE_DEFAULT_PARTITION__" else unquote(value)
    return found


# -- one file ----------------------------------------------------------------------------------------------------------


def members(content: bytes, facts: Mapping[str, Any], shown: str) -> Iterator[tuple[str, IO[str]]]:
    """The texts in a file: itself, or what an archive holds."""
    import io

    for name, stream in unpacked(content, facts["compression"], facts["suffixes"], shown):
        encoding = "utf-8-sig" if facts["encoding"] == "utf-8" else facts["encoding"]
        yield name, io.TextIOWrapper(stream, encoding=encoding, newline="")


def unpacked(content: bytes, compression: str, suffixes: Sequence[str], shown: str) -> Iterator[tuple[str, Any]]:
    """Streams of what a file holds."""
    import io
    import lzma
    import zipfile
    import zlib

    try:
        if compression == "zip":
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                for name in data_files(archive, suffixes, shown):
                    yield f"{shown}/{name}", archive.open(name)
        else:
            yield shown, opened(io.BytesIO(content), compression)
    except (OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"odibi: {shown} is no whole {compression} file ({error}); it was cut off or is of another kind: "
            "write it again, or state `compression`"
        ) from error


def opened(stream: Any, compression: str) -> Any:
    """A stream of what a compressed stream holds."""
    import bz2
    import gzip
    import io
    import lzma

    if compression == "zstd":
        import pyarrow as pa

        return io.BytesIO(pa.CompressedInputStream(stream, "zstd").read())
    openers: dict[str, Any] = {"gzip": gzip.open, "bz2": bz2.open, "xz": lzma.open}
    return openers[compression](stream) if compression in openers else stream


def data_files(archive: Any, suffixes: Sequence[str], shown: str) -> list[str]:
    """The data files of an archive; its only file whatever its name is."""
    names = sorted(info.filename for info in archive.infolist() if not info.is_dir() and info.file_size)
    visible = [name for name in names if not any(part.startswith((".", "__MACOSX")) for part in name.split("/"))]
    found = visible if len(visible) == 1 else [name for name in visible if name.lower().endswith(tuple(suffixes))]
    if not found:
        has = ", ".join(archive.namelist()[:10])
        raise ValueError(f"odibi: {shown} holds no {' or '.join(suffixes)} file; it has: {has}")
    return found


def records(text: IO[str], facts: Mapping[str, Any], shown: str, width: int) -> Iterator[list[str | None]]:
    """The records of a delimited text behind its header; an empty field is None."""
    import csv

    comment, line = facts["comment"], 0

    def lines() -> Iterator[str]:
        nonlocal line
        for each in text:
            line += 1
            if line > facts["skip_rows"] and each.strip("\r\n") and not (comment and each.startswith(comment)):
                yield each

    csv.field_size_limit(2**31 - 1)
    found = split(lines(), facts, csv)
    try:
        for place, record in enumerate(found):
            if place == 0 and facts["header"]:
                continue
            if len(record) != width:
                raise ValueError(
                    f"odibi: {shown}, line {line}: expected {width} columns, found {len(record)}: "
                    f"{facts['delimiter'].join(record)[:200]!r}; "
                    "repair the line, or check `delimiter`, `quote` and `header`"
                )
            yield [field or None for field in record]
    except UnicodeError as error:
        raise ValueError(
            f"odibi: {shown} is not {facts['encoding']} text ({error}); state the right `encoding`"
        ) from error
    except csv.Error as error:
        raise ValueError(f"odibi: {shown}, line {line}: {error}; repair the line, or check `quote`") from error


def split(lines: Iterator[str], facts: Mapping[str, Any], csv: Any) -> Iterator[list[str]]:
    """Lines as fields."""
    delimiter, mark, escape = facts["delimiter"], facts["quote"], facts["escape"]
    if len(delimiter) > 1:
        return (line.rstrip("\r\n").split(delimiter) for line in lines)
    quoting: dict[str, Any] = {"quotechar": mark} if mark else {"quoting": csv.QUOTE_NONE}
    if mark and escape and escape != mark:
        quoting |= {"escapechar": escape, "doublequote": False}
    found: Iterator[list[str]] = csv.reader(lines, delimiter=delimiter, **quoting)
    return found


def objects(text: IO[str], facts: Mapping[str, Any], shown: str) -> Iterator[str]:
    """The objects of a JSON text, each as a text of its own: of an array, of lines, or one behind the other."""
    import json

    try:
        whole = text.read()
        decoder, place = json.JSONDecoder(), 0
        blank = " \t\r\n"
        while True:
            while place < len(whole) and whole[place] in blank:
                place += 1
            if place == len(whole):
                return
            if whole[place] == "[":
                found, place = decoder.raw_decode(whole, place)
                yield from (json.dumps(each, ensure_ascii=False) for each in found)
                continue
            start = place
            _, place = decoder.raw_decode(whole, place)
            yield whole[start:place]
    except UnicodeError as error:
        raise ValueError(
            f"odibi: {shown} is not {facts['encoding']} text ({error}); state the right `encoding`"
        ) from error
    except json.JSONDecodeError as error:
        raise ValueError(
            f"odibi: {shown}, line {error.lineno}: {error.msg}; "
            "it was cut off or is no JSON: repair it or write it again"
        ) from error


# -- what fields JSON has ----------------------------------------------------------------------------------------------


def shapes_of(batches: Iterator[Any]) -> Iterator[Any]:
    """For `mapInArrow` over a column `value` of objects: what fields they have, as one JSON text."""
    import json

    import pyarrow as pa

    shape: Any = None
    for batch in batches:
        for text in batch.column("value"):
            shape = merged(shape, shape_of(json.loads(text.as_py())))
    if shape is not None:
        yield pa.RecordBatch.from_arrays([pa.array([json.dumps(shape)], pa.string())], names=["value"])


def shape_of(value: Any) -> Any:
    """The type of a value: a name, ["array", element] or ["struct", {field: type}], fields as they are first seen."""
    if value is None:
        return None
    if isinstance(value, list):
        shape = None
        for each in value:
            shape = merged(shape, shape_of(each))
        return ["array", shape]
    if isinstance(value, dict):
        return ["struct", {name: shape_of(each) for name, each in value.items()}]
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "bigint" if -(2**63) <= value < 2**63 else "decimal(38,0)" if 0 < value < 2**64 else "double"
    return "double" if isinstance(value, float) else "string"


def merged(one: Any, other: Any) -> Any:
    """The type that holds the values of both."""
    if one is None or other is None or one == other:
        return other if one is None else one
    if isinstance(one, list) and isinstance(other, list) and one[0] == other[0]:
        if one[0] == "array":
            return ["array", merged(one[1], other[1])]
        return ["struct", {name: merged(one[1].get(name), other[1].get(name)) for name in {**one[1], **other[1]}}]
    numbers = ("bigint", "decimal(38,0)", "double")
    if one in numbers and other in numbers:
        return numbers[max(numbers.index(one), numbers.index(other))]
    return "string"
