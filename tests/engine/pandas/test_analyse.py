"""Queries in DuckDB's own words are judged without data, and what DuckDB takes is never refused."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable, Iterator

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from odibi.engine.base import Query, SqlProblem
from odibi.engine.pandas.analyse import Analyser
from odibi.testing.contracts.analysis import CUSTOMERS, PART, columns, one
from odibi.types import Column

ORDERS = columns(
    "id bigint; customer_id int; amount decimal(12,2); ts timestamp; é string; s struct<x:int>; l array<int>"
)
KNOWN = {"orders": ORDERS, "customers": CUSTOMERS}


@pytest.fixture(scope="module")
def analyser() -> Iterator[Analyser]:
    found = Analyser()
    yield found
    found.close()


def at(text: str, problem: SqlProblem) -> str:
    """The word that the problem points to."""
    assert problem.offset is not None, problem
    return text[problem.offset :].split(maxsplit=1)[0] if text[problem.offset :] else ""


# -- one SELECT --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message", "word"),
    [
        ("SELECT 'abc", "unterminated", "'abc"),
        ("COPY orders TO 'x.csv'", "COPY is not a SELECT", None),
        ("ATTACH 'x.db'", "ATTACH is not a SELECT", None),
        ("SET threads = 1", "SET is not a SELECT", None),
        ("PRAGMA version", "is not a SELECT", None),
        ("WITH x AS (DELETE FROM orders RETURNING *) SELECT * FROM x", "DELETE is not a SELECT", None),
        ("PIVOT orders ON id USING sum(amount)", "PIVOT must say which values", None),
        ("SELECT * FROM orders WHERE id = $1", "parameter", None),
    ],
)
def test_anything_but_one_select_is_refused(analyser: Analyser, text: str, message: str, word: str | None) -> None:
    problem = one(analyser.analyse(Query(text, "duckdb"), KNOWN))
    assert message in problem.message
    if word is not None:
        assert at(text, problem) == word


@pytest.mark.parametrize(
    "text",
    [
        "SELECT * FROM orders;",
        "SELECT * FROM orders -- all of them",
        "/* ; */ SELECT ';' AS x FROM orders ; ; -- end;\n",
        "FROM orders",
        "TABLE orders",
        "VALUES (1, 'a')",
        "(SELECT 1 AS a)",
        "DESCRIBE orders",
        "SUMMARIZE orders",
        "FROM orders PIVOT (sum(amount) FOR customer_id IN (1, 2))",
        "UNPIVOT customers ON name INTO NAME n VALUE v",
        "SELECT * FROM ORDERS o JOIN Customers c USING (Customer_ID)",
        "SELECT * FROM range(3), generate_series(1, 2), unnest([1, 2])",
        "WITH orders AS (SELECT * FROM orders WHERE id > 1) SELECT * FROM orders",
        "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 3) SELECT * FROM r",
        "SELECT (SELECT max(c.name) FROM customers c WHERE c.customer_id = o.customer_id) AS n FROM orders o",
        "SELECT list_transform(l, lambda v: v + 1) AS m, s.x, [v + 1 for v in l] AS k FROM orders",
        "SELECT amount AS a, a * 2 AS b FROM orders WHERE a > 1 GROUP BY ALL ORDER BY b",
        "SELECT COLUMNS('.*id') FROM orders",
        "SELECT " + " + ".join(["id"] * 900) + " AS many FROM orders",
    ],
)
def test_what_duckdb_takes_is_accepted(analyser: Analyser, text: str) -> None:
    analysis = analyser.analyse(Query(text, "duckdb"), KNOWN)
    assert analysis.problems == ()
    assert analysis.columns


def test_an_input_with_a_type_of_duckdbs_own_is_bound_with_it(analyser: Analyser) -> None:
    given_columns = (Column("n", None, "HUGEINT"), Column("e", None, "ENUM('a', 'b')"))
    analysis = analyser.analyse(Query("SELECT n + 1 AS m, e FROM t", "duckdb"), {"t": given_columns})
    assert analysis.columns is not None
    assert [column.native for column in analysis.columns] == ["HUGEINT", "ENUM('a', 'b')"]


# -- names -------------------------------------------------------------------------------------------------------------


def test_what_the_translation_can_not_do_is_told_as_such(analyser: Analyser) -> None:
    problem = one(analyser.analyse(Query("SELECT exists(array(1), x -> x > 0) AS e", "spark"), {}))
    assert problem.hint == "write it in a way that both spark and duckdb know"


def test_a_setting_is_no_way_out_of_a_mistake(analyser: Analyser) -> None:
    arrow = one(analyser.analyse(Query("SELECT list_transform([1], x -> x) AS l", "duckdb"), {}))
    assert (arrow.message.split(" ")[0], arrow.hint) == ("the", "write `lambda x: …`")
    deep = one(analyser.analyse(Query(f"SELECT {' + '.join(['1'] * 1700)} AS a", "duckdb"), {}))
    assert deep.hint == "spread it over several steps or nodes"


def test_a_name_inside_a_cte_does_not_reach_outside(analyser: Analyser) -> None:
    text = "SELECT * FROM (WITH x AS (SELECT 1 AS a) SELECT * FROM x) q, x"
    assert at(text, one(analyser.analyse(Query(text, "duckdb"), KNOWN))) == "x"


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("SELECT * FROM 'x.csv'", "'x.csv'"),
        ("SELECT * FROM 's3://b/x.parquet'", "'s3://b/x.parquet'"),
        ("SELECT * FROM information_schema.tables", "information_schema.tables"),
        ("SELECT * FROM read_csv('x.csv')", "read_csv('x.csv')"),
        ("SELECT * FROM parquet_scan('x')", "parquet_scan('x')"),
        ("SELECT * FROM glob('*')", "glob('*')"),
        ("SELECT * FROM duckdb_secrets()", "duckdb_secrets()"),
        ("SELECT * FROM query('SELECT 1')", "query('SELECT"),
        ("SELECT getenv('HOME') AS h", "getenv('HOME')"),
        ("SELECT * FROM (SELECT current_setting('secret_directory'))", "current_setting('secret_directory'))"),
    ],
)
@pytest.mark.parametrize("inputs", [KNOWN, dict.fromkeys(KNOWN)])
def test_sql_sees_nothing_but_its_inputs(
    analyser: Analyser, inputs: dict[str, tuple[Column, ...] | None], text: str, word: str
) -> None:
    problem = one(analyser.analyse(Query(text, "duckdb"), inputs))
    assert "`read:`" in problem.hint
    assert at(text, problem) == word


def test_a_python_variable_is_no_table(analyser: Analyser) -> None:
    frame = [1]
    assert one(analyser.analyse(Query("SELECT * FROM frame", "duckdb"), {})).message == "there is no input 'frame'"
    assert frame


@pytest.mark.parametrize(
    ("text", "message", "hint", "word"),
    [
        ("SELECT 'ü', o.amont FROM orders o", "'o' has no column 'amont'", "did you mean 'amount'?", "o.amont"),
        ("SELECT é, amont FROM orders", "no column 'amont'", "columns of orders: id, customer_id", "amont"),
        ("SELECT * EXCLUDE (amont) FROM orders", "no column 'amont'", "amount", "amont)"),
        ("SELECT customer_id FROM orders, customers", "in more than one table", "write", "customer_id"),
        ("SELECT sum(ts) FROM orders", "no function fits sum(", "it takes: sum(arg DECIMAL)", "sum(ts)"),
        ("SELECT id::INTT FROM orders", "no type INTT", "", "INTT"),
        ("WITH x AS (SELECT id AS k FROM orders) SELECT id FROM x", "no column 'id'", "here there is: k", "id"),
    ],
)
def test_what_does_not_fit_the_inputs(analyser: Analyser, text: str, message: str, hint: str, word: str | None) -> None:
    problem = one(analyser.analyse(Query(text, "duckdb"), KNOWN))
    assert message in problem.message
    assert hint in problem.hint
    if word is not None:
        assert at(text, problem) == word


# -- inputs that are known in part -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("SELECT list_transform([1], lambda v: v + p + w) AS m FROM named", "w)"),
        ("WITH r AS (SELECT p FROM named UNION ALL SELECT 1) SELECT r.m FROM r", "r.m"),
        ("SELECT foo(a) FROM raw", "foo(a)"),
    ],
)
def test_what_is_certainly_missing_is_found_without_all_columns(
    analyser: Analyser, text: str, word: str | None
) -> None:
    analysis = analyser.analyse(Query(text, "duckdb"), PART)
    if word is None:
        assert analysis.problems == ()
    else:
        assert at(text, one(analysis)) == word


CORPUS = [
    "SELECT a.x, b.y FROM a JOIN b USING (k)",
    "SELECT x, y FROM a, b WHERE a.k = b.k",
    "SELECT * FROM a SEMI JOIN b ON a.k = b.k",
    "SELECT a.* EXCLUDE (x), b.y AS yy, yy + 1 AS z FROM a LEFT JOIN b ON a.k = b.k WHERE yy > 0 ORDER BY z",
    "WITH q AS (SELECT k, sum(x) AS t FROM a GROUP BY k) SELECT q.t, b.y FROM q JOIN b USING (k)",
    "WITH q(u, v) AS (SELECT k, y FROM b) SELECT u, v, x FROM q, a",
    "SELECT st.f, a.st.f, st FROM a",
    "SELECT b.f FROM a, (SELECT st AS b FROM a) z",
    "SELECT a FROM a",
    "SELECT (SELECT max(y) FROM b WHERE b.k = a.k) AS m FROM a",
    "SELECT x FROM a WHERE EXISTS (SELECT 1 FROM b WHERE y = x)",
    "SELECT x, row_number() OVER w AS n FROM a WINDOW w AS (PARTITION BY k ORDER BY x) QUALIFY n = 1",
    "SELECT k FROM a UNION SELECT k FROM b ORDER BY k",
    "SELECT x AS k FROM a UNION ALL BY NAME SELECT y FROM b",
    "SELECT list_transform(l, lambda e, i: e + x + i) AS m FROM a",
    "SELECT [e + x for e in l if e > k] AS m FROM a",
    "SELECT j->'$.a' AS v, j->>'b' AS w FROM a",
    "SELECT u.unnest FROM a, unnest(a.l) u",
    "SELECT e FROM a, unnest(l) t(e)",
    "SELECT s.* FROM a, LATERAL (SELECT a.x + 1 AS x1, y FROM b WHERE b.k = a.k) s",
    "SELECT COLUMNS(c -> c LIKE 'x') FROM a",
    "SELECT COLUMNS('x|k') FROM a",
    "FROM a PIVOT (sum(x) FOR k IN (1, 2))",
    "UNPIVOT (SELECT x, k FROM a) ON x, k INTO NAME n VALUE v",
    "SELECT n, v FROM (UNPIVOT (SELECT x, k FROM a) ON x, k INTO NAME n VALUE v)",
    "SELECT unnest(st) FROM a",
    "SELECT st.f AS g, g + 1 AS h FROM a GROUP BY ALL",
    "SELECT count(*) AS n, k FROM a GROUP BY k HAVING n > 1",
    "SELECT k, y, grouping(k) AS g FROM b GROUP BY GROUPING SETS ((k), (y))",
    "SELECT current_date AS d, current_user AS c, x FROM a",
    "SELECT * FROM a POSITIONAL JOIN b",
    "SELECT * FROM a ASOF JOIN b ON a.x >= b.y",
    "SELECT * REPLACE (x + 1 AS x) FROM a",
    "SELECT * RENAME (x AS xx) FROM a",
    "SELECT A.X, B.Y FROM A, B",
    "SELECT t.z, t.y FROM b AS t(z)",
    "SELECT x.x FROM a AS x",
    "WITH RECURSIVE r(n) AS (SELECT x FROM a UNION ALL SELECT n + 1 FROM r WHERE n < 3) SELECT n FROM r",
    "SELECT first(x ORDER BY k) AS f, string_agg(k::VARCHAR, ',' ORDER BY x) FILTER (WHERE x > 1) AS g FROM a",
    "SELECT CASE WHEN x > 1 THEN k ELSE x END AS c, x BETWEEN k AND 3 AS d, x IN (SELECT y FROM b) AS e FROM a",
    "SELECT DISTINCT ON (k) x FROM a ORDER BY k, x",
    "SELECT struct_pack(p := x, q := k).p AS r, {'m': x}.m AS s FROM a",
    "SELECT column_name FROM (DESCRIBE a)",
    "FROM a SELECT x LIMIT (SELECT max(y) FROM b)",
    "VALUES (1), (2)",
    "SELECT col0 FROM (VALUES (1), (2))",
    "SELECT m['a'] AS v, map_keys(m) AS ks FROM a",
    "SELECT x.y FROM (SELECT {'y': 1} AS x) q, a",
    "SELECT a.x FROM (SELECT {'x': 1} AS a) q, b",
]
A = (*columns("k int; x int; st struct<f:int>; l array<int>; m map<string,int>"), Column("j", None, "JSON"))
B = columns("k int; y int")


def accepted(sql: str) -> list[str] | None:
    """The names that DuckDB itself gives the columns, None where it refuses the query."""
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE a(k INT, x INT, st STRUCT(f INT), l INT[], m MAP(VARCHAR, INT), j JSON)")
        connection.execute("CREATE TABLE b(k INT, y INT)")
        try:
            return [name for name, *_ in connection.execute(f"DESCRIBE SELECT * FROM ({sql}\n)").fetchall()]
        except duckdb.Error:
            return None


def lower(names: Iterable[str]) -> list[str]:
    """A column of a table that is not known has the case that the query gives it."""
    return [name.lower() for name in names]


@pytest.mark.parametrize("sql", CORPUS)
def test_no_query_that_duckdb_takes_is_refused_whatever_is_known(analyser: Analyser, sql: str) -> None:
    names = accepted(sql)
    bare_a, bare_b = (tuple(Column(column.name, None) for column in table) for table in (A, B))
    for a in (A, bare_a, None):
        for b in (B, bare_b, None):
            analysis = analyser.analyse(Query(sql, "duckdb"), {"a": a, "b": b})
            if names is None:
                assert analysis.columns is None or analysis.problems == ()
                continue
            assert analysis.problems == (), (a is None, b is None)
            assert analysis.columns is None or lower(column.name for column in analysis.columns) == lower(names)


SOURCES = [
    "a",
    "b",
    "a q",
    "(SELECT x AS y, k FROM a) b",
    "(SELECT * FROM b) q",
    "(VALUES (1, 2)) a(k, x)",
    "unnest([1]) q(x)",
]
EXPRESSIONS = [
    "x",
    "y",
    "k",
    "a.x",
    "b.y",
    "q.x",
    "q.k",
    "q",
    "st.f",
    "a.st.f",
    "*",
    "q.*",
    "1 AS x",
    "x + 1 AS y",
    "y AS k",
    "zz",
]


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.sampled_from(EXPRESSIONS), min_size=1, max_size=3),
    st.lists(st.sampled_from(SOURCES), min_size=1, max_size=2),
    st.sampled_from(["", "WITH q AS (SELECT x, k AS y FROM a) ", "WITH a AS (SELECT y AS x, k FROM b) "]),
    st.sampled_from(["", " WHERE x > 0", " WHERE (SELECT max(y) FROM b) > k", " ORDER BY y"]),
    st.tuples(st.booleans(), st.booleans()),
)
def test_random_queries_agree_with_duckdb(
    expressions: list[str], sources: list[str], head: str, tail: str, known: tuple[bool, bool]
) -> None:
    sql = f"{head}SELECT {', '.join(expressions)} FROM {', '.join(sources)}{tail}"
    names = accepted(sql)
    inputs = {"a": A if known[0] else None, "b": B if known[1] else None, "q": None}
    analysis = RANDOM.analyse(Query(sql, "duckdb"), inputs)
    if names is not None:
        assert analysis.problems == ()
        assert analysis.columns is None or lower(column.name for column in analysis.columns) == lower(names)
    elif all(known):
        assert analysis.problems or "q" in analysis.tables


RANDOM = Analyser()


# -- determinism -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "SELECT id, upper(é) AS u FROM orders WHERE amount > 0",
        "SELECT string_agg(é, ',' ORDER BY é) AS s FROM orders",
        "SELECT age(ts, TIMESTAMPTZ '2024-01-01') AS a FROM orders",
    ],
)
def test_queries_that_give_the_same_rows_each_time(analyser: Analyser, text: str) -> None:
    assert analyser.analyse(Query(text, "duckdb"), KNOWN).deterministic


@pytest.mark.parametrize(
    "text",
    [
        "SELECT * FROM (SELECT gen_random_uuid() AS u FROM orders)",
        "SELECT age(ts) AS a FROM orders",
        "SELECT * FROM orders USING SAMPLE 10",
        "SELECT * FROM orders TABLESAMPLE 10%",
        "SELECT row_number() OVER () AS n FROM orders",
        "SELECT list(amount) AS f FROM orders",
        "SELECT string_agg(é, ',' ORDER BY ts) AS f FROM orders",
        "SELECT arg_max(id, ts) AS f FROM orders",
        "SELECT DISTINCT ON (customer_id) * FROM orders ORDER BY ts",
        "SELECT * FROM orders POSITIONAL JOIN customers",
    ],
)
def test_queries_whose_rows_may_differ(analyser: Analyser, text: str) -> None:
    analysis = analyser.analyse(Query(text, "duckdb"), KNOWN)
    assert analysis.problems == ()
    assert not analysis.deterministic


# -- other dialects ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message", "word"),
    [
        ("SELECT `amont` FROM orders", "no column 'amont'", "amont`"),
        ("SELECT 'it''s', pmodd(id, 2) FROM orders", "no function pmodd()", "pmodd(id,"),
        ("SELECT id FROM `order s`", "no input 'order s'", "order"),
        ("SELECT id, -- amont\n amount FROM orders WHERE o.id = 1", "no table 'o'", "o.id"),
        ("SELECT a FRM x y z", "syntax error", "x"),
    ],
)
def test_mistakes_are_placed_in_the_text_as_written(analyser: Analyser, text: str, message: str, word: str) -> None:
    problem = one(analyser.analyse(Query(text, "spark"), KNOWN))
    assert message in problem.message
    assert at(text, problem) == word


def test_duckdb_queries_are_judged_without_the_libraries_they_do_not_need() -> None:
    program = (
        "import sys; from odibi.engine.pandas.analyse import Analyser; from odibi.engine.base import Query\n"
        "from odibi.types import Column, parse_type\n"
        "a = Analyser(); t = (Column('x', parse_type('int')),)\n"
        "for inputs in ({'t': t}, {'t': None}):\n"
        "    assert not a.analyse(Query('WITH q AS (SELECT x FROM t) SELECT * FROM q;', 'duckdb'), inputs).problems\n"
        "a.close()\n"
        "print([name for name in ('sqlglot', 'pandas', 'numpy', 'pyarrow', 'narwhals') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
