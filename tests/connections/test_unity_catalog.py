"""Connections to a schema of a Unity Catalog: what they name, and what is refused before anything runs."""

# ruff: noqa: E501 - messages stand here as users see them

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from odibi.__main__ import main
from odibi.connections import CONNECTIONS, LocalConnection, UnityCatalogConnection
from odibi.engine import PandasEngine
from odibi.errors import ConfigError, PathEscapeError, UnsupportedError
from odibi.project import load_project
from odibi.testing.contracts.connections import ESCAPES


def sales(volume: str | None = "landing", name: str = "sales") -> UnityCatalogConnection:
    return UnityCatalogConnection("main", "sales", volume, name=name)


def test_tables_are_named_in_full() -> None:
    assert sales().get_table("orders") == "`main`.`sales`.`orders`"
    assert sales().get_table("Bestellungen-ü;`".rstrip("`")) == "`main`.`sales`.`Bestellungen-ü;`"
    location = sales().table_location("orders")
    assert (location.table, location.display, location.local_path) == ("`main`.`sales`.`orders`", "sales:orders", None)
    assert location.governed


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("sales.orders", "write 'orders'"),
        ("main.sales.orders", "write 'orders'"),
        ("`main`.`sales`.`orders`", "write 'orders'"),
        ("MAIN.Sales.orders", "write 'orders'"),
        ("`orders`", "write 'orders'"),
        ("hr.people", "for another schema make a connection of its own, with `schema: hr`"),
        ("other.hr.people", "for another schema make a connection of its own, with `schema: hr`"),
        ("a/b", "one has up to 255 characters, without blanks, '.' and '/'"),
        ("x" * 256, "one has up to 255 characters"),
        ("a b", "one has up to 255 characters"),
        ("", "add `table: …`"),
        ("orders; DROP TABLE x", "one has up to 255 characters"),
    ],
)
def test_names_that_no_table_has(name: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        sales().get_table(name)
    assert f"{name!r} is no name of a table in main.sales; {hint}" in str(caught.value)


def test_files_are_in_the_volume() -> None:
    made = sales()
    location = made.location("2024/./orders.csv")
    assert location.uri == "/Volumes/main/sales/landing/2024/orders.csv"
    assert (location.root, location.display) == ("/Volumes/main/sales/landing", "sales:2024/./orders.csv")
    assert location.governed
    assert not location.storage_options


@pytest.mark.parametrize("path", ESCAPES)
def test_no_path_leaves_the_volume(path: str) -> None:
    with pytest.raises(PathEscapeError, match="sales"):
        sales().get_path(path)


def test_without_a_volume_there_are_no_files() -> None:
    with pytest.raises(
        ConfigError, match="connection 'sales' names no volume, so `path` names nothing in it; use `table`, or add"
    ):
        sales(None).get_path("orders.csv")


def test_it_needs_no_credential() -> None:
    made = sales()
    assert (made.needs(), made.secrets(), dict(made.spark_settings())) == (None, frozenset(), {})
    assert made.is_ready()
    with pytest.raises(ConfigError, match="takes no storage_options"):
        made.location("a.csv", {"account_key": "a2V5"})


def test_other_connections_have_no_catalog(tmp_path: Path) -> None:
    lake = LocalConnection(tmp_path, name="lake")
    why = "connection 'lake' (local) has no catalog, so `table` names nothing in it; use `path`"
    for ask in (lake.get_table, lake.table_location, lambda name: PandasEngine().read(lake, table=name)):
        with pytest.raises(ConfigError) as caught:
            ask("orders")
        assert str(caught.value) == why


def test_facts_for_doctor() -> None:
    assert sales().describe() == {
        "type": "unity_catalog",
        "root": "main.sales",
        "files": "/Volumes/main/sales/landing",
    }
    (step,) = sales(None).diagnose()
    assert step.status == "info"
    assert "USE SCHEMA" in step.hint
    assert "VOLUME" not in step.hint


def test_pandas_can_not_reach_it() -> None:
    assert sales().unusable("spark") == ""
    why = "connection 'sales' is of type unity_catalog, which works with Spark on Databricks only; run it with engine: spark"
    assert sales().unusable("pandas").startswith(why)
    with pytest.raises(UnsupportedError, match=why):
        PandasEngine().read(sales(), table="orders")
    with pytest.raises(UnsupportedError, match=why):
        PandasEngine().get_delta_history(sales(), table="orders")


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"catalog": "main.sales", "schema": "s"}, "catalog: 'main.sales' is no name of a catalog; one has up to"),
        ({"catalog": "main", "schema": "main.sales"}, "schema: 'main.sales' is no name of a schema; write 'sales'"),
        ({"catalog": "main", "schema": ""}, "schema: unity_catalog requires 'schema'; add `schema: …`"),
        ({"catalog": "m", "schema": "s", "volume": "a/b"}, "volume: 'a/b' is no name of a volume; one has up to"),
    ],
)
def test_names_are_checked_by_hand_too(settings: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        UnityCatalogConnection(**settings).validate()
    assert str(caught.value).startswith(problem)


# -- in a project file -------------------------------------------------------------------------------------------------

FILE = """
engine: {engine}
connections:
  sales: {{type: unity_catalog, catalog: main, schema: sales{volume}}}
  lake: {{type: local, base_path: lake}}
{story}
pipelines:
  - pipeline: p
    nodes:
      - name: a
        read: {{connection: sales, {read}}}
      - name: b
        depends_on: [a]
        write: {{connection: sales, {write}}}
"""


def problems(
    folder: Path,
    read: str = "table: a",
    write: str = "table: b",
    volume: str = "",
    engine: str = "spark",
    story: str = "",
) -> list[str]:
    file = folder / "p.yaml"
    file.write_text(FILE.format(engine=engine, volume=volume, story=story, read=read, write=write), "utf-8")
    try:
        load_project(file)
    except ConfigError as error:
        return [f"{each.key}: {each.message}; {each.hint}" for each in error.problems]
    return []


def test_a_file_is_resolved(tmp_path: Path) -> None:
    assert problems(tmp_path, volume=", volume: landing", read="path: in/a.csv", write="table: b, mode: append") == []
    node, save = load_project(tmp_path / "p.yaml").pipelines[0].nodes
    assert node.source is not None
    assert node.source.location().uri == "/Volumes/main/sales/landing/in/a.csv"
    assert node.source.format == "csv"
    assert save.target is not None
    assert (save.target.format, save.target.location().table) == ("delta", "`main`.`sales`.`b`")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"read": "path: in/a.csv"}, "read.path: connection 'sales' names no volume, so `path` names nothing in it; use `table`, or add `volume: …` to the connection"),
        ({"read": "table: sales.a"}, "read.table: 'sales.a' is no name of a table in main.sales; write 'a'"),
        ({"read": "format: delta"}, "read: neither `table` nor `path` is given; add `table: …`, a table's name in the connection"),
        ({"read": "table: a, path: a"}, "read.table: both `path` and `table` are given; keep one of them"),
        ({"read": "table: a, format: csv"}, "read.format: a table of a catalog is no csv data; leave out `format`, or name a `path`"),
        ({"read": "table: a, format: dleta"}, "read.format: unknown format 'dleta'; did you mean 'delta'? known: avro, csv, delta, excel, json, parquet"),
    ],
)  # fmt: skip
def test_mistakes_are_told(tmp_path: Path, given: dict[str, str], told: str) -> None:
    assert problems(tmp_path, **given) == [f"pipelines.p.nodes.a.{told}"]


def test_mistakes_of_the_connection(tmp_path: Path) -> None:
    assert problems(tmp_path, volume=", volume: a.b, database: x") == [
        "connections.sales.volume: 'a.b' is no name of a volume; write 'b'",
        "connections.sales.database: unknown key 'database'; did you mean 'schema'?",
    ]


def test_two_nodes_meet_in_a_table(tmp_path: Path) -> None:
    (told,) = problems(tmp_path, read="table: B", write="table: b")
    assert told.startswith("pipelines.p.nodes.a.read: node 'b' writes what this reads, and comes after it")
    file = tmp_path / "q.yaml"
    body = FILE.format(engine="spark", volume="", story="", read="table: A", write="table: b")
    twin = "      - name: c\n        depends_on: [a]\n        write: {connection: twin, table: B}\n"
    twin_connection = "  twin: {type: unity_catalog, catalog: MAIN, schema: Sales}\n  lake:"
    file.write_text(body.replace("  lake:", twin_connection) + twin, "utf-8")
    with pytest.raises(ConfigError, match=r"nodes\.c\.write\.table: node 'b' \(line \d+\) writes this target too"):
        load_project(file)


def test_pandas_is_refused_where_it_is_named(tmp_path: Path) -> None:
    told = problems(tmp_path, engine="pandas")
    assert [each.split(":")[0] for each in told] == [
        "pipelines.p.nodes.a.read.connection",
        "pipelines.p.nodes.b.write.connection",
    ]


def test_stories_need_a_volume(tmp_path: Path) -> None:
    story = "story: {connection: sales}"
    (told,) = problems(tmp_path, story=story)
    assert told.startswith(
        "story.connection: no story can be written there: connection 'sales' is of type unity_catalog and names no volume"
    )
    assert problems(tmp_path, story=story, volume=", volume: landing") == []


def test_the_graph_shows_full_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert problems(tmp_path) == []
    assert main(["graph", str(tmp_path / "p.yaml"), "--format", "json"]) == 0
    nodes = json.loads(capsys.readouterr().out)["pipelines"][0]["nodes"]
    assert nodes[0]["read"]["place"] == "sales:a"
    assert nodes[0]["read"]["path"] == "`main`.`sales`.`a`"


def test_it_is_registered() -> None:
    assert CONNECTIONS["unity_catalog"] is UnityCatalogConnection
