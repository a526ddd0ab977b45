"""`odibi validate`: check a project file; no network, no data."""

from __future__ import annotations

import argparse
from typing import Any

from odibi.cli.options import add_file, load
from odibi.cli.text import count, printable
from odibi.cli.ui import UI
from odibi.plan import ResolvedPipeline


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `validate`."""
    add_file(parser)


def run(args: argparse.Namespace, ui: UI) -> int:
    """Check the file; what is wrong is raised, all of it at once."""
    project = load(args)
    pipelines = {pipeline.name: _counts(pipeline) for pipeline in project.pipelines}
    for warning in project.warnings:
        ui.warn(warning)
    if ui.json:
        head = {"status": "ok", "exit_code": 0, "project": project.name, "file": str(project.file)}
        ui.dump({**head, "engine": project.engine_name, "pipelines": pipelines, "warnings": list(project.warnings)})
    elif not ui.quiet:
        ui.data(
            "\n".join(printable(f"{name}: {_text(counts)}") for name, counts in pipelines.items()) or _no_pipelines()
        )
    return 0


def _counts(pipeline: ResolvedPipeline) -> dict[str, Any]:
    nodes = pipeline.nodes
    return {
        "nodes": len(nodes),
        "reads": sum(node.source is not None for node in nodes),
        "steps": sum(len(node.steps) for node in nodes),
        "checks": sum(len(node.checks.items) for node in nodes),
        "writes": sum(node.target is not None for node in nodes),
    }


def _text(counts: dict[str, int]) -> str:
    return ", ".join(count(number, name.removesuffix("s")) for name, number in counts.items() if number)


def _no_pipelines() -> str:
    return "fine; the file has no pipelines"
