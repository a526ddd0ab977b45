"""The one way of a write: cast to the target's types, check, write aside, then commit.

Delta tables are written in `odibi.engine.pandas.delta`; here is what plain files need. They are written to a private
place beside the target and renamed over it, so a failed check or write leaves the target untouched.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import PurePosixPath

import duckdb

from odibi.connections.base import Location
from odibi.engine.base import CheckResult, Checks, Target, WriteReport, raise_for_checks
from odibi.engine.pandas.append import goes_behind, put_behind
from odibi.engine.pandas.cast import plan_cast
from odibi.engine.pandas.errors import is_interrupt
from odibi.engine.pandas.formats import FORMATS
from odibi.engine.pandas.session import DuckFrame, Session
from odibi.engine.targets import as_source, check_partitionable, is_there, keeping_partitions, sizes_of
from odibi.files import added, explained, files_for, new_txn, staged
from odibi.files.changes import Seen, told_as_change, unchanged
from odibi.files.stages import ChangedMeanwhile
from odibi.formats import FORMATS as VOCABULARY


def save(session: Session, frame: DuckFrame, target: Target, checks: Checks) -> WriteReport:
    """Write a frame to its target. Raises `CheckFailed` with the target untouched, `TargetExistsError` for mode
    `error`."""
    if target.format == "delta":
        from odibi.engine.pandas.delta import save as save_delta

        def run_checks(written: DuckFrame, nulls: Mapping[str, int]) -> tuple[CheckResult, ...]:
            return checked(session, written, checks, nulls)

        return save_delta(session, frame, target, checks, run_checks)
    return _save_files(session, frame, target, checks)


def checked(
    session: Session, frame: DuckFrame, checks: Checks, nulls: Mapping[str, int] | None = None
) -> tuple[CheckResult, ...]:
    """Run the checks; raises `CheckFailed`, with all results, when one with `on_fail: fail` does not hold. `nulls` are
    NULLs by column that are already counted."""
    if not checks.items:
        return ()
    from odibi.engine.pandas.run_checks import KnownStats, run_checks

    results = run_checks(session, frame, checks, KnownStats(frame.rows, nulls or {}))
    raise_for_checks(results, checks.on_fail)
    return results


def _save_files(session: Session, frame: DuckFrame, target: Target, checks: Checks) -> WriteReport:
    location = target.location()
    seen = unchanged(location) if target.mode != "overwrite" else None
    exists = is_there(target, location)
    if exists and target.mode == "ignore":
        return WriteReport(frame, frame.rows, frame.columns, written=False)
    if exists:
        target = keeping_partitions(target, location, frame.columns)
    with told_as_change(location, seen, (duckdb.Error,), is_interrupt):
        old = _existing(session, frame, target) if exists and target.mode == "append" else None
        plan = plan_cast(frame.columns, target.schema, old.columns if old else None, target.mode)
    if frame.lazy and (checks.items or target.reused or old):  # it is used more than once: compute it once
        frame = session.keep(frame)
    results = checked(session, frame, checks)
    cast = session.frame(
        plan.apply("SELECT * FROM new"), {"new": frame}, known_columns=plan.columns, rows=frame.rows, cheap=frame.cheap
    )
    try:
        with told_as_change(location, seen, (duckdb.Error,), is_interrupt), explained(location, "write"):
            rows = _write(session, cast, old, target, location, seen)
    except ChangedMeanwhile:
        if target.mode == "append" or not is_there(target, location):  # which mode error forbids
            raise
        return WriteReport(frame, frame.rows, frame.columns, written=False)
    sizes = sizes_of(location)
    return WriteReport(
        frame=cast,
        rows=rows,
        columns=plan.columns,
        files=len(sizes),
        bytes=sum(sizes),
        schema_changes=plan.changes,
        warnings=plan.warnings,
        checks=results,
    )


def _existing(session: Session, frame: DuckFrame, target: Target) -> DuckFrame:
    """What the target holds."""
    old: DuckFrame = FORMATS[target.format].scan(session, as_source(target, frame.columns))
    return old


def _write(
    session: Session,
    cast: DuckFrame,
    old: DuckFrame | None,
    target: Target,
    location: Location,
    seen: Seen | None,
) -> int:
    """Write aside and publish; gives the number of new rows. An append adds a file to a folder, goes behind the text of
    a text file, and else writes the old rows again, before the new ones. `seen` tells whether there still is what
    `old` was made of."""
    whole = cast
    if old is not None:
        if goes_behind(old, cast, target, location):
            return put_behind(session, cast, target, location, seen)
        if _is_folder_of(old, cast, target, location):
            return _add_file(session, cast, target, location, seen)
        whole = session.frame("SELECT * FROM old UNION ALL BY NAME SELECT * FROM new", {"old": old, "new": cast})
    check_partitionable(target)
    suffixes = VOCABULARY[target.format].suffixes
    with staged(location, bool(target.partition_by), suffixes, lambda: session.interrupted, seen) as path:
        rows = FORMATS[target.format].write(session, whole, target, path)
    return rows if old is None else cast.rows if cast.rows is not None else _count(session, cast)


def _is_folder_of(old: DuckFrame, new: DuckFrame, target: Target, location: Location) -> bool:
    """Whether the target is a folder of files with the columns of the new rows."""
    same = [column.name for column in old.columns] == [column.name for column in new.columns]
    return same and not target.partition_by and files_for(location).kind(location.uri) == "folder"


def _add_file(session: Session, new: DuckFrame, target: Target, location: Location, seen: Seen | None) -> int:
    """Put one more file into a folder of files; gives its rows."""
    files, codec = files_for(location), FORMATS[target.format]
    suffix = "".join(PurePosixPath(next(files.walk(location.uri))).suffixes)
    if location.local_path is not None:
        with added(location, seen and seen.and_more) as folder:
            return int(codec.write(session, new, target, os.path.join(folder, f"part{suffix}")))
    name = f"part-{new_txn()}{suffix}"
    beside = replace(location, uri=files.join(location.uri, name), relative=f"{location.relative}/{name}")
    with staged(beside, stopped=lambda: session.interrupted) as path:
        return int(codec.write(session, new, target, path))


def _count(session: Session, frame: DuckFrame) -> int:
    ((rows,),) = session.execute(f"SELECT count(*) FROM ({frame.sql}\n)", frame)
    return int(rows)
