"""`type: local`: a folder on this machine."""

from __future__ import annotations

import os
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from odibi.connections.base import BaseConnection, check_relative
from odibi.errors import PathEscapeError
from odibi.model import Model


class LocalConnection(BaseConnection):
    """A local folder; it is made at the first write.

    >>> LocalConnection("data").get_path("raw/sales.csv").replace("\\\\", "/").endswith("data/raw/sales.csv")
    True
    """

    type_name: ClassVar[str] = "local"

    class Settings(Model):
        """The keys of `type: local`."""

        type: Literal["local"] = "local"
        base_path: str = Field(
            description="Folder that holds the data, relative to the YAML file; made at the first write"
        )

    @classmethod
    def from_settings(cls, name: str, settings: Settings, folder: Path) -> LocalConnection:
        return cls(folder / settings.base_path, name=name)

    def __init__(self, base_path: str | os.PathLike[str], name: str = "") -> None:
        self.name = name
        self._given = os.fspath(base_path)  # an empty path is the working directory to `Path`
        self.base_path = Path(base_path)
        self._root = os.path.abspath(self.base_path)

    def get_path(self, relative: str = "") -> str:
        """The absolute path of `relative`. Raises `PathEscapeError` for `..`, absolute paths and symlinks that
        escape."""
        checked = check_relative(relative, self.name)
        if not checked:
            return self._root
        path = os.path.join(self._root, *checked.split("/"))
        fixed = (
            path.split("*", 1)[0].split("[", 1)[0].split("?", 1)[0]
        )  # a glob's own links are judged when it is expanded
        self._refuse_escape(fixed if fixed == path else os.path.dirname(fixed), relative)
        return path

    def _refuse_escape(self, path: str, relative: str) -> None:
        real_root, real = os.path.realpath(self._root), os.path.realpath(path)
        if real != real_root and not real.startswith(real_root.rstrip(os.sep) + os.sep):
            raise PathEscapeError(
                f"path {relative!r} of connection {self.name or self._root!r} leaves it through a symbolic link "
                f"(to {real}); keep the data under {self._root}, or add a connection for the other folder"
            )

    def validate(self) -> None:
        """Raises `ValueError` when no base path is given."""
        if not self._given:
            raise ValueError("local connection requires 'base_path'")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.base_path)!r})"
