"""The SELECT that reads a table's Parquet files with DuckDB: the table's types, and partition values from the log."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import unquote

from odibi.engine.pandas.session import DuckFrame, Session, literal, quote
from odibi.engine.pandas.types import duckdb_type
from odibi.types import Column

NULL_PARTITION = "__HIVE_DEFAULT_PARTITION__"
MANY_GROUPS = 200
"""Partitions of a table behind a URL that are read one by one."""
_GLOB = re.compile(r"[*?\[]")


@dataclass(frozen=True)
class DataFile:
    """A data file of a table, by its absolute path, and its partition values as the log has them. `size` is in bytes.

    Where a table is behind a URL, `path` is relative to it until the file is made readable.
    """

    path: str
    partition: Mapping[str, str | None]
    size: int | None = None


def empty_select(columns: Sequence[Column]) -> str:
    """A SELECT of these columns and no rows."""
    parts = [f"CAST(NULL AS {_type(column)}) AS {quote(column.name)}" for column in columns]
    return f"SELECT {', '.join(parts)} WHERE false"


def files_select(
    session: Session,
    files: Sequence[DataFile],
    columns: Sequence[Column],
    partition_by: Sequence[str],
    uniform: bool = False,
) -> str:
    """The SELECT over data files, which may lack columns or hold narrower types, but with `uniform` are just so."""
    if not files:
        return empty_select(columns)
    keys = {name.lower() for name in partition_by}
    hive = all(_path_tells(file, partition_by) for file in files)
    source, values = _hive_source(files, columns, keys) if hive or not keys else _joined_source(files, columns, keys)
    source = source.replace("@OPTIONS", "" if uniform or len(files) == 1 else ", union_by_name = true")
    present = None if uniform else _present(session, files)
    parts = [f"{_value(column, values, present)} AS {quote(column.name)}" for column in columns]
    return f"SELECT {', '.join(parts)} FROM {source}"


def declared_select(files: Sequence[DataFile], columns: Sequence[Column], partition_by: Sequence[str]) -> str:
    """The SELECT over data files behind a URL, whose `path` is as `read_parquet` takes it. No file is opened for it:
    DuckDB is told the columns, casts what a file has in a narrower type, and gives NULL for what it lacks."""
    if not files:
        return empty_select(columns)
    keys = {name.lower() for name in partition_by}
    if keys == {column.name.lower() for column in columns}:
        raise ValueError("a table has a column that it is not partitioned by")
    groups: dict[tuple[str | None, ...], list[DataFile]] = {}
    for file in files:
        groups.setdefault(tuple(file.partition.get(name) for name in partition_by), []).append(file)
    stored = [column for column in columns if column.name.lower() not in keys]
    if len(groups) > MANY_GROUPS:
        return _joined_select(files, columns, stored, keys)
    return " UNION ALL ".join(_group_select(group, columns, stored, keys) for group in groups.values())


def _group_select(
    files: Sequence[DataFile], columns: Sequence[Column], stored: Sequence[Column], keys: set[str]
) -> str:
    """Files of one partition. Its values are constants, so that DuckDB leaves out those that a filter excludes."""
    parts = [
        f"{_constant(files[0], column)} AS {quote(column.name)}" if column.name.lower() in keys else quote(column.name)
        for column in columns
    ]
    return f"SELECT {', '.join(parts)} FROM read_parquet({_urls(files)}, schema = {_schema(stored)})"


def _joined_select(
    files: Sequence[DataFile], columns: Sequence[Column], stored: Sequence[Column], keys: set[str]
) -> str:
    source, values = _joined_source(files, columns, keys, _urls(files), f", schema = {_schema(stored)}")
    parts = [
        f"{values.get(column.name.lower(), f'__f.{quote(column.name)}')} AS {quote(column.name)}" for column in columns
    ]
    return f"SELECT {', '.join(parts)} FROM {source}"


def _schema(columns: Sequence[Column]) -> str:
    told = (
        f"{literal(column.name)}: {{name: {literal(column.name)}, type: {literal(_type(column))}, default_value: NULL}}"
        for column in columns
    )
    return f"MAP {{{', '.join(told)}}}"


def _urls(files: Sequence[DataFile]) -> str:
    return f"[{', '.join(literal(file.path) for file in files)}]"


def _value(column: Column, partition_values: Mapping[str, str], present: Mapping[str, tuple[str, str]] | None) -> str:
    key = column.name.lower()
    if key in partition_values:
        return partition_values[key]
    if present is None:
        return f"__f.{quote(column.name)}"
    if key not in present:
        return f"CAST(NULL AS {_type(column)})"
    name, native = present[key]
    own = f"__f.{quote(name)}"
    return own if native == column.native else f"CAST({own} AS {_type(column)})"


def _present(session: Session, files: Sequence[DataFile]) -> dict[str, tuple[str, str]]:
    """The columns that the files have, by lower-case name: spelling and DuckDB type."""
    union = ", union_by_name = true" if len(files) > 1 else ""
    found = session.describe(f"SELECT * FROM read_parquet({_list(files)}, hive_partitioning = false{union})")
    return {column.name.lower(): (column.name, _native(column)) for column in found}


def _native(column: Column) -> str:
    return duckdb_type(column.type) if column.type and not column.native.endswith("]") else column.native


def _hive_source(files: Sequence[DataFile], columns: Sequence[Column], keys: set[str]) -> tuple[str, dict[str, str]]:
    """Partition values out of the folders' names, by which DuckDB leaves out files that a filter excludes."""
    if not keys:
        return f"read_parquet({_list(files)}, hive_partitioning = false@OPTIONS) AS __f", {}
    parts = [column for column in columns if column.name.lower() in keys]
    types = ", ".join(f"{literal(column.name)}: {literal(_type(column))}" for column in parts)
    source = f"read_parquet({_list(files)}, hive_partitioning = true, hive_types = {{{types}}}@OPTIONS) AS __f"
    return source, {column.name.lower(): f"__f.{quote(column.name)}" for column in parts}


def _joined_source(
    files: Sequence[DataFile], columns: Sequence[Column], keys: set[str], paths: str = "", options: str = "@OPTIONS"
) -> tuple[str, dict[str, str]]:
    """Partition values joined to each file by its name, for folders whose names do not tell them."""
    parts = [column for column in columns if column.name.lower() in keys]
    rows = ", ".join(f"({', '.join([literal(file.path), *(_constant(file, c) for c in parts)])})" for file in files)
    names = ", ".join(f"p{index}" for index in range(len(parts)))
    source = (
        f"read_parquet({paths or _list(files)}, hive_partitioning = false, filename = '__odibi_file'{options}) AS __f "
        f"JOIN (VALUES {rows}) AS __p(file, {names}) ON __f.__odibi_file = __p.file"
    )
    return source, {column.name.lower(): f"__p.p{index}" for index, column in enumerate(parts)}


def _constant(file: DataFile, column: Column) -> str:
    value = file.partition.get(column.name)
    return f"CAST({'NULL' if value is None else literal(value)} AS {_type(column)})"


def _path_tells(file: DataFile, partition_by: Sequence[str]) -> bool:
    """True where `key=value` folders of the path give exactly the partition values of the log."""
    parts = file.path.replace("\\", "/").split("/")[-1 - len(partition_by) : -1]
    told = dict(part.split("=", 1) for part in parts if "=" in part)
    return len(told) == len(partition_by) and all(
        key in told and told[key] == (NULL_PARTITION if file.partition.get(key) is None else told[key])
        and (told[key] == NULL_PARTITION) == (file.partition.get(key) is None)
        and (file.partition.get(key) is None or unquote(told[key]) == file.partition[key])
        for key in partition_by
    )  # fmt: skip


def _list(files: Sequence[DataFile]) -> str:
    return "[" + ", ".join(literal(_GLOB.sub(lambda sign: f"[{sign[0]}]", file.path)) for file in files) + "]"


def _type(column: Column) -> str:
    return duckdb_type(column.type) if column.type else column.native


def frame_over(session: Session, sql: str, columns: Sequence[Column], rows: int | None) -> DuckFrame:
    """A frame over stored Parquet."""
    return DuckFrame(session, sql, rows=rows, known_columns=tuple(columns), cheap=True)
