"""The command line. One file a command, one line here to register it.

A command's module has `HELP`, `add_arguments(parser)` and `run(args, ui) -> exit code`. Data goes to stdout, talk to
stderr. This module alone decides what a user sees of an error, and the exit code.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from odibi.cli.failures import report
from odibi.cli.ui import UI
from odibi.registry import Registry


@dataclass(frozen=True)
class Command:
    """What the overview says of a command; its module is imported when the command is used."""

    module: str
    help: str


COMMANDS = {
    "run": Command("run", "run pipelines of a project file"),
    "validate": Command("validate", "check a project file; no network, no data"),
    "graph": Command("graph", "show the graph of a project's nodes"),
    "init": Command("init", "start a new project in a folder"),
    "demo": Command("demo", "run the flights demo on real data"),
    "doctor": Command("doctor", "check installation, environment and connections"),
    "story": Command("story", "list, show and open the stories of runs"),
    "delta": Command("delta", "history, vacuum and restore of Delta tables"),
    "schema": Command("schema", "print the JSON Schema of project files, for editors"),
}
MODULES = Registry("command", {name: f"odibi.cli.{command.module}:COMMAND" for name, command in COMMANDS.items()})


def run_command(argv: Sequence[str]) -> int:
    """Parse the arguments, run the command, and turn whatever goes wrong into a message and an exit code."""
    parser = build_parser(argv)
    args = parser.parse_args(argv)
    if args.command is None:
        parser.print_help()
        return 0
    ui = UI(level=getattr(args, "log_level", "INFO"), quiet=getattr(args, "quiet", False), json=getattr(args, "json", False))
    try:
        code: int = MODULES[args.command].run(args, ui)
        sys.stdout.flush()
        return code
    except BaseException as error:  # noqa: BLE001 - the one place that decides what a user sees of any error
        return report(error, ui)


def build_parser(argv: Sequence[str]) -> argparse.ArgumentParser:
    """The parser; only the command that `argv` names adds its own arguments, the others are listed."""
    parser = argparse.ArgumentParser(prog="odibi", description="Data pipelines written in YAML.", parents=[_global_options()])
    parser.add_argument("-V", "--version", action="store_true", help="print the version")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    named = next((word for word in argv if word in COMMANDS), None)
    for name, command in COMMANDS.items():
        sub = commands.add_parser(name, help=command.help, description=command.help.capitalize() + ".", parents=[_global_options()])
        if name == named:
            MODULES[name].add_arguments(sub)
    return parser


def _global_options() -> argparse.ArgumentParser:
    """Options that may stand before or after the command; absent ones leave no default behind, so neither place hides the other."""
    options = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    group = options.add_argument_group("global options")
    group.add_argument("--log-level", type=str.upper, choices=["DEBUG", "INFO", "WARNING", "ERROR"], help="how much is said (default INFO)")
    group.add_argument("-q", "--quiet", action="store_true", help="say only what went wrong")
    group.add_argument("--json", action="store_true", help="print JSON for programs")
    return options


__all__ = ["COMMANDS", "Command", "build_parser", "run_command"]
