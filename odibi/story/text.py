"""Numbers, times and odd characters as a reader sees them; shared by the page and the Markdown."""

from __future__ import annotations

import re
from datetime import UTC, datetime

STATUSES = ("completed", "failed", "skipped", "interrupted")
_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")
_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]"
)
"""Control characters, and characters that make a text look like another (direction overrides, zero width)."""


def visible(text: str) -> str:
    """The text with line ends as `\\n` and hidden characters written out (`\\u202e`), so that it shows what it is."""
    if text.isascii() and text.isprintable():
        return text
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return _HIDDEN.sub(lambda match: _escape(match[0]), text)


def _escape(char: str) -> str:
    return f"\\x{ord(char):02x}" if ord(char) < 256 else f"\\u{ord(char):04x}"


def count(number: int | None, nothing: str = "–") -> str:
    """`1,234,567`; `nothing` where nobody counted."""
    return nothing if number is None else f"{number:,}"


def change(number: int) -> str:
    """`+1,234`, `−12` or `±0`."""
    return f"+{number:,}" if number > 0 else f"−{-number:,}" if number else "±0"


def plural(number: int, noun: str) -> str:
    """`1 row`, `1,234 rows`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def failing(number: int | None, total: int | None, message: str = "") -> str:
    """`3 of 1,000 rows failed. message`; the message alone where rows were not counted, and none that says the same."""
    figures = _figures(number, total)
    parts = [figures] if message and figures.startswith(message) else [figures, message]
    return ". ".join(part for part in parts if part)


def _figures(number: int | None, total: int | None) -> str:
    if number is None:
        return ""
    if total is None:
        return f"{plural(number, 'row')} failed" if number else "no row failed"
    return f"{number:,} of {plural(total, 'row')} failed" if number else f"none of {plural(total, 'row')} failed"


def seconds(duration: float | None) -> str:
    """`8 ms`, `1.24 s`, `3 min 05 s`, `2 h 07 min`."""
    if duration is None:
        return "–"
    if duration < 0.9995:
        return f"{duration * 1000:.0f} ms" if duration >= 0.001 or not duration else "< 1 ms"
    if duration < 59.95:
        return f"{duration:.2f} s" if duration < 9.995 else f"{duration:.1f} s"
    whole = round(duration)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"


def size(number: int) -> str:
    """`512 B`, `1.4 MB`: thousands, not 1,024s."""
    value, unit = float(number), 0
    while value >= 999.5 and unit < len(_UNITS) - 1:
        value, unit = value / 1000, unit + 1
    return f"{value:.0f} {_UNITS[unit]}" if not unit or value >= 99.5 else f"{value:.1f} {_UNITS[unit]}"


def moment(iso: str | None) -> str:
    """`2025-03-01 12:00:05 UTC` of an ISO text; empty without one."""
    return f"{iso[:10]} {iso[11:19]} UTC" if iso else ""


def utc(when: datetime) -> datetime:
    """The same instant in UTC; a zoneless time is taken as UTC."""
    return when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)


def clipped(text: str, width: int) -> str:
    """At most `width` characters, the cut marked with `…`."""
    return text if len(text) <= width else text[: max(1, width - 1)] + "…"
