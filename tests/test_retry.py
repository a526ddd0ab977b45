"""Trying again after transient I/O errors only."""

from __future__ import annotations

import errno

import pytest

from odibi.errors import AccessError, DataError
from odibi.retry import RetryPolicy, is_transient, with_retry


def flaky(failures: list[BaseException]):
    def work() -> str:
        if failures:
            raise failures.pop(0)
        return "done"

    return work


@pytest.mark.parametrize(
    "error",
    [ConnectionResetError(), TimeoutError(), OSError(errno.EBUSY, "busy"), OSError(errno.ESTALE, "stale handle")],
)
def test_transient_errors_are_tried_again(error: OSError) -> None:
    waits: list[float] = []
    result = with_retry(
        flaky([error, error]),
        RetryPolicy(3, "exponential", 2.0),
        is_transient,
        lambda _, s, __: waits.append(s) or True,
    )
    assert result == "done"
    assert waits == [2.0, 4.0]


@pytest.mark.parametrize(
    "error", [ValueError(), FileNotFoundError(), PermissionError(), DataError("x"), AccessError("no space")]
)
def test_other_errors_are_raised_at_once(error: Exception) -> None:
    with pytest.raises(type(error)):
        with_retry(flaky([error]), RetryPolicy(3), is_transient, lambda *_: pytest.fail("must not wait"))


def test_attempts_are_bounded() -> None:
    failures: list[BaseException] = [TimeoutError() for _ in range(9)]
    with pytest.raises(TimeoutError):
        with_retry(flaky(failures), RetryPolicy(3, "constant", 0), is_transient, lambda *_: True)
    assert len(failures) == 6


def test_a_cause_counts() -> None:
    error = DataError("could not read")
    error.__cause__ = ConnectionResetError()
    assert is_transient(error)


def test_waits_grow_as_named() -> None:
    assert list(RetryPolicy(4, "linear", 1.5).waits()) == [1.5, 3.0, 4.5]
    assert list(RetryPolicy(4, "constant", 1.5).waits()) == [1.5, 1.5, 1.5]
    assert list(RetryPolicy(1).waits()) == []
