"""Avro object container files, by fastavro."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from odibi.engine.avro import fields_of, record_of
from odibi.engine.base import Source, Target
from odibi.engine.pandas.formats.base import Codec, File, names_sql, open_input, pick
from odibi.engine.pandas.session import DuckFrame, Session
from odibi.engine.pandas.types import duckdb_type
from odibi.engine.sources import check_names
from odibi.engine.tables import arrow_type
from odibi.errors import DataError, MissingExtraError
from odibi.types import Column, DataType

BATCH_ROWS = 50_000
CODECS = {"deflate": "deflate", "none": "null", "bzip2": "bzip2", "xz": "xz"}


def fastavro() -> Any:
    """The library. Raises `MissingExtraError`."""
    try:
        import fastavro
    except ImportError:
        raise MissingExtraError("fastavro", "avro", "format avro") from None
    return fastavro


# -- read --------------------------------------------------------------------------------------------------------------


def scan(session: Session, source: Source) -> DuckFrame:
    """A frame over Avro records, which are read now. Raises `DataError` for broken files and types without a like."""
    import pyarrow as pa

    input = open_input(session, source)
    tables = [_table(file) for file in input.files]
    for file, table in zip(input.files, tables, strict=True):
        if table.schema != tables[0].schema:
            raise DataError(f"{file.display} has other fields or types than {input.files[0].display}; read them apart")
    whole = pa.concat_tables(tables)
    frame = session.register(whole, rows=whole.num_rows)
    items = []
    for name in pick(input, whole.column_names):
        quoted, type = names_sql([name]), input.types.get(name)
        items.append(f"CAST({quoted} AS {duckdb_type(type)}) AS {quoted}" if type else quoted)
    return session.frame(f"SELECT {', '.join(items)} FROM records", {"records": frame}, rows=whole.num_rows, cheap=True)


def _table(file: File) -> Any:
    """All records of a file as an Arrow table."""
    import pyarrow as pa

    library = fastavro()
    try:
        with open(file.local, "rb") as stream:
            reader = library.reader(stream)
            types = fields_of(reader.writer_schema, file.display)
            check_names(list(types), file.display, "rename one where the file is written")
            schema = pa.schema([(name, arrow_type(type)) for name, type in types.items()])
            batches = [_batch(records, types, schema) for records in _chunks(reader)]
    except (
        ValueError,
        EOFError,
        IndexError,
        KeyError,
        UnicodeDecodeError,
        library.read.SchemaResolutionError,
    ) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(
            f"{file.display} is no whole Avro file ({error}); it was cut off or is of another format: write it again"
        ) from error
    return pa.Table.from_batches(batches, schema)


def _chunks(records: Iterator[Any]) -> Iterator[list[Any]]:
    while chunk := list(itertools.islice(records, BATCH_ROWS)):
        yield chunk


def _batch(records: Sequence[Mapping[str, Any]], types: Mapping[str, DataType], schema: Any) -> Any:
    import pyarrow as pa

    arrays = []
    for name, type in types.items():
        convert = _from_avro(type)
        values = [record[name] for record in records]
        arrays.append(pa.array([convert(value) for value in values] if convert else values, arrow_type(type)))
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _from_avro(type: DataType) -> Callable[[Any], Any] | None:
    """How a value becomes one that Arrow takes; None where it does as it is."""
    if type.name == "string":
        return lambda value: value if value is None or isinstance(value, str) else str(value)  # uuid, time
    inner = [_from_avro(child) or (lambda value: value) for child in type.children]
    if type.name == "array":
        return lambda value: None if value is None else [inner[0](item) for item in value]
    if type.name == "map":
        return lambda value: None if value is None else [(key, inner[1](item)) for key, item in value.items()]
    if type.name == "struct":
        named = list(zip(type.field_names, inner, strict=True))
        return lambda value: None if value is None else {name: convert(value[name]) for name, convert in named}
    return None


# -- write -------------------------------------------------------------------------------------------------------------


def write(session: Session, frame: DuckFrame, target: Target, path: str) -> int:
    """Write a frame as Avro records. Raises `DataError` for names and types that Avro does not have."""
    schema = record_of("row", [(column.name, _known(column, target)) for column in frame.columns], target.path)
    library = fastavro()
    count = 0

    def rows() -> Iterator[dict[str, Any]]:
        nonlocal count
        for row in _rows(session, frame):
            count += 1
            yield row

    with open(path, "wb") as out:
        library.writer(
            out, library.parse_schema(schema), rows(), codec=CODECS[target.options.get("compression", "deflate")]
        )
    return count


def _known(column: Column, target: Target) -> DataType:
    if column.type is None:
        raise DataError(
            f"{target.path}: avro can not hold column {column.name!r} of type {column.type_name}; declare its type"
        )
    return column.type


def _rows(session: Session, frame: DuckFrame) -> Iterator[dict[str, Any]]:
    converters = [_to_avro(column.type) for column in frame.columns if column.type]
    names = [column.name for column in frame.columns]
    with session.cursor(frame) as cursor:
        for batch in cursor.sql(frame.sql).to_arrow_reader(BATCH_ROWS):
            columns = [values.to_pylist() for values in batch.columns]
            columns = [
                [convert(value) for value in values] if convert else values
                for convert, values in zip(converters, columns, strict=True)
            ]
            for row in zip(*columns, strict=True):
                yield dict(zip(names, row, strict=True))


def _to_avro(type: DataType) -> Callable[[Any], Any] | None:
    """How a value from Arrow becomes one that fastavro takes: a map is a dict there."""
    inner = [_to_avro(child) or (lambda value: value) for child in type.children]
    if type.name == "map":
        return lambda value: None if value is None else {key: inner[1](item) for key, item in value}
    if type.name == "array":
        return lambda value: None if value is None else [inner[0](item) for item in value]
    if type.name == "struct":
        named = list(zip(type.field_names, inner, strict=True))
        return lambda value: None if value is None else {name: convert(value[name]) for name, convert in named}
    return None


CODEC = Codec(scan, write)
