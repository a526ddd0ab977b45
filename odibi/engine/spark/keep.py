"""Frames that are computed once and held."""

from __future__ import annotations

from dataclasses import replace

from odibi.engine.spark.frame import SparkFrame
from odibi.engine.spark.session import Session


def keep(session: Session, frame: SparkFrame) -> SparkFrame:
    """Have the frame held when it is first computed."""
    return replace(frame, data=frame.data.persist(), lazy=False)


def compute(session: Session, frame: SparkFrame) -> SparkFrame:
    """Compute every row once."""
    frame.data.write.format("noop").mode("overwrite").save()
    return frame


def probe(session: Session, frame: SparkFrame) -> bool:
    """Whether every row can be computed."""
    try:
        compute(session, frame)
    except Exception:  # noqa: BLE001 - whatever it is, it can not be computed
        return False
    return True


def collect(session: Session) -> None:
    """Let go of what nobody refers to."""
