"""Writing text files: values as the texts that both engines read, and what Spark's writers leave to do."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

from odibi.engine.base import Target
from odibi.engine.sources import EXTENSIONS, delimiter_of, output_compression, refuse_types
from odibi.engine.spark.formats.base import literal, quote, save
from odibi.engine.spark.frame import SparkFrame
from odibi.engine.spark.session import Session
from odibi.errors import DataError
from odibi.files.local import LocalFiles
from odibi.formats.dates import java_of
from odibi.types import Column, DataType

NESTED = ("array", "map", "struct", "binary")
TEXT_ONLY = "write parquet, json or delta, or turn it into text first (to_json(…), base64(…))"
EXACT_DIGITS = 15
"""Digits of a decimal that every reader of JSON keeps; one with more is written as text."""
PLAIN_ENCODINGS = ("utf-8", "ascii")


def write_csv(session: Session, frame: SparkFrame, target: Target, path: str) -> None:
    """Write delimited text into a folder. Raises `DataError` for nested and binary columns."""
    del session
    options = target.options
    refuse_types(frame.columns, NESTED, "csv", target.path, TEXT_ONLY)
    mark = str(options.get("quote", '"'))
    alone = len(frame.columns) - len(target.partition_by) == 1
    layout = {
        "header": str(bool(options.get("header", True))).lower(),
        "sep": delimiter_of(target.path, options),
        "quote": mark,
        "escape": options.get("escape", '"'),
        "nullValue": str(options.get("null_values", "")) or (mark * 2 if alone else ""),  # an empty line is no row
        "emptyValue": mark * 2,
        "quoteAll": str(bool(options.get("quote_all"))).lower(),
        "compression": _spark_compression(target),
        "ignoreLeadingWhiteSpace": "false",
        "ignoreTrailingWhiteSpace": "false",
    }
    save(_as_texts(frame, target, _csv_text), target, "csv", layout, path)


def write_json(session: Session, frame: SparkFrame, target: Target, path: str) -> None:
    """Write JSON, one object a line, into a folder. Binary becomes base64; inside nested columns it raises
    `DataError`."""
    del session
    for column in frame.columns:
        if column.type is not None and any(_has_binary(child) for child in column.type.children):
            raise DataError(
                f"{target.path}: json can not hold the binary inside column {column.name!r}; write parquet or delta"
            )
    layout = {"compression": _spark_compression(target), "ignoreNullFields": "false"}
    save(_as_texts(frame, target, _json_text), target, "json", layout, path)


def _spark_compression(target: Target) -> str:
    """Zstandard is put on afterwards: not every Spark has it."""
    said = output_compression(target)
    return "none" if said == "zstd" else said


# -- values as texts ---------------------------------------------------------------------------------------------------


def _as_texts(frame: SparkFrame, target: Target, text: Callable[[Column], str]) -> Any:
    """The frame with columns turned into the texts that both engines read. Partitions stay: they are folders' names."""
    items = []
    for column in frame.columns:
        stays = column.name in target.partition_by
        sql = quote(column.name) if stays else moment_text(column, target.options) or text(column)
        items.append(quote(column.name) if sql == quote(column.name) else f"{sql} AS {quote(column.name)}")
    return frame.data.selectExpr(*items)


def moment_text(column: Column, options: Mapping[str, Any]) -> str:
    """SQL that gives a date or timestamp as text, as the options say or in ISO 8601 (zoned ones with `Z`)."""
    kind, name = column.type.name if column.type else "", quote(column.name)
    if kind == "date" and options.get("date_format"):
        return f"date_format({name}, {literal(java_of(options['date_format']))})"
    if kind not in ("timestamp", "timestamp_ntz"):
        return ""
    if options.get("timestamp_format"):
        pattern = java_of(options["timestamp_format"])
        return f"date_format({name}, {literal(pattern.replace('XXX', 'xxx') if kind == 'timestamp' else pattern)})"
    text = f"replace(CAST({name} AS STRING), ' ', 'T')"
    return f"concat({text}, 'Z')" if kind == "timestamp" else text


def _csv_text(column: Column) -> str:
    """A decimal's text without an exponent; else as it is."""
    name = quote(column.name)
    return f"CAST({name} AS STRING)" if column.type is not None and column.type.name == "decimal" else name


def _json_text(column: Column) -> str:
    type, name = column.type, quote(column.name)
    exact = type is None or type.name != "decimal" or not type.scale or type.precision <= EXACT_DIGITS
    return name if exact else f"CAST({name} AS STRING)"


def _has_binary(type: DataType) -> bool:
    return type.name == "binary" or any(_has_binary(child) for child in type.children)


# -- what is left to do in the folder ----------------------------------------------------------------------------------


def needs_finish(target: Target) -> bool:
    """Whether files are worked on after Spark wrote them: that takes a local folder."""
    return (
        output_compression(target) == "zstd"
        or target.options.get("encoding", "utf-8") not in PLAIN_ENCODINGS
        or target.options.get("lines") is False
    )


def finish(target: Target, folder: str) -> None:
    """What Spark does not do of a text format: an array of JSON, other encodings, Zstandard; and a file for no rows."""
    compression = output_compression(target)
    files = list(LocalFiles().walk(folder))
    if not files:
        name = f"part-00000.{target.format}{EXTENSIONS[compression]}"
        files = [os.path.join(folder, name)]
        Path(files[0]).write_bytes(b"")
    for path in files:
        if target.options.get("lines") is False:
            _as_array(path, compression)
        if target.options.get("encoding", "utf-8") not in PLAIN_ENCODINGS:
            _encode(path, target, compression)
        if compression == "zstd":
            _pack(path)


def _as_array(path: str, compression: str) -> None:
    import gzip

    opener: Any = gzip.open if compression == "gzip" else open

    def rewrite(source: IO[bytes], out: IO[bytes]) -> None:
        out.write(b"[")
        for number, line in enumerate(source):
            out.write((b",\n" if number else b"\n") + line.rstrip(b"\r\n"))
        out.write(b"\n]\n")

    _rewrite(path, path, opener, opener, rewrite)


def _encode(path: str, target: Target, compression: str) -> None:
    import codecs

    encoding = target.options["encoding"]
    if compression != "none" or target.partition_by:
        raise DataError(f"{target.path}: encoding {encoding} goes with a single uncompressed file only; write UTF-8")

    def rewrite(source: IO[bytes], out: IO[bytes]) -> None:
        shutil.copyfileobj(codecs.getreader("utf-8")(source), codecs.getwriter(encoding)(out), 1 << 20)

    try:
        _rewrite(path, path, open, open, rewrite)
    except UnicodeEncodeError as error:
        shown = error.object[error.start : error.end]
        raise DataError(f"{target.path}: {shown!r} does not exist in the encoding {encoding}; write UTF-8") from error


def _pack(path: str) -> None:
    import pyarrow as pa

    def opener(name: str, mode: str) -> Any:
        return pa.CompressedOutputStream(name, "zstd")

    _rewrite(path, path + ".zst", open, opener, lambda source, out: shutil.copyfileobj(source, out, 1 << 20))


def _rewrite(path: str, target: str, opens: Any, writes: Any, rewrite: Callable[[IO[bytes], IO[bytes]], None]) -> None:
    """Write a file anew; the old one is gone afterwards."""
    aside = path + ".new"
    with opens(path, "rb") as source, writes(aside, "wb") as out:
        rewrite(source, out)
    os.remove(path)
    os.replace(aside, target)
