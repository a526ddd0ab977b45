"""A run: pipelines one after another, their nodes in parallel as soon as they can start."""

from __future__ import annotations

import getpass
import os
import platform
import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from odibi import graph
from odibi._version import __version__
from odibi.credentials import fetch, needy_connections, selected_nodes
from odibi.engine.base import Engine
from odibi.errors import KeyFetchError, NodeError, OdibiError, UnknownNameError
from odibi.events import (
    EngineStarting,
    ErrorRecord,
    Event,
    NodeFinished,
    NodeInfo,
    NodeRecord,
    NodeRetried,
    NodeStarted,
    Observer,
    PipelineFinished,
    PipelineStarted,
    RunFinished,
    RunInfo,
    RunStarted,
    Status,
    StoryWritten,
)
from odibi.node import Job, Result, error_record, new_record, run_node
from odibi.plan import Node, ResolvedPipeline
from odibi.project import Project
from odibi.results import PipelineResult, RunResult
from odibi.retry import NO_RETRY, RetryPolicy, with_retry
from odibi.secrets import scrub

MAX_WORKERS = 4
"""Nodes at once by default: each query uses all cores already, and two big ones at a time need the memory of both."""

WAIT = 0.2
"""Seconds of one wait for a node. Between waits Python sees signals that did not wake it: all of them on Windows, and
elsewhere one that came in the moment before it fell asleep."""


@dataclass(frozen=True)
class RunOptions:
    """What to run and how. `nodes` empty means all; named nodes are run with what they need, but only they write."""

    pipelines: Sequence[str] = ()
    nodes: Sequence[str] = ()
    workers: int | None = None
    retry: RetryPolicy = NO_RETRY
    sample_rows: int = 0

    @property
    def threads(self) -> int:
        """Nodes at once."""
        return max(1, self.workers or min(MAX_WORKERS, os.cpu_count() or 1))


class Stop:
    """Asks a run to end cleanly. Safe to use in a signal handler: unlike KeyboardInterrupt it strikes between two steps
    of the run's own bookkeeping, never inside one, so nothing is lost of the story."""

    def __init__(self) -> None:
        self.requested = False
        self._wake: Callable[[], None] | None = None

    def request(self) -> None:
        """Ask; the run ends as soon as what it does now could be stopped."""
        self.requested = True
        if self._wake is not None:
            self._wake()

    def tell(self, wake: Callable[[], None] | None) -> None:
        """Who is to be woken; one that was asked for before wakes at once."""
        self._wake = wake
        if self.requested and wake is not None:
            wake()


def run_project(
    project: Project,
    engine: Engine,
    options: RunOptions,
    observers: Sequence[Observer] = (),
    recorder: Callable[[Observer, bool], Observer] | None = None,
    stop: Stop | None = None,
) -> RunResult:
    """Run the selected pipelines of a project. `recorder(emit, reachable)` makes the observer that writes the stories;
    their own connection is not `reachable` where it needs a credential that did not come.

    Raises `UnknownNameError` for a pipeline or node that is not there, and, before anything runs, `KeyFetchError` with
    all credentials that could not be fetched, or what the engine could not be started for (`MissingExtraError`, …); the
    stories say so, and the error says where they are.
    Failures of nodes are in the result, not raised. Ctrl-C ends the run cleanly: the result's status is `interrupted`.
    """
    selected = select_pipelines(project, options.pipelines, options.nodes)
    stop = stop or Stop()
    needy = needy_connections(project, selected, options.nodes, story=recorder is not None)
    odd: tuple[str, ...] = ()
    try:
        odd = fetch(needy, lambda: stop.requested)
        _start(engine, observers)
    except OdibiError as error:
        reachable = not isinstance(error, KeyFetchError) or project.story.connection not in error.failed
        told = [partial(_tell_of_stories, observer) for observer in observers]
        refused = _Run(project, engine, options, told, _recorder(recorder, reachable), stop)
        refused.refuse(selected, str(error))
        error.stories = refused.stories
        raise
    except KeyboardInterrupt:
        stop.request()
        reachable = project.story.connection not in needy
        return _Run(project, engine, options, observers, _recorder(recorder, reachable), stop).run(selected)
    return _Run(project, engine, options, observers, _recorder(recorder), stop, odd).run(selected)


def _start(engine: Engine, observers: Sequence[Observer]) -> None:
    what = engine.starting()
    if what:
        for observer in observers:
            observer(EngineStarting(what))
        engine.start()


def _recorder(
    recorder: Callable[[Observer, bool], Observer] | None, reachable: bool = True
) -> Callable[[Observer], Observer] | None:
    return None if recorder is None else lambda emit: recorder(emit, reachable)


def _tell_of_stories(observer: Observer, event: Event) -> None:
    """Of a run that could not start only its stories are news: the error that is raised says the rest."""
    if isinstance(event, StoryWritten):
        observer(event)


def select_pipelines(project: Project, names: Sequence[str], nodes: Sequence[str]) -> list[ResolvedPipeline]:
    """The pipelines to run, in file order. Raises `UnknownNameError` for a name that is not there."""
    by_name = {pipeline.name: pipeline for pipeline in project.pipelines}
    for name in names:
        if name not in by_name:
            raise UnknownNameError("pipeline", name, by_name)
    chosen = [pipeline for pipeline in project.pipelines if not names or pipeline.name in names]
    if not nodes:
        return chosen
    known = {node.name for pipeline in chosen for node in pipeline.nodes}
    for name in nodes:
        if name not in known:
            raise UnknownNameError("node", name, known)
    return [pipeline for pipeline in chosen if any(node.name in nodes for node in pipeline.nodes)]


class _Run:
    """One run of some pipelines."""

    def __init__(
        self,
        project: Project,
        engine: Engine,
        options: RunOptions,
        observers: Sequence[Observer],
        recorder: Callable[[Observer], Observer] | None,
        stop: Stop,
        odd: Sequence[str] = (),
    ) -> None:
        self.warnings = (*project.warnings, *odd)
        self.project, self.engine, self.options, self.stop = project, engine, options, stop
        self.observers = [*([recorder(self.emit)] if recorder else []), *observers]
        self.stories: dict[str, str] = {}
        self.telling = threading.RLock()
        self.versions = {"odibi": __version__, "python": platform.python_version()}
        self.info = run_info(project, engine, options, self.versions)

    def emit(self, event: Event) -> None:
        """Tell every observer; a story's place is taken down for the result."""
        if isinstance(event, StoryWritten) and event.path:
            self.stories[event.pipeline] = event.path
        with self.telling:  # nodes start and are retried in threads of their own; observers see one event at a time
            for observer in self.observers:
                observer(event)

    def run(self, pipelines: Sequence[ResolvedPipeline]) -> RunResult:
        began = time.perf_counter()
        results: dict[str, PipelineResult] = {}
        self.emit(RunStarted(self.info, [pipeline.name for pipeline in pipelines]))
        for pipeline in pipelines:
            stopped = self.stop.requested or any(result.status == "interrupted" for result in results.values())
            broken = [name for name in pipeline.after if name in results and results[name].status != "completed"]
            if stopped or broken:
                reason = (
                    "the run was interrupted"
                    if stopped
                    else f"pipeline {broken[0]!r}, whose target it reads, did not complete"
                )
                results[pipeline.name] = self.skip(pipeline, reason, "interrupted" if stopped else "skipped")
            else:
                results[pipeline.name] = self.run_pipeline(pipeline)
        final = RunResult(results, self.info.run_id)
        self.emit(RunFinished(self.info, final.status, datetime.now(UTC), time.perf_counter() - began))
        return final

    def refuse(self, pipelines: Sequence[ResolvedPipeline], reason: str) -> None:
        """Tell that nothing could run."""
        self.emit(RunStarted(self.info, [pipeline.name for pipeline in pipelines]))
        for pipeline in pipelines:
            self.skip(pipeline, reason, "failed")
        self.emit(RunFinished(self.info, "failed", datetime.now(UTC), 0.0))

    def start(self, pipeline: ResolvedPipeline, nodes: Sequence[Node]) -> None:
        infos = [node_info(node) for node in nodes]
        self.emit(PipelineStarted(pipeline.name, infos, datetime.now(UTC), pipeline.description, pipeline.layer))

    def skip(self, pipeline: ResolvedPipeline, reason: str, status: Status) -> PipelineResult:
        self.start(pipeline, pipeline.nodes)
        because = "the pipeline could not start" if status == "failed" else reason
        records = [
            skipped(node, because, "interrupted" if status == "interrupted" else "skipped") for node in pipeline.nodes
        ]
        for record in records:
            self.emit(NodeFinished(record))
        return self.finish(pipeline, status, 0.0, records, reason)

    def run_pipeline(self, pipeline: ResolvedPipeline) -> PipelineResult:
        began = time.perf_counter()
        nodes = selected_nodes(pipeline, self.options.nodes)
        self.start(pipeline, nodes)
        work = _PipelineRun(self, nodes)
        records = work.run()
        states = {record.status for record in records}
        status: Status = "interrupted" if work.interrupted else "failed" if states - {"completed"} else "completed"
        return self.finish(pipeline, status, time.perf_counter() - began, records, "")

    def finish(
        self, pipeline: ResolvedPipeline, status: Status, duration: float, records: Sequence[NodeRecord], reason: str
    ) -> PipelineResult:
        self.versions.update(self.engine.versions())  # libraries are loaded when first needed
        event = PipelineFinished(pipeline.name, status, datetime.now(UTC), duration, records, self.warnings, reason)
        self.emit(event)
        by_name = {record.name: record for record in records}
        return PipelineResult(
            pipeline.name, status, duration, by_name, self.stories.get(pipeline.name), self.warnings, reason
        )


@dataclass
class _Ended:
    """What a worker reports: the record, and the result or the exception that ended it. `then` is the node that the
    worker goes on with; it has told the observers of this one."""

    node: str
    record: NodeRecord
    result: Result | None = None
    error: BaseException | None = None
    then: Node | None = None


@dataclass
class _PipelineRun:
    """The nodes of one pipeline at work."""

    run_: _Run
    nodes: Sequence[Node]
    interrupted: bool = False
    records: dict[str, NodeRecord] = field(default_factory=dict)
    results: dict[str, Result] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.by_name = {node.name: node for node in self.nodes}
        needs: dict[str, Sequence[str]] = {node.name: node.inputs for node in self.nodes}
        self.users = graph.dependents(needs)
        self.waiting_users = {name: len(users) for name, users in self.users.items()}
        self.progress = graph.Progress(needs)
        self.ended: queue.SimpleQueue[_Ended | None] = queue.SimpleQueue()  # None: the run is to stop
        self.stop = threading.Event()
        self.running = 0

    def run(self) -> list[NodeRecord]:
        """Run until nothing is left; records in file order."""
        with ThreadPoolExecutor(self.run_.options.threads, thread_name_prefix="odibi") as pool:
            try:
                self.run_.stop.tell(partial(self.ended.put, None))
                self.submit(pool, self.progress.ready_at_start())
                while self.running:
                    self.take(pool, self.next())
            except KeyboardInterrupt:
                self.interrupt()
            finally:
                self.run_.stop.tell(None)
        self.give_up(self.progress.open, "the run was interrupted", "interrupted")
        self.results.clear()
        self.run_.engine.collect()
        return [self.records[node.name] for node in self.nodes]

    def next(self) -> _Ended:
        """The next node that ended. Raises `KeyboardInterrupt` when the run is to stop."""
        while True:
            try:
                ended = self.ended.get(timeout=WAIT)
            except queue.Empty:
                continue
            if ended is None:
                raise KeyboardInterrupt
            return ended

    def submit(self, pool: ThreadPoolExecutor, names: Sequence[str]) -> None:
        for name in names:
            self.running += 1
            pool.submit(self.work, self.by_name[name])

    def take(self, pool: ThreadPoolExecutor, ended: _Ended) -> None:
        """Act on a node that ended: start what became ready, give up what depended on a failure."""
        self.running -= 1
        if isinstance(ended.error, KeyboardInterrupt):
            raise ended.error
        if ended.then is None:
            self.note(ended)
        self.let_go(ended.node)
        if ended.result is not None:
            self.results[ended.node] = ended.result
            ready = self.progress.completed(ended.node)
            self.running += ended.then is not None
            self.submit(pool, [name for name in ready if ended.then is None or name != ended.then.name])
        else:
            reason = f"node {ended.node!r}, which it depends on, failed"
            self.give_up(self.progress.failed(ended.node), reason, "skipped")

    def note(self, ended: _Ended) -> None:
        self.records[ended.node] = ended.record
        self.run_.emit(NodeFinished(ended.record))

    def let_go(self, name: str) -> None:
        """Drop results that no later node uses, so that their memory is free at once."""
        for need in set(self.by_name[name].inputs):
            self.waiting_users[need] -= 1
            if self.waiting_users[need] == 0:
                self.results.pop(need, None)
        self.run_.engine.collect()

    def interrupt(self) -> None:
        """Stop what runs, wait for it, and keep what it did before it was stopped."""
        self.interrupted = True
        self.stop.set()
        self.run_.engine.interrupt()
        while self.running:
            try:
                ended = self.ended.get(timeout=WAIT)
            except queue.Empty:
                self.run_.engine.interrupt()  # again: a query that was just about to start did not hear it
                continue
            if ended is None:
                continue  # asked again; what runs is being stopped
            self.running -= ended.then is None
            if ended.error is not None:
                ended.record.status = "interrupted"
                ended.record.reason = "the run was interrupted"
                ended.record.error = None
            self.progress.open.discard(ended.node)
            if ended.then is None:
                self.note(ended)

    def give_up(self, names: Sequence[str] | set[str], reason: str, status: Status) -> None:
        for node in self.nodes:
            if node.name in names and node.name not in self.records:
                record = skipped(node, reason, status)
                self.records[node.name] = record
                self.run_.emit(NodeFinished(record))

    # -- in a worker thread --------------------------------------------------------------------------------------------

    def work(self, node: Node) -> None:
        """Run a node, and then whatever waits for it alone: a chain costs no hand-over between threads."""
        inputs = {name: self.results[name] for name in node.inputs}
        then: Node | None = node
        while then is not None:
            ended = self.execute(then, inputs)
            then = ended.then
            if ended.result is not None:
                inputs = {ended.node: ended.result}
            self.ended.put(ended)

    def execute(self, node: Node, inputs: Mapping[str, Result]) -> _Ended:
        record = new_record(node)
        began = time.perf_counter()
        try:
            if self.stop.is_set():
                raise KeyboardInterrupt
            self.run_.emit(NodeStarted(node.pipeline, node.name, record.started or datetime.now(UTC)))
            result = self.attempt(node, inputs, record)
            record.duration = time.perf_counter() - began
            ended = _Ended(node.name, record, result, then=self.sole_user(node))
            if ended.then is not None:
                self.note(ended)
            return ended
        except NodeError as error:
            record.status, record.error = "failed", error_record(error)
            ended = _Ended(node.name, record, error=error)
        except BaseException as error:  # noqa: BLE001 - a bug of ours must end the run with a report, not hang it
            record.status, record.error = "failed", bug_record(error)
            ended = _Ended(node.name, record, error=error)
        record.duration = time.perf_counter() - began
        return ended

    def sole_user(self, node: Node) -> Node | None:
        """The node that uses this one's result and nothing else, if it is the only one that uses it."""
        users = [self.by_name[name] for name in self.users[node.name]]
        return users[0] if len(users) == 1 and set(users[0].inputs) == {node.name} else None

    def attempt(self, node: Node, inputs: Mapping[str, Result], record: NodeRecord) -> Result:
        """Run the node, again after transient errors."""
        options = self.run_.options
        job = Job(
            node=node,
            users=[self.by_name[user] for user in self.users[node.name]],
            write=not options.nodes or node.name in options.nodes,
            sample_rows=options.sample_rows,
            metadata={"project": self.run_.project.name, "pipeline": node.pipeline, "run_id": self.run_.info.run_id},
        )

        def before_wait(attempt: int, wait: float, error: BaseException) -> bool:
            record.retries = attempt
            record.warnings.append(
                f"attempt {attempt} failed ({type(_origin(error)).__name__}), tried again after {wait:g} s"
            )
            self.run_.emit(NodeRetried(node.pipeline, node.name, attempt, wait, scrub(str(error))))
            return not self.stop.wait(wait)

        return with_retry(
            lambda: run_node(job, inputs, self.run_.engine, record),
            options.retry,
            self.run_.engine.is_transient,
            before_wait,
        )


def _origin(error: BaseException) -> BaseException:
    """What an error was first raised from."""
    while error.__cause__ is not None:
        error = error.__cause__
    return error


def skipped(node: Node, reason: str, status: Status) -> NodeRecord:
    """The record of a node that did not run."""
    return replace(new_record(node), status=status, reason=reason, started=None)


def bug_record(error: BaseException) -> ErrorRecord:
    """The record of an error that odibi did not expect."""
    import traceback

    return ErrorRecord(
        type=type(error).__name__,
        message=scrub(f"{type(error).__name__}: {error}"),
        cause="bug",
        traceback=scrub("".join(traceback.format_exception(error))),
    )


def node_info(node: Node) -> NodeInfo:
    """A node as the graph shows it."""
    source = f"{node.source.connection.name}:{node.source.path}" if node.source else ""
    target = f"{node.target.connection.name}:{node.target.path}" if node.target else ""
    return NodeInfo(node.name, node.inputs, node.kinds, node.description, source, target)


def run_info(project: Project, engine: Engine, options: RunOptions, versions: Mapping[str, str]) -> RunInfo:
    """Who, where, when and with what."""
    return RunInfo(
        run_id=os.urandom(4).hex(),
        started=datetime.now(UTC),
        project=project.name,
        file=project.file.name,
        engine=engine.name,
        description=project.description or "",
        version=project.version or "",
        owner=project.owner or "",
        sql_dialect=project.sql_dialect,
        versions=versions,
        user=_user(),
        host=platform.node(),
        git_commit=git_commit(project.file.parent),
        selection=tuple(options.nodes),
    )


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # a container's user may have no name; Windows has no pwd module
        return ""


def git_commit(folder: Path) -> str:
    """The commit checked out around `folder`, read from git's files (a subprocess would cost more than a small run)."""
    for parent in (folder, *folder.parents):
        git = parent / ".git"
        if git.is_dir():
            return _head(git)
    return ""


def _head(git: Path) -> str:
    try:
        head = (git / "HEAD").read_text(encoding="utf-8").strip()
        if not head.startswith("ref: "):
            return head
        ref = head.removeprefix("ref: ")
        loose = git / ref
        if loose.is_file():
            return loose.read_text(encoding="utf-8").strip()
        packed = (git / "packed-refs").read_text(encoding="utf-8").splitlines()
        return next((line.split()[0] for line in packed if line.endswith(" " + ref)), "")
    except OSError:
        return ""
