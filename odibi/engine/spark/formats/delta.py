"""Delta tables, which have a folder of their own; here they join the formats."""

from __future__ import annotations

from typing import NoReturn

from odibi.engine.base import Target
from odibi.engine.spark.delta.read import scan
from odibi.engine.spark.formats.base import Codec
from odibi.engine.spark.frame import SparkFrame
from odibi.engine.spark.session import Session
from odibi.errors import UnsupportedError


def write(session: Session, frame: SparkFrame, target: Target, path: str) -> NoReturn:
    """A table is not a file that is written aside and renamed: `odibi.engine.spark.save` commits to its log."""
    raise UnsupportedError(f"{target.path}: a Delta table is written by odibi.engine.spark.save")


CODEC = Codec(scan, write)
