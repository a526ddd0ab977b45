"""What the expressions of a query can name, as far as it is known: what the engines' searches for columns that are
certainly missing have in common. Names compare without case."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

Names = list[str] | None
"""Column names, None where they are not known."""
Tables = Mapping[str, Names]


@dataclass(slots=True)
class Named:
    """Something in FROM: its alias (lower case) and its columns."""

    alias: str
    names: Names


@dataclass(slots=True)
class Scope:
    """What the expressions of one SELECT can name. `extra` are aliases of the select list and parameters of lambdas;
    `merged` says that a column may be in two sources and yet be one (USING, NATURAL, semi joins, generators)."""

    sources: list[Named] = field(default_factory=list)
    extra: frozenset[str] = frozenset()
    merged: bool = False

    @property
    def certain(self) -> bool:
        """True where every column in reach is known."""
        return all(source.names is not None for source in self.sources)

    def has_column(self, name: str) -> bool:
        """True where `name` is a known column, an alias of the select list or a parameter."""
        return name in self.extra or any(name in lower(source.names) for source in self.sources)

    def may_have(self, name: str) -> bool:
        """True where nothing shows that `name` is not here."""
        return not self.certain or self.has_column(name) or any(source.alias == name for source in self.sources)

    def spelled(self, path: Sequence[str]) -> str:
        """The name of a column in the case that its table has, else as the query writes it."""
        name = path[-1]
        owners = [one for one in self.sources if len(path) == 1 or one.alias == path[0].lower()]
        return next((known for one in owners for known in one.names or () if known.lower() == name.lower()), name)

    def columns_of(self, alias: str) -> Names:
        """The columns that `t.*` gives, and `*` (no alias); None where they are not known."""
        meant = [one for one in self.sources if not alias or one.alias == alias]
        names: list[str] = []
        for one in meant:
            if one.names is None:
                return None
            names += one.names
        return names if meant else None


Scopes = tuple[Scope, ...]
"""The scopes that an expression sees, the innermost first."""


def known(scopes: Scopes) -> list[str]:
    """The columns in reach, each once."""
    names = (name for scope in scopes for source in scope.sources for name in source.names or ())
    return list(dict.fromkeys(names))


def joined(parts: Iterable[Names]) -> Names:
    """The columns of a select list from those of its items; None where one is not known, or a name is there twice."""
    found: list[str] = []
    for names in parts:
        if names is None:
            return None
        found += names
    return found if len(lower(found)) == len(found) else None


def lower(names: Names) -> set[str]:
    """Names as they are compared."""
    return set(map(str.lower, names or ()))
