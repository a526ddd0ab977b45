"""What an Observation counted while Spark wrote."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from odibi.engine.spark import errors
from odibi.engine.spark.session import Session

SECONDS = 30.0
"""How long is waited for what an Observation counted, which comes after the action and in rare plans never."""


def read(session: Session, observation: Any) -> Mapping[str, Any]:
    """What an Observation counted, by name; empty where it tells nothing. Only to be asked after the action succeeded.

    It is filled after the action, by another thread; where the optimizer has removed it, Spark would wait for ever.
    """
    found: list[Mapping[str, Any]] = []

    def ask() -> None:
        with suppress(*errors.spark_errors()):  # what a catalog's write left out has nothing
            found.append({name: _fetched(session, value) for name, value in observation.get.items()})

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(SECONDS)
    return found[0] if found else {}


def _fetched(session: Session, value: Any) -> Any:
    """A value of an Observation: older Spark leaves structs in the JVM."""
    from py4j.java_gateway import JavaObject
    from pyspark.serializers import CPickleSerializer

    if not isinstance(value, JavaObject):
        return value
    packed = session.spark._jvm.org.apache.spark.sql.api.python.PythonSQLUtils.toPyRow(value)
    return CPickleSerializer().loads(packed)  # type: ignore[no-untyped-call]
