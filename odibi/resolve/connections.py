"""The connections of a project, built from their settings. No setting's value is ever shown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from odibi.config.problems import Finding, check
from odibi.config.project import ProjectConfig
from odibi.connections import CONNECTIONS, BaseConnection
from odibi.errors import ConfigError, Problem, closest, suggest
from odibi.resolve.report import Report
from odibi.secrets import remember

Connections = dict[str, BaseConnection | None]
"""Connections by name; None for one that is wrong, which was told and makes what uses it no second mistake."""

VAULT = "key_vault_name"
PROJECT_WIDE = (VAULT, "service_credential")
"""Keys of connections that the project can say for all of them."""


@dataclass(frozen=True)
class Defaults:
    """What connections take where they say nothing. `own` are the project's keys; `vaults` are those that connections
    name: if the project names none, a single one stands for it."""

    own: Mapping[str, str] = field(default_factory=dict)
    vaults: tuple[str, ...] = ()

    @property
    def values(self) -> Mapping[str, str]:
        """The defaults by key."""
        return {VAULT: self.vaults[0], **self.own} if len(self.vaults) == 1 else self.own

    def hint(self, key: str, hint: str) -> str:
        """What to do about a key that is not given, by no default either."""
        several = key == VAULT and len(self.vaults) > 1
        return f"{hint}; several are named in the file: {', '.join(self.vaults)}" if several else hint


def build_connections(config: ProjectConfig, report: Report, production: bool = False) -> Connections:
    """Build every connection; mistakes and warnings go into the report."""
    defaults = defaults_of(config)
    return {name: _build(name, settings, defaults, report, production) for name, settings in config.connections.items()}


def defaults_of(config: ProjectConfig) -> Defaults:
    """The project's defaults, and the vaults that its connections name."""
    project = {key: getattr(config, key) for key in PROJECT_WIDE}
    named = (settings.get(VAULT) for settings in config.connections.values())
    vaults: dict[str, str] = {}
    for vault in named:
        if isinstance(vault, str) and vault.strip():
            vaults.setdefault(vault.lower(), str(vault))
    return Defaults({key: str(value) for key, value in project.items() if value}, tuple(vaults.values()))


def _build(
    name: str, settings: dict[str, Any], defaults: Defaults, report: Report, production: bool
) -> BaseConnection | None:
    path = ("connections", name)
    if report.damage.is_broken(*path):
        return None
    kind = _type_of(path, settings, report)
    if kind is None:
        return None
    complete = kind.complete(settings, defaults.values)
    checked = check(kind.Settings, complete)
    for finding in checked.findings:
        report.add_finding(finding, path)
    beyond = _beyond(kind, name, complete, checked.findings)
    for problem in beyond:
        _tell(problem, path, settings, defaults, report)
    if checked.value is None or beyond:
        return None
    return _made(kind, name, checked.value, report, production)


def _beyond(
    kind: type[BaseConnection], name: str, settings: Mapping[str, Any], findings: Iterable[Finding]
) -> list[Problem]:
    """Mistakes beyond those of names and types. A misspelt key is taken for what was meant, so that it is not missed as
    well."""
    told = {str(finding.path[0]) for finding in findings if finding.path}
    known = [field.alias or key for key, field in kind.Settings.model_fields.items()]
    hints: Mapping[str, str] = getattr(kind.Settings, "key_hints", {})  # names that the type knows how to take
    unknown = {str(finding.path[0]) for finding in findings if finding.kind == "unknown"} - {*hints}
    meant = {key: near[0] for key in unknown if (near := closest(key, known))}
    told.update(meant.values())
    judged = {meant.get(key, key): value for key, value in settings.items()}
    return [problem for problem in kind.mistakes(judged, name) if problem.key not in told]


def _tell(
    problem: Problem, path: tuple[str, str], settings: Mapping[str, Any], defaults: Defaults, report: Report
) -> None:
    """Report a mistake once, at the key that holds it: the connection's, else the project's, else at the connection."""
    key = problem.key
    if key in settings:
        if not report.damage.is_broken(*path, key):
            hint = problem.hint if settings[key] else defaults.hint(key, problem.hint)
            report.add((*path, key), problem.message, hint)
    elif key in defaults.own:
        report.add((key,), problem.message, problem.hint)
    elif key not in defaults.values and not _told_of_the_project(key, report):
        report.add(path, problem.message, defaults.hint(key, problem.hint))


def _told_of_the_project(key: str, report: Report) -> bool:
    """Whether the project's own value for its connections was wrong, or is perhaps there under a misspelt key: then it
    is no mistake of theirs as well."""
    return key in PROJECT_WIDE and (report.damage.is_broken(key) or report.damage.lacks())


def _made(
    kind: type[BaseConnection], name: str, settings: Any, report: Report, production: bool
) -> BaseConnection | None:
    path = ("connections", name)
    try:
        connection = kind.from_settings(name, settings, report.document.base_of(path))
        connection.name = name
        for secret in connection.secrets():
            remember(secret)
        if getattr(settings, "validate_", True):
            connection.validate()
    except ConfigError as error:
        for problem in error.problems:
            report.add((*path, problem.key) if problem.key else path, problem.message, problem.hint)
        return None
    except ValueError as error:
        message, _, hint = str(error).partition("; ")
        report.add(path, message, hint)
        return None
    for text in connection.odd(production):
        message, _, hint = text.partition("; ")
        report.warn(path, message, hint)
    return connection


def _type_of(path: tuple[str, str], settings: Mapping[str, Any], report: Report) -> type[BaseConnection] | None:
    named = settings.get("type")
    if "type" not in settings:
        misspelt = closest("type", settings)
        if misspelt:
            key = misspelt[0]
            report.add((*path, key), f"unknown key {key!r}", "did you mean 'type'?", at_key=True)
        else:
            report.add(path, "the key 'type' is missing", f"add `type: …`; {suggest('', CONNECTIONS)}")
    elif not isinstance(named, str):
        if not report.damage.is_broken(*path, "type"):
            report.add((*path, "type"), "expected the name of a connection type", suggest("", CONNECTIONS))
    elif named not in CONNECTIONS:
        report.add((*path, "type"), f"unknown connection type {str(named)!r}", suggest(named, CONNECTIONS))
    else:
        kind: type[BaseConnection] = CONNECTIONS[named]
        return kind
    return None
