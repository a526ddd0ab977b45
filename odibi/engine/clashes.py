"""Columns of a result whose names differ only in case, which SQL can not tell apart, and names that engines invent."""

from __future__ import annotations

import re
from collections.abc import Iterable

from odibi.engine import words

_NUMBERED = re.compile(r"(?P<stem>.+)_\d+", re.DOTALL)


def suspected(names: Iterable[str]) -> bool:
    """True where a name looks like one that an engine made of another: `id_1` beside `id`. Costs no query."""
    lower = {name.lower() for name in names}
    return any((found := _NUMBERED.fullmatch(name)) and found["stem"] in lower for name in lower)


def clash_in(names: Iterable[str]) -> str | None:
    """What is wrong with the names of a result, None where nothing is. Two of exactly one name are fine: the second
    `id` of a join becomes `id_1`."""
    seen: dict[str, str] = {}
    for name in names:
        twin = seen.setdefault(name.lower(), name)
        if twin != name:
            return words.clash(twin, name)
    return None
