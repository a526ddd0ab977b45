"""SQL of DuckDB becomes Spark's; what is known to go wrong is refused, with its name and place."""

from __future__ import annotations

from typing import Any

import duckdb
import pytest

from odibi.engine import SparkEngine
from odibi.engine.base import Query
from odibi.engine.spark.dialect import translate
from odibi.errors import SqlError, UnknownNameError


@pytest.mark.parametrize("dialect", ["spark", "databricks", "spark2"])
def test_spark_stays_as_it_is(dialect: str) -> None:
    text = "SELECT  a:b /* c */ FROM t -- x"
    assert translate(text, dialect) == text
    assert translate("SELECT ';' AS a ; -- end", dialect) == "SELECT ';' AS a"


def test_a_dialect_that_does_not_exist() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'duckdb'"):
        translate("SELECT 1", "duckdbb")


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("SELECT * REPLACE (a + 1 AS a) FROM t", "REPLACE"),
        ("SELECT COLUMNS('x.*') FROM t", "COLUMNS"),
        ("SELECT * FROM a POSITIONAL JOIN b", "POSITIONAL JOIN"),
        ("SELECT * FROM a ASOF  JOIN b ON a.x >= b.x", "ASOF"),
        ("FROM (PIVOT t ON k USING sum(x))", "PIVOT"),
        ("FROM (UNPIVOT t ON a, b INTO NAME n VALUE v)", "UNPIVOT"),
        ("SELECT [v + 1 for v in l] FROM t", "for v"),
        ("SELECT MAP {'a': 1} AS m", "MAP"),
        ("SELECT * FROM range(3)", "range"),
        ("SELECT * FROM generate_series(1, 3)", "generate_series"),
        ("SELECT s[2:4] FROM t", "[2:4]"),
        ("SELECT j->'$.a' FROM t", "->"),
        ("SELECT j::JSON->>'a' FROM t", "->>"),
        ("SELECT a SIMILAR TO 'x' FROM t", "SIMILAR TO"),
        ("SELECT quantile_cont(a, 0.5) FROM t", "quantile_cont"),
        ("SELECT time_bucket(INTERVAL 1 DAY, ts) FROM t", "time_bucket"),
        ("SELECT 'ü', epoch(ts) FROM t", "epoch"),
        ("SELECT age(ts) FROM t", "age"),
        ("SELECT list(a) FROM t", "list"),
        ("SELECT array_agg(a ORDER BY b) FROM t", "array_agg"),
        ("SELECT a::HUGEINT FROM t", "HUGEINT"),
        ("SELECT CAST(a AS UBIGINT) FROM t", "UBIGINT"),
        ("SELECT TIME '12:00' AS t", "TIME"),
        ("SELECT regexp_replace(a, 'x', 'y') FROM t", "regexp_replace"),
        ("SELECT extract(dow FROM d) FROM t", "dow"),
        ("SELECT date_part('isodow', d) FROM t", "date_part"),
        ("SELECT date_diff('month', a, b) FROM t", "date_diff"),
        ("SELECT date_trunc('month', d) FROM t", "date_trunc"),
        ("SELECT d + INTERVAL 1 DAY FROM t", "INTERVAL"),
        ("SELECT CAST(2.7 AS INT) AS i", "INT"),
        ("SELECT (a / 2)::INT FROM t", "INT"),
        ("SELECT substring(a, 0, 3) FROM t", "substring"),
        ("SELECT format('{}', a) FROM t", "format"),
        ("SELECT monthname(d) FROM t", "monthname"),
        ("SELECT hash(a) FROM t", "hash"),
        ("SELECT strftime(d, '%G-%V') FROM t", "%G-%V"),
        ("SELECT a LIKE 'x\\_' FROM t", "LIKE"),
        ("SELECT a FROM t USING SAMPLE 10%", "SAMPLE"),
    ],
)
def test_what_is_known_to_go_wrong_is_refused(text: str, word: str) -> None:
    with pytest.raises(SqlError, match=r"can not be translated from duckdb to spark; .") as caught:
        translate(text, "duckdb")
    assert caught.value.offset is not None
    assert text[caught.value.offset :].startswith(word)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("SELECT 1 FRM x", "syntax error near 'x'"),
        ("SELECT 1; SELECT 2", "more than one"),
        ("DROP TABLE x", "DROP is not"),
    ],
)
def test_what_is_no_select(text: str, message: str) -> None:
    with pytest.raises(SqlError, match=message):
        translate(text, "duckdb")


GIVEN = (
    "SELECT * FROM (VALUES (1, 'ab-c', DATE '2024-03-03', 2.5::DOUBLE), (2, NULL, '2024-02-29', -1.5)) AS t(i, s, d, x)"
)
T = "SELECT * FROM VALUES (1, 'ab-c', DATE'2024-03-03', 2.5D), (2, NULL, DATE'2024-02-29', -1.5D) AS t(i, s, d, x)"


@pytest.mark.parametrize(
    "expression",
    [
        "i + 1", "x / 2", "i // 2", "i % 2", "i ** 2", "round(x, 1)", "s || 'x'", "concat(s, 'x')", "upper(s)",
        "length(s)", "substr(s, 2)", "split_part(s, '-', 2)", "regexp_matches(s, '^a')", "regexp_extract(s, 'a(b)', 1)",
        "regexp_extract(s, 'a(b)')", "regexp_replace(s, '(a)(b)', '\\2\\1', 'g')", "s LIKE 'a%'", "s ILIKE 'A%'",
        "coalesce(s, 'none')", "ifnull(s, '')", "CASE WHEN i > 1 THEN 'x' ELSE 'y' END", "i IN (1, 3)", "s IS NULL",
        "dayofweek(d)", "isodow(d)", "weekday(d)", "year(d)", "month(d)", "extract(day FROM d)", "last_day(d)",
        "strftime(d, '%Y/%m/%d')", "CAST(date_trunc('month', d) AS DATE)", "CAST(d + INTERVAL 1 MONTH AS DATE)",
        "date_diff('day', d, DATE '2024-03-10')", "strptime('2024-01-02', '%Y-%m-%d')::DATE", "i::VARCHAR",
        "TRY_CAST(s AS INT)", "greatest(i, 2)", "log(100 * i)", "ln(i)", "md5(s)", "'it''s {x}'", "trunc(x)::INT",
        "lpad(s, 6, '0')", "strpos(s, 'c')", "list_transform([1, 2], lambda v: v + i)[1]", "{'a': i}.a",
        "sum(i) OVER (ORDER BY i)", "rank() OVER (ORDER BY s)", "row_number() OVER (ORDER BY d DESC)",
    ],
)  # fmt: skip
def test_both_engines_give_the_same(engine: SparkEngine, spark: Any, expression: str) -> None:
    """What is not refused means the same."""
    sql = f"SELECT i, {expression} AS r FROM t ORDER BY i"
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        expected = connection.execute(f"WITH t AS ({GIVEN}) {sql}").fetchall()
    frame = engine.query(Query(sql, "duckdb"), {"t": engine.adopt(spark.sql(T))})[0]
    assert [tuple(row) for row in frame.data.collect()] == [
        tuple(pytest.approx(value) if isinstance(value, float) else value for value in row) for row in expected
    ]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT DISTINCT ON (g) g, i FROM (SELECT i % 2 AS g, i FROM t) ORDER BY g, i",
        "SELECT i, s FROM t QUALIFY row_number() OVER (ORDER BY i DESC) = 1",
        "SELECT * EXCLUDE (d, x) FROM t ORDER BY s",
        "SELECT s, count(*) FILTER (WHERE i > 0) AS n, arg_max(i, x) AS a FROM t GROUP BY ALL ORDER BY ALL",
        "SELECT t.i FROM t ANTI JOIN (SELECT 1 AS i) u ON t.i = u.i",
        "FROM t SELECT i WHERE s IS NOT DISTINCT FROM NULL",
        "SELECT s FROM t ORDER BY s",
        "SELECT s FROM t ORDER BY s DESC NULLS FIRST",
        "WITH a AS (SELECT i FROM t) SELECT max(i) AS m FROM a UNION ALL SELECT 0 ORDER BY m",
    ],
)
def test_queries_that_both_know(engine: SparkEngine, spark: Any, sql: str) -> None:
    if spark.version < "4" and "EXCLUDE" in sql:
        pytest.skip("open-source Spark 3.5 has no * EXCEPT")
    with duckdb.connect() as connection:
        expected = connection.execute(f"WITH t AS ({GIVEN}) SELECT * FROM ({sql})").fetchall()
    frame = engine.query(Query(sql, "duckdb"), {"t": engine.adopt(spark.sql(T))})[0]
    assert [tuple(row) for row in frame.data.collect()] == expected
