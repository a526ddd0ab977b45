"""A credential in the form that adlfs takes: with `async` methods."""

from __future__ import annotations

import asyncio
from typing import Any


class AsyncCredential:
    """A shared TokenCredential for clients that wait for tokens with `await`; they can not close it."""

    def __init__(self, credential: Any) -> None:
        self._credential = credential

    async def get_token(self, *scopes: str, **options: Any) -> Any:
        """The token, asked for in a thread."""
        return await asyncio.to_thread(self._credential.get_token, *scopes, **options)

    async def close(self) -> None:
        """Nothing: others use the credential too."""

    async def __aenter__(self) -> AsyncCredential:
        return self

    async def __aexit__(self, *error: object) -> None:
        return None
