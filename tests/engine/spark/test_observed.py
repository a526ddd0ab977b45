"""What is counted while Spark works is read without waiting for ever."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from pyspark.sql import Observation
from pyspark.sql import functions as F  # noqa: N812

from odibi.engine.spark import observed
from odibi.engine.spark.session import Session


def counted(frame: Any) -> tuple[Any, Observation]:
    observation = Observation()
    return frame.observe(observation, F.count(F.lit(1)).alias("rows"), F.max("id").alias("last")), observation


def test_what_was_counted_is_told(spark: Any) -> None:
    session = Session(spark)
    frame, observation = counted(spark.range(5))
    assert len(frame.collect()) == 5
    assert observed.read(session, observation) == {"rows": 5, "last": 4}
    session.close()


@pytest.mark.jvm
def test_what_the_optimizer_removed_tells_nothing(spark: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Spark itself waits for it without end."""
    monkeypatch.setattr(observed, "SECONDS", 1.0)
    session = Session(spark)
    frame, observation = counted(spark.range(5))
    assert frame.limit(0).collect() == []
    found: list[Any] = []
    asking = threading.Thread(target=lambda: found.append(observed.read(session, observation)), daemon=True)
    asking.start()
    asking.join(30)
    assert found == [{}]
    session.close()
