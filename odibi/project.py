"""Config → project: a project file, checked whole and resolved, ready to run."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from odibi.config.loader import Document, load_project_document
from odibi.config.problems import check
from odibi.config.project import LoggingConfig, ProjectConfig, RetryConfig, StoryConfig
from odibi.config.repair import repaired
from odibi.connections import BaseConnection
from odibi.engine import ENGINES
from odibi.errors import PathEscapeError, suggest
from odibi.plan import ResolvedPipeline
from odibi.resolve.connections import build_connections
from odibi.resolve.functions import import_modules
from odibi.resolve.nodes import resolve_pipelines
from odibi.resolve.report import Report
from odibi.resolve.scope import Scope
from odibi.secrets import clean_repr, remember_settings
from odibi.transforms import project_transforms

ENGINE_DIALECTS = {"pandas": "duckdb", "spark": "spark"}
"""The SQL of the engines that this project knows of, whether they are installed or not: a file written for one engine
keeps its dialect when it is run by another. Other engines say theirs themselves."""


@clean_repr
@dataclass(frozen=True)
class Project:
    """A project file after everything in it was checked and resolved.

    `engine_name` is the engine that runs it, `engine_dialect` the SQL of that engine, `sql_dialect` the SQL of the
    file. `pipelines` are in file order. `warnings` are whole sentences with their place.
    """

    name: str
    file: Path
    engine_name: str
    engine_dialect: str
    sql_dialect: str
    connections: Mapping[str, BaseConnection]
    pipelines: tuple[ResolvedPipeline, ...]
    config: ProjectConfig = field(repr=False)
    document: Document = field(repr=False)
    description: str = ""
    version: str = ""
    owner: str = ""
    warnings: tuple[str, ...] = ()

    @property
    def story(self) -> StoryConfig:
        """Where stories go and what they may show."""
        return self.config.story

    @property
    def retry(self) -> RetryConfig:
        """How transient errors are tried again."""
        return self.config.retry

    @property
    def logging(self) -> LoggingConfig:
        """What is logged, and how."""
        return self.config.logging


def load_project(
    path: str | os.PathLike[str],
    overrides: Mapping[str, str] | None = None,
    engine: str | None = None,
    environ: Mapping[str, str] | None = None,
) -> Project:
    """Load, check and resolve a project file; no data and no network is touched.

    `overrides` fill `${VAR}` before `environ` does (default: the process's); `engine` runs the file instead of its
    own. Raises `ConfigError` with all mistakes of the file, in its order.
    """
    environ = os.environ if environ is None else environ
    document = load_project_document(Path(path), overrides, environ, partial=True)
    return resolve_project(document, engine, environ)


def resolve_project(document: Document, engine: str | None = None, environ: Mapping[str, str] | None = None) -> Project:
    """As `load_project`, of a document that was read before. The document may hold mistakes of its own."""
    given = document.data.get("connections")
    if isinstance(given, Mapping):
        remember_settings(given)  # before anything is said of them
    report = Report(document)
    config = _config(document, report)
    engine_name, engine_dialect, sql_dialect = _engine(config, engine, report)
    production = (environ or {}).get("ODIBI_ENV") == "production"
    connections = build_connections(config, report, production)
    scope = Scope(
        report=report,
        connections=connections,
        engine_name=engine_name if engine_dialect and sql_dialect else "",
        sql_dialect=sql_dialect,
        engine_dialect=engine_dialect or "duckdb",
        production=production,
    )
    pipelines = _resolve(config, scope)
    return Project(
        name=str(config.project or document.path.stem),
        file=document.path.absolute(),
        engine_name=engine_name,
        engine_dialect=engine_dialect,
        sql_dialect=sql_dialect,
        connections={name: connection for name, connection in connections.items() if connection is not None},
        pipelines=pipelines,
        config=config,
        document=document,
        description=config.description or "",
        version=config.version or "",
        owner=config.owner or "",
        warnings=tuple(dict.fromkeys(report.warnings)),
    )


def _config(document: Document, report: Report) -> ProjectConfig:
    """The models of the file; what is wrong is told, and what is left of the file is checked further."""
    checked = check(ProjectConfig, document.data)
    if checked.value is not None:
        return checked.value
    for finding in checked.findings:
        report.add_finding(finding)
    config = repaired(checked.data, checked.findings, report.damage)
    if config is None:
        report.raise_problems()
    return config or ProjectConfig()


def _resolve(config: ProjectConfig, scope: Scope) -> tuple[ResolvedPipeline, ...]:
    """The pipelines, with the functions of the project's own modules. Raises ConfigError for all mistakes so far."""
    with project_transforms():
        imported = import_modules(config.transforms, scope.report)
        scope.functions_known = imported and not _misses(scope.report, "transforms")
        try:
            _check_story(config.story, scope)
            pipelines = resolve_pipelines(config, scope)
        finally:
            scope.close()
    scope.report.raise_problems()
    return pipelines


def _misses(report: Report, key: str) -> bool:
    """Whether a key of the file was wrong, or is not there and may be misspelt."""
    return report.damage.is_broken(key) or (report.damage.lacks() and key not in report.document.data)


def _engine(config: ProjectConfig, override: str | None, report: Report) -> tuple[str, str, str]:
    """The name and the SQL dialect of the engine that runs the file, and the dialect of the file. Empty where wrong."""
    own = _dialect_of(config.engine)
    if report.damage.is_broken("engine"):
        own = ""
    elif not own or (override is None and config.engine not in ENGINES):
        report.unknown(("engine",), "engine", config.engine, ENGINES)
    name = override or config.engine
    dialect = _dialect_of(name) if name in ENGINES else ""
    if override is not None and not dialect:
        report.add_general("engine", f"unknown engine {override!r}", suggest(override, ENGINES))
    return str(name), dialect, str(_sql_dialect(config, report) or own)


def _dialect_of(engine: str) -> str:
    if engine in ENGINE_DIALECTS:
        return ENGINE_DIALECTS[engine]
    return str(ENGINES[engine].dialect) if engine in ENGINES else ""


def _sql_dialect(config: ProjectConfig, report: Report) -> str | None:
    """The dialect that the file names; what the translator does not know is a mistake."""
    dialect = config.sql_dialect
    if dialect is None or dialect in ENGINE_DIALECTS.values():
        return dialect
    from sqlglot.dialects import DIALECT_MODULE_NAMES

    known = sorted(DIALECT_MODULE_NAMES)
    if dialect not in known:
        report.unknown(("sql_dialect",), "SQL dialect", dialect, known)
    return dialect


def _check_story(story: StoryConfig, scope: Scope) -> None:
    report = scope.report
    connection: Any = None
    if story.connection is not None:
        connection = scope.connection(("story", "connection"), story.connection)
    refusal = connection.unusable("") if connection is not None else ""
    if refusal:
        message, _, hint = refusal.partition("; ")
        report.add(("story", "connection"), f"no story can be written there: {message}", hint)
    elif connection is not None and not report.damage.is_broken("story", "path"):
        try:
            connection.get_path(story.path)
        except PathEscapeError as error:
            message, _, hint = str(error).partition("; ")
            report.add(("story", "path"), message, hint)
