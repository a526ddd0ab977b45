"""What Python functions return, as Arrow tables: the same rules on every engine.

pandas' missing values (None, NaN, NaT, NA) are NULL; Arrow copies only what it must.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from odibi.errors import DataError
from odibi.types import DataType

Types = Callable[[], Mapping[str, Any]]
"""Gives column name -> Arrow type: what columns of that name are in the frames a function was given."""


def table_of(data: Any, returning: str, types: Types | None = None) -> Any:
    """A pyarrow Table of pandas, narwhals, Arrow or polars data or a DuckDB relation.

    Index levels that have a name become columns; an unnamed index of numbers is dropped. `types` gives Arrow types for
    columns whose values do not tell (no values, decimals, nested). Raises `DataError` for anything else, with what
    would be right (`returning`), and for columns that no table can hold.
    """
    table = _table(native_of(data), returning, types or dict)
    check_names(table.column_names)
    for field in table.schema:
        if _is_extension(field.type):
            raise DataError(f"column {field.name!r} holds {field.type}, which no table can hold; convert it first")
    return table


def native_of(data: Any) -> Any:
    """What a narwhals frame is made of; anything else as it is."""
    if package_of(data) != "narwhals":
        return data
    import narwhals as nw

    return nw.to_native(data, pass_through=True)


def package_of(data: Any) -> str:
    """The package that its class comes from."""
    return str(type(data).__module__).partition(".")[0]


def _table(data: Any, returning: str, types: Types) -> Any:
    """The data as a pyarrow Table. Types are told by name: no library is imported that the data did not bring."""
    kind = (package_of(data), type(data).__name__)
    if kind == ("pandas", "DataFrame"):
        return _from_pandas(data, types)
    if kind[1] == "DuckDBPyRelation":
        return data.to_arrow_table()
    if kind == ("polars", "LazyFrame"):
        data = data.collect()
    if kind[0] == "polars" and kind[1] in ("DataFrame", "LazyFrame"):
        return _from_stream(data)
    if kind[0] in ("pyarrow", "arro3") and kind[1] in ("Table", "RecordBatch", "RecordBatchReader"):
        return _from_stream(data)
    raise DataError(f"{described(data)} is no frame; {returning}")


def described(data: Any) -> str:
    """What it is, for a message: `None`, `an int`, `a Series`."""
    if data is None:
        return "None"
    name = type(data).__name__
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"


def _from_stream(data: Any) -> Any:
    import pyarrow as pa

    return data if isinstance(data, pa.Table) else pa.RecordBatchReader.from_stream(data).read_all()


def _from_pandas(data: Any, types: Types) -> Any:
    """A pandas frame in Arrow. The table keeps a shallow copy alive: pandas then copies before it writes to memory that
    Arrow shares, should the function change its frame later. Before pandas 3 it does not, so the copy is a real one."""
    import pyarrow as pa

    held = _with_index(data)
    _check_labels(held.columns)
    known = types() if any(dtype.kind == "O" for dtype in held.dtypes) else {}
    arrays = [_column(held, place, str(name), known.get(str(name))) for place, name in enumerate(held.columns)]
    table = pa.table(arrays, names=[str(name) for name in held.columns]) if arrays else pa.table({})
    weakref.finalize(table, _let_go, held).atexit = False
    return table


def _let_go(held: Any) -> None:
    """Drop the last reference to a frame."""


def _with_index(data: Any) -> Any:
    """A shallow copy of the frame whose named index levels are columns."""
    import pandas as pd

    names = list(data.index.names)
    if all(name is not None for name in names):
        clash = [name for name in names if name in data.columns]
        if clash:
            raise DataError(f"the index {clash[0]!r} has the name of a column; call reset_index(drop=True)")
        return data.reset_index()  # copies where pandas does not copy on write
    if len(names) > 1 or not pd.api.types.is_integer_dtype(data.index.dtype):
        if len(data.index) == 0 and len(names) == 1:
            return data.copy(deep=not _copies_on_write())
        raise DataError(
            f"the frame's index holds {data.index.dtype} labels and has no name; name it (it becomes a column), "
            "or call reset_index(drop=True)"
        )
    return data.copy(deep=not _copies_on_write())


def _copies_on_write() -> bool:
    return _pandas_version() >= 3


def _pandas_version() -> int:
    import pandas as pd

    return int(pd.__version__.partition(".")[0])


def _check_labels(columns: Any) -> None:
    for name in columns:
        if not isinstance(name, str):
            kind = "a tuple (a MultiIndex)" if isinstance(name, tuple) else type(name).__name__
            raise DataError(f"the column name {name!r} is {kind}, not text; rename it, e.g. df.columns = [...]")


def check_names(names: Iterable[str]) -> None:
    """Raise DataError for a name that occurs twice; case does not count."""
    seen: dict[str, str] = {}
    for name in names:
        earlier = seen.setdefault(name.lower(), "")
        if earlier:
            how = "occurs twice" if earlier == name else f"and {earlier!r} differ only in case"
            raise DataError(f"the column name {name!r} {how}; rename one")
        seen[name.lower()] = name or " "


def _column(data: Any, place: int, name: str, known: Any) -> Any:
    """One column in Arrow; raises DataError that names it where its values have several types."""
    import pyarrow as pa

    series = data.iloc[:, place]
    try:
        array = _as_map(series, known)
        array = pa.array(series, from_pandas=True) if array is None else array
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        kinds = sorted({type(value).__name__ for value in series.head(100_000) if value is not None})
        held = f"values of several types ({', '.join(kinds[:5])})" if len(kinds) > 1 else f"{series.dtype} values"
        reason = str(error.args[0] if error.args else error).splitlines()[0]
        hint = f"convert it, e.g. df[{name!r}].astype(str)"
        raise DataError(f"column {name!r} holds {held}, which no table can hold; {hint} ({reason})") from error
    if pa.types.is_timestamp(array.type) and _pandas_version() < 2:  # it knows nanoseconds only: no choice of anybody's
        array = _in_microseconds(array)
    return array if known is None else _as_known(array, known)


def _as_map(series: Any, known: Any) -> Any:
    """Lists of pairs as the maps that they were: values alone do not tell. None for other types and other values."""
    import pyarrow as pa

    if known is None or not _has_map(known):
        return None
    try:
        return pa.array(series, type=known, from_pandas=True)
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        return None


def _has_map(type: Any) -> bool:
    import pyarrow as pa

    fields = (type.field(place) for place in range(type.num_fields)) if pa.types.is_nested(type) else ()
    return bool(pa.types.is_map(type)) or any(_has_map(field.type) for field in fields)


def _in_microseconds(array: Any) -> Any:
    """Timestamps in microseconds where that loses nothing."""
    import pyarrow as pa

    try:
        return array.cast(pa.timestamp("us", array.type.tz))
    except pa.ArrowInvalid:
        return array


def _as_known(array: Any, known: Any) -> Any:
    """The array in the type that a column of this name had in the input, where its values alone do not tell: it has
    none, or they are decimals or nested. A value that does not fit leaves it as it is."""
    import pyarrow as pa

    types = pa.types
    decimals = types.is_decimal(array.type) and types.is_decimal(known)
    if array.type == known or not (types.is_null(array.type) or decimals or types.is_nested(array.type)):
        return array
    try:
        return array.cast(known)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError):
        return array


def _is_extension(type: Any) -> bool:
    import pyarrow as pa

    return isinstance(type, pa.BaseExtensionType)


def arrow_type(type: DataType) -> Any:
    """The Arrow type of one of ours."""
    import pyarrow as pa

    inner = [arrow_type(child) for child in type.children]
    if type.name == "decimal":
        return pa.decimal128(type.precision, type.scale)
    if type.name == "array":
        return pa.list_(inner[0])
    if type.name == "map":
        return pa.map_(inner[0], inner[1])
    if type.name == "struct":
        return pa.struct(list(zip(type.field_names, inner, strict=True)))
    timestamps = {"timestamp": pa.timestamp("us", tz="UTC"), "timestamp_ntz": pa.timestamp("us")}
    return timestamps[type.name] if type.name in timestamps else pa.type_for_alias(ALIASES.get(type.name, type.name))


ALIASES = {
    "boolean": "bool", "tinyint": "int8", "smallint": "int16", "int": "int32", "bigint": "int64", "date": "date32",
}  # fmt: skip
"""Our name of a type -> Arrow's, where it is another."""
