"""What doctor's checks find, how it is shown, and how checks that wait for a network are made together."""

from __future__ import annotations

import queue
import textwrap
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from odibi.cli.text import printable, seconds
from odibi.cli.ui import UI

WIDTH = 100
LEAST_SECONDS = 0.005
_END = object()


@dataclass(frozen=True)
class Finding:
    """What a check found. `status` is ok, info (worth knowing) or red (something will fail). `steps` are what a check
    of several steps is made of; its status is that of the worst."""

    name: str
    status: str
    text: str
    hint: str = ""
    facts: dict[str, Any] = field(default_factory=dict)
    seconds: float | None = None
    steps: tuple[Finding, ...] = ()


Check = Callable[[], Iterator[Finding]]


def lines_of(finding: Finding, ui: UI, by: str = "") -> Iterator[str]:
    """The lines of a finding: mark, name and text, what belongs to them indented below. With `--quiet` only red steps
    are shown."""
    mark = {"ok": ui.marks.completed, "red": ui.marks.failed}.get(finding.status, ui.marks.skipped)
    first, *more = finding.text.splitlines() or [""]
    slow = finding.seconds is not None and finding.seconds >= LEAST_SECONDS
    took = f" ({seconds(finding.seconds or 0.0)})" if slow else ""
    yield from _wrapped(f"{mark} {finding.name}: {first}", by, by + "    ", took)
    for line in more:
        yield from _wrapped(line, by + "    ", by + "      ")
    for line in finding.hint.splitlines():
        yield from _wrapped(line, by + "  ", by + "    ")
    for step in finding.steps:
        if not ui.quiet or step.status == "red":
            yield from lines_of(step, ui, by + "  ")


def _wrapped(line: str, first: str, rest: str, took: str = "") -> list[str]:
    """A line in the width of a page. What is to be copied, a command, stays on one line."""
    line = printable(line)
    if line.lstrip().startswith("az ") or "://" in line:
        return [first + line + took]
    inner = line[: len(line) - len(line.lstrip())]
    lines = textwrap.wrap(
        line, WIDTH - len(took), initial_indent=first, subsequent_indent=rest + inner, break_long_words=False,
        break_on_hyphens=False,
    )  # fmt: skip
    return [*lines[:-1], lines[-1] + took] if lines else []


def without_repeats(finding: Finding, said: dict[tuple[str, str, str], str]) -> Finding:
    """The finding, where steps that say at length what one before said refer to it. `said` remembers what was."""
    return replace(finding, steps=tuple(_shortened(step, finding.name, said) for step in finding.steps))


def _shortened(step: Finding, name: str, said: dict[tuple[str, str, str], str]) -> Finding:
    key = (step.name, step.text, step.hint)
    earlier = said.setdefault(key, name)
    first, *more = step.text.splitlines() or [""]
    if earlier == name or not (more or step.hint):
        return step
    return replace(step, text=f"{first} see {earlier}" if first.endswith(":") else f"{first}; see {earlier}", hint="")


def together(checks: Sequence[tuple[str, Check]], limit: float) -> Iterator[Finding]:
    """Make named checks at once, and give their findings in the order of the checks. A check that has not ended after
    `limit` seconds is red, and its thread is left behind."""
    waiting = [(name, _started(name, check)) for name, check in checks]
    deadline = time.monotonic() + limit
    for name, found in waiting:
        yield from _until(found, name, deadline, limit)


def _until(found: queue.SimpleQueue[Any], name: str, deadline: float, limit: float) -> Iterator[Finding]:
    while True:
        try:
            finding = found.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            yield Finding(name, "red", f"did not end in {limit:.0f} s; what is behind it is not checked")
            return
        if finding is _END:
            return
        yield finding


def _started(name: str, check: Check) -> queue.SimpleQueue[Any]:
    found: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def work() -> None:
        try:
            for finding in check():
                found.put(finding)
        finally:
            found.put(_END)

    threading.Thread(target=work, daemon=True, name=f"doctor {name}").start()
    return found
