"""What Spark says of a Delta table, in the words of every engine."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime

from odibi.engine import delta_log
from odibi.engine.delta_features import unknown_property, unknown_to_spark
from odibi.engine.spark import raised as reading
from odibi.engine.spark.kinds import spark_errors
from odibi.engine.spark.places import reachable
from odibi.engine.spark.raised import LOG, Raised
from odibi.errors import DataNotFoundError, OdibiError, UnsupportedError
from odibi.location import Location

NO_TABLE = frozenset({"DELTA_TABLE_NOT_FOUND", "DELTA_MISSING_DELTA_TABLE", "DELTA_PATH_DOES_NOT_EXIST",
                      "DELTA_TABLE_ONLY_OPERATION", "PATH_NOT_FOUND", "TABLE_OR_VIEW_NOT_FOUND"})  # fmt: skip
DAMAGED = frozenset({"DELTA_VERSIONS_NOT_CONTIGUOUS", "DELTA_TRUNCATED_TRANSACTION_LOG", "DELTA_LOG_FILE_NOT_FOUND",
                     "DELTA_STATE_RECOVER_ERROR", "DELTA_INVALID_PROTOCOL_VERSION", "DELTA_CHECKPOINT_NON_EXIST_TABLE",
                     "DELTA_LOG_FILE_MALFORMED", "DELTA_NO_RECREATABLE_HISTORY_FOUND",
                     "DELTA_NO_COMMITS_FOUND"})  # fmt: skip
OLDER_THAN_RETENTION = "spark.databricks.delta.vacuum.enforceTimeTravelWithinDeletedFileRetentionDuration"
"""Newer Delta reads no version that is older than the retention of deleted files, though all its files be there, unless
this is off."""
_TOO_OLD = "DELTA_UNSUPPORTED_TIME_TRAVEL_BEYOND_DELETED_FILE_RETENTION_DURATION"
UNKNOWN_FEATURES = {"DELTA_UNSUPPORTED_FEATURES_FOR_READ": "read", "DELTA_UNSUPPORTED_FEATURES_FOR_WRITE": "write"}
READING = frozenset({"FAILED_READ_FILE", "MALFORMED_RECORD_IN_PARSING"})
_BY_WORDS = {
    "DELTA_VERSION_NOT_FOUND": "Cannot time travel Delta table to version",
    "DELTA_TIMESTAMP_GREATER_THAN_COMMIT": "is after the latest commit timestamp",
    "DELTA_TIMESTAMP_EARLIER_THAN_COMMIT_RETENTION": "is before the earliest version available",
    "DELTA_VACUUM_RETENTION_PERIOD_TOO_SHORT": "to vacuum files with such a low retention period",
}
"""What older Delta says without a condition."""
_OPENS_LOG = re.compile(r"\bat org\.apache\.spark\.sql\.delta\.Snapshot\w*\W")
"""A line of the trace of what opens a table; what writes one may read other JSON."""
_OF_LOG = re.compile(rf"file (\S+?)/+{delta_log.LOG}/(\d{{20}}\.[\w.]*\w)")
MAX_DETAIL = 200
"""Characters of Spark's own message that are shown."""


@contextmanager
def explained(
    location: Location,
    version: int | None = None,
    versions: Sequence[int] = (),
    when: str | None = None,
) -> Iterator[None]:
    """Turn what Spark raises about a table into odibi's errors. `version` and `when` are what was asked for,
    `versions` those that the log has, as far as it is known."""
    try:
        yield
    except spark_errors() as error:
        found = told(error, location, version, versions, when)
        if found is None:
            raise
        LOG.debug("Spark raised: %s", error)
        raise found from error


def told(
    error: BaseException,
    location: Location,
    version: int | None = None,
    versions: Sequence[int] = (),
    when: str | None = None,
) -> OdibiError | None:
    """The error in words for the user, None where it is about something else."""
    raised = read(error)
    if raised.main in NO_TABLE:
        return delta_log.no_table(location) if reachable(location) else _no_such_table(location)
    if raised.main == "DELTA_VERSION_NOT_FOUND" and version is not None:
        return delta_log.no_version(location, version, versions or _told_versions(str(error)))
    if raised.main.startswith("DELTA_TIMESTAMP_") and when is not None:
        return _no_time(location, when, raised)
    if raised.main == _TOO_OLD:
        what = f"the version of {when}" if when else f"version {version}"
        return UnsupportedError(
            f"{location.display}: {what} is older than the table keeps deleted files "
            "(delta.deletedFileRetentionDuration), and this compute reads no such version; make the retention longer, "
            "or run this with --engine pandas"
        )
    if raised.main in UNKNOWN_FEATURES:
        return unknown_to_spark(location, _features(str(error)), UNKNOWN_FEATURES[raised.main])
    if raised.main == "DELTA_UNKNOWN_CONFIGURATION":
        unknown = re.search(r"was specified: (\S+)", raised.text)
        return unknown_property(location, unknown[1] if unknown else "")
    if raised.main == "DELTA_TRUNCATED_TRANSACTION_LOG" and version is not None and versions:
        return delta_log.no_version(location, version, versions)
    if raised.main in DAMAGED:
        return delta_log.damaged(location.display, _gap(versions) or _short(raised.text))
    if raised.main in READING and _OPENS_LOG.search(raised.whole):  # before Spark 4 without the name of the file
        return of_log(raised) or delta_log.damaged(location.display, "a commit is damaged or gone")
    return of_log(raised)


def read(error: BaseException) -> Raised:
    """Take an error of Delta apart, also one that has no condition."""
    raised, text = reading.read(error), str(error)
    if raised.condition:
        return raised
    return replace(raised, condition=next((name for name, words in _BY_WORDS.items() if words in text), ""))


def _gap(versions: Sequence[int]) -> str:
    """What is missing of the log."""
    if versions and versions[0] > 0:
        return f"the commits before version {versions[0]} are missing"
    return delta_log.gap_in(versions)


def of_log(raised: Raised) -> OdibiError | None:
    """The error for a log with a file that Spark could not read, when it ran; None for other files."""
    found = _OF_LOG.search(raised.whole)
    if found is None or raised.main not in READING:
        return None
    return delta_log.damaged(found[1], f"{found[2]} is damaged or gone")


def _no_such_table(location: Location) -> OdibiError:
    """Where Python can not look at what is there."""
    return DataNotFoundError(
        f"{location.display} does not exist, or is no Delta table; write the table first, or correct its name"
    )


def _told_versions(text: str) -> list[int]:
    found = re.search(r"[Aa]vailable versions: \[(\d+), (\d+)\]", text)
    return [int(found[1]), int(found[2])] if found else []


def _no_time(location: Location, when: str, raised: Raised) -> OdibiError:
    asked = datetime.fromisoformat(when).isoformat()
    if raised.main == "DELTA_TIMESTAMP_GREATER_THAN_COMMIT":
        return DataNotFoundError(
            f"{location.display} was last changed before timestampAsOf {asked}; "
            "leave the option out for the newest version"
        )
    return DataNotFoundError(
        f"{location.display} has no version from {asked} or before; `odibi delta history` lists its versions"
    )


def _features(text: str) -> list[str]:
    """The names at the end of `… that are unsupported by Delta Lake "4.4.0": fooBar, other.`"""
    found = re.search(r"unsupported by [^:]*:\s*([\w\-, ]+)", text)
    return [name.strip() for name in found[1].split(",") if name.strip()] if found else ["(unnamed)"]


def _short(text: str) -> str:
    line = re.sub(r"^\[[A-Z0-9_.]+\]\s*", "", text.split("\n", maxsplit=1)[0])
    return line if len(line) <= MAX_DETAIL else line[:MAX_DETAIL] + " …"
