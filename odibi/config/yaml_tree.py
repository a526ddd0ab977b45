"""YAML text → a tree of nodes that know where they stand. Knows nothing of what keys mean.

YAML as the core schema of version 1.2 reads it: `on`, `off`, `yes`, `no`, dates and `1_000` are text. No tag constructs
an object. Work and memory are bounded whatever the text: by nesting depth, by the nodes that aliases stand for, and by
the number of mistakes reported. The tree is built in a loop over the parser's events, never by recursion.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from odibi.config import variables
from odibi.config.yaml_syntax import SyntaxMistake, explain
from odibi.errors import Position
from odibi.secrets import names_secret, shown_name

KeyPath = tuple[str | int, ...]

MAX_DEPTH = 100
MAX_ALIASED_NODES = 100_000
MAX_EVENTS = 1_000_000
MAX_NOTES = 100
MAX_INT_DIGITS = 4000

_BREAK = re.compile(r"\r\n|\n|\r")
_TAG = "tag:yaml.org,2002:"
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_WORDS: dict[str, bool | float | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
}


class Source:
    """The text of a file. Indexes count its characters from 0."""

    __slots__ = ("_starts", "path", "text")

    def __init__(self, path: Path, text: str) -> None:
        self.path, self.text = path, text
        self._starts: list[int] = []

    def place(self, index: int) -> Position:
        """The position of the character at `index`."""
        if not self._starts:
            self._starts = [0, *(match.end() for match in _BREAK.finditer(self.text))]
        line = bisect_right(self._starts, index)
        return Position(self.path, line, index - self._starts[line - 1] + 1)


class Scalar:
    """A value without parts. `text` is what YAML reads there, `plain` whether it stands without quotes.

    `value` and `pieces` are set by who fills variables in; `broken` says that a mistake there was reported.
    """

    __slots__ = ("broken", "end", "pieces", "plain", "source", "start", "tag", "text", "value")
    size = 1
    height = 1

    def __init__(self, source: Source, start: int, end: int, text: str, plain: bool, tag: str | None = None) -> None:
        self.source, self.start, self.end, self.text, self.plain, self.tag = source, start, end, text, plain, tag
        self.broken = False
        self.pieces: list[variables.Piece] | None = None
        self.value: Any = UNSET


class Sequence:
    """A list. `size` counts the nodes in it, aliases expanded; `height` its levels. None while it is being read."""

    __slots__ = ("broken", "height", "items", "size", "source", "start")

    def __init__(self, source: Source, start: int) -> None:
        self.source, self.start = source, start
        self.items: list[Node] = []
        self.size = self.height = 0
        self.broken = False

    def children(self) -> list[Node]:
        return self.items


class Mapping:
    """Named values; `keys` has the index in the source of each key. A value that was merged in stands elsewhere."""

    __slots__ = ("broken", "entries", "height", "keys", "size", "source", "start")

    def __init__(self, source: Source, start: int) -> None:
        self.source, self.start = source, start
        self.entries: dict[str, Node] = {}
        self.keys: dict[str, int] = {}
        self.size = self.height = 0
        self.broken = False

    def children(self) -> list[Node]:
        return list(self.entries.values())


Node = Scalar | Sequence | Mapping
UNSET: Any = object()


class Note(NamedTuple):
    """A mistake found; becomes a `Problem` when its key path can be named."""

    position: Position
    path: KeyPath
    message: str
    hint: str


class StopReading(Exception):
    """The text is not read any further: its last note says why."""


class Notes(list[Note]):
    """The mistakes of one file, up to a limit."""

    def add(self, position: Position, path: KeyPath, message: str, hint: str) -> None:
        """Note a mistake; raise `StopReading` when there are too many."""
        self.append(Note(position, path, message, hint))
        if len(self) >= MAX_NOTES:
            self.append(Note(position, (), f"more than {MAX_NOTES} mistakes", "mend those above first"))
            raise StopReading

    def stop(self, position: Position, path: KeyPath, message: str, hint: str) -> StopReading:
        """Note a mistake that ends the reading; raise what this returns."""
        self.append(Note(position, path, message, hint))
        return StopReading()


class _PurePythonParser(yaml.reader.Reader, yaml.scanner.Scanner, yaml.parser.Parser):  # type: ignore[misc]
    """PyYAML's parser without libyaml."""

    def __init__(self, text: str) -> None:
        yaml.reader.Reader.__init__(self, text)
        yaml.scanner.Scanner.__init__(self)
        yaml.parser.Parser.__init__(self)


_Parser: Any = yaml.cyaml.CParser if yaml.__with_libyaml__ else _PurePythonParser


def compose(source: Source, text: str, notes: Notes) -> Node | None:
    """The tree of `text`, None for a text without any value.

    `text` is that of the source, or one of the same length with something masked. Raises `SyntaxMistake` for what is
    no YAML, and `StopReading` where reading on makes no sense.
    """
    return _Composer(source, notes).read(_events(text))


def _events(text: str) -> Iterator[Any]:
    parser = _Parser(text)
    try:
        while True:
            event = parser.get_event()
            yield event
            if type(event) is yaml.StreamEndEvent:
                return
    except yaml.MarkedYAMLError as error:
        raise explain(error, text) from None
    except (yaml.YAMLError, ValueError) as error:  # PyYAML's own parser lets ValueError out, e.g. of "\UFFFFFFFF"
        raise SyntaxMistake(0, f"is no YAML: {error}", "check quotes and escapes") from None
    finally:
        parser.dispose()


class _Frame:
    """A collection that is being read."""

    __slots__ = ("has_key", "is_merge", "key", "key_index", "merge_index", "merged", "node")

    def __init__(self, node: Sequence | Mapping) -> None:
        self.node = node
        self.key: str | None = None  # None: a key that is refused; its value is read and dropped
        self.key_index = 0
        self.has_key = False
        self.is_merge = False
        self.merge_index: int | None = None
        self.merged: Node | None = None

    def slot(self, current: bool) -> tuple[str | int, ...]:
        """The part of a key path for what is read now (`current`) or was attached last."""
        if isinstance(self.node, Sequence):
            return (len(self.node.items) - (0 if current else 1),)
        return (self.key,) if self.key is not None and (self.has_key or not current) else ()


class _Composer:
    def __init__(self, source: Source, notes: Notes) -> None:
        self.source, self.notes = source, notes
        self.root: Node | None = None
        self.stack: list[_Frame] = []
        self.anchors: dict[str, Node] = {}
        self.aliased = 0
        self.refused_at = MAX_DEPTH

    def read(self, events: Iterator[Any]) -> Node | None:
        documents = 0
        for count, event in enumerate(events):
            kind = type(event)
            if count > MAX_EVENTS:
                raise self.too_many(event.start_mark.index)
            if kind is yaml.ScalarEvent:
                self.scalar(event)
            elif kind is yaml.MappingStartEvent or kind is yaml.SequenceStartEvent:
                self.open(event, kind is yaml.MappingStartEvent)
            elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
                self.close()
            elif kind is yaml.AliasEvent:
                self.alias(event)
            elif kind is yaml.DocumentStartEvent:
                documents += 1
                if documents > 1:
                    message, hint = "a second YAML document starts here", "one file holds one document: remove '---'"
                    raise self.notes.stop(self.source.place(event.start_mark.index), (), message, hint)
        return self.root

    def too_many(self, index: int) -> StopReading:
        hint = "is it a project file? data does not belong in it"
        return self.notes.stop(self.source.place(index), (), f"more than {MAX_EVENTS:,} values", hint)

    def path(self) -> KeyPath:
        parts = [frame.slot(False) for frame in self.stack[:-1]]
        return sum(parts, ()) + (self.stack[-1].slot(True) if self.stack else ())

    def in_secret(self) -> bool:
        """True in the value of a key that holds a secret, of which nothing is shown: it may begin with any sign."""
        path = self.path()
        return bool(path) and names_secret(str(path[-1]))

    def note(self, index: int, message: str, hint: str, path: KeyPath | None = None) -> None:
        self.notes.add(self.source.place(index), self.path() if path is None else path, message, hint)

    def scalar(self, event: Any) -> None:
        start = event.start_mark.index
        node = Scalar(self.source, start, event.end_mark.index, event.value, not event.style)
        if event.tag is not None:
            node.tag = self.tag(event, ("str", "int", "float", "bool", "null"))
            node.broken = node.tag is None
        if event.anchor is not None:
            self.anchors[event.anchor] = node
        self.attach(node)

    def tag(self, event: Any, allowed: tuple[str, ...]) -> str | None:
        """The tag's short name, None (and a note) if it is none of those allowed."""
        name = event.tag.removeprefix(_TAG)
        if name in allowed and event.tag != name:
            return str(name)
        shown = f"!!{name}" if event.tag != name else "!…" if self.in_secret() else event.tag
        tags = ", ".join(f"!!{each}" for each in allowed)
        hint = f"here can stand {tags}; a text that starts with '!' must be quoted"
        self.note(event.start_mark.index, f"the tag {_short(shown)!r} is not allowed", hint)
        return None

    def open(self, event: Any, is_mapping: bool) -> None:
        index = event.start_mark.index
        if len(self.stack) >= MAX_DEPTH:
            raise self.too_deep(index)
        node = Mapping(self.source, index) if is_mapping else Sequence(self.source, index)
        if event.tag is not None:
            node.broken = self.tag(event, ("map",) if is_mapping else ("seq",)) is None
        if event.anchor is not None:
            self.anchors[event.anchor] = node
        self.attach(node)
        self.stack.append(_Frame(node))

    def too_deep(self, index: int) -> StopReading:
        message = f"is nested more than {MAX_DEPTH} levels deep"
        return self.notes.stop(self.source.place(index), self.path()[:3], message, "flatten it")

    def close(self) -> None:
        frame = self.stack.pop()
        node = frame.node
        if frame.merged is not None and isinstance(node, Mapping):
            self.merge(node, frame.merged, frame.merge_index or 0)
        children = node.children()
        node.size = 1 + sum(child.size for child in children)
        node.height = 1 + max((child.height for child in children), default=0)

    def alias(self, event: Any) -> None:
        index = event.start_mark.index
        node = self.anchors.get(event.anchor)
        if node is None or not node.size:
            node = Scalar(self.source, index, event.end_mark.index, "", True)
            node.broken = True
            name = "…" if self.in_secret() else _short(event.anchor)
            if event.anchor in self.anchors:
                self.note(index, f"'*{name}' stands inside of what it repeats", "write the value out")
            else:
                hint = f"write '&{name}' at the value to repeat, above; or, if it is a text, quote it: '*{name}'"
                self.note(index, f"'*{name}' repeats nothing", hint)
        self.aliased += node.size
        if self.aliased > MAX_ALIASED_NODES:
            message = f"the aliases of this file stand for more than {MAX_ALIASED_NODES:,} values"
            raise self.notes.stop(self.source.place(index), (), message, "write fewer '*' aliases")
        if len(self.stack) + node.height > MAX_DEPTH + 1:
            raise self.too_deep(index)
        self.attach(node, index)

    def attach(self, node: Node, index: int | None = None) -> None:
        """Put a node where it stands: a root, an item, a key or a value. `index`: of the alias, if there is one."""
        if not self.stack:
            self.root = node
            return
        frame = self.stack[-1]
        if isinstance(frame.node, Sequence):
            frame.node.items.append(node)
        elif not frame.has_key:
            self.take_key(frame, frame.node, node, node.start if index is None else index)
        else:
            self.put(frame, frame.node, node)

    def take_key(self, frame: _Frame, mapping: Mapping, node: Node, index: int) -> None:
        frame.key, frame.key_index, frame.has_key, frame.is_merge = None, index, True, False
        if not isinstance(node, Scalar):
            self.refuse_key(index)
        elif node.broken:
            return
        elif not node.text and node.plain:
            self.note(index, "a key is missing before ':'", "write key: value")
        elif "${" in node.text and variables.has_variable(node.text):
            self.note(index, "a key can not hold a variable", "only values are filled; a literal ${ is written $${")
        else:
            frame.is_merge = node.plain and node.text == "<<"
            self.name(frame, mapping, variables.unescape(node.text))

    def refuse_key(self, index: int) -> None:
        """Note a list or mapping as a key; not those inside of it."""
        if len(self.stack) > self.refused_at:
            return
        self.refused_at = len(self.stack)
        hint = "write key: value"
        if self.source.text[max(index - 1, 0) : index + 1] == "{{":
            hint = 'for a variable write "${NAME}"; a text that starts with {{ must be quoted'
        self.note(index, "a key must be a text, not a list or mapping", hint)

    def name(self, frame: _Frame, mapping: Mapping, key: str) -> None:
        first = frame.merge_index if frame.is_merge else mapping.keys.get(key)
        if first is not None:
            hint = f"first at {self.source.place(first)}; "
            hint += "write one list: <<: [*a, *b]" if frame.is_merge else "remove one of the two"
            frame.key = key
            shown = "…" if _is_torn(mapping, key) else shown_name(key)
            self.note(
                frame.key_index, f"the key {shown!r} is defined twice", hint, self.path()[:-1] if shown != key else None
            )
            frame.key = None
            return
        frame.key = key
        if frame.is_merge:
            frame.merge_index = frame.key_index
        else:
            mapping.keys[key] = frame.key_index

    def put(self, frame: _Frame, mapping: Mapping, node: Node) -> None:
        frame.has_key = False
        if frame.key is None:
            return
        if frame.is_merge:
            frame.merged = node
        else:
            mapping.entries[frame.key] = node

    def merge(self, mapping: Mapping, merged: Node, index: int) -> None:
        """Put the entries of `<<` under the mapping's own; of several mappings the first that has a key gives it."""
        entries: dict[str, Node] = {}
        keys: dict[str, int] = {}
        for each in merged.items if isinstance(merged, Sequence) else [merged]:
            if isinstance(each, Mapping):
                for key, value in each.entries.items():
                    entries.setdefault(key, value)
                    keys.setdefault(key, each.keys[key])
            elif not each.broken:
                hint = "write <<: *name, with &name at a mapping above"
                path = sum((frame.slot(False) for frame in self.stack), ())
                self.note(index, "'<<' merges what is no mapping", hint, path)
                break
        mapping.entries = {**entries, **mapping.entries}
        mapping.keys = {**keys, **mapping.keys}


def _is_torn(mapping: Mapping, key: str) -> bool:
    """Whether a key without a value is likely what follows a comma in an unquoted secret: `{client_secret: a,b,b}`."""
    first = mapping.entries.get(key)
    has_value = not isinstance(first, Scalar) or bool(first.text)
    return not has_value and any(names_secret(name) for name in mapping.keys if name != key)


def _short(text: str) -> str:
    return text if len(text) <= 60 else text[:59] + "…"


class ValueMistake(Exception):
    """A scalar that its tag does not fit, or that is out of bounds; holds message and hint."""


def resolve(text: str, plain: bool, tag: str | None) -> Any:
    """The value of a scalar: str, int, float, bool or None. Raises `ValueMistake` with a message and a hint."""
    if tag is None:
        return resolve_plain(text) if plain else text
    if tag == "str":
        return text
    value = resolve_plain(text)
    fits: Any = {"int": int, "float": (int, float), "bool": bool, "null": type(None)}[tag]
    if not isinstance(value, fits) or (isinstance(value, bool) and tag != "bool"):
        raise ValueMistake(f"is tagged !!{tag}, but is none", "remove the tag")  # a filled value must not be shown
    try:
        return float(value) if tag == "float" else value
    except OverflowError:
        raise ValueMistake("is too large for a float", "write it in quotes") from None


def resolve_plain(text: str) -> Any:
    """What an unquoted scalar means in YAML 1.2: null, bool, int, float, else its text."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in "0123456789+-.":
        return text
    if _INT.fullmatch(text):
        return _integer(text)
    return float(text) if _FLOAT.fullmatch(text) else text


def _integer(text: str) -> int:
    if text[:2] in ("0x", "0o"):
        return int(text[2:], 16 if text[1] == "x" else 8)
    if len(text) > MAX_INT_DIGITS:
        raise ValueMistake(f"is a number of {len(text)} digits", "if it is a text, write it in quotes")
    return int(text)
