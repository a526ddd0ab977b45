"""Parquet: the driver reads the footers, so no job runs for the columns.

A footer says more than Spark's own look at one file does: files that do not fit together, unsigned integers,
nanoseconds, types that Spark does not have.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from odibi.engine.base import Source, Target
from odibi.engine.sources import check_fit, check_names
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
    union,
)  # fmt: skip
from odibi.engine.spark.frame import SparkFrame
from odibi.engine.spark.session import Session
from odibi.engine.spark.types import column_of, schema_of, spark_type
from odibi.errors import DataError
from odibi.types import Column, DataType

RENAME = "rename one of them where the file is written"
NANOSECONDS = "nanoseconds"
"""How a column of nanoseconds is stored; Spark reads it as a number."""
_SIMPLE = {
    "bool": "boolean", "int8": "tinyint", "int16": "smallint", "int32": "int", "int64": "bigint", "uint8": "smallint",
    "uint16": "int", "uint32": "bigint", "float": "float", "double": "double", "string": "string",
    "large_string": "string", "string_view": "string", "binary": "binary", "large_binary": "binary",
    "binary_view": "binary", "date32[day]": "date", "date64[ms]": "date",
}  # fmt: skip
"""Arrow's types and ours that hold the same values."""

Stored = tuple[str, DataType | None, str]
"""A column of a file: its name, our type of it (None: Spark may have one), and how it is stored where that matters."""


def scan(session: Session, source: Source) -> SparkFrame:
    """A lazy frame over Parquet files. Raises `DataError` for files that do not fit together."""
    input = open_input(source)
    explain.remember(input)
    if not input.seen:
        return _by_spark(session, input)
    groups = _groups(input, look(input, partial(_columns, input)))
    names = list(dict.fromkeys(name for group in groups for name, *_ in group))
    partitions = [name for name in input.partitions if name not in names]
    wanted = input.pick([*names, *partitions])
    parts = [_select(session, input, group, files, wanted, partitions) for group, files in groups.items()]
    data = union(parts).select(*map(quote, wanted))
    types = _types(input, groups, partitions)
    known = columns_of_types(types, wanted) if all(types[name] is not None for name in wanted) else None
    return SparkFrame(data, known, lazy=False)


def _types(input: Input, groups: Any, partitions: Sequence[str]) -> dict[str, DataType | None]:
    types: dict[str, DataType | None] = {name: input.partitions[name] for name in partitions}
    for group in groups:
        types |= {name: input.types.get(name, type) for name, type, _ in group if types.get(name) is None}
    return types


# -- footers -----------------------------------------------------------------------------------------------------------


def _columns(input: Input, file: File) -> tuple[Stored, ...]:
    """The columns of a file, from its footer."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with input.open(file) as stream:
            footer = pq.ParquetFile(stream)
            arrow, stored = footer.schema_arrow, footer.schema
    except (pa.ArrowInvalid, OSError) as error:
        if isinstance(error, PermissionError | FileNotFoundError):
            raise
        raise DataError(
            f"{file.display} is not a whole Parquet file; it was cut off or is of another format; write it again"
        ) from error
    check_names(arrow.names, file.display, RENAME)
    physical = {}
    for place in range(len(stored)):
        leaf = stored.column(place)
        physical[leaf.path] = leaf.physical_type
    for field in arrow:
        if pa.types.is_time(field.type) or pa.types.is_duration(field.type) or pa.types.is_interval(field.type):
            raise DataError(
                f"{file.display}: column {field.name!r} is {field.type}, which Spark has no type for; "
                "write it as text or as a number"
            )
    return tuple(_stored(field, physical.get(field.name, "")) for field in arrow)


def _stored(field: Any, physical: str) -> Stored:
    import pyarrow as pa

    if physical == "INT96":  # an instant, which Spark writes without saying so
        return field.name, DataType("timestamp"), physical
    if pa.types.is_timestamp(field.type) and field.type.unit == "ns":
        return field.name, DataType("timestamp" if field.type.tz else "timestamp_ntz"), NANOSECONDS
    return field.name, _type(field.type), ""


def _type(type: Any) -> DataType | None:
    """Our type that Spark reads an Arrow type as, None where that is Spark's to say."""
    import pyarrow as pa

    simple = _SIMPLE.get(str(type))
    if simple is not None:
        return DataType(simple)
    if str(type) == "uint64":
        return DataType("decimal", 20, 0)
    if pa.types.is_decimal(type) and type.precision <= 38:
        return DataType("decimal", type.precision, type.scale)
    if pa.types.is_timestamp(type) and type.unit != "ns":
        return DataType("timestamp" if type.tz else "timestamp_ntz")
    if pa.types.is_dictionary(type):
        return _type(type.value_type)
    if pa.types.is_fixed_size_binary(type):
        return DataType("binary")
    return _nested(type)


def _nested(type: Any) -> DataType | None:
    import pyarrow as pa

    if pa.types.is_map(type):
        inner, names = [type.key_type, type.item_type], ()
    elif pa.types.is_list(type) or pa.types.is_large_list(type) or pa.types.is_fixed_size_list(type):
        inner, names = [type.value_type], ()
    elif pa.types.is_struct(type):
        inner, names = [field.type for field in type], tuple(field.name for field in type)
    else:
        return None
    children = tuple(found for found in map(_type, inner) if found is not None)
    kind = "map" if pa.types.is_map(type) else "struct" if names else "array"
    return DataType(kind, children=children, field_names=names) if len(children) == len(inner) else None


# -- files that fit together -------------------------------------------------------------------------------------------


def _groups(
    input: Input, found: Sequence[tuple[File, tuple[Stored, ...]]]
) -> dict[tuple[Stored, ...], tuple[File, ...]]:
    """Files by what columns they have. Raises `DataError` where they differ and nothing brings them together."""
    (example, first), *others = found
    for file, columns in others:
        if columns != first:
            _check(input, example, first, file, columns)
    known = {file.path: columns for file, columns in found}
    groups: dict[tuple[Stored, ...], list[File]] = {}
    for file in input.files:
        groups.setdefault(known.get(file.path, first), []).append(file)
    return {columns: tuple(files) for columns, files in groups.items()}


def _check(input: Input, example: File, first: Sequence[Stored], file: File, second: Sequence[Stored]) -> None:
    one, other = ({name: (type, stored) for name, type, stored in columns} for columns in (first, second))
    check_fit(file.display, other, example.display, one, bool(input.options.get("union_by_name")))
    for name in one.keys() & other.keys():
        if one[name] != other[name] and name not in input.source.schema:
            raise DataError(
                f"column {name!r} is {_shown(*one[name])} in {example.display} and {_shown(*other[name])} in "
                f"{file.display}; declare its type in the read's `schema`, or read the files apart"
            )


def _shown(type: DataType | None, stored: str) -> str:
    if stored:
        return f"{type} ({stored})"
    return str(type).upper() if type else "of another type"


def _select(
    session: Session,
    input: Input,
    group: Sequence[Stored],
    files: Sequence[File],
    wanted: Sequence[str],
    partitions: Sequence[str],
) -> Any:
    columns = [Column(name, DataType("bigint") if how == NANOSECONDS else type) for name, type, how in group]
    if all(column.type is not None for column in columns):
        inside = [column for column in columns if column.name not in input.partitions]
        frame = load(input, session, "parquet", schema_of(inside), files, {})
    else:  # a type that Spark may know: its own look tells
        frame = load(input, session, "parquet", None, files, {})
    stored = {name: (type, how) for name, type, how in group}
    items = []
    for name in wanted:
        if name in partitions or name in input.partitions:
            items.append(partition_item(input, name))
        elif name in stored:
            items.append(_item(name, *stored[name], input.types.get(name)))
    return frame.selectExpr(*items)


def _item(name: str, type: DataType | None, how: str, said: DataType | None) -> str:
    column = quote(name)
    value = column
    if how == NANOSECONDS and type is not None:
        value = f"timestamp_micros(({column} - pmod({column}, 1000)) DIV 1000)"
        value = value if type.name == "timestamp" else f"CAST({value} AS TIMESTAMP_NTZ)"
    if said is not None and said != type:
        value = f"CAST({value} AS {spark_type(said).simpleString()})"
    return value if value == column else f"{value} AS {column}"


def _by_spark(session: Session, input: Input) -> SparkFrame:
    """Where only Spark reaches the files, it looks at one of them."""
    reader = session.spark.read
    if input.options.get("union_by_name"):
        reader = reader.option("mergeSchema", "true")
    frame = reader.parquet(input.root)
    check_names(frame.columns, input.display, RENAME)
    wanted = input.pick(frame.columns)
    types = {field.name: column_of(field).type for field in frame.schema.fields}
    items = [_item(name, types[name], "", input.types.get(name)) for name in wanted]
    return SparkFrame(frame.selectExpr(*items), lazy=False)


def write(session: Session, frame: SparkFrame, target: Target, path: str) -> None:
    """Write a frame as Parquet into a folder."""
    del session
    options = {"compression": str(target.options.get("compression", "snappy"))}
    if target.options.get("row_group_size"):
        options["parquet.block.row.count.limit"] = str(target.options["row_group_size"])
    save(frame.data, target, "parquet", options, path)


CODEC = Codec(scan, write)
