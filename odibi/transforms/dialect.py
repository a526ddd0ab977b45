"""What differs between SQL dialects in the SQL that odibi itself writes: identifiers, literals and type names."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from odibi.types import DataType

Scalar = bool | int | float | str | None


@dataclass(frozen=True)
class Dialect:
    """How one dialect writes identifiers, text and types. `name` is sqlglot's name of it."""

    name: str
    identifier_quote: str
    backslash_escapes: bool
    type_name: Callable[[DataType], str]
    hash: str
    """A function of any number of columns."""
    signed_hash: bool
    random: str = "random()"

    def quote(self, name: str) -> str:
        """An identifier."""
        sign = self.identifier_quote
        return sign + name.replace(sign, sign * 2) + sign

    def names(self, columns: Iterable[str]) -> str:
        """Identifiers, separated by commas."""
        return ", ".join(self.quote(column) for column in columns)

    def text(self, value: str) -> str:
        """A text literal."""
        if self.backslash_escapes:
            value = value.replace("\\", "\\\\")
        return "'" + value.replace("'", "\\'" if self.backslash_escapes else "''") + "'"

    def literal(self, value: Scalar) -> str:
        """A value as it stands in YAML: a number, text, true, false or null. Numbers keep all their digits."""
        if value is None:
            return "NULL"
        if isinstance(value, bool):
            return "TRUE" if value else "FALSE"
        if isinstance(value, str):
            return self.text(value)
        if value != value or value in (float("inf"), float("-inf")):
            return f"CAST({self.text(str(value))} AS DOUBLE)"
        return repr(value)

    def cast(self, expression: str, type: DataType, null_on_error: bool = False) -> str:
        """A CAST that fails on a bad value, or gives NULL for it."""
        return f"{'TRY_CAST' if null_on_error else 'CAST'}({expression} AS {self.type_name(type)})"


_DUCKDB_NAMES = {
    "int": "INTEGER",
    "string": "VARCHAR",
    "binary": "BLOB",
    "timestamp": "TIMESTAMP WITH TIME ZONE",
    "timestamp_ntz": "TIMESTAMP",
}


def _duckdb_type(type: DataType) -> str:
    inner = [_duckdb_type(child) for child in type.children]
    if type.name == "decimal":
        return f"DECIMAL({type.precision},{type.scale})"
    if type.name == "array":
        return f"{inner[0]}[]"
    if type.name == "map":
        return f"MAP({inner[0]}, {inner[1]})"
    if type.name == "struct":
        fields = zip(type.field_names, inner, strict=True)
        return "STRUCT(" + ", ".join(f"{DUCKDB.quote(name)} {child}" for name, child in fields) + ")"
    return _DUCKDB_NAMES.get(type.name, type.name.upper())


DUCKDB = Dialect("duckdb", '"', False, _duckdb_type, "hash", False)
SPARK = Dialect("spark", "`", True, str, "xxhash64", True)
DIALECTS = {"duckdb": DUCKDB, "spark": SPARK, "databricks": SPARK}
"""sqlglot's name of a dialect -> how it is written."""


def dialect(name: str) -> Dialect:
    """The dialect named so. Raises KeyError for one in which odibi writes no SQL."""
    return DIALECTS[name]
