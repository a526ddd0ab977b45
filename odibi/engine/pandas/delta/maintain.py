"""History, vacuum and restore of Delta tables."""

from __future__ import annotations

import json
import re
from typing import Any

from odibi.engine import delta_log
from odibi.engine.delta_rules import TXN
from odibi.engine.pandas.delta.commit import outcome
from odibi.engine.pandas.delta.table import (
    Table,
    check_writable,
    commits_of,
    explained,
    log_versions,
    not_writable,
    open_table,
    remote_commits,
)
from odibi.errors import DataError, UnsupportedError
from odibi.files import new_txn
from odibi.location import Location


def history(location: Location, limit: int | None = None) -> list[dict[str, Any]]:
    """Commits, newest first: `version`, `timestamp` (UTC datetime), `operation`, `parameters`, `metrics` (snake_case),
    `user_metadata` (text or None). `limit` bounds their number."""
    delta_log.check_limit(limit)
    if location.local_path is not None:
        found = commits_of(open_table(location), limit)
    else:
        found = remote_commits(location, limit) or commits_of(open_table(location), limit)
    return [delta_log.entry(commit) for commit in found]


def vacuum(
    location: Location, retention_hours: float = 168, dry_run: bool = False, enforce: bool = True
) -> dict[str, Any]:
    """Delete files that no version younger than the retention needs, also what failed writers left:
    `{"files_deleted": n, "files": […], "dry_run": …}`. A dry run lists and deletes nothing.

    `enforce` refuses a retention below the table's own (a week by default): younger files may be in use by a writer.
    """
    hours = delta_log.whole_hours(retention_hours)
    table = open_table(location)
    check_writable(table, "vacuum")
    try:
        with explained(location, "write"):
            files = table.delta.vacuum(
                hours, dry_run=dry_run, enforce_retention_duration=enforce, full=_vacuumed_in_full(table)
            )
    except DataError as error:
        if "minimum retention" not in str(error):
            raise
        raise delta_log.retention_too_short(location, retention_hours, _minimum(error)) from error
    return delta_log.Vacuumed([_relative(file, location) for file in files], dry_run).report()


def _vacuumed_in_full(table: Table) -> bool:
    """Whether files go that no version ever named. delta-rs takes the files of deletion vectors for such, and rows that
    were deleted would come back with them: there it goes by what the log says was removed, and Spark does the rest."""
    return "deletionVectors" not in table.writer_features


def _relative(file: str, location: Location) -> str:
    """A path relative to the table; delta-rs tells some of them in full."""
    return file.replace("\\", "/").removeprefix(location.uri.replace("\\", "/").rstrip("/") + "/")


def _minimum(error: DataError) -> str:
    found = re.search(r"greater than (\d+) hours", str(error))
    return f"{found[1]} hours" if found else "a week"


def restore(location: Location, version: int) -> dict[str, Any]:
    """Make an old version the newest, as a commit of its own: `{"version": the new one, "restored_version": …,
    "num_restored_files": …, "num_removed_files": …}`."""
    table = open_table(location)
    newest = table.version
    versions = log_versions(location) or list(range(newest + 1))
    if version not in versions:
        raise delta_log.no_version(location, version, [versions[0], newest])
    if version == newest:
        return delta_log.restored(version, newest, {})
    if table.append_only:
        raise delta_log.append_only_restore(location)
    check_writable(table, "restore")
    _check_restorable(location, version)
    try:
        done, metrics = _restore(table, version)
    except DataError as error:
        found = re.search(r"missing file (\S+)", str(error))
        if found is None:
            raise
        raise delta_log.not_restored(location, version, found[1]) from error
    return delta_log.restored(version, done, metrics)


def _check_restorable(location: Location, version: int) -> None:
    """The old version may have features that were taken out of the table since, and would come back."""
    unknown = not_writable(open_table(location, version))
    if unknown:
        raise UnsupportedError(
            f"version {version} of {location.display} has the Delta feature {', '.join(sorted(unknown))}, which the "
            "pandas engine can not restore; run this with --engine spark"
        )


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
    return open_table(location).version, _plain(metrics)


def _plain(metrics: Any) -> dict[str, Any]:
    return dict(metrics) if isinstance(metrics, dict) else dict(json.loads(metrics))
