"""The engines keep the contract of Python functions."""

from __future__ import annotations

from odibi.testing.contracts import FunctionContract
from tests.contracts.with_engines import WithPandas, WithSpark


class TestPandas(WithPandas, FunctionContract):
    pass


class TestSpark(WithSpark, FunctionContract):
    pass
