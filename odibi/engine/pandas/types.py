"""DuckDB's types and ours: the text that DESCRIBE shows, read, and the text that a CAST takes, written."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from odibi.transforms.dialect import DUCKDB
from odibi.types import Column, DataType

SIMPLE = {
    "BOOLEAN": "boolean", "TINYINT": "tinyint", "SMALLINT": "smallint", "INTEGER": "int", "BIGINT": "bigint",
    "FLOAT": "float", "DOUBLE": "double", "VARCHAR": "string", "BLOB": "binary", "DATE": "date",
    "TIMESTAMP": "timestamp_ntz", "TIMESTAMP WITH TIME ZONE": "timestamp", "TIMESTAMPTZ": "timestamp",
}  # fmt: skip
"""DuckDB types that are the same thing under another name."""
_DATA_TYPES = {theirs: DataType(ours) for theirs, ours in SIMPLE.items()}
_TOKEN = re.compile(
    r"""\s*(?:"(?P<quoted>(?:[^"]|"")*)"|'(?P<string>(?:[^']|'')*)'|(?P<word>\w+)|(?P<sign>[(),\[\]]))"""
)
_NAMED = ("STRUCT", "UNION")


@dataclass(frozen=True, slots=True)
class Native:
    """A DuckDB type, read. `name` is upper case and without arguments (`DECIMAL`, `STRUCT`, `LIST`, `ARRAY`, `MAP`);
    `numbers` are the arguments of a decimal or the length of an array."""

    name: str
    numbers: tuple[int, ...] = ()
    children: tuple[Native, ...] = ()
    field_names: tuple[str, ...] = ()


def column_of(name: str, duckdb_type: str) -> Column:
    """The column that DESCRIBE shows as `name`, `duckdb_type`. Its type is None where DuckDB's has no Spark name.

    >>> column_of("x", 'STRUCT(a INTEGER, "b c" DECIMAL(5,2)[])').type_name
    'struct<a:int,`b c`:array<decimal(5,2)>>'
    >>> column_of("x", "HUGEINT").type is None
    True
    """
    return Column(name, _DATA_TYPES.get(duckdb_type) or data_type(parse_native(duckdb_type)), duckdb_type)


def data_type(native: Native) -> DataType | None:
    """Our name of a DuckDB type, None where there is none. A list of fixed length is an array."""
    if native.name in _DATA_TYPES:
        return _DATA_TYPES[native.name]
    if native.name == "DECIMAL":
        precision, scale = native.numbers
        return DataType("decimal", precision, scale)
    if native.name not in ("LIST", "ARRAY", "MAP", "STRUCT"):
        return None
    children = tuple(found for child in native.children if (found := data_type(child)) is not None)
    if len(children) < len(native.children):
        return None
    name = {"LIST": "array", "ARRAY": "array", "MAP": "map", "STRUCT": "struct"}[native.name]
    return DataType(name, children=children, field_names=native.field_names)


def duckdb_type(type: DataType) -> str:
    """The type as a DuckDB CAST takes it.

    >>> duckdb_type(DataType("array", children=(DataType("decimal", 12, 2),)))
    'DECIMAL(12,2)[]'
    """
    return DUCKDB.type_name(type)


@lru_cache(maxsize=1024)
def parse_native(text: str) -> Native:
    """Read the text of a DuckDB type; a type this module has never heard of is a `Native` of that name."""
    if text in SIMPLE:
        return Native(text)
    reader = _Reader(text)
    return reader.type()


class _Reader:
    """A recursive-descent reader of one type text, which comes from DuckDB and is well formed."""

    def __init__(self, text: str) -> None:
        self.tokens = [(str(found.lastgroup), found[str(found.lastgroup)]) for found in _TOKEN.finditer(text)]
        self.at = 0

    def peek(self, sign: str) -> bool:
        return self.at < len(self.tokens) and self.tokens[self.at] == ("sign", sign)

    def take(self) -> tuple[str, str]:
        self.at += 1
        return self.tokens[self.at - 1]

    def accept(self, sign: str) -> bool:
        found = self.peek(sign)
        self.at += found
        return found

    def type(self) -> Native:
        words = [self.take()[1].replace('""', '"')]
        while self.at < len(self.tokens) and self.tokens[self.at][0] == "word":
            words.append(self.take()[1])  # TIMESTAMP WITH TIME ZONE
        found = self.arguments(" ".join(words).upper()) if self.accept("(") else Native(" ".join(words).upper())
        while self.accept("["):
            length = () if self.peek("]") else (int(self.take()[1]),)
            found = Native("ARRAY" if length else "LIST", length, (found,))
            self.accept("]")
        return found

    def arguments(self, name: str) -> Native:
        numbers: list[int] = []
        children: list[Native] = []
        names: list[str] = []
        while not self.accept(")"):
            kind, value = self.tokens[self.at]
            if kind == "string":
                self.at += 1
            elif kind == "word" and value.isdecimal() and name not in _NAMED:
                numbers.append(int(self.take()[1]))
            else:
                if name in _NAMED:
                    names.append(self.take()[1].replace('""', '"'))
                children.append(self.type())
            self.accept(",")
        return Native(name, tuple(numbers), tuple(children), tuple(names))
