"""What every format must do on every engine and every connection."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, ClassVar

import pytest

from odibi.connections import BaseConnection
from odibi.engine import Engine
from odibi.engine.base import Source, Target, WriteReport
from odibi.errors import DataError, DataNotFoundError, OdibiError, TargetExistsError
from odibi.files import files_for
from odibi.formats import FORMATS
from odibi.testing.compare import assert_frame_equal
from odibi.testing.contracts.base import OnPlace, Rows
from odibi.testing.frames import arrow_table
from odibi.types import parse_type

Schema = Mapping[str, str]

PLAIN: Schema = {
    "id": "bigint", "name": "string", "price": "double", "ok": "boolean", "day": "date", "at": "timestamp_ntz",
}  # fmt: skip
_VALUES: Sequence[tuple[Any, ...]] = (
    (1, "a", 0.1, True, date(2024, 2, 29), datetime(2024, 1, 1, 12, 30, 15)),  # noqa: DTZ001
    (-2, 'quo"te, "x"', -1e300, False, date(1970, 1, 1), datetime(1999, 12, 31)),  # noqa: DTZ001
    (None, None, None, None, None, None),
    (4, "new\nline; ünï 🎈", 3.0, True, date(2030, 1, 1), datetime(2001, 2, 3, 4, 5, 6)),  # noqa: DTZ001
)
PLAIN_ROWS: Rows = [dict(zip(PLAIN, values, strict=True)) for values in _VALUES]
ODD_NAMES = ("with space", 'quo"te', "it's", "ünïcode🎈", "semi;colon", "a,b", "order", "1st", "a.b", "%x")
EVERYTHING = frozenset(
    {"big integers", "decimals", "zoned", "nested", "binary", "non-finite", "many columns", "no rows", "every name"}
)


class FormatContract(OnPlace):
    """What is written in a format is what is read: values, types (declared where the format knows none), names."""

    format: ClassVar[str]
    """The format's name."""
    suffix: ClassVar[str]
    """What a path of this format ends in."""
    holds: ClassVar[frozenset[str]] = EVERYTHING
    """What the format can hold; what it can not must be refused with a message, never changed silently."""
    read_options: ClassVar[Mapping[str, Any]] = {}
    """Options without which what these tests write can not be read."""
    many: ClassVar[int] = 2000
    """How many columns wide data has."""
    illegal_names: ClassVar[Sequence[str]] = ()
    """Column names, of the odd ones, that the format can not hold."""

    # -- modes ---------------------------------------------------------------------------------------------------------

    def test_what_is_written_is_read(self, engine: Engine, connection: BaseConnection) -> None:
        """All plain types, NULLs, quotes and line breaks."""
        report = self.write(engine, connection, PLAIN_ROWS, PLAIN)
        assert (report.rows, report.written) == (4, True)
        self.check(engine, connection, PLAIN_ROWS, PLAIN)

    def test_overwrite_replaces(self, engine: Engine, connection: BaseConnection) -> None:
        """Rows and schema."""
        self.write(engine, connection, PLAIN_ROWS, PLAIN)
        self.write(engine, connection, [{"other": 1}], {"other": "bigint"})
        self.check(engine, connection, [{"other": 1}], {"other": "bigint"})

    def test_append_adds(self, engine: Engine, connection: BaseConnection) -> None:
        """The report counts the new rows; the first append makes the target."""
        assert self.write(engine, connection, PLAIN_ROWS[:1], PLAIN, mode="append").rows == 1
        assert self.write(engine, connection, PLAIN_ROWS[1:], PLAIN, mode="append").rows == 3
        self.check(engine, connection, PLAIN_ROWS, PLAIN)

    def test_error_leaves_what_is_there(self, engine: Engine, connection: BaseConnection) -> None:
        """The message names the place and the ways out."""
        self.write(engine, connection, PLAIN_ROWS, PLAIN, mode="error")
        with pytest.raises(TargetExistsError, match=r"exists.*(append|overwrite)"):
            self.write(engine, connection, PLAIN_ROWS[:1], PLAIN, mode="error")
        self.check(engine, connection, PLAIN_ROWS, PLAIN)

    def test_ignore_leaves_what_is_there(self, engine: Engine, connection: BaseConnection) -> None:
        """And says that nothing was written."""
        self.write(engine, connection, PLAIN_ROWS, PLAIN, mode="ignore")
        assert not self.write(engine, connection, PLAIN_ROWS[:1], PLAIN, mode="ignore").written
        self.check(engine, connection, PLAIN_ROWS, PLAIN)

    def test_a_refused_write_leaves_no_litter(self, engine: Engine, connection: BaseConnection) -> None:
        """What fails on the way leaves the target and its folder as they were."""
        self.write(engine, connection, PLAIN_ROWS, PLAIN)
        before = self.listing(connection)
        with pytest.raises(OdibiError):
            engine.save(self.broken(engine), self.target(connection, "overwrite"))
        assert self.listing(connection) == before
        self.check(engine, connection, PLAIN_ROWS, PLAIN)

    def test_nothing_there_names_what_is_close(self, engine: Engine, connection: BaseConnection) -> None:
        """Also a `FileNotFoundError`."""
        self.write(engine, connection, PLAIN_ROWS, PLAIN)
        with pytest.raises(DataNotFoundError, match="does not exist") as caught:
            engine.read(connection, self.format, f"t_{self.suffix}")
        assert isinstance(caught.value, FileNotFoundError)
        assert f"t{self.suffix}" in str(caught.value)

    # -- odd but right -------------------------------------------------------------------------------------------------

    def test_no_rows(self, engine: Engine, connection: BaseConnection) -> None:
        """Columns and types stay."""
        self.holds_or_refuses("no rows", engine, connection, [], PLAIN)

    @pytest.mark.parametrize("name", ODD_NAMES)
    def test_odd_column_names(self, engine: Engine, connection: BaseConnection, name: str) -> None:
        """Spaces, quotes, signs, unicode, keywords."""
        schema = {"id": "bigint", name: "string"}
        rows: Rows = [{"id": 1, name: "x"}]
        if name in self.illegal_names:
            with pytest.raises(OdibiError) as caught:
                self.write(engine, connection, rows, schema)
            assert name in str(caught.value)
            return
        self.write(engine, connection, rows, schema)
        self.check(engine, connection, rows, schema)

    def test_many_columns(self, engine: Engine, connection: BaseConnection) -> None:
        """Wide data is slow at most."""
        names = [f"c{number}" for number in range(self.many)]
        rows: Rows = [{name: number for number, name in enumerate(names)}]
        self.holds_or_refuses("many columns", engine, connection, rows, dict.fromkeys(names, "bigint"))

    def test_integers_beyond_doubles(self, engine: Engine, connection: BaseConnection) -> None:
        """2^53 + 1 is no double."""
        rows: Rows = [{"i": 1, "n": 2**53 + 1}, {"i": 2, "n": 2**63 - 1}, {"i": 3, "n": -(2**63)}, {"i": 4, "n": None}]
        self.holds_or_refuses("big integers", engine, connection, rows, {"i": "int", "n": "bigint"})

    def test_decimals(self, engine: Engine, connection: BaseConnection) -> None:
        """Exact, also beyond doubles."""
        values = [Decimal("12345678901234567890.123456789"), Decimal("-0.000000001"), None]
        rows: Rows = [{"i": number, "d": value} for number, value in enumerate(values)]
        self.holds_or_refuses("decimals", engine, connection, rows, {"i": "int", "d": "decimal(38,9)"})

    def test_zoned_timestamps(self, engine: Engine, connection: BaseConnection) -> None:
        """The moment stays, in UTC, to the microsecond."""
        rows: Rows = [{"i": 1, "t": datetime(2024, 3, 31, 1, 59, 59, 123456, tzinfo=UTC)}, {"i": 2, "t": None}]
        self.holds_or_refuses("zoned", engine, connection, rows, {"i": "int", "t": "timestamp"})

    def test_nested(self, engine: Engine, connection: BaseConnection) -> None:
        """Lists of structs, empty and missing ones."""
        schema = {
            "tags": "array<string>",
            "items": "array<struct<id:bigint,price:double>>",
            "s": "struct<a:bigint,b:string>",
        }
        rows: Rows = [
            {"tags": ["x", None], "items": [{"id": 1, "price": 0.5}], "s": {"a": 1, "b": "y"}},
            {"tags": [], "items": [], "s": {"a": None, "b": None}},
            {"tags": None, "items": None, "s": None},
        ]
        self.holds_or_refuses("nested", engine, connection, rows, schema)

    def test_binary(self, engine: Engine, connection: BaseConnection) -> None:
        """Bytes that are no text."""
        self.holds_or_refuses(
            "binary", engine, connection, [{"i": 1, "b": b"\x00\xff\x80"}], {"i": "int", "b": "binary"}
        )

    def test_non_finite_floats(self, engine: Engine, connection: BaseConnection) -> None:
        """NaN and the infinities are values, not NULL."""
        rows: Rows = [
            {"i": place, "x": value} for place, value in enumerate([math.nan, math.inf, -math.inf, None, 1.5])
        ]
        self.holds_or_refuses("non-finite", engine, connection, rows, {"i": "int", "x": "double"})

    # -- compressed files and folders ----------------------------------------------------------------------------------

    @pytest.mark.parametrize("compression", [".gz", ".zst"])
    def test_compressed(self, engine: Engine, connection: BaseConnection, compression: str) -> None:
        """A second suffix compresses the file as a whole."""
        if not FORMATS[self.format].compressible:
            pytest.skip(f"{self.format} files are not compressed as a whole")
        path = f"t{self.suffix}{compression}"
        self.write(engine, connection, PLAIN_ROWS, PLAIN, path=path)
        assert self.raw(connection, path)[:2] == {".gz": b"\x1f\x8b", ".zst": b"\x28\xb5"}[compression]
        self.check(engine, connection, PLAIN_ROWS, PLAIN, path=path)

    def test_folders_and_globs(self, engine: Engine, connection: BaseConnection) -> None:
        """Several files are read as one."""
        if FORMATS[self.format].transactional:
            pytest.skip(f"{self.format} is a table, not files")
        self.write(engine, connection, PLAIN_ROWS[:2], PLAIN, path=f"d/1{self.suffix}")
        self.write(engine, connection, PLAIN_ROWS[2:], PLAIN, path=f"d/2{self.suffix}")
        self.check(engine, connection, PLAIN_ROWS, PLAIN, path="d")
        self.check(engine, connection, PLAIN_ROWS, PLAIN, path=f"d/*{self.suffix}")
        self.check(engine, connection, PLAIN_ROWS[2:], PLAIN, path=f"d/[2-9]{self.suffix}")

    def test_null_partition_values(self, engine: Engine, connection: BaseConnection) -> None:
        """A NULL in the column that splits the data comes back as NULL."""
        if not FORMATS[self.format].partitionable:
            pytest.skip(f"{self.format} is not partitioned")
        schema = {"id": "bigint", "region": "string"}
        rows: Rows = [{"id": 1, "region": "EU west/ü=%"}, {"id": 2, "region": None}, {"id": 3, "region": "US"}]
        target = self.target(connection, "overwrite", "p", ("region",))
        if connection.location("").local_path is None and not FORMATS[self.format].transactional:
            with pytest.raises(DataError, match=r"can not be replaced in one step on an object store.*Delta"):
                engine.save(engine.adopt(arrow_table(rows, schema)), target)
            return
        engine.save(engine.adopt(arrow_table(rows, schema)), target)
        self.check(engine, connection, rows, schema, path="p")

    # -- helpers -------------------------------------------------------------------------------------------------------

    def target(
        self, connection: BaseConnection, mode: str, path: str | None = None, partition_by: tuple[str, ...] = ()
    ) -> Target:
        """Where these tests write."""
        return Target(connection, path or f"t{self.suffix}", self.format, mode, partition_by)

    def write(
        self,
        engine: Engine,
        connection: BaseConnection,
        rows: Rows,
        schema: Schema,
        mode: str = "overwrite",
        path: str | None = None,
    ) -> WriteReport:
        """Write rows of declared types."""
        return engine.save(engine.adopt(arrow_table(rows, schema)), self.target(connection, mode, path))

    def check(
        self, engine: Engine, connection: BaseConnection, rows: Rows, schema: Schema, path: str | None = None
    ) -> None:
        """Read with the declared types, and compare values and types."""
        types = {name: parse_type(text) for name, text in schema.items()}
        options = dict(self.read_options)
        frame = engine.scan(Source(connection, path or f"t{self.suffix}", self.format, options, types))
        assert {column.name: column.type_name for column in frame.columns} == {
            name: str(type) for name, type in types.items()
        }
        assert_frame_equal(engine.narwhals(frame, lazy=True), arrow_table(rows, schema), check_dtypes=False)

    def holds_or_refuses(
        self, feature: str, engine: Engine, connection: BaseConnection, rows: Rows, schema: Schema
    ) -> None:
        """The data comes back as it was, or was refused with a message that leaves nothing behind."""
        if feature in self.holds:
            self.write(engine, connection, rows, schema)
            self.check(engine, connection, rows, schema)
            return
        with pytest.raises(OdibiError):
            self.write(engine, connection, rows, schema)
        assert self.listing(connection) == []

    def broken(self, engine: Engine) -> Any:
        """A frame whose computation fails half-way."""
        from odibi.engine.base import Query

        rows = engine.adopt(arrow_table([{"id": "1"}, {"id": "x"}]))
        return engine.query(Query("SELECT CAST(id AS INT) AS id FROM t", engine.dialect), {"t": rows})[0]

    def listing(self, connection: BaseConnection) -> list[str]:
        """Names of everything in the place, hidden names too."""
        root = connection.location("")
        return [entry.name for entry in files_for(root).entries(root.uri)]

    def raw(self, connection: BaseConnection, path: str) -> bytes:
        """The bytes of a file, or of the first in a folder of files."""
        location = connection.location(path)
        files = files_for(location)
        first = next(files.walk(location.uri)) if files.kind(location.uri) == "folder" else location.uri
        with files.open_read(first) as file:
            return file.read()
