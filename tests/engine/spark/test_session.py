"""The Spark session of an engine: which one it is, whose it is, and how it ends."""

from __future__ import annotations

from typing import Any


def test_tables_of_delta_are_written_and_read(spark: Any, tmp_path: Any) -> None:
    spark.range(3).write.format("delta").save(str(tmp_path / "t"))
    assert spark.read.format("delta").load(str(tmp_path / "t")).count() == 3
