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
