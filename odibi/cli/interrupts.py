"""What Ctrl-C and a request to end do to a run: the first stops it cleanly, a second leaves at once."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from odibi.cli.failures import INTERRUPTED
from odibi.run import Stop

SIGNALS = ("SIGINT", "SIGTERM", "SIGBREAK")


@contextmanager
def clean_stop(stop: Stop, tell: Callable[[str], None]) -> Iterator[None]:
    """Inside, the first signal asks the run to stop, and a second one ends the process. `tell` must be safe in a signal
    handler, as `tell_at_once` is."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handle(number: int, frame: Any) -> None:
        if stop.requested:
            tell_at_once(f"{_cursor()}left at once; every target is as it was, or whole")
            os._exit(INTERRUPTED)  # a function that hangs would hold the interpreter's own end
        stop.request()  # first: a second signal may interrupt this very function
        tell("stopping; once more leaves at once")

    before = {number: signal.signal(number, handle) for number in _numbers()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _cursor() -> str:
    """What shows a terminal's cursor again, which a live display hides."""
    return "\x1b[?25h" if os.isatty(2) else ""


def tell_at_once(text: str) -> None:
    """Say something from inside a signal handler, where Python's own streams may be in use."""
    with suppress(OSError):
        os.write(2, f"\n{text}\n".encode())


def _numbers() -> list[int]:
    """The signals that this system has, without those that our parent wants ignored."""
    known = [getattr(signal, name) for name in SIGNALS if hasattr(signal, name)]
    return [number for number in known if signal.getsignal(number) not in (signal.SIG_IGN, None)]
