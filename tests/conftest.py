"""What every test runs under: repeatable hypothesis and an environment of its own."""

from __future__ import annotations

import os
import signal
import threading

import pytest
from hypothesis import HealthCheck, settings

from tests import spark_sessions

# No deadline: a test must not fail because the machine is busy. On CI the examples are the same every time.
settings.register_profile("local", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", parent=settings.get_profile("local"), derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")

# A shell without job control starts what it runs in the background with SIGINT ignored, and every process that a test
# starts and interrupts would inherit that: `odibi run` leaves a signal alone that its parent wants ignored.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN and threading.current_thread() is threading.main_thread():
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_configure(config: pytest.Config) -> None:
    """The shared Spark session serves the examples in docstrings too, which no conftest of a folder reaches."""
    config.pluginmanager.register(spark_sessions, "spark sessions")


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of the developer's shell reaches a test, but for the places where Azurite and Spark's jars are."""
    for name in [*os.environ]:
        if name.startswith("ODIBI_") and name not in ("ODIBI_CACHE_DIR", "ODIBI_SPARK_JARS"):
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
