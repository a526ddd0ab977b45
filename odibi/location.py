"""Where data is, and what it takes to reach it, as plain values that every layer may use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from odibi.errors import PathEscapeError


@dataclass(frozen=True)
class Location:
    """Where a file, folder or table is, as plain data that every engine can use.

    `uri` is a native absolute path for local data, else a URL (`memory://…`, `abfss://…`). `root` is the connection's
    base in the same spelling. `storage_options` are fsspec / object-store options; they may hold secrets and are
    never shown. `display` is what messages and stories show. `table` is set for a table that a catalog knows: its full
    name as SQL takes it; where its files are is the catalog's business, and `uri` is no place of any. `governed` is
    what a catalog gives access to, a table or a path in a volume: Spark takes such a path as it is.
    """

    uri: str
    root: str = ""
    connection: str = ""
    relative: str = ""
    storage_options: Mapping[str, Any] = field(default_factory=dict, repr=False)
    table: str = ""
    governed: bool = False

    @property
    def local_path(self) -> Path | None:
        """The path of local data, None for anything behind a URL."""
        return None if "://" in self.uri else Path(self.uri)

    @property
    def display(self) -> str:
        """`connection:relative/path`, which is the same on every machine."""
        return f"{self.connection}:{self.relative}" if self.connection else self.uri


class Need(Protocol):
    """A credential that must be fetched before the data can be reached: a value that is equal for equal credentials, so
    that one is fetched once however many connections need it."""

    def __hash__(self) -> int: ...

    def fetch(self, timeout: float) -> str:
        """The credential's value; really ends within `timeout` seconds. Raises `KeyFetchError`, whose text is one
        sentence without the name of a connection."""


@dataclass(frozen=True)
class Diagnosis:
    """What `doctor` found out about one step of reaching a connection. `status` is ok, info or red; `hint` is what to
    do, e.g. the command that grants what is missing; `seconds` is how long the step took."""

    step: str
    status: str
    text: str
    hint: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
    seconds: float | None = None


def check_relative(relative: str, connection: str = "") -> str:
    """`relative` with forward slashes and without `.` parts; raises `PathEscapeError` for `..`, absolute paths,
    drives and URLs.

    >>> check_relative("a//b/./c.csv")
    'a/b/c.csv'
    """
    text = relative.replace("\\", "/")
    where = f" of connection {connection!r}" if connection else ""
    if "\0" in text:
        raise PathEscapeError(f"path {relative!r}{where} holds a NUL character; remove it")
    if "://" in text or text.startswith("/") or (len(text) > 1 and text[1] == ":" and text[0].isalpha()):
        raise PathEscapeError(f"path {relative!r}{where} is absolute; give it relative to the connection's base")
    parts = [part for part in text.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise PathEscapeError(f"path {relative!r}{where} leaves the connection; paths can not contain '..'")
    return "/".join(parts)
