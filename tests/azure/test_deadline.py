"""Work ends in time, whatever it waits for; what many ask for at once is done once."""

from __future__ import annotations

import contextvars
import threading
import time
from concurrent.futures import Future

import pytest

from odibi.azure.deadline import Flights, OutOfTime, Progress, at_work, begin, doing, noted, outcome, within


def test_the_result_and_the_error_of_work() -> None:
    assert within(5, lambda: 42) == 42
    with pytest.raises(ZeroDivisionError):
        within(5, lambda: 1 / 0)


def test_a_time_out_of_the_work_itself_is_its_own() -> None:
    def work() -> None:
        raise TimeoutError("of the work")

    with pytest.raises(TimeoutError, match="of the work") as caught:
        within(5, work)
    assert not isinstance(caught.value, OutOfTime)


def test_work_that_hangs_is_left_behind() -> None:
    release = threading.Event()
    began = time.monotonic()
    with pytest.raises(OutOfTime, match="waiting for godot"):
        within(0.2, lambda: (doing("waiting for godot"), release.wait(60)))
    assert time.monotonic() - began < 5
    release.set()


def test_the_thread_is_a_daemon_so_that_the_process_can_end() -> None:
    assert within(5, lambda: threading.current_thread().daemon)


def test_the_context_of_the_caller_holds_in_the_thread() -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")
    variable.set("here")
    assert within(5, variable.get) == "here"


def test_notes_go_to_whoever_follows() -> None:
    progress = Progress()
    assert outcome(begin(lambda: within(5, lambda: noted("odd")), "outer", progress), 5)
    assert progress.notes == ["odd"]
    assert not noted("nobody listens")


def test_what_work_is_at_reaches_the_outer_work() -> None:
    progress = Progress()
    outcome(begin(lambda: within(5, lambda: doing("inner")), "outer", progress), 5)
    assert progress.doing == "inner"


def test_at_work_only_inside() -> None:
    assert within(5, at_work)
    assert not at_work()


def test_many_join_one_flight() -> None:
    flights: Flights[int] = Flights(30)
    started, release = [], threading.Event()

    def work() -> int:
        started.append(1)
        release.wait(30)
        return 7

    futures: list[Future[int]] = [flights.join("key", work, "flight") for _ in range(20)]
    release.set()
    assert {outcome(future, 5) for future in futures} == {7}
    assert len(started) == 1


def test_a_flight_that_hangs_does_not_hold_up_those_who_come_later() -> None:
    flights: Flights[str] = Flights(0.1)
    release = threading.Event()
    flights.join("key", lambda: str(release.wait(60)), "hangs")
    time.sleep(0.2)
    assert outcome(flights.join("key", lambda: "anew", "anew"), 5) == "anew"
    release.set()


def test_a_flight_that_ended_is_not_joined() -> None:
    flights: Flights[int] = Flights(30)
    assert outcome(flights.join("key", lambda: 1, "first"), 5) == 1
    assert outcome(flights.join("key", lambda: 2, "second"), 5) == 2
