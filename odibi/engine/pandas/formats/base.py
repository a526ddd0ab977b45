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
from odibi.engine import sources
from odibi.engine.base import Source, Target
from odibi.engine.pandas.session import DuckFrame, Session, literal, quote
from odibi.engine.pandas.types import duckdb_type
from odibi.engine.sources import check_partition_by, compression_of, display_of, find, types_of
from odibi.errors import DataError
from odibi.files import Files, explained, new_txn, staging
from odibi.files.urls import UrlFiles
from odibi.types import Column, DataType


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
        return types_of(self.source)


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
    found = find(source, empty_is_fine)
    location, opened = found.location, list[File]()
    with explained(location, "read"):
        places = _local(session, found.files, location, found.paths, found.base, by_parts)
        for path, place in zip(found.paths, places, strict=True):
            opened += _open_file(session, location, path, place, source.options, suffixes)
    return Input(source, location, opened, found.partitions, found.outer)


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
    file = File(path, place, display_of(location, path))
    if suffixes:
        file = replace(file, compression=compression_of(path, options))
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


def as_marked(session: Session, input: Input) -> Input:
    """The same text in UTF-8, with comments that DuckDB can not take for more than they are."""
    from odibi.engine.pandas.formats.unpack import MARK, with_marks

    files = [replace(file, local=with_marks(session, file, input.options), compression="none") for file in input.files]
    options = {**input.options, "encoding": "utf-8", "comment": MARK, "compression": "none"}
    return replace(input, files=files, source=replace(input.source, options=options))


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


def empty_frame(session: Session, input: Input) -> DuckFrame:
    """No rows of the columns that are said."""
    nothing = (f"CAST(NULL AS {duckdb_type(type)}) AS {quote(name)}" for name, type in input.types.items())
    return session.frame(f"SELECT {', '.join(nothing)} WHERE false")


def pick(input: Input, known: Sequence[str]) -> tuple[str, ...]:
    """The columns a read gives: the option `columns`, else the declared ones, else all. Raises `DataError`."""
    return sources.pick(input.source, input.location.display, known)


def declared(input: Input, names: Sequence[str]) -> dict[str, str]:
    """DuckDB's types of the declared columns among `names`."""
    return {name: duckdb_type(type) for name, type in input.types.items() if name in names}


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
        check_partition_by(target, frame.columns)
        clauses |= {
            "PARTITION_BY": f"({names_sql(target.partition_by)})",
            "FILENAME_PATTERN": "'part-{uuid}'",  # not a number: `k=a` and `k=A` are one folder on some systems
            "FILE_EXTENSION": literal(extension),
            "OVERWRITE_OR_IGNORE": "true",
        }
    options = ", ".join(f"{name} {value}" for name, value in clauses.items())
    ((rows,),) = session.execute(f"COPY ({select}) TO {literal(path)} ({options})", frame)
    return int(rows)


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
