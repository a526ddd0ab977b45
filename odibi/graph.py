"""The order of work: names and what they depend on, nothing else.

`dependencies` maps every name to the names it needs, in file order. All functions are linear in nodes plus edges.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from odibi.errors import GraphError, suggest

Dependencies = Mapping[str, Sequence[str]]


def check(dependencies: Dependencies) -> None:
    """Raise `GraphError` for a missing dependency or a cycle (with its path)."""
    for name, needs in dependencies.items():
        for need in needs:
            if need not in dependencies:
                raise GraphError(f"{name!r} depends on {need!r}, which does not exist; {suggest(need, dependencies)}")
    cycle = find_cycle(dependencies)
    if cycle:
        raise GraphError(f"a cycle: {' -> '.join(cycle)}; take one of these dependencies out")


def order(dependencies: Dependencies) -> list[str]:
    """All names, each behind what it needs; as near to file order as that allows. Raises `GraphError` as `check`
    does."""
    check(dependencies)
    placed: dict[str, None] = {}
    for name in dependencies:
        stack = [name]
        while stack:
            top = stack[-1]
            waiting = [need for need in dependencies[top] if need not in placed] if top not in placed else []
            if waiting:
                stack.extend(reversed(waiting))
            else:
                placed.setdefault(stack.pop())
    return list(placed)


def find_cycle(dependencies: Dependencies) -> list[str]:
    """The first cycle as a path that ends where it begins, `[]` if there is none. Unknown names are passed over.

    >>> find_cycle({"a": ["b"], "b": ["a"]})
    ['a', 'b', 'a']
    """
    done: set[str] = set()
    for start in dependencies:
        path: dict[str, None] = {}
        stack = [(start, iter(dependencies[start]))] if start not in done else []
        path[start] = None
        while stack:
            name, needs = stack[-1]
            need = next((n for n in needs if n in dependencies and n not in done), None)
            if need is None:
                stack.pop()
                path.pop(name, None)
                done.add(name)
            elif need in path:
                names = list(path)
                return [*names[names.index(need) :], need]
            else:
                path[need] = None
                stack.append((need, iter(dependencies[need])))
    return []


def with_needs(names: Iterable[str], dependencies: Dependencies) -> set[str]:
    """The names and everything they need, directly or not."""
    found: set[str] = set()
    stack = list(names)
    while stack:
        name = stack.pop()
        if name not in found:
            found.add(name)
            stack.extend(dependencies[name])
    return found


def dependents(dependencies: Dependencies) -> dict[str, list[str]]:
    """For every name, the names that need it, in file order."""
    users: dict[str, list[str]] = {name: [] for name in dependencies}
    for name, needs in dependencies.items():
        for need in dict.fromkeys(needs):
            users[need].append(name)
    return users


class Progress:
    """Which names may start now. Feed it what ended; it says what became ready and what can not run any more."""

    def __init__(self, dependencies: Dependencies) -> None:
        self._users = dependents(dependencies)
        self._waits_for = {name: len(set(needs)) for name, needs in dependencies.items()}
        self._open = set(dependencies)

    @property
    def open(self) -> set[str]:
        """Names that have neither ended nor been given up."""
        return self._open

    def ready_at_start(self) -> list[str]:
        """Names that need nothing, in file order."""
        return [name for name, count in self._waits_for.items() if count == 0]

    def completed(self, name: str) -> list[str]:
        """Take note that `name` is done; gives the names that became ready by it."""
        self._open.discard(name)
        ready = []
        for user in self._users[name]:
            self._waits_for[user] -= 1
            if self._waits_for[user] == 0 and user in self._open:
                ready.append(user)
        return ready

    def failed(self, name: str) -> list[str]:
        """Take note that `name` failed; gives everything that depends on it and is given up, each once."""
        self._open.discard(name)
        lost: dict[str, None] = {}
        stack = [name]
        while stack:
            for user in self._users[stack.pop()]:
                if user in self._open:
                    self._open.discard(user)
                    lost[user] = None
                    stack.append(user)
        return list(lost)
