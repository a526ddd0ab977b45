"""JSON: one object a line, or an array of objects."""

from __future__ import annotations

from dataclasses import replace

from odibi.formats.base import (
    COLUMNS,
    DATE_FORMAT,
    PARTITION_BY,
    READ_COMPRESSION,
    STORAGE_OPTIONS,
    TIMESTAMP_FORMAT,
    TYPES,
    UNION_BY_NAME,
    WRITE_COMPRESSION,
    Format,
    Option,
    options,
)  # fmt: skip

JSON = Format(
    name="json",
    suffixes=(".json", ".jsonl", ".ndjson"),
    read=options(
        Option(
            "lines",
            "bool",
            "True: one object a line; false: an array or objects over lines; default: seen from the file",
        ),
        Option("multiline", "bool", "Spark's name of the reverse of `lines`", aliases=("multiLine",)),
        Option("encoding", "encoding", "Encoding of the text", aliases=("charset",), default="utf-8"),
        replace(DATE_FORMAT, doc="Texts of this form are dates", default=None),
        replace(TIMESTAMP_FORMAT, doc="Texts of this form are timestamps", default=None),
        READ_COMPRESSION,
        Option("sample_size", "count", "Objects that fields and types are inferred from; default: all"),
        TYPES,
        UNION_BY_NAME,
        COLUMNS,
        STORAGE_OPTIONS,
    ),
    write=options(
        Option("lines", "bool", "One object a line, as Spark reads it; false: one array", default=True),
        DATE_FORMAT,
        TIMESTAMP_FORMAT,
        WRITE_COMPRESSION,
        PARTITION_BY,
        STORAGE_OPTIONS,
    ),
    compressible=True,
    partitionable=True,
    exclusive=(("lines", "multiline"),),
)
