"""`odibi run --dry-run`: everything resolved, targets and SQL shown, no data moved."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from odibi.cli.plans import end_text, needs_text, pipelines_data
from odibi.cli.text import indent, printable
from odibi.cli.ui import UI
from odibi.plan import Node, ResolvedPipeline, SqlStep
from odibi.project import Project


def dry_run(project: Project, pipelines: Sequence[str], nodes: Sequence[str], ui: UI) -> int:
    """Show what a run would do; gives the exit code."""
    from odibi.run import select_pipelines

    selected = [_only(pipeline, nodes) for pipeline in select_pipelines(project, pipelines, nodes)]
    shown = _with_sql(project, selected, nodes)
    for warning in project.warnings:
        ui.warn(warning)
    if ui.json:
        head = {"status": "dry run", "exit_code": 0, "project": project.name, "file": str(project.file)}
        ui.dump({**head, "engine": project.engine_name, "warnings": list(project.warnings), "pipelines": shown})
    elif not shown:
        ui.say(f"nothing to do: {project.file.name} has no pipelines")
    else:
        ui.data("\n".join(line for pipeline in shown for line in _pipeline_lines(pipeline, project)))
    return 0


def _only(pipeline: ResolvedPipeline, names: Sequence[str]) -> ResolvedPipeline:
    """The pipeline with the named nodes and what they need."""
    if not names:
        return pipeline
    from dataclasses import replace

    from odibi.graph import with_needs

    named = [node.name for node in pipeline.nodes if node.name in names]
    needed = with_needs(named, {node.name: node.inputs for node in pipeline.nodes})
    return replace(pipeline, nodes=tuple(node for node in pipeline.nodes if node.name in needed))


def _with_sql(project: Project, pipelines: Sequence[ResolvedPipeline], names: Sequence[str]) -> list[dict[str, Any]]:
    """The pipelines as data, with the SQL as it will run, and whether each node writes."""
    from odibi.engine import ENGINES

    engine = ENGINES[project.engine_name](project.connections)
    shown = pipelines_data(project, pipelines)
    for pipeline, data in zip(pipelines, shown, strict=True):
        by_name: dict[str, Node] = {node.name: node for node in pipeline.nodes}
        for node in data["nodes"]:
            node["writes"] = node["write"] is not None and (not names or node["node"] in names)
            for step, note in zip(by_name[node["node"]].steps, node["steps"], strict=True):
                note["run"] = engine.translate(step.query) if isinstance(step, SqlStep) else None
    return shown


def _pipeline_lines(pipeline: dict[str, Any], project: Project) -> list[str]:
    lines = [printable(f"pipeline {pipeline['pipeline']}")]
    for node in pipeline["nodes"]:
        lines += [indent(printable(line), "  ") for line in _node_lines(node, project)]
    return [*lines, ""]


def _node_lines(node: dict[str, Any], project: Project) -> list[str]:
    lines = [f"node {node['node']}{needs_text(node)}"]
    if node["read"]:
        lines.append(f"  reads   {end_text(node['read'])}\n          {node['read']['path']}")
    for number, step in enumerate(node["steps"], 1):
        lines += _step_lines(number, step, project)
    if node["checks"]:
        lines.append(f"  checks  {', '.join(node['checks'])}")
    if node["write"]:
        note = "" if node["writes"] else "; not written: another node was named"
        lines.append(f"  writes  {end_text(node['write'])}{note}\n          {node['write']['path']}")
    return lines


def _step_lines(number: int, step: dict[str, Any], project: Project) -> list[str]:
    if step["run"] is None:
        return [f"  step {number}  {step['kind']} {step['text']}"]
    same = project.sql_dialect == project.engine_dialect
    how = "sql" if same else f"sql, {project.sql_dialect} as {project.engine_dialect}"
    return [f"  step {number}  {how}", indent(step["run"].strip(), "          ")]
