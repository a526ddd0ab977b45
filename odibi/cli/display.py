"""What a run tells while it goes: observers of its events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from odibi.cli.interrupts import tell_at_once
from odibi.cli.text import count, indent, near, printable, seconds, shown_place
from odibi.cli.ui import LEVELS, UI
from odibi.events import (
    EngineStarting,
    Event,
    NodeFinished,
    NodeRecord,
    NodeRetried,
    NodeStarted,
    PipelineFinished,
    PipelineStarted,
    RunFinished,
    RunStarted,
    StoryWritten,
)
from odibi.results import RunResult

MAX_NAME = 48
MAX_ROWS = 3
"""Failing rows of a check that are shown; the story has more."""


@dataclass
class PlainDisplay:
    """One line a node that ended, on stderr."""

    ui: UI
    width: int = 0
    mask: frozenset[str] = frozenset()
    """Columns, in lower case, whose values are not shown."""

    def __call__(self, event: Event) -> None:
        """Take an event."""
        if isinstance(event, EngineStarting):
            self.tell("INFO", f"starting {event.what}")
        elif isinstance(event, PipelineStarted):
            names = [len(f"{event.pipeline}.{node.name}") for node in event.nodes]
            self.width = max(self.width, min(max(names, default=0), MAX_NAME))
        elif isinstance(event, NodeStarted):
            self.tell("DEBUG", f"  {printable(f'{event.pipeline}.{event.node}')} started")
        elif isinstance(event, NodeFinished):
            self.finished(event.record)
        elif isinstance(event, NodeRetried):
            self.tell("WARNING", self.retried(event))
        elif isinstance(event, StoryWritten) and event.warning:
            self.tell("WARNING", f"{self.ui.marks.warning} {printable(event.warning)}")

    def tell(self, level: str, text: str) -> None:
        """Print what this level of talk holds."""
        if self.tells(level):
            self.print(text)

    def tells(self, level: str) -> bool:
        """True where talk of this level is wanted; failures are told even with `--quiet`."""
        return self.ui.tells(level) or (level == "ERROR" and not self.ui.json)

    def print(self, text: str) -> None:
        """Print a text of one or more lines."""
        self.ui.error(text)

    def finished(self, record: NodeRecord) -> None:
        """Tell how a node ended."""
        level = "INFO" if record.status == "completed" else "ERROR" if record.status == "failed" else "WARNING"
        self.tell(level, node_line(record, self.ui, self.width))
        if record.error is not None:
            self.tell("ERROR", failure_block(record))
            rows = failing_rows(record, self.mask)
            if rows:
                self.tell("ERROR", indent(printable(rows)))
            if record.error.cause != "bug":
                self.tell("DEBUG", indent(printable(record.error.traceback)))
        for warning in record.warnings:
            self.tell("WARNING", indent(f"{self.ui.marks.warning} {printable(warning)}"))

    def retried(self, event: NodeRetried) -> str:
        """The line of a retry."""
        first = printable(event.error).partition("\n")[0]
        name = printable(f"{event.pipeline}.{event.node}")
        return f"{self.ui.marks.retried} {name}: attempt {event.attempt} failed, again in {event.wait:g} s: {first}"

    def notice(self, text: str) -> None:
        """Tell something from inside a signal handler."""
        tell_at_once(text)

    def close(self) -> None:
        """The run is over."""

    def summary(self, result: RunResult) -> None:
        """The warnings and the table at the end."""
        warnings = dict.fromkeys(warning for each in result.values() for warning in each.warnings)
        for warning in warnings:
            self.tell("WARNING", f"{self.ui.marks.warning} {printable(warning)}")
        self.tell("INFO", f"\n{printable(str(result))}\n")

    def stories(self, result: RunResult) -> None:
        """Where the stories are."""
        self.places({name: each.story_path for name, each in result.items() if each.story_path})

    def places(self, stories: Mapping[str, str]) -> None:
        """Where these stories are, by pipeline."""
        for name, place in stories.items():
            self.tell("INFO", f"story of {printable(name)}: {near(place)}")


@dataclass
class StructuredDisplay(PlainDisplay):
    """One JSON object a line, on stderr, with the `metadata` of the file's `logging:`."""

    metadata: Mapping[str, Any] = field(default_factory=dict)
    run_id: str = ""

    def __call__(self, event: Event) -> None:
        """Take an event."""
        if isinstance(event, EngineStarting):
            self.log("INFO", "engine_starting", what=event.what)
        elif isinstance(event, RunStarted):
            self.run_id = event.run.run_id
            self.log("INFO", "run_started", project=event.run.project, engine=event.run.engine)
        elif isinstance(event, PipelineStarted):
            self.log("INFO", "pipeline_started", pipeline=event.pipeline, nodes=len(event.nodes))
        elif isinstance(event, NodeStarted):
            self.log("DEBUG", "node_started", pipeline=event.pipeline, node=event.node)
        elif isinstance(event, NodeRetried):
            facts = {"attempt": event.attempt, "wait": event.wait, "error": event.error}
            self.log("WARNING", "node_retried", pipeline=event.pipeline, node=event.node, **facts)
        elif isinstance(event, NodeFinished):
            self.node(event.record)
        elif isinstance(event, PipelineFinished):
            facts = {"status": event.status, "seconds": round(event.duration, 3), "reason": event.reason or None}
            self.log("INFO", "pipeline_finished", pipeline=event.pipeline, **facts)
        elif isinstance(event, StoryWritten):
            level = "WARNING" if event.warning else "INFO"
            self.log(level, "story_written", pipeline=event.pipeline, path=event.path, warning=event.warning or None)
        elif isinstance(event, RunFinished):
            self.log("INFO", "run_finished", status=event.status, seconds=round(event.duration, 3))

    def node(self, record: NodeRecord) -> None:
        """The line of a node that ended."""
        level = {"completed": "INFO", "failed": "ERROR"}.get(record.status, "WARNING")
        facts: dict[str, Any] = {
            "status": record.status,
            "rows": record.rows,
            "seconds": round(record.duration, 3),
            "retries": record.retries or None,
            "reason": record.reason or None,
        }
        if record.error is not None:
            facts |= {"error": record.error.message, "step": record.error.step, "position": record.error.position}
        if record.warnings:
            facts["warnings"] = record.warnings
        self.log(level, "node_finished", pipeline=record.pipeline, node=record.name, **facts)

    def log(self, level: str, event: str, **facts: Any) -> None:
        """Print one line; facts that are not known are left out."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        head = {"time": now, "level": level, "event": event, "run_id": self.run_id}
        known = {key: value for key, value in facts.items() if value is not None}
        if self.tells(level):
            self.ui.log({**self.metadata, **head, **known})

    def summary(self, result: RunResult) -> None:
        """The warnings of the project; the rest was told."""
        for warning in dict.fromkeys(warning for each in result.values() for warning in each.warnings):
            self.log("WARNING", "warning", message=warning)

    def places(self, stories: Mapping[str, str]) -> None:
        """They were told as they were written."""


def node_line(record: NodeRecord, ui: UI, width: int = 0) -> str:
    """`mark pipeline.node  rows  seconds`."""
    name = printable(f"{record.pipeline}.{record.name}").ljust(width)
    head = f"{ui.marks.of(record.status)} {name}"
    if record.status in ("skipped", "interrupted") and not record.duration:
        return f"{head}  {record.status}: {printable(record.reason)}".rstrip(": ")
    facts = f"{count(record.rows, 'row'):>15}  {seconds(record.duration):>9}"
    notes: list[str] = [record.status] if record.status != "completed" else []
    if record.retries:
        notes.append(count(record.retries, "retry").replace("retrys", "retries"))
    if record.write is not None and not record.write.written:
        notes.append("nothing written")
    return f"{head}  {facts}  {', '.join(notes)}".rstrip()


def failure_block(record: NodeRecord) -> str:
    """Where and why a node failed, indented."""
    error = record.error
    if error is None:
        return ""
    place = shown_place(error.position)
    where = ": ".join(part for part in (place, error.step) if part)
    message = error.message.partition("\n")[0] if error.cause == "bug" else error.message  # the log of a bug follows
    return indent(printable(f"{where}\n{message}" if where else message))


def failing_rows(record: NodeRecord, mask: frozenset[str]) -> str:
    """The first failing rows of the first failed check that has some to show; empty where none has."""
    check = next((check for check in record.checks if check.status == "failed" and check.examples), None)
    if check is None:
        return ""
    rows = [
        {name: "***" if name.lower() in mask else value for name, value in row.items()}
        for row in check.examples[:MAX_ROWS]
    ]
    return f"first of {check.name}: {'; '.join(map(str, rows))}; the story has more"


def display_for(ui: UI, structured: bool, metadata: Mapping[str, Any]) -> PlainDisplay:
    """What suits where stderr goes and what the file asks for."""
    if structured:
        return StructuredDisplay(ui, metadata=metadata)
    if ui.live:
        from odibi.cli.live import LiveDisplay

        return LiveDisplay(ui)
    return PlainDisplay(ui)


__all__ = ["LEVELS", "PlainDisplay", "StructuredDisplay", "display_for", "failure_block", "node_line"]
