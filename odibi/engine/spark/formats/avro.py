"""Avro object container files, by Spark's own Avro module, which is a jar of its own outside Databricks.

The driver reads the schemas in the files' headers: no job runs for the columns, and files that do not fit together are
told.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import IO, Any

from odibi.engine.avro import fields_of, record_of
from odibi.engine.base import Source, Target
from odibi.engine.sources import check_names
from odibi.engine.spark.formats import explain
from odibi.engine.spark.formats.base import (
    Codec,
    File,
    Input,
    columns_of_types,
    load,
    look,
    open_input,
    partition_item,
    quote,
    save,
)
from odibi.engine.spark.frame import SparkFrame
from odibi.engine.spark.jars import COMMAND
from odibi.engine.spark.session import Session
from odibi.engine.spark.types import spark_type
from odibi.errors import DataError, UnsupportedError
from odibi.types import DataType

CODECS = {"deflate": "deflate", "none": "uncompressed", "bzip2": "bzip2", "xz": "xz"}
MAGIC = b"Obj\x01"
TIMES = {"time-millis": "timestamp_millis", "time-micros": "timestamp_micros"}
"""Times of day, which are numbers to Spark and texts here, and the function that makes a time of such a number."""


def scan(session: Session, source: Source) -> SparkFrame:
    """A lazy frame over Avro records. Raises `DataError` for broken files and types without a like."""
    input = open_input(source)
    explain.remember(input)
    if not input.seen:
        with _module():
            frame = load(input, session, "avro", None, input.files, {})
        wanted = input.pick(frame.columns)
        return SparkFrame(frame.selectExpr(*map(quote, wanted)), lazy=False)
    found = look(input, partial(_schema, input))
    (example, schema), *others = found
    types: dict[str, DataType] = fields_of(schema, example.display)
    check_names(list(types), example.display, "rename one where the file is written")
    for file, other in others:
        if fields_of(other, file.display) != types:
            raise DataError(f"{file.display} has other fields or types than {example.display}; read them apart")
    return _frame(session, input, schema, types)


def _frame(session: Session, input: Input, schema: Any, types: dict[str, DataType]) -> SparkFrame:
    known: dict[str, DataType | None] = {**input.partitions, **types}
    names = [*types, *(name for name in input.partitions if name not in types)]
    wanted = input.pick(names)
    with _module():
        data = load(input, session, "avro", None, input.files, {})
    times = {field["name"]: TIMES[kind] for field in schema["fields"] if (kind := _logical(field["type"])) in TIMES}
    items = [
        _item(input, name, times.get(name, "")) if name in types else partition_item(input, name) for name in wanted
    ]
    known |= {name: type for name, type in input.types.items() if name in known}
    return SparkFrame(data.selectExpr(*items), columns_of_types(known, wanted), lazy=False)


def _item(input: Input, name: str, time: str) -> str:
    column, said = quote(name), input.types.get(name)
    value = f"substr(CAST({time}({column}) AS STRING), 12)" if time else column
    if said is not None:
        value = f"CAST({value} AS {spark_type(said).simpleString()})"
    return value if value == column else f"{value} AS {column}"


def _logical(schema: Any) -> str:
    if isinstance(schema, list):
        return next(filter(None, map(_logical, schema)), "")
    return str(schema.get("logicalType", "")) if isinstance(schema, dict) else ""


@contextmanager
def _module() -> Iterator[None]:
    """Say what is missing where Spark has no Avro module."""
    try:
        yield
    except Exception as error:
        if "Avro is built-in but external data source" not in str(error) and "data source: avro" not in str(error):
            raise
        raise UnsupportedError(
            "format avro needs Spark's Avro module, which this session does not have; "
            f"fetch the jars ({COMMAND}) and start anew, or add spark-avro to the cluster's libraries"
        ) from error


# -- headers -----------------------------------------------------------------------------------------------------------


def _schema(input: Input, file: File) -> Any:
    """The schema in a file's header."""
    try:
        with input.open(file) as stream:
            if stream.read(4) != MAGIC:
                raise ValueError("it does not begin as one")
            return json.loads(_header(stream)[b"avro.schema"])
    except (ValueError, KeyError, EOFError) as error:
        raise DataError(
            f"{file.display} is no whole Avro file ({error}); it was cut off or is of another format: write it again"
        ) from error


def _header(stream: IO[bytes]) -> dict[bytes, bytes]:
    found: dict[bytes, bytes] = {}
    while count := _number(stream):
        if count < 0:  # then the block's size comes first
            count = -count
            _number(stream)
        for _ in range(count):
            key = _bytes(stream)
            found[key] = _bytes(stream)
    return found


def _bytes(stream: IO[bytes]) -> bytes:
    return _take(stream, _number(stream))


def _number(stream: IO[bytes]) -> int:
    """A number in zigzag, seven bits a byte."""
    value = shift = 0
    while True:
        (byte,) = _take(stream, 1)
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return (value >> 1) ^ -(value & 1)


def _take(stream: IO[bytes], size: int) -> bytes:
    found = stream.read(size) if 0 <= size < 1 << 30 else b""
    if len(found) != size:
        raise EOFError("its header is cut off")
    return found


# -- write -------------------------------------------------------------------------------------------------------------


def write(session: Session, frame: SparkFrame, target: Target, path: str) -> None:
    """Write a frame as Avro records into a folder. Raises `DataError` for names and types that Avro does not have."""
    del session
    for column in frame.columns:
        if column.type is None:
            raise DataError(
                f"{target.path}: avro can not hold column {column.name!r} of type {column.type_name}; declare its type"
            )
    fields = [(column.name, column.type) for column in frame.columns if column.type is not None]
    schema = json.dumps(record_of("row", fields, target.path))
    options = {
        "compression": CODECS[target.options.get("compression", "deflate")],
        "avroSchema": schema,  # that of the pandas engine: Spark's own makes fixed bytes of decimals
    }
    with _module():
        save(frame.data, target, "avro", options, path)


CODEC = Codec(scan, write)
