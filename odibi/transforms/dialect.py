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
    before_hash: Callable[[str, DataType], str] = lambda expression, type: expression
    """What the hash function is given, where it does not take every type."""
    before_cast: Callable[[str, DataType, DataType], str] = lambda expression, given, type: expression
    """What a CAST is given, where the bare CAST of this dialect gives another value than the others."""

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

    def convert(self, expression: str, given: DataType | None, type: DataType, null_on_error: bool = False) -> str:
        """A value of the type `given`, cast: numbers are rounded to integers, and written as text, alike everywhere."""
        prepared = expression if given is None or given == type else self.before_cast(expression, given, type)
        return self.cast(prepared, type, null_on_error)


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


def _before_spark_cast(expression: str, given: DataType, type: DataType) -> str:
    """Spark cuts digits off where it casts to an integer, writes a point in time without its zone (the session's is
    UTC), and powers of ten from 10,000,000 on."""
    if type.is_integer and given.name in ("float", "double"):
        return f"rint({expression})"
    if type.is_integer and given.name == "decimal":
        return f"round({expression})"
    if type.name == "string" and given.name == "timestamp":
        return f"concat(CAST({expression} AS STRING), '+00')"
    if type.name == "string" and given.name in ("float", "double"):
        return _spark_number_as_text(expression)
    return expression


def _spark_number_as_text(number: str) -> str:
    """A floating-point number as Python and DuckDB write it: `10000000.0`, `1e+16`, `1.5e-05`, `inf`, `nan`."""
    text, size = f"CAST({number} AS STRING)", f"abs({number})"
    digits = f"regexp_replace(CAST(CAST({text} AS DECIMAL(38,21)) AS STRING), '0+$', '')"
    mantissa = f"regexp_replace(substring_index({text}, 'E', 1), '[.]0$', '')"
    power = f"CAST(substring_index({text}, 'E', -1) AS INT)"
    return (
        f"CASE WHEN {number} IS NULL THEN NULL WHEN isnan({number}) THEN 'nan' "
        f"WHEN {size} = DOUBLE('inf') THEN replace(lower({text}), 'inity', '') "
        f"WHEN {number} = 0 OR {size} >= 1e-3 AND {size} < 1e7 THEN {text} "
        f"WHEN {size} >= 1e-4 AND {size} < 1e16 THEN regexp_replace({digits}, '[.]$', '.0') "
        f"ELSE format_string('%se%+03d', {mantissa}, {power}) END"
    )


def _before_spark_hash(expression: str, type: DataType) -> str:
    """Spark hashes no maps."""
    return f"to_json({expression})" if _has_map(type) else expression


def _has_map(type: DataType) -> bool:
    return type.name == "map" or any(map(_has_map, type.children))


DUCKDB = Dialect("duckdb", '"', False, _duckdb_type, "hash", False)
SPARK = Dialect(
    "spark", "`", True, str, "xxhash64", True, before_hash=_before_spark_hash, before_cast=_before_spark_cast
)
DIALECTS = {"duckdb": DUCKDB, "spark": SPARK, "databricks": SPARK}
"""sqlglot's name of a dialect -> how it is written."""


def dialect(name: str) -> Dialect:
    """The dialect named so. Raises KeyError for one in which odibi writes no SQL."""
    return DIALECTS[name]
