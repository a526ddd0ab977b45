"""Checks over DuckDB frames: what holds, what does not, what is shown of it, and how often the data is read."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odibi.checks import compile_checks
from odibi.config.node import ValidationConfig
from odibi.engine.base import CheckResult
from odibi.engine.pandas.run_checks import KnownStats, run_checks
from odibi.engine.pandas.session import Session


@pytest.fixture(scope="module")
def session() -> Any:
    opened = Session()
    yield opened
    opened.close()


def check(session: Session, sql: str, known: KnownStats | None = None, **block: Any) -> tuple[CheckResult, ...]:
    frame = session.frame(sql)
    return run_checks(session, frame, compile_checks(ValidationConfig(**block), "duckdb"), known)


def failed(session: Session, sql: str, **block: Any) -> CheckResult | None:
    (result,) = check(session, sql, **block)
    return None if result.passed else result


VALUES = "SELECT * FROM (VALUES {}) v(a)"


@pytest.mark.parametrize(
    ("values", "block", "failing"),
    [
        ("(1), (2)", {"not_empty": True}, 0),
        ("(1), (NULL), (NULL)", {"no_nulls": ["a"]}, 2),
        ("(1), (2), (NULL)", {"unique": ["a"]}, 0),
        ("(1), (1), (1), (2)", {"unique": ["a"]}, 3),
        ("(NULL), (NULL), (1)", {"unique": ["a"]}, 2),
        ("(0), (5), (NULL), (6), (-1)", {"ranges": {"a": {"min": 0, "max": 5}}}, 2),
        ("(1.0::DOUBLE), ('NaN'::DOUBLE)", {"ranges": {"a": {"min": 0}}}, 1),
        ("(1.0::DOUBLE), ('NaN'::DOUBLE), ('inf'::DOUBLE)", {"ranges": {"a": {"max": 5}}}, 2),
        ("(DATE '2024-01-01'), (DATE '2023-12-31')", {"ranges": {"a": {"min": "2024-01-01"}}}, 1),
        ("(TIMESTAMP '2024-01-01 10:00:00')", {"ranges": {"a": {"max": "2024-01-01 09:59:59"}}}, 1),
        ("(TIMESTAMPTZ '2024-01-01 10:00:00+02')", {"ranges": {"a": {"max": "2024-01-01 07:59:59"}}}, 1),
        ("('b'), ('z')", {"ranges": {"a": {"max": "c"}}}, 1),
        ("('EU'), ('US'), (NULL), ('eu')", {"accepted_values": {"a": ["EU", "US"]}}, 1),
        ("(1), (2)", {"accepted_values": {"a": [1]}}, 1),
        ("(1.5), (2.0)", {"accepted_values": {"a": [1.5, 2]}}, 0),
        ("(true), (false)", {"accepted_values": {"a": [True]}}, 1),
        ("(DATE '2024-01-01')", {"accepted_values": {"a": ["2024-01-01"]}}, 0),
        ("(9007199254740993)", {"accepted_values": {"a": [9007199254740992]}}, 1),
        ("(1), (NULL)", {"accepted_values": {"a": []}}, 1),
        ("(1), (NULL), (-1)", {"expressions": ["a > 0"]}, 1),
        ("(1), (NULL), (-1)", {"expressions": ["a > 0 -- positive"]}, 1),
        ("(1), (2)", {"ranges": {"A": {"max": 1}}}, 1),
    ],
)
def test_what_a_check_counts(session: Session, values: str, block: Any, failing: int) -> None:
    for frame in (session.frame(VALUES.format(values)), session.keep(session.frame(VALUES.format(values)))):
        (result,) = run_checks(session, frame, compile_checks(ValidationConfig(**block), "duckdb"))
        assert (result.failing_rows or 0) == failing
        assert result.passed is (failing == 0)


def test_no_rows(session: Session) -> None:
    results = check(
        session, "SELECT 1 AS a WHERE false", not_empty=True, no_nulls=["a"], unique=["a"], expressions=["a > 5"]
    )
    assert [result.passed for result in results] == [False, True, True, True]
    assert results[0].message == "there are no rows"


def test_all_failures_come_together_with_their_first_rows(session: Session) -> None:
    sql = "SELECT * FROM (VALUES (1, 5, 'x'), (1, NULL, 'y'), (2, -5, 'z')) v(id, amount, region)"
    block = {
        "no_nulls": ["amount"],
        "unique": ["id"],
        "ranges": {"amount": {"min": 0}},
        "expressions": ["region <> 'x'"],
    }
    results = {result.name: result for result in check(session, sql, **block)}
    assert not any(result.passed for result in results.values())
    assert results["no_nulls(amount)"].message == "1 of 3 rows"
    assert results["no_nulls(amount)"].examples == [{"id": 1, "amount": None}]
    assert results["unique(id)"].message == "2 of 3 rows share their key with another"
    assert results["unique(id)"].examples == [{"id": 1, "rows": 2}]
    assert results["ranges(amount)"].examples == [{"id": 2, "amount": -5}]
    assert results["expressions[0]: region <> 'x'"].examples == [{"id": 1, "region": "x"}]


def test_examples_are_bounded(session: Session) -> None:
    (result,) = check(session, "SELECT NULL AS a, i FROM range(100) t(i)", no_nulls=["a"])
    assert result.failing_rows == 100
    assert len(result.examples) == 5


def test_examples_of_every_type_can_be_shown(session: Session) -> None:
    sql = "SELECT 1 AS a, TIMESTAMPTZ '2024-01-01 10:00:00+02' AS z, [TIMESTAMPTZ '2024-01-01'] AS l, 5::HUGEINT AS h"
    (result,) = check(session, sql, expressions=["a = 0 AND z IS NULL AND l IS NULL AND h IS NULL"])
    assert result.examples[0]["z"] == "2024-01-01 08:00:00+00"


def test_a_column_that_is_not_there_fails_its_check_alone(session: Session) -> None:
    results = check(session, "SELECT 1 AS amount, NULL AS b", no_nulls=["amuont", "b"], expressions=["amuont > 0"])
    assert [result.passed for result in results] == [False, False, False]
    assert results[0].message == "unknown column 'amuont'; did you mean 'amount'? known: amount, b"
    assert results[1].failing_rows == 1
    assert "amuont" in results[2].message
    assert "amount" in results[2].message


def test_an_expression_that_can_not_be_computed_fails_its_check_alone(session: Session) -> None:
    results = check(session, "SELECT 'x' AS a, NULL AS b", no_nulls=["b"], expressions=["a::INT > 0", "a = 'x'"])
    assert [result.passed for result in results] == [False, False, True]
    assert "'x'" in results[1].message


def test_data_that_can_not_be_read_is_an_error_of_the_data(session: Session) -> None:
    import duckdb

    with pytest.raises(duckdb.Error, match="'x'"):
        check(session, "SELECT a::INT AS a FROM (VALUES ('x')) v(a)", no_nulls=["a"], unique=["a"])


def test_schema_costs_no_data(session: Session) -> None:
    sql = "SELECT error('read') AS never, 1::BIGINT AS id, 1.5 AS amount"
    (result,) = check(session, sql, schema={"required_columns": ["ID"], "types": {"id": "int", "amount": "decimal"}})
    assert result.passed
    (result,) = check(session, sql, schema={"required_columns": ["idd"], "types": {"amount": "double"}})
    assert result.message == (
        "column 'idd' is missing; did you mean 'id'? known: never, id, amount; "
        "column 'amount' is decimal(2,1), not double"
    )


def test_what_a_write_counted_is_not_counted_again(session: Session) -> None:
    sql = "SELECT error('read') AS never, 1 AS a"
    results = check(session, sql, KnownStats(7, {"a": 0}), not_empty=True, no_nulls=["a"])
    assert [result.passed for result in results] == [True, True]
    assert results[1].total_rows == 7


def test_expressions_of_another_dialect_are_translated(session: Session) -> None:
    config = ValidationConfig(expressions=["`a b` > 0", 'c = "x"'])
    frame = session.frame("""SELECT 1 AS "a b", 'y' AS c""")
    results = run_checks(session, frame, compile_checks(config, "duckdb", "spark"))
    assert [result.passed for result in results] == [True, False]


def test_awkward_names(session: Session) -> None:
    block = {"no_nulls": ["a 'b"], "unique": [["a 'b", "ü"]], "ranges": {'"q"': {"min": 5}}}
    results = check(session, """SELECT NULL AS "a 'b", 1 AS "ü", 2 AS \"\"\"q\"\"\" FROM range(2)""", **block)
    assert [result.failing_rows for result in results] == [2, 2, 2]


ROWS = st.lists(st.tuples(st.sampled_from([None, 1, 2]), st.sampled_from([None, "a", "b"])), max_size=12)


@given(ROWS)
def test_keys_of_several_columns_count_nulls_like_values(session: Session, rows: list[tuple[Any, Any]]) -> None:
    values = ", ".join(f"({'NULL' if a is None else a}::INT, {'NULL' if b is None else repr(b)})" for a, b in rows)
    sql = f"SELECT * FROM (VALUES {values}) v(a, b)" if rows else "SELECT 1 AS a, 'x' AS b WHERE false"
    expected = sum(rows.count(row) > 1 for row in rows)
    for frame in (session.frame(sql), session.keep(session.frame(sql))):
        (result,) = run_checks(session, frame, compile_checks(ValidationConfig(unique=["a", "b"]), "duckdb"))
        assert (result.failing_rows or 0) == expected
