"""Files on this machine, by the standard library alone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import IO

from odibi.errors import PathEscapeError
from odibi.files.base import Entry, Files, Kind, is_hidden


class LocalFiles(Files):
    """A local folder tree. Symbolic links are followed as long as they stay below `root` (empty: anywhere)."""

    def __init__(self, root: str = "") -> None:
        self._root = os.path.realpath(root) if root else ""

    def kind(self, path: str) -> Kind:
        """Whether `path` is a file, a folder or missing."""
        if os.path.isdir(path):
            return "folder"
        return "file" if os.path.exists(path) else "missing"

    def entries(self, folder: str) -> list[Entry]:
        """Everything in a folder, by name. Raises `PathEscapeError` for a visible link that leaves the root."""
        try:
            with os.scandir(folder) as found:
                names = sorted(found, key=lambda entry: entry.name)
        except (FileNotFoundError, NotADirectoryError):
            return []
        for entry in names:
            if entry.is_symlink() and not is_hidden(entry.name):
                self._refuse_escape(entry.path)
        return [Entry(entry.path, entry.name, entry.is_dir()) for entry in names]

    def walk(self, folder: str) -> Iterator[str]:
        """Visible files below a folder, sorted; a link back to a folder above is not followed again."""
        yield from self._walk(folder, ())

    def _walk(self, folder: str, above: tuple[str, ...]) -> Iterator[str]:
        real = os.path.realpath(folder)
        if real in above:
            return
        for entry in self.entries(folder):
            if entry.is_folder and not is_hidden(entry.name):
                yield from self._walk(entry.path, (*above, real))
            elif not is_hidden(entry.name):
                yield entry.path

    def _refuse_escape(self, path: str) -> None:
        real = os.path.realpath(path)
        if self._root and real != self._root and not real.startswith(self._root.rstrip(os.sep) + os.sep):
            raise PathEscapeError(
                f"{path} is a symbolic link to {real}, outside the connection; "
                f"keep the data under {self._root}, or add a connection for the other folder"
            )

    def open_read(self, path: str) -> IO[bytes]:
        """Open a file to read bytes."""
        return open(path, "rb")

    def open_write(self, path: str) -> IO[bytes]:
        """Open a file to write bytes; its folder is made."""
        os.makedirs(os.path.dirname(path), exist_ok=True)
        return open(path, "wb")

    def size(self, path: str) -> int:
        """Bytes of a file."""
        return os.path.getsize(path)

    def delete(self, path: str) -> None:
        """Delete a file or a folder; a link is deleted, not what it points to."""
        if os.path.isdir(path) and not os.path.islink(path):
            _delete_folder(path)
        elif os.path.lexists(path):
            os.remove(path)

    def join(self, folder: str, *names: str) -> str:
        """The path of a name below a folder."""
        return os.path.join(folder, *names)

    def split(self, path: str) -> tuple[str, str]:
        """Folder and name of a path."""
        return os.path.split(path.rstrip(os.sep) or path)


def _delete_folder(path: str) -> None:
    """As `shutil.rmtree`, whose import costs more than all that this module needs."""
    for top, folders, files in os.walk(path, topdown=False):
        for name in files:
            os.remove(os.path.join(top, name))
        for name in folders:
            inner = os.path.join(top, name)
            (os.remove if os.path.islink(inner) else os.rmdir)(inner)
    os.rmdir(path)
