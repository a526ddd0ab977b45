"""One node: read, transform, check, write; and the record of it.

A frame that nobody asked for yet stays lazy, so what goes wrong in it shows where it is computed: in a later node. The
trail of the frame (which stages it is made of) is kept, and on a failure the first stage that can not be computed is
named.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from odibi.context import Context
from odibi.engine.base import CheckResult, Engine, Frame, WriteReport, raise_for_checks, shown_options
from odibi.errors import (
    CheckFailed,
    DataError,
    NodeError,
    OdibiError,
    ReadError,
    SchemaMismatchError,
    SqlError,
    TransformError,
    ValidationError,
    WriteError,
)
from odibi.events import CheckRecord, ColumnRecord, ErrorRecord, NodeRecord, ReadRecord, StepRecord, WriteRecord
from odibi.plan import FunctionStep, Node, OperationStep, SqlStep, Step
from odibi.secrets import scrub

STAGE_ERRORS: dict[str, type[NodeError]] = {"read": ReadError, "validation": ValidationError, "write": WriteError}

BUGS = (NameError, AttributeError, TypeError, LookupError, AssertionError, RecursionError)
"""What an engine raises only by a mistake of ours: errors of users' functions come as `OdibiError`."""


@dataclass(frozen=True)
class Stage:
    """One stage that a lazy frame is made of: which node and step, where in the file, and the frame after it."""

    node: str
    step: str
    position: str
    frame: Frame


@dataclass(frozen=True)
class Result:
    """What a node hands on: its frame, and the stages that are still to be computed when the frame is. `repeatable` is
    False where computing the frame twice may give different rows."""

    frame: Frame
    trail: tuple[Stage, ...] = ()
    repeatable: bool = True


@dataclass(frozen=True)
class Job:
    """A node and how it is to be run. `users` are the nodes that use its result; `write` is False for nodes that are
    only needed by others; `sample_rows` bounds what the story shows; `metadata` goes into Delta commits."""

    node: Node
    users: Sequence[Node] = ()
    write: bool = True
    sample_rows: int = 0
    metadata: Mapping[str, str] = field(default_factory=dict)


def run_node(job: Job, inputs: Mapping[str, Result], engine: Engine, record: NodeRecord) -> Result:
    """Run a node once. Fills `record` as it goes; raises `NodeError` from the cause."""
    return _Run(job, inputs, engine, record).run()


def new_record(node: Node) -> NodeRecord:
    """The record of a node before anything happened."""
    read = ReadRecord(_place(node.source), node.source.format, shown_options(node.source)) if node.source else None
    return NodeRecord(
        name=node.name,
        pipeline=node.pipeline,
        description=node.description,
        depends_on=node.inputs,
        kinds=node.kinds,
        started=datetime.now(UTC),
        read=read,
    )


class _Run:
    """The state of one node while it runs."""

    def __init__(self, job: Job, inputs: Mapping[str, Result], engine: Engine, record: NodeRecord) -> None:
        self.job, self.node, self.engine, self.record = job, job.node, engine, record
        self.inputs = inputs
        self.trail: tuple[Stage, ...] = tuple(
            {id(stage): stage for result in inputs.values() for stage in result.trail}.values()
        )
        self.repeatable = all(result.repeatable for result in inputs.values())
        self.is_stop = not self.node.steps or self.node.steps[-1].kind == "function"
        """Whether rows come to rest in this node, so that a sample is of it: they are read, made in Python, kept or
        written. Where an engine computes half-way through a chain is its own affair."""
        self.record.rows_in = {name: result.frame.rows for name, result in inputs.items()}
        self.record.steps = []
        self.record.warnings = [text for text in self.record.warnings if text.startswith("attempt ")]

    def run(self) -> Result:
        frame = self.start()
        for number, step in enumerate(self.node.steps):
            frame = self.step(number, step, frame)
        if frame is None:  # write-only with nothing before it is refused when the file is checked
            raise NodeError(
                f"node {self.node.name!r} has nothing to write", pipeline=self.node.pipeline, node=self.node.name
            )
        return self.finish(frame)

    def start(self) -> Frame | None:
        """The frame a first step may call `current`: the node's own read, else its only input."""
        if self.node.source is not None:
            with self.at("read", str(self.node.position)):
                return self.passed("read", str(self.node.position), self.engine.scan(self.node.source))
        if len(self.inputs) == 1:
            return next(iter(self.inputs.values())).frame
        return None

    def passed(self, step: str, position: str, frame: Frame) -> Frame:
        """Note a stage that made a lazy frame; after one that computed it, what was lazy before is behind us."""
        lazy = self.engine.is_lazy(frame)
        self.trail = (*self.trail, Stage(self.node.name, step, position, frame)) if lazy else ()
        return frame

    def step(self, number: int, step: Step, current: Frame | None) -> Frame:
        began = time.perf_counter()
        note = StepRecord(step.kind, step.text, position=str(step.place(None)))
        self.record.steps.append(note)
        label = f"steps[{number}]"
        with self.at(label, note.position, step):
            frame, note.run = self.compute(step, current)
            self.repeatable = not self.engine.is_lazy(frame) or (self.repeatable and self.is_repeatable(step, frame))
            if not self.repeatable and not self.streams_into(number + 1):
                frame, self.repeatable = self.engine.keep(frame), True
        note.duration = time.perf_counter() - began
        return self.passed(label, note.position, frame)

    def is_repeatable(self, step: Step, frame: Frame) -> bool:
        """Whether computing a step's result twice gives the same rows; of a function's the engine may know."""
        return step.deterministic or (step.kind == "function" and self.engine.is_repeatable(frame))

    def streams_into(self, number: int) -> bool:
        """Whether a step, if there is one, computes the result of the step before it once."""
        if number == len(self.node.steps):
            return True
        step = self.node.steps[number]
        if step.kind == "function":
            return not self.engine.defers
        return step.kind == "sql" and _once(step.text, "current")

    def compute(self, step: Step, current: Frame | None) -> tuple[Frame, str | None]:
        if isinstance(step, SqlStep):
            return self.engine.query(step.query, self.visible(current))
        if isinstance(step, OperationStep):
            return self.operate(step, current)
        return self.call(step, current), None

    def visible(self, current: Frame | None) -> dict[str, Frame]:
        """The names a step sees."""
        frames = {name: result.frame for name, result in self.inputs.items()}
        return frames if current is None else {**frames, "current": current}

    def operate(self, step: OperationStep, current: Frame | None) -> tuple[Frame, str | None]:
        if current is None:
            raise OdibiError(
                f"operation {step.name!r} needs one input; give the node one depends_on, or a SQL step before it"
            )
        return self.engine.operate(step.operation, step.params, current)

    def call(self, step: FunctionStep, current: Frame | None) -> Frame:
        context = Context(self.engine, {name: result.frame for name, result in self.inputs.items()})
        return self.engine.call(step.function, context, current, step.params)

    def finish(self, frame: Frame) -> Result:
        self.record.columns_in = {name: _columns(result.frame) for name, result in self.inputs.items()}
        target = self.node.target if self.job.write else None
        if target is not None:
            metadata = {**target.metadata, **self.job.metadata, "node": self.node.name}
            target = replace(target, metadata=metadata, reused=bool(self.job.users))
            with self.at("write", str(self.node.position)):
                report = self.engine.save(frame, target, self.node.checks)
            self.note_write(report)
            frame, self.trail, self.repeatable, self.is_stop = report.frame, (), True, True
        elif self.node.checks.items:
            frame = self.check(frame)
        elif self.must_keep(frame):
            frame = self.keep(frame)
        elif not self.job.users and self.engine.is_lazy(frame):
            frame = self.computed(frame)
        self.describe(frame)
        return Result(frame, self.trail, self.repeatable)

    def must_keep(self, frame: Frame) -> bool:
        """Whether the result is kept here: for more than one user, or for one that might compute it twice where
        another computation could give other rows."""
        if not self.engine.is_lazy(frame):
            return False
        users = self.job.users
        if self.node.cache:
            return True
        if len(users) != 1:
            return bool(users) and not (self.engine.defers and self.repeatable)
        return not self.repeatable and not computes_once(users[0], self.node.name)

    def keep(self, frame: Frame) -> Frame:
        with self.at(self.last_step(), str(self.node.position)):
            kept = self.engine.keep(frame, self.repeatable)
        self.trail, self.repeatable, self.is_stop = (), True, True
        return kept

    def computed(self, frame: Frame) -> Frame:
        """The result of a node that nobody uses, computed all the same: what is wrong in it must show."""
        with self.at(self.last_step(), str(self.node.position)):
            done = self.engine.compute(frame)
        self.trail, self.repeatable, self.is_stop = (), True, True
        return done

    def check(self, frame: Frame) -> Frame:
        if self.engine.is_lazy(frame) and (self.must_keep(frame) or not self.engine.defers):
            frame = self.keep(frame)
        self.is_stop = True
        with self.at("validation", str(self.node.position)):
            results = self.engine.check(frame, self.node.checks)
            self.note_checks(results)
            raise_for_checks(results, self.node.checks.on_fail)
        return frame

    def last_step(self) -> str:
        return f"steps[{len(self.node.steps) - 1}]" if self.node.steps else "read"

    # -- the record ----------------------------------------------------------------------------------------------------

    def note_checks(self, results: tuple[CheckResult, ...]) -> None:
        self.record.checks = tuple(_check_record(result, self.node.checks.on_fail) for result in results)
        if self.node.checks.on_fail == "warn":
            failed = [result for result in results if not result.passed]
            self.record.warnings += [scrub(f"check {each.name} does not hold: {each.message}") for each in failed]

    def note_write(self, report: WriteReport) -> None:
        target = self.node.target
        assert target is not None
        self.note_checks(report.checks)
        self.record.warnings += map(scrub, report.warnings)
        self.record.write = WriteRecord(
            place=_place(target),
            format=target.format,
            mode=target.mode,
            written=report.written,
            rows=report.rows,
            files=report.files,
            bytes=report.bytes,
            partition_by=target.partition_by,
            partitions=report.partitions,
            version_before=report.version_before,
            version_after=report.version_after,
            schema_changes=report.schema_changes,
        )

    def describe(self, frame: Frame) -> None:
        self.record.columns = _columns(frame)
        written = self.record.write.rows if self.record.write and self.record.write.written else None
        self.record.rows = frame.rows if frame.rows is not None else written
        self.record.streamed = self.record.rows is None and self.engine.is_lazy(frame)
        if self.job.sample_rows and self.is_stop:
            self.record.sample = self.engine.sample(frame, self.job.sample_rows)

    # -- errors --------------------------------------------------------------------------------------------------------

    @contextmanager
    def at(self, stage: str, position: str, step: Step | None = None) -> Iterator[None]:
        """Turn what is raised inside into the node's error, with pipeline, node, step, place and input."""
        try:
            yield
        except CheckFailed as error:
            self.note_checks(error.results)  # type: ignore[arg-type]
            raise self.error(error, stage, position) from error
        except NodeError:
            raise
        except Exception as error:
            if self.engine.is_interrupt(error):
                raise KeyboardInterrupt from error
            offset = error.offset if isinstance(error, SqlError) else None
            place = str(step.place(offset)) if step is not None else position
            found = self.culprit(stage) if offset is None and _of_rows(error) else None
            if found is not None:
                raise self.error(error, found.step, found.position or place, found.node) from error
            raise self.error(error, stage, place) from error

    def culprit(self, stage: str) -> Stage | None:
        """The first stage of the lazy trail that can not be computed: the failing query was made of all of them."""
        if stage == "read":
            return None
        return next((item for item in self.trail if not self.engine.probe(item.frame)), None)

    def error(self, cause: BaseException, stage: str, position: str, node: str = "") -> NodeError:
        kind = STAGE_ERRORS.get(stage, TransformError)
        message = str(cause) if isinstance(cause, OdibiError) else f"{type(cause).__name__}: {cause}"
        elsewhere = bool(node) and node != self.node.name
        if elsewhere:
            message = f"in node {node!r}, whose rows are computed here: {message}"
        given = "" if elsewhere else self.input_text()
        text = f"{message}\ninput: {given}" if given and kind is TransformError else message
        return kind(text, pipeline=self.node.pipeline, node=self.node.name, step=stage, position=position)

    def input_text(self) -> str:
        """What the input looked like: columns, types, and rows where they are known."""
        return "; ".join(
            f"{name} ({', '.join(f'{c.name} {c.type_name}' for c in result.frame.columns[:20])}"
            f"{', …' if len(result.frame.columns) > 20 else ''})"
            f"{f', {result.frame.rows:,} rows' if result.frame.rows is not None else ''}"
            for name, result in self.inputs.items()
        )


def computes_once(user: Node, name: str) -> bool:
    """True where a node of SQL steps is sure to compute the result of node `name` once, as it names it once.

    What a query names twice may be planned with two computations, and so may what WITH defines.
    """
    if not all(step.kind == "sql" for step in user.steps):
        return False
    own = re.escape(name.replace('"', '""'))
    alone = user.source is None and len(user.inputs) == 1
    first, *later = [step.text for step in user.steps] or [""]
    return (
        _once(first, f"{own}|current" if alone else own)
        and all(_once(text, "current") for text in later)
        and not any(_mentions(text, own) for text in later)
    )


def _once(text: str, names: str) -> bool:
    return _mentions(text, names) <= 1 and not re.search(r"(?<!\w)with(?!\w)", text, re.IGNORECASE)


def _mentions(text: str, names: str) -> int:
    """How often one of `names` (a pattern) stands in a query where it may be a table: not as the `t` of `t.column`."""
    return len(re.findall(rf'(?<!\w)(?:{names})(?!\w)(?!["`]?\s*\.)', text, re.IGNORECASE))


def _of_rows(error: Exception) -> bool:
    """True for an error that computing rows may raise. Types that do not fit and failures of a user's function are told
    without: looking for the stage at fault computes the rows again."""
    return isinstance(error, DataError) and not isinstance(error, SchemaMismatchError)


_JVM_FRAMES = re.compile(r"(?:^\s+(?:at [\w$.<>/@-]+\(.*\)|\.\.\. \d+ more) *\n?)+", re.MULTILINE)
_PLAN = re.compile(r"^.*\n(?:[ :]*(?:\+-|:-) .*\n?)+", re.MULTILINE)
"""A tree of Spark's: it holds the plans of all nodes that this one rests on."""


def short_trace(text: str) -> str:
    """A traceback without the places in the code of a JVM, of which there are hundreds, and without the plan, which has
    as many lines as a pipeline has steps; the log has them at DEBUG.

    >>> print(short_trace("Py4JJavaError: x\\n\\tat a.B.c(B.scala:1)\\n\\t... 9 more\\nCaused by: d.E: y"))
    Py4JJavaError: x
        … (places in the JVM: with --log-level DEBUG)
    Caused by: d.E: y
    >>> print(short_trace("AnalysisException: no x;\\n'Project ['x]\\n+- Join\\n   :- Range\\n   +- Range\\nend"))
    AnalysisException: no x;
        … (the plan: with --log-level DEBUG)
    end
    """
    without_plan = _PLAN.sub("    … (the plan: with --log-level DEBUG)\n", text)
    return _JVM_FRAMES.sub("    … (places in the JVM: with --log-level DEBUG)\n", without_plan)


def error_record(error: NodeError) -> ErrorRecord:
    """The plain record of a node's failure, without secrets."""
    import traceback

    cause = error.__cause__
    bug = isinstance(cause, BUGS) and not isinstance(cause, OdibiError)  # ours are built-ins too
    trace = short_trace("".join(traceback.format_exception(cause))) if cause is not None else ""
    return ErrorRecord(
        type=type(error).__name__,
        message=scrub(str(error)),
        step=error.step,
        position=error.position,
        cause="bug" if bug else type(cause).__name__ if cause is not None else "",
        traceback=scrub(trace),
    )


def _check_record(result: CheckResult, on_fail: str) -> CheckRecord:
    status = "passed" if result.passed else ("failed" if on_fail == "fail" else "warned")
    return CheckRecord(
        result.name, status, result.failing_rows, result.total_rows, scrub(result.message), tuple(result.examples)
    )


def _columns(frame: Frame) -> tuple[ColumnRecord, ...]:
    return tuple(ColumnRecord(column.name, column.type_name) for column in frame.columns)


def _place(end: Any) -> str:
    return (
        f"{end.connection.name}:{end.table or end.path}" if end.connection.name else end.connection.get_path(end.path)
    )
