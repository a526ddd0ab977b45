"""What Ctrl-C and a request to end do to a run: the first stops it cleanly, a second leaves at once."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from odibi.cli.failures import INTERRUPTED
from odibi.cli.ui import UI

SIGNALS = ("SIGINT", "SIGTERM", "SIGBREAK")


@contextmanager
def clean_stop(ui: UI) -> Iterator[None]:
    """Inside, the first signal raises `KeyboardInterrupt` in the main thread, and a second one ends the process."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    asked: list[int] = []

    def handle(number: int, frame: Any) -> None:
        asked.append(number)
        if len(asked) > 1:
            ui.error("left at once; targets are as they were or whole")
            os._exit(INTERRUPTED)  # a function that hangs would hold the interpreter's own end
        ui.error("stopping; once more leaves at once")
        raise KeyboardInterrupt

    before = {number: signal.signal(number, handle) for number in _numbers()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _numbers() -> list[int]:
    """The signals that this system has, without those that our parent wants ignored."""
    known = [getattr(signal, name) for name in SIGNALS if hasattr(signal, name)]
    return [number for number in known if signal.getsignal(number) not in (signal.SIG_IGN, None)]
