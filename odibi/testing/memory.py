"""A connection that keeps its files in the memory of the process: no disk, no network, and yet behind a URL."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field

from odibi.connections import CONNECTIONS
from odibi.connections.base import BaseConnection, check_relative
from odibi.model import Model


class MemoryConnection(BaseConnection):
    """Files under `memory://<bucket>`, for tests of what lies behind a URL: every such object store is reached alike.

    Connections of the same bucket share their files, also between engines and projects of one process.

    >>> MemoryConnection("lake").get_path("raw/sales.csv")
    'memory://lake/raw/sales.csv'
    """

    type_name: ClassVar[str] = "memory"

    class Settings(Model):
        """The keys of `type: memory`."""

        type: Literal["memory"] = "memory"
        bucket: str = Field("odibi", description="Name of the place in memory; connections of one bucket share it")

    @classmethod
    def from_settings(cls, name: str, settings: Any, folder: Path) -> MemoryConnection:
        """Build the connection; it has nothing to do with the project's folder."""
        return cls(settings.bucket, name=name)

    def __init__(self, bucket: str | None = None, name: str = "") -> None:
        self.bucket = bucket or f"bucket-{uuid.uuid4().hex[:12]}"
        self.name = name

    def get_path(self, relative: str = "") -> str:
        """The URL of `relative`. Raises `PathEscapeError` for `..`, absolute paths and URLs."""
        return f"memory://{self.bucket}/{check_relative(relative, self.name)}".rstrip("/")

    def unusable(self, engine: str) -> str:
        """Spark runs in processes of its own, which see nothing of this one's memory."""
        if engine != "spark":
            return ""
        return (
            f"connection {self.name!r} keeps its files in the memory of this process, which Spark can not reach; "
            "use a connection of type local"
        )

    def clear(self) -> None:
        """Forget all files of the bucket."""
        from odibi.files import files_for

        location = self.location("")
        files_for(location).delete(location.uri)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.bucket!r})"


@contextmanager
def memory_connections() -> Iterator[type[MemoryConnection]]:
    """Inside, project files may have connections of `type: memory`; at the end all their files are forgotten.

    >>> with memory_connections():
    ...     "memory" in CONNECTIONS
    True
    >>> "memory" in CONNECTIONS
    False
    """
    buckets: set[str] = set()

    class Registered(MemoryConnection):
        def __init__(self, bucket: str | None = None, name: str = "") -> None:
            super().__init__(bucket, name)
            buckets.add(self.bucket)

    CONNECTIONS.add(MemoryConnection.type_name, Registered)
    try:
        yield Registered
    finally:
        CONNECTIONS.remove(MemoryConnection.type_name)
        for bucket in buckets:
            MemoryConnection(bucket).clear()
