"""The two ends of a node: what it reads and what it writes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

from odibi.config.node import ReadConfig, WriteConfig
from odibi.config.problems import Path
from odibi.connections import BaseConnection
from odibi.engine.base import Source, Target
from odibi.errors import ConfigError, PathEscapeError, UnknownNameError
from odibi.formats import FORMATS, format_of, normalise_options, table_format
from odibi.formats.base import PARTITION_BY
from odibi.resolve.report import Report
from odibi.resolve.scope import Draft, Scope
from odibi.types import Column, DataType, parse_type

Side = Literal["read", "write"]


def resolve_ends(draft: Draft, scope: Scope) -> None:
    """Fill in the draft's source and target, where they are right."""
    config, path = draft.config, draft.path
    if config.read is not None:
        draft.source = _source(config.read, (*path, "read"), scope)
    if config.write is not None:
        draft.target = _target(config.write, (*path, "write"), scope)
        if draft.target is not None and scope.production:
            _warn_production(draft.target, (*path, "write"), scope.report)


def _source(config: ReadConfig, path: Path, scope: Scope) -> Source | None:
    report = scope.report
    connection = _usable((*path, "connection"), config.connection, scope)
    place = _place(config, path, connection, report)
    format = _format(config, path, report)
    options = _options(config.options, format, "read", path, report)
    schema = _schema(config.schema_ or {}, (*path, "schema"), report)
    if connection is None or format is None or options is None or schema is None or place is None:
        return None
    return Source(connection, place, format, options, schema, config.table)


def _target(config: WriteConfig, path: Path, scope: Scope) -> Target | None:
    report = scope.report
    connection = _usable((*path, "connection"), config.connection, scope)
    place = _place(config, path, connection, report)
    format = _format(config, path, report)
    options = _options(config.options, format, "write", path, report)
    partition_by = _partition_by(config, options, path, format, report)
    schema = _schema(config.schema_, (*path, "schema"), report)
    if place is not None and config.table is None and any(sign in place for sign in "*?"):
        report.add((*path, "path"), "a pattern can be read, not written", "name one file, folder or table")
        return None
    if connection is None or place is None or format is None:
        return None
    if options is None or schema is None or partition_by is None:
        return None
    rest = {key: value for key, value in options.items() if key != PARTITION_BY.name}
    return Target(connection, place, format, config.mode, partition_by, schema, rest, config.table)


# -- where -------------------------------------------------------------------------------------------------------------


def _usable(path: Path, name: str, scope: Scope) -> BaseConnection | None:
    """The named connection, where the engine that runs the file can reach it; else None, and a mistake is told."""
    connection = scope.connection(path, name)
    refusal = connection.unusable(scope.engine_name) if connection is not None and scope.engine_name else ""
    if refusal:
        message, _, hint = refusal.partition("; ")
        scope.report.add(path, message, hint)
        return None
    return connection


def _place(
    config: ReadConfig | WriteConfig, path: Path, connection: BaseConnection | None, report: Report
) -> str | None:
    """The path inside the connection; None (and a mistake told) if there is none that is right."""
    damage = report.damage
    if damage.is_broken(*path, "path") or damage.is_broken(*path, "table"):
        return None
    if config.path is not None and config.table is not None:
        report.add((*path, "table"), "both `path` and `table` are given", "keep one of them")
    elif config.table is not None:
        return _table(config.table, path, connection, report)
    elif config.path is None:
        if not damage.lacks(*path):
            _tell_no_place(path, connection, report)
    elif connection is None or _is_there(connection.get_path, config.path, (*path, "path"), report):
        return str(config.path)
    return None


def _tell_no_place(path: Path, connection: BaseConnection | None, report: Report) -> None:
    if connection is not None and connection.has_catalog:
        report.add(path, "neither `table` nor `path` is given", "add `table: …`, a table's name in the connection")
    else:
        report.add(path, "the key 'path' is missing", "add `path: …`, relative to the connection")


def _table(table: str, path: Path, connection: BaseConnection | None, report: Report) -> str | None:
    if connection is None or _is_there(connection.get_table, table, (*path, "table"), report):
        return str(table)
    return None


def _is_there(place_of: Callable[[str], str], name: str, path: Path, report: Report) -> bool:
    """Whether the connection has a place for what the file names."""
    try:
        place_of(name)
    except (PathEscapeError, ConfigError) as error:
        message, _, hint = str(error).partition("; ")
        report.add(path, message, hint)
        return False
    return True


# -- how ---------------------------------------------------------------------------------------------------------------


def _format(config: ReadConfig | WriteConfig, path: Path, report: Report) -> str | None:
    if report.damage.is_broken(*path, "format"):
        return None
    if config.format is None and (config.path is None or report.damage.lacks(*path)):
        return None if config.table is None else "delta"
    try:
        if config.table is not None and config.path is None:
            return table_format(config.format)
        return format_of(config.path or "", config.format)
    except UnknownNameError as error:
        report.unknown((*path, "format"), error.kind, error.name, error.known)
    except ConfigError as error:
        message, _, hint = str(error).partition("; ")
        report.add((*path, "format"), message, hint)
    return None


def _options(
    given: Mapping[str, Any], format: str | None, side: Side, path: Path, report: Report
) -> Mapping[str, Any] | None:
    """The options in the canonical vocabulary; None (and mistakes told) if something in them is wrong."""
    if format is None or report.damage.is_broken(*path, "options"):
        return None
    options, mistakes = normalise_options(format, side, dict(given))
    for key, message, hint in mistakes:
        place = (*path, "options", key)
        if report.damage.is_broken(*place):
            continue
        unable = side == "write" and _names_partitions(key) and not FORMATS[format].partitionable
        what = _not_partitionable(format) if unable else (message, hint)
        report.add(place, *what, at_key=message.startswith("unknown"))
    return None if mistakes else options


def _schema(declared: Mapping[str, str], path: Path, report: Report) -> dict[str, DataType] | None:
    """The declared types; None (and mistakes told) if one is no type."""
    if report.damage.is_broken(*path):
        return None
    types: dict[str, DataType] = {}
    seen: dict[str, str] = {}
    for column, text in declared.items():
        twin = seen.setdefault(column.lower(), column)
        if twin != column:
            report.add((*path, column), f"column {column!r} differs from {twin!r} in case only", "tables ignore case")
            continue
        try:
            types[column] = parse_type(text)
        except ValueError as error:
            message, _, hint = str(error).partition("; ")
            report.add((*path, column), message, hint)
    return types if len(types) == len(declared) else None


def _partition_by(
    config: WriteConfig, options: Mapping[str, Any] | None, path: Path, format: str | None, report: Report
) -> tuple[str, ...] | None:
    """The columns to partition by, given beside the options or among them."""
    place = (*path, "partition_by")
    if report.damage.is_broken(*place):
        return None
    columns = tuple(map(str, config.partition_by))
    among = partition_key(config.options)
    if columns and format is not None and not FORMATS[format].partitionable:
        report.add(place, *_not_partitionable(format))
        return None
    if among is not None and options is not None:
        if columns:
            report.add((*path, "options", among), "`partition_by` is given twice", "keep the one beside `options`")
            return None
        place, columns = (*path, "options", among), tuple(map(str, options.get(PARTITION_BY.name, ())))
    if len({column.lower() for column in columns}) < len(columns):
        report.add(place, "a column is named twice", "name each column once")
        return None
    return columns


def partition_key(options: Iterable[str]) -> str | None:
    """The option that says the partition columns, as it is written."""
    return next((key for key in options if _names_partitions(key)), None)


def _names_partitions(key: str) -> bool:
    return key.lower() in {name.lower() for name in (PARTITION_BY.name, *PARTITION_BY.aliases)}


def _not_partitionable(format: str) -> tuple[str, str]:
    able = ", ".join(name for name in FORMATS if FORMATS[name].partitionable)
    return f"the format {format!r} can not be partitioned", f"formats that can: {able}"


def columns_of(source: Source) -> tuple[Column, ...] | None:
    """The columns of what is read, where the file declares them."""
    return tuple(Column(name, type) for name, type in source.schema.items()) or None


def _warn_production(target: Target, path: Path, report: Report) -> None:
    if not FORMATS[target.format].transactional:
        report.warn(path, f"writes {target.format} in production", "a Delta table is safer to write: `format: delta`")
