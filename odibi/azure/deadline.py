"""Work that ends in time, whatever it waits for: in daemon threads that are left behind when their time is over.

No pool of threads: leaving one, and the exit of the process, would wait for whoever hangs in it.
"""

from __future__ import annotations

import atexit
import contextvars
import threading
import time
from collections.abc import Callable, Hashable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")
SLICE = 0.5
"""Seconds of one wait; Windows does not see Ctrl-C during a longer one."""


class OutOfTime(TimeoutError):
    """Work did not end in time; `doing` is what it was at."""

    def __init__(self, doing: str = "") -> None:
        self.doing = doing
        super().__init__(doing or "out of time")


_loading = threading.Lock()
LOADED_WITHIN = 10.0
"""Seconds that a process which ends waits for libraries that are being loaded."""


@contextmanager
def loading() -> Iterator[None]:
    """To load a large library in a thread of ours. A process that ends waits for it, for a moment: Python ends a thread
    that is in the midst of a library in Rust or C++ (as `cryptography` is) by ending the process with a signal."""
    with _loading:
        yield


def _let_load() -> None:
    if _loading.acquire(timeout=LOADED_WITHIN):
        _loading.release()


atexit.register(_let_load)


@dataclass
class Progress:
    """What a piece of work is at, and what it wants to be told to the user."""

    doing: str = ""
    notes: list[str] = field(default_factory=list)


_progress: contextvars.ContextVar[Progress | None] = contextvars.ContextVar("odibi_progress", default=None)


def doing(what: str) -> None:
    """Say what the work in this thread is at, for the case that its time runs out."""
    progress = _progress.get()
    if progress is not None:
        progress.doing = what


def noted(text: str) -> bool:
    """Leave a warning with whoever collects those of this work; False where nobody does."""
    progress = _progress.get()
    if progress is None:
        return False
    progress.notes.append(text)
    return True


def at_work() -> bool:
    """Whether this thread does work of `within`, or of somebody who follows its progress."""
    return _progress.get() is not None


def begin(work: Callable[[], T], name: str, progress: Progress | None = None) -> Future[T]:
    """Start `work` in a daemon thread of its own; `progress` is what it tells to."""
    future: Future[T] = Future()
    future.set_running_or_notify_cancel()  # from now on nobody can cancel it, and its outcome finds its place
    context = contextvars.copy_context()
    if progress is not None:
        context.run(_progress.set, progress)

    def run() -> None:
        try:
            result = context.run(work)
        except BaseException as error:  # noqa: BLE001 - raised again for whoever waits
            future.set_exception(error)
        else:
            future.set_result(result)

    threading.Thread(target=run, daemon=True, name=f"odibi-{name}").start()
    return future


def outcome(future: Future[T], seconds: float) -> T:
    """What the work gives or raises. Raises `OutOfTime` when `seconds` are over before."""
    end = time.monotonic() + seconds
    while not future.done():
        left = end - time.monotonic()
        if left <= 0:
            raise OutOfTime
        try:
            return future.result(min(left, SLICE))
        except TimeoutError:
            continue  # the slice is over, or the work itself raised it: then it is done, and raises below
    return future.result()


def within(seconds: float, work: Callable[[], T], name: str = "work") -> T:
    """What `work` gives or raises, within `seconds`. Raises `OutOfTime`, which says what the work was at.

    >>> within(5, lambda: 6 * 7)
    42
    """
    outer = _progress.get()
    progress = Progress(notes=outer.notes) if outer is not None else Progress()
    try:
        return outcome(begin(work, name, progress), seconds)
    except OutOfTime as late:
        raise OutOfTime(late.doing or progress.doing) from None
    finally:
        if outer is not None:
            outer.doing = progress.doing


class Flights(Generic[T]):
    """Work that many ask for at once is done once: those who come while it is under way wait for its outcome.

    Work that has been under way for `patience` seconds hangs, it is taken: who comes then starts anew.
    """

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._lock = threading.Lock()
        self._under_way: dict[Hashable, tuple[Future[T], float]] = {}

    def join(self, key: Hashable, work: Callable[[], T], name: str) -> Future[T]:
        """The outcome to come of the work under way for `key`; started when there is none."""
        with self._lock:
            future, began = self._under_way.get(key, (None, 0.0))
            if future is None or future.done() or time.monotonic() - began > self._patience:
                future = begin(work, name)
                self._under_way[key] = future, time.monotonic()
            return future
