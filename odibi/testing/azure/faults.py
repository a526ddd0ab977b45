"""What can go wrong with a cloud, to be switched on by tests."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from types import TracebackType

from odibi.errors import UnknownNameError
from odibi.testing.azure.hosts import Place

KINDS = {
    "latency": "each request waits `seconds` before it is answered",
    "status": "answered with `status` and `code`; also named by the status itself, e.g. 403",
    "hang": "taken, and never answered",
    "trickle": "answered one byte every `seconds`",
    "drop": "the connection is closed in the middle of the answer",
    "refuse": "no connection is made: refused at once",
    "unreachable": "no connection is made: nothing ever answers",
    "dns": "no connection is made: the host's name is not found",
    "wrong_key": "the account's keys were changed: requests signed with a key are refused",
    "expired_token": "tokens are expired when they are handed out, and refused by storage and vaults",
    "watch": "nothing goes wrong; requests to storage are seen in `requests`",
}
"""Kind to what it does."""
STATUSES = (400, 401, 403, 404, 409, 412, 429, 500, 502, 503, 504)
CONNECTING = ("refuse", "unreachable", "dns")
"""Kinds that act before there is a connection."""
_OPTIONS: dict[str, Callable[[str], object]] = {
    "host": str, "path": str, "method": str, "code": str,
    "times": int, "seconds": float, "retry_after": int, "status": int,
}  # fmt: skip
"""What a command line may say of a fault."""


@dataclass
class Fault:
    """Something that goes wrong until it is removed; `with` removes it at the end.

    host: an account or vault (`bronzeacct`), `identity` (the metadata and App Service endpoints), `login` (Microsoft
        Entra), a whole host name, or a pattern of one (`*.vault.azure.net`); default: all
    path: regular expression that is searched for in the path, e.g. `/secrets/db`; method: e.g. `PUT`
    times: only the first so many requests; default: all
    seconds: of a latency, or between two bytes of a trickle
    code: the error code of the service, e.g. `AuthorizationFailure`; default: the usual one of the status
    """

    kind: str
    host: str | None = None
    path: str | None = None
    method: str | None = None
    times: int | None = None
    seconds: float = 1.0
    status: int = 0
    code: str = ""
    retry_after: int | None = None
    hits: int = 0
    remove: Callable[[], None] = field(default=lambda: None, repr=False)

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise UnknownNameError("fault", self.kind, KINDS, f"or a status: {', '.join(map(str, STATUSES))}")
        if self.kind in CONNECTING and (self.path or self.method):
            raise ValueError(f"the fault {self.kind!r} is about connections, which have no path or method; name a host")
        self._path = re.compile(self.path) if self.path else None
        self._lock = threading.Lock()
        self.removed = asyncio.Event()

    def __enter__(self) -> Fault:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()

    def concerns(self, place: Place) -> bool:
        """Whether requests to this host are meant."""
        return self.host is None or self.host in (place.name, place.host) or fnmatchcase(place.host, self.host)

    def matches(self, place: Place, method: str, path: str) -> bool:
        """Whether this request is meant; does not count it."""
        return (
            self.concerns(place)
            and (self.times is None or self.hits < self.times)
            and (self.method is None or self.method.upper() == method)
            and (self._path is None or self._path.search(path) is not None)
        )

    def take(self) -> bool:
        """Count a request; False when the fault has had all of its requests."""
        with self._lock:
            if self.times is not None and self.hits >= self.times:
                return False
            self.hits += 1
            return True


def make_fault(kind: str | int, **options: object) -> Fault:
    """A fault of a kind, or of a status. Raises `UnknownNameError` for others."""
    text = str(kind)
    if text.isdigit() and int(text) in STATUSES:
        return Fault("status", status=int(text), **options)  # type: ignore[arg-type]
    fault = Fault(text, **options)  # type: ignore[arg-type]
    if fault.kind == "status" and not fault.status:
        raise ValueError("the fault `status` needs a status; name it, e.g. fault(403)")
    return fault


def parse_fault(text: str) -> Fault:
    """A fault as it is written on a command line: `KIND[,option=value…]`. Raises `ValueError` with what would be right.

    >>> parse_fault("latency,seconds=0.1,host=company-kv").seconds
    0.1
    """
    kind, *pairs = [part.strip() for part in text.split(",")]
    options: dict[str, object] = {}
    for pair in pairs:
        name, sign, value = pair.partition("=")
        if not sign or name not in _OPTIONS:
            raise ValueError(f"{pair!r} is no option of a fault; write option=value, with {', '.join(_OPTIONS)}")
        try:
            options[name] = _OPTIONS[name](value)
        except ValueError:
            raise ValueError(f"{value!r} is no number, which {name} is") from None
    return make_fault(kind, **options)


class Faults:
    """The faults that are on, in their order."""

    def __init__(self) -> None:
        self._on: tuple[Fault, ...] = ()

    def add(self, fault: Fault) -> None:
        """Switch a fault on."""
        self._on = (*self._on, fault)

    def discard(self, fault: Fault) -> None:
        """Switch a fault off."""
        self._on = tuple(each for each in self._on if each is not fault)

    def all(self) -> tuple[Fault, ...]:
        """The faults that are on."""
        return self._on

    def concern(self, place: Place) -> bool:
        """Whether any fault is meant for this host."""
        return any(fault.concerns(place) for fault in self._on)

    def at_connection(self, place: Place) -> Fault | None:
        """The fault that keeps a connection from being made; it is counted."""
        for fault in self._on:
            if fault.kind in CONNECTING and fault.concerns(place) and fault.take():
                return fault
        return None
