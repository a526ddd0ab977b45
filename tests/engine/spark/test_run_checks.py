"""Checks that are compiled into a write on Spark; what they find is in the contract of engines."""

from __future__ import annotations

from typing import Any

import pytest

from odibi.checks import compile_checks
from odibi.config.node import ValidationConfig
from odibi.connections import LocalConnection
from odibi.engine import SparkEngine
from odibi.engine.base import Query, Target
from odibi.engine.spark import observed
from odibi.engine.spark.frame import SparkFrame
from odibi.engine.spark.run_checks import Checking, run_checks
from odibi.errors import CheckFailed, DataError
from odibi.testing import counted_jobs


def checks(**block: Any) -> Any:
    return compile_checks(ValidationConfig(**block), "spark")


def frame(engine: SparkEngine, sql: str, **inputs: SparkFrame) -> SparkFrame:
    return engine.query(Query(sql, "spark"), inputs)[0]


def test_rows_that_a_join_drops_break_nothing(engine: SparkEngine, lake: LocalConnection) -> None:
    """The filter that stops the write stays above the join, where only written rows are judged."""
    many = frame(engine, "SELECT id, id % 10 AS g FROM range(1000)")
    few = frame(engine, "SELECT id AS g FROM range(5)")
    joined = frame(engine, "SELECT m.id, m.g FROM m JOIN f ON m.g = f.g", m=many, f=few)
    report = engine.save(joined, Target(lake, "t", "delta"), checks(ranges={"g": {"max": 4}}))
    assert report.rows == 500
    with pytest.raises(CheckFailed, match="100 of 500 rows"):
        engine.save(joined, Target(lake, "t", "delta"), checks(ranges={"g": {"max": 3}}))


@pytest.mark.jvm
def test_the_filter_is_above_the_counts_in_the_plan(engine: SparkEngine) -> None:
    many = frame(engine, "SELECT id, id % 10 AS g FROM range(1000)")
    joined = frame(engine, "SELECT m.id, m.g FROM m JOIN f USING (g)", m=many, f=frame(engine, "SELECT 1L AS g"))
    checking = Checking(engine.session, joined, checks(ranges={"g": {"max": 4}}))
    plan = checking.guarded()._jdf.queryExecution().optimizedPlan().toString()
    assert plan.index("raise_error") < plan.index("CollectMetrics") < plan.index("Join")


def test_data_that_can_not_be_computed_is_an_error_of_the_data(engine: SparkEngine, lake: LocalConnection) -> None:
    bad = frame(engine, "SELECT CAST(a AS INT) AS a, 1 AS b FROM VALUES ('x') v(a)")
    for block in ({"expressions": ["a > 0"]}, {"no_nulls": ["b"]}, {"unique": ["b"], "ranges": {"a": {"min": 0}}}):
        for on_fail in ("fail", "warn"):
            with pytest.raises(DataError, match="'x'") as caught:
                engine.save(bad, Target(lake, "t", "delta"), checks(**block, on_fail=on_fail))
            assert not isinstance(caught.value, CheckFailed)


def test_an_expression_that_can_not_be_computed_fails_its_check_alone(
    engine: SparkEngine, lake: LocalConnection
) -> None:
    rows = frame(engine, "SELECT * FROM VALUES ('x', NULL), ('1', 2) v(a, b)")
    block = {"no_nulls": ["b"], "expressions": ["CAST(a AS INT) > 0", "a <> 'x'"]}
    with pytest.raises(CheckFailed) as caught:
        engine.save(rows, Target(lake, "t", "delta"), checks(**block))
    assert [result.failing_rows for result in caught.value.results] == [1, None, 1]
    report = engine.save(rows, Target(lake, "t", "delta"), checks(**block, on_fail="warn"))
    assert report.written
    assert [(result.passed, result.failing_rows) for result in report.checks] == [(False, 1), (False, None), (False, 1)]
    assert "'x'" in report.checks[1].message


@pytest.mark.parametrize(
    ("expression", "told"),
    [
        ("sum(a) > 0", "an expression cannot contain aggregates"),
        ("a", "a condition is true or false, and a is INT; compare it"),
        ("nope > 0", "there is no column 'nope'"),
        ("a >", "syntax error"),
    ],
)
def test_what_is_no_condition_over_a_row_fails_its_check_alone(engine: SparkEngine, expression: str, told: str) -> None:
    rows = frame(engine, "SELECT 1 AS a")
    results = engine.check(rows, checks(no_nulls=["a"], expressions=[expression, "a = 1"]))
    assert [result.passed for result in results] == [True, False, True]
    assert told in results[1].message


@pytest.mark.jvm
def test_what_checks_cost(spark: Any, engine: SparkEngine) -> None:
    """A schema check nothing; the rest of a frame that is not written one query."""
    rows = frame(engine, "SELECT raise_error('read') AS never, 1L AS id")
    with counted_jobs(spark) as work:
        (result,) = run_checks(engine.session, rows, checks(schema={"required_columns": ["ID", "x"]}))
    assert not work.jobs
    assert result.message == "column 'x' is missing; known: never, id"
    (result,) = run_checks(engine.session, SparkFrame(rows.data, rows=0), checks(not_empty=True))
    assert (result.passed, result.message) == (False, "there are no rows")


def test_examples_with_warn_are_offenders(engine: SparkEngine, lake: LocalConnection) -> None:
    """Not always the very first, since nothing is read again for them."""
    rows = frame(engine, "SELECT id, CASE WHEN id > 900 THEN NULL ELSE id END AS n FROM range(1000)")
    report = engine.save(rows, Target(lake, "t", "delta"), checks(no_nulls=["n"], unique=["id"], on_fail="warn"))
    (result, _) = report.checks
    assert result.message == "99 of 1,000 rows"
    assert len(result.examples) == 5
    shown = [example["id"] for example in result.examples]
    assert shown == sorted(shown)
    assert all(900 < number < 1000 for number in shown)


def test_where_a_write_tells_no_counts_the_rows_are_asked(
    engine: SparkEngine, lake: LocalConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On Spark Connect what a write counted may come back empty. What it wrote to a Delta table the commit tells."""
    monkeypatch.setattr(observed, "read", lambda *_: {})
    rows = frame(engine, "SELECT id, CASE WHEN id > 7 THEN NULL ELSE id END AS n FROM range(10)")
    for path, format, mode, written in (
        ("t", "delta", "overwrite", 10), ("t", "delta", "append", 10), ("t.parquet", "parquet", "overwrite", None),
    ):  # fmt: skip
        report = engine.save(rows, Target(lake, path, format, mode), checks(no_nulls=["n"], on_fail="warn"))
        assert [(result.message, len(result.examples)) for result in report.checks] == [("2 of 10 rows", 2)]
        assert report.rows == written


def test_many_examples_are_bounded_and_can_be_none(engine: SparkEngine) -> None:
    from dataclasses import replace

    rows = frame(engine, "SELECT CAST(NULL AS INT) AS a, id FROM range(100)")
    found = checks(no_nulls=["a"], unique=["a"])
    assert [len(result.examples) for result in engine.check(rows, found)] == [5, 1]
    none = engine.check(rows, replace(found, examples=0))
    assert [(result.failing_rows, list(result.examples)) for result in none] == [(100, []), (100, [])]


def test_examples_of_every_type_can_be_shown(engine: SparkEngine) -> None:
    rows = frame(
        engine,
        "SELECT 1 AS a, array(TIMESTAMP'2024-01-01') AS l, map('k', 1) AS m, X'00' AS b, named_struct('x', 1) AS s, "
        "DATE'2024-01-01' AS d, INTERVAL 1 DAY AS i, 1.50BD AS n",
    )
    columns = ("l", "m", "b", "s", "d", "i", "n")
    (result,) = engine.check(rows, checks(expressions=[" OR ".join(["a = 0", *(f"{c} IS NULL" for c in columns)])]))
    shown = result.examples[0]
    assert (shown["a"], shown["b"], shown["s"], str(shown["d"]), str(shown["n"])) == (
        1,
        b"\0",
        {"x": 1},
        "2024-01-01",
        "1.50",
    )
    assert shown["m"] == "{k -> 1}"


def test_expressions_of_another_dialect_are_translated(engine: SparkEngine, lake: LocalConnection) -> None:
    rows = frame(engine, "SELECT 1 AS `a b`, 'y' AS c")
    block = ValidationConfig(expressions=['"a b" > 0', "c = 'x'"], on_fail="warn")
    report = engine.save(
        rows, Target(lake, "t", "delta", options={"normalize_names": True}), compile_checks(block, "spark", "duckdb")
    )
    assert [result.passed for result in report.checks] == [False, False]  # the table's column is called a_b
    assert "a b" in report.checks[0].message


def test_awkward_names(engine: SparkEngine) -> None:
    rows = frame(engine, """SELECT CAST(NULL AS INT) AS `a 'b`, 1 AS `ü.x`, 2 AS `"q"` FROM range(2)""")
    block = checks(no_nulls=["a 'b"], unique=[["a 'b", "ü.x"]], ranges={'"q"': {"min": 5}})
    results = engine.check(rows, block)
    assert [result.failing_rows for result in results] == [2, 2, 2]
    assert results[1].examples == [{"a 'b": None, "ü.x": 1, "rows": 2}]


def test_rows_that_change_while_they_are_written(engine: SparkEngine, lake: LocalConnection) -> None:
    """The write stopped, and counting again finds nothing: that is said, and nothing is written."""
    rows = frame(engine, "SELECT id FROM range(1000) WHERE rand() < 2")
    checking = Checking(engine.session, rows, checks(no_nulls=["id"]))
    assert checking.violated(ValueError(f"odibi check {checking.token} 0."))
    with pytest.raises(CheckFailed, match="it is not the same each time"):
        checking.raise_failed()
    del lake
