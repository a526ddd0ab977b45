"""Built-in operations on the Spark engine: their SQL, in Spark's dialect."""

from __future__ import annotations

from typing import Any

from odibi.engine.base import Query
from odibi.engine.spark.frame import SparkFrame
from odibi.engine.spark.session import Session
from odibi.engine.spark.sql import run_query
from odibi.transforms.base import Operation, completed, distinct_sql, refuse
from odibi.transforms.dialect import SPARK
from odibi.types import Column


def apply(session: Session, operation: Any, params: Any, frame: SparkFrame) -> tuple[SparkFrame, str]:
    """The result of an operation over a frame, and the SQL over `current` that it runs as.

    `operation` is an `Operation` or its class. Raises `DataError` for columns that are not there. Only `pivot` without
    values starts a job, which looks them up.
    """
    run: Operation[Any] = operation() if isinstance(operation, type) else operation
    refuse(run, params, frame.columns)
    params = completed(run, params, frame.columns, lambda column: _values(session, column, frame))
    return run_query(session, Query(run.sql(params, frame.columns, SPARK), SPARK.name), {"current": frame})


def _values(session: Session, column: Column, frame: SparkFrame) -> list[Any]:
    found, _ = run_query(session, Query(distinct_sql(column, SPARK), SPARK.name), {"current": frame})
    return [value for (value,) in found.data.collect()]
