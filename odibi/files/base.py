"""What a file system does for odibi: the same few verbs for local folders and for anything behind a URL."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Literal

Kind = Literal["file", "folder", "missing"]
STAGE_PREFIX = ".odibi-"
"""Folders of this name hold what is being written; the rest of the name is the transaction's."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A name in a folder."""

    path: str
    name: str
    is_folder: bool


class Files(ABC):
    """One file system. A path is spelled like `Location.uri`: absolute and native when local, else a URL."""

    @abstractmethod
    def kind(self, path: str) -> Kind:
        """Whether `path` is a file, a folder or missing."""

    @abstractmethod
    def entries(self, folder: str) -> list[Entry]:
        """Everything in a folder, by name, hidden names too. A missing folder has none."""

    @abstractmethod
    def open_read(self, path: str) -> IO[bytes]:
        """Open a file to read bytes."""

    @abstractmethod
    def open_write(self, path: str) -> IO[bytes]:
        """Open a file to write bytes, over what is there; its folder is made."""

    @abstractmethod
    def size(self, path: str) -> int:
        """Bytes of a file."""

    @abstractmethod
    def delete(self, path: str) -> None:
        """Delete a file, or a folder with all it holds; a missing one is fine."""

    @abstractmethod
    def join(self, folder: str, *names: str) -> str:
        """The path of a name below a folder."""

    @abstractmethod
    def split(self, path: str) -> tuple[str, str]:
        """Folder and name of a path."""

    def exists(self, path: str) -> bool:
        """True for a file and for a folder."""
        return self.kind(path) != "missing"

    def listdir(self, folder: str) -> list[str]:
        """Paths of the visible files and folders in a folder, sorted."""
        return [entry.path for entry in self.entries(folder) if not is_hidden(entry.name)]

    def walk(self, folder: str) -> Iterator[str]:
        """Paths of the visible files in a folder and in its visible folders, sorted."""
        for entry in self.entries(folder):
            if is_hidden(entry.name):
                continue
            if entry.is_folder:
                yield from self.walk(entry.path)
            else:
                yield entry.path

    def glob(self, pattern: str) -> list[str]:
        """Paths of the files and folders that match `*`, `?`, `[…]` (within one name) and `**` (any folders), sorted.

        Hidden names match only a part that begins with `.` or `_` itself.
        """
        parts: list[str] = []
        base = pattern
        while is_glob(base):
            base, part = self.split(base)
            parts.insert(0, part)
        return sorted(dict.fromkeys(self._matches(base, parts)))

    def _matches(self, folder: str, parts: list[str]) -> Iterator[str]:
        part, rest = parts[0], parts[1:]
        if part == "**":
            yield from self._matches(folder, rest or ["*"])
            for entry in self.entries(folder):
                if entry.is_folder and not is_hidden(entry.name):
                    yield from self._matches(entry.path, parts)
            return
        if not is_glob(part):
            yield from self._descend(self.join(folder, part), rest)
            return
        fits = re.compile(_regex(part)).fullmatch
        for entry in self.entries(folder):
            if fits(entry.name) and (part[0] in "._" or not is_hidden(entry.name)) and (entry.is_folder or not rest):
                yield from self._descend(entry.path, rest)

    def _descend(self, path: str, rest: list[str]) -> Iterator[str]:
        if rest:
            yield from self._matches(path, rest)
        elif self.exists(path):
            yield path

    def neighbours(self, path: str) -> tuple[str, list[str]]:
        """The closest folder above `path` that exists, and the visible names in it."""
        folder, above = self.split(path)[0], ""
        while folder != above and self.kind(folder) != "folder":
            above, folder = folder, self.split(folder)[0]
        return folder, [self.split(found)[1] for found in self.listdir(folder)]


def is_hidden(name: str) -> bool:
    """True for names that are no data: `.crc` files, `_SUCCESS`, `_delta_log`; a partition `_x=1` is data."""
    return name.startswith(".") or (name.startswith("_") and "=" not in name)


def is_glob(path: str) -> bool:
    """True where a path holds a wildcard."""
    return any(sign in path for sign in "*?[")


def _regex(part: str) -> str:
    """A regular expression for one part of a glob."""
    out = ""
    for token in re.findall(r"\[!?\]?[^\]]*\]|.", part, re.DOTALL):
        if token in ("*", "?"):
            out += ".*" if token == "*" else "."
        elif len(token) > 1:
            body = token[1:-1].replace("\\", "\\\\")
            out += f"[^{body[1:]}]" if body.startswith("!") else f"[{body}]"
        else:
            out += re.escape(token)
    return f"(?s:{out})"
