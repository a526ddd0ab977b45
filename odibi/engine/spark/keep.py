"""Frames that are computed once and held, as their first user computes them, where that can be.

Two ways, as Spark has two:

- A frame that gives the same rows whenever it is computed is persisted: held in columns, and should an executor be
  lost, its part is computed again.
- One that may give others (random numbers, Python functions of the user's) is a local checkpoint: its plan ends there,
  so that rows which are lost with an executor are an error and never other rows. Spark Connect looks a persisted frame
  up by its plan, and a random one never finds itself again.

Where a platform refuses both, a frame of the first kind is computed for each of its users, and one of the second kind
makes the way through the driver, as far as it is small.
"""

from __future__ import annotations

import threading
import warnings
import weakref
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from odibi.engine.spark import errors, observed
from odibi.engine.spark.frame import SparkFrame
from odibi.engine.spark.platform import explain_refusal
from odibi.engine.spark.session import Session
from odibi.errors import UnsupportedError

COPIED = 1_000_000
"""Rows that are copied through the driver, at most, where the platform keeps none."""
_WAY_OUT = "let the node write a table, and the next ones read it"


def keep(session: Session, frame: SparkFrame, repeatable: bool = False) -> SparkFrame:
    """The same rows for all who use the frame. `repeatable` says that computing it again gives the same rows; where
    Spark shows its plan, that is asked too."""
    if not frame.lazy:
        return frame
    same = repeatable and is_repeatable(session, frame) is not False
    for way in (_persisted, _checkpointed) if same else (_checkpointed,):
        found = way(session, frame)
        if found is not None:
            return found
    return _recomputed(frame) if same else _copied(session, frame)


def is_repeatable(session: Session, frame: SparkFrame) -> bool | None:
    """Whether computing the frame again gives the same rows, as its plan says; None where it is not to be seen. What
    users' Python code does in a plan is not known, whatever it is declared to be."""
    if not session.platform.jvm:
        return None
    plan = frame.data._jdf.queryExecution().analyzed()
    patterns = session.spark._jvm.org.apache.spark.sql.catalyst.trees.TreePattern
    return bool(plan.deterministic()) and not plan.containsPattern(patterns.PYTHON_UDF())


def _persisted(session: Session, frame: SparkFrame) -> SparkFrame | None:
    if not session.platform.persist:
        return None
    if _is_held(frame.data):  # by the user: not ours to release
        return replace(frame, lazy=False)
    try:
        data = frame.data.persist()
    except errors.spark_errors() as error:
        if explain_refusal(error) is None:
            raise
        return None
    return replace(frame, data=data, lazy=False, kept=(*frame.kept, _Hold(session, data.unpersist)))


def _is_held(data: Any) -> bool:
    level = data.storageLevel
    return bool(level.useMemory or level.useDisk)


def _checkpointed(session: Session, frame: SparkFrame) -> SparkFrame | None:
    """Spark lets go of the rows once no plan refers to them. With several executors they are computed now:
    two users at the same time would have two executors compute one part, each other rows, and each keep its own."""
    if not session.platform.local_checkpoint:
        return None
    eager = not session.platform.local
    try:
        return replace(frame, data=frame.data.localCheckpoint(eager=eager), lazy=False)
    except errors.spark_errors() as error:
        if explain_refusal(error) is None:
            raise
        return None


def _recomputed(frame: SparkFrame) -> SparkFrame:
    text = f"this compute keeps no frames: this one is computed again by each node that uses it; or {_WAY_OUT}"
    warnings.warn(text, UserWarning, stacklevel=2)
    return frame


def _copied(session: Session, frame: SparkFrame) -> SparkFrame:
    """The rows, as data that the driver sends."""
    from odibi.engine.spark.functions import from_python, to_arrow

    table = to_arrow(frame.data.limit(COPIED + 1))
    if table.num_rows > COPIED:
        raise UnsupportedError(
            "this compute keeps no frames, these rows may be others each time they are computed, and there are more"
            f" than {COPIED:,} of them; {_WAY_OUT}"
        )
    return replace(from_python(session, table), kept=frame.kept)


# -- computing without keeping -----------------------------------------------------------------------------------------


def compute(session: Session, frame: SparkFrame) -> SparkFrame:
    """Compute every row and keep none; their number is told where Spark tells it."""
    from pyspark.sql import Observation
    from pyspark.sql import functions as F  # noqa: N812 - the name that Spark's own documentation gives it

    observation = Observation()
    _compute(frame.data.observe(observation, F.count(F.lit(1)).alias("rows")))
    return replace(frame, rows=observed.read(session, observation).get("rows", frame.rows))


def probe(frame: SparkFrame) -> bool:
    """Whether every row can be computed."""
    try:
        _compute(frame.data)
    except errors.spark_errors() as error:
        if errors.is_interrupt(error):
            raise
        return False
    return True


def _compute(data: Any) -> None:
    data.write.format("noop").mode("overwrite").save()


# -- letting go --------------------------------------------------------------------------------------------------------


class _Hold:
    """Kept rows, held as long as a frame refers to this. Letting go talks to Spark, so it is not done where Python
    happens to drop the last reference, but by `collect`."""

    def __init__(self, session: Session, release: Callable[[], Any]) -> None:
        held = _held_by(session)
        self.finalizer = weakref.finalize(self, held.drop, release)
        self.finalizer.atexit = False
        held.live.add(self)


class _Held:
    """What is kept in one session."""

    def __init__(self) -> None:
        self.live: weakref.WeakSet[_Hold] = weakref.WeakSet()
        self.dropped: list[Callable[[], Any]] = []

    def drop(self, release: Callable[[], Any]) -> None:
        """Remember what is to be released. May run anywhere: appending to a list needs no lock."""
        self.dropped.append(release)

    def release(self) -> None:
        """Let go of what was dropped."""
        gone: tuple[type[BaseException], ...] = (*errors.spark_errors(), OSError)
        while self.dropped:
            release = self.dropped.pop()
            try:
                release()
            except gone:  # a session that has ended keeps nothing
                return


_sessions: weakref.WeakKeyDictionary[Session, _Held] = weakref.WeakKeyDictionary()
_lock = threading.Lock()


def _held_by(session: Session) -> _Held:
    with _lock:
        return _sessions.setdefault(session, _Held())


def collect(session: Session) -> None:
    """Let go of kept rows that no frame refers to any more."""
    _held_by(session).release()


def close(session: Session) -> None:
    """Let go of all kept rows."""
    held = _held_by(session)
    for each in list(held.live):
        each.finalizer()
    held.release()
