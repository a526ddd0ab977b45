"""`odibi graph`: show the graph of a project's nodes."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from typing import Any

from odibi.cli.options import add_file, add_pipelines, load
from odibi.cli.plans import end_text, needs_text, pipelines_data
from odibi.cli.text import printable
from odibi.cli.ui import UI

Pipelines = list[dict[str, Any]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `graph`."""
    add_file(parser)
    add_pipelines(parser)
    parser.add_argument("--format", choices=["text", "mermaid", "dot", "json"], default="text", help="default: text")


def run(args: argparse.Namespace, ui: UI) -> int:
    """Print the graph."""
    project = load(args)
    from odibi.run import select_pipelines

    shown = pipelines_data(project, select_pipelines(project, args.pipelines, ()))
    for warning in project.warnings:
        ui.warn(warning)
    if ui.json or args.format == "json":
        ui.dump({"project": project.name, "file": str(project.file), "pipelines": shown})
    elif not shown and args.format == "text":
        ui.say("the file has no pipelines")
    else:
        ui.data("\n".join(_FORMATS[args.format](shown)))
    return 0


# -- text --------------------------------------------------------------------------------------------------------------


def text(pipelines: Pipelines) -> Iterator[str]:
    """A list in the order of work, with what each node needs, reads and writes."""
    for pipeline in pipelines:
        after = f"  <- {', '.join(pipeline['after'])}" if pipeline["after"] else ""
        yield printable(f"{pipeline['pipeline']}{after}")
        for node in pipeline["nodes"]:
            yield from (printable(f"  {line}") for line in _node_text(node))


def _node_text(node: dict[str, Any]) -> Iterator[str]:
    yield f"{node['node']}{needs_text(node)}"
    if node["read"]:
        yield f"    reads   {end_text(node['read'])}"
    if node["steps"]:
        yield f"    steps   {', '.join(_step_name(step) for step in node['steps'])}"
    if node["checks"]:
        yield f"    checks  {', '.join(node['checks'])}"
    if node["write"]:
        yield f"    writes  {end_text(node['write'])}"


def _step_name(step: dict[str, Any]) -> str:
    return "sql" if step["kind"] == "sql" else str(step["text"]).partition("(")[0]


# -- drawings ----------------------------------------------------------------------------------------------------------


def mermaid(pipelines: Pipelines) -> Iterator[str]:
    """A flowchart, to be put into Markdown."""
    ids = _Ids()
    yield "flowchart LR"
    for number, pipeline in enumerate(pipelines):
        yield f"  subgraph p{number}[{_mermaid(pipeline['pipeline'])}]"
        yield from (f"    {ids.node(pipeline, name)}[{_mermaid(name)}]" for name in _names(pipeline))
        yield "  end"
    for place in _places(pipelines):
        yield f"  {ids.place(place)}[({_mermaid(place)})]"
    for start, end, implied in _edges(pipelines, ids):
        yield f"  {start} {'-.->' if implied else '-->'} {end}"


def dot(pipelines: Pipelines) -> Iterator[str]:
    """A digraph of Graphviz."""
    ids = _Ids()
    yield "digraph odibi {"
    yield "  rankdir=LR; node [shape=box];"
    for number, pipeline in enumerate(pipelines):
        yield f"  subgraph cluster_{number} {{"
        yield f"    label={_quoted(pipeline['pipeline'])};"
        yield from (f"    {ids.node(pipeline, name)} [label={_quoted(name)}];" for name in _names(pipeline))
        yield "  }"
    for place in _places(pipelines):
        yield f"  {ids.place(place)} [label={_quoted(place)}, shape=cylinder];"
    for start, end, implied in _edges(pipelines, ids):
        yield f"  {start} -> {end}{' [style=dashed]' if implied else ''};"
    yield "}"


class _Ids:
    """Short names for nodes and places, which may bear any name."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, ...], str] = {}

    def node(self, pipeline: dict[str, Any], name: str) -> str:
        return self._known.setdefault((pipeline["pipeline"], name), f"n{len(self._known)}")

    def place(self, place: str) -> str:
        return self._known.setdefault((place,), f"d{len(self._known)}")


def _names(pipeline: dict[str, Any]) -> list[str]:
    return [node["node"] for node in pipeline["nodes"]]


def _places(pipelines: Pipelines) -> list[str]:
    ends = [node[side] for pipeline in pipelines for node in pipeline["nodes"] for side in ("read", "write")]
    return list(dict.fromkeys(end["place"] for end in ends if end))


def _edges(pipelines: Pipelines, ids: _Ids) -> Iterator[tuple[str, str, bool]]:
    for pipeline in pipelines:
        for node in pipeline["nodes"]:
            this = ids.node(pipeline, node["node"])
            if node["read"]:
                yield ids.place(node["read"]["place"]), this, False
            for need in node["depends_on"]:
                yield ids.node(pipeline, need), this, need in node["implied"]
            if node["write"]:
                yield this, ids.place(node["write"]["place"]), False


def _mermaid(name: str) -> str:
    """A quoted label; what Mermaid or HTML could read as its own is an entity."""
    return '"' + "".join(c if c.isalnum() or c in " _-.,:/=+()" else f"#{ord(c)};" for c in name) + '"'


def _quoted(name: str) -> str:
    """A quoted string of Graphviz; a line break in a name is shown, not made."""
    return '"' + printable(name.replace("\n", " ")).replace("\\", "\\\\").replace('"', '\\"') + '"'


_FORMATS: dict[str, Callable[[Pipelines], Iterator[str]]] = {"text": text, "mermaid": mermaid, "dot": dot}
