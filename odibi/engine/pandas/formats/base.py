"""What the formats share: the files of a source as DuckDB can read them, columns and types, the COPY of a write."""

from __future__ import annotations

import os
import re
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, NoReturn

from odibi.connections.base import Location
from odibi.engine.base import Source, Target
from odibi.engine.pandas.session import DuckFrame, Session, literal, quote
from odibi.engine.pandas.types import duckdb_type
from odibi.errors import DataError, suggest
from odibi.files import Files, expand, explained, files_for, new_txn, staging
from odibi.files.urls import UrlFiles
from odibi.formats.base import COMPRESSED
from odibi.formats.dates import strftime_of
from odibi.types import Column, DataType, parse_type

HINTS = "type_hints"
"""An option that only odibi gives: types, as text, of columns that a file may or may not have."""


@dataclass(frozen=True)
class Codec:
    """A format of this engine. `scan` gives a lazy frame; `write` writes a frame to a local path (a folder where the
    target is partitioned) and gives the number of rows. Both raise `DataError` for what the format can not hold."""

    scan: Callable[[Session, Source], DuckFrame]
    write: Callable[[Session, DuckFrame, Target, str], int]


@dataclass(frozen=True)
class File:
    """One file of a source: `path` is where it is, `local` where DuckDB reads it, after a download or unpacking."""

    path: str
    local: str
    display: str
    compression: str = "none"

    @property
    def pattern(self) -> str:
        """The local path as DuckDB takes it, which reads wildcards in it."""
        return re.sub(r"([*?\[])", r"[\1]", self.local)


@dataclass(frozen=True)
class Input:
    """The files of a source and how to tell of them."""

    source: Source
    location: Location
    files: Sequence[File]
    partitions: tuple[str, ...] = field(default=())
    """Names of the hive partitions below the source's folder."""
    outer: tuple[str, ...] = field(default=())
    """Names of `k=v` folders above: not part of this source."""

    @cached_property
    def options(self) -> Mapping[str, Any]:
        """The source's options."""
        return self.source.options

    @property
    def hive(self) -> dict[str, str]:
        """Arguments of a reader about partitions."""
        if not self.partitions:
            return {"hive_partitioning": "false"}
        declared = {name: duckdb_type(type) for name, type in self.schema.items() if name in self.partitions}
        types = {"hive_types": struct(declared)} if declared else {}
        return {"hive_partitioning": "true", **types}

    @property
    def compression(self) -> str:
        """The argument of a reader about compression: a file's suffix tells it, unless an option does."""
        said = str(self.options.get("compression", "auto"))
        return literal(said if said in ("none", "gzip", "zstd") else "auto")

    @cached_property
    def schema(self) -> Mapping[str, DataType]:
        """The declared columns: all of them, in order."""
        return self.source.schema

    @cached_property
    def types(self) -> dict[str, DataType]:
        """Types that are said for some columns."""
        said = {**self.options.get(HINTS, {}), **self.options.get("types", {})}
        return {**{name: parse_type(text) for name, text in said.items()}, **self.schema}


# -- input -------------------------------------------------------------------------------------------------------------


def open_input(
    session: Session,
    source: Source,
    suffixes: tuple[str, ...] = (),
    empty_is_fine: bool = False,
    by_parts: bool = False,
) -> Input:
    """The files of a source, none of them empty; at least one, unless `empty_is_fine`.

    Raises `DataNotFoundError`, `DataError`, `AccessError`.

    With `suffixes` (a text format) files may be compressed as a whole; what DuckDB can not unpack is unpacked here.
    What lies behind a URL is copied; `by_parts`, only what queries read of it.
    """
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
    opened: list[File] = []
    with explained(location, "read"):
        filled = [path for path in paths if files.size(path)]
        if not filled and not empty_is_fine:
            raise DataError(
                f"{_display(location, paths[0])} is empty (0 bytes); "
                "write it again, or leave the node out until it has data"
            )
        places = _local(session, files, location, filled, base, by_parts)
        for path, place in zip(filled, places, strict=True):
            opened += _open_file(session, location, path, place, source.options, suffixes)
    partitions, outer = _partitions(filled, base, files) if filled else ((), ())
    return Input(source, location, opened, partitions, outer)


def _local(
    session: Session, files: Files, location: Location, paths: Sequence[str], base: str, by_parts: bool
) -> Sequence[str]:
    """Where the files can be read."""
    if not isinstance(files, UrlFiles):
        return paths
    from odibi.engine.pandas.remote import fetch

    return fetch(session, files, location, paths, base, by_parts=by_parts)


def _open_file(
    session: Session, location: Location, path: str, place: str, options: Mapping[str, Any], suffixes: tuple[str, ...]
) -> list[File]:
    file = File(path, place, _display(location, path))
    if suffixes:
        file = replace(file, compression=_compression(path, options))
    if file.compression in ("zip", "bz2", "xz"):
        from odibi.engine.pandas.formats.unpack import unpack

        return [
            replace(file, local=path, display=name, compression="none")
            for path, name in unpack(session, file, suffixes)
        ]
    return [file]


def as_utf8(session: Session, input: Input) -> Input:
    """The same text in UTF-8, for an encoding that DuckDB does not read."""
    from odibi.engine.pandas.formats.unpack import transcode

    encoding = input.options["encoding"]
    files = [replace(file, local=transcode(session, file, encoding), compression="none") for file in input.files]
    return replace(input, files=files, source=replace(input.source, options={**input.options, "encoding": "utf-8"}))


def _compression(path: str, options: Mapping[str, Any]) -> str:
    said = options.get("compression", "auto")
    return str(said if said != "auto" else COMPRESSED.get(os.path.splitext(path)[1].lower(), "none"))


def _display(location: Location, path: str) -> str:
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


# -- a place for downloads and unpacked files --------------------------------------------------------------------------

_SCRATCH: weakref.WeakKeyDictionary[Session, str] = weakref.WeakKeyDictionary()


def scratch(session: Session, name: str) -> str:
    """A path that ends in `name`, in a temporary folder that lives as long as the session. A killed process leaves the
    folder to the next one, which sweeps it."""
    return os.path.join(scratch_folder(session), re.split(r"[/\\]", name)[-1])


def scratch_folder(session: Session) -> str:
    """A new folder in the session's temporary folder."""
    if session not in _SCRATCH:
        import tempfile

        stack = ExitStack()
        place = os.path.join(os.path.realpath(tempfile.gettempdir()), "odibi-scratch")
        _SCRATCH[session] = stack.enter_context(staging(Location(place))).path
        os.chmod(_SCRATCH[session], 0o700)  # it holds data, in a folder that all users share
        weakref.finalize(session, stack.close)
    folder = os.path.join(_SCRATCH[session], new_txn())
    os.mkdir(folder)
    return folder


# -- SQL ---------------------------------------------------------------------------------------------------------------


def reader(function: str, files: Iterable[File], arguments: Mapping[str, str]) -> str:
    """`read_csv(['a', 'b'], header=true)`; arguments are SQL."""
    paths = ", ".join(literal(file.pattern) for file in files)
    return f"{function}([{paths}]{''.join(f', {name}={value}' for name, value in arguments.items())})"


def struct(items: Mapping[str, str]) -> str:
    """A struct literal of texts, as readers take `columns`."""
    return "{" + ", ".join(f"{literal(name)}: {literal(value)}" for name, value in items.items()) + "}"


def names_sql(names: Iterable[str]) -> str:
    """A list of identifiers."""
    return ", ".join(map(quote, names))


def texts_sql(texts: Iterable[str]) -> str:
    """A list literal of texts."""
    return f"[{', '.join(map(literal, texts))}]"


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


def empty_frame(session: Session, input: Input) -> DuckFrame:
    """No rows of the columns that are said."""
    nothing = (f"CAST(NULL AS {duckdb_type(type)}) AS {quote(name)}" for name, type in input.types.items())
    return session.frame(f"SELECT {', '.join(nothing)} WHERE false")


def pick(input: Input, known: Sequence[str]) -> tuple[str, ...]:
    """The columns a read gives: the option `columns`, else the declared ones, else all. Raises `DataError`."""
    wanted = input.options.get("columns") or tuple(input.schema) or tuple(known)
    for name in (*wanted, *input.options.get("types", ())):
        if name not in known:
            raise DataError(f"{input.location.display} has no column {name!r}; {suggest(name, known)}")
    return tuple(wanted)


def declared(input: Input, names: Sequence[str]) -> dict[str, str]:
    """DuckDB's types of the declared columns among `names`."""
    return {name: duckdb_type(type) for name, type in input.types.items() if name in names}


def refuse_types(columns: Iterable[Column], kinds: tuple[str, ...], format: str, place: str, way_out: str) -> None:
    """Raise `DataError` for the first column of a type that a format can not hold."""
    for column in columns:
        if column.type is not None and column.type.name in kinds:
            raise DataError(
                f"{place}: {format} can not hold column {column.name!r} of type {column.type_name}; {way_out}"
            )


def refuse(input: Input, text: str) -> NoReturn:
    """Raise `DataError` about an input."""
    raise DataError(f"{input.location.display}: {text}")


# -- write -------------------------------------------------------------------------------------------------------------


def copy(
    session: Session,
    frame: DuckFrame,
    select: str,
    target: Target,
    path: str,
    arguments: Mapping[str, str],
    extension: str,
) -> int:
    """`COPY (select) TO path`; `select` is over `frame`. Gives the number of rows."""
    clauses = dict(arguments)
    if target.partition_by:
        missing = [name for name in target.partition_by if name not in {column.name for column in frame.columns}]
        if missing:
            known = [column.name for column in frame.columns]
            raise DataError(f"partition_by names {missing[0]!r}, which is no column; {suggest(missing[0], known)}")
        if len(target.partition_by) == len(frame.columns):
            raise DataError("partition_by names every column, so the files would hold none; leave one out")
        clauses |= {
            "PARTITION_BY": f"({names_sql(target.partition_by)})",
            "FILENAME_PATTERN": "'part-{uuid}'",  # not a number: `k=a` and `k=A` are one folder on some systems
            "FILE_EXTENSION": literal(extension),
            "OVERWRITE_OR_IGNORE": "true",
        }
    options = ", ".join(f"{name} {value}" for name, value in clauses.items())
    ((rows,),) = session.execute(f"COPY ({select}) TO {literal(path)} ({options})", frame)
    return int(rows)


EXTENSIONS = {"none": "", "gzip": ".gz", "zstd": ".zst"}
"""The compressions of a text file that can be written, and the suffix of each."""


def output_compression(target: Target) -> str:
    """The compression of a text file that is written: as said, else by the path's suffix."""
    said = str(target.options.get("compression", "auto"))
    if said == "auto":
        said = COMPRESSED.get(os.path.splitext(target.path)[1].lower(), "none")
    if said not in EXTENSIONS:
        raise DataError(f"{target.path}: {said} can be read but not written; use one of {', '.join(EXTENSIONS)}")
    return said


def patterns(options: Mapping[str, Any]) -> dict[str, str]:
    """The options `date_format` and `timestamp_format`, where they are given, as `strftime` takes them."""
    names = ("date_format", "timestamp_format")
    return {name: strftime_of(options[name]) for name in names if options.get(name)}


def iso_text(column: Column, date_format: str | None, timestamp_format: str | None) -> str | None:
    """SQL that gives a date or timestamp as text, in the format or in ISO 8601 (zoned ones with `Z`); else None."""
    kind, name = column.type.name if column.type else column.native, quote(column.name)
    if kind == "date" and date_format:
        return f"strftime({name}, {literal(date_format)})"
    if kind not in ("timestamp", "timestamp_ntz"):
        return None
    utc = f"timezone('UTC', {name})" if kind == "timestamp" else name
    if timestamp_format:
        pattern = timestamp_format.replace("%z", "+00:00") if kind == "timestamp" else timestamp_format
        return f"strftime({utc}, {literal(pattern)})"
    return f"replace(CAST({utc} AS VARCHAR), ' ', 'T')" + (" || 'Z'" if kind == "timestamp" else "")
