"""Delimited text."""

from __future__ import annotations

from dataclasses import replace

from odibi.formats.base import (
    COLUMNS,
    DATE_FORMAT,
    NAMES,
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

_DELIMITER = Option("delimiter", "delimiter", "Between fields", aliases=("sep", "delim"), default=",")
_HEADER = Option("header", "header", "The first line holds the column names", default=True)
_QUOTE = Option(
    "quote",
    "optional char",
    "Around fields that hold a delimiter; empty: none",
    aliases=("quotechar",),
    default='"',
)
_ESCAPE = Option(
    "escape", "optional char", "Before a quote inside a quoted field", aliases=("escapechar",), default='"'
)
_ENCODING = Option("encoding", "encoding", "Encoding of the text", aliases=("charset",), default="utf-8")

CSV = Format(
    name="csv",
    suffixes=(".csv", ".tsv"),
    read=options(
        _DELIMITER,
        _HEADER,
        _QUOTE,
        _ESCAPE,
        _ENCODING,
        DATE_FORMAT,
        TIMESTAMP_FORMAT,
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
            "Quoted fields may hold line breaks; the pandas engine takes them in any case",
            aliases=("multiLine",),
        ),
        READ_COMPRESSION,
        Option(
            "infer_schema",
            "bool",
            "Infer types; false: every column is a string",
            aliases=("inferSchema",),
            default=True,
        ),
        Option("sample_size", "count", "Rows that types are inferred from", aliases=("samplesize",), default=20480),
        TYPES,
        Option("comment", "char", "Lines that begin with it are left out"),
        Option("skip_rows", "int", "Lines to leave out before the header", aliases=("skiprows", "skip"), default=0),
        NAMES,
        UNION_BY_NAME,
        COLUMNS,
        STORAGE_OPTIONS,
    ),
    write=options(
        _DELIMITER,
        _HEADER,
        # never empty: without quotes a delimiter in a text would make two fields of it
        replace(_QUOTE, kind="char", doc="Around fields that hold a delimiter"),
        replace(_ESCAPE, kind="char"),
        _ENCODING,
        DATE_FORMAT,
        TIMESTAMP_FORMAT,
        Option(
            "null_values",
            "value",
            "Text that NULL becomes",
            aliases=("na_rep", "nullValue", "nullstr", "null_value"),
            default="",
        ),
        Option("quote_all", "bool", "Quote every field", aliases=("quoteAll",), default=False),
        WRITE_COMPRESSION,
        PARTITION_BY,
        STORAGE_OPTIONS,
    ),
    compressible=True,
    partitionable=True,
)
