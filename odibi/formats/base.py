"""What a format is, and an option of it: the vocabulary that users write, the same on every engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from odibi.types import parse_type

Side = Literal["read", "write"]
Mistake = tuple[str, str, str]
"""An option's key as written, what is wrong, and what would be right."""
COMPRESSED = {".gz": "gzip", ".zst": "zstd", ".zip": "zip", ".bz2": "bz2", ".xz": "xz"}
"""Suffixes behind the format's own, and the compression they mean."""


@dataclass(frozen=True, slots=True)
class Option:
    """One option. `kind` names what its value may be (a key of `KINDS`), `choices` the only values, if there are few.

    `aliases` are names that pandas, Spark or DuckDB give the same thing.
    """

    name: str
    kind: str
    doc: str
    aliases: tuple[str, ...] = ()
    default: Any = None
    choices: tuple[Any, ...] = ()
    only_with: tuple[str, Any] | None = None
    """Another option and the value that it must have where this one is given."""

    def parse(self, value: Any) -> Any:
        """The value in its canonical shape. Raises ValueError whose text says what would be right."""
        expected, convert = KINDS[self.kind]
        try:
            parsed = convert(value)
        except (TypeError, KeyError):
            raise ValueError(f"must be {expected}, not {value!r}") from None
        if self.choices and parsed not in self.choices:
            raise ValueError(f"must be one of {', '.join(map(str, self.choices))}, not {value!r}")
        return parsed


@dataclass(frozen=True, slots=True)
class Format:
    """A file format. `read` and `write` map an option's canonical name to the option."""

    name: str
    suffixes: tuple[str, ...]
    read: Mapping[str, Option] = field(default_factory=dict)
    write: Mapping[str, Option] = field(default_factory=dict)
    compressible: bool = False
    """True where a file may be compressed as a whole, and says so by a second suffix: `.csv.gz`."""
    partitionable: bool = False
    """True where a write may make a folder of files, one folder a partition value."""
    extra: str = ""
    """The extra that must be installed, if any."""
    transactional: bool = False
    """True for tables with a log (Delta), False for plain files."""
    exclusive: tuple[tuple[str, str], ...] = ()
    """Pairs of read options that say the same thing in two ways: only one of them may be given."""
    check: Callable[[Mapping[str, Any], Mapping[str, str]], list[Mistake]] | None = None
    """Mistakes of options that are right each; the second argument has each option's key as written."""

    def options(self, side: Side) -> Mapping[str, Option]:
        """The options of a read or of a write."""
        return self.read if side == "read" else self.write


def options(*items: Option) -> dict[str, Option]:
    """Options by their name."""
    return {item.name: item for item in items}


# -- kinds of values ---------------------------------------------------------------------------------------------------

_TRUE, _FALSE = ("true",), ("false",)  # Spark users write options as text


def _bool(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if str(value).lower() in _TRUE + _FALSE and isinstance(value, str):
        return value.lower() in _TRUE
    raise TypeError


def _header(value: Any) -> bool:
    """pandas writes the header's row number: 0 is a header, None is none."""
    if value is None or value == "infer":
        return value is not None
    if isinstance(value, int) and not isinstance(value, bool):
        if value != 0:
            raise ValueError(
                f"must be true or false, not {value}; to leave out lines above the header use skip_rows: {value}"
            )
        return True
    return _bool(value)


def _int(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise TypeError
    try:
        number = int(value)
    except ValueError:
        raise TypeError from None
    if number < 0:
        raise TypeError
    return number


def _count(value: Any) -> int:
    if (number := _int(value)) < 1:
        raise TypeError
    return number


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    raise TypeError


def _value_text(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise TypeError
    return str(value)


def _char(value: Any) -> str:
    """One character; `\\t` as YAML leaves it in plain text is a tab."""
    text = {"\\t": "\t", "tab": "\t"}.get(_text(value), value)
    if len(text.encode()) != 1:
        raise TypeError
    return str(text)


def _delimiter(value: Any) -> str:
    text = str(_text(value)).replace("\\t", "\t")
    if not 1 <= len(text.encode()) <= 4 or "\n" in text or "\r" in text:
        raise TypeError
    return text


def _optional_char(value: Any) -> str:
    return "" if value in (None, "") else _char(value)


def _texts(value: Any) -> tuple[str, ...]:
    items = value if isinstance(value, list | tuple) else [value]
    return tuple(_text(item) for item in items)


def _null_texts(value: Any) -> tuple[str, ...]:
    items = value if isinstance(value, list | tuple) else [value]
    return tuple(_value_text(item) for item in items)


def _encoding(value: Any) -> str:
    import codecs

    try:
        return codecs.lookup(_text(value)).name
    except LookupError:
        raise ValueError(
            f"{value!r} is not an encoding that Python knows; for example utf-8, latin-1, cp1252, utf-16"
        ) from None


def _pattern(value: Any) -> str:
    from odibi.formats.dates import strftime_of

    strftime_of(_text(value))
    return str(value)


def _mapping(value: Any) -> dict[str, Any]:
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return dict(value)
    raise TypeError


PANDAS_TYPES = {
    "str": "string", "object": "string", "category": "string", "int64": "bigint", "int32": "int", "int16": "smallint",
    "int8": "tinyint", "float64": "double", "float32": "float", "datetime64": "timestamp_ntz",
    "datetime64[ns]": "timestamp_ntz", "datetime64[us]": "timestamp_ntz",
}  # fmt: skip
"""Names of pandas' dtypes that Spark does not know (`int` and `float` as text are Spark's: 32 bits)."""
_PYTHON_TYPES = {str: "string", int: "bigint", float: "double", bool: "boolean", bytes: "binary", object: "string"}


def _properties(value: Any) -> dict[str, str]:
    """Names and texts; YAML's true and numbers are texts to Delta."""
    found = _mapping(value)
    if any(not isinstance(each, str | bool | int | float) for each in found.values()):
        raise TypeError
    for name in found:
        if not name.startswith("delta."):
            raise ValueError(f"names {name!r}, which is no property of Delta; they begin with delta.")
    return {name: str(each).lower() if isinstance(each, bool) else str(each) for name, each in found.items()}


def _types(value: Any) -> dict[str, str]:
    """Columns and types; pandas' names of types are taken too."""
    return {name: _type_text(item) for name, item in _mapping(value).items()}


def _type_text(value: Any) -> str:
    if isinstance(value, type):
        return _PYTHON_TYPES[value]
    text = str(value)
    return str(parse_type(PANDAS_TYPES.get(text.lower(), text)))


OPERATORS = ("=", "==", "!=", "<", "<=", ">", ">=", "in", "not in")


def _filters(value: Any) -> tuple[tuple[str, str, Any], ...]:
    if not isinstance(value, list | tuple) or (len(value) == 3 and value[1] in OPERATORS):
        raise TypeError
    return tuple(_filter(item) for item in value)


def _filter(item: Any) -> tuple[str, str, Any]:
    if not isinstance(item, list | tuple) or len(item) != 3 or not isinstance(item[0], str):
        raise TypeError
    column, operator, value = item
    operator = " ".join(str(operator).lower().split())
    if operator not in OPERATORS:
        raise ValueError(f"has an unknown operator {operator!r} for column {column!r}; known: {', '.join(OPERATORS)}")
    if operator.endswith("in") and not isinstance(value, list | tuple):
        raise ValueError(f"needs a list of values for {column!r} {operator}, not {value!r}")
    if value is None and operator not in ("=", "==", "!="):
        raise ValueError(f"needs a value for {column!r} {operator}; NULL goes with = and != only")
    if not operator.endswith("in") and isinstance(value, list | tuple):
        raise ValueError(f"needs one value for {column!r} {operator}, not {value!r}; for several write `in`")
    return column, "=" if operator == "==" else operator, tuple(value) if isinstance(value, list) else value


def _instant(value: Any) -> str:
    """A point in time as ISO text in UTC."""
    import datetime as dt

    if isinstance(value, dt.datetime):
        moment = value
    elif isinstance(value, dt.date):
        moment = dt.datetime(value.year, value.month, value.day, tzinfo=dt.UTC)
    else:
        try:
            moment = dt.datetime.fromisoformat(_text(value).strip())
        except ValueError:
            raise TypeError from None
    moment = moment.replace(tzinfo=dt.UTC) if moment.tzinfo is None else moment.astimezone(dt.UTC)
    return moment.isoformat()


def _sheet(value: Any) -> str | int:
    return _int(value) if isinstance(value, int) else _text(value)


KINDS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "bool": ("true or false", _bool),
    "header": ("true or false", _header),
    "int": ("a whole number, 0 or more", _int),
    "count": ("a whole number, 1 or more", _count),
    "text": ("text", _text),
    "value": ("text", _value_text),
    "char": ("one ASCII character", _char),
    "delimiter": ("one character (up to 4 bytes)", _delimiter),
    "optional char": ("one ASCII character, or empty for none", _optional_char),
    "texts": ("a name or a list of names", _texts),
    "null texts": ("a text or a list of texts", _null_texts),
    "encoding": ("the name of an encoding", _encoding),
    "pattern": ("a pattern like dd/MM/yyyy or %d/%m/%Y", _pattern),
    "mapping": ("a mapping of names to values", _mapping),
    "properties": ("a mapping of Delta's table properties to values", _properties),
    "types": ("a mapping of columns to types", _types),
    "filters": ("a list of [column, op, value]", _filters),
    "instant": ("a date or timestamp in ISO form, like 2024-05-01T12:00:00Z", _instant),
    "sheet": ("a sheet's name, or its number counted from 0", _sheet),
}
"""What an option's value may be: words for the message, and the function that reads it."""

STORAGE_OPTIONS = Option(
    "storage_options",
    "mapping",
    "Options of the file system; they win over the connection's",
    aliases=("storageOptions",),
)
PARTITION_BY = Option(
    "partition_by",
    "texts",
    "Columns that become folders",
    aliases=("partitionBy", "partition_cols", "partition_columns"),
)
COLUMNS = Option("columns", "texts", "Read these columns only, in this order", aliases=("usecols", "use_cols"))
NAMES = Option(
    "names",
    "texts",
    "Column names where there is no header",
    aliases=("column_names",),
    only_with=("header", False),
)
TYPES = Option("types", "types", "Types of some columns; the read's `schema` wins", aliases=("dtype", "dtypes"))
UNION_BY_NAME = Option(
    "union_by_name",
    "bool",
    "Files may have different columns; what one lacks is NULL",
    aliases=("merge_schema", "mergeSchema"),
    default=False,
)
DATE_FORMAT = Option(
    "date_format", "pattern", "Of date columns", aliases=("dateFormat", "dateformat"), default="yyyy-MM-dd"
)
TIMESTAMP_FORMAT = Option(
    "timestamp_format",
    "pattern",
    "Of timestamp columns",
    aliases=("timestampFormat", "timestampformat"),
    default="ISO 8601",
)
READ_COMPRESSION = Option(
    "compression",
    "text",
    "Of the whole file; auto: by its suffix",
    default="auto",
    choices=("auto", "none", "gzip", "zstd", "zip", "bz2", "xz"),
)
WRITE_COMPRESSION = Option(
    "compression",
    "text",
    "Of the file; auto: by its suffix",
    default="auto",
    choices=("auto", "none", "gzip", "zstd"),
)
