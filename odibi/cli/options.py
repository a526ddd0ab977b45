"""Arguments that several commands share, and the parser that makes our messages of argparse's."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from odibi.cli.failures import UsageError
from odibi.cli.ui import LEVELS, UI
from odibi.errors import closest

if TYPE_CHECKING:
    from odibi.project import Project

SUFFIXES = (".yaml", ".yml")


class Parser(argparse.ArgumentParser):
    """A parser that raises `UsageError` where argparse would print and leave."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"allow_abbrev": False, **kwargs})
        self.set_defaults(parser=self)

    def error(self, message: str) -> NoReturn:
        """Raise what is wrong with the arguments, and how they are seen."""
        raise UsageError(f"{self.prog}: {message}; `{self.prog} --help` shows what there is")

    def refuse(self, extra: Sequence[str]) -> NoReturn:
        """Raise for arguments that nobody takes."""
        word = extra[0]
        if not word.startswith("-"):
            self.error(f"unexpected argument {word!r}")
        known = [name for name in self._option_string_actions if name.startswith("--")]
        near = closest(word.partition("=")[0], known)
        self.error(f"unknown option {word!r}" + (f" (did you mean {near[0]!r}?)" if near else ""))


def global_options() -> Parser:
    """Options that may stand before or after the command; absent ones leave no default behind, so neither place hides
    the other."""
    options = Parser(add_help=False, argument_default=argparse.SUPPRESS)
    group = options.add_argument_group("global options")
    group.add_argument(
        "--log-level",
        type=str.upper,
        choices=list(LEVELS),
        metavar="LEVEL",
        help=f"how much is said: {', '.join(LEVELS)}",
    )
    group.add_argument("-q", "--quiet", action="store_true", help="say only what went wrong")
    group.add_argument("--json", action="store_true", help="print JSON for programs")
    return options


def subcommands(parser: argparse.ArgumentParser, title: str = "commands") -> Any:
    """The place where a command's own commands are added, each with the global options."""
    return parser.add_subparsers(dest="action", metavar="COMMAND", title=title, required=True)


def add_file(parser: argparse.ArgumentParser) -> None:
    """The project file and the values of its variables."""
    parser.add_argument("file", nargs="?", metavar="FILE", help="the project file")
    parser.add_argument("--config", metavar="FILE", help="the project file, another way to name it")
    add_set(parser)


def add_set(parser: argparse.ArgumentParser) -> None:
    """Values of variables, and the engine that the file is checked for."""
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        type=_assignment,
        dest="variables",
        metavar="VAR=value",
        help="fill ${VAR} in the file; may be given several times",
    )
    parser.add_argument("--engine", metavar="ENGINE", help="run with this engine instead of the file's")


def positive(text: str) -> int:
    """An integer of at least 1."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is less than 1")
    return number


def _assignment(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign or not name:
        raise argparse.ArgumentTypeError(f"{text!r} has no '='; write it as VAR=value")
    return name, value


def project_file(args: argparse.Namespace) -> Path:
    """The project file that was named. Raises `UsageError` for none, for two, and for what is no file."""
    named, config = args.file, getattr(args, "config", None)
    if named and config and Path(named) != Path(config):
        args.parser.error(f"two files are named, {named!r} and {config!r}; name one")
    if not named and not config:
        args.parser.error(f"which file? {_files_in(Path())}")
    path = Path(config or named)
    if path.is_dir():
        args.parser.error(f"{str(path)!r} is a folder; {_files_in(path)}")
    return path


def load(args: argparse.Namespace) -> Project:
    """The project, checked and resolved. Raises `ConfigError` with all mistakes of the file."""
    path = project_file(args)
    from odibi.project import load_project

    with UI(json=getattr(args, "json", False)).keep_prints_out():  # modules with transform functions are imported
        return load_project(path, overrides=dict(args.variables), engine=args.engine)


def add_pipelines(parser: argparse.ArgumentParser) -> None:
    """The choice of pipelines."""
    parser.add_argument(
        "-p",
        "--pipeline",
        action="append",
        default=[],
        dest="pipelines",
        metavar="PIPELINE",
        help="only this pipeline; may be given several times",
    )


def _files_in(folder: Path) -> str:
    """`name one of: a.yaml, b.yaml`: the end of a message."""
    found = sorted(str(file) for file in folder.iterdir() if file.suffix.lower() in SUFFIXES and file.is_file())
    if not found:
        return "there is no YAML file in it; `odibi init` starts a project"
    return f"name one of: {', '.join(found[:10])}" + (", …" if len(found) > 10 else "")


def take_file_from(args: argparse.Namespace, words: list[str]) -> None:
    """Where an option that takes several words swallowed the file behind them, give it back."""
    if args.file is None and args.config is None and len(words) > 1 and words[-1].lower().endswith(SUFFIXES):
        args.file = words.pop()
