"""JSON, one object a line or an array of objects, which is seen from the files' beginnings; Spark reads it.

Texts stay text: a JSON file says itself what is a number and what is not. Fields come in the order in which they are
first seen, as far as the driver looks; Spark's own inference, one job, knows them by the alphabet only.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from odibi.engine.base import Source, Target
from odibi.engine.header import HEAD_BYTES, read_head
from odibi.engine.sources import HINTS, check_names
from odibi.engine.spark.errors import spark_errors
from odibi.engine.spark.formats import explain, on_executors
from odibi.engine.spark.formats.base import (
    Codec,
    File,
    Input,
    columns_of_types,
    empty_frame,
    literal,
    load,
    look,
    open_input,
    partition_item,
    quote,
    union,
)  # fmt: skip
from odibi.engine.spark.formats.by_python import read_by_python, says_its_compression
from odibi.engine.spark.formats.explain import NO_OBJECTS
from odibi.engine.spark.formats.infer import fit_stated
from odibi.engine.spark.formats.texts import Patterns, typed
from odibi.engine.spark.formats.write_texts import write_json
from odibi.engine.spark.frame import SparkFrame
from odibi.engine.spark.session import Session
from odibi.engine.spark.types import data_type, schema_of
from odibi.errors import DataError
from odibi.formats.json import JSON
from odibi.types import Column, DataType, parse_type

STRING = DataType("string")
FILE = "__odibi_file"
RENAME = "rename one where the file is written"
BROKEN = "it was cut off or is no JSON: repair it or write it again"
SPLIT_DIGITS = 20
"""Digits of the largest unsigned integer of 64 bits; a number with more is a double."""
Shape = Any
"""What `on_executors.shape_of` gives."""


@dataclass(frozen=True)
class Head:
    """What the beginning of a file shows: its layout (`lines`, `whole`, or `python` for what Spark does not take), and
    the fields seen there."""

    layout: str
    shape: Shape = None


def scan(session: Session, source: Source) -> SparkFrame:
    """A lazy frame over JSON objects. Raises `DataError` for what is no JSON object."""
    input = open_input(source, text=True, empty_is_fine=bool(source.schema or HINTS in source.options))
    if not input.files:  # what a write of no rows leaves
        return empty_frame(session, input)
    explain.remember(input)
    heads = look(input, partial(_head, input)) if input.seen else [(input.files[0], Head(_said(input) or "lines"))]
    layouts = _by_layout(input, heads)
    order: Shape = None
    for _, head in heads:
        order = on_executors.merged(order, head.shape)
    types = _types(session, input, layouts, order)
    partitions = [name for name in input.partitions if name not in types]
    known = {**types, **{name: input.partitions[name] for name in partitions}}
    wanted = input.pick(list(known))
    native = not (input.source.schema or input.types)
    parts = [_select(session, input, files, layout, known, wanted, native) for layout, files in layouts.items()]
    return SparkFrame(union(parts), columns_of_types(known, wanted))


# -- layout ------------------------------------------------------------------------------------------------------------


def _said(input: Input) -> str:
    options = input.options
    lines = options.get("lines", None if "multiline" not in options else not options["multiline"])
    return "" if lines is None else "lines" if lines else "whole"


def _head(input: Input, file: File) -> Head:
    """The layout of a file and the fields in its beginning. Raises `DataError` for what is no JSON."""
    encoding = input.options.get("encoding", "utf-8")
    if file.compression == "zip":
        return Head("python")
    text, whole = read_head(file.display, partial(input.open, file), file.compression, HEAD_BYTES, encoding)
    layout = _said(input) or _seen_layout(file, text, whole)
    odd = encoding not in ("utf-8", "utf-8-sig", "ascii") or file.compression in ("xz", "zstd")
    if odd or not says_its_compression(file):
        layout = "python"
    return Head(layout, _first_fields(text, file, layout == "lines", whole))


def _seen_layout(file: File, text: str, whole: bool) -> str:
    start = text.lstrip()
    if start.startswith("["):
        return "whole"
    if not start.startswith("{"):
        raise DataError(f"{file.display} {NO_OBJECTS}")
    first, _, _ = start.partition("\n")
    try:
        json.loads(first)
    except json.JSONDecodeError:
        return _spread(text, whole)
    return "lines"


def _spread(text: str, whole: bool) -> str:
    """Objects over several lines, or several in one: Spark takes only one such object a file."""
    start = len(text) - len(text.lstrip())
    try:
        _, end = json.JSONDecoder().raw_decode(text, start)
    except json.JSONDecodeError as error:
        alone = not whole or error.pos >= len(text.rstrip())
        return "whole" if alone else "lines"  # a broken line is told where it is read
    return "python" if text[end:].strip() else "whole"


def _first_fields(text: str, file: File, lines: bool, whole: bool) -> Shape:
    """The fields in the beginning of a file, in order. A broken line is told now, a cut one is left out."""
    shape: Shape = None
    if not lines:
        return _fields_of(re.findall(r'"((?:[^"\\]|\\.)*)"\s*:', text)) if not whole else _fields_of_document(text)
    found = text.splitlines() if whole else text.splitlines()[:-1]
    for number, line in enumerate(found, 1):
        if line.strip():
            shape = on_executors.merged(shape, _object(line, file, number))
    return shape


def _object(line: str, file: File, number: int) -> Shape:
    try:
        found = json.loads(line)
    except json.JSONDecodeError as error:
        raise DataError(f"{file.display}, line {number}: {error.msg}; {BROKEN}") from error
    if not isinstance(found, dict):
        raise DataError(f"{file.display} {NO_OBJECTS}")
    return on_executors.shape_of(found)


def _fields_of(names: Sequence[str]) -> Shape:
    """All names that are followed by a colon: enough to tell an order."""
    return ["struct", dict.fromkeys(names)]


def _fields_of_document(text: str) -> Shape:
    try:
        found = json.loads(text)
    except json.JSONDecodeError:
        return None
    shape = on_executors.shape_of(found)
    return shape[1] if isinstance(found, list) else shape


def _by_layout(input: Input, heads: Sequence[tuple[File, Head]]) -> dict[str, tuple[File, ...]]:
    known = {file.path: head.layout for file, head in heads}
    layouts: dict[str, list[File]] = {}
    for file in input.files:
        layouts.setdefault(known.get(file.path, heads[0][1].layout), []).append(file)
    return {layout: tuple(files) for layout, files in layouts.items()}


# -- types -------------------------------------------------------------------------------------------------------------


def _types(session: Session, input: Input, layouts: Mapping[str, Sequence[File]], order: Shape) -> dict[str, DataType]:
    """The fields and their types: declared, else inferred from all objects, in the order of first sight."""
    if input.source.schema:
        return {name: type for name, type in input.types.items() if name not in input.partitions}
    found: Shape = None
    for layout, files in layouts.items():
        found = on_executors.merged(found, _inferred(session, input, layout, files))
    if not isinstance(found, list) or found[0] != "struct":
        raise DataError(f"{input.display} {NO_OBJECTS}")
    fields = _in_order(found, order)[1]
    seen = order[1] if isinstance(order, list) and order[0] == "struct" else {}
    if all(isinstance(shape, list) or shape for shape in seen.values()):
        fields |= {name: "string" for name, shape in seen.items() if name not in fields and shape is not None}
    if not fields:
        raise DataError(f"{input.display} {NO_OBJECTS}")
    names = [name for name in fields if name not in (*input.partitions, *input.outer)]
    check_fields(input, [*names, *seen])
    types = {name: _type_of(fields[name]) for name in names}
    return (
        types
        | _stated(session, input, layouts, types)
        | {name: type for name, type in input.types.items() if name in types}
    )


def check_fields(input: Input, names: Sequence[str]) -> None:
    """Raise `DataError` for names that differ only in case."""
    seen: dict[str, str] = {}
    for name in dict.fromkeys(names):
        twin = seen.setdefault(name.lower(), name)
        if twin != name:
            raise DataError(f"{input.display}: the fields {twin!r} and {name!r} differ only in case; {RENAME}")
    check_names(list(dict.fromkeys(names)), input.display, RENAME)


def _inferred(session: Session, input: Input, layout: str, files: Sequence[File]) -> Shape:
    """The fields of all objects: one job."""
    if layout == "python":
        texts = _python_texts(session, input, files).select("value")
        shapes = texts.mapInArrow(on_executors.shapes_of, texts.schema).collect()
        found: Shape = None
        for (shape,) in shapes:
            found = on_executors.merged(found, json.loads(shape))
        return found
    options = {**_layout(layout), "inferTimestamp": "false"}
    try:
        schema = load(input, session, "json", None, files, options).schema
    except spark_errors() as error:
        told = _told(input, files, layout, str(error))
        if told is None:
            raise
        raise told from error
    return ["struct", {field.name: _shape(field.dataType) for field in schema if field.name not in input.partitions}]


def _told(input: Input, files: Sequence[File], layout: str, text: str) -> DataError | None:
    """The error for files whose fields Spark could not find out."""
    twin = re.search(r"COLUMN_ALREADY_EXISTS\].*?`(?P<name>.*?)`", text, re.DOTALL)
    if twin is not None:
        return DataError(f"{input.display}: two fields {twin['name']!r} differ only in case; {RENAME}")
    if "INVALID_JSON_RECORD_TYPE" in text:
        return DataError(f"{input.display} {NO_OBJECTS}")
    if "_corrupt_record" not in text and "MALFORMED" not in text and "Malformed" not in text:
        return None
    for file in files if input.seen else ():
        found = explain.bad_object(input, file, layout == "lines")
        if found:
            return DataError(found)
    return DataError(f"{input.display}: a record is no JSON object; {BROKEN}")


def _shape(type: Any) -> Shape:
    """Spark's type as a shape."""
    from pyspark.sql import types as T  # noqa: N812

    if isinstance(type, T.StructType):
        return ["struct", {field.name: _shape(field.dataType) for field in type.fields}]
    if isinstance(type, T.ArrayType):
        return ["array", _shape(type.elementType)]
    if isinstance(type, T.DecimalType):
        return "decimal(38,0)" if type.scale == 0 and type.precision <= SPLIT_DIGITS else "double"
    return str(data_type(type) or "string")


def _in_order(shape: Shape, order: Shape) -> Shape:
    """A shape with its fields in the order of another, what that has not at the end."""
    if not isinstance(shape, list):
        return shape
    other = order if isinstance(order, list) and order[0] == shape[0] else None
    if shape[0] == "array":
        return ["array", _in_order(shape[1], other[1] if other else None)]
    known = other[1] if other else {}
    names = [*(name for name in known if name in shape[1]), *(name for name in shape[1] if name not in known)]
    return ["struct", {name: _in_order(shape[1][name], known.get(name)) for name in names}]


def _type_of(shape: Shape) -> DataType:
    if not isinstance(shape, list):
        return parse_type(shape or "string")
    if shape[0] == "array":
        return DataType("array", children=(_type_of(shape[1]),))
    children = tuple(_type_of(each) for each in shape[1].values())
    return DataType("struct", children=children, field_names=tuple(shape[1])) if children else STRING


def _stated(
    session: Session, input: Input, layouts: Mapping[str, Sequence[File]], types: Mapping[str, DataType]
) -> dict[str, DataType]:
    """Texts that a stated format makes dates or timestamps: one more aggregation, where a format is stated."""
    texts = [name for name, type in types.items() if type == STRING and name not in input.types]
    if not texts or not (input.options.get("date_format") or input.options.get("timestamp_format")):
        return {}
    plain = dict.fromkeys(texts, STRING)
    frames = [_read(session, input, files, layout, plain) for layout, files in layouts.items()]
    return fit_stated(frames, texts, input.options)


# -- reading -----------------------------------------------------------------------------------------------------------


def _layout(layout: str) -> dict[str, str]:
    return {"mode": "FAILFAST", "multiLine": str(layout == "whole").lower()}


def _read(session: Session, input: Input, files: Sequence[File], layout: str, types: Mapping[str, DataType]) -> Any:
    """Objects as columns of stated types, and the file that a row is from."""
    schema = schema_of(Column(name, type) for name, type in types.items() if name not in input.partitions)
    if layout == "python":
        from pyspark.sql import functions as F  # noqa: N812

        texts = _python_texts(session, input, files)
        parsed = texts.withColumn("value", F.from_json(texts["value"], schema, {"mode": "FAILFAST"}))
        others = [quote(name) for name in texts.columns if name != "value"]
        return parsed.selectExpr("value.*", *others, f"{literal(input.display)} AS {FILE}")
    frame = load(input, session, "json", schema, files, _layout(layout))
    place = literal(input.display) if "_metadata" in types else "_metadata.file_path"
    return frame.selectExpr("*", f"{place} AS {FILE}")


def _select(
    session: Session,
    input: Input,
    files: Sequence[File],
    layout: str,
    types: Mapping[str, DataType],
    wanted: Sequence[str],
    native: bool,
) -> Any:
    """The wanted columns. What is declared is read as text and cast, so that a value that does not fit is told."""
    inner = {name: type if native or type.children else STRING for name, type in types.items()}
    stated = {name for name, type in types.items() if type.name in ("date", "timestamp", "timestamp_ntz")}
    inner |= dict.fromkeys(stated, STRING)
    frame = _read(session, input, files, layout, inner)
    patterns = Patterns.of(input.options)
    items = []
    for name in wanted:
        if name in input.partitions:
            items.append(partition_item(input, name))
        elif types[name].name == "binary":
            items.append(f"try_to_binary({quote(name)}, 'base64') AS {quote(name)}")
        elif inner[name] == types[name]:
            items.append(quote(name))
        else:
            items.append(typed(name, types[name], patterns, FILE))
    return frame.selectExpr(*items)


def _python_texts(session: Session, input: Input, files: Sequence[File]) -> Any:
    """The objects of files that Spark's reader does not take, each as a text."""
    schema = schema_of([Column("value", STRING)])
    facts = {"encoding": input.options.get("encoding", "utf-8")}
    return read_by_python(session, input, files, schema, on_executors.lines_of, facts, JSON.suffixes)


def write(session: Session, frame: SparkFrame, target: Target, path: str) -> None:
    """Write a frame as JSON. Binary becomes base64; binary inside nested columns raises `DataError`."""
    write_json(session, frame, target, path)


CODEC = Codec(scan, write)
