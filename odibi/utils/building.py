"""Connections from what a notebook holds: connections as they are, or the settings that a project file would have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from odibi.config.problems import Finding, check
from odibi.connections import CONNECTIONS, BaseConnection
from odibi.errors import suggest
from odibi.secrets import scrub

Settings = BaseConnection | Mapping[str, Any]


def build(connections: Mapping[str, Settings]) -> tuple[dict[str, BaseConnection], dict[str, str]]:
    """The connections that can be built, and what is wrong with each of the others; no network, no secret in a text.

    Settings without a vault take the only one that the others name, as in a project file.
    """
    made: dict[str, BaseConnection] = {}
    wrong: dict[str, str] = {}
    defaults = {"key_vault_name": _only_vault(connections)}
    for name, given in connections.items():
        try:
            made[name] = given if isinstance(given, BaseConnection) else _from_settings(name, given, defaults)
        except ValueError as error:
            wrong[name] = scrub(str(error))
        else:
            made[name].name = made[name].name or name
    return made, wrong


def build_all(connections: Mapping[str, Settings]) -> dict[str, BaseConnection]:
    """The connections. Raises `ValueError` with what is wrong with each that can not be built."""
    made, wrong = build(connections)
    if wrong:
        raise ValueError("\n".join(f"{name}: {text}" for name, text in wrong.items()))
    return made


def _only_vault(connections: Mapping[str, Settings]) -> str | None:
    """The vault that is named, None where there is none or more than one."""
    named = {vault for each in connections.values() if isinstance(vault := _vault_of(each), str)}
    return named.pop() if len(named) == 1 else None


def _vault_of(given: Settings) -> Any:
    return given.get("key_vault_name") if isinstance(given, Mapping) else getattr(given, "key_vault_name", None)


def _from_settings(name: str, given: Any, defaults: Mapping[str, Any]) -> BaseConnection:
    """The connection of a name. Raises `ValueError` with all that is wrong."""
    if not isinstance(given, Mapping):
        raise ValueError("is neither a connection nor settings; write it as {'type': 'azure_adls', 'account': …}")
    kind = given.get("type")
    if not isinstance(kind, str) or kind not in CONNECTIONS:
        wrong = "the key 'type' is missing" if kind is None else f"unknown connection type {kind!r}"
        raise ValueError(f"{wrong}; {suggest(str(kind or ''), CONNECTIONS)}")
    made: type[BaseConnection] = CONNECTIONS[kind]
    checked = check(made.Settings, dict(made.complete(given, defaults)))
    if checked.value is None:
        raise ValueError("; ".join(_sentences(checked.findings)))
    connection = made.from_settings(name, checked.value, Path.cwd())
    connection.validate()
    return connection


def _sentences(findings: tuple[Finding, ...]) -> Iterator[str]:
    for finding in findings:
        if not finding.implied:
            place = ".".join(map(str, finding.place))
            yield ": ".join(part for part in (place, finding.message) if part) + (
                f", {finding.hint}" if finding.hint else ""
            )
