"""Python functions on the pandas engine: frames become pandas or narwhals frames, and what comes back becomes a frame.

Everything goes through Arrow. pandas' missing values (None, NaN, NaT, NA) are NULL.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from typing import Any

import duckdb

from odibi.context import Context
from odibi.engine.pandas.session import DuckFrame, Session
from odibi.errors import DataError
from odibi.transforms.calling import Wanted, run_function, wanted_frame

RETURN = "return a DataFrame (pandas, narwhals, Arrow or polars)"
Types = Callable[[], Mapping[str, Any]]
"""Gives column name -> Arrow type: what columns of that name are in the frames a function was given."""


def call(
    session: Session, function: Callable[..., Any], context: Any, current: DuckFrame | None, params: Mapping[str, Any]
) -> DuckFrame:
    """Call a transform function and take what it returns. Raises `DataError` where that is no frame, `OdibiError` with
    the line in the user's file where the function fails."""
    with ExitStack() as stack:
        given = None if current is None else _given(session, wanted_frame(function), context, current, stack)
        returned = run_function(function, context, given, params)
        try:
            return from_python(session, returned, lambda: _types_of(session, context, current))
        except DataError as error:
            raise DataError(f"function {getattr(function, '__name__', function)!r}: {error}") from error


def _given(session: Session, wanted: Wanted, context: Any, current: DuckFrame, stack: ExitStack) -> Any:
    """`current` as the function wants it. A native frame that the context also has is converted once."""
    if wanted.kind != "native":
        return to_narwhals(session, current, wanted.kind == "lazy", wanted.module, stack)
    frames = context.frames if isinstance(context, Context) else {}
    name = next((name for name, frame in frames.items() if frame is current), None)
    return to_pandas(session, current) if name is None else context.get(name)


# -- out ---------------------------------------------------------------------------------------------------------------


def to_arrow(session: Session, frame: DuckFrame) -> Any:
    """The frame as a pyarrow Table."""
    with session.cursor(frame) as cursor:
        return cursor.sql(frame.sql).to_arrow_table()


def to_pandas(session: Session, frame: DuckFrame) -> Any:
    """The frame as a pandas DataFrame. Integers and booleans are nullable types whatever the rows hold, the rest is
    pandas' default: text `str`, decimals and dates objects, timestamps in microseconds, zoned ones in UTC. Before
    pandas 3 text is objects; before pandas 2 timestamps are in nanoseconds, and objects where those do not reach."""
    import pandas as pd
    import pyarrow as pa

    nullable: dict[Any, Any] = {pa.bool_(): pd.BooleanDtype()}
    for bits in (8, 16, 32, 64):
        for sign in ("Int", "UInt"):
            nullable[getattr(pa, f"{sign.lower()}{bits}")()] = getattr(pd, f"{sign}{bits}Dtype")()
    # without split_blocks: pandas refuses to write into columns whose memory is Arrow's
    table = to_arrow(session, frame)
    try:
        found = table.to_pandas(types_mapper=nullable.get)
    except pa.ArrowInvalid:
        found = table.to_pandas(types_mapper=nullable.get, timestamp_as_object=True)
    for name in table.column_names:
        if pa.types.is_nested(table[name].type) and any(map(_integers_with_nulls, table[name].chunks)):
            values = [_object(value, table[name].type) for value in table[name].to_pylist()]
            found[name] = pd.Series(values, index=found.index, dtype=object)
    return found


def _integers_with_nulls(array: Any) -> bool:
    """True for nested values with integers and NULLs among them, which pandas' default makes floats."""
    import pyarrow as pa

    if pa.types.is_struct(array.type):
        return any(map(_integers_with_nulls, array.flatten()))
    if pa.types.is_map(array.type):
        return _integers_with_nulls(array.keys) or _integers_with_nulls(array.items)
    if pa.types.is_nested(array.type):
        return _integers_with_nulls(array.flatten())
    return bool(pa.types.is_integer(array.type) and array.null_count)


def _object(value: Any, type: Any) -> Any:
    """A nested value as pandas has it (structs are dicts, lists arrays, maps lists of pairs), but with None for NULL
    among integers."""
    import numpy as np
    import pyarrow as pa

    if value is None or not pa.types.is_nested(type):
        return value
    if pa.types.is_struct(type):
        return {field.name: _object(value[field.name], field.type) for field in type}
    if pa.types.is_map(type):
        return [(_object(key, type.key_type), _object(item, type.item_type)) for key, item in value]
    inner = type.value_type
    if not pa.types.is_nested(inner) and not (pa.types.is_integer(inner) and None in value):
        return pa.array(value, inner).to_numpy(zero_copy_only=False)
    array = np.empty(len(value), dtype=object)
    for place, item in enumerate(value):
        array[place] = _object(item, inner)
    return array


def to_narwhals(
    session: Session, frame: DuckFrame, lazy: bool, module: str = "narwhals", stack: ExitStack | None = None
) -> Any:
    """The frame as a narwhals DataFrame over pandas, or as a LazyFrame over DuckDB that can be used until `stack` is
    closed (over Arrow without a stack)."""
    import importlib

    narwhals = importlib.import_module(module)
    if not lazy:
        return narwhals.from_native(to_pandas(session, frame), eager_only=True)
    if stack is None:
        return narwhals.from_native(to_arrow(session, frame), eager_only=True).lazy()
    cursor = stack.enter_context(session.cursor(frame))
    return narwhals.from_native(cursor.sql(frame.sql))


# -- in ----------------------------------------------------------------------------------------------------------------


def from_python(session: Session, data: Any, types: Types | None = None) -> DuckFrame:
    """A frame over pandas, narwhals, Arrow or polars data or a DuckDB relation; Arrow copies only what it must.

    Index levels that have a name become columns; an unnamed index of numbers is dropped. `types` gives Arrow types for
    columns whose values do not tell (no values, decimals, nested). Raises `DataError` for anything else.
    """
    table = _table(_native_of(data), types or dict)
    _check_names(table.column_names)
    for field in table.schema:
        if _is_extension(field.type):
            raise DataError(f"column {field.name!r} holds {field.type}, which no table can hold; convert it first")
    frame = session.register(table, rows=table.num_rows)
    try:
        _ = frame.columns
    except duckdb.Error as error:
        message = str(error).splitlines()[0]
        raise DataError(f"a column has a type that SQL has not ({table.schema}): {message}") from error
    return frame


def _native_of(data: Any) -> Any:
    """What a narwhals frame is made of; anything else as it is."""
    if _package(data) != "narwhals":
        return data
    import narwhals as nw

    return nw.to_native(data, pass_through=True)


def _package(data: Any) -> str:
    return str(type(data).__module__).partition(".")[0]


def _table(data: Any, types: Types) -> Any:
    """The data as a pyarrow Table. Types are told by name: no library is imported that the data did not bring."""
    kind = (_package(data), type(data).__name__)
    if kind == ("pandas", "DataFrame"):
        return _from_pandas(data, types)
    if isinstance(data, duckdb.DuckDBPyRelation):
        return data.to_arrow_table()
    if kind == ("polars", "LazyFrame"):
        data = data.collect()
    if kind[0] == "polars" and kind[1] in ("DataFrame", "LazyFrame"):
        return _from_stream(data)
    if kind[0] in ("pyarrow", "arro3") and kind[1] in ("Table", "RecordBatch", "RecordBatchReader"):
        return _from_stream(data)
    raise DataError(f"{_described(data)} is no frame; {RETURN}")


def _described(data: Any) -> str:
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


def _check_names(names: Iterable[str]) -> None:
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


def _types_of(session: Session, context: Any, current: DuckFrame | None) -> Mapping[str, Any]:
    """Arrow types of the columns that a function was given, `current` first; asked of DuckDB without rows."""
    frames: list[Any] = list(context.frames.values()) if isinstance(context, Context) else []
    types: dict[str, Any] = {}
    for frame in dict.fromkeys([*([] if current is None else [current]), *frames]):
        empty = DuckFrame(session, f"SELECT * FROM ({frame.sql}\n) LIMIT 0", keeps=frame.keeps, holds=frame.holds)
        for field in to_arrow(session, empty).schema:
            types.setdefault(field.name, field.type)
    return types


def _is_extension(type: Any) -> bool:
    import pyarrow as pa

    return isinstance(type, pa.BaseExtensionType)
