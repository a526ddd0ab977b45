"""A lake of Delta tables, written in both ways: by DuckDB and delta-rs's commit, and by delta-rs's own writer; on disk
and in a container of Azure storage."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from odibi.connections import AzureADLS, BaseConnection, LocalConnection
from odibi.engine.base import NO_CHECKS, Checks, Source, Target, WriteReport
from odibi.engine.pandas.delta import save, scan
from odibi.engine.pandas.delta.table import storage_options, table_uri
from odibi.engine.pandas.session import DuckFrame, Session
from odibi.formats import normalise_options
from odibi.testing.azure import Sandbox
from odibi.types import parse_type


@dataclass
class Lake:
    """Writes SELECTs to tables and reads them back, as lists of rows in text form."""

    root: Path
    session: Session
    way: str = "fast"
    connection: BaseConnection = field(init=False)

    def __post_init__(self) -> None:
        self.connection = LocalConnection(self.root, name="lake")

    def path(self, name: str = "t") -> Path:
        return self.root / name

    def exists(self, name: str) -> bool:
        return self.path(name).exists()

    def write(
        self,
        sql: str,
        name: str = "t",
        mode: str = "overwrite",
        checks: Checks = NO_CHECKS,
        run_checks: Callable[..., Any] = lambda frame, nulls: (),
        **facts: Any,
    ) -> WriteReport:
        facts["partition_by"] = tuple(facts.get("partition_by", ()))
        facts["schema"] = {key: parse_type(text) for key, text in facts.get("schema", {}).items()}
        if self.way == "careful" and not self.exists(name):
            self.demand_care(name)
        target = Target(self.connection, name, "delta", mode=mode, **facts)
        return save(self.session, self.session.frame(sql), target, checks, run_checks)

    def demand_care(self, name: str) -> None:
        """An empty table with a constraint, which only delta-rs's own writer honours."""
        from deltalake import DeltaTable, Schema

        schema = {"type": "struct", "fields": [{"name": "v", "type": "integer", "nullable": True, "metadata": {}}]}
        config = {"delta.enableChangeDataFeed": "true"}
        place = self.connection.location(name)
        DeltaTable.create(
            table_uri(place), Schema.from_json(json.dumps(schema)), configuration=config,
            storage_options=storage_options(place),
        )  # fmt: skip

    def read(self, name: str = "t", **options: Any) -> DuckFrame:
        canonical, mistakes = normalise_options("delta", "read", options)
        assert not mistakes
        return scan(self.session, Source(self.connection, name, "delta", canonical))

    def rows(self, name: str = "t", **options: Any) -> list[str]:
        return self.texts(self.read(name, **options))

    def texts(self, frame: DuckFrame) -> list[str]:
        found = self.session.execute(f"SELECT __row::VARCHAR FROM ({frame.sql}) AS __row", frame)
        return sorted(text for (text,) in found)

    def select(self, sql: str) -> list[str]:
        return self.texts(self.session.frame(sql))

    def types(self, name: str = "t") -> dict[str, str]:
        return {column.name: column.type_name for column in self.read(name).columns}

    def files(self, name: str = "t") -> list[str]:
        return sorted(str(path.relative_to(self.path(name))) for path in self.path(name).rglob("*.parquet"))


class AzureLake(Lake):
    """In the container of a storage account; `root` is a URL's place there."""

    def __init__(self, azure: Sandbox, container: str, session: Session, way: str = "fast") -> None:
        self.azure, self.container, self.session, self.way = azure, container, session, way
        self.root = Path("lake")
        self.connection = self.connected()

    def connected(self, **other: Any) -> AzureADLS:
        given = {"auth_mode": "direct_key", "account_key": self.azure.accounts["silveracct"], **other}
        return AzureADLS("silveracct", self.container, "lake", name="lake", **given)

    def names(self, name: str = "t") -> list[str]:
        found = self.azure.list("silveracct", self.container, f"lake/{name}/")
        return sorted(path.removeprefix(f"lake/{name}/") for path in found)

    def exists(self, name: str) -> bool:
        return bool(self.names(name))

    def files(self, name: str = "t") -> list[str]:
        return [path for path in self.names(name) if path.endswith(".parquet") and not path.startswith("_delta_log")]


@pytest.fixture
def session() -> Iterator[Session]:
    session = Session()
    yield session
    session.close()


@pytest.fixture
def lake(tmp_path: Path, session: Session) -> Lake:
    """Written in the fast way."""
    return Lake(tmp_path / "lake", session)


@pytest.fixture
def azure_lake(azure: Sandbox, azure_container: str, session: Session) -> AzureLake:
    """Written in the fast way, to Azure."""
    return AzureLake(azure, azure_container, session)


@pytest.fixture(params=["fast", "careful", "azure fast", "azure careful"])
def any_lake(request: pytest.FixtureRequest, tmp_path: Path, session: Session) -> Lake:
    """Written in each way, to each place."""
    place, way = request.param.split(" ") if " " in request.param else ("disk", request.param)
    if place == "disk":
        return Lake(tmp_path / "lake", session, way=way)
    container = request.getfixturevalue("azure_container")
    return AzureLake(request.getfixturevalue("azure"), container, session, way)
