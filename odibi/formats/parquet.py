"""Parquet."""

from __future__ import annotations

from odibi.formats.base import COLUMNS, PARTITION_BY, STORAGE_OPTIONS, UNION_BY_NAME, Format, Option, options

PARQUET = Format(
    name="parquet",
    suffixes=(".parquet", ".pq"),
    read=options(
        COLUMNS,
        UNION_BY_NAME,
        STORAGE_OPTIONS,
    ),
    write=options(
        Option(
            "compression",
            "text",
            "Of the pages",
            default="snappy",
            choices=("snappy", "zstd", "gzip", "lz4", "brotli", "none"),
        ),
        Option("row_group_size", "count", "Rows in a row group", aliases=("rowGroupSize",), default=122_880),
        PARTITION_BY,
        STORAGE_OPTIONS,
    ),
    partitionable=True,
)
