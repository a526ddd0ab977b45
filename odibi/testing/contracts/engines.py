"""What every engine must do, whatever computes underneath."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from odibi.checks import compile_checks
from odibi.config.node import ValidationConfig
from odibi.connections import BaseConnection
from odibi.context import Context, PandasContext
from odibi.engine import Engine
from odibi.engine.base import Checks, NotEmptyCheck, Query, RowCheck, Target, UniqueCheck, WriteReport
from odibi.errors import (
    CheckFailed,
    ConfigError,
    DataError,
    DataNotFoundError,
    OdibiError,
    SchemaMismatchError,
    SqlError,
    TargetExistsError,
    UnknownNameError,
)
from odibi.testing.compare import assert_frame_equal
from odibi.testing.contracts.base import OnPlace, Rows
from odibi.testing.frames import arrow_table
from odibi.types import parse_type

EVERY_TYPE: Mapping[str, tuple[str, Any]] = {
    "flag": ("boolean", True),
    "tiny": ("tinyint", -128),
    "small": ("smallint", 32_767),
    "whole": ("int", -(2**31)),
    "big": ("bigint", 2**63 - 1),
    "single": ("float", 0.5),
    "double": ("double", 1e300),
    "exact": ("decimal(38,10)", Decimal("1234567890123456789.0123456789")),
    "text": ("string", "ünï 🎈\n"),
    "bytes": ("binary", b"\x00\xff"),
    "day": ("date", date(1582, 10, 15)),
    "moment": ("timestamp", datetime(2024, 3, 31, 1, 0, 0, 1, tzinfo=UTC)),
    "wall": ("timestamp_ntz", datetime(2024, 3, 31, 2, 30)),  # noqa: DTZ001
    "tags": ("array<string>", ["a", None]),
    "point": ("struct<x:double,y:double>", {"x": 1.0, "y": None}),
}


class StorageContract(OnPlace):
    """What an engine does to tables and files that depends on where they are: every connection is worth these."""

    # -- tables --------------------------------------------------------------------------------------------------------

    def test_every_type_is_kept(self, engine: Engine, connection: BaseConnection) -> None:
        """By name and value, NULL too."""
        schema = {name: type for name, (type, _) in EVERY_TYPE.items()}
        rows: Rows = [{name: value for name, (_, value) in EVERY_TYPE.items()}, dict.fromkeys(EVERY_TYPE)]
        self.write(engine, connection, rows, schema)
        frame = engine.scan(self.source(connection))
        assert {column.name: column.type_name for column in frame.columns} == schema
        assert_frame_equal(engine.narwhals(frame, lazy=True), arrow_table(rows, schema), check_dtypes=False)

    def test_overwrite_replaces_rows_schema_and_partitions(self, engine: Engine, connection: BaseConnection) -> None:
        """The old version stays; the report tells the versions and what changed."""
        self.write(engine, connection, [{"a": 1, "p": "x"}], partition_by=("p",))
        report = self.write(engine, connection, [{"b": "y"}])
        assert (report.rows, report.version_before, report.version_after) == (1, 0, 1)
        assert report.schema_changes
        self.holds(engine, connection, [{"b": "y"}])
        old = engine.read(connection, path="t", options={"versionAsOf": 0})
        assert_frame_equal(old, [{"a": 1, "p": "x"}])

    def test_append_adds_new_columns(self, engine: Engine, connection: BaseConnection) -> None:
        """What a row lacks is NULL, on either side."""
        self.write(engine, connection, [{"id": 1, "a": "x"}])
        self.write(engine, connection, [{"id": 2, "b": "y"}], mode="append")
        self.holds(engine, connection, [{"id": 1, "a": "x", "b": None}, {"id": 2, "a": None, "b": "y"}])

    def test_what_a_write_says_of_itself(self, engine: Engine, connection: BaseConnection) -> None:
        """Counts from the commit; its metadata in the history."""
        metadata = {"run_id": "r-1", "node": "ü"}
        target = Target(connection, "t", "delta", partition_by=("p",), metadata=metadata, reused=True)
        frame = engine.adopt(arrow_table([{"id": 1, "p": 1}, {"id": 2, "p": 2}, {"id": 3, "p": 2}]))
        report = engine.save(frame, target)
        assert (report.rows, report.files, report.partitions) == (3, 2, 2)
        assert report.bytes
        assert report.warnings == (
            (
                "partition_by [p]: 2 of 2 partitions have fewer than 1,000 rows (the smallest 1); "
                "fewer, larger partitions are read faster"
            ),
        )
        commit = engine.get_delta_history(connection, "t")[0]
        assert commit["user_metadata"] == '{"run_id": "r-1", "node": "ü"}'
        assert commit["metrics"]["num_output_rows"] == 3
        self.write(engine, connection, [{"id": 4, "p": 4}])
        assert engine.get_delta_history(connection, "t")[0]["user_metadata"] is None

    @pytest.mark.parametrize("mode", ["overwrite", "append"])
    def test_what_was_written_is_handed_on(self, engine: Engine, connection: BaseConnection, mode: str) -> None:
        """These rows and no others, as the table holds them."""
        self.write(engine, connection, [{"id": 1, "r": 0.5}], {"id": "bigint", "r": "double"})
        frame = self.computed(engine, "SELECT id + 1 AS id, random() AS r FROM t")
        report = engine.save(frame, Target(connection, "t", "delta", mode, reused=True))
        self.write(engine, connection, [{"id": 9, "r": 9.5}], {"id": "bigint", "r": "double"}, "append")
        handed, stored = (
            engine.narwhals(report.frame, lazy=True),
            engine.narwhals(engine.scan(self.source(connection)), True),
        )
        import narwhals as nw

        assert_frame_equal(handed, stored.filter(nw.col("id") == 2))

    def test_nothing_is_left_of_a_table_that_was_not_made(self, engine: Engine, connection: BaseConnection) -> None:
        """The next write finds its place free."""
        row = RowCheck("no_nulls(id)", "id IS NULL", ("id",), engine.dialect)
        with pytest.raises(CheckFailed):
            engine.save(
                engine.adopt(arrow_table([{"id": None}], {"id": "int"})), self.target(connection), Checks((row,))
            )
        with pytest.raises(DataNotFoundError):
            engine.read(connection, path="t")
        report = self.write(engine, connection, [{"id": 1}])
        assert report.version_before is None
        self.holds(engine, connection, [{"id": 1}])

    def test_other_files_do_not_become_a_table(self, engine: Engine, connection: BaseConnection) -> None:
        """They are named."""
        self.write(engine, connection, [{"id": 1}], format="csv")
        target = Target(connection, "t.csv", "delta", "append")
        with pytest.raises(
            DataError, match=r"t\.csv is a (file where the table's folder would go|folder that holds other)"
        ):
            engine.save(engine.adopt(arrow_table([{"id": 1}])), target)
        self.holds(engine, connection, [{"id": 1}], "csv")

    def test_error_and_ignore(self, engine: Engine, connection: BaseConnection) -> None:
        """Both leave what is there, one says so loudly."""
        self.write(engine, connection, [{"id": 1}], mode="error")
        with pytest.raises(TargetExistsError):
            self.write(engine, connection, [{"id": 2}], mode="error")
        assert not self.write(engine, connection, [{"id": 2}], mode="ignore").written
        self.holds(engine, connection, [{"id": 1}])

    def test_partitions_are_pruned_by_filters(self, engine: Engine, connection: BaseConnection) -> None:
        """NULL is a partition of its own."""
        rows: Rows = [{"id": 1, "p": "a"}, {"id": 2, "p": None}, {"id": 3, "p": "b c/ü=%"}]
        report = self.write(engine, connection, rows, partition_by=("p",))
        assert report.partitions == 3
        self.holds(engine, connection, rows)
        found = engine.read(connection, path="t", options={"filters": [["p", "=", "b c/ü=%"]]})
        assert_frame_equal(found, [rows[2]])

    def test_history_restore_and_vacuum(self, engine: Engine, connection: BaseConnection) -> None:
        """Plain data, newest first; nothing that a version needs is lost."""
        for number in (1, 2, 3):
            self.write(engine, connection, [{"id": number}])
        history = engine.get_delta_history(connection, "t")
        assert [commit["version"] for commit in history] == [2, 1, 0]
        assert set(history[0]) >= {"version", "timestamp", "operation", "parameters", "metrics", "user_metadata"}
        assert all(abs(datetime.now(UTC) - commit["timestamp"]) < timedelta(hours=1) for commit in history)
        assert len(engine.get_delta_history(connection, "t", limit=1)) == 1
        engine.restore_delta(connection, "t", 0)
        self.holds(engine, connection, [{"id": 1}])
        with pytest.raises(DataNotFoundError):
            engine.restore_delta(connection, "t", 99)
        with pytest.raises(OdibiError, match="retention"):
            engine.vacuum_delta(connection, "t", retention_hours=0)
        found = engine.vacuum_delta(connection, "t", 0, True, False)
        assert found["files_deleted"] == 0
        assert len(found["files"]) >= 2, "Spark 3.5 leaves a file without rows beside that of each write"
        deleted = engine.vacuum_delta(connection, "t", 0, False, False)
        assert (deleted["files_deleted"], deleted["files"]) == (len(found["files"]), found["files"])
        self.holds(engine, connection, [{"id": 1}])

    @pytest.mark.parametrize("format", ["delta", "parquet", "csv"])
    def test_a_failed_check_leaves_the_target(self, engine: Engine, connection: BaseConnection, format: str) -> None:
        """With `warn` it is written all the same, and reported."""
        self.write(engine, connection, [{"id": 1}], format=format)
        frame = engine.adopt(arrow_table([{"id": 5}, {"id": None}]))
        row = RowCheck("no_nulls(id)", "id IS NULL", ("id",), engine.dialect)
        with pytest.raises(CheckFailed, match="no_nulls"):
            engine.save(frame, self.target(connection, format=format), Checks((row,)))
        self.holds(engine, connection, [{"id": 1}], format)
        report = engine.save(frame, self.target(connection, format=format), Checks((row,), on_fail="warn"))
        assert [check.passed for check in report.checks] == [False]
        self.holds(engine, connection, [{"id": 5}, {"id": None}], format)

    # -- helpers -------------------------------------------------------------------------------------------------------

    def source(self, connection: BaseConnection, format: str = "delta") -> Any:
        """Where these tests read."""
        from odibi.engine.base import Source

        return Source(connection, self.path(format), format)

    def target(
        self,
        connection: BaseConnection,
        mode: str = "overwrite",
        partition_by: tuple[str, ...] = (),
        schema: Mapping[str, Any] | None = None,
        format: str = "delta",
    ) -> Target:
        """Where these tests write."""
        return Target(connection, self.path(format), format, mode, partition_by, schema or {})

    def path(self, format: str) -> str:
        """The path for a format."""
        return "t" if format == "delta" else f"t.{format}"

    def write(
        self,
        engine: Engine,
        connection: BaseConnection,
        rows: Rows,
        schema: Mapping[str, str] | None = None,
        mode: str = "overwrite",
        partition_by: tuple[str, ...] = (),
        format: str = "delta",
    ) -> WriteReport:
        """Write rows."""
        target = self.target(connection, mode, partition_by, format=format)
        return engine.save(engine.adopt(arrow_table(rows, schema)), target)

    def holds(self, engine: Engine, connection: BaseConnection, rows: Rows, format: str = "delta") -> None:
        """Check what is stored."""
        assert_frame_equal(engine.narwhals(engine.scan(self.source(connection, format)), lazy=True), list(rows))

    def computed(self, engine: Engine, sql: str) -> Any:
        """The lazy result of a query; `t` has one row, `id` 1."""
        return engine.query(Query(sql, engine.dialect), {"t": engine.adopt(arrow_table([{"id": 1}]))})[0]


class EngineContract(StorageContract):
    """An engine reads, computes, checks and writes alike, and refuses alike."""

    def test_append_keeps_the_types_of_the_table(self, engine: Engine, connection: BaseConnection) -> None:
        """Where nothing can be lost."""
        self.write(engine, connection, [{"id": 1, "x": 0.5}], {"id": "bigint", "x": "double"})
        self.write(engine, connection, [{"id": 2, "x": 0.25}], {"id": "int", "x": "float"}, "append")
        self.holds(engine, connection, [{"id": 1, "x": 0.5}, {"id": 2, "x": 0.25}])
        columns = engine.scan(self.source(connection)).columns
        assert [column.type_name for column in columns] == ["bigint", "double"]

    @pytest.mark.parametrize(
        ("had", "given", "value"),
        [("bigint", "string", "x"), ("date", "bigint", 1), ("boolean", "bigint", 1), ("array<int>", "int", 1)],
    )
    def test_append_refuses_other_types(
        self, engine: Engine, connection: BaseConnection, had: str, given: str, value: Any
    ) -> None:
        """Column and both types are named."""
        self.write(engine, connection, [{"id": None}], {"id": had})
        with pytest.raises(SchemaMismatchError) as caught:
            self.write(engine, connection, [{"id": value}], {"id": given}, "append")
        assert all(word in str(caught.value) for word in ("'id'", had, given))
        self.holds(engine, connection, [{"id": None}])

    def test_a_value_that_does_not_fit_leaves_the_table(self, engine: Engine, connection: BaseConnection) -> None:
        """It is an error, never another value."""
        self.write(engine, connection, [{"id": 1}], {"id": "int"})
        with pytest.raises(OdibiError, match="3000000000"):
            self.write(engine, connection, [{"id": 2}, {"id": 3_000_000_000}], {"id": "bigint"}, "append")
        self.holds(engine, connection, [{"id": 1}])

    def test_a_value_that_would_change_is_an_error(self, engine: Engine, connection: BaseConnection) -> None:
        """It is named, with its column."""
        self.write(engine, connection, [{"x": 1.5}], {"x": "double"})
        with pytest.raises(OdibiError, match="column 'x': 9007199254740993 can not be stored as DOUBLE without loss"):
            self.write(engine, connection, [{"x": 2**53 + 1}], {"x": "bigint"}, "append")
        self.write(engine, connection, [{"x": 2**53}], {"x": "bigint"}, "append")
        self.holds(engine, connection, [{"x": 1.5}, {"x": float(2**53)}])

    def test_zoneless_times_become_utc_in_a_zoned_column(self, engine: Engine, connection: BaseConnection) -> None:
        """The report says so."""
        zoned, zoneless = datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 1, 10, 0, 0, 5)  # noqa: DTZ001
        self.write(engine, connection, [{"t": zoned}], {"t": "timestamp"})
        report = self.write(engine, connection, [{"t": zoneless}], {"t": "timestamp_ntz"}, "append")
        assert report.warnings == ("column 't': times without a zone were taken as UTC: the table's column has a zone",)
        self.holds(engine, connection, [{"t": zoned}, {"t": zoneless.replace(tzinfo=UTC)}])

    def test_declared_types_win(self, engine: Engine, connection: BaseConnection) -> None:
        """Over the data's; a value that does not fit is an error, a column that is not there too."""
        types = {"a": parse_type("int"), "N": parse_type("decimal(10,2)"), "s": parse_type("struct<x:bigint,y:string>")}
        frame = engine.adopt(arrow_table([{"a": "12", "n": 2.5, "s": {"x": 1}}], {"s": "struct<x:int>"}))
        engine.save(frame, self.target(connection, schema=types))
        columns = engine.scan(self.source(connection)).columns
        assert {column.name: column.type_name for column in columns} == {
            "a": "int", "n": "decimal(10,2)", "s": "struct<x:bigint,y:string>",
        }  # fmt: skip
        self.holds(engine, connection, [{"a": 12, "n": Decimal("2.50"), "s": {"x": 1, "y": None}}])
        with pytest.raises(SchemaMismatchError, match="declares 'aa', which the data does not have; did you mean 'a'"):
            engine.save(frame, self.target(connection, schema={"aa": parse_type("int")}))
        with pytest.raises(SchemaMismatchError, match=r"column 's': .* can not be cast to the declared int"):
            engine.save(frame, self.target(connection, schema={"s": parse_type("int")}))
        with pytest.raises(OdibiError, match=r"column 'n': 2\.5 can not be stored as INTEGER without loss"):
            engine.save(frame, self.target(connection, schema={"n": parse_type("int")}))

    def test_names_match_without_case(self, engine: Engine, connection: BaseConnection) -> None:
        """An append keeps the table's spelling and order; an overwrite takes the data's, and says so."""
        self.write(engine, connection, [{"Id": 1, "Name": "x"}])
        self.write(engine, connection, [{"NAME": "y", "id": 2}], mode="append")
        assert [column.name for column in engine.scan(self.source(connection)).columns] == ["Id", "Name"]
        self.holds(engine, connection, [{"Id": 1, "Name": "x"}, {"Id": 2, "Name": "y"}])
        report = self.write(engine, connection, [{"name": "z", "id": 3}])
        assert report.schema_changes == ("renamed column Name → name", "renamed column Id → id")
        assert [column.name for column in engine.scan(self.source(connection)).columns] == ["name", "id"]

    def test_names_are_repaired_when_asked(self, engine: Engine, connection: BaseConnection) -> None:
        """Declared types and partitions may be told by either name."""
        target = Target(
            connection, "t", "delta", partition_by=("a b",), schema={"c;d": parse_type("bigint")},
            options={"normalize_names": True},
        )  # fmt: skip
        engine.save(engine.adopt(arrow_table([{"a b": "x", "c;d": "1"}])), target)
        self.holds(engine, connection, [{"a_b": "x", "c_d": 1}])

    def test_partitions_that_can_not_be(self, engine: Engine, connection: BaseConnection) -> None:
        """Are refused; an append keeps the table's."""
        rows: Rows = [{"id": 1, "p": "a", "tags": ["x"]}]
        for by, told in (
            (("nope",), "partition_by names 'nope', which the data does not have"),
            (("tags",), r"column 'tags' is array<string>, by which no table can be partitioned"),
            (("p", "p"), "names a column twice"),
        ):
            with pytest.raises(SchemaMismatchError, match=told):
                self.write(engine, connection, rows, partition_by=by)
        self.write(engine, connection, rows, partition_by=("P",))
        with pytest.raises(SchemaMismatchError, match=r"is partitioned by \[p\], partition_by says \[id\]; an append"):
            self.write(engine, connection, rows, mode="append", partition_by=("id",))
        report = self.write(engine, connection, [{"id": 2, "p": ""}], mode="append")
        assert report.warnings[0].startswith("partition column 'p': empty texts were stored as NULL")
        report = self.write(engine, connection, [{"id": 2, "p": "b"}])
        assert "partitioning: [p] → []" in report.schema_changes

    def test_columns_without_values_ask_for_a_type(self, engine: Engine, connection: BaseConnection) -> None:
        """A declared one serves."""
        frame = self.computed(engine, "SELECT 1 AS id, NULL AS x")
        with pytest.raises(SchemaMismatchError, match=r"'x'.*declare"):
            engine.save(frame, self.target(connection))
        target = self.target(connection, schema={"x": parse_type("date")})
        engine.save(frame, target)
        self.holds(engine, connection, [{"id": 1, "x": None}])

    @pytest.mark.parametrize("names", [("a b",), ("a;b",), ("x", "X")])
    def test_names_that_delta_can_not_hold(
        self, engine: Engine, connection: BaseConnection, names: tuple[str, ...]
    ) -> None:
        """They are refused before anything is written."""
        with pytest.raises(OdibiError) as caught:
            self.write(engine, connection, [dict.fromkeys(names, 1)])
        assert names[-1] in str(caught.value)
        with pytest.raises(DataNotFoundError):
            engine.read(connection, path="t")

    # -- arguments -----------------------------------------------------------------------------------------------------

    def test_arguments_are_judged_in_front(self, engine: Engine, connection: BaseConnection) -> None:
        """Names that do not exist, options nobody knows."""
        frame = engine.native(engine.adopt(arrow_table([{"id": 1}])))
        with pytest.raises(UnknownNameError, match="write mode 'upsert'"):
            engine.write(frame, connection, path="t", mode="upsert")
        with pytest.raises(UnknownNameError, match="format 'parqet'; did you mean 'parquet'"):
            engine.write(frame, connection, "parqet", "t")
        with pytest.raises(UnknownNameError, match="connection 'nowhere'"):
            engine.read("nowhere", path="t")
        with pytest.raises(ConfigError, match=r"unknown option 'delimeter'.*did you mean 'delimiter'"):
            engine.read(connection, path="t.csv", options={"delimeter": ";"})
        with pytest.raises(DataNotFoundError, match="lake:nothing"):
            engine.read(connection, path="nothing")

    def test_native_frames_go_in_and_come_out(self, engine: Engine, connection: BaseConnection) -> None:
        """With all their digits."""
        rows: Rows = [{"id": 2**53 + 1, "d": Decimal("0.10")}, {"id": None, "d": None}]
        native = engine.native(engine.adopt(arrow_table(rows, {"id": "bigint", "d": "decimal(10,2)"})))
        with pytest.warns(UserWarning, match=r"partition_by \[d\].* fewer than 1,000 rows"):
            report = engine.write(native, connection, path="t", options={"partition_by": "d"})
        assert (report.rows, report.version_after) == (2, 0)
        assert_frame_equal(engine.read(connection, path="t"), rows)

    @pytest.mark.parametrize("data", [None, 5, "x", {}, [1], object()])
    def test_what_is_no_frame_is_refused(self, engine: Engine, data: Any) -> None:
        """With what would be right."""
        with pytest.raises(DataError, match="is no frame; return"):
            engine.adopt(data)

    # -- computing -----------------------------------------------------------------------------------------------------

    def test_sql_over_a_context(self, engine: Engine) -> None:
        """As a user calls it."""
        context = PandasContext()
        context.register("orders", engine.native(engine.adopt(arrow_table([{"id": 1}, {"id": 2}]))))
        assert_frame_equal(
            engine.execute_sql("SELECT sum(id) AS n FROM orders", context), [{"n": 3}], check_dtypes=False
        )
        with pytest.raises(SqlError, match=r"'nope'.*id"):
            engine.execute_sql("SELECT nope FROM orders", context)

    @pytest.mark.parametrize(
        "expression", ["1 / (id - id)", "CAST('x' AS INT)", "CAST(3000000000 AS INT)", "CAST(9e30 AS BIGINT)"]
    )
    def test_bad_arithmetic_is_an_error(self, engine: Engine, connection: BaseConnection, expression: str) -> None:
        """Never NULL, never infinity."""
        with pytest.raises(OdibiError):
            engine.save(self.computed(engine, f"SELECT {expression} AS x FROM t"), self.target(connection))
        with pytest.raises(DataNotFoundError):
            engine.read(connection, path="t")

    def test_kept_frames_do_not_change(self, engine: Engine) -> None:
        """What was computed once is the same for all who use it."""
        kept = engine.keep(self.computed(engine, "SELECT random() AS r FROM t"))
        assert not engine.is_lazy(kept)
        assert kept.rows in (1, None)
        both = engine.query(Query("SELECT a.r = b.r AS same FROM a, b", engine.dialect), {"a": kept, "b": kept})[0]
        assert_frame_equal(engine.native(both), [{"same": True}])

    def test_functions_see_native_frames(self, engine: Engine) -> None:
        """And may return what they were given."""

        def function(context: Any, current: Any = None, *, name: str) -> Any:
            assert type(context.get("t")) is type(current)
            return context.get(name)

        frame = engine.adopt(arrow_table([{"id": 2**53 + 1}]))
        result = engine.call(function, Context(engine, {"t": frame}), frame, {"name": "t"})
        assert_frame_equal(engine.native(result), [{"id": 2**53 + 1}])

    # -- checks --------------------------------------------------------------------------------------------------------

    def test_checks_count_what_fails(self, engine: Engine) -> None:
        """In order, none left out."""
        frame = engine.keep(engine.adopt(arrow_table([{"id": 1}, {"id": 1}, {"id": None}])))
        row = RowCheck("no_nulls(id)", "id IS NULL", ("id",), engine.dialect)
        results = engine.check(frame, Checks((row, UniqueCheck("unique(id)", ("id",)), NotEmptyCheck())))
        assert [result.name for result in results] == ["no_nulls(id)", "unique(id)", "not_empty"]
        assert [result.passed for result in results] == [False, False, True]
        assert results[0].failing_rows == 1

    def test_checks_tell_the_same(self, engine: Engine, connection: BaseConnection) -> None:
        """Counts, texts and the first offenders, whether something is written or not."""
        rows: Rows = [
            {"id": 1, "amount": 5, "region": "x", "seen": datetime(2024, 1, 1, 8, tzinfo=UTC)},
            {"id": 1, "amount": None, "region": "y", "seen": None},
            {"id": 2, "amount": -5, "region": None, "seen": None},
        ]
        block = ValidationConfig.model_validate({
            "not_empty": True, "no_nulls": ["amount", "nope"], "unique": ["id"], "ranges": {"amount": {"min": 0}},
            "accepted_values": {"region": ["y"]}, "expressions": ["seen IS NULL", "CAST(region AS INT) > 0"],
            "schema": {"required_columns": ["ID"], "types": {"amount": "int"}},
        })  # fmt: skip
        types = {"id": "bigint", "amount": "bigint", "region": "string", "seen": "timestamp"}
        frame = engine.keep(engine.adopt(arrow_table(rows, types)))
        checks = compile_checks(block, engine.dialect)
        with pytest.raises(CheckFailed) as caught:
            engine.save(frame, self.target(connection), checks)
        for found in (list[Any](caught.value.results), list[Any](engine.check(frame, checks))):
            results = {result.name: result for result in found}
            told = {
                name: (r.passed, r.failing_rows, r.total_rows, r.message, r.examples) for name, r in results.items()
            }
            failed = told.pop("expressions[1]: CAST(region AS INT) > 0")
            assert failed[0] is False
            assert "'x'" in failed[3] or "'y'" in failed[3]
            assert told == {
                "schema": (True, None, None, "", ()),
                "not_empty": (True, None, 3, "", ()),
                "no_nulls(amount)": (False, 1, 3, "1 of 3 rows", [{"id": 1, "amount": None}]),
                "no_nulls(nope)": (
                    False, None, 3, "unknown column 'nope'; known: id, amount, region, seen", (),
                ),
                "unique(id)": (False, 2, 3, "2 of 3 rows share their key with another", [{"id": 1, "rows": 2}]),
                "ranges(amount)": (False, 1, 3, "1 of 3 rows", [{"id": 2, "amount": -5}]),
                "accepted_values(region)": (False, 1, 3, "1 of 3 rows", [{"id": 1, "region": "x"}]),
                "expressions[0]: seen IS NULL": (
                    False, 1, 3, "1 of 3 rows", [{"id": 1, "seen": "2024-01-01 08:00:00+00"}],
                ),
            }  # fmt: skip

    @pytest.mark.parametrize(
        ("values", "block", "failing"),
        [
            (["EU", "US", None, "eu"], {"accepted_values": {"a": ["EU", "US"]}}, 1),
            ([1, 2], {"accepted_values": {"a": [1]}}, 1),
            ([1.5, 2.0], {"accepted_values": {"a": [1.5, 2]}}, 0),
            ([2**53 + 1], {"accepted_values": {"a": [2**53]}}, 1),
            ([1, None], {"accepted_values": {"a": []}}, 1),
            ([date(2024, 1, 1)], {"accepted_values": {"a": ["2024-01-01"]}}, 0),
            ([0, 5, None, 6, -1], {"ranges": {"a": {"min": 0, "max": 5}}}, 2),
            ([1.0, float("nan"), float("inf")], {"ranges": {"a": {"max": 5}}}, 2),
            ([date(2024, 1, 1), date(2023, 12, 31)], {"ranges": {"a": {"min": "2024-01-01"}}}, 1),
            (["b", "z"], {"ranges": {"a": {"max": "c"}}}, 1),
            ([1, None, -1], {"expressions": ["a > 0 -- positive"]}, 1),
            ([None, None, 1], {"unique": ["a"]}, 2),
            ([1, 1, 1, 2], {"unique": ["a"]}, 3),
            ([1, 2], {"ranges": {"A": {"max": 1}}}, 1),
        ],
    )
    def test_what_a_check_counts(
        self, engine: Engine, connection: BaseConnection, values: list[Any], block: Any, failing: int
    ) -> None:
        """NULL is neither in nor out of a range; NaN is in none; keys count NULL like a value."""
        frame = engine.adopt(arrow_table([{"a": value} for value in values]))
        checks = compile_checks(ValidationConfig(**block, on_fail="warn"), engine.dialect)
        (alone,) = engine.check(frame, checks)
        (written,) = engine.save(frame, self.target(connection), checks).checks
        for found in (alone, written):
            assert (found.failing_rows or 0) == failing
            assert found.passed is (failing == 0)
            assert found.total_rows == len(values)

    @pytest.mark.parametrize(
        ("text", "what"), [("sum(a) > 0", "aggregates"), ("row_number() OVER (ORDER BY a) > 0", "window functions")]
    )
    def test_an_expression_is_about_one_row(self, engine: Engine, text: str, what: str) -> None:
        """Where columns are known no sooner than here, it is told as before a run."""
        checks = compile_checks(ValidationConfig(expressions=[text]), engine.dialect)
        (found,) = engine.check(engine.adopt(arrow_table([{"a": 1}])), checks)
        assert (found.passed, found.message) == (
            False,
            f"an expression cannot contain {what}; it is checked row by row",
        )

    # -- before a run --------------------------------------------------------------------------------------------------

    def test_mistakes_are_seen_without_data(self, engine: Engine) -> None:
        """And the columns that a query gives."""
        columns = engine.adopt(arrow_table([{"id": 1, "name": "x"}])).columns
        good = engine.analyse(Query("SELECT id, upper(name) AS n FROM t", engine.dialect), {"t": columns})
        assert not good.problems
        assert good.columns is not None
        assert [(column.name, column.type_name) for column in good.columns] == [("id", "bigint"), ("n", "string")]
        bad = engine.analyse(Query("SELECT nam FROM t", engine.dialect), {"t": columns})
        assert "nam" in bad.problems[0].message
        assert bad.problems[0].offset == 7
        assert engine.analyse(Query("SELECT FROM FROM", engine.dialect), {}).problems
        assert not engine.analyse(Query("SELECT random() AS r FROM t", engine.dialect), {"t": columns}).deterministic
