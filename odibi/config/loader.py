"""Text → document: plain data, with the place of every key and value in its file. Knows nothing of most keys' meaning.

`load_document` reads one file, `load_project_document` also the files it includes. All mistakes are collected and
raised as one `ConfigError`; nothing else is ever raised for a file's content, whatever it is.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from collections.abc import Mapping as ReadOnlyMapping
from pathlib import Path
from typing import Any

from odibi.config.variables import Filled, Variables, offset_in_template
from odibi.config.yaml_offsets import origins
from odibi.config.yaml_syntax import SyntaxMistake
from odibi.config.yaml_tree import (
    UNSET,
    KeyPath,
    Mapping,
    Node,
    Notes,
    Scalar,
    Sequence,
    Source,
    StopReading,
    ValueMistake,
    compose,
    resolve,
)
from odibi.errors import ConfigError, Position, Problem, suggest

__all__ = ["Document", "Filled", "KeyPath", "load_document", "load_project_document", "load_text"]

MAX_BYTES = 16_000_000
MAX_INCLUDED_FILES = 1000
MAX_INCLUDE_DEPTH = 30
MAX_SYNTAX_MISTAKES = 20
MERGED_KEYS = ("connections", "pipelines", "transforms")

_UNREADABLE = re.compile("[\\0-\\x08\\v\\f\\x0e-\\x1f\\x7f-\\x9f\\u2028\\u2029\\ud800-\\udfff\\ufeff\\ufffe\\uffff]")
_NAME_KEYS = {"pipelines": "pipeline", "nodes": "name"}
_WIDE_MARKS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16", b"\0\0\xfe\xff": "UTF-32"}


class Document:
    """What a file says: `data`, made of dict, list, str, int, float, bool and None, and where it says it.

    path: the file, as it was given
    data: keys are always text; a text with variables in it is a `Filled`
    files: all files read, this one first
    problems: mistakes that left a document; empty unless it was loaded with `partial`
    variables: names of the variables that the file asks for
    """

    def __init__(
        self,
        path: Path,
        data: dict[str, Any],
        root: Mapping,
        files: tuple[Path, ...] = (),
        problems: tuple[Problem, ...] = (),
        variables: frozenset[str] = frozenset(),
    ) -> None:
        self.path, self.data, self.files = path, data, files or (path,)
        self.problems, self.variables = problems, variables
        self._root = root

    def __repr__(self) -> str:
        return f"Document({str(self.path)!r})"

    def locate(self, key_path: KeyPath, offset_in_text: int | None = None) -> Position:
        """The position of a value, or of the character at an offset (from 0) in a text value.

        The part of a text that a variable gave has the position of its `${`. For a key path that does not exist: the
        position of the closest value around it.
        """
        *_, node = self._nodes(key_path)
        if offset_in_text is None or not isinstance(node, Scalar):
            return node.source.place(node.start)
        return _place_in_text(node, offset_in_text)

    def locate_key(self, key_path: KeyPath) -> Position:
        """The position of the key of a value; of the value where it has none (an item of a list, the document)."""
        nodes = list(self._nodes(key_path))
        parent = nodes[-2] if len(nodes) > 1 else None
        if isinstance(parent, Mapping):
            return nodes[-1].source.place(parent.keys[str(key_path[len(nodes) - 2])])
        return nodes[-1].source.place(nodes[-1].start)

    def key_name(self, key_path: KeyPath) -> str:
        """A key path for messages: `pipelines.bronze.nodes.clean.transform.steps[0]`."""
        return _key_name(self._root, key_path)

    def base_of(self, key_path: KeyPath) -> Path:
        """The folder (absolute) of the file in which a value stands; relative paths in it start there."""
        *_, node = self._nodes(key_path)
        return node.source.path.absolute().parent

    def is_broken(self, key_path: KeyPath) -> bool:
        """Whether a mistake in this value, or around it, is among `problems`: what follows from it is no news."""
        return any(node.broken for node in self._nodes(key_path))

    def problem(self, key_path: KeyPath, message: str, hint: str = "", offset_in_text: int | None = None) -> Problem:
        """A problem at a value."""
        return Problem(self.locate(key_path, offset_in_text), self.key_name(key_path), message, hint)

    def _nodes(self, key_path: KeyPath) -> Iterator[Node]:
        return _walk(self._root, key_path)


def load_document(
    path: Path,
    overrides: ReadOnlyMapping[str, str] | None = None,
    environ: ReadOnlyMapping[str, str] | None = None,
    *,
    partial: bool = False,
) -> Document:
    """Read one file; `include` is left alone.

    overrides: variables that win over `environ` (default: the process's) and the `.env` beside the file
    partial: raise only if there is no whole document; mistakes in values are in its `problems` (see `is_broken`), so
        that the next stage can report its own together with them
    """
    path = Path(path)
    reader = _Reader(path, overrides, environ)
    return reader.document(reader.read(path), partial)


def load_text(
    text: str,
    path: Path = Path("project.yaml"),
    overrides: ReadOnlyMapping[str, str] | None = None,
    environ: ReadOnlyMapping[str, str] | None = None,
    *,
    partial: bool = False,
) -> Document:
    """As `load_document`, of a text as if it stood in the file `path`."""
    path = Path(path)
    reader = _Reader(path, overrides, environ)
    return reader.document(reader.parse(path, text), partial)


def load_project_document(
    path: Path,
    overrides: ReadOnlyMapping[str, str] | None = None,
    environ: ReadOnlyMapping[str, str] | None = None,
    *,
    partial: bool = False,
) -> Document:
    """As `load_document`, with the connections, pipelines and transforms of the files in `include`.

    What is included comes first, in the order of `include`. A file included twice counts once. The data's `include` is
    always a list. Variables of all files come from the `.env` beside the first.
    """
    path = Path(path)
    reader = _Reader(path, overrides, environ)
    root = reader.read(path)
    if root is not None:
        root = _Includes(reader).merge_into(root)
    return reader.document(root, partial)


class _Reader:
    """One loading: the variables, the files read, and the mistakes in them."""

    def __init__(
        self, path: Path, overrides: ReadOnlyMapping[str, str] | None, environ: ReadOnlyMapping[str, str] | None
    ) -> None:
        self.path = path
        self.variables = Variables(overrides or {}, os.environ if environ is None else environ, path.parent / ".env")
        self.files: list[Path] = []
        self.problems: list[Problem] = []
        self.fatal = False

    def document(self, root: Mapping | None, partial: bool) -> Document:
        """The document of a tree; raises what is wrong."""
        data: dict[str, Any] = {}
        if root is not None:
            data = self.data(root)
        problems = self.sorted_problems()
        if root is None or self.fatal or (problems and not partial):
            raise ConfigError(problems)
        return Document(self.path, data, root, tuple(self.files), tuple(problems), frozenset(self.variables.used))

    def sorted_problems(self) -> list[Problem]:
        order = {path: number for number, path in enumerate(self.files)}
        found = self.problems + self.variables.problems

        def place(problem: Problem) -> tuple[int, int, int]:
            position = problem.position
            return order.get(position.file or self.path, len(order)), position.line, position.column

        return sorted(dict.fromkeys(found), key=place)

    def read(self, path: Path) -> Mapping | None:
        """The tree of a file, None (and a problem) if there is none."""
        try:
            text = _decode(path, _read_bytes(path))
        except ConfigError as error:
            self.problems.extend(error.problems)
            self.fatal = True
            return None
        return self.parse(path, text)

    def parse(self, path: Path, text: str) -> Mapping | None:
        """The tree of a text, None (and a problem) if there is none."""
        self.files.append(path)
        source = Source(path, text.removeprefix("\ufeff"))
        notes = Notes()
        root: Node | None = None
        try:
            _check_characters(source, notes)
            root = self.compose(source, notes)
            if not isinstance(root, Mapping):
                raise _no_mapping(source, root, notes)
        except StopReading:
            self.fatal = True
        known = root if isinstance(root, Mapping) else Mapping(source, 0)
        self.add(notes, known)
        return known if known is root else None

    def compose(self, source: Source, notes: Notes) -> Node | None:
        """The tree; a mistake in the syntax that can be masked does not hide those after it."""
        text = source.text
        for _ in range(MAX_SYNTAX_MISTAKES):
            attempt = Notes()
            try:
                root = compose(source, text, attempt)
            except SyntaxMistake as mistake:
                self.fatal = True
                notes.add(source.place(mistake.index), (), mistake.message, mistake.hint)
                if mistake.masked is None:
                    break
                text = mistake.masked
            except StopReading:
                notes.extend(attempt)
                raise
            else:
                notes.extend(attempt)
                return root
        raise StopReading

    def add(self, notes: Notes, root: Node) -> None:
        self.problems.extend(
            Problem(note.position, _key_name(root, note.path), note.message, note.hint) for note in notes
        )

    def data(self, root: Mapping) -> dict[str, Any]:
        """The plain data of a tree, its variables filled in."""
        notes = Notes()
        data: dict[str, Any] = {}
        try:
            data = self._value(root, [], notes)
        except StopReading:
            self.fatal = True
        self.add(notes, root)
        return data

    def _value(self, node: Node, path: list[str | int], notes: Notes) -> Any:
        if isinstance(node, Scalar):
            return self.scalar_value(node, path, notes)
        if node.broken:
            return None
        path.append(0)
        result: Any
        if isinstance(node, Sequence):
            result = []
            for path[-1], item in enumerate(node.items):
                result.append(self._value(item, path, notes))
        else:
            result = {}
            for key, child in node.entries.items():
                path[-1] = key
                result[key] = self._value(child, path, notes)
        path.pop()
        return result

    def scalar_value(self, node: Scalar, path: list[str | int], notes: Notes) -> Any:
        """The value of a scalar; a mistake in it is noted once, also where aliases repeat it."""
        if node.broken:
            return None
        if node.value is UNSET:
            try:
                if "${" in node.text:
                    node.value = self.fill(node, path, notes)
                else:
                    node.value = resolve(node.text, node.plain, node.tag)
            except ValueMistake as mistake:
                node.broken, node.value = True, None
                message, hint = mistake.args
                notes.add(node.source.place(node.start), tuple(path), message, hint)
        return node.value

    def fill(self, node: Scalar, path: list[str | int], notes: Notes) -> Any:
        filling = self.variables.fill(node.text)
        if filling.mistakes:
            node.broken = True
            places = origins(node)
            for mistake in filling.mistakes:
                notes.add(node.source.place(places[mistake.offset]), tuple(path), mistake.message, mistake.hint)
            return None
        node.pieces = filling.pieces
        if node.tag not in (None, "str"):
            return resolve(filling.text, False, node.tag)
        return Filled(filling.text, node.text) if filling.has_variables else filling.text


class _Includes:
    """The files that a project includes, and what they give."""

    def __init__(self, reader: _Reader) -> None:
        self.reader = reader
        self.seen: set[str] = set()
        self.given: dict[str, list[Mapping | Sequence]] = {key: [] for key in MERGED_KEYS}

    def merge_into(self, root: Mapping) -> Mapping:
        """The tree of the project with everything that is included."""
        include = root.entries.get("include")
        if include is None:
            return root
        self.seen.add(_identity(root.source.path))
        self.follow(root, (root.source.path,))
        merged = Mapping(root.source, root.start)
        merged.entries, merged.keys = dict(root.entries), dict(root.keys)
        if isinstance(include, Scalar) and not include.broken:
            listed = Sequence(include.source, include.start)
            listed.items = [] if include.value is None else [include]
            merged.entries["include"] = listed
        for key in MERGED_KEYS:
            self.combine(key, merged)
        return merged

    def follow(self, root: Mapping, chain: tuple[Path, ...]) -> None:
        """Read what `root` includes; `chain` has the files that led here, it last."""
        notes = Notes()
        include = root.entries.get("include")
        items = include.items if isinstance(include, Sequence) else [] if include is None else [include]
        found: list[tuple[Path, Scalar]] = []
        for number, item in enumerate(items):
            path: list[str | int] = ["include", number] if isinstance(include, Sequence) else ["include"]
            self.find(root, item, path, notes, found)
        self.reader.add(notes, root)
        self.reader.fatal |= bool(notes)  # what a missing file would give is not there: no more can be said
        for file, item in found:
            self.visit(file, item, chain)

    def find(
        self, root: Mapping, item: Node, path: list[str | int], notes: Notes, found: list[tuple[Path, Scalar]]
    ) -> None:
        """Add the file that an item of `include` names to those found."""
        name = self.reader.scalar_value(item, path, notes) if isinstance(item, Scalar) else item
        if item.broken or (name is None and len(path) == 1):
            return
        place = item.source.place(item.start)
        if not isinstance(name, str) or not name or not isinstance(item, Scalar):
            item.broken = True
            notes.add(place, tuple(path), "is no path of a file", "write include: [connections.yaml]")
            return
        file = root.source.path.parent / name
        if _is_file(file):
            found.append((file, item))
            return
        item.broken = True
        what = "is a folder" if _is_folder(file) else "does not exist"
        notes.add(place, tuple(path), f"the file {item.text!r} {what}", _close_files(file))

    def visit(self, file: Path, item: Scalar, chain: tuple[Path, ...]) -> None:
        place = item.source.place(item.start)
        identity = _identity(file)
        names = [_identity(each) for each in chain]
        if identity in names:
            cycle = " → ".join(each.name for each in (*chain[names.index(identity) :], file))
            self.problem(place, f"the files include each other: {cycle}", "remove one of these includes")
        elif len(chain) > MAX_INCLUDE_DEPTH or len(self.seen) > MAX_INCLUDED_FILES:
            self.problem(place, "too many files are included", "include them from fewer files")
        elif identity not in self.seen:
            self.seen.add(identity)
            root = self.reader.read(file)
            if root is not None:
                self.take(root, (*chain, file))

    def take(self, root: Mapping, chain: tuple[Path, ...]) -> None:
        """Note what an included file gives, after what the files that it includes give."""
        self.follow(root, chain)
        for key, node in root.entries.items():
            if key == "include":
                continue
            place = root.source.place(root.keys[key])
            wanted = Mapping if key == "connections" else Sequence
            if key not in MERGED_KEYS:
                hint = f"it can give {', '.join(MERGED_KEYS)}; move this to {chain[0].name}"
                self.problem(place, "an included file can not have this key", hint, key)
            elif isinstance(node, wanted):
                self.given[key].append(node)
            elif not _is_null(node):
                what = "a mapping of names" if wanted is Mapping else "a list"
                self.problem(node.source.place(node.start), f"must be {what}", "", key)
                self.reader.fatal = True

    def problem(self, place: Position, message: str, hint: str, key: str = "include") -> None:
        self.reader.problems.append(Problem(place, key, message, hint))

    def combine(self, key: str, root: Mapping) -> None:
        """Put what is included under `key` before what the project itself has there."""
        given: list[Mapping | Sequence] = list(self.given[key])
        own = root.entries.get(key)
        if not given or (own is not None and not _is_null(own) and type(own) is not type(given[0])):
            return
        if isinstance(own, (Mapping, Sequence)):
            given.append(own)
        start = given[-1]
        if isinstance(start, Mapping):
            root.entries[key] = self.combine_connections(start, [each for each in given if isinstance(each, Mapping)])
        else:
            lists = [each for each in given if isinstance(each, Sequence)]
            root.entries[key] = self.combine_lists(start, lists, key == "pipelines")
        root.keys.setdefault(key, start.start)

    def combine_connections(self, start: Mapping, mappings: list[Mapping]) -> Mapping:
        combined = Mapping(start.source, start.start)
        places: dict[str, Position] = {}
        for mapping in mappings:
            for name, node in mapping.entries.items():
                place = node.source.place(mapping.keys[name])
                if name in places:
                    self.defined_twice("connection", name, place, places[name], f"connections.{name}")
                    continue
                places[name] = place
                combined.entries[name], combined.keys[name] = node, mapping.keys[name]
        return combined

    def combine_lists(self, start: Sequence, lists: list[Sequence], named: bool) -> Sequence:
        """One list of all items. A pipeline whose name another file has given is left out; within a file it stays."""
        combined = Sequence(start.source, start.start)
        places: dict[str, Position] = {}
        for each in lists:
            for item in each.items:
                name_node = item.entries.get("pipeline") if named and isinstance(item, Mapping) else None
                name = self.reader.scalar_value(name_node, [], Notes()) if isinstance(name_node, Scalar) else None
                if isinstance(name, str) and isinstance(name_node, Scalar) and not name_node.broken:
                    place = name_node.source.place(name_node.start)
                    first = places.setdefault(name, place)
                    if first.file != place.file:
                        self.defined_twice("pipeline", name_node.text, place, first, f"pipelines.{name_node.text}")
                        continue
                combined.items.append(item)
        return combined

    def defined_twice(self, kind: str, name: str, place: Position, first: Position, key: str) -> None:
        message = f"the {kind} {name!r} is defined twice"
        self.reader.problems.append(Problem(place, key, message, f"first at {first}; rename or remove one of the two"))


def _walk(root: Node, key_path: KeyPath) -> Iterator[Node]:
    """The nodes from the root along a key path, as far as they exist."""
    node = root
    yield node
    for key in key_path:
        child: Node | None = None
        if isinstance(node, Mapping):
            child = node.entries.get(str(key))
        elif isinstance(node, Sequence) and isinstance(key, int) and -len(node.items) <= key < len(node.items):
            child = node.items[key]
        if child is None:
            return
        node = child
        yield node


def _key_name(root: Node, key_path: KeyPath) -> str:
    nodes: list[Node | None] = [*_walk(root, key_path)]
    nodes += [None] * (len(key_path) + 1 - len(nodes))
    name = ""
    for number, key in enumerate(key_path):
        if isinstance(key, int):
            item_name = _item_name(nodes[number + 1], key_path[number - 1] if number else "")
            name += f".{item_name}" if item_name else f"[{key}]"
        else:
            name += f".{key}"
    return name.removeprefix(".")


def _item_name(item: Node | None, list_key: str | int) -> str:
    """The name of a pipeline or node, as it stands in the file."""
    key = _NAME_KEYS.get(str(list_key))
    if key is None or not isinstance(item, Mapping):
        return ""
    name = item.entries.get(key)
    return name.text if isinstance(name, Scalar) and not name.broken else ""


def _place_in_text(node: Scalar, offset: int) -> Position:
    places = origins(node)
    offset = max(offset, 0)
    if node.pieces is not None:
        offset = offset_in_template(node.pieces, offset)
    return node.source.place(places[min(offset, len(places) - 1)])


def _read_bytes(path: Path) -> bytes:
    if _is_folder(path):
        raise ConfigError([Problem(Position(path), "", "is a folder", _close_files(path / "project.yaml"))])
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError, ValueError) as error:  # ValueError: a NUL in the name
        raise ConfigError([Problem(Position(path), "", "the file does not exist", _close_files(path))]) from error
    except OSError as error:
        message = f"the file can not be read: {error.strerror}"
        raise ConfigError([Problem(Position(path), "", message, "check its permissions")]) from error
    if len(raw) > MAX_BYTES:
        message = f"the file is larger than {MAX_BYTES // 1_000_000} MB"
        raise ConfigError([Problem(Position(path), "", message, "is it a project file? data does not belong in it")])
    return raw


def _decode(path: Path, raw: bytes) -> str:
    for mark, encoding in _WIDE_MARKS.items():
        if raw.startswith(mark):
            hint = "save the file as UTF-8"
            raise ConfigError([Problem(Position(path, 1, 1), "", f"the file is {encoding}, not UTF-8", hint)])
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = error.object[: error.start].decode("utf-8-sig")
        place = Source(path, before).place(len(before))
        message = f"the byte 0x{error.object[error.start]:02X} is not UTF-8"
        raise ConfigError([Problem(place, "", message, "save the file as UTF-8")]) from error


def _check_characters(source: Source, notes: Notes) -> None:
    """Refuse characters that YAML does not allow, and those that break lines or hide without being seen."""
    match = _UNREADABLE.search(source.text)
    if match is None:
        return
    code = ord(match[0])
    message = f"the character U+{code:04X} can not stand in a YAML file"
    hint = f'remove it, or write it as an escape in double quotes: "\\U{code:08X}"'
    if code == 0:
        message, hint = "a NUL byte", "is this a text file? save it as UTF-8"
    elif 0xD800 <= code <= 0xDFFF:
        hint = "remove it: it is half of a character"
    raise notes.stop(source.place(match.start()), (), message, hint)


def _no_mapping(source: Source, root: Node | None, notes: Notes) -> StopReading:
    hint = "a project file has keys such as project:, connections: and pipelines:"
    if root is None or _is_null(root):
        return notes.stop(source.place(0), (), "the file is empty", hint)
    what = "a list" if isinstance(root, Sequence) else "a single text or number"
    message = f"the file holds {what} where a mapping (key: value) is expected"
    return notes.stop(source.place(root.start), (), message, hint)


def _is_null(node: Node) -> bool:
    return isinstance(node, Scalar) and node.plain and node.tag is None and node.text in ("", "~", "null")


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name that no file can have: too long, a NUL in it
        return False


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def _identity(path: Path) -> str:
    return os.path.normcase(os.path.realpath(path))


def _close_files(path: Path) -> str:
    """The end of a message about a file that is not there: the YAML files that are."""
    try:
        names = sorted(each.name for each in path.parent.iterdir() if each.suffix in (".yaml", ".yml"))
    except (OSError, ValueError):
        return "its folder does not exist either"
    return suggest(path.name, names) if names else "there is no YAML file in its folder"
