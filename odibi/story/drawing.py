"""The graph and the timeline as inline SVG. Positions are attributes, colours are classes of the page's style."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from datetime import datetime

from odibi.story.layout import Layout, layout
from odibi.story.markup import STATUS_WORDS, esc
from odibi.story.model import Data
from odibi.story.text import count, seconds

MAX_GRAPH = 400
"""Nodes of a graph that is drawn; a bigger one would be a wall."""
MAX_BARS = 100
"""Nodes on the timeline: the longest ones."""
_WIDE, _HIGH, _GAP_X, _GAP_Y, _EDGE = 212, 48, 56, 18, 12
_FIT = 2000
"""Pictures up to this width are scaled down to the page; wider ones are scrolled."""
_LABEL, _LINE, _SPAN = 230, 24, 1180


def state(node: Data) -> str:
    """The state as it is drawn: a completed node with warnings is drawn as `warned`."""
    status = str(node["status"])
    if status == "completed" and (node["warnings"] or any(check["status"] == "warned" for check in node["checks"])):
        return "warned"
    return status if status in STATUS_WORDS else "skipped"


def graph(nodes: Sequence[Data], links: Mapping[str, str]) -> str:
    """The graph; `links` maps a node's name to the id of its part of the page. Empty for too many nodes."""
    if not nodes or len(nodes) > MAX_GRAPH:
        return ""
    by_name = {node["name"]: node for node in nodes}
    places = layout({name: node["depends_on"] for name, node in by_name.items()})
    width = places.layers * (_WIDE + _GAP_X) - _GAP_X + 2 * _EDGE
    height = places.height * (_HIGH + _GAP_Y) - _GAP_Y + 2 * _EDGE
    edges = [
        _edge(places, need, name, by_name)
        for name, node in by_name.items()
        for need in node["depends_on"]
        if need in by_name
    ]
    boxes = [_box(node, _x(places.x[name]), _y(places.y[name]), links[name]) for name, node in by_name.items()]
    fit = ' class="fit"' if width <= _FIT else ""
    return (
        f'<div class="canvas"><svg{fit} width="{width}" height="{height:.0f}" viewBox="0 0 {width} {height:.0f}" '
        'role="img" '
        f'aria-label="graph of the nodes">{"".join(edges)}{"".join(boxes)}</svg></div>'
    )


def _x(layer: int) -> int:
    return _EDGE + layer * (_WIDE + _GAP_X)


def _y(height: float) -> float:
    return _EDGE + height * (_HIGH + _GAP_Y)


def _edge(places: Layout, need: str, name: str, by_name: Mapping[str, Data]) -> str:
    """A curve from the right side of `need` to the left side of `name`, by way of the bends between."""
    start = (_x(places.x[need]) + _WIDE, _y(places.y[need]) + _HIGH / 2)
    end = (_x(places.x[name]) - 2, _y(places.y[name]) + _HIGH / 2)
    path = [f"M{start[0]} {start[1]:.1f}"]
    x, y = start
    for layer, at in places.bends.get((need, name), ()):
        left, middle = _x(layer), _y(at) + 0.15 * (_HIGH + _GAP_Y)
        path.append(_curve(x, y, left, middle) + f"H{left + _WIDE}")
        x, y = left + _WIDE, middle
    path.append(_curve(x, y, *end))
    cold = "" if by_name[need]["status"] == "completed" else " cold"
    return f'<path class="edge{cold}" marker-end="url(#tip)" d="{"".join(path)}"/>'


def _curve(x1: float, y1: float, x2: float, y2: float) -> str:
    bend = (x2 - x1) / 2
    return f"C{x1 + bend:.0f} {y1:.1f} {x2 - bend:.0f} {y2:.1f} {x2} {y2:.1f}"


def _box(node: Data, x: int, y: float, link: str) -> str:
    drawn, tip = state(node), node["description"] or node["target"] or node["source"]
    title = esc(f"{node['name']}: {node['status']}" + (f"\n{tip}" if tip else ""))
    return (
        f'<a href="#{link}"><g class="{drawn}"><title>{title}</title>'
        f'<rect class="box" x="{x}" y="{y:.1f}" width="{_WIDE}" height="{_HIGH}" rx="9"/>'
        f'<use href="#s-{drawn}" x="{x + 11}" y="{y + 16:.1f}" width="16" height="16"/>'
        f'<text class="name" x="{x + 36}" y="{y + 21:.1f}">{esc(fitting(node["name"], 20))}</text>'
        f'<text class="dim" x="{x + 36}" y="{y + 37:.1f}">{esc(fitting(_under(node), 26))}</text></g></a>'
    )


def _under(node: Data) -> str:
    """The second line of a box: rows and time, or why there are none."""
    if node["duration"] is None or node["status"] != "completed":
        return " · ".join(
            part for part in (node["status"], seconds(node["duration"]) if node["duration"] else "") if part
        )
    written = node["write"]["rows"] if node["write"] else None
    rows = node["rows"] if node["rows"] is not None else written
    counted = f"{count(rows)} rows" if rows is not None else "streamed" if node["streamed"] else ""
    return " · ".join(part for part in (counted, seconds(node["duration"])) if part)


def fitting(text: str, width: int) -> str:
    """As much of the text as fits into `width` letters, wide ones counted twice."""
    if len(text) <= width and text.isascii():
        return text
    used = 0
    for place, letter in enumerate(text):
        used += 2 if unicodedata.east_asian_width(letter) in "WF" else 1
        if used > width:
            return text[: max(1, place - 1)] + "…"
    return text


def timeline(nodes: Sequence[Data], links: Mapping[str, str]) -> str:
    """When each node ran; of many nodes the longest ones. Empty where nothing ran."""
    ran = [node for node in nodes if node["started"] and node["duration"] is not None]
    if not ran:
        return ""
    origin = min(when(node["started"]) for node in ran)
    longest = sorted(ran, key=lambda node: -node["duration"])[:MAX_BARS]
    rows = sorted(((when(node["started"]) - origin, node) for node in longest), key=lambda row: row[0])
    end = max(1e-6, *(at + node["duration"] for at, node in rows))
    height = len(rows) * _LINE + 30
    bars = [_bar(node, at, end, place, links[node["name"]]) for place, (at, node) in enumerate(rows)]
    return (
        f'<div class="canvas"><svg class="fit" width="{_SPAN}" height="{height}" viewBox="0 0 {_SPAN} {height}" '
        'role="img" '
        f'aria-label="when each node ran">{_ticks(end, height)}{"".join(bars)}</svg></div>'
    )


def when(iso: str) -> float:
    """Seconds since 1970 of an ISO text."""
    return datetime.fromisoformat(iso).timestamp()


def _bar(node: Data, at: float, end: float, place: int, link: str) -> str:
    scale, drawn = (_SPAN - _LABEL - 80) / end, state(node)
    x, width, y = _LABEL + at * scale, max(2.5, node["duration"] * scale), place * _LINE + 24
    name, after, shape = esc(node["name"]), x + width + 6, ""
    if drawn != "completed":
        shape = f'<g class="{drawn}"><use href="#s-{drawn}" x="{after:.1f}" y="{y + 2}" width="14" height="14"/></g>'
        after += 18
    return (
        f'<a href="#{link}"><title>{name}</title>'
        f'<text class="dim" x="{_LABEL - 10}" y="{y + 13}" text-anchor="end">{esc(fitting(node["name"], 34))}</text>'
        f'<rect class="bar {drawn}" x="{x:.1f}" y="{y + 3}" width="{width:.1f}" height="13" rx="3"/>{shape}'
        f'<text class="dim" x="{after:.1f}" y="{y + 13}">{esc(seconds(node["duration"]))}</text></a>'
    )


def _ticks(end: float, height: int) -> str:
    """Four to ten round times along the top."""
    step = 10.0
    power = -6
    while end / (step * 10**power) > 10:
        step, power = {10.0: (20.0, power), 20.0: (50.0, power), 50.0: (10.0, power + 1)}[step]
    scale = (_SPAN - _LABEL - 80) / end
    marks = []
    for number in range(int(end / (step * 10**power)) + 1):
        at = number * step * 10**power
        x = _LABEL + at * scale
        marks.append(
            f'<path class="tick" d="M{x:.1f} 20V{height}"/><text class="dim" x="{x:.1f}" y="13">{_time(at)}</text>'
        )
    return "".join(marks)


def _time(at: float) -> str:
    if not at:
        return "0"
    if at < 1:
        return f"{at * 1000:.3g} ms"
    return f"{at:.3g} s" if at < 120 else esc(seconds(at))
