"""Fetching the credentials of many connections at once: each distinct one once, each in time, all failures together."""

from __future__ import annotations

import time
import warnings
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field

from odibi.azure.deadline import SLICE, Progress, begin
from odibi.azure.keyvault import TIMEOUT, KeyVaultFetchResult
from odibi.connections.base import BaseConnection
from odibi.errors import KeyFetchError, KeyFetchTimeout
from odibi.location import Need

MAX_WORKERS = 50
GRACE = 1.0
"""Seconds that a fetch may take beyond its time-out, which it keeps by itself; then it is left behind."""


@dataclass(frozen=True)
class Outcome:
    """A credential or why there is none, how long that took, and what is odd about it."""

    value: str | KeyFetchError = field(repr=False)
    seconds: float
    notes: tuple[str, ...] = ()


def prefetch(
    connections: Mapping[str, BaseConnection],
    max_workers: int | None = None,
    timeout: float = TIMEOUT,
    *,
    warn: bool = True,
) -> dict[str, KeyVaultFetchResult]:
    """Fetch what the connections need and give each its own; by name, what came. Warns of secrets that have expired,
    unless `warn` is False: the results say it too.

    `timeout` is for each fetch, in seconds from its start; `max_workers` is how many there are at once (default: all,
    up to 50). Raises `KeyFetchError` with all that failed, one entry a connection (`KeyFetchTimeout` where nothing but
    time was lacking); those that did come are given to their connections all the same.
    """
    outcomes = _outcomes(connections, max_workers, timeout)
    failed: dict[str, KeyFetchError] = {}
    for name, outcome in outcomes.items():
        if isinstance(outcome.value, KeyFetchError):
            failed[name] = outcome.value
        else:
            connections[name].receive(outcome.value)
    for text in dict.fromkeys(note for outcome in outcomes.values() for note in outcome.notes if warn):
        warnings.warn(text, UserWarning, stacklevel=2)
    if failed:
        late = all(isinstance(error, KeyFetchTimeout) for error in failed.values())
        error = (KeyFetchTimeout if late else KeyFetchError)(_told(failed))
        error.failed = frozenset(failed)
        raise error
    return _results(connections, outcomes)


def fetch_all(
    connections: Mapping[str, BaseConnection], max_workers: int | None = None, timeout: float = TIMEOUT
) -> dict[str, KeyVaultFetchResult]:
    """Fetch what the connections need; by name, in the order given, what came or why it did not. Raises nothing of it,
    and gives the connections nothing."""
    return _results(connections, _outcomes(connections, max_workers, timeout))


# -- fetching ----------------------------------------------------------------------------------------------------------


def _outcomes(connections: Mapping[str, BaseConnection], max_workers: int | None, timeout: float) -> dict[str, Outcome]:
    """By connection; those that share a need share its outcome."""
    needs = {name: connection.needs() for name, connection in connections.items()}
    distinct = list(dict.fromkeys(need for need in needs.values() if need is not None))
    found = _fetched(distinct, max(1, max_workers or MAX_WORKERS), timeout)
    return {name: found[need] for name, need in needs.items() if need is not None}


class _Fetch:
    """A fetch under way, in a thread that nobody has to wait for."""

    def __init__(self, need: Need, timeout: float) -> None:
        self.need, self.timeout, self.progress = need, timeout, Progress()
        self.began = time.monotonic()
        self.future: Future[str] = begin(lambda: need.fetch(timeout), "fetch", self.progress)

    @property
    def left(self) -> float:
        """Seconds until it is given up."""
        return self.began + self.timeout + GRACE - time.monotonic()

    def outcome(self) -> Outcome | None:
        """What came of it, None while it may still come. Raises what is no failure to fetch, as a missing package."""
        seconds = time.monotonic() - self.began
        if not self.future.done():
            return self._late(seconds) if self.left <= 0 else None
        try:
            return Outcome(self.future.result(), seconds, tuple(self.progress.notes))
        except KeyFetchError as error:
            return Outcome(error, seconds)

    def _late(self, seconds: float) -> Outcome:
        return Outcome(KeyFetchTimeout(f"timed out after {self.timeout:.1f}s; check the network"), seconds)


def _fetched(needs: Sequence[Need], at_once: int, timeout: float) -> dict[Need, Outcome]:
    waiting, found = deque(needs), dict[Need, Outcome]()
    running: list[_Fetch] = []
    while waiting or running:
        while waiting and len(running) < at_once:
            running.append(_Fetch(waiting.popleft(), timeout))
        soonest = min(each.left for each in running)
        wait([each.future for each in running], max(0.0, min(soonest, SLICE)), FIRST_COMPLETED)
        ended = {each.need: outcome for each in running if (outcome := each.outcome()) is not None}
        running = [each for each in running if each.need not in ended]
        found.update(ended)
    return found


# -- telling -----------------------------------------------------------------------------------------------------------


def _results(
    connections: Mapping[str, BaseConnection], outcomes: Mapping[str, Outcome]
) -> dict[str, KeyVaultFetchResult]:
    return {name: _result(name, connections[name], outcome) for name, outcome in outcomes.items()}


def _result(name: str, connection: BaseConnection, outcome: Outcome) -> KeyVaultFetchResult:
    failed = isinstance(outcome.value, KeyFetchError)
    return KeyVaultFetchResult(
        connection_name=name,
        account=str(getattr(connection, "account", "")),
        success=not failed,
        secret_value=None if failed else str(outcome.value),
        error=str(outcome.value) if failed else None,
        duration_ms=outcome.seconds * 1000,
        warning="; ".join(outcome.notes) or None,
    )


def _told(failed: Mapping[str, KeyFetchError]) -> str:
    """One entry a connection; what is longer than a line is said once."""
    lines = [f"Failed to fetch storage keys for {len(failed)} connection(s):"]
    said: dict[str, str] = {}
    for name, error in failed.items():
        first, *more = str(error).split("\n")
        before = said.setdefault(str(error), name) if more else name
        if before == name:
            lines += [f"  - {name}: {first}", *(f"    {line}" for line in more)]
        else:
            lines.append(f"  - {name}: {first.rstrip(':').removesuffix('; tried in this order')} (as for {before})")
    return "\n".join(lines)
