"""Excel workbooks: openpyxl reads and writes them (`odibi.engine.excel`)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from odibi.engine.base import Source, Target
from odibi.engine.excel import check_columns, read_sheets, write_sheet
from odibi.engine.pandas.formats.base import Codec, Input, iso_text, open_input, pick
from odibi.engine.pandas.session import DuckFrame, Session, quote
from odibi.engine.pandas.types import duckdb_type

FETCH_ROWS = 10_000


def scan(session: Session, source: Source) -> DuckFrame:
    """A frame over the rows of a sheet, which are read now. Raises `DataError` for what is no workbook or no table."""
    input = open_input(session, source)
    table = read_sheets([(file.local, file.display) for file in input.files], input.options, tuple(input.schema))
    frame = session.register(table, rows=table.num_rows)
    items = [_item(input, name) for name in pick(input, table.column_names)]
    return session.frame(f"SELECT {', '.join(items)} FROM sheet", {"sheet": frame}, rows=frame.rows, cheap=True)


def _item(input: Input, name: str) -> str:
    type = input.types.get(name)
    return f"CAST({quote(name)} AS {duckdb_type(type)}) AS {quote(name)}" if type else quote(name)


def write(session: Session, frame: DuckFrame, target: Target, path: str) -> int:
    """Write a frame as one sheet. Zoned timestamps become ISO text. Raises `DataError`."""
    check_columns(frame.columns, target)
    return write_sheet(frame.columns, _fetched(session, frame), target, path)


def _fetched(session: Session, frame: DuckFrame) -> Iterator[tuple[Any, ...]]:
    items = []
    for column in frame.columns:
        zoned = column.type is not None and column.type.name == "timestamp"
        name = quote(column.name)
        items.append(f"{iso_text(column, None, None)} AS {name}" if zoned else name)
    with session.cursor(frame) as cursor:
        result = cursor.execute(f"SELECT {', '.join(items)} FROM ({frame.sql}\n)")
        while batch := result.fetchmany(FETCH_ROWS):
            yield from batch


CODEC = Codec(scan, write)
