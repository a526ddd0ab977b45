"""Paths behind URLs: how they are put together and taken apart."""

from __future__ import annotations

from abc import abstractmethod

from odibi.files.base import Files
from odibi.parallel import Stopped, never


class UrlFiles(Files):
    """A file system whose paths are URLs. One more file in this folder and one line in `places` make another."""

    puts_in_one_step = False
    """True where an upload shows the old content or the new, never a part."""

    @abstractmethod
    def upload(self, local: str, path: str, stopped: Stopped = never) -> None:
        """Copy a local file to `path`. Raises `KeyboardInterrupt` once it is stopped."""

    @abstractmethod
    def download(self, path: str, local: str, stopped: Stopped = never) -> None:
        """Copy a file to a local one, which is whole afterwards. Raises `KeyboardInterrupt` once it is stopped."""

    @abstractmethod
    def move(self, source: str, target: str) -> None:
        """Rename a file, over what is there."""

    def join(self, folder: str, *names: str) -> str:
        """The URL of a name below a folder."""
        return "/".join([folder.rstrip("/"), *names])

    def split(self, path: str) -> tuple[str, str]:
        """Folder and name of a URL; the folder of the store's root is itself."""
        protocol, _, rest = path.partition("://")
        folder, _, name = rest.rstrip("/").rpartition("/")
        return (f"{protocol}://{folder}", name) if folder else (path, "")
