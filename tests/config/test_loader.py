"""Text to document: what values mean, where they stand, and that bad input of any kind gives clear messages."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from odibi.config import yaml_tree
from odibi.config.loader import Document, Filled, KeyPath, load_document, load_project_document, load_text
from odibi.errors import ConfigError, Position, Problem

FILE = Path("p.yaml")


def load(text: str, **variables: str) -> Document:
    return load_text(text, FILE, environ=variables)


def problems(text: str, **variables: str) -> list[Problem]:
    with pytest.raises(ConfigError) as caught:
        load(text, **variables)
    return caught.value.problems


def places(text: str, **variables: str) -> list[tuple[int, int]]:
    return [(problem.position.line, problem.position.column) for problem in problems(text, **variables)]


def index(text: str, position: Position) -> int:
    """The index in `text` of a position."""
    return sum(len(line) for line in text.splitlines(keepends=True)[: position.line - 1]) + position.column - 1


def paths(data: Any, path: KeyPath = ()) -> Iterator[tuple[KeyPath, Any]]:
    yield path, data
    children = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in children:
        yield from paths(value, (*path, key))


@pytest.fixture(params=["libyaml", "pure"])
def any_parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "pure":
        monkeypatch.setattr(yaml_tree, "_Parser", yaml_tree._PurePythonParser)
    elif not yaml.__with_libyaml__:
        pytest.skip("PyYAML is here without libyaml")


# --- what values mean ---


@pytest.mark.parametrize(
    ("written", "value"),
    [
        *[(word, word) for word in ("on", "off", "yes", "no", "NO", "y", "n", "tRUE", "nULL")],
        *[(word, True) for word in ("true", "True", "TRUE")],
        *[(word, False) for word in ("false", "False", "FALSE")],
        *[(word, None) for word in ("", "~", "null", "Null", "NULL", "!!null ''")],
        *[("12", 12), ("-12", -12), ("+12", 12), ("012", 12), ("0o17", 15), ("0x1F", 31), ("9" * 30, int("9" * 30))],
        *[("1.5", 1.5), (".5", 0.5), ("1.", 1.0), ("1e3", 1000.0), ("-1.5E-3", -0.0015)],
        *[(".inf", math.inf), ("-.INF", -math.inf), ("+.Inf", math.inf)],
        *[(text, text) for text in ("1_000", "12:30:00", "2020-01-01", "0b11", ".", "+", "1e", "0o8", "-0x1", "1.2.3")],
        *[("'12'", "12"), ('"true"', "true"), ("''", ""), ("!!str 12", "12"), ("!!int '12'", 12), ("!!float 1", 1.0)],
        *[("!!bool 'true'", True), ("!!seq [1]", [1]), ("!!map {a: 1}", {"a": 1})],
    ],
)
def test_scalars_are_those_of_yaml_1_2(written: str, value: Any) -> None:
    found = load(f"a: {written}\n").data["a"]
    assert found == value
    assert type(found) is type(value)


def test_nan_is_a_float() -> None:
    assert math.isnan(load("a: .nan").data["a"])


def test_keys_are_text_as_written() -> None:
    assert load("2024: a\ntrue: b\n1.50: c\n~: d\n'': e\n$${x}: f").data == {
        "2024": "a",
        "true": "b",
        "1.50": "c",
        "~": "d",
        "": "e",
        "${x}": "f",
    }


def test_merge_keys_give_what_the_mapping_does_not_have_itself() -> None:
    text = "a: &a {x: 1, y: 1}\nb: &b {y: 2, z: 2}\nc: {<<: [*a, *b], x: 3}\nd: {<<: *a}\ne: {'<<': 1}\n"
    document = load(text)
    assert document.data["c"] == {"x": 3, "y": 1, "z": 2}
    assert document.data["d"] == {"x": 1, "y": 1}
    assert document.data["e"] == {"<<": 1}
    assert document.locate_key(("c", "z")) == Position(FILE, 2, 14)
    assert document.locate(("c", "x")) == Position(FILE, 3, 22)


def test_aliases_give_separate_copies() -> None:
    data = load("a: &a [1]\nb: *a\n").data
    data["a"].append(2)
    assert data["b"] == [1]


def means_the_same_in_yaml_1_1(text: str) -> bool:
    """Whether PyYAML, which writes YAML 1.1, knows that it must quote a text (`0E0` is a float in 1.2 alone)."""
    tag = yaml.SafeLoader("").resolve(yaml.ScalarNode, text, (True, False))
    return tag != "tag:yaml.org,2002:str" or isinstance(yaml_tree.resolve_plain(text), str)


json_texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20).filter(
    lambda text: "${" not in text and means_the_same_in_yaml_1_1(text)
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | json_texts,
    lambda children: st.lists(children, max_size=5) | st.dictionaries(json_texts, children, max_size=5),
    max_leaves=25,
)
documents = st.dictionaries(json_texts, json_values, min_size=1, max_size=5)
HARD_TO_SEE = set("\x7f\u2028\u2029\ufeff\ufffe\uffff") | {chr(code) for code in range(0x80, 0xA0)}


@given(documents, st.sampled_from([None, True, False]), st.booleans(), st.integers(2, 9))
def test_what_a_yaml_dumper_writes_is_read_back(
    data: dict[str, Any], flow: bool | None, all_characters: bool, indent: int
) -> None:
    text = yaml.safe_dump(data, default_flow_style=flow, allow_unicode=all_characters, indent=indent)
    if set(text) & HARD_TO_SEE:
        text = yaml.safe_dump(data, default_flow_style=flow, indent=indent)
    assert load(text).data == data


@given(documents)
def test_json_is_yaml(data: dict[str, Any]) -> None:
    text = json.dumps(data, ensure_ascii=False, indent=1)
    if not set(text) & HARD_TO_SEE and "Infinity" not in text:
        assert load(text).data == data


# --- where values stand ---


def test_every_key_and_value_has_its_place() -> None:
    document = load("a: 1\nb:\n  - x\n  - {c: 2, 'd e': &n !!str 3}\n  -\n   - 4\n")
    assert document.locate(()) == Position(FILE, 1, 1)
    assert document.locate(("a",)) == Position(FILE, 1, 4)
    assert document.locate_key(("b",)) == Position(FILE, 2, 1)
    assert document.locate(("b",)) == Position(FILE, 3, 3)
    assert document.locate(("b", 1, "c")) == Position(FILE, 4, 9)
    assert document.locate_key(("b", 1, "d e")) == Position(FILE, 4, 12)
    assert document.locate(("b", 1, "d e"), 0) == Position(FILE, 4, 28)
    assert document.locate(("b", 2, 0)) == Position(FILE, 6, 6)
    assert document.locate_key(("b", 2, 0)) == Position(FILE, 6, 6)


def test_what_does_not_exist_is_at_the_closest_value_around_it() -> None:
    document = load("a:\n  b: 1\n")
    assert document.locate(("a", "c", 3)) == document.locate(("a",))
    assert document.locate_key(("a", "c", 3)) == Position(FILE, 1, 1)


def test_key_names_use_the_names_of_pipelines_and_nodes() -> None:
    document = load("pipelines:\n- pipeline: p\n  nodes:\n  - name: n\n    steps: [x, {y: 1}]\n  - {}\nnodes: 3\n")
    assert document.key_name(("pipelines", 0, "nodes", 0, "steps", 1, "y")) == "pipelines.p.nodes.n.steps[1].y"
    assert document.key_name(("pipelines", 0, "nodes", 1, "absent")) == "pipelines.p.nodes[1].absent"
    assert document.key_name(("pipelines", 7, "nodes", 7)) == "pipelines[7].nodes[7]"
    assert document.key_name(()) == ""


SCALARS = {
    "plain": "SELECT a FROM b",
    "plain over lines": "SELECT a\n    FROM b\n\n\n    WHERE c",
    "single": "'it''s  a\n    b\n\n    c d'",
    "double": '"a\\tb \\"c\\" \\u00e9\\x41\\U0001F600 d\n    e \\\n    f\\n  g"',
    "literal": "|\n    SELECT a\n      FROM b\n\n    WHERE c\n",
    "literal keep": "|+\n    a\n\n\n",
    "literal strip, indented by 1": "|1-\n     a\n    b",
    "literal, header with comment": "|  # comment\n     a\n     b\n",
    "literal, blank first": "|\n\n\n    a\n",
    "folded": ">\n    a b\n    c\n\n    d\n      e\n       f\n    g\n",
    "folded strip, indented by 2": ">2-\n      a\n    b\n",
    "anchored and tagged": "&x !!str  # why\n    'a b'",
}


@pytest.mark.parametrize("scalar", SCALARS.values(), ids=SCALARS.keys())
@pytest.mark.parametrize("line_break", ["\n", "\r\n"])
@pytest.mark.usefixtures("any_parser")
def test_visible_characters_of_a_text_are_found_in_the_file(scalar: str, line_break: str) -> None:
    text = f"é: 😀\nk:\n  x: {scalar}\nend: 1\n".replace("\n", line_break)
    document = load(text)
    value = document.data["k"]["x"]
    escapes = {"é": "\\", "😀": "\\", "A": "\\", '"': "\\"} if scalar.startswith('"') else {}
    found = [index(text, document.locate(("k", "x"), offset)) for offset in range(len(value) + 1)]
    assert found == sorted(found)
    for character, where in zip(value, found, strict=False):
        if not character.isspace():
            assert text[where] == escapes.get(character, character)


lines = st.text(st.sampled_from("ab é😀:#-'\""), max_size=8)


@given(st.lists(lines, min_size=1, max_size=8), st.integers(1, 5), st.sampled_from(["", "-", "+"]))
def test_each_character_of_a_literal_block_is_found_in_the_file(body: list[str], indent: int, chomping: str) -> None:
    block = "".join(f"{' ' * indent}{line}\n" for line in body)
    text = f"a:\n- |{indent}{chomping}\n{block}b: 1\n"
    document = load(text)
    value = document.data["a"][0]
    for offset, character in enumerate(value):
        assert text[index(text, document.locate(("a", 0), offset))] == character


@given(documents, st.sampled_from(["|", ">", "'", '"', None]), st.integers(2, 9))
def test_each_offset_of_any_dumped_text_has_a_place_inside_of_its_value(
    data: dict[str, Any], style: str | None, indent: int
) -> None:
    text = yaml.safe_dump(data, default_style=style, indent=indent)
    document = load(text)
    for path, value in paths(document.data):
        if isinstance(value, str):
            start = document.locate(path)
            where = [document.locate(path, offset) for offset in range(len(value) + 1)]
            assert all((start.line, start.column) <= (place.line, place.column) for place in where)
            assert [(place.line, place.column) for place in where] == sorted((p.line, p.column) for p in where)


def test_offsets_of_a_filled_text_lead_to_what_is_in_the_file() -> None:
    document = load("a: |\n  SELECT\n  ${COLUMN} FROM $${t} x\n", COLUMN="some_column")
    value = document.data["a"]
    assert value == "SELECT\nsome_column FROM ${t} x\n"
    assert document.locate(("a",), value.index("some")) == Position(FILE, 3, 3)
    assert document.locate(("a",), value.index("column")) == Position(FILE, 3, 3)
    assert document.locate(("a",), value.index("FROM")) == Position(FILE, 3, 13)
    assert document.locate(("a",), value.index("x\n")) == Position(FILE, 3, 24)
    assert document.locate(("a",), 1000).line == 3


# --- bad input ---


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("", (1, 1), "empty"),
        ("# nothing\n", (1, 1), "empty"),
        ("---\n", (1, 1), "empty"),
        ("- a\n", (1, 1), "a list where a mapping"),
        ("just text\n", (1, 1), "single text"),
        ("a: 1\nb: \0\n", (2, 4), "NUL"),
        ("a: \x85", (1, 4), "U+0085"),
        ("a: 'x\u2028y'", (1, 6), "U+2028"),
        ("a: \x1b[0m", (1, 4), "U+001B"),
        ("a: \ud800", (1, 4), "U+D800"),
        ("a:\n\tb: 1\n", (2, 1), "indent with spaces"),
        ("a: 1\nb:\n  - x\n\t- y\n", (4, 1), "indent with spaces"),
        ("a:\n  b: 1\n c: 2\n", (3, 2), "indentation"),
        ("a: 1\n  b: 2\n", (2, 4), "indentation"),
        ("a: 'x\nb: 2\n", (1, 4), "not closed"),
        ('a: 1\nb: "x\n', (2, 4), "not closed"),
        ("a: [1, 2\nb: 3\n", (1, 4), "not closed"),
        ("a: {b: 1\n", (1, 4), "not closed"),
        ("a: [1 2: 3, x] y\n", (1, 16), "not expected"),
        ("a: ]\n", (1, 4), "closes nothing"),
        ("a: 1\n---\nb: 2\n", (2, 1), "second YAML document"),
        ("a: 1\n...\nb: 2\n", (3, 1), ""),
        ("a: b: c\n", (1, 5), "quote"),
        ("a: *.csv\n", (1, 4), "quote"),
        ("a: *nothing\n", (1, 4), "repeats nothing"),
        ("a: &\n", (1, 4), "quote"),
        ("a: @x\n", (1, 4), "'@'"),
        ("a: `x`\n", (1, 4), "'`'"),
        ("a: %x\n", (1, 4), "'%'"),
        ("a: - x\n", (1, 4), "next line"),
        ("a: | SELECT 1\n", (1, 6), "next line"),
        ('a: "C:\\data"\n', (1, 7), "single quotes"),
        ("a: 'x' y\n", (1, 8), "quote the whole value"),
        ("a: !!python/object/apply:os.system [x]\n", (1, 4), "!!python/object/apply:os.system"),
        ("a: !!python/name:os.system x\n", (1, 4), "not allowed"),
        ("a: !include x\n", (1, 4), "!include"),
        ("a: !!binary aGk=\n", (1, 4), "not allowed"),
        ("a: !!set {x}\n", (1, 4), "not allowed"),
        ("a: !x!y z\n", (1, 4), "tag"),
        ("a: !!int x\n", (1, 4), "!!int"),
        ("a: !!bool 1\n", (1, 4), "!!bool"),
        ("a: &a [*a]\n", (1, 8), "inside of what it repeats"),
        ("a: &a {b: {<<: *a}}\n", (1, 16), "inside of what it repeats"),
        ("a: {<<: 1}\n", (1, 5), "merges what is no mapping"),
        ("a: {<<: [{b: 1}, 2]}\n", (1, 5), "merges what is no mapping"),
        ("a:\n  b: 1\n  c: 2\n  b: 3\n", (4, 3), "first at p.yaml:2:3"),
        ("1: a\n'1': b\n", (2, 1), "defined twice"),
        ("a: {<<: {x: 1}, <<: {y: 1}}\n", (1, 17), "defined twice"),
        ("[a, b]: c\n", (1, 1), "a key must be a text"),
        ("{a: 1}: c\n", (1, 1), "a key must be a text"),
        ("a: {{ x }}\n", (1, 5), "${NAME}"),
        ("? [[a], {? [b] : c}]\n: d\n", (1, 3), "a key must be a text"),
        (": c\n", (1, 1), "key is missing"),
        ("{: c}\n", (1, 2), "key is missing"),
        ("${A}: c\n", (1, 1), "a key can not hold a variable"),
        (f"a: {'9' * 5000}\n", (1, 4), "5000 digits"),
        (f"a: !!float {'9' * 3000}\n", (1, 4), "too large"),
    ],
)
@pytest.mark.usefixtures("any_parser")
def test_each_mistake_has_one_message_at_its_place(text: str, place: tuple[int, int], words: str) -> None:
    [problem] = problems(text)
    assert words in str(problem)
    assert (problem.position.file, problem.position.line, problem.position.column) == (FILE, *place)
    assert len(str(problem)) < 400


def test_all_mistakes_of_a_file_are_reported_in_its_order() -> None:
    text = "a: ${X}\nb: {c: 1, c: 2}\nd: !x 1\ne: [${Y}, ${Z:-1}]\nf: 'a ${ b'\ng: *no\n"
    assert places(text) == [(1, 4), (2, 11), (3, 4), (4, 5), (4, 11), (5, 7), (6, 4)]


def test_a_message_names_the_key() -> None:
    text = "pipelines:\n- pipeline: p\n  nodes:\n  - name: n\n    path: ${X}\n    read: {a: 1, a: 2}\n"
    assert [problem.key for problem in problems(text)] == ["pipelines.p.nodes.n.path", "pipelines.p.nodes.n.read.a"]


def test_a_mistake_that_an_alias_repeats_is_reported_once() -> None:
    assert places("a: &a {x: '${X}'}\nb: *a\nc: {<<: *a}\n") == [(1, 12)]


@pytest.mark.parametrize("flow", ["[${X}]", "{a: ${X}}", "{a: ${X:-d e}, b: 1}", "[a, b${X}c]", "{${X}: 1}"])
@pytest.mark.usefixtures("any_parser")
def test_an_unquoted_variable_in_brackets_is_reported_as_such(flow: str) -> None:
    first = problems(f"k:\n  - {flow}\n", X="1")[0]
    assert "unquoted ${…}" in first.message
    assert "quote it" in first.hint
    assert (first.position.line, first.position.column) == (2, 5 + flow.index("$"))


def test_too_many_mistakes_end_the_list() -> None:
    assert len(problems("".join(f"k{number}: ${{X}}\n" for number in range(100_000)))) <= 101
    assert len(problems("a: 1\n" * 100_000)) <= 101
    assert len(problems(f"a: [{'${X}, ' * 1000}1]")) <= 101


def bomb(width: int, levels: int) -> str:
    text = f"a0: &a0 [{', '.join('x' * width)}]\n"
    for level in range(1, levels):
        text += f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * width)}]\n"
    return text


HOSTILE = {
    "billion laughs": bomb(10, 12),
    "merged laughs": "a: &a {x: 1}\n" + "".join(f"k{n}: {{<<: [{'*a, ' * 100}*a]}}\n" for n in range(2000)),
    "10 MB of aliases": "a: &a x\nb:\n" + "- *a\n" * 2_000_000,
    "deep brackets": "a: " + "[" * 1_000_000,
    "deep braces": "a: " + "{a: " * 100_000,
    "deep lists": "a:\n" + "- " * 100_000,
    "deep keys": "? " * 100_000,
    "deep by aliases": "a: &a0 x\n" + "".join(f"b{n}: &a{n + 1} [*a{n}]\n" for n in range(500)),
    "deep by indentation": "".join(f"{' ' * n}a:\n" for n in range(1000)),
    "too large": "a: b\n" + "#" * 17_000_000,
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_files_end_with_one_message(text: str, tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_document(path)
    assert len(caught.value.problems) <= 2
    assert len(str(caught.value)) < 1000


def test_the_number_of_values_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yaml_tree, "MAX_EVENTS", 1000)
    [problem] = problems("a:\n" + "- 1\n" * 2000)
    assert "more than 1,000 values" in problem.message


def test_what_is_large_but_right_is_read() -> None:
    assert len(load("a: '" + "x" * 5_000_000 + "'").data["a"]) == 5_000_000
    assert len(load("".join(f"k{number}: {number}\n" for number in range(20_000))).data) == 20_000
    assert load("a: " + "[" * 90 + "]" * 90).data["a"]
    assert len(load("a: &a {x: 1}\nb:\n" + "- *a\n" * 10_000).data["b"]) == 10_000


SYNTAX = (
    "a|b|: |:|\n|\n  |\n- |- |? |&a |*a|<<: |!!str |!!int |!x|{|}|[|]|, |'|\"|>|2-\n|#| #|%|---\n|...\n|\t|\\|\\x|\r"
)
VALUES = "~|@|${A}|${|$${|${B:-|é|1|0x|.inf|\ufeff|\0|\u2028|\\ud800|%YAML 1.2\n|%TAG ! x\n"
fragments = st.sampled_from([*SYNTAX.split("|"), *VALUES.split("|"), "|", "|2-\n"])


def check_problems(error: ConfigError) -> None:
    assert error.problems
    assert all(problem.position.file and problem.position.line > 0 for problem in error.problems)
    assert str(error)


def load_or_config_error(text: str) -> None:
    try:
        document = load(text, A="1")
    except ConfigError as error:
        check_problems(error)
        return
    for path, value in paths(document.data):
        document.locate_key(path)
        document.key_name(path)
        for offset in range(len(value) + 2 if isinstance(value, str) else 0):
            document.locate(path, offset)


@given(st.text() | st.lists(fragments, max_size=30).map("".join))
@example("a: &a\n? *a\n")
@example("a: !<%ff> b")
@example("%YAML 1.99999999999999999999\n--- a")
@example('a: "\\UFFFFFFFF"')
@example("a: ${A}\n")
def test_no_text_raises_anything_but_a_config_error(text: str) -> None:
    load_or_config_error(text)
    load_or_config_error(f"a:\n  {text}\n")


@given(documents, st.sampled_from([None, True, False]), st.data())
def test_no_mutated_yaml_raises_anything_but_a_config_error(
    data: dict[str, Any], flow: bool | None, choices: st.DataObject
) -> None:
    text = yaml.safe_dump(data, default_flow_style=flow, allow_unicode=True)
    for _ in range(choices.draw(st.integers(1, 4))):
        start = choices.draw(st.integers(0, len(text)))
        end = min(len(text), start + choices.draw(st.integers(0, 3)))
        text = text[:start] + choices.draw(fragments | st.just("")) + text[end:]
    load_or_config_error(text)


@given(st.lists(fragments, max_size=20).map("".join))
def test_the_parser_without_libyaml_raises_no_more(text: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(yaml_tree, "_Parser", yaml_tree._PurePythonParser)
        load_or_config_error(text)


@given(st.binary(max_size=60))
@example(b"a: \xe9")
def test_no_bytes_raise_anything_but_a_config_error(tmp_path_factory: pytest.TempPathFactory, raw: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "bytes.yaml"
    path.write_bytes(raw)
    try:
        load_project_document(path, environ={})
    except ConfigError as error:
        check_problems(error)


# --- files ---


def test_files_that_can_not_be_read(tmp_path: Path) -> None:
    (tmp_path / "project.yaml").write_text("a: 1\n")
    (tmp_path / "folder").mkdir()
    for name, words in {
        "projct.yaml": "did you mean 'project.yaml'?",
        "folder": "is a folder",
        "no/such.yaml": "does not exist",
        "x" * 5000: "can not be read",
        "nul\0byte": "does not exist",
    }.items():
        with pytest.raises(ConfigError, match=r"folder|exist|read") as caught:
            load_document(tmp_path / name)
        assert words in str(caught.value)


@pytest.mark.parametrize(
    ("raw", "place", "words"),
    [
        (b"a: 1\nb: caf\xe9\n", (2, 7), "0xE9 is not UTF-8"),
        ("a: é\nb: ".encode() + b"\xff\n", (2, 4), "0xFF"),
        ("a: 1\n".encode("utf-16"), (1, 1), "UTF-16"),
        ("a: 1\n".encode("utf-16-le"), (1, 2), "NUL"),
        ("a: 1\nb: 'é\n".encode("utf-8-sig"), (2, 4), "not closed"),
        ("a: *x\n".encode("utf-8-sig"), (1, 4), "repeats nothing"),
        ("a: 1\nb: \ufeff\n".encode(), (2, 4), "U+FEFF"),
    ],
)
def test_encodings(tmp_path: Path, raw: bytes, place: tuple[int, int], words: str) -> None:
    path = tmp_path / "p.yaml"
    path.write_bytes(raw)
    with pytest.raises(ConfigError) as caught:
        load_document(path)
    [problem] = caught.value.problems
    assert words in str(problem)
    assert (problem.position.line, problem.position.column) == place


def test_a_byte_order_mark_at_the_start_is_no_matter(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_bytes("a: é\n".encode("utf-8-sig"))
    document = load_document(path)
    assert document.data == {"a": "é"}
    assert document.locate_key(("a",)) == Position(path, 1, 1)


# --- variables ---


def test_variables_fill_values_of_every_style_and_stay_text() -> None:
    text = 'a: ${X}\nb: \'${X}\'\nc: "${X}"\nd: |\n  ${X}\ne: ["-${X}-"]\nf: ${X:-2}\ng: $${X}\nh: !!int ${X}\n'
    data = load(text, X="0123").data
    assert data == {"a": "0123", "b": "0123", "c": "0123", "d": "0123\n", "e": ["-0123-"], "f": "0123"} | {
        "g": "${X}",
        "h": 123,
    }
    assert all(type(data[key]) is Filled for key in "abcdf")
    assert type(data["g"]) is str


def test_a_value_can_not_add_structure() -> None:
    evil = "x\nadmin: true\n- {a: *b}"
    assert load("a: ${X}\n", X=evil).data == {"a": evil}


def test_places_of_variables() -> None:
    text = "a: x ${U} y\nb: \"\\t${V}\"\nc: |\n  x\n  y ${W}\nd: 'it''s ${X:}'\n"
    assert places(text) == [(1, 6), (2, 7), (5, 5), (6, 11)]


def test_variables_come_from_overrides_environment_and_the_env_file_beside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "p.yaml"
    path.write_text("a: ${A}\nb: ${B}\nc: ${C}\n")
    (tmp_path / ".env").write_text("A=file\nB=file\nC=file\n")
    monkeypatch.setenv("A", "environ")
    monkeypatch.setenv("B", "environ")
    monkeypatch.delenv("C", raising=False)
    document = load_document(path, {"A": "set"})
    assert document.data == {"a": "set", "b": "environ", "c": "file"}
    assert document.variables == {"A", "B", "C"}


def test_mistakes_in_the_env_file_are_reported_where_it_is_needed(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text("a: ${A}\n")
    (tmp_path / ".env").write_text("A=1\n'what'\n")
    assert load_document(path, {"A": "2"}).data == {"a": "2"}
    with pytest.raises(ConfigError) as caught:
        load_document(path, environ={})
    [problem] = caught.value.problems
    assert problem.position == Position(tmp_path / ".env", 2, 1)


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=6).map("s3cret-".__add__))
def test_no_message_shows_a_value(secret: str) -> None:
    text = (
        "a: !!int '${S}'\nb: {c: 1, c: '${S}'}\ninclude: ['${S}']\npipelines:\n- pipeline: ${S}\n  x: ${UNSET}\n"
        "  y: !!float x${S}\n"
    )
    for load_it in (load_text, load_text):
        with pytest.raises(ConfigError) as caught:
            load_it(text, FILE, {"S": secret}, {})
        assert "s3cret" not in str(caught.value)
    document = load_text("a: [x, '${S}']", FILE, {"S": secret}, {})
    assert "s3cret" not in repr(document)
    assert "s3cret" not in repr(document.data)


def test_a_partial_document_goes_on_with_its_problems() -> None:
    text = "a: ${X}\nb: {c: !x 1, d: 2, d: 3}\ne: &e [*e]\nf: 1\n"
    document = load_text(text, FILE, environ={}, partial=True)
    assert document.data == {"a": None, "b": {"c": None, "d": 2}, "e": [None], "f": 1}
    assert len(document.problems) == 4
    broken = [path for path, _ in paths(document.data) if document.is_broken(path)]
    assert broken == [("a",), ("b", "c"), ("e", 0)]
    with pytest.raises(ConfigError):
        load_text("a: [${X}]", FILE, environ={}, partial=True)


def test_a_document_that_lacks_an_included_file_is_no_partial_document(tmp_path: Path) -> None:
    path = write(tmp_path, p="include: [none.yaml]\na: ${X}\n")
    with pytest.raises(ConfigError) as caught:
        load_project_document(path, environ={}, partial=True)
    assert len(caught.value.problems) == 2


# --- include ---


def write(folder: Path, **files: str) -> Path:
    """Write files (`_` in a name is a `/`); the path of `p.yaml`."""
    for name, text in files.items():
        path = folder / f"{name.replace('_', '/')}.yaml"
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(text)
    return folder / "p.yaml"


def include_problems(path: Path) -> list[tuple[str, int, int, str]]:
    with pytest.raises(ConfigError) as caught:
        load_project_document(path, environ={})
    return [
        (str(problem.position.file and problem.position.file.name), *_place(problem), str(problem))
        for problem in caught.value.problems
    ]


def _place(problem: Problem) -> tuple[int, int]:
    return problem.position.line, problem.position.column


def test_included_files_give_connections_pipelines_and_transforms(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        p="include: sub/a.yaml\nconnections:\n  own: {x: 1}\npipelines:\n- pipeline: own\ntransforms: [own.py]\n",
        sub_a="include: [../b.yaml]\nconnections: {a: {base_path: ./data}}\n"
        "pipelines: [{pipeline: a}]\ntransforms: [a.py]",
        b="connections:\n  b: {x: '${X:-2}'}\npipelines:\ntransforms: [b.py]\n",
    )
    document = load_project_document(path, environ={})
    assert document.data == {
        "include": ["sub/a.yaml"],
        "connections": {"b": {"x": "2"}, "a": {"base_path": "./data"}, "own": {"x": 1}},
        "pipelines": [{"pipeline": "a"}, {"pipeline": "own"}],
        "transforms": ["b.py", "a.py", "own.py"],
    }
    assert [file.name for file in document.files] == ["p.yaml", "a.yaml", "b.yaml"]
    assert document.base_of(("connections", "a", "base_path")) == tmp_path / "sub"
    assert [document.base_of(("transforms", number)).resolve() for number in range(3)] == [
        tmp_path,
        tmp_path / "sub",
        tmp_path,
    ]
    assert document.locate_key(("connections", "b")) == Position(tmp_path / "sub" / ".." / "b.yaml", 2, 3)
    assert document.locate(("pipelines", 1, "pipeline")) == Position(path, 5, 13)
    assert document.locate_key(("connections",)) == Position(path, 2, 1)
    assert load_document(path).data["include"] == "sub/a.yaml"


def test_a_project_can_be_made_of_included_files_alone(tmp_path: Path) -> None:
    path = write(
        tmp_path, p="include: [a.yaml]\npipelines: ~\n", a="connections: {c: {}}\npipelines: [{pipeline: p}]\n"
    )
    document = load_project_document(path)
    assert document.data["pipelines"] == [{"pipeline": "p"}]
    assert document.locate_key(("connections",)) == Position(tmp_path / "a.yaml", 1, 14)
    assert load_project_document(write(tmp_path, p="include:\nproject: x\n")).data == {"include": [], "project": "x"}


def test_names_defined_twice_tell_both_places(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        p="include: [a.yaml]\nconnections:\n  c: {}\npipelines:\n- nodes: []\n  pipeline: x\n",
        a="connections: {c: {}}\npipelines:\n- pipeline: x\n",
    )
    first, second = include_problems(path)
    assert first[:3] == ("p.yaml", 3, 3)
    assert f"first at {tmp_path / 'a.yaml'}:1:15" in first[3]
    assert second[:3] == ("p.yaml", 6, 13)
    assert f"pipelines.x: the pipeline 'x' is defined twice; first at {tmp_path / 'a.yaml'}:3:13" in second[3]


def test_a_file_included_twice_counts_once(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        p="include: [a.yaml, b.yaml, ./a.yaml]\n",
        a="include: b.yaml\nconnections: {a: {}}\n",
        b="connections: {b: {}}\n",
    )
    assert list(load_project_document(path).data["connections"]) == ["b", "a"]


def test_include_mistakes(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        p="include: [conections.yaml, sub, 3, [x], '', ok.yaml, '${UNSET}']\n",
        connections="connections: {}\n",
        ok="project: x\nconnections: [1]\npipelines: {}\ntransforms: ~\nstory: {}\n",
        sub_x="a: 1\n",
    )
    found = include_problems(path)
    assert [(name, line, column) for name, line, column, _ in found] == [
        *[("p.yaml", 1, column) for column in (11, 28, 33, 36, 41, 55)],
        ("ok.yaml", 1, 1),
        ("ok.yaml", 2, 14),
        ("ok.yaml", 3, 12),
        ("ok.yaml", 5, 1),
    ]
    assert "did you mean 'connections.yaml'?" in found[0][3]
    assert "is a folder" in found[1][3]
    assert "move this to p.yaml" in found[6][3]


def test_mistakes_of_all_files_are_reported_together(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        p="include: [a.yaml, b.yaml, c.yaml]\nx: ${X}\n",
        a="connections: {a: {x: '${Y}'}}\n",
        b="connections: 'open\n",
        c="",
    )
    found = include_problems(path)
    assert [(name, line, column) for name, line, column, _ in found] == [
        ("p.yaml", 2, 4),
        ("a.yaml", 1, 23),
        ("b.yaml", 1, 14),
        ("c.yaml", 1, 1),
    ]


def test_cycles_show_their_path(tmp_path: Path) -> None:
    path = write(tmp_path, p="include: a.yaml\n", a="include: [b.yaml]\n", b="include: [./a.yaml]\n")
    [(name, line, column, text)] = include_problems(path)
    assert (name, line, column) == ("b.yaml", 1, 11)
    assert "a.yaml → b.yaml → a.yaml" in text


def test_long_chains_of_includes_end(tmp_path: Path) -> None:
    files = {f"f{number}": f"include: f{number + 1}.yaml\n" for number in range(200)}
    [(_, _, _, text)] = include_problems(write(tmp_path, p="include: f0.yaml\n", **files))
    assert "too many files" in text


def test_variables_of_all_files_come_from_the_first_folder(tmp_path: Path) -> None:
    path = write(tmp_path, p="include: '${DIR}/a.yaml'\n", sub_a="connections: {a: {x: '${X}'}}\n")
    (tmp_path / ".env").write_text("DIR=sub\nX=1\n")
    (tmp_path / "sub" / ".env").write_text("X=2\n")
    assert load_project_document(path, environ={}).data["connections"] == {"a": {"x": "1"}}


def test_anchors_reach_no_further_than_their_file(tmp_path: Path) -> None:
    path = write(tmp_path, p="include: a.yaml\nx: &x 1\n", a="connections: {a: *x}\n")
    [(name, _, column, _)] = include_problems(path)
    assert (name, column) == ("a.yaml", 18)
