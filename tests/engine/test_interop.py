"""Delta tables that both engines write, read and keep up in turn; what one makes that the other can not work with."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from odibi.connections import LocalConnection
from odibi.engine import Engine, PandasEngine, SparkEngine
from odibi.engine.base import Source, Target, WriteReport
from odibi.errors import UnsupportedError
from odibi.testing.compare import assert_frame_equal
from odibi.testing.contracts.engines import EVERY_TYPE
from odibi.testing.frames import arrow_table

pytestmark = pytest.mark.one_machine
NESTED = {
    "map": ("map<string,array<double>>", {"k": [1.5, None]}),
    "deep": ("array<struct<a:int,b:map<string,string>>>", [{"a": 1, "b": {"x": None}}, None]),
}
TYPES = {**EVERY_TYPE, **NESTED}
SCHEMA = {name: type for name, (type, _) in TYPES.items()}
ROWS: list[Mapping[str, Any]] = [{name: value for name, (_, value) in TYPES.items()}, dict.fromkeys(TYPES)]
PARTITIONS = {
    "string": ["a b", "x/y", "é=%:'#", "..", "a%20b", 'it\'s "q" `b` \\', "{*}?[1]", None],
    "int": [-1, 2**31 - 1, None],
    "boolean": [True, False, None],
    "date": [date(1, 1, 1), date(2024, 2, 29), None],
    "decimal(10,2)": [Decimal("-0.10"), Decimal("12345678.90"), None],
    "double": [0.1, -1e300, None],
    "timestamp": [datetime(2024, 3, 31, 1, 0, 0, 1, tzinfo=UTC), datetime(2024, 1, 1, tzinfo=UTC), None],
    "timestamp_ntz": [datetime(2024, 3, 31, 2, 30), datetime(2024, 1, 1, 0, 0, 0, 500000), None],  # noqa: DTZ001
}


@dataclass
class Both:
    """Two engines on one lake."""

    connection: LocalConnection
    pandas: Engine
    spark: Engine
    sql: Any

    def engine(self, name: str) -> Engine:
        return self.pandas if name == "pandas" else self.spark

    def write(self, name: str, rows: Any, schema: Any = None, table: str = "t", **facts: Any) -> WriteReport:
        engine = self.engine(name)
        return engine.save(engine.adopt(arrow_table(rows, schema)), Target(self.connection, table, "delta", **facts))

    def holds(self, rows: Any, table: str = "t", types: Mapping[str, str] | None = None, **options: Any) -> None:
        for engine in (self.pandas, self.spark):
            frame = engine.scan(Source(self.connection, table, "delta", options))
            if types is not None:
                assert {column.name: column.type_name for column in frame.columns} == types
            assert_frame_equal(engine.narwhals(frame, lazy=True), arrow_table(rows, types), check_dtypes=False)

    def run(self, *statements: str, table: str = "t") -> None:
        """SQL of Spark; `T` is the table."""
        for statement in statements:
            self.sql.sql(statement.replace(" T ", f" delta.`{self.connection.location(table).uri}` "))


@pytest.fixture
def both(spark: Any, tmp_path: Path) -> Iterator[Both]:
    pandas, on_spark = PandasEngine(), SparkEngine(spark_session=spark)
    yield Both(LocalConnection(tmp_path / "lake", name="lake"), pandas, on_spark, spark)
    pandas.close()
    on_spark.close()


ORDERS = pytest.mark.parametrize(("first", "second"), [("pandas", "spark"), ("spark", "pandas")])


@ORDERS
def test_every_type_both_ways(both: Both, first: str, second: str) -> None:
    both.write(first, ROWS, SCHEMA)
    both.holds(ROWS, types=SCHEMA)
    both.write(second, ROWS, SCHEMA, mode="append")
    both.holds(ROWS * 2, types=SCHEMA)
    both.engine(second).restore_delta(both.connection, "t", 0)
    both.engine(first).vacuum_delta(both.connection, "t", 0, False, False)
    both.holds(ROWS, types=SCHEMA)


@pytest.mark.parametrize("type", PARTITIONS)
def test_partition_values_both_ways(both: Both, type: str) -> None:
    """Of files of either engine; also by filters, for which files are left out."""
    rows = [{"id": number, "p": value} for number, value in enumerate(PARTITIONS[type])]
    schema = {"id": "bigint", "p": type}
    both.write("pandas", rows, schema, partition_by=("p",))
    both.write("spark", rows, schema, mode="append")
    both.holds(rows * 2, types=schema)
    for row in rows:
        both.holds([row] * 2, types=schema, filters=[("p", "=", row["p"])])


@ORDERS
def test_the_empty_text_is_no_partition_value(both: Both, first: str, second: str) -> None:
    """In Delta it is NULL; both engines store it as that, also where one appends to a table that asks for care."""
    rows = [{"id": 1, "p": ""}, {"id": 2, "p": None}]
    options = {"table_properties": {"delta.enableChangeDataFeed": "true"}}
    both.write(first, rows, {"id": "int", "p": "string"}, partition_by=("p",), options=options)
    both.write(second, rows, {"id": "int", "p": "string"}, mode="append")
    both.holds([{"id": 1, "p": None}, {"id": 2, "p": None}] * 2)


def test_in_turn_over_checkpoints(both: Both) -> None:
    """Either reads the checkpoints of the other, and histories are the same whoever tells them."""
    both.write("spark", [{"id": -1}], {"id": "bigint"}, options={"table_properties": {"delta.checkpointInterval": "4"}})
    for number in range(9):
        name = ("pandas", "spark")[number % 2]
        both.write(name, [{"id": number}], {"id": "bigint"}, mode="append", metadata={"by": name})
    log = Path(both.connection.location("t").uri) / "_delta_log"
    assert [path.name for path in sorted(log.glob("*.checkpoint*"))]
    both.holds([{"id": number} for number in range(-1, 9)])
    for path in sorted(log.glob("*.json"))[:4]:
        path.unlink()
    both.holds([{"id": number} for number in range(-1, 9)])
    told = [engine.get_delta_history(both.connection, "t") for engine in (both.pandas, both.spark)]
    assert told[0] == told[1]
    assert [commit["user_metadata"] for commit in told[0]][:2] == ['{"by": "pandas"}', '{"by": "spark"}']
    assert {commit["metrics"]["num_output_rows"] for commit in told[0]} == {1}


# -- features ----------------------------------------------------------------------------------------------------------

BASIC = "(id BIGINT, s STRING)"
VALUES = "INSERT INTO T VALUES (1, 'a'), (2, 'b'), (3, NULL)"
DELETED = "DELETE FROM T WHERE id = 2"
ALL: list[dict[str, Any]] = [{"id": 1, "s": "a"}, {"id": 2, "s": "b"}, {"id": 3, "s": None}]
LEFT = [ALL[0], ALL[2]]


def make(both: Both, properties: str = "", columns: str = BASIC, after: tuple[str, ...] = (VALUES,)) -> None:
    said = f" TBLPROPERTIES ({properties})" if properties else ""
    both.run(f"CREATE TABLE T {columns} USING delta{said}", *after)


def test_deletion_vectors(both: Both) -> None:
    """They are applied, appended beside, and never vacuumed away: without them deleted rows would come back."""
    make(both, "'delta.enableDeletionVectors' = 'true'", after=(VALUES, DELETED))
    vectors = sorted(Path(both.connection.location("t").uri).glob("deletion_vector*"))
    assert vectors
    both.holds(LEFT)
    both.holds(LEFT[1:], filters=[("id", ">", 1)])
    both.write("pandas", [{"id": 4, "s": "d"}], mode="append")
    dry = both.pandas.vacuum_delta(both.connection, "t", 0, True, False)
    done = both.pandas.vacuum_delta(both.connection, "t", 0, False, False)
    assert not [file for file in (*dry["files"], *done["files"]) if file.startswith("deletion_vector")]
    assert [path for path in vectors if path.exists()] == vectors
    both.holds([*LEFT, {"id": 4, "s": "d"}])
    both.write("pandas", [{"id": 9, "s": "z"}])
    both.pandas.restore_delta(both.connection, "t", 2)
    both.holds(LEFT)


@pytest.mark.parametrize("mode", ["name", "id"])
def test_column_mapping_is_never_null(both: Both, mode: str) -> None:
    make(both, f"'delta.columnMapping.mode' = '{mode}'", after=(VALUES, "ALTER TABLE T RENAME COLUMN s TO other"))
    rows = [{"id": row["id"], "other": row["s"]} for row in ALL]
    both.holds(rows)
    both.holds(rows[1:2], filters=[("other", "=", "b")])
    both.write("pandas", rows[:1], {"id": "bigint", "other": "string"}, mode="append")
    both.holds([*rows, rows[0]])
    with pytest.raises(
        UnsupportedError, match=r"lake:t has the Delta feature columnMapping, .*overwrite.*engine spark"
    ):
        both.write("pandas", [{"new": 1}])
    both.holds([*rows, rows[0]])


def test_widened_types(both: Both) -> None:
    if both.sql.version < "4":
        pytest.skip("the Delta of Spark 3.5 widens no INT to BIGINT")
    make(
        both,
        "'delta.enableTypeWidening' = 'true'",
        "(id INT, s STRING)",
        (VALUES, "ALTER TABLE T ALTER COLUMN id TYPE BIGINT", "INSERT INTO T VALUES (5000000000, 'x')"),
    )
    rows = [*ALL, {"id": 5_000_000_000, "s": "x"}]
    both.holds(rows)
    refused(both, "typeWidening", "CREATE TABLE delta.`<new path>` USING delta AS SELECT", rows)


def test_what_needs_no_more_than_reading(both: Both) -> None:
    """A checkpoint of the second kind; a check of who vacuums."""
    make(both, "'delta.checkpointPolicy' = 'v2', 'delta.checkpointInterval' = '2'")
    both.write("pandas", [{"id": 4, "s": "d"}], mode="append")
    both.write("spark", [{"id": 5, "s": "e"}], mode="append")
    both.holds([*ALL, {"id": 4, "s": "d"}, {"id": 5, "s": "e"}])


@pytest.mark.parametrize(
    ("feature", "properties", "columns", "way"),
    [
        ("rowTracking", "'delta.enableRowTracking' = 'true'", BASIC, "drop"),
        ("inCommitTimestamp", "'delta.enableInCommitTimestamps' = 'true'", BASIC, "drop"),
        ("clustering", "", BASIC + " CLUSTER BY (id)", "copy"),
        ("allowColumnDefaults", "'delta.feature.allowColumnDefaults' = 'supported'", BASIC, "copy"),
        ("vacuumProtocolCheck", "'delta.feature.vacuumProtocolCheck' = 'supported'", BASIC, "copy"),
    ],
)
def test_what_pandas_can_only_read_is_told_with_the_way_out(
    both: Both, feature: str, properties: str, columns: str, way: str
) -> None:
    """The SQL of the message is run, and then it works."""
    if both.sql.version < "4" and feature == "rowTracking":
        pytest.skip("the Delta of Spark 3.5 can not drop it")
    if "CLUSTER" in columns:
        both.run(f"CREATE TABLE T {BASIC} USING delta CLUSTER BY (id)", VALUES)
    else:
        make(both, properties, columns)
    both.holds(ALL)
    text = refused(both, feature, "ALTER TABLE" if way == "drop" else "CREATE TABLE", ALL)
    statements = text.partition("(")[2].rpartition("), or run")[0].split("; ")
    table = "t" if way == "drop" else "copied"
    for statement in statements:
        both.sql.sql(statement.replace("<new path>", both.connection.location("copied").uri))
    both.write("pandas", [{"id": 4, "s": "d"}], {"id": "bigint", "s": "string"}, table, mode="append")
    both.holds([*ALL, {"id": 4, "s": "d"}], table)
    if way == "drop":
        with pytest.raises(UnsupportedError, match=f"version 1 of lake:t has the Delta feature .*{feature}"):
            both.pandas.restore_delta(both.connection, "t", 1)
        both.holds([*ALL, {"id": 4, "s": "d"}])


def refused(both: Both, feature: str, way: str, rows: Any) -> str:
    """Whatever would write is refused by name, before anything is touched; gives the message."""
    engine, lake = both.pandas, both.connection
    texts = []
    for work in (
        lambda: both.write("pandas", rows[:1], mode="append"),
        lambda: both.write("pandas", rows[:1]),
        lambda: engine.vacuum_delta(lake, "t", 0, False, False),
        lambda: engine.restore_delta(lake, "t", 0),
    ):
        with pytest.raises(UnsupportedError) as caught:
            work()
        texts.append(str(caught.value))
    assert all(f"lake:t has the Delta feature {feature}, which the pandas engine can not" in text for text in texts)
    assert all(way in text and text.endswith("run this with --engine spark") for text in texts)
    both.holds(rows)
    return texts[0]


def test_variants_are_refused_and_can_be_left_out(both: Both) -> None:
    if not hasattr(__import__("pyspark.sql.types", fromlist=["T"]), "VariantType"):
        pytest.skip("this Spark has no variant")
    make(both, columns="(id BIGINT, v VARIANT)", after=("INSERT INTO T SELECT 1, parse_json('[1]')",))
    with pytest.raises(UnsupportedError, match=r"column 'v' is variant .*columns: \[id\].*--engine spark"):
        both.pandas.read(both.connection, path="t")
    both.holds([{"id": 1}], columns=["id"])


def test_a_session_whose_tables_have_features_is_asked_first(both: Both) -> None:
    """What the file does not say, no setting of a cluster does."""
    name = "spark.databricks.delta.properties.defaults.enableDeletionVectors"
    both.sql.conf.set(name, "true")
    try:
        with pytest.raises(UnsupportedError, match=r"deletionVectors.*session's defaults; .*\[deletionVectors\]"):
            both.write("spark", ALL)
        both.write("spark", ALL, options={"allow_features": ["deletionVectors"]})
    finally:
        both.sql.conf.unset(name)
    both.holds(ALL)
    both.write("spark", ALL, mode="append")


def test_properties_that_spark_can_make_and_pandas_not(both: Both) -> None:
    options = {
        "table_properties": {"delta.enableDeletionVectors": "true"},
        "allow_features": ["deletionVectors"],
    }
    with pytest.raises(UnsupportedError, match=r"the pandas engine makes no such tables; .*--engine spark"):
        both.write("pandas", ALL, options=options)
    both.write("spark", ALL, options=options)
    both.run(DELETED)
    both.holds(LEFT)


# -- at the same time --------------------------------------------------------------------------------------------------

APPEND = """
import sys
from odibi.connections import LocalConnection
from odibi.engine import PandasEngine
from odibi.testing.frames import frame
engine, lake = PandasEngine(), LocalConnection(sys.argv[1], name="lake")
for number in range(5):
    engine.write(frame([{"id": int(sys.argv[2]) + number}]), lake, path="t", mode="append")
engine.close()
"""


def test_writers_of_both_engines_lose_no_rows(both: Both) -> None:
    """Two processes and two threads append to one table."""
    both.write("spark", [{"id": -1}], {"id": "bigint"})
    root = str(Path(both.connection.location("t").uri).parent)
    processes = [subprocess.Popen([sys.executable, "-c", APPEND, root, str(start)]) for start in (100, 200)]
    errors: list[BaseException] = []

    def append(start: int) -> None:
        try:
            for number in range(5):
                both.write("spark", [{"id": start + number}], {"id": "bigint"}, mode="append")
        except BaseException as error:  # noqa: BLE001 - looked at below, in the test's own thread
            errors.append(error)

    threads = [threading.Thread(target=append, args=(start,)) for start in (300, 400)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [process.wait() for process in processes] == [0, 0]
    assert errors == []
    wanted = [{"id": -1}, *({"id": start + number} for start in (100, 200, 300, 400) for number in range(5))]
    both.holds(wanted)
    assert len(both.spark.get_delta_history(both.connection, "t")) == 21
