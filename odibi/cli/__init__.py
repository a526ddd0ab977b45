"""The command line. One file a command, one line here to register it.

The module `odibi.cli.<command>` has `add_arguments(parser)` and `run(args, ui) -> exit code`. Data goes to stdout, talk
to stderr. This module alone decides what a user sees of an error, and the exit code.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from odibi.cli.failures import report
from odibi.cli.options import Parser, global_options
from odibi.cli.ui import UI
from odibi.errors import UnknownNameError

if TYPE_CHECKING:
    import argparse

COMMANDS = {
    "run": "run pipelines of a project file",
    "validate": "check a project file; no network, no data",
    "graph": "show the graph of a project's nodes",
    "init": "start a new project in a folder",
    "demo": "run the flights demo on real data",
    "sandbox": "run a file against an offline Azure",
    "spark": "fetch the jars that Spark needs for Delta, Avro and Azure",
    "doctor": "check installation, environment and connections",
    "story": "list, show and open the stories of runs",
    "delta": "history, vacuum and restore of Delta tables",
    "schema": "print the JSON Schema of project files, for editors",
}


def run_command(argv: Sequence[str]) -> int:
    """Parse the arguments, run the command, and turn whatever goes wrong into a message and an exit code."""
    ui = UI(json="--json" in argv, quiet="-q" in argv or "--quiet" in argv)
    try:
        words = _without_help_command(argv)
        args = parse(words)
        ui = UI(getattr(args, "log_level", None), getattr(args, "quiet", False), getattr(args, "json", False))
        if args.version:
            return _print_version(ui)
        if args.command is None:
            ui.data(args.parser.format_help())
            return 0
        from odibi.cli.logs import clean_logs

        with clean_logs(ui):
            code: int = _module(args.command).run(args, ui)
    except BaseException as error:  # noqa: BLE001 - the one place that decides what a user sees of any error
        return report(error, ui)
    return code


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """The arguments. Raises `UnknownNameError` for a command that is not there, `UsageError` for other mistakes."""
    command = _command_in(argv)
    if command is not None and command not in COMMANDS:
        raise UnknownNameError("command", command, COMMANDS)
    args, extra = build_parser(command).parse_known_args(list(argv))
    if extra:
        args.parser.refuse(extra)
    args.argv = list(argv)
    return args


def build_parser(named: str | None = None) -> Parser:
    """The parser; only the named command adds its own arguments, the others are listed."""
    shared = global_options()
    parser = Parser(prog="odibi", description="Data pipelines written in YAML.", parents=[shared])
    parser.add_argument("-V", "--version", action="store_true", help="print the version")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    for name, about in COMMANDS.items():
        sub = commands.add_parser(name, help=about, description=f"{about[0].upper()}{about[1:]}.", parents=[shared])
        if name == named:
            _module(name).add_arguments(sub)
    return parser


def _module(command: str) -> Any:
    return importlib.import_module(f"odibi.cli.{command}")


def _command_in(argv: Sequence[str]) -> str | None:
    """The first word that is neither an option nor the value of one."""
    values = (word for word, before in zip(argv, ["", *argv], strict=False) if before != "--log-level")
    return next((word for word in values if not word.startswith("-")), None)


def _without_help_command(argv: Sequence[str]) -> list[str]:
    """`odibi help run` is `odibi run --help`."""
    words = list(argv)
    if words[:1] != ["help"]:
        return words
    return [*words[1:], "--help"]


def _print_version(ui: UI) -> int:
    from odibi._version import __version__

    if ui.json:
        ui.dump({"version": __version__})
    else:
        ui.data(f"odibi {__version__}")
    return 0


__all__ = ["COMMANDS", "build_parser", "parse", "run_command"]
