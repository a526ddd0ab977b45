"""The engine protocol: what the rest of odibi asks of whoever computes. Arguments are judged in front of it, once.

A frame is the engine's own handle for a table of data, lazy or not; nobody else looks into it. To add an engine,
implement the verbs of `Engine` in a folder of its own and add one line to `odibi/engine/__init__.py`.
"""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Protocol

from odibi.connections.base import BaseConnection, Location
from odibi.errors import CheckFailed, ConfigError, Position, Problem, UnknownNameError, UnsupportedError
from odibi.retry import is_transient
from odibi.secrets import remember_options, scrub
from odibi.types import Column, DataType

MODES = ("overwrite", "append", "error", "ignore")


class Frame(Protocol):
    """An engine's handle for data that may not be computed yet."""

    @property
    def columns(self) -> tuple[Column, ...]:
        """Names and types; known without computing the data."""

    @property
    def rows(self) -> int | None:
        """Number of rows where it is known without work, else None."""


@dataclass(frozen=True)
class Source:
    """What to read. `options` are in the canonical vocabulary of the format (`odibi.formats`). Where a `table` of a
    catalog is meant, `path` is its name too."""

    connection: BaseConnection
    path: str
    format: str
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)
    schema: Mapping[str, DataType] = field(default_factory=dict)
    table: str | None = None

    def __post_init__(self) -> None:
        _remember(self)

    def location(self) -> Location:
        """Where the data is; may fetch a credential. `storage_options` among the options win over the connection's."""
        return _location(self)


@dataclass(frozen=True)
class Target:
    """What to write, and how. `metadata` goes into the commit of a Delta table; `reused` says that later nodes use what
    is written, so it is not to be computed a second time for them."""

    connection: BaseConnection
    path: str
    format: str
    mode: str = "overwrite"
    partition_by: tuple[str, ...] = ()
    schema: Mapping[str, DataType] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)
    table: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    reused: bool = False

    def __post_init__(self) -> None:
        _remember(self)

    def location(self) -> Location:
        """Where the data goes; may fetch a credential. `storage_options` among the options win."""
        return _location(self)


def _remember(end: Source | Target) -> None:
    given = end.options.get("storage_options")
    if isinstance(given, Mapping):
        remember_options(given)


def shown_options(end: Source | Target) -> dict[str, Any]:
    """The options as they may be shown: what opens a file system is known by its name only."""
    hidden = dict.fromkeys(end.options.get("storage_options", ()), "***")
    return {**end.options, **({"storage_options": hidden} if hidden else {})}


def _location(end: Source | Target) -> Location:
    if end.table is not None:
        return end.connection.table_location(end.table)
    given = end.options.get("storage_options")
    return end.connection.location(end.path, given) if given else end.connection.location(end.path)


@dataclass(frozen=True)
class Query:
    """SQL as the user wrote it, and the dialect it is written in (a sqlglot name: `duckdb`, `spark`, …).

    `columns` is what the query gives where an analysis found all of it out before the run, else None.
    """

    text: str
    dialect: str
    columns: tuple[Column, ...] | None = None


@dataclass(frozen=True)
class SqlProblem:
    """A mistake in a query. `offset` counts characters from 0 in the query's text, None if unknown."""

    message: str
    hint: str = ""
    offset: int | None = None


@dataclass(frozen=True)
class SqlAnalysis:
    """What is known of a query without data. `columns` is None where an input's columns are unknown."""

    problems: tuple[SqlProblem, ...] = ()
    columns: tuple[Column, ...] | None = None
    tables: frozenset[str] = frozenset()
    deterministic: bool = True


@dataclass(frozen=True)
class RowCheck:
    """A check of single rows: `violation` is SQL, in `dialect`, that is true for a row that breaks it."""

    name: str
    violation: str
    columns: tuple[str, ...] = ()
    dialect: str = "duckdb"


@dataclass(frozen=True)
class UniqueCheck:
    """The columns together are a key: no combination occurs twice."""

    name: str
    columns: tuple[str, ...]


@dataclass(frozen=True)
class NotEmptyCheck:
    """There is at least one row."""

    name: str = "not_empty"
    columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class SchemaCheck:
    """Columns that must exist, and their types (`int` stands for any integer). Costs no data."""

    name: str
    required: tuple[str, ...] = ()
    types: Mapping[str, DataType] = field(default_factory=dict)
    columns: tuple[str, ...] = ()


Check = RowCheck | UniqueCheck | NotEmptyCheck | SchemaCheck


@dataclass(frozen=True)
class CheckResult:
    """What a check found. `failing_rows` is None where it does not apply; `examples` are the first failing keys."""

    name: str
    passed: bool
    failing_rows: int | None = None
    total_rows: int | None = None
    message: str = ""
    examples: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True)
class Checks:
    """The checks of one node and what a failure does (`fail` or `warn`); `examples` bounds the failing rows shown."""

    items: tuple[Check, ...] = ()
    on_fail: str = "fail"
    examples: int = 5


NO_CHECKS = Checks()


def raise_for_checks(results: Sequence[CheckResult], on_fail: str) -> None:
    """Raise `CheckFailed`, with all results, when a check of a node with `on_fail: fail` does not hold."""
    failed = [result for result in results if not result.passed]
    if failed and on_fail == "fail":
        lines = "\n".join(f"  - {result.name}: {result.message}" for result in failed)
        raise CheckFailed(f"{len(failed)} of {len(results)} checks do not hold; nothing was written\n{lines}", results)


@dataclass(frozen=True)
class WriteReport:
    """What a write did. `frame` is what was written, to hand on to later nodes. Counts come from the commit."""

    frame: Frame
    rows: int | None
    columns: tuple[Column, ...]
    written: bool = True
    files: int | None = None
    bytes: int | None = None
    partitions: int | None = None
    version_before: int | None = None
    version_after: int | None = None
    schema_changes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    checks: tuple[CheckResult, ...] = ()


class Engine(ABC):
    """Who computes. `name` is the name in YAML, `dialect` its SQL, in sqlglot's words.

    >>> from odibi.engine import Engine, PandasEngine
    >>> issubclass(PandasEngine, Engine), PandasEngine.name, PandasEngine.dialect
    (True, 'pandas', 'duckdb')
    """

    name: ClassVar[str]
    dialect: ClassVar[str]
    defers: ClassVar[bool] = False
    """Whether frames stay plans until they are written: what a Python function gives, too, and a frame that is used
    twice may be computed twice, as is the habit of such engines. Only what could give other rows then is kept."""
    connections: Mapping[str, BaseConnection]

    # -- what users call from Python; arguments are judged here, once --------------------------------------------------

    def read(
        self,
        connection: BaseConnection | str,
        format: str | None = None,
        path: str | None = None,
        table: str | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> Any:
        """Read data as this engine's native frame.

        `format=None`: from the path's suffix, else Delta. Raises `DataNotFoundError` when nothing is there,
        `ConfigError` for options that the format does not have.
        """
        return self.native(self.scan(Source(**self._end(connection, format, path, table, options, "read"))))

    def write(
        self,
        df: Any,
        connection: BaseConnection | str,
        format: str | None = None,
        path: str | None = None,
        table: str | None = None,
        mode: str = "overwrite",
        options: Mapping[str, Any] | None = None,
    ) -> WriteReport:
        """Write a native frame in one step: the target is the old or the new, never a mixture.

        `mode` is overwrite, append, error or ignore; `options` may hold `partition_by`. Gives rows, columns and
        Delta versions.
        """
        if mode not in MODES:
            raise UnknownNameError("write mode", mode, MODES)
        end = self._end(connection, format, path, table, options, "write")
        partition_by = end["options"].pop("partition_by", ())
        by = (partition_by,) if isinstance(partition_by, str) else tuple(partition_by)
        report = self.save(self.adopt(df), Target(**end, mode=mode, partition_by=by))
        for text in report.warnings:
            warnings.warn(scrub(text), UserWarning, stacklevel=2)
        return report

    def execute_sql(self, sql: str, context: Any) -> Any:
        """The result of a SELECT over the names in `context`, as a native frame. `sql` is in this engine's dialect.

        Raises `SqlError` for SQL that does not fit, with the names that exist.
        """
        inputs = {name: self.adopt(context.get(name)) for name in context.list_names()}
        return self.native(self.query(Query(sql, self.dialect), inputs)[0])

    def vacuum_delta(
        self,
        connection: BaseConnection | str,
        path: str | None = None,
        retention_hours: float = 168,
        dry_run: bool = False,
        enforce_retention_duration: bool = True,
        table: str | None = None,
    ) -> dict[str, Any]:
        """Delete files of a Delta table that no version younger than `retention_hours` needs: `{"files_deleted": n,
        …}`. The table is a `path`, or a `table` of the connection's catalog."""
        location = self._place(connection, path, table)
        return self.delta_vacuum(location, retention_hours, dry_run, enforce_retention_duration)

    def get_delta_history(
        self,
        connection: BaseConnection | str,
        path: str | None = None,
        limit: int | None = None,
        table: str | None = None,
    ) -> list[dict[str, Any]]:
        """Commits of a Delta table, newest first: `version`, `timestamp` (UTC), `operation`, `parameters`, `metrics`
        (snake_case), `user_metadata`."""
        return self.delta_history(self._place(connection, path, table), limit)

    def restore_delta(
        self,
        connection: BaseConnection | str,
        path: str | None = None,
        version: int | None = None,
        table: str | None = None,
    ) -> dict[str, Any]:
        """Make an old version of a Delta table the newest; nothing is lost, the restore is a commit of its own."""
        if version is None:
            raise ConfigError("restore needs a version; get_delta_history lists those that there are")
        return self.delta_restore(self._place(connection, path, table), version)

    def _connection(self, connection: BaseConnection | str) -> BaseConnection:
        if isinstance(connection, BaseConnection):
            return connection
        if connection not in self.connections:
            raise UnknownNameError("connection", connection, self.connections)
        return self.connections[connection]

    def _usable(self, connection: BaseConnection | str) -> BaseConnection:
        """The connection, where this engine can reach its data. Raises `UnsupportedError`."""
        used = self._connection(connection)
        refusal = used.unusable(self.name)
        if refusal:
            raise UnsupportedError(refusal)
        return used

    def _place(self, connection: BaseConnection | str, path: str | None, table: str | None) -> Location:
        """Where a Delta table is, by its path or by its name in a catalog."""
        used = self._usable(connection)
        if (path is None) == (table is None):
            raise ConfigError("name the Delta table by its path, or as `table` where the connection has a catalog")
        return used.location(path) if path is not None else used.table_location(str(table))

    def _end(
        self,
        connection: BaseConnection | str,
        format: str | None,
        path: str | None,
        table: str | None,
        options: Mapping[str, Any] | None,
        side: Literal["read", "write"],
    ) -> dict[str, Any]:
        from odibi.formats import format_of, normalise_options, table_format

        if path is not None and table is not None:
            raise ConfigError("both `path` and `table` are given; keep one of them")
        place = table if path is None else path
        if place is None:
            raise ConfigError(f"{side} needs a path, or a table where the connection has a catalog")
        used = self._usable(connection)
        if table is not None:
            used.get_table(table)
        chosen = table_format(format) if table is not None else format_of(place, format)
        canonical, mistakes = normalise_options(chosen, side, dict(options or {}))
        if mistakes:
            raise ConfigError([Problem(Position(), f"options.{key}", text, hint) for key, text, hint in mistakes])
        return {"connection": used, "path": place, "format": chosen, "options": canonical, "table": table}

    # -- frames --------------------------------------------------------------------------------------------------------

    @abstractmethod
    def scan(self, source: Source) -> Frame:
        """A frame over stored data; reads no more than it must to know the columns."""

    @abstractmethod
    def query(self, query: Query, inputs: Mapping[str, Frame]) -> tuple[Frame, str]:
        """The result of a SELECT over the inputs, lazy, and the SQL text as this engine runs it."""

    @abstractmethod
    def adopt(self, data: Any) -> Frame:
        """A frame over what a Python function returned. Raises `DataError` when it is no frame."""

    @abstractmethod
    def native(self, frame: Frame) -> Any:
        """The frame as users of this engine hold it (a pandas or Spark DataFrame)."""

    @abstractmethod
    def narwhals(self, frame: Frame, lazy: bool) -> Any:
        """The frame as a narwhals `LazyFrame` or `DataFrame`."""

    @abstractmethod
    def operate(self, operation: Any, params: Any, frame: Frame) -> tuple[Frame, str | None]:
        """The result of a built-in operation (`odibi.transforms.base`) over a frame, and the SQL it runs as."""

    @abstractmethod
    def call(
        self, function: Callable[..., Any], context: Any, current: Frame | None, params: Mapping[str, Any]
    ) -> Frame:
        """Call a transform function with native frames (or narwhals, where it is annotated so) and adopt its result."""

    @abstractmethod
    def is_lazy(self, frame: Frame) -> bool:
        """True where using the frame computes it."""

    @abstractmethod
    def probe(self, frame: Frame) -> bool:
        """Whether a lazy frame can be computed; only asked after a failure, to tell where it comes from."""

    @abstractmethod
    def keep(self, frame: Frame, repeatable: bool = False) -> Frame:
        """The same data, computed once and held as long as a frame refers to it. `repeatable` says that computing it
        again gives the same rows, so that an engine may do so where what it held is lost."""

    def is_repeatable(self, frame: Frame) -> bool:
        """Whether computing what a Python function gave, a plan, again gives the same rows. The default is not sure."""
        return False

    def compute(self, frame: Frame) -> Frame:
        """The same data, after every row was computed, of a node that nobody uses. The default keeps it."""
        return self.keep(frame)

    @abstractmethod
    def sample(self, frame: Frame, rows: int) -> list[dict[str, Any]] | None:
        """Up to `rows` rows where they cost nothing to get, else None (it never computes a lazy frame)."""

    # -- checks and writes ---------------------------------------------------------------------------------------------

    @abstractmethod
    def check(self, frame: Frame, checks: Checks) -> tuple[CheckResult, ...]:
        """Run the checks over a kept frame in one pass."""

    @abstractmethod
    def save(self, frame: Frame, target: Target, checks: Checks = NO_CHECKS) -> WriteReport:
        """Cast to the target's types, check, write aside, then commit. Raises `CheckFailed` with the target
        untouched."""

    # -- before a run --------------------------------------------------------------------------------------------------

    @abstractmethod
    def analyse(self, query: Query, inputs: Mapping[str, tuple[Column, ...] | None]) -> SqlAnalysis:
        """What is wrong with a query, and its columns, from the columns of its inputs (None: not known). Moves no
        data."""

    def read_ahead(self, queries: Sequence[Query]) -> None:
        """Told of all queries before the first `analyse`, an engine may read them at once. The default does nothing."""

    def translate(self, query: Query) -> str:
        """The SQL as this engine runs it. Raises `SqlError` for what it can not say."""
        return query.text

    # -- Delta maintenance ---------------------------------------------------------------------------------------------

    @abstractmethod
    def delta_history(self, location: Location, limit: int | None) -> list[dict[str, Any]]:
        """Commits, newest first."""

    @abstractmethod
    def delta_vacuum(self, location: Location, retention_hours: float, dry_run: bool, enforce: bool) -> dict[str, Any]:
        """Delete files that no version younger than the retention needs."""

    @abstractmethod
    def delta_restore(self, location: Location, version: int) -> dict[str, Any]:
        """Make an old version the newest."""

    # -- life ----------------------------------------------------------------------------------------------------------

    def starting(self) -> str:
        """What `start` would have to start, in the user's words; empty where nothing is, as by default."""
        return ""

    def start(self) -> None:
        """Get what computing needs before the first node of a run, so that what is missing is told once and no node's
        time holds it. By default nothing is needed."""

    def interrupt(self) -> None:
        """Stop what runs now, from another thread; called again until it has ended. The default does nothing."""

    def is_interrupt(self, error: BaseException) -> bool:
        """True for the error by which a query ends after `interrupt`."""
        return isinstance(error, KeyboardInterrupt)

    def is_transient(self, error: BaseException) -> bool:
        """True for an I/O error that may be gone at the next try."""
        return is_transient(error)

    def collect(self) -> None:
        """Let go of kept data that no frame refers to any more. The default does nothing."""

    def close(self) -> None:
        """Let go of everything. The default does nothing."""

    def versions(self) -> dict[str, str]:
        """Versions of the libraries that compute, for the story."""
        return {}
