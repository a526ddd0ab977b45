"""Excel workbooks (.xlsx)."""

from __future__ import annotations

from odibi.formats.base import COLUMNS, NAMES, STORAGE_OPTIONS, TYPES, Format, Option, options

EXCEL = Format(
    name="excel",
    suffixes=(".xlsx", ".xlsm"),
    read=options(
        Option(
            "sheet", "sheet", "Name of the sheet, or its number from 0", aliases=("sheet_name", "sheetName"), default=0
        ),
        Option("header", "header", "The first row holds the column names", default=True),
        Option("skip_rows", "int", "Rows to leave out before the header", aliases=("skiprows",), default=0),
        Option(
            "null_values",
            "null texts",
            "Texts that mean NULL, besides the empty cell",
            aliases=("na_values", "nullValue", "null_value"),
        ),
        TYPES,
        NAMES,
        COLUMNS,
        STORAGE_OPTIONS,
    ),
    write=options(
        Option("sheet", "text", "Name of the sheet", aliases=("sheet_name", "sheetName"), default="Sheet1"),
        Option("header", "header", "The first row holds the column names", default=True),
        STORAGE_OPTIONS,
    ),
    extra="excel",
)
