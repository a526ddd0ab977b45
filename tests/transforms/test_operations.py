"""The built-in operations: their parameters. What they give is in the contract of operations (tests/contracts)."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from odibi.errors import UnknownNameError
from odibi.testing.contracts.operations import EXAMPLES, SCHEMA
from odibi.transforms import OPERATIONS
from odibi.transforms.dialect import SPARK
from odibi.types import Column, parse_type


def columns(**types: str) -> tuple[Column, ...]:
    return tuple(Column(name, parse_type(text)) for name, text in types.items())


def test_there_is_an_example_of_every_operation() -> None:
    assert sorted(OPERATIONS) == sorted(EXAMPLES)


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_sql_is_spark_sql_too(name: str) -> None:
    import sqlglot

    operation = OPERATIONS[name]()
    sql = operation.sql(operation.Params(**EXAMPLES[name]), columns(**SCHEMA), SPARK)
    sqlglot.parse_one(sql, dialect="spark", error_level=sqlglot.ErrorLevel.RAISE)


@pytest.mark.parametrize("name", EXAMPLES)
def test_parameters_are_described_and_unknown_ones_refused(name: str) -> None:
    params = OPERATIONS[name].Params
    assert all(field.description for field in params.model_fields.values())
    with pytest.raises(ValidationError, match="Extra inputs"):
        params(**EXAMPLES[name], colour="red")


def test_an_unknown_operation_lists_what_exists() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'pivot'"):
        OPERATIONS["pivto"]


def test_a_type_that_is_none_is_refused() -> None:
    with pytest.raises(ValidationError, match="unknown type 'intt'"):
        OPERATIONS["cast"].Params(columns={"a": "intt"})


@pytest.mark.parametrize(("type", "value"), [("int", 0.5), ("int", "x"), ("string", 0), ("boolean", 1), ("date", 5)])
def test_a_value_that_a_column_can_not_hold_is_refused(type: str, value: Any) -> None:
    operation = OPERATIONS["fill_nulls"]()
    ((path, message, _),) = operation.problems(operation.Params(values={"a": value}), columns(a=type))
    assert path == "values.a"
    assert f"is {type} and can not hold {value!r}" in message


@pytest.mark.parametrize("params", [{}, {"value": 1, "values": {"a": 1}}, {"values": {"a": 1}, "columns": ["a"]}])
def test_fill_nulls_is_given_one_way(params: Any) -> None:
    with pytest.raises(ValidationError):
        OPERATIONS["fill_nulls"].Params(**params)


@pytest.mark.parametrize("params", [{}, {"rows": 1, "fraction": 0.1}, {"fraction": 1.5}, {"rows": -1}])
def test_a_sample_is_a_share_or_a_number(params: Any) -> None:
    with pytest.raises(ValidationError):
        OPERATIONS["sample"].Params(**params)


@pytest.mark.parametrize("params", [{"order_by": ["x"]}, {"subset": ["a"], "keep": "last"}, {"subset": []}])
def test_what_means_nothing_is_refused(params: Any) -> None:
    with pytest.raises(ValidationError):
        OPERATIONS["deduplicate"].Params(**params)


def test_only_a_sample_without_a_seed_and_a_first_value_are_left_to_chance() -> None:
    sample, pivot = OPERATIONS["sample"](), OPERATIONS["pivot"]()
    assert sample.is_deterministic(sample.Params(rows=1)) is False
    assert sample.is_deterministic(sample.Params(rows=1, seed=0)) is True
    assert pivot.is_deterministic(pivot.Params(**{**EXAMPLES["pivot"], "agg_func": "first"})) is False
    assert pivot.is_deterministic(pivot.Params(**EXAMPLES["pivot"])) is True
