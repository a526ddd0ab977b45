"""The engines keep the contract of analysing queries; Spark's, where no session is at hand, as far as it can."""

from __future__ import annotations

import pytest

from odibi.engine.base import Query
from odibi.engine.spark.analyse import Analyser
from odibi.testing.contracts import AnalysisContract
from odibi.testing.contracts.analysis import Judge
from tests.contracts.with_engines import WithPandas, WithSpark


class TestPandas(WithPandas, AnalysisContract):
    pass


class TestSpark(WithSpark, AnalysisContract):
    @pytest.mark.skip("the tree of a query tells it, as without a session")
    def test_whether_a_query_gives_the_same_rows_each_time(self) -> None: ...


class TestSparkWithoutSession(AnalysisContract):
    @pytest.fixture
    def judge(self) -> Judge:
        return lambda text, inputs: Analyser().analyse(Query(text, "spark"), inputs)

    @pytest.mark.skip("only Spark itself knows functions and types")
    def test_what_does_not_fit_the_inputs(self) -> None: ...

    @pytest.mark.skip("only Spark itself knows functions and types")
    def test_columns_have_names_and_types(self) -> None: ...
