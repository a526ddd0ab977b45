"""`odibi delta`: history, vacuum and restore of Delta tables, by the connections of a project file."""

from __future__ import annotations

import argparse
import json
from typing import Any

from odibi.cli.failures import UsageError
from odibi.cli.options import add_set, global_options, load, positive, subcommands
from odibi.cli.text import count, printable, table
from odibi.cli.ui import UI
from odibi.engine.base import Engine


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `delta`, of each of its commands."""
    commands = subcommands(parser)
    history = _command(commands, "history", "list the versions of a table, newest first")
    history.add_argument("--limit", type=positive, metavar="N", help="at most so many")
    vacuum = _command(commands, "vacuum", "delete files that no young version needs")
    vacuum.add_argument("--retention-hours", type=float, default=168, metavar="HOURS", help="default: 168, a week")
    vacuum.add_argument("--dry-run", action="store_true", help="count the files, delete none")
    vacuum.add_argument(
        "--no-enforce",
        action="store_true",
        help="allow less than the table's own retention; readers of old versions may fail",
    )
    restore = _command(commands, "restore", "make an old version the newest; nothing is lost")
    restore.add_argument(
        "--version", type=int, required=True, dest="to_version", metavar="N", help="the version wanted"
    )


def _command(commands: Any, name: str, about: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        name, help=about, description=f"{about.capitalize()}.", parents=[global_options()]
    )
    parser.add_argument("file", metavar="FILE", help="the project file, whose connections are used")
    parser.add_argument("connection", metavar="CONNECTION", help="name of a connection")
    parser.add_argument("path", metavar="PATH", nargs="?", help="the table, relative to the connection")
    parser.add_argument("--table", metavar="NAME", help="its name, where the connection has a catalog")
    add_set(parser)
    return parser


def run(args: argparse.Namespace, ui: UI) -> int:
    """Do what was asked for. Raises `UsageError` where no table is named, or two ways."""
    from odibi.engine import ENGINES

    if (args.path is None) == (args.table is None):
        raise UsageError(f"odibi delta {args.action}: name the table by PATH or by --table NAME")

    project = load(args)
    engine: Engine = ENGINES[project.engine_name](project.connections)
    try:
        _ACTIONS[args.action](engine, args, ui)
    finally:
        engine.close()
    return 0


def _history(engine: Engine, args: argparse.Namespace, ui: UI) -> None:
    commits = engine.get_delta_history(args.connection, args.path, args.limit, args.table)
    if ui.json:
        ui.dump({"table": _name(args), "history": [_plain(commit) for commit in commits]})
        return
    rows = [
        (
            commit["version"],
            commit["timestamp"].strftime("%Y-%m-%d %H:%M:%S") if commit.get("timestamp") else "",
            commit["operation"],
            _facts(commit.get("metrics")),
            _facts(commit.get("parameters")),
        )
        for commit in commits
    ]
    ui.data(table(("version", "time (UTC)", "operation", "metrics", "parameters"), rows, right=[0]))


def _vacuum(engine: Engine, args: argparse.Namespace, ui: UI) -> None:
    found = engine.vacuum_delta(
        args.connection, args.path, args.retention_hours, args.dry_run, not args.no_enforce, args.table
    )
    if ui.json:
        ui.dump({"table": _name(args), "dry_run": args.dry_run, **found})
        return
    if args.dry_run:
        files = found["files"]
        ui.data("\n".join([f"{_name(args)}: {count(len(files), 'file')} would be deleted", *map(printable, files)]))
    else:
        ui.data(f"{_name(args)}: {count(found['files_deleted'], 'file')} deleted")


def _restore(engine: Engine, args: argparse.Namespace, ui: UI) -> None:
    before = engine.get_delta_history(args.connection, args.path, 1, args.table)[0]["version"]
    found = engine.restore_delta(args.connection, args.path, args.to_version, args.table)
    after = found["version"]
    if ui.json:
        facts = {"version_before": before, "restored_version": args.to_version, "version_after": after}
        ui.dump({"table": _name(args), **facts, "details": _plain(found)})
        return
    if after == before:
        ui.data(f"{_name(args)}: version {before} is the newest already")
    else:
        ui.data(f"{_name(args)}: from version {before} back to version {args.to_version}, which is version {after} now")


_LONG = {"metadata", "protocol", "location"}
"""Parameters of a commit that are too long for a table; `--json` has them."""
_ACTIONS = {"history": _history, "vacuum": _vacuum, "restore": _restore}


def _name(args: argparse.Namespace) -> str:
    return f"{args.connection}:{args.table or args.path}"


def _facts(values: Any) -> str:
    if not isinstance(values, dict):
        return ""
    shown = {key: value for key, value in values.items() if key not in _LONG}
    return ", ".join(
        f"{key}={value if isinstance(value, str) else json.dumps(value, default=str)}" for key, value in shown.items()
    )


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    """Datetimes as ISO text."""
    return {key: value.isoformat() if hasattr(value, "isoformat") else value for key, value in values.items()}
