"""Excel workbooks: the driver reads and writes them (`odibi.engine.excel`), as no executor could read a part of one."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from odibi.engine.base import Source, Target
from odibi.engine.excel import check_columns, read_sheets, write_sheet
from odibi.engine.spark.formats.base import Codec, File, Input, columns_of_types, open_input, quote
from odibi.engine.spark.formats.write_texts import moment_text
from odibi.engine.spark.frame import SparkFrame
from odibi.engine.spark.functions import from_python
from odibi.engine.spark.session import Session
from odibi.engine.spark.types import spark_type
from odibi.errors import UnsupportedError
from odibi.secrets import scrub

LARGE = 50 << 20
"""Bytes of a workbook that are worth a warning: unpacked and typed it takes many times as much of the driver."""


def scan(session: Session, source: Source) -> SparkFrame:
    """A frame over the rows of a sheet, which are read now. Raises `DataError` for what is no workbook or no table."""
    input = open_input(source)
    if not input.seen:
        raise UnsupportedError(
            f"{input.display}: the Spark engine reads workbooks on the driver, which has no access to this place; "
            "use a connection with a credential, or convert the workbook to csv or parquet"
        )
    table = _table(input)
    frame = from_python(session, table)
    types = {column.name: column.type for column in frame.columns}
    wanted = input.pick(list(types))
    items = [_item(input, name) for name in wanted]
    known = columns_of_types({**types, **input.types}, wanted)
    return SparkFrame(frame.data.selectExpr(*items), known, rows=table.num_rows, lazy=False, kept=frame.kept)


def _item(input: Input, name: str) -> str:
    type = input.types.get(name)
    return f"CAST({quote(name)} AS {spark_type(type).simpleString()}) AS {quote(name)}" if type else quote(name)


def _table(input: Input) -> Any:
    """The rows as an Arrow table."""
    import tempfile

    with tempfile.TemporaryDirectory(prefix="odibi-", ignore_cleanup_errors=True) as folder:
        places = [(_local(input, file, Path(folder), number), file.display) for number, file in enumerate(input.files)]
        size = sum(Path(path).stat().st_size for path, _ in places)
        if size > LARGE:
            warnings.warn(
                scrub(
                    f"{input.display}: {size >> 20} MB of workbooks are read by the driver alone, into its memory; "
                    "write them as parquet once and read that"
                ),
                UserWarning,
                stacklevel=2,
            )
        return read_sheets(places, input.options, tuple(input.source.schema))


def _local(input: Input, file: File, folder: Path, number: int) -> str:
    """A local path of a workbook, which is copied where it is behind a URL."""
    from odibi.files import files_for
    from odibi.files.urls import UrlFiles

    files = files_for(input.location)
    if not isinstance(files, UrlFiles):
        return file.path
    local = str(folder / f"{number}{Path(file.path).suffix}")
    files.download(file.path, local)
    return local


def write(session: Session, frame: SparkFrame, target: Target, path: str) -> int:
    """Write a frame as one sheet of a new workbook, row by row; gives their number. Zoned timestamps become text."""
    del session
    check_columns(frame.columns, target)
    items = []
    for column in frame.columns:
        zoned = column.type is not None and column.type.name == "timestamp"
        name = quote(column.name)
        items.append(f"{moment_text(column, {})} AS {name}" if zoned else name)
    return write_sheet(frame.columns, _rows(frame.data.selectExpr(*items)), target, path)


def _rows(data: Any) -> Iterator[Any]:
    yield from data.toLocalIterator(prefetchPartitions=True)


CODEC = Codec(scan, write, single=True)
