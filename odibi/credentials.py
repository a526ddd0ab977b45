"""The credentials of a run: which connections need one for what was selected, and fetching them first of all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from odibi import graph
from odibi.connections.base import BaseConnection
from odibi.engine.base import Source, Target
from odibi.parallel import each as in_threads
from odibi.plan import Node, ResolvedPipeline
from odibi.project import Project


def selected_nodes(pipeline: ResolvedPipeline, names: Sequence[str]) -> list[Node]:
    """The named nodes and what they need, in file order; all where none is named."""
    if not names:
        return list(pipeline.nodes)
    named = [node.name for node in pipeline.nodes if node.name in names]
    needed = graph.with_needs(named, {node.name: node.inputs for node in pipeline.nodes})
    return [node for node in pipeline.nodes if node.name in needed]


def needy_connections(
    project: Project, pipelines: Sequence[ResolvedPipeline], nodes: Sequence[str] = (), story: bool = True
) -> dict[str, BaseConnection]:
    """By name, the connections whose credential a run of these pipelines (of these nodes, where named) has to fetch,
    that of its stories included."""
    used = {end.connection.name: end.connection for end in _ends(pipelines, nodes) if not _brings_its_own(end)}
    if story and project.story.connection is not None:
        used[project.story.connection] = project.connections[project.story.connection]
    return {name: connection for name, connection in used.items() if connection.needs() is not None}


def _ends(pipelines: Sequence[ResolvedPipeline], nodes: Sequence[str]) -> Iterator[Source | Target]:
    for pipeline in pipelines:
        for node in selected_nodes(pipeline, nodes):
            if node.source is not None:
                yield node.source
            if node.target is not None and (not nodes or node.name in nodes):
                yield node.target


def _brings_its_own(end: Source | Target) -> bool:
    return end.connection.replaces_access(end.options.get("storage_options") or {})


def fetch(connections: Mapping[str, BaseConnection], stops: Callable[[], bool]) -> tuple[str, ...]:
    """Fetch the credentials of the connections in parallel, and give each its own; gives what is odd about them.

    Raises `KeyFetchError` with all that failed, and `KeyboardInterrupt` as soon as `stops()` says so.
    """
    if not connections:
        return ()
    odd: list[str] = []

    def work(chosen: Mapping[str, BaseConnection]) -> None:
        from odibi.prefetch import prefetch

        odd.extend(each.warning for each in prefetch(chosen, warn=False).values() if each.warning)

    in_threads(work, [connections], 1, stops)
    return tuple(dict.fromkeys(odd))
