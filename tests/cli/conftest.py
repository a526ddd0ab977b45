"""How the tests call the command line: in this process where that is enough, else as a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from odibi.__main__ import main

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Called:
    """What a call gave."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one JSON document on stdout."""
        return json.loads(self.out)


@pytest.fixture
def odibi(capsys: pytest.CaptureFixture[str]) -> Callable[..., Called]:
    """Call the command line in this process."""

    def call(*argv: object) -> Called:
        capsys.readouterr()
        code = main([str(word) for word in argv])
        captured = capsys.readouterr()
        return Called(code, captured.out, captured.err)

    return call


WARNINGS = "error,ignore:Use list(search(...)) instead:DeprecationWarning"
"""As in pyproject.toml: a deprecation between the oldest libraries for logins is none of ours."""


class Process:
    """The command line as a process of its own. Warnings are errors in it."""

    def __init__(self, *argv: object, **options: Any) -> None:
        command = [sys.executable, "-m", "odibi", *map(str, argv)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": WARNINGS, **options.pop("env", {})}
        streams: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        self.popen = subprocess.Popen(command, text=True, encoding="utf-8", env=environment, **{**streams, **options})
        self.seen = ""

    def wait_for(self, text: str) -> None:
        """Wait until stderr has said something."""
        assert self.popen.stderr is not None
        while text not in self.seen:
            line = self.popen.stderr.readline()
            assert line, f"the process ended before it said {text!r}:\n{self.seen}"
            self.seen += line

    def finish(self) -> Called:
        """Wait for the end."""
        try:
            out, err = self.popen.communicate(timeout=60)
        finally:
            self.popen.kill()
        return Called(self.popen.returncode, out, self.seen + (err or ""))


@pytest.fixture
def process() -> Iterator[Callable[..., Process]]:
    """Start the command line as a process of its own; none outlives the test."""
    started: list[Process] = []

    def start(*argv: object, **options: Any) -> Process:
        started.append(Process(*argv, **options))
        return started[-1]

    yield start
    for each in started:
        each.popen.kill()
        each.popen.wait()
        for stream in (each.popen.stdout, each.popen.stderr):
            if stream is not None:
                stream.close()


PROJECT = """
project: shop
connections:
  source: {type: local, base_path: data}
  lake: {type: local, base_path: lake}
pipelines:
  - pipeline: load
    layer: silver
    nodes:
      - name: raw
        read: {connection: source, path: sales.csv}
      - name: clean
        depends_on: [raw]
        transform: {steps: [SELECT * FROM raw WHERE amount > 0]}
        validation: {not_empty: true, unique: [id]}
      - name: save
        write: {connection: lake, path: sales}
  - pipeline: report
    nodes:
      - name: totals
        read: {connection: lake, path: sales}
        transform: {steps: ["SELECT region, sum(amount) AS amount FROM current GROUP BY region"]}
        write: {connection: lake, path: totals, partition_by: [region]}
"""
SALES = "id,region,amount\n1,EU,10\n2,US,20\n3,EU,-1\n"


@pytest.fixture
def write_project(tmp_path: Path) -> Callable[..., Path]:
    """Put a project file, Python files (`functions="…"`) and some data into a folder."""

    def write(text: str, **files: str) -> Path:
        (tmp_path / "data").mkdir(exist_ok=True)
        (tmp_path / "data" / "sales.csv").write_text(SALES)
        for name, content in files.items():
            (tmp_path / f"{name}.py").write_text(content)
        file = tmp_path / "config.yaml"
        file.write_text(text, encoding="utf-8")
        return file

    return write


@pytest.fixture
def project(write_project: Callable[..., Path]) -> Path:
    """A project file of two pipelines, with its data."""
    return write_project(PROJECT)
