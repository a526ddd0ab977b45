"""Reading Delta tables: a plan over one version of a table. No read runs a job."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

from odibi.engine import delta_log
from odibi.engine.base import Source
from odibi.engine.filters import Condition, conditions
from odibi.engine.spark.delta.problems import OLDER_THAN_RETENTION, explained
from odibi.engine.spark.frame import SparkFrame
from odibi.engine.spark.places import options_of, reachable, spark_path
from odibi.engine.spark.session import Session
from odibi.engine.spark.types import spark_type
from odibi.errors import DataError, suggest
from odibi.location import Location
from odibi.transforms.dialect import SPARK
from odibi.types import Column


def scan(session: Session, source: Source) -> SparkFrame:
    """A frame over a Delta table; `version_as_of`, `timestamp_as_of`, `filters` and `columns` are options.

    Raises `DataNotFoundError` (no table, version or data file), `DataError` (a damaged log), `UnsupportedError`
    (features).
    """
    location = source.location()
    return _picked(_filtered(_opened(session, source, location), source), source)


def _opened(session: Session, source: Source, location: Location) -> SparkFrame:
    """The table at the version that is asked for. Without one it is bound to the version that is the newest now, where
    Python can see it: what a later step of the run writes to the table changes no frame of it."""
    version, when = source.options.get("version_as_of"), source.options.get("timestamp_as_of")
    known: list[int] = []
    if version is not None or when is not None:
        session.set(OLDER_THAN_RETENTION, "false")
    if reachable(location):
        names = delta_log.names(location)
        if not delta_log.versions_in(names, checkpoints=True):
            raise delta_log.no_table(location)
        known = delta_log.versions_in(names)
        if when is not None:
            version, when = _version_at(location, when, known), None
    options = options_of(source)
    if version is not None:
        options["versionAsOf"] = str(version)
    elif when is not None:
        options["timestampAsOf"] = str(when)
    elif known:
        options["versionAsOf"] = str(known[-1])
    with explained(location, version=version, versions=known, when=when):
        reader = session.spark.read.format("delta").options(**options)
        data = reader.table(location.table) if location.table else reader.load(spark_path(location))
        frame = SparkFrame(data, lazy=False)
        _ = frame.columns  # on Connect the plan is looked at now, and what is wrong with the table told here
    return frame


def _version_at(location: Location, when: str, known: Sequence[int]) -> int:
    """The version of a time, by the times that commits tell: those of files change when a table is copied."""
    commits = delta_log.commits(location)
    if not commits:
        raise delta_log.damaged(location.display, delta_log.gap_in(known) or "it has no commits")
    return delta_log.version_at(location, when, delta_log.commit_times(commits))


# -- rows --------------------------------------------------------------------------------------------------------------


def _filtered(frame: SparkFrame, source: Source) -> SparkFrame:
    asked = source.options.get("filters", ())
    if not asked:
        return frame
    found = conditions(frame.columns, asked, source.location().display)
    data = frame.data.filter(reduce(lambda left, right: left & right, map(_condition, found)))
    return SparkFrame(data, frame.known_columns, lazy=False)


def _condition(asked: Condition) -> Any:
    from pyspark.sql import functions as F  # noqa: N812

    column = F.col(SPARK.quote(asked.column.name))
    is_null = column.isNotNull() if asked.negative else column.isNull()
    if not asked.values:
        return is_null if asked.null else F.lit(asked.negative)
    values = [_constant(asked.column, text) for text in asked.values]
    if asked.operator in ("in", "not in"):
        found = column.isin(values)
        found = ~found if asked.negative else found
        return found if not asked.null else found & is_null if asked.negative else found | is_null
    return _COMPARE[asked.operator](column, values[0])


_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "=": lambda left, right: left == right,
    "!=": lambda left, right: left != right,
    "<": lambda left, right: left < right,
    "<=": lambda left, right: left <= right,
    ">": lambda left, right: left > right,
    ">=": lambda left, right: left >= right,
}


def _constant(column: Column, text: str) -> Any:
    """A literal of the column's own type, so that partitions and files can be left out by it."""
    from pyspark.sql import functions as F  # noqa: N812

    assert column.type is not None, "a column that is compared has a type"
    return F.lit(text).cast(spark_type(column.type))


# -- columns -----------------------------------------------------------------------------------------------------------


def _picked(frame: SparkFrame, source: Source) -> SparkFrame:
    """The columns that are asked for: the option `columns`, else the declared ones, in their declared types."""
    from pyspark.sql import functions as F  # noqa: N812

    names = source.options.get("columns") or tuple(source.schema)
    types = {column.name: column for column in frame.columns}
    for name in (*names, *source.schema):
        if name not in types:
            raise DataError(f"{source.location().display} has no column {name!r}; {suggest(name, types)}")
    same = all(types[name].type == type for name, type in source.schema.items())
    if not names or (list(names) == list(types) and same):
        return frame
    items, columns = [], []
    for name in names:
        column, type = F.col(SPARK.quote(name)), source.schema.get(name)
        if type is None or type == types[name].type:
            items.append(column)
            columns.append(types[name])
        else:
            items.append(column.cast(spark_type(type)).alias(name))
            columns.append(Column(name, type, str(type)))
    return SparkFrame(frame.data.select(*items), tuple(columns), lazy=False)
