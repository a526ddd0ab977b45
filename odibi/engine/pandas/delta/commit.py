"""Commits through delta-rs: of files that DuckDB wrote, or of rows that delta-rs writes itself."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from odibi.engine import delta_rules as rules
from odibi.engine.base import Target
from odibi.engine.delta_features import properties_of
from odibi.engine.delta_log import LOG
from odibi.engine.delta_rules import TXN
from odibi.engine.pandas.delta import objects
from odibi.engine.pandas.delta.schema import merged_json, schema_json
from odibi.engine.pandas.delta.stats import INDEXED_COLUMNS, WrittenFile, add_stats, iso_time
from odibi.engine.pandas.delta.table import (
    Table,
    explained,
    plain_text,
    renewed,
    storage_options,
    table_uri,
    unsupported_features,
)
from odibi.engine.pandas.session import DuckFrame, Session
from odibi.errors import DataError, OdibiError
from odibi.location import Location
from odibi.types import Column

if TYPE_CHECKING:
    from odibi.engine.pandas.delta.write import Plan


CHECKPOINT_INTERVAL = 100
"""Delta-rs's default of `delta.checkpointInterval`."""
_NO_ANSWER = re.compile(rf"PUT \S*/{LOG}/\d{{20}}\.json.*(?:timed out|TimedOut|kind: Timeout)")
"""What is told of a commit that was sent and not answered. Its files must stay: if it is late, it names them."""
UnknownOutcome = rules.UnknownOutcome
Conflict = rules.Conflict


def commit_files(target: Target, plan: Plan, files: Sequence[WrittenFile], txn: str, root: Path) -> int:
    """Commit Parquet files that are in the table's folder, as they are below `root`; gives the version.

    Raises `Conflict`, `UnknownOutcome`.
    """
    location = target.location()
    adds = _add_actions(root, plan, files)
    with explained(location, "write"):
        from deltalake.exceptions import CommitFailedError, DeltaError

        try:
            known = _send(target, plan, adds, _properties(target, txn, files, plan))
        except (CommitFailedError, DeltaError, OSError) as error:
            found = outcome(location, txn, plan.table, error)
            if found is not None:
                return found
            if not isinstance(error, CommitFailedError) and "already exists" not in str(error):
                raise
            raise Conflict from error
    if location.local_path is None and known is not None:
        return known  # there delta-rs may not retry: the commit is this version, or there was an error
    found = find_commit(location, txn, plan.table)
    if found is None:
        raise rules.commit_not_found(location)
    return found


def outcome(location: Location, txn: str, table: Table | None, error: BaseException) -> int | None:
    """The version of a commit that ended with an error; None where the log shows that it is absent. Raises
    `UnknownOutcome` where nobody can say."""
    try:
        found = find_commit(location, txn, table)
    except Exception as lost:
        if location.local_path is not None:
            raise
        told = rules.unknown_outcome(location, plain_text(error), plain_text(lost))
        raise told from None  # no cause: what may pass with the next try must not be tried again
    if found is None and location.local_path is None and _NO_ANSWER.search(plain_text(error)):
        raise UnknownOutcome(
            f"{location.display}: the store did not answer to the commit in time. It is not in the log, but may still "
            "arrive there; look at the table's history before you repeat the write"
        ) from None
    return found


def _send(target: Target, plan: Plan, adds: list[Any], properties: Any) -> int | None:
    """Commit; gives the version where it is certain if delta-rs did not retry."""
    from deltalake import Schema
    from deltalake.transaction import create_table_with_add_actions

    location, table, columns = target.location(), plan.table, plan.cast.columns
    options = storage_options(location)
    by = list(plan.partition_by)
    if table is None:
        create_table_with_add_actions(
            table_uri(location), Schema.from_json(schema_json(columns)), adds, mode="error", partition_by=by,
            configuration=properties_of(target) or None, storage_options=options, commit_properties=properties,
        )  # fmt: skip
        return 0
    if plan.mode == "overwrite" and _needs_new_table(table, plan):
        create_table_with_add_actions(
            table_uri(location), Schema.from_json(merged_json(table.schema, columns)), adds, mode="overwrite",
            partition_by=by, name=table.metadata.name, description=table.metadata.description,
            configuration=table.configuration, storage_options=options, commit_properties=properties,
        )  # fmt: skip
        return None
    append = plan.mode == "append"
    schema = Schema.from_json(table.schema if append else merged_json(table.schema, columns))
    renewed(table).delta.create_write_transaction(
        adds, "append" if append else "overwrite", schema, partition_by=by, commit_properties=properties,
        post_commithook_properties=_after(table),
    )  # fmt: skip
    return table.version + 1


def _after(table: Table) -> Any:
    """What delta-rs does after a commit. Behind a URL it would list the whole log each time, to find entries that are
    too old: there once for each checkpoint is enough."""
    if table.location.local_path is not None:
        return None
    from deltalake import PostCommitHookProperties

    text = table.configuration.get("delta.checkpointInterval", "")
    interval = int(text) if re.fullmatch(r"[1-9]\d*", text) else CHECKPOINT_INTERVAL
    return PostCommitHookProperties(cleanup_expired_logs=None if (table.version + 1) % interval == 0 else False)


def _needs_new_table(table: Table, plan: Plan) -> bool:
    """True where an overwrite changes the partitioning or needs a feature that the protocol lacks, which a plain write
    transaction would leave out (and so break the table)."""
    return table.partition_by != plan.partition_by or (not table.has_ntz and any(map(_is_ntz, plan.cast.columns)))


def _is_ntz(column: Column) -> bool:
    return "timestamp_ntz" in str(column.type)


def _properties(target: Target, txn: str, files: Sequence[WrittenFile] | None, plan: Plan) -> Any:
    """What the commit says of itself. delta-rs may not retry an overwrite: a commit that came between must be seen.

    Behind a URL it may not retry at all: a request whose answer was lost is sent again and meets its own commit, which
    delta-rs takes for another writer's. Whoever looks for the transaction's id sees whose it is.
    """
    from deltalake import CommitProperties

    said: dict[str, Any] = {TXN: txn}
    if target.metadata:
        said["userMetadata"] = rules.user_metadata(target.metadata)
    if files is not None:
        said["operationMetrics"] = {
            "numFiles": len(files),
            "numOutputRows": sum(file.rows for file in files),
            "numOutputBytes": sum(file.size for file in files),
        }
    retries = None if plan.mode == "append" and target.location().local_path is not None else 0
    return CommitProperties(custom_metadata=said, max_commit_retries=retries)


def _add_actions(root: Path, plan: Plan, files: Sequence[WrittenFile]) -> list[Any]:
    from deltalake.transaction import AddAction

    now = int(time.time() * 1000)
    keys = {name.lower() for name in plan.partition_by}
    parts = [column for column in plan.cast.columns if column.name.lower() in keys]
    data = [column for column in plan.cast.columns if column.name.lower() not in keys]
    limit = _indexed_columns(plan.table)
    return [
        AddAction(_relative(root, file), file.size, _values(file, parts), now, True, add_stats(file, data, limit))
        for file in files
    ]


def _indexed_columns(table: Table | None) -> int:
    text = table.configuration.get("delta.dataSkippingNumIndexedCols", "") if table else ""
    return int(text) if re.fullmatch(r"-?\d+", text) else INDEXED_COLUMNS


def _relative(root: Path, file: WrittenFile) -> str:
    return Path(file.path).relative_to(root).as_posix()


def _values(file: WrittenFile, parts: Sequence[Column]) -> dict[str, str | None]:
    return {column.name: partition_value(file.partition[column.name], column) for column in parts}


def partition_value(text: str | None, column: Column) -> str | None:
    """DuckDB's text of a partition value as Delta's."""
    assert column.type is not None, "a partition column has a type"
    if text is None:
        return None
    if column.type.name in ("timestamp", "timestamp_ntz"):
        found = iso_time(text, column.type)
        if found is None:
            raise DataError(
                f"partition_by: column {column.name!r} holds {text}, which is no date of the years 1 to 9999"
            )
        return found if column.type.name == "timestamp" else found.replace("T", " ")
    if column.type.name in ("float", "double"):
        return {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}.get(text, text)
    return text


def find_commit(location: Location, txn: str, table: Table | None) -> int | None:
    """The version that a transaction committed, None where the log does not have it."""
    first = 0 if table is None else table.version + 1
    if location.local_path is not None:
        read: Callable[[int], str | None] = partial(_local_text, Path(location.uri) / LOG)
    else:
        read = partial(objects.commit_text, location)
    version = first
    while (text := read(version)) is not None:
        if f'"{TXN}":"{txn}"' in text:
            return version
        version += 1
    return None


def _local_text(log: Path, version: int) -> str | None:
    try:
        return (log / f"{version:020}.json").read_text(encoding="utf-8")
    except FileNotFoundError:
        return None


@contextmanager
def uploaded(
    session: Session, location: Location, table: Table | None, files: Sequence[WrittenFile], txn: str, root: Path
) -> Iterator[None]:
    """Upload files for a commit in the body. After an error they are deleted, unless the commit is in the log or may
    be; what is left then, vacuum deletes."""
    paths = [_relative(root, file) for file in files]
    try:
        objects.upload(location, root, paths, lambda: session.interrupted)
    except BaseException:
        _withdraw(location, paths)
        raise
    try:
        yield
    except UnknownOutcome:
        raise
    except BaseException:
        with suppress(OdibiError):
            if find_commit(location, txn, table) is None:
                _withdraw(location, paths)
        raise


def _withdraw(location: Location, paths: Sequence[str]) -> None:
    with suppress(OdibiError):  # the store may be out of reach, or the right to delete missing
        objects.delete(location, paths)


# -- rows through delta-rs's own writer --------------------------------------------------------------------------------


def commit_rows(session: Session, frame: DuckFrame, target: Target, plan: Plan, txn: str) -> int:
    """Let delta-rs write and commit the rows of a frame; gives the version. Raises `Conflict`."""
    from deltalake.exceptions import CommitFailedError, DeltaError

    location = target.location()
    with explained(location, "write"):
        try:
            _write_rows(session, frame, target, plan, _properties(target, txn, None, plan))
        except Exception as error:
            found = outcome(location, txn, plan.table, error)
            if found is None:
                refused = _refusal(location, plan.table, error)
                if refused is not None:
                    raise refused from error
                if isinstance(error, CommitFailedError) or (
                    isinstance(error, DeltaError) and "already exists" in str(error)
                ):
                    raise Conflict from error
                raise
    found = find_commit(location, txn, plan.table)
    if found is None:
        raise rules.commit_not_found(location)
    return found


def _write_rows(session: Session, frame: DuckFrame, target: Target, plan: Plan, properties: Any) -> None:
    from arro3.core import RecordBatchReader
    from deltalake import write_deltalake

    location, append = target.location(), plan.mode == "append" and plan.table is not None
    merge = "merge" if plan.cast.changes else None
    with session.cursor(frame) as cursor:
        reader = RecordBatchReader.from_arrow(cursor.sql(frame.sql))
        mode: Any = "append" if append else "overwrite" if plan.table else "error"
        mapped = plan.table is not None and "columnMapping" in plan.table.writer_features
        schema_mode: Any = merge if append else "overwrite" if plan.table and not mapped else None
        write_deltalake(
            renewed(plan.table).delta if plan.table else table_uri(location),
            reader,
            mode=mode,
            schema_mode=schema_mode,
            partition_by=list(plan.partition_by) or None,
            storage_options=storage_options(location),
            commit_properties=properties,
        )


def _refusal(location: Location, table: Table | None, error: Exception) -> OdibiError | None:
    """What the table itself refuses."""
    text = str(error)
    missing = re.search(r"features required: \[(.*?)\]", text)
    if missing:
        return unsupported_features(location, missing[1].split(", "), "write")
    if re.search(r"failed validation check|[Ii]nvariant|constraint|not nullable|non-null", text):
        found = re.search(r"(\d+) rows failed", text)
        return rules.breaks_constraint(location, found[1] if found else "", table.rules if table else [])
    return None


def added_files(location: Location, version: int) -> list[WrittenFile]:
    """The files that a commit added, from the log."""
    if location.local_path is not None:
        text = (Path(location.uri) / LOG / f"{version:020}.json").read_text(encoding="utf-8")
    else:
        text = objects.commit_text(location, version) or ""
    adds = [json.loads(line)["add"] for line in text.splitlines() if line.startswith('{"add"')]
    return [
        WrittenFile(
            add["path"],
            json.loads(add.get("stats") or "{}").get("numRecords", 0),
            add["size"],
            {},
            add["partitionValues"],
        )
        for add in adds
    ]
