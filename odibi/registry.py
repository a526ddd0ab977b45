"""Names and what they stand for: one table a kind, `name -> "module:attribute"`, imported when first used.

A reader sees a whole set in one dict. Other packages add to it by entry points (`odibi.connections`,
`odibi.engines`, `odibi.transforms`); the files of this project never do.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from typing import Any

from odibi.errors import UnknownNameError


class Registry(Mapping[str, Any]):
    """A lazy mapping from a name to an object: `Registry("engine", {"pandas":
    "odibi.engine.pandas.engine:PandasEngine"})`.

    `registry[name]` imports the target; an unknown name raises `UnknownNameError`, which lists what exists.
    """

    def __init__(self, kind: str, targets: Mapping[str, str], entry_points: str | None = None) -> None:
        self.kind = kind
        self._targets: dict[str, Any] = dict(targets)
        self._group = entry_points

    def _load_entry_points(self) -> None:
        """Add what other packages offer, once, and only when a name is not one of ours (the scan costs
        milliseconds)."""
        if self._group is None:
            return
        from importlib.metadata import entry_points

        for point in entry_points(group=self._group):
            self._targets.setdefault(point.name, f"{point.module}:{point.attr}")
        self._group = None

    def __getitem__(self, name: str) -> Any:
        if name not in self._targets:
            self._load_entry_points()
        if name not in self._targets:
            raise UnknownNameError(self.kind, name, self._targets)
        target = self._targets[name]
        if isinstance(target, str):
            module, _, attribute = target.partition(":")
            target = self._targets[name] = getattr(importlib.import_module(module), attribute)
        return target

    def __contains__(self, name: object) -> bool:
        if name not in self._targets:
            self._load_entry_points()
        return name in self._targets

    def __iter__(self) -> Iterator[str]:
        self._load_entry_points()
        return iter(self._targets)

    def __len__(self) -> int:
        self._load_entry_points()
        return len(self._targets)

    def add(self, name: str, target: Any) -> None:
        """Register an object (or `"module:attribute"`) for this process; used by tests and by `odibi.testing`."""
        self._targets[name] = target

    def registered(self, name: str) -> Any | None:
        """What `name` stands for in this process, an object or `"module:attribute"`; imports nothing, asks no entry
        point."""
        return self._targets.get(name)

    def loaded(self) -> tuple[str, ...]:
        """The names that are known without asking entry points."""
        return tuple(self._targets)

    def remove(self, name: str) -> None:
        """Take a registered name back; unknown names are ignored."""
        self._targets.pop(name, None)
