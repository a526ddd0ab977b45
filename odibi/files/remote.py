"""Files behind a URL, through fsspec."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import IO, Any, cast

from odibi.errors import MissingExtraError
from odibi.files.base import Entry, Files, Kind, is_hidden

ATOMIC_PUT = frozenset({"abfs", "abfss", "az", "s3", "s3a", "gs", "gcs"})
"""Object stores: an upload replaces the object in one step, when its last block is committed."""


class RemoteFiles(Files):
    """An fsspec file system, e.g. `memory://` or `abfss://`."""

    def __init__(self, url: str, storage_options: Mapping[str, Any]) -> None:
        self.protocol = url.split("://", 1)[0]
        self.filesystem = filesystem(url, storage_options)

    @property
    def puts_in_one_step(self) -> bool:
        """True where an upload shows the old content or the new, never a part."""
        return self.protocol in ATOMIC_PUT

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

    def upload(self, local: str, path: str) -> None:
        """Copy a local file to `path`."""
        self.filesystem.makedirs(self._inside(self.split(path)[0]), exist_ok=True)
        self.filesystem.put_file(local, self._inside(path))

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

    def join(self, folder: str, *names: str) -> str:
        """The URL of a name below a folder."""
        return "/".join([folder.rstrip("/"), *names])

    def split(self, path: str) -> tuple[str, str]:
        """Folder and name of a URL; the folder of the store's root is itself."""
        protocol, _, rest = path.partition("://")
        folder, _, name = rest.rstrip("/").rpartition("/")
        return (f"{protocol}://{folder}", name) if folder else (path, "")


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
