"""Delta Lake tables."""

from __future__ import annotations

from odibi.formats.base import COLUMNS, PARTITION_BY, STORAGE_OPTIONS, Format, Option, options

DELTA = Format(
    name="delta",
    suffixes=(".delta",),
    read=options(
        Option("version_as_of", "int", "Read this version of the table", aliases=("versionAsOf", "version")),
        Option(
            "timestamp_as_of", "instant", "Read the table as it was then (UTC)", aliases=("timestampAsOf", "timestamp")
        ),
        Option(
            "filters",
            "filters",
            "A list of [column, op, value] that must all hold; prunes partitions",
            aliases=("filter",),
        ),
        COLUMNS,
        STORAGE_OPTIONS,
    ),
    write=options(
        PARTITION_BY,
        Option(
            "normalize_names",
            "bool",
            "Repair column names that Delta can not hold",
            aliases=("normalizeNames", "normalise_names"),
            default=False,
        ),
        STORAGE_OPTIONS,
    ),
    partitionable=True,
    transactional=True,
    exclusive=(("version_as_of", "timestamp_as_of"),),
)
