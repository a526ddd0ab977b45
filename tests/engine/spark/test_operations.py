"""Built-in operations on Spark: what they cost. What they give is in the contract of operations."""

from __future__ import annotations

import pytest

from odibi.engine import SparkEngine
from odibi.testing.contracts.operations import EXAMPLES, SALES, SCHEMA, apply, frame_of


@pytest.mark.jvm
def test_operations_start_no_job_but_for_the_values_of_a_pivot(engine: SparkEngine) -> None:
    from odibi.testing.spark_jobs import counted_jobs

    given = frame_of(engine, SALES, SCHEMA)
    with counted_jobs(engine.spark) as work:
        for name, params in EXAMPLES.items():
            apply(engine, name, given, **params)
    assert work.jobs == []
    with counted_jobs(engine.spark) as work:
        apply(engine, "pivot", given, group_by="region", pivot_column="month", value_column="qty")
    values = [job.at for job in work.jobs]
    with counted_jobs(engine.spark) as by_hand:
        sql = "SELECT DISTINCT month FROM {given} ORDER BY month NULLS LAST LIMIT 1001"
        engine.spark.sql(sql, given=given.data).collect()
    assert len(values) == len(by_hand.jobs)


def test_the_sql_is_shown_as_spark_runs_it(engine: SparkEngine) -> None:
    from odibi.transforms import OPERATIONS

    operation = OPERATIONS["rename"]()
    params = operation.Params(columns={"qty": "a `b`"})
    _, sql = engine.operate(operation, params, frame_of(engine, SALES, SCHEMA))
    assert sql == "SELECT `region`, `month`, `qty` AS `a ``b```, `price` FROM current"
