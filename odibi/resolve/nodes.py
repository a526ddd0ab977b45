"""The pipelines of a project, resolved."""

from __future__ import annotations

from collections.abc import Sequence

from odibi.config.node import SqlStep
from odibi.config.project import PipelineConfig, ProjectConfig
from odibi.connections import BaseConnection
from odibi.plan import ResolvedPipeline
from odibi.resolve.ends import resolve_ends
from odibi.resolve.links import link
from odibi.resolve.scope import Columns, Draft, Scope
from odibi.resolve.steps import resolve_steps
from odibi.resolve.targets import check_targets

BLOCKS = ("read", "transform", "validation", "write")


def resolve_pipelines(config: ProjectConfig, scope: Scope) -> tuple[ResolvedPipeline, ...]:
    """Resolve every node of every pipeline; mistakes go into the scope's report."""
    _check_pipeline_names(config.pipelines, scope)
    homes = {node.name: pipeline.pipeline for pipeline in config.pipelines for node in pipeline.nodes if node.name}
    drafts = [_drafts(pipeline, index) for index, pipeline in enumerate(config.pipelines)]
    ordered = [link(each, homes, scope.report) for each in drafts]
    scope.read_ahead(_sql_texts(config))
    for nodes in ordered:
        _resolve_nodes(nodes, scope)
    names = [pipeline.pipeline for pipeline in config.pipelines]
    after = check_targets(ordered, names, scope.report)
    return tuple(
        _resolved(pipeline, nodes, before, scope)
        for pipeline, nodes, before in zip(config.pipelines, drafts, after, strict=True)
    )


def _sql_texts(config: ProjectConfig) -> list[str]:
    steps = [
        step
        for pipeline in config.pipelines
        for node in pipeline.nodes
        for step in (node.transform.steps if node.transform else ())
    ]
    return [str(step.sql if isinstance(step, SqlStep) else step) for step in steps if isinstance(step, (str, SqlStep))]


def _check_pipeline_names(pipelines: Sequence[PipelineConfig], scope: Scope) -> None:
    first: dict[str, int] = {}
    for index, pipeline in enumerate(pipelines):
        path = ("pipelines", index, "pipeline")
        if not pipeline.pipeline and not scope.report.damage.is_broken(*path):
            scope.report.add(path, "the name is empty", "give the pipeline a name")
        earlier = first.setdefault(pipeline.pipeline.lower(), index)
        if earlier != index and pipeline.pipeline and not scope.report.damage.is_broken(*path):
            line = scope.report.document.locate(("pipelines", earlier, "pipeline")).line
            other = pipelines[earlier].pipeline
            twice = f"the pipeline name {pipeline.pipeline!r} is used twice"
            close = f"the pipeline names {other!r} and {pipeline.pipeline!r} differ only in case"
            message = twice if other == pipeline.pipeline else close
            scope.report.add(path, message, f"the first is in line {line}; rename one")


def _drafts(pipeline: PipelineConfig, index: int) -> list[Draft]:
    return [
        Draft(node, ("pipelines", index, "nodes", number), str(pipeline.pipeline))
        for number, node in enumerate(pipeline.nodes)
    ]


def _resolve_nodes(ordered: Sequence[Draft], scope: Scope) -> None:
    """Resolve the nodes of one pipeline; `ordered` has them behind what they need, so that columns are followed."""
    columns: dict[str, Columns] = {}
    used: dict[str, BaseConnection] = {}
    for draft in ordered:
        _check_content(draft, scope)
        resolve_ends(draft, scope)
        _check_clashes(draft, used, scope)
        inputs = {name: columns.get(name) for name in (*draft.needs, *draft.config.depends_on)}
        resolve_steps(draft, inputs, scope)
        columns.setdefault(draft.name, draft.columns)


def _check_clashes(draft: Draft, used: dict[str, BaseConnection], scope: Scope) -> None:
    """Connections that the engine can not use in one run are told of where the second of them is first used; `used`
    gets those of this node."""
    for key, end in (("read", draft.source), ("write", draft.target)):
        if end is None or end.connection.name in used:
            continue
        if end.connection.replaces_access(end.options.get("storage_options") or {}):
            continue
        clash = next(filter(None, (each.clashes(end.connection, scope.engine_name) for each in used.values())), "")
        used[end.connection.name] = end.connection
        if clash:
            message, _, hint = clash.partition("; ")
            scope.report.add((*draft.path, key, "connection"), message, hint)


def _check_content(draft: Draft, scope: Scope) -> None:
    """A node does something: validation alone is nothing, and a block with all its lines commented out is a mistake."""
    config, report = draft.config, scope.report
    written = report.value(draft.path)
    empty = [key for key in BLOCKS if isinstance(written, dict) and key in written and written[key] is None]
    for key in empty:
        if not report.damage.is_broken(*draft.path, key):
            report.add((*draft.path, key), "nothing stands behind it", "give it its keys, or take the line out")
    if empty:
        return
    if config.read or config.transform or config.write or report.damage.lacks(*draft.path):
        return
    if any(report.damage.is_broken(*draft.path, key) for key in ("read", "transform", "write")):
        return
    report.add(draft.path, "the node does nothing", "add at least one of read, transform and write")


def _resolved(
    pipeline: PipelineConfig, drafts: Sequence[Draft], after: tuple[str, ...], scope: Scope
) -> ResolvedPipeline:
    return ResolvedPipeline(
        name=str(pipeline.pipeline),
        nodes=tuple(draft.node(scope.report) for draft in drafts),
        description=pipeline.description or "",
        layer=pipeline.layer or "",
        after=after,
    )
