"""The fixtures."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


def test_the_fixtures_give_a_storage_that_production_urls_reach(azure, azure_container):
    from obstore.store import AzureStore

    for account, key in azure.accounts.items():
        AzureStore(azure_container, account_name=account, account_key=key).put("a.txt", account.encode())
    assert {azure.get(name, azure_container, "a.txt").decode() for name in azure.accounts} == set(azure.accounts)
    assert azure.refused == []


def leave_traces(azure):
    azure.fault("hang")
    azure.set_secret("another", "s", "x")
    azure.add_account("anotheracct")
    azure.identity.claims["oid"] = "another"
    azure.identity.principals.clear()
    azure.accept_shared_access("bronzeacct", "sig=x")
    azure.refused.append("somewhere")


@pytest.mark.parametrize("turn", [1, 2])
def test_each_test_starts_anew(azure, turn):
    assert azure.faults == ()
    assert azure.requests == azure.refused == azure.connections == []
    assert list(azure.vaults) == ["sandboxvault"]
    assert not azure.vaults["sandboxvault"].secrets
    assert list(azure.accounts) == ["bronzeacct", "silveracct", "goldacct"]
    assert azure.identity.claims == {}
    assert azure.principal.secret
    leave_traces(azure)


def run_pytest(folder: Path, text: str, **env: str) -> str:
    """A session of its own, as users have it: odibi is installed, and nothing else says so."""
    (folder / "test_mine.py").write_text(text)
    environment = {key: value for key, value in os.environ.items() if key != "CI" and not key.startswith("PYTEST_")}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-rs",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        str(folder),
        str(folder),
    ]
    if not _is_entry_point():
        command += ["-p", "odibi.testing.azure.plugin"]
    done = subprocess.run(
        command,
        cwd=folder,
        env={**environment, "PYTHONPATH": str(ROOT), **env},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.stdout + done.stderr


def _is_entry_point() -> bool:
    from importlib.metadata import entry_points

    return any(each.name == "odibi" for each in entry_points(group="pytest11"))


USES = "def test_it(azure, azure_container):\n    assert azure.containers('goldacct') == [azure_container]\n"


def test_users_have_the_fixtures(azure_server, tmp_path):
    assert "1 passed" in run_pytest(tmp_path, USES)


def test_without_azurite_tests_are_skipped_with_the_command(tmp_path):
    said = run_pytest(tmp_path, USES, AZURITE_MAIN=str(tmp_path / "nowhere.js"))
    assert "1 skipped" in said
    assert "run: odibi sandbox install" in said


def test_without_azurite_ci_fails(tmp_path):
    said = run_pytest(tmp_path, USES, AZURITE_MAIN=str(tmp_path / "nowhere.js"), CI="1")
    assert "1 error" in said
    assert "CI must test with the offline Azure" in said


def test_the_plugin_imports_nothing_that_costs():
    code = (
        "import sys, pytest; before = set(sys.modules); import odibi.testing.azure.plugin;"
        "print(*sorted(set(sys.modules) - before))"
    )
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env, timeout=60)
    packages = ["odibi", "odibi._version", "odibi.testing", "odibi.testing.azure", "odibi.testing.azure.plugin"]
    assert done.stdout.split() == packages
