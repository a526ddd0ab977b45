"""The testing helpers on Spark frames."""

from __future__ import annotations

from typing import Any

import pytest

from odibi.context import SparkContext
from odibi.testing import assert_frame_equal, frame, rows_of
from odibi.testing.contracts.functions import ONE, SCHEMA


def test_frames_there_and_back(spark: Any) -> None:
    made = frame([ONE, dict.fromkeys(ONE)], SCHEMA, engine="spark")
    assert made.sparkSession is spark
    assert_frame_equal(made, frame([ONE, dict.fromkeys(ONE)], SCHEMA), check_dtypes=False)
    assert rows_of(made)[0] == {**ONE, "map": [["k", 2**53 + 1]]}
    assert rows_of(frame([], SCHEMA, engine="spark")) == []


def test_differences_are_told_with_types(spark: Any) -> None:
    del spark
    made = frame([{"id": 1}], {"id": "int"}, engine="spark")
    with pytest.raises(AssertionError, match="column 'id' is int, expected bigint"):
        assert_frame_equal(made, frame([{"id": 1}], engine="spark"))
    with pytest.raises(AssertionError, match=r"expected {'id': 2}"):
        assert_frame_equal(made, [{"id": 2}])


def test_a_context_of_spark_frames(spark: Any) -> None:
    context = SparkContext()
    context.register("ids", spark.range(2))
    assert context.list_names() == ["ids"]
    assert_frame_equal(context.get("ids"), [{"id": 0}, {"id": 1}])
