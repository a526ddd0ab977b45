"""Patterns of dates and times: `dd/MM/yyyy` as Spark writes them, or `%d/%m/%Y` as Python does; both are taken."""

from __future__ import annotations

import re

_LETTERS = {
    "yyyy": "%Y", "yy": "%y", "y": "%Y", "uuuu": "%Y", "MMMM": "%B", "MMM": "%b", "MM": "%m", "M": "%-m",
    "dd": "%d", "d": "%-d", "DDD": "%j", "EEE": "%a", "E": "%a", "EEEE": "%A", "HH": "%H", "H": "%-H", "hh": "%I",
    "h": "%-I", "mm": "%M", "m": "%-M", "ss": "%S", "s": "%-S", "SSS": "%g", "SSSSSS": "%f", "SSSSSSSSS": "%n",
    "a": "%p", "XXX": "%z", "XX": "%z", "X": "%z", "Z": "%z",
}  # fmt: skip
_TOKEN = re.compile(r"'(?P<text>(?:[^']|'')*)'|(?P<letters>([A-Za-z])\3*)|(?P<other>.)", re.DOTALL)


def strftime_of(pattern: str) -> str:
    """The pattern in `strftime` form. Raises ValueError for letters that mean nothing here.

    >>> strftime_of("dd/MM/yyyy HH:mm:ss")
    '%d/%m/%Y %H:%M:%S'
    >>> strftime_of("yyyy-MM-dd'T'HH:mm:ss.SSSXXX")
    '%Y-%m-%dT%H:%M:%S.%g%z'
    """
    if "%" in pattern:
        return pattern
    return "".join(_part(match, pattern) for match in _TOKEN.finditer(pattern.replace("[", "").replace("]", "")))


def _part(match: re.Match[str], pattern: str) -> str:
    if match["text"] is not None:
        return match["text"].replace("''", "'") or "'"
    if match["letters"] is None:
        return match["other"]
    if match["letters"] not in _LETTERS:
        raise ValueError(
            f"has {match['letters']!r} in {pattern!r}, which is no part of a date or time; "
            "write it like dd/MM/yyyy HH:mm:ss or %d/%m/%Y %H:%M:%S, with plain letters in 'quotes'"
        )
    return _LETTERS[match["letters"]]


_JAVA = {
    "%Y": "yyyy", "%y": "yy", "%B": "MMMM", "%b": "MMM", "%m": "MM", "%-m": "M", "%d": "dd", "%-d": "d", "%j": "DDD",
    "%a": "EEE", "%H": "HH", "%-H": "H", "%I": "hh", "%-I": "h", "%M": "mm", "%-M": "m", "%S": "ss", "%-S": "s",
    "%g": "SSS", "%f": "SSSSSS", "%n": "SSSSSSSSS", "%p": "a", "%z": "XXX", "%%": "'%'",
}  # fmt: skip
_NUMBERS = ("MM", "dd", "HH", "hh", "mm", "ss")
_DIRECTIVE = re.compile(r"%-?[A-Za-z%]|[^%]|%")


def java_of(pattern: str, parsing: bool = False) -> str:
    """The pattern as Java takes it, which Spark runs on. To parse, numbers may have one digit where what is beside them
    tells where they end. Raises ValueError for what Java has no letter for.

    >>> java_of("%d.%m.%Y %H:%M"), java_of("dd/MM/yyyy", parsing=True), java_of("%Y%m%d", parsing=True)
    ('dd.MM.yyyy HH:mm', 'd/M/yyyy', 'yyyyMMdd')
    """
    parts = [_java_part(part, pattern) for part in _DIRECTIVE.findall(strftime_of(pattern))]
    if not parsing:
        return "".join(parts)
    return "".join(_parsing_part(parts, place) for place in range(len(parts)))


def _java_part(part: str, pattern: str) -> str:
    if part in _JAVA:
        return _JAVA[part]
    if part.startswith("%"):
        raise ValueError(f"has {part!r} in {pattern!r}, which Spark can not read; write it like dd/MM/yyyy HH:mm:ss")
    return "''" if part == "'" else f"'{part}'" if part.isalpha() or part in "#[]{}" else part


def _parsing_part(parts: list[str], place: int) -> str:
    part = parts[place]
    beside = [parts[at] for at in (place - 1, place + 1) if 0 <= at < len(parts)]
    if part == "EEE":
        raise ValueError(
            "has the day of the week, which Spark writes but does not read; read the column as string, and take it off "
            "with SQL"
        )
    if part == "XXX":
        return "[XXX][XX][X]"
    return part[0] if part in _NUMBERS and not any(each[0].isalpha() for each in beside) else part
