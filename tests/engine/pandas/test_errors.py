"""DuckDB's exceptions become texts for users, at the place in the SQL that they wrote."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from odibi.engine.pandas.errors import explain, is_interrupt, is_transient
from odibi.errors import AccessError, DataError, DataNotFoundError, OdibiError, SqlError
from odibi.types import Column, parse_type

COLUMNS = (
    Column("id", parse_type("int")),
    Column("naïve", parse_type("string")),
    Column("amount", parse_type("double")),
)
SOURCE = "SELECT 2147483647 AS id, 'ü' AS \"naïve\", 0.0::DOUBLE AS amount"


@pytest.fixture(params=["text", "json"])
def connection(request: pytest.FixtureRequest) -> Iterator[duckdb.DuckDBPyConnection]:
    """A database that tells its errors in one of its two ways."""
    with duckdb.connect() as found:
        found.execute("SET ieee_floating_point_ops = false")
        found.execute(f"CREATE TABLE __odibi_kept_1 AS {SOURCE}")
        found.execute(f"SET errors_as_json = {'true' if request.param == 'json' else 'false'}")
        yield found


def failure(connection: duckdb.DuckDBPyConnection, sql: str) -> duckdb.Error:
    with pytest.raises(duckdb.Error) as caught:
        connection.execute(sql).fetchall()
    return caught.value


def as_run(written: str) -> str:
    return f'WITH "t" AS (FROM memory.main.__odibi_kept_1\n) SELECT * FROM ({written}\n)'


def explained(connection: duckdb.DuckDBPyConnection, written: str) -> OdibiError:
    sql = as_run(written)
    return explain(failure(connection, sql), sql, written, {"t": COLUMNS})


@pytest.mark.parametrize(
    ("written", "message", "word"),
    [
        (
            "SELECT 'é', idd FROM t",
            "there is no column 'idd'; did you mean 'id'? columns of t: id, naïve, amount",
            "idd",
        ),
        ("SELECT\n 'é' AS x,\n  x.y.z\nFROM t q", "there is no table 'x.y'", "x.y.z"),
        ("SELECT foo(id) FROM t", "there is no function foo()", "foo(id)"),
        ("SELECT * FROM t JOIN u USING (id)", "there is no table 'u'", "u"),
        (
            "SELECT id, 'é', CAST(naïve AS INT) FROM t",
            "'ü' is not INTEGER (column 'naïve'); TRY_CAST gives NULL",
            "CAST(naïve",
        ),
        ("SELECT naïve::DATE FROM t", "'ü' is not a date (column 'naïve'); it should look like YYYY-MM-DD;", "::DATE"),
        ("SELECT id::TINYINT FROM t", "2147483647 does not fit TINYINT", "::TINYINT"),
        ("SELECT id::DECIMAL(3,1) FROM t", "does not fit DECIMAL(3,1)", None),
        ("SELECT id, sum(amount) FROM t", "column 'id' must be in GROUP BY", "id,"),
        ("SELECT " + ", ".join(f"id AS column_number_{n}" for n in range(60)) + ", zz FROM t", "no column 'zz'", "zz"),
        ("SELECT id + id FROM t", "overflow: 2147483647 + 2147483647 does not fit INTEGER; cast to a wider type", None),
        ("SELECT 1 / amount FROM t", "division by zero in (1.0 / amount)", None),
        ("SELECT strptime(naïve, '%d') FROM t", "'ü' does not have the format '%d'; try_strptime()", None),
        ("SELECT (SELECT x FROM range(3) r(x)) FROM t", "more than one row", None),
        ("SELECT naïve::JSON FROM t", "'ü' is not JSON", None),
        ("SELECT error('no; way') FROM t", "no; way", None),
    ],
)
def test_what_the_user_reads(
    connection: duckdb.DuckDBPyConnection, written: str, message: str, word: str | None
) -> None:
    error = explained(connection, written)
    assert isinstance(error, DataError)
    assert message in str(error)
    if word is not None:
        assert isinstance(error, SqlError)
        assert error.offset is not None
        assert written[error.offset :].startswith(word)


@pytest.mark.parametrize(
    "written",
    [
        "SELECT idd FROM t",
        "SELECT CAST(naïve AS INT) FROM t",
        "SELECT sum(naïve) FROM t",
        "SELECT id + id FROM t",
        "SELECT t.x.y FROM t",
    ],
)
def test_nothing_of_the_machinery_shows(connection: duckdb.DuckDBPyConnection, written: str) -> None:
    text = str(explained(connection, written))
    for noise in ("__odibi", "memory.main", "Error:", "LINE ", "^", "exception_type", "WITH", "INT32"):
        assert noise not in text
    assert "\n" not in text


@pytest.mark.parametrize("head", ["DESCRIBE ", "CREATE TABLE memory.main.__odibi_kept_9 AS "])
def test_the_place_is_found_when_the_query_ran_inside_a_statement(head: str) -> None:
    written = "SELECT 'é', idd FROM t;\n"
    with duckdb.connect() as connection:
        sql = f"WITH \"t\" AS ({SOURCE}) SELECT * FROM (SELECT 'é', idd FROM t\n)"
        error = explain(failure(connection, head + sql), sql, written, {"t": COLUMNS})
    assert isinstance(error, SqlError)
    assert error.offset == written.index("idd")


def test_a_translated_text_keeps_the_place_of_a_name(connection: duckdb.DuckDBPyConnection) -> None:
    error = explain(
        failure(connection, as_run('SELECT "idd" FROM t')), as_run('SELECT "idd" FROM t'), "SELECT  `idd` FROM t", {}
    )
    assert isinstance(error, SqlError)
    assert error.offset == 9


def test_our_own_sql_has_no_place(connection: duckdb.DuckDBPyConnection) -> None:
    error = explain(failure(connection, "SELECT CAST('x' AS INT)"), "SELECT CAST('x' AS INT)", None, {})
    assert type(error) is DataError
    assert str(error).startswith("'x' is not INTEGER")


# -- files and the machine ---------------------------------------------------------------------------------------------


def of_files(connection: duckdb.DuckDBPyConnection, sql: str) -> OdibiError:
    return explain(failure(connection, sql), sql, None, {})


def test_a_missing_file_names_the_closest(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    (tmp_path / "sales.csv").write_text("a\n1\n")
    error = of_files(connection, f"FROM read_csv('{(tmp_path / 'sale.csv').as_posix()}')")
    assert isinstance(error, DataNotFoundError)
    assert "sale.csv" in str(error)
    assert "did you mean 'sales.csv'?" in str(error)


def test_a_missing_folder(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    path = (tmp_path / "no" / "x.parquet").as_posix()
    assert isinstance(of_files(connection, f"COPY (SELECT 1) TO '{path}'"), DataNotFoundError)


@pytest.mark.parametrize(
    ("name", "content", "read", "message"),
    [
        ("a.parquet", b"x", "read_parquet('{}')", "too small to be a Parquet file"),
        ("b.parquet", b"PAR1" + b"x" * 99 + b"PAR1", "read_parquet('{}')", "is not a whole Parquet file"),
        ("c.csv", b"a,b\n1,2\n1,2,3\n",
         "read_csv('{}', auto_detect=false, header=true, columns={{'a': 'INT', 'b': 'INT'}})",
         "line 3: expected 2 columns, found 3: '1,2,3'"),
        ("d.csv", b"a\n1\nx\n", "read_csv('{}', columns={{'a': 'INT'}}, header=true)",
         "line 3: 'x' is not INTEGER (column 'a')"),
        ("e.csv", b"a,b\n1,\xe9\n", "read_csv('{}')", "the text is not UTF-8"),
        ("f.csv.gz", b"not gzip at all", "read_csv('{}')", "not a GZIP stream"),
        ("g.json", b'{"a":1}\n{"a":\n', "read_json('{}')", "Malformed JSON"),
    ],
)  # fmt: skip
def test_broken_files(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, name: str, content: bytes, read: str, message: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    error = of_files(connection, f"FROM {read.format(path.as_posix())}")
    assert isinstance(error, DataError)
    assert message in str(error)
    assert name in str(error)
    assert "\n" not in str(error)


def test_a_full_disk(connection: duckdb.DuckDBPyConnection) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no device that is always full")
    error = of_files(connection, "COPY (SELECT 1) TO '/dev/full' (FORMAT csv)")
    assert isinstance(error, AccessError)
    assert "no space left" in str(error)
    assert "exception_type" not in str(error)


def test_out_of_memory(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("SET memory_limit = '20MB'")
    connection.execute("SET temp_directory = ''")
    error = of_files(connection, "SELECT list(x ORDER BY x::VARCHAR) FROM range(20000000) t(x)")
    assert isinstance(error, AccessError)
    assert "out of memory" in str(error)
    assert "\n" not in str(error)


def test_a_constraint(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("CREATE TABLE c (a INT NOT NULL)")
    assert isinstance(of_files(connection, "INSERT INTO c VALUES (NULL)"), DataError)


def test_an_interrupt_is_told_from_an_error(connection: duckdb.DuckDBPyConnection) -> None:
    with connection.cursor() as cursor:
        timer = threading.Timer(0.1, cursor.interrupt)
        timer.start()
        error = failure(
            cursor, "SELECT count(*) FROM range(1000000000) a, range(1000) b WHERE a.range % 7 = b.range % 5"
        )
        timer.join()
    assert is_interrupt(error)
    assert not is_interrupt(duckdb.IOException("IO Error: x"))
    assert not is_transient(error)


@pytest.mark.parametrize(
    ("error", "transient"),
    [
        (duckdb.IOException("IO Error: Connection timed out"), True),
        (duckdb.HTTPException("HTTP Error: HTTP code 503 Service Unavailable"), True),
        (duckdb.IOException("IO Error: Could not establish connection"), True),
        (duckdb.IOException('IO Error: No files found that match the pattern "x"'), False),
        (duckdb.IOException('IO Error: Cannot open file "x": Permission denied'), False),
        (duckdb.ConversionException("Conversion Error: timed out"), False),
        (ValueError("timed out"), False),
    ],
)
def test_only_passing_errors_of_input_and_output_are_transient(error: Exception, transient: bool) -> None:
    assert is_transient(error) is transient
    wrapped = AccessError("told to the user")
    wrapped.__cause__ = error
    assert is_transient(wrapped) is transient
