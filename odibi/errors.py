"""Every error that odibi raises on purpose.

    OdibiError
      ConfigError(ValueError)               all mistakes of a file at once, each with file, line and key
      UnknownNameError(LookupError)         what was asked, what exists, the closest
      MissingExtraError(ImportError)        names the extra and the command that installs it
      UnsupportedError(NotImplementedError) engine and operation
      GraphError(ValueError)                missing dependency, cycle with its path
      AccessError(OSError)                  a connection refused; which, where, as whom
        PathEscapeError(ValueError)         a path that leaves its connection
        KeyFetchError(RuntimeError)         secrets or tokens that could not be fetched, all of them together
          KeyFetchTimeout(TimeoutError)     one that did not come in time
      DataError(ValueError)                 data that is not what was said: the message is for the user as it stands
        SqlError                            SQL that an engine refused, with the place inside its text
        CheckFailed                         a validation with on_fail: fail
        SchemaMismatchError(TypeError)      types or columns that do not fit the target
      DataNotFoundError(FileNotFoundError)  a file, folder or table that is not there; the close names that exist
      TargetExistsError(FileExistsError)    mode `error` met an existing target
      NodeError                             pipeline, node, step; raised from the cause
        ReadError, TransformError, ValidationError, WriteError
      RunFailed(RuntimeError)               what `raise_for_failure` raises

Each error is also the built-in it resembles, so `except FileNotFoundError` works as a reader expects.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from odibi.secrets import clean_handled, scrub

INSTALL_COMMAND = 'pip install ".[{extra}]"'
"""How an extra is installed, until a release is published: from a checkout. The only place that says so."""


class OdibiError(Exception):
    """Base of all errors that odibi raises on purpose. Its text is a message for the user.

    No secret gets into it, nor stays in the text of the library's error that is being handled when it is made.
    `stories` has the places of the stories of a run that could not start for it, by pipeline.
    """

    stories: Mapping[str, str] = MappingProxyType({})

    def __init__(self, *args: object) -> None:
        clean_handled()
        super().__init__(*[scrub(each) if isinstance(each, str) else each for each in args])


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a file; `line` and `column` count from 1, 0 means unknown."""

    file: Path | None = None
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        if self.file is None:
            return ""
        return f"{self.file}:{self.line}:{self.column}" if self.line else str(self.file)


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in a file: `file:line:col: key.path: message; hint`."""

    position: Position
    key: str
    message: str
    hint: str = ""

    def __str__(self) -> str:
        parts = [str(self.position), self.key, f"{self.message}; {self.hint}" if self.hint else self.message]
        return ": ".join(part for part in parts if part)


class ConfigError(OdibiError, ValueError):
    """All mistakes of a configuration; `problems` has one entry a mistake, in file order."""

    def __init__(self, problems: Sequence[Problem] | str) -> None:
        told = [Problem(Position(), "", problems)] if isinstance(problems, str) else problems
        self.problems = [replace(each, message=scrub(each.message), hint=scrub(each.hint)) for each in told]
        super().__init__("\n".join(str(problem) for problem in self.problems))


class UnknownNameError(OdibiError, LookupError):
    """A name that does not exist. `kind` says what was looked for; the text lists what exists, then `hint`."""

    def __init__(self, kind: str, name: str, known: Iterable[str], hint: str = "") -> None:
        self.kind, self.name, self.known = kind, name, sorted(known)
        text = f"unknown {kind} {name!r}; {suggest(name, self.known)}"
        super().__init__(f"{text}; {hint}" if hint else text)


class MissingExtraError(OdibiError, ImportError):
    """An optional package that is not installed. The text names the extra and the command."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        self.package, self.extra = package, extra
        super().__init__(f"{purpose} needs the package {package!r}; install it with: {install_command(extra)}")


class UnsupportedError(OdibiError, NotImplementedError):
    """Something that this engine does not do; the text names engine, operation and way out."""


class GraphError(OdibiError, ValueError):
    """A graph that can not be run: a missing dependency or a cycle, with its path."""


class AccessError(OdibiError, OSError):
    """Access was refused: no permission, no space, or a credential that is not accepted."""


class PathEscapeError(AccessError, ValueError):
    """A path that leaves its connection's base."""


class KeyFetchError(AccessError, RuntimeError):
    """Credentials could not be fetched; the text has one line a connection, each with its cause and the way out.

    `failed` are the names of these connections, where several were fetched together.
    """

    failed: frozenset[str] = frozenset()


class KeyFetchTimeout(KeyFetchError, TimeoutError):
    """A credential did not come in time; the text names vault, secret and seconds."""


class DataError(OdibiError, ValueError):
    """Data that is not what the file says; the text is written for the user."""


class SqlError(DataError):
    """SQL that the engine refused. `offset` counts characters from 0 inside the SQL text as written, None if
    unknown."""

    def __init__(self, message: str, offset: int | None = None) -> None:
        self.offset = offset
        super().__init__(message)


class SchemaMismatchError(DataError, TypeError):
    """Columns or types that do not fit the target; both types are named."""


class CheckFailed(DataError):
    """At least one check of a node with `on_fail: fail` did not hold. The target is as it was.

    `results` holds what every check of the node found (`odibi.engine.base.CheckResult`).
    """

    def __init__(self, message: str, results: Sequence[object] = ()) -> None:
        self.results = tuple(results)
        super().__init__(message)


class DataNotFoundError(OdibiError, FileNotFoundError):
    """A file, folder or table that is not there; the text names the close names that exist."""


class TargetExistsError(OdibiError, FileExistsError):
    """The target exists and the write mode is `error`."""


class NodeError(OdibiError):
    """A node failed. Raised from the cause; holds where: pipeline, node and step."""

    def __init__(self, message: str, *, pipeline: str = "", node: str = "", step: str = "", position: str = "") -> None:
        self.pipeline, self.node, self.step, self.position = pipeline, node, step, position
        super().__init__(message)


class ReadError(NodeError):
    """The read of a node failed."""


class TransformError(NodeError):
    """A transform step of a node failed."""


class ValidationError(NodeError):
    """The validation of a node failed."""


class WriteError(NodeError):
    """The write of a node failed. The target is as it was."""


class RunFailed(OdibiError, RuntimeError):
    """Raised by `RunResult.raise_for_failure`; the text has one line a failed node."""


def install_command(extra: str) -> str:
    """The command that installs the optional packages of `extra`."""
    return INSTALL_COMMAND.format(extra=extra)


def closest(name: str, known: Iterable[str], n: int = 1) -> list[str]:
    """Up to `n` known names that resemble `name`, best first; case is ignored."""
    import difflib  # needed only where something is wrong

    by_lower = {candidate.lower(): candidate for candidate in known}
    return [by_lower[match] for match in difflib.get_close_matches(name.lower(), list(by_lower), n=n, cutoff=0.6)]


def suggest(name: str, known: Iterable[str], limit: int = 20) -> str:
    """`did you mean 'x'? known: a, b, x`: the end of a message about a name that does not exist."""
    names = list(known)
    near = closest(name, names)
    shown = ", ".join(names[:limit]) + (f", … ({len(names)} in all)" if len(names) > limit else "")
    known_text = f"known: {shown}" if names else "none exist"
    return f"did you mean {near[0]!r}? {known_text}" if near else known_text
