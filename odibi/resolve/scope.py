"""What every part of the resolution needs, and a node while it is being resolved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from odibi.config.node import NodeConfig
from odibi.config.problems import Path
from odibi.connections import BaseConnection
from odibi.engine import ENGINES
from odibi.engine.base import NO_CHECKS, Checks, Engine, Query, Source, SqlAnalysis, Target
from odibi.plan import Node, Step
from odibi.resolve.connections import Connections
from odibi.resolve.report import Report
from odibi.types import Column

Columns = tuple[Column, ...] | None
"""Columns of a result, None where they are not known before it is computed."""


@dataclass
class Scope:
    """The project around a node. `engine_name` is empty when it was wrong; `functions_known` is False when a module of
    the project could not be imported."""

    report: Report
    connections: Connections
    engine_name: str
    sql_dialect: str
    engine_dialect: str
    functions_known: bool = True
    production: bool = False
    _engine: Engine | None = None

    def analyse(self, query: Query, inputs: Mapping[str, Columns]) -> SqlAnalysis:
        """What the engine says of a query. The engine is made for the first one; it opens no data."""
        engine = self._judge()
        return engine.analyse(query, inputs) if engine is not None else SqlAnalysis()

    def read_ahead(self, texts: Sequence[str]) -> None:
        """Tell the engine of all SQL of the project, before the first of it is analysed."""
        engine = self._judge() if texts else None
        if engine is not None:
            engine.read_ahead([Query(text, self.sql_dialect) for text in texts])

    def _judge(self) -> Engine | None:
        if self.engine_name and self._engine is None:
            self._engine = ENGINES[self.engine_name]()
        return self._engine

    def connection(self, path: Path, name: str) -> BaseConnection | None:
        """The connection that is named at `path`; None (and a mistake told, now or before) if there is none to use."""
        damage = self.report.damage
        if damage.is_broken(*path):
            return None
        if name not in self.connections:
            if self.connections or not damage.lacks():
                self.report.unknown(path, "connection", name, self.connections)
            return None
        return self.connections[name]

    def close(self) -> None:
        """Let go of the engine."""
        if self._engine is not None:
            self._engine.close()


@dataclass
class Draft:
    """A node while it is being resolved. `needs` are its inputs that exist; `unsure` says that there may be more, whose
    names were wrong."""

    config: NodeConfig
    path: Path
    pipeline: str
    needs: tuple[str, ...] = ()
    unsure: bool = False
    source: Source | None = None
    target: Target | None = None
    steps: list[Step] = field(default_factory=list)
    checks: Checks = NO_CHECKS
    columns: Columns = None

    @property
    def name(self) -> str:
        """The node's name."""
        return self.config.name

    def node(self, report: Report) -> Node:
        """The resolved node."""
        return Node(
            name=str(self.config.name),
            pipeline=self.pipeline,
            inputs=self.needs,
            position=report.document.locate(self.path),
            description=self.config.description or "",
            source=self.source,
            steps=tuple(self.steps),
            checks=self.checks,
            cache=self.config.cache,
            target=self.target,
        )
