"""Small pieces of HTML. Whatever comes from a story passes `esc` or `cell`; nothing else makes markup of it."""

from __future__ import annotations

import json
from typing import Any

from odibi.story.text import visible

STATUS_WORDS = {
    "completed": "completed", "failed": "failed", "skipped": "skipped", "interrupted": "interrupted",
    "passed": "passed", "warned": "warning",
}  # fmt: skip
"""States that have a colour and a shape; any other text is shown as it is, without them."""


def esc(text: str) -> str:
    """A text for content or a quoted attribute."""
    text = visible(text)
    if "&" in text:
        text = text.replace("&", "&amp;")
    if "<" in text or ">" in text:
        text = text.replace("<", "&lt;").replace(">", "&gt;")
    if '"' in text or "'" in text:
        text = text.replace('"', "&quot;").replace("'", "&#39;")
    return text


def as_text(value: Any) -> str:
    """A value of a sample as a reader sees it; nested ones as JSON."""
    if isinstance(value, str):
        return value
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else str(value)


def cell(value: Any, number: bool = False) -> str:
    """A table cell; null is told apart from the text `null`, and numbers stand to the right."""
    if value is None:
        return '<td class="num null">null</td>' if number else '<td class="null">null</td>'
    kind = type(value)
    text = str(value) if kind is int or kind is float else esc(value if kind is str else as_text(value))
    return f'<td class="num">{text}</td>' if number else f"<td>{text}</td>"


def icon(status: str) -> str:
    """The shape of a state; the word beside it says the same."""
    known = status if status in STATUS_WORDS else "skipped"
    return f'<svg class="icon {known}" viewBox="0 0 16 16" aria-hidden="true"><use href="#s-{known}"/></svg>'


def pill(status: str, shape: bool = True) -> str:
    """Shape and word of a state."""
    known = status if status in STATUS_WORDS else "skipped"
    return f'<span class="pill {known}">{icon(status) if shape else ""}{esc(STATUS_WORDS.get(status, status))}</span>'


def facts(pairs: list[tuple[str, str]]) -> str:
    """Labelled values; values are markup already, and empty ones are left out."""
    items = [f"<div><dt>{label}</dt><dd>{value}</dd></div>" for label, value in pairs if value]
    return f'<dl class="facts">{"".join(items)}</dl>' if items else ""


def code(text: str) -> str:
    """A block of code as it stands."""
    return f"<pre>\n<code>{esc(text)}</code></pre>"


def fold(label: str, body: str, opened: bool = False) -> str:
    """A part that opens on a click, without a script; `label` and `body` are markup."""
    return f'<details class="fold"{" open" if opened else ""}><summary>{label}</summary>{body}</details>'


def section(title: str, body: str, name: str, note: str = "") -> str:
    """A part of the page under its own heading."""
    aside = f'<span class="note">{note}</span>' if note else ""
    return f'<section class="{name}"><h2>{title}{aside}</h2>{body}</section>\n' if body else ""
