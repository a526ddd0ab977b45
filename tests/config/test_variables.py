"""Variables in values: where they come from, how texts are filled, what a `.env` file may hold."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odibi.config.variables import (
    Filled,
    Variables,
    has_variable,
    offset_in_template,
    parse_env,
    read_env_file,
    unescape,
)


def fill(template: str, **values: str) -> str:
    filling = Variables({}, values).fill(template)
    assert not filling.mistakes
    return filling.text


def mistakes(template: str) -> list[tuple[int, str]]:
    return [(mistake.offset, mistake.message) for mistake in Variables({}, {}).fill(template).mistakes]


def test_overrides_win_over_the_environment_and_both_over_the_file(tmp_path: Path) -> None:
    env_file = tmp_path / ".env"
    env_file.write_text("A=file\nB=file\nC=file\n")
    variables = Variables({"A": "set"}, {"A": "environ", "B": "environ"}, env_file)
    assert [variables.get(name) for name in "ABCD"] == ["set", "environ", "file", None]
    assert variables.used == {"A", "B", "C", "D"}


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("${A}", "1"),
        ("x${A}y${A}", "x1y1"),
        ("${NONE:-d}", "d"),
        ("${NONE:-}", ""),
        ("${NONE:-a:b-c d\n}", "a:b-c d\n"),
        ("${EMPTY}", ""),
        ("${EMPTY:-d}", "d"),
        ("${A:-d}", "1"),
        ("$${A}", "${A}"),
        ("$$${A}", "$${A}"),
        ("$A $ {A} }{", "$A $ {A} }{"),
    ],
)
def test_filling(template: str, text: str) -> None:
    assert fill(template, A="1", EMPTY="") == text


def test_a_value_is_not_filled_again() -> None:
    assert fill("${A}", A="${B}$${C}") == "${B}$${C}"


@pytest.mark.parametrize(
    ("template", "offset", "message"),
    [
        ("ab ${X}", 3, "variable 'X' is not set"),
        ("a ${X", 2, "not closed"),
        ("${}", 0, "names no variable"),
        ("${ }", 0, "names no variable"),
        ("${ X }", 0, "no variable name"),
        ("${1X}", 0, "no variable name"),
        ("${X-d}", 0, "no default"),
        ("${X:d}", 0, "no default"),
        ("${X:-${Y}}", 0, "holds a brace"),
        ("${X:-{}}", 0, "holds a brace"),
    ],
)
def test_each_mistake_has_its_place_and_one_message(template: str, offset: int, message: str) -> None:
    [(found, text)] = mistakes(template)
    assert found == offset
    assert message in text


def test_all_mistakes_of_a_text_are_found() -> None:
    assert [offset for offset, _ in mistakes("${A} ${B:-1} ${ ${C}")] == [0, 13]
    assert len(mistakes("${A}" * 10_000)) <= 20


def test_an_unset_variable_is_told_from_a_misspelt_one() -> None:
    [mistake] = Variables({"REGION": "eu"}, {}).fill("${RGION}").mistakes
    assert "did you mean 'REGION'?" in mistake.hint


def test_values_can_not_grow_without_bound() -> None:
    filling = Variables({"A": "x" * 100_000}, {}).fill("${A}" * 100_000)
    assert "too large" in filling.mistakes[0].message
    assert len(filling.text) < 20_000_000


@given(st.lists(st.sampled_from(["a", "$", "{", "}", "$${", "${A}", "${B:-dd}", "${", " ", "é"])).map("".join))
def test_whatever_the_text_filling_ends_and_offsets_lead_back(template: str) -> None:
    filling = Variables({"A": "value"}, {}).fill(template)
    for offset in range(len(filling.text) + 1):
        assert 0 <= offset_in_template(filling.pieces, offset) <= len(template)
    if not filling.mistakes:
        assert filling.has_variables == has_variable(template)
        if not filling.has_variables:
            assert filling.text == unescape(template)


def test_a_filled_text_hides_its_value_in_repr() -> None:
    secret = Filled("s3cret", "${KEY}")
    assert secret == "s3cret"
    assert f"{secret}" == "s3cret"
    assert "s3cret" not in repr([secret])
    for other in (copy.deepcopy(secret), pickle.loads(pickle.dumps(secret))):
        assert (other, other.template, type(other)) == ("s3cret", "${KEY}", Filled)


def test_env_file() -> None:
    text = """
# comment
export A=1
  B = two words   # comment
C='a # "b" $x \\n'
D="x\\ny \\"z\\" \\q $A" # comment
E=a#b
F= # nothing
G=
H
I='two
lines'
J=a=b'c"d
K=1\r
K=2
L.dotted-name=x
"""
    values, problems = parse_env(text, Path(".env"))
    assert problems == []
    assert values == {
        "A": "1",
        "B": "two words",
        "C": 'a # "b" $x \\n',
        "D": 'x\ny "z" \\q $A',
        "E": "a#b",
        "F": "",
        "G": "",
        "I": "two\nlines",
        "J": "a=b'c\"d",
        "K": "2",
        "L.dotted-name": "x",
    }


def test_lines_that_are_none_are_told_by_number_without_their_text() -> None:
    values, problems = parse_env("A='x\ny'\nB=\"s3cret\nC='s3cret' s3cret\nwhat is this\nD=4\n", Path(".env"))
    assert values == {"A": "x\ny", "D": "4"}
    assert [problem.position.line for problem in problems] == [3, 4, 5]
    assert not any("s3cret" in str(problem) for problem in problems)


def test_a_file_that_can_not_be_read_is_a_problem_and_a_missing_one_is_not(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    assert read_env_file(path) == ({}, [])
    path.write_bytes(b"\xef\xbb\xbfA=\xc3\xa9\n")
    assert read_env_file(path) == ({"A": "é"}, [])
    path.write_bytes(b"A=1\nB=\xe9\n")
    values, [problem] = read_env_file(path)
    assert (values, problem.position.line) == ({}, 2)
    path.write_bytes(b"A=" + b"1" * 2_000_000)
    assert "larger" in str(read_env_file(path)[1][0])


@given(st.text())
def test_any_text_is_read_as_an_env_file(text: str) -> None:
    parse_env(text, Path(".env"))
