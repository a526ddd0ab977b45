"""The page: nothing from the data becomes markup, and everything that a story must show is there."""

from __future__ import annotations

import base64
import hashlib
import html
import re
from html.parser import HTMLParser
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from odibi.story import assets
from odibi.story.drawing import MAX_GRAPH
from odibi.story.html import MAX_DETAIL, to_html
from odibi.story.markup import esc
from odibi.story.text import visible

VOID = {"meta", "br"}
FREE = {"d", "viewbox", "aria-label", "points"}


class Page(HTMLParser):
    """The elements and texts of a page; complains about tags that do not nest."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.shape: list[tuple[str, ...]] = []
        self.attributes: set[tuple[str, str, str]] = set()
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open, self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.shape.append((tag, *(name for name, _ in attrs)))
        self.attributes |= {(tag, name, value or "") for name, value in attrs}
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        self.shape.append((f"/{tag}",))

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] not in ("style", "script"):
            self.texts.append(data)

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data!r}")

    @property
    def text(self) -> str:
        return "".join(self.texts)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_the_elements_of_a_page_do_not_depend_on_any_text(hostile, data):
    drawn = data.draw(st.lists(hostile.texts, min_size=4, max_size=8))
    page = Page(to_html(hostile.story(lambda number: drawn[number % len(drawn)])))
    plain = Page(to_html(hostile.story(lambda number: "x")))
    assert page.shape == plain.shape
    for tag, name, value in page.attributes:
        if (tag, name, value) not in plain.attributes:
            assert name in FREE | {"x", "y", "width", "height"} or (tag, name) == ("rect", "width"), (tag, name, value)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_texts_are_shown_whole(hostile, data):
    text = data.draw(hostile.texts)
    story = hostile.story(lambda number: text)
    shown = Page(to_html(story)).text
    assert visible(story["pipeline"]["name"]) in shown
    assert visible(story["nodes"][1]["error"]["message"]) in shown
    assert visible(story["nodes"][1]["steps"][0]["run"]) in shown


def test_nothing_is_fetched_and_only_our_own_style_and_script_may_run(made_up, tell):
    text = Path(tell(made_up.events_of(made_up.records())).paths["bronze_to_gold"]).read_text(encoding="utf-8")
    page = Page(text)
    links = {value for _, name, value in page.attributes if name in ("href", "src", "action", "data", "srcset")}
    assert all(re.fullmatch(r"#(n\d+|s-[a-z]+)", link) for link in links), links
    assert not {name for _, name, _ in page.attributes if name.startswith("on") or name == "style"}
    assert "url(" not in assets.STYLE
    assert "@import" not in assets.STYLE
    (policy,) = [
        value for tag, name, value in page.attributes if tag == "meta" and name == "content" and "src" in value
    ]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    for tag, source in (("style", assets.STYLE), ("script", assets.SCRIPT)):
        (inside,) = re.findall(f"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        assert inside == source
        digest = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy, f"the hash of {tag} is sha256-{digest}"


def test_every_reference_has_its_target(made_up, tell):
    text = Path(tell(made_up.events_of(made_up.records())).paths["bronze_to_gold"]).read_text(encoding="utf-8")
    page = Page(text)
    ids = [value for _, name, value in page.attributes if name == "id"]
    assert {value[1:] for _, name, value in page.attributes if name == "href"} <= set(ids)
    assert len(re.findall(r' id="', text)) == len(ids), "an id stands twice"


def test_a_page_shows_what_happened(made_up, tell):
    tell(made_up.events_of(made_up.earlier_records(), "completed", made_up.run_info("aaaa1111", made_up.at(-86_400))))
    text = Page(
        Path(tell(made_up.events_of(made_up.records())).paths["bronze_to_gold"]).read_text(encoding="utf-8")
    ).text
    for shown in (
        "did you mean 'wind_speed'?",
        "TRY_CAST(dep_time",
        "6 → 7",
        "48.1 MB",
        "+1,204 since the last run",
        "+ added",
        "− removed",
        "was string",
        "3 of 327,346 rows failed",
        "1152921504606846976",
        "129.90",
        "NaN",
        "***",
        "connection reset by peer",
        "they went straight into clean_flights",
        "node 'delays_by_weather', which it depends on, failed",
        "4be1f0c2d9a8",
        "maria",
        "lake-runner-3",
        "duckdb 2.0.0",
        "aaaa1111",
        "Traceback",
        "column price added",
    ):
        assert shown in text, shown
    assert "passenger0@example.com" not in text
    assert "x@y.z" not in text


def test_a_check_is_told_once(made_up, tell):
    check = made_up.CheckRecord("ranges(amount)", "warned", 1, 2, "1 of 2 rows")
    node = made_up.NodeRecord("n", "p", checks=[check], warnings=["check ranges(amount) does not hold: 1 of 2 rows"])
    text = Page(Path(tell(made_up.events_of([node], pipeline="p")).paths["p"]).read_text(encoding="utf-8")).text
    assert text.count("1 of 2 rows failed") == 1
    assert "failed. 1 of 2" not in text


def test_a_state_has_a_shape_beside_its_colour(made_up, tell):
    text = Path(tell(made_up.events_of(made_up.records())).paths["bronze_to_gold"]).read_text(encoding="utf-8")
    for state in ("completed", "failed", "skipped", "warned"):
        assert f'<use href="#s-{state}"' in text
        assert f'id="s-{state}"' in text


def test_many_nodes_make_a_page_of_bounded_detail(made_up, tell):
    rows = [{"text": "y" * 250, "id": number} for number in range(10)]
    columns = made_up.columns(("id", "bigint"), ("text", "string"))
    nodes = [
        made_up.NodeRecord(
            f"node_{i}", "big", started=made_up.at(i / 100), duration=0.01, rows=10, columns=columns, sample=rows
        )
        for i in range(1_500)
    ]
    nodes[-1].status, nodes[-1].error = "failed", made_up.ErrorRecord("ReadError", "the last one is told about")
    text = Path(tell(made_up.events_of(nodes, pipeline="big")).paths["big"]).read_text(encoding="utf-8")
    assert len(text) < MAX_DETAIL + 1_500 * 1_500
    assert len(nodes) > MAX_GRAPH
    assert "too many to draw" in text
    assert text.count("the last one is told about") == 2
    assert html.escape("node_1499") in text


@given(st.text())
def test_an_escaped_text_stays_inside_a_quoted_attribute(text):
    assert not set(esc(text)) & set("<>\"'")
    assert html.unescape(esc(text)) == visible(text)
