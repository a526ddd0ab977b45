"""JSON: one object a line, or an array of objects."""

from __future__ import annotations

from odibi.formats.base import COLUMNS, PARTITION_BY, STORAGE_OPTIONS, Format, Option, options

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
        Option("date_format", "pattern", "Texts of this form are dates", aliases=("dateFormat", "dateformat")),
        Option(
            "timestamp_format",
            "pattern",
            "Texts of this form are timestamps",
            aliases=("timestampFormat", "timestampformat"),
        ),
        Option(
            "compression",
            "text",
            "Of the whole file; auto: by its suffix",
            default="auto",
            choices=("auto", "none", "gzip", "zstd", "zip", "bz2", "xz"),
        ),
        Option("sample_size", "int", "Objects that types are inferred from", default=20480),
        Option("types", "types", "Types of some columns; the read's `schema` wins", aliases=("dtype", "dtypes")),
        Option(
            "union_by_name",
            "bool",
            "Files may have different fields; what one lacks is NULL",
            aliases=("merge_schema", "mergeSchema"),
            default=False,
        ),
        COLUMNS,
        STORAGE_OPTIONS,
    ),
    write=options(
        Option("lines", "bool", "One object a line, as Spark reads it; false: one array", default=True),
        Option("date_format", "pattern", "Of date columns", aliases=("dateFormat", "dateformat"), default="yyyy-MM-dd"),
        Option(
            "timestamp_format",
            "pattern",
            "Of timestamp columns",
            aliases=("timestampFormat", "timestampformat"),
            default="ISO 8601",
        ),
        Option(
            "compression",
            "text",
            "Of the file; auto: by its suffix",
            default="auto",
            choices=("auto", "none", "gzip", "zstd"),
        ),
        PARTITION_BY,
        STORAGE_OPTIONS,
    ),
    compressible=True,
    partitionable=True,
)
