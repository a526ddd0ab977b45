"""Which credential of a chain gave a token, and why the ones before it did not."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import Any

MAX_OUTCOME = 300


@dataclass
class Attempt:
    """One credential that was asked. `outcome` is empty where it gave a token; `seconds` is None while it is asked."""

    credential: str
    outcome: str = "did not answer"
    seconds: float | None = None

    @property
    def won(self) -> bool:
        """Whether it gave the token."""
        return not self.outcome


class Observed:
    """A credential that writes down how it fared."""

    def __init__(self, credential: Any, attempts: list[Attempt], name: str = "") -> None:
        self._observed, self._attempts = credential, attempts
        self._credential_name = name or getattr(credential, "_credential_name", type(credential).__name__)

    def get_token(self, *scopes: str, **options: Any) -> Any:
        """As the credential's own."""
        attempt = Attempt(self._credential_name)
        self._attempts.append(attempt)
        began = time.monotonic()
        try:
            token = self._observed.get_token(*scopes, **options)
        except Exception as error:
            attempt.outcome = in_short(str(getattr(error, "message", error)))
            raise
        else:
            attempt.outcome = ""
            return token
        finally:
            attempt.seconds = time.monotonic() - began


def is_chain(credential: Any) -> bool:
    """Whether a credential asks others, one after the other."""
    return bool(getattr(credential, "credentials", None))


def names_of(chain: Any) -> list[str]:
    """The names of the members of an observed chain."""
    return [member._credential_name for member in chain.credentials]


def observed(credential: Any, attempts: list[Attempt]) -> Any:
    """The credential, which notes in `attempts` whom it asked: its members, where it is a chain that nobody shares."""
    if not is_chain(credential):
        return Observed(credential, attempts)
    credential.credentials = tuple(Observed(member, attempts) for member in credential.credentials)
    return credential


def in_short(text: str) -> str:
    """What an SDK says in pages, on one line: without where to read on, and without its own name.

    >>> in_short("XCredential authentication unavailable. Variables are missing.\\nVisit https://aka.ms/x for more.")
    'Variables are missing'
    >>> in_short("XCredential requires a package. You must also sign in.")
    'requires a package. You must also sign in'
    """
    sentences = [" ".join(part.split()) for part in re.split(r"(?<=\.)\s+|\n", text) if part.strip()]
    told = " ".join([each for each in sentences if "https://" not in each] or sentences)
    told = re.sub(r"^\w+ (?:authentication )?unavailable[.,]\s*(?=\S)", "", told)
    told = re.sub(r"^\w+Credential (?=\w)", "", told)
    return told.rstrip(". ") if len(told) <= MAX_OUTCOME else told[: MAX_OUTCOME - 1].rstrip() + "…"
