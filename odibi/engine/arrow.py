"""Our types as Arrow types, for the formats that Python libraries read and write."""

from __future__ import annotations

from typing import Any

from odibi.types import DataType


def arrow_type(type: DataType) -> Any:
    """The Arrow type of one of ours."""
    import pyarrow as pa

    simple = {
        "boolean": pa.bool_(),
        "tinyint": pa.int8(),
        "smallint": pa.int16(),
        "int": pa.int32(),
        "bigint": pa.int64(),
        "float": pa.float32(),
        "double": pa.float64(),
        "string": pa.string(),
        "binary": pa.binary(),
        "date": pa.date32(),
        "timestamp": pa.timestamp("us", tz="UTC"),
        "timestamp_ntz": pa.timestamp("us"),
    }
    if type.name in simple:
        return simple[type.name]
    if type.name == "decimal":
        return pa.decimal128(type.precision, type.scale)
    inner = [arrow_type(child) for child in type.children]
    if type.name == "array":
        return pa.list_(inner[0])
    if type.name == "map":
        return pa.map_(inner[0], inner[1])
    return pa.struct(list(zip(type.field_names, inner, strict=True)))
