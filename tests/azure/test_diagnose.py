"""`diagnose`: each step of reaching a container says what it found, whatever goes wrong, in time, without a secret."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from odibi.azure import diagnose as module
from odibi.azure.diagnose import MARKER
from odibi.connections.azure_adls import AzureADLS
from odibi.location import Diagnosis
from odibi.testing.azure import Sandbox

ACCOUNT = "bronzeacct"
VAULT = "sandboxvault"
SECONDS = 3.0
"""What a step may take in these tests; nothing that works comes near it."""


def lake(container: str, **settings: Any) -> AzureADLS:
    return AzureADLS(ACCOUNT, container, name="bronze", **{"auth_mode": "direct_key", **settings})


def vault_lake(azure: Sandbox, container: str, **secret: Any) -> AzureADLS:
    """A connection whose key is in the vault."""
    azure.set_secret(VAULT, "bronze-key", azure.accounts[ACCOUNT], **secret)
    return lake(container, auth_mode="key_vault", key_vault_name=VAULT, secret_name="bronze-key")


def found(connection: AzureADLS, writes: bool = False) -> dict[str, Diagnosis]:
    """The steps by name, in their order."""
    return {step.step: step for step in connection.diagnose(SECONDS, writes)}


def statuses(steps: dict[str, Diagnosis]) -> dict[str, str]:
    return {name: "skipped" if step.text.startswith("not checked") else step.status for name, step in steps.items()}


@pytest.fixture
def key(azure: Sandbox) -> str:
    return azure.accounts[ACCOUNT]


@pytest.fixture(autouse=True)
def _nobody_answers_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also a test without the sandbox asks nobody for an identity."""
    monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://127.0.0.1:9")


# -- an account key, a signature, nothing ------------------------------------------------------------------------------


def test_a_key_that_works(azure: Sandbox, azure_container: str, key: str) -> None:
    azure.put(ACCOUNT, azure_container, "raw/sales.csv", "a\n1\n")
    steps = found(lake(azure_container, account_key=key, path_prefix="raw"), writes=True)
    assert statuses(steps) == dict.fromkeys(("address", "credential", "list", "read", "write"), "ok")
    assert "raw/sales.csv" in steps["read"].text
    assert all(step.seconds is not None and step.seconds < SECONDS for step in steps.values())
    assert azure.list(ACCOUNT, azure_container) == ["raw/sales.csv"], "the marker has gone"


def test_nothing_is_written_where_the_project_only_reads(azure: Sandbox, azure_container: str, key: str) -> None:
    with azure.fault("watch", host=ACCOUNT):
        assert "write" not in found(lake(azure_container, account_key=key))
        assert {seen.method for seen in azure.requests} <= {"GET", "HEAD"}


def test_the_marker_is_written_in_the_folder_of_the_connection(azure: Sandbox, azure_container: str, key: str) -> None:
    with azure.fault("watch", host=ACCOUNT):
        found(lake(azure_container, account_key=key, path_prefix="raw"), writes=True)
        paths = {seen.path for seen in azure.requests if seen.method == "PUT"}
    assert len(paths) == 1
    assert f"/{azure_container}/raw/{MARKER}" in paths.pop()


def test_a_marker_that_can_not_be_deleted_is_told(azure: Sandbox, azure_container: str, key: str) -> None:
    with azure.fault(403, host=ACCOUNT, method="POST"):
        step = found(lake(azure_container, account_key=key), writes=True)["write"]
    assert step.status == "red"
    assert MARKER in step.text
    assert "can not be deleted" in step.text


def test_a_key_that_was_changed(azure: Sandbox, azure_container: str, key: str) -> None:
    with azure.fault("wrong_key", host=ACCOUNT):
        steps = found(lake(azure_container, account_key=key), writes=True)
    assert statuses(steps) == {"address": "ok", "credential": "ok", "list": "red", "write": "skipped"}
    assert "key" in steps["list"].text


def test_a_container_that_is_not_there(azure: Sandbox, key: str) -> None:
    step = found(lake("no-such-container", account_key=key))["list"]
    assert step.status == "red"
    assert "no-such-container" in step.text


def test_what_a_signature_says_of_itself(azure: Sandbox, azure_container: str) -> None:
    until = datetime.now(UTC) + timedelta(days=60)
    token = f"sv=2021-12-02&sp=rl&se={until:%Y-%m-%dT%H:%M:%SZ}&sig=c3RyZW5nLWdlaGVpbQ%3D%3D"
    steps = found(lake(azure_container, auth_mode="sas", sas_token=token), writes=True)
    step = steps["credential"]
    assert step.status == "red", "it can not write, and the project does"
    assert step.facts == {"expires": until.replace(microsecond=0).isoformat(), "permissions": "rl"}
    assert "c3RyZW5n" not in json.dumps([asdict(each) for each in steps.values()], default=str)


def test_unity_catalog_has_nothing_to_check(azure: Sandbox, azure_container: str) -> None:
    steps = found(lake(azure_container, auth_mode="unity_catalog"))
    assert statuses(steps) == {"access": "info"}
    assert azure.connections == []


# -- accounts that do not answer ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("dns", "does not let us through"),
        ("refuse", "does not let us through"),
        ("unreachable", "does not answer"),
        ("hang", "does not answer"),
    ],
)
def test_an_account_that_does_not_answer(kind: str, words: str, azure: Sandbox, azure_container: str, key: str) -> None:
    began = time.monotonic()
    with azure.fault(kind, host=ACCOUNT):
        steps = found(lake(azure_container, account_key=key), writes=True)
    assert time.monotonic() - began < 3 * SECONDS
    assert statuses(steps) == {"address": "red", "credential": "ok", "list": "skipped", "write": "skipped"}
    assert f"{ACCOUNT}.blob.core.windows.net" in steps["address"].text
    assert words in steps["address"].text


def test_a_certificate_that_is_not_trusted(
    azure: Sandbox, azure_container: str, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name)
    step = found(lake(azure_container, account_key=key))["address"]
    assert step.status == "red"
    assert "not trusted" in step.text
    assert "REQUESTS_CA_BUNDLE and SSL_CERT_FILE" in step.hint


@pytest.mark.parametrize(("minutes", "status"), [(0, None), (2, "info"), (-2, "info"), (9, "red"), (-9, "red")])
def test_clocks_that_differ(minutes: int, status: str | None) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    steps = [*module._clock({"Date": format_datetime(now - timedelta(minutes=minutes), usegmt=True)}, now)]
    assert [step.status for step in steps] == ([status] if status else [])
    if steps:
        assert ("ahead of" if minutes > 0 else "behind") in steps[0].text


# -- identities --------------------------------------------------------------------------------------------------------


def test_whose_the_token_is(azure: Sandbox, azure_container: str) -> None:
    azure.identity.claims = {"oid": "the-object", "appid": "the-app", "tid": "the-tenant"}
    step = found(lake(azure_container, auth_mode="managed_identity"))["identity"]
    assert (step.status, step.facts["credential"]) == ("ok", "ManagedIdentityCredential")
    assert {step.facts[name] for name in ("object_id", "app_id", "tenant_id")} == {
        "the-object",
        "the-app",
        "the-tenant",
    }
    for word in ("the-object", "the-app", "the-tenant"):
        assert word in step.text


def test_which_credential_won_and_why_not_the_others(azure: Sandbox, azure_container: str) -> None:
    steps = found(lake(azure_container, auth_mode="default"), writes=True)
    assert set(statuses(steps).values()) == {"ok"}
    tried = steps["identity"].facts["tried"]
    assert tried[0]["credential"] == "EnvironmentCredential"
    assert "variables" in tried[0]["error"]
    assert (tried[-1]["credential"], tried[-1]["error"]) == ("ManagedIdentityCredential", None)
    lines = steps["identity"].text.splitlines()
    assert lines.index("ManagedIdentityCredential gave the token, after these did not:") == 2
    assert [line.strip().partition(":")[0] for line in lines[3:]] == [each["credential"] for each in tried[:-1]]


def test_no_credential_at_all(azure: Sandbox, azure_container: str, monkeypatch: pytest.MonkeyPatch) -> None:
    azure.identity.managed = False
    monkeypatch.setenv("PATH", "")  # no az, no pwsh, no azd
    steps = found(lake(azure_container, auth_mode="default"), writes=True)
    assert statuses(steps) == {"address": "ok", "identity": "red", "list": "skipped", "write": "skipped"}
    names = [each["credential"] for each in steps["identity"].facts["tried"]]
    assert names[0] == "EnvironmentCredential"
    assert names.index("ManagedIdentityCredential") < names.index("AzureCliCredential")
    assert "az login" in steps["identity"].hint
    assert steps["identity"].facts["credential"] is None


def test_a_machine_without_an_identity_endpoint(
    azure: Sandbox, azure_container: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://127.0.0.1:9")
    monkeypatch.setenv("PATH", "")
    step = found(lake(azure_container, auth_mode="default"))["identity"]
    names = [each["credential"] for each in step.facts["tried"]]
    assert "ManagedIdentityCredential: left out: no identity endpoint answers here" in step.text
    assert names.index("EnvironmentCredential") < names.index("ManagedIdentityCredential")
    assert names.index("ManagedIdentityCredential") < names.index("AzureCliCredential")


def test_a_service_credential_that_nobody_offers(
    azure: Sandbox, azure_container: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABRICKS_DEFAULT_SERVICE_CREDENTIAL_NAME", "kv-reader")
    step = found(lake(azure_container, auth_mode="default"))["identity"]
    assert step.status == "ok"
    assert "service credential 'kv-reader': not used" in step.text


def test_a_service_credential_of_databricks(
    azure: Sandbox, azure_container: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from azure.identity import ManagedIdentityCredential

    monkeypatch.setattr("odibi.azure.logins.service_credentials", lambda: lambda name: ManagedIdentityCredential())
    step = found(lake(azure_container, auth_mode="default", service_credential="kv-reader"))["identity"]
    assert step.facts["credential"] == "service credential 'kv-reader' of Unity Catalog"
    assert step.text.endswith("service credential 'kv-reader' of Unity Catalog gave the token")


def test_a_wrong_client_secret(azure: Sandbox, azure_container: str) -> None:
    principal = azure.principal
    settings = {"tenant_id": principal.tenant_id, "client_id": principal.client_id, "client_secret": "streng~geheim"}
    steps = found(lake(azure_container, auth_mode="service_principal", **settings))
    assert steps["identity"].status == "red"
    assert "geheim" not in json.dumps([asdict(step) for step in steps.values()], default=str)
    assert (
        found(lake(azure_container, auth_mode="service_principal", **settings | {"client_secret": principal.secret}))[
            "list"
        ].status
        == "ok"
    )


@pytest.mark.parametrize("kind", ["hang", "trickle"])
def test_an_identity_endpoint_that_does_not_answer(kind: str, azure: Sandbox, azure_container: str) -> None:
    began = time.monotonic()
    with azure.fault(kind, host="identity"):
        steps = found(lake(azure_container, auth_mode="managed_identity"))
    assert time.monotonic() - began < 3 * SECONDS
    assert statuses(steps)["identity"] == "red"


def test_a_missing_role_is_told_with_the_command_that_grants_it(azure: Sandbox, azure_container: str) -> None:
    azure.identity.claims = {"oid": "the-object"}
    with azure.fault(403, host=ACCOUNT, code="AuthorizationPermissionMismatch"):
        steps = found(lake(azure_container, auth_mode="managed_identity"))
    told = f"{steps['list'].text}\n{steps['list'].hint}"
    assert "az role assignment create" in told
    assert "the-object" in told
    assert ACCOUNT in told
    assert "Storage Blob Data Reader" in told


def test_where_the_project_writes_the_role_lets_it_write(azure: Sandbox, azure_container: str) -> None:
    """One that lets it read would be refused at the next step."""
    with azure.fault(403, host=ACCOUNT, code="AuthorizationPermissionMismatch"):
        steps = found(lake(azure_container, auth_mode="managed_identity"), writes=True)
    assert "Storage Blob Data Contributor" in steps["list"].hint


# -- secrets -----------------------------------------------------------------------------------------------------------


def test_a_secret_that_works(azure: Sandbox, azure_container: str) -> None:
    soon = time.time() + 3 * 86400
    steps = found(vault_lake(azure, azure_container, expires=soon), writes=True)
    assert set(statuses(steps).values()) == {"ok"}
    assert steps["secret"].facts["secret"] == "bronze-key"
    assert steps["secret"].facts["expires"].startswith(f"{datetime.fromtimestamp(soon, UTC):%Y-%m-%d}")
    assert "expires" in steps["secret"].hint


def test_a_secret_that_has_expired_is_told_and_used(azure: Sandbox, azure_container: str) -> None:
    steps = found(vault_lake(azure, azure_container, expires=time.time() - 86400))
    assert set(statuses(steps).values()) == {"ok"}
    assert "it has expired" in steps["secret"].hint


def test_no_word_of_a_secret(azure: Sandbox, azure_container: str, key: str) -> None:
    connection = vault_lake(azure, azure_container)
    text = json.dumps([asdict(step) for step in found(connection, writes=True).values()], default=str)
    assert key not in text
    assert key[:12] not in text
    assert "eyJ" not in text, "the beginning of a token"


def test_a_secret_that_is_no_account_key(azure: Sandbox, azure_container: str, key: str) -> None:
    connection = vault_lake(azure, azure_container)
    azure.set_secret(VAULT, "bronze-key", f"DefaultEndpointsProtocol=https;AccountName=x;AccountKey={key}")
    step = found(connection)["secret"]
    assert step.status == "red"
    assert "connection string" in step.text


@pytest.mark.parametrize(
    ("code", "status", "words"),
    [
        ("ForbiddenByRbac", 403, "Key Vault Secrets User"),
        ("AccessDenied", 403, "set-policy"),
        ("ForbiddenByFirewall", 403, "firewall"),
    ],
)
def test_a_vault_that_refuses(code: str, status: int, words: str, azure: Sandbox, azure_container: str) -> None:
    azure.identity.claims = {"oid": "the-object"}
    connection = vault_lake(azure, azure_container)
    with azure.fault(status, host=VAULT, code=code):
        steps = found(connection)
    told = f"{steps['secret'].text}\n{steps['secret'].hint}"
    assert statuses(steps) == {"address": "ok", "identity": "ok", "secret": "red", "list": "skipped"}
    assert words in told
    if code != "ForbiddenByFirewall":
        assert "the-object" in told


def test_a_secret_that_is_missing_or_disabled(azure: Sandbox, azure_container: str) -> None:
    connection = vault_lake(azure, azure_container, enabled=False)
    assert "disabled" in found(connection)["secret"].text
    azure.vaults[VAULT].secrets.clear()
    assert "'bronze-key' not found in vault" in found(connection)["secret"].text


def test_a_vault_that_hangs(azure: Sandbox, azure_container: str) -> None:
    connection = vault_lake(azure, azure_container)
    began = time.monotonic()
    with azure.fault("hang", host=VAULT):
        steps = found(connection)
    assert time.monotonic() - began < 3 * SECONDS
    assert statuses(steps) == {"address": "ok", "identity": "ok", "secret": "red", "list": "skipped"}
