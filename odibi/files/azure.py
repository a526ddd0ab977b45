"""Files in Azure storage, through obstore. It has no folders: one is there as long as a blob lies below it."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import IO, Any, cast

from odibi.azure.storage import explained, object_store, place_of, require_obstore
from odibi.azure.storage_problems import is_unexplained
from odibi.azure.transfer import PART, Blob, Ranges, download, upload
from odibi.files.base import Entry, Kind, is_hidden
from odibi.files.urls import UrlFiles
from odibi.location import Location
from odibi.parallel import Stopped, never

READ_AHEAD = 64 << 10
"""Bytes that a file which is read piece by piece fetches at first; twice as many each time that it goes on."""
FOLDER_MARK = "hdi_isfolder"
"""Metadata of the empty blobs that stand for folders."""


class AzureFiles(UrlFiles):
    """The container of a location. What it has listed it remembers, so one is made for each task."""

    puts_in_one_step = True

    def __init__(self, location: Location) -> None:
        self.location = location
        protocol, _, rest = location.uri.partition("://")
        self._base = f"{protocol}://{rest.split('/', 1)[0]}"
        self._seen: dict[str, dict[str, Any]] = {}

    @classmethod
    def at(cls, location: Location) -> AzureFiles:
        """The container of a location. Raises `MissingExtraError` without the extra `azure`."""
        require_obstore()
        return cls(location)

    # -- what is there -------------------------------------------------------------------------------------------------

    def kind(self, path: str) -> Kind:
        """Whether `path` is a file, a folder (something lies below it) or missing."""
        inside = self._inside(path)
        meta = self._look(path) if inside else None
        if meta is not None and not (meta["size"] == 0 and self._marks_folder(path)):
            return "file"
        if meta is not None or self._holds_something(inside) or not inside:
            return "folder"
        return "missing"

    def entries(self, folder: str) -> list[Entry]:
        """Everything in a folder, by name."""
        import obstore

        inside = self._inside(folder)
        with self._told("read"):
            found = obstore.list_with_delimiter(self._store, inside or None)
        folders = {prefix.rstrip("/").rsplit("/", 1)[-1] for prefix in found["common_prefixes"]}
        files = {self._note(meta) for meta in found["objects"]}
        named = [(name, True) for name in folders] + [(name, False) for name in files - folders]
        return [Entry(self.join(folder, name), name, is_folder) for name, is_folder in sorted(named)]

    def walk(self, folder: str) -> Iterator[str]:
        """Visible files below a folder, sorted; one listing for the whole tree."""
        inside = self._inside(folder)
        skip = len(inside) + 1 if inside else 0
        found: list[str] = []
        for meta in self._below(inside):
            self._note(meta)
            relative = meta["path"][skip:]
            if not any(is_hidden(part) for part in relative.split("/")):
                found.append(relative)
        folders = {name[:place] for name in found for place, sign in enumerate(name) if sign == "/"}
        for relative in sorted(found):
            if relative not in folders:  # an empty blob that stands for a folder
                yield self.join(folder, relative)

    def size(self, path: str) -> int:
        """Bytes of a file. Raises `FileNotFoundError`."""
        return int(self._meta(path)["size"])

    # -- what is in it -------------------------------------------------------------------------------------------------

    def open_read(self, path: str) -> IO[bytes]:
        """Open a file to read bytes. Raises `FileNotFoundError`."""
        return io.BufferedReader(_Reader(self.blob(path)))

    def open_write(self, path: str) -> IO[bytes]:
        """Open a file to write bytes, over what is there once it is closed; after an error nothing is written."""
        return cast("IO[bytes]", _Writer(self, path))

    def download(self, path: str, local: str, stopped: Stopped = never) -> None:
        """Copy a file to a local one, in parts side by side. Raises `FileNotFoundError`."""
        download(self.blob(path), Path(local), stopped)

    def upload(self, local: str, path: str, stopped: Stopped = never) -> None:
        """Copy a local file to `path`: a reader sees the old content until the last part is there."""
        self._seen.pop(self._inside(path), None)
        upload(Path(local), replace(self.location, uri=path), stopped)

    def move(self, source: str, target: str) -> None:
        """Rename a file, over what is there."""
        import obstore

        self._seen.clear()
        with self._told("write"):
            obstore.rename(self._store, self._inside(source), self._inside(target))

    def delete(self, path: str) -> None:
        """Delete a file or a folder; a missing one is fine."""
        import obstore

        self._seen.clear()
        inside = self._inside(path)
        below = [meta["path"] for meta in self._below(inside)]
        with self._told("write"):
            if below:
                obstore.delete(self._store, below)
        if inside:
            self._delete_one(inside)

    def blob(self, path: str, size: int | None = None) -> Blob:
        """A file as it is now. Raises `FileNotFoundError`; with a `size` that is known it is not looked at."""
        at = replace(self.location, uri=path)
        if size is not None:
            return Blob(at, size)
        meta = self._meta(path)
        return Blob(at, int(meta["size"]), meta["e_tag"])

    def ranges(self, path: str, local: str, size: int | None = None, stopped: Stopped = never) -> Ranges:
        """A file of which only what is asked for comes, into the local file."""
        return Ranges(self.blob(path, size), Path(local), stopped)

    # -- inside --------------------------------------------------------------------------------------------------------

    @property
    def _store(self) -> Any:
        return object_store(self.location)

    def _inside(self, path: str) -> str:
        return path[len(self._base) :].strip("/")

    def _told(self, doing: str) -> AbstractContextManager[None]:
        return explained(self.location, doing)

    def _note(self, meta: Any) -> str:
        self._seen[meta["path"]] = meta
        return str(meta["path"]).rsplit("/", 1)[-1]

    def _meta(self, path: str) -> dict[str, Any]:
        import obstore

        meta = self._look(path)
        if meta is None:
            with self._told("read"):  # the answer to a GET tells a missing blob from a missing container
                obstore.get(self._store, self._inside(path))
            raise FileNotFoundError(f"there is no blob {self._inside(path)!r} in {place_of(self.location).container}")
        return meta

    def _look(self, path: str) -> dict[str, Any] | None:
        """Size and version of a blob, None where there is none."""
        import obstore

        inside = self._inside(path)
        if inside not in self._seen:
            try:
                with self._told("read"):
                    try:
                        self._note(obstore.head(self._store, inside))
                    except Exception as error:
                        if not is_unexplained(error) or isinstance(error, FileNotFoundError):
                            raise
                        self._note(obstore.get(self._store, inside).meta)  # its refusal has a body, which tells why
            except FileNotFoundError:
                return None
        return self._seen.get(inside)

    def _marks_folder(self, path: str) -> bool:
        """Whether an empty blob stands for a folder."""
        import obstore

        with self._told("read"):
            attributes = obstore.get(self._store, self._inside(path)).attributes
        return any(FOLDER_MARK in str(name).lower() for name in attributes)

    def _holds_something(self, inside: str) -> bool:
        return next(self._below(inside), None) is not None

    def _below(self, inside: str) -> Iterator[Any]:
        """All blobs below a folder."""
        import obstore

        with self._told("read"):
            for some in obstore.list(self._store, inside or None, chunk_size=1000):
                yield from some

    def _delete_one(self, inside: str) -> None:
        import obstore

        try:
            with self._told("write"):
                obstore.delete(self._store, inside)
        except FileNotFoundError:
            return


class _Reader(io.RawIOBase):
    """A blob as a file."""

    def __init__(self, blob: Blob) -> None:
        super().__init__()
        self._blob, self._at = blob, 0
        self._start, self._held, self._step = 0, b"", READ_AHEAD // 2

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = max(0, offset + (0, self._at, self._blob.size)[whence])
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        if self._at >= self._blob.size:
            return 0
        content = self._content(len(buffer))
        buffer[: len(content)] = content
        self._at += len(content)
        return len(content)

    def _content(self, length: int) -> memoryview:
        """Some bytes from the place on, at most so many."""
        start = self._at - self._start
        if not 0 <= start < len(self._held):
            goes_on = start == len(self._held)
            self._step = min(2 * self._step, PART) if goes_on else READ_AHEAD
            end = min(self._at + max(length, self._step), self._blob.size)
            self._start, self._held, start = self._at, self._blob.read(self._at, end), 0
        return memoryview(self._held)[start : start + length]


class _Writer(io.FileIO):
    """What is written, until it is uploaded when it is closed."""

    def __init__(self, files: AzureFiles, path: str) -> None:
        self._files, self._path, self._good = files, path, True
        self._folder = tempfile.TemporaryDirectory(prefix="odibi-", ignore_cleanup_errors=True)
        super().__init__(Path(self._folder.name, "content"), "wb")

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._good = kind is None  # half of it is nothing
        self.close()

    def __del__(self) -> None:
        self._good = False
        self.close()

    def close(self) -> None:
        if self.closed:
            return
        super().close()
        try:
            if self._good:
                self._files.upload(str(self.name), self._path)
        finally:
            self._folder.cleanup()
