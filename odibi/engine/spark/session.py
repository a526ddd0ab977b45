"""The Spark session of an engine: the one that is given, else the active one, else one that is built."""

from __future__ import annotations

from typing import Any


class Session:
    """A Spark session and whose it is."""

    def __init__(self, spark: Any = None) -> None:
        from pyspark.sql import SparkSession

        active = spark if spark is not None else SparkSession.getActiveSession()
        self.owned = active is None
        self.spark = SparkSession.builder.appName("ODIBI").getOrCreate() if active is None else active

    def interrupt(self) -> None:
        """Cancel what runs."""

    def close(self) -> None:
        """Put back what was changed."""
