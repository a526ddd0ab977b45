"""One in-memory DuckDB database for an engine, and the frames over it.

A lazy frame is SQL text: it is put as a CTE into the query that uses it, so a pipeline of SQL streams from source to
table in one query. A kept frame is a table. Queries run on cursors (connections of their own to the same database), so
nodes run in parallel; `interrupt` stops them all.
"""

from __future__ import annotations

import itertools
import os
import re
import threading
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb

from odibi.engine.pandas.types import column_of
from odibi.types import Column

REMOTE_THREADS = 6
"""Threads at least where files behind URLs are read by ranges."""
MAX_DEPTH = 12
"""Lazy frames over lazy frames, before one is kept: planning time grows with the depth of nested queries."""
# GLOBAL where a setting takes it: a cursor is a connection of its own, and has none of what another one was told.
SETTINGS = (
    "SET GLOBAL TimeZone = 'UTC'",
    "SET GLOBAL ieee_floating_point_ops = false",  # 1/0 is an error, as in Spark's ANSI mode
    "SET GLOBAL preserve_insertion_order = false",
    "SET GLOBAL disabled_optimizers = 'type_pushdown'",  # else CAST(x AS VARCHAR) may give the raw text of a CSV file
    "SET GLOBAL max_expression_depth = 1500",  # 1,000 is the default, and putting the inputs in front takes some of it
    "SET python_enable_replacements = false",  # a query sees its inputs, not Python's variables
    "SET GLOBAL autoinstall_known_extensions = false",
    "SET GLOBAL autoload_known_extensions = false",
)


def quote(name: str) -> str:
    """An identifier for DuckDB."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A string literal for DuckDB."""
    return "'" + text.replace("'", "''") + "'"


@dataclass(frozen=True)
class DuckFrame:
    """A frame of the pandas engine: `sql` is a SELECT. `keeps` are the tables of kept frames it is
    made of, `holds` the Python objects (an Arrow table, a pandas frame): both live as long as a frame needs them."""

    session: Session
    sql: str
    depth: int = 0
    keeps: tuple[Kept, ...] = ()
    holds: tuple[Held, ...] = ()
    rows: int | None = None
    known_columns: tuple[Column, ...] | None = None
    cheap: bool = False
    """True where reading it twice costs no more than a copy of it would: stored Parquet, a table, an Arrow table."""

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        """Names and types, from the binder; the data is not computed."""
        return self.known_columns if self.known_columns is not None else self.session.describe(self.sql, self)

    @property
    def lazy(self) -> bool:
        """True where using the frame computes it."""
        return not self.cheap


def _can_write_here() -> bool:
    try:
        return os.access(Path.cwd(), os.W_OK | os.X_OK)
    except OSError:  # the folder was deleted
        return False


def open_database() -> duckdb.DuckDBPyConnection:
    """A new in-memory database with the settings of this engine."""
    connection = duckdb.connect()
    for setting in SETTINGS:
        connection.execute(setting)
    with suppress(duckdb.InvalidInputException):  # a notebook without ipywidgets has none, and refuses to be told so
        connection.execute("SET enable_progress_bar = false")
    return connection


class _Spare(threading.Thread):
    """Opens a database ahead of time. Opening takes 15 ms, and no lock that other Python threads wait for."""

    _lock = threading.Lock()
    _one: _Spare | None = None

    def __init__(self) -> None:
        super().__init__(name="odibi-spare")  # no daemon: a process that ends meanwhile waits for it
        self.connection: duckdb.DuckDBPyConnection | None = None

    def run(self) -> None:
        self.connection = open_database()

    @classmethod
    def prepare(cls) -> None:
        """Start opening one, unless one is there."""
        with cls._lock:
            if cls._one is None:
                spare = cls()
                spare.start()
                cls._one = spare

    @classmethod
    def take(cls) -> duckdb.DuckDBPyConnection | None:
        """The spare database, None if none was prepared."""
        with cls._lock:
            spare, cls._one = cls._one, None
        if spare is None:
            return None
        spare.join()
        return spare.connection


prepare_database = _Spare.prepare


class Session:
    """A DuckDB database and what runs on it."""

    def __init__(self) -> None:
        self._connection = _Spare.take() or open_database()
        if not _can_write_here():  # there DuckDB puts what does not fit into memory, as `.tmp`
            from odibi.engine.pandas.formats.base import scratch

            self._connection.execute(f"SET temp_directory = {literal(scratch(self, 'spill'))}")
        self._lock = threading.Lock()
        self._active: set[duckdb.DuckDBPyConnection] = set()
        self._interrupted = False
        self._numbers = itertools.count()
        self._unused: list[str] = []
        self._failures: dict[str, BaseException] = {}
        self._mounted: list[Any] = []

    @contextmanager
    def cursor(self, *frames: DuckFrame) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection of its own to the database, in which `frames` can be queried; `interrupt` reaches what runs
        on it."""
        cursor = self._connection.cursor()
        for held in {held.name: held for frame in frames for held in frame.holds}.values():
            cursor.register(held.name, held.data)  # DuckDB knows a registered object on one connection only
        with self._lock:
            if self._interrupted:
                raise KeyboardInterrupt
            self._active.add(cursor)
        try:
            yield cursor
        except duckdb.Error as error:
            found = self._of_a_file(error)
            if found is None:
                raise
            raise found from error
        finally:
            with self._lock:
                self._active.discard(cursor)
            cursor.close()

    def execute(self, sql: str, *frames: DuckFrame) -> list[tuple[Any, ...]]:
        """Run one statement, which may use the SQL of `frames`, and take all its rows."""
        with self.cursor(*frames) as cursor:
            return cursor.execute(sql).fetchall()

    def describe(self, sql: str, *frames: DuckFrame) -> tuple[Column, ...]:
        """Names and types of a SELECT's columns."""
        return tuple(column_of(name, native) for name, native, *_ in self.execute(f"DESCRIBE {sql}", *frames))

    def frame(self, sql: str, inputs: Mapping[str, DuckFrame] | None = None, **facts: Any) -> DuckFrame:
        """A lazy frame over a SELECT; `inputs` are the frames it names."""
        inputs = named_in(sql, inputs or {})
        depth = 1 + max((frame.depth for frame in inputs.values()), default=0)
        holds = tuple(dict.fromkeys(held for frame in inputs.values() for held in frame.holds))
        keeps = tuple(dict.fromkeys(kept for frame in inputs.values() for kept in frame.keeps))
        return DuckFrame(self, with_inputs(sql, inputs), depth=depth, holds=holds, keeps=keeps, **facts)

    def keep(self, frame: DuckFrame) -> DuckFrame:
        """Compute a frame once, into a table of the database (DuckDB spills it to disk when memory is short)."""
        name = self.new_name("kept")
        ((rows,),) = self.execute(f"CREATE TABLE memory.main.{name} AS {frame.sql}", frame)
        kept = Kept(name)
        weakref.finalize(kept, self._unused.append, name).atexit = False
        return DuckFrame(
            self, f"FROM memory.main.{name}", keeps=(kept,), rows=rows, known_columns=frame.columns, cheap=True
        )

    def collect(self) -> None:
        """Drop the tables of kept frames that nothing refers to any more. After an interrupt they stay until the end:
        the run still has its story to write, and no query runs any more."""
        while self._unused and not self._interrupted:
            self.execute(f"DROP TABLE IF EXISTS memory.main.{self._unused.pop()}")

    def register(self, data: Any, rows: int | None = None) -> DuckFrame:
        """A frame over an Arrow table or a pandas frame, which is not copied."""
        name = self.new_name("given")
        return DuckFrame(self, f"FROM {name}", holds=(Held(name, data),), rows=rows, cheap=True)

    def new_name(self, prefix: str) -> str:
        """A name that nothing in this database has."""
        return f"__odibi_{prefix}_{next(self._numbers)}"

    @property
    def interrupted(self) -> bool:
        """True once `interrupt` was called: what takes long outside the database ends too."""
        return self._interrupted

    def mount(self, filesystem: Any) -> None:
        """Let queries read files through an fsspec file system, whose `release` is called at the end.

        From now on there are more threads than cores: one that waits for its bytes computes nothing, and each asks for
        one range at a time.
        """
        self._connection.register_filesystem(filesystem)
        self._mounted.append(filesystem)
        self.execute(f"SET threads = {max(2 * (os.cpu_count() or 1), REMOTE_THREADS)}")

    def failed(self, error: BaseException) -> str:
        """Keep the error of a mounted file system; gives the text to raise instead of it, for DuckDB keeps the text
        alone."""
        name = self.new_name("failure")
        self._failures[name] = error
        return name

    def _of_a_file(self, error: duckdb.Error) -> BaseException | None:
        """The error of a mounted file system behind an error of DuckDB."""
        found = re.search(r"__odibi_failure_\d+", str(error)) if self._failures else None
        return self._failures.get(found[0]) if found else None

    def interrupt(self) -> None:
        """Stop every running query and refuse new ones."""
        with self._lock:
            self._interrupted = True
            for cursor in self._active:
                cursor.interrupt()

    def close(self) -> None:
        """Close the database; frames over it are no longer usable."""
        self._connection.close()
        while self._mounted:
            self._mounted.pop().release()


class Kept:
    """A table of the database that is dropped once no frame refers to it."""

    def __init__(self, name: str) -> None:
        self.name = name


@dataclass(frozen=True)
class Held:
    """A Python object that queries use under a name."""

    name: str
    data: Any = field(repr=False, hash=False, compare=False)


def named_in(sql: str, inputs: Mapping[str, DuckFrame]) -> dict[str, DuckFrame]:
    """The inputs whose name stands anywhere in the text. The others would be planned for nothing, and a node's only
    input, which is also its `current`, would be there twice at every level of a chain."""
    text = sql.lower()
    return {name: frame for name, frame in inputs.items() if name.lower() in text or '"' in name}


def with_inputs(sql: str, inputs: Mapping[str, DuckFrame]) -> str:
    """The SELECT with its inputs in front as CTEs. A CTE of the same name inside the user's own text shadows them."""
    if not inputs:
        return sql
    ctes = ", ".join(f"{quote(name)} AS ({frame.sql}\n)" for name, frame in inputs.items())
    return f"WITH {ctes} SELECT * FROM ({sql}\n)"
