"""How the command line talks: data to stdout, talk to stderr."""

from __future__ import annotations

import errno
import json as json_module
import os
import sys
from contextlib import AbstractContextManager, nullcontext, redirect_stdout
from dataclasses import dataclass
from typing import Any, TextIO

from odibi.errors import AccessError
from odibi.secrets import scrub, scrub_data, scrub_document

LEVELS = {"DEBUG": 10, "INFO": 20, "WARNING": 30, "ERROR": 40}
_GONE = (errno.EPIPE, errno.EINVAL, errno.EBADF)
"""What a system says when the reader of our output went away; Windows says EINVAL."""


@dataclass(frozen=True)
class Marks:
    """The signs in front of lines."""

    completed: str
    failed: str
    skipped: str
    interrupted: str
    retried: str
    warning: str

    def of(self, status: str) -> str:
        """The mark of a node's status."""
        return str(getattr(self, status, " "))


UNICODE = Marks("✓", "✗", "-", "■", "↻", "!")
ASCII = Marks("+", "x", "-", "#", "~", "!")


@dataclass(frozen=True)
class UI:
    """What the global options ask for. `log_level` is what the user named, `default_level` what counts otherwise.

    All that the command line prints passes here, and leaves without secrets.
    """

    log_level: str | None = None
    quiet: bool = False
    json: bool = False
    default_level: str = "INFO"

    @property
    def level(self) -> str:
        """The least level that is told."""
        return self.log_level or self.default_level

    @property
    def debug(self) -> bool:
        """True where tracebacks are wanted."""
        return self.level == "DEBUG"

    @property
    def live(self) -> bool:
        """True where stderr is a terminal that a live display can be drawn on."""
        stream = sys.stderr
        return self.tells("INFO") and stream is not None and stream.isatty() and os.environ.get("TERM") != "dumb"

    @property
    def marks(self) -> Marks:
        """Marks that the terminal can print."""
        return UNICODE if _can_print(sys.stderr, "".join(vars(UNICODE).values())) else ASCII

    def tells(self, level: str) -> bool:
        """True where talk of this level is wanted; programs (`--json`) and `--quiet` want none."""
        return not self.quiet and not self.json and LEVELS[self.level] <= LEVELS[level]

    def data(self, text: str) -> None:
        """Print a result. Raises `AccessError` when it can not be written; a reader that went away is no error."""
        _put(scrub(text))

    def keep_prints_out(self) -> AbstractContextManager[Any]:
        """With `--json`, what users' own code prints inside goes to stderr: stdout is one JSON document."""
        return redirect_stdout(sys.stderr) if self.json else nullcontext()

    def dump(self, value: Any) -> None:
        """Print a result as JSON."""
        ascii_only = not _can_print(sys.stdout, "é✓")
        _put(scrub_document(json_module.dumps(scrub_data(value), indent=2, default=str, ensure_ascii=ascii_only)))

    def say(self, text: str) -> None:
        """Tell what is going on; silent with `--quiet`."""
        if self.tells("INFO"):
            self.error(text)

    def warn(self, text: str) -> None:
        """Tell what is odd; silent with `--quiet`."""
        if self.tells("WARNING"):
            self.error(f"warning: {text}")

    def error(self, text: str) -> None:
        """Tell what went wrong; never silent. A talk that nobody can hear stops no work."""
        _tell(scrub(text))

    def log(self, value: Any) -> None:
        """Tell something as one line of JSON; never silent."""
        _tell(scrub_document(json_module.dumps(scrub_data(value), default=str)))


def _put(text: str) -> None:
    try:
        _write(sys.stdout, text if text.endswith("\n") else text + "\n")
    except OSError as error:
        _mute(sys.stdout)
        raise AccessError(f"the result can not be written to the output: {error.strerror or error}") from error


def _tell(text: str) -> None:
    try:
        _write(sys.stderr, text + "\n")
    except OSError:
        _mute(sys.stderr)


def _can_print(stream: TextIO | None, text: str) -> bool:
    below = getattr(sys.__stderr__, "encoding", None)  # a live display puts a stream without encoding in front of it
    try:
        text.encode(getattr(stream, "encoding", None) or below or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _write(stream: TextIO | None, text: str) -> None:
    """Write and flush; what the stream's encoding can not hold is written as an escape."""
    if stream is None or stream.closed:
        return
    encoding = getattr(stream, "encoding", None) or "utf-8"
    try:
        stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
        stream.flush()
    except OSError as error:
        if error.errno not in _GONE:
            raise
        _mute(stream)


def _mute(stream: TextIO | None) -> None:
    """Let a stream end nowhere, so that the interpreter's own flush at its end does not complain."""
    if stream is None:
        return
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
    except (OSError, ValueError):  # a stream without a file, as in a notebook
        return
