"""The Spark engine: users hold Spark DataFrames, Spark computes, delta-spark commits.

Everything stays a plan until it is written. Works on classic Spark and on Spark Connect; `Session.platform` knows what
the platform allows.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from odibi.connections.base import BaseConnection, Location
from odibi.engine.base import NO_CHECKS, CheckResult, Checks, Engine, Query, Source, SqlAnalysis, Target, WriteReport
from odibi.errors import OdibiError
from odibi.types import Column

if TYPE_CHECKING:
    from odibi.engine.spark.analyse import Analyser
    from odibi.engine.spark.frame import SparkFrame
    from odibi.engine.spark.session import Session
    from odibi.engine.spark.storage import Storage


class SparkEngine(Engine):
    """Runs on Spark: the session it is given, else the active one, else one that it builds.

    `connections` are named connections; their accounts are made known to the session when it is first used.
    """

    name: ClassVar[str] = "spark"
    dialect: ClassVar[str] = "spark"
    defers: ClassVar[bool] = True

    def __init__(self, connections: Mapping[str, BaseConnection] | None = None, spark_session: Any = None) -> None:
        self.connections = dict(connections or {})
        self._given = spark_session
        self._session: Session | None = None
        self._accounts: Storage | None = None
        self._making = threading.Lock()

    @property
    def session(self) -> Session:
        """The session, found or built when first needed, by one of the nodes that start at the same time."""
        with self._making:
            if self._session is None:
                from odibi.engine.spark.session import Session

                self._session = Session(self._given)
            return self._session

    @property
    def spark(self) -> Any:
        """The Spark session (`pyspark.sql.SparkSession`, classic or Connect), with access to all connections. Raises
        `KeyFetchError` with all credentials that could not be fetched."""
        self._storage.open_all()
        return self.session.spark

    @property
    def _storage(self) -> Storage:
        """The accounts of the connections, made known to the session when they are first used."""
        session = self.session
        with self._making:
            if self._accounts is None or self._accounts.session is not session:
                from odibi.engine.spark.storage import Storage

                self._accounts = Storage(session, self.connections)
            return self._accounts

    def _usable(self, connection: BaseConnection | str) -> BaseConnection:
        """What users of Python name: all accounts are made known at once, whose keys are fetched in parallel."""
        used = super()._usable(connection)
        self._storage.open_all()
        return used

    def _place(self, connection: BaseConnection | str, path: str | None, table: str | None) -> Location:
        location = super()._place(connection, path, table)
        self._storage.open_connection(self._connection(connection))
        return location

    # -- frames --------------------------------------------------------------------------------------------------------

    def scan(self, source: Source) -> SparkFrame:
        """A frame over stored data."""
        from odibi.engine.spark.formats import FORMATS

        with self._explained(end=source):
            self._storage.open(source)
            frame: SparkFrame = FORMATS[source.format].scan(self.session, source)
            return frame

    def query(self, query: Query, inputs: Mapping[str, Any]) -> tuple[SparkFrame, str]:
        """The result of a SELECT over the inputs, lazy."""
        from odibi.engine.spark.sql import run_query

        with self._explained(query.text, inputs):
            return run_query(self.session, query, inputs)

    def adopt(self, data: Any) -> SparkFrame:
        """A frame over Spark, pandas, Arrow, narwhals or polars data."""
        from odibi.engine.spark.functions import from_python

        with self._explained():  # on Connect a mistake in a DataFrame shows only now
            return from_python(self.session, data)

    def native(self, frame: Any) -> Any:
        """The frame as a Spark DataFrame."""
        return frame.data

    def narwhals(self, frame: Any, lazy: bool) -> Any:
        """The frame as narwhals sees it; an eager one is computed and brought to the driver."""
        from odibi.engine.spark.functions import to_narwhals

        with self._explained():
            return to_narwhals(frame, lazy)

    def operate(self, operation: Any, params: Any, frame: Any) -> tuple[SparkFrame, str | None]:
        """The result of a built-in operation."""
        from odibi.engine.spark.operations import apply

        with self._explained():
            return apply(self.session, operation, params, frame)

    def call(self, function: Callable[..., Any], context: Any, current: Any, params: Mapping[str, Any]) -> SparkFrame:
        """Call a transform function and adopt what it returns."""
        from odibi.engine.spark.functions import call

        with self._explained():
            return call(self.session, function, context, current, params)

    def is_lazy(self, frame: Any) -> bool:
        """True where using the frame computes it."""
        return bool(frame.lazy)

    def probe(self, frame: Any) -> bool:
        """Compute every column of every row and keep nothing."""
        from odibi.engine.spark.keep import probe

        return probe(frame)

    def keep(self, frame: Any, repeatable: bool = False) -> SparkFrame:
        """Have the frame computed once, when it is first used, and held as long as a frame refers to it."""
        from odibi.engine.spark.keep import keep

        with self._explained():
            return keep(self.session, frame, repeatable)

    def is_repeatable(self, frame: Any) -> bool:
        """Whether the plan gives the same rows each time, where Spark shows plans."""
        from odibi.engine.spark.keep import is_repeatable

        return bool(is_repeatable(self.session, frame))

    def compute(self, frame: Any) -> SparkFrame:
        """Compute every row once, and keep nothing but their number."""
        from odibi.engine.spark.keep import compute

        with self._explained():
            return compute(self.session, frame)

    def collect(self) -> None:
        """Let go of what is kept and no frame refers to any more."""
        if self._session is not None:
            from odibi.engine.spark.keep import collect

            collect(self._session)

    def sample(self, frame: Any, rows: int) -> list[dict[str, Any]] | None:
        """Rows that were in Python's hands anyway: a Spark job for the story alone is never started."""
        return None if frame.first_rows is None else [dict(row) for row in frame.first_rows[:rows]]

    # -- checks and writes ---------------------------------------------------------------------------------------------

    def check(self, frame: Any, checks: Checks) -> tuple[CheckResult, ...]:
        """Run the checks over a frame that is not written."""
        from odibi.engine.spark.run_checks import run_checks

        with self._explained():
            return run_checks(self.session, frame, checks)

    def save(self, frame: Any, target: Target, checks: Checks = NO_CHECKS) -> WriteReport:
        """Cast, check while writing, commit."""
        from odibi.engine.spark.save import save

        with self._explained(end=target):
            self._storage.open(target)
            return save(self.session, frame, target, checks)

    # -- before a run --------------------------------------------------------------------------------------------------

    def analyse(self, query: Query, inputs: Mapping[str, tuple[Column, ...] | None]) -> SqlAnalysis:
        """Mistakes and columns of a query: Spark judges where a session is at hand; none is built for it."""
        return self._analyser.analyse(query, inputs)

    @cached_property
    def _analyser(self) -> Analyser:
        from odibi.engine.spark.analyse import Analyser

        return Analyser(self._at_hand())

    def _at_hand(self) -> Session | None:
        """A session that is there already; looking for it imports nothing."""
        if self._session is not None or self._given is not None:
            return self.session
        if "pyspark.sql" not in sys.modules:
            return None
        from odibi.engine.spark.session import active

        return self.session if active() is not None else None

    def translate(self, query: Query) -> str:
        """The query as Spark runs it."""
        from odibi.engine.spark.dialect import translate

        return translate(query.text, query.dialect)

    # -- Delta maintenance ---------------------------------------------------------------------------------------------

    def delta_history(self, location: Location, limit: int | None) -> list[dict[str, Any]]:
        """Commits, newest first."""
        from odibi.engine.spark.delta import maintain

        with self._explained():
            return maintain.history(self.session, location, limit)

    def delta_vacuum(self, location: Location, retention_hours: float, dry_run: bool, enforce: bool) -> dict[str, Any]:
        """Delete files that no young version needs."""
        from odibi.engine.spark.delta import maintain

        with self._explained():
            return maintain.vacuum(self.session, location, retention_hours, dry_run, enforce)

    def delta_restore(self, location: Location, version: int) -> dict[str, Any]:
        """Make an old version the newest."""
        from odibi.engine.spark.delta import maintain

        with self._explained():
            return maintain.restore(self.session, location, version)

    # -- life ----------------------------------------------------------------------------------------------------------

    def starting(self) -> str:
        """Spark, where no session is at hand."""
        return "" if self._at_hand() else "Spark"

    def start(self) -> None:
        """Find or build the session."""
        _ = self.session

    def interrupt(self) -> None:
        """Cancel the jobs of this run."""
        if self._session is not None:
            self._session.interrupt()

    def is_interrupt(self, error: BaseException) -> bool:
        """True for the error of a job that `interrupt` cancelled."""
        from odibi.engine.spark import kinds
        from odibi.engine.spark.session import is_end

        if is_end(error):
            return self._session is not None and self._session.is_being_interrupted()
        return super().is_interrupt(error) or kinds.is_interrupt(error)

    def is_transient(self, error: BaseException) -> bool:
        """True for an I/O error that may be gone at the next try."""
        from odibi.engine.spark import kinds
        from odibi.engine.spark.session import is_end

        return not is_end(error) and (super().is_transient(error) or kinds.is_transient(error))

    def close(self) -> None:
        """Let go of what is kept, and put back what was changed of a session that is not ours."""
        self.__dict__.pop("_analyser", None)
        if self._session is not None:
            from odibi.engine.spark.keep import close

            close(self._session)
            self._session.close()
            self._session = None

    def versions(self) -> dict[str, str]:
        """Versions of the libraries that compute, of those that were loaded by now."""
        from odibi.engine.spark import kinds

        found: dict[str, str] = {}
        if self._session is not None:
            found["pyspark"] = str(sys.modules["pyspark"].__version__)
            with suppress(*kinds.spark_errors(), OSError):  # a JVM that has ended tells nothing
                found["spark"] = str(self._session.spark.version)
        return found

    @contextmanager
    def _explained(
        self,
        written: str | None = None,
        inputs: Mapping[str, Any] | None = None,
        end: Source | Target | None = None,
    ) -> Iterator[None]:
        """Turn Spark's errors into texts for the user. `end` is what is read or written."""
        from odibi.engine.spark import errors
        from odibi.engine.spark.session import (
            END_SECONDS,
            ended,
            has_ended,
            is_cut_off,
            is_end,
            is_stopped,
            stopped,
        )

        session = self.session  # raises in its own words where there is no Spark
        raised: tuple[type[BaseException], ...] = (*errors.spark_errors(), ConnectionError)
        if is_stopped(session.spark):  # pyspark would not say so, but ask None for something
            raise stopped()
        try:
            with session.working():
                yield
        except AttributeError as error:
            if not is_stopped(session.spark):
                raise
            raise stopped() from error  # by another node, while this one was at work
        except raised as error:
            if is_cut_off(error) and has_ended(session.spark, END_SECONDS):
                raise ended() from error
            if isinstance(error, ConnectionError) or (errors.is_interrupt(error) and not is_end(error)):
                raise
            raise _of_storage(error, end) or errors.explain(
                error, written, {name: each.columns for name, each in (inputs or {}).items()}
            ) from error


def _of_storage(error: BaseException, end: Source | Target | None) -> OdibiError | None:
    """What an error says of the storage that is read or written; None where it is about something else."""
    if end is None:
        return None
    from odibi.engine.spark.storage_problems import explain

    return explain(str(error), end.location(), "write" if isinstance(end, Target) else "read")
