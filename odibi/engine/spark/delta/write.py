"""Writing Delta through Spark's DataFrame writer: cast to the table's types, check while writing, commit.

Whose commit is whose, the log tells: each carries the id of its transaction. So a commit that another writer's made
impossible is planned anew on the table as it is then, and one whose answer was lost is not repeated.
"""

from __future__ import annotations

import re
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any

from odibi.engine import delta_features as features
from odibi.engine import delta_rules as rules
from odibi.engine.base import Checks, Target, WriteReport
from odibi.engine.casting import CastPlan, legal_names
from odibi.engine.delta_rules import ATTEMPTS, Conflict
from odibi.engine.spark import errors
from odibi.engine.spark.cast import apply, plan_cast
from odibi.engine.spark.delta.commit import (
    Commit,
    Table,
    find_commit,
    find_table,
    first_commit,
    making,
    not_in_log,
)
from odibi.engine.spark.delta.problems import explained
from odibi.engine.spark.delta.properties import defaults
from odibi.engine.spark.frame import SparkFrame
from odibi.engine.spark.keep import keep
from odibi.engine.spark.places import options_of, spark_path
from odibi.engine.spark.run_checks import Checking
from odibi.engine.spark.session import Session
from odibi.errors import OdibiError
from odibi.files import new_txn
from odibi.location import Location

_CAN_NOT_REPLACE = "does not support truncate in batch mode"
"""What Spark 3.5.7 says of a Delta table in a catalog that Delta 3.3 is to replace; its files can be."""
_CONFLICTS = re.compile(
    r"DELTA_PROTOCOL_CHANGED|DELTA_METADATA_CHANGED|DELTA_CONCURRENT_\w+|DELTA_PATH_EXISTS|DELTA_TABLE_ALREADY_EXISTS|"
    r"TABLE_OR_VIEW_ALREADY_EXISTS|ProtocolChangedException|MetadataChangedException|ConcurrentAppendException|"
    r"ConcurrentDelete\w+Exception|ConcurrentTransactionException|ConcurrentWriteException|"
    r"FileAlreadyExistsException: \S*_delta_log"
)
"""Signs that another writer committed in between."""
_PLANNED_FOR_ANOTHER = re.compile(
    r"DELTA_METADATA_MISMATCH|DELTA_FAILED_TO_MERGE_FIELDS|DELTA_SCHEMA_CHANGE|DELTA_UNSUPPORTED_ADD_COLUMN|_LEGACY_ERROR"
)
"""Signs that the table is not what the write was planned for; where it changed meanwhile, it is planned anew."""
_RULES = re.compile(r"DELTA_VIOLATE_CONSTRAINT|DELTA_NOT_NULL_CONSTRAINT_VIOLATED|InvariantViolationException")


@dataclass(frozen=True)
class Plan:
    """What a write does to the table as it is now (None: it is made)."""

    table: Table | None
    mode: str
    cast: CastPlan
    partition_by: tuple[str, ...]

    @property
    def appends(self) -> bool:
        """True where the table's rows stay."""
        return self.table is not None and self.mode == "append"

    @property
    def changes(self) -> tuple[str, ...]:
        """How schema and partitioning change."""
        before = self.table.partition_by if self.table else self.partition_by
        return (*self.cast.changes, *rules.partitioning_change(before, self.partition_by))

    @property
    def renews(self) -> bool:
        """True where an overwrite replaces the schema or the partitioning."""
        if self.table is None or self.appends:
            return False
        order = [column.name for column in self.table.columns] != [column.name for column in self.cast.columns]
        return bool(self.changes) or order

    @property
    def blanks(self) -> list[str]:
        """Partition columns of text, whose empty values Delta can not tell from NULL."""
        by = {name.lower() for name in self.partition_by}
        return [each.name for each in self.cast.columns if each.name.lower() in by and str(each.type) == "string"]


def save(session: Session, frame: SparkFrame, target: Target, checks: Checks) -> WriteReport:
    """Write a frame to a Delta table. Raises `CheckFailed` with the table untouched, `TargetExistsError` (mode error),
    `SchemaMismatchError`, `UnsupportedError`, `AccessError`, `DataError`."""
    location = target.location()
    table = find_table(session, location)
    if table is not None and target.mode == "error":
        raise rules.table_exists(location)
    if table is not None and target.mode == "ignore":
        return rules.left_alone(frame, table.version)
    write: _Write | None = None
    for _ in range(ATTEMPTS):
        plan = plan_write(frame, target, table)
        if table is None:
            features.check_allowed(target, defaults(session))
        if write is None or write.plan.cast.items != plan.cast.items:
            write = _Write(session, frame, target, checks, plan)
        write.plan = plan
        try:
            with explained(location):
                return write.run()
        except Conflict:
            table = find_table(session, location)
            if table is not None and target.mode == "ignore":
                return rules.left_alone(frame, table.version)
            if table is not None and target.mode == "error":
                raise rules.made_meanwhile(location) from None
    raise rules.too_many_conflicts(location)


def plan_write(frame: SparkFrame, target: Target, table: Table | None) -> Plan:
    """Decide types and partitioning. Raises where the data does not fit the table."""
    names = legal_names(frame.columns, bool(target.options.get("normalize_names")))
    mode = target.mode if table is not None and target.mode == "append" else "overwrite"
    existing = table.columns if table else None
    if table is not None and mode == "append":
        existing = rules.fitted_to(table.columns, table.generated, names)
    cast = plan_cast(frame.data.schema, frame.columns, target.schema, existing, mode, names)
    by = table.partition_by if table else None
    partition_by = rules.partitioning(cast.columns, target, by, names, frame.columns)
    if table is not None and table.append_only and mode == "overwrite":
        raise rules.append_only(target.location())
    return Plan(table, mode if table else target.mode, cast, partition_by)


class _Write:
    """One write, as often as it is tried with the same casts: the frame is cast, kept and checked once."""

    def __init__(self, session: Session, frame: SparkFrame, target: Target, checks: Checks, plan: Plan) -> None:
        self.session, self.target, self.plan = session, target, plan
        self.location = target.location()
        data = apply(plan.cast, frame.data, target.schema)
        self.frame = replace(frame, data=data, known_columns=plan.cast.columns, first_rows=None)
        self.checking = Checking(session, self.frame, checks)
        self.asked = False

    def run(self) -> WriteReport:
        """Check what must be known before, write and commit. Raises `Conflict`, `CheckFailed`."""
        if not self.asked:
            self._ask()
        while True:
            txn = new_txn()
            with making(self.location, txn) if self.plan.table is None else nullcontext(self.location) as place:
                found = self._committed(place, txn)
            if found is not None:
                return self._report(found)

    def _committed(self, place: Location, txn: str) -> Commit | None:
        """What is committed at a place, which is the table's own or where it is made; None where it is to be tried
        again."""
        data = self.checking.guarded(self.plan.blanks)
        try:
            self._send(data, txn, place)
        except errors.spark_errors() as raised:
            error = errors.underlying(raised, data)
            found = self._outcome(error, txn, place)
            if found is None:
                self._explain(error)
            return found
        found = find_commit(self.session, place, txn, self.plan.table)
        if found is None and self.plan.table is None and place.table:
            found = first_commit(self.session, place)
        if found is None and self.plan.table is not None:
            found = not_in_log(self.session, place, txn, self.plan.table)
        if found is None:
            raise rules.commit_not_found(self.location)
        return found

    def _ask(self) -> None:
        """What is asked of all rows before the write; what is used more than once is computed once."""
        if self.frame.lazy and (self.checking.asks_before or (self.target.reused and self.plan.appends)):
            self.frame = self.checking.frame = keep(self.session, self.frame, repeatable=True)
        self.checking.before()
        self.asked = True

    def _send(self, data: Any, txn: str, place: Location) -> None:
        """Let Spark write and commit."""
        plan, target = self.plan, self.target
        writer = data.write.format("delta").options(**options_of(target))
        writer = writer.option("userMetadata", rules.user_metadata(target.metadata, txn))
        if plan.partition_by and not plan.appends:
            writer = writer.partitionBy(*plan.partition_by)
        if plan.table is None:
            writer = writer.mode("error")  # so that a table which is made meanwhile is seen
            writer = writer.options(**features.properties_of(target))
        elif plan.appends:
            writer = writer.mode("append").option("mergeSchema", str(bool(plan.cast.changes)).lower())
        else:  # where the session overwrites partitions only, this write says otherwise
            writer = writer.mode("overwrite").option("overwriteSchema", str(plan.renews).lower())
            writer = writer.option("partitionOverwriteMode", "static")
        if not place.table:
            writer.save(spark_path(place))
            return
        try:
            writer.saveAsTable(place.table)
        except errors.spark_errors() as error:
            if plan.table is None or _CAN_NOT_REPLACE not in str(error):
                raise
            found = self.session.spark.sql(f"DESCRIBE DETAIL {place.table}").select("location").first()
            writer.save(found[0])

    def _outcome(self, error: BaseException, txn: str, place: Location) -> Commit | None:
        """What was committed although Spark ended with an error; None where the log shows that nothing was.
        Raises `UnknownOutcome`, also where an append may still be committed."""
        if self.checking.violated(error):
            return None
        unreadable: tuple[type[BaseException], ...] = (OdibiError, OSError, *errors.spark_errors())
        try:
            found = find_commit(self.session, place, txn, self.plan.table)
        except unreadable as lost:
            first, second = (str(each).strip().split("\n")[0] for each in (error, lost))
            raise rules.unknown_outcome(self.location, first, second) from None
        if found is None and self.target.mode == "append" and errors.is_out_of_touch(error):
            raise rules.may_still_come(self.location, str(error).strip().split("\n")[0]) from None
        return found

    def _explain(self, error: BaseException) -> None:
        """Raise what the error means; returns where the write is to be tried again."""
        text = str(error)
        if errors.is_interrupt(error):
            raise error
        if self.checking.violated(error):
            self.checking.raise_failed()
        if _CONFLICTS.search(text) or (_PLANNED_FOR_ANOTHER.search(text) and self._changed()):
            raise Conflict from error
        if _RULES.search(text):
            raise rules.breaks_constraint(
                self.location, "", self.plan.table.rules if self.plan.table else []
            ) from error
        if not self.checking.broken(error):
            raise error

    def _changed(self) -> bool:
        now = find_table(self.session, self.location)
        before = self.plan.table.version if self.plan.table else None
        return (now.version if now else None) != before

    def _report(self, done: Commit) -> WriteReport:
        plan = self.plan
        observed = self.checking.observed() if plan.blanks else {}
        blanks = [name for index, name in enumerate(plan.blanks) if observed.get(f"blank{index}")]
        partitions = done.partitions if plan.partition_by else None
        frame = self._handed_on(done)
        return WriteReport(
            frame=frame,
            rows=done.rows,
            columns=plan.cast.columns,
            files=done.files,
            bytes=done.bytes,
            partitions=None if partitions is None else len(partitions),
            version_before=plan.table.version if plan.table else None,
            version_after=done.version,
            schema_changes=plan.changes,
            warnings=(
                *plan.cast.warnings,
                *(features.left_alone(self.target, plan.table.configuration) if plan.table else ()),
                *map(rules.blank_warning, blanks),
                *rules.partition_warnings(plan.partition_by, partitions or {}),
            ),
            checks=self.checking.after(done.rows, None if plan.appends else frame),
        )

    def _handed_on(self, done: Commit) -> SparkFrame:
        """The frame for later nodes: what an overwrite wrote is read, at its version; an append was kept before."""
        if self.plan.appends or not self.target.reused:
            return replace(self.frame, rows=done.rows if self.frame.rows is None else self.frame.rows)
        reader = self.session.spark.read.format("delta").options(**options_of(self.target))
        reader = reader.option("versionAsOf", done.version)
        table = self.location.table
        data = reader.table(table) if table else reader.load(spark_path(self.location))
        return SparkFrame(data, self.plan.cast.columns, done.rows, lazy=False)
