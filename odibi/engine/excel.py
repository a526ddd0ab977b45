"""Excel workbooks, by openpyxl: cells are streamed in and out, and typed by what they hold, on every engine."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from odibi.engine.base import Target
from odibi.engine.sources import check_names, refuse_types
from odibi.engine.tables import arrow_type
from odibi.errors import DataError, MissingExtraError
from odibi.types import Column, DataType

MAX_ROWS, MAX_COLUMNS, MAX_TEXT = 1_048_576, 16_384, 32_767
EXACT_DIGITS = 15
"""Decimal digits that a double always keeps."""
Cell = bool | int | float | str | dt.datetime | dt.date | None
_NESTED = ("array", "map", "struct", "binary")


def read_sheets(files: Sequence[tuple[str, str]], options: Mapping[str, Any], declared: Sequence[str]) -> Any:
    """The rows of a sheet of several workbooks, given by local path and display, as one Arrow table.

    `declared` names the columns where there is no header. Raises `DataError` for what is no workbook or no table.
    """
    tables = [_Sheet(path, display, options, tuple(declared)) for path, display in files]
    first = tables[0]
    for table in tables[1:]:
        if table.names != first.names:
            raise DataError(f"{table.display} has other columns than {first.display}; read them apart")
    columns = [[cell for table in tables for cell in table.column(at)] for at in range(len(first.names))]
    return _arrow(first.names, columns)


def openpyxl() -> Any:
    """The library. Raises `MissingExtraError`."""
    try:
        import openpyxl
    except ImportError:
        raise MissingExtraError("openpyxl", "excel", "format excel") from None
    return openpyxl


class _Sheet:
    """One sheet, read: its column names and rows."""

    def __init__(self, path: str, display: str, options: Mapping[str, Any], declared: tuple[str, ...]) -> None:
        self.display, self.options = display, options
        rows = list(_filled(_rows(path, display, options.get("sheet", 0))))[options.get("skip_rows", 0) :]
        if not rows:
            raise DataError(f"{display}: the sheet is empty; name another with `sheet`, or write it again")
        self.names = self._names(rows, declared)
        self.rows = rows[1:] if self.options.get("header", True) else rows
        self._check_width()

    def _names(self, rows: Sequence[tuple[Cell, ...]], declared: tuple[str, ...]) -> tuple[str, ...]:
        if self.options.get("header", True):
            header = [str(cell).strip() if cell is not None else "" for cell in rows[0]]
            while header and not header[-1]:
                header.pop()
            check_names(
                header,
                f"{self.display}, header",
                "name the columns yourself: header: false, skip_rows: 1, names: […]",
            )
            return tuple(header)
        width = max(len(row) for row in rows)
        names = tuple(self.options.get("names") or declared) or tuple(f"_c{at}" for at in range(width))
        if len(names) < width:
            raise DataError(f"{self.display} has {width} columns, but {len(names)} names are given")
        return names

    def _check_width(self) -> None:
        for number, row in enumerate(self.rows, 2 + self.options.get("skip_rows", 0)):
            if any(cell is not None for cell in row[len(self.names) :]):
                raise DataError(
                    f"{self.display}, row {number}: a value stands to the right of the last named column "
                    f"{self.names[-1]!r}; name that column, or clear the cell"
                )

    def column(self, at: int) -> list[Cell]:
        """The cells of a column."""
        nulls = frozenset(self.options.get("null_values", ()))
        cells = [row[at] if at < len(row) else None for row in self.rows]
        return [None if cell in nulls else cell for cell in cells] if nulls else cells


def _rows(path: str, display: str, sheet: str | int) -> Iterator[tuple[Cell, ...]]:
    """The rows of a sheet, as plain values: a date without a time of day is a date, a time of day is text."""
    import zipfile

    library = openpyxl()
    try:
        book = library.load_workbook(path, read_only=True, data_only=True)
    except (zipfile.BadZipFile, KeyError, ValueError, OSError, library.utils.exceptions.InvalidFileException) as error:
        if isinstance(error, PermissionError):
            raise
        raise DataError(
            f"{display} is no whole .xlsx workbook ({error}); it was cut off or is of another format: save it as .xlsx"
        ) from error
    try:
        for row in _sheet(book, display, sheet).iter_rows():
            yield tuple(_plain(cell) for cell in row)
    finally:
        book.close()


def _sheet(book: Any, display: str, sheet: str | int) -> Any:
    names = book.sheetnames
    if isinstance(sheet, int) and sheet < len(names):
        return book[names[sheet]]
    if sheet not in names:
        raise DataError(f"{display} has no sheet {sheet!r}; it has: {', '.join(names)}")
    return book[sheet]


def _plain(cell: Any) -> Cell:
    value = cell.value
    if isinstance(value, dt.datetime):
        timeless = not any(letter in (cell.number_format or "").lower() for letter in "hs")
        return value.date() if timeless and value.time() == dt.time() else value
    if isinstance(value, dt.time | dt.timedelta):
        return str(value)
    if cell.data_type == "e":  # #N/A, #DIV/0!
        return None
    return value if isinstance(value, bool | int | float | str | None) else str(value)


def _filled(rows: Iterable[tuple[Cell, ...]]) -> Iterator[tuple[Cell, ...]]:
    """The rows up to the last that holds something."""
    held: list[tuple[Cell, ...]] = []
    for row in rows:
        held.append(row)
        if any(cell is not None for cell in row):
            yield from held
            held = []


def _arrow(names: Sequence[str], columns: Sequence[list[Cell]]) -> Any:
    import pyarrow as pa

    arrays = []
    for column in columns:
        type = _type_of(column)
        values = [None if cell is None else _text(cell) for cell in column] if type.name == "string" else column
        arrays.append(pa.array(values, arrow_type(type)))
    return pa.table(arrays, names=list(names))


def _type_of(cells: Iterable[Cell]) -> DataType:
    """The type that holds all cells; text where they are of several kinds."""
    kinds = {type(cell) for cell in cells if cell is not None}
    if kinds == {bool}:
        return DataType("boolean")
    if kinds == {int} and all(cell is None or -(2**63) <= cell < 2**63 for cell in cells if not isinstance(cell, str)):  # type: ignore[operator]
        return DataType("bigint")
    if kinds and kinds <= {int, float}:
        return DataType("double")
    if kinds == {dt.date}:
        return DataType("date")
    if kinds and kinds <= {dt.date, dt.datetime}:
        return DataType("timestamp_ntz")
    return DataType("string")


def _text(cell: Cell) -> str:
    if isinstance(cell, bool):
        return str(cell).lower()
    return cell.isoformat() if isinstance(cell, dt.date) else str(cell)


# -- write -------------------------------------------------------------------------------------------------------------


def write_sheet(columns: Sequence[Column], rows: Iterable[Sequence[Any]], target: Target, path: str) -> int:
    """Write rows as one sheet of a new workbook; gives their number. Zoned timestamps come as text. Raises
    `DataError`."""
    check_columns(columns, target)
    book = openpyxl().Workbook(write_only=True)
    sheet = book.create_sheet(target.options.get("sheet", "Sheet1"))
    try:
        count = _fill(sheet, columns, rows, target)
    except BaseException:
        sheet.close()  # else openpyxl's generator fails loudly when it is collected
        raise
    book.save(path)
    return count


def check_columns(columns: Sequence[Column], target: Target) -> None:
    """Raise `DataError` for columns that a sheet can not hold."""
    refuse_types(columns, _NESTED, "excel", target.path, "write parquet, json or delta, or turn it into text first")
    if len(columns) > MAX_COLUMNS:
        raise DataError(f"{target.path}: a sheet holds {MAX_COLUMNS} columns, these are {len(columns)}; write parquet")


def _fill(sheet: Any, columns: Sequence[Column], values: Iterable[Sequence[Any]], target: Target) -> int:
    header = bool(target.options.get("header", True))
    if header:
        sheet.append([_cell(sheet, column.name, target) for column in columns])
    rows = 0
    for row in values:
        rows += 1
        if rows + header > MAX_ROWS:
            raise DataError(
                f"{target.path}: a sheet holds {MAX_ROWS} rows and there are more; write parquet, csv or delta"
            )
        sheet.append([_cell(sheet, value, target) for value in row])
    return rows


def _cell(sheet: Any, value: Any, target: Target) -> Any:
    """A value as a sheet takes it. Text is never a formula, whatever it begins with."""
    if isinstance(value, float) and value - value != 0:
        return {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}[str(value)]
    if isinstance(value, dt.date) and value.year < 1900:
        return value.isoformat()
    if not isinstance(value, str):
        return value if isinstance(value, bool | float | dt.date | None) or _is_exact(value) else str(value)
    if len(value) > MAX_TEXT:
        raise DataError(
            f"{target.path}: a cell holds {MAX_TEXT} characters, a text has {len(value)}; write parquet, csv or delta"
        )
    return _text_cell(sheet, value, target)


def _is_exact(value: Any) -> bool:
    """True for a number that a sheet, whose numbers are doubles, holds to the last digit."""
    from decimal import Decimal

    if isinstance(value, int):
        return abs(value) <= 2**53
    return isinstance(value, Decimal) and len(value.as_tuple().digits) <= EXACT_DIGITS


def _text_cell(sheet: Any, value: str, target: Target) -> Any:
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.utils.exceptions import IllegalCharacterError

    try:
        cell = WriteOnlyCell(sheet, value=value)
    except IllegalCharacterError:
        raise DataError(
            f"{target.path}: a sheet can not hold the control characters of the text {value!r}; remove them"
        ) from None
    cell.data_type = "s"
    return cell
