"""Which Databricks this is, and whether odibi runs on it."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from odibi.notebook import RUNTIME_FILE, RUNTIME_VARIABLE

OLDEST_RUNTIME = (16, 4)
OLDEST_SERVERLESS = 3
_WHY = "its own pydantic 1 and older pyarrow would have to be replaced, and parts of the runtime live on them"


@dataclass(frozen=True)
class Runtime:
    """A Databricks runtime. `number` is (major, minor) of a classic one, (environment version,) of a serverless one,
    empty where the version does not tell."""

    version: str
    serverless: bool
    number: tuple[int, ...]

    def __str__(self) -> str:
        if not self.serverless:
            return f"Databricks Runtime {self.version}"
        return f"Databricks serverless, environment version {self.number[0] if self.number else 'unknown'}"

    @property
    def trouble(self) -> str:
        """Why odibi does not support it and what would be right, empty where it does."""
        if self.serverless and self.number and self.number[0] < OLDEST_SERVERLESS:
            return (
                f"{self} is not supported: {_WHY}; choose environment version {OLDEST_SERVERLESS} or newer "
                "(notebook: the Environment panel; job: environment_version)"
            )
        if not self.serverless and self.number and self.number < OLDEST_RUNTIME:
            oldest = ".".join(map(str, OLDEST_RUNTIME))
            return f"{self} is not supported: {_WHY}; use a cluster with runtime {oldest} LTS or newer"
        return ""


def this_runtime() -> Runtime | None:
    """The runtime that this process runs on, None outside of Databricks.

    The variable alone is not enough: containers of one's own lack it. Serverless compute says so in its version
    (`client.4.2` is environment version 4) or in IS_SERVERLESS, which may be missing.
    """
    version = os.environ.get(RUNTIME_VARIABLE, "").strip()
    if not version and RUNTIME_FILE.is_file():
        version = RUNTIME_FILE.read_text(encoding="utf-8").strip() or "unknown"
    return parse(version, os.environ.get("IS_SERVERLESS", "").lower() == "true") if version else None


def parse(version: str, serverless: bool = False) -> Runtime:
    """A runtime from its version.

    >>> parse("16.4.x-scala2.12").number, parse("client.4.2"), parse("custom:me").number
    ((16, 4), Runtime(version='client.4.2', serverless=True, number=(4,)), ())
    """
    client = re.match(r"client\.(\d+)", version)
    if client or version.startswith("client."):
        return Runtime(version, True, (int(client[1]),) if client else ())
    classic = re.match(r"(\d+)\.(\d+)", version)
    number = (int(classic[1]), int(classic[2])) if classic and not serverless else ()
    return Runtime(version, serverless, number)
