"""The answer to a request: what the faults make of it, else what the service says."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from odibi.testing.azure import problems, vault
from odibi.testing.azure.faults import Fault
from odibi.testing.azure.hosts import IDENTITY, LOGIN, STORAGE, VAULT, Place
from odibi.testing.azure.identity import entra, managed_identity
from odibi.testing.azure.state import State
from odibi.testing.azure.wire import Answer, ConnectionDone, Request

SHAPING = ("trickle", "drop")
"""Kinds that change how an answer is sent."""
Forward = Callable[[Request], Awaitable[Answer]]


async def respond(request: Request, place: Place, state: State, forward: Forward) -> tuple[Answer, Fault | None]:
    """The answer, and the fault that says how it is sent. `forward` asks the storage."""
    state.note(request, place)
    answer: Answer | None = None
    shaping: Fault | None = None
    expired = False
    for fault in state.faults.all():
        if answer is not None or not _meant(fault, request, place, state) or not fault.take():
            continue
        if fault.kind in SHAPING:
            shaping = fault
        elif fault.kind == "latency":
            await asyncio.sleep(fault.seconds)
        elif fault.kind == "hang":
            await fault.removed.wait()
            raise ConnectionDone
        elif fault.kind == "expired_token" and place.service in (IDENTITY, LOGIN):
            expired = True
        elif fault.kind != "watch":
            answer = _refusal(fault, request, place)
    return answer or await _service(request, place, state, forward, expired), shaping


async def _service(request: Request, place: Place, state: State, forward: Forward, expired: bool) -> Answer:
    if place.service == STORAGE:
        return await forward(request)
    if place.service == VAULT:
        return await vault.answer(request, place, state.vaults[place.name], state.identity.tenant_id)
    if place.service == LOGIN:
        return await entra(request, place, state.identity, expired)
    return managed_identity(request, state.identity, expired)


def _meant(fault: Fault, request: Request, place: Place, state: State) -> bool:
    """Whether a fault is for this request: a vault asks for a token before it refuses anything, and what is wrong with
    keys does not concern tokens."""
    if not fault.matches(place, request.method, request.path):
        return False
    by = request.authorization
    if fault.kind == "wrong_key" or fault.code in problems.SIGNED_ONLY:
        return place.service == STORAGE and by in ("SharedKey", "SharedKeyLite", "sas")
    if fault.kind == "expired_token":
        return by == "Bearer" or place.service in (IDENTITY, LOGIN)
    if fault.code in problems.TOKEN_ONLY:
        return by in ("Bearer", "sas")
    if fault.kind == "status" and place.service == VAULT and fault.status in (403, 404):
        return vault.unauthorized(request, place, state.identity.tenant_id) is None
    return True


def _refusal(fault: Fault, request: Request, place: Place) -> Answer:
    facts = {"caller": vault.caller_of(request), "secret": vault.secret_in(request.path)}
    if fault.kind == "wrong_key":
        return problems.storage_problem(place, "AuthenticationFailed")
    if fault.kind == "expired_token":
        code = "InvalidAuthenticationInfo" if place.service == STORAGE else "Unauthorized"
        return problems.problem(place, 401, code, None, facts)
    return problems.problem(place, fault.status, fault.code, fault.retry_after, facts)
