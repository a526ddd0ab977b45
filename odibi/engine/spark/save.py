"""The one way of a write: cast to the target's types, check while writing, publish or commit.

Delta tables are written in `odibi.engine.spark.delta.write`; here is what plain files need. They are written to a
private place beside the target and put in its place, so a failed check or write leaves the target untouched.
"""

from __future__ import annotations

from dataclasses import replace

from odibi.engine import delta_rules as rules
from odibi.engine.base import Checks, Target, WriteReport
from odibi.engine.spark import errors
from odibi.engine.spark.cast import apply, plan_cast
from odibi.engine.spark.frame import SparkFrame
from odibi.engine.spark.keep import keep
from odibi.engine.spark.places import reachable
from odibi.engine.spark.run_checks import Checking
from odibi.engine.spark.session import Session
from odibi.engine.targets import is_there, keeping_partitions, sizes_of
from odibi.files.changes import told_as_change, unchanged
from odibi.files.stages import ChangedMeanwhile


def save(session: Session, frame: SparkFrame, target: Target, checks: Checks) -> WriteReport:
    """Write a frame to its target. Raises `CheckFailed` with the target untouched, `TargetExistsError` for mode
    `error`."""
    if target.format == "delta":
        from odibi.engine.spark.delta.write import save as save_delta

        return save_delta(session, frame, target, checks)
    return _save_files(session, frame, target, checks)


def _save_files(session: Session, frame: SparkFrame, target: Target, checks: Checks) -> WriteReport:
    from odibi.engine.spark.formats import FORMATS, publish

    location = target.location()
    publish.refuse_target(target, location)
    seen = unchanged(location) if target.mode != "overwrite" else None
    exists = is_there(target, location)
    if exists and target.mode == "ignore":
        return WriteReport(frame, frame.rows, frame.columns, written=False)
    if exists and reachable(location):
        target = keeping_partitions(target, location, frame.columns)
    with told_as_change(location, seen, errors.spark_errors(), errors.is_interrupt):
        old = publish.existing(session, frame, target) if exists and target.mode == "append" else None
        plan = plan_cast(frame.data.schema, frame.columns, target.schema, old.columns if old else None, target.mode)
    checking = Checking(session, frame, checks)
    asks_after = FORMATS[target.format].single and checking.row and not checking.fails
    if frame.lazy and (checking.asks_before or asks_after or target.reused):
        frame = checking.frame = keep(session, frame, repeatable=True)
    checking.before()
    cast = replace(frame, data=apply(plan, frame.data, target.schema), known_columns=plan.columns, first_rows=None)
    while True:
        data = apply(plan, checking.guarded(counted=True), target.schema)
        try:
            counted = publish.put(session, replace(cast, data=data), target, location, old, seen)
        except ChangedMeanwhile:
            if target.mode == "append" or not is_there(target, location):  # which mode error forbids
                raise
            return WriteReport(frame, frame.rows, frame.columns, written=False)
        except errors.spark_errors() as error:
            if old is not None and errors.is_out_of_touch(error):
                raise rules.may_still_come(location, str(error).strip().split("\n")[0]) from None
            if old is not None and seen is not None and not seen.and_more(location.uri):
                raise ChangedMeanwhile(location) from None
            _explain(checking, error)
            continue
        break
    if counted is not None:
        checking.observation = None
    rows = next((each for each in (frame.rows, counted) if each is not None), checking.observed().get("rows"))
    sizes = sizes_of(location)
    return WriteReport(
        frame=replace(cast, rows=rows),
        rows=rows,
        columns=plan.columns,
        files=len(sizes),
        bytes=sum(sizes),
        schema_changes=plan.changes,
        warnings=plan.warnings,
        checks=checking.after(rows),
    )


def _explain(checking: Checking, error: BaseException) -> None:
    """Raise what a failed write means; returns where it is to be tried again."""
    if errors.is_interrupt(error):
        raise error
    if checking.violated(error):
        checking.raise_failed()
    if not checking.broken(error):
        raise error
