"""Texts that several commands print: tables, counts, times, paths."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from odibi.secrets import scrub

MAX_CELL = 60


def table(
    head: Sequence[str], rows: Sequence[Sequence[object]], right: Sequence[int] = (), wide: Sequence[int] = ()
) -> str:
    """Aligned columns; `right` are the numbers of those aligned to the right, `wide` of those that are not cut off.

    >>> print(table(("name", "rows"), [("a", 10), ("bcd", 2)], right=[1]))
    name  rows
    a       10
    bcd      2
    """
    cells = [
        [cell(value, None if number in wide else MAX_CELL) for number, value in enumerate(row)] for row in (head, *rows)
    ]
    widths = [max(map(width, column)) for column in zip(*cells, strict=True)]
    lines = []
    for row in cells:
        padded = [
            " " * (size - width(text)) + text if number in right else text + " " * (size - width(text))
            for number, (text, size) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(padded).rstrip())
    return "\n".join(lines)


def cell(value: object, limit: int | None = MAX_CELL) -> str:
    """One line of bounded length, without terminal codes."""
    text = "" if value is None else value if isinstance(value, str) else str(value)
    text = printable(scrub(text).replace("\n", " "))  # before the cut, which could halve a secret
    return text if limit is None or len(text) <= limit else text[: limit - 3] + "..."


def printable(text: str) -> str:
    """The text without control characters: data and names can not steer the terminal.

    >>> printable("a\\x1b[31mb")
    'a\\\\x1b[31mb'
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in "\n\t" else c.encode("unicode_escape").decode() for c in text)


def width(text: str) -> int:
    """Columns of a terminal that a text takes."""
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def count(number: int | None, word: str) -> str:
    """`1 row`, `2,000 rows`; empty where the number is not known."""
    if number is None:
        return ""
    return f"{number:,} {word}" if number == 1 else f"{number:,} {word}s"


def seconds(duration: float) -> str:
    """`0.12 s`, `75 s`, `5 min 3 s`.

    >>> seconds(303.2)
    '5 min 3 s'
    """
    if duration < 10:
        return f"{duration:.2f} s"
    if duration < 120:
        return f"{duration:.0f} s"
    minutes, rest = divmod(round(duration), 60)
    return f"{minutes} min {rest} s"


def near(path: str | Path) -> str:
    """A path as seen from here, where that is shorter."""
    text = str(path)
    if "://" in text or not Path(text).is_absolute():
        return text
    try:
        relative = os.path.relpath(text)
    except ValueError:  # another drive of Windows
        return text
    return relative if len(relative) < len(text) and not relative.startswith(os.path.join("..", "..", "..")) else text


def shown_place(position: str) -> str:
    """`file:line:col` with the file as seen from here."""
    file, sign, rest = position.rpartition(os.sep)
    return near(file) + sign + rest if sign and Path(file).is_absolute() else position


def plain(record: Any) -> dict[str, Any]:
    """A dataclass or a named tuple as plain data, for JSON."""
    if hasattr(record, "_asdict"):
        return dict(record._asdict())
    from dataclasses import asdict

    return asdict(record)


def indent(text: str, by: str = "    ") -> str:
    """Every line moved to the right."""
    return "\n".join(by + line if line else line for line in text.splitlines())
