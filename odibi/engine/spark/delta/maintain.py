"""History, vacuum and restore of Delta tables. All through SQL, which works on Spark Connect too, and through the log's
own files where Python can read them, which costs no job."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from odibi.engine import delta_log
from odibi.engine.delta_rules import is_append_only
from odibi.engine.spark import errors
from odibi.engine.spark.delta.problems import OLDER_THAN_RETENTION, explained, read
from odibi.engine.spark.places import delta_name, reachable
from odibi.engine.spark.session import Session
from odibi.errors import DataError, OdibiError, UnsupportedError
from odibi.location import Location

RETENTION_CHECK = "spark.databricks.delta.retentionDurationCheck.enabled"
WINDOW_IGNORED = "spark.databricks.delta.vacuum.retentionWindowIgnore.enabled"
"""Newer Delta takes no other retention than the table's own, and does not say so, unless this is off."""
LISTING = "spark.sql.sources.parallelPartitionDiscovery.parallelism"
"""How many tasks list a table's folders: 10,000 as Spark has it, which takes minutes where two cores do them all."""
TASKS_OF_ONE_MACHINE = "8"
USUAL_HOURS = 168
"""The retention of a table that says nothing else, and of a vacuum that is told nothing else."""
_changed = threading.Lock()
"""Held while settings are changed for a vacuum: one at a time, so that each puts back what it found."""


def history(session: Session, location: Location, limit: int | None = None) -> list[dict[str, Any]]:
    """Commits, newest first: `version`, `timestamp` (UTC datetime), `operation`, `parameters`, `metrics` (snake_case),
    `user_metadata` (text or None). `limit` bounds their number."""
    delta_log.check_limit(limit)
    if not reachable(location):
        return [delta_log.entry(commit) for commit in _described(session, location, limit)]
    delta_log.newest_version(location)
    return [delta_log.entry(commit) for commit in delta_log.commits(location, limit)]


def _described(session: Session, location: Location, limit: int | None = None) -> list[dict[str, Any]]:
    """The commits as Spark tells them, under the names that they have in the log."""
    bound = f" LIMIT {int(limit)}" if limit is not None else ""
    with explained(location):
        rows = session.spark.sql(f"DESCRIBE HISTORY {delta_name(location)}{bound}").selectExpr(
            "version", "unix_millis(timestamp) AS stamp", "operation", "operationParameters", "operationMetrics",
            "userMetadata",
        ).collect()  # fmt: skip
    return [{**row.asDict(), "timestamp": row["stamp"]} for row in rows]


def _newest(session: Session, location: Location) -> int:
    if reachable(location):
        return delta_log.newest_version(location)
    return int(_described(session, location, 1)[0]["version"])


# -- vacuum ------------------------------------------------------------------------------------------------------------


def vacuum(
    session: Session, location: Location, retention_hours: float = 168, dry_run: bool = False, enforce: bool = True
) -> dict[str, Any]:
    """Delete files that no version younger than the retention needs, also what failed writers left:
    `{"files_deleted": n, "files": […], "dry_run": …}`. A dry run lists and deletes nothing.

    `enforce` refuses a retention below the table's own (a week by default): younger files may be in use by a writer.
    The names of deleted files are known where Python can list the table; else `files` is empty.
    """
    hours = delta_log.whole_hours(retention_hours)
    before = _newest(session, location)
    statement = f"VACUUM {delta_name(location)} RETAIN {hours} HOURS"
    with _too_short(location, retention_hours), explained(location):
        if dry_run:
            found = _run(session, location, f"{statement} DRY RUN", hours, enforce)
            return delta_log.Vacuumed([_relative(row["path"], location) for row in found], dry_run=True).report()
        there = _listed(location)
        _run(session, location, statement, hours, enforce)
    if there is not None:
        return delta_log.Vacuumed(sorted(there - (_listed(location) or set())), dry_run=False).report()
    return delta_log.Vacuumed((), dry_run=False).report(_told_of_vacuum(session, location, before))


def _run(session: Session, location: Location, statement: str, hours: int, enforce: bool) -> list[Any]:
    needed = {} if enforce else {RETENTION_CHECK: "false"}
    if hours and hours != USUAL_HOURS:
        needed[WINDOW_IGNORED] = "false"
    useful = {LISTING: TASKS_OF_ONE_MACHINE} if _one_machine(session) else {}
    with _settings(session, location, {**useful, **needed}), _silent(session):
        return list(session.spark.sql(statement).collect())


def _one_machine(session: Session) -> bool:
    """Whether all of Spark is this machine, also where it is a server of its own (Connect)."""
    if session.platform.serverless:
        return False
    with suppress(*errors.spark_errors()):
        return str(session.spark.conf.get("spark.master", "")).startswith("local")
    return False


@contextmanager
def _settings(session: Session, location: Location, wanted: Mapping[str, str]) -> Iterator[None]:
    """The session with these settings, which are put back whatever happens."""
    conf = session.spark.conf
    if not wanted:
        yield
        return
    before: dict[str, str | None] = {}
    with _changed:
        try:
            for name, value in wanted.items():
                before[name] = _set(conf, name, value, location)
            yield
        finally:
            for name, old in before.items():
                with suppress(*errors.spark_errors()):  # a session that has ended has no settings
                    conf.unset(name) if old is None else conf.set(name, old)


def _set(conf: Any, name: str, value: str, location: Location) -> str | None:
    """Change a setting; what it was before. Serverless compute refuses even to tell."""
    try:
        before: str | None = conf.get(name, None)
        conf.set(name, value)
        return before
    except errors.spark_errors() as error:
        raise UnsupportedError(
            f"{location.display}: this compute lets no session choose a retention other than the table's own ({name}); "
            "leave retention_hours out, or change the table's: ALTER TABLE … SET TBLPROPERTIES "
            "('delta.deletedFileRetentionDuration' = 'interval 7 days')"
        ) from error


@contextmanager
def _silent(session: Session) -> Iterator[None]:
    """Delta prints what it deleted to the JVM's standard output, which is ours: it goes to the standard error, for the
    JVM's thread that works for this one."""
    output = _console(session)
    if output is None:
        yield
        return
    before = output.value()
    _assign(output, session.spark._jvm.java.lang.System.err)
    try:
        yield
    finally:
        _assign(output, before)


def _console(session: Session) -> Any:
    """Scala's standard output, a variable with a value for each thread; None where the JVM is out of reach."""
    if not session.platform.jvm:
        return None
    try:
        console = session.spark._jvm.java.lang.Class.forName("scala.Console$")
        variable = console.getDeclaredField("outVar")
        variable.setAccessible(True)
        return variable.get(console.getField("MODULE$").get(None))
    except errors.spark_errors():
        return None


def _assign(variable: Any, value: Any) -> None:
    getattr(variable, "value_$eq")(value)


@contextmanager
def _too_short(location: Location, retention_hours: float) -> Iterator[None]:
    try:
        yield
    except errors.spark_errors() as error:
        raised = read(error)
        if raised.main != "DELTA_VACUUM_RETENTION_PERIOD_TOO_SHORT":
            raise
        found = raised.parameters.get("configuredRetentionHours") or _hours_in(str(error))
        raise delta_log.retention_too_short(
            location, retention_hours, f"{found} hours" if found else "a week"
        ) from error


def _hours_in(text: str) -> str:
    found = re.search(r"(?:at least|equal to|less than) \"?(\d+) hours", text)
    return found[1] if found else ""


def _listed(location: Location) -> set[str] | None:
    """The table's files, relative to it, None where Python can not list them."""
    if not reachable(location):
        return None
    from odibi.files import files_for

    files = files_for(location)
    return {_relative(path, location) for path in _walk(files, location.uri)}


def _walk(files: Any, folder: str) -> Iterator[str]:
    for entry in files.entries(folder):
        if entry.name == delta_log.LOG:
            continue
        if entry.is_folder:
            yield from _walk(files, entry.path)
        else:
            yield entry.path


def _relative(path: str, location: Location) -> str:
    """A path as Python or Spark tells it, relative to the table."""
    spelled = _bare(path)
    root = _bare(location.uri).rstrip("/") + "/"
    return spelled.removeprefix(root)


def _bare(path: str) -> str:
    """Without what may be spelled in several ways at the front: `file:/a`, `file:///a` and `/a` are one."""
    text = path.replace("\\", "/")
    return "/" + text.removeprefix("file:").lstrip("/") if "://" not in text.removeprefix("file://") else text


def _told_of_vacuum(session: Session, location: Location, before: int) -> int:
    """The number of files in the commit that a vacuum makes of itself."""
    for commit in map(delta_log.entry, _described(session, location, 5)):
        if commit["version"] > before and commit["operation"] == "VACUUM END":
            return int(commit["metrics"].get("num_deleted_files", 0))
    return 0


# -- restore -----------------------------------------------------------------------------------------------------------


def restore(session: Session, location: Location, version: int) -> dict[str, Any]:
    """Make an old version the newest, as a commit of its own: `{"version": the new one, "restored_version": …,
    "num_restored_files": …, "num_removed_files": …}`."""
    newest, versions = _versions(session, location)
    if version not in versions:
        raise delta_log.no_version(location, version, versions)
    if version == newest:
        return delta_log.restored(version, newest, {})
    if _append_only(session, location):
        raise delta_log.append_only_restore(location)
    session.set(OLDER_THAN_RETENTION, "false")
    try:
        with explained(location, version=version, versions=versions):
            rows = session.spark.sql(f"RESTORE TABLE {delta_name(location)} TO VERSION AS OF {int(version)}").collect()
    except errors.spark_errors() as error:
        raise _not_restored(error, location, version) from error
    return delta_log.restored(version, _newest(session, location), _counts(rows[0].asDict() if rows else {}))


def _versions(session: Session, location: Location) -> tuple[int, list[int]]:
    if reachable(location):
        found = delta_log.versions(location)
        return delta_log.newest_version(location), found
    found = sorted(int(commit["version"]) for commit in _described(session, location))
    return found[-1], found


def _append_only(session: Session, location: Location) -> bool:
    with explained(location):
        rows = session.spark.sql(f"SHOW TBLPROPERTIES {delta_name(location)}").collect()
    return is_append_only({row["key"]: str(row["value"]) for row in rows})


def _not_restored(error: BaseException, location: Location, version: int) -> OdibiError:
    raised = errors.read(error)
    gone = re.search(r"[Mm]iss(?:ed|ing) files? (?:\(.*?\))?:?\s*([^,\s]+)", str(error))
    if gone:
        return delta_log.not_restored(location, version, gone[1].rstrip("."))
    if "Concurrent" in raised.kind or "CONCURRENT" in raised.main:
        return DataError(f"{location.display}: another writer changed the table meanwhile; restore the version again")
    return errors.explain(error)


def _counts(row: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if value is not None}
