"""A credential in the form that adlfs takes: with `async` methods."""

from __future__ import annotations

import asyncio
from typing import Any

from odibi.azure.deadline import begin


class AsyncCredential:
    """A shared TokenCredential for clients that wait for tokens with `await`; they can not close it."""

    def __init__(self, credential: Any) -> None:
        self._credential = credential

    async def get_token(self, *scopes: str, **options: Any) -> Any:
        """The token, asked for in a thread that neither the end of the loop nor that of the process waits for."""
        work = begin(lambda: self._credential.get_token(*scopes, **options), "token")
        return await asyncio.wrap_future(work)

    async def close(self) -> None:
        """Nothing: others use the credential too."""

    async def __aenter__(self) -> AsyncCredential:
        return self

    async def __aexit__(self, *error: object) -> None:
        return None
