"""The casts of a write as DuckDB's SQL; what is cast to what is decided in `odibi.engine.casting`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from odibi.engine import casting
from odibi.engine.casting import Expressions, Given, Kind, given_of, legal_names
from odibi.engine.pandas.session import quote
from odibi.engine.pandas.types import Native, data_type, duckdb_type, parse_native
from odibi.types import Column, DataType

__all__ = ["CastPlan", "legal_names", "plan_cast"]

INTEGER_BITS = {
    "HUGEINT": 127, "UTINYINT": 8, "USMALLINT": 16, "UINTEGER": 32, "UBIGINT": 64, "UHUGEINT": 128, "BIGNUM": 1 << 16,
}  # fmt: skip
"""Integers that Spark has no name for."""
STORED_AS = {
    "HUGEINT": "bigint", "UHUGEINT": "bigint", "BIGNUM": "bigint", "UTINYINT": "smallint", "USMALLINT": "int",
    "UINTEGER": "bigint", "UBIGINT": "bigint", "UUID": "string", "ENUM": "string", "JSON": "string",
    "TIMESTAMP_S": "timestamp_ntz", "TIMESTAMP_MS": "timestamp_ntz", "TIMESTAMP_NS": "timestamp_ntz",
}  # fmt: skip
"""What types without a name of their own are stored as in a new table."""
_KINDS: Mapping[str, Kind] = {
    **dict.fromkeys(INTEGER_BITS, "integer"), **dict.fromkeys(("UUID", "ENUM", "JSON"), "text"), "NULL": "null",
    "LIST": "array", "ARRAY": "array", "MAP": "map", "STRUCT": "struct",
}  # fmt: skip


@dataclass(frozen=True)
class CastPlan(casting.CastPlan):
    """How a frame is cast, in SQL."""

    @property
    def select_sql(self) -> str:
        """The SELECT list, over the names that `source` gives."""
        return ", ".join(f"{item.expression} AS {quote(item.column.name)}" for item in self.items)

    def apply(self, sql: str) -> str:
        """The SELECT that casts the rows of the SELECT `sql`."""
        return sql if self.identity else f"SELECT {self.select_sql} FROM {self.source(sql)}"

    def source(self, sql: str) -> str:
        """The SELECT as a table whose columns the expressions name."""
        if not self.by_place:
            return f"({sql}\n) AS __data"
        return f"({sql}\n) AS __data({', '.join(map(WRITE.place, range(len(self.names))))})"


def plan_cast(
    columns: Sequence[Column],
    declared: Mapping[str, DataType],
    existing: Sequence[Column] | None,
    mode: str,
    names: Sequence[str] | None = None,
) -> CastPlan:
    """How data of these columns is written to a target with these declared types and, if it exists, these columns; see
    `casting.plan`."""
    types = [given(parse_native(column.native)) for column in columns]
    found = casting.plan(WRITE, columns, types, declared, existing, mode, names)
    return CastPlan(found.items, found.names, found.warnings, found.changes, found.identity, found.by_place)


@lru_cache(maxsize=1024)
def given(native: Native) -> Given:
    """A DuckDB type as the type of data that is to be written."""
    found = data_type(native)
    if found is not None and not native.children:
        return given_of(found, duckdb_type)
    kind = _kind(native.name)
    stored = DataType(STORED_AS[native.name]) if native.name in STORED_AS else found
    children, names = tuple(map(given, native.children)), native.field_names
    bits, fixed = INTEGER_BITS.get(native.name, 0), native.name == "ARRAY"
    text = _source_text(native, found)
    return Given(kind, found, stored, text, bits, children=children, field_names=names, fixed=fixed)


def _kind(name: str) -> Kind:
    if name.startswith("TIMESTAMP"):
        return "zoned" if name.endswith("WITH TIME ZONE") else "zoneless"
    return _KINDS.get(name, "")


def _source_text(native: Native, found: DataType | None) -> str:
    if found is not None:
        return duckdb_type(found)
    if native.name in ("LIST", "ARRAY"):
        return f"{given(native.children[0]).text}[]"
    return native.name


class _DuckDB(Expressions):
    """DuckDB's expressions."""

    def text(self, type: DataType) -> str:
        return duckdb_type(type)

    def name(self, name: str) -> str:
        return quote(name)

    def place(self, index: int) -> str:
        return f"__c{index}"

    def round_trip(self, expression: str, given: Given, target: DataType, told: Sequence[str]) -> str:
        wanted = duckdb_type(target)
        problem = f"error({_text(told[0])} || {expression} || {_text(told[1])})"
        same = f"TRY_CAST(TRY_CAST({expression} AS {wanted}) AS {given.text}) IS NOT DISTINCT FROM {expression}"
        return f"CASE WHEN {same} THEN CAST({expression} AS {wanted}) ELSE {problem} END"

    def each(self, array: str, variable: str, element: str) -> str:
        return f"list_transform({array}, lambda {variable}: {element})"

    def entries(self, entries: str, variable: str, key: str, value: str) -> str:
        found = f"list_transform(map_entries({entries}), lambda {variable}: {{'key': {key}, 'value': {value}}})"
        return f"CASE WHEN {entries} IS NULL THEN NULL ELSE map_from_entries({found}) END"

    def field(self, struct: str, name: str) -> str:
        return f"struct_extract({struct}, {_text(name)})"

    def struct(self, struct: str, fields: Sequence[tuple[str, str]]) -> str:
        parts = ", ".join(f"{quote(name)} := {value}" for name, value in fields)
        return f"CASE WHEN {struct} IS NULL THEN NULL ELSE struct_pack({parts}) END"


WRITE = _DuckDB()


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
