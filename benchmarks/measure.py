"""Whole-process time and peak memory of commands, run in turn: A B A B …, so that a drifting machine hurts both
alike."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).parent
PYTHON = [sys.executable]


@dataclass
class Figures:
    """Seconds of wall time and MiB of peak memory, one entry a run."""

    seconds: list[float] = field(default_factory=list)
    mebibytes: list[float] = field(default_factory=list)

    def __str__(self) -> str:
        low, high = min(self.seconds), max(self.seconds)
        seconds, mebibytes = statistics.median(self.seconds), statistics.median(self.mebibytes)
        return f"{seconds:7.2f} s ({low:.2f} to {high:.2f})  {mebibytes:6.0f} MiB"


def run_once(command: Sequence[str], env: Mapping[str, str] | None = None) -> tuple[float, float]:
    """Wall seconds and peak MiB of one finished process; raises when it fails."""
    given = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}  # as users run it
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env={**given, **(env or {})})
    assert process.stderr is not None
    told = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}:\n{told.decode()}")
    scale = 1024 if platform.system() == "Linux" else 1024 * 1024
    return seconds, usage.ru_maxrss / scale


def in_turn(commands: Mapping[str, Callable[[int], Sequence[str]]], runs: int, warm_up: int = 1) -> dict[str, Figures]:
    """Run each command `runs` times in turn, after `warm_up` runs that do not count. A command is made from the
    run's number."""
    figures = {name: Figures() for name in commands}
    for number in range(-warm_up, runs):
        for name, make in commands.items():
            seconds, mebibytes = run_once(make(number))
            if number >= 0:
                figures[name].seconds.append(seconds)
                figures[name].mebibytes.append(mebibytes)
    return figures


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """The median of the ratios of runs that stood beside each other."""
    return statistics.median(a / b for a, b in zip(ours, theirs, strict=True))


def head(title: str, names: Sequence[str] = ("duckdb", "deltalake", "pandas", "pyarrow", "pydantic")) -> None:
    """A title, and the versions that the figures belong to."""
    print(title)
    versions = ", ".join(f"{name} {version(name)}" for name in names)
    print(f"python {platform.python_version()}, {versions}, {os.cpu_count()} cores")


def verdict(name: str, figure: float, limit: float) -> None:
    """One line: what was reached, and what is asked for."""
    print(f"  {'ok  ' if figure <= limit else 'OVER'} {name}: {figure:.2f}x (asked: at most {limit:g}x)")
