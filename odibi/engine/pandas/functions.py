"""Python functions on the pandas engine: frames become pandas or narwhals frames, and what comes back becomes a frame.

Everything goes through Arrow. pandas' missing values (None, NaN, NaT, NA) are NULL.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any

import duckdb

from odibi.context import Context
from odibi.engine.pandas import errors
from odibi.engine.pandas.session import DuckFrame, Session
from odibi.engine.tables import Types, table_of
from odibi.errors import DataError
from odibi.transforms.calling import Wanted, run_function, wanted_frame

RETURN = "return a DataFrame (pandas, narwhals, Arrow or polars)"


def call(
    session: Session, function: Callable[..., Any], context: Any, current: DuckFrame | None, params: Mapping[str, Any]
) -> DuckFrame:
    """Call a transform function and take what it returns. Raises `DataError` where that is no frame, `OdibiError` with
    the line in the user's file where the function fails."""
    with ExitStack() as stack:
        given = None if current is None else _given(session, wanted_frame(function), context, current, stack)
        returned = run_function(function, context, given, params, _in_words)
        try:
            return from_python(session, returned, lambda: _types_of(session, context, current))
        except DataError as error:
            raise DataError(f"function {getattr(function, '__name__', function)!r}: {error}") from error


def _in_words(error: BaseException) -> str | None:
    """What a user's function ran into, where DuckDB raised it. What ends a run goes through."""
    if not isinstance(error, duckdb.Error):
        return None
    if errors.is_interrupt(error):
        raise error
    return str(errors.explain(error, "", None, {}))


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
    if stack is None or module.endswith(".v1"):  # that one knows DuckDB as something to interchange only
        return narwhals.from_native(to_arrow(session, frame), eager_only=True).lazy()
    cursor = stack.enter_context(session.cursor(frame))
    return narwhals.from_native(cursor.sql(frame.sql))


# -- in ----------------------------------------------------------------------------------------------------------------


def from_python(session: Session, data: Any, types: Types | None = None) -> DuckFrame:
    """A frame over pandas, narwhals, Arrow or polars data or a DuckDB relation; see `odibi.engine.tables.table_of`."""
    table = table_of(data, RETURN, types)
    frame = session.register(table, rows=table.num_rows)
    try:
        _ = frame.columns
    except duckdb.Error as error:
        message = str(error).splitlines()[0]
        raise DataError(f"a column has a type that SQL has not ({table.schema}): {message}") from error
    return frame


def _types_of(session: Session, context: Any, current: DuckFrame | None) -> Mapping[str, Any]:
    """Arrow types of the columns that a function was given, `current` first; asked of DuckDB without rows."""
    frames: list[Any] = list(context.frames.values()) if isinstance(context, Context) else []
    types: dict[str, Any] = {}
    for frame in dict.fromkeys([*([] if current is None else [current]), *frames]):
        empty = DuckFrame(session, f"SELECT * FROM ({frame.sql}\n) LIMIT 0", keeps=frame.keeps, holds=frame.holds)
        for field in to_arrow(session, empty).schema:
            types.setdefault(field.name, field.type)
    return types
