"""Where each character of a scalar's text stands in the file. Computed when an error asks for it."""

from __future__ import annotations

import re

from odibi.config.yaml_tree import Scalar

_BREAK = re.compile(r"\r\n|\n|\r")
_BREAK_OR_END = re.compile(r"\r\n|\n|\r|\Z")
_PROPERTIES = re.compile(r"(?:[&!][^\s]*(?:\s+|#[^\r\n]*(?=[\r\n]))*)*")
_SPACE_OR_TEXT = re.compile(r"[ \t\r\n]+|[^ \t\r\n]+")
_SINGLE = re.compile(r"[ \t\r\n]+|''|[^ \t\r\n']+")
_DOUBLE = re.compile(
    r"[ \t\r\n]+|\\(?:\r\n|\n|\r)[ \t\r\n]*|\\x[0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\U[0-9a-fA-F]{8}|\\.|[^ \t\r\n\\]+"
)
_ESCAPES = dict(zip('0abt\tnvfre "/\\N_LP', '\0\a\b\t\t\n\v\f\r\x1b "/\\\x85\xa0\u2028\u2029', strict=True))


def origins(scalar: Scalar) -> list[int]:
    """Index in the file of each character of `scalar.text`, and of its end: one entry more than it has characters."""
    source, text = scalar.source.text, scalar.text
    start = min(_end_of_properties(source, scalar.start), scalar.end)
    style = source[start : start + 1]
    if style == "|":
        found = _literal(source, start, text)
    elif style == ">":
        found = _folded(source, start, scalar.end, text)
    else:
        found = _flow(source, start, scalar.end, style, text)
    return found if found is not None else [start] * (len(text) + 1)


def _end_of_properties(source: str, start: int) -> int:
    """Where a scalar starts after its anchor and tag."""
    match = _PROPERTIES.match(source, start)
    return match.end() if match else start


def _next_line(source: str, index: int) -> tuple[int, int]:
    """Where the line of `index` ends, and where the next one starts."""
    match = _BREAK_OR_END.search(source, index)
    assert match is not None
    return match.span()


def _literal(source: str, start: int, text: str) -> list[int] | None:
    """`|`: the text's lines are the file's lines without their indentation."""
    found: list[int] = []
    line_start = _next_line(source, start)[1]
    for line in text.removesuffix("\n").split("\n"):
        line_end, next_start = _next_line(source, line_start)
        first = line_end - len(line)
        if first < line_start or source[first:line_end] != line:
            return None
        found.extend(range(first, line_end + 1))
        line_start = next_start
    return found if len(found) > len(text) else [*found, found[-1]]


def _folded(source: str, start: int, end: int, text: str) -> list[int] | None:
    """`>`: all but white space is in the file as in the text, in that order."""
    found: list[int] = []
    index = _next_line(source, start)[1]
    for character in text:
        if not character.isspace():
            while index < end and source[index].isspace():
                index += 1
            if source[index : index + 1] != character:
                return None
        found.append(min(index, end))
        if index < end and (not character.isspace() or source[index].isspace()):
            index += 1
    last = found[-1] if found else start
    return [*found, last if text[-1:] == "\n" else last + 1]


def _flow(source: str, start: int, end: int, style: str, text: str) -> list[int] | None:
    """Plain and quoted: tokens of the file, each with the text that it stands for."""
    pattern = {"'": _SINGLE, '"': _DOUBLE}.get(style, _SPACE_OR_TEXT)
    first, last = (start + 1, end - 1) if style and style in "'\"" else (start, end)
    found: list[int] = []
    decoded: list[str] = []
    for match in pattern.finditer(source, first, last):
        part = _decode(match[0], style)
        decoded.append(part)
        found.extend(min(match.start() + offset, match.end() - 1) for offset in range(len(part)))
    return [*found, last] if "".join(decoded) == text else None


def _decode(token: str, style: str) -> str:
    if token[0] in " \t\r\n":
        breaks = len(_BREAK.findall(token))
        return token if not breaks else " " if breaks == 1 else "\n" * (breaks - 1)
    if style == "'":
        return "'" if token == "''" else token
    if style != '"' or token[0] != "\\":
        return token
    if token[1] in "\r\n":
        return "\n" * (len(_BREAK.findall(token)) - 1)
    digits = token[2:]
    return chr(int(digits, 16)) if digits else _ESCAPES.get(token[1], token)
