"""Errors as the command line shows them, and the exit codes."""

from __future__ import annotations

import platform
import sys
import traceback

from odibi.cli.ui import UI
from odibi.errors import ConfigError, DataNotFoundError, GraphError, MissingExtraError, OdibiError, UnknownNameError

FAILED, WRONG, BUG, INTERRUPTED = 1, 2, 3, 130


def report(error: BaseException, ui: UI) -> int:
    """Tell the user, and give the exit code."""
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else 0 if error.code is None else FAILED
    if isinstance(error, KeyboardInterrupt):
        ui.error("interrupted")
        return INTERRUPTED
    if isinstance(error, BrokenPipeError):  # the reader of our output went away: `odibi story list | head`
        sys.stdout = None  # type: ignore[assignment]
        return 0
    if isinstance(error, OdibiError):
        return _expected(error, ui)
    return _bug(error, ui)


def _expected(error: OdibiError, ui: UI) -> int:
    if ui.debug:
        ui.error("".join(traceback.format_exception(error)).rstrip())
    if ui.json:
        ui.dump({"status": "error", "errors": _as_data(error)})
    ui.error(str(error) if isinstance(error, ConfigError) else f"error: {error}")
    return WRONG if isinstance(error, (ConfigError, GraphError, UnknownNameError, MissingExtraError, DataNotFoundError)) else FAILED


def _as_data(error: OdibiError) -> list[dict[str, object]]:
    if not isinstance(error, ConfigError):
        return [{"type": type(error).__name__, "message": str(error)}]
    return [
        {
            "file": str(problem.position.file) if problem.position.file else None,
            "line": problem.position.line or None,
            "column": problem.position.column or None,
            "key": problem.key,
            "message": problem.message,
            "hint": problem.hint,
        }
        for problem in error.problems
    ]


def _bug(error: BaseException, ui: UI) -> int:
    """An error that odibi did not foresee: a log ready to paste into a report."""
    from odibi._version import __version__

    ui.error("this is a bug in odibi; please report it with the lines below (they name no data and no secret of yours)")
    ui.error("-" * 80)
    ui.error(f"odibi {__version__}, python {platform.python_version()}, {platform.platform()}")
    ui.error("".join(traceback.format_exception(error)).rstrip())
    ui.error("-" * 80)
    return BUG
