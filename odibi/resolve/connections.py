"""The connections of a project, built from their settings. No setting's value is ever shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from odibi.config.problems import check
from odibi.connections import CONNECTIONS, BaseConnection
from odibi.errors import closest, suggest
from odibi.resolve.report import Report

Connections = dict[str, BaseConnection | None]
"""Connections by name; None for one that is wrong, which was told and makes what uses it no second mistake."""


def build_connections(configs: Mapping[str, dict[str, Any]], report: Report) -> Connections:
    """Build every connection; mistakes go into the report."""
    return {name: _build(name, settings, report) for name, settings in configs.items()}


def _build(name: str, settings: dict[str, Any], report: Report) -> BaseConnection | None:
    path = ("connections", name)
    if report.damage.is_broken(*path):
        return None
    kind = _type_of(path, settings, report)
    if kind is None:
        return None
    checked = check(kind.Settings, settings)
    for finding in checked.findings:
        report.add_finding(finding, path)
    if checked.value is None:
        return None
    try:
        connection = kind.from_settings(name, checked.value, report.document.base_of(path))
        connection.name = name
        connection.validate()
    except ValueError as error:
        message, _, hint = str(error).partition("; ")
        report.add(path, message, hint)
        return None
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
