"""What holds for every write to a Delta table, whoever commits it: partitioning, what is refused, what is told."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from odibi.engine.base import Frame, Target, WriteReport
from odibi.errors import (
    AccessError,
    DataError,
    OdibiError,
    SchemaMismatchError,
    TargetExistsError,
    UnsupportedError,
    suggest,
)
from odibi.location import Location
from odibi.secrets import scrub_data
from odibi.types import Column

ATTEMPTS = 20
"""How often a write is planned anew because another writer changed the table meanwhile."""
MANY_PARTITIONS = 1000
SMALL_PARTITION = 1000
TXN = "odibiTxn"
"""The key under which a commit keeps the id of the transaction that made it."""

MARK = "_odibi_makes_"
"""What a file in a folder is called while a table is made there by files of names that are not ours to choose; the rest
of its name is the transaction's. It stays where that failed: the files that no log names are no foreign ones."""


class UnknownOutcome(AccessError):
    """The connection was lost during a commit, and with it the way to see whether it went through; or nobody answered,
    and the commit may still arrive."""


class Conflict(OdibiError):
    """Another writer changed the table meanwhile and this commit is not in the log: plan again."""


def left_alone(frame: Frame, version: int) -> WriteReport:
    """The report of a write that wrote nothing, since there is a table (mode `ignore`)."""
    return WriteReport(frame, None, frame.columns, written=False, version_before=version, version_after=version)


def fitted_to(columns: tuple[Column, ...], generated: Collection[str], names: Sequence[str]) -> tuple[Column, ...]:
    """The columns of a table that an append of data with these names has to give: what the table generates itself is
    left to it where the data does not have it."""
    given = {name.lower() for name in names}
    return tuple(column for column in columns if column.name.lower() in given or column.name.lower() not in generated)


# -- partitioning ------------------------------------------------------------------------------------------------------


def partitioning(
    columns: Sequence[Column],
    target: Target,
    table_by: Sequence[str] | None,
    names: Sequence[str],
    given: Sequence[Column],
) -> tuple[str, ...]:
    """The partition columns, as the table spells them. `columns` are what is written, `names` the legal names of the
    data's columns `given`, `table_by` what an existing table is partitioned by.

    Raises `SchemaMismatchError`.
    """
    renamed = {column.name.lower(): name for column, name in zip(given, names, strict=True)}
    by_name = {column.name.lower(): column for column in columns}
    found = []
    for name in target.partition_by:
        column = by_name.get(name.lower()) or by_name.get(renamed.get(name.lower(), name).lower())
        if column is None:
            known = [each.name for each in columns]
            raise SchemaMismatchError(
                f"partition_by names {name!r}, which the data does not have; {suggest(name, known)}"
            )
        if column.type is None or column.type.children or column.type.name == "binary":
            raise SchemaMismatchError(
                f"partition_by: column {name!r} is {column.type_name}, by which no table can be partitioned"
            )
        found.append(column.name)
    if table_by is not None and target.mode == "append":
        if found and [name.lower() for name in found] != [name.lower() for name in table_by]:
            raise SchemaMismatchError(
                f"{target.location().display} is partitioned by {listed(table_by)}, "
                f"partition_by says {listed(found)}; an append keeps the table's partitioning: leave "
                "partition_by out, or use mode: overwrite"
            )
        return tuple(table_by)
    if len(set(found)) < len(found):
        raise SchemaMismatchError(f"partition_by {listed(found)} names a column twice")
    if found and len(found) == len(columns):
        raise SchemaMismatchError(
            f"partition_by {listed(found)} names every column; a table needs one that it is not split by"
        )
    return tuple(found)


def listed(names: Sequence[str]) -> str:
    """Names as messages show them."""
    return f"[{', '.join(names)}]"


def partitioning_change(before: Sequence[str], after: Sequence[str]) -> tuple[str, ...]:
    """What a change of the partitioning is called."""
    return () if tuple(before) == tuple(after) else (f"partitioning: {listed(before)} → {listed(after)}",)


def partition_warnings(
    partition_by: Sequence[str], partitions: Mapping[tuple[str | None, ...], int]
) -> tuple[str, ...]:
    """Too many partitions, or too small ones: one line. `partitions` has the rows that were written to each."""
    if not partition_by or not partitions:
        return ()
    small = [rows for rows in partitions.values() if rows < SMALL_PARTITION]
    problems = [f"{len(partitions):,} partitions were written (more than {MANY_PARTITIONS:,})"] * (
        len(partitions) > MANY_PARTITIONS
    )
    if small:
        problems.append(
            f"{len(small):,} of {len(partitions):,} partitions have fewer than {SMALL_PARTITION:,} rows "
            f"(the smallest {min(small):,})"
        )
    if not problems:
        return ()
    return (
        f"partition_by {listed(partition_by)}: {', and '.join(problems)}; fewer, larger partitions are read faster",
    )


def blank_warning(name: str) -> str:
    """What is told of a partition column that held the empty text."""
    return f"partition column {name!r}: empty texts were stored as NULL, which is the same in Delta"


# -- refusals ----------------------------------------------------------------------------------------------------------


def table_exists(location: Location) -> TargetExistsError:
    """Mode `error`, and there is a table."""
    return TargetExistsError(
        f"{location.display} exists (mode: error); use append or overwrite, or choose another path"
    )


def made_meanwhile(location: Location) -> TargetExistsError:
    """Mode `error`, and another writer was faster."""
    return TargetExistsError(f"{location.display} was made by another writer meanwhile (mode: error)")


def append_only(location: Location) -> UnsupportedError:
    """An overwrite of a table whose rows may never be removed."""
    return UnsupportedError(
        f"{location.display} is append-only (delta.appendOnly) and can not be overwritten; use append"
    )


def foreign_files(location: Location, path: str) -> DataError:
    """A folder of other files, which does not become a table silently."""
    return DataError(
        f"{location.display} is a folder that holds other files ({path}) and no Delta table; "
        "choose another path, or move the files away"
    )


def file_in_the_way(location: Location) -> DataError:
    """A file where a table's folder would go."""
    return DataError(f"{location.display} is a file where the table's folder would go; move it, or choose another path")


def too_many_conflicts(location: Location) -> DataError:
    """Other writers were faster each time."""
    return DataError(
        f"{location.display}: other writers changed the table {ATTEMPTS} times during this write; run it again"
    )


def commit_not_found(location: Location) -> DataError:
    """A commit that went well and that the log does not have."""
    return DataError(
        f"{location.display}: the commit is not in the table's log; read it again before you repeat the write"
    )


def unknown_outcome(location: Location, error: str, lost: str) -> UnknownOutcome:
    """A commit that ended with an error, and a log that can not be read to see whether it went through."""
    return UnknownOutcome(
        f"{location.display}: the commit ended with an error ({error}), and the log could not be read "
        f"to see whether it went through ({lost}); look at the table's history before you repeat the write"
    )


def may_still_come(location: Location, error: str) -> UnknownOutcome:
    """Nobody answers, and who was to write may still be at work."""
    return UnknownOutcome(
        f"{location.display}: the connection to Spark was lost during the write ({error}), and the server may still "
        "finish it; look at what is there before you repeat the write"
    )


def breaks_constraint(location: Location, rows: str, rules: Sequence[str]) -> DataError:
    """Rows that the table's own rules do not allow; `rows` is how many, where it is known."""
    told = f"{rows} rows break" if rows else "rows break"
    return DataError(
        f"{location.display}: {told} a constraint of the table ({'; '.join(rules)}); the table is as it was"
    )


def rules_of(schema: str, configuration: Mapping[str, str]) -> list[str]:
    """What a table's rows must obey, as a reader understands it. `schema` is Delta's JSON."""
    prefix = "delta.constraints."
    checks = [f"{key.removeprefix(prefix)}: {rule}" for key, rule in configuration.items() if key.startswith(prefix)]
    fields = json.loads(schema)["fields"]
    checks += [f"{field['name']} is never NULL" for field in fields if not field.get("nullable", True)]
    return checks + [f"{field['name']}: its invariant" for field in fields if "delta.invariants" in field["metadata"]]


def is_append_only(configuration: Mapping[str, str]) -> bool:
    """True where a table's properties say that rows may never be removed."""
    return configuration.get("delta.appendOnly", "").lower() == "true"


def generated_columns(schema: str) -> frozenset[str]:
    """Lower-case names of the columns that a writer computes, or numbers (identity). `schema` is Delta's JSON."""
    signs = ("delta.generationExpression", "delta.identity.start")
    fields = json.loads(schema)["fields"]
    return frozenset(field["name"].lower() for field in fields if any(sign in field["metadata"] for sign in signs))


# -- what a commit says of itself --------------------------------------------------------------------------------------


def user_metadata(metadata: Mapping[str, Any], txn: str | None = None) -> str | None:
    """The `userMetadata` of a commit; with the transaction's id where it has no other place (Spark).

    >>> user_metadata({"run_id": "r1"})
    '{"run_id": "r1"}'
    """
    said = {**scrub_data(metadata), **({TXN: txn} if txn else {})}
    return json.dumps(said, ensure_ascii=False) if said else None


def shown_metadata(text: str | None) -> str | None:
    """The `userMetadata` of a commit as a history shows it: without the transaction's id.

    >>> shown_metadata('{"run_id": "r1", "odibiTxn": "1-2"}')
    '{"run_id": "r1"}'
    >>> shown_metadata('{"odibiTxn": "1-2"}') is None
    True
    """
    if text is None or f'"{TXN}"' not in text:
        return text
    try:
        said = json.loads(text)
    except ValueError:
        return text
    if not isinstance(said, dict):
        return text
    said.pop(TXN, None)
    return json.dumps(said, ensure_ascii=False) if said else None
