"""History, vacuum, restore."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from odibi.engine.pandas.delta import maintain
from odibi.errors import DataError, DataNotFoundError


@pytest.fixture
def place(lake):
    for value in range(3):
        lake.write(f"SELECT {value} AS v")
    return lake.connection.location("t")


def test_history_is_newest_first(place):
    found = maintain.history(place)
    assert [entry["version"] for entry in found] == [2, 1, 0]
    assert set(found[0]) == {"version", "timestamp", "operation", "parameters", "metrics", "user_metadata"}
    assert abs((datetime.now(UTC) - found[0]["timestamp"]).total_seconds()) < 60
    assert found[0]["metrics"]["num_output_rows"] == 1
    assert [entry["version"] for entry in maintain.history(place, 1)] == [2]
    with pytest.raises(DataError, match="limit is 0"):
        maintain.history(place, 0)


def test_restore_is_a_new_version(place, lake):
    found = maintain.restore(place, 0)
    assert (found["version"], found["restored_version"]) == (3, 0)
    assert lake.rows() == ["{'v': 0}"]
    assert maintain.restore(place, 3)["version"] == 3
    for version in (9, -1):
        with pytest.raises(DataNotFoundError, match=f"has no version {version}; its log has versions 0 to 3"):
            maintain.restore(place, version)


def test_vacuum_lists_then_deletes_then_old_versions_can_not_be_restored(place, lake):
    dry = maintain.vacuum(place, 0, dry_run=True, enforce=False)
    assert (dry["files_deleted"], len(dry["files"]), len(lake.files())) == (0, 2, 3)
    assert maintain.vacuum(place, 0, enforce=False)["files_deleted"] == 2
    assert len(lake.files()) == 1
    with pytest.raises(DataNotFoundError, match=r"version 0 can not be restored, since its data file \S+ is gone"):
        maintain.restore(place, 0)
    assert lake.rows() == ["{'v': 2}"]


@pytest.mark.parametrize(
    ("hours", "said"),
    [(-1, "give a number of hours"), (float("nan"), "give a number"), (1, "below the table's minimum: 168 hours")],
)
def test_retentions_that_are_refused(place, hours, said):
    with pytest.raises(DataError, match=said):
        maintain.vacuum(place, hours)


def test_no_table(lake):
    place = lake.connection.location("nope")
    lake.root.mkdir()
    for work in (lambda: maintain.history(place), lambda: maintain.vacuum(place), lambda: maintain.restore(place, 0)):
        with pytest.raises(DataNotFoundError, match="lake:nope does not exist"):
            work()
