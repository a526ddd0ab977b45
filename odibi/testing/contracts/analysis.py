"""What every engine says of a query before any data moves: what is wrong, at its place, in the same words."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from odibi.engine import Engine
from odibi.engine.base import Query, SqlAnalysis, SqlProblem
from odibi.testing.contracts.base import OnEngine
from odibi.types import Column, parse_type

Inputs = Mapping[str, tuple[Column, ...] | None]
Judge = Callable[[str, Inputs], SqlAnalysis]


def columns(text: str) -> tuple[Column, ...]:
    """Columns as they are written in `id bigint; name string`."""
    pairs = (item.split(maxsplit=1) for item in text.split("; "))
    return tuple(Column(name, parse_type(kind)) for name, kind in pairs)


def one(analysis: SqlAnalysis) -> SqlProblem:
    """The only problem that was found."""
    assert len(analysis.problems) == 1, analysis.problems
    assert analysis.columns is None
    return analysis.problems[0]


def at(text: str, problem: SqlProblem) -> str:
    """The text from the place on that the problem points to."""
    assert problem.offset is not None, problem
    return text[problem.offset :]


ORDERS = columns(
    "id bigint; customer_id int; amount decimal(12,2); ts timestamp; note string; s struct<x:int>; l array<int>; "
    "m map<string,int>"
)
CUSTOMERS = columns("customer_id int; name string; signup date")
KNOWN: Inputs = {"orders": ORDERS, "customers": CUSTOMERS}
PART: Inputs = {"orders": ORDERS, "raw": None, "named": (Column("p", None), Column("q", None))}
"""Inputs of which only some are known."""
SAME_ROWS = (
    "SELECT id, upper(note) AS u FROM orders WHERE amount > 0",
    "SELECT customer_id, sum(amount) AS a, count(DISTINCT id) AS n FROM orders GROUP BY ALL ORDER BY a",
    "SELECT *, sum(amount) OVER (PARTITION BY customer_id ORDER BY ts) AS running FROM orders",
    "SELECT *, rank() OVER (ORDER BY amount) AS r FROM orders",
    "SELECT id, amount FROM orders ORDER BY ALL LIMIT 10",
    "SELECT * FROM orders LIMIT 0",
    "SELECT DISTINCT customer_id FROM orders",
)
OTHER_ROWS = (
    "SELECT random() AS r FROM orders",
    "SELECT uuid() AS u FROM orders",
    "SELECT * FROM (SELECT uuid() AS u FROM orders)",
    "SELECT now() AS n",
    "SELECT current_timestamp AS n",
    "SELECT id FROM orders WHERE ts > current_date",
    "SELECT * FROM orders LIMIT 10",
    "SELECT * FROM orders OFFSET 10",
    "SELECT * FROM orders ORDER BY ts LIMIT 10",
    "SELECT *, row_number() OVER (PARTITION BY id ORDER BY ts) AS n FROM orders QUALIFY n = 1",
    "SELECT first(amount) AS f FROM orders",
    "SELECT any_value(amount) AS f FROM orders",
    "SELECT sum(amount) OVER (ORDER BY ts ROWS 3 PRECEDING) AS f FROM orders",
    "SELECT id FROM orders WHERE id IN (SELECT customer_id FROM customers LIMIT 3)",
)


class AnalysisContract(OnEngine):
    """A query is judged from the columns of its inputs; what is right is never refused."""

    @pytest.fixture
    def judge(self, engine: Engine) -> Judge:
        """Judges a text in the engine's own dialect."""
        return lambda text, inputs: engine.analyse(Query(text, engine.dialect), inputs)

    # -- what is wrong -------------------------------------------------------------------------------------------------

    @pytest.mark.parametrize(
        ("text", "message", "word"),
        [
            ("SELEC 1", 'syntax error at or near "SELEC"', "SELEC"),
            ("SELECT 'ü', FRM x FRM", "syntax error", "FRM"),
            ("SELECT\n  'é' AS a,\n  b c d\nFROM orders", "syntax error", "d"),
            ("SELECT 1; SELECT 2", "more than one statement", "SELECT 2"),
            ("", "the SQL is empty", None),
            ("-- nothing\n;", "the SQL is empty", None),
            ("INSERT INTO orders VALUES (1)", "INSERT is not a SELECT", None),
            ("CREATE TABLE x AS SELECT 1", "CREATE is not a SELECT", None),
            ("SET x = 1", "SET is not a SELECT", None),
            ("SHOW TABLES", "SHOW is not a SELECT", None),
            ("SELECT * FROM orders WHERE id = ?", "parameter", None),
            ("SELECT '\0'", "NUL", "\0"),
            ("SELECT * FROM information_schema.tables", "can not be read here", "information_schema"),
            ("SELECT amont FROM orders", "no column 'amont'", "amont"),
            ("SELECT 'ü', o.amont FROM orders o", "'o' has no column 'amont'", "o.amont"),
            ("SELECT id FROM orders WHERE amont > 1", "no column 'amont'", "amont"),
            ("SELECT x.id FROM orders", "no table 'x'", "x.id"),
            ("SELECT customer_id FROM orders, customers", "in more than one table", "customer_id"),
            ("WITH x AS (SELECT id AS k FROM orders) SELECT id FROM x", "no column 'id'", "id FROM x"),
            ("SELECT id FROM orders WHERE id IN (SELECT cust FROM customers)", "no column 'cust'", "cust"),
        ],
    )
    def test_what_is_wrong(self, judge: Judge, text: str, message: str, word: str | None) -> None:
        """Told once, at its place."""
        problem = one(judge(text, KNOWN))
        assert message in problem.message
        if word is not None:
            assert at(text, problem).startswith(word)

    @pytest.mark.parametrize(
        ("text", "message", "hint", "word"),
        [
            ("SELECT amont FROM orders", "no column 'amont'", "did you mean 'amount'? columns of orders: id, c", "am"),
            ("SELECT foo(id) FROM orders", "no function foo()", "", "foo(id)"),
            ("SELECT sum(l) FROM orders", "no function fits sum(", "cast the arguments", "sum(l)"),
            ("SELECT id, sum(amount) FROM orders", "'id' must be in GROUP BY", "any_value(id)", "id,"),
            ("SELECT CAST(id AS INTT) FROM orders", "no type INTT", "", "INTT"),
            ("SELECT s.y FROM orders", "no field 'y'", "its fields: x", None),
            ("SELECT id FROM orders UNION SELECT 1, 2", "same number of result columns", "", None),
            ("SELECT id FROM orders WHERE sum(id) > 1", "WHERE clause cannot contain aggregates", "", None),
        ],
    )
    def test_what_does_not_fit_the_inputs(
        self, judge: Judge, text: str, message: str, hint: str, word: str | None
    ) -> None:
        """With the way out."""
        problem = one(judge(text, KNOWN))
        assert message in problem.message
        assert hint in problem.hint
        if word is not None:
            assert at(text, problem).startswith(word)

    @pytest.mark.parametrize("inputs", [KNOWN, dict.fromkeys(KNOWN), {"orders": ORDERS, "customers": None}])
    def test_a_table_that_is_no_input(self, judge: Judge, inputs: Inputs) -> None:
        """The closest one is named, and all that there are."""
        text = "SELECT 'ü' FROM orders o JOIN customer c USING (customer_id)"
        problem = one(judge(text, inputs))
        assert problem.message == "there is no input 'customer'"
        assert problem.hint == "did you mean 'customers'? inputs: customers, orders"
        assert at(text, problem).startswith("customer c")

    def test_a_table_that_nothing_resembles_may_be_missing_in_depends_on(self, judge: Judge) -> None:
        """It is told once, however often it is named."""
        problem = one(judge("SELECT x.a, y.b FROM weather x, weather y", KNOWN))
        assert "add 'weather' to depends_on" in problem.hint

    def test_current_with_several_inputs(self, judge: Judge) -> None:
        """Which of them is meant, nobody knows."""
        problem = one(judge("SELECT * FROM current", KNOWN))
        assert "current" in problem.message
        assert "several inputs" in problem.hint

    # -- what is known of the result -----------------------------------------------------------------------------------

    def test_columns_have_names_and_types(self, judge: Judge) -> None:
        """Those that the result will have."""
        text = """
            SELECT o.id, c.name, max(o.amount) AS most, count(*) AS n, max(o.s) AS s
            FROM orders o JOIN customers c USING (customer_id) GROUP BY ALL
        """
        analysis = judge(text, KNOWN)
        assert analysis.columns is not None
        assert [f"{column.name} {column.type_name}" for column in analysis.columns] == [
            "id bigint",
            "name string",
            "most decimal(12,2)",
            "n bigint",
            "s struct<x:int>",
        ]
        assert analysis.tables == {"orders", "customers"}
        assert analysis.deterministic

    @pytest.mark.parametrize(
        ("text", "word"),
        [
            ("SELECT o.idd FROM orders o JOIN raw USING (id)", "o.idd"),
            ("WITH x AS (SELECT id, name AS nm FROM raw) SELECT name FROM x", "name FROM x"),
            ("WITH x(a, b) AS (SELECT id, name FROM raw) SELECT x.name FROM x", "x.name"),
            ("SELECT a FROM (VALUES (1, 2)) v(b, c), raw r WHERE v.a = 1", "v.a"),
            ("SELECT pp FROM named", "pp"),
            ("SELECT p, (SELECT zz FROM named) FROM raw, named WHERE true", None),
            ("SELECT p, (SELECT named.zz FROM named) AS z FROM raw", "named.zz"),
            ("SELECT a.b.c, d FROM raw", None),
        ],
    )
    def test_what_is_certainly_missing_is_found_without_all_columns(
        self, judge: Judge, text: str, word: str | None
    ) -> None:
        """And what may be there is not refused."""
        analysis = judge(text, PART)
        if word is None:
            assert analysis.problems == ()
        else:
            assert at(text, one(analysis)).startswith(word)

    def test_names_without_types_go_on_to_the_next_query(self, judge: Judge) -> None:
        """What nobody knows the type of has a name all the same."""
        first = judge("SELECT id, price * 2 AS twice FROM raw", {"raw": None})
        assert first.columns == (Column("id", None), Column("twice", None))
        second = judge("SELECT *, price FROM current", {"current": first.columns})
        assert "no column 'price'" in one(second).message

    @pytest.mark.parametrize("text", [*SAME_ROWS, *OTHER_ROWS])
    def test_whether_a_query_gives_the_same_rows_each_time(self, judge: Judge, text: str) -> None:
        """What says so may be computed again."""
        analysis = judge(text, KNOWN)
        assert analysis.problems == ()
        assert analysis.deterministic is (text in SAME_ROWS)
