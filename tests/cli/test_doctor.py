"""`odibi doctor`: everything is looked at, whatever else fails, and nothing is left behind."""

from __future__ import annotations

import os
import sys
import threading
import time
import tomllib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from odibi.cli import doctor
from odibi.cli.doctor import EXTRAS, LIBRARIES, Finding
from odibi.cli.findings import lines_of, together, without_repeats
from odibi.cli.ui import UI
from odibi.connections import AzureADLS, Diagnosis
from odibi.testing.azure import Sandbox

Odibi = Callable[..., Any]


def by_name(called: Any) -> dict[str, dict[str, Any]]:
    return {check["name"]: check for check in called.json["checks"]}


def test_a_good_installation(odibi: Odibi) -> None:
    called = odibi("doctor")
    assert (called.code, called.err) == (0, "")
    for word in ("odibi", "python", "duckdb", "extra azure", "databricks", "temporary folder"):
        assert word in called.out


def test_what_it_knows_is_what_pyproject_says() -> None:
    root = Path(__file__).resolve().parents[2]
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]

    def names(requirements: list[str]) -> set[str]:
        return {requirement.replace("=", ">").partition(">")[0] for requirement in requirements}

    extras = project["optional-dependencies"]
    assert names(project["dependencies"]) == set(LIBRARIES)
    assert {name: names(extras[name]) for name in extras if name not in ("all", "dev")} == {
        name: set(packages) for name, packages in EXTRAS.items()
    }


def test_the_sandbox_needs_the_node_that_it_would_take(
    odibi: Odibi, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "main.js").touch()
    monkeypatch.setenv("AZURITE_MAIN", str(tmp_path / "main.js"))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("AZURITE_NODE", raising=False)
    found = by_name(odibi("doctor", "--json"))["sandbox"]
    assert found["status"] == "info"
    assert "no `node` on the PATH" in found["text"]
    assert "install Node.js" in found["hint"]
    monkeypatch.setenv("AZURITE_NODE", sys.executable)  # it has a --version, which is all that is asked for
    assert by_name(odibi("doctor", "--json"))["sandbox"]["status"] == "ok"


def test_databricks(odibi: Odibi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATABRICKS_RUNTIME_VERSION", raising=False)
    assert by_name(odibi("doctor", "--json"))["databricks"]["text"] == "no"
    monkeypatch.setenv("DATABRICKS_RUNTIME_VERSION", "16.4")
    assert by_name(odibi("doctor", "--json"))["databricks"]["facts"]["runtime_version"] == "16.4"


def test_a_runtime_that_is_too_old_is_red(odibi: Odibi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABRICKS_RUNTIME_VERSION", "15.4")
    called = odibi("doctor")
    assert called.code == 1
    assert "✗ databricks: Databricks Runtime 15.4 is not supported" in called.out


def test_serverless_says_what_spark_does_not_take_there(odibi: Odibi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABRICKS_RUNTIME_VERSION", "client.4.2")
    monkeypatch.setenv("DATABRICKS_DEFAULT_SERVICE_CREDENTIAL_NAME", "kv-reader")
    found = by_name(odibi("doctor", "--json"))["databricks"]
    assert found["facts"] == {
        "runtime_version": "client.4.2",
        "access_mode": "serverless",
        "default_service_credential": "kv-reader",
    }
    assert "unity_catalog" in found["hint"]


def test_variables_that_look_as_if_they_counted(odibi: Odibi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", "DefaultEndpointsProtocol=https;AccountKey=geheim==")
    monkeypatch.setenv("AZURE_CLIENT_SECRET", "streng-geheim")
    monkeypatch.setenv("AZURE_CLIENT_ID", "33333333-3333-3333-3333-333333333333")
    monkeypatch.delenv("AZURE_TENANT_ID", raising=False)
    for called in (odibi("doctor", "--json"), odibi("doctor")):
        assert "geheim" not in called.out + called.err
        assert "AZURE_STORAGE_CONNECTION_STRING: set and not used" in called.out
        assert "a service principal needs AZURE_TENANT_ID too" in called.out
        assert "AZURE_CLIENT_ID=33333333" in called.out


def test_proxies_are_shown_without_their_password(odibi: Odibi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://me:geheim@proxy:8080")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/no/such/file.pem")
    called = odibi("doctor")
    assert "HTTPS_PROXY=http://proxy:8080" in called.out
    assert "geheim" not in called.out
    assert "REQUESTS_CA_BUNDLE names a file that is not there" in called.out


def test_one_half_of_the_certificates(odibi: Odibi, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("SSL_CERT_FILE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path))
    hint = by_name(odibi("doctor", "--json"))["certificates"]["hint"]
    assert hint.endswith("set SSL_CERT_FILE to the same file for reading and writing")


def test_connections_are_looked_at_and_nothing_is_left(odibi: Odibi, project: Path) -> None:
    before = sorted(project.parent.rglob("*"))
    checks = by_name(odibi("doctor", project, "--json"))
    assert sorted(project.parent.rglob("*")) == before
    assert checks["connection source"]["status"] == "ok"
    assert checks["connection source"]["facts"]["state"] == "exists, writable"
    assert checks["connection lake"]["facts"]["state"] == "not there yet, made at the first write"
    assert checks["stories"]["status"] == "ok"


def test_a_folder_that_is_only_read_must_be_there(odibi: Odibi, project: Path) -> None:
    project.write_text(project.read_text().replace("base_path: data", "base_path: dta"))
    called = odibi("doctor", project)
    assert called.code == 1
    assert "✗ connection source" in called.out
    assert "is not there" in " ".join(called.out.split())
    assert "1 of" in called.err


def test_a_file_where_a_folder_should_be(odibi: Odibi, project: Path) -> None:
    (project.parent / "lake").write_text("")
    assert by_name(odibi("doctor", project, "--json"))["connection lake"]["facts"]["state"] == "is a file"


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="needs file permissions that count")
def test_a_folder_that_can_not_be_written(odibi: Odibi, project: Path) -> None:
    lake = project.parent / "lake"
    lake.mkdir(mode=0o500)
    assert by_name(odibi("doctor", project, "--json"))["connection lake"]["status"] == "red"


def test_a_wrong_file_is_red_and_the_rest_is_still_looked_at(odibi: Odibi, project: Path) -> None:
    project.write_text(project.read_text().replace("pipelines:", "pipelins:"))
    called = odibi("doctor", project)
    assert called.code == 1
    assert "did you mean 'pipelines'?" in called.out
    assert "duckdb" in called.out
    assert odibi("doctor", project.parent / "missing.yaml").code == 1


def test_it_works_when_everything_fails(odibi: Odibi, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> Iterator[Finding]:
        raise RuntimeError("broken")

    monkeypatch.setattr(doctor, "CHECKS", (fails, fails))
    monkeypatch.setattr(doctor, "_connection", fails)
    monkeypatch.setattr(doctor, "_stories", fails)
    called = odibi("doctor", project, "--json")
    assert called.code == 1
    assert [check["text"] for check in called.json["checks"] if check["status"] == "red"] == [
        "the check itself failed: RuntimeError: broken"
    ] * 5


def test_missing_and_broken_libraries(odibi: Odibi, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "broken_library.py").write_text("raise RuntimeError('half installed')")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(doctor, "LIBRARIES", {"no-such-library": "x", "duckdb": "broken_library"})
    checks = by_name(odibi("doctor", "--json"))
    assert checks["no-such-library"]["status"] == "red"
    assert checks["no-such-library"]["hint"] == "install it with: pip install no-such-library"
    assert "half installed" in checks["duckdb"]["text"]


# -- connections that wait for a network -------------------------------------------------------------------------------


def told(*findings: Finding) -> str:
    said: dict[tuple[str, str, str], str] = {}
    return "\n".join(line for each in findings for line in lines_of(without_repeats(each, said), UI()))


def test_checks_are_made_together_and_told_in_order() -> None:
    meet = threading.Barrier(3)

    def check(name: str) -> Iterator[Finding]:
        meet.wait(timeout=10)  # passes only when all three are at work
        yield Finding(name, "ok", "fine")

    checks = [(name, partial(check, name)) for name in ("c", "a", "b")]
    assert [finding.name for finding in together(checks, limit=20)] == ["c", "a", "b"]


def test_a_check_that_hangs_does_not_stop_the_others() -> None:
    end = threading.Event()

    def hangs() -> Iterator[Finding]:
        yield Finding("first", "ok", "fine")
        end.wait(30)

    def quick() -> Iterator[Finding]:
        yield Finding("second", "ok", "fine")

    found = list(together([("connection slow", hangs), ("connection quick", quick)], limit=0.2))
    end.set()
    assert [(finding.name, finding.status) for finding in found] == [
        ("first", "ok"),
        ("connection slow", "red"),
        ("second", "ok"),
    ]


def test_long_lines_are_wrapped_and_commands_are_not() -> None:
    command = "az role assignment create --role 'Key Vault Secrets User' --scope /subscriptions/" + "x" * 90
    text = told(Finding("a", "red", "word " * 40, f"{'hint ' * 40}\n{command}"))
    assert all(len(line) <= 100 or "az role" in line for line in text.splitlines())
    assert f"  {command}" in text.splitlines()


def test_what_was_said_at_length_is_not_said_again() -> None:
    step = Finding("identity", "red", "none of 2 credentials gave a token:\nA: no\nB: no", "log in")
    other = Finding("identity", "ok", "other")
    text = told(
        *(
            Finding(f"connection {name}", "red", "lake", steps=(each,))
            for name, each in zip("abc", (step, step, other), strict=True)
        )
    )
    assert text.count("A: no") == text.count("log in") == 1
    assert "identity: none of 2 credentials gave a token: see connection a" in text


# -- against the offline Azure -----------------------------------------------------------------------------------------

AZURE = """
key_vault_name: sandboxvault
connections:
  bronze: {type: azure_adls, account: bronzeacct, container: "${CONTAINER}", secret_name: bronze-key}
  silver: {type: azure_adls, account: silveracct, container: "${CONTAINER}", auth_mode: default}
  gold: {type: azure_adls, account: goldacct, container: "${CONTAINER}", auth_mode: managed_identity}
  local: {type: local, base_path: data}
story: {connection: local, path: stories}
pipelines:
  - pipeline: p
    nodes:
      - {name: raw, read: {connection: bronze, path: sales.csv}, write: {connection: silver, path: sales}}
"""


@pytest.fixture
def azure_project(azure: Sandbox, azure_container: str, write_project: Callable[..., Path], odibi: Odibi) -> Any:
    """`odibi doctor` for a file of three accounts, all of which work."""
    file = write_project(AZURE)
    azure.set_secret("sandboxvault", "bronze-key", azure.accounts["bronzeacct"])
    azure.put("bronzeacct", azure_container, "sales.csv", "id\n1\n")
    return lambda *options: odibi("doctor", file, "--set", f"CONTAINER={azure_container}", *options)


def steps_of(called: Any) -> dict[str, dict[str, str]]:
    """Connection to step to status."""
    checks = {check["name"]: check for check in called.json["checks"] if "steps" in check}
    return {
        name.removeprefix("connection "): {step["name"]: step["status"] for step in check["steps"]}
        for name, check in checks.items()
    }


def test_three_accounts_that_work(azure_project: Any, azure: Sandbox, azure_container: str) -> None:
    called = azure_project("--json")
    assert called.code == 0
    assert steps_of(called) == {
        "bronze": dict.fromkeys(("address", "identity", "secret", "list", "read"), "ok"),
        "silver": dict.fromkeys(("address", "identity", "list", "write"), "ok"),
        "gold": dict.fromkeys(("address", "identity", "list"), "ok"),
    }
    assert azure.list("silveracct", azure_container) == [], "nothing is left behind"
    assert all(key not in called.out for key in azure.accounts.values())


def test_the_page_is_narrow_and_says_nothing_twice(azure_project: Any) -> None:
    called = azure_project()
    assert called.code == 0
    assert called.err == "checking 3 connections …\n"
    long = [line for line in called.out.splitlines() if len(line) > 100 and "://" not in line]
    assert long == []
    assert called.out.count("EnvironmentCredential:") == 1


def test_everything_that_fails_is_told_in_one_go(azure_project: Any, azure: Sandbox, azure_container: str) -> None:
    azure.vaults["sandboxvault"].secrets.clear()
    azure.delete_container("goldacct", azure_container)
    with azure.fault(403, host="silveracct", method="PUT", code="AuthorizationPermissionMismatch"):
        called = azure_project()
    assert called.code == 1
    assert "3 of" in called.err
    words = " ".join(called.out.split())
    assert "✗ secret: Secret 'bronze-key' not found in vault 'sandboxvault'" in words
    assert "✗ write:" in words
    assert 'az role assignment create --role "Storage Blob Data Contributor"' in words
    assert f"has no container '{azure_container}'" in words
    commands = [line.strip() for line in called.out.splitlines() if line.strip().startswith("az ")]
    assert len(commands) >= 2, "each command has a line of its own, to be copied"


def test_stories_behind_a_connection_that_fails_are_not_looked_for(
    azure_project: Any, azure: Sandbox, azure_container: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is wrong with the connection is told once, and a vault that hangs is waited for once."""
    file = tmp_path / "config.yaml"
    file.write_text(file.read_text().replace("story: {connection: local", "story: {connection: bronze"))
    stories = next(check for check in azure_project("--json").json["checks"] if check["name"] == "stories")
    place = f"abfss://{azure_container}@bronzeacct.dfs.core.windows.net/stories"
    assert (stories["status"], stories["text"]) == ("ok", f"{place} (see connection bronze)")
    monkeypatch.setattr(doctor, "STEP_SECONDS", 2.0)
    azure.fault("hang", host="sandboxvault")
    began = time.monotonic()
    called = azure_project()
    assert time.monotonic() - began < 10
    assert "- stories: not checked: they need connection bronze" in called.out
    assert called.err.endswith(" checks is red\n")
    assert "1 of" in called.err


def test_connections_that_hang_take_the_time_of_one(
    azure_project: Any, azure: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "STEP_SECONDS", 2.0)
    azure.fault("hang", host="*.blob.core.windows.net")
    azure.fault("hang", host="identity")
    azure.fault("hang", host="sandboxvault")
    began = time.monotonic()
    called = azure_project("--json")
    assert time.monotonic() - began < 10, "three connections with two steps each of 2 s, all at once"
    assert called.code == 1
    assert {name: steps["address"] for name, steps in steps_of(called).items()} == dict.fromkeys(
        ("bronze", "silver", "gold"), "red"
    )
    assert called.err == "", "what the libraries log is not shown"


# -- Spark -------------------------------------------------------------------------------------------------------------

SPARK_FILE = """
engine: spark
key_vault_name: company-kv
connections:
  bronze: {type: azure_adls, account: account1, secret_name: bronze-key}
  dev: {type: azure_adls, account: account2, container: dev, auth_mode: direct_key, account_key: Z2VoZWltLWdlaGVpbQ==}
  covered: {type: azure_adls, account: account3, container: raw, auth_mode: unity_catalog}
  sales: {type: unity_catalog, catalog: main, schema: sales}
"""


@pytest.fixture
def spark_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of Spark whose storage is looked at by nobody."""
    monkeypatch.setattr(AzureADLS, "diagnose", lambda *_: iter([Diagnosis("storage", "info", "not looked at")]))
    monkeypatch.setattr("odibi.engine.spark.session.active", lambda: None)
    monkeypatch.delenv("SPARK_REMOTE", raising=False)
    file = tmp_path / "spark.yaml"
    file.write_text(SPARK_FILE, encoding="utf-8")
    return file


KEYS_OF_FILE = {
    "bronze": ["fs.azure.account.key.account1.dfs.core.windows.net"],
    "dev": ["fs.azure.account.key.account2.dfs.core.windows.net"],
}


def test_settings_of_spark_are_named_and_not_shown(odibi: Odibi, spark_file: Path) -> None:
    called = odibi("doctor", spark_file, "--json")
    found = by_name(called)["spark session"]
    assert found["status"] == "ok"
    assert found["text"].startswith("one that odibi makes on this machine")
    assert found["facts"]["settings"] == KEYS_OF_FILE
    assert "Z2VoZWlt" not in called.out
    assert by_name(called)["connection sales"]["status"] == "info"


def test_a_server_is_named_without_its_token(odibi: Odibi, spark_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPARK_REMOTE", "sc://host:443/;token=geheim")
    found = by_name(odibi("doctor", spark_file, "--json"))["spark session"]
    assert found["text"].startswith("one of the Spark Connect server sc://host:443/;…")


def test_compute_that_takes_no_keys_is_red(odibi: Odibi, spark_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pyspark")

    class Serverless:
        version = "4.0.0"

    monkeypatch.setenv("IS_SERVERLESS", "true")
    monkeypatch.setattr("odibi.engine.spark.session.active", Serverless)
    monkeypatch.setattr("odibi.engine.spark.platform.Platform.as_data", lambda self: {"serverless": self.serverless})
    found = by_name(odibi("doctor", spark_file, "--json"))["spark session"]
    assert found["status"] == "red"
    assert "auth_mode: unity_catalog" in found["hint"]
    assert found["facts"]["platform"] == {"serverless": True}


def test_projects_of_pandas_hear_nothing_of_sessions(odibi: Odibi, project: Path) -> None:
    assert "spark session" not in by_name(odibi("doctor", project, "--json"))
