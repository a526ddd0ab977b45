"""The graph's layout: edges go rightwards, nothing overlaps, any graph has one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from odibi.story.layout import layout


@st.composite
def graphs(draw):
    size = draw(st.integers(0, 40))
    return {
        f"n{i}": [f"n{j}" for j in draw(st.sets(st.integers(0, i - 1), max_size=4))] if i else [] for i in range(size)
    }


@given(graphs())
def test_edges_go_right_and_nodes_do_not_overlap(needs):
    places = layout(needs)
    assert set(places.x) == set(places.y) == set(needs)
    for name, sources in needs.items():
        for source in sources:
            assert places.x[source] < places.x[name]
            between = places.bends[source, name]
            assert [layer for layer, _ in between] == list(range(places.x[source] + 1, places.x[name]))
    for name in needs:
        assert 0 <= places.x[name] < places.layers
        assert -1e-9 <= places.y[name] <= places.height - 1 + 1e-9
        for other in needs:
            if other != name and places.x[other] == places.x[name]:
                assert abs(places.y[other] - places.y[name]) > 1 - 1e-9


def test_a_chain_is_a_line():
    places = layout({f"n{i}": [f"n{i - 1}"] if i else [] for i in range(50)})
    assert places.layers == 50
    assert set(places.y.values()) == {0.0}
    assert places.height == 1.0


def test_a_source_stands_next_to_its_first_user():
    places = layout({"a": [], "b": ["a"], "c": ["b"], "late": [], "d": ["c", "late"]})
    assert places.x["late"] == places.x["d"] - 1


def test_names_that_are_not_there_and_cycles_do_no_harm():
    assert layout({"a": ["gone"], "b": ["c"], "c": ["b"]}).layers == 1
    assert layout({}).height == 0.0
    assert layout({"a": ["a", "a"]}).layers == 1


def test_long_edges_without_end_are_drawn_straight():
    needs = {f"n{i}": [f"n{j}" for j in range(i)] for i in range(120)}
    places = layout(needs)
    assert places.layers == 120
    assert not any(places.bends.values())
