"""The Markdown: nothing from the data becomes markup, tables keep their columns."""

from __future__ import annotations

import html
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odibi.story.markdown import MAX_DETAILED, block, md, to_markdown
from odibi.story.text import visible

NESTED = st.text("\\`*_[]()<>|#~&@!:/$-+.=\n\r\t abwWgGhH:1", max_size=40)


def unescaped(text: str) -> str:
    """What a reader of the rendered text sees."""
    text = text.replace("<!-- -->", "")
    return re.sub(r"\\(.)|&(#?\w+);", lambda match: match[1] or html.unescape(match[0]), text)


@given(st.one_of(st.text(max_size=40), NESTED))
def test_escaped_text_reads_as_the_text(text):
    assert unescaped(md(text)) == visible(text).strip().replace("\n", " ↵ ").replace("\t", " ")


@given(st.one_of(st.text(max_size=40), NESTED))
def test_escaped_text_holds_no_markup(text):
    bare = md(text).replace("<!-- -->", "\0")
    assert not re.search(r"[<>|`\n$]|@(?!\0)|!\d|(?<!&)#\d|://|www\.|(?i:gh-\d)", bare)
    assert not re.search(r"(?<!\\)(?:\\\\)*[*~\[\]]", bare)
    assert not re.search(r"(?<![^\W_])(?<!\\)_|(?<!\\)_(?![^\W_])", bare)
    assert not re.search(r"&(?!#?\w+;)", bare)


@pytest.mark.parametrize(
    "text", ["load_raw", "silver:sales.delta", "SELECT 1", "a-b.c", "12:30:45", "decimal(10,2)", "x = 1"]
)
def test_usual_texts_stay_readable(text):
    assert md(text) == text


@given(st.text("`~ab\n\r ", max_size=60))
def test_a_text_can_not_end_its_block(text):
    lines = block(text, "sql").rstrip("\n").split("\n")
    fence = lines[-1]
    assert lines[0] == f"{fence}sql"
    assert not any(re.match(rf" *{fence}", line) for line in lines[1:-1])


@given(st.data())
def test_tables_and_blocks_keep_their_form(hostile, data):
    drawn = data.draw(st.lists(hostile.texts, min_size=3, max_size=6))
    text = to_markdown(hostile.story(lambda number: drawn[number % len(drawn)]))
    assert outline(text) == outline(to_markdown(hostile.story(lambda number: "x")))


def outline(text: str) -> list[str]:
    """The lines of the text without what stands in them: tables by their number of columns, blocks by their fences."""
    shape, fence = [], ""
    for line in text.split("\n"):
        opened = re.match(r"`{3,}", line)
        if fence:
            fence = "" if line == fence else fence
        elif opened:
            fence = opened[0]
            shape.append("block")
        elif line.startswith("|"):
            shape.append(f"table {line.count('|')}")
        else:
            shape.append(re.match(r"#* ?|- |\w*", line)[0][:1])
    assert not fence
    return shape


def test_a_story_as_markdown(made_up, tell):
    tell(made_up.events_of(made_up.earlier_records(), "completed", made_up.run_info("aaaa1111", made_up.at(-86_400))))
    path = Path(tell(made_up.events_of(made_up.records())).paths["bronze_to_gold"]).with_name("story.md")
    text = path.read_text(encoding="utf-8")
    for shown in (
        "# Story of bronze_to_gold",
        "| Status | ❌ failed |",
        "did you mean 'wind_speed'?",
        "```mermaid",
        "n9 --> n10",
        "6 → 7",
        "3 of 327,346 rows failed",
        "flight_id=91",
        "| tailnum |  | removed (was string) |",
        "aaaa1111",
        "As run:",
        "United &#124; \\*Air\\* Lines",
        "+1,204 rows, schema",
    ):
        assert shown in text, shown
    assert "passenger0" not in text


def test_of_many_nodes_only_those_with_trouble_have_details(made_up, tell):
    nodes = [made_up.NodeRecord(f"node_{i}", "big", started=made_up.START) for i in range(MAX_DETAILED + 50)]
    nodes[7].warnings = ["look here"]
    path = Path(tell(made_up.events_of(nodes, "completed", pipeline="big")).paths["big"]).with_name("story.md")
    text = path.read_text(encoding="utf-8")
    assert text.count("\n### ") == 1
    assert f"other {MAX_DETAILED + 49} nodes" in text
    assert "| node_149 |" in text
