"""What a connection is: it answers where something is and with which credentials, and does no I/O on frames."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

from odibi.errors import ConfigError, Problem
from odibi.location import Diagnosis, Location, Need, check_relative
from odibi.model import Model

__all__ = ["BaseConnection", "Diagnosis", "Location", "Need", "check_relative"]


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

    @classmethod
    def complete(cls, settings: Mapping[str, Any], defaults: Mapping[str, Any]) -> Mapping[str, Any]:
        """The settings as the file has them, with what the project says for all its connections (`key_vault_name`,
        `service_credential`) where this one lacks it and can use it. Settings may be wrong in every way here."""
        del defaults
        return settings

    @classmethod
    def mistakes(cls, settings: Mapping[str, Any], name: str = "") -> Iterator[Problem]:
        """What is wrong with the settings of connection `name` beyond their names and types; `key` says where. They may
        still be wrong in every way here: all mistakes of a file are told at once."""
        del settings, name
        yield from ()

    @abstractmethod
    def get_path(self, relative: str) -> str:
        """The full path or URL of `relative`. Raises `PathEscapeError` when it would leave the connection,
        `ConfigError` where the connection has no place for paths."""

    def get_table(self, table: str) -> str:
        """The full name of a table, as SQL takes it. Raises `ConfigError` where the connection has no catalog and for
        what is no table of its own."""
        raise ConfigError(
            f"connection {self.name!r} ({self.type_name}) has no catalog, so `table` names nothing in it; use `path`"
        )

    def validate(self) -> None:
        """Check the settings without touching the network or the disk. Raises `ValueError`."""

    def odd(self, production: bool) -> Iterator[str]:
        """What is no mistake and yet worth a warning, as `what; what would be right`."""
        del production
        yield from ()

    def unusable(self, engine: str) -> str:
        """Why the engine of this name can not reach the data, as `what; what would be right`; empty where it can.
        Stories are written by none: their engine is `""`."""
        del engine
        return ""

    def clashes(self, other: BaseConnection, engine: str) -> str:
        """Why the engine of this name can not use this connection and another one in one run, as `what; what would be
        right`; empty where it can."""
        del other, engine
        return ""

    def needs(self) -> Need | None:
        """The credential that must be fetched before the data can be reached, None where there is none."""
        return None

    def receive(self, value: str) -> None:
        """Take the fetched credential, and use it from now on."""

    def storage_options(self) -> Mapping[str, Any]:
        """fsspec / object-store options to reach the data; fetches the credential where none was received."""
        return {}

    def spark_settings(self) -> Mapping[str, str]:
        """Spark settings under which a session reaches the data, scoped so that connections do not clash; fetches the
        credential where none was received."""
        return {}

    def spark_names(self) -> tuple[str, ...]:
        """The names of `spark_settings`, which are no secrets; fetches nothing."""
        return tuple(self.spark_settings()) if self.is_ready() and not self.unusable("spark") else ()

    def is_ready(self) -> bool:
        """Whether `spark_settings` can be given without fetching a credential first."""
        return self.needs() is None

    def replaces_access(self, storage_options: Mapping[str, Any]) -> bool:
        """Whether the user's own options of a read or write bring a credential, so that this connection's is not
        needed."""
        del storage_options
        return False

    def secrets(self) -> frozenset[str]:
        """Secret values this connection knows, to be scrubbed wherever text leaves the process."""
        return frozenset()

    def location(self, relative: str, storage_options: Mapping[str, Any] | None = None) -> Location:
        """The location of `relative` with everything an engine needs to reach it. `storage_options` are the user's own
        for this read or write, and win over the connection's."""
        options = {**self.storage_options(), **(storage_options or {})}
        return Location(self.get_path(relative), self.get_path(""), self.name, relative, options)

    def table_location(self, table: str) -> Location:
        """The location of a table that the connection's catalog knows. Raises `ConfigError`."""
        full = self.get_table(table)
        return Location(f"table://{full}", "", self.name, table, table=full, governed=True)

    def diagnose(self, timeout: float = 30.0, writes: bool = False) -> Iterator[Diagnosis]:
        """What `doctor` tells of reaching this connection, step by step as it is found out; never a secret. Each step
        ends within `timeout` seconds. Only where the project `writes` there may something be written, and deleted."""
        del timeout, writes
        yield from ()

    def describe(self) -> dict[str, str]:
        """Plain facts for `doctor` and stories; never a secret."""
        return {"type": self.type_name, "root": self.get_path("")}
