"""Text files mean the same on the engines, and bad files get the same words."""

from __future__ import annotations

from odibi.testing.contracts import TextFileContract
from tests.contracts.with_engines import WithPandas, WithSpark


class TestOnPandas(WithPandas, TextFileContract):
    pass


class TestOnSpark(WithSpark, TextFileContract):
    pass
