"""JSON, one object a line or an array of objects: DuckDB reads and writes it.

Texts stay text: a JSON file says itself what is a number and what is not. Types are inferred from all objects (unless
`sample_size` bounds it), so that no field is lost; a declared `schema` spares that pass.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import duckdb

from odibi.engine.base import Source, Target
from odibi.engine.pandas.formats.base import (
    Codec,
    File,
    Input,
    as_utf8,
    copy,
    declared,
    empty_frame,
    iso_text,
    open_input,
    pick,
    reader,
    struct,
)
from odibi.engine.pandas.session import DuckFrame, Session, literal, quote
from odibi.engine.pandas.types import Native, column_of, parse_native
from odibi.engine.sources import EXTENSIONS, HINTS, check_names, output_compression, patterns
from odibi.errors import DataError
from odibi.formats.json import JSON
from odibi.types import Column, DataType

TEXT = {
    "UUID",
    "TIME",
    "JSON",
    "DATE",
    "TIMESTAMP",
    "TIMESTAMP WITH TIME ZONE",
    '"NULL"',
    "NULL",
    "INTERVAL",
    "VARCHAR",
}
"""Types that DuckDB sees in JSON texts and nulls; here they are string."""
EXACT_DIGITS = 15
"""Digits of a decimal that every reader of JSON keeps; one with more is written as text."""
MAX_OBJECT_BYTES = 256 * 1024 * 1024


def scan(session: Session, source: Source) -> DuckFrame:
    """A lazy frame over JSON objects. Raises `DataError` for what is no JSON object."""
    input = open_input(session, source, JSON.suffixes, empty_is_fine=bool(source.schema or HINTS in source.options))
    if not input.files:  # what a write of no rows leaves
        return empty_frame(session, input)
    if input.options.get("encoding", "utf-8") not in ("utf-8", "ascii"):
        input = as_utf8(session, input)
    types = _inferred(session, input) if len(input.schema) == 0 else {}
    types |= declared(input, [*types, *input.schema])
    known = [*types, *(name for name in input.partitions if name not in types)]
    wanted = pick(input, known)
    inner = {name: _read_type(input, name, type) for name, type in types.items() if name not in input.partitions}
    items = [_item(input, name) for name in wanted]
    sql = f"SELECT {', '.join(items)} FROM {_read(input, {'columns': struct(inner)})}"
    columns = None if input.partitions else tuple(column_of(name, types[name]) for name in wanted)
    return session.frame(sql, known_columns=columns)


def _read_type(input: Input, name: str, type: str) -> str:
    return "VARCHAR" if _is_binary(input, name) else type


def _is_binary(input: Input, name: str) -> bool:
    return name in input.types and input.types[name].name == "binary"


def _item(input: Input, name: str) -> str:
    return f"from_base64({quote(name)}) AS {quote(name)}" if _is_binary(input, name) else quote(name)


def _read(input: Input, arguments: Mapping[str, str], files: Sequence[File] | None = None) -> str:
    options = input.options
    lines = options.get("lines", None if "multiline" not in options else not options["multiline"])
    common = {
        "format": "'auto'" if not lines else "'newline_delimited'",
        "records": "true",
        "compression": input.compression,
        "maximum_object_size": str(MAX_OBJECT_BYTES if lines is False else 16 * 1024 * 1024),
        **input.hive,
    }
    for name, pattern in patterns(options).items():
        common[name.replace("_", "")] = literal(pattern)
    return reader("read_json", files or input.files, {**common, **arguments})


# -- types -------------------------------------------------------------------------------------------------------------


def _inferred(session: Session, input: Input) -> dict[str, str]:
    """DuckDB's type of every field, in the order they are first seen."""
    sample = input.options.get("sample_size")
    arguments = {
        "sample_size": str(sample) if sample else "-1",
        "union_by_name": "true",
        "map_inference_threshold": "-1",
        "field_appearance_threshold": "0",
    }
    try:
        found = session.describe(f"SELECT * FROM {_read(input, arguments)}")
    except (duckdb.BinderException, duckdb.InvalidInputException) as error:
        raise _explain(input, str(error)) from error
    columns = [column for column in found if column.name not in (*input.partitions, *input.outer)]
    _check_case(input, [column.name for column in columns])
    typed = _wanted_texts(input)
    return {column.name: plain(parse_native(column.native), typed) for column in columns}


def _explain(input: Input, text: str) -> DataError:
    """The error for what DuckDB can not take for objects."""
    place = input.location.display
    broken = re.search(
        r'Malformed JSON in file "(?P<file>.*?)", at byte \d+ in (?P<where>.*?): (?P<what>.*?)\. ',
        text + " ",
        re.DOTALL,
    )
    if broken is None:
        return DataError(
            f"{place} holds no JSON objects with fields; it should be one object a line, or an array of objects"
        )
    shown = next((file.display for file in input.files if file.local == broken["file"]), place)
    hint = (
        "state its `encoding`"
        if "UTF-8" in broken["what"]
        else "it was cut off or is no JSON: repair it or write it again"
    )
    return DataError(f"{shown}, {broken['where']}: {broken['what']}; {hint}")


def _check_case(input: Input, names: Sequence[str]) -> None:
    """DuckDB gives the second of two names that differ in case a number: `A_1`."""
    lower = {name.lower() for name in names}
    for name in names:
        stem, _, number = name.rpartition("_")
        if number.isdecimal() and stem and stem not in names and stem.lower() in lower:
            twin = next(other for other in names if other.lower() == stem.lower())
            raise DataError(
                f"{input.location.display}: the fields {twin!r} and {stem!r} differ only in case; "
                "rename one where the file is written"
            )
    check_names(names, input.location.display, "rename one where the file is written")


def _wanted_texts(input: Input) -> frozenset[str]:
    """Types of texts that a stated format makes dates or timestamps."""
    dates = {"DATE"} if input.options.get("date_format") else set()
    stamps = {"TIMESTAMP", "TIMESTAMP WITH TIME ZONE"} if input.options.get("timestamp_format") else set()
    return frozenset(dates | stamps)


def plain(native: Native, typed: frozenset[str] = frozenset()) -> str:
    """The type that a field is read as: JSON's own kinds, nested ones too."""
    if native.name in ("LIST", "ARRAY"):
        return plain(native.children[0], typed) + "[]"
    if native.name == "MAP":
        return f"MAP(VARCHAR, {plain(native.children[1], typed)})"
    if native.name == "STRUCT":
        fields = zip(native.field_names, native.children, strict=True)
        return f"STRUCT({', '.join(f'{quote(name)} {plain(child, typed)}' for name, child in fields)})"
    if native.name in TEXT and native.name not in typed:
        return "VARCHAR"
    return {"HUGEINT": "DECIMAL(38,0)", "UBIGINT": "DECIMAL(20,0)"}.get(native.name, native.name)


# -- write -------------------------------------------------------------------------------------------------------------


def write(session: Session, frame: DuckFrame, target: Target, path: str) -> int:
    """Write a frame as JSON. Binary becomes base64; binary inside nested columns raises `DataError`."""
    compression = output_compression(target)
    lines = bool(target.options.get("lines", True))
    arguments = {"FORMAT": "json", "ARRAY": str(not lines).lower(), "COMPRESSION": compression}
    extension = "json" + EXTENSIONS[compression]
    return copy(session, frame, _texts(frame, target), target, path, arguments, extension)


def _texts(frame: DuckFrame, target: Target) -> str:
    formats = [patterns(target.options).get(name) for name in ("date_format", "timestamp_format")]
    items = []
    for column in frame.columns:
        text = iso_text(column, formats[0], formats[1]) or _other_text(column, target)
        items.append(f"{text} AS {quote(column.name)}" if text else quote(column.name))
    return f"SELECT {', '.join(items)} FROM ({frame.sql}\n)"


def _other_text(column: Column, target: Target) -> str | None:
    """SQL for a column that JSON has no like of, None for others."""
    type, name = column.type, quote(column.name)
    if type is None:
        return None
    if type.name == "binary":
        return f"to_base64({name})"
    if _has_binary(type):
        raise DataError(
            f"{target.path}: json can not hold the binary inside column {column.name!r}; write parquet or delta"
        )
    if type.name == "decimal" and type.scale and type.precision > EXACT_DIGITS:  # readers take numbers for doubles
        limit = 10 ** (EXACT_DIGITS - type.scale) if type.scale < EXACT_DIGITS else 0
        return f"CASE WHEN abs({name}) < {limit} THEN to_json({name}) ELSE to_json(CAST({name} AS VARCHAR)) END"
    return None


def _has_binary(type: DataType) -> bool:
    return type.name == "binary" or any(_has_binary(child) for child in type.children)


CODEC = Codec(scan, write)
