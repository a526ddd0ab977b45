"""The validation block: how it is compiled, and what is wrong with one before anything runs."""

from __future__ import annotations

from typing import Any

import pytest

from odibi import checks
from odibi.config.node import ValidationConfig
from odibi.engine.base import NotEmptyCheck, RowCheck, SchemaCheck, UniqueCheck
from odibi.types import Column, parse_type


def compiled(**block: Any) -> Any:
    return checks.compile_checks(ValidationConfig(**block), "duckdb")


def columns(**types: str) -> list[Column]:
    return [Column(name, parse_type(text)) for name, text in types.items()]


def problems(known: list[Column] | None = None, **block: Any) -> list[tuple[str, str, str]]:
    return checks.problems(ValidationConfig(**block), known)


def test_an_empty_block_checks_nothing() -> None:
    assert compiled().items == ()


def test_names_of_checks() -> None:
    found = compiled(
        not_empty=True,
        no_nulls=["id"],
        unique=["id", "day"],
        ranges={"amount": {"min": 0}},
        accepted_values={"region": ["EU"]},
        expressions=["vat\n  <= amount"],
        schema={"required_columns": ["id"]},
        on_fail="warn",
    )
    assert [check.name for check in found.items] == [
        "schema", "not_empty", "no_nulls(id)", "unique(id, day)", "ranges(amount)", "accepted_values(region)",
        "expressions[0]: vat <= amount",
    ]  # fmt: skip
    assert found.on_fail == "warn"
    assert isinstance(found.items[0], SchemaCheck)
    assert isinstance(found.items[1], NotEmptyCheck)


@pytest.mark.parametrize(
    ("unique", "keys"), [(["a", "b"], [("a", "b")]), ([["a"], ["a", "b"]], [("a",), ("a", "b")]), ([], [])]
)
def test_keys(unique: Any, keys: list[tuple[str, ...]]) -> None:
    assert [check.columns for check in compiled(unique=unique).items if isinstance(check, UniqueCheck)] == keys


def test_expressions_are_in_the_dialect_of_the_file() -> None:
    config = ValidationConfig(expressions=["a > 0 -- positive"], no_nulls=["a"])
    nulls, expression = checks.compile_checks(config, "duckdb", "spark").items
    assert isinstance(nulls, RowCheck)
    assert isinstance(expression, RowCheck)
    assert (nulls.dialect, expression.dialect) == ("duckdb", "spark")
    assert expression.violation == "NOT (a > 0 -- positive\n)"


def test_names_and_values_are_quoted_per_dialect() -> None:
    config = ValidationConfig(accepted_values={'a"`b': ["it's", "back\\slash"]})
    (duck,), (spark,) = (checks.compile_checks(config, name).items for name in ("duckdb", "spark"))
    assert isinstance(duck, RowCheck)
    assert isinstance(spark, RowCheck)
    assert duck.violation == "\"a\"\"`b\" NOT IN ('it''s', 'back\\slash')"
    assert spark.violation == "`a\"``b` NOT IN ('it\\'s', 'back\\\\slash')"


@pytest.mark.parametrize(
    ("block", "path", "message"),
    [
        ({"ranges": {"a": {}}}, "ranges.a", "a range has no limit"),
        ({"ranges": {"a": {"min": 2, "max": 1}}}, "ranges.a", "min 2 is above max 1"),
        ({"ranges": {"a": {"min": 2, "max": "x"}}}, "ranges.a", "min and max are a number and text"),
        ({"schema": {"types": {"a": "intt"}}}, "schema.types.a", "unknown type 'intt'"),
    ],
)
def test_mistakes_that_need_no_columns(block: Any, path: str, message: str) -> None:
    ((where, text, _),) = problems(**block)
    assert where == path
    assert message in text


@pytest.mark.parametrize(
    ("block", "path"),
    [
        ({"no_nulls": ["id", "amuont"]}, "no_nulls[1]"),
        ({"unique": ["amuont"]}, "unique[0]"),
        ({"unique": [["id"], ["id", "amuont"]]}, "unique[1][1]"),
        ({"ranges": {"amuont": {"min": 0}}}, "ranges.amuont"),
        ({"accepted_values": {"amuont": [1]}}, "accepted_values.amuont"),
        ({"schema": {"required_columns": ["amuont"]}}, "schema.required_columns[0]"),
        ({"schema": {"types": {"amuont": "int"}}}, "schema.types.amuont"),
    ],
)
def test_unknown_columns_where_the_columns_are_known(block: Any, path: str) -> None:
    ((where, message, hint),) = problems(columns(id="int", amount="double"), **block)
    assert where == path
    assert message == "unknown column 'amuont'"
    assert "did you mean 'amount'? known: id, amount" in hint


@pytest.mark.parametrize(
    ("type", "block", "message"),
    [
        ("string", {"accepted_values": {"a": ["x", 1]}}, "column 'a' is string, 1 is a number"),
        ("int", {"accepted_values": {"a": ["1"]}}, "column 'a' is int, '1' is text"),
        ("int", {"accepted_values": {"a": [True]}}, "column 'a' is int, True is a boolean"),
        ("string", {"ranges": {"a": {"min": 0}}}, "column 'a' is string, 0 is a number"),
        ("date", {"ranges": {"a": {"min": 0}}}, "column 'a' is date, 0 is a number"),
    ],
)
def test_values_of_another_kind_are_refused(type: str, block: Any, message: str) -> None:
    ((_, text, _),) = problems(columns(a=type), **block)
    assert text == message


@pytest.mark.parametrize(
    ("type", "block"),
    [
        ("date", {"ranges": {"a": {"min": "2024-01-01"}}}),
        ("timestamp", {"accepted_values": {"a": ["2024-01-01"]}}),
        ("decimal(5,2)", {"ranges": {"a": {"min": 0, "max": 1.5}}}),
        ("boolean", {"accepted_values": {"a": [True]}}),
        ("string", {"ranges": {"A": {"min": "a", "max": "f"}}}),
    ],
)
def test_values_that_can_be_compared(type: str, block: Any) -> None:
    assert problems(columns(a=type), **block) == []


@pytest.mark.parametrize(
    ("wanted", "actual", "fits"),
    [
        ("int", "bigint", True), ("int", "tinyint", True), ("integer", "bigint", True), ("int", "double", False),
        ("bigint", "int", False), ("decimal", "decimal(5,2)", True), ("decimal(5,2)", "decimal(6,2)", False),
        ("decimal", "double", False), ("string", "string", True), ("array<int>", "array<int>", True),
    ],
)  # fmt: skip
def test_types(wanted: str, actual: str, fits: bool) -> None:
    assert checks.type_fits(checks.parse_check_type(wanted), parse_type(actual)) is fits


def test_a_column_without_a_type_of_ours_fits_no_type() -> None:
    check = SchemaCheck("schema", ("a",), {"a": checks.parse_check_type("decimal")})
    assert checks.schema_findings(check, [Column("a", None, "HUGEINT")]) == ["column 'a' is HUGEINT, not a decimal"]
