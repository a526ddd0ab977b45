"""The tables of docs/databricks_setup.md that say what works where, made from the code. To print them anew:

python -m tests.docs.support_tables
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from odibi.azure import rules
from odibi.connections import CONNECTIONS, AzureADLS, LocalConnection, LocalDBFS
from odibi.connections.unity_catalog import UnityCatalogConnection
from odibi.engine import ENGINES
from odibi.formats import FORMATS
from tests.databricks_sessions import SERVERLESS_SETTINGS

YES, NO = "yes", "no"
MODES = {
    "key_vault": {"key_vault_name": "company-kv", "secret_name": "key"},
    "direct_key": {"account_key": "c2VjcmV0"},
    "managed_identity": {},
    "service_principal": {
        "tenant_id": "11111111-1111-1111-1111-111111111111",
        "client_id": "22222222-2222-2222-2222-222222222222",
        "client_secret": "secret",
    },
    "sas": {"sas_token": "sv=2024-11-04&sig=c2VjcmV0"},
    "default": {},
    "unity_catalog": {},
}
"""What each mode needs."""
KINDS: dict[str, Any] = {
    "local": LocalConnection(Path("lake"), name="lake"),
    "local_dbfs": LocalDBFS(Path(".dbfs"), name="lake"),
    "azure_adls": AzureADLS("bronzeacct", "bronze", auth_mode="managed_identity", name="lake"),
    "unity_catalog": UnityCatalogConnection("main", "sales", "landing", name="lake"),
}


def format_rows() -> Iterator[list[str]]:
    """Formats by engine."""
    yield ["Format", *(f"{name}" for name in ENGINES), "`partition_by`"]
    for name, format in FORMATS.items():
        known = [_codecs(engine) for engine in ENGINES]
        yield [f"`{name}`", *(_yes(name in codecs) for codecs in known), _yes(format.partitionable)]


def _codecs(engine: str) -> Any:
    return import_module(f"odibi.engine.{engine}.formats").FORMATS


def kind_rows() -> Iterator[list[str]]:
    """Types of connections by engine; who writes stories is no engine."""
    yield ["`type`", *ENGINES, "stories"]
    assert {*KINDS} == {*CONNECTIONS}
    for name, made in KINDS.items():
        yield [f"`{name}`", *(_yes(not made.unusable(engine)) for engine in (*ENGINES, ""))]


def mode_rows() -> Iterator[list[str]]:
    """Modes of access to a storage account, by who reads it. What decides on Databricks is whether the session must
    take settings."""
    yield ["`auth_mode`", "pandas, anywhere", "Spark of your own", "dedicated", "standard", "serverless"]
    assert {*MODES} == {*rules.MODES}
    for mode, needs in MODES.items():
        lake = AzureADLS("bronzeacct", "bronze", auth_mode=mode, name="lake", **needs)
        if mode == "key_vault":
            lake.receive("c2VjcmV0")
        yield [f"`{mode}`", _yes(not lake.unusable("pandas")), *_on_spark(lake)]


def _on_spark(lake: AzureADLS) -> list[str]:
    if lake.unusable("spark"):
        return [NO] * 4
    settings = lake.spark_settings()
    if not settings:
        return [NO, YES, YES, YES]
    return [YES, "yes (1)", "yes (2)", _yes({*settings} <= SERVERLESS_SETTINGS)]


def _yes(holds: bool) -> str:
    return YES if holds else NO


TABLES = {"Formats": format_rows, "Types of connections": kind_rows, "Modes of access to storage accounts": mode_rows}
"""Heading to rows."""


def lines(heading: str) -> list[str]:
    """A table as Markdown."""
    head, *rows = TABLES[heading]()
    return ["| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *rows)]


if __name__ == "__main__":
    for each in TABLES:
        print(f"### {each}\n", *lines(each), "", sep="\n")
