"""The Spark session of an engine: the one that is given, else the active one, else one that is built.

A session that is not ours is a guest's room: settings that are changed are put back, and it is never stopped. The one
that odibi builds is kept for later engines of the process, and ends with it.
"""

from __future__ import annotations

import itertools
import logging
import os
import signal
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from typing import Any

from odibi.engine.spark import build
from odibi.engine.spark.platform import Platform
from odibi.engine.spark.settings import SETTINGS
from odibi.errors import AccessError, MissingExtraError, UnsupportedError
from odibi.notebook import at_hand, in_databricks

NOISY_LOGGERS = ("SQLQueryContextLogger", "DataFrameQueryContextLogger")
"""Python loggers of pyspark that print each failed analysis, the JVM's stack in it."""
QUIET = logging.CRITICAL + 1
END_SECONDS = 2.0
"""How long after a lost connection the JVM may take to end, and an interrupt that took the JVM too to be heard of."""
_PANDAS_3 = "PySpark does not yet fully support pandas"

_lock = threading.RLock()
_numbers = itertools.count(1)
_built: Any = None
_changed: dict[str, _Changed] = {}
_levels: dict[str, int] = {}


class Session:
    """A Spark session and whose it is: `owned` where odibi built it."""

    def __init__(self, spark: Any = None) -> None:
        _need_pyspark()
        self.spark, self.owned = _session(spark)
        self._key = _key(self.spark)
        self.tag = f"odibi-{os.getpid()}-{next(_numbers)}"
        self._interrupted = threading.Event()
        self._at_work = threading.local()
        self._closed = False
        self._borrow()

    @cached_property
    def platform(self) -> Platform:
        """What this session allows."""
        return Platform(self.spark)

    # -- settings ------------------------------------------------------------------------------------------------------

    def _borrow(self) -> None:
        with _lock:
            changed = _changed.setdefault(self._key, _Changed())
            changed.users += 1
        for name, value in SETTINGS.items():
            self.set(name, value)
        _silence()

    def set(self, name: str, value: str) -> bool:
        """Change a setting of the session; `close` puts it back. False where the platform refuses."""
        from py4j.protocol import Py4JError
        from pyspark.errors import PySparkException

        with _lock:
            changed = _changed.setdefault(self._key, _Changed())
            try:
                before = self.spark.conf.get(name, None)
                if before == value:
                    return True
                self.spark.conf.set(name, value)
            except (PySparkException, Py4JError):
                return False
            changed.before.setdefault(name, before)
            return True

    # -- work, and its end ---------------------------------------------------------------------------------------------

    @contextmanager
    def working(self) -> Iterator[None]:
        """Around whatever makes Spark work: marks the jobs of this thread, so that `interrupt` finds them. Raises
        `KeyboardInterrupt` once it was called."""
        if self._interrupted.is_set():
            raise KeyboardInterrupt
        depth = getattr(self._at_work, "depth", 0)
        if depth == 0:
            self._mark(on=True)
        self._at_work.depth = depth + 1
        try:
            yield
        finally:
            self._at_work.depth = depth
            if depth == 0:
                self._mark(on=False)

    def _mark(self, on: bool) -> None:
        """Tag the jobs that this thread starts; tags of others stay."""
        from py4j.protocol import Py4JError
        from pyspark.errors import PySparkException

        if is_stopped(self.spark):  # by a function of the user's, for example
            return
        with suppress(PySparkException, Py4JError, OSError):  # a dead JVM is told of by what works with it
            if self.platform.connect:
                (self.spark.addTag if on else self.spark.removeTag)(self.tag)
            elif self.platform.jvm:
                context = self.spark.sparkContext
                (context.addJobTag if on else context.removeJobTag)(self.tag)

    def interrupt(self) -> None:
        """Cancel what this engine started, and refuse to start more; from any thread, and again until it has ended."""
        self._interrupted.set()
        from py4j.protocol import Py4JError
        from pyspark.errors import PySparkException

        if is_stopped(self.spark):
            return
        with suppress(PySparkException, Py4JError, OSError):
            if self.platform.connect:
                self.spark.interruptTag(self.tag)
            elif self.platform.jvm:
                self.spark.sparkContext.cancelJobsWithTag(self.tag)

    @property
    def interrupted(self) -> bool:
        """True once `interrupt` was called."""
        return self._interrupted.is_set()

    def is_being_interrupted(self) -> bool:
        """True where `interrupt` was called or is within a moment: a Ctrl-C may reach the JVM first."""
        return self._interrupted.wait(END_SECONDS)

    def close(self) -> None:
        """Put back the settings that were changed; those of a session that others use too when the last of them is
        closed. The session lives on: for its owner, or for the next engine of this process."""
        from py4j.protocol import Py4JError
        from pyspark.errors import PySparkException

        with _lock:
            changed = _changed.get(self._key)
            if self._closed or changed is None:
                return
            self._closed = True
            changed.users -= 1
            if changed.users or self.owned:
                return
            del _changed[self._key]
            if not _changed:
                _let_speak()
            for name, value in changed.before.items():  # before an engine comes that would find them as they should be
                with suppress(PySparkException, Py4JError, OSError):  # it may have been stopped meanwhile
                    if value is None:
                        self.spark.conf.unset(name)
                    else:
                        self.spark.conf.set(name, value)


class _Changed:
    """What was changed of a session, and by how many engines it is used."""

    def __init__(self) -> None:
        self.users = 0
        self.before: dict[str, str | None] = {}


def _key(spark: Any) -> str:
    """What is the same for all Python objects of one session."""
    for name in ("session_id", "_session_id"):
        found = getattr(spark, name, None)
        if found is not None:
            return str(found)
    java = getattr(spark, "_jsparkSession", None)
    return str(java.sessionUUID()) if java is not None else str(id(spark))


# -- which session -----------------------------------------------------------------------------------------------------


def _need_pyspark() -> None:
    """Raises `MissingExtraError` without pyspark."""
    import importlib.util

    if importlib.util.find_spec("pyspark") is None:
        raise MissingExtraError("pyspark", "spark", "the Spark engine")


def active() -> Any | None:
    """A session that is there already, whichever thread made it; None where there is none. Imports nothing."""
    with _lock:
        if _built is not None and not is_stopped(_built):
            return _built
    found = _active_connect() or _active_classic()
    return found if found is not None and not is_stopped(found) else None


def _active_connect() -> Any | None:
    """Looked for only where it was imported: the import alone needs gRPC."""
    module = sys.modules.get("pyspark.sql.connect.session")
    if module is None:
        return None
    found = module.SparkSession.getActiveSession()
    return found if found is not None else module.SparkSession._get_default_session()


def _active_classic() -> Any | None:
    module = sys.modules.get("pyspark.sql.session")
    if module is None:
        return None
    return module.SparkSession._instantiatedSession


def is_stopped(spark: Any) -> bool:
    """Whether a session can no longer be used."""
    stopped = getattr(spark, "is_stopped", None)
    if isinstance(stopped, bool):
        return stopped
    context = getattr(spark, "_sc", None)
    return context is not None and context._jsc is None


def stopped(who: str = "the Spark session was stopped") -> UnsupportedError:
    """What is told where a session was stopped that a run still works with."""
    return UnsupportedError(
        f"{who}, which the rest of the run needs; leave spark.stop() out: odibi ends the session that it builds, and no"
        " other"
    )


def _session(given: Any) -> tuple[Any, bool]:
    """The session, and whether it is ours. Raises `EndedError` where its JVM is gone."""
    found, owned = _found_or_built(given)
    if has_ended(found):
        raise ended()
    return found, owned


def _found_or_built(given: Any) -> tuple[Any, bool]:
    global _built
    if given is not None:
        if is_stopped(given):
            raise UnsupportedError("the Spark session that was given is stopped; give one that runs, or none")
        return given, given is _built
    with _lock:
        found = active()
        if found is not None:
            return found, found is _built
        if in_databricks():
            return _of_databricks(), False
        with _own_signals(), _calm():
            _built = build.session()
        return _built, True


def _of_databricks() -> Any:
    """The runtime's own session; nothing is set and no jars are added."""
    found = at_hand("spark")
    if found is not None:
        return found
    from pyspark.sql import SparkSession

    return SparkSession.builder.getOrCreate()


@contextmanager
def _own_signals() -> Iterator[None]:
    """Inside, pyspark may take SIGINT, as it does when a context is made in the main thread; afterwards it is again
    whose it was. Its handler cancels the jobs of everybody and raises wherever the main thread is: no clean stop."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGINT)
    try:
        yield
    finally:
        if before is not None:
            signal.signal(signal.SIGINT, before)


@contextmanager
def _calm() -> Iterator[None]:
    """Inside, pyspark does not warn of what is as it should be: that a server took its static settings when it started
    among the others."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=_PANDAS_3, category=FutureWarning)
        warnings.filterwarnings("ignore", message="Failed to set spark", category=UserWarning)
        yield


def _silence() -> None:
    """What pyspark prints beside raising it."""
    for logger in _noisy_loggers():
        if logger.level < QUIET:
            _levels[logger.name] = logger.level
            logger.setLevel(QUIET)
    if not any(each[2] is FutureWarning and each[1] and _PANDAS_3 in each[1].pattern for each in warnings.filters):
        warnings.filterwarnings("ignore", message=_PANDAS_3, category=FutureWarning)


def _let_speak() -> None:
    for logger in _noisy_loggers():
        logger.setLevel(_levels.pop(logger.name, logger.level))


def _noisy_loggers() -> list[logging.Logger]:
    """As pyspark makes them: it hands them arguments that a plain logger does not take."""
    try:
        from pyspark.logger import PySparkLogger
    except ImportError:  # Spark 3.5 has none of them
        return []
    return [PySparkLogger.getLogger(name) for name in NOISY_LOGGERS]


# -- a JVM that has ended ----------------------------------------------------------------------------------------------


class EndedError(AccessError):
    """The JVM that a session lived in is no longer there."""


def has_ended(spark: Any, within: float = 0.0) -> bool:
    """Whether the JVM that this process started for a session has ended, or does within so many seconds."""
    process = getattr(getattr(getattr(spark, "_sc", None), "_gateway", None), "proc", None)
    if process is None:
        return False
    with suppress(subprocess.TimeoutExpired):
        process.wait(within)
        return True
    return False


def ended() -> EndedError:
    """What is told where it has."""
    return EndedError(
        "Spark's JVM has ended: something killed it, often the system for want of memory; give Spark less of the"
        " machine's (spark.driver.memory) or run with fewer workers (--workers 1), and start Python anew"
    )


def is_cut_off(error: BaseException) -> bool:
    """True for the error of a call that did not reach the JVM, or got no answer."""
    return type(error).__name__ == "Py4JNetworkError" or isinstance(error, ConnectionError)


def is_end(error: BaseException | None) -> bool:
    """True for an error of a JVM, or of its Spark, that ended at work: killed, stopped, or taken away by Ctrl-C."""
    while error is not None:
        kind = type(error).__name__
        if kind == "Py4JNetworkError" or isinstance(error, EndedError):
            return True
        if kind.startswith("Py4J") and "SparkContext was shut down" in str(error):
            return True
        error = error.__cause__
    return False
