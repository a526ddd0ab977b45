"""Tables whose files Python can not read, as those of a catalog: Spark tells what the log says elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from odibi.connections import LocalConnection
from odibi.engine import Engine
from odibi.engine.base import Target
from odibi.engine.spark.delta import maintain, problems, read
from odibi.errors import DataNotFoundError
from odibi.testing.frames import arrow_table

pytestmark = pytest.mark.one_machine


def test_all_that_is_asked_of_tables(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = LocalConnection(tmp_path / "lake", name="lake")
    for number in range(3):
        engine.save(engine.adopt(arrow_table([{"id": number}])), Target(lake, "t", "delta", metadata={"run": "r"}))
    near = engine.get_delta_history(lake, "t")
    for module in (maintain, problems, read):
        monkeypatch.setattr(module, "reachable", lambda location: False)
    far = engine.get_delta_history(lake, "t")
    for here, there in zip(near, far, strict=True):
        between = here.pop("timestamp") - there.pop("timestamp")  # one is of the commit, the other of its file
        assert abs(between.total_seconds()) < 600
    assert far == near
    assert len(engine.get_delta_history(lake, "t", 2)) == 2
    assert [row.id for row in engine.read(lake, path="t").collect()] == [2]
    assert [row.id for row in engine.read(lake, path="t", options={"versionAsOf": 1}).collect()] == [1]
    with pytest.raises(DataNotFoundError, match="lake:t has no version 7; its log has versions 0 to 2"):
        engine.read(lake, path="t", options={"versionAsOf": 7})
    with pytest.raises(DataNotFoundError, match=r"lake:t has no version from 2001-01-01T00:00:00\+00:00 or before"):
        engine.read(lake, path="t", options={"timestampAsOf": "2001-01-01"})
    with pytest.raises(DataNotFoundError, match="lake:t was last changed before timestampAsOf 2999"):
        engine.read(lake, path="t", options={"timestampAsOf": "2999-01-01"})
    assert engine.restore_delta(lake, "t", 0)["version"] == 3
    with pytest.raises(DataNotFoundError, match="lake:t has no version 9; its log has versions 0 to 3"):
        engine.restore_delta(lake, "t", 9)
    gone = engine.vacuum_delta(lake, "t", 0, True, False)["files"]
    assert len(gone) >= 2, "Spark 3.5 leaves a file without rows beside that of each write"
    assert engine.vacuum_delta(lake, "t", 0, False, False)["files_deleted"] == len(gone)
    for work in (engine.get_delta_history, engine.vacuum_delta):
        with pytest.raises(DataNotFoundError, match="lake:nope does not exist, or is no Delta table"):
            work(lake, "nope")
    with pytest.raises(DataNotFoundError, match="lake:nope does not exist, or is no Delta table"):
        engine.read(lake, path="nope")
