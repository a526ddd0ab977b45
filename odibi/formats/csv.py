"""Delimited text."""

from __future__ import annotations

from odibi.formats.base import COLUMNS, PARTITION_BY, STORAGE_OPTIONS, Format, Option, options

_SHARED = (
    Option("delimiter", "delimiter", "Between fields", aliases=("sep", "delim"), default=","),
    Option("header", "header", "The first line holds the column names", default=True),
    Option(
        "quote",
        "optional char",
        "Around fields that hold a delimiter; empty: none",
        aliases=("quotechar",),
        default='"',
    ),
    Option("escape", "optional char", "Before a quote inside a quoted field", aliases=("escapechar",), default='"'),
    Option("encoding", "encoding", "Encoding of the text", aliases=("charset",), default="utf-8"),
    Option("date_format", "pattern", "Of date columns", aliases=("dateFormat", "dateformat"), default="yyyy-MM-dd"),
    Option(
        "timestamp_format",
        "pattern",
        "Of timestamp columns",
        aliases=("timestampFormat", "timestampformat"),
        default="ISO 8601",
    ),
)
_COMPRESSIONS = ("auto", "none", "gzip", "zstd")

CSV = Format(
    name="csv",
    suffixes=(".csv", ".tsv"),
    read=options(
        *_SHARED,
        Option(
            "null_values",
            "null texts",
            "Texts that mean NULL, besides the empty field",
            aliases=("na_values", "nullValue", "nullstr", "null_value"),
            default="",
        ),
        Option(
            "empty_as_null",
            "bool",
            'A quoted empty field ("") is NULL too; false keeps it as empty text',
            aliases=("allow_quoted_nulls",),
            default=True,
        ),
        Option(
            "multiline",
            "bool",
            "Quoted fields may hold line breaks (they may in any case here)",
            aliases=("multiLine",),
        ),
        Option(
            "compression",
            "text",
            "Of the whole file; auto: by its suffix",
            default="auto",
            choices=(*_COMPRESSIONS, "zip", "bz2", "xz"),
        ),
        Option(
            "infer_schema",
            "bool",
            "Infer types; false: every column is a string",
            aliases=("inferSchema",),
            default=True,
        ),
        Option("sample_size", "int", "Rows that types are inferred from", aliases=("samplesize",), default=20480),
        Option("types", "types", "Types of some columns; the read's `schema` wins", aliases=("dtype", "dtypes")),
        Option("comment", "char", "Lines that begin with it are left out"),
        Option("skip_rows", "int", "Lines to leave out before the header", aliases=("skiprows", "skip"), default=0),
        Option("names", "texts", "Column names where there is no header", aliases=("column_names",)),
        Option(
            "union_by_name",
            "bool",
            "Files may have different columns; what one lacks is NULL",
            aliases=("merge_schema", "mergeSchema"),
            default=False,
        ),
        COLUMNS,
        STORAGE_OPTIONS,
    ),
    write=options(
        *_SHARED,
        Option(
            "null_values",
            "value",
            "Text that NULL becomes",
            aliases=("na_rep", "nullValue", "nullstr", "null_value"),
            default="",
        ),
        Option("quote_all", "bool", "Quote every field", aliases=("quoteAll",), default=False),
        Option("compression", "text", "Of the file; auto: by its suffix", default="auto", choices=_COMPRESSIONS),
        PARTITION_BY,
        STORAGE_OPTIONS,
    ),
    compressible=True,
    partitionable=True,
)
