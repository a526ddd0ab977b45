"""A project file with mistakes in it, cut down to what can be checked further: all mistakes are told at once.

What is wrong is taken out or replaced by an empty value, and remembered in `Damage`, so that later checks say nothing
about it a second time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from odibi.config.problems import Finding, Path, check, removed, replaced, value_at
from odibi.config.project import ProjectConfig

_NODE: dict[str, Any] = {"name": ""}
_EMPTY: dict[tuple[str, ...], Any] = {
    ("connections", "*"): {},
    ("pipelines", "*"): {"pipeline": "", "nodes": []},
    ("pipelines", "*", "pipeline"): "",
    ("pipelines", "*", "nodes"): [],
    ("pipelines", "*", "nodes", "*"): _NODE,
    ("pipelines", "*", "nodes", "*", "name"): "",
    ("pipelines", "*", "nodes", "*", "read", "connection"): "",
    ("pipelines", "*", "nodes", "*", "write", "connection"): "",
    ("pipelines", "*", "nodes", "*", "transform", "steps"): [""],
    ("pipelines", "*", "nodes", "*", "transform", "steps", "*"): "",
}
"""What stands in for a value that can not be left out."""


@dataclass
class Damage:
    """Which parts of a file say nothing. `broken`: values that were wrong; `vague`: mappings where a key was unknown or
    missing, so that what they lack may only be misspelt. `unread` tells of values that could not even be read."""

    broken: set[Path] = field(default_factory=set)
    vague: set[Path] = field(default_factory=set)
    unread: Callable[[Path], bool] = field(default=lambda path: False)

    def is_broken(self, *path: str | int) -> bool:
        """Whether the value at `path`, or what it stands in, was wrong."""
        return any(path[:length] in self.broken for length in range(len(path) + 1)) or self.unread(path)

    def lacks(self, *path: str | int) -> bool:
        """Whether it may be a mistake already told that the mapping at `path` has no more keys."""
        return path in self.vague or self.is_broken(*path)


def repaired(data: Any, findings: Sequence[Finding], damage: Damage) -> ProjectConfig | None:
    """What is left of the file without its mistakes, which go into `damage`; None where nothing of it can be read."""
    if not isinstance(data, dict):
        return None
    for finding in findings:
        data = _cut(data, finding, damage)
    return check(ProjectConfig, data).value


def _cut(data: Any, finding: Finding, damage: Damage) -> Any:
    path = finding.path
    if finding.kind in ("unknown", "missing"):
        damage.vague.add(path[:-1])
    if finding.kind == "unknown":
        return removed(data, path) if path[-1] in (value_at(data, path[:-1]) or ()) else data
    while path:
        empty = _EMPTY.get(tuple("*" if _is_item(path, i) else str(part) for i, part in enumerate(path)))
        if empty is not None:
            damage.broken.add(path)
            return replaced(data, path, empty) if _reachable(data, path) else data
        if _is_optional(path):
            damage.broken.add(path)
            return removed(data, path) if path[-1] in (value_at(data, path[:-1]) or ()) else data
        path = path[:-1]
    return data


def _is_item(path: Path, index: int) -> bool:
    """Whether a part of a path is an index, or the name of a connection."""
    return isinstance(path[index], int) or (index == 1 and path[0] == "connections")


def _is_optional(path: Path) -> bool:
    """Whether the key that ends `path` may be left out of its mapping."""
    if not isinstance(path[-1], str):
        return False
    depth = len(path)
    if path[0] != "pipelines" or depth == 1:
        return depth == 1 or (depth == 2 and path[0] in ("story", "retry", "logging"))
    in_node = depth - 4
    return depth == 3 or in_node == 1 or (in_node == 2 and path[4] in ("read", "write", "validation"))


def _reachable(data: Any, path: Path) -> bool:
    parent = value_at(data, path[:-1])
    if isinstance(parent, list):
        return isinstance(path[-1], int) and path[-1] < len(parent)
    return isinstance(parent, dict)
