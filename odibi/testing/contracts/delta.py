"""How every engine reads and keeps up Delta tables, and what it says of those that are not there."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from odibi.connections import BaseConnection
from odibi.engine import Engine
from odibi.engine.base import Source, Target, WriteReport
from odibi.errors import ConfigError, DataError, DataNotFoundError, UnknownNameError, UnsupportedError
from odibi.files import files_for
from odibi.testing.compare import assert_frame_equal
from odibi.testing.contracts.base import OnPlace, Rows
from odibi.testing.frames import arrow_table
from odibi.types import parse_type

ROWS: Rows = [
    {"id": 1, "p": "x'y", "day": date(2024, 1, 1), "at": datetime(2024, 1, 1, 10, tzinfo=UTC), "d": Decimal("1.10")},
    {"id": 2, "p": None, "day": date(2024, 1, 2), "at": None, "d": Decimal("2.20")},
    {"id": None, "p": "b/é =%", "day": None, "at": datetime(2024, 1, 2, tzinfo=UTC), "d": None},
]
SCHEMA = {"id": "bigint", "p": "string", "day": "date", "at": "timestamp", "d": "decimal(10,2)"}


class DeltaContract(OnPlace):
    """Reading, history, vacuum and restore: the same values, shapes and words on every engine."""

    # -- writing -------------------------------------------------------------------------------------------------------

    def test_a_write_of_no_rows(self, engine: Engine, connection: BaseConnection) -> None:
        """Is one like others, also where it changes nothing."""
        types = {"id": "bigint", "p": "string"}
        rows: Rows = [{"id": 1, "p": "x"}]
        self.write(engine, connection, rows, types)
        assert self.write(engine, connection, [], types, mode="append").rows == 0
        self.holds(engine, connection, rows)
        for _ in range(2):  # the second has nothing to take away
            report = self.write(engine, connection, [], types)
            assert (report.rows, report.files, report.written) == (0, 0, True)
        self.holds(engine, connection, [])

    # -- reading -------------------------------------------------------------------------------------------------------

    def test_versions_and_times(self, engine: Engine, connection: BaseConnection) -> None:
        """By number, and by the time that the history shows."""
        for number in range(3):
            self.write(engine, connection, [{"id": number}])
        for commit in engine.get_delta_history(connection, "t"):
            wanted = [{"id": commit["version"]}]
            self.holds(engine, connection, wanted, versionAsOf=commit["version"])
            self.holds(engine, connection, wanted, timestampAsOf=commit["timestamp"])

    def test_versions_and_times_that_are_not_there(self, engine: Engine, connection: BaseConnection) -> None:
        """With what is."""
        self.write(engine, connection, [{"id": 1}])
        self.write(engine, connection, [{"id": 2}])
        with pytest.raises(DataNotFoundError, match=r"^lake:t has no version 7; its log has versions 0 to 1$"):
            self.read(engine, connection, versionAsOf=7)
        with pytest.raises(
            DataNotFoundError, match=r"^lake:t has no version from 2001-01-01T00:00:00\+00:00 or before; "
        ):
            self.read(engine, connection, timestampAsOf="2001-01-01")
        with pytest.raises(DataNotFoundError, match=r"^lake:t was last changed at .*, before timestampAsOf 2999-01-01"):
            self.read(engine, connection, timestampAsOf="2999-01-01")

    def test_a_read_stays_at_its_version(self, engine: Engine, connection: BaseConnection) -> None:
        """Whatever is written to the table before the rows are fetched."""
        self.write(engine, connection, [{"id": 1}])
        frame = engine.scan(Source(connection, "t", "delta"))
        self.write(engine, connection, [{"id": 2}], mode="append")
        assert_frame_equal(engine.native(frame), [{"id": 1}], check_dtypes=False)

    @pytest.mark.parametrize(
        ("filters", "found"),
        [
            ([["p", "=", "x'y"]], [1]),
            ([["p", "in", ["b/é =%", None]]], [2, None]),
            ([["p", "not in", ["x'y"]]], [None]),
            ([["p", "not in", ["x'y", None]]], [None]),
            ([["p", "!=", None]], [1, None]),
            ([["p", "=", None], ["id", ">=", "2"]], [2]),
            ([["day", "<=", "2024-01-01"]], [1]),
            ([["day", "=", date(2024, 1, 2)]], [2]),
            ([["at", "=", "2024-01-01T12:00:00+02:00"]], [1]),
            ([["at", ">", "2024-01-01"]], [1, None]),
            ([["d", "=", 2.2]], [2]),
            ([["P", "=", "x'y"], ["id", "!=", 1]], []),
            ([["id", "in", []]], []),
            ([["id", "not in", []]], [1, 2, None]),
        ],
    )
    def test_filters(
        self, engine: Engine, connection: BaseConnection, filters: list[Any], found: list[int | None]
    ) -> None:
        """All must hold; NULL is equal to nothing but to NULL itself, as it is written here."""
        self.write(engine, connection, ROWS, SCHEMA, partition_by=("p",))
        self.holds(engine, connection, [row for row in ROWS if row["id"] in found], filters=filters)

    @pytest.mark.parametrize(
        ("filter", "said"),
        [
            (["id", "=", "abc"], "'id', which is bigint, with 'abc', which is no bigint$"),
            (["id", "=", 2.5], "'id', which is bigint, with 2.5"),
            (["d", ">", "1.234"], r"'d', which is decimal\(10,2\), with '1.234'"),
            (["day", "=", "2024-01-01T10:00:00"], "'day', which is date, with '2024-01-01T10:00:00'"),
            (["l", "=", 1], "'l', which is array<int>; such columns can be compared with NULL only"),
        ],
    )
    def test_filters_whose_value_does_not_fit(
        self, engine: Engine, connection: BaseConnection, filter: list[Any], said: str
    ) -> None:
        """They are refused before anything is read, and never rounded."""
        self.write(engine, connection, [{**ROWS[0], "l": [1]}], {**SCHEMA, "l": "array<int>"})
        with pytest.raises(DataError, match=f"^lake:t: filters compare.*{said}"):
            self.read(engine, connection, filters=[filter])
        self.holds(engine, connection, [], filters=[["l", "=", None]])

    def test_filters_that_no_table_could_have(self, engine: Engine, connection: BaseConnection) -> None:
        """Names of columns, and comparisons with NULL."""
        self.write(engine, connection, [{"year": 1}])
        with pytest.raises(UnknownNameError, match=r"^unknown column of lake:t in filters 'yaer'; did you mean 'year'"):
            self.read(engine, connection, filters=[["yaer", "=", 1]])
        with pytest.raises(ConfigError, match=r"needs a value for 'year' <; NULL goes with = and != only"):
            self.read(engine, connection, filters=[["year", "<", None]])

    def test_columns_and_declared_types(self, engine: Engine, connection: BaseConnection) -> None:
        """In the order that is asked for."""
        self.write(engine, connection, ROWS, SCHEMA, partition_by=("p",))
        self.holds(engine, connection, [{"d": row["d"], "id": row["id"]} for row in ROWS], columns=["d", "id"])
        types = {"p": parse_type("string"), "id": parse_type("int")}
        frame = engine.scan(Source(connection, "t", "delta", {}, types))
        assert [(column.name, column.type_name) for column in frame.columns] == [("p", "string"), ("id", "int")]
        rows = [{"p": row["p"], "id": row["id"]} for row in ROWS]
        assert_frame_equal(engine.native(frame), rows, check_dtypes=False)
        with pytest.raises(DataError, match=r"^lake:t has no column 'q'; "):
            self.read(engine, connection, columns=["q"])

    def test_places_that_are_no_table(self, engine: Engine, connection: BaseConnection) -> None:
        """What is there instead, and what is close."""
        self.write(engine, connection, [{"id": 1}], name="orders")
        with pytest.raises(DataNotFoundError, match=r"^lake:ordres does not exist; did you mean 'orders'"):
            self.read(engine, connection, name="ordres")
        self.put(connection, "plain/a.parquet")
        with pytest.raises(
            DataNotFoundError, match=r"^lake:plain is a folder without a _delta_log, .*format: parquet$"
        ):
            self.read(engine, connection, name="plain")
        with pytest.raises(DataNotFoundError, match=r"^lake:plain/a.parquet is a file, not a Delta table"):
            self.read(engine, connection, name="plain/a.parquet")
        for work in (self.history, self.vacuum, self.restore):
            with pytest.raises(DataNotFoundError, match=r"^lake:nope does not exist"):
                work(engine, connection, "nope")
            with pytest.raises(DataNotFoundError, match=r"^lake:plain is a folder without a _delta_log"):
                work(engine, connection, "plain")

    def test_files_of_a_table_are_not_read_as_plain_ones(self, engine: Engine, connection: BaseConnection) -> None:
        """That would give rows that were removed, too."""
        self.write(engine, connection, [{"id": 1}])
        self.write(engine, connection, [{"id": 2}])
        with pytest.raises(DataError, match=r"lake:t is a Delta table; read it with format: delta"):
            engine.read(connection, "parquet", "t")

    @pytest.mark.parametrize("damage", ["garbage", "first gone", "gap"])
    def test_a_damaged_log(self, engine: Engine, connection: BaseConnection, damage: str) -> None:
        """It is told, and what helps."""
        for number in range(3):
            self.write(engine, connection, [{"id": number}], mode="append")
        place = connection.location("t")
        files = files_for(place)
        for entry in files.entries(files.join(place.uri, "_delta_log")):
            if entry.name.startswith(".") or entry.name.endswith(".crc"):
                files.delete(entry.path)  # Spark's checksums, which tell what a commit says
        number = {"garbage": 2, "first gone": 0, "gap": 1}[damage]
        path = files.join(place.uri, "_delta_log", f"{number:020}.json")
        files.delete(path)
        if damage == "garbage":
            with files.open_write(path) as file:
                file.write(b"garbage")
        with pytest.raises(DataError, match=r"the table's log \(_delta_log\) can not be read"):
            self.read_all(engine, connection)

    # -- maintenance ---------------------------------------------------------------------------------------------------

    def test_history_has_one_shape(self, engine: Engine, connection: BaseConnection) -> None:
        """Numbers are numbers, lists are lists, names are in snake_case, and times are moments."""
        self.write(engine, connection, ROWS, SCHEMA, partition_by=("p",))
        target = Target(connection, "t", "delta", mode="append", metadata={"run": "r1"})
        engine.save(engine.adopt(arrow_table(ROWS, SCHEMA)), target)
        engine.restore_delta(connection, "t", 0)
        restored, appended, made = engine.get_delta_history(connection, "t")
        assert set(made) == {"version", "timestamp", "operation", "parameters", "metrics", "user_metadata"}
        assert [commit["version"] for commit in (restored, appended, made)] == [2, 1, 0]
        assert all(abs(datetime.now(UTC) - commit["timestamp"]) < timedelta(hours=1) for commit in (made, restored))
        assert restored["operation"] == "RESTORE"
        assert restored["parameters"]["version"] == 0
        assert restored["metrics"]["num_removed_files"] == 3
        assert restored["metrics"]["num_restored_files"] == 0
        assert (appended["metrics"]["num_output_rows"], appended["metrics"]["num_files"]) == (3, 3)
        assert (appended["user_metadata"], made["user_metadata"]) == ('{"run": "r1"}', None)
        assert [len(engine.get_delta_history(connection, "t", limit)) for limit in (1, 2, 9)] == [1, 2, 3]
        with pytest.raises(DataError, match=r"limit is 0; give a number from 1"):
            engine.get_delta_history(connection, "t", 0)

    def test_restore(self, engine: Engine, connection: BaseConnection) -> None:
        """Rows, schema and partitioning come back as a new version."""
        self.write(engine, connection, [{"a": 1, "p": "x"}], partition_by=("p",))
        self.write(engine, connection, [{"b": "y"}])
        counts = {"num_restored_files": 1, "num_removed_files": 1}
        assert engine.restore_delta(connection, "t", 0) == {"version": 2, "restored_version": 0, **counts}
        self.holds(engine, connection, [{"a": 1, "p": "x"}])
        self.write(engine, connection, [{"a": 2, "p": "y"}], mode="append", partition_by=("p",))
        same = {"version": 3, "restored_version": 3, "num_restored_files": 0, "num_removed_files": 0}
        assert engine.restore_delta(connection, "t", 3) == same
        for version in (9, -1):
            with pytest.raises(DataNotFoundError, match=f"has no version {version}; its log has versions 0 to 3$"):
                engine.restore_delta(connection, "t", version)

    def test_vacuum(self, engine: Engine, connection: BaseConnection) -> None:
        """It lists, then deletes; what is gone can not come back."""
        for number in range(3):
            self.write(engine, connection, [{"id": number, "p": "a b"}], partition_by=("p",))
        dry = engine.vacuum_delta(connection, "t", 0, dry_run=True, enforce_retention_duration=False)
        assert (dry["files_deleted"], len(dry["files"]), dry["dry_run"]) == (0, 2, True)
        assert all(file.startswith("p=a") and file.endswith(".parquet") for file in dry["files"])
        done = engine.vacuum_delta(connection, "t", 0, enforce_retention_duration=False)
        assert (done["files_deleted"], len(done["files"]), done["dry_run"]) == (2, 2, False)
        self.holds(engine, connection, [{"id": 2, "p": "a b"}])
        with pytest.raises(DataNotFoundError, match=r"version 0 can not be restored, since its data file \S+ is gone"):
            engine.restore_delta(connection, "t", 0)

    @pytest.mark.parametrize(
        ("hours", "said"),
        [
            (-1, "retention_hours is -1; give a number of hours"),
            (float("nan"), "give a number"),
            (1, "lake:t: retention_hours 1 is below the table's minimum: 168 hours; .*--no-enforce"),
        ],
    )
    def test_retentions_that_are_refused(
        self, engine: Engine, connection: BaseConnection, hours: float, said: str
    ) -> None:
        """Nothing is deleted."""
        self.write(engine, connection, [{"id": 1}])
        self.write(engine, connection, [{"id": 2}])
        with pytest.raises(DataError, match=said):
            engine.vacuum_delta(connection, "t", hours)
        self.holds(engine, connection, [{"id": 1}], versionAsOf=0)

    def test_odd_names_of_folders(self, engine: Engine, connection: BaseConnection) -> None:
        """They are quoted wherever they are used."""
        name = 'a `b\' "c" é # 50% @v1' if connection.location("").local_path is not None else "a `b' é @v1"
        for number in range(2):
            self.write(engine, connection, [{"id": number}], name=name)
        self.holds(engine, connection, [{"id": 0}], name=name, versionAsOf=0)
        engine.restore_delta(connection, name, 0)
        self.holds(engine, connection, [{"id": 0}], name=name)
        assert len(engine.get_delta_history(connection, name)) == 3
        assert engine.vacuum_delta(connection, name, 0, True, False)["files_deleted"] == 0

    # -- properties ----------------------------------------------------------------------------------------------------

    def test_a_table_gets_its_properties(self, engine: Engine, connection: BaseConnection) -> None:
        """When it is made; later they are left alone, and that is told."""
        options = {"table_properties": {"delta.appendOnly": "true", "delta.logRetentionDuration": "interval 9 days"}}
        self.write(engine, connection, [{"id": 1}], options=options)
        with pytest.raises(UnsupportedError, match=r"append-only \(delta.appendOnly\)"):
            self.write(engine, connection, [{"id": 2}], options=options)
        self.write(engine, connection, [{"id": 2}], mode="append")
        with pytest.raises(UnsupportedError, match=r"lake:t is append-only \(delta.appendOnly\), so it can not"):
            engine.restore_delta(connection, "t", 0)
        options["table_properties"]["delta.logRetentionDuration"] = "interval 5 days"
        report = self.write(engine, connection, [{"id": 3}], mode="append", options=options)
        assert any("SET TBLPROPERTIES ('delta.logRetentionDuration' = 'interval 5 days')" in w for w in report.warnings)

    def test_a_property_that_delta_does_not_have(self, engine: Engine, connection: BaseConnection) -> None:
        """Nothing is made."""
        said = r"(?i)^lake:t: Delta has no table property 'delta.apendOnly'; did you mean 'delta.appendOnly'\?"
        with pytest.raises(UnsupportedError, match=said):
            self.write(engine, connection, [{"id": 1}], options={"table_properties": {"delta.apendOnly": "true"}})
        with pytest.raises(DataNotFoundError):
            self.read(engine, connection)

    def test_features_are_not_turned_on_silently(self, engine: Engine, connection: BaseConnection) -> None:
        """Other engines may not be able to work with such a table."""
        options = {"table_properties": {"delta.enableTypeWidening": "true"}}
        said = "delta.enableTypeWidening turns on the Delta feature typeWidening"
        frame = engine.native(engine.adopt(arrow_table([{"id": 1}])))
        with pytest.raises(ConfigError, match=rf"(?s){said}.*allow_features: \[typeWidening\]"):
            engine.write(frame, connection, path="t", options=options)
        with pytest.raises(UnsupportedError, match=said):
            self.write(engine, connection, [{"id": 1}], options=options)
        with pytest.raises(DataNotFoundError):
            self.read(engine, connection)

    # -- helpers -------------------------------------------------------------------------------------------------------

    def write(
        self,
        engine: Engine,
        connection: BaseConnection,
        rows: Rows,
        schema: Mapping[str, str] | None = None,
        name: str = "t",
        **facts: Any,
    ) -> WriteReport:
        """Write rows to a table."""
        return engine.save(engine.adopt(arrow_table(rows, schema)), Target(connection, name, "delta", **facts))

    def read(self, engine: Engine, connection: BaseConnection, name: str = "t", **options: Any) -> Any:
        """A native frame over a table."""
        return engine.read(connection, "delta", name, options=options)

    def read_all(self, engine: Engine, connection: BaseConnection) -> Any:
        """All rows, in Python's hands."""
        return engine.narwhals(engine.scan(Source(connection, "t", "delta")), lazy=False)

    def holds(self, engine: Engine, connection: BaseConnection, rows: Rows, name: str = "t", **options: Any) -> None:
        """The table has these rows."""
        found = self.read(engine, connection, name, **options)
        if rows:
            assert_frame_equal(found, list(rows), check_dtypes=False)
        else:
            assert len(engine.narwhals(engine.adopt(found), lazy=False)) == 0

    def put(self, connection: BaseConnection, path: str) -> None:
        """A file that is there, whatever it holds."""
        place = connection.location(path)
        with files_for(place).open_write(place.uri) as file:
            file.write(b"x")

    def history(self, engine: Engine, connection: BaseConnection, name: str) -> Any:
        """The commits of a table."""
        return engine.get_delta_history(connection, name)

    def vacuum(self, engine: Engine, connection: BaseConnection, name: str) -> Any:
        """Delete old files of a table."""
        return engine.vacuum_delta(connection, name)

    def restore(self, engine: Engine, connection: BaseConnection, name: str) -> Any:
        """Bring back the first version of a table."""
        return engine.restore_delta(connection, name, 0)
