"""A resolved pipeline as data: what `graph` and `run --dry-run` show."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from odibi.engine.base import Source, Target, shown_options
from odibi.plan import Node, ResolvedPipeline
from odibi.project import Project


def pipelines_data(project: Project, pipelines: Sequence[ResolvedPipeline]) -> list[dict[str, Any]]:
    """The pipelines and their nodes, each behind what it needs."""
    declared = {
        (str(config.pipeline), str(node.name)): node.depends_on
        for config in project.config.pipelines
        for node in config.nodes
    }
    return [
        {
            "pipeline": pipeline.name,
            "description": pipeline.description,
            "layer": pipeline.layer,
            "after": list(pipeline.after),
            "nodes": [node_data(node, not declared[pipeline.name, node.name]) for node in in_order(pipeline)],
        }
        for pipeline in pipelines
    ]


def node_data(node: Node, nothing_declared: bool) -> dict[str, Any]:
    """A node as it stands in the graph. `implied` names the inputs that the file does not write down."""
    return {
        "node": node.name,
        "description": node.description,
        "position": str(node.position),
        "depends_on": list(node.inputs),
        "implied": list(node.inputs) if nothing_declared else [],
        "kinds": list(node.kinds),
        "read": end_data(node.source) if node.source else None,
        "steps": [{"kind": step.kind, "text": step.text} for step in node.steps],
        "checks": [check.name for check in node.checks.items],
        "write": _target_data(node.target) if node.target else None,
    }


def in_order(pipeline: ResolvedPipeline) -> list[Node]:
    """The nodes, each behind what it needs."""
    from odibi.graph import order

    by_name = {node.name: node for node in pipeline.nodes}
    return [by_name[name] for name in order({node.name: node.inputs for node in pipeline.nodes})]


def end_data(end: Source | Target) -> dict[str, Any]:
    """Where something is read or written. `path` is the full path or URL."""
    return {
        "place": f"{end.connection.name}:{end.table or end.path}",
        "path": end.connection.get_path(end.path) if end.table is None else end.connection.get_table(end.table),
        "format": end.format,
        "options": shown_options(end),
    }


def _target_data(target: Target) -> dict[str, Any]:
    return {**end_data(target), "mode": target.mode, "partition_by": list(target.partition_by)}


def end_text(end: dict[str, Any]) -> str:
    """`lake:sales (delta, append, by year, month)`."""
    facts = [end["format"], end.get("mode")]
    if end.get("partition_by"):
        facts.append(f"by {', '.join(end['partition_by'])}")
    return f"{end['place']} ({', '.join(fact for fact in facts if fact)})"


def needs_text(node: dict[str, Any]) -> str:
    """` <- a, b`, and whether the file leaves it to be understood."""
    if not node["depends_on"]:
        return ""
    implied = " (implied: the node before it)" if node["implied"] else ""
    return f"  <- {', '.join(node['depends_on'])}{implied}"
