"""What the sandbox is made of, shared by those who answer requests and those who write tests."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from odibi.testing.azure.faults import Faults
from odibi.testing.azure.hosts import IDENTITY, LOGIN, STORAGE, Place
from odibi.testing.azure.identity import IdentityState
from odibi.testing.azure.vault import Vault
from odibi.testing.azure.wire import Request, Seen


@dataclass
class State:
    """The accounts with their keys, the vaults, the identities, the faults, and what was seen. `refused` has the hosts
    that are not part of the sandbox, each time one was asked for; `connections` those that are."""

    accounts: dict[str, str] = field(default_factory=dict, repr=False)
    shared_access: dict[str, set[str]] = field(default_factory=dict, repr=False)
    vaults: dict[str, Vault] = field(default_factory=dict)
    identity: IdentityState = field(default_factory=IdentityState)
    faults: Faults = field(default_factory=Faults)
    requests: list[Seen] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    connections: list[str] = field(default_factory=list)

    def plays(self, place: Place | None) -> bool:
        """Whether a host is part of the sandbox."""
        if place is None:
            return False
        if place.service in (IDENTITY, LOGIN):
            return True
        return place.name in (self.accounts if place.service == STORAGE else self.vaults)

    def opens(self, account: str, signature: str) -> bool:
        """Whether a shared access signature was made known to the sandbox."""
        return signature.replace(" ", "+") in self.shared_access.get(account, ())

    def note(self, request: Request, place: Place) -> None:
        """Remember a request for tests."""
        headers = dict(request.headers.items)
        authorization = request.headers.get("Authorization")
        seen = Seen(time.time(), request.method, place.host, request.path, request.query, authorization, headers)
        self.requests.append(seen)
