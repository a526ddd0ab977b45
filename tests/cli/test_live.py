"""The display on a terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")


def read_all(descriptor: int) -> str:
    found = b""
    while True:
        try:
            chunk = os.read(descriptor, 65536)
        except OSError:  # Linux says so when the other end was closed
            chunk = b""
        if not chunk:
            return found.decode()
        found += chunk


@pytest.mark.parametrize(("terminal", "live"), [("xterm", True), ("dumb", False)])
def test_lines_of_ended_nodes_stay(process: Callable[..., Any], project: Path, terminal: str, live: bool) -> None:
    ours, theirs = os.openpty()
    running = process(
        "run", project, stderr=theirs, env={"TERM": terminal, "COLUMNS": "100", "PYTHONIOENCODING": "utf-8"}
    )
    os.close(theirs)
    shown = read_all(ours)
    os.close(ours)
    called = running.finish()
    assert (called.code, called.out) == (0, "")
    assert "load.save" in shown
    assert "story of report" in shown
    assert ("\x1b[?25l" in shown) == live
    assert shown.count("\x1b[?25l") == shown.count("\x1b[?25h")  # the cursor is shown again
