"""The context that transform functions see, by hand and in a run."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from odibi.context import Context, PandasContext, SparkContext
from odibi.errors import UnknownNameError


class CountingEngine:
    """Stands in for an engine: only `native` is asked of one here."""

    def __init__(self) -> None:
        self.converted: list[Any] = []

    def native(self, frame: Any) -> Any:
        self.converted.append(frame)
        return f"native {frame}"


@pytest.mark.parametrize("made", [PandasContext, SparkContext])
def test_by_hand(made: Any) -> None:
    context = made()
    context.register("b", 1)
    context.register("a", 2)
    context.register("b", 3)
    assert context.list_names() == ["a", "b"]
    assert context.get("b") == 3
    assert context.has("a")
    assert not context.has("c")
    context.clear()
    assert context.list_names() == []


def test_an_unknown_name_lists_what_exists() -> None:
    context = PandasContext()
    context.register("orders", 1)
    with pytest.raises(UnknownNameError, match="unknown frame 'oders'; did you mean 'orders'") as caught:
        context.get("oders")
    assert isinstance(caught.value, LookupError)


@pytest.mark.parametrize("name", ["", None, 5])
def test_a_frame_needs_a_name(name: Any) -> None:
    with pytest.raises(TypeError, match="under its name"):
        PandasContext().register(name, 1)


def test_frames_of_a_run_are_converted_when_asked_for_and_once() -> None:
    engine: Any = CountingEngine()
    frames: Any = {"a": "A", "b": "B"}
    context = Context(engine, frames)
    assert context.list_names() == ["a", "b"]
    assert context.has("a")
    assert engine.converted == []
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(context.get, ["a"] * 50)) == {"native A"}
    assert engine.converted == ["A"]


def test_a_name_that_is_not_in_depends_on_is_explained() -> None:
    engine: Any = CountingEngine()
    with pytest.raises(UnknownNameError, match="known: a; a node sees the nodes in its depends_on; add it there"):
        Context(engine, {"a": "A"}).get("orders")  # type: ignore[dict-item]
