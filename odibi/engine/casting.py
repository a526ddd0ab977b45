"""The type rules of a write, decided once for every engine: which type each column is stored as, and what is refused.

An existing table's types win on append: data is cast to them where nothing can be lost, else refused. A new table
takes the declared types, then the data's own, made storable. What can be lost only for some values (a narrower integer,
a bigint into a double) is checked row by row: such a row is an error, never another value. How the expressions are
written is all that an engine adds (`Expressions`).
"""

from __future__ import annotations

import itertools
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from odibi.errors import SchemaMismatchError, suggest
from odibi.transforms.dialect import DUCKDB
from odibi.types import Column, DataType

Fit = Literal["same", "cast", "round trip", "utc"]
"""How a value gets into a type: as it is, by a CAST that fails where it does not fit, by a CAST that must give the same
value back, or as a zoneless time taken as UTC."""
Kind = Literal[
    "integer", "decimal", "fraction", "text", "day", "zoned", "zoneless", "array", "map", "struct", "null", ""
]
"""What a type is to the rules. `text` is what has a text form and is no string (uuid, enum, json, char); `fraction` is
float and double."""

INTEGER_BITS = {"tinyint": 7, "smallint": 15, "int": 31, "bigint": 63}
FLOAT_BITS = {"float": 24, "double": 53}
FLOAT_DIGITS = {"float": 6, "double": 15}
_KINDS: Mapping[str, Kind] = {
    **dict.fromkeys(INTEGER_BITS, "integer"), **dict.fromkeys(FLOAT_BITS, "fraction"), "decimal": "decimal",
    "date": "day", "timestamp": "zoned", "timestamp_ntz": "zoneless", "array": "array", "map": "map",
    "struct": "struct",
}  # fmt: skip
_ILLEGAL = re.compile(r"[ ,;{}()=\n\t\r]")


@dataclass(frozen=True, slots=True)
class Given:
    """The type of data that is to be written. `type` is our name of it and `stored` what a new table stores it as, each
    None where there is none; `text` is how the engine's CAST spells it. `bits` are those of an integer, `digits` and
    `scale` a decimal's. A `fixed` array is a list of one length."""

    kind: Kind
    type: DataType | None
    stored: DataType | None
    text: str
    bits: int = 0
    digits: int = 0
    scale: int = 0
    children: tuple[Given, ...] = ()
    field_names: tuple[str, ...] = ()
    fixed: bool = False


def given_of(type: DataType, text: Callable[[DataType], str]) -> Given:
    """A type of ours as the type of data; `text` spells it for the engine's CAST."""
    return Given(
        _KINDS.get(type.name, ""),
        type,
        type,
        text(type),
        INTEGER_BITS.get(type.name, 0),
        type.precision,
        type.scale,
        tuple(given_of(child, text) for child in type.children),
        type.field_names,
    )


class Expressions(ABC):
    """How an engine writes the expressions of a cast. Nothing here decides anything."""

    @abstractmethod
    def text(self, type: DataType) -> str:
        """The type as a CAST takes it."""

    @abstractmethod
    def name(self, name: str) -> str:
        """A column by its name."""

    @abstractmethod
    def place(self, index: int) -> str:
        """A column by its place, where names do not tell the columns apart."""

    @abstractmethod
    def round_trip(self, expression: str, given: Given, target: DataType, told: Sequence[str]) -> str:
        """A CAST that must give the same value back; else an error of the texts `told`, with the value between."""

    def forced(self, expression: str, given: Given, target: DataType, at: str) -> str:
        """A CAST to a declared type. It fails on a value that does not fit, also where the engine's own would make
        something of it."""
        del given, at
        return self.cast(expression, self.text(target))

    @abstractmethod
    def each(self, array: str, variable: str, element: str) -> str:
        """An array whose elements become `element`, an expression over `variable`."""

    @abstractmethod
    def entries(self, entries: str, variable: str, key: str, value: str) -> str:
        """A map whose entries become `key` and `value`, expressions over `variable.key` and `variable.value`."""

    @abstractmethod
    def field(self, struct: str, name: str) -> str:
        """A field of a struct."""

    @abstractmethod
    def struct(self, struct: str, fields: Sequence[tuple[str, str]]) -> str:
        """A struct of these fields; NULL where `struct` is."""

    def cast(self, expression: str, type: str) -> str:
        """A CAST that fails on a value that does not fit."""
        return f"CAST({expression} AS {type})"


@dataclass(frozen=True)
class CastItem:
    """One written column, and the SQL of its values over the data's columns."""

    column: Column
    expression: str


@dataclass(frozen=True)
class CastPlan:
    """How a frame is cast: `columns` are what is written, `warnings` are for the story, `changes` say how the table's
    schema changes. `names` are the data's columns; with `identity` the data is already as it must be. With `by_place`
    the expressions name the columns by their place."""

    items: tuple[CastItem, ...]
    names: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()
    identity: bool = False
    by_place: bool = False

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns as they are written."""
        return tuple(item.column for item in self.items)


class _Refused(Exception):
    """A type that can not be stored, or not as the target's; `at` is the place inside a nested type."""

    def __init__(self, source: Kind | str, target: str = "", at: str = "") -> None:
        self.source, self.target, self.at = source, target, at
        super().__init__(source, target, at)


def plan(
    write: Expressions,
    columns: Sequence[Column],
    types: Sequence[Given],
    declared: Mapping[str, DataType],
    existing: Sequence[Column] | None,
    mode: str,
    names: Sequence[str] | None = None,
) -> CastPlan:
    """How data of these columns and types is written to a target with these declared types and, if it exists, these
    columns.

    Names match without case; an appended column keeps the table's spelling. `names` are other names for the data's
    columns, one each. Raises `SchemaMismatchError`, for all columns at once, where a type can not be stored or does not
    fit.
    """
    given = tuple(column.name for column in columns)
    spelled = tuple(names) if names is not None else given
    refuse_doubles(spelled)
    by_place = bool(doubles(given))
    places = [write.place(index) for index in range(len(given))] if by_place else [write.name(name) for name in given]
    parts = zip(spelled, columns, types, places, strict=True)
    sources = {name.lower(): _Source(column, type, place) for name, column, type, place in parts}
    table = {column.name.lower(): column for column in existing or ()} if mode == "append" else {}
    planner = _Planner(write, _declared(declared, spelled, given, existing if mode == "append" else None))
    for stored in table.values():
        planner.add(stored.name, sources.get(stored.name.lower()), stored)
    for name in spelled:
        if name.lower() not in table:
            planner.add(name, sources[name.lower()], None)
    if planner.refused:
        raise SchemaMismatchError("\n".join(planner.refused))
    items = tuple(planner.items)
    written = tuple(item.column.name for item in items)
    same = given == written and all(item.expression == write.name(item.column.name) for item in items)
    changes = _changes(existing, [item.column for item in items], mode)
    return CastPlan(items, given, tuple(planner.warnings), changes, same, by_place)


@dataclass(frozen=True)
class _Source:
    """A column of the data: its type, and its SQL."""

    column: Column
    given: Given
    expression: str


class _Planner:
    """Plans column by column and collects what is refused."""

    def __init__(self, write: Expressions, wanted: Mapping[str, DataType]) -> None:
        self.write, self.wanted = write, wanted
        self.items: list[CastItem] = []
        self.warnings: list[str] = []
        self.refused: list[str] = []

    def add(self, name: str, source: _Source | None, stored: Column | None) -> None:
        """Plan one column; `source` is the data's, `stored` the table's."""
        if source is None:
            assert stored is not None, "a column comes from the data or from the table"
            type = self.write.text(stored.type) if stored.type else stored.native
            self.items.append(CastItem(stored, self.write.cast("NULL", type)))
            return
        try:
            self.items.append(self._item(name, source, stored))
        except _Refused as refused:
            self.refused.append(_refusal(name, source.column, refused, stored))

    def _item(self, name: str, source: _Source, stored: Column | None) -> CastItem:
        given, expression = source.given, source.expression
        declared = self.wanted.get(name.lower())
        if declared is not None:
            expression = _Converter(self.write, force=True).convert(expression, given, declared, name)
            given = given_of(declared, self.write.text)
        if stored is None:
            type = stored_type(given)
        elif stored.type is None:
            if stored.native == source.column.native and declared is None:
                return CastItem(stored, expression)
            raise _Refused(given.kind, stored.native)
        else:
            type = stored.type
        if _takes_as_utc(given, type):
            self.warnings.append(
                f"column {name!r}: times without a zone were taken as UTC: the table's column has a zone"
            )
        written = Column(stored.name if stored else name, type, self.write.text(type))
        return CastItem(written, _Converter(self.write).convert(expression, given, type, name))


def stored_type(given: Given, at: str = "") -> DataType:
    """The type that a new table has for a type of the data. Raises where only a declaration can tell."""
    if given.stored is not None:
        return given.stored
    if given.kind == "array":
        return DataType("array", children=(stored_type(given.children[0], f"{at}[]"),))
    if given.kind == "map":
        return DataType("map", children=tuple(stored_type(child, f"{at}[]") for child in given.children))
    if given.kind == "struct":
        pairs = zip(given.field_names, given.children, strict=True)
        children = tuple(stored_type(child, f"{at}.{name}") for name, child in pairs)
        return DataType("struct", children=children, field_names=given.field_names)
    raise _Refused(given.kind, at=at)


def fit(given: Given, target: DataType) -> Fit | None:
    """How a value of a type that is not nested gets into a type without loss; None where it may be lost."""
    if given.type == target:
        return "same"
    if given.kind == "null":
        return "cast"
    if target.is_integer or target.name == "decimal":
        return "cast" if given.kind in ("integer", "decimal") and given.scale <= target.scale else None
    if target.name in FLOAT_BITS:
        return _fit_float(given, target)
    if target.name in ("timestamp", "timestamp_ntz"):
        return _fit_time(given.kind, target)
    return "cast" if target.name == "string" and given.kind == "text" else None


def _fit_float(given: Given, target: DataType) -> Fit | None:
    if given.kind == "integer":
        return "cast" if given.bits <= FLOAT_BITS[target.name] else "round trip"
    if given.kind == "decimal":
        return "cast" if given.digits <= FLOAT_DIGITS[target.name] else "round trip"
    return "cast" if given.kind == "fraction" and target.name == "double" else None


def _fit_time(kind: Kind, target: DataType) -> Fit | None:
    if kind == "zoned":
        return "cast" if target.name == "timestamp" else None
    if kind in ("day", "zoneless"):
        return "cast" if target.name == "timestamp_ntz" else "utc"
    return None


def _takes_as_utc(given: Given, target: DataType) -> bool:
    if not target.children:
        return fit(given, target) == "utc"
    if given.kind == "struct" and target.name == "struct":
        found = dict(zip(map(str.lower, given.field_names), given.children, strict=True))
        pairs = zip(target.field_names, target.children, strict=True)
        return any(name.lower() in found and _takes_as_utc(found[name.lower()], child) for name, child in pairs)
    return any(map(_takes_as_utc, given.children, target.children))


@dataclass(frozen=True)
class _Converter:
    """Writes the SQL that makes an expression another type; nested types are taken apart.

    With `force` (a declared type) whatever the engine can cast is cast, apart from numbers that would lose a fraction
    as integers.
    """

    write: Expressions
    force: bool = False

    def convert(self, expression: str, given: Given, target: DataType, at: str) -> str:
        """The SQL that makes `expression` a `target`. Raises where something could be lost."""
        if given.type == target and not given.fixed:
            return expression
        if given.kind == target.name == "array":
            return self.array(expression, given, target, at)
        if given.kind == target.name == "map":
            return self.map(expression, given, target, at)
        if given.kind == target.name == "struct":
            return self.struct(expression, given, target, at)
        nested = bool(target.children or given.children) and given.kind != "null"
        how = None if nested else fit(given, target)
        if how is None and self.force and not nested and not _is_time_and_number(given, target):
            how = "round trip" if target.is_integer and given.kind in ("fraction", "decimal") else "cast"
        if how is None:
            raise _Refused(given.kind, str(target), at)
        if how == "round trip":
            return self.write.round_trip(expression, given, target, lossy(at, target))
        return self.write.forced(expression, given, target, at)

    def array(self, expression: str, given: Given, target: DataType, at: str) -> str:
        variable = _variable(at)
        element = self.convert(variable, given.children[0], target.children[0], f"{at}[]")
        listed = self.write.cast(expression, given.text) if given.fixed else expression
        return listed if element == variable else self.write.each(listed, variable, element)

    def map(self, expression: str, given: Given, target: DataType, at: str) -> str:
        inner, variable = f"{at}[]", _variable(at)
        key = self.convert(f"{variable}.key", given.children[0], target.children[0], inner)
        value = self.convert(f"{variable}.value", given.children[1], target.children[1], inner)
        return self.write.entries(expression, variable, key, value)

    def struct(self, expression: str, given: Given, target: DataType, at: str) -> str:
        pairs = zip(given.field_names, given.children, strict=True)
        found = {name.lower(): (name, child) for name, child in pairs}
        extra = [name for key, (name, _) in found.items() if key not in map(str.lower, target.field_names)]
        if extra:
            raise _Refused(f"struct with field {extra[0]!r}", str(target), at)
        fields = []
        for name, child in zip(target.field_names, target.children, strict=True):
            if name.lower() in found:
                own, type = found[name.lower()]
                value = self.convert(self.write.field(expression, own), type, child, f"{at}.{name}")
            else:
                value = self.write.cast("NULL", self.write.text(child))
            fields.append((name, value))
        return self.write.struct(expression, fields)


def _is_time_and_number(given: Given, target: DataType) -> bool:
    """Whether one is a time and the other a number: what a number means as a time each engine says for itself."""
    of, to = given.kind, _KINDS.get(target.name, "")
    times, numbers = ("day", "zoned", "zoneless"), ("integer", "decimal", "fraction")
    return (of in times and to in numbers) or (of in numbers and to in times)


def lossy(at: str, target: DataType) -> tuple[str, str]:
    """What is told of a value that a type can not hold: the texts before and behind the value."""
    return f"column {at!r}: ", f" can not be stored as {DUCKDB.type_name(target)} without loss"


def _variable(at: str) -> str:
    return f"__e{at.count('[]')}"


def _refusal(name: str, column: Column, refused: _Refused, stored: Column | None) -> str:
    place = f"column {name!r}" + (f" (at {refused.at})" if refused.at not in ("", name) else "")
    own = "only NULL" if refused.source == "null" else column.type_name
    if stored is not None:
        return (
            f"{place}: the data is {own}, the table's column is {stored.type_name}, and not every value would fit; "
            f"cast it in SQL, or declare it: write: {{schema: {{{stored.name}: {_yaml(stored.type_name)}}}}}"
        )
    if refused.target:
        return no_cast(place, own, refused.target)
    what = "holds only NULL and has no type" if refused.source == "null" else f"is {own}, which a table can not hold"
    return f"{place} {what}; declare what it is stored as: write: {{schema: {{{name}: string}}}}, or cast it in SQL"


def no_cast(place: str, own: str, declared: str) -> str:
    """What is told where no value of a type can become the declared one."""
    return f"{place}: {own} can not be cast to the declared {declared}; declare another type, or cast in SQL"


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
    pairs = doubles(names)
    inside = [column.name for column in columns if column.type is not None and _illegal_inside(column.type)]
    if not inside and (normalize or not (illegal or pairs)):
        return _repaired(names) if illegal or pairs else tuple(names)
    problems = [f"{name!r} (a space, line break or one of ,;{{}}()= in the name)" for name in illegal[:5]]
    problems += [f"{' and '.join(map(repr, pair))} (they differ only in case)" for pair in pairs[:5]]
    problems += [f"{name!r} (such names inside its struct)" for name in inside[:5]]
    way = "rename the struct's fields in SQL" if inside else "rename them, or set options: {normalize_names: true}"
    raise SchemaMismatchError(f"a Delta table can not hold these column names: {'; '.join(problems)}; {way}")


def refuse_doubles(names: Sequence[str]) -> None:
    """Raises `SchemaMismatchError` for names that are equal but for case."""
    found = doubles(names)
    if found:
        pairs = ", ".join(" and ".join(map(repr, pair)) for pair in found[:5])
        raise SchemaMismatchError(f"columns {pairs} have one name, or differ only in case; rename them in SQL")


def doubles(names: Sequence[str]) -> list[tuple[str, str]]:
    """Pairs of names that are equal but for case."""
    first: dict[str, str] = {}
    found = []
    for name in names:
        if name.lower() in first:
            found.append((first[name.lower()], name))
        first.setdefault(name.lower(), name)
    return found


def _illegal_inside(type: DataType) -> bool:
    own = any(_ILLEGAL.search(name) or not name for name in type.field_names) or bool(doubles(type.field_names))
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
