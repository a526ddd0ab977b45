"""Errors as the command line shows them, and the exit codes."""

from __future__ import annotations

import platform
import traceback

from odibi.cli.ui import UI
from odibi.errors import ConfigError, DataNotFoundError, GraphError, MissingExtraError, OdibiError, UnknownNameError

FAILED, WRONG, BUG, INTERRUPTED = 1, 2, 3, 130
_WRONG = (ConfigError, GraphError, UnknownNameError, MissingExtraError, DataNotFoundError)


class UsageError(ConfigError):
    """The command was called in a way it can not be."""


def report(error: BaseException, ui: UI) -> int:
    """Tell the user, and give the exit code."""
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else 0 if error.code is None else FAILED
    if isinstance(error, KeyboardInterrupt):
        return _interrupted(ui)
    if isinstance(error, (OdibiError, OSError, MemoryError)):
        return _expected(error, ui)
    return _bug(error, ui)


def bug_report(trace: str) -> str:
    """An error that odibi did not foresee, as a log ready to paste into a report."""
    from odibi._version import __version__

    line = "-" * 80
    return "\n".join(
        [
            "this is a bug in odibi. Please report it with the lines below; see first that they hold no data of yours.",
            line,
            f"odibi {__version__}, python {platform.python_version()}, {platform.platform()}",
            trace.rstrip(),
            line,
        ]
    )


def as_data(error: BaseException) -> list[dict[str, object]]:
    """An error for programs; one entry a mistake."""
    if not isinstance(error, ConfigError):
        return [{"type": type(error).__name__, "message": message_of(error)}]
    return [
        {
            "type": type(error).__name__,
            "file": str(problem.position.file) if problem.position.file else None,
            "line": problem.position.line or None,
            "column": problem.position.column or None,
            "key": problem.key,
            "message": problem.message,
            "hint": problem.hint,
        }
        for problem in error.problems
    ]


def message_of(error: BaseException) -> str:
    """What an error says, for users."""
    if isinstance(error, MemoryError):
        return "there is not enough memory"
    if isinstance(error, OSError) and not isinstance(error, OdibiError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    return str(error) or type(error).__name__


def _interrupted(ui: UI) -> int:
    if ui.json:
        ui.dump({"status": "interrupted", "exit_code": INTERRUPTED, "errors": []})
    ui.error("interrupted")
    return INTERRUPTED


def _expected(error: BaseException, ui: UI) -> int:
    code = WRONG if isinstance(error, _WRONG) else FAILED
    if ui.debug:
        ui.error("".join(traceback.format_exception(error)).rstrip())
    if ui.json:
        ui.dump({"status": "error", "exit_code": code, "errors": as_data(error)})
    has_place = isinstance(error, ConfigError) and error.problems and error.problems[0].position.file
    ui.error(message_of(error) if has_place else f"error: {message_of(error)}")
    return code


def _bug(error: BaseException, ui: UI) -> int:
    if ui.json:
        ui.dump({"status": "bug", "exit_code": BUG, "errors": as_data(error)})
    ui.error(bug_report("".join(traceback.format_exception(error))))
    return BUG
