"""Spark's errors as odibi's."""

from __future__ import annotations

from collections.abc import Mapping

from odibi.errors import DataError, OdibiError, SqlError
from odibi.types import Column


def spark_errors() -> tuple[type[Exception], ...]:
    """The classes of what Spark raises."""
    from py4j.protocol import Py4JJavaError
    from pyspark.errors import PySparkException

    return PySparkException, Py4JJavaError


def explain(
    error: Exception, written: str | None = None, inputs: Mapping[str, tuple[Column, ...]] | None = None
) -> OdibiError:
    """The error in words for the user. `written` is the user's SQL, where the error is about it."""
    del inputs
    text = str(error).partition("JVM stacktrace")[0].strip()
    return SqlError(text) if written is not None else DataError(text)


def is_interrupt(error: BaseException) -> bool:
    """True for the error by which a job ends that was cancelled."""
    return "cancelled" in str(error).lower() and "job" in str(error).lower()


def is_transient(error: BaseException) -> bool:
    """True for an I/O error that may be gone at the next try."""
    del error
    return False
