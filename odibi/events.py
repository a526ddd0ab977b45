"""What happens in a run, as plain values. Observers take events; the story, the CLI and the result are made of them.

Most are named tuples rather than frozen dataclasses: as plain, and made and imported in a fraction of the time, which
every run pays.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, NamedTuple

from odibi.secrets import clean_repr

Status = Literal["completed", "failed", "skipped", "interrupted"]


class ColumnRecord(NamedTuple):
    """A column as the user reads it."""

    name: str
    type: str


@clean_repr
@dataclass
class StepRecord:
    """One transform step (sql, function or operation); `written` is the file's text, `run` the text that ran."""

    kind: str
    written: str
    run: str | None = None
    duration: float = 0.0
    position: str = ""


class CheckRecord(NamedTuple):
    """One check: status is passed, failed or warned."""

    name: str
    status: str
    failing_rows: int | None = None
    total_rows: int | None = None
    message: str = ""
    examples: Sequence[Mapping[str, Any]] = ()


@clean_repr
@dataclass(frozen=True)
class ReadRecord:
    """Where a node read; `place` is `connection:path`."""

    place: str
    format: str
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class WriteRecord:
    """What a node wrote, and the Delta versions around it."""

    place: str
    format: str
    mode: str
    written: bool = True
    rows: int | None = None
    files: int | None = None
    bytes: int | None = None
    partition_by: Sequence[str] = ()
    partitions: int | None = None
    version_before: int | None = None
    version_after: int | None = None
    schema_changes: Sequence[str] = ()


class ErrorRecord(NamedTuple):
    """Why a node failed: the class, the message with its next step, and where in the file."""

    type: str
    message: str
    step: str = ""
    position: str = ""
    cause: str = ""
    traceback: str = ""


@clean_repr
@dataclass
class NodeRecord:
    """Everything known of one node in one run. `rows` is None where nobody counted: `streamed` says that the rows went
    straight into the nodes that use them."""

    name: str
    pipeline: str
    status: Status = "completed"
    description: str = ""
    depends_on: Sequence[str] = ()
    kinds: Sequence[str] = ()
    started: datetime | None = None
    duration: float = 0.0
    rows: int | None = None
    rows_in: Mapping[str, int | None] = field(default_factory=dict)
    streamed: bool = False
    columns: Sequence[ColumnRecord] = ()
    columns_in: Mapping[str, Sequence[ColumnRecord]] = field(default_factory=dict)
    sample: Sequence[Mapping[str, Any]] | None = None
    read: ReadRecord | None = None
    steps: list[StepRecord] = field(default_factory=list)
    checks: Sequence[CheckRecord] = ()
    write: WriteRecord | None = None
    retries: int = 0
    warnings: list[str] = field(default_factory=list)
    error: ErrorRecord | None = None
    reason: str = ""

    @property
    def schema(self) -> dict[str, str]:
        """Column name to type."""
        return {column.name: column.type for column in self.columns}


class NodeInfo(NamedTuple):
    """A node as it stands in the graph, before it runs. `dependents` are not listed: they follow from depends_on."""

    name: str
    depends_on: Sequence[str]
    kinds: Sequence[str]
    description: str = ""
    source: str = ""
    target: str = ""


@clean_repr
@dataclass(frozen=True)
class RunInfo:
    """Who, where, when and with what: the head of a story."""

    run_id: str
    started: datetime
    project: str
    file: str
    engine: str
    description: str = ""
    version: str = ""
    owner: str = ""
    sql_dialect: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    user: str = ""
    host: str = ""
    git_commit: str = ""
    selection: Sequence[str] = ()


class EngineStarting(NamedTuple):
    """What the engine computes with is started, which takes seconds; `what` names it for the user."""

    what: str


class RunStarted(NamedTuple):
    """A run begins."""

    run: RunInfo
    pipelines: Sequence[str]


class PipelineStarted(NamedTuple):
    """A pipeline begins; `nodes` in file order."""

    pipeline: str
    nodes: Sequence[NodeInfo]
    started: datetime
    description: str = ""
    layer: str = ""


class NodeStarted(NamedTuple):
    """A node begins."""

    pipeline: str
    node: str
    started: datetime


class NodeRetried(NamedTuple):
    """A transient error is tried again after `wait` seconds."""

    pipeline: str
    node: str
    attempt: int
    wait: float
    error: str


class NodeFinished(NamedTuple):
    """A node ended, was skipped or was interrupted."""

    record: NodeRecord


class PipelineFinished(NamedTuple):
    """A pipeline ended; `nodes` in file order. `reason` says why it did not run; `warnings` are the whole run's."""

    pipeline: str
    status: Status
    ended: datetime
    duration: float
    nodes: Sequence[NodeRecord]
    warnings: Sequence[str] = ()
    reason: str = ""


class StoryWritten(NamedTuple):
    """The story of a pipeline was written; `path` is its page, `story.html` (`story.json`, `story.md` are beside it).
    `warning` says why it is not where it should be; `path` is empty where it could not be written at all."""

    pipeline: str
    path: str
    warning: str = ""


class RunFinished(NamedTuple):
    """The run ended."""

    run: RunInfo
    status: Status
    ended: datetime
    duration: float


Event = (
    EngineStarting
    | RunStarted
    | PipelineStarted
    | NodeStarted
    | NodeRetried
    | NodeFinished
    | PipelineFinished
    | StoryWritten
    | RunFinished
)
Observer = Callable[[Event], None]


@dataclass(frozen=True)
class StorySettings:
    """What stories may show, and whether they are written. `mask` names columns and struct fields whose values are
    never shown; `scrub` takes secrets out of every text, `scrub_document` out of a finished file; `fallback` is the
    folder used where the store can not be written to (default: the system's temporary folder)."""

    max_sample_rows: int = 10
    mask: Sequence[str] = ()
    auto_generate: bool = True
    scrub: Callable[[str], str] | None = None
    scrub_document: Callable[[str], str] | None = None
    fallback: Path | None = None
