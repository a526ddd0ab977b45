"""What a connection is: it answers where something is and with which credentials, and does no I/O on frames."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from odibi.errors import PathEscapeError
from odibi.model import Model


@dataclass(frozen=True)
class Location:
    """Where a file, folder or table is, as plain data that every engine can use.

    `uri` is a native absolute path for local data, else a URL (`memory://…`, `abfss://…`). `root` is the connection's
    base in the same spelling. `storage_options` are fsspec / object-store options; they may hold secrets and are
    never shown. `display` is what messages and stories show.
    """

    uri: str
    root: str = ""
    connection: str = ""
    relative: str = ""
    storage_options: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def local_path(self) -> Path | None:
        """The path of local data, None for anything behind a URL."""
        return None if "://" in self.uri else Path(self.uri)

    @property
    def display(self) -> str:
        """`connection:relative/path`, which is the same on every machine."""
        return f"{self.connection}:{self.relative}" if self.connection else self.uri


class BaseConnection(ABC):
    """A named place where data is. The smallest connection has a `type_name` and `get_path`.

    `name` is the connection's name in the project (empty when built by hand).

    >>> class Archive(BaseConnection):
    ...     type_name = "archive"
    ...     def get_path(self, relative):
    ...         return f"s3://archive/{check_relative(relative)}"
    >>> Archive().location("2024/sales.csv").uri
    's3://archive/2024/sales.csv'
    """

    type_name: ClassVar[str]
    Settings: ClassVar[type[Model]]
    name: str = ""
    has_catalog: ClassVar[bool] = False
    """True where tables have names (`table:`), False where they are paths."""

    @classmethod
    def from_settings(cls, name: str, settings: Any, folder: Path) -> BaseConnection:
        """Build the connection from its checked `Settings`; relative paths are relative to `folder`."""
        made = cls(**settings.model_dump(exclude={"type"}))
        made.name = name
        return made

    @abstractmethod
    def get_path(self, relative: str) -> str:
        """The full path or URL of `relative`. Raises `PathEscapeError` when it would leave the connection."""

    def validate(self) -> None:
        """Check the settings without touching the network or the disk. Raises `ValueError`."""

    def storage_options(self) -> Mapping[str, Any]:
        """fsspec / object-store options to reach the data; may fetch a secret."""
        return {}

    def secrets(self) -> frozenset[str]:
        """Secret values this connection knows, to be scrubbed wherever text leaves the process."""
        return frozenset()

    def location(self, relative: str) -> Location:
        """The location of `relative` with everything an engine needs to reach it."""
        return Location(self.get_path(relative), self.get_path(""), self.name, relative, self.storage_options())

    def describe(self) -> dict[str, str]:
        """Plain facts for `doctor` and stories; never a secret."""
        return {"type": self.type_name, "root": self.get_path("")}


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
