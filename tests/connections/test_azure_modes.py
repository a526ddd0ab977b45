"""Every auth mode against the offline Azure: through a run, in Python without one, and with pandas alone."""

from __future__ import annotations

import datetime as dt
import io
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from odibi import Pipeline
from odibi.cli import run_command
from odibi.connections import AzureADLS
from odibi.engine import PandasEngine
from odibi.errors import KeyFetchError
from odibi.testing.azure import Sandbox

FILE = """
key_vault_name: modes-kv
connections:
  lake: {{type: azure_adls, account: bronzeacct, container: {container}, {settings}}}
  here: {{type: local, base_path: here}}
{story}
pipelines:
  - pipeline: p
    nodes:
      - {{name: a, read: {{connection: lake, path: in/a.csv}}}}
      - {{name: b, depends_on: [a], transform: {{steps: [SELECT id + 1 AS id FROM a]}}, write: {{connection: lake, path: b}}}}
"""  # noqa: E501 - a file


@pytest.fixture
def data(azure: Sandbox, azure_container: str) -> str:
    """A container with a CSV file, and the account's key in the vault."""
    azure.put("bronzeacct", azure_container, "in/a.csv", b"id\n1\n2\n")
    azure.set_secret("modes-kv", "bronze-key", azure.accounts["bronzeacct"])
    return azure_container


def settings_of(azure: Sandbox) -> dict[str, dict[str, Any]]:
    principal = azure.principal
    return {
        "key_vault": {"key_vault_name": "modes-kv", "secret_name": "bronze-key"},
        "direct_key": {"account_key": azure.accounts["bronzeacct"]},
        "managed_identity": {},
        "service_principal": {
            "tenant_id": principal.tenant_id, "client_id": principal.client_id, "client_secret": principal.secret,
        },
        "sas": {"sas_token": signature(azure)},
        "default": {},
    }  # fmt: skip


def signature(azure: Sandbox) -> str:
    from azure.storage.blob import AccountSasPermissions, ResourceTypes, generate_account_sas

    return generate_account_sas(
        "bronzeacct", azure.accounts["bronzeacct"], ResourceTypes(service=True, container=True, object=True),
        AccountSasPermissions(read=True, write=True, delete=True, list=True, add=True, create=True),
        dt.datetime.now(dt.UTC) + dt.timedelta(days=30),
    )  # fmt: skip


MODES = ["key_vault", "direct_key", "managed_identity", "service_principal", "sas", "default"]


def project(folder: Path, container: str, story: str = "", **settings: str) -> Path:
    file = folder / "p.yaml"
    text = ", ".join(f"{key}: {json.dumps(value)}" for key, value in settings.items())
    file.write_text(FILE.format(container=container, settings=text, story=story), encoding="utf-8")
    return file


@pytest.mark.parametrize("mode", MODES)
def test_a_run_reads_and_writes_in_every_mode(mode: str, azure: Sandbox, data: str, tmp_path: Path) -> None:
    file = project(tmp_path, data, "story: {connection: lake}", auth_mode=mode, **settings_of(azure)[mode])
    result = Pipeline.from_yaml(file).run().raise_for_failure()
    assert result["p"].nodes["b"].rows == 2
    assert f"{data}@bronzeacct" in str(result["p"].story_path)
    assert any(path.startswith("b/_delta_log/") for path in azure.list("bronzeacct", data))
    assert azure.refused == []


@pytest.mark.parametrize("mode", MODES)
def test_pandas_takes_the_options(mode: str, azure: Sandbox, data: str) -> None:
    import pandas as pd

    lake = AzureADLS("bronzeacct", data, auth_mode=mode, **settings_of(azure)[mode])
    options = lake.pandas_storage_options()
    assert pd.read_csv(lake.get_path("in/a.csv"), storage_options=options)["id"].tolist() == [1, 2]


def test_the_options_of_a_key_are_exactly_these(azure: Sandbox, data: str) -> None:
    key = azure.accounts["bronzeacct"]
    for mode in ("key_vault", "direct_key"):
        lake = AzureADLS("bronzeacct", data, auth_mode=mode, **settings_of(azure)[mode])
        assert lake.pandas_storage_options() == {"account_name": "bronzeacct", "account_key": key}


def secrets_asked(azure: Sandbox) -> int:
    """How many secrets were read; the first question of a client goes without a token."""
    return sum(seen.path.startswith("/secrets/") and bool(seen.authorization) for seen in azure.requests)


def test_python_fetches_when_the_key_is_first_used(azure: Sandbox, data: str) -> None:
    lake = AzureADLS("bronzeacct", data, key_vault_name="modes-kv", secret_name="bronze-key", name="lake")
    engine = PandasEngine({"lake": lake})
    assert secrets_asked(azure) == 0
    for _ in range(3):
        assert engine.read("lake", path="in/a.csv")["id"].tolist() == [1, 2]
    engine.close()
    assert secrets_asked(azure) == 1


def test_a_key_with_a_line_break_from_the_vault_works(azure: Sandbox, data: str) -> None:
    azure.set_secret("modes-kv", "bronze-key", azure.accounts["bronzeacct"] + "\n")
    lake = AzureADLS("bronzeacct", data, key_vault_name="modes-kv", secret_name="bronze-key")
    engine = PandasEngine({"lake": lake})
    assert len(engine.read("lake", path="in/a.csv")) == 2
    engine.close()


def test_a_rotated_key_is_taken_by_the_next_run(azure: Sandbox, data: str, tmp_path: Path) -> None:
    azure.set_secret("modes-kv", "bronze-key", "b2xkIGtleQ==")
    pipeline = Pipeline.from_yaml(project(tmp_path, data, secret_name="bronze-key"))
    assert pipeline.run().status == "failed"
    azure.set_secret("modes-kv", "bronze-key", azure.accounts["bronzeacct"])
    pipeline.run().raise_for_failure()


def test_the_users_own_credential_opens_and_nothing_is_fetched(azure: Sandbox, data: str, tmp_path: Path) -> None:
    file = project(tmp_path, data, secret_name="not-there")
    own = f"in/a.csv, options: {{storage_options: {{account_key: {azure.accounts['bronzeacct']}}}}}"
    text = file.read_text(encoding="utf-8").replace("in/a.csv", own).replace("connection: lake, path: b", "connection: here, path: b")  # fmt: skip  # noqa: E501
    file.write_text(text, encoding="utf-8")
    Pipeline.from_yaml(file).run().raise_for_failure()
    assert secrets_asked(azure) == 0


def test_what_is_not_in_the_vault_stops_the_run(
    azure: Sandbox, data: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = project(tmp_path, data, secret_name="not-there")
    began = time.monotonic()
    assert run_command(["run", str(file)]) == 1
    told = capsys.readouterr().err
    assert "Failed to fetch storage keys for 1 connection(s):" in told
    assert "- lake: Secret 'not-there' not found in vault 'modes-kv'" in told
    assert time.monotonic() - began < 20
    assert list(tmp_path.glob(".odibi/stories/p/*/story.html"))


def test_an_expired_secret_works_and_the_story_says_so(
    azure: Sandbox, data: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key, past = azure.accounts["bronzeacct"], dt.datetime.now(dt.UTC) - dt.timedelta(days=1)
    azure.set_secret("modes-kv", "bronze-key", key, expires=past.timestamp())
    assert run_command(["run", str(project(tmp_path, data, secret_name="bronze-key"))]) == 0
    assert capsys.readouterr().err.count("Secret 'bronze-key' in vault 'modes-kv' expired on") == 1
    (story,) = tmp_path.glob(".odibi/stories/p/*/story.md")
    assert "Secret 'bronze-key' in vault 'modes-kv' expired on" in story.read_text(encoding="utf-8")


def test_no_identity_is_told_before_anything_runs(azure: Sandbox, data: str, tmp_path: Path) -> None:
    azure.identity.managed = False
    try:
        with pytest.raises(KeyFetchError, match=r"connection\(s\):\n  - lake: "):
            Pipeline.from_yaml(project(tmp_path, data, auth_mode="managed_identity")).run()
    finally:
        azure.identity.managed = True


def test_delta_commands_work_there(
    azure: Sandbox, data: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = str(project(tmp_path, data, secret_name="bronze-key"))
    for _ in range(2):
        assert run_command(["run", file, "--quiet"]) == 0
    capsys.readouterr()
    assert run_command(["delta", "history", file, "lake", "b", "--json"]) == 0
    assert [commit["version"] for commit in json.load(io.StringIO(capsys.readouterr().out))["history"]] == [1, 0]
    assert run_command(["delta", "vacuum", file, "lake", "b", "--dry-run"]) == 0


def test_looking_needs_no_azure_library(tmp_path: Path) -> None:
    file = project(tmp_path, "abc", secret_name="bronze-key")
    script = f"""
import sys
from odibi.cli import run_command
assert run_command(["validate", {str(file)!r}]) == 0
assert run_command(["run", "--dry-run", {str(file)!r}]) == 0
print(sorted({{"azure", "adlfs", "obstore", "msal", "aiohttp"}} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("mode", ["key_vault", "service_principal", "direct_key"])
def test_another_cloud(mode: str, azure: Sandbox, data: str, tmp_path: Path) -> None:
    """Vault, tokens and storage are asked for at that cloud's hosts."""
    settings = {"endpoint_suffix": "core.chinacloudapi.cn", "auth_mode": mode, **settings_of(azure)[mode]}
    result = Pipeline.from_yaml(project(tmp_path, data, **settings)).run().raise_for_failure()
    assert result["p"].nodes["b"].rows == 2
    hosts = {host.partition(":")[0] for host in azure.connections}
    assert "bronzeacct.blob.core.chinacloudapi.cn" in hosts
    assert not [host for host in hosts if not host.endswith((".chinacloudapi.cn", ".azure.cn"))]


def test_a_user_assigned_identity(azure: Sandbox, data: str, tmp_path: Path) -> None:
    azure.identity.assigned = {"the-right-one"}
    file = project(tmp_path, data, auth_mode="managed_identity", client_id="the-right-one")
    Pipeline.from_yaml(file).run().raise_for_failure()
    with pytest.raises(KeyFetchError, match="- lake: "):
        Pipeline.from_yaml(project(tmp_path, data, auth_mode="managed_identity", client_id="another")).run()
