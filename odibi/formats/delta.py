"""Delta Lake tables."""

from __future__ import annotations

from odibi.formats.base import COLUMNS, PARTITION_BY, STORAGE_OPTIONS, Format, Option, options
from odibi.formats.delta_features import check

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
        Option(
            "table_properties",
            "properties",
            "Delta's properties of a table that this write makes, like `delta.appendOnly`",
            aliases=("tableProperties", "tblproperties"),
        ),
        Option(
            "allow_features",
            "texts",
            "Table features that properties may turn on, like `deletionVectors`",
            aliases=("allowFeatures",),
        ),
        STORAGE_OPTIONS,
    ),
    partitionable=True,
    transactional=True,
    exclusive=(("version_as_of", "timestamp_as_of"),),
    check=check,
)
