"""The entry point of a Databricks wheel task, and of a cell that runs a project.

    python_wheel_task:
      package_name: odibi
      entry_point: main
      parameters: ["--config", "/Workspace/Shared/sales/config.prod.yaml"]

`main` returns when all is well and raises when it is not, for a task takes any `SystemExit` for a failure, even 0.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from odibi.cli import parse
from odibi.cli.failures import UsageError
from odibi.cli.options import project_file, take_file_from
from odibi.cli.run import perform
from odibi.cli.ui import UI
from odibi.errors import RunFailed
from odibi.notebook import at_hand
from odibi.secrets import scrub

if TYPE_CHECKING:
    import argparse

    from odibi.project import Project
    from odibi.results import RunResult

__all__ = ["main"]

SHOWN_BYTES = 9_000_000
"""Bytes of stories that are shown below a cell: it holds 16 MB, and 10 MB from runtime 17 on."""

_SWITCHES = ("--dry-run", "--quiet", "--json")


class _Lines(UI):
    """How a task talks: plain lines on stdout, which is what a task and a cell show first."""

    @property
    def live(self) -> bool:
        """False: nobody can redraw what a task has said."""
        return False

    def error(self, text: str) -> None:
        """Print a line; on stderr where stdout is a JSON document."""
        if self.json:
            super().error(text)
        else:
            self.data(text)


def main(argv: Sequence[str] | None = None) -> None:
    """Run a project as `odibi run` does, with its arguments (default: those of the task).

    `named_parameters` of a task are understood too: they come as `--config=…`, and a switch as `--dry-run=true`.
    In a notebook the stories are shown below the cell, also those of a run that failed.

    Raises `RunFailed` with a line for every node that failed, `ConfigError` for mistakes in the file (all of them) or
    in the arguments, other `OdibiError`s for what kept the run from starting, and `KeyboardInterrupt` when it is
    cancelled. Never `SystemExit`.

    >>> import pathlib, tempfile
    >>> file = pathlib.Path(tempfile.mkdtemp(), "config.yaml")
    >>> _ = file.write_text("connections: {lake: {type: local, base_path: lake}}")
    >>> main(["--config", str(file)])
    nothing to do: ...config.yaml has no pipelines
    """
    args = _arguments(sys.argv[1:] if argv is None else argv)
    ui = _Lines(getattr(args, "log_level", None), getattr(args, "quiet", False), getattr(args, "json", False))
    project, result = perform(args, ui, signals=False)
    show = at_hand("displayHTML")
    if show is not None:
        _show_stories(project, result, show, ui)
    if result.status == "interrupted":
        raise KeyboardInterrupt
    try:
        result.raise_for_failure()
    except RunFailed as error:
        raise RunFailed(scrub(str(error))) from None


def _arguments(given: Sequence[str]) -> argparse.Namespace:
    """The arguments of `odibi run`. Raises `UsageError` for what they can not be, and for a file that is not there."""
    words = [word for text in given for word in _as_switch(str(text))]
    words = words[1:] if words[:1] == ["run"] else words
    try:
        args = parse(["run", *words])
    except SystemExit:  # `--help` has printed what there is, and would leave
        raise UsageError("nothing was run: --help only shows the arguments; take it out") from None
    take_file_from(args, args.nodes)
    file = project_file(args)
    if not file.is_absolute() and not file.exists():
        here = f"there is no file {str(file)!r} in the working directory {str(Path.cwd())!r}"
        raise UsageError(f"{here}; name its whole path, as in /Workspace/…: tasks start in different folders")
    return args


def _as_switch(word: str) -> list[str]:
    """`--dry-run=true` as `--dry-run`, `--dry-run=false` as nothing: a named parameter always has a value."""
    name, sign, value = word.partition("=")
    if name not in _SWITCHES or not sign:
        return [word]
    known = {"": [name], "true": [name], "false": []}
    if value.lower() not in known:
        raise UsageError(f"{word!r}: a switch is true or false; write {name}=true or take it out")
    return known[value.lower()]


def _show_stories(project: Project, result: RunResult, show: Callable[[str], object], ui: UI) -> None:
    """The pages of the stories below the cell, as many as it holds. Nothing that goes wrong here fails a run."""
    left = SHOWN_BYTES
    for name, each in result.items():
        if each.story_path is None:
            continue
        try:
            page = _page(project, each.story_path)
            left -= len(page.encode())
            if left >= 0:
                show(page)
            else:
                ui.say(f"the story of {name} is too large to be shown here; open {each.story_path}")
        except Exception as error:  # noqa: BLE001 - whatever a notebook's display does, the run is over and is what counts
            ui.warn(f"the story of {name} can not be shown here: {type(error).__name__}: {scrub(str(error))}")


def _page(project: Project, place: str) -> str:
    """The page of a story, which is in a folder or behind a URL."""
    if "://" not in place:
        return Path(place).read_text(encoding="utf-8")
    from odibi.stories import store_for

    return store_for(project).read("/".join(place.split("/")[-3:]))
