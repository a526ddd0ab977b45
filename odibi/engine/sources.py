"""What every engine asks of stored files: which they are, what they are called, and which columns a read gives."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from odibi.connections.base import Location
from odibi.engine.base import Source, Target
from odibi.errors import DataError, suggest
from odibi.files import Files, expand, explained, files_for
from odibi.formats.base import COMPRESSED
from odibi.formats.dates import strftime_of
from odibi.types import Column, DataType, parse_type

HINTS = "type_hints"
"""An option that only odibi gives: types, as text, of columns that a file may or may not have."""
EXTENSIONS = {"none": "", "gzip": ".gz", "zstd": ".zst"}
"""The compressions of a text file that can be written, and the suffix of each."""


@dataclass(frozen=True)
class Found:
    """The files of a source, none of them empty. `paths` are spelled like `location.uri`."""

    location: Location
    files: Files
    paths: tuple[str, ...]
    base: str
    """The folder that the files are in."""
    is_folder: bool
    """Whether the source names the folder itself."""
    partitions: tuple[str, ...]
    """Names of the hive partitions below the folder."""
    outer: tuple[str, ...]
    """Names of `k=v` folders above: not part of this source."""

    def display(self, path: str) -> str:
        """A file as messages show it."""
        return display_of(self.location, path)


def find(source: Source, empty_is_fine: bool = False) -> Found:
    """The files of a source; at least one, unless `empty_is_fine`. Raises `DataNotFoundError`, `DataError`,
    `AccessError`."""
    location = source.location()
    files = files_for(location)
    paths = expand(location, files)
    folder = files.kind(location.uri) == "folder"
    if folder and files.exists(files.join(location.uri, "_delta_log")):
        raise DataError(
            f"{location.display} is a Delta table; read it with format: delta "
            "(its plain files also hold rows that were replaced or deleted)"
        )
    base = location.uri if folder else files.split(paths[0])[0]
    with explained(location, "read"):
        filled = tuple(path for path in paths if files.size(path))
    if not filled and not empty_is_fine:
        raise DataError(
            f"{display_of(location, paths[0])} is empty (0 bytes); "
            "write it again, or leave the node out until it has data"
        )
    partitions, outer = _partitions(filled, base, files) if filled else ((), ())
    return Found(location, files, filled, base, folder, partitions, outer)


def display_of(location: Location, path: str) -> str:
    """A file of a location as messages show it."""
    if not location.connection or not location.root or not path.startswith(location.root):
        return path
    return f"{location.connection}:{path[len(location.root) :].strip(os.sep + '/').replace(os.sep, '/')}"


def _partitions(paths: Iterable[str], base: str, files: Files) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names of the `k=v` folders below `base`, where all files have the same, and of those above."""
    above = _keys(re.split(r"[/\\]", base))
    found = {_keys(re.split(r"[/\\]", files.split(path)[0][len(base) :])) for path in paths}
    inside = found.pop()
    return (inside, above) if not found else ((), above)


def _keys(parts: Iterable[str]) -> tuple[str, ...]:
    return tuple(part.split("=", 1)[0] for part in parts if "=" in part[1:])


# -- options -----------------------------------------------------------------------------------------------------------


def types_of(source: Source) -> dict[str, DataType]:
    """Types that are said for some columns; the read's `schema` wins."""
    said = {**source.options.get(HINTS, {}), **source.options.get("types", {})}
    return {**{name: parse_type(text) for name, text in said.items()}, **source.schema}


def compression_of(path: str, options: Mapping[str, Any]) -> str:
    """How a text file is compressed: as said, else by its suffix."""
    said = options.get("compression", "auto")
    suffix = re.search(r"\.[^./\\]+$", path)
    return str(said if said != "auto" else COMPRESSED.get(suffix[0].lower() if suffix else "", "none"))


def output_compression(target: Target) -> str:
    """The compression of a text file that is written: as said, else by the path's suffix."""
    said = compression_of(target.path, target.options)
    if said not in EXTENSIONS:
        raise DataError(f"{target.path}: {said} can be read but not written; use one of {', '.join(EXTENSIONS)}")
    return said


def delimiter_of(path: str, options: Mapping[str, Any]) -> str:
    """The delimiter: as stated, else a tab for `.tsv`, else a comma."""
    return str(options.get("delimiter") or ("\t" if ".tsv" in path.lower()[-8:] else ","))


def patterns(options: Mapping[str, Any]) -> dict[str, str]:
    """The options `date_format` and `timestamp_format`, where they are given, as `strftime` takes them."""
    names = ("date_format", "timestamp_format")
    return {name: strftime_of(options[name]) for name in names if options.get(name)}


# -- columns -----------------------------------------------------------------------------------------------------------


def check_names(names: Sequence[str], place: str, way_out: str) -> None:
    """Raise `DataError` for names that are blank, equal, or equal but for case (SQL ignores case)."""
    seen: dict[str, str] = {}
    for number, name in enumerate(names, 1):
        if not name:
            raise DataError(f"{place}: column {number} of {len(names)} has no name; {way_out}")
        twin = seen.get(name.lower())
        if twin is not None:
            same, case = f"the column {name!r} is there twice", f"the columns {twin!r} and {name!r} differ only in case"
            raise DataError(f"{place}: {same if twin == name else case}; {way_out}")
        seen[name.lower()] = name


def pick(source: Source, display: str, known: Sequence[str]) -> tuple[str, ...]:
    """The columns a read gives: the option `columns`, else the declared ones, else all. Raises `DataError`."""
    wanted = source.options.get("columns") or tuple(source.schema) or tuple(known)
    for name in (*wanted, *source.options.get("types", ())):
        if name not in known:
            raise DataError(f"{display} has no column {name!r}; {suggest(name, known)}")
    return tuple(wanted)


def check_fit(
    display: str, names: Iterable[str], other_display: str, other_names: Iterable[str], by_name: bool = False
) -> None:
    """Raise `DataError` where a file has other columns than the first and `union_by_name` is not set."""
    lacks, adds = sorted(set(other_names) - set(names)), sorted(set(names) - set(other_names))
    if by_name or not (lacks or adds):
        return
    what = " and ".join(
        f"{verb} {', '.join(map(repr, some[:5]))}" for verb, some in (("lacks", lacks), ("adds", adds)) if some
    )
    raise DataError(
        f"{display} has other columns than {other_display}: it {what}; "
        "read them apart, or set union_by_name: true (what a file lacks is NULL then)"
    )


def check_partition_by(target: Target, columns: Sequence[Column]) -> None:
    """Raise `DataError` where `partition_by` names what is no column, or leaves none for the files."""
    known = [column.name for column in columns]
    for name in target.partition_by:
        if name not in known:
            raise DataError(f"partition_by names {name!r}, which is no column; {suggest(name, known)}")
    if target.partition_by and len(target.partition_by) == len(known):
        raise DataError("partition_by names every column, so the files would hold none; leave one out")


def refuse_types(columns: Iterable[Column], kinds: tuple[str, ...], format: str, place: str, way_out: str) -> None:
    """Raise `DataError` for the first column of a type that a format can not hold."""
    for column in columns:
        if column.type is not None and column.type.name in kinds:
            raise DataError(
                f"{place}: {format} can not hold column {column.name!r} of type {column.type_name}; {way_out}"
            )
