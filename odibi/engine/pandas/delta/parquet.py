"""The Parquet files of a write: DuckDB puts them into the table's folder, under names with the transaction's id."""

from __future__ import annotations

import os
import re
import weakref
from contextlib import suppress
from pathlib import Path
from typing import Any

import duckdb

from odibi.engine.delta_log import LOG
from odibi.engine.pandas.cast import CastPlan
from odibi.engine.pandas.delta.stats import WrittenFile
from odibi.engine.pandas.delta.table import has_log, open_table
from odibi.engine.pandas.session import DuckFrame, Kept, Session, literal, quote
from odibi.errors import AccessError
from odibi.files import explain
from odibi.files.local import LocalFiles
from odibi.location import Location

_NAME = re.compile(r"part-([0-9a-f]+-[0-9a-f]{12})-[0-9a-f-]+\.parquet")


def txn_of(name: str) -> str | None:
    """The transaction that wrote a file of this name, None for a name that is not ours."""
    found = _NAME.fullmatch(name)
    return found[1] if found else None


class Room(Kept):
    """A local folder for files on their way to a store behind a URL; it is there as long as a frame uses it."""

    def __init__(self, session: Session) -> None:
        from odibi.engine.pandas.formats.base import scratch

        super().__init__(scratch(session, "table"))
        self.path = Path(self.name)
        weakref.finalize(self, _remove, self.path.parent).atexit = False


def _remove(folder: Path) -> None:
    with suppress(OSError):  # what is open on Windows goes with the session's folder
        LocalFiles().delete(str(folder))


def write_files(
    session: Session,
    frame: DuckFrame,
    cast: CastPlan,
    partition_by: tuple[str, ...],
    location: Location,
    folder: Path,
    txn: str,
) -> list[WrittenFile]:
    """Compute the frame into Parquet files in a local folder, the table's own where it is local, and give what DuckDB
    says of them. No rows: no files.

    No two files have one name: `k=a` and `k=A` are one folder on some systems.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise explain(error, location, "write") from error
    if partition_by:
        by = ", ".join(map(quote, partition_by))
        where = f"{literal(str(folder))} (FORMAT parquet, RETURN_STATS, PARTITION_BY ({by})"
        where += f", FILENAME_PATTERN {literal(f'part-{txn}-{{uuid}}')}, OVERWRITE_OR_IGNORE)"
    else:
        where = f"{literal(str(folder / f'part-{txn}-0.parquet'))} (FORMAT parquet, RETURN_STATS)"
    rows = _copy(session, f"COPY ({cast.apply(frame.sql)}\n) TO {where}", frame, location, folder)
    found = [_written(*row[:6]) for row in rows]
    for file in found:
        if not file.rows:
            Path(file.path).unlink()
    return [file for file in found if file.rows]


def _written(path: str, rows: int, size: int, _: int, stats: Any, partition: Any) -> WrittenFile:
    """A row of COPY's RETURN_STATS. Delta knows no empty text as a partition value: it is the same as NULL."""
    values = partition or {}
    blanks = tuple(name for name, value in values.items() if value == "")
    return WrittenFile(path, rows, size, stats or {}, {name: value or None for name, value in values.items()}, blanks)


def _copy(session: Session, sql: str, frame: DuckFrame, location: Location, folder: Path) -> list[tuple[Any, ...]]:
    try:
        return session.execute(sql, frame)
    except duckdb.IOException as error:
        text = str(error)
        if "No space left" in text and location.local_path is None:
            raise AccessError(
                f"{location.display}: no space left in {folder.parent.parent}, where files are written before they are "
                "uploaded; free some, or let TMPDIR name a larger place; the table is as it was"
            ) from error
        if "No space left" in text:
            raise AccessError(
                f"{location.display}: no space left to write; free some, the table is as it was"
            ) from error
        if location.uri in text and ("Permission denied" in text or "Read-only" in text):
            raise AccessError(f"{location.display}: no permission to write there; the table is as it was") from error
        raise


def remove_uncommitted(location: Location, txn: str) -> None:
    """Delete the files of a transaction that never committed, and the folders that were made for them.

    Files that the log names, now or in an older version, stay.
    """
    folder = Path(location.uri)
    if not folder.is_dir() or committed(location, txn):
        return
    for top, _, names in os.walk(folder, topdown=False):
        for name in names:
            if txn in name and name.endswith((".parquet", ".tmp")):
                (Path(top) / name).unlink(missing_ok=True)
        if not names or any(txn in name for name in names):
            _remove_empty(Path(top), folder)


def _remove_empty(folder: Path, table: Path) -> None:
    if folder.name == LOG or (folder == table and (table / LOG).exists()):
        return
    try:
        folder.rmdir()
    except OSError:  # not empty, or another writer is at work in it
        return


def committed(location: Location, txn: str) -> bool:
    """True where the log names files of the transaction. Asked when a writer died or failed, so it may take a while."""
    if not has_log(location):
        return False
    for path in (Path(location.uri) / LOG).glob("*.json"):
        if txn in path.read_text(encoding="utf-8", errors="replace"):
            return True
    return any(txn in path for path in open_table(location).delta.file_uris())
