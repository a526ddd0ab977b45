"""The exact commands that grant an identity what it lacks."""

from __future__ import annotations

VAULT_ROLE = "Key Vault Secrets User"
UNKNOWN = "<object id>"


def vault_role(vault: str, object_id: str = "", user: bool = False, resource: str = "") -> str:
    """For a vault with role-based access (the default of new ones). `resource` is the vault's resource id; without it
    the command looks it up. The grant takes minutes to work.

    >>> print(vault_role("company-kv", "1234"))
    az role assignment create --role "Key Vault Secrets User" --assignee-object-id 1234 --assignee-principal-type \
ServicePrincipal --scope "$(az keyvault show --name company-kv --query id --output tsv)"
    """
    scope = resource or f'"$(az keyvault show --name {vault} --query id --output tsv)"'
    return _assignment(VAULT_ROLE, object_id, user, scope)


def vault_policy(vault: str, object_id: str = "") -> str:
    """For a vault with access policies.

    >>> vault_policy("company-kv", "1234")
    'az keyvault set-policy --name company-kv --object-id 1234 --secret-permissions get list'
    """
    return f"az keyvault set-policy --name {vault} --object-id {object_id or UNKNOWN} --secret-permissions get list"


def storage_role(account: str, object_id: str, write: bool, user: bool = False) -> str:
    """For a storage account: to read, or to read and write. The grant takes minutes to work.

    >>> print(storage_role("account1", "1234", write=False))
    az role assignment create --role "Storage Blob Data Reader" --assignee-object-id 1234 --assignee-principal-type \
ServicePrincipal --scope "$(az storage account show --name account1 --query id --output tsv)"
    """
    role = "Storage Blob Data Contributor" if write else "Storage Blob Data Reader"
    return _assignment(role, object_id, user, f'"$(az storage account show --name {account} --query id --output tsv)"')


def service_credential(name: str) -> str:
    """For a service credential of Unity Catalog: SQL that its owner runs."""
    return f"GRANT ACCESS ON SERVICE CREDENTIAL `{name}` TO `<user or group>`"


def _assignment(role: str, object_id: str, user: bool, scope: str) -> str:
    kind = "User" if user else "ServicePrincipal"
    return (
        f'az role assignment create --role "{role}" --assignee-object-id {object_id or UNKNOWN} '
        f"--assignee-principal-type {kind} --scope {scope}"
    )
