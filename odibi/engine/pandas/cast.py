"""The type rules of a write, decided once: which type each column is stored as, and the SQL that casts it.

An existing table's types win on append: data is cast to them where nothing can be lost, else refused. A new table
takes the declared types, then the data's own, made storable. What can be lost only for some values (a narrower integer,
a bigint into a double) is checked row by row: such a row is an error, never another value.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from odibi.engine.pandas.session import quote
from odibi.engine.pandas.types import Native, data_type, duckdb_type, parse_native
from odibi.errors import SchemaMismatchError, suggest
from odibi.types import Column, DataType

Fit = Literal["same", "cast", "round trip", "utc"]
"""How a value gets into a type: as it is, by a CAST that fails where it does not fit, by a CAST that must give the same
value back, or as a zoneless time taken as UTC."""

SIGNED = {"TINYINT": 7, "SMALLINT": 15, "INTEGER": 31, "BIGINT": 63, "HUGEINT": 127}
UNSIGNED = {"UTINYINT": 8, "USMALLINT": 16, "UINTEGER": 32, "UBIGINT": 64, "UHUGEINT": 128}
INTEGER_BITS = SIGNED | UNSIGNED | {"BIGNUM": 1 << 16}
FLOAT_BITS = {"float": 24, "double": 53}
FLOAT_DIGITS = {"float": 6, "double": 15}
TEXTS = ("UUID", "ENUM", "JSON")
STORED_AS = {
    "HUGEINT": "bigint", "UHUGEINT": "bigint", "BIGNUM": "bigint", "UTINYINT": "smallint", "USMALLINT": "int",
    "UINTEGER": "bigint", "UBIGINT": "bigint", "UUID": "string", "ENUM": "string", "JSON": "string",
    "TIMESTAMP_S": "timestamp_ntz", "TIMESTAMP_MS": "timestamp_ntz", "TIMESTAMP_NS": "timestamp_ntz",
}  # fmt: skip
"""What types without a name of their own are stored as in a new table."""
_ILLEGAL = re.compile(r"[ ,;{}()=\n\t\r]")


@dataclass(frozen=True)
class CastItem:
    """One written column, and the SQL of its values over the data's columns."""

    column: Column
    expression: str


@dataclass(frozen=True)
class CastPlan:
    """How a frame is cast: `columns` are what is written, `warnings` are for the story, `changes` say how the table's
    schema changes. `names` are the data's columns."""

    items: tuple[CastItem, ...]
    names: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns as they are written."""
        return tuple(item.column for item in self.items)

    @property
    def select_sql(self) -> str:
        """The SELECT list, over the names that `source` gives."""
        return ", ".join(f"{item.expression} AS {quote(item.column.name)}" for item in self.items)

    @property
    def identity(self) -> bool:
        """True where the data is already as it must be."""
        same = all(item.expression == quote(item.column.name) for item in self.items)
        return same and self.names == tuple(item.column.name for item in self.items)

    def apply(self, sql: str) -> str:
        """The SELECT that casts the rows of the SELECT `sql`."""
        return sql if self.identity else f"SELECT {self.select_sql} FROM {self.source(sql)}"

    def source(self, sql: str) -> str:
        """The SELECT as a table whose columns the expressions name."""
        if not _doubles(self.names):
            return f"({sql}\n) AS __data"
        return f"({sql}\n) AS __data({', '.join(_place(index) for index in range(len(self.names)))})"


class _Refused(Exception):
    """A type that can not be stored, or not as the target's; `at` is the place inside a nested type."""

    def __init__(self, source: str, target: str = "", at: str = "") -> None:
        self.source, self.target, self.at = source, target, at
        super().__init__(source, target, at)


def plan_cast(
    columns: Sequence[Column],
    declared: Mapping[str, DataType],
    existing: Sequence[Column] | None,
    mode: str,
    names: Sequence[str] | None = None,
) -> CastPlan:
    """How data of these columns is written to a target with these declared types and, if it exists, these columns.

    Names match without case; an appended column keeps the table's spelling. `names` are other names for the data's
    columns, one each. Raises `SchemaMismatchError`, for all columns at once, where a type can not be stored or does not
    fit.
    """
    given = tuple(column.name for column in columns)
    spelled = tuple(names) if names is not None else given
    _refuse_doubles(spelled)
    places = [_place(index) for index in range(len(given))] if _doubles(given) else [quote(name) for name in given]
    sources = {name.lower(): each for name, *each in zip(spelled, columns, places, strict=True)}
    table = {column.name.lower(): column for column in existing or ()} if mode == "append" else {}
    planner = _Planner(_declared(declared, spelled, given, existing if mode == "append" else None))
    for stored in table.values():
        planner.add(stored.name, sources.get(stored.name.lower()), stored)
    for name in spelled:
        if name.lower() not in table:
            planner.add(name, sources[name.lower()], None)
    if planner.refused:
        raise SchemaMismatchError("\n".join(planner.refused))
    items = tuple(planner.items)
    return CastPlan(items, given, tuple(planner.warnings), _changes(existing, [item.column for item in items], mode))


class _Planner:
    """Plans column by column and collects what is refused."""

    def __init__(self, wanted: Mapping[str, DataType]) -> None:
        self.wanted = wanted
        self.items: list[CastItem] = []
        self.warnings: list[str] = []
        self.refused: list[str] = []

    def add(self, name: str, source: Sequence[Any] | None, stored: Column | None) -> None:
        """Plan one column; `source` is its column and SQL in the data, `stored` the table's column."""
        if source is None:
            assert stored is not None, "a column comes from the data or from the table"
            self.items.append(CastItem(stored, f"CAST(NULL AS {_native_text(stored)})"))
            return
        column, expression = source
        try:
            type, cast = self._cast(name, column, expression, stored)
        except _Refused as refused:
            self.refused.append(_refusal(name, column, refused, stored))
            return
        self.items.append(CastItem(Column(stored.name if stored else name, type, duckdb_type(type)), cast))

    def _cast(self, name: str, column: Column, expression: str, stored: Column | None) -> tuple[DataType, str]:
        native = parse_native(column.native)
        declared = self.wanted.get(name.lower())
        if declared is not None:
            expression = convert(expression, native, declared, name, force=True)
            native = parse_native(_described(declared))
        if stored is None:
            type = stored_type(native)
        elif stored.type is None:
            raise _Refused(native.name, stored.native)
        else:
            type = stored.type
        if _takes_as_utc(native, type):
            self.warnings.append(
                f"column {name!r}: times without a zone were taken as UTC: the table's column has a zone"
            )
        return type, convert(expression, native, type, name)


def stored_type(native: Native, at: str = "") -> DataType:
    """The type that a new table has for a DuckDB type. Raises where only a declaration can tell."""
    if native.name in STORED_AS:
        return DataType(STORED_AS[native.name])
    found = data_type(native)
    if found is not None:
        return found
    if native.name in ("LIST", "ARRAY"):
        return DataType("array", children=(stored_type(native.children[0], f"{at}[]"),))
    if native.name == "MAP":
        return DataType("map", children=tuple(stored_type(child, f"{at}[]") for child in native.children))
    if native.name == "STRUCT":
        pairs = zip(native.field_names, native.children, strict=True)
        children = tuple(stored_type(child, f"{at}.{name}") for name, child in pairs)
        return DataType("struct", children=children, field_names=native.field_names)
    raise _Refused(native.name, at=at)


def fit(native: Native, target: DataType) -> Fit | None:
    """How a value of a DuckDB type that is not nested gets into a type without loss; None where it may be lost."""
    if data_type(native) == target:
        return "same"
    if native.name == "NULL":
        return "cast"
    if target.is_integer or target.name == "decimal":
        scale = native.numbers[1] if native.name == "DECIMAL" else 0
        return "cast" if native.name in (*INTEGER_BITS, "DECIMAL") and scale <= target.scale else None
    if target.name in FLOAT_BITS:
        return _fit_float(native, target)
    if target.name in ("timestamp", "timestamp_ntz"):
        return _fit_time(native.name, target)
    return "cast" if target.name == "string" and native.name in TEXTS else None


def _fit_float(native: Native, target: DataType) -> Fit | None:
    if native.name in INTEGER_BITS:
        return "cast" if INTEGER_BITS[native.name] <= FLOAT_BITS[target.name] else "round trip"
    if native.name == "DECIMAL":
        return "cast" if native.numbers[0] <= FLOAT_DIGITS[target.name] else "round trip"
    return "cast" if (native.name, target.name) == ("FLOAT", "double") else None


def _fit_time(name: str, target: DataType) -> Fit | None:
    zoned = name.startswith("TIMESTAMP") and name.endswith("WITH TIME ZONE")
    if zoned:
        return "cast" if target.name == "timestamp" else None
    if name == "DATE" or name.startswith("TIMESTAMP"):
        return "cast" if target.name == "timestamp_ntz" else "utc"
    return None


def _takes_as_utc(native: Native, target: DataType) -> bool:
    if not target.children:
        return fit(native, target) == "utc"
    if native.name == "STRUCT" and target.name == "struct":
        found = dict(zip(map(str.lower, native.field_names), native.children, strict=True))
        pairs = zip(target.field_names, target.children, strict=True)
        return any(name.lower() in found and _takes_as_utc(found[name.lower()], child) for name, child in pairs)
    return any(map(_takes_as_utc, native.children, target.children))


def convert(expression: str, native: Native, target: DataType, at: str, force: bool = False) -> str:
    """The SQL that makes `expression`, of type `native`, a `target`; nested types are taken apart.

    With `force` (a declared type) whatever DuckDB can cast is cast, apart from numbers that would lose a fraction as
    integers. Raises where something could be lost.
    """
    if data_type(native) == target and native.name != "ARRAY":
        return expression
    if native.name in ("LIST", "ARRAY") and target.name == "array":
        return _convert_list(expression, native, target, at, force)
    if native.name == "MAP" and target.name == "map":
        return _convert_map(expression, native, target, at, force)
    if native.name == "STRUCT" and target.name == "struct":
        return _convert_struct(expression, native, target, at, force)
    nested = bool(target.children or native.children) and native.name != "NULL"
    how = None if nested else fit(native, target)
    if how is None and force and not nested:
        how = "round trip" if target.is_integer and native.name in ("FLOAT", "DOUBLE", "DECIMAL") else "cast"
    if how is None:
        raise _Refused(native.name, str(target), at)
    wanted = duckdb_type(target)
    if how == "round trip":
        return _round_trip(expression, _source_text(native), wanted, at)
    return f"CAST({expression} AS {wanted})"


def _round_trip(expression: str, source: str, wanted: str, at: str) -> str:
    text = f"column {at!r}: ".replace("'", "''")
    problem = f"error('{text}' || {expression} || ' can not be stored as {wanted} without loss')"
    same = f"TRY_CAST(TRY_CAST({expression} AS {wanted}) AS {source}) IS NOT DISTINCT FROM {expression}"
    return f"CASE WHEN {same} THEN CAST({expression} AS {wanted}) ELSE {problem} END"


def _variable(at: str) -> str:
    return f"__e{at.count('[]')}"


def _convert_list(expression: str, native: Native, target: DataType, at: str, force: bool) -> str:
    inner, variable = f"{at}[]", _variable(at)
    element = convert(variable, native.children[0], target.children[0], inner, force)
    listed = expression if native.name == "LIST" else f"CAST({expression} AS {_source_text(native.children[0])}[])"
    return listed if element == variable else f"list_transform({listed}, lambda {variable}: {element})"


def _convert_map(expression: str, native: Native, target: DataType, at: str, force: bool) -> str:
    inner, variable = f"{at}[]", _variable(at)
    key = convert(f"{variable}.key", native.children[0], target.children[0], inner, force)
    value = convert(f"{variable}.value", native.children[1], target.children[1], inner, force)
    entries = f"list_transform(map_entries({expression}), lambda {variable}: {{'key': {key}, 'value': {value}}})"
    return f"CASE WHEN {expression} IS NULL THEN NULL ELSE map_from_entries({entries}) END"


def _convert_struct(expression: str, native: Native, target: DataType, at: str, force: bool) -> str:
    found = {name.lower(): (name, child) for name, child in zip(native.field_names, native.children, strict=True)}
    extra = [name for key, (name, _) in found.items() if key not in map(str.lower, target.field_names)]
    if extra:
        raise _Refused(f"struct with field {extra[0]!r}", str(target), at)
    parts = []
    for name, child in zip(target.field_names, target.children, strict=True):
        if name.lower() in found:
            own, type = found[name.lower()]
            value = convert(f"struct_extract({expression}, {_text(own)})", type, child, f"{at}.{name}", force)
        else:
            value = f"CAST(NULL AS {duckdb_type(child)})"
        parts.append(f"{quote(name)} := {value}")
    return f"CASE WHEN {expression} IS NULL THEN NULL ELSE struct_pack({', '.join(parts)}) END"


def _refusal(name: str, column: Column, refused: _Refused, stored: Column | None) -> str:
    place = f"column {name!r}" + (f" (at {refused.at})" if refused.at not in ("", name) else "")
    own = "only NULL" if refused.source == "NULL" else column.type_name
    if stored is not None:
        return (
            f"{place}: the data is {own}, the table's column is {stored.type_name}, and not every value would fit; "
            f"cast it in SQL, or declare it: write: {{schema: {{{stored.name}: {_yaml(stored.type_name)}}}}}"
        )
    if refused.target:
        return f"{place}: {own} can not be cast to the declared {refused.target}; declare another type, or cast in SQL"
    what = "holds only NULL and has no type" if refused.source == "NULL" else f"is {own}, which a table can not hold"
    return f"{place} {what}; declare what it is stored as: write: {{schema: {{{name}: string}}}}, or cast it in SQL"


def _yaml(type: str) -> str:
    return f'"{type}"' if "," in type or "<" in type else type


def _declared(
    declared: Mapping[str, DataType], spelled: Sequence[str], given: Sequence[str], existing: Sequence[Column] | None
) -> dict[str, DataType]:
    """The declared types by written name, lower-case. Raises for a declared column that nothing has."""
    written = {own.lower(): name.lower() for own, name in zip(given, spelled, strict=True)}
    known = {name.lower() for name in spelled} | {column.name.lower() for column in existing or ()}
    found: dict[str, DataType] = {}
    for name, type in declared.items():
        key = name.lower() if name.lower() in known else written.get(name.lower())
        if key is None:
            raise SchemaMismatchError(
                f"write.schema declares {name!r}, which the data does not have; {suggest(name, spelled)}"
            )
        found[key] = type
    return found


def _refuse_doubles(names: Sequence[str]) -> None:
    doubles = _doubles(names)
    if doubles:
        pairs = ", ".join(" and ".join(map(repr, pair)) for pair in doubles[:5])
        raise SchemaMismatchError(f"columns {pairs} have one name, or differ only in case; rename them in SQL")


def _changes(existing: Sequence[Column] | None, columns: Sequence[Column], mode: str) -> tuple[str, ...]:
    if existing is None:
        return ()
    before = {column.name.lower(): column for column in existing}
    after = {column.name.lower(): column for column in columns}
    found = [f"added column {after[key].name}: {after[key].type_name}" for key in after if key not in before]
    if mode == "append":
        return tuple(found)
    found += [f"dropped column {before[key].name}: {before[key].type_name}" for key in before if key not in after]
    for key in (key for key in after if key in before):
        old, new = before[key], after[key]
        if old.type != new.type:
            found.append(f"type of {new.name}: {old.type_name} → {new.type_name}")
        if old.name != new.name:
            found.append(f"renamed column {old.name} → {new.name}")
    return tuple(found)


# -- names -------------------------------------------------------------------------------------------------------------


def legal_names(columns: Sequence[Column], normalize: bool) -> tuple[str, ...]:
    """The names under which a Delta table takes the columns, one each.

    Without `normalize` raises `SchemaMismatchError` where a name can not be held; with it ` ,;{}()=` and line breaks
    become `_`, and names that are equal but for case get `_2`, `_3`, ….
    """
    names = [column.name for column in columns]
    illegal = [name for name in names if not name or _ILLEGAL.search(name)]
    doubles = _doubles(names)
    inside = [column.name for column in columns if column.type is not None and _illegal_inside(column.type)]
    if not inside and (normalize or not (illegal or doubles)):
        return _repaired(names) if illegal or doubles else tuple(names)
    problems = [f"{name!r} (a space, line break or one of ,;{{}}()= in the name)" for name in illegal[:5]]
    problems += [f"{' and '.join(map(repr, pair))} (they differ only in case)" for pair in doubles[:5]]
    problems += [f"{name!r} (such names inside its struct)" for name in inside[:5]]
    way = "rename the struct's fields in SQL" if inside else "rename them, or set options: {normalize_names: true}"
    raise SchemaMismatchError(f"a Delta table can not hold these column names: {'; '.join(problems)}; {way}")


def _doubles(names: Sequence[str]) -> list[tuple[str, str]]:
    first: dict[str, str] = {}
    found = []
    for name in names:
        if name.lower() in first:
            found.append((first[name.lower()], name))
        first.setdefault(name.lower(), name)
    return found


def _illegal_inside(type: DataType) -> bool:
    own = any(_ILLEGAL.search(name) or not name for name in type.field_names) or bool(_doubles(type.field_names))
    return own or any(map(_illegal_inside, type.children))


def _repaired(names: Sequence[str]) -> tuple[str, ...]:
    """Names that are legal are left alone; the others avoid them and each other."""
    taken = {name.lower() for name in names if name and not _ILLEGAL.search(name)}
    seen: set[str] = set()
    found = []
    for name in names:
        fine = bool(name) and not _ILLEGAL.search(name) and name.lower() not in seen
        found.append(name if fine else _free(_ILLEGAL.sub("_", name) or "_", taken | seen))
        seen.add(found[-1].lower())
    return tuple(found)


def _free(name: str, taken: set[str]) -> str:
    candidates = itertools.chain([name], (f"{name}_{number}" for number in itertools.count(2)))
    return next(candidate for candidate in candidates if candidate.lower() not in taken)


# -- small texts -------------------------------------------------------------------------------------------------------


def _place(index: int) -> str:
    return f"__c{index}"


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _described(type: DataType) -> str:
    """The type as DESCRIBE shows it."""
    return duckdb_type(type).replace("TIMESTAMPTZ", "TIMESTAMP WITH TIME ZONE")


def _native_text(column: Column) -> str:
    return duckdb_type(column.type) if column.type else column.native


def _source_text(native: Native) -> str:
    found = data_type(native)
    if found is not None:
        return duckdb_type(found)
    if native.name in ("LIST", "ARRAY"):
        return f"{_source_text(native.children[0])}[]"
    return native.name
