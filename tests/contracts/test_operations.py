"""The engines keep the contract of the built-in operations."""

from __future__ import annotations

from odibi.testing.contracts import OperationContract
from tests.contracts.with_engines import WithPandas, WithSpark


class TestPandas(WithPandas, OperationContract):
    pass


class TestSpark(WithSpark, OperationContract):
    pass
