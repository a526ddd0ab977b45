"""What the log of a Delta table says of the table before a write and of the commit after it, without a Spark job.

The files of `_delta_log` are read through `odibi.files`; where Python can not reach them (tables of a catalog, storage
that only the cluster sees), `DESCRIBE` answers, which costs a small job each.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from odibi.engine import delta_log
from odibi.engine import delta_rules as rules
from odibi.engine.delta_log import LOG
from odibi.engine.spark import errors
from odibi.engine.spark.places import delta_name, reachable, spark_path
from odibi.engine.spark.session import Session
from odibi.engine.spark.types import columns_of
from odibi.errors import OdibiError
from odibi.files import Entry, Files, Stage, explained, files_for, move_in, staging
from odibi.files.stages import REMOTE_LITTER_SECONDS, age_of
from odibi.location import Location
from odibi.types import Column

LOOKED_THROUGH = 20
"""How many commits are read, newest first, to find the table's schema; then Spark is asked."""
HISTORY = 100
"""How many commits of a history are looked through for a transaction."""
_LOGGED = re.compile(r"(\d{20})\.(?:json|checkpoint\..*parquet)")
_NO_TABLE = re.compile(r"DELTA_MISSING_DELTA_TABLE|DELTA_TABLE_NOT_FOUND|PATH_NOT_FOUND|TABLE_OR_VIEW_NOT_FOUND")


@dataclass(frozen=True)
class Table:
    """A Delta table as its newest version is. `schema` is Delta's JSON."""

    location: Location
    version: int
    schema: str
    partition_by: tuple[str, ...]
    configuration: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        """Names and types."""
        from pyspark.sql.types import StructType

        return columns_of(StructType.fromJson(json.loads(self.schema)))

    @property
    def append_only(self) -> bool:
        """True where rows may never be removed."""
        return rules.is_append_only(self.configuration)

    @property
    def generated(self) -> frozenset[str]:
        """Lower-case names of the columns that Delta computes."""
        return rules.generated_columns(self.schema)

    @property
    def rules(self) -> list[str]:
        """What rows must obey."""
        return rules.rules_of(self.schema, self.configuration)


@dataclass(frozen=True)
class Commit:
    """What a commit did. `partitions` has the rows that were written to each, where the log was read."""

    version: int
    files: int | None = None
    bytes: int | None = None
    rows: int | None = None
    partitions: Mapping[tuple[str | None, ...], int] | None = None


# -- the table ---------------------------------------------------------------------------------------------------------


def find_table(session: Session, location: Location) -> Table | None:
    """The table as it is now, None where none is. Raises `DataError` where a file is in the way."""
    if not reachable(location):
        return _described(session, location)
    with explained(location, "read"):
        log = _Log(location)
        versions = log.versions()
        if versions:
            try:
                return log.table(versions) or _described(session, location)
            except (ValueError, KeyError, TypeError) as error:
                raise delta_log.damaged(location.display, str(error)) from error
        if files_for(location).kind(location.uri) == "file":
            raise rules.file_in_the_way(location)
    return None


@contextmanager
def making(location: Location, txn: str) -> Iterator[Location]:
    """Around the write that makes a table: where to write it. A folder of other files does not become one silently.

    A local table is made in a private folder beside its own and moved there, so that what is deleted after an error is
    never another writer's. Elsewhere it is made in its place, under a mark which tells other writers that the files
    there are no foreign ones. After an error mark and files stay: nobody knows whose they are, and a vacuum of the
    table to come deletes them. Raises `Conflict` where another writer has made the table meanwhile.
    """
    if not reachable(location):
        yield location
        return
    files = files_for(location)
    with explained(location, "write"):
        _refuse_foreign(location, files)
    if is_local(location):
        with staging(location) as stage:
            made = Path(stage.path, "new")
            yield replace(location, uri=str(made))
            if (made / LOG).is_dir():  # else the write is tried again
                with explained(location, "write"):
                    _put_in_place(stage, location)
        return
    mark = files.join(location.uri, rules.MARK + txn)
    with explained(location, "write"), files.open_write(mark) as file:
        file.write(b"a table is being made here")
    yield location
    with suppress(OdibiError, OSError):
        files.delete(mark)
        for old in _marks(location, files):
            if age_of(old.name.removeprefix(rules.MARK)) > REMOTE_LITTER_SECONDS:
                files.delete(old.path)


def is_local(location: Location) -> bool:
    """Whether a folder can be moved to a place in one step, and another one's be told from it."""
    return location.local_path is not None and not location.governed


def _refuse_foreign(location: Location, files: Files) -> None:
    foreign = next(iter(files.walk(location.uri)), None)
    if foreign is not None and not _marks(location, files) and not _Log(location).versions():
        raise rules.foreign_files(location, foreign)


def _marks(location: Location, files: Files) -> list[Entry]:
    return [entry for entry in files.entries(location.uri) if entry.name.startswith(rules.MARK)]


def _put_in_place(stage: Stage, location: Location) -> None:
    """Move a new table to its folder: in one step, or where something is in the folder, the commit last."""
    made, target = Path(stage.path, "new"), Path(location.uri)
    try:
        if target.is_dir():
            target.rmdir()  # an empty one: Windows renames over none
        made.rename(target)
        return
    except OSError:
        if not target.is_dir():
            raise
    log = Path(stage.path, LOG)
    (made / LOG).rename(log)
    moved = move_in(stage, str(made), location.uri)
    try:
        _move_log(log, target / LOG)
    except FileExistsError as error:  # only now it is certain that no log names them
        for path in moved:
            with suppress(OSError):
                Path(path).unlink()
        raise rules.Conflict(str(error)) from error


def _move_log(made: Path, log: Path) -> None:
    """The commit first, which makes the table; what else is there only speaks of it. Raises `FileExistsError`."""
    log.mkdir(exist_ok=True)
    own, place = made / f"{0:020}.json", log / f"{0:020}.json"
    try:
        place.hardlink_to(own)
    except FileExistsError:
        raise
    except (OSError, NotImplementedError):  # a file system without links
        if place.exists():
            raise FileExistsError(str(place)) from None
        own.rename(place)
    for path in made.iterdir():
        with suppress(OSError):  # it can be made again
            if not (log / path.name).exists():
                path.rename(log / path.name)


def _described(session: Session, location: Location) -> Table | None:
    """The table, as Spark describes it."""
    spark, name = session.spark, delta_name(location)
    try:
        (detail,) = spark.sql(f"DESCRIBE DETAIL {name}").collect()
        (newest,) = spark.sql(f"DESCRIBE HISTORY {name} LIMIT 1").collect()
    except errors.spark_errors() as error:
        if _NO_TABLE.search(str(error)):
            return None
        raise
    frame = spark.table(location.table) if location.table else spark.read.format("delta").load(spark_path(location))
    schema = json.dumps(frame.schema.jsonValue())
    return Table(location, newest.version, schema, tuple(detail.partitionColumns), dict(detail.properties or {}))


class _Log:
    """The files of a table's log."""

    def __init__(self, location: Location) -> None:
        self.location = location
        self.files = files_for(location)
        self.folder = self.files.join(location.uri, LOG)

    def versions(self) -> list[int]:
        """The versions that the log has a commit or a checkpoint of, ascending."""
        names = (entry.name for entry in self.files.entries(self.folder))
        return sorted({int(found[1]) for name in names if (found := _LOGGED.fullmatch(name))})

    def text(self, name: str) -> str | None:
        """A file of the log, None where it is not there."""
        try:
            with self.files.open_read(self.files.join(self.folder, name)) as file:
                return file.read().decode("utf-8")
        except FileNotFoundError:
            return None

    def commit(self, version: int) -> str | None:
        """The text of a commit."""
        return self.text(f"{version:020}.json")

    def table(self, versions: Sequence[int]) -> Table | None:
        """The table at the newest version; None where only a checkpoint has its schema."""
        newest = versions[-1]
        found = self._metadata(versions)
        if found is None:
            return None
        said = {key: value for key, value in (found.get("configuration") or {}).items() if value is not None}
        return Table(self.location, newest, found["schemaString"], tuple(found.get("partitionColumns") or ()), said)

    def _metadata(self, versions: Sequence[int]) -> dict[str, Any] | None:
        for version in versions[::-1][:LOOKED_THROUGH]:
            text = self.commit(version)
            if text is not None and not text.startswith("{"):
                raise ValueError(f"{version:020}.json is damaged")
            found = None if text is None else _action(text, "metaData")
            if found is not None:
                return found
            if version == versions[-1] and (summary := self.text(f"{version:020}.crc")) is not None:
                whole: dict[str, Any] = json.loads(summary)
                if whole.get("metadata"):
                    return dict(whole["metadata"])
        return None


def _action(text: str, name: str) -> dict[str, Any] | None:
    start = f'{{"{name}"'
    for line in text.splitlines():
        if line.startswith(start):
            return dict(json.loads(line)[name])
    return None


# -- the commit --------------------------------------------------------------------------------------------------------


def find_commit(session: Session, location: Location, txn: str, table: Table | None) -> Commit | None:
    """What a transaction committed, None where the log does not have it. Others may have committed meanwhile."""
    if not reachable(location):
        return _from_history(session, location, txn)
    log = _Log(location)
    version = 0 if table is None else table.version + 1
    with explained(location, "read"):
        while (text := log.commit(version)) is not None:
            if txn in text:
                return _commit(version, text, table)
            version += 1
    return None


def _commit(version: int, text: str, table: Table | None) -> Commit:
    lines = [line for line in text.splitlines() if line.startswith('{"add"')]
    adds = [add for line in lines if (add := json.loads(line)["add"]).get("dataChange", True)]
    counts = [_records(add) for add in adds]
    metadata = _action(text, "metaData")
    by = metadata["partitionColumns"] if metadata is not None else table.partition_by if table is not None else ()
    known = [count for count in counts if count is not None]
    whole = len(known) == len(counts)
    metrics = (_action(text, "commitInfo") or {}).get("operationMetrics") or {}
    rows = sum(known) if whole else int(metrics["numOutputRows"]) if "numOutputRows" in metrics else None
    partitions: dict[tuple[str | None, ...], int] = {}
    for add, count in zip(adds, counts, strict=True):
        key = tuple(add["partitionValues"].get(name) for name in by)
        partitions[key] = partitions.get(key, 0) + (count or 0)
    return Commit(version, len(adds), sum(add["size"] for add in adds), rows, partitions if whole else None)


def _records(add: Mapping[str, Any]) -> int | None:
    found = json.loads(add.get("stats") or "{}").get("numRecords")
    return None if found is None else int(found)


def _from_history(session: Session, location: Location, txn: str) -> Commit | None:
    text = f"DESCRIBE HISTORY {delta_name(location)} LIMIT {HISTORY}"
    try:
        commits = session.spark.sql(text).collect()
    except errors.spark_errors() as error:
        if _NO_TABLE.search(str(error)):
            return None
        raise
    return next((_told(commit) for commit in commits if txn in (commit.userMetadata or "")), None)


def not_in_log(session: Session, location: Location, txn: str, table: Table) -> Commit:
    """What a write did that went well, and of which the log's folder has nothing. Where no row came and none was there,
    Delta commits nothing: the table is as it was. The history knows of commits that are kept elsewhere at first."""
    return _from_history(session, location, txn) or Commit(table.version, 0, 0, 0, {})


def first_commit(session: Session, location: Location) -> Commit:
    """The commit that made a table of a catalog. Delta does not write down there whose it is; that the table was not
    there before, Spark has seen to."""
    commits = session.spark.sql(f"DESCRIBE HISTORY {delta_name(location)}").where("version = 0").collect()
    return _told(commits[0])


def _told(commit: Any) -> Commit:
    told = {key: int(value) for key, value in commit.operationMetrics.items() if re.fullmatch(r"\d+", value)}
    return Commit(commit.version, told.get("numFiles"), told.get("numOutputBytes"), told.get("numOutputRows"), None)
