"""Files behind a URL, through fsspec."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any, cast

from odibi.errors import MissingExtraError
from odibi.files.base import Entry, Kind, is_hidden
from odibi.files.urls import UrlFiles
from odibi.location import Location
from odibi.parallel import Stopped, never

ATOMIC_PUT = frozenset({"s3", "s3a", "gs", "gcs"})
"""Object stores: an upload replaces the object in one step, when its last block is committed."""


class RemoteFiles(UrlFiles):
    """An fsspec file system, e.g. `memory://` or `abfss://`."""

    def __init__(self, url: str, storage_options: Mapping[str, Any]) -> None:
        self.filesystem = filesystem(url, storage_options)
        self.puts_in_one_step = url.split("://", 1)[0] in ATOMIC_PUT

    @classmethod
    def at(cls, location: Location) -> RemoteFiles:
        """The file system of a location."""
        return cls(location.uri, location.storage_options)

    def _inside(self, path: str) -> str:
        return str(self.filesystem._strip_protocol(path))

    def kind(self, path: str) -> Kind:
        """Whether `path` is a file, a folder (something lies below it) or missing."""
        try:
            info = self.filesystem.info(self._inside(path))
        except FileNotFoundError:
            return "missing"
        return "folder" if info["type"] == "directory" else "file"

    def entries(self, folder: str) -> list[Entry]:
        """Everything in a folder, by name."""
        self.filesystem.invalidate_cache(self._inside(folder))
        try:
            found = self.filesystem.ls(self._inside(folder), detail=True)
        except (FileNotFoundError, NotADirectoryError):
            return []
        named = [(info["name"].rstrip("/").rsplit("/", 1)[-1], info["type"] == "directory") for info in found]
        return [Entry(self.join(folder, name), name, is_folder) for name, is_folder in sorted(named)]

    def walk(self, folder: str) -> Iterator[str]:
        """Visible files below a folder, sorted; one listing for the whole tree."""
        base = self._inside(folder).rstrip("/") + "/"
        self.filesystem.invalidate_cache()
        for name in sorted(self.filesystem.find(base)):
            relative = name[len(base) :]
            if not any(is_hidden(part) for part in relative.split("/")):
                yield self.join(folder, relative)

    def open_read(self, path: str) -> IO[bytes]:
        """Open a file to read bytes."""
        return cast("IO[bytes]", self.filesystem.open(self._inside(path), "rb"))

    def open_write(self, path: str) -> IO[bytes]:
        """Open a file to write bytes; its folder is made where the store has folders."""
        self.filesystem.makedirs(self._inside(self.split(path)[0]), exist_ok=True)
        return cast("IO[bytes]", self.filesystem.open(self._inside(path), "wb"))

    def upload(self, local: str, path: str, stopped: Stopped = never) -> None:
        """Copy a local file to `path`."""
        del stopped
        self.filesystem.makedirs(self._inside(self.split(path)[0]), exist_ok=True)
        self.filesystem.put_file(local, self._inside(path))

    def download(self, path: str, local: str, stopped: Stopped = never) -> None:
        """Copy a file to a local one."""
        with self.open_read(path) as source, Path(local).open("wb") as target:
            while block := source.read(1 << 20):
                if stopped():
                    raise KeyboardInterrupt
                target.write(block)

    def move(self, source: str, target: str) -> None:
        """Rename a file, over what is there."""
        self.filesystem.mv(self._inside(source), self._inside(target))

    def size(self, path: str) -> int:
        """Bytes of a file."""
        return int(self.filesystem.size(self._inside(path)))

    def delete(self, path: str) -> None:
        """Delete a file or a folder."""
        if self.kind(path) != "missing":
            self.filesystem.rm(self._inside(path), recursive=True)


def filesystem(url: str, storage_options: Mapping[str, Any]) -> Any:
    """The fsspec file system of a URL."""
    try:
        from fsspec.core import url_to_fs
    except ImportError:
        raise MissingExtraError("fsspec", "azure", f"a {url.split('://', 1)[0]}:// path") from None
    try:
        return url_to_fs(url, **storage_options)[0]
    except ImportError as error:  # the package of this protocol
        raise MissingExtraError(str(error.name or "adlfs"), "azure", f"a {url.split('://', 1)[0]}:// path") from error
