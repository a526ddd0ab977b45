"""Fetching the credentials of many connections at once: each distinct one once, each in time, all failures together."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Mapping, Sequence

from odibi.azure.keyvault import TIMEOUT, KeyVaultFetchResult
from odibi.connections.base import BaseConnection
from odibi.errors import KeyFetchError, KeyFetchTimeout, OdibiError
from odibi.location import Need

MAX_WORKERS = 50


def prefetch(
    connections: Mapping[str, BaseConnection], max_workers: int | None = None, timeout: float = TIMEOUT
) -> dict[str, KeyVaultFetchResult]:
    """Fetch what the connections need and give each its own; by name, what came.

    `timeout` is for each fetch, from its start. Raises `KeyFetchError` with all that failed, one entry a connection
    (`KeyFetchTimeout` where nothing but time was lacking); those that did come are given to their connections.
    """
    outcomes = _outcomes(connections, max_workers, timeout)
    failed: dict[str, OdibiError] = {}
    for name, outcome in outcomes.items():
        if isinstance(outcome.value, OdibiError):
            failed[name] = outcome.value
        else:
            connections[name].receive(outcome.value)
    if failed:
        late = all(isinstance(error, KeyFetchTimeout) for error in failed.values())
        raise (KeyFetchTimeout if late else KeyFetchError)(_told(failed))
    return _results(connections, outcomes)


def fetch_all(
    connections: Mapping[str, BaseConnection], max_workers: int | None = None, timeout: float = TIMEOUT
) -> dict[str, KeyVaultFetchResult]:
    """Fetch what the connections need; by name, in the order given, what came or why it did not. Raises nothing of it,
    and gives the connections nothing."""
    return _results(connections, _outcomes(connections, max_workers, timeout))


class _Outcome:
    """The credential or its error, and how long that took."""

    def __init__(self, value: str | OdibiError, seconds: float) -> None:
        self.value, self.seconds = value, seconds


def _outcomes(
    connections: Mapping[str, BaseConnection], max_workers: int | None, timeout: float
) -> dict[str, _Outcome]:
    """By connection; those that share a need share its outcome."""
    needs = {name: connection.needs() for name, connection in connections.items()}
    distinct = list(dict.fromkeys(need for need in needs.values() if need is not None))
    found = _fetch(distinct, max_workers or MAX_WORKERS, timeout)
    return {name: found[need] for name, need in needs.items() if need is not None}


def _fetch(needs: Sequence[Need], workers: int, timeout: float) -> dict[Need, _Outcome]:
    """Every need by workers of its own. They are daemons: a process can end while one hangs, which no pool of the
    standard library allows."""
    waiting: queue.SimpleQueue[Need] = queue.SimpleQueue()
    done: queue.SimpleQueue[tuple[Need, _Outcome | BaseException]] = queue.SimpleQueue()
    for need in needs:
        waiting.put(need)

    def work() -> None:
        while True:
            try:
                need = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                done.put((need, _one(need, timeout)))
            except BaseException as error:  # noqa: BLE001 - raised again in the thread that waits
                done.put((need, error))

    for number in range(max(1, min(workers, len(needs)))):
        threading.Thread(target=work, daemon=True, name=f"odibi-fetch-{number}").start()
    found: dict[Need, _Outcome] = {}
    for _ in needs:
        need, outcome = done.get()
        if isinstance(outcome, BaseException):
            raise outcome
        found[need] = outcome
    return found


def _one(need: Need, timeout: float) -> _Outcome:
    began = time.perf_counter()
    try:
        value: str | OdibiError = need.fetch(timeout)
    except KeyFetchError as error:
        value = error
    return _Outcome(value, time.perf_counter() - began)


def _results(
    connections: Mapping[str, BaseConnection], outcomes: Mapping[str, _Outcome]
) -> dict[str, KeyVaultFetchResult]:
    return {name: _result(name, connections[name], outcome) for name, outcome in outcomes.items()}


def _result(name: str, connection: BaseConnection, outcome: _Outcome) -> KeyVaultFetchResult:
    failed = isinstance(outcome.value, OdibiError)
    return KeyVaultFetchResult(
        connection_name=name,
        account=str(getattr(connection, "account", "")),
        success=not failed,
        secret_value=None if failed else str(outcome.value),
        error=str(outcome.value) if failed else None,
        duration_ms=outcome.seconds * 1000,
    )


def _told(failed: Mapping[str, OdibiError]) -> str:
    lines = [f"Failed to fetch storage keys for {len(failed)} connection(s):"]
    for name, error in failed.items():
        first, *more = str(error).split("\n")
        lines += [f"  - {name}: {first}", *(f"    {line}" for line in more)]
    return "\n".join(lines)
