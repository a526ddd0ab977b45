"""The built-in operations, SQL and functions keep the contract of transforms."""

from __future__ import annotations

from typing import ClassVar

import pytest

from odibi.testing.contracts import TransformContract

SALES = (
    {"id": 1, "month": "jan", "amount": 5},
    {"id": 1, "month": "feb", "amount": None},
    {"id": 2, "month": None, "amount": 2**53 + 1},
)
TYPES = {"id": "bigint", "month": "string", "amount": "bigint"}


class OnSales(TransformContract):
    rows = SALES
    schema: ClassVar = TYPES

    @pytest.fixture(params=["pandas", "spark"])
    def engine_name(self, request: pytest.FixtureRequest) -> str:
        if request.param == "spark":
            request.getfixturevalue("spark")
        return str(request.param)


class OnPandas(OnSales):
    """What the contracts of operations and of functions run on every engine needs no whole run on each of them."""

    @pytest.fixture
    def engine_name(self) -> str:
        return "pandas"


class TestSql(OnSales):
    step: ClassVar = {"sql": "SELECT id, amount - 1 AS less FROM current WHERE amount > 5"}
    expected = ({"id": 2, "less": 2**53},)
    expected_schema: ClassVar = {"id": "bigint", "less": "bigint"}


class TestPivot(OnPandas):
    step: ClassVar = {
        "operation": "pivot",
        "params": {"group_by": ["id"], "pivot_column": "month", "value_column": "amount", "values": ["jan", "feb"]},
    }
    expected = ({"id": 1, "jan": 5, "feb": None}, {"id": 2, "jan": None, "feb": None})


class TestDeduplicate(OnPandas):
    step: ClassVar = {"operation": "deduplicate", "params": {"subset": ["id"], "order_by": ["amount desc"]}}
    expected = (SALES[0], SALES[2])
    expected_schema: ClassVar = TYPES


class TestRename(OnPandas):
    step: ClassVar = {"operation": "rename", "params": {"columns": {"amount": "sum_of_it"}}}
    expected = tuple({"id": r["id"], "month": r["month"], "sum_of_it": r["amount"]} for r in SALES)


class TestCast(OnPandas):
    step: ClassVar = {"operation": "cast", "params": {"columns": {"id": "string"}}}
    expected = tuple({**row, "id": str(row["id"])} for row in SALES)
    expected_schema: ClassVar = {**TYPES, "id": "string"}


class TestFillNulls(OnPandas):
    step: ClassVar = {"operation": "fill_nulls", "params": {"values": {"amount": 0, "month": "?"}}}
    expected = (SALES[0], {**SALES[1], "amount": 0}, {**SALES[2], "month": "?"})
    expected_schema: ClassVar = TYPES


class TestUnpivot(OnPandas):
    step: ClassVar = {"operation": "unpivot", "params": {"id_columns": ["month"], "name_column": "what"}}
    expected = tuple(
        {"month": row["month"], "what": name, "value": row[name]} for row in SALES for name in ("id", "amount")
    )
    expected_schema: ClassVar = {"month": "string", "what": "string", "value": "bigint"}


class TestSample(OnPandas):
    step: ClassVar = {"operation": "sample", "params": {"fraction": 1, "seed": 5}}
    expected = SALES
    expected_schema: ClassVar = TYPES


class TestNarwhalsFunction(OnSales):
    step: ClassVar = {"function": "halve", "params": {"column": "amount"}}
    files: ClassVar = {
        "functions.py": "import narwhals as nw\n\nfrom odibi import transform\n\n\n@transform\n"
        "def halve(context, current: nw.LazyFrame, column: str) -> nw.LazyFrame:\n"
        "    return current.with_columns(nw.col(column) - 1)\n"
    }
    transforms = ("functions.py",)
    expected = (
        {"id": 1, "month": "jan", "amount": 4},
        {"id": 1, "month": "feb", "amount": None},
        {"id": 2, "month": None, "amount": 2**53},
    )
    expected_schema: ClassVar = TYPES


class TestEagerNarwhalsFunction(OnPandas, TestNarwhalsFunction):
    files: ClassVar = {
        name: text.replace("LazyFrame", "DataFrame") for name, text in TestNarwhalsFunction.files.items()
    }


class TestPandasFunction(TestNarwhalsFunction):
    """What a function does to its frame in place reaches nobody else."""

    files: ClassVar = {
        "functions.py": "from odibi import transform\n\n\n@transform\ndef halve(context, current, column: str):\n"
        "    current[column] = current[column] - 1\n    return current\n"
    }

    @pytest.fixture(params=["pandas"])
    def engine_name(self, request: pytest.FixtureRequest) -> str:
        return str(request.param)


class TestSparkFunction(TestNarwhalsFunction):
    files: ClassVar = {
        "functions.py": "from pyspark.sql import functions as F\n\nfrom odibi import transform\n\n\n"
        "def less(value):\n    return None if value is None else value - 1\n\n\n@transform\n"
        "def halve(context, current, column: str):\n"
        "    return current.withColumn(column, F.udf(less, 'long')(column))\n"
    }

    @pytest.fixture(params=["spark"])
    def engine_name(self, request: pytest.FixtureRequest) -> str:
        request.getfixturevalue("spark")
        return str(request.param)
