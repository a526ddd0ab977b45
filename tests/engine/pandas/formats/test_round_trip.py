"""What is written comes back, through every format that can hold it."""

from __future__ import annotations

from pathlib import Path

import pytest

from odibi.connections import LocalConnection
from odibi.engine.base import Source, Target
from odibi.engine.pandas.formats import FORMATS
from odibi.engine.pandas.session import DuckFrame, Session
from odibi.errors import DataError
from odibi.files import staged
from odibi.types import parse_type

PLAIN = """
SELECT * FROM (VALUES
  (1, 9007199254740993, 1.5::DOUBLE, 'a,b "c"', true, DATE '2024-01-02', TIMESTAMP '2024-01-02 03:04:05.123456'),
  (2, -9223372036854775808, 1e300::DOUBLE, E'two\\nlines ä €', false, DATE '1969-12-31',
   TIMESTAMP '2024-01-02 00:00:00'),
  (NULL, NULL, NULL, NULL, NULL, NULL, NULL)
) t("id no", big, num, "te""xt", flag, "tag é", "when")
"""
NESTED = """
SELECT 1::BIGINT AS id, [1, NULL, 3]::BIGINT[] AS list, {'a': 'x', 'b': [{'c': 2::BIGINT}]} AS tree
UNION ALL SELECT 2, NULL, NULL UNION ALL SELECT 3, [], {'a': NULL, 'b': []}
"""
ALL = ("csv", "parquet", "json", "excel", "avro")
SUFFIX = {"csv": ".csv", "parquet": ".parquet", "json": ".jsonl", "excel": ".xlsx", "avro": ".avro"}


@pytest.fixture
def session():
    session = Session()
    yield session
    session.close()


class Lake:
    """A folder, and frames written to it and read from it."""

    def __init__(self, session: Session, folder: Path) -> None:
        self.session, self.connection = session, LocalConnection(folder, name="lake")

    def write(self, sql: str, path: str, format: str, **facts) -> int:
        target = Target(self.connection, path, format, **facts)
        with staged(target.location(), folder=bool(target.partition_by)) as place:
            return FORMATS[format].write(self.session, self.session.frame(sql), target, place)

    def read(self, path: str, format: str, schema=None, **options) -> DuckFrame:
        types = {name: parse_type(text) for name, text in (schema or {}).items()}
        return FORMATS[format].scan(self.session, Source(self.connection, path, format, options, types))

    def rows(self, frame: DuckFrame | str) -> list[tuple]:
        sql = frame if isinstance(frame, str) else frame.sql
        frames = () if isinstance(frame, str) else (frame,)
        return sorted(self.session.execute(f"SELECT * FROM ({sql}\n)", *frames), key=repr)


@pytest.fixture
def lake(session, tmp_path):
    return Lake(session, tmp_path)


def types(frame: DuckFrame) -> dict[str, str]:
    return {column.name: column.type_name for column in frame.columns}


@pytest.mark.parametrize("format", ["csv", "parquet", "json", "excel"])
def test_names_text_numbers_and_nulls_come_back(lake, format):
    rows = lake.write(PLAIN, "t" + SUFFIX[format], format)
    declared = {"id no": "int", "big": "bigint", "num": "double", 'te"xt': "string", "flag": "boolean", "tag é": "date",
                "when": "timestamp_ntz"}  # fmt: skip
    frame = lake.read("t" + SUFFIX[format], format, declared)
    assert rows == 3
    assert types(frame) == declared
    expected = lake.rows(PLAIN)
    if format == "excel":  # a sheet keeps milliseconds, and has no row for nothing but NULLs at its end
        expected = [
            (*row[:6], row[6] and row[6].replace(microsecond=123000 if row[6].microsecond else 0))
            for row in expected[:2]
        ]
    assert lake.rows(frame) == expected


@pytest.mark.parametrize("format", ["csv", "parquet", "excel"])
def test_types_are_found_again(lake, format):
    sql = PLAIN if format != "excel" else f"SELECT * REPLACE (big // 2048 AS big) FROM ({PLAIN})"
    lake.write(sql, "t" + SUFFIX[format], format)
    frame = lake.read("t" + SUFFIX[format], format)
    assert list(types(frame).values())[1:] == ["bigint", "double", "string", "boolean", "date", "timestamp_ntz"]


@pytest.mark.parametrize("format", ["parquet", "json", "avro"])
def test_nested_values_come_back(lake, format):
    lake.write(NESTED, "n" + SUFFIX[format], format)
    assert lake.rows(lake.read("n" + SUFFIX[format], format)) == lake.rows(NESTED)


@pytest.mark.parametrize("format", ["csv", "excel"])
@pytest.mark.parametrize("column", ["[1] AS odd", "{'a': 1} AS odd", "MAP {'k': 1} AS odd", "'x'::BLOB AS odd"])
def test_flat_formats_refuse_nested_columns(lake, format, column):
    with pytest.raises(DataError, match=r"can not hold column 'odd' of type .*write parquet"):
        lake.write(f"SELECT 1 AS id, {column}", "n" + SUFFIX[format], format)
    assert not (lake.connection.base_path / ("n" + SUFFIX[format])).exists()


@pytest.mark.parametrize("format", ALL)
def test_zoned_timestamps_and_decimals(lake, format):
    sql = (
        "SELECT TIMESTAMPTZ '2024-01-02 03:04:05+02' AS moment, 12345678901234567.89::DECIMAL(19,2) AS amount, "
        "7::BIGINT AS id"
    )
    if format == "excel":
        sql = sql.replace("12345678901234567.89", "1234567.89")  # a sheet's numbers are doubles
    lake.write(sql, "z" + SUFFIX[format], format)
    frame = lake.read("z" + SUFFIX[format], format, {"moment": "timestamp", "amount": "decimal(19,2)", "id": "bigint"})
    found = lake.session.execute(f"SELECT epoch_us(moment), amount::VARCHAR, id FROM ({frame.sql}\n)", frame)
    assert found == lake.session.execute(f"SELECT epoch_us(moment), amount::VARCHAR, id FROM ({sql})")


@pytest.mark.parametrize("format", ["csv", "parquet", "json", "avro"])
def test_zoned_timestamps_are_recognised(lake, format):
    lake.write("SELECT TIMESTAMPTZ '2024-01-02 03:04:05+02' AS moment", "z" + SUFFIX[format], format)
    expected = "string" if format == "json" else "timestamp"  # a JSON text is text unless declared
    assert types(lake.read("z" + SUFFIX[format], format)) == {"moment": expected}


@pytest.mark.parametrize("format", ["csv", "parquet", "json", "avro"])
def test_non_finite_numbers_come_back(lake, format):
    sql = "SELECT unnest(['nan', 'inf', '-inf', '1.5']::DOUBLE[]) AS x"
    lake.write(sql, "f" + SUFFIX[format], format)
    assert lake.rows(lake.read("f" + SUFFIX[format], format)).__repr__() == lake.rows(sql).__repr__()


@pytest.mark.parametrize("format", ALL)
def test_no_rows(lake, format):
    rows = lake.write("SELECT 1::BIGINT AS id, 'x' AS name WHERE false", "e" + SUFFIX[format], format)
    frame = lake.read("e" + SUFFIX[format], format, {"id": "bigint", "name": "string"})
    assert rows == 0
    assert types(frame) == {"id": "bigint", "name": "string"}
    assert lake.rows(frame) == []


@pytest.mark.parametrize("format", ALL)
def test_two_thousand_columns(lake, format):
    sql = f"SELECT {', '.join(f'{n}::BIGINT AS c{n}' for n in range(2000))}"
    lake.write(sql, "w" + SUFFIX[format], format)
    frame = lake.read("w" + SUFFIX[format], format)
    assert len(frame.columns) == 2000
    assert lake.rows(frame) == [tuple(range(2000))]


@pytest.mark.parametrize("format", ALL)
def test_columns_are_picked_in_the_order_asked(lake, format):
    lake.write("SELECT 1::BIGINT AS a, 2::BIGINT AS b, 3::BIGINT AS c", "p" + SUFFIX[format], format)
    assert lake.rows(lake.read("p" + SUFFIX[format], format, columns=("c", "a"))) == [(3, 1)]
    with pytest.raises(DataError, match=r"has no column 'cc'; did you mean 'c'\? known: a, b, c"):
        lake.read("p" + SUFFIX[format], format, columns=("cc",))


@pytest.mark.parametrize(
    ("path", "format"), [("a.csv.gz", "csv"), ("a.csv.zst", "csv"), ("a.jsonl.gz", "json"), ("a.json.zst", "json")]
)
def test_compressed_text(lake, path, format):
    lake.write("SELECT 1::BIGINT AS a, 'ä' AS b", path, format)
    assert (lake.connection.base_path / path).read_bytes()[:2] in (b"\x1f\x8b", b"\x28\xb5")
    assert lake.rows(lake.read(path, format)) == [(1, "ä")]


@pytest.mark.parametrize("format", ["csv", "parquet", "json"])
def test_partitioned_folders(lake, format):
    sql = "SELECT * FROM (VALUES (1::BIGINT, 2024::BIGINT, 'x/y'), (2, 2023, NULL)) t(a, year, tag)"
    lake.write(sql, "parts", format, partition_by=("year", "tag"))
    assert lake.rows(lake.read("parts", format)) == lake.rows(sql)
    assert lake.rows(lake.read("parts/year=2024", format, columns=("a",))) == [(1,)]
    names = [column.name for column in lake.read("parts/year=2024", format).columns]
    assert names == ["a", "tag"]  # a partition above what is read is not part of it


def test_null_and_empty_text_differ_in_csv_when_asked(lake):
    sql = "SELECT unnest(['', NULL, 'x']) AS t, 1::BIGINT AS id"
    lake.write(sql, "e.csv", "csv")
    assert lake.rows(lake.read("e.csv", "csv", empty_as_null=False)) == lake.rows(sql)


def test_json_array(lake):
    lake.write("SELECT unnest([1, 2]) AS a", "a.json", "json", options={"lines": False})
    assert (lake.connection.base_path / "a.json").read_text().lstrip().startswith("[")
    assert lake.rows(lake.read("a.json", "json")) == [(1,), (2,)]


def test_binary_in_json_is_base64(lake):
    lake.write("SELECT 'a\\xFF'::BLOB AS b", "b.jsonl", "json")
    assert lake.rows(lake.read("b.jsonl", "json", {"b": "binary"})) == [(b"a\xff",)]


def test_formulas_are_text_in_excel(lake):
    lake.write("SELECT '=1+1' AS a", "f.xlsx", "excel")
    assert lake.rows(lake.read("f.xlsx", "excel")) == [("=1+1",)]


def test_avro_names(lake):
    with pytest.raises(DataError, match=r"avro can not hold the name 'a b'.*rename"):
        lake.write('SELECT 1 AS "a b"', "n.avro", "avro")


def test_csv_in_another_encoding(lake):
    lake.write("SELECT 'ä' AS t", "l.csv", "csv", options={"encoding": "cp1252"})
    assert b"\xe4" in (lake.connection.base_path / "l.csv").read_bytes()
    assert lake.rows(lake.read("l.csv", "csv", encoding="cp1252")) == [("ä",)]
    with pytest.raises(DataError, match="does not exist in the encoding"):
        lake.write("SELECT '漢' AS t", "m.csv", "csv", options={"encoding": "cp1252"})


def test_csv_write_options(lake):
    options = {"delimiter": ";", "null_values": "NA", "date_format": "dd/MM/yyyy", "quote_all": True, "header": False}
    lake.write("SELECT DATE '2024-01-02' AS d, NULL::INT AS n, 'x' AS t", "o.csv", "csv", options=options)
    assert (lake.connection.base_path / "o.csv").read_text() == '"02/01/2024";NA;"x"\n'


def test_remote_files_are_read_and_written(session):
    from odibi.connections.base import BaseConnection, check_relative

    class Memory(BaseConnection):
        type_name = "memory"
        name = "mem"

        def get_path(self, relative: str = "") -> str:
            return f"memory://odibi-formats/{check_relative(relative)}".rstrip("/")

    lake = Lake.__new__(Lake)
    lake.session, lake.connection = session, Memory()
    for format in ALL:
        lake.write("SELECT 1::BIGINT AS a, 'x' AS b", "d/t" + SUFFIX[format], format)
        assert lake.rows(lake.read("d/t" + SUFFIX[format], format)) == [(1, "x")]
    lake.write("SELECT 2::BIGINT AS a, 'y' AS b", "d/u.csv.gz", "csv")
    assert lake.rows(lake.read("d/*.csv*", "csv")) == [(1, "x"), (2, "y")]
