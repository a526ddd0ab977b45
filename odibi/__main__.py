"""`odibi` and `python -m odibi`: the command line. Nothing heavy is imported before a command is known."""

from __future__ import annotations

import atexit
import gc
import os
import sys
import threading
from contextlib import suppress
from typing import NoReturn


def main(argv: list[str] | None = None) -> int:
    """Run the command line; gives the exit code (0 fine, 1 failed, 2 wrong configuration, 3 a bug, 130 interrupted)."""
    arguments = sys.argv[1:] if argv is None else argv
    if arguments in (["--version"], ["-V"]):
        from odibi._version import __version__

        print(f"odibi {__version__}")  # noqa: T201 - the command line talks
        return 0
    from odibi.cli import run_command

    return run_command(arguments)


def script() -> NoReturn:
    """The program's entry: `main`, and a quick way out.

    What is registered with `atexit` runs, and output is flushed. Taking the interpreter apart after that would cost as
    much as twenty nodes, and native threads of libraries have been seen to abort in it.
    """
    gc.set_threshold(50_000, 20, 50)  # hardly anything that a run makes is a cycle, and it makes much at the start
    code = main()
    others = set(threading.enumerate()) - {threading.main_thread()}
    if not all(thread.daemon for thread in others):  # still at work: leave as Python does, which waits for them
        sys.exit(code)
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):  # closed, or nobody reads any more
            stream.flush()
    os._exit(code)


if __name__ == "__main__":
    script()
