"""Vacuum and restore on a session that is not ours: its settings, its output, its older versions; the command line."""

from __future__ import annotations

import json
import os
import re
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from odibi.__main__ import main
from odibi.connections import LocalConnection, Location
from odibi.engine import Engine, PandasEngine
from odibi.engine.base import Target
from odibi.engine.spark.delta import maintain
from odibi.engine.spark.delta.maintain import LISTING, RETENTION_CHECK, WINDOW_IGNORED
from odibi.errors import DataError, UnsupportedError
from odibi.testing.frames import arrow_table
from tests.databricks_sessions import Serverless

pytestmark = pytest.mark.one_machine
HOUR = 3600 * 1000


@pytest.fixture
def lake(tmp_path: Path) -> LocalConnection:
    """With a table of three versions, of one file each; who wrote it is all one."""
    lake, writer = LocalConnection(tmp_path / "lake", name="lake"), PandasEngine()
    for number in range(3):
        writer.save(writer.adopt(arrow_table([{"id": number}])), Target(lake, "t", "delta"))
    writer.close()
    return lake


def made_older(lake: LocalConnection, hours: float) -> None:
    """As if the table had been written so many hours before."""
    then = int(time.time() * 1000 - hours * HOUR)
    root = Path(lake.location("t").uri)
    for path in root.rglob("*.crc"):
        path.unlink()
    for number, path in enumerate(sorted((root / "_delta_log").glob("*.json"))):
        text = re.sub(
            r'"(deletionTimestamp|timestamp|modificationTime)":\d+', rf'"\1":{then + number}', path.read_text()
        )
        path.write_text(text)
    for path in root.rglob("*.*"):
        os.utime(path, (then / 1000, then / 1000))


def test_settings_are_put_back_after_a_failure_and_at_the_same_time(
    spark: Any, engine: Engine, lake: LocalConnection
) -> None:
    names = (RETENTION_CHECK, WINDOW_IGNORED, LISTING)
    spark.conf.set(LISTING, "77")
    try:
        before = [spark.conf.get(name, None) for name in names]
        errors: list[BaseException] = []

        def vacuum(hours: float, enforce: bool) -> None:
            try:
                engine.vacuum_delta(lake, "t", hours, True, enforce)
            except DataError as error:
                errors.append(error)

        threads = [
            threading.Thread(target=vacuum, args=work) for work in ((0, False), (1, True), (2, False), (0, True))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [spark.conf.get(name, None) for name in names] == before
        assert len(errors) == 2
        assert all("below the table's minimum: 168 hours" in str(error) for error in errors)
    finally:
        spark.conf.unset(LISTING)


def test_the_retention_is_the_one_that_is_asked_for(engine: Engine, lake: LocalConnection) -> None:
    """Newer Delta takes the table's own instead, and says nothing."""
    made_older(lake, 200)
    assert len(engine.vacuum_delta(lake, "t", 300, dry_run=True)["files"]) == 0
    assert len(engine.vacuum_delta(lake, "t", 190, dry_run=True)["files"]) == 2
    assert len(engine.vacuum_delta(lake, "t", dry_run=True)["files"]) == 2


def test_compute_that_takes_no_settings_is_told_with_the_alternative(spark: Any) -> None:
    """Serverless, which refuses even to tell them."""
    session, location = SimpleNamespace(spark=Serverless(spark)), Location("/x/t", "/x", "lake", "t")
    with (
        pytest.raises(UnsupportedError, match="lake:t: this compute lets no session choose a retention other than"),
        maintain._settings(session, location, {RETENTION_CHECK: "false"}),
    ):
        pytest.fail("it goes on")


def test_versions_older_than_the_retention_are_read_and_restored(engine: Engine, lake: LocalConnection) -> None:
    """As on the other engine, as long as their files are there."""
    made_older(lake, 500)
    assert engine.read(lake, path="t", options={"versionAsOf": 0}).collect()[0].id == 0
    assert engine.restore_delta(lake, "t", 0)["version"] == 3


def test_vacuum_prints_nothing(spark: Any, engine: Engine, lake: LocalConnection) -> None:
    """What the JVM prints goes to its standard error while it works for us."""
    if not hasattr(spark, "_jvm"):
        pytest.skip("no JVM to look into")
    java = spark._jvm
    buffer = java.java.io.ByteArrayOutputStream()
    own = java.java.lang.System.err
    java.java.lang.System.setErr(java.java.io.PrintStream(buffer, True))
    try:
        engine.vacuum_delta(lake, "t", 0, False, False)
    finally:
        java.java.lang.System.setErr(own)
    assert "Deleted 2 files" in buffer.toString()


def test_the_command_line(
    engine: Engine, lake: LocalConnection, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of a project whose engine is Spark."""
    file = tmp_path / "project.yaml"
    file.write_text(
        "engine: spark\nconnections: {lake: {type: local, base_path: lake}}\n"
        "pipelines:\n  - pipeline: p\n    nodes:\n      - name: n\n        read: {connection: lake, path: t}\n"
    )
    assert main(["delta", "restore", str(file), "lake", "t", "--version", "0"]) == 0
    assert capsys.readouterr().out == "lake:t: from version 2 back to version 0, which is version 3 now\n"
    assert main(["delta", "history", str(file), "lake", "t", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["history"]
    assert [commit["version"] for commit in told] == [3, 2, 1, 0]
    assert main(["delta", "vacuum", str(file), "lake", "t", "--retention-hours", "0", "--no-enforce"]) == 0
    assert capsys.readouterr().out == "lake:t: 2 files deleted\n"
    assert main(["delta", "restore", str(file), "lake", "t", "--version", "9"]) != 0
    assert "lake:t has no version 9; its log has versions 0 to 5" in capsys.readouterr().err
