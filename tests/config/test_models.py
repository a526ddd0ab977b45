"""What the models say of a mapping: one finding a mistake, in YAML words, at the right place."""

# ruff: noqa: E501 - messages stand here as users see them

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odibi.config import NodeConfig, PipelineConfig, ProjectConfig
from odibi.config.problems import check
from odibi.config.repair import Damage, repaired
from odibi.config.variables import Filled


def findings(data: Any, model: Any = ProjectConfig) -> list[tuple[tuple[str | int, ...], str, str]]:
    return [(each.place, each.message, each.hint) for each in check(model, data).findings if not each.implied]


def test_public_names():
    assert PipelineConfig.model_validate({"pipeline": "p", "nodes": []}).nodes == []
    assert NodeConfig.model_validate({"name": "n"}).cache is False


def test_unknown_key_is_told_at_itself_with_the_closest():
    ((place, message, hint),) = findings({"name": "n", "read": {"connection": "c", "formatt": "csv"}}, NodeConfig)
    assert place == ("read", "formatt")
    assert message == "unknown key 'formatt'"
    assert hint == "did you mean 'format'? known: connection, path, table, format, options, schema"


def test_a_key_that_is_there_already_is_not_what_was_meant():
    ((_, _, hint),) = findings({"name": "n", "names": "m"}, NodeConfig)
    assert not hint.startswith("did you mean 'name'")


def test_missing_key_is_told_at_its_mapping():
    ((place, message, hint),) = findings({"name": "n", "write": {"path": "x"}}, NodeConfig)
    assert (place, message) == (("write",), "the key 'connection' is missing")
    assert "Name of a connection" in hint


def test_misspelt_required_key_is_one_mistake():
    ((place, message, _),) = findings({"nam": "n"}, NodeConfig)
    assert (place, message) == (("nam",), "unknown key 'nam'")


@pytest.mark.parametrize(
    ("data", "place", "message"),
    [
        ({"transforms": 5}, ("transforms",), "expected a list of texts, found a number"),
        ({"transforms": "a.py"}, ("transforms",), "expected a list of texts, found text"),
        ({"transforms": [1]}, ("transforms", 0), "expected text, found a number"),
        ({"version": 1.0}, ("version",), "expected text, found a number"),
        ({"connections": []}, ("connections",), "expected a mapping, found a list"),
        ({"pipelines": None}, ("pipelines",), "expected a list of mappings, found nothing"),
        ({"retry": {"enabled": "yes"}}, ("retry", "enabled"), "expected true or false, found text"),
        ({"retry": {"max_attempts": "3"}}, ("retry", "max_attempts"), "expected a whole number, found text"),
        ({"retry": {"max_attempts": 2.5}}, ("retry", "max_attempts"), "expected a whole number, found a number"),
        ({"retry": {"max_attempts": True}}, ("retry", "max_attempts"), "expected a whole number, found true"),
        ({"retry": {"max_attempts": 0}}, ("retry", "max_attempts"), "must be at least 1"),
        ({"story": {"max_sample_rows": 5000}}, ("story", "max_sample_rows"), "must be at most 1000"),
        ({"retry": {"backoff": "expo"}}, ("retry", "backoff"), "unknown backoff 'expo'"),
        (
            {"retry": {"backoff": 3}},
            ("retry", "backoff"),
            "expected one of exponential, linear, constant, found a number",
        ),
    ],
)
def test_wrong_values_in_yaml_words(data: Any, place: tuple[str | int, ...], message: str):
    ((found_place, found_message, _),) = findings(data)
    assert (found_place, found_message) == (place, message)


@pytest.mark.parametrize(
    ("validation", "place", "message"),
    [
        ({"unique": "id"}, ("unique",), "expected a list of texts, found text"),
        ({"unique": ["a", ["b"]]}, ("unique", 0), "expected a list of texts, found text"),
        ({"ranges": {"a": {"min": [1]}}}, ("ranges", "a", "min"), "expected a number or text, found a list"),
        ({"ranges": {"a": 5}}, ("ranges", "a"), "expected a mapping, found a number"),
        ({"accepted_values": {"x": [{}]}}, ("accepted_values", "x", 0), "expected true or false or a number or text, found a mapping"),
        ({"on_fail": "stop"}, ("on_fail",), "unknown on_fail 'stop'"),
    ],
)  # fmt: skip
def test_unions_give_one_finding(validation: Any, place: tuple[str | int, ...], message: str):
    ((found_place, found_message, _),) = findings({"name": "n", "validation": validation}, NodeConfig)
    assert (found_place, found_message) == (("validation", *place), message)


@pytest.mark.parametrize(
    ("step", "place", "message"),
    [
        ({"functon": "f"}, ("functon",), "unknown key 'functon'"),
        ({"sql": "SELECT 1", "function": "f"}, ("function",), "unknown key 'function'"),
        ({"function": "f", "params": [1]}, ("params",), "expected a mapping, found a list"),
        ({"function": 3}, ("function",), "expected text, found a number"),
    ],
)
def test_a_step_is_judged_as_what_its_key_says(step: Any, place: tuple[str, ...], message: str):
    ((found_place, found_message, _),) = findings({"name": "n", "transform": {"steps": [step]}}, NodeConfig)
    assert (found_place, found_message) == (("transform", "steps", 0, *place), message)


@pytest.mark.parametrize("step", [5, {}, {"foo": 1}, None, ["SELECT 1"]])
def test_what_is_no_step_at_all(step: Any):
    ((place, message, _),) = findings({"name": "n", "transform": {"steps": [step]}}, NodeConfig)
    assert place == ("transform", "steps", 0)
    assert message == "a step is SQL as text, or a mapping with one of the keys sql, function, operation"


def test_values_of_variables_take_the_type_of_their_field():
    retry = {"max_attempts": Filled("5"), "backoff_seconds": Filled(".5"), "enabled": Filled("false")}
    config = check(ProjectConfig, {"retry": retry, "version": Filled("1.0")}).value
    assert config is not None
    assert (config.retry.max_attempts, config.retry.backoff_seconds, config.retry.enabled) == (5, 0.5, False)
    assert config.version == "1.0"


def test_limits_from_variables_are_numbers_where_they_read_so():
    ranges = {"a": {"min": Filled("5"), "max": Filled("7.5")}, "d": {"min": Filled("2024-01-01")}}
    config = check(NodeConfig, {"name": "n", "validation": {"ranges": ranges}}).value
    assert config is not None
    assert config.validation is not None
    limits = config.validation.ranges
    assert (limits["a"].min, limits["a"].max, limits["d"].min) == (5, 7.5, "2024-01-01")


def test_a_variable_that_does_not_fit_does_not_show_its_value():
    ((place, message, hint),) = findings({"retry": {"max_attempts": Filled("s3cret", "${N}")}})
    assert (place, message) == (("retry", "max_attempts"), "expected a whole number, found text")
    assert "${N}" in hint
    assert "s3cret" not in message + hint


@pytest.mark.parametrize("value", [5, "x", [1], True, None, {"a": {"b": 1}}])
@pytest.mark.parametrize("key", ["project", "connections", "story", "retry", "pipelines", "include", "engine"])
def test_pydantic_is_never_quoted(key: str, value: Any):
    for _, message, hint in findings({key: value}):
        for word in ("Input should", "pydantic", "http", "valid", "instance of", "Field required"):
            assert word not in message + hint


NODE: dict[str, Any] = {
    "name": "n",
    "depends_on": ["m"],
    "read": {"connection": "c", "path": "p", "options": {}, "schema": {"a": "int"}},
    "transform": {"steps": ["SELECT 1", {"sql": "SELECT 1"}, {"function": "f", "params": {}}, {"operation": "o"}]},
    "validation": {
        "unique": ["a"],
        "ranges": {"a": {"min": 1}},
        "accepted_values": {"a": [1]},
        "schema": {"types": {}},
    },
    "write": {"connection": "c", "path": "p", "mode": "append", "partition_by": ["a"]},
}
PROJECT: dict[str, Any] = {
    "project": "p",
    "transforms": ["a.py"],
    "connections": {"c": {"type": "local"}},
    "story": {"connection": "c"},
    "retry": {"max_attempts": 3},
    "logging": {"level": "INFO"},
    "pipelines": [{"pipeline": "a", "nodes": [NODE, NODE]}, {"pipeline": "b", "nodes": []}],
}


def places(data: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Every path in the data."""
    inside = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return [path, *(each for key, value in inside for each in places(value, (*path, key)))]


def mutated(data: Any, path: tuple[str | int, ...], change: Any) -> Any:
    if not path:
        return change(data)
    copy = dict(data) if isinstance(data, dict) else list(data)
    copy[path[0]] = mutated(data[path[0]], path[1:], change)
    return copy


CHANGES = [
    lambda value: 5,
    lambda value: "x",
    lambda value: None,
    lambda value: [],
    lambda value: [value],
    lambda value: {},
    lambda value: {"x": value},
    lambda value: {**value, "x": 1} if isinstance(value, dict) else True,
    lambda value: dict(list(value.items())[1:]) if isinstance(value, dict) else [value, 5],
]


@given(st.lists(st.tuples(st.sampled_from(places(PROJECT)[1:]), st.sampled_from(CHANGES)), max_size=4))
def test_what_is_left_of_a_wrong_file_can_always_be_checked_further(changes: Any):
    data = PROJECT
    for path, change in changes:
        if path in places(data):
            data = mutated(data, path, change)
    checked = check(ProjectConfig, data)
    assert (checked.value is None) == bool(checked.findings)
    if checked.findings:
        left = repaired(checked.data, checked.findings, Damage())
        assert left is not None
        if isinstance(data["pipelines"], list):
            assert len(left.pipelines) == len(data["pipelines"])


def test_a_file_that_is_no_mapping_can_not_be_repaired():
    assert repaired([], check(ProjectConfig, []).findings, Damage()) is None
