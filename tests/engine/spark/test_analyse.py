"""Queries in Spark's own words are judged without data, with a Spark session at hand and without one."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from odibi.engine import SparkEngine
from odibi.engine.base import Query
from odibi.engine.spark.analyse import Analyser
from odibi.engine.words import Inputs
from odibi.testing.contracts.analysis import KNOWN, ORDERS, PART, at, one
from odibi.types import Column


@pytest.fixture(params=["spark", "without"])
def analyser(request: pytest.FixtureRequest) -> Iterator[Any]:
    """Once on a session, once without one."""
    if request.param == "without":
        yield Analyser()
        return
    yield request.getfixturevalue("engine")


# ruff: noqa: E501 - queries in one line each
# -- what is wrong -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message", "word"),
    [
        ("SELECT 'abc", "not closed", "'abc"),
        ("MERGE INTO orders USING customers ON true WHEN MATCHED THEN DELETE", "MERGE is not a SELECT", None),
        ("SELECT * FROM json.`x.json`", "can not be read here", "json"),
        ("SELECT * FROM read_files('x')", "can not be used here", "read_files"),
        ("SELECT * FROM (SELECT reflect('a', 'b'))", "can not be used here", "reflect"),
        ("SELECT transform(l, v -> v + w) AS m FROM orders", "no column 'w'", "w)"),
    ],
)
def test_what_is_wrong(analyser: Any, text: str, message: str, word: str | None) -> None:
    problem = one(analyser.analyse(Query(text, "spark"), KNOWN))
    assert message in problem.message
    if word is not None:
        assert at(text, problem).startswith(word)


@pytest.mark.parametrize(
    ("text", "message", "hint", "word"),
    [
        ("SELECT * EXCEPT (amont) FROM orders", "no column 'amont'", "did you mean 'amount'?", "amont)"),
        ("SELECT id::INTT FROM orders", "no type INTT", "", "INTT"),
        ("SELECT id FROM orders WHERE sum(id) > 1", "WHERE clause cannot contain aggregates", "HAVING", None),
        ("SELECT id AS a, id AS A FROM orders", "'a' and 'A' of the result differ only in case", "AS", None),
        ("SELECT 1) UNION ALL (SELECT 2", "syntax error", "", ")"),
    ],
)  # fmt: skip
def test_what_only_spark_sees(engine: SparkEngine, text: str, message: str, hint: str, word: str | None) -> None:
    if engine.spark.version < "4" and any(sign in text for sign in ("::", "EXCEPT (")):
        pytest.skip("Spark has this from 4.0 on")
    problem = one(engine.analyse(Query(text, "spark"), KNOWN))
    assert message in problem.message
    assert hint in problem.hint
    if word is not None:
        assert at(text, problem).startswith(word)


def test_what_the_translation_can_not_do_is_told_as_such(analyser: Any) -> None:
    text = "SELECT * REPLACE (id + 1 AS id) FROM orders"
    problem = one(analyser.analyse(Query(text, "duckdb"), KNOWN))
    assert "`REPLACE` can not be translated from duckdb to spark" in problem.message
    assert at(text, problem).startswith("REPLACE")


def test_a_mistake_in_another_dialect_is_placed_in_the_text_as_written(analyser: Any) -> None:
    text = 'SELECT  "amont" FROM orders'
    assert at(text, one(analyser.analyse(Query(text, "duckdb"), KNOWN))).startswith("amont")


# -- what is right -----------------------------------------------------------------------------------------------------

RIGHT = [
    "SELECT * FROM orders;",
    "SELECT * FROM orders -- all of them",
    "FROM orders",
    "FROM orders SELECT id",
    "TABLE orders",
    "VALUES (1, 'a')",
    "(SELECT 1 AS a)",
    "SELECT * FROM ORDERS o JOIN Customers c USING (Customer_ID)",
    "SELECT * FROM orders NATURAL JOIN customers",
    "SELECT customer_id FROM orders LEFT SEMI JOIN customers USING (customer_id)",
    "SELECT orders.customer_id FROM orders LEFT ANTI JOIN customers ON orders.customer_id = customers.customer_id",
    "SELECT * FROM range(3) r, explode(array(1, 2)) e",
    "SELECT r.id FROM range(3) r CROSS JOIN orders o",
    "WITH orders AS (SELECT * FROM orders WHERE id > 1) SELECT * FROM orders",
    "WITH a(x, y) AS (SELECT id, ts FROM orders), b AS (SELECT x FROM a) SELECT b.x, a.y FROM a, b",
    "SELECT (SELECT max(c.name) FROM customers c WHERE c.customer_id = o.customer_id) AS n FROM orders o",
    "SELECT id FROM orders o WHERE EXISTS (SELECT 1 FROM customers WHERE customer_id = o.customer_id AND amount > 1)",
    "SELECT transform(l, x -> x + 1) AS m, filter(l, (x, i) -> x > i) AS n, aggregate(l, 0, (a, b) -> a + b) AS r FROM orders",
    "SELECT exists(l, e -> e > id) AS e, zip_with(l, l, (p, q) -> p + q) AS z, transform_values(m, (k, v) -> v) AS w FROM orders",
    "SELECT s.x, orders.s.x AS y, l[0], m['a'], m.a FROM orders",
    "SELECT s.* FROM orders",
    "SELECT struct(id AS a, note AS b).a AS q, named_struct('p', id).p AS r FROM orders",
    "SELECT id AS a, a + 1 AS b, b * 2 AS c FROM orders",
    "SELECT id AS a FROM orders ORDER BY a, amount",
    "SELECT customer_id AS k, sum(amount) AS t FROM orders GROUP BY k HAVING t > 1 ORDER BY t DESC NULLS LAST",
    "SELECT customer_id, sum(amount) FROM orders GROUP BY ALL ORDER BY ALL",
    "SELECT customer_id, grouping__id, count(*) FROM orders GROUP BY CUBE (customer_id)",
    "SELECT customer_id, id, grouping(id) AS g FROM orders GROUP BY GROUPING SETS ((customer_id), (id))",
    "SELECT e.z, p.pos FROM orders LATERAL VIEW explode(l) e AS z LATERAL VIEW OUTER posexplode(l) p AS pos, val",
    "SELECT z, key, value FROM orders LATERAL VIEW explode(l) AS z LATERAL VIEW explode(m) mm",
    "SELECT explode(m) AS (k, v), id FROM orders",
    "SELECT k FROM (SELECT explode(m) AS (k, v) FROM orders) WHERE v > 1",
    "SELECT posexplode(l) FROM orders",
    "SELECT pos, col FROM (SELECT posexplode(l) FROM orders)",
    "SELECT inline(array(struct(1 AS a, 2 AS b)))",
    "SELECT stack(2, 1, 'a', 2, 'b') AS (n, t)",
    "SELECT t.x FROM orders o, LATERAL explode(o.l) t(x)",
    "SELECT k FROM orders o, LATERAL (SELECT o.id + 1 AS k)",
    "SELECT * FROM (SELECT customer_id, amount, note FROM orders) PIVOT (sum(amount) AS t FOR note IN ('x' AS x, 'y' AS y)) p WHERE x > 1",
    "SELECT p.x FROM (SELECT customer_id, amount, note FROM orders) PIVOT (sum(amount) FOR note IN ('x' AS x)) p",
    "SELECT u.n, v FROM (SELECT id, customer_id FROM orders) UNPIVOT (v FOR n IN (id, customer_id)) u",
    "SELECT id, row_number() OVER w AS n FROM orders WINDOW w AS (PARTITION BY customer_id ORDER BY ts)",
    "SELECT id FROM orders QUALIFY row_number() OVER (PARTITION BY customer_id ORDER BY ts) = 1",
    "SELECT /*+ BROADCAST(c), REPARTITION(3) */ o.id FROM orders o JOIN customers c ON o.customer_id = c.customer_id",
    "SELECT * FROM orders TABLESAMPLE (10 PERCENT) o",
    "SELECT date_add(DAY, 1, signup) AS d, timestampdiff(MONTH, signup, ts) AS t, extract(YEAR FROM ts) AS y FROM orders, customers",
    "SELECT dateadd(HOUR, 1, ts) AS a, date_diff(DAY, ts, ts) AS b, trunc(ts, 'MM') AS c FROM orders",
    "SELECT ts + INTERVAL 1 DAY AS a, ts - INTERVAL '1 2' DAY TO HOUR AS b, make_interval(id) AS c FROM orders",
    "SELECT current_date AS d, current_timestamp AS t, current_user AS u, localtimestamp() AS l FROM orders",
    "SELECT CASE WHEN id > 1 THEN 1 ELSE customer_id END AS c, id BETWEEN 1 AND 2 AS d, id IN (1, 2) AS e FROM orders",
    "SELECT * EXCEPT (l, m) FROM orders",
    "SELECT o.* EXCEPT (l), c.name FROM orders o, customers c",
    "SELECT id FROM orders UNION ALL SELECT customer_id FROM customers ORDER BY id",
    "SELECT id FROM orders MINUS SELECT 1 EXCEPT SELECT 2 INTERSECT SELECT 3",
    "SELECT id FROM orders CLUSTER BY id",
    "SELECT id FROM orders DISTRIBUTE BY customer_id SORT BY ts",
    "SELECT col1, t.col2 FROM VALUES (1, 2) t",
    "SELECT a, b FROM VALUES (1, 2) AS t(a, b)",
    "SELECT * FROM orders WHERE note LIKE ANY ('x%', 'y%') AND note RLIKE 'a' AND note <=> NULL",
    "SELECT get_json_object(note, '$.a') AS a, from_json(note, 'a INT').a AS b, from_json(note, 'a INT, b STRING') AS c FROM orders",
    "SELECT CAST(id AS STRING), id::string, try_cast(note AS INT) AS t, CAST(NULL AS STRUCT<a: INT, b: ARRAY<STRING>>) AS n FROM orders",
    "SELECT count(*) FILTER (WHERE id > 1) AS a, count(DISTINCT id) AS b, max_by(id, ts) AS c FROM orders",
    "SELECT first_value(id) IGNORE NULLS OVER (ORDER BY ts) AS f, lag(id, 1, 0) OVER (ORDER BY ts) AS g FROM orders",
    "SELECT percentile_approx(id, 0.5) AS p, approx_count_distinct(id) AS q, regr_slope(id, id) AS r FROM orders",
    "SELECT window.start AS s, count(*) AS n FROM orders GROUP BY window(ts, '5 minutes')",
    "SELECT window(ts, '5 minutes').start AS s FROM orders",
    "SELECT if(id > 1, 'a', 'b') AS i, nvl(note, '') AS n, nvl2(note, 1, 2) AS m, decode(id, 1, 'x', 'y') AS d FROM orders",
    "SELECT trim(BOTH 'x' FROM note) AS a, overlay(note PLACING 'x' FROM 1) AS b, position('a' IN note) AS c FROM orders",
    "SELECT 1 AS `a b`, 'it''s' AS b, r'\\d' AS c, X'1F' AS d, 1.5BD AS e, 1L AS f, 2Y AS g, 1e3 AS h",
    "SELECT map('a', 1)['a'] AS a, array(1, 2)[0] AS b, element_at(l, 1) AS c, size(l) AS d FROM orders",
    "SELECT sequence(1, 3) AS s, flatten(array(array(1))) AS f, map_from_arrays(array('a'), array(1)) AS g",
    "SELECT x.y.z FROM (SELECT struct(struct(1 AS z) AS y) AS x)",
    "SELECT x.id FROM orders AS x",
    "SELECT orders.id FROM orders orders",
    "SELECT monotonically_increasing_id() AS m, spark_partition_id() AS p, input_file_name() AS f FROM orders",
    "SELECT listagg(note, ',') WITHIN GROUP (ORDER BY note) AS s FROM orders",
    "SELECT * FROM orders WHERE (id, customer_id) IN (SELECT customer_id, customer_id FROM customers)",
    "SELECT id, (id, customer_id) AS t FROM orders",
    "SELECT DISTINCT id FROM orders LIMIT 10 OFFSET 2",
    "SELECT o.id, o2.amount FROM orders o JOIN (orders o2 JOIN customers c USING (customer_id)) ON o.id = o2.id",
    "SELECT " + " + ".join(["id"] * 150) + " AS many FROM orders",
]  # fmt: skip


@pytest.mark.parametrize("text", RIGHT)
@pytest.mark.parametrize("known", ["all", "some", "none"])
def test_what_is_right_is_never_refused_without_spark(text: str, known: str) -> None:
    partly: dict[str, Inputs] = {"some": {"orders": ORDERS, "customers": None}, "none": dict.fromkeys(KNOWN)}
    inputs = partly.get(known, KNOWN)
    assert Analyser().analyse(Query(text, "spark"), inputs).problems == ()


@pytest.mark.parametrize("text", RIGHT)
def test_names_that_are_told_without_spark_are_spark_s(engine: SparkEngine, text: str, spark: Any) -> None:
    """And Spark accepts these texts."""
    found = engine.analyse(Query(text, "spark"), KNOWN)
    if spark.version < "4.2" and found.columns is None:
        pytest.skip("only newer Spark has this")
    assert found.problems == ()
    assert found.columns is not None
    guess = Analyser().analyse(Query(text, "spark"), KNOWN)
    if guess.columns is not None:
        assert [column.name for column in guess.columns] == [column.name for column in found.columns]
    assert guess.deterministic == found.deterministic


def test_a_type_of_spark_s_own_is_bound_with_it(engine: SparkEngine) -> None:
    given = (Column("n", None, "void"), Column("i", None, "interval day to second"))
    analysis = engine.analyse(Query("SELECT n, i + i AS j FROM t", "spark"), {"t": given})
    assert analysis.columns is not None
    assert [column.native for column in analysis.columns] == ["void", "interval day to second"]


@pytest.mark.jvm
def test_judging_starts_no_job(engine: SparkEngine, spark: Any) -> None:
    from odibi.testing import counted_jobs

    with counted_jobs(spark) as work:
        for text in (
            "SELECT 1 / 0 AS x FROM orders",
            "SELECT foo(id) FROM orders",
            "TABLE orders",
            "SELECT nope FROM orders",
        ):
            engine.analyse(Query(text, "spark"), KNOWN)
    assert len(work.jobs) == 0


# -- inputs that are known in part -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("SELECT transform(array(1), v -> v + p + w) AS m FROM named", "w)"),
        ("SELECT a, b FROM raw LATERAL VIEW explode(c) e AS b", None),
    ],
)
def test_what_is_certainly_missing_is_found_without_all_columns(analyser: Any, text: str, word: str | None) -> None:
    analysis = analyser.analyse(Query(text, "spark"), PART)
    if word is None:
        assert analysis.problems == ()
    else:
        assert at(text, one(analysis)).startswith(word)


# -- determinism -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "SELECT listagg(note, ',') WITHIN GROUP (ORDER BY note) AS s FROM orders",
        "SELECT array_join(sort_array(collect_set(note)), ',') AS s, size(collect_list(id)) AS n FROM orders",
        "SELECT unix_timestamp(ts) AS u, to_unix_timestamp(ts) AS v FROM orders",
    ],
)
def test_queries_that_give_the_same_rows_each_time(text: str) -> None:
    assert Analyser().analyse(Query(text, "spark"), KNOWN).deterministic


@pytest.mark.parametrize(
    "text",
    [
        "SELECT rand() AS r FROM orders",
        "SELECT rand(42) AS r FROM orders",
        "SELECT randn() AS r FROM orders",
        "SELECT shuffle(l) AS u FROM orders",
        "SELECT monotonically_increasing_id() AS u FROM orders",
        "SELECT current_timestamp() AS n",
        "SELECT unix_timestamp() AS n",
        "SELECT * FROM orders TABLESAMPLE (10 PERCENT)",
        "SELECT row_number() OVER (ORDER BY 1) AS n FROM orders",
        "SELECT collect_list(amount) AS f FROM orders",
        "SELECT collect_set(amount) AS f FROM orders",
        "SELECT listagg(note, ',') AS f FROM orders",
        "SELECT listagg(note, ',') WITHIN GROUP (ORDER BY ts) AS f FROM orders",
        "SELECT max_by(id, ts) AS f FROM orders",
        "SELECT sum(amount) OVER w AS f FROM orders WINDOW w AS (ORDER BY ts ROWS 3 PRECEDING)",
        "SELECT last_value(amount) IGNORE NULLS OVER (ORDER BY ts) AS f FROM orders",
        "FROM orders |> LIMIT 3",
    ],
)
def test_queries_whose_rows_may_differ(text: str) -> None:
    analysis = Analyser().analyse(Query(text, "spark"), KNOWN)
    assert analysis.problems == ()
    assert not analysis.deterministic


# -- imports -----------------------------------------------------------------------------------------------------------


def test_queries_are_judged_without_spark_where_none_runs() -> None:
    program = (
        "import sys; from odibi.engine.spark.analyse import Analyser; from odibi.engine.base import Query\n"
        "from odibi.types import Column, parse_type\n"
        "assert 'sqlglot' not in sys.modules\n"
        "a = Analyser(); t = (Column('x', parse_type('int')),)\n"
        "for inputs in ({'t': t}, {'t': None}):\n"
        "    assert not a.analyse(Query('WITH q AS (SELECT x FROM t) SELECT * FROM q;', 'spark'), inputs).problems\n"
        "print([name for name in ('pyspark', 'py4j', 'duckdb', 'pandas', 'pyarrow') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
