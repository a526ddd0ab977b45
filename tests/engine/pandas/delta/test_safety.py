"""Two writers at once, and writers that die."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from odibi.engine.base import Checks, NotEmptyCheck
from odibi.errors import TargetExistsError

WRITER = """
import os, sys, time
sys.path[:0] = {path!r}
from odibi.connections.local import LocalConnection
from odibi.engine.base import Checks, NotEmptyCheck, Target
from odibi.engine.pandas.delta import save
from odibi.engine.pandas.session import Session
session = Session()
lake = LocalConnection({root!r}, name="lake")
def write(sql, mode="append", checks=Checks(), run_checks=lambda frame, nulls: ()):
    return save(session, session.frame(sql), Target(lake, "t", "delta", mode=mode), checks, run_checks)
"""


def start(lake, body):
    code = WRITER.format(path=[str(Path.cwd())], root=str(lake.root)) + body
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process):
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    return out


def test_four_processes_append_and_no_row_is_lost(lake):
    bodies = [f"for i in range(5): write(f'SELECT {{{n} * 100 + i}} AS v')" for n in range(4)]
    for process in [start(lake, body) for body in bodies]:
        finish(process)
    assert lake.session.execute(f"SELECT count(*), count(DISTINCT v) FROM ({lake.read().sql})") == [(20, 20)]


def test_threads_create_and_append_at_once(any_lake):
    errors = []

    def work(n):
        try:
            any_lake.write(f"SELECT {n} AS v", mode="append")
        except BaseException as error:  # noqa: BLE001 - shown by the assertion
            errors.append(error)

    if any_lake.way == "careful":
        any_lake.demand_care("t")
    threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert any_lake.rows() == [f"{{'v': {n}}}" for n in range(6)]


def interfere(lake, mode, sql, other):
    """Write, while another writer writes between the check and the commit."""
    done = []

    def check(frame, nulls):
        if not done:
            done.append(True)
            other()
        return ()

    return lake.write(sql, mode=mode, checks=Checks((NotEmptyCheck(),)), run_checks=check)


def test_an_overwrite_replaces_what_came_meanwhile_too_or_keeps_it_whole(any_lake):
    any_lake.write("SELECT 1 AS v")
    interfere(any_lake, "overwrite", "SELECT 'x' AS v", lambda: any_lake.write("SELECT 2 AS v", mode="append"))
    assert any_lake.rows() == ["{'v': x}"]


def test_an_append_is_planned_anew_when_the_types_changed_meanwhile(any_lake):
    any_lake.write("SELECT 1 AS v")
    report = interfere(any_lake, "append", "SELECT 2 AS v", lambda: any_lake.write("SELECT 5000000000 AS v, 1 AS w"))
    assert any_lake.rows() == ["{'v': 2, 'w': NULL}", "{'v': 5000000000, 'w': 1}"]
    assert any_lake.texts(report.frame) == ["{'v': 2, 'w': NULL}"]


def test_a_table_made_meanwhile(lake):
    interfere(lake, "append", "SELECT 1 AS v", lambda: lake.write("SELECT 2 AS v", mode="append"))
    assert lake.rows() == ["{'v': 1}", "{'v': 2}"]
    with pytest.raises(TargetExistsError, match="made by another writer meanwhile"):
        interfere_new(lake, "error")
    assert not interfere_new(lake, "ignore").written
    assert interfere_new(lake, "overwrite").written


def interfere_new(lake, mode):
    name = f"new_{mode}"
    done = []

    def check(frame, nulls):
        if not done:
            done.append(True)
            lake.write("SELECT 2 AS v", name)
        return ()

    try:
        return lake.write("SELECT 1 AS v", name, mode=mode, checks=Checks((NotEmptyCheck(),)), run_checks=check)
    finally:
        assert len(lake.files(name)) == (2 if mode == "overwrite" else 1)


SLOW_CHECK = "write('SELECT 2 AS v', checks=Checks((NotEmptyCheck(),)), run_checks=lambda frame, nulls: time.sleep(60))"
KILLS = {
    "while files are written": "write('SELECT i AS v, md5(i::VARCHAR) AS w FROM range(200000000) AS t(i)')",
    "before the commit": SLOW_CHECK,
    "before a new table's commit": SLOW_CHECK,
}


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="kill -9 is a POSIX signal")
@pytest.mark.parametrize("when", list(KILLS))
def test_a_killed_writer_leaves_the_old_table_and_its_litter_is_swept(lake, when):
    new = "new table" in when
    if not new:
        lake.write("SELECT 1 AS v, 'x' AS w" if "while" in when else "SELECT 1 AS v")
    before = [] if new else lake.files()
    process = start(lake, KILLS[when])
    wait_for(lambda: any(lake.path().rglob("*.parquet")) if new else len(lake.files()) > len(before), process)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    if not new:
        assert len(lake.rows()) == 1
    report = lake.write("SELECT 3 AS v", mode="append")
    assert report.rows == 1
    assert len(lake.files()) == len(before) + 1
    assert [path.name for path in lake.root.iterdir()] == ["t"]


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="kill -9 is a POSIX signal")
def test_what_a_writer_committed_before_it_died_stays(lake):
    body = """
from odibi.engine.pandas.delta import commit
write("SELECT 1 AS v")
commit.find_commit = lambda *a: os.kill(os.getpid(), 9)
write("SELECT 2 AS v")
"""
    process = start(lake, body)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert lake.rows() == ["{'v': 1}", "{'v': 2}"]
    lake.write("SELECT 3 AS v", mode="append")
    assert lake.rows() == ["{'v': 1}", "{'v': 2}", "{'v': 3}"]
    assert [path.name for path in lake.root.iterdir()] == ["t"]


def wait_for(holds, process):
    end = time.monotonic() + 30
    while not holds():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < end
        time.sleep(0.02)


def test_no_two_files_of_a_write_have_one_name(lake):
    """`k=a` and `k=A` are one folder on macOS and Windows."""
    lake.write("SELECT k, i FROM (VALUES ('a', 1), ('A', 2), (NULL, 3)) t(k, i)", partition_by=["k"])
    names = [Path(name).name for name in lake.files()]
    assert len(set(names)) == len(names) == 3
