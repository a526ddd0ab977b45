"""Reading Delta tables."""

from __future__ import annotations

from odibi.engine.base import Source
from odibi.engine.spark.frame import SparkFrame
from odibi.engine.spark.session import Session


def scan(session: Session, source: Source) -> SparkFrame:
    """A frame over a table."""
    return SparkFrame(session.spark.read.format("delta").load(source.connection.get_path(source.path)), lazy=False)
