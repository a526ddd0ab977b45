"""A SELECT runs over its inputs and nothing else, and leaves nothing in the session."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import pytest

from odibi.engine import SparkEngine
from odibi.engine.base import Query
from odibi.engine.spark.sql import Statement, own_names
from odibi.engine.spark.syntax import bare, read
from odibi.errors import SqlError

ORDERS = "id int, name string, amount double"
OTHERS = "id int, cust string, l array<int>"


@pytest.fixture
def inputs(engine: SparkEngine, spark: Any) -> Mapping[str, Any]:
    return {
        "orders": engine.adopt(spark.createDataFrame([(1, "a", 2.5), (2, "b", 0.5)], ORDERS)),
        "odd-one.x": engine.adopt(spark.createDataFrame([(1, "z", [1, 2])], OTHERS)),
    }


def views(spark: Any) -> list[str]:
    return sorted(row.viewName for row in spark.sql("SHOW VIEWS").collect())


def skip_on_older(spark: Any, sql: str) -> None:
    """Open-source Spark 3.5 has no `::` and no `* EXCEPT`; 4.0 too takes `''` for one string's end and the next."""
    if spark.version < ("4.2" if "it''s" in sql else "4" if "::" in sql or "EXCEPT (" in sql else ""):
        pytest.skip("only newer Spark has this")


def rows(engine: SparkEngine, sql: str, inputs: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    skip_on_older(engine.spark, sql)
    frame, text = engine.query(Query(sql, "spark"), inputs)
    assert text == bare(sql)
    assert [column.name for column in frame.columns] == frame.data.columns
    return [tuple(row) for row in frame.data.collect()]


def refusal(engine: SparkEngine, sql: str, inputs: Mapping[str, Any]) -> SqlError:
    with pytest.raises(SqlError) as caught:
        engine.query(Query(sql, "spark"), inputs)
    return caught.value


def at(sql: str, error: SqlError) -> str:
    assert error.offset is not None, error
    return sql[error.offset :]


# -- what runs ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT id FROM orders WHERE id = 1", [(1,)]),
        ("select ORDERS.Id from Orders where `ORDERS`.id = 1", [(1,)]),
        ("SELECT o.id, `odd-one.x`.cust FROM orders o JOIN `odd-one.x` ON o.id = `odd-one.x`.id", [(1, "z")]),
        ("SELECT o.id FROM orders o JOIN orders p USING (id) WHERE o.id = 2", [(2,)]),
        ("WITH orders AS (SELECT id + 10 AS id FROM orders) SELECT max(id) AS m FROM orders", [(12,)]),
        ("WITH x AS (SELECT 1 AS a) SELECT a FROM x, orders WHERE id = 1 -- a comment; at the end", [(1,)]),
        ("SELECT 1 AS a;", [(1,)]),
        ("SELECT ';' AS a ; ; -- end;\n", [(";",)]),
        ("SELECT '{x}' AS a, '{{}}' AS b, 'it''s' AS c, \"q\" AS d", [("{x}", "{{}}", "it's", "q")]),
        ("SELECT '{x}' AS a, '{__0}' AS b FROM orders LIMIT 1 -- {y}", [("{x}", "{__0}")]),
        ("/* { */ SELECT /*+ BROADCAST(orders) */ count(*) AS n FROM orders", [(2,)]),
        ("FROM orders SELECT max(id) AS m", [(2,)]),
        ("TABLE orders", [(1, "a", 2.5), (2, "b", 0.5)]),
        ("(SELECT id FROM orders ORDER BY id DESC LIMIT 1)", [(2,)]),
        ("VALUES (1, 'a')", [(1, "a")]),
        ("SELECT id FROM orders TABLESAMPLE (100 PERCENT) WHERE id = 1", [(1,)]),
        ("SELECT z FROM orders LATERAL VIEW explode(array(7)) e AS z WHERE id = 1", [(7,)]),
        ("SELECT k FROM orders o, LATERAL (SELECT o.id + 1 AS k) WHERE id = 1", [(2,)]),
        ("SELECT (SELECT max(cust) FROM `odd-one.x` c WHERE c.id = o.id) AS m FROM orders o WHERE id = 1", [("z",)]),
        ("SELECT transform(l, x -> x + 1) AS m FROM `odd-one.x`", [([2, 3],)]),
        ("SELECT * FROM (SELECT id, name FROM orders) PIVOT (max(name) FOR id IN (1 AS one, 2 AS two))", [("a", "b")]),
        ("SELECT id FROM range(3) WHERE id = 2", [(2,)]),
        ("SELECT window.start IS NOT NULL AS s FROM VALUES (timestamp'2024-01-01') t(ts) GROUP BY window(ts, '1 day')",
         [(True,)]),
        ("SELECT " + " + ".join(["id"] * 200) + " AS many FROM orders WHERE id = 1", [(200,)]),
        ("SELECT id, " + ", ".join(f"'{n} {{}}' AS c{n}" for n in range(1000)) + " FROM orders WHERE id < 0", []),
    ],
)  # fmt: skip
def test_what_runs(engine: SparkEngine, inputs: Mapping[str, Any], sql: str, expected: list[tuple[Any, ...]]) -> None:
    assert rows(engine, sql, inputs) == expected


@pytest.mark.parametrize("name", ["a-b", "a.b", "a`b", "a b", "größe", "select", "1st", "{x}", "{}", "current", "A'b"])
@pytest.mark.parametrize("sql", ["SELECT max(x) AS m FROM {}", "SELECT max({}.x) AS m FROM {}", "TABLE {}"])
def test_names_of_inputs_may_be_odd(engine: SparkEngine, spark: Any, name: str, sql: str) -> None:
    frame = engine.adopt(spark.createDataFrame([(7,)], "x int"))
    quoted = "`" + name.replace("`", "``") + "`"
    assert rows(engine, sql.replace("{}", quoted), {name: frame, "other": frame}) == [(7,)]


def test_names_that_are_words_of_sql(engine: SparkEngine, spark: Any) -> None:
    """Spark reserves none of them."""
    frame = engine.adopt(spark.createDataFrame([(7,)], "from int"))
    for sql in ("SELECT * FROM select", "SELECT 1 AS a, from FROM select", "SELECT s.from FROM select s"):
        assert rows(engine, sql, {"select": frame})[0][-1] == 7
        assert not engine.analyse(Query(sql, "spark"), {"select": frame.columns}).problems


def test_pipe_syntax_runs_where_spark_has_it(engine: SparkEngine, inputs: Mapping[str, Any], spark: Any) -> None:
    if spark.version < "4":
        pytest.skip("Spark has pipes from 4.0 on")
    assert rows(engine, "FROM orders |> WHERE id = 1 |> SELECT name", inputs) == [("a",)]
    assert "no input 'order'" in str(refusal(engine, "FROM order |> WHERE id = 1", inputs))


def test_an_input_hides_a_view_of_the_session(engine: SparkEngine, inputs: Mapping[str, Any], spark: Any) -> None:
    spark.range(9).createOrReplaceTempView("orders")
    try:
        assert rows(engine, "SELECT count(*) AS n FROM orders", inputs) == [(2,)]
        assert rows(engine, "TABLE orders", inputs) == [(1, "a", 2.5), (2, "b", 0.5)]
    finally:
        spark.catalog.dropTempView("orders")


def test_settings_are_not_put_into_a_text(engine: SparkEngine, inputs: Mapping[str, Any]) -> None:
    sql = "SELECT '${spark.app.name}' AS a, r'x${spark.app.name}' AS b, \"${spark.app.name}\" AS c FROM orders LIMIT 1"
    assert rows(engine, sql, inputs) == [("${spark.app.name}", "x${spark.app.name}", "${spark.app.name}")]


def test_another_dialect_is_translated(engine: SparkEngine, inputs: Mapping[str, Any]) -> None:
    frame, text = engine.query(Query('SELECT "id" AS "a b" FROM orders WHERE id = 1;', "duckdb"), inputs)
    assert [tuple(row) for row in frame.data.collect()] == [(1,)]
    assert text == "SELECT `id` AS `a b` FROM orders WHERE id = 1"


def test_a_name_that_occurs_twice_gets_a_number(engine: SparkEngine, inputs: Mapping[str, Any]) -> None:
    frame, _ = engine.query(Query("SELECT * FROM orders JOIN `odd-one.x` c ON orders.id = c.id", "spark"), inputs)
    assert [column.name for column in frame.columns] == ["id", "name", "amount", "id_1", "cust", "l"]
    analysis = engine.analyse(
        Query("SELECT * FROM orders o JOIN orders p ON o.id = p.id", "spark"), {"orders": inputs["orders"].columns}
    )
    assert analysis.columns is not None
    again, _ = engine.query(
        Query("SELECT * FROM orders o JOIN orders p ON o.id = p.id", "spark", analysis.columns), inputs
    )
    assert again.data.columns == [column.name for column in analysis.columns]
    assert again.data.columns[3:] == ["id_1", "name_1", "amount_1"]


@pytest.mark.parametrize(
    ("names", "own"),
    [
        (["a", "a", "a"], ["a", "a_1", "a_2"]),
        (["a", "a_1", "a"], ["a", "a_1", "a_2"]),
        (["a", "a", "a_1"], ["a", "a_2", "a_1"]),
        (["a", "b"], ["a", "b"]),
    ],
)
def test_own_names(names: list[str], own: list[str]) -> None:
    assert own_names(names) == own


# -- what is refused ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sql", "message", "word"),
    [
        ("SELECT 'é', idd FROM orders", "there is no column 'idd'; did you mean 'id'? columns of orders: id,", "idd"),
        ("SELECT\n 'é',\n  o.idd FROM orders o", "'o' has no column 'idd'; did you mean 'id'?", "o.idd"),
        ("SELECT x.id FROM orders o", "there is no table 'x'", "x.id"),
        ("SELECT id FROM orders, `odd-one.x`", "column 'id' is in more than one table; write", "id FROM"),
        ("SELECT uppr(name) FROM orders", "there is no function uppr(); did you mean 'upper'?", "uppr"),
        ("SELECT id::intt FROM orders", "there is no type INTT", "intt"),
        ("SELECT id, sum(amount) FROM orders", "column 'id' must be in GROUP BY", "id,"),
        ("SELECT id, sum(amount) FROM orders GROUP BY name", "column 'id' must be in GROUP BY", "id,"),
        ("SELECT * EXCEPT (zz) FROM orders", "there is no column 'zz'", "zz"),
        ("SELECT * FROM orders JOIN `odd-one.x` USING (zz)", "there is no column 'zz'", "zz"),
        ("SELECT struct(id AS x).y FROM orders", "the struct has no field 'y'; its fields: x", "y FROM"),
        ("SELECT id FROM orders UNION SELECT 1, 2", "same number of result columns", None),
        ("SELECT upper(name, 1) FROM orders", "upper() takes 1 arguments and is given 2", "upper"),
        ("WITH x AS (SELECT id AS k FROM orders) SELECT id FROM x", "an inner query leaves it out", "id FROM x"),
        ("SELEC 1", 'syntax error at or near "SELEC"', "SELEC"),
        ("SELECT 1 FRM x", 'syntax error at or near "x"', "x"),
        ("SELECT id,\n (SELECT 1\nFROM orders", "syntax error at the end", ""),
        ("SELECT 1) UNION ALL (SELECT 2", "syntax error", ")"),
        ("SELECT id FROM orders GROUP BY", "syntax error at the end", ""),
        ("SELECT 'abc", "not closed", "'abc"),
        ("SELECT id, name, -- all\nFROM orders", 'near ","; nothing stands behind this comma', ", -- all"),
        ("SELECT 1; SELECT 2", "more than one statement; a step is one SELECT", "SELECT 2"),
        ("", "the SQL is empty; a step is one SELECT", None),
        ("-- nothing\n;", "the SQL is empty", None),
        ("INSERT INTO orders VALUES (1)", "INSERT is not a SELECT; a step is one SELECT over the names in", None),
        ("CREATE TABLE x AS SELECT 1", "CREATE is not a SELECT", None),
        ("DROP TABLE orders", "DROP is not a SELECT", None),
        ("SET spark.sql.ansi.enabled = false", "SET is not a SELECT", None),
        ("CACHE TABLE orders", "CACHE is not a SELECT", None),
        ("SHOW TABLES", "SHOW is not a SELECT", None),
        ("SELECT * FROM order", "there is no input 'order'; did you mean 'orders'? inputs: ", "order"),
        ("SELECT * FROM current", "`current` does not exist here; the step has several inputs", "current"),
        ("SELECT * FROM a.b.c", "'a.b.c' can not be read here; SQL sees only the names in depends_on", "a.b.c"),
        ("SELECT * FROM delta.`/x/y`", "can not be read here; SQL sees only", "delta"),
        ("SELECT * FROM parquet.`x.parquet`", "can not be read here", "parquet"),
        ("SELECT * FROM orders WHERE id IN (SELECT id FROM weather)", "add 'weather' to depends_on", "weather"),
        ("TABLE weather", "there is no input 'weather'", "weather"),
        ("SELECT * FROM IDENTIFIER('orders')", "can not be used here", "IDENTIFIER"),
        ("SELECT * FROM read_files('x')", "the table function read_files() can not be used here", "read_files"),
        ("SELECT java_method('java.lang.System', 'getenv', 'HOME')", "the function java_method() can", "java_method"),
        ("SELECT reflect('java.lang.System', 'getenv', 'HOME')", "the function reflect() can not be used", "reflect"),
        ("SELECT TRANSFORM (id) USING 'cat' AS (x) FROM orders", "can not be used here", None),
        ("SELECT a.b.f(1)", "the function a.b.f() can not be used here", "a.b.f"),
        ("SELECT * FROM orders WHERE id = ?", "a query parameter", "?"),
        ("SELECT * FROM orders WHERE id = :x", "a query parameter", ":x"),
        ("SELECT '\0'", "NUL", "\0"),
        ("SELECT 1 AS id, 2 AS ID", "the columns 'id' and 'ID' of the result differ only in case; give", None),
        ("SELECT " + "+".join(["id"] * 20000) + " AS x FROM orders", "nested too deeply", None),
    ],
)  # fmt: skip
def test_what_is_refused(
    engine: SparkEngine, inputs: Mapping[str, Any], spark: Any, sql: str, message: str, word: str | None
) -> None:
    skip_on_older(spark, sql)
    before = views(spark)
    error = refusal(engine, sql, inputs)
    assert message in str(error)
    if word is not None:
        assert at(sql, error).startswith(word)
    for noise in ("_pyspark", "__0", "SQLSTATE", "org.apache", "JVM", "== SQL", "'Project"):
        assert noise not in str(error)
    assert "\n" not in str(error)
    assert views(spark) == before


def test_views_and_functions_of_the_session_are_no_inputs(
    engine: SparkEngine, inputs: Mapping[str, Any], spark: Any
) -> None:
    spark.udf.register("slugify", str)
    spark.range(3).createOrReplaceTempView("theirs")
    try:
        assert "there is no input 'theirs'" in str(refusal(engine, "SELECT * FROM theirs", inputs))
        assert "there is no input 'theirs'" in str(refusal(engine, "TABLE theirs", inputs))
        assert "there is no function slugify()" in str(refusal(engine, "SELECT slugify(name) FROM orders", inputs))
        assert "theirs" in views(spark)
        assert spark.sql("SELECT slugify(1) AS s FROM theirs").count() == 3
    finally:
        spark.catalog.dropTempView("theirs")
        spark.sql("DROP TEMPORARY FUNCTION slugify")


def test_a_place_in_a_translated_text_is_one_in_the_text_as_written(
    engine: SparkEngine, inputs: Mapping[str, Any]
) -> None:
    sql = 'SELECT  "idd" FROM orders'
    with pytest.raises(SqlError) as caught:
        engine.query(Query(sql, "duckdb"), inputs)
    assert at(sql, caught.value).startswith("idd")


# -- the session -------------------------------------------------------------------------------------------------------


def test_queries_of_eight_threads_do_not_meet(engine: SparkEngine, spark: Any) -> None:
    frames = {number: engine.adopt(spark.createDataFrame([(number * 100,)], "x int")) for number in range(8)}
    wrong: list[Any] = []

    def work(number: int) -> None:
        for turn in range(5):
            query = Query(f"SELECT {number} AS n, x + {turn} AS x FROM t", "spark")
            found = engine.query(query, {"t": frames[number]})[0].data.collect()
            if [tuple(row) for row in found] != [(number, number * 100 + turn)]:
                wrong.append((number, turn, found))
            with pytest.raises(SqlError):
                engine.query(Query("SELECT nope FROM t", "spark"), {"t": frames[number]})

    before = views(spark)
    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert views(spark) == before


@pytest.mark.jvm
def test_a_query_starts_no_job(engine: SparkEngine, inputs: Mapping[str, Any], spark: Any) -> None:
    from odibi.testing import counted_jobs

    with counted_jobs(spark) as work:
        engine.query(Query("SELECT id, count(*) AS n FROM orders GROUP BY id", "spark"), inputs)
        engine.query(Query("TABLE orders", "spark"), inputs)
        refusal(engine, "SELECT nope FROM orders", inputs)
    assert len(work.jobs) == 0


@pytest.mark.jvm
def test_the_plan_is_that_of_a_hand_written_query(engine: SparkEngine, inputs: Mapping[str, Any], spark: Any) -> None:
    """No CTE in front: nested a hundred times, Spark's analyser takes many times as long, or has no stack left."""
    frame = inputs["orders"]
    for _ in range(60):
        frame = engine.query(Query("SELECT id, name, amount + 1 AS amount FROM current", "spark"), {"current": frame})[
            0
        ]
    assert "CTE" not in frame.data._jdf.queryExecution().analyzed().toString()


def test_failed_analyses_are_silent(
    engine: SparkEngine, inputs: Mapping[str, Any], capfd: pytest.CaptureFixture[str]
) -> None:
    refusal(engine, "SELECT nope FROM orders", inputs)
    captured = capfd.readouterr()
    assert captured.out + captured.err == ""


# -- the text ----------------------------------------------------------------------------------------------------------


def test_inputs_are_put_where_their_names_stand() -> None:
    sql = "SELECT '{' AS a FROM Orders, other AS o"
    statement = Statement.of(sql, read(sql), {"orders": 1, "other": 2, "third": 3})
    assert statement.template == "(SELECT '{{' AS a FROM {__0} AS `Orders`, {__1} AS o\n)"
    assert statement.inputs == ("orders", "other")


def test_inputs_stand_in_front_of_what_can_not_be_read() -> None:
    sql = "FROM orders |> WHERE a = '{'"
    statement = Statement.of(sql, read(sql), {"orders": 1, "other": 2})
    assert statement.template == "WITH `orders` AS (SELECT * FROM {__0})\n(FROM orders |> WHERE a = '{{'\n)"
    assert statement.inputs == ("orders",)
