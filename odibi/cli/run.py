"""`odibi run`: run pipelines of a project file."""

from __future__ import annotations

import argparse
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from odibi.cli.failures import BUG, bug_report
from odibi.cli.options import add_file, add_pipelines, load, positive, take_file_from
from odibi.cli.text import plain
from odibi.cli.ui import UI
from odibi.errors import OdibiError

if TYPE_CHECKING:
    from odibi.events import NodeRecord
    from odibi.pipeline import Pipeline
    from odibi.project import Project
    from odibi.results import PipelineResult, RunResult


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `run`."""
    add_file(parser)
    add_pipelines(parser)
    parser.add_argument(
        "-n",
        "--node",
        nargs="+",
        action="extend",
        default=[],
        dest="nodes",
        metavar="NODE",
        help="only these nodes write; what they need is computed",
    )
    parser.add_argument("--workers", type=positive, metavar="N", help="nodes at once")
    parser.add_argument("--dry-run", action="store_true", help="show targets and SQL; moves no data")


def run(args: argparse.Namespace, ui: UI) -> int:
    """Run, and give the exit code."""
    _, result = perform(args, ui)
    return exit_code(result)


def perform(args: argparse.Namespace, ui: UI, signals: bool = True) -> tuple[Project, RunResult]:
    """Do what the arguments say and tell it; the result is empty where nothing was run. `signals` as in
    `run_with_display`."""
    from odibi.results import RunResult

    take_file_from(args, args.nodes)
    project = load(args)
    ui = for_project(ui, project)
    if args.dry_run:
        from odibi.cli.dry_run import dry_run

        dry_run(project, args.pipelines, args.nodes, ui)
        return project, RunResult({})
    if not project.pipelines:
        _nothing_to_do(project, args, ui)
        return project, RunResult({})
    from odibi.pipeline import Pipeline

    options = {"pipelines": args.pipelines, "nodes": args.nodes, "workers": args.workers}
    result = run_with_display(Pipeline(project), ui, signals=signals, **options)
    if ui.json:
        ui.dump(as_data(result, project, exit_code(result), ui.debug))
    return project, result


def run_with_display(
    pipeline: Pipeline, ui: UI, tell_stories: bool = True, signals: bool = True, **options: Any
) -> RunResult:
    """Run with what suits the terminal, stop cleanly on a signal; tells everything but the JSON document.

    `options` are those of `Pipeline.run`. Without `tell_stories` the caller says where the stories are. Without
    `signals` their handlers stay the caller's, whose process a second Ctrl-C must not end: KeyboardInterrupt stops the
    run as it does in Python.
    """
    from odibi.cli.display import display_for
    from odibi.cli.interrupts import clean_stop
    from odibi.run import Stop

    logging = pipeline.project.logging
    display = display_for(ui, logging.structured, logging.metadata)
    display.mask = frozenset(name.lower() for name in pipeline.project.story.mask)
    stop = Stop()
    with clean_stop(stop, display.notice) if signals else nullcontext(), ui.keep_prints_out():
        try:
            result = pipeline.run(observers=[display], stop=stop, **options)
        except OdibiError as error:
            display.places(error.stories if tell_stories else {})
            raise
        finally:
            display.close()
        display.summary(result)
        if tell_stories:
            display.stories(result)
    _tell_bugs(result, ui)
    return result


def for_project(ui: UI, project: Project) -> UI:
    """How the file wants the run to be told; what the user named wins."""
    return replace(ui, default_level=project.logging.level)


def exit_code(result: RunResult) -> int:
    """0 fine, 1 a node failed, 3 a bug of odibi, 130 interrupted."""
    return BUG if _bugs(result) and result.status != "interrupted" else result.exit_code


def as_data(result: RunResult, project: Project, code: int, debug: bool = False) -> dict[str, Any]:
    """The whole result for programs. Rows of data are in the story, not here."""
    return {
        "status": result.status,
        "exit_code": code,
        "run_id": result.run_id,
        "project": project.name,
        "file": str(project.file),
        "engine": project.engine_name,
        "warnings": list(project.warnings),
        "pipelines": {name: _pipeline_data(each, debug) for name, each in result.items()},
    }


def _pipeline_data(result: PipelineResult, debug: bool) -> dict[str, Any]:
    return {
        "status": result.status,
        "reason": result.reason,
        "duration": round(result.duration, 6),
        "completed": result.completed,
        "failed": result.failed,
        "skipped": result.skipped,
        "story_path": result.story_path,
        "warnings": list(result.warnings),
        "nodes": {name: _node_data(record, debug) for name, record in result.nodes.items()},
    }


def _node_data(record: NodeRecord, debug: bool) -> dict[str, Any]:
    error = plain(record.error) if record.error else None
    if error is not None and not debug and error["cause"] != "bug":
        del error["traceback"]
    checks = [{key: value for key, value in plain(check).items() if key != "examples"} for check in record.checks]
    return {
        "status": record.status,
        "reason": record.reason,
        "started": record.started.isoformat() if record.started else None,
        "duration": round(record.duration, 6),
        "rows": record.rows,
        "rows_in": dict(record.rows_in),
        "depends_on": list(record.depends_on),
        "schema": record.schema,
        "read": plain(record.read) if record.read else None,
        "steps": [plain(step) for step in record.steps],
        "checks": checks,
        "write": plain(record.write) if record.write else None,
        "retries": record.retries,
        "warnings": list(record.warnings),
        "error": error,
    }


def _nothing_to_do(project: Project, args: argparse.Namespace, ui: UI) -> None:
    from odibi.run import select_pipelines

    select_pipelines(project, args.pipelines, args.nodes)
    for warning in project.warnings:
        ui.warn(warning)
    ui.say(f"nothing to do: {args.config or args.file} has no pipelines")
    if ui.json:
        from odibi.results import RunResult

        ui.dump(as_data(RunResult({}), project, 0))


def _bugs(result: RunResult) -> list[NodeRecord]:
    return [
        record
        for each in result.values()
        for record in each.nodes.values()
        if record.error is not None and record.error.cause == "bug"
    ]


def _tell_bugs(result: RunResult, ui: UI) -> None:
    """The log of each bug; several nodes often meet the same one."""
    found: dict[str, list[str]] = {}
    for record in _bugs(result):
        if record.error is not None:
            found.setdefault(record.error.traceback, []).append(f"{record.pipeline}.{record.name}")
    for trace, names in found.items():
        ui.error(bug_report(f"node {', '.join(names)}\n{trace}"))
