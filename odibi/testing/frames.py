"""Frames of any engine from lists of dicts, and back."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Mapping
from typing import Any

from odibi.engine import ENGINES, Engine
from odibi.engine.tables import ALIASES, arrow_type
from odibi.types import parse_type

Rows = Iterable[Mapping[str, Any]]


def frame(rows: Rows, schema: Mapping[str, str] | None = None, engine: str | Engine = "pandas") -> Any:
    """A native frame of an engine (for `pandas` a pandas DataFrame) from rows as dicts.

    `schema` gives the types as a project file writes them; columns that it does not name get theirs from the values.
    With a schema that names all columns `rows` may be empty. A key that a row lacks is NULL. Raises `ValueError` for a
    value that its type does not hold.

    >>> frame([{"id": 1}, {"id": None}]).dtypes.to_dict()
    {'id': Int64Dtype()}
    >>> frame([], schema={"id": "bigint", "price": "decimal(8,2)"}).columns.tolist()
    ['id', 'price']
    """
    table = arrow_table(rows, schema)
    if isinstance(engine, Engine):
        return engine.native(engine.adopt(table))
    made: Engine = ENGINES[engine]()
    native = made.native(made.adopt(table))
    _close_with(native, made)
    return native


def _close_with(native: Any, engine: Engine) -> None:
    """Close an engine once the frame that it made is gone: a lazy frame needs it as long."""
    weakref.finalize(native, engine.close).atexit = False


def rows_of(frame: Any) -> list[dict[str, Any]]:
    """The rows of any frame (pandas, Arrow, polars, Spark, narwhals) as dicts of plain values; what is missing is None.

    >>> rows_of(frame([{"id": 1, "name": None}]))
    [{'id': 1, 'name': None}]
    """
    from odibi.testing.compare import AMBIGUOUS, content_of

    content = content_of(frame)
    plain = [[None if value is AMBIGUOUS else value for value in row] for row in content.rows]
    return [dict(zip(content.names, row, strict=True)) for row in plain]


def arrow_table(rows: Rows, schema: Mapping[str, str] | None = None) -> Any:
    """The rows as a pyarrow Table; see `frame`."""
    import pyarrow as pa

    records = list(rows)
    types = {name: parse_type(text) for name, text in (schema or {}).items()}
    names = list(dict.fromkeys([*types, *(name for record in records for name in record)]))
    arrays = []
    for name in names:
        values = [record.get(name) for record in records]
        try:
            arrays.append(pa.array(values, arrow_type(types[name]) if name in types else None))
        except (pa.ArrowException, TypeError, OverflowError) as error:
            kind = f"are not all of type {types[name]}" if name in types else "have no common type; name it in schema"
            raise ValueError(f"the values of column {name!r} {kind} ({error})") from error
    return pa.table(arrays, names=names)


def type_name(type: Any) -> str | None:
    """Our name of an Arrow type, as text; None for a column without values, Arrow's own name where we have none."""
    import pyarrow as pa

    if pa.types.is_null(type):
        return None
    if pa.types.is_dictionary(type):
        return type_name(type.value_type)
    if pa.types.is_decimal(type):
        return f"decimal({type.precision},{type.scale})"
    if pa.types.is_timestamp(type):
        return "timestamp_ntz" if type.tz is None else "timestamp"
    if pa.types.is_map(type):
        return f"map<{type_name(type.key_type)},{type_name(type.item_type)}>"
    if pa.types.is_struct(type):
        return f"struct<{','.join(f'{field.name}:{type_name(field.type)}' for field in type)}>"
    if pa.types.is_list(type) or pa.types.is_large_list(type) or pa.types.is_fixed_size_list(type):
        return f"array<{type_name(type.value_type)}>"
    text = str(type).removeprefix("large_").removesuffix("_view")
    return {alias: ours for ours, alias in ALIASES.items()}.get(text.split("[")[0], text)
