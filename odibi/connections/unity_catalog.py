"""`type: unity_catalog`: tables of a Unity Catalog schema by name, and files in one of its volumes; without secrets."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import ConfigDict, Field

from odibi.connections.base import BaseConnection, Diagnosis, Location, check_relative
from odibi.errors import ConfigError, Position, Problem
from odibi.model import Model

_ILLEGAL = re.compile(r"[\x00-\x20./\x7f]")
"""What no name of a catalog, schema, volume or table can hold; all else goes between backticks."""
MAX_NAME = 255
_RULE = "one has up to 255 characters, without blanks, '.' and '/'"


class UnityCatalogConnection(BaseConnection):
    """A schema of a Unity Catalog: its tables are named by `table`, the files of its volume by `path`.

    >>> main = UnityCatalogConnection("main", "sales", "landing")
    >>> main.get_table("orders")
    '`main`.`sales`.`orders`'
    >>> main.get_path("2024/orders.csv")
    '/Volumes/main/sales/landing/2024/orders.csv'
    """

    type_name: ClassVar[str] = "unity_catalog"
    has_catalog: ClassVar[bool] = True

    class Settings(Model):
        """The keys of `type: unity_catalog`."""

        model_config = ConfigDict(validate_by_name=True)
        key_hints: ClassVar[Mapping[str, str]] = {
            "database": "did you mean 'schema'?",
            "metastore": "did you mean 'catalog'?",
        }

        type: Literal["unity_catalog"] = "unity_catalog"
        catalog: str = Field(description="Name of the catalog")
        schema_: str = Field(alias="schema", description="Name of the schema, which has the tables")
        volume: str | None = Field(default=None, description="Name of the volume that has the files, for `path`")

    @classmethod
    def mistakes(cls, settings: Mapping[str, Any], name: str = "") -> Iterator[Problem]:
        """Names that no catalog could have."""
        del name
        for key in ("catalog", "schema", "volume"):
            value = settings.get(key)
            if isinstance(value, str) and not (key == "volume" and not value):
                yield from _check(key, value)

    @classmethod
    def from_settings(cls, name: str, settings: Settings, folder: Path) -> UnityCatalogConnection:
        """Build the connection, whose settings were checked; it has nothing to do with the project's folder."""
        del folder
        return cls(settings.catalog, settings.schema_, settings.volume, name=name)

    def __init__(self, catalog: str, schema: str, volume: str | None = None, name: str = "") -> None:
        self.catalog, self.schema, self.volume, self.name = catalog, schema, volume or None, name

    def validate(self) -> None:
        """Check the names, without the network. Raises `ConfigError` (a `ValueError`) with all mistakes."""
        found = list(self.mistakes({"catalog": self.catalog, "schema": self.schema, "volume": self.volume}))
        if found:
            raise ConfigError(found)

    def unusable(self, engine: str) -> str:
        """Tables are for Spark; a story is a file, which a volume takes."""
        if engine == "spark" or (not engine and self.volume):
            return ""
        who = f"{self._shown()} is of type unity_catalog"
        if not engine:
            return f"{who} and names no volume for files; add `volume: …`, or name another connection"
        return (
            f"{who}, which works with Spark on Databricks only; run it with engine: spark, elsewhere use a connection "
            "of type azure_adls or local"
        )

    def _shown(self) -> str:
        return f"connection {self.name!r}" if self.name else f"the connection to {self.catalog}.{self.schema}"

    # -- where ---------------------------------------------------------------------------------------------------------

    def get_path(self, relative: str = "") -> str:
        """The path of a file in the volume. Raises `PathEscapeError`, and `ConfigError` where no volume is named."""
        checked = check_relative(relative, self.name)
        if self.volume is None:
            raise ConfigError(
                f"{self._shown()} names no volume, so `path` names nothing in it; use `table`, or add `volume: …` to "
                "the connection"
            )
        return "/".join(part for part in (self._root, checked) if part)

    @property
    def _root(self) -> str:
        return f"/Volumes/{self.catalog}/{self.schema}/{self.volume}"

    def get_table(self, table: str) -> str:
        """The full name of a table of the schema. Raises `ConfigError` for what can be none."""
        found = list(_check("table", table))
        if found:
            inside = self._inside(table)
            hint = f"write {inside!r}" if inside else self._hint(table) or found[0].hint
            raise ConfigError(f"{table!r} is no name of a table in {self.catalog}.{self.schema}; {hint}")
        return ".".join(map(quoted, (self.catalog, self.schema, table)))

    def _inside(self, table: str) -> str:
        """The name alone, where it was given with the connection's own schema or catalog, or between backticks."""
        bare = table.replace("`", "").strip()
        for prefix in (f"{self.catalog}.{self.schema}.", f"{self.schema}.", ""):
            name = bare[len(prefix) :]
            if bare.lower().startswith(prefix.lower()) and not list(_check("table", name)):
                return name
        return ""

    def _hint(self, table: str) -> str:
        parts = [part for part in table.replace("`", "").split(".") if part]
        if len(parts) not in (2, 3):
            return ""
        return f"for another schema make a connection of its own, with `schema: {parts[-2]}`"

    def describe(self) -> dict[str, str]:
        """Catalog, schema and volume."""
        facts = {
            "type": self.type_name,
            "root": f"{self.catalog}.{self.schema}",
            "files": self._root if self.volume else "",
        }
        return {key: value for key, value in facts.items() if value}

    def location(self, relative: str, storage_options: Mapping[str, Any] | None = None) -> Location:
        """A path of the volume. Raises `ConfigError` where no volume is named, and for `storage_options`: the
        catalog grants access."""
        if storage_options:
            raise ConfigError(f"{self._shown()} takes no storage_options: the catalog grants access; take them out")
        return Location(self.get_path(relative), self.get_path(""), self.name, relative, governed=True)

    def diagnose(self, timeout: float = 30.0, writes: bool = False) -> Iterator[Diagnosis]:
        """Whether the catalog is there can only be asked where Spark knows it."""
        del timeout, writes
        yield Diagnosis(
            "catalog", "info", "reached by Spark on Databricks; not looked at from here", "it needs no secret: grant "
            f"USE CATALOG on {self.catalog}, USE SCHEMA, SELECT and MODIFY on {self.catalog}.{self.schema}"
            + (f", READ VOLUME and WRITE VOLUME on {self.catalog}.{self.schema}.{self.volume}" if self.volume else ""),
        )  # fmt: skip

    def __repr__(self) -> str:
        volume = f", {self.volume!r}" if self.volume else ""
        return f"{type(self).__name__}({self.catalog!r}, {self.schema!r}{volume})"


def quoted(name: str) -> str:
    """A name as SQL takes it, whatever is in it.

    >>> quoted("a`b")
    '`a``b`'
    """
    return "`" + name.replace("`", "``") + "`"


def _check(key: str, value: str) -> Iterator[Problem]:
    if not value:
        yield Problem(Position(), key, f"unity_catalog requires {key!r}", f"add `{key}: …`")
    elif _ILLEGAL.search(value) or "`" in value or len(value) > MAX_NAME:
        parts = [part for part in value.replace("`", "").split(".") if part]
        rule = f"write {parts[-1]!r}" if len(parts) > 1 and key != "catalog" else _RULE
        yield Problem(Position(), key, f"{value!r} is no name of a {key}", rule)
