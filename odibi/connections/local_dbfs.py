"""`type: local_dbfs`: `dbfs:/…` paths mapped to a local folder, for developing Databricks pipelines."""

from __future__ import annotations

import os
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from odibi.connections.local import LocalConnection
from odibi.model import Model


class LocalDBFS(LocalConnection):
    """A local stand-in for DBFS: `dbfs:/mnt/raw` and `/dbfs/mnt/raw` are `<root>/mnt/raw`.

    >>> LocalDBFS("box").get_path("dbfs:/mnt/raw").replace("\\\\", "/").endswith("box/mnt/raw")
    True
    """

    type_name: ClassVar[str] = "local_dbfs"

    class Settings(Model):
        """The keys of `type: local_dbfs`."""

        type: Literal["local_dbfs"] = "local_dbfs"
        root: str = Field(".dbfs", description="Folder that stands for the DBFS root, relative to the YAML file")

    @classmethod
    def from_settings(cls, name: str, settings: Settings, folder: Path) -> LocalDBFS:  # type: ignore[override]
        """Build the connection; a relative root is relative to `folder`."""
        return cls(folder / settings.root, name=name)

    def __init__(self, root: str | os.PathLike[str] = ".dbfs", name: str = "") -> None:
        super().__init__(root, name=name)
        self.root = self.base_path

    def get_path(self, relative: str = "") -> str:
        """The local path of a DBFS path. Raises `PathEscapeError` when it would leave the root."""
        for prefix in ("dbfs:/", "/dbfs/"):
            if relative.startswith(prefix):
                relative = relative[len(prefix) :].lstrip("/")
                break
        return super().get_path(relative)
