"""A process that is killed leaves the old or the new, and no litter that the next run does not sweep."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from odibi.connections import LocalConnection
from odibi.engine import PandasEngine
from odibi.testing import TestProject, project

ROWS = 60_000
TEXT = """
connections: {lake: {type: local, base_path: lake}}
story: {auto_generate: false}
pipelines:
  - pipeline: p
    nodes:
      - name: make
        transform: {steps: ["SELECT ${V} AS v, range AS i, hash(range)::VARCHAR AS t FROM range(ROWS)"]}
      - {name: delta, depends_on: [make], write: {connection: lake, path: delta}}
      - name: parted
        depends_on: [make]
        transform: {steps: ["SELECT v, i, i % 5 AS p FROM make"]}
        write: {connection: lake, path: parted, partition_by: [p]}
      - {name: csv, depends_on: [make], write: {connection: lake, path: all.csv}}
      - {name: parquet, depends_on: [make], write: {connection: lake, path: all.parquet}}
      - name: folder
        depends_on: [make]
        transform: {steps: ["SELECT v, i, i % 5 AS p FROM make"]}
        write: {connection: lake, path: folder, format: parquet, partition_by: [p]}
""".replace("ROWS", str(ROWS))
ENDLESS = """
connections: {lake: {type: local, base_path: lake}}
pipelines:
  - pipeline: p
    nodes:
      - name: endless
        transform:  # the condition is about both sides: one about one side alone is done first, and takes a second
          steps: ["SELECT a.range AS i FROM range(1000000000) a, range(1000000) b WHERE hash(a.range, b.range) = 1"]
        write: {connection: lake, path: t}
"""
PLACES = {"delta": None, "parted": None, "all.csv": None, "all.parquet": None, "folder": "parquet"}
FOREVER = """
import itertools, sys
from odibi import Pipeline
for version in itertools.count(int(sys.argv[2])):
    Pipeline.from_yaml(sys.argv[1], variables={"V": str(version)}).run().raise_for_failure()
    print(version, flush=True)
"""


@pytest.fixture
def made() -> TestProject:
    return project(TEXT, V="1")


def killed(made: TestProject, delay: float, first: int) -> int:
    """Let a process run the project again and again, and kill it some time after its first run; gives the last version
    that it said was whole."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    process = subprocess.Popen(
        [sys.executable, "-c", FOREVER, str(made.file), str(first)], stdout=subprocess.PIPE, text=True, env=environment
    )
    assert process.stdout is not None
    whole = [int(process.stdout.readline())]
    time.sleep(delay)
    process.kill()
    whole += [int(line) for line in process.stdout.read().split()]
    process.wait()
    process.stdout.close()
    return whole[-1]


@pytest.fixture
def engine() -> Iterator[PandasEngine]:
    engine = PandasEngine()
    yield engine
    engine.close()


def state(engine: PandasEngine, made: TestProject, path: str) -> tuple[int, int]:
    """Rows and the only version of a target, read by those who know nothing of litter."""
    frame = engine.read(LocalConnection(made.folder / "lake"), PLACES[path], path)
    versions = set(frame["v"])
    assert len(versions) == 1, f"{path} holds rows of several versions: {versions}"
    return len(frame), int(versions.pop())


def test_killed_at_any_moment(made: TestProject, engine: PandasEngine) -> None:
    chance = random.Random(os.urandom(8))
    last = 1
    for _ in range(5):
        last = killed(made, chance.uniform(0, 0.4), last + 1)
        for path in PLACES:
            rows, version = state(engine, made, path)
            assert rows == ROWS
            assert last <= version <= last + 1
    made.variables["V"] = "0"
    made.run().raise_for_failure()
    assert litter(made.folder / "lake") == []
    assert {path: state(engine, made, path) for path in PLACES} == dict.fromkeys(PLACES, (ROWS, 0))


def litter(lake: Path) -> list[str]:
    """Stages, and data files that no commit of their table names."""
    found = [str(path.relative_to(lake)) for path in lake.rglob(".odibi-*")]
    for table in ("delta", "parted"):
        named = {Path(path).name for path in committed(lake / table)}
        found += [str(path.relative_to(lake)) for path in (lake / table).rglob("*.parquet") if path.name not in named]
    return found


def committed(table: Path) -> Iterator[str]:
    for commit in (table / "_delta_log").glob("*.json"):
        for line in commit.read_text().splitlines():
            action: dict[str, Any] = json.loads(line)
            if "add" in action:
                yield action["add"]["path"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_asked_to_stop_the_command_line_leaves_nothing_half(number: signal.Signals) -> None:
    made = project(ENDLESS)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    process = subprocess.Popen(
        [sys.executable, "-m", "odibi", "run", str(made.file)], stderr=subprocess.PIPE, text=True, env=environment
    )
    deadline = time.monotonic() + 30
    while not list(made.folder.glob("lake/**/.odibi-*")) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert process.poll() is None, process.communicate()[1]
    process.send_signal(number)
    talk = process.communicate(timeout=60)[1]
    assert process.returncode == 130, talk
    assert "Traceback" not in talk
    assert [path for path in (made.folder / "lake").rglob("*") if path.is_file()] == []
    assert list((made.folder / "lake").rglob(".odibi-*")) == []
