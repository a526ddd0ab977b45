"""Reading Delta: DuckDB over the snapshot's files where the table's features allow it, else through delta-rs."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from odibi.engine import delta_log
from odibi.engine.base import Source
from odibi.engine.filters import Condition, conditions
from odibi.engine.pandas.delta import objects
from odibi.engine.pandas.delta.files import DataFile, declared_select, files_select, frame_over
from odibi.engine.pandas.delta.table import READ_BY_DUCKDB, Table, explained, open_at, open_table
from odibi.engine.pandas.session import DuckFrame, Held, Session, literal, quote
from odibi.engine.pandas.types import duckdb_type
from odibi.errors import DataError, UnsupportedError, suggest
from odibi.location import Location
from odibi.types import Column

NOT_PRUNED = frozenset({"timestamp", "timestamp_ntz", "float", "double"})
"""Types of partition columns whose values writers spell in several ways."""


def scan(session: Session, source: Source) -> DuckFrame:
    """A frame over a Delta table; `version_as_of`, `timestamp_as_of`, `filters` and `columns` are options.

    Raises `DataNotFoundError` (no table, version or data file), `DataError` (a damaged log), `UnsupportedError`
    (features).
    """
    location = source.location()
    table = _open(location, source.options)
    filters = conditions(table.columns, source.options.get("filters", ()), location.display)
    return _picked(session, scan_table(session, table, filters, _needed(table, source)), source)


def _needed(table: Table, source: Source) -> set[str] | None:
    """The columns that a read needs, None for all of them."""
    names = source.options.get("columns") or tuple(source.schema)
    return {*names, *source.schema} if names else None


def _picked(session: Session, frame: DuckFrame, source: Source) -> DuckFrame:
    """The columns that are asked for: the option `columns`, else the declared ones, in their declared types."""
    names = source.options.get("columns") or tuple(source.schema)
    types = {column.name: column.type for column in frame.columns}
    for name in (*names, *source.schema):
        if name not in types:
            raise DataError(f"{source.location().display} has no column {name!r}; {suggest(name, types)}")
    if not names or (list(names) == list(types) and all(types[name] == type for name, type in source.schema.items())):
        return frame
    items = []
    for name in names:
        type = source.schema.get(name, types[name])
        cast = type is not None and type != types[name]
        items.append(f"CAST({quote(name)} AS {duckdb_type(type)}) AS {quote(name)}" if type and cast else quote(name))
    sql = f"SELECT {', '.join(items)} FROM stored"
    return session.frame(sql, {"stored": frame}, rows=frame.rows, cheap=frame.cheap)


def scan_table(
    session: Session, table: Table, filters: Sequence[Condition] = (), needed: Collection[str] | None = None
) -> DuckFrame:
    """A frame over an open table; `needed` are the columns that are used, if not all."""
    _refuse_variants(table, needed)
    if not _duckdb_can(table):
        return _through_delta_rs(session, table, filters)
    files, rows = _data_files(table, filters)
    if table.location.local_path is None and any("://" in file.path for file in files):
        return _through_delta_rs(session, table, filters)  # a shallow clone
    where = _where(filters)
    try:
        sql = _select(session, table, files)
    except Exception as error:
        gone = _first_gone(table.location, files)
        if gone is None:
            raise
        raise delta_log.file_gone(table.location, gone) from error
    return frame_over(
        session, f"SELECT * FROM ({sql}){where}" if where else sql, table.columns, None if where else rows
    )


def _select(session: Session, table: Table, files: Sequence[DataFile]) -> str:
    location = table.location
    if location.local_path is not None:
        return files_select(session, files, table.columns, table.partition_by)
    from odibi.engine.pandas.remote import readable

    urls = [f"{location.uri.rstrip('/')}/{file.path}" for file in files]
    paths = readable(session, location, urls, [file.size for file in files])
    found = [replace(file, path=path) for file, path in zip(files, paths, strict=True)]
    return declared_select(found, table.columns, table.partition_by)


def _first_gone(location: Location, files: Sequence[DataFile]) -> str | None:
    """The first data file that is not there."""
    if location.local_path is not None:
        return next((file.path for file in files if not Path(file.path).is_file()), None)
    there = set(objects.paths(location))
    return next((file.path for file in files if file.path not in there), None)


def _open(location: Location, options: Mapping[str, Any]) -> Table:
    when = options.get("timestamp_as_of")
    return open_table(location, options.get("version_as_of")) if when is None else open_at(location, when)


def _duckdb_can(table: Table) -> bool:
    """True where the Parquet files hold the rows as the table shows them."""
    hard = table.reader_features - READ_BY_DUCKDB
    if any(column.type is None for column in table.columns):
        return False
    if hard == {"deletionVectors"}:
        with explained(table.location):
            return not any(batch.num_rows for batch in table.delta.deletion_vectors())
    return not hard


def _data_files(table: Table, filters: Sequence[Condition]) -> tuple[list[DataFile], int | None]:
    """The snapshot's files that may hold rows which pass the filters, and the rows in them if the log says so."""
    with explained(table.location):
        actions = table.delta.get_add_actions()
        paths = [unquote(path) for path in actions.column("path").to_pylist()]
        records = actions.column("num_records").to_pylist()
        sizes = actions.column("size_bytes").to_pylist()
        parts = _partition_values(table, actions, len(paths))
    kept = _pruned(table, filters, paths)
    facts = zip(paths, parts, sizes, strict=True)
    files = [
        DataFile(_join(table.location, path), part, size) for path, part, size in facts if kept is None or path in kept
    ]
    return files, None if filters or any(count is None for count in records) else sum(records)


def _join(location: Location, path: str) -> str:
    """The path of a file, which the log has relative to the table, or as a URL (in a shallow clone). It stays relative
    to a table behind a URL."""
    if location.local_path is None:
        return path
    if not path.startswith("file://"):
        return str(Path(location.uri, path))
    from urllib.request import url2pathname  # 17 ms, for a rare case

    return url2pathname(path.removeprefix("file://"))


def _partition_values(table: Table, actions: Any, count: int) -> list[dict[str, str | None]]:
    """The partition values as the log spells them."""
    if not table.partition_by:
        return [{}] * count
    rows = actions.column("partition").to_pylist()
    return [{key: _spelled(row[key]) for key in table.partition_by} for row in rows]


def _spelled(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _pruned(table: Table, filters: Sequence[Condition], paths: Sequence[str]) -> set[str] | None:
    """The paths that delta-rs does not rule out by partition values and statistics; None where nothing is ruled out."""
    asked = [rule for condition in filters if (rule := _rule(condition)) is not None]
    if not asked or not paths:
        return None
    try:
        found = table.delta.file_uris(file_pruning_predicate=asked)
    except Exception:  # noqa: BLE001 - pruning only saves work: what it can not judge, the row filter does
        return None
    if not found:
        return set()
    return _below_root(found, paths)


def _rule(condition: Condition) -> tuple[str, str, Any] | None:
    """The filter as delta-rs takes it; None where it would understand another one. It takes empty texts as NULL, and
    compares times as texts."""
    values = condition.values
    if condition.null or not values or not all(values) or condition.column.type_name in NOT_PRUNED:
        return None
    many = condition.operator in ("in", "not in")
    return condition.column.name, condition.operator, list(values) if many else values[0]


def _below_root(uris: Sequence[str], paths: Sequence[str]) -> set[str] | None:
    """Which of the paths the URIs are; None where it is unclear, as delta-rs spells the table's folder its own way."""
    longest = max((path for path in paths if uris[0].endswith(f"/{path}")), key=len, default=None)
    if longest is None:
        return None
    root = uris[0][: -len(longest)]
    kept = {uri.removeprefix(root) for uri in uris}
    return kept if kept <= set(paths) else None


def _where(filters: Sequence[Condition]) -> str:
    return " WHERE " + " AND ".join(map(_condition, filters)) if filters else ""


def _condition(asked: Condition) -> str:
    name = quote(asked.column.name)
    is_null = f"{name} IS {'NOT ' if asked.negative else ''}NULL"
    if not asked.values:
        return is_null if asked.null else str(asked.negative).lower()
    constants = [_constant(asked.column, text) for text in asked.values]
    if asked.operator not in ("in", "not in"):
        return f"{name} {asked.operator} {constants[0]}"
    found = f"{name} {asked.operator} ({', '.join(constants)})"
    return f"({found} {'AND' if asked.negative else 'OR'} {is_null})" if asked.null else found


def _constant(column: Column, text: str) -> str:
    return f"CAST({literal(text)} AS {duckdb_type(column.type) if column.type else 'VARCHAR'})"


def _refuse_variants(table: Table, needed: Collection[str] | None) -> None:
    """A variant would be read as the two binaries that it is stored as."""
    names = [column.name for column in table.columns if column.native == "variant"]
    found = [name for name in names if needed is None or name in needed]
    if not found:
        return
    name = found[0]
    others = [column.name for column in table.columns if column.name not in names]
    raise UnsupportedError(
        f"{table.location.display}: column {name!r} is variant (Delta feature variantType), which the pandas engine "
        f"can not read; leave it out (options: {{columns: [{', '.join(others)}]}}), or store it as text with Spark "
        f"(to_json({name})), or run this with --engine spark"
    )


# -- through delta-rs --------------------------------------------------------------------------------------------------


class _Stream:
    """A table as delta-rs reads it, for DuckDB to scan as often as it likes."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        from deltalake import QueryBuilder

        names = ", ".join(quote(column.name) for column in self._table.columns)
        with explained(self._table.location):
            reader = QueryBuilder().register("delta", self._table.delta).execute(f"SELECT {names} FROM delta")
        return reader.__arrow_c_stream__(requested_schema)


def _through_delta_rs(session: Session, table: Table, filters: Sequence[Condition]) -> DuckFrame:
    """Deletion vectors, column mapping and whatever else is not in the Parquet files."""
    stream = _Stream(table)
    stream.__arrow_c_stream__()  # what delta-rs can not read is said now
    columns = table.columns
    if any(column.type is None for column in columns):
        columns = tuple(column if column.type else Column(column.name, None, "VARCHAR") for column in columns)
    name = session.new_name("delta")
    parts = [
        f"CAST({quote(column.name)} AS {duckdb_type(column.type)}) AS {quote(column.name)}"
        if column.type
        else quote(column.name)
        for column in columns
    ]
    sql = f"SELECT {', '.join(parts)} FROM {name}"
    where = _where(filters)
    return DuckFrame(
        session,
        f"SELECT * FROM ({sql}){where}" if where else sql,
        holds=(Held(name, stream),),
        known_columns=columns if all(column.type for column in columns) else None,
    )
