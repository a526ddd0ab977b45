"""What the formats share: the files of a source as Spark takes them, and how a format joins the others."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from odibi.connections.base import Location
from odibi.engine import sources
from odibi.engine.base import Source, Target
from odibi.engine.sources import check_fit, check_names, compression_of, display_of, types_of
from odibi.engine.spark.formats.partitions import values_of
from odibi.engine.spark.frame import SparkFrame
from odibi.engine.spark.places import options_of, reachable, spark_path
from odibi.engine.spark.session import Session
from odibi.engine.spark.types import schema_of, spark_type
from odibi.errors import UnsupportedError
from odibi.files import explained
from odibi.parallel import each as parallel
from odibi.transforms.dialect import SPARK
from odibi.types import Column, DataType

AT_ONCE = 16
"""Files that are opened side by side."""
LOOKED_AT = 200
"""Files whose columns the driver looks at; of more, these from the beginning and the end."""


@dataclass(frozen=True)
class Codec:
    """How one format is read, and how a frame that is cast and checked is written to a path as Spark takes it: to an
    existing empty folder, or with `single` to a file.

    `write` gives the number of rows where the driver takes them one after another: to Spark such an action is done
    before the first one came, so that an Observation counts none."""

    scan: Callable[[Session, Source], SparkFrame]
    write: Callable[[Session, SparkFrame, Target, str], int | None]
    single: bool = False


@dataclass(frozen=True)
class File:
    """One file of a source: `path` as `odibi.files` spells it, `spark` as Spark does."""

    path: str
    spark: str
    display: str
    compression: str = "none"


@dataclass(frozen=True)
class Input:
    """The files of a source and how to tell of them. `seen` is false where only Spark reaches them: then `files` is the
    source itself, whatever it is."""

    source: Source
    location: Location
    files: tuple[File, ...]
    seen: bool = True
    root: str = ""
    """The folder, as Spark takes it, where the source is a whole folder."""
    base: str = ""
    """The folder that the partitions' folders are in, as Spark takes it."""
    partitions: Mapping[str, DataType] = field(default_factory=dict)
    """Hive partitions below the folder."""
    outer: tuple[str, ...] = ()

    @cached_property
    def options(self) -> Mapping[str, Any]:
        """The source's options."""
        return self.source.options

    @cached_property
    def types(self) -> dict[str, DataType]:
        """Types that are said for some columns."""
        return types_of(self.source)

    @property
    def display(self) -> str:
        """The source as messages show it."""
        return self.location.display

    def open(self, file: File) -> Any:
        """A file's bytes, for a look at its beginning."""
        from odibi.files import files_for

        return files_for(self.location).open_read(file.path)

    def pick(self, known: Sequence[str]) -> tuple[str, ...]:
        """The columns a read gives. Raises `DataError`."""
        return sources.pick(self.source, self.display, known)


def open_input(source: Source, text: bool = False, empty_is_fine: bool = False) -> Input:
    """The files of a source, none of them empty; at least one, unless `empty_is_fine`. `text` files may be compressed.

    Raises `DataNotFoundError`, `DataError`, `AccessError`, `UnsupportedError` for what Spark can not reach.
    """
    refuse_unreachable(source)
    location = source.location()
    if not reachable(location):
        path = spark_path(location)
        return Input(source, location, (File(location.uri, path, location.display),), seen=False, root=path)
    found = sources.find(source, empty_is_fine)

    def place(path: str) -> str:
        return spark_path(replace(location, uri=path))

    files = tuple(
        File(path, place(path), display_of(location, path), compression_of(path, source.options) if text else "none")
        for path in found.paths
    )
    partitions = values_of(found, types_of(source))
    root = place(location.uri) if found.is_folder else ""
    return Input(source, location, files, True, root, place(found.base), partitions, found.outer)


def refuse_unreachable(end: Source | Target) -> None:
    """Raise `UnsupportedError` for a connection whose data Spark can not reach."""
    refusal = end.connection.unusable("spark")
    if refusal:
        raise UnsupportedError(refusal)


def look(input: Input, what: Callable[[File], Any]) -> list[tuple[File, Any]]:
    """The files and what `what` finds out of each, side by side; of very many files only some."""
    files = input.files
    if len(files) > LOOKED_AT:
        files = (*files[: LOOKED_AT // 2], *files[-LOOKED_AT // 2 :])
    found: dict[str, Any] = {}

    def keep(file: File) -> None:
        found[file.path] = what(file)

    with explained(input.location, "read"):
        if len(files) == 1:
            keep(files[0])
        else:
            parallel(keep, files, AT_ONCE)
    return [(file, found[file.path]) for file in files]


def grouped(
    input: Input, columns: Sequence[tuple[File, Sequence[str]]], way_out: str
) -> dict[tuple[str, ...], tuple[File, ...]]:
    """Files by their columns, in order; those that nobody looked at go with the first. Raises `DataError` where columns
    differ and `union_by_name` is not set."""
    first_file, first = columns[0]
    for file, names in columns:
        check_names(names, file.display, way_out)
        check_fit(file.display, names, first_file.display, first, bool(input.options.get("union_by_name")))
    known = {file.path: tuple(names) for file, names in columns}
    groups: dict[tuple[str, ...], list[File]] = {}
    for file in input.files:
        groups.setdefault(known.get(file.path, tuple(first)), []).append(file)
    return {names: tuple(files) for names, files in groups.items()}


def load(
    input: Input,
    session: Session,
    format: str,
    schema: Any,
    files: Sequence[File],
    options: Mapping[str, Any],
) -> Any:
    """A DataFrame over files of known columns: `schema` is theirs, without the partitions; these come as text."""
    whole = input.root and len(files) == len(input.files)
    reader = session.spark.read.format(format).options(**options, **options_of(input.source))
    if input.partitions and schema is not None:
        partitions = schema_of(
            Column(name, DataType("string")) for name in input.partitions if name not in _names(schema)
        )
        schema = _joined(schema, partitions)
    if input.partitions:
        reader = reader.option("basePath", input.base)
    elif input.seen:
        reader = reader.option("recursiveFileLookup", "true")
    reader = reader if schema is None else reader.schema(schema)
    if not input.seen:
        return reader.load(input.root)
    return reader.load(unglobbed(input.root) if whole else [unglobbed(file.spark) for file in files])


def unglobbed(path: str) -> str:
    """A path whose stars and brackets are letters: Spark would look for what fits them."""
    return re.sub(r"([\\*?\[\]{}])", r"\\\1", path)


def _names(schema: Any) -> tuple[str, ...]:
    return () if schema is None else tuple(schema.names)


def _joined(schema: Any, more: Any) -> Any:
    from pyspark.sql.types import StructType

    return StructType([*schema.fields, *more.fields])


def save(data: Any, target: Target, format: str, options: Mapping[str, str], path: str) -> None:
    """Write a DataFrame into a folder, beside what is there."""
    writer = data.write.format(format).mode("append").options(**options, **options_of(target))
    if target.partition_by:
        writer = writer.partitionBy(*target.partition_by)
    writer.save(path)


# -- SQL ---------------------------------------------------------------------------------------------------------------


quote = SPARK.quote


def literal(text: str) -> str:
    """A text, whatever the session makes of backslashes."""
    if "\\" in text or "'" in text or not text.isprintable():
        return f"CAST(X'{text.encode().hex()}' AS STRING)"
    return f"'{text}'"


def partition_item(input: Input, name: str) -> str:
    """A partition's value, which is a folder's name, as its type."""
    type = input.partitions[name]
    if type.name == "string":
        return quote(name)
    return f"CAST({quote(name)} AS {spark_type(type).simpleString()}) AS {quote(name)}"


def union(parts: Sequence[Any]) -> Any:
    """Frames one below the other, by name; what one lacks is NULL."""
    first, *others = parts
    for other in others:
        first = first.unionByName(other, allowMissingColumns=True)
    return first


def empty_frame(session: Session, input: Input) -> SparkFrame:
    """No rows of the columns that are said."""
    columns = tuple(Column(name, type, str(type)) for name, type in input.types.items())
    return SparkFrame(session.spark.createDataFrame([], schema_of(columns)), columns, rows=0, lazy=False)


def columns_of_types(types: Mapping[str, DataType | None], names: Iterable[str]) -> tuple[Column, ...]:
    """Columns of known types; None is NULL's."""
    return tuple(Column(name, types[name], _native(types[name])) for name in names)


def _native(type: DataType | None) -> str:
    return "void" if type is None else spark_type(type).simpleString()
