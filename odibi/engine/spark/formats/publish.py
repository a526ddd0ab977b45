"""Plain files of the Spark engine, written aside and then put in place.

Spark writes a folder. Beside a local target it is written into a private folder, which takes the target's place in one
rename, whether a file or a folder is there. An append to a folder adds Spark's new files to it, so that writers who
append at the same time lose nothing; one that makes something new of what is there refuses what another writer changed
meanwhile. On object stores a folder can not be replaced in one step: there only what is new can be written.
"""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from odibi.connections.base import Location
from odibi.engine.base import Target
from odibi.engine.sources import check_partition_by
from odibi.engine.spark.formats import FORMATS
from odibi.engine.spark.formats.base import Codec, literal, quote, refuse_unreachable
from odibi.engine.spark.frame import SparkFrame
from odibi.engine.spark.places import reachable, spark_path
from odibi.engine.spark.raised import OURS
from odibi.engine.spark.session import Session
from odibi.engine.targets import as_source, check_partitionable, partitions_of
from odibi.errors import DataError
from odibi.files import Files, added, check_replaceable, explained, files_for, is_hidden, new_txn, staged
from odibi.files.changes import Seen
from odibi.files.stages import ChangedMeanwhile
from odibi.files.urls import UrlFiles
from odibi.formats import FORMATS as VOCABULARY
from odibi.parallel import Stopped

TEXTS = ("csv", "json")


def existing(session: Session, frame: SparkFrame, target: Target) -> SparkFrame:
    """What the target holds."""
    more = {"multiline": True} if target.format == "csv" else {}  # what is written may hold line breaks
    old: SparkFrame = FORMATS[target.format].scan(session, as_source(target, frame.columns, **more))
    return old


def refuse_target(target: Target, location: Location) -> None:
    """Raise `DataError` for a target that can not be written so, before any job; `UnsupportedError` for a place that
    Spark can not reach."""
    refuse_unreachable(target)
    format = VOCABULARY[target.format]
    check_partitionable(target)
    if not reachable(location):
        return
    if location.local_path is not None:
        check_replaceable(location, True, format.suffixes)
    elif target.mode in ("overwrite", "append"):
        added = target.mode == "append" and files_for(location).kind(location.uri) == "folder"
        if target.partition_by or not added:
            check_replaceable(location, bool(target.partition_by), format.suffixes)


def put(
    session: Session,
    frame: SparkFrame,
    target: Target,
    location: Location,
    old: SparkFrame | None = None,
    seen: Seen | None = None,
) -> int | None:
    """Write a frame that is cast and checked, and put it in place; with `old`, what the target holds, it is an append.
    `seen` tells whether there still is what `old` was made of. Gives the number of new rows where no Observation
    counts them.

    After any error the target is as it was. Raises `DataError` for what the format can not hold.
    """
    refuse_target(target, location)
    check_partition_by(target, frame.columns)
    frame = _without_empty_partitions(frame, target)
    codec: Codec = FORMATS[target.format]
    local = location.local_path is not None and not location.governed
    rows, before = None, (old.rows or 0) if old is not None else 0
    if old is not None and not _goes_beside(codec, old, frame, target, location):
        frame, old = _whole(old, frame), None
    with explained(location, "write"):
        if local and old is not None and os.path.isdir(location.uri):
            _add_local(session, codec, frame, target, location, seen)
        elif local:
            rows = _put_local(session, codec, frame, target, location, seen, old is not None)
        else:
            _put_remote(session, codec, frame, target, location, old is not None)
    return None if rows is None else rows - before


def _goes_beside(codec: Codec, old: SparkFrame, new: SparkFrame, target: Target, location: Location) -> bool:
    """Whether new files can lie beside what is there: the same columns, the same folders of partitions."""
    names = [column.name for column in old.columns]
    if codec.single or sorted(names) != sorted(column.name for column in new.columns):
        return False
    if not reachable(location):
        return True
    if location.local_path is None:
        return files_for(location).kind(location.uri) == "folder"
    inside = partitions_of(location)
    return inside == target.partition_by and (
        target.format != "csv" or target.options.get("header", True) or not inside
    )


def _whole(old: SparkFrame, new: SparkFrame) -> SparkFrame:
    """The old rows and the new ones, by name."""
    return SparkFrame(old.data.unionByName(new.data, allowMissingColumns=True), kept=(*old.kept, *new.kept))


def _without_empty_partitions(frame: SparkFrame, target: Target) -> SparkFrame:
    """Spark would write an empty text as NULL where it becomes a folder's name: that is an error here."""
    texts = {c.name for c in frame.columns if c.name in target.partition_by and c.type and c.type.name == "string"}
    if not texts or target.format == "delta":
        return frame
    items = []
    for column in frame.columns:
        name = quote(column.name)
        what = literal(
            f"{OURS}{target.path}: partition column {column.name!r} holds an empty text, which is no folder's name; "
            "turn it into NULL, or write a Delta table"
        )
        guarded = f"CASE WHEN {name} = '' THEN raise_error({what}) ELSE {name} END AS {name}"
        items.append(guarded if column.name in texts else name)
    return replace(frame, data=frame.data.selectExpr(*items))


# -- local folders -----------------------------------------------------------------------------------------------------


def _put_local(
    session: Session,
    codec: Codec,
    frame: SparkFrame,
    target: Target,
    location: Location,
    seen: Seen | None,
    append: bool,
) -> int | None:
    suffixes = VOCABULARY[target.format].suffixes
    with staged(location, not codec.single, suffixes, _stopped(session), seen) as path:
        place = spark_path(replace(location, uri=path))
        rows = codec.write(session, frame, target, path if codec.single else place)
        if codec.single:
            return rows
        _tidy(path)
        _finish(target, path)
        if append and seen is not None and not seen(location.uri):
            raise ChangedMeanwhile(location)
        if append:
            _link(location.uri, path)
    return rows


def _add_local(
    session: Session, codec: Codec, frame: SparkFrame, target: Target, location: Location, seen: Seen | None
) -> None:
    with added(location, seen and seen.and_more) as path:
        codec.write(session, frame, target, spark_path(replace(location, uri=path)))
        _tidy(path)
        _finish(target, path)


def _tidy(folder: str) -> None:
    """Hadoop's sums of the files: whoever changes a file without Hadoop would leave a wrong one behind."""
    for top, _, names in os.walk(folder):
        for name in names:
            if name.startswith(".") and name.endswith(".crc"):
                os.remove(os.path.join(top, name))


def _finish(target: Target, folder: str) -> None:
    if target.format in TEXTS:
        from odibi.engine.spark.formats.write_texts import finish

        finish(target, folder)


def _link(old: str, folder: str) -> None:
    """A file that is there goes into the new folder as well: as a link, which costs nothing."""
    new = os.path.join(folder, f"part-{new_txn()}{''.join(Path(old).suffixes[-2:])}")
    try:
        os.link(old, new, follow_symlinks=True)
    except (OSError, NotImplementedError):  # a file system without links
        shutil.copyfile(old, new)


def _stopped(session: Session) -> Stopped:
    return lambda: session.interrupted


# -- object stores -----------------------------------------------------------------------------------------------------


def _put_remote(
    session: Session, codec: Codec, frame: SparkFrame, target: Target, location: Location, append: bool
) -> None:
    """A new folder, more files in a folder, or one file in the place of one."""
    if target.format in TEXTS:
        _refuse_finish(target)
    files = files_for(location) if reachable(location) else None
    kind = files.kind(location.uri) if files is not None else "missing"
    if files is not None and kind == "file" and not append:
        _put_file(session, codec, frame, target, location, files)
    elif append:
        codec.write(session, frame, target, spark_path(location))
    else:
        _put_new(session, codec, frame, target, location, files)


def _refuse_finish(target: Target) -> None:
    from odibi.engine.spark.formats.write_texts import needs_finish

    if needs_finish(target):
        raise DataError(
            f"{target.path}: on an object store Spark writes UTF-8 text, lines of JSON, uncompressed or gzip; "
            "change the options, or write with the pandas engine"
        )


def _put_new(
    session: Session, codec: Codec, frame: SparkFrame, target: Target, location: Location, files: Files | None
) -> None:
    if codec.single:
        raise DataError(
            f"{target.path}: Spark writes format {target.format} to local folders only; write parquet or Delta"
        )
    try:
        codec.write(session, frame, target, spark_path(location))
    except BaseException:
        if files is not None:
            with suppress(OSError):
                files.delete(location.uri)
        raise


def _put_file(
    session: Session, codec: Codec, frame: SparkFrame, target: Target, location: Location, files: Files
) -> None:
    """One file in the place of one: the store replaces it in one step."""
    if not isinstance(files, UrlFiles) or codec.single:
        raise DataError(f"{location.display} is a file, which Spark can not replace there; choose another path")
    aside = files.join(files.split(location.uri)[0], f".odibi-{new_txn()}")
    one = replace(frame, data=frame.data.coalesce(1))
    try:
        codec.write(session, one, target, spark_path(replace(location, uri=aside)))
        parts = [entry.path for entry in files.entries(aside) if not is_hidden(entry.name)]
        if len(parts) != 1:
            raise DataError(f"{location.display} is a file and the data became {len(parts)}; choose another path")
        files.move(parts[0], location.uri)
    finally:
        with suppress(OSError):
            files.delete(aside)
