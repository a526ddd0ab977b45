"""Calling a transform function, the same on every engine: what it is given, and what its failures look like."""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from odibi.errors import OdibiError
from odibi.transforms import error_place
from odibi.transforms.signature import annotation_of

Kind = Literal["native", "eager", "lazy"]
_EAGER = ("DataFrame", "DataFrameT", "FrameT", "Frame")
_LAZY = ("LazyFrame", "LazyFrameT")
_TEXT = re.compile(r"\b(?:nw|narwhals)(?:\.\w+)*\.(?P<name>\w+)|^(?P<bare>LazyFrame|FrameT|LazyFrameT)\b")


@dataclass(frozen=True)
class Wanted:
    """What a function wants as `current`: the engine's native frame, or a frame of the narwhals API in `module`."""

    kind: Kind = "native"
    module: str = "narwhals"


def wanted_frame(function: Callable[..., Any]) -> Wanted:
    """What the annotation of `current` asks for; without narwhals in it, the native frame. Imports nothing."""
    parameter = inspect.signature(function).parameters.get("current")
    if parameter is None or parameter.annotation is inspect.Parameter.empty:
        return Wanted()
    annotation = annotation_of(function, parameter)
    if isinstance(annotation, str):
        return _from_text(annotation)
    for part in (annotation, typing.get_origin(annotation), *typing.get_args(annotation)):
        for each in (part, typing.get_origin(part)):
            module, name = str(getattr(each, "__module__", "")), str(getattr(each, "__name__", ""))
            if module.partition(".")[0] == "narwhals" and name in (*_EAGER, *_LAZY):
                return Wanted("lazy" if name in _LAZY else "eager", _api_of(module))
    return Wanted()


def _from_text(annotation: str) -> Wanted:
    """For a name that exists for type checkers only: `nw.LazyFrame` says enough."""
    for match in _TEXT.finditer(annotation):
        name = match["name"] or match["bare"]
        if name in (*_EAGER, *_LAZY):
            return Wanted("lazy" if name in _LAZY else "eager")
    return Wanted()


def _api_of(module: str) -> str:
    """The module whose `from_native` makes such frames: `narwhals`, `narwhals.stable.v1`."""
    return ".".join(module.split(".")[:3]) if module.startswith("narwhals.stable.") else "narwhals"


def run_function(
    function: Callable[..., Any],
    context: Any,
    current: Any,
    params: Mapping[str, Any],
    in_words: Callable[[Exception], str | None] = lambda _: None,
) -> Any:
    """Call a function and give back what it returned.

    What it raises becomes an `OdibiError` that names the function and the line in the user's file; `sys.exit` in it
    is an error of the node. Ctrl-C goes through. `in_words` gives the text for errors of the engine's own library.
    """
    supplied = {"current": current} if "current" in inspect.signature(function).parameters else {}
    name = getattr(function, "__name__", str(function))
    try:
        return function(context, **supplied, **params)
    except SystemExit as error:
        text = f"function {name!r} called sys.exit({error.code!r}); raise an exception where the data is wrong"
        raise OdibiError(f"{text}\n  at {error_place(error, function)}") from error
    except Exception as error:  # the user's own code may raise anything
        text = in_words(error) or _text_of(error)
        raise OdibiError(f"function {name!r} failed: {text}\n  at {error_place(error, function)}") from error


def _text_of(error: Exception) -> str:
    return str(error) if isinstance(error, OdibiError) else f"{type(error).__name__}: {error}".removesuffix(": ")
