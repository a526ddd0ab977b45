"""Azure storage for Spark: Hadoop's settings as plain data, scoped by account so that several accounts do not clash.

Hadoop asks for a setting by account (`<setting>.<account>.dfs.core.windows.net`); from 3.5 on it looks for one of the
container first (`<setting>.<container>.<account>.dfs…`). A SAS is often one container's, so it is given for both.
"""

from __future__ import annotations

import os

from odibi.azure.clouds import CLOUDS, PUBLIC_CLOUD

_OAUTH2 = "org.apache.hadoop.fs.azurebfs.oauth2"
_FIXED_SAS_OF_DATABRICKS = "org.apache.hadoop.fs.azurebfs.sas.FixedSASTokenProvider"
PUBLIC_LOGIN = CLOUDS[PUBLIC_CLOUD].login


def host_of(account: str, suffix: str) -> str:
    """The name by which Hadoop knows an account, in every mode and for every kind of account."""
    return f"{account}.dfs.{suffix}"


def account_key(host: str, key: str) -> dict[str, str]:
    """Access by an account key.

    >>> account_key("account1.dfs.core.windows.net", "a2V5")
    {'fs.azure.account.key.account1.dfs.core.windows.net': 'a2V5'}
    """
    return {f"fs.azure.account.key.{host}": key}


def shared_access_signature(host: str, container: str, token: str) -> dict[str, str]:
    """Access by a SAS (without `?`)."""
    settings: dict[str, str] = {}
    for scope in (host, f"{container}.{host}"):
        settings[f"fs.azure.account.auth.type.{scope}"] = "SAS"
        settings[f"fs.azure.sas.fixed.token.{scope}"] = token
        if "DATABRICKS_RUNTIME_VERSION" in os.environ:  # its Hadoop wants the class named, and has it elsewhere
            settings[f"fs.azure.sas.token.provider.type.{scope}"] = _FIXED_SAS_OF_DATABRICKS
    return settings


def service_principal(
    host: str, tenant_id: str, client_id: str, client_secret: str, login: str = PUBLIC_LOGIN
) -> dict[str, str]:
    """Access as an application; `login` is the host that gives tokens."""
    return _scoped(host, {
        "fs.azure.account.auth.type": "OAuth",
        "fs.azure.account.oauth.provider.type": f"{_OAUTH2}.ClientCredsTokenProvider",
        "fs.azure.account.oauth2.client.id": client_id,
        "fs.azure.account.oauth2.client.secret": client_secret,
        "fs.azure.account.oauth2.client.endpoint": f"https://{login}/{tenant_id}/oauth2/token",
    })  # fmt: skip


def managed_identity(host: str, client_id: str | None = None) -> dict[str, str]:
    """Access as the machine's identity, or as the user-assigned one of `client_id`."""
    settings = {
        "fs.azure.account.auth.type": "OAuth",
        "fs.azure.account.oauth.provider.type": f"{_OAUTH2}.MsiTokenProvider",
    }
    if client_id:
        settings["fs.azure.account.oauth2.client.id"] = client_id
    elsewhere = os.environ.get("AZURE_POD_IDENTITY_AUTHORITY_HOST")  # where the Azure SDKs ask for tokens then
    if elsewhere:
        settings["fs.azure.account.oauth2.msi.endpoint"] = f"{elsewhere.rstrip('/')}/metadata/identity/oauth2/token"
    return _scoped(host, settings)


def _scoped(host: str, settings: dict[str, str]) -> dict[str, str]:
    return {f"{name}.{host}": value for name, value in settings.items()}
