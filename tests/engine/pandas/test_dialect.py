"""SQL of other dialects becomes DuckDB's, or an error at its place in the text as written."""

from __future__ import annotations

import subprocess
import sys

import duckdb
import pytest

from odibi.engine.pandas.dialect import bare, check_dialect, translate
from odibi.errors import SqlError, UnknownNameError


def run(text: str, dialect: str = "spark") -> object:
    """The one value of a query."""
    with duckdb.connect() as connection:
        connection.execute("SET ieee_floating_point_ops = false")
        ((value,),) = connection.execute(translate(text, dialect)).fetchall()
        return value


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SELECT 1", "SELECT 1"),
        ("SELECT 1;", "SELECT 1"),
        ("SELECT 1 ; ;\n-- done;\n", "SELECT 1"),
        ("SELECT 'é;' -- ;", "SELECT 'é;' -- ;"),
        ("SELECT 'é;';", "SELECT 'é;'"),
        ("SELECT 1; SELECT 2", "SELECT 1; SELECT 2"),
    ],
)
def test_a_text_without_its_semicolon(text: str, expected: str) -> None:
    assert bare(text) == expected
    assert translate(text, "duckdb") == expected


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("SELECT 'o''neil' AS r", "o'neil"),
        (r"SELECT 'o\'neil' AS r", "o'neil"),
        ('SELECT "text" AS r', "text"),
        ("SELECT `a b` AS r FROM (SELECT 7 AS `a b`)", 7),
        ("SELECT /*+ BROADCAST(x) */ a AS r FROM (SELECT 7 AS a) x", 7),
        ("SELECT array(10, 20)[1] AS r", 20),
        ("SELECT 7 / 2 AS r", 3.5),
        ("SELECT try_cast('x' AS INT) AS r", None),
        ("SELECT regexp_replace('aXbX', 'X', '-') AS r", "a-b-"),
        ("SELECT concat_ws('-', 'a', NULL, 'b') AS r", "a-b"),
        ("SELECT 1 <=> NULL AS r", False),
        ("SELECT max(v) AS r FROM (SELECT explode(array(1, 5)) AS v)", 5),
        ("SELECT user AS r FROM (SELECT 3 AS user)", 3),
        ("SELECT transform(array(1), x -> x + 1)[0] AS r", 2),
        ("SELECT dayofweek(DATE'2024-03-03') AS r", 1),
        ("SELECT dayofweek(DATE'2024-03-03') + 1 AS r", 2),
        ("SELECT weekday(DATE'2024-03-03') AS r", 6),
        (r"SELECT 'axb' LIKE 'a\\_b' AS r", False),
        (r"SELECT 'axb' NOT LIKE 'a\\_b' AS r", True),
        (r"SELECT 'a%' LIKE p AS r FROM (SELECT 'a\\%' AS p)", True),
        ("SELECT 'a_b' LIKE 'a#_b' ESCAPE '#' AS r", True),
        ("SELECT regexp_replace('bc', '(b)(c)', '$2/$1') AS r", "c/b"),
        ("SELECT CamelCase AS r FROM (SELECT 1 AS CamelCase)", 1),
    ],
)
def test_spark_sql_means_the_same(text: str, value: object) -> None:
    assert run(text) == value
    assert run(text, "databricks") == value


@pytest.mark.parametrize(
    "call",
    [
        "year(d)", "month(d)", "day(d)", "dayofmonth(d)", "dayofyear(d)", "dayofweek(d)", "weekday(d)", "quarter(d)",
        "weekofyear(d)", "hour(t)", "minute(t)", "extract(YEAR FROM d)", "length(s)", "instr(s, 'b')", "locate('b', s)",
        "size(array(1, 2))", "levenshtein(s, 'b')", "row_number() OVER (ORDER BY d)", "rank() OVER (ORDER BY d)",
        "dense_rank() OVER (ORDER BY year(d))", "ntile(2) OVER (ORDER BY d)",
    ],
)  # fmt: skip
def test_what_is_an_int_in_spark_is_one(call: str) -> None:
    """Else a table would have another type by the engine that wrote it."""
    given = "(SELECT DATE'2024-03-03' AS d, TIMESTAMP'2024-03-03 10:20:30' AS t, 'abc' AS s)"
    with duckdb.connect() as connection:
        assert connection.sql(translate(f"SELECT {call} AS r FROM {given}", "spark")).types == ["INTEGER"]


@pytest.mark.parametrize("text", ["SELECT CAST('x' AS INT) AS r", "SELECT 1 / 0 AS r"])
def test_errors_stay_errors(text: str) -> None:
    with pytest.raises(duckdb.Error):
        run(text)


def test_names_keep_their_case() -> None:
    assert translate("SELECT myCol AS outCol FROM MyTable", "spark") == "SELECT myCol AS outCol FROM MyTable"


def test_other_dialects() -> None:
    assert run("SELECT TOP 1 [a b] AS r FROM (SELECT 4 AS [a b]) AS t", "tsql") == 4
    assert run("SELECT IFNULL(NULL, `x`) AS r FROM (SELECT 5 AS `x`) AS t", "mysql") == 5


@pytest.mark.parametrize(
    ("text", "message", "offset"),
    [
        ("SELECT a FRM x y z", "syntax error near 'x'", 13),
        ("SELECT 'ü',\n  b FROM t WHERE )", "syntax error near ')'", 29),
        ("SELECT 'é', 'abc", "not closed", 12),
        ("SELECT 1 /* 'x'", "not closed", 9),
        ("SELECT 1; SELECT 2", "more than one statement", 10),
        ("SELECT a, b, -- all\nFROM t", 'syntax error at or near ","; nothing stands behind this comma', 11),
        ("SELECT ', from', f(a, ) FROM t", 'near ",";', 20),
        ("SELECT a FROM t GROUP BY a, ORDER BY a", 'near ",";', 26),
        ("INSERT INTO t SELECT 1", "INSERT is not a SELECT", None),
        ("CREATE TABLE x AS SELECT 1", "CREATE is not a SELECT", None),
        ("-- nothing", "empty", None),
        ("SELECT rand(3)", "not supported", None),
    ],
)
def test_what_can_not_be_translated(text: str, message: str, offset: int | None) -> None:
    with pytest.raises(SqlError) as caught:
        translate(text, "spark")
    assert message in str(caught.value)
    assert caught.value.offset == offset
    assert "\x1b" not in str(caught.value)
    assert "sqlglot" not in str(caught.value)


def test_an_unknown_dialect_lists_the_known() -> None:
    with pytest.raises(UnknownNameError, match=r"did you mean 'spark'\?.*known:.*duckdb"):
        check_dialect("sprak")
    with pytest.raises(UnknownNameError):
        translate("SELECT 1", "klingon")


def test_the_usual_dialects_are_known_without_sqlglot() -> None:
    program = (
        "import sys; from odibi.engine.pandas.dialect import check_dialect, translate\n"
        "check_dialect('spark'); check_dialect('duckdb'); translate('SELECT 1;', 'duckdb')\n"
        "print('sqlglot' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize(
    "text", ["SELECT a, `from` FROM t", "SELECT a, from FROM t", "SELECT ',)' AS b -- a, from\nFROM t"]
)
def test_a_comma_with_something_behind_it_is_none_too_many(text: str) -> None:
    translate(text, "spark")
