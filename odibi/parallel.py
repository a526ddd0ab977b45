"""Work in threads that nobody waits for once the run is over: a peer that does not answer holds up no process."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable
from typing import TypeVar

T = TypeVar("T")
Stopped = Callable[[], bool]
"""Tells whether the run is being interrupted."""
POLL = 0.1
"""Seconds between two looks whether it is."""


def never() -> bool:
    """For what no interrupt reaches."""
    return False


def each(work: Callable[[T], None], items: Iterable[T], threads: int, stopped: Stopped = never) -> None:
    """Do `work` for all items in threads; raises the first error at once, `KeyboardInterrupt` once it is stopped. What
    runs then is left to itself: the threads are daemons, so that no process waits for a peer that does not answer."""
    todo: queue.SimpleQueue[T] = queue.SimpleQueue()
    total = 0
    for item in items:
        todo.put(item)
        total += 1
    done: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()
    ended = threading.Event()

    def run() -> None:
        while not ended.is_set():
            try:
                item = todo.get_nowait()
            except queue.Empty:
                return
            try:
                work(item)
            except BaseException as error:  # noqa: BLE001 raised where the work was asked for
                done.put(error)
                return
            done.put(None)

    for _ in range(min(threads, total)):
        threading.Thread(target=run, name="odibi-work", daemon=True).start()
    try:
        for _ in range(total):
            error = _next(done, stopped)
            if error is not None:
                raise error
    finally:
        ended.set()


def _next(done: queue.SimpleQueue[BaseException | None], stopped: Stopped) -> BaseException | None:
    while True:
        try:
            return done.get(timeout=POLL)
        except queue.Empty:
            if stopped():
                raise KeyboardInterrupt from None
