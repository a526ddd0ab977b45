"""Tables of a catalog by name. Spark's own catalog stands for Unity Catalog: names have three parts there too."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from odibi import Pipeline
from odibi.connections import LocalConnection, UnityCatalogConnection
from odibi.engine import SparkEngine
from odibi.engine.base import Checks, RowCheck, Source, Target
from odibi.errors import (
    CheckFailed,
    ConfigError,
    DataNotFoundError,
    SchemaMismatchError,
    TargetExistsError,
)
from odibi.testing import assert_frame_equal
from odibi.testing.frames import arrow_table

ROWS = [{"id": 1, "name": "a"}, {"id": 2, "name": None}]
PROJECT = """
engine: spark
connections:
  lake: {{type: local, base_path: lake}}
  sales: {{type: unity_catalog, catalog: spark_catalog, schema: {schema}}}
pipelines:
  - pipeline: load
    nodes:
      - name: orders
        read: {{connection: lake, path: orders.csv}}
        validation: {{no_nulls: [id]}}
        write: {{connection: sales, table: orders, partition_by: [region]}}
      - name: regions
        depends_on: [orders]
        transform: {{steps: ["SELECT region, count(*) AS n FROM orders GROUP BY region"]}}
        write: {{connection: sales, table: regions, mode: append}}
  - pipeline: report
    nodes:
      - name: back
        read: {{connection: sales, table: Regions}}
        write: {{connection: lake, path: out}}
"""


@pytest.fixture
def catalog(spark: Any) -> Iterator[UnityCatalogConnection]:
    """A new schema."""
    schema = f"t{uuid.uuid4().hex[:8]}"
    spark.sql(f"CREATE SCHEMA spark_catalog.`{schema}`")
    yield UnityCatalogConnection("spark_catalog", schema, name="sales")
    spark.sql(f"DROP SCHEMA spark_catalog.`{schema}` CASCADE")


def frame(engine: SparkEngine, rows: Any = None) -> Any:
    return engine.native(engine.adopt(arrow_table(rows or ROWS)))


def test_a_table_is_written_and_read_by_its_name(
    engine: SparkEngine, catalog: UnityCatalogConnection, spark: Any
) -> None:
    report = engine.write(frame(engine), catalog, table="orders")
    assert (report.rows, report.version_before, report.version_after) == (2, None, 0)
    report = engine.write(frame(engine, [{"id": 3, "name": "c"}]), catalog, table="orders", mode="append")
    assert (report.rows, report.version_before, report.version_after) == (1, 0, 1)
    assert_frame_equal(engine.read(catalog, table="orders"), [*ROWS, {"id": 3, "name": "c"}])
    assert_frame_equal(engine.read(catalog, table="orders", options={"versionAsOf": 0}), ROWS)
    assert spark.table(catalog.get_table("orders")).count() == 3
    assert engine.scan(Source(catalog, "orders", "delta", table="orders")).columns[0].type_name == "bigint"


def test_modes(engine: SparkEngine, catalog: UnityCatalogConnection) -> None:
    assert engine.write(frame(engine), catalog, table="t", mode="error").written
    with pytest.raises(TargetExistsError, match="sales:t exists"):
        engine.write(frame(engine), catalog, table="t", mode="error")
    assert not engine.write(frame(engine), catalog, table="t", mode="ignore").written
    report = engine.write(frame(engine, [{"x": 1.5}]), catalog, table="t")
    assert report.schema_changes
    assert_frame_equal(engine.read(catalog, table="t"), [{"x": 1.5}])


def test_types_of_the_table_win(engine: SparkEngine, catalog: UnityCatalogConnection) -> None:
    engine.write(frame(engine), catalog, table="t")
    with pytest.raises(SchemaMismatchError, match=r"'id'.*string.*bigint"):
        engine.write(frame(engine, [{"id": "x", "name": "y"}]), catalog, table="t", mode="append")
    assert_frame_equal(engine.read(catalog, table="t"), ROWS)


def test_a_failed_check_leaves_the_table(engine: SparkEngine, catalog: UnityCatalogConnection) -> None:
    engine.write(frame(engine), catalog, table="t")
    target = Target(catalog, "t", "delta", table="t")
    check = RowCheck("no_nulls(name)", "name IS NULL", ("name",), "spark")
    rows = arrow_table([{"id": 9, "name": None}], {"id": "bigint", "name": "string"})
    with pytest.raises(CheckFailed, match="no_nulls"):
        engine.save(engine.adopt(rows), target, Checks((check,)))
    assert_frame_equal(engine.read(catalog, table="t"), ROWS)


def test_history_restore_and_vacuum(engine: SparkEngine, catalog: UnityCatalogConnection) -> None:
    for number in (1, 2):
        engine.write(frame(engine, [{"id": number}]), catalog, table="t")
    assert [each["version"] for each in engine.get_delta_history(catalog, table="t")] == [1, 0]
    engine.restore_delta(catalog, table="t", version=0)
    assert_frame_equal(engine.read(catalog, table="t"), [{"id": 1}])
    report = engine.vacuum_delta(catalog, table="t", retention_hours=0, enforce_retention_duration=False)
    assert report["files_deleted"] >= 1, "Spark 3.5 leaves a file without rows beside that of each write"
    assert_frame_equal(engine.read(catalog, table="t"), [{"id": 1}])
    with pytest.raises(DataNotFoundError):
        engine.restore_delta(catalog, table="t", version=99)


def test_what_is_not_there(engine: SparkEngine, catalog: UnityCatalogConnection) -> None:
    engine.write(frame(engine), catalog, table="orders")
    with pytest.raises(DataNotFoundError, match="sales:order does not exist"):
        engine.read(catalog, table="order").collect()
    with pytest.raises(DataNotFoundError, match="sales:order does not exist"):
        engine.get_delta_history(catalog, table="order")
    nowhere = UnityCatalogConnection("spark_catalog", "no_such_schema", name="nowhere")
    with pytest.raises(DataNotFoundError, match="nowhere:t"):
        engine.read(nowhere, table="t").collect()
    with pytest.raises(
        DataNotFoundError, match=r"nowhere:t: there is no schema spark_catalog\.no_such_schema; .*make it"
    ):
        engine.write(frame(engine), nowhere, table="t")
    other = UnityCatalogConnection("no_such_catalog", "s", name="other")
    with pytest.raises(DataNotFoundError, match="other:t: there is no catalog 'no_such_catalog' that this Spark knows"):
        engine.read(other, table="t").collect()


def test_names_are_quoted(engine: SparkEngine, catalog: UnityCatalogConnection) -> None:
    for name in ("select", "order", "1st"):
        engine.write(frame(engine), catalog, table=name)
        assert_frame_equal(engine.read(catalog, table=name), ROWS)
    with pytest.raises(ConfigError, match="is no name of a table"):
        engine.read(catalog, table="t` WHERE 1=0 --")


def test_arguments(engine: SparkEngine, catalog: UnityCatalogConnection, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="both `path` and `table` are given"):
        engine.read(catalog, path="a", table="a")
    with pytest.raises(ConfigError, match="names no volume"):
        engine.read(catalog, path="a.csv")
    with pytest.raises(ConfigError, match="has no catalog"):
        engine.write(frame(engine), LocalConnection(tmp_path, name="lake"), table="a")
    with pytest.raises(ConfigError, match="is no csv data"):
        engine.read(catalog, "csv", table="a")
    with pytest.raises(ConfigError, match="restore needs a version"):
        engine.restore_delta(catalog, table="a")


def test_a_project_runs_on_tables(spark: Any, catalog: UnityCatalogConnection, tmp_path: Path) -> None:
    (tmp_path / "lake").mkdir()
    (tmp_path / "lake" / "orders.csv").write_text("id,region\n1,EU\n2,EU\n3,US\n")
    file = tmp_path / "p.yaml"
    file.write_text(PROJECT.format(schema=catalog.schema))
    assert spark is not None
    result = Pipeline.from_yaml(file).run()
    result.raise_for_failure()
    assert result["load"].nodes["orders"].rows == 3
    made = SparkEngine({"lake": LocalConnection(tmp_path / "lake")}, spark)
    assert_frame_equal(made.read("lake", path="out"), [{"region": "EU", "n": 2}, {"region": "US", "n": 1}])
    made.close()
