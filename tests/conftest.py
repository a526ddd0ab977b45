"""What every test runs under: repeatable hypothesis and an environment of its own."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings

# No deadline: a test must not fail because the machine is busy. On CI the examples are the same every time.
settings.register_profile("local", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", parent=settings.get_profile("local"), derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of the developer's shell reaches a test, but for the place where Azurite is installed."""
    for name in [*os.environ]:
        if name.startswith("ODIBI_") and name != "ODIBI_CACHE_DIR":
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def _no_secrets_of_others() -> None:
    """What one test made known is not taken out of the texts of the next."""
    from odibi.secrets import forget

    forget()


@pytest.fixture(autouse=True)
def _no_functions_of_docstrings() -> None:
    """The examples in docstrings register functions; no test sees them."""
    from odibi.transforms import TRANSFORMS, place_of

    for name in TRANSFORMS.loaded():
        if place_of(TRANSFORMS.registered(name)).startswith("<doctest"):
            TRANSFORMS.remove(name)
