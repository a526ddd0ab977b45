"""Signals: the first stops a run cleanly and its story is written, the second leaves at once."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(os.name == "nt", reason="POSIX signals")

ENDLESS = """
logging: {structured: true, level: DEBUG}
connections:
  source: {type: local, base_path: data}
  lake: {type: local, base_path: lake}
pipelines:
  - pipeline: first
    nodes:
      - name: raw
        read: {connection: source, path: sales.csv}
        write: {connection: lake, path: raw}
      - name: endless
        depends_on: [raw]
        transform:
          steps:
            - SELECT sum(a.range * b.range) AS n FROM raw, range(100000000) AS a, range(100000000) AS b
        write: {connection: lake, path: endless}
      - name: after
        depends_on: [endless]
        write: {connection: lake, path: after}
  - pipeline: second
    nodes:
      - name: raw
        read: {connection: source, path: sales.csv}
        write: {connection: lake, path: second}
"""
HANGING = """
transforms: [functions.py]
connections:
  source: {type: local, base_path: data}
pipelines:
  - pipeline: p
    nodes:
      - name: raw
        read: {connection: source, path: sales.csv}
      - name: hangs
        depends_on: [raw]
        transform: {steps: [{function: hang}]}
"""
HANG = """
import sys, time
from odibi import transform

@transform
def hang(context, current):
    print("hanging", file=sys.stderr, flush=True)
    while True:
        time.sleep(0.1)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_a_run_cleanly(
    write_project: Callable[..., Path], process: Callable[..., Any], number: signal.Signals
) -> None:
    file = write_project(ENDLESS)
    running = process("run", file)
    running.wait_for('"node": "endless"')
    running.popen.send_signal(number)
    called = running.finish()

    assert called.code == 130
    stories = {
        path.parts[-3]: json.loads(path.read_text()) for path in file.parent.glob(".odibi/stories/*/*/story.json")
    }
    assert stories["first"]["pipeline"]["status"] == "interrupted"
    states = {node["name"]: node["status"] for node in stories["first"]["nodes"]}
    assert states == {"raw": "completed", "endless": "interrupted", "after": "interrupted"}
    assert stories["second"]["pipeline"]["status"] == "interrupted"
    assert sorted(path.name for path in (file.parent / "lake").iterdir()) == ["raw"]
    assert "Traceback" not in called.err


def test_a_second_signal_leaves_though_a_function_hangs(
    write_project: Callable[..., Path], process: Callable[..., Any]
) -> None:
    running = process("run", write_project(HANGING, functions=HANG))
    running.wait_for("hanging")
    running.popen.send_signal(signal.SIGINT)
    running.wait_for("once more leaves at once")
    running.popen.send_signal(signal.SIGINT)
    called = running.finish()

    assert called.code == 130
    assert "left at once" in called.err
    assert "Traceback" not in called.err


def test_an_ignored_signal_stays_ignored(write_project: Callable[..., Path], process: Callable[..., Any]) -> None:
    def ignore() -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    text = "import time\nfrom odibi import transform\n@transform\ndef hang(context, current):\n"
    text += "    print('hanging', flush=True, file=__import__('sys').stderr); time.sleep(0.3); return current\n"
    running = process("run", write_project(HANGING, functions=text), preexec_fn=ignore)
    running.wait_for("hanging")
    running.popen.send_signal(signal.SIGINT)
    assert running.finish().code == 0
