"""A project after everything was resolved: every name is an object, nothing is left to look up during a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from odibi.engine.base import NO_CHECKS, Checks, Query, Source, Target
from odibi.errors import Position


@dataclass(frozen=True)
class SqlStep:
    """SQL over the names in depends_on and `current`. `place` gives the position of a character of the text."""

    query: Query
    key: str
    place: Callable[[int | None], Position]
    deterministic: bool = True
    kind: str = "sql"

    @property
    def text(self) -> str:
        """The step as the file has it."""
        return self.query.text


@dataclass(frozen=True)
class FunctionStep:
    """A registered transform function and its checked parameters."""

    name: str
    function: Callable[..., Any]
    params: Mapping[str, Any]
    key: str
    place: Callable[[int | None], Position]
    deterministic: bool = False
    kind: str = "function"

    @property
    def text(self) -> str:
        """The step as a reader sees it."""
        return call_text(self.name, self.params)


@dataclass(frozen=True)
class OperationStep:
    """A built-in operation with its checked parameters (see `odibi.transforms.base.Operation`)."""

    name: str
    operation: Any
    params: Any
    key: str
    place: Callable[[int | None], Position]
    deterministic: bool = True
    kind: str = "operation"

    @property
    def text(self) -> str:
        """The step as a reader sees it."""
        return call_text(self.name, self.params.model_dump(exclude_unset=True))


Step = SqlStep | FunctionStep | OperationStep


@dataclass(frozen=True)
class Node:
    """One node, resolved. `inputs` are the nodes whose results it uses (depends_on, and the implicit one of a
    write-only node); `current` is the input a first step may call `current`."""

    name: str
    pipeline: str
    inputs: tuple[str, ...]
    position: Position
    description: str = ""
    source: Source | None = None
    steps: tuple[Step, ...] = ()
    checks: Checks = NO_CHECKS
    cache: bool = False
    target: Target | None = None

    @property
    def kinds(self) -> tuple[str, ...]:
        """Which of read, transform, validation and write the node has."""
        present = {"read": self.source, "transform": self.steps, "validation": self.checks.items, "write": self.target}
        return tuple(kind for kind, value in present.items() if value)

    @property
    def deterministic(self) -> bool:
        """False where computing the node twice may give different rows."""
        return all(step.deterministic for step in self.steps)


@dataclass(frozen=True)
class ResolvedPipeline:
    """A pipeline: its nodes in file order."""

    name: str
    nodes: tuple[Node, ...]
    description: str = ""
    layer: str = ""
    after: tuple[str, ...] = field(default=())
    """Pipelines that write a target which this one reads: when one of them fails, this one is skipped."""


def call_text(name: str, params: Mapping[str, Any]) -> str:
    """`name(a=1, b='x')`."""
    return f"{name}({', '.join(f'{key}={value!r}' for key, value in params.items())})"
