"""The log of a Delta table as files tell it, without a job and without an engine: versions, commits, what is missing.

Only for places that Python can reach; of others the engine tells.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import accumulate
from pathlib import PurePosixPath
from typing import Any

from odibi.engine.delta_rules import shown_metadata
from odibi.errors import DataError, DataNotFoundError, OdibiError, UnsupportedError
from odibi.files import explained, files_for, missing
from odibi.location import Location
from odibi.parallel import each

LOG = "_delta_log"
COMMITS_AT_ONCE = 16
"""Commits that are read side by side where each is a request."""
SAME_METRICS = {
    "num_added_rows": "num_output_rows",
    "num_added_files": "num_files",
    "num_restored_file": "num_restored_files",
    "num_removed_file": "num_removed_files",
    "num_files_added": "num_added_files",
    "num_files_removed": "num_removed_files",
}
"""Names that delta-rs gives to metrics, and Spark's: both are given, so that readers need one."""
_COMMIT = re.compile(r"(\d{20})\.json")
_CHECKPOINT = re.compile(r"(\d{20})\.checkpoint\..*(?:parquet|json)")
_NUMBER = re.compile(r"-?\d{1,18}")


# -- versions ----------------------------------------------------------------------------------------------------------


def names(location: Location) -> list[str]:
    """The names in a table's log; empty where there is no log."""
    files = files_for(location)
    with explained(location, "read"):
        try:
            return [entry.name for entry in files.entries(files.join(location.uri, LOG))]
        except (FileNotFoundError, NotADirectoryError):
            return []


def versions_in(found: Sequence[str], checkpoints: bool = False) -> list[int]:
    """The versions that a log with these names has commits for (or checkpoints of), ascending."""
    patterns = (_COMMIT, _CHECKPOINT) if checkpoints else (_COMMIT,)
    return sorted({int(match[1]) for name in found for pattern in patterns if (match := pattern.fullmatch(name))})


def versions(location: Location) -> list[int]:
    """The versions that a table's log has commits for, ascending; empty where no table is."""
    return versions_in(names(location))


def newest_version(location: Location) -> int:
    """The newest version. Raises the error for a place without a table."""
    found = versions_in(names(location), checkpoints=True)
    if not found:
        raise no_table(location)
    return found[-1]


# -- what is not there -------------------------------------------------------------------------------------------------


def no_table(location: Location) -> OdibiError:
    """The error for a place without a Delta table: what is there instead, and what is close."""
    files = files_for(location)
    kind = files.kind(location.uri)
    if kind == "missing":
        return missing(location)
    if kind == "file":
        return DataNotFoundError(
            f"{location.display} is a file, not a Delta table; name its format (format: csv, parquet, …)"
        )
    suffixes = sorted({PurePosixPath(path).suffix.lower() for path in files.walk(location.uri)} - {""})
    if ".parquet" in suffixes:
        hint = "it holds plain Parquet files: read it with format: parquet"
    elif suffixes:
        hint = f"it holds {', '.join(suffixes[:5])} files: name their format"
    else:
        hint = "write the table first, or correct the path"
    return DataNotFoundError(f"{location.display} is a folder without a {LOG}, so no Delta table; {hint}")


def no_version(location: Location, version: int, found: Sequence[int] = ()) -> DataNotFoundError:
    """The error for a version that is not there. `found` are those that are."""
    known = f"its log has versions {found[0]} to {found[-1]}" if found else "`odibi delta history` lists its versions"
    return DataNotFoundError(f"{location.display} has no version {version}; {known}")


def after_newest(location: Location, asked: datetime, newest: datetime) -> DataNotFoundError:
    """The error for a time after the last commit."""
    return DataNotFoundError(
        f"{location.display} was last changed at {newest.isoformat()}, before timestampAsOf {asked.isoformat()}; "
        "leave the option out for the newest version"
    )


def before_oldest(location: Location, asked: datetime, version: int, oldest: datetime) -> DataNotFoundError:
    """The error for a time before the first commit that the log still has."""
    return DataNotFoundError(
        f"{location.display} has no version from {asked.isoformat()} or before; the oldest, "
        f"version {version}, is from {oldest.isoformat()}"
    )


def damaged(table: str, what: str) -> DataError:
    """The error for a log that can not be read. `table` is the table as messages show it."""
    return DataError(
        f"{table}: the table's log ({LOG}) can not be read: {what}; "
        "restore the file from a copy, or restore the table's folder"
    )


def gap_in(found: Sequence[int]) -> str:
    """Which commits are missing between others, in words; empty where none are."""
    gone = [str(version) for version in range(found[0], found[-1]) if version not in set(found)] if found else []
    return f"the commit of version {', '.join(gone[:5])} is missing" if gone else ""


def file_gone(location: Location, file: str) -> DataNotFoundError:
    """The error for a data file that is not there."""
    return DataNotFoundError(
        f"{location.display}: the log lists the data file {file}, which is gone; "
        "restore the file, or an older version of the table that does not need it"
    )


# -- commits -----------------------------------------------------------------------------------------------------------


def commits(location: Location, limit: int | None = None) -> list[dict[str, Any]]:
    """What the newest commits, or all that the log still has, say of themselves, newest first; empty where none is."""
    wanted = versions(location)[::-1][:limit]
    texts = commit_texts(location, wanted)
    return [
        {**commit_info(text), "version": version}
        for version, text in zip(wanted, texts, strict=True)
        if text is not None
    ]


def commit_texts(location: Location, wanted: Sequence[int]) -> list[str | None]:
    """Commits as they are written, None for one that is gone; behind a URL one request each, some at a time."""
    files = files_for(location)
    folder = files.join(location.uri, LOG)
    found: dict[int, str | None] = {}

    def read(version: int) -> None:
        try:
            with files.open_read(files.join(folder, f"{version:020}.json")) as file:
                found[version] = file.read().decode("utf-8", errors="replace")
        except FileNotFoundError:
            found[version] = None

    with explained(location, "read"):
        if location.local_path is None:
            each(read, wanted, COMMITS_AT_ONCE)
        else:
            for version in wanted:
                read(version)
    return [found[version] for version in wanted]


def commit_info(text: str) -> dict[str, Any]:
    """What a commit says of itself; nothing where it says nothing, or is damaged."""
    for line in text.splitlines():
        if '"commitInfo"' in line:
            try:
                found = json.loads(line).get("commitInfo")
            except ValueError:
                continue
            if isinstance(found, dict):
                return found
    return {}


def commit_times(found: Sequence[Mapping[str, Any]]) -> dict[int, datetime]:
    """When each version was committed, ascending; clocks that went back are ignored. `found` are all commits."""
    ascending = sorted(found, key=lambda commit: int(commit["version"]))
    stamps = (_stamp(commit) for commit in ascending)
    pairs = zip(ascending, accumulate(stamps, max), strict=True)
    return {int(commit["version"]): _moment(stamp) for commit, stamp in pairs}


def version_at(location: Location, when: str, times: Mapping[int, datetime]) -> int:
    """The version that was the newest at a time (ISO 8601 with a zone). Raises `DataNotFoundError` outside of times."""
    asked = datetime.fromisoformat(when)
    newest, oldest = max(times), min(times)
    if asked > times[newest]:
        raise after_newest(location, asked, times[newest])
    found = max((version for version, time in times.items() if time <= asked), default=None)
    if found is None:
        raise before_oldest(location, asked, oldest, times[oldest])
    return found


def _stamp(commit: Mapping[str, Any]) -> int:
    return int(commit.get("inCommitTimestamp") or commit.get("timestamp") or 0)


def _moment(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


# -- history -----------------------------------------------------------------------------------------------------------


def entry(commit: Mapping[str, Any]) -> dict[str, Any]:
    """A commit as histories show it, in the same shape whoever wrote it."""
    return {
        "version": int(commit["version"]),
        "timestamp": _moment(_stamp(commit)),
        "operation": commit.get("operation"),
        "parameters": {key: plain(value) for key, value in (commit.get("operationParameters") or {}).items()},
        "metrics": metrics(commit.get("operationMetrics") or {}),
        "user_metadata": shown_metadata(commit.get("userMetadata")),
    }


def check_limit(limit: int | None) -> None:
    """Raise `DataError` for a number of commits that is none."""
    if limit is not None and limit < 1:
        raise DataError(f"limit is {limit}; give a number from 1, or none for all")


def metrics(found: Mapping[str, Any]) -> dict[str, Any]:
    """Metrics in snake_case, as numbers: Spark writes camelCase and texts.

    >>> metrics({"numOutputRows": "3"}), metrics({"num_added_rows": 3})
    ({'num_output_rows': 3}, {'num_added_rows': 3, 'num_output_rows': 3})
    """
    told = {snake(key): plain(value) for key, value in found.items()}
    return told | {ours: told[theirs] for theirs, ours in SAME_METRICS.items() if theirs in told and ours not in told}


def snake(name: str) -> str:
    """`numOutputRows` as `num_output_rows`.

    >>> snake("numOutputRows")
    'num_output_rows'
    """
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def plain(value: Any) -> Any:
    """What a text stands for: Spark and delta-rs write numbers, lists and more as texts, each of them others.

    >>> plain("3"), plain("true"), plain('["a"]'), plain("Append")
    (3, True, ['a'], 'Append')
    """
    if not isinstance(value, str):
        return value
    if value in ("true", "false"):
        return value == "true"
    if _NUMBER.fullmatch(value):
        return int(value)
    if value[:1] in ("[", "{"):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


# -- vacuum and restore ------------------------------------------------------------------------------------------------


def whole_hours(retention_hours: float) -> int:
    """A retention in whole hours. Raises `DataError` for what is none."""
    if not math.isfinite(retention_hours) or retention_hours < 0:
        raise DataError(f"retention_hours is {retention_hours}; give a number of hours from 0")
    return math.ceil(retention_hours)


def retention_too_short(location: Location, retention_hours: float, minimum: str) -> DataError:
    """The error for a retention below the table's own."""
    return DataError(
        f"{location.display}: retention_hours {retention_hours:g} is below the table's minimum: {minimum}; "
        "younger files may be in use. Pass enforce_retention_duration=False (--no-enforce) if nobody uses them"
    )


@dataclass(frozen=True)
class Vacuumed:
    """What a vacuum deleted, or in a dry run would delete: paths relative to the table."""

    files: Sequence[str]
    dry_run: bool

    def report(self, deleted: int | None = None) -> dict[str, Any]:
        """As it is told. `deleted` is the number of files where their names are not known."""
        files = sorted({file for file in self.files if not file.endswith(".crc")})
        count = len(files) if deleted is None else deleted
        return {"files_deleted": 0 if self.dry_run else count, "files": files, "dry_run": self.dry_run}


def not_restored(location: Location, version: int, file: str) -> DataNotFoundError:
    """The error for a version whose data is gone."""
    return DataNotFoundError(
        f"{location.display}: version {version} can not be restored, since its data file {file} is gone "
        "(vacuumed or deleted); choose a younger version"
    )


def append_only_restore(location: Location) -> UnsupportedError:
    """The error for a restore of a table whose rows may never be removed."""
    return UnsupportedError(f"{location.display} is append-only (delta.appendOnly), so it can not be restored")


def restored(version: int, newest: int, found: Mapping[str, Any]) -> dict[str, Any]:
    """What is told of a restore: `newest` is the version that it made, `found` what the library counted."""
    counted = metrics(found)
    kept = {key: counted.get(key, 0) for key in ("num_restored_files", "num_removed_files")}
    return {"version": newest, "restored_version": version, **kept}
