"""History, vacuum and restore of Delta tables."""

from __future__ import annotations

import json
import math
import re
from datetime import UTC, datetime
from typing import Any

from odibi.engine.delta_rules import TXN, shown_metadata
from odibi.engine.pandas.delta.commit import outcome
from odibi.engine.pandas.delta.table import (
    Table,
    commits_of,
    explained,
    log_versions,
    open_table,
    remote_commits,
)
from odibi.errors import DataError, DataNotFoundError, UnsupportedError
from odibi.files import new_txn
from odibi.location import Location

SAME_THING = {"num_added_rows": "num_output_rows", "num_added_files": "num_files"}
"""delta-rs's names of metrics, and Spark's: both are given, so that readers need one."""


def history(location: Location, limit: int | None = None) -> list[dict[str, Any]]:
    """Commits, newest first: `version`, `timestamp` (UTC datetime), `operation`, `parameters`, `metrics` (snake_case),
    `user_metadata` (text or None). `limit` bounds their number."""
    if limit is not None and limit < 1:
        raise DataError(f"limit is {limit}; give a number from 1, or none for all")
    if location.local_path is not None:
        found = commits_of(open_table(location), limit)
    else:
        found = remote_commits(location, limit) or commits_of(open_table(location), limit)
    return [_entry(commit) for commit in found]


def _entry(commit: dict[str, Any]) -> dict[str, Any]:
    return {
        "version": commit["version"],
        "timestamp": datetime.fromtimestamp(commit.get("timestamp", 0) / 1000, UTC),
        "operation": commit.get("operation"),
        "parameters": commit.get("operationParameters") or {},
        "metrics": _metrics(commit.get("operationMetrics") or {}),
        "user_metadata": shown_metadata(commit.get("userMetadata")),
    }


def _metrics(found: dict[str, Any]) -> dict[str, Any]:
    metrics = {snake(key): _number(value) for key, value in found.items()}
    return metrics | {
        ours: metrics[theirs] for theirs, ours in SAME_THING.items() if theirs in metrics and ours not in metrics
    }


def snake(name: str) -> str:
    """`numOutputRows` as `num_output_rows`.

    >>> snake("numOutputRows")
    'num_output_rows'
    """
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def _number(value: Any) -> Any:
    """Spark writes its metrics as texts."""
    return int(value) if isinstance(value, str) and re.fullmatch(r"-?\d+", value) else value


def vacuum(
    location: Location, retention_hours: float = 168, dry_run: bool = False, enforce: bool = True
) -> dict[str, Any]:
    """Delete files that no version younger than the retention needs, also what failed writers left:
    `{"files_deleted": n, "files": […], "dry_run": …}`. A dry run lists and deletes nothing.

    `enforce` refuses a retention below the table's own (a week by default): younger files may be in use by a writer.
    """
    if not math.isfinite(retention_hours) or retention_hours < 0:
        raise DataError(f"retention_hours is {retention_hours}; give a number of hours from 0")
    table = open_table(location)
    try:
        with explained(location, "write"):
            files = table.delta.vacuum(
                math.ceil(retention_hours), dry_run=dry_run, enforce_retention_duration=enforce, full=True
            )
    except DataError as error:
        if "minimum retention" not in str(error):
            raise
        raise DataError(
            f"{location.display}: retention_hours {retention_hours:g} is below the table's minimum: {_minimum(error)}; "
            "younger files may be in use. Pass enforce_retention_duration=False (--no-enforce) if nobody uses them"
        ) from error
    return {"files_deleted": 0 if dry_run else len(files), "files": sorted(files), "dry_run": dry_run}


def _minimum(error: DataError) -> str:
    found = re.search(r"greater than (\d+) hours", str(error))
    return f"{found[1]} hours" if found else "a week"


def restore(location: Location, version: int) -> dict[str, Any]:
    """Make an old version the newest, as a commit of its own: `{"version": the new one, "restored_version": …, …}` with
    delta-rs's counts of restored and removed files."""
    table = open_table(location)
    newest = table.version
    versions = log_versions(location) or list(range(newest + 1))
    if version not in versions:
        raise DataNotFoundError(
            f"{location.display} has no version {version}; its log has versions {versions[0]} to {newest}"
        )
    if version == newest:
        return {"version": newest, "restored_version": version, "num_restored_file": 0, "num_removed_file": 0}
    if table.append_only:
        raise UnsupportedError(f"{location.display} is append-only (delta.appendOnly), so it can not be restored")
    try:
        done, metrics = _restore(table, version)
    except DataError as error:
        found = re.search(r"missing file (\S+)", str(error))
        if found is None:
            raise
        raise DataNotFoundError(
            f"{location.display}: version {version} can not be restored, since its data file {found[1]} is gone "
            "(vacuumed or deleted); choose a younger version"
        ) from error
    return {"version": done, "restored_version": version, **metrics}


def _restore(table: Table, version: int) -> tuple[int, dict[str, Any]]:
    """Commit; gives the new version and delta-rs's counts. As in every commit an error does not say that it is absent:
    a request whose answer was lost is sent again and meets its own commit."""
    from deltalake import CommitProperties
    from deltalake.exceptions import CommitFailedError

    location, txn = table.location, new_txn()
    properties = CommitProperties(custom_metadata={TXN: txn}, max_commit_retries=0)
    with explained(location, "write"):
        try:
            metrics = table.delta.restore(version, commit_properties=properties)
        except Exception as error:
            done = outcome(location, txn, table, error)
            if done is not None:
                return done, next(entry["metrics"] for entry in history(location) if entry["version"] == done)
            if isinstance(error, CommitFailedError):
                raise DataError(
                    f"{location.display}: another writer changed the table meanwhile; restore the version again"
                ) from error
            raise
    return open_table(location).version, {snake(k): v for k, v in _plain(metrics).items()}


def _plain(metrics: Any) -> dict[str, Any]:
    return dict(metrics) if isinstance(metrics, dict) else dict(json.loads(metrics))
