"""The data of a story: one JSON-able dict per pipeline and run. `schema.json` beside this file describes it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from odibi.events import (
    CheckRecord,
    ColumnRecord,
    ErrorRecord,
    NodeInfo,
    NodeRecord,
    NodeRetried,
    PipelineFinished,
    ReadRecord,
    RunInfo,
    StepRecord,
    StorySettings,
    WriteRecord,
)
from odibi.story.text import STATUSES, utc
from odibi.story.values import MAX_COLUMNS, Cleaner

SCHEMA_VERSION = 1
"""Changes when a reader of the old form could misread the new one; keys that are only added do not change it."""

Data = dict[str, Any]
"""A part of a story, as JSON has it."""


class PipelineFacts(NamedTuple):
    """What was seen of one pipeline in a run. `previous` is the story it is compared with, `note` why there is none."""

    run: RunInfo
    finished: PipelineFinished
    started: datetime
    begun: Mapping[str, datetime]
    nodes: Sequence[NodeInfo] = ()
    description: str = ""
    layer: str = ""
    retries: Sequence[NodeRetried] = ()
    previous: Data | None = None
    note: str = ""
    warnings: Sequence[str] = ()


def build_story(facts: PipelineFacts, settings: StorySettings) -> Data:
    """The whole story as one dict."""
    maker = _Maker(Cleaner(settings.mask, settings.scrub, _names(facts)), settings)
    previous = facts.previous or {}
    before = {node["name"]: node for node in previous.get("nodes", ())}
    retries: dict[str, list[NodeRetried]] = {}
    for retry in facts.retries:
        retries.setdefault(retry.node, []).append(retry)
    infos = {info.name: info for info in facts.nodes}
    records = _all_records(facts)
    nodes = [maker.node(record, infos.get(record.name), retries.get(record.name, ()), before) for record in records]
    return {
        "schema_version": SCHEMA_VERSION,
        "run": maker.run(facts.run),
        "pipeline": maker.pipeline(facts, nodes),
        "compared_with": _compared_with(previous, maker.cleaner.text(facts.note)),
        "nodes": nodes,
    }


def _names(facts: PipelineFacts) -> Iterator[str]:
    """Names that messages may quote: of nodes, columns and types."""
    for record in facts.finished.nodes:
        yield record.name
        yield from record.depends_on
        for column in (*record.columns, *(each for columns in record.columns_in.values() for each in columns)):
            yield column.name
            yield column.type


def _all_records(facts: PipelineFacts) -> Sequence[NodeRecord]:
    """A record of every node of the graph, also of those that nobody reported on, in the order of the graph."""
    known = {record.name: record for record in facts.finished.nodes}
    if not facts.nodes or all(info.name in known for info in facts.nodes):
        return facts.finished.nodes
    listed = [known.pop(info.name) if info.name in known else _unheard(info, facts) for info in facts.nodes]
    return [*listed, *known.values()]


def _unheard(info: NodeInfo, facts: PipelineFacts) -> NodeRecord:
    started = facts.begun.get(info.name)
    return NodeRecord(
        info.name,
        facts.finished.pipeline,
        status="interrupted" if started else "skipped",
        started=started,
        reason="the run ended before the node did" if started else "the run ended before the node could start",
        depends_on=info.depends_on,
        kinds=info.kinds,
    )


def _compared_with(previous: Data, note: str) -> Data | None:
    if not previous:
        return {"note": note} if note else None
    pipeline = previous["pipeline"]
    return {
        "run_id": previous["run"]["id"],
        "started": pipeline["started"],
        "status": pipeline["status"],
        "note": note,
    }


def to_json(story: Data) -> str:
    """The text of `story.json`: one line for each part and each node, so that it can be compared and read in part."""
    parts = [
        f"{json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in story.items() if key != "nodes"
    ]
    nodes = ",\n".join([json.dumps(node, ensure_ascii=False) for node in story["nodes"]])
    return "{" + ",\n".join([*parts, f'"nodes": [\n{nodes}\n]']) + "}\n"


def head_of(text: str) -> Data | None:
    """What stands before the nodes in the beginning of a `story.json`; None where the text ends before it does."""
    end = text.find('\n"nodes": [')  # unambiguous: JSON has no line ends inside its texts
    return json.loads(text[:end].rstrip().rstrip(",") + "}") if end > 0 else None


def column_changes(before: Mapping[str, str], after: Mapping[str, str]) -> Data | None:
    """Columns added, removed and of another type; None where nothing changed."""
    if before == after:
        return None
    added = [{"name": name, "type": kind} for name, kind in after.items() if name not in before]
    removed = [{"name": name, "type": kind} for name, kind in before.items() if name not in after]
    retyped = [
        {"name": name, "before": before[name], "after": kind}
        for name, kind in after.items()
        if before.get(name, kind) != kind
    ]
    return {"added": added, "removed": removed, "retyped": retyped}


def users_of(nodes: Sequence[Data]) -> dict[str, list[str]]:
    """Which nodes use a node, by its name; in the order of the graph."""
    users: dict[str, list[str]] = {}
    for node in nodes:
        for need in node["depends_on"]:
            users.setdefault(need, []).append(node["name"])
    return users


def untold_checks(node: Data) -> list[Data]:
    """Checks that did not hold, did not fail the node, and are not named by one of its warnings already."""
    told = " ".join(node["warnings"])
    return [check for check in node["checks"] if check["status"] == "warned" and check["name"] not in told]


class _Maker:
    """Turns records into data."""

    def __init__(self, cleaner: Cleaner, settings: StorySettings) -> None:
        self.cleaner, self.settings = cleaner, settings
        self.text, self.texts = cleaner.text, cleaner.texts

    def run(self, run: RunInfo) -> Data:
        text = self.text
        return {
            "id": text(run.run_id),
            "started": iso(run.started),
            "project": text(run.project),
            "description": text(run.description),
            "version": text(run.version),
            "owner": text(run.owner),
            "file": text(run.file),
            "engine": text(run.engine),
            "sql_dialect": text(run.sql_dialect),
            "versions": {text(name): text(version) for name, version in run.versions.items()},
            "user": text(run.user),
            "host": text(run.host),
            "git_commit": text(run.git_commit),
            "selection": self.texts(run.selection),
        }

    def pipeline(self, facts: PipelineFacts, nodes: Sequence[Data]) -> Data:
        ended = facts.finished
        states = [node["status"] for node in nodes]
        return {
            "name": self.text(ended.pipeline),
            "description": self.text(facts.description),
            "layer": self.text(facts.layer),
            "status": ended.status,
            "reason": self.text(ended.reason),
            "started": iso(facts.started),
            "ended": iso(ended.ended),
            "duration": seconds(ended.duration),
            "counts": {status: states.count(status) for status in STATUSES},
            "rows_written": sum(node["write"]["rows"] or 0 for node in nodes if node["write"]),
            "warnings": self.texts([*ended.warnings, *facts.warnings]),
        }

    def node(
        self, record: NodeRecord, info: NodeInfo | None, retries: Sequence[NodeRetried], before: Mapping[str, Data]
    ) -> Data:
        text = self.text
        name = text(record.name)
        columns = {text(column.name): text(column.type) for column in record.columns}
        return {
            "name": name,
            "description": text(record.description or (info.description if info else "")),
            "kinds": list(record.kinds),
            "depends_on": self.texts(record.depends_on or (info.depends_on if info else ())),
            "source": text(info.source) if info else "",
            "target": text(info.target) if info else "",
            "status": record.status,
            "reason": text(record.reason),
            "started": iso(record.started),
            "ended": iso(record.started + timedelta(seconds=record.duration)) if record.started else None,
            "duration": seconds(record.duration) if record.started else None,
            "rows": record.rows,
            "rows_in": {text(source): rows for source, rows in record.rows_in.items()},
            "streamed": record.streamed,
            "columns": [{"name": column, "type": kind} for column, kind in columns.items()],
            "changes_from_inputs": self.input_changes(record.columns_in, columns),
            "changes_from_previous_run": previous_changes(before.get(name), columns, record),
            "sample": self.sample(record),
            "read": self.read(record.read) if record.read else None,
            "steps": [self.step(step) for step in record.steps],
            "checks": [self.check(check) for check in record.checks],
            "write": self.write(record.write) if record.write else None,
            "retries": record.retries,
            "retry_log": [
                {"attempt": r.attempt, "wait": seconds(r.wait), "error": self.cleaner.told(r.error)} for r in retries
            ],
            "warnings": [self.cleaner.told(warning) for warning in record.warnings],
            "error": self.error(record.error) if record.error else None,
        }

    def input_changes(self, inputs: Mapping[str, Sequence[ColumnRecord]], columns: Mapping[str, str]) -> Data | None:
        """What the node did to the columns of its inputs taken together; None where it changed nothing."""
        if not inputs or not columns:
            return None
        before: dict[str, str] = {}
        for source in inputs.values():
            for column in source:
                name, kind = self.text(column.name), self.text(column.type)
                if name not in before or before[name] != columns.get(
                    name
                ):  # of one name in two inputs, the unchanged counts
                    before[name] = kind
        return column_changes(before, columns)

    def sample(self, record: NodeRecord) -> Data | None:
        rows = list(record.sample or ())[: self.settings.max_sample_rows]
        if not rows:
            return None
        names = [column.name for column in record.columns] or list(rows[0])
        shown = names[:MAX_COLUMNS]
        cells = self.cleaner.rows(rows, shown)
        return {"columns": self.texts(shown), "rows": cells, "columns_left_out": len(names) - len(shown)}

    def read(self, read: ReadRecord) -> Data:
        return {
            "place": self.text(read.place),
            "format": self.text(read.format),
            "options": self.cleaner.mapping(read.options),
        }

    def step(self, step: StepRecord) -> Data:
        run = None if step.run is None or step.run == step.written else self.text(step.run)
        return {
            "kind": step.kind,
            "written": self.text(step.written),
            "run": run,
            "duration": seconds(step.duration),
            "position": self.text(step.position),
        }

    def check(self, check: CheckRecord) -> Data:
        return {
            "name": self.text(check.name),
            "status": check.status,
            "failing_rows": check.failing_rows,
            "total_rows": check.total_rows,
            "message": self.cleaner.told(check.message),
            "examples": [self.cleaner.mapping(example) for example in check.examples],
        }

    def write(self, write: WriteRecord) -> Data:
        return {
            "place": self.text(write.place),
            "format": self.text(write.format),
            "mode": self.text(write.mode),
            "written": write.written,
            "rows": write.rows,
            "files": write.files,
            "bytes": write.bytes,
            "partition_by": self.texts(write.partition_by),
            "partitions": write.partitions,
            "version_before": write.version_before,
            "version_after": write.version_after,
            "schema_changes": self.texts(write.schema_changes),
        }

    def error(self, error: ErrorRecord) -> Data:
        return {
            "type": self.text(error.type),
            "message": self.cleaner.told(error.message),
            "step": self.text(error.step),
            "position": self.text(error.position),
            "cause": self.text(error.cause),
            "traceback": self.cleaner.told(error.traceback),
        }


def previous_changes(before: Data | None, columns: Mapping[str, str], record: NodeRecord) -> Data | None:
    """Rows and columns against the same node of the earlier run; None where one of the two did not complete."""
    if before is None or before["status"] != "completed" or record.status != "completed":
        return None
    earlier = {column["name"]: column["type"] for column in before["columns"]}
    rows_before = before["rows"]
    known = rows_before is not None and record.rows is not None
    return {
        "rows_before": rows_before,
        "rows_change": record.rows - rows_before if known and record.rows is not None else None,
        "columns": column_changes(earlier, columns) if earlier and columns else None,
    }


def iso(when: datetime | None) -> str | None:
    """`2025-03-01T12:00:05.123456Z`."""
    return None if when is None else utc(when).isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


def seconds(duration: float) -> float:
    """Seconds to the microsecond."""
    return round(duration, 6)
