"""Parameters of a step against the signature of its function; nothing is called."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, Union

from odibi.errors import closest, suggest

Finding = tuple[str | None, str, str]
_WORDS: dict[Any, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    list: "a list",
    dict: "a mapping",
    None: "null",
    type(None): "null",
}
_SUPPLIED = ("context", "current")
_UNIONS = (Union, types.UnionType)
_LISTS = (list, Sequence)
_MAPPINGS = (dict, Mapping)
_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


def problems(function: Callable[..., Any], params: Mapping[str, Any]) -> list[Finding]:
    """(parameter or None, message, hint) for unknown, missing and wrongly typed parameters, in the order given."""
    signature = inspect.signature(function)
    name = getattr(function, "__name__", str(function))
    if not takes_context(signature):
        return [(None, f"function {name!r} takes no context", f"write it as def {name}(context, current=None, …)")]
    if inspect.iscoroutinefunction(function):
        return [(None, f"function {name!r} is async, and nobody would await it", f"write it as def {name}(…)")]
    accepted = own_parameters(signature)
    found = [
        *_unknown(name, signature, accepted, params),
        *_missing(name, accepted, params),
        *_positional_only(name, signature),
    ]
    for key, value in params.items():
        if key in accepted and key not in _SUPPLIED:
            found += _wrong_type(function, accepted[key], value)
    return found


def takes_context(signature: inspect.Signature) -> bool:
    """True where a first positional argument can be given."""
    kinds = [parameter.kind for parameter in signature.parameters.values()][:1]
    return bool(kinds) and kinds[0] in (
        inspect.Parameter.POSITIONAL_ONLY,
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
        inspect.Parameter.VAR_POSITIONAL,
    )


def own_parameters(signature: inspect.Signature) -> dict[str, inspect.Parameter]:
    """The parameters that YAML may give: all but the first (the context) and `current`."""
    named = list(signature.parameters.values())
    if named and named[0].kind is not inspect.Parameter.VAR_POSITIONAL:
        named = named[1:]
    return {each.name: each for each in named if each.kind in _NAMED and each.name != "current"}


def annotation_of(function: Callable[..., Any], parameter: inspect.Parameter) -> Any:
    """The annotation as an object; the text itself where a name in it can not be looked up (`if TYPE_CHECKING`)."""
    annotation = parameter.annotation
    scope = {**vars(typing), **getattr(inspect.unwrap(function), "__globals__", {})}
    try:
        while isinstance(annotation, str):  # twice: a quoted one under `from __future__ import annotations`
            annotation = eval(annotation, scope)  # noqa: S307  the user's own module, already executed
    except (NameError, AttributeError, SyntaxError, TypeError):
        return annotation
    return annotation


def _unknown(
    name: str, signature: inspect.Signature, accepted: Mapping[str, Any], params: Mapping[str, Any]
) -> list[Finding]:
    open_ended = any(each.kind is inspect.Parameter.VAR_KEYWORD for each in signature.parameters.values())
    first = next(iter(signature.parameters))
    found: list[Finding] = []
    for key in params:
        if key in (*_SUPPLIED, first) and key not in accepted:
            found.append((key, f"parameter {key!r} is given by odibi", "take it out of params"))
        elif key not in accepted and not open_ended:
            found.append((key, f"function {name!r} has no parameter {key!r}", suggest(key, accepted)))
    return found


def _missing(name: str, accepted: Mapping[str, inspect.Parameter], params: Mapping[str, Any]) -> list[Finding]:
    misspelt = [key for key in params if key not in accepted]
    missing = [
        key
        for key, each in accepted.items()
        if each.default is inspect.Parameter.empty and key not in params and not closest(key, misspelt)
    ]
    if not missing:
        return []
    named = ", ".join(map(repr, missing))
    return [(None, f"function {name!r} needs {named}", f"add {named} to params")]


def _positional_only(name: str, signature: inspect.Signature) -> list[Finding]:
    blocked = [
        each.name
        for each in list(signature.parameters.values())[1:]
        if each.kind is inspect.Parameter.POSITIONAL_ONLY and each.default is inspect.Parameter.empty
    ]
    return [(None, f"parameter {each!r} of {name!r} can not be given by name", "take the `/` out") for each in blocked]


def _wrong_type(function: Callable[..., Any], parameter: inspect.Parameter, value: Any) -> list[Finding]:
    if value is None and parameter.default is None:
        return []
    annotation = annotation_of(function, parameter)
    if fits(annotation, value):
        return []
    wanted = describe(annotation)
    hint = f"write {str(value)!r} in quotes" if annotation is str and not isinstance(value, (list, dict)) else ""
    given = "null" if value is None else f"{_given(value)} ({value!r})"
    return [(parameter.name, f"parameter {parameter.name!r} takes {wanted}, not {given}", hint)]


def fits(annotation: Any, value: Any) -> bool:
    """Whether a YAML value fits an annotation. Annotations that say nothing about YAML values fit everything."""
    if annotation in _WORDS:
        return _is(annotation, value)
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Literal:
        return any(value == each and type(value) is type(each) for each in arguments)
    if origin in _UNIONS:
        return any(fits(each, value) for each in arguments)
    if origin in _LISTS:
        return isinstance(value, list) and all(fits(arguments[0], each) for each in value)
    if origin in _MAPPINGS:
        key, item = arguments
        return isinstance(value, dict) and all(fits(key, k) and fits(item, v) for k, v in value.items())
    return True


def _is(simple: Any, value: Any) -> bool:
    if simple is None or simple is type(None):
        return value is None
    if simple in (int, float):
        return isinstance(value, (int, simple)) and not isinstance(value, bool)
    return isinstance(value, simple)


def describe(annotation: Any) -> str:
    """An annotation in words: `a list of text`, `'a' or 'b'`."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is None or not arguments:
        return _WORDS.get(annotation) or str(getattr(annotation, "__name__", annotation))
    if origin is Literal:
        return " or ".join(map(repr, arguments))
    words = [describe(each) for each in arguments]
    if origin in _LISTS:
        return f"a list of {words[0]}"
    return f"a mapping of {words[0]} to {words[1]}" if origin in _MAPPINGS else " or ".join(words)


def _given(value: Any) -> str:
    return "a boolean" if isinstance(value, bool) else _WORDS.get(type(value), type(value).__name__)
