"""A run: order, parallelism, failures, retries, selection, interrupts, and what is computed how often."""

from __future__ import annotations

import gc
import json
import sys
import threading
import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar, Literal

import pytest

from odibi.connections import CONNECTIONS, LocalConnection
from odibi.connections.base import Location
from odibi.context import PandasContext
from odibi.engine import PandasEngine
from odibi.engine.base import NO_CHECKS
from odibi.errors import UnknownNameError, UnsupportedError
from odibi.events import EngineStarting, NodeFinished, NodeRetried, NodeStarted, RunStarted
from odibi.model import Model
from odibi.testing import TestRun, project, run_project
from odibi.transforms import transform

LAKE = "connections: {lake: {type: local, base_path: lake}}\n"


def pipelines(*nodes: str, head: str = "") -> str:
    """A project of one pipeline; nodes in flow style."""
    return f"{head}{LAKE}pipelines:\n  - pipeline: p\n    nodes:\n" + "".join(f"      - {{{node}}}\n" for node in nodes)


def sql(name: str, text: str, *needs: str, write: str = "", more: str = "") -> str:
    parts = [f"name: {name}", f"transform: {{steps: [{json.dumps(text)}]}}"]
    parts += [f"depends_on: [{', '.join(needs)}]"] if needs else []
    parts += [f"write: {{connection: lake, path: {write}}}"] if write else []
    return ", ".join([*parts, *([more] if more else [])])


def call(name: str, function: str, *needs: str, write: str = "") -> str:
    return sql(name, "X", *needs, write=write).replace('["X"]', f"[{{function: {function}}}]")


FUNCTIONS = """
import threading, time
import pandas as pd
from odibi import transform

barrier = threading.Barrier(2, timeout=20)
lock = threading.Lock()
running, most, calls = 0, 0, []

@transform
def meet(context):
    barrier.wait()
    return pd.DataFrame({"id": [1]})

@transform
def count(context):
    global running, most
    with lock:
        running += 1
        most = max(most, running)
    time.sleep(0.02)
    with lock:
        running -= 1
    return pd.DataFrame({"most": [most]})

@transform
def once(context):
    calls.append(1)
    return pd.DataFrame({"calls": [len(calls)], "at": [time.perf_counter()]})

@transform
def fail(context):
    raise ValueError("no")
"""
WITH_FUNCTIONS = {"functions.py": FUNCTIONS}
HEAD = "transforms: [functions.py]\n"


def statuses(run: TestRun) -> dict[str, str]:
    return {name: record.status for each in run.result.values() for name, record in each.nodes.items()}


# -- order and parallelism ---------------------------------------------------------------------------------------------


def test_nodes_that_need_nothing_of_each_other_overlap() -> None:
    text = pipelines(call("a", "meet", write="a"), call("b", "meet", write="b"), head=HEAD)
    assert run_project(text, WITH_FUNCTIONS, workers=2).status == "completed"


@pytest.mark.parametrize("workers", [1, 2])
def test_no_more_nodes_at_once_than_workers(workers: int) -> None:
    nodes = [call(f"n{number}", "count", write=f"n{number}.csv") for number in range(6)]
    run = run_project(pipelines(*nodes, head=HEAD), WITH_FUNCTIONS, workers=workers)
    most = max(row["most"] for number in range(6) for row in run.rows("lake", f"n{number}.csv"))
    assert most <= workers


def test_a_node_starts_after_all_it_needs() -> None:
    events: list[Any] = []
    text = pipelines(
        sql("d", "SELECT * FROM b UNION ALL SELECT * FROM c", "b", "c", write="d"),
        sql("b", "SELECT * FROM a", "a"),
        sql("c", "SELECT * FROM a", "a"),
        sql("a", "SELECT 1 AS id"),
    )
    run = project(text).run(observers=[events.append])
    assert run.ok
    order = [(type(event), getattr(event, "node", "") or event.record.name) for event in events
             if isinstance(event, NodeStarted | NodeFinished)]  # fmt: skip
    for early, late in ("ab", "ac", "bd", "cd"):
        assert order.index((NodeFinished, early)) < order.index((NodeStarted, late))
    assert list(run.result["p"].nodes) == ["d", "b", "c", "a"], "records are in file order"


def test_a_failure_skips_what_depends_on_it_and_nothing_else() -> None:
    run = run_project(
        pipelines(
            call("bad", "fail"),
            sql("child", "SELECT * FROM bad", "bad"),
            sql("grandchild", "SELECT * FROM child", "child", write="never"),
            sql("good", "SELECT 1 AS id", write="good"),
            sql("after", "SELECT * FROM good", "good", write="after"),
            head=HEAD,
        ),
        WITH_FUNCTIONS,
    )
    expected = {"bad": "failed", "child": "skipped", "grandchild": "skipped", "good": "completed", "after": "completed"}
    assert statuses(run) == expected
    assert run.node("grandchild").reason == "node 'bad', which it depends on, failed"
    assert run.result.exit_code == 1
    assert not (run.folder / "lake/never").exists()
    assert run.rows("lake", "after") == [{"id": 1}]


def test_a_failed_pipeline_skips_those_that_read_its_targets() -> None:
    text = f"""{HEAD}{LAKE}
pipelines:
  - pipeline: first
    nodes: [{{{call("a", "fail", write="a")}}}]
  - pipeline: second
    nodes:
      - {{name: b, read: {{connection: lake, path: a}}, write: {{connection: lake, path: b}}}}
  - pipeline: third
    nodes:
      - {{name: c, read: {{connection: lake, path: b}}, write: {{connection: lake, path: c}}}}
  - pipeline: other
    nodes: [{{{sql("d", "SELECT 1 AS id", write="d")}}}]
"""
    run = run_project(text, WITH_FUNCTIONS)
    assert {name: each.status for name, each in run.result.items()} == {
        "first": "failed",
        "second": "skipped",
        "third": "skipped",
        "other": "completed",
    }
    assert run.result["second"].reason == "pipeline 'first', whose target it reads, did not complete"
    assert run.story("second")["pipeline"]["status"] == "skipped", "a skipped pipeline has a story too"


# -- selection ---------------------------------------------------------------------------------------------------------

CHAIN = pipelines(
    sql("a", "SELECT 1 AS id", write="a"),
    sql("b", "SELECT id + 1 AS id FROM a", "a", write="b"),
    sql("c", "SELECT id + 1 AS id FROM b", "b", write="c"),
    sql("other", "SELECT 1 AS id", write="other"),
)


def test_of_named_nodes_only_these_write() -> None:
    run = run_project(CHAIN, nodes=["b"])
    assert statuses(run) == {"a": "completed", "b": "completed"}
    assert sorted(path.name for path in (run.folder / "lake").iterdir()) == ["b"]
    assert run.rows("lake", "b") == [{"id": 2}]


@pytest.mark.parametrize(("pipeline", "nodes"), [("q", ()), (None, ("z",)), (["p", "pp"], ())])
def test_unknown_names_run_nothing(pipeline: Any, nodes: tuple[str, ...]) -> None:
    made = project(CHAIN)
    with pytest.raises(UnknownNameError, match="known: "):
        made.run(pipeline, nodes=nodes)
    assert not (made.folder / "lake").exists()


# -- retries -----------------------------------------------------------------------------------------------------------


class Flaky(LocalConnection):
    """A local folder that can not be reached for a while."""

    type_name: ClassVar[str] = "flaky"

    class Settings(Model):
        type: Literal["flaky"]
        base_path: str

    failures: ClassVar[list[BaseException]] = []

    def location(self, relative: str) -> Location:
        if Flaky.failures:
            raise Flaky.failures.pop()
        return super().location(relative)


@pytest.fixture
def flaky() -> Iterator[list[BaseException]]:
    CONNECTIONS.add("flaky", Flaky)
    Flaky.failures.clear()
    yield Flaky.failures
    CONNECTIONS.remove("flaky")
    Flaky.failures.clear()


def flaky_project(attempts: int = 3, more: str = "") -> str:
    return f"""
retry: {{max_attempts: {attempts}, backoff: constant, backoff_seconds: 0.01{more}}}
connections: {{far: {{type: flaky, base_path: far}}, lake: {{type: local, base_path: lake}}}}
story: {{connection: lake, path: stories}}
pipelines:
  - pipeline: p
    nodes:
      - {{name: a, read: {{connection: far, path: a.csv}}, write: {{connection: lake, path: a}}}}
"""


FAR = {"far/a.csv": "id\n1\n"}


def test_a_transient_error_is_tried_again(flaky: list[BaseException]) -> None:
    flaky += [ConnectionResetError("reset"), TimeoutError("slow")]
    retried: list[NodeRetried] = []
    run = project(flaky_project(), FAR).run(
        observers=[lambda event: retried.append(event) if isinstance(event, NodeRetried) else None]
    )
    assert run.ok
    assert run.node("a").retries == 2
    assert [event.attempt for event in retried] == [1, 2]
    assert len([text for text in run.node("a").warnings if "tried again" in text]) == 2
    assert run.story()["nodes"][0]["retries"] == 2


def test_a_retry_names_what_a_function_raised() -> None:
    raised = [ConnectionResetError("reset")]

    def dial(context: Any, current: Any) -> Any:
        if raised:
            raise raised.pop()
        return current

    transform(dial)
    text = """
        retry: {backoff_seconds: 0.01}
        pipelines: [{pipeline: p, nodes: [{name: a, transform: {steps: [SELECT 1 AS x, function: dial]}}]}]
    """
    (warning,) = project(text).run().node("a").warnings
    assert warning.startswith("attempt 1 failed (ConnectionResetError), tried again")


def test_attempts_end(flaky: list[BaseException]) -> None:
    flaky += [ConnectionResetError("reset")] * 5
    run = run_project(flaky_project(attempts=3), FAR)
    assert (run.status, run.node("a").retries, len(flaky)) == ("failed", 2, 2)


@pytest.mark.parametrize("error", [PermissionError(13, "no"), ValueError("no"), FileNotFoundError(2, "no")])
def test_other_errors_are_not_tried_again(flaky: list[BaseException], error: Exception) -> None:
    flaky.append(error)
    run = run_project(flaky_project(), FAR)
    assert (run.status, run.node("a").retries) == ("failed", 0)


def test_retries_can_be_switched_off(flaky: list[BaseException]) -> None:
    flaky.append(ConnectionResetError("reset"))
    assert run_project(flaky_project(more=", enabled: false"), FAR).status == "failed"


# -- interrupts --------------------------------------------------------------------------------------------------------

INTERRUPT = """
import signal, threading, time
from odibi import transform

@transform
def interrupt(context):
    time.sleep(0.3)
    signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
    time.sleep(0.1)
    return context.get("small")
"""


@pytest.mark.skipif(not hasattr(__import__("signal"), "pthread_kill"), reason="Windows sends no signals to threads")
def test_an_interrupt_stops_a_query_cleanly() -> None:
    text = pipelines(
        sql("small", "SELECT 1 AS id", write="small"),
        sql("endless", "SELECT sum(hash(a.range + b.range)) AS n FROM range(100000000) a, range(1000000) b", write="t"),
        sql("next", "SELECT * FROM endless", "endless", write="u"),
        call("stop", "interrupt", "small", write="v"),
        head=HEAD,
    )
    made = project(text, {"functions.py": INTERRUPT, "lake/t": [{"n": 1}]})
    before = {path: path.read_bytes() for path in (made.folder / "lake/t").rglob("*") if path.is_file()}
    try:
        run = made.run(workers=2)
    except KeyboardInterrupt:  # it must not end the test session
        pytest.fail("the interrupt got out of the run")
    assert (run.status, run.result.exit_code) == ("interrupted", 130)
    assert statuses(run)["small"] == "completed"
    assert statuses(run)["endless"] == statuses(run)["next"] == "interrupted"
    assert run.story()["pipeline"]["status"] == "interrupted"
    assert {path: path.read_bytes() for path in (made.folder / "lake/t").rglob("*") if path.is_file()} == before
    assert not list((made.folder / "lake").rglob(".odibi-*")), "no half-written output"


@pytest.mark.skipif(not hasattr(__import__("signal"), "pthread_kill"), reason="Windows sends no signals to threads")
def test_an_interrupt_just_before_a_query_starts_stops_it_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """DuckDB forgets it when the query starts: here the first one is lost on purpose."""
    from odibi.engine import PandasEngine

    calls: list[int] = []
    heard = PandasEngine.interrupt

    def interrupt(engine: PandasEngine) -> None:
        calls.append(1)
        if len(calls) > 1:
            heard(engine)

    monkeypatch.setattr(PandasEngine, "interrupt", interrupt)
    text = pipelines(
        sql("small", "SELECT 1 AS id", write="small"),
        sql("endless", "SELECT sum(hash(a.range + b.range)) AS n FROM range(100000000) a, range(1000000) b", write="t"),
        call("stop", "interrupt", "small", write="v"),
        head=HEAD,
    )
    run = project(text, {"functions.py": INTERRUPT}).run(workers=2)
    assert run.status == "interrupted"
    assert statuses(run)["endless"] == "interrupted"


# -- errors ------------------------------------------------------------------------------------------------------------


def test_an_error_in_a_lazy_node_is_told_with_its_own_place() -> None:
    text = f"""{LAKE}
pipelines:
  - pipeline: p
    nodes:
      - name: load
        read: {{connection: lake, path: in.csv}}
      - name: parse
        depends_on: [load]
        transform:
          steps:
            - SELECT * FROM load
            - SELECT CAST(name AS INT) AS id FROM current
      - name: save
        depends_on: [parse]
        transform: {{steps: [SELECT id + 1 AS id FROM parse]}}
        write: {{connection: lake, path: out}}
"""
    run = run_project(text, {"lake/in.csv": "name\n1\nx\n"})
    error = run.node("save").error
    assert error is not None
    assert "in node 'parse', whose rows are computed here" in error.message
    assert "'x' is not INTEGER" in error.message
    assert (error.step, error.position.rpartition("odibi.yaml")[2]) == ("steps[1]", ":13:15")


def test_a_type_that_does_not_fit_is_told_without_computing_anything() -> None:
    engine = Counting()
    text = pipelines(sql("a", "SELECT 'x' AS id, random() AS r", write="a, mode: append"))
    run = project(text, {"lake/a": [{"id": 1}]}).run(engine=engine)
    engine.close()
    assert "the table's column is bigint" in run.errors["a"]
    assert engine.calls["probe"] == engine.calls["keep"] == 0


# -- an engine that must be started ------------------------------------------------------------------------------------


class Started(PandasEngine):
    """An engine that needs something started, and may not get it."""

    lacks = ""
    was_started = False

    def starting(self) -> str:
        return "the motor"

    def start(self) -> None:
        if self.lacks:
            raise UnsupportedError(self.lacks)
        self.was_started = True


def test_an_engine_is_started_before_the_first_node() -> None:
    seen: list[Any] = []
    engine = Started()
    made = project(pipelines(sql("a", "SELECT 1 AS id"))).load()
    made.run(engine=engine, observers=[seen.append]).raise_for_failure()
    engine.close()
    assert engine.was_started
    assert [type(event) for event in seen[:2]] == [EngineStarting, RunStarted]
    assert seen[0].what == "the motor"


def test_an_engine_that_can_not_be_started_is_told_once() -> None:
    """No node runs; the stories say why, and the error where they are."""
    seen: list[Any] = []
    engine = Started()
    engine.lacks = "there is no fuel; fill the tank"
    made = project(pipelines(sql("a", "SELECT 1 AS id"), sql("b", "SELECT 2 AS id"))).load()
    with pytest.raises(UnsupportedError, match="no fuel") as caught:
        made.run(engine=engine, observers=[seen.append])
    engine.close()
    assert not any(isinstance(event, NodeStarted) for event in seen)
    story = json.loads(Path(caught.value.stories["p"]).with_name("story.json").read_text(encoding="utf-8"))
    assert story["pipeline"]["reason"] == engine.lacks
    assert {node["status"] for node in story["nodes"]} == {"skipped"}


# -- what is computed how often ----------------------------------------------------------------------------------------


class Counting(PandasEngine):
    """The engine, with a count of what it was asked."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.calls: Counter[str] = Counter()
        for verb in ("scan", "query", "keep", "probe", "save", "check", "sample", "call", "collect"):
            setattr(self, verb, self.counted(verb, getattr(self, verb)))

    def counted(self, verb: str, method: Callable[..., Any]) -> Callable[..., Any]:
        def count(*args: Any, **kwargs: Any) -> Any:
            self.calls[verb] += 1
            return method(*args, **kwargs)

        return count


@pytest.mark.parametrize("more", ["", "cache: true"])
def test_random_rows_are_the_same_for_all_who_use_them(more: str) -> None:
    run = run_project(
        pipelines(
            sql("dice", "SELECT range AS i, random() AS r FROM range(100)", more=more),
            sql("b", "SELECT * FROM dice", "dice", write="b"),
            sql("c", "SELECT * FROM dice", "dice", write="c"),
            sql("both", "SELECT count(*) AS n FROM b JOIN c USING (i, r)", "b", "c", write="both"),
        )
    ).raise_for_failure()
    assert run.rows("lake", "both") == [{"n": 100}]


@pytest.mark.parametrize(
    "steps",
    [
        ["SELECT count(*) AS n FROM dice AS l JOIN dice AS r USING (i)"],
        ["WITH one AS (SELECT * FROM dice) SELECT count(*) AS n FROM one AS l JOIN one AS r USING (i)"],
        ["SELECT * FROM current", "SELECT count(*) AS n FROM current AS l JOIN dice AS r USING (i)"],
        ["SELECT * FROM dice", "SELECT count(*) AS n FROM current AS l JOIN current AS r USING (i)"],
    ],
)
@pytest.mark.parametrize("between", [False, True])
def test_a_random_choice_of_rows_is_made_once_however_often_it_is_named(steps: list[str], between: bool) -> None:
    nodes = [sql("first", "SELECT i FROM (SELECT range AS i FROM range(10000)) USING SAMPLE 100 ROWS")]
    nodes += [sql("dice", "SELECT i FROM first", "first")] if between else []
    last = sql("n", "X", "dice", write="n").replace('["X"]', json.dumps(steps))
    if not between:
        nodes[0] = nodes[0].replace("name: first", "name: dice")
    assert run_project(pipelines(*nodes, last)).raise_for_failure().rows("lake", "n") == [{"n": 100}]


def test_a_random_choice_of_rows_is_made_once_within_a_node() -> None:
    steps = [
        "SELECT i FROM (SELECT range AS i FROM range(10000)) USING SAMPLE 100 ROWS",
        "SELECT count(*) AS n FROM current AS l JOIN current AS r USING (i)",
    ]
    node = sql("n", "X", write="n").replace('["X"]', json.dumps(steps))
    assert run_project(pipelines(node)).raise_for_failure().rows("lake", "n") == [{"n": 100}]


def test_random_rows_that_are_written_are_those_handed_on() -> None:
    run = run_project(
        pipelines(
            sql("dice", "SELECT range AS i, random() AS r FROM range(100)", write="dice.csv"),
            sql("b", "SELECT * FROM dice", "dice", write="b.parquet"),
        )
    ).raise_for_failure()
    written = {row["i"]: row["r"] for row in run.rows("lake", "dice.csv")}
    assert {row["i"]: row["r"] for row in run.rows("lake", "b.parquet")} == pytest.approx(written)


def test_a_function_is_called_once() -> None:
    run = run_project(
        pipelines(
            call("once", "once"),
            sql("b", "SELECT * FROM once", "once", write="b"),
            sql("c", "SELECT * FROM once", "once", write="c"),
            sql("d", "SELECT * FROM b UNION ALL SELECT * FROM c", "b", "c", write="d"),
            head=HEAD,
        ),
        WITH_FUNCTIONS,
    ).raise_for_failure()
    rows = run.rows("lake", "d")
    assert [row["calls"] for row in rows] == [1, 1]
    assert rows[0]["at"] == rows[1]["at"]


def test_a_chain_of_sql_streams_into_its_table() -> None:
    engine = Counting()
    nodes = [sql("n0", "SELECT range AS i FROM range(10)")]
    nodes += [sql(f"n{k}", f"SELECT i + 1 AS i FROM n{k - 1}", f"n{k - 1}") for k in range(1, 5)]
    nodes += [sql("last", "SELECT * FROM n4", "n4", write="t")]
    project(pipelines(*nodes)).run(engine=engine).raise_for_failure()
    engine.close()
    assert (engine.calls["keep"], engine.calls["save"]) == (0, 1)


class Holding(PandasEngine):
    """The engine, which looks before each write whether what it kept is still held by somebody."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[weakref.ref[Any]] = []
        self.held: dict[str, int] = {}

    def keep(self, frame: Any, repeatable: bool = False) -> Any:
        kept = super().keep(frame, repeatable)
        self.kept.append(weakref.ref(kept))
        return kept

    def save(self, frame: Any, target: Any, checks: Any = NO_CHECKS) -> Any:
        gc.collect()
        self.held[target.path] = sum(each() is not None for each in self.kept)
        return super().save(frame, target, checks)


def test_a_cached_result_is_let_go_of_after_its_last_user() -> None:
    engine = Holding()
    nodes = [
        sql("cached", "SELECT range AS i FROM range(10)", more="cache: true"),
        sql("b", "SELECT * FROM cached", "cached", write="b"),
        sql("beside", "SELECT 1 AS i", write="beside"),
        sql("late", "SELECT b.i FROM b JOIN beside USING (i)", "b", "beside", write="late"),
    ]
    project(pipelines(*nodes)).run(engine=engine).raise_for_failure()
    engine.close()
    assert (engine.held["b"], engine.held["late"]) == (1, 0)


def test_kept_results_go_when_nobody_needs_them() -> None:
    engine = PandasEngine()
    nodes = [sql("n0", "SELECT range AS i, random() AS r FROM range(10)", more="cache: true")]
    nodes += [sql(f"n{k}", f"SELECT i, random() AS r FROM n{k - 1}", f"n{k - 1}", write=f"t{k}") for k in range(1, 4)]
    project(pipelines(*nodes)).run(engine=engine).raise_for_failure()
    tables = engine.execute_sql("SELECT count(*) AS n FROM duckdb_tables()", PandasContext())
    engine.close()
    assert tables["n"].tolist() == [0]


def chain(length: int) -> str:
    nodes = [sql("n0", "SELECT 1 AS i")]
    nodes += [sql(f"n{k}", f"SELECT i + 1 AS i FROM n{k - 1}", f"n{k - 1}") for k in range(1, length)]
    return pipelines(*nodes, sql("last", f"SELECT * FROM n{length - 1}", f"n{length - 1}", write="t"))


def work_of(length: int, folder: Path) -> int:
    """Calls of Python functions that a run of a chain makes, in all threads."""
    made = project(chain(length), folder=folder).load()
    calls = 0

    def profile(frame: Any, event: str, argument: Any) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    threading.setprofile(profile)
    sys.setprofile(profile)
    try:
        result = made.run(workers=1)
    finally:
        sys.setprofile(None)
        threading.setprofile(None)  # type: ignore[arg-type]
    result.raise_for_failure()
    return calls


def test_the_cost_of_a_node_does_not_grow_with_their_number(tmp_path: Path) -> None:
    work_of(3, tmp_path / "warm")  # imports
    small, large = work_of(60, tmp_path / "small"), work_of(240, tmp_path / "large")
    assert large / small < 4.4
