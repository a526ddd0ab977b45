"""Delta tables, which have a folder of their own; here they join the formats."""

from __future__ import annotations

from typing import NoReturn

from odibi.engine.base import Target
from odibi.engine.pandas.delta import scan
from odibi.engine.pandas.formats.base import Codec
from odibi.engine.pandas.session import DuckFrame, Session
from odibi.errors import UnsupportedError


def write(session: Session, frame: DuckFrame, target: Target, path: str) -> NoReturn:
    """A table is not a file that is written aside and renamed: `odibi.engine.pandas.delta.save` commits to its log."""
    raise UnsupportedError(f"{target.path}: a Delta table is written by odibi.engine.pandas.delta.save")


CODEC = Codec(scan, write)
