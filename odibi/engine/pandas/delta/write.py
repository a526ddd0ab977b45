"""Writing Delta: DuckDB writes the Parquet files beside the table's own, the checks read them, delta-rs commits them.

Where the commit must honour more than plain files (constraints, generated columns, change data, …) or must add columns
to the table, delta-rs's own writer takes the rows instead; the checks then run over a kept frame before it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from odibi.engine import delta_features as features
from odibi.engine import delta_rules as rules
from odibi.engine.base import CheckResult, Checks, Target, WriteReport
from odibi.engine.delta_rules import ATTEMPTS, file_in_the_way, partition_warnings
from odibi.engine.pandas.cast import CastPlan, legal_names, plan_cast
from odibi.engine.pandas.delta import commit, objects, parquet
from odibi.engine.pandas.delta.commit import Conflict
from odibi.engine.pandas.delta.files import DataFile, files_select, frame_over
from odibi.engine.pandas.delta.stats import WrittenFile, null_counts, refuse_odd_dates
from odibi.engine.pandas.delta.table import (
    Table,
    check_writable,
    find_table,
    has_log,
    newest,
    unsupported_features,
)
from odibi.engine.pandas.session import DuckFrame, Session, quote
from odibi.files import files_for, new_txn, staging
from odibi.files.base import STAGE_PREFIX
from odibi.location import Location

RunChecks = Callable[[DuckFrame, Mapping[str, int]], tuple[CheckResult, ...]]
"""Checks a frame over what was written; the mapping has the NULLs by column that the write already counted."""


@dataclass(frozen=True)
class Plan:
    """What a write does to the table as it is now (None: it is made)."""

    table: Table | None
    mode: str
    cast: CastPlan
    partition_by: tuple[str, ...]
    fast: bool

    @property
    def files_key(self) -> tuple[object, ...]:
        """Equal for plans that need the same Parquet files."""
        return self.cast.items, self.cast.names, self.partition_by, self.fast

    @property
    def changes(self) -> tuple[str, ...]:
        """How schema and partitioning change."""
        before = self.table.partition_by if self.table else self.partition_by
        return (*self.cast.changes, *rules.partitioning_change(before, self.partition_by))


def save(session: Session, frame: DuckFrame, target: Target, checks: Checks, run_checks: RunChecks) -> WriteReport:
    """Write a frame to a Delta table: cast to the table's types, check, then commit.

    `run_checks` gets a frame over what was written and raises `CheckFailed`; then, and after any other error, the table
    is as it was. Raises `TargetExistsError` (mode error), `SchemaMismatchError`, `UnsupportedError`, `AccessError`,
    `DataError`.
    """
    location = target.location()
    table = find_table(location)
    if table is not None and target.mode == "error":
        raise rules.table_exists(location)
    if table is not None and target.mode == "ignore":
        return rules.left_alone(frame, table.version)
    check = run_checks if checks.items else _no_checks
    for _ in range(ATTEMPTS):
        plan = plan_write(frame, target, table)
        if table is None:
            features.check_allowed(target)
            features.check_made_by_pandas(target)
        try:
            report = _way(plan, location)(session, frame, target, plan, check)
            told = features.left_alone(target, table.configuration) if table is not None else ()
            return replace(report, warnings=(*report.warnings, *told)) if told else report
        except Conflict:
            table = newest(location, plan.table)
            if table is not None and target.mode in ("error", "ignore"):
                if target.mode == "ignore":
                    return rules.left_alone(frame, table.version)
                raise rules.made_meanwhile(location) from None
    raise rules.too_many_conflicts(location)


def _way(plan: Plan, location: Location) -> Callable[..., WriteReport]:
    if not plan.fast:
        return _careful
    return _fast if location.local_path is not None else _uploaded


def _no_checks(frame: DuckFrame, nulls: Mapping[str, int]) -> tuple[CheckResult, ...]:
    del frame, nulls
    return ()


def plan_write(frame: DuckFrame, target: Target, table: Table | None) -> Plan:
    """Decide types, partitioning and way. Raises where the data does not fit the table."""
    names = legal_names(frame.columns, bool(target.options.get("normalize_names")))
    mode = target.mode if table is not None and target.mode == "append" else "overwrite"
    existing = table.columns if table else None
    if table is not None and mode == "append":
        existing = rules.fitted_to(table.columns, table.generated, names)
    cast = plan_cast(frame.columns, target.schema, existing, mode, names)
    partition_by = rules.partitioning(cast.columns, target, table.partition_by if table else None, names, frame.columns)
    if table is None:
        return Plan(None, target.mode, cast, partition_by, fast=True)
    if table.append_only and mode == "overwrite":
        raise rules.append_only(target.location())
    adds_columns = mode == "append" and bool(cast.changes)
    return Plan(table, mode, cast, partition_by, fast=table.fast and not adds_columns)


# -- the fast way ------------------------------------------------------------------------------------------------------


def _fast(session: Session, frame: DuckFrame, target: Target, plan: Plan, check: RunChecks) -> WriteReport:
    location = target.location()

    def clean(txn: str) -> None:
        parquet.remove_uncommitted(location, txn)

    with staging(location, clean) as stage:
        if plan.table is None and not has_log(location):
            _refuse_foreign(location, Path(stage.path).parent)
        root = Path(location.uri)
        files = parquet.write_files(session, frame, plan.cast, plan.partition_by, location, root, stage.txn)
        refuse_odd_dates(files, plan.cast.columns, location.display)
        written = _frame_over(session, files, plan)
        results = check(written, null_counts(files))
        version, plan = _commit_files(frame, target, plan, files, stage.txn, root)
    return _report(written, plan, files, version, results)


def _uploaded(session: Session, frame: DuckFrame, target: Target, plan: Plan, check: RunChecks) -> WriteReport:
    """The same behind a URL: the files are written to a local folder and checked there, then uploaded and committed.

    The frame of the report reads the local files, which stay as long as it is used.
    """
    location, txn = target.location(), new_txn()
    if plan.table is None:
        _refuse_foreign_objects(location)
    room = parquet.Room(session)
    files = parquet.write_files(session, frame, plan.cast, plan.partition_by, location, room.path, txn)
    refuse_odd_dates(files, plan.cast.columns, location.display)
    written = replace(_frame_over(session, files, plan), keeps=(room,))
    results = check(written, null_counts(files))
    with commit.uploaded(session, location, plan.table, files, txn, room.path):
        version, plan = _commit_files(frame, target, plan, files, txn, room.path)
    return _report(written, plan, files, version, results)


def _refuse_foreign_objects(location: Location) -> None:
    """As `_refuse_foreign`. No lock tells there whether a writer of files that no table names is still at work: they
    are no obstacle, and vacuum deletes them once they are old."""
    if objects.is_file(location):
        raise file_in_the_way(location)
    foreign = objects.first_foreign(location, lambda name: parquet.txn_of(name) is not None)
    if foreign is not None and not has_log(location) and not _marked(location):
        raise rules.foreign_files(location, foreign)


def _refuse_foreign(location: Location, stages: Path) -> None:
    """A folder of other files does not become a table silently. What another writer will commit is no such file."""
    files = files_for(location)
    foreign = [path for path in files.walk(location.uri) if not _under_way(path, stages)]
    if foreign and not has_log(location) and not _marked(location):
        raise rules.foreign_files(location, foreign[0])


def _marked(location: Location) -> bool:
    """Whether Spark makes a table there, or was to and failed."""
    return any(entry.name.startswith(rules.MARK) for entry in files_for(location).entries(location.uri))


def _under_way(path: str, stages: Path) -> bool:
    txn = parquet.txn_of(Path(path).name)
    return txn is not None and (stages / f"{STAGE_PREFIX}{txn}").is_dir()


def _frame_over(session: Session, files: Sequence[WrittenFile], plan: Plan) -> DuckFrame:
    data = [DataFile(file.path, file.partition) for file in files]
    sql = files_select(session, data, plan.cast.columns, plan.partition_by, uniform=True)
    return frame_over(session, sql, plan.cast.columns, sum(file.rows for file in files))


def _commit_files(
    frame: DuckFrame, target: Target, plan: Plan, files: Sequence[WrittenFile], txn: str, root: Path
) -> tuple[int, Plan]:
    """Commit; when another writer was faster, plan again on the table as it is now and keep the files if they fit."""
    for attempt in range(ATTEMPTS):
        try:
            return commit.commit_files(target, plan, files, txn, root), plan
        except Conflict:
            table = newest(target.location(), plan.table)
            if table is None or target.mode in ("error", "ignore") or attempt == ATTEMPTS - 1:
                raise
            again = plan_write(frame, target, table)
            if again.files_key != plan.files_key:
                raise
            plan = again
    raise Conflict


def _report(
    frame: DuckFrame, plan: Plan, files: Sequence[WrittenFile], version: int, results: tuple[CheckResult, ...]
) -> WriteReport:
    partitions = partition_rows(files, plan.partition_by)
    return WriteReport(
        frame=frame,
        rows=frame.rows,
        columns=plan.cast.columns,
        files=len(files),
        bytes=sum(file.size for file in files),
        partitions=len(partitions) if plan.partition_by else None,
        version_before=plan.table.version if plan.table else None,
        version_after=version,
        schema_changes=plan.changes,
        warnings=(*plan.cast.warnings, *_blanks(files), *partition_warnings(plan.partition_by, partitions)),
        checks=results,
    )


def _blanks(files: Sequence[WrittenFile]) -> list[str]:
    names = sorted({name for file in files for name in file.blanks})
    return [rules.blank_warning(name) for name in names]


def partition_rows(files: Sequence[WrittenFile], partition_by: Sequence[str]) -> dict[tuple[str | None, ...], int]:
    """Rows that were written to each partition."""
    found: dict[tuple[str | None, ...], int] = {}
    for file in files:
        key = tuple(file.partition.get(name) for name in partition_by)
        found[key] = found.get(key, 0) + file.rows
    return found


# -- through delta-rs --------------------------------------------------------------------------------------------------


def _careful(session: Session, frame: DuckFrame, target: Target, plan: Plan, check: RunChecks) -> WriteReport:
    """Check a kept frame, then let delta-rs write it."""
    location = target.location()
    if plan.table is not None:
        check_writable(plan.table)
        _check_mapped(plan.table, plan)
    columns = plan.cast.columns
    cast = replace(session.frame(plan.cast.apply(frame.sql)), holds=frame.holds, known_columns=columns)
    kept, blanks = _without_blanks(session, session.keep(cast), plan)
    results = check(kept, {})
    version = commit.commit_rows(session, kept, target, plan, new_txn())
    files = commit.added_files(location, version)
    report = _report(kept, plan, files, version, results)
    return replace(report, rows=kept.rows, warnings=(*report.warnings, *map(rules.blank_warning, blanks)))


def _without_blanks(session: Session, kept: DuckFrame, plan: Plan) -> tuple[DuckFrame, list[str]]:
    """The frame with NULL for empty texts in partition columns, and those that have some. delta-rs would write them as
    they are, and readers differ in what they make of that."""
    by = {name.lower() for name in plan.partition_by}
    texts = [each.name for each in plan.cast.columns if each.name.lower() in by and str(each.type) == "string"]
    if not texts:
        return kept, []
    asked = ", ".join(f"coalesce(bool_or({quote(name)} = ''), false)" for name in texts)
    ((*found,),) = session.execute(f"SELECT {asked} FROM ({kept.sql})", kept)
    blanks = [name for name, has in zip(texts, found, strict=True) if has]
    if not blanks:
        return kept, []
    instead = ", ".join(f"nullif({quote(name)}, '') AS {quote(name)}" for name in blanks)
    frame = session.frame(f"SELECT * REPLACE ({instead}) FROM kept", {"kept": kept}, rows=kept.rows)
    return replace(frame, known_columns=kept.known_columns), blanks


def _check_mapped(table: Table, plan: Plan) -> None:
    """delta-rs writes to tables whose columns are mapped as they are, and changes none of their columns."""
    if "columnMapping" in table.writer_features and plan.changes:
        doing = "add columns to" if plan.mode == "append" else "overwrite with another schema"
        raise unsupported_features(table.location, ["columnMapping"], doing)
