"""Avro's schemas and ours, on every engine: pure translation, no library."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from odibi.errors import DataError
from odibi.types import DataType

PRIMITIVES = {
    "boolean": "boolean", "int": "int", "long": "bigint", "float": "float", "double": "double", "bytes": "binary",
    "string": "string", "enum": "string", "fixed": "binary",
}  # fmt: skip
LOGICAL = {
    "date": "date", "timestamp-millis": "timestamp", "timestamp-micros": "timestamp",
    "local-timestamp-millis": "timestamp_ntz", "local-timestamp-micros": "timestamp_ntz",
    "uuid": "string", "time-millis": "string", "time-micros": "string",
}  # fmt: skip


def fields_of(schema: Any, display: str) -> dict[str, DataType]:
    """The fields of a file's schema and our types of them. Raises `DataError` for types that have no like here."""
    if not isinstance(schema, Mapping) or schema.get("type") != "record":
        raise DataError(f"{display} holds no records but {schema!r}; only records are tables")
    return {
        field["name"]: _type(field["type"], {}, f"{display}, field {field['name']!r}") for field in schema["fields"]
    }


def _type(schema: Any, named: dict[str, Any], place: str) -> DataType:
    if isinstance(schema, list):
        real = [item for item in schema if item != "null"]
        if len(real) == 1:
            return _type(real[0], named, place)
        raise DataError(f"{place}: a union of {len(real)} types is no column type; write the field with one type")
    if isinstance(schema, str):
        if schema in PRIMITIVES:
            return DataType(PRIMITIVES[schema])
        if schema in named and named[schema] is not None:
            return _type(named[schema], named, place)
        raise DataError(f"{place}: the type {schema!r} holds itself or is unknown; it is no column type")
    return _complex(schema, named, place)


def _complex(schema: Mapping[str, Any], named: dict[str, Any], place: str) -> DataType:
    kind, logical = schema["type"], schema.get("logicalType")
    if isinstance(kind, list | Mapping):
        return _type(kind, named, place)
    if logical == "decimal":
        return DataType("decimal", int(schema["precision"]), int(schema.get("scale", 0)))
    if logical in LOGICAL:
        return DataType(LOGICAL[logical])
    if kind == "array":
        return DataType("array", children=(_type(schema["items"], named, place),))
    if kind == "map":
        return DataType("map", children=(DataType("string"), _type(schema["values"], named, place)))
    if kind == "record":
        named[schema["name"]] = None  # while its fields are read: a record inside itself has no end
        children = tuple(_type(field["type"], named, place) for field in schema["fields"])
        named[schema["name"]] = schema
        return DataType("struct", children=children, field_names=tuple(field["name"] for field in schema["fields"]))
    if "name" in schema:
        named[schema["name"]] = schema
    return _type(kind, named, place)


def record_of(name: str, fields: Sequence[tuple[str, DataType]], place: str) -> dict[str, Any]:
    """The Avro schema of a record; every field may be null."""
    for field, _ in fields:
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", field):
            raise DataError(
                f"{place}: avro can not hold the name {field!r} (only letters, digits and _, no digit first); rename it"
            )
    return {
        "type": "record",
        "name": name,
        "fields": [
            {"name": field, "type": ["null", _schema(type, f"{name}_{field}", place)], "default": None}
            for field, type in fields
        ],
    }


def _schema(type: DataType, name: str, place: str) -> Any:
    written = {
        "tinyint": "int", "smallint": "int", "int": "int", "bigint": "long", "binary": "bytes",
        "date": {"type": "int", "logicalType": "date"},
        "timestamp": {"type": "long", "logicalType": "timestamp-micros"},
        "timestamp_ntz": {"type": "long", "logicalType": "local-timestamp-micros"},
    }  # fmt: skip
    if type.name == "decimal":
        return {"type": "bytes", "logicalType": "decimal", "precision": type.precision, "scale": type.scale}
    if type.name == "array":
        return {"type": "array", "items": ["null", _schema(type.children[0], name + "_item", place)]}
    if type.name == "map":
        if type.children[0].name != "string":
            raise DataError(f"{place}: avro holds maps with string keys only, not {type}; cast the keys")
        return {"type": "map", "values": ["null", _schema(type.children[1], name + "_value", place)]}
    if type.name == "struct":
        return record_of(name, list(zip(type.field_names, type.children, strict=True)), place)
    return written.get(type.name, type.name)
