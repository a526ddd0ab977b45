"""The engines keep the contract of Delta tables."""

from __future__ import annotations

import pytest

from odibi.connections import AzureADLS, BaseConnection
from odibi.testing.azure import Sandbox
from odibi.testing.contracts import DeltaContract
from tests.contracts.with_engines import WithPandas, WithSpark


class TestPandas(WithPandas, DeltaContract):
    pass


class TestPandasOnADLS(TestPandas):
    @pytest.fixture
    def connection(self, azure: Sandbox, azure_container: str) -> BaseConnection:
        key = azure.accounts["silveracct"]
        return AzureADLS("silveracct", azure_container, "lake", "direct_key", account_key=key, name="lake")


@pytest.mark.one_machine  # the log is read by the driver, and the tables are in its folders
class TestSpark(WithSpark, DeltaContract):
    pass
