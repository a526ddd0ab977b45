"""Text files that Spark's own readers do not take: Python reads them on the executors, where their rows are needed."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from odibi.engine.sources import compression_of
from odibi.engine.spark.formats import on_executors
from odibi.engine.spark.formats.base import File, Input, unglobbed, union
from odibi.engine.spark.places import options_of
from odibi.engine.spark.session import Session


def says_its_compression(file: File) -> bool:
    """Whether a file's name says how it is compressed: that is all that Spark goes by."""
    return compression_of(file.path, {}) == file.compression


def read_by_python(
    session: Session,
    input: Input,
    files: Sequence[File],
    schema: Any,
    reader: Callable[..., Any],
    facts: Mapping[str, Any],
    suffixes: Sequence[str],
) -> Any:
    """A frame of what `reader` (of `on_executors`) makes of files, a file at a time. Partitions come as text."""
    import pyspark.cloudpickle as pickle
    from pyspark.sql.types import StringType, StructField, StructType

    by_value: Any = pickle
    if on_executors.__name__ not in by_value.list_registry_pickle_by_value():
        by_value.register_pickle_by_value(sys.modules[on_executors.__name__])
    partitions = [name for name in input.partitions if name not in schema.names]
    whole = StructType([*schema.fields, *(StructField(name, StringType()) for name in partitions)])
    frames = []
    for compression in dict.fromkeys(file.compression for file in files):
        some = [file for file in files if file.compression == compression]
        displays = {path: file.display for file in some for path in _spellings(file.spark)}
        opened = session.spark.read.format("binaryFile")
        opened = opened.options(recursiveFileLookup="true", **options_of(input.source))
        opened = opened.load([unglobbed(file.spark) for file in some]).select("path", "content")
        read = reader(partitions, {**facts, "compression": compression, "suffixes": tuple(suffixes)}, displays)
        frames.append(opened.mapInArrow(read, whole))
    return union(frames)


def _spellings(path: str) -> tuple[str, ...]:
    return path, path.replace("file:///", "file:/")
