"""Built-in operations on the pandas engine: their SQL, and faster ways for some of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from odibi.engine.pandas.row_ids import with_row_ids
from odibi.engine.pandas.session import DuckFrame, Session, quote
from odibi.transforms.base import Operation, completed, distinct_sql, refuse, resolved
from odibi.transforms.deduplicate import DeduplicateParams, free_name, order_of, order_sql
from odibi.transforms.dialect import DUCKDB
from odibi.types import Column


def apply(session: Session, operation: Any, params: Any, frame: DuckFrame) -> tuple[DuckFrame, str | None]:
    """The result of an operation over a frame, and the SQL over `current` that it runs as.

    `operation` is an `Operation` or its class. Raises `DataError` for columns that are not there.
    """
    run: Operation[Any] = operation() if isinstance(operation, type) else operation
    refuse(run, params, frame.columns)
    params = completed(run, params, frame.columns, lambda column: _values(session, column, frame))
    fast = FAST.get(run.name)
    if fast is not None and (found := fast(session, params, frame)) is not None:
        return found
    sql = run.sql(params, frame.columns, DUCKDB)
    return session.frame(sql, {"current": frame}), sql


def _values(session: Session, column: Column, frame: DuckFrame) -> list[Any]:
    query = session.frame(distinct_sql(column, DUCKDB), {"current": frame})
    return [value for (value,) in session.execute(query.sql, query)]


BARRIER = "LIMIT 9223372036854775807"
"""Takes no row away, and keeps the planner from mixing this join with later ones. It has no idea how many rows a CSV
file has, and would put the wide side of a mixed join into the hash table: a third more time, half more memory."""


# -- deduplicate -------------------------------------------------------------------------------------------------------


def deduplicate(session: Session, params: DeduplicateParams, frame: DuckFrame) -> tuple[DuckFrame, str] | None:
    """Find the row that stays of every key by a number of the row, then take these rows: only key, order and number go
    through the hash table.

    Stored Parquet and kept tables number their rows; any other frame is kept first. None where that can not help.
    """
    if params.subset is None:
        return None
    columns = frame.columns
    row = free_name("__odibi_row", columns)
    numbered = with_row_ids(session, frame, row) or with_row_ids(session, session.keep(frame), row)
    if numbered is None:
        return None
    names = ", ".join(f"current.{quote(column.name)}" for column in columns)

    def sql(source: str) -> str:
        stays = stays_sql(params, columns, row, source)
        return f"SELECT {names} FROM {source} JOIN ({stays}) AS stays ON current.{row} = stays.{row} {BARRIER}"

    # Not as a CTE: DuckDB would compute one that is named twice into memory.
    text = sql(f"({numbered.sql}\n) AS current")
    result = replace(numbered, sql=text, depth=numbered.depth + 1, rows=None, known_columns=tuple(columns), cheap=False)
    return result, sql("current")


def stays_sql(params: DeduplicateParams, columns: Sequence[Column], row: str, source: str) -> str:
    """The numbers of the rows that stay."""
    keys = DUCKDB.names(resolved(params.subset or (), columns))
    order = order_of(params, columns)
    if len(order) > 1:
        ranked = f"row_number() OVER (PARTITION BY {keys} ORDER BY {order_sql(params, columns, DUCKDB)}) = 1"
        return f"SELECT {row} FROM {source} QUALIFY {ranked}"
    number = f"min({row})"
    if order:
        ((name, descending),) = order
        # arg_max passes over NULLs, so a key with nothing else falls back to any row
        number = f"coalesce({'arg_max' if descending else 'arg_min'}({row}, {quote(name)}), min({row}))"
    return f"SELECT {number} AS {row} FROM {source} GROUP BY {keys}"


Fast = Callable[[Session, Any, DuckFrame], tuple[DuckFrame, str] | None]
FAST: dict[str, Fast] = {"deduplicate": deduplicate}
"""Operations that have a way of their own here; None from it means that the SQL serves."""
