"""`odibi story`: list, show and open the stories of runs."""

from __future__ import annotations

import argparse
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from odibi.cli.options import add_set, global_options, load, positive, subcommands
from odibi.cli.text import near, plain, printable, seconds, table
from odibi.cli.ui import UI
from odibi.errors import DataNotFoundError

if TYPE_CHECKING:
    from odibi.story.store import StoryHead, StoryStore


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `story`, of each of its commands."""
    commands = subcommands(parser)
    listed = _command(commands, "list", "list the stories of a project, newest first")
    listed.add_argument("--limit", type=positive, default=50, metavar="N", help="at most so many (default 50)")
    for name, about in (("show", "print a story"), ("open", "open a story in the browser")):
        command = _command(commands, name, about)
        command.add_argument(
            "which", nargs="?", default="latest", metavar="RUN", help="a run id, or how it begins; default: the latest"
        )


def _command(commands: Any, name: str, about: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        name, help=about, description=f"{about.capitalize()}.", parents=[global_options()]
    )
    parser.add_argument("file", metavar="FILE", help="the project file")
    parser.add_argument("-p", "--pipeline", metavar="PIPELINE", help="only stories of this pipeline")
    add_set(parser)
    return parser


def run(args: argparse.Namespace, ui: UI) -> int:
    """Do what was asked for."""
    from odibi.stories import store_for

    project = load(args)
    store = store_for(project)
    if not store.pipelines():
        place = near(store.place(""))
        raise DataNotFoundError(f"there are no stories yet in {place}; `odibi run {args.file}` writes one")
    _ACTIONS[args.action](store, args, ui)
    return 0


def _list(store: StoryStore, args: argparse.Namespace, ui: UI) -> None:
    from odibi.story.store import list_stories

    heads = list(islice(list_stories(store, args.pipeline), args.limit))
    if ui.json:
        ui.dump({"stories": [plain(head) for head in heads]})
        return
    head = ("run", "started (UTC)", "pipeline", "status", "nodes", "seconds", "story")
    ui.data(table(head, [_row(each) for each in heads], right=[4], wide=[6]))
    for each in heads:
        if each.note:
            ui.warn(printable(f"{each.run_id}: {each.note}"))


def _row(head: StoryHead) -> tuple[object, ...]:
    started = head.started[:19].replace("T", " ")
    nodes = f"{head.nodes - head.failed}/{head.nodes}" if head.failed else str(head.nodes)
    return (
        head.run_id,
        started,
        head.pipeline,
        head.status or "unreadable",
        nodes,
        seconds(head.duration),
        near(head.page),
    )


def _show(store: StoryStore, args: argparse.Namespace, ui: UI) -> None:
    from odibi.story.store import JSON, MARKDOWN

    head = _found(store, args)
    name = JSON if ui.json else MARKDOWN
    try:
        text = store.read(f"{head.folder}/{name}")
    except (OSError, ValueError) as error:
        raise _unreadable(store, head, name) from error
    ui.data(text)


def _open(store: StoryStore, args: argparse.Namespace, ui: UI) -> None:
    import webbrowser

    head = _found(store, args)
    page = _local_page(store, head)
    opened = webbrowser.open(page.resolve().as_uri())
    if ui.json:
        ui.dump({"story": head.page, "opened": opened})
        return
    ui.data(head.page)
    if "://" in head.page:
        ui.say(f"what is opened is a copy of it: {page}")
    if not opened:
        ui.warn("no browser could be started; open the file by hand")


def _local_page(store: StoryStore, head: StoryHead) -> Path:
    """The page as a file. No browser opens what is in a storage account: of that a copy is made, which stays, for the
    browser reads it when we have gone."""
    import tempfile

    from odibi.story.store import PAGE

    if "://" not in head.page:
        if not Path(head.page).is_file():
            raise _unreadable(store, head, Path(head.page).name)
        return Path(head.page)
    try:
        text = store.read(f"{head.folder}/{PAGE}")
    except (OSError, ValueError) as error:
        raise _unreadable(store, head, PAGE) from error
    copy = Path(tempfile.mkdtemp(prefix="odibi-story-")) / PAGE
    copy.write_text(text, encoding="utf-8")
    return copy


_ACTIONS = {"list": _list, "show": _show, "open": _open}


def _found(store: StoryStore, args: argparse.Namespace) -> StoryHead:
    from odibi.story.store import find_story

    return find_story(store, args.which, args.pipeline)


def _unreadable(store: StoryStore, head: StoryHead, name: str) -> DataNotFoundError:
    place = near(store.place(f"{head.folder}/{name}"))
    return DataNotFoundError(f"{place} can not be read: {head.note or 'it is not there'}; see `odibi story list`")
