"""Delta's schema JSON and our types."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from odibi.engine.pandas.types import duckdb_type
from odibi.types import Column, DataType

TO_DELTA = {"tinyint": "byte", "smallint": "short", "int": "integer", "bigint": "long"}
FROM_DELTA = {theirs: ours for ours, theirs in TO_DELTA.items()}


def schema_json(columns: Iterable[Column]) -> str:
    """The schema of a new table; every column may be NULL."""
    return json.dumps(_struct((column.name, column.type) for column in columns))


def columns_of(schema: str) -> tuple[Column, ...]:
    """The columns of a table's schema JSON. A type that odibi does not know (`void`, `variant`) is None."""
    return tuple(_column(field) for field in json.loads(schema)["fields"])


def merged_json(schema: str, columns: Sequence[Column]) -> str:
    """The table's schema JSON for an overwrite: what stays of a column keeps its metadata (comments and the like)."""
    old = {field["name"]: field for field in json.loads(schema)["fields"]}
    new = json.loads(schema_json(columns))
    for field in new["fields"]:
        before = old.get(field["name"])
        if before is not None and before["type"] == field["type"]:
            field.update(metadata=before["metadata"])
    return json.dumps(new)


def _column(field: dict[str, Any]) -> Column:
    type = _data_type(field["type"])
    native = duckdb_type(type) if type else _text(field["type"])
    return Column(field["name"], type, native)


def _text(type: Any) -> str:
    return type if isinstance(type, str) else str(type["type"])


def _data_type(type: Any) -> DataType | None:
    if isinstance(type, str):
        return _simple(type)
    if type["type"] == "struct":
        names = tuple(field["name"] for field in type["fields"])
        return _nested("struct", [field["type"] for field in type["fields"]], names)
    if type["type"] == "array":
        return _nested("array", [type["elementType"]])
    return _nested("map", [type["keyType"], type["valueType"]])


def _nested(name: str, parts: Sequence[Any], names: tuple[str, ...] = ()) -> DataType | None:
    children = [found for part in parts if (found := _data_type(part)) is not None]
    return DataType(name, children=tuple(children), field_names=names) if len(children) == len(parts) else None


def _simple(text: str) -> DataType | None:
    if text.startswith("decimal"):
        precision, _, scale = text[len("decimal(") : -1].partition(",")
        return DataType("decimal", int(precision), int(scale))
    if text in ("void", "null", "variant") or text.startswith(("interval", "char", "varchar", "geo")):
        return None
    return DataType(FROM_DELTA.get(text, text))


def _struct(fields: Iterable[tuple[str, DataType | None]]) -> dict[str, Any]:
    made = [{"name": name, "type": _delta(type), "nullable": True, "metadata": {}} for name, type in fields]
    return {"type": "struct", "fields": made}


def _delta(type: DataType | None) -> Any:
    assert type is not None, "a column to write has a type"
    if type.name == "struct":
        return _struct(zip(type.field_names, type.children, strict=True))
    if type.name == "array":
        return {"type": "array", "elementType": _delta(type.children[0]), "containsNull": True}
    if type.name == "map":
        key, value = map(_delta, type.children)
        return {"type": "map", "keyType": key, "valueType": value, "valueContainsNull": True}
    return TO_DELTA.get(type.name, str(type))
