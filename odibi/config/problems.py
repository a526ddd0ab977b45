"""What is wrong with a mapping, in the words of the YAML file: pydantic's findings, translated.

`check(Model, data)` gives the model, or one `Finding` a mistake. No value of the data is shown: it may be a secret.
A value that came from a variable is read as the field's type; a text that stands in the file is not.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar, Union

from pydantic import BaseModel, Tag, ValidationError

from odibi.config.variables import Filled
from odibi.errors import closest, suggest
from odibi.secrets import names_secret, shown_name, stands_out

Path = tuple[str | int, ...]
M = TypeVar("M", bound=BaseModel)

_UNIONS = (Union, types.UnionType)
_TRUE, _FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")
_WORDS = {
    str: ("text", "texts"),
    bool: ("true or false", "true or false"),
    int: ("a whole number", "whole numbers"),
    float: ("a number", "numbers"),
    Any: ("a value", "values"),
    object: ("a value", "values"),
}
_BOUNDS = {
    "greater_than_equal": ("ge", "at least"),
    "greater_than": ("gt", "greater than"),
    "less_than_equal": ("le", "at most"),
    "less_than": ("lt", "less than"),
}


@dataclass(frozen=True)
class Finding:
    """One mistake. `path` leads to it from the checked mapping; `kind` is `missing` (the key that ends `path` is not
    there), `unknown` (it should not be there) or `value`. `implied`: it follows from another one and is not told."""

    path: Path
    kind: Literal["missing", "unknown", "value"]
    message: str
    hint: str = ""
    implied: bool = False
    shown: str = ""
    """The unknown key as it may be shown: YAML may have taken a part of a secret for it."""

    @property
    def place(self) -> Path:
        """Where to point: a missing key has no place of its own."""
        return self.path[:-1] if self.kind == "missing" else self.path


@dataclass(frozen=True)
class Checked(Generic[M]):
    """The model, or what is wrong. `data` is the input with the values of variables read as their fields' types."""

    value: M | None
    findings: tuple[Finding, ...]
    data: Any


def check(model: type[M], data: Any) -> Checked[M]:
    """Build `model` from plain data; findings are in the order of the model's fields."""
    try:
        return Checked(model.model_validate(data), (), data)
    except ValidationError as error:
        errors = error.errors(include_url=False)
    data, failed = _read_filled(model, data, errors)
    try:
        return Checked(model.model_validate(data), (), data)
    except ValidationError as error:
        return Checked(None, tuple(_findings(model, data, error.errors(include_url=False), failed)), data)


# -- values from variables ---------------------------------------------------------------------------------------------


def _read_filled(model: type[BaseModel], data: Any, errors: Iterable[Any]) -> tuple[Any, set[Path]]:
    """`data` with filled texts as the simple types their fields want, and the paths where that can not be done."""
    readers = {"int_type": to_int, "float_type": to_float, "bool_type": to_bool}
    failed: set[Path] = set()
    for error in errors:
        if not isinstance(error["input"], Filled):
            continue
        trace = _trace(model, error["loc"])
        path = trace.path
        if error["type"] == "literal_error" and str(error["input"]) in typing.get_args(_plain(trace.annotation)):
            data = replaced(data, path, str(error["input"]))  # before 2.9 pydantic takes only a plain str for a word
        if error["type"] not in readers:
            continue
        try:
            data = replaced(data, path, readers[error["type"]](error["input"]))
        except ValueError:
            failed.add(path)
    return data, failed


def to_int(text: str) -> int:
    """The whole number that a text is. Raises ValueError."""
    return int(text)


def to_float(text: str) -> float:
    """The number that a text is. Raises ValueError."""
    return float(text)


def to_bool(text: str) -> bool:
    """The truth that a text is, as shells and people write it. Raises ValueError."""
    word = text.strip().lower()
    if word not in (*_TRUE, *_FALSE):
        raise ValueError(f"{word!r} is neither true nor false")
    return word in _TRUE


def replaced(data: Any, path: Path, value: Any) -> Any:
    """`data` with another value at `path`; only the containers on the way are copied."""
    if not path:
        return value
    copy: Any = list(data) if isinstance(data, list) else dict(data)
    copy[path[0]] = replaced(data[path[0]], path[1:], value) if path[1:] else value
    return copy


def removed(data: Any, path: Path) -> Any:
    """`data` without the key that ends `path`; only the containers on the way are copied."""
    *way, key = path
    parent = data
    for part in way:
        parent = parent[part]
    return replaced(data, tuple(way), {k: v for k, v in parent.items() if k != key})


def value_at(data: Any, path: Sequence[str | int]) -> Any:
    """The value at `path`, None where the path leads nowhere."""
    for part in path:
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            return None
    return data


# -- findings ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Trace:
    """Where an error is: its path in the data, what is annotated there, and the model that holds the last key."""

    path: Path
    annotation: Any
    owner: type[BaseModel] | None
    is_key: bool = False


def _findings(model: type[BaseModel], data: Any, errors: Iterable[Any], unreadable: set[Path]) -> Iterable[Finding]:
    seen: set[Path] = set()
    traced = [(_trace(model, error["loc"]), error) for error in errors]
    unknown = {trace.path for trace, error in traced if error["type"] == "extra_forbidden"}
    for trace, error in traced:
        if trace.path in seen:
            continue
        seen.add(trace.path)
        if error["type"] == "missing":
            yield _missing(trace, _misspelt(trace.path, unknown))
        elif error["type"] == "extra_forbidden":
            yield _unknown(trace, value_at(data, trace.path[:-1]))
        else:
            yield _value(trace, error, trace.path in unreadable)


def _misspelt(missing: Path, unknown: set[Path]) -> bool:
    """Whether an unknown key beside it is likely meant to be the missing one: that is one mistake."""
    beside = [str(path[-1]) for path in unknown if path[:-1] == missing[:-1]]
    return bool(closest(str(missing[-1]), beside))


def _missing(trace: _Trace, implied: bool) -> Finding:
    key = trace.path[-1]
    field = _fields(trace.owner).get(str(key)) if trace.owner else None
    about = f" ({field.description})" if field is not None and field.description else ""
    return Finding(trace.path, "missing", f"the key {key!r} is missing", f"add `{key}: …`{about}", implied)


def _unknown(trace: _Trace, siblings: Any) -> Finding:
    key, owner = str(trace.path[-1]), trace.owner
    hints: Mapping[str, str] = getattr(owner, "key_hints", {})
    fields = _fields(owner) if owner else {}
    hint = hints.get(key) or suggest_key(key, fields, siblings if isinstance(siblings, dict) else {})
    shown = _shown_key(key, fields, siblings)
    return Finding(trace.path, "unknown", f"unknown key {shown!r}", hint, shown=shown)


def _shown_key(key: str, known: Iterable[str], siblings: Any) -> str:
    """An unknown key, unless it is likely what follows a comma in an unquoted secret: `{client_secret: a,b}`."""
    beside = siblings if isinstance(siblings, dict) else {}
    torn = beside.get(key) is None and any(names_secret(name) for name in beside if name != key)
    return "…" if torn and not closest(key, known) else shown_name(key)


def suggest_key(key: str, known: Iterable[str], present: Iterable[str] = ()) -> str:
    """`did you mean …? known: …` for a key of a mapping; a key that is already there is not what was meant."""
    names = list(known)
    near = [name for name in closest(key, names, n=3) if name not in set(present)]
    shown = f"known: {', '.join(names)}" if names else "it takes no keys"
    return f"did you mean {near[0]!r}? {shown}" if near else shown


def _value(trace: _Trace, error: Any, unreadable: bool) -> Finding:
    kind, given = error["type"], error["input"]
    if trace.is_key or kind == "invalid_key":
        return Finding(trace.path, "value", "a key must be text", f"write it in quotes: '{trace.path[-1]}'")
    if kind == "odibi":
        return Finding(trace.path, "value", error["msg"], f"found {found(given)}")
    if kind in ("value_error", "assertion_error"):
        message, _, hint = str(error["ctx"]["error"]).partition("; ")
        return Finding(trace.path, "value", message, hint)
    if kind == "literal_error" and isinstance(given, str):
        choices = [str(choice) for choice in _choices(trace.annotation)]
        name = next((part for part in reversed(trace.path) if isinstance(part, str)), "value")
        return Finding(trace.path, "value", f"unknown {name} {_shown_word(given)!r}", suggest(given, choices))
    if kind in _BOUNDS:
        limit, words = _BOUNDS[kind]
        return Finding(trace.path, "value", f"must be {words} {error['ctx'][limit]:g}")
    if kind in ("too_short", "string_too_short"):
        return Finding(trace.path, "value", "must not be empty")
    return _wrong_type(trace, given, unreadable)


def _shown_word(given: str) -> str:
    """A value that should be one of a few words; a key that got into the wrong line is none."""
    return given if isinstance(given, Filled) or not stands_out(given) else "…"


def _wrong_type(trace: _Trace, given: Any, unreadable: bool) -> Finding:
    expected = describe(trace.annotation)
    hint = ""
    if unreadable or isinstance(given, Filled):
        hint = f"check the value behind {given!r}"
    elif expected == "text" and isinstance(given, (int, float)):
        hint = "write it in quotes"
    elif given is None:
        hint = "write a value, or take the key out"
    elif expected.startswith("a list") and isinstance(given, str) and _item_is_text(trace.annotation):
        hint = "write it as a list: [ … ]"
    return Finding(trace.path, "value", f"expected {expected}, found {found(given)}", hint)


def found(value: Any) -> str:
    """What a value is, in YAML words; the value itself is not shown."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return "a number"
    if isinstance(value, str):
        return "text"
    return "a list" if isinstance(value, (list, tuple)) else "a mapping" if isinstance(value, dict) else "a value"


# -- annotations -------------------------------------------------------------------------------------------------------


def describe(annotation: Any, plural: bool = False) -> str:
    """An annotation in YAML words: `a list of texts`, `true or false`, `a number or text`."""
    annotation = _plain(annotation)
    if annotation in _WORDS:
        return _WORDS[annotation][plural]
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Literal:
        return f"one of {', '.join(map(str, arguments))}"
    if origin in _UNIONS:
        return " or ".join(dict.fromkeys(describe(each, plural) for each in _numbers_merged(arguments)))
    if annotation is list or origin in (list, tuple, set, frozenset, Sequence):
        items = f" of {describe(arguments[0], plural=True)}" if arguments and arguments[0] is not Any else ""
        return ("lists" if plural else "a list") + items
    return "mappings" if plural else "a mapping"


def _numbers_merged(arguments: Sequence[Any]) -> list[Any]:
    """The members of a union to name: `int | float` is simply a number."""
    plain = [_plain(each) for each in arguments]
    return [each for each in plain if not (each is int and float in plain) and each is not type(None)]


def _plain(annotation: Any) -> Any:
    """An annotation without `Annotated`, and without None where it is optional."""
    while True:
        if typing.get_origin(annotation) is typing.Annotated:
            annotation = typing.get_args(annotation)[0]
            continue
        members = _members(annotation)
        if len(members) != 1:
            return annotation
        annotation = members[0]


def _members(annotation: Any) -> list[Any]:
    """The members of a union that are not None; empty for anything else."""
    if typing.get_origin(annotation) not in _UNIONS:
        return []
    return [each for each in typing.get_args(annotation) if each is not type(None)]


def _choices(annotation: Any) -> tuple[Any, ...]:
    plain = _plain(annotation)
    return typing.get_args(plain) if typing.get_origin(plain) is Literal else ()


def _item_is_text(annotation: Any) -> bool:
    arguments = typing.get_args(_plain(annotation))
    return bool(arguments) and _plain(arguments[0]) is str


def _fields(model: type[BaseModel]) -> dict[str, Any]:
    """Fields by the key that the file has."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _trace(model: type[BaseModel], location: Sequence[str | int]) -> _Trace:
    """Follow pydantic's location, which also names members of unions, through the annotations."""
    annotation: Any = model
    owner: type[BaseModel] | None = None
    path: list[str | int] = []
    for part in location:
        if part == "[key]":
            return _Trace(tuple(path), annotation, owner, is_key=True)
        annotation = _plain(annotation)
        members = _members(annotation)
        if members:
            tagged = next((each for each in members if part in _tags(each)), None)
            if tagged is None:  # a plain union: what its members found is one mistake, at the value itself
                return _Trace(tuple(path), annotation, owner)
            annotation = tagged
            continue
        path.append(part)
        owner = annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None
        annotation = _inside(annotation, owner, part)
    return _Trace(tuple(path), annotation, owner)


def _tags(annotation: Any) -> list[str]:
    metadata = getattr(annotation, "__metadata__", ())
    return [each.tag for each in metadata if isinstance(each, Tag)]


def _inside(annotation: Any, owner: type[BaseModel] | None, part: str | int) -> Any:
    if owner is not None:
        field = _fields(owner).get(str(part))
        return field.annotation if field is not None else Any
    arguments = typing.get_args(annotation)
    return arguments[-1] if arguments else Any
