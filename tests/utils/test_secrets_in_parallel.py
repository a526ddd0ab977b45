"""The helpers that fetch secrets, against the offline Azure."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any

import pytest

from odibi.errors import KeyFetchError
from odibi.utils import (
    compare_fetch_times,
    configure_connections_parallel,
    fetch_keyvault_secret,
    fetch_keyvault_secrets_parallel,
    get_databricks_identity_info,
    list_keyvault_secrets,
    print_keyvault_setup_instructions,
)

if TYPE_CHECKING:
    from pathlib import Path

    from odibi.testing.azure import Sandbox

VAULT = "company-kv"
NAMES = ("bronze", "silver", "gold")
OBJECT_ID = "99999999-2222-3333-4444-555555555555"


@pytest.fixture
def stocked(azure: Sandbox) -> Sandbox:
    """A vault with the keys of three accounts."""
    for name in NAMES:
        azure.set_secret(VAULT, f"{name}-key", azure.accounts[f"{name}acct"])
    return azure


def settings(*names: str, **more: Any) -> dict[str, Any]:
    common = {"type": "azure_adls", "key_vault_name": VAULT, **more}
    return {name: {**common, "account": f"{name}acct", "secret_name": f"{name}-key"} for name in names or NAMES}


def fetches(azure: Sandbox, name: str) -> int:
    """How often a secret was asked for with a token."""
    path = f"/secrets/{name}"
    return sum(seen.path.rstrip("/") == path and bool(seen.authorization) for seen in azure.requests)


# -- configure_connections_parallel ------------------------------------------------------------------------------------


def test_connections_are_ready(stocked: Sandbox, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = {**settings(), "lake": {"type": "local", "base_path": str(tmp_path)}}
    connections, errors = configure_connections_parallel(given)
    assert errors == []
    assert list(connections) == [*NAMES, "lake"]
    for name in NAMES:
        assert connections[name].storage_options()["account_key"] == stocked.accounts[f"{name}acct"]
        assert fetches(stocked, f"{name}-key") == 1
    first, *lines, last = capsys.readouterr().out.splitlines()
    assert first == "Configuring 4 connections, up to 5 at once"
    assert [re.fullmatch(r"✓ (\w+) +\d+ ms", line)[1] for line in lines] == [*NAMES, "lake"]  # type: ignore[index]
    assert re.fullmatch(r"4 connections ready in \d+ ms", last)


def test_it_goes_on_after_failures_and_tells_all(stocked: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
    given: dict[str, Any] = {**settings(), "raw": {"type": "azure_adls"}}
    given["silver"]["secret_name"] = "no-such-key"
    connections, errors = configure_connections_parallel(given)
    assert list(connections) == [*NAMES]
    assert [error.split(":")[0] for error in errors] == ["silver", "raw"]
    assert "Secret 'no-such-key' not found in vault 'company-kv'" in errors[0]
    assert connections["gold"].storage_options()["account_key"] == stocked.accounts["goldacct"]
    out = capsys.readouterr().out
    assert re.search(r"^✗ silver +\d+ ms  Secret 'no-such-key' not found", out, re.MULTILINE)
    assert "2 of 4 connections ready in" in out
    for key in stocked.accounts.values():
        assert key not in out


def test_a_connection_whose_secret_did_not_come_tries_again(stocked: Sandbox) -> None:
    del stocked.vaults[VAULT].secrets["gold-key"]
    connections, errors = configure_connections_parallel(settings("gold"), verbose=False)
    assert len(errors) == 1
    stocked.set_secret(VAULT, "gold-key", stocked.accounts["goldacct"])
    assert connections["gold"].storage_options()["account_key"] == stocked.accounts["goldacct"]


def test_connections_that_exist_are_taken_too(stocked: Sandbox) -> None:
    made, _ = configure_connections_parallel(settings(), prefetch_secrets=False, verbose=False)
    assert stocked.requests == []
    again, errors = configure_connections_parallel(made, verbose=False)
    assert errors == []
    assert all(again[name] is made[name] for name in NAMES)
    assert fetches(stocked, "gold-key") == 1


def test_nothing_is_said_without_verbose(stocked: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
    configure_connections_parallel(settings(), verbose=False)
    fetch_keyvault_secrets_parallel(settings(), verbose=False)
    list_keyvault_secrets(VAULT, verbose=False)
    compare_fetch_times(settings(), verbose=False)
    assert capsys.readouterr() == ("", "")


def test_a_vault_that_hangs_ends_in_time_and_the_others_are_ready(stocked: Sandbox) -> None:
    began = time.monotonic()
    with stocked.fault("hang", path="/secrets/silver-key"):
        connections, errors = configure_connections_parallel(settings(), timeout=1.5, verbose=False)
    assert time.monotonic() - began < 15
    assert len(errors) == 1
    assert errors[0].startswith(
        "silver: Key Vault fetch timed out after 1.5s for vault 'company-kv', secret 'silver-key'"
    )
    assert connections["gold"].storage_options()["account_key"] == stocked.accounts["goldacct"]


# -- secrets by themselves ---------------------------------------------------------------------------------------------


def test_secrets_in_parallel(stocked: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
    given: dict[str, Any] = {**settings("bronze", "gold"), "shared": settings("gold")["gold"]}
    given["dev"] = {"type": "azure_adls", "account": "devacct", "auth_mode": "direct_key", "account_key": "a2V5"}
    given["gone"] = {**settings("gold")["gold"], "secret_name": "gone"}
    results = fetch_keyvault_secrets_parallel(given)
    assert list(results) == ["bronze", "gold", "shared", "gone"]
    assert results["bronze"].secret_value == stocked.accounts["bronzeacct"]
    assert results["bronze"].account == "bronzeacct"
    assert results["shared"].success
    assert fetches(stocked, "gold-key") == 1
    assert not results["gone"].success
    assert "not found" in str(results["gone"].error)
    out = capsys.readouterr().out
    assert out.startswith("Fetching 4 secrets from Key Vault")
    assert "3 of 4 secrets fetched in" in out
    for key in stocked.accounts.values():
        assert key not in out + repr(results)


def test_settings_that_can_not_be_used_are_raised(stocked: Sandbox) -> None:
    with pytest.raises(ValueError, match=r"gold: .*account"):
        fetch_keyvault_secrets_parallel({"gold": {"type": "azure_adls"}})


def test_one_secret(stocked: Sandbox) -> None:
    result = fetch_keyvault_secret("bronze", VAULT, "bronze-key")
    assert (result.connection_name, result.success, result.error) == ("bronze", True, None)
    assert result.secret_value == stocked.accounts["bronzeacct"]
    assert (result.duration_ms or 0) > 0
    assert stocked.accounts["bronzeacct"] not in repr(result)


def test_names_are_listed_and_no_value_is_fetched(stocked: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
    assert list_keyvault_secrets(VAULT) == ["bronze-key", "gold-key", "silver-key"]
    assert capsys.readouterr().out == "3 secrets in vault 'company-kv'\n- bronze-key\n- gold-key\n- silver-key\n"
    assert [seen.path for seen in stocked.requests if "-key" in seen.path] == []


def test_a_vault_that_is_not_there(stocked: Sandbox) -> None:
    with pytest.raises(KeyFetchError, match="no-such-kv"):
        list_keyvault_secrets("no-such-kv", timeout=10)


def test_times_are_compared(stocked: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
    with stocked.fault("latency", path="/secrets/", seconds=0.2):
        times = compare_fetch_times(settings())
    assert times["secrets"] == 3
    assert times["sequential_ms"] > 500
    assert times["parallel_ms"] < times["sequential_ms"]
    out = capsys.readouterr().out
    assert re.search(r"3 secrets one after another: +\d+ ms\n3 secrets in parallel: +\d+ ms\n", out)


# -- identity and grants -----------------------------------------------------------------------------------------------


def test_the_identity_is_that_of_the_token(stocked: Sandbox) -> None:
    stocked.identity.claims |= {"oid": OBJECT_ID, "appid": "an-app", "tid": "a-tenant"}
    assert get_databricks_identity_info() == {"app_id": "an-app", "object_id": OBJECT_ID, "tenant_id": "a-tenant"}


@pytest.mark.parametrize(("version", "way_out"), [("17.3", "service_credential"), ("", "az login")])
def test_without_any_identity_it_is_a_runtime_error_that_says_what_to_do(
    version: str, way_out: str, azure: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABRICKS_RUNTIME_VERSION", version)
    azure.identity.managed = False
    with pytest.raises(RuntimeError, match=rf"ManagedIdentityCredential: [\s\S]+{way_out}"):
        get_databricks_identity_info(timeout=20)


def test_a_service_credential_that_can_not_be_had_is_told(azure: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not passed over in silence for another identity."""
    monkeypatch.setenv("DATABRICKS_RUNTIME_VERSION", "17.3")
    with pytest.raises(KeyFetchError, match="kv-reader"):
        get_databricks_identity_info("kv-reader", timeout=20)


def test_the_commands_have_the_ids_in_them(stocked: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
    stocked.identity.claims["oid"] = OBJECT_ID
    print_keyvault_setup_instructions(VAULT)
    out = capsys.readouterr().out
    assert f'--role "Key Vault Secrets User" --assignee-object-id {OBJECT_ID}' in out
    assert f"az keyvault set-policy --name {VAULT} --object-id {OBJECT_ID} --secret-permissions get list" in out
    assert "enableRbacAuthorization" in out


def test_the_commands_are_printed_also_where_the_identity_is_not_known(
    azure: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    azure.identity.managed = False
    print_keyvault_setup_instructions(VAULT, timeout=20)
    out = capsys.readouterr().out
    assert "the identity is not known here" in out
    assert "--assignee-object-id <" in out
