"""The one way of a write."""

from __future__ import annotations

from odibi.engine.base import Checks, Target, WriteReport
from odibi.engine.spark.frame import SparkFrame
from odibi.engine.spark.session import Session


def save(session: Session, frame: SparkFrame, target: Target, checks: Checks) -> WriteReport:
    """Write a frame to its target."""
    path = target.connection.get_path(target.path)
    frame.data.write.format(target.format).mode(target.mode).save(path)
    return WriteReport(SparkFrame(session.spark.read.format(target.format).load(path), lazy=False), None, frame.columns)
