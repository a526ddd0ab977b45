"""The pandas engine: users hold pandas, DuckDB computes, Arrow is the memory, delta-rs commits."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import duckdb

from odibi.connections.base import BaseConnection, Location
from odibi.engine.base import NO_CHECKS, CheckResult, Checks, Engine, Query, Source, SqlAnalysis, Target, WriteReport
from odibi.engine.clashes import suspected
from odibi.engine.pandas import errors
from odibi.engine.pandas.clashes import HINT, find_clash
from odibi.engine.pandas.formats import FORMATS
from odibi.engine.pandas.session import MAX_DEPTH, DuckFrame, Session, prepare_database
from odibi.errors import SqlError
from odibi.types import Column

if TYPE_CHECKING:
    from odibi.engine.pandas.analyse import Analyser


class PandasEngine(Engine):
    """Runs on one machine; frames stay lazy or columnar until a Python function asks for pandas.

    >>> from odibi.connections import LocalConnection
    >>> from odibi.engine import PandasEngine
    >>> import pandas as pd, tempfile
    >>> engine, lake = PandasEngine(), LocalConnection(tempfile.mkdtemp())
    >>> engine.write(pd.DataFrame({"id": [1, 2]}), lake, path="sales").rows
    2
    >>> engine.read(lake, path="sales")["id"].tolist()
    [1, 2]
    >>> from odibi.context import PandasContext
    >>> context = PandasContext()
    >>> context.register("sales", engine.read(lake, path="sales"))
    >>> engine.execute_sql("SELECT max(id) AS last FROM sales", context)["last"].tolist()
    [2]
    >>> [commit["version"] for commit in engine.get_delta_history(lake, "sales")]
    [0]
    """

    name: ClassVar[str] = "pandas"
    dialect: ClassVar[str] = "duckdb"

    def __init__(self, connections: Mapping[str, BaseConnection] | None = None) -> None:
        self.connections = dict(connections or {})
        self._session: Session | None = None
        self._making = threading.Lock()

    @property
    def session(self) -> Session:
        """The DuckDB database, made when first needed, by one of the nodes that start at the same time."""
        with self._making:
            if self._session is None:
                self._session = Session()
            return self._session

    # -- frames --------------------------------------------------------------------------------------------------------

    def scan(self, source: Source) -> DuckFrame:
        """A frame over stored data."""
        with self._explained():
            frame: DuckFrame = FORMATS[source.format].scan(self.session, source)
            return frame

    def query(self, query: Query, inputs: Mapping[str, Any]) -> tuple[DuckFrame, str]:
        """The result of a SELECT over the inputs, lazy up to a depth that planning can bear."""
        text = _statement(query)
        frame = self.session.frame(text, inputs, known_columns=query.columns)
        with self._explained(frame.sql, query.text, inputs):
            columns = frame.columns  # binds the query, unless the analysis did: a wrong name is told with its place
            if query.columns is None and suspected(column.name for column in columns):
                self._refuse_clash(text, inputs)
        return (self.keep(frame) if frame.depth > MAX_DEPTH else frame), text

    def _refuse_clash(self, text: str, inputs: Mapping[str, Any]) -> None:
        with self.session.cursor(*inputs.values()) as cursor:
            clash = find_clash(cursor, text, {name: frame.sql for name, frame in inputs.items()})
        if clash is not None:
            raise SqlError(f"{clash}; {HINT}")

    def adopt(self, data: Any) -> DuckFrame:
        """A frame over pandas, Arrow, narwhals or polars data."""
        from odibi.engine.pandas.functions import from_python

        return from_python(self.session, data)

    def native(self, frame: Any) -> Any:
        """The frame as a pandas DataFrame."""
        from odibi.engine.pandas.functions import to_pandas

        with self._explained(frame.sql):
            return to_pandas(self.session, frame)

    def narwhals(self, frame: Any, lazy: bool) -> Any:
        """The frame as narwhals sees it."""
        from odibi.engine.pandas.functions import to_narwhals

        with self._explained(frame.sql):
            return to_narwhals(self.session, frame, lazy)

    def operate(self, operation: Any, params: Any, frame: Any) -> tuple[DuckFrame, str | None]:
        """The result of a built-in operation."""
        from odibi.engine.pandas.operations import apply

        with self._explained(frame.sql):
            return apply(self.session, operation, params, frame)

    def call(self, function: Callable[..., Any], context: Any, current: Any, params: Mapping[str, Any]) -> DuckFrame:
        """Call a transform function and adopt what it returns."""
        from odibi.engine.pandas.functions import call

        with self._explained():
            return call(self.session, function, context, current, params)

    def is_lazy(self, frame: Any) -> bool:
        """True where using the frame computes it."""
        return bool(frame.lazy)

    def probe(self, frame: Any) -> bool:
        """Compute every column of every row and keep nothing."""
        try:
            self.session.execute(f"SELECT max(hash(COLUMNS(*))) FROM ({frame.sql}\n)", frame)
        except duckdb.Error:
            return False
        return True

    def keep(self, frame: Any, repeatable: bool = False) -> DuckFrame:
        """Compute the frame once, into a table."""
        with self._explained(frame.sql):
            return self.session.keep(frame)

    def collect(self) -> None:
        """Drop kept tables that no frame refers to any more."""
        if self._session is not None:
            self._session.collect()

    def sample(self, frame: Any, rows: int) -> list[dict[str, Any]] | None:
        """The first rows of a stored or kept frame."""
        if frame.lazy:
            return None
        from odibi.engine.pandas.run_checks import readable

        names = [column.name for column in frame.columns]
        items = ", ".join(map(readable, frame.columns))
        found = self.session.execute(f"SELECT {items} FROM ({frame.sql}\n) LIMIT {rows}", frame)
        return [dict(zip(names, row, strict=True)) for row in found]

    # -- checks and writes ---------------------------------------------------------------------------------------------

    def check(self, frame: Any, checks: Checks) -> tuple[CheckResult, ...]:
        """Run the checks over a frame in one pass."""
        from odibi.engine.pandas.run_checks import run_checks

        with self._explained(frame.sql):
            return run_checks(self.session, frame, checks)

    def save(self, frame: Any, target: Target, checks: Checks = NO_CHECKS) -> WriteReport:
        """Cast, check, write aside, commit."""
        from odibi.engine.pandas.save import save

        with self._explained(frame.sql):
            return save(self.session, frame, target, checks)

    # -- before a run --------------------------------------------------------------------------------------------------

    def analyse(self, query: Query, inputs: Mapping[str, tuple[Column, ...] | None]) -> SqlAnalysis:
        """Mistakes and columns of a query, on empty tables."""
        return self._analyser.analyse(query, inputs)

    def read_ahead(self, queries: Sequence[Query]) -> None:
        """Parse the queries in one go; meanwhile the database that will run them is opened."""
        prepare_database()
        self._analyser.read_ahead(queries)

    @cached_property
    def _analyser(self) -> Analyser:
        """One for all queries of a file: it has a database of its own."""
        from odibi.engine.pandas.analyse import Analyser

        return Analyser()

    def translate(self, query: Query) -> str:
        """The query as DuckDB runs it."""
        return _statement(query)

    # -- Delta maintenance ---------------------------------------------------------------------------------------------

    def delta_history(self, location: Location, limit: int | None) -> list[dict[str, Any]]:
        """Commits, newest first."""
        from odibi.engine.pandas.delta import maintain

        return maintain.history(location, limit)

    def delta_vacuum(self, location: Location, retention_hours: float, dry_run: bool, enforce: bool) -> dict[str, Any]:
        """Delete files that no young version needs."""
        from odibi.engine.pandas.delta import maintain

        return maintain.vacuum(location, retention_hours, dry_run, enforce)

    def delta_restore(self, location: Location, version: int) -> dict[str, Any]:
        """Make an old version the newest."""
        from odibi.engine.pandas.delta import maintain

        return maintain.restore(location, version)

    # -- life ----------------------------------------------------------------------------------------------------------

    def interrupt(self) -> None:
        """Stop what runs now."""
        if self._session is not None:
            self._session.interrupt()

    def is_interrupt(self, error: BaseException) -> bool:
        """True for the error of a query that `interrupt` stopped."""
        return super().is_interrupt(error) or errors.is_interrupt(error)

    def is_transient(self, error: BaseException) -> bool:
        """True for an I/O error that may be gone at the next try."""
        return super().is_transient(error) or errors.is_transient(error)

    def close(self) -> None:
        """Close the database."""
        if self._session is not None:
            self._session.close()
            self._session = None
        if "_analyser" in self.__dict__:
            self.__dict__.pop("_analyser").close()

    def versions(self) -> dict[str, str]:
        """Versions of the libraries that compute, of those that were loaded by now."""
        loaded = {name: sys.modules[name] for name in ("deltalake", "pyarrow", "pandas") if name in sys.modules}
        return {"duckdb": duckdb.__version__, **{name: str(module.__version__) for name, module in loaded.items()}}

    @contextmanager
    def _explained(
        self, sql: str = "", written: str | None = None, inputs: Mapping[str, Any] | None = None
    ) -> Iterator[None]:
        """Turn DuckDB's errors into texts for the user."""
        try:
            yield
        except duckdb.Error as error:
            if errors.is_interrupt(error):
                raise
            columns = {name: frame.columns for name, frame in (inputs or {}).items()}
            raise errors.explain(error, sql, written, columns) from error


def _statement(query: Query) -> str:
    """The query as DuckDB runs it: translated where it is written in another dialect, without a closing semicolon."""
    from odibi.engine.pandas.dialect import translate

    return translate(query.text, query.dialect)
