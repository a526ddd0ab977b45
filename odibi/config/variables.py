"""`${VAR}` and `${VAR:-default}` in values: where a variable's value comes from, and how a text is filled.

A variable is taken from the overrides (`--set`), the environment, and the `.env` beside the file, first that has it.
As in a shell, a default also stands in for a variable that is set but empty. `$${` is a literal `${`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from odibi.errors import Position, Problem, closest
from odibi.secrets import looks_secret, names_secret, remember

MAX_ENV_FILE_BYTES = 1_000_000
MAX_ENV_PROBLEMS = 20
MAX_MISTAKES = 20
MAX_FILLED_CHARACTERS = 16_000_000

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_TOKEN = re.compile(r"\$\$\{|\$\{(?:(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^{}]*))?\})?")
_ENV_LINE = r"""(?: [ \t]*(?:export[ \t]+)?(?P<name>[^\s=\#'"]+)[ \t]*
            (?:=(?P<gap>[ \t]*)(?:'(?P<single>[^']*)'|"(?P<double>(?:[^"\\]|\\.)*)"|(?P<bare>[^'"\r\n][^\r\n]*)|)
            )?[ \t]*(?:\#[^\r\n]*)?
          | (?P<skip>[ \t]*(?:\#[^\r\n]*)?)
          | (?P<bad>[^\r\n]+)
        )(?:\r\n|\n|\r|\Z)"""
_ENV_ESCAPE = re.compile(r'\\([nrt"\\$])')
_ENV_COMMENT = re.compile(r"[ \t]#")
_BREAK = re.compile(r"\r\n|\n|\r")
_ESCAPED = {"n": "\n", "r": "\r", "t": "\t"}


class Filled(str):
    """A text that came, whole or in part, from a variable.

    A model may read it leniently (`"3"` for an int), which it must not do with a text that stands in the file.
    Its value may be a secret: `repr` and messages show the `template`, the text as written in the file.
    """

    __slots__ = ("template",)
    template: str

    def __new__(cls, value: str, template: str = "") -> Filled:
        self = super().__new__(cls, value)
        self.template = template
        return self

    def __repr__(self) -> str:
        return repr(self.template)


class Piece(NamedTuple):
    """A part of a filled text: where it starts in the text and in the template; `fixed` if it is no copy of it."""

    start: int
    template_start: int
    fixed: bool


class Mistake(NamedTuple):
    """What is wrong at an offset of a template."""

    offset: int
    message: str
    hint: str


class Filling(NamedTuple):
    """A template with its variables filled in; `text` is of use only without mistakes."""

    text: str
    pieces: list[Piece]
    mistakes: list[Mistake]
    has_variables: bool


class Variables:
    """Looks variables up. The `.env` file is read when a name is in none of the places before it.

    `used` has the names asked for, `problems` what is wrong with the `.env` file.
    """

    def __init__(self, overrides: Mapping[str, str], environ: Mapping[str, str], env_file: Path | None = None) -> None:
        self.used: set[str] = set()
        self.problems: list[Problem] = []
        self._overrides, self._environ, self._env_file = overrides, environ, env_file
        self._from_file: dict[str, str] | None = None
        self._left = MAX_FILLED_CHARACTERS

    def get(self, name: str) -> str | None:
        """The variable's value, or None if it is not set. A key in a variable that is called one is a secret wherever
        it is filled in, also by mistake as a connection's name."""
        self.used.add(name)
        value = self._found(name)
        if value and (names_secret(name) or name.lower().endswith("key")) and looks_secret(value):
            remember(value)
        return value

    def _found(self, name: str) -> str | None:
        for place in (self._overrides, self._environ):
            value = place.get(name)
            if value is not None:
                return value
        return self._file_values().get(name)

    def fill(self, template: str) -> Filling:
        """Put the variables' values into `template`."""
        pieces: list[Piece] = []
        mistakes: list[Mistake] = []
        parts: list[str] = []
        length = end = 0
        has_variables = False

        def put(text: str, template_start: int, fixed: bool) -> None:
            nonlocal length
            pieces.append(Piece(length, template_start, fixed))
            parts.append(text)
            length += len(text)

        for match in _TOKEN.finditer(template):
            if match.start() < end:  # inside of what is malformed: it has its message
                continue
            put(template[end : match.start()], end, False)
            end = match.end()
            if match[0] == "$${":
                put("${", match.start(), True)
                continue
            has_variables = True
            if match["name"] is None:
                mistake, end = _malformed(template, match.start())
                mistakes.append(mistake)
            else:
                put(self._value(match, mistakes), match.start(), True)
            if len(mistakes) >= MAX_MISTAKES:
                break
        put(template[end:], end, False)
        return Filling("".join(parts), pieces, mistakes, has_variables)

    def _value(self, match: re.Match[str], mistakes: list[Mistake]) -> str:
        name, default = match["name"], match["default"]
        value = self.get(name)
        if value is None and default is None:
            mistakes.append(Mistake(match.start(), f"variable {name!r} is not set", self._way_out(name)))
        value = value or default or ""
        self._left -= len(value)
        if self._left < 0:
            mistakes.append(Mistake(match.start(), "the values filled in are too large", "shorten them"))
            return ""
        return value

    def _way_out(self, name: str) -> str:
        known = {*self._overrides, *self._environ, *self._file_values()} - {name}
        near = closest(name, known)
        start = f"did you mean {near[0]!r}? " if near else ""
        return (
            f"{start}set it in the environment, in the .env beside the file or with --set {name}=…, "
            f"or write a default: ${{{name}:-…}}"
        )

    def _file_values(self) -> dict[str, str]:
        if self._from_file is None:
            self._from_file = {}
            if self._env_file is not None:
                self._from_file, problems = read_env_file(self._env_file)
                self.problems.extend(problems)
        return self._from_file


def offset_in_template(pieces: list[Piece], offset: int) -> int:
    """The offset in the template of the character at `offset` of the filled text."""
    found = Piece(0, 0, False)
    for piece in pieces:
        if piece.start > offset:
            break
        found = piece
    return found.template_start if found.fixed else found.template_start + offset - found.start


def has_variable(text: str) -> bool:
    """Whether `text` has a `${` that is not escaped."""
    return any(match[0] != "$${" for match in _TOKEN.finditer(text))


def unescape(text: str) -> str:
    """`$${` as `${`, for texts that are not filled."""
    return text.replace("$${", "${")


def _malformed(template: str, offset: int) -> tuple[Mistake, int]:
    """What is wrong with the `${` at `offset`, and where it ends."""
    brace = template.find("}", offset)
    end = brace + 1 if brace >= 0 else len(template)
    message, hint = _malformation(template[offset + 2 : end].removesuffix("}"), brace >= 0)
    return Mistake(offset, message, hint), end


def _malformation(body: str, closed: bool) -> tuple[str, str]:
    hint = "write ${NAME} or ${NAME:-default}; a literal ${ is written $${"
    name = _NAME.match(body)
    if not closed:
        return "'${' is not closed", f"{hint}; a value that holds ' #' must be quoted"
    if not body.strip():
        return "'${}' names no variable", hint
    if name and body.startswith(":-", name.end()):
        return f"the default of variable {name[0]!r} holds a brace", "a default can hold no { or }"
    if name and body.startswith((":", "-", "?", "+", "="), name.end()):
        return f"'${{{name[0]}' is followed by what is no default", f"write ${{{name[0]}:-default}}"
    return "'${…}' holds what is no variable name", f"a name has letters, digits and _; {hint}"


def read_env_file(path: Path) -> tuple[dict[str, str], list[Problem]]:
    """The variables of a `.env` file and what is wrong in it. A file that is not there has none."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_ENV_FILE_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return {}, []
    except OSError as error:
        return {}, [Problem(Position(path), "", f"can not be read: {error.strerror}", "check its permissions")]
    if len(raw) > MAX_ENV_FILE_BYTES:
        return {}, [Problem(Position(path), "", f"is larger than {MAX_ENV_FILE_BYTES:,} bytes", "is it a .env file?")]
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        return {}, [Problem(Position(path, line, 1), "", "is not UTF-8 text", "save the file as UTF-8")]
    return parse_env(text, path)


def parse_env(text: str, path: Path) -> tuple[dict[str, str], list[Problem]]:
    """Parse `NAME=value` lines, with comments and `export`.

    Single quotes keep a text as it is, double quotes know the escapes `\\n \\r \\t \\" \\\\ \\$`; quoted values may
    span lines. Nothing is interpolated. The last of several lines for one name wins, and a name without `=` says
    nothing. Messages never show a value.
    """
    values: dict[str, str] = {}
    problems: list[Problem] = []
    line = 1
    for match in re.finditer(_ENV_LINE, text, re.VERBOSE | re.DOTALL):
        if match["bad"] and len(problems) < MAX_ENV_PROBLEMS:
            problems.append(Problem(Position(path, line, 1), "", "is no NAME=value line", "check its name and quotes"))
        elif match["gap"] is not None:
            values[match["name"]] = _env_value(match)
        line += len(_BREAK.findall(match[0]))
    return values, problems


def _env_value(match: re.Match[str]) -> str:
    if match["single"] is not None:
        return match["single"]
    if match["double"] is not None:
        return _ENV_ESCAPE.sub(lambda escape: _ESCAPED.get(escape[1], escape[1]), match["double"])
    return _ENV_COMMENT.split(match["gap"] + (match["bare"] or ""), maxsplit=1)[0].strip()
