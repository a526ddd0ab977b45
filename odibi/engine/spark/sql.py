"""SQL on Spark frames."""

from __future__ import annotations

from collections.abc import Mapping

from odibi.engine.base import Query
from odibi.engine.spark.frame import SparkFrame
from odibi.engine.spark.session import Session


def run_query(session: Session, query: Query, inputs: Mapping[str, SparkFrame]) -> tuple[SparkFrame, str]:
    """The result of a SELECT over the inputs, and the SQL as Spark runs it."""
    names = {f"__{place}": frame.data for place, frame in enumerate(inputs.values())}
    listed = [f"`{name}` AS (SELECT * FROM {{__{place}}})" for place, name in enumerate(inputs)]
    head = f"WITH {', '.join(listed)}\n" if listed else ""
    text = query.text.replace("{", "{{").replace("}", "}}")
    return SparkFrame(session.spark.sql(f"{head}(\n{text}\n)", **names), query.columns), query.text


def translate(text: str, dialect: str) -> str:
    """The SQL as Spark runs it."""
    del dialect
    return text
