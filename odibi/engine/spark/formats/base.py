"""What a format of the Spark engine is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from odibi.engine.base import Source
from odibi.engine.spark.frame import SparkFrame
from odibi.engine.spark.session import Session


@dataclass(frozen=True)
class Codec:
    """How one format is read, and how a frame that is cast and checked is written to a path."""

    scan: Callable[[Session, Source], SparkFrame]
    write: Callable[..., Any]
