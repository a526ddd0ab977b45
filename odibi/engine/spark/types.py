"""Spark's types and ours. Ours are named as Spark names them, so that only a few of Spark's have no counterpart."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pyspark.sql import types as T  # noqa: N812 - the name that Spark's own documentation gives it

from odibi.types import Column, DataType

_SIMPLE: dict[str, str] = {
    "BooleanType": "boolean",
    "ByteType": "tinyint",
    "ShortType": "smallint",
    "IntegerType": "int",
    "LongType": "bigint",
    "FloatType": "float",
    "DoubleType": "double",
    "StringType": "string",
    "CharType": "string",
    "VarcharType": "string",
    "BinaryType": "binary",
    "DateType": "date",
    "TimestampType": "timestamp",
    "TimestampNTZType": "timestamp_ntz",
}
"""Names of classes: some of them are not there in every release."""
_CLASSES = {ours: theirs for theirs, ours in _SIMPLE.items() if theirs not in ("CharType", "VarcharType")}


def column_of(field: Any) -> Column:
    """The column that a field of a Spark schema is; `native` is its type in Spark's words."""
    return Column(field.name, data_type(field.dataType), field.dataType.simpleString())


def columns_of(schema: Any) -> tuple[Column, ...]:
    """The columns of a Spark schema (`StructType`)."""
    return tuple(map(column_of, schema.fields))


def data_type(type: Any) -> DataType | None:
    """Our type of a Spark type, None where we have none (void, intervals, variant, user-defined types)."""
    simple = _SIMPLE.get(type.__class__.__name__)
    if simple is not None:
        return DataType(simple)
    if isinstance(type, T.DecimalType):
        return DataType("decimal", type.precision, type.scale)
    if isinstance(type, T.ArrayType):
        return _nested("array", [type.elementType])
    if isinstance(type, T.MapType):
        return _nested("map", [type.keyType, type.valueType])
    if isinstance(type, T.StructType):
        return _nested("struct", [field.dataType for field in type.fields], tuple(field.name for field in type.fields))
    return None


def _nested(name: str, inner: list[Any], field_names: tuple[str, ...] = ()) -> DataType | None:
    children = tuple(found for each in inner if (found := data_type(each)) is not None)
    return DataType(name, children=children, field_names=field_names) if len(children) == len(inner) else None


def spark_type(type: DataType) -> Any:
    """The Spark type of one of ours."""
    inner = [spark_type(child) for child in type.children]
    if type.name == "decimal":
        return T.DecimalType(type.precision, type.scale)
    if type.name == "array":
        return T.ArrayType(inner[0])
    if type.name == "map":
        return T.MapType(inner[0], inner[1])
    if type.name == "struct":
        return T.StructType([T.StructField(name, each) for name, each in zip(type.field_names, inner, strict=True)])
    return getattr(T, _CLASSES[type.name])()


def schema_of(columns: Iterable[Column]) -> Any:
    """The Spark schema (`StructType`) of columns whose types are known; a column without one is void."""
    return T.StructType(
        [T.StructField(each.name, spark_type(each.type) if each.type else T.NullType()) for each in columns]
    )
