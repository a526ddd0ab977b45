"""Python functions on Spark frames."""

from __future__ import annotations

from typing import Any

from odibi.engine.spark.frame import SparkFrame
from odibi.engine.spark.session import Session
from odibi.errors import DataError


def from_python(session: Session, data: Any) -> SparkFrame:
    """A frame over a Spark DataFrame, or over data in Python's hands."""
    import pyarrow as pa

    module = type(data).__module__
    if module.startswith("pyspark.sql"):
        return SparkFrame(data)
    if isinstance(data, pa.Table):
        return SparkFrame(session.spark.createDataFrame(data), rows=data.num_rows)
    raise DataError(f"{type(data).__name__} is no frame; return a DataFrame (Spark, pandas, narwhals, Arrow or polars)")
