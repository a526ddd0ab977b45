"""The commands that grant what is missing can be pasted as they are."""

from __future__ import annotations

import shlex

import pytest

from odibi.azure.grants import service_credential, storage_role, vault_policy, vault_role

RESOURCE = "/subscriptions/s/resourceGroups/g/providers/Microsoft.KeyVault/vaults/company-kv"


def option(command: str, name: str) -> str:
    words = shlex.split(command)
    return words[words.index(name) + 1]


def test_a_role_on_a_vault() -> None:
    command = vault_role("company-kv", "1234")
    assert option(command, "--role") == "Key Vault Secrets User"
    assert option(command, "--assignee-object-id") == "1234"
    assert option(command, "--scope") == "$(az keyvault show --name company-kv --query id --output tsv)"


def test_a_role_on_a_vault_whose_resource_is_known() -> None:
    assert option(vault_role("company-kv", "1234", resource=RESOURCE), "--scope") == RESOURCE


@pytest.mark.parametrize(("user", "kind"), [(True, "User"), (False, "ServicePrincipal")])
def test_people_and_applications(user: bool, kind: str) -> None:
    assert option(vault_role("kv", "1", user), "--assignee-principal-type") == kind
    assert option(storage_role("account1", "1", False, user), "--assignee-principal-type") == kind


@pytest.mark.parametrize(("write", "role"), [(True, "Contributor"), (False, "Reader")])
def test_a_role_on_a_storage_account(write: bool, role: str) -> None:
    command = storage_role("account1", "1234", write)
    assert option(command, "--role") == f"Storage Blob Data {role}"
    assert "--name account1 " in option(command, "--scope")


def test_an_identity_that_is_not_known_is_to_be_filled_in() -> None:
    assert "<object id>" in vault_role("kv")
    assert "<object id>" in vault_policy("kv")


def test_a_service_credential() -> None:
    assert service_credential("kv-reader").startswith("GRANT ACCESS ON SERVICE CREDENTIAL `kv-reader` TO ")
