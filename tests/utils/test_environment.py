"""Where a notebook runs, and what it has at hand."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from pathlib import Path

import pytest

from odibi import notebook
from odibi.utils import environment, runtime, validate_databricks_environment

OLD = "is not supported: its own pydantic 1"


@pytest.fixture(autouse=True)
def _outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DATABRICKS_RUNTIME_VERSION", "IS_SERVERLESS"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def at_hand(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Put names into the variables of a notebook."""

    def put(**names: object) -> None:
        shell = types.SimpleNamespace(user_ns=names)
        monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: shell))

    return put


def test_a_laptop_is_not_databricks(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABRICKS_HOST", "https://adb-1.azuredatabricks.net")  # of Databricks Connect
    found = validate_databricks_environment()
    assert found == {
        "is_databricks": False,
        "spark_available": False,
        "dbutils_available": False,
        "runtime_version": None,
        "errors": [environment.OUTSIDE],
    }
    assert "✗ this is not Databricks" in capsys.readouterr().out


def test_a_cluster(
    monkeypatch: pytest.MonkeyPatch, at_hand: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABRICKS_RUNTIME_VERSION", "17.3")
    at_hand(dbutils=object(), spark=object())
    assert validate_databricks_environment() == {
        "is_databricks": True,
        "spark_available": True,
        "dbutils_available": True,
        "runtime_version": "17.3",
        "errors": [],
    }
    assert capsys.readouterr().out == "✓ Databricks Runtime 17.3\n✓ Spark session: found\n✓ dbutils: found\n"


def test_silence_without_verbose(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("DATABRICKS_RUNTIME_VERSION", "15.4")
    validate_databricks_environment(verbose=False)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("version", "flag", "shown", "supported"),
    [
        ("15.4", "", "Databricks Runtime 15.4", False),
        ("16.3", "", "Databricks Runtime 16.3", False),
        ("9.1", "", "Databricks Runtime 9.1", False),
        ("16.4", "", "Databricks Runtime 16.4", True),
        ("16.4.x-scala2.13", "", "Databricks Runtime 16.4.x-scala2.13", True),
        ("19.0", "", "Databricks Runtime 19.0", True),
        ("custom:mine", "", "Databricks Runtime custom:mine", True),
        ("client.2.5", "", "Databricks serverless, environment version 2", False),
        ("client.3.1", "", "Databricks serverless, environment version 3", True),
        ("client.4", "true", "Databricks serverless, environment version 4", True),
        ("client.", "", "Databricks serverless, environment version unknown", True),
        ("15.4", "true", "Databricks serverless, environment version unknown", True),
        ("15.4", "false", "Databricks Runtime 15.4", False),
    ],
)
def test_versions(monkeypatch: pytest.MonkeyPatch, version: str, flag: str, shown: str, supported: bool) -> None:
    monkeypatch.setenv("DATABRICKS_RUNTIME_VERSION", version)
    monkeypatch.setenv("IS_SERVERLESS", flag)
    assert str(runtime.this_runtime()) == shown
    errors = validate_databricks_environment(verbose=False)["errors"]
    assert [OLD in error for error in errors] == ([] if supported else [True])
    assert all("or newer" in error for error in errors)


def test_a_container_of_ones_own_has_only_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "DBR_VERSION"
    file.write_text("17.3\n")
    monkeypatch.setattr(runtime, "RUNTIME_FILE", file)
    monkeypatch.setattr(notebook, "RUNTIME_FILE", file)
    assert validate_databricks_environment(verbose=False)["runtime_version"] == "17.3"
    assert notebook.in_databricks()


def test_missing_packages_are_told_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "_AZURE", {"azure_of_mars.identity": "azure-of-mars"})
    assert "install them with: pip install" in validate_databricks_environment(verbose=False)["errors"][-1]
    assert "azure-of-mars" in validate_databricks_environment(verbose=False)["errors"][-1]


def test_modules_find_what_the_runtime_offers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Outside of a notebook, as in a wheel task."""
    offered = types.SimpleNamespace(dbutils="the runtime's")
    monkeypatch.setitem(sys.modules, "databricks.sdk.runtime", offered)
    monkeypatch.setitem(sys.modules, "databricks.sdk", types.SimpleNamespace(runtime=offered))
    assert notebook.at_hand("dbutils") is None, "outside of Databricks that import would ask for a login"
    monkeypatch.setenv("DATABRICKS_RUNTIME_VERSION", "17.3")
    assert notebook.at_hand("dbutils") == "the runtime's"
    assert notebook.at_hand("displayHTML") is None


def test_a_runtime_that_refuses_the_import_offers_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABRICKS_RUNTIME_VERSION", "17.3")
    monkeypatch.setitem(sys.modules, "databricks.sdk.runtime", None)
    assert notebook.at_hand("dbutils") is None
