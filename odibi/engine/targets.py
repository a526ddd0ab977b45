"""Plain files as targets, whatever engine writes them: what is there already, and what a write left there."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from odibi.engine.base import Source, Target
from odibi.engine.sources import HINTS
from odibi.errors import DataError, TargetExistsError
from odibi.files import files_for
from odibi.formats import FORMATS
from odibi.location import Location
from odibi.types import Column


def is_there(target: Target, location: Location) -> bool:
    """Whether something is at the target's place. Raises `TargetExistsError` where the mode says that nothing may."""
    found = files_for(location).exists(location.uri)
    if found and target.mode == "error":
        raise TargetExistsError(
            f"{location.display} exists and the mode is error; use mode overwrite or append, or another path"
        )
    return found


def check_partitionable(target: Target) -> None:
    """Raise `DataError` where `partition_by` is used on a format without partitions."""
    if target.partition_by and not FORMATS[target.format].partitionable:
        raise DataError(
            f"format {target.format} can not be partitioned; leave partition_by out, or write a Delta table"
        )


def keeping_partitions(target: Target, location: Location, columns: Sequence[Column]) -> Target:
    """The target of an append, which keeps the partitioning of the files that are there where it states none: a file
    beside the folders of partitions would make the whole unreadable."""
    if target.partition_by or target.mode != "append" or not FORMATS[target.format].partitionable:
        return target
    inside = partitions_of(location)
    return replace(target, partition_by=inside) if set(inside) <= {column.name for column in columns} else target


def partitions_of(location: Location) -> tuple[str, ...]:
    """Names of the `k=v` folders in a folder, from the path of its first file."""
    files = files_for(location)
    first = next(iter(files.walk(location.uri)), location.uri) if files.kind(location.uri) == "folder" else location.uri
    parts = Path(first[len(location.uri) :]).parts[:-1]
    return tuple(part.split("=", 1)[0] for part in parts if "=" in part[1:])


def as_source(target: Target, columns: Sequence[Column], **more: Any) -> Source:
    """What a target holds, to be read with the options that it is written with, and `more`. Text has the types of the
    new rows, which have these columns."""
    readable = FORMATS[target.format].read
    options = {name: value for name, value in target.options.items() if name in readable}
    if "types" in readable:
        new = {column.name: column.type_name for column in columns if column.type is not None}
        options[HINTS] = new | {name: str(type) for name, type in target.schema.items()}
    if "names" in readable and options.get("header") is False:
        options.setdefault("names", [column.name for column in columns])  # places are all there is
    return Source(target.connection, target.path, target.format, options | more)


def sizes_of(location: Location) -> list[int]:
    """The sizes of a target's files; without those that another writer replaced meanwhile."""
    files = files_for(location)
    sizes = []
    for path in [location.uri] if files.kind(location.uri) == "file" else files.walk(location.uri):
        with suppress(FileNotFoundError):
            sizes.append(files.size(path))
    return sizes
