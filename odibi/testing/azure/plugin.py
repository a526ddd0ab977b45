"""The pytest plugin: the fixtures `azure`, `azure_container` and `azure_spark`. Every pytest session imports it, so
nothing is heavy."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from odibi.testing.azure.sandbox import Sandbox


@pytest.fixture(scope="session")
def azure_server() -> Iterator[Sandbox]:
    """The sandbox that all tests of a session (of a worker) share; its environment is not applied.

    Skips where Azurite is not installed; on CI (the variable CI) it fails instead.
    """
    from odibi.errors import MissingExtraError
    from odibi.testing.azure.install import SandboxMissingError
    from odibi.testing.azure.sandbox import azure_sandbox

    with contextlib.ExitStack() as stack:
        sandbox, missing = None, ""
        try:
            sandbox = stack.enter_context(azure_sandbox())
        except (MissingExtraError, SandboxMissingError) as error:
            missing = str(error)
        if sandbox is None and os.environ.get("CI"):
            pytest.fail(f"CI must test with the offline Azure: {missing}", pytrace=False)
        if sandbox is None:
            pytest.skip(missing)
        yield sandbox


@pytest.fixture
def azure(azure_server: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """The offline Azure for one test: the environment leads every client to it; no faults, no secrets, no requests
    yet."""
    for name in azure_server.foreign():
        monkeypatch.delenv(name)
    for name, value in azure_server.env.items():
        monkeypatch.setenv(name, value)
    azure_server.reset()
    _drop_shared_credentials()
    yield azure_server
    azure_server.clear_faults()


@pytest.fixture
def azure_container(azure: Sandbox) -> str:
    """The name of a new, empty container that every account has."""
    return azure.make_containers()


@pytest.fixture(scope="session")
def azure_jvm(azure_server: Sandbox) -> Iterator[Callable[[], None]]:
    """Leads the JVM of this process to the offline Azure when it is first called, for the rest of the session."""
    from odibi.testing.azure.java import jvm_led

    with contextlib.ExitStack() as stack:
        led: list[bool] = []

        def lead() -> None:
            if not led:
                stack.enter_context(jvm_led(azure_server))
                led.append(True)

        yield lead


@pytest.fixture
def azure_spark(spark: Any, azure: Sandbox, azure_jvm: Callable[[], None]) -> Iterator[Any]:
    """The offline Azure for one test of Spark: the session that your own fixture `spark` gives, whose JVM runs already,
    is led to it."""
    from odibi.testing.azure.java import fitted

    assert azure
    azure_jvm()
    with fitted(spark):
        yield spark


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_teardown() -> Iterator[None]:
    """Credentials and clients of one test serve no other, also where a test puts its own in place of the SDK's."""
    yield
    _drop_shared_credentials()


def _drop_shared_credentials() -> None:
    identity = sys.modules.get("odibi.azure.identity")
    if identity is not None:
        identity.drop_shared()
