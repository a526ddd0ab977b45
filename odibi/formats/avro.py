"""Avro object container files."""

from __future__ import annotations

from odibi.formats.base import COLUMNS, STORAGE_OPTIONS, Format, Option, options

AVRO = Format(
    name="avro",
    suffixes=(".avro",),
    read=options(COLUMNS, STORAGE_OPTIONS),
    write=options(
        Option(
            "compression",
            "text",
            "Of the blocks",
            aliases=("codec",),
            default="deflate",
            choices=("deflate", "none", "bzip2", "xz"),
        ),
        STORAGE_OPTIONS,
    ),
    extra="avro",
)
