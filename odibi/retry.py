"""Trying again: transient I/O errors only, with a growing pause."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeVar

from odibi.errors import OdibiError

T = TypeVar("T")
TRANSIENT_ERRNO = frozenset(
    getattr(errno, name)
    for name in ("EAGAIN", "EBUSY", "ECONNABORTED", "ECONNREFUSED", "ECONNRESET", "EHOSTUNREACH", "EIO", "ENETDOWN",
                 "ENETRESET", "ENETUNREACH", "EPIPE", "ESTALE", "ETIMEDOUT")
    if hasattr(errno, name)
)  # fmt: skip
"""Errors of the operating system that a moment later may be gone: a busy file, a network share or a peer that went
away."""


@dataclass(frozen=True)
class RetryPolicy:
    """How often (`attempts` counts the first one) and with which pauses, in seconds."""

    attempts: int = 3
    backoff: Literal["exponential", "linear", "constant"] = "exponential"
    seconds: float = 1.0

    def waits(self) -> Iterator[float]:
        """The pauses, one fewer than the attempts."""
        for attempt in range(self.attempts - 1):
            factor = {"exponential": 2.0**attempt, "linear": attempt + 1.0, "constant": 1.0}[self.backoff]
            yield self.seconds * factor


NO_RETRY = RetryPolicy(attempts=1)


def is_transient(error: BaseException | None) -> bool:
    """True for an I/O error that may be gone at the next try; looks through what it was raised from."""
    while error is not None:
        if getattr(error, "transient", False):
            return True
        if isinstance(error, (ConnectionError, TimeoutError)):
            return True
        if isinstance(error, OSError) and not isinstance(error, OdibiError) and error.errno in TRANSIENT_ERRNO:
            return True
        error = error.__cause__
    return False


def with_retry(
    work: Callable[[], T],
    policy: RetryPolicy,
    transient: Callable[[BaseException], bool],
    before_wait: Callable[[int, float, BaseException], bool],
) -> T:
    """Do `work`; after a transient error ask `before_wait(attempt, seconds, error)`, which waits and says whether to
    go on."""
    for attempt, wait in enumerate(policy.waits(), start=1):
        try:
            return work()
        except Exception as error:
            if not transient(error) or not before_wait(attempt, wait, error):
                raise
    return work()
