"""What a run gives back: one type always."""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from odibi.errors import RunFailed
from odibi.events import NodeRecord, Status
from odibi.secrets import clean_repr, scrub


@clean_repr
@dataclass(frozen=True)
class PipelineResult:
    """How one pipeline went. `duration` is in seconds; `story_path` is None where no story was written."""

    pipeline: str
    status: Status
    duration: float
    nodes: Mapping[str, NodeRecord] = field(default_factory=dict)
    story_path: str | None = None
    warnings: tuple[str, ...] = ()
    reason: str = ""

    def _named(self, status: Status) -> list[str]:
        return [name for name, record in self.nodes.items() if record.status == status]

    @property
    def completed(self) -> list[str]:
        """Names of the nodes that ran through."""
        return self._named("completed")

    @property
    def failed(self) -> list[str]:
        """Names of the nodes that failed."""
        return self._named("failed")

    @property
    def skipped(self) -> list[str]:
        """Names of the nodes that could not run because something before them failed or the run was interrupted."""
        return self._named("skipped") + self._named("interrupted")


class RunResult(Mapping[str, PipelineResult]):
    """Pipeline name to result, in the order they ran.

    >>> RunResult({}).status
    'completed'
    """

    def __init__(self, pipelines: Mapping[str, PipelineResult], run_id: str = "") -> None:
        self._pipelines = dict(pipelines)
        self.run_id = run_id

    def __getitem__(self, name: str) -> PipelineResult:
        return self._pipelines[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._pipelines)

    def __len__(self) -> int:
        return len(self._pipelines)

    @property
    def status(self) -> Status:
        """`interrupted`, else `failed` when any pipeline did not complete, else `completed`."""
        states = {result.status for result in self._pipelines.values()}
        if "interrupted" in states:
            return "interrupted"
        return "completed" if states <= {"completed"} else "failed"

    @property
    def ok(self) -> bool:
        """True when everything completed."""
        return self.status == "completed"

    @property
    def exit_code(self) -> int:
        """0 fine, 1 something failed, 130 interrupted."""
        return {"completed": 0, "interrupted": 130}.get(self.status, 1)

    def raise_for_failure(self) -> RunResult:
        """Raise `RunFailed` unless everything completed; else give the result itself. An interrupt is a failure too."""
        if self.ok:
            return self
        lines = [line for result in self._pipelines.values() for line in _failures(result)]
        raise RunFailed("\n".join(["the run did not complete:", *lines]))

    def __str__(self) -> str:
        rows = [_row(result) for result in self._pipelines.values()]
        head = ("pipeline", "status", "completed", "failed", "skipped", "seconds")
        widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
        lines = (
            "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in [head, *rows]
        )
        return scrub("\n".join(lines))

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """A table for notebooks."""
        head = "".join(
            f"<th>{name}</th>" for name in ("pipeline", "status", "completed", "failed", "skipped", "seconds", "story")
        )
        body = ""
        for result in self._pipelines.values():
            cells = (*_row(result), result.story_path or "")
            body += "<tr>" + "".join(f"<td>{html.escape(scrub(cell))}</td>" for cell in cells) + "</tr>"
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _row(result: PipelineResult) -> tuple[str, ...]:
    counts = (len(result.completed), len(result.failed), len(result.skipped))
    return (result.pipeline, result.status, *map(str, counts), f"{result.duration:.2f}")


def _failures(result: PipelineResult) -> list[str]:
    lines = [
        f"- {result.pipeline}.{name}: {record.error.message if record.error else record.reason}"
        for name, record in result.nodes.items()
        if record.status in ("failed", "interrupted")
    ]
    return lines or ([f"- {result.pipeline}: {result.reason or result.status}"] if result.status != "completed" else [])
