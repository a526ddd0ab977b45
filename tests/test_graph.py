"""The order of work."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odibi import graph
from odibi.errors import GraphError


@st.composite
def acyclic(draw: st.DrawFn) -> dict[str, list[str]]:
    """A graph whose names depend only on names before them, listed in any order."""
    size = draw(st.integers(0, 12))
    names = [f"n{i}" for i in range(size)]
    needs = {name: draw(st.lists(st.sampled_from(names[:i]), unique=True)) if i else [] for i, name in enumerate(names)}
    return {name: needs[name] for name in draw(st.permutations(names))}


@given(acyclic())
def test_order_puts_every_name_behind_what_it_needs(dependencies: dict[str, list[str]]) -> None:
    placed = graph.order(dependencies)
    assert sorted(placed) == sorted(dependencies)
    assert all(placed.index(need) < placed.index(name) for name, needs in dependencies.items() for need in needs)


def test_order_keeps_file_order_where_nothing_demands_another() -> None:
    assert graph.order({"b": [], "a": [], "c": ["a"]}) == ["b", "a", "c"]


@given(acyclic(), st.data())
def test_progress_runs_everything_once_and_never_too_early(
    dependencies: dict[str, list[str]], data: st.DataObject
) -> None:
    progress = graph.Progress(dependencies)
    ready, done = progress.ready_at_start(), []
    while ready:
        name = ready.pop(data.draw(st.integers(0, len(ready) - 1)))
        assert all(need in done for need in dependencies[name])
        done.append(name)
        ready += progress.completed(name)
    assert sorted(done) == sorted(dependencies)
    assert progress.open == set()


@given(acyclic(), st.data())
def test_a_failure_gives_up_what_depends_on_it_and_nothing_else(
    dependencies: dict[str, list[str]], data: st.DataObject
) -> None:
    if not dependencies:
        return
    broken = data.draw(st.sampled_from(sorted(dependencies)))
    progress = graph.Progress(dependencies)
    ready, done, lost = progress.ready_at_start(), [], []
    while ready:
        name = ready.pop()
        if name == broken:
            lost = progress.failed(name)
        else:
            done.append(name)
            ready += progress.completed(name)
    expected = {name for name in dependencies if broken in graph.with_needs([name], dependencies)} - {broken}
    assert set(lost) == expected
    assert set(done) == set(dependencies) - expected - {broken}


def test_a_cycle_is_told_with_its_path() -> None:
    with pytest.raises(GraphError, match="a -> c -> b -> a"):
        graph.order({"a": ["c"], "b": ["a"], "c": ["b"], "d": []})


def test_a_node_that_needs_itself_is_a_cycle() -> None:
    assert graph.find_cycle({"a": ["a"]}) == ["a", "a"]


def test_a_missing_dependency_names_the_close_one() -> None:
    with pytest.raises(GraphError, match="did you mean 'orders'"):
        graph.order({"orders": [], "clean": ["order"]})


def test_thousands_of_nodes_in_a_chain_need_no_recursion() -> None:
    chain = {f"n{i}": [f"n{i - 1}"] if i else [] for i in range(5000)}
    assert graph.order(chain) == list(chain)
    backwards = dict(reversed(chain.items()))
    assert graph.order(backwards) == list(chain)
    assert graph.find_cycle(backwards) == []
