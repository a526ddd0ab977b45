"""What a run gives back."""

from __future__ import annotations

import pytest

from odibi.errors import RunFailed
from odibi.events import ErrorRecord, NodeRecord
from odibi.results import PipelineResult, RunResult


def record(name: str, status: str, message: str = "", reason: str = "") -> NodeRecord:
    error = ErrorRecord("TransformError", message) if message else None
    return NodeRecord(name, "p", status, error=error, reason=reason)  # type: ignore[arg-type]


def result(status: str, *records: NodeRecord, name: str = "p", reason: str = "") -> PipelineResult:
    return PipelineResult(name, status, 1.234, {each.name: each for each in records}, reason=reason)  # type: ignore[arg-type]


def run(*results: PipelineResult) -> RunResult:
    return RunResult({each.pipeline: each for each in results}, "abc")


GOOD = result("completed", record("a", "completed"))
BAD = result(
    "failed", record("a", "completed"), record("b", "failed", "no such file"), record("c", "skipped"), name="q"
)
STOPPED = result("interrupted", record("a", "interrupted", reason="the run was interrupted"), name="r")
SKIPPED = result("skipped", record("a", "skipped"), name="s", reason="pipeline 'q' did not complete")


@pytest.mark.parametrize(
    ("results", "status", "code"),
    [
        ((), "completed", 0),
        ((GOOD,), "completed", 0),
        ((GOOD, BAD), "failed", 1),
        ((GOOD, SKIPPED), "failed", 1),
        ((BAD, STOPPED), "interrupted", 130),
    ],
)
def test_the_worst_status_counts(results: tuple[PipelineResult, ...], status: str, code: int) -> None:
    found = run(*results)
    assert (found.status, found.exit_code, found.ok) == (status, code, code == 0)


def test_it_maps_pipelines_in_order() -> None:
    found = run(BAD, GOOD)
    assert list(found) == ["q", "p"]
    assert len(found) == 2
    assert found["q"].failed == ["b"]
    assert found["q"].completed == ["a"]
    assert found["q"].skipped == ["c"]
    assert STOPPED.skipped == ["a"]


def test_raising_names_every_failed_node() -> None:
    assert run(GOOD).raise_for_failure()["p"] is GOOD
    with pytest.raises(RunFailed) as caught:
        run(GOOD, BAD, STOPPED, SKIPPED).raise_for_failure()
    lines = str(caught.value).splitlines()
    assert "- q.b: no such file" in lines
    assert "- r.a: the run was interrupted" in lines
    assert "- s: pipeline 'q' did not complete" in lines
    assert isinstance(caught.value, RuntimeError)


def test_it_prints_as_a_short_table() -> None:
    lines = str(run(GOOD, BAD)).splitlines()
    assert lines[0].split() == ["pipeline", "status", "completed", "failed", "skipped", "seconds"]
    assert lines[2].split() == ["q", "failed", "1", "1", "1", "1.23"]
    assert repr(run(GOOD)) == str(run(GOOD))


def test_in_a_notebook_names_are_escaped() -> None:
    html = run(result("completed", name="<script>alert(1)</script>"))._repr_html_()
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
