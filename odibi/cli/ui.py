"""How the command line talks: data to stdout, talk to stderr."""

from __future__ import annotations

import json as json_module
import sys
from dataclasses import dataclass
from typing import Any

LEVELS = {"DEBUG": 10, "INFO": 20, "WARNING": 30, "ERROR": 40}


@dataclass(frozen=True)
class UI:
    """What the global options ask for."""

    level: str = "INFO"
    quiet: bool = False
    json: bool = False

    @property
    def debug(self) -> bool:
        """True where tracebacks are wanted."""
        return self.level == "DEBUG"

    @property
    def live(self) -> bool:
        """True where stderr is a terminal that a live display can be drawn on."""
        return sys.stderr.isatty() and not self.quiet and not self.json and LEVELS[self.level] <= LEVELS["INFO"]

    def data(self, text: str) -> None:
        """Print a result."""
        sys.stdout.write(text if text.endswith("\n") else text + "\n")

    def dump(self, value: Any) -> None:
        """Print a result as JSON."""
        self.data(json_module.dumps(value, indent=2, default=str, ensure_ascii=False))

    def say(self, text: str) -> None:
        """Tell what is going on; silent with `--quiet`."""
        if not self.quiet and LEVELS[self.level] <= LEVELS["INFO"]:
            sys.stderr.write(text + "\n")

    def warn(self, text: str) -> None:
        """Tell what is odd; silent with `--quiet`."""
        if not self.quiet and LEVELS[self.level] <= LEVELS["WARNING"]:
            sys.stderr.write(f"warning: {text}\n")

    def error(self, text: str) -> None:
        """Tell what went wrong; never silent."""
        sys.stderr.write(text + "\n")
