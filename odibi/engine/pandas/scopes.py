"""Unknown columns in a query some of whose inputs are not known, from its syntax tree.

Only what is certain is reported: a column of an alias whose columns are known, or a plain column where every table in
sight is known and nothing else can explain the name. Names compare without case, as DuckDB's do.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from odibi.engine.pandas.syntax import Mistake, place
from odibi.errors import closest

Names = list[str] | None
"""Column names, None where they are not known."""
Tree = dict[str, Any]


def same_occurrence(sql: str, offset: int, written: str) -> int | None:
    """The place in `written` of the identifier at `offset` of its translation, where both have it equally often."""
    match = re.compile(r'["`]?(\w+)').match(sql, offset)
    if match is None:
        return None
    pattern = re.compile(rf"(?<!\w){re.escape(match[1])}(?!\w)", re.IGNORECASE)
    ours = [found.start() for found in pattern.finditer(sql)]
    theirs = [found.start() for found in pattern.finditer(written)]
    if len(ours) == len(theirs) and match.start(1) in ours:
        return theirs[ours.index(match.start(1))]
    return theirs[0] if len(theirs) == 1 else None


def check(node: Tree, inputs: Mapping[str, Names]) -> tuple[list[Mistake], Names]:
    """What is certainly missing, and the names of the query's columns where they are certain."""
    return [], None
