"""What libraries log, warn of, and what ends a thread of theirs, as the command line shows it: without secrets.

odibi itself tells what it does by events. But the Azure SDKs, urllib3 and others log, URLs with signatures among it,
and Python prints their warnings. Users' modules may set handlers of their own; the records that reach them are clean.
"""

from __future__ import annotations

import logging
import threading
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from odibi.cli.ui import UI
from odibi.secrets import scrub


@contextmanager
def clean_logs(ui: UI) -> Iterator[None]:
    """Inside, what others log and warn of has no secrets; at DEBUG all of their records are shown."""
    root = logging.getLogger()
    before = (logging.getLogRecordFactory(), logging.lastResort, root.level)
    hooks = (warnings.formatwarning, threading.excepthook)
    level = logging.DEBUG if ui.debug else logging.WARNING
    logging.setLogRecordFactory(_clean_record)
    logging.lastResort = _Told(ui, level)
    warnings.formatwarning = _clean_warning
    threading.excepthook = lambda args: _tell_thread(args, ui)
    if ui.debug:
        root.setLevel(level)
    try:
        yield
    finally:
        logging.setLogRecordFactory(before[0])
        logging.lastResort = before[1]
        root.setLevel(before[2])
        warnings.formatwarning, threading.excepthook = hooks


class _Told(logging.Handler):
    """Prints records on stderr, where nobody set up another handler."""

    def __init__(self, ui: UI, level: int) -> None:
        super().__init__(level)
        self.ui = ui
        named = ui.debug  # who says it matters to those who look closely
        self.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s" if named else "%(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        """Print a record."""
        try:
            self.ui.error(self.format(record))
        except Exception:  # noqa: BLE001 - what can not be formatted is its library's mistake, and must not end the run
            self.handleError(record)


def _clean_record(*args: Any, **kwargs: Any) -> logging.LogRecord:
    """A record whose message is filled in and clean, and the traceback with it, whoever formats it."""
    record = logging.LogRecord(*args, **kwargs)
    try:
        record.msg, record.args = scrub(record.getMessage()), None
    except Exception:  # noqa: BLE001 - a message that does not fit its arguments is reported where it is handled
        return record
    if record.exc_info and record.exc_info[0] is not None:
        record.exc_text = scrub("".join(traceback.format_exception(*record.exc_info)).rstrip())
    return record


def _clean_warning(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, line: str | None = None
) -> str:
    return scrub(_FORMAT(message, category, filename, lineno, line))


_FORMAT = warnings.formatwarning


def _tell_thread(args: Any, ui: UI) -> None:
    if args.exc_type is SystemExit:
        return
    trace = "".join(traceback.format_exception(args.exc_type, args.exc_value, args.exc_traceback)).rstrip()
    ui.error(f"a thread ({args.thread.name if args.thread else 'unknown'}) ended with an error:\n{trace}")
