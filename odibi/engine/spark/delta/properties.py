"""What a Spark session gives every new Delta table."""

from __future__ import annotations

from contextlib import suppress

from odibi.engine.spark import errors
from odibi.engine.spark.session import Session
from odibi.formats.delta_features import SWITCHES

PREFIX = "spark.databricks.delta.properties.defaults."


def defaults(session: Session) -> dict[str, str]:
    """The session's settings that turn a feature of new tables on, as table properties."""
    found = {}
    for name in SWITCHES:
        with suppress(*errors.spark_errors()):  # a platform that refuses to tell has none of ours
            value = session.spark.conf.get(PREFIX + name.removeprefix("delta."), None)
            if value is not None:
                found[name] = str(value)
    return found
