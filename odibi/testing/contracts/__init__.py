"""Contract tests: what every engine, connection, format and transform must do, as classes to inherit. They need pytest.

A test module of a new engine says how to make one, and inherits all the rest:

    class TestMyEngine(EngineContract):
        @pytest.fixture
        def engine(self):
            engine = MyEngine()
            yield engine
            engine.close()

What a fixture must give is in its docstring. A test that does not apply is overridden with `pytest.skip` and a reason.
"""

from __future__ import annotations

import pytest

# So that a failing `assert` in a contract shows its values, as in a test module.
pytest.register_assert_rewrite(*(f"{__name__}.{part}" for part in (
    "analysis", "connections", "delta", "engines", "formats", "functions", "operations", "texts", "transforms",
)))  # fmt: skip

from odibi.testing.contracts.analysis import AnalysisContract  # noqa: E402 - after the line above
from odibi.testing.contracts.connections import ConnectionContract  # noqa: E402
from odibi.testing.contracts.delta import DeltaContract  # noqa: E402
from odibi.testing.contracts.engines import EngineContract, StorageContract  # noqa: E402
from odibi.testing.contracts.formats import FormatContract  # noqa: E402
from odibi.testing.contracts.functions import FunctionContract  # noqa: E402
from odibi.testing.contracts.operations import OperationContract  # noqa: E402
from odibi.testing.contracts.texts import TextFileContract  # noqa: E402
from odibi.testing.contracts.transforms import TransformContract  # noqa: E402

__all__ = [
    "AnalysisContract",
    "ConnectionContract",
    "DeltaContract",
    "EngineContract",
    "FormatContract",
    "FunctionContract",
    "OperationContract",
    "StorageContract",
    "TextFileContract",
    "TransformContract",
]
