"""Parquet."""

from __future__ import annotations

from odibi.formats.base import COLUMNS, PARTITION_BY, STORAGE_OPTIONS, Format, Option, options

PARQUET = Format(
    name="parquet",
    suffixes=(".parquet", ".pq"),
    read=options(
        COLUMNS,
        Option(
            "union_by_name",
            "bool",
            "Files may have different columns; what one lacks is NULL",
            aliases=("merge_schema", "mergeSchema"),
            default=False,
        ),
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
        Option("row_group_size", "int", "Rows in a row group", aliases=("rowGroupSize",), default=122_880),
        PARTITION_BY,
        STORAGE_OPTIONS,
    ),
    partitionable=True,
)
