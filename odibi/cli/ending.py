"""Processes that end with those who started them, on every system."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from typing import NoReturn

LOOK_SECONDS = 0.5


def child_command(argv: Sequence[str]) -> list[str]:
    """The command line that runs `odibi …` so that it ends when its stdin does."""
    return [sys.executable, "-m", __name__, *argv]


def start_child(argv: Sequence[str], environment: dict[str, str]) -> subprocess.Popen[bytes]:
    """`odibi …` in a process group of its own: signals reach it through us, once. Its stdin is a pipe that only we
    hold, and ends with us."""
    if sys.platform == "win32":
        flags = subprocess.CREATE_NEW_PROCESS_GROUP
        return subprocess.Popen(child_command(argv), env=environment, stdin=subprocess.PIPE, creationflags=flags)
    return subprocess.Popen(child_command(argv), env=environment, stdin=subprocess.PIPE, process_group=0)


def parent_is_gone() -> Callable[[], bool]:
    """A question that is answered True once the process that started this one has ended."""
    before = os.getppid()
    if sys.platform != "win32":
        return lambda: os.getppid() != before
    import ctypes

    synchronize, signalled = 0x00100000, 0
    handle = ctypes.windll.kernel32.OpenProcess(synchronize, False, before)
    return lambda: bool(handle) and ctypes.windll.kernel32.WaitForSingleObject(handle, 0) == signalled


def stay(asked_to_end: threading.Event, gone: Callable[[], bool]) -> None:
    """Return when asked to, or when the parent is gone."""
    while not asked_to_end.wait(LOOK_SECONDS) and not gone():
        pass


def _end_with_stdin() -> None:
    with contextlib.suppress(OSError):
        while os.read(0, 4096):
            pass
    os._exit(1)


def _run() -> NoReturn:
    """`odibi …`, until it ends or stdin does."""
    from odibi.__main__ import script

    threading.Thread(target=_end_with_stdin, daemon=True, name="end-with-parent").start()
    script()


if __name__ == "__main__":
    _run()
