"""`type: azure_adls`: a container of an Azure storage account (ADLS Gen2 or Blob)."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field

from odibi.connections.base import BaseConnection, check_relative
from odibi.model import Model
from odibi.secrets import remember

PUBLIC_CLOUD = "core.windows.net"
KEYS_OF_MODE: Mapping[str, tuple[str, ...]] = {
    "key_vault": ("key_vault_name", "secret_name", "service_credential"),
    "direct_key": ("account_key",),
    "managed_identity": ("client_id",),
    "service_principal": ("tenant_id", "client_id", "client_secret"),
    "sas": ("sas_token",),
    "default": ("service_credential",),
    "unity_catalog": (),
}
"""Auth modes and the keys that each of them takes."""


class AzureADLS(BaseConnection):
    """A container of a storage account, or a folder in it.

    >>> lake = AzureADLS("account1", "bronze", "raw", auth_mode="direct_key", account_key="a2V5")
    >>> lake.get_path("sales.csv")
    'abfss://bronze@account1.dfs.core.windows.net/raw/sales.csv'
    """

    type_name: ClassVar[str] = "azure_adls"

    class Settings(Model):
        """The keys of `type: azure_adls`."""

        type: Literal["azure_adls"] = "azure_adls"
        account: str = Field(description="Name of the storage account")
        container: str | None = Field(default=None, description="Name of the container; default: the connection's name")
        path_prefix: str = Field(default="", description="Folder in the container that all paths are relative to")
        auth_mode: Literal[
            "key_vault", "direct_key", "managed_identity", "service_principal", "sas", "default", "unity_catalog"
        ] = Field(default="key_vault", description="How to get access")
        key_vault_name: str | None = Field(default=None, description="key_vault: the vault; default: the project's")
        secret_name: str | None = Field(default=None, description="key_vault: the secret that holds the account key")
        service_credential: str | None = Field(
            default=None, description="key_vault, default: Unity Catalog service credential to use on Databricks"
        )
        account_key: str | None = Field(default=None, description="direct_key: the account key")
        client_id: str | None = Field(
            default=None, description="managed_identity: of a user-assigned one; service_principal: the application id"
        )
        tenant_id: str | None = Field(default=None, description="service_principal: the tenant")
        client_secret: str | None = Field(default=None, description="service_principal: its secret")
        sas_token: str | None = Field(default=None, description="sas: the shared access signature")
        endpoint_suffix: str | None = Field(
            default=None, description="DNS suffix of a sovereign cloud, e.g. core.chinacloudapi.cn"
        )
        validate_: bool = Field(default=True, alias="validate", description="Check the settings before a run")

    @classmethod
    def complete(cls, settings: Mapping[str, Any], defaults: Mapping[str, Any]) -> Mapping[str, Any]:
        """The project's vault and service credential, for the modes that use them."""
        allowed = KEYS_OF_MODE.get(str(settings.get("auth_mode", "key_vault")), ())
        return {**{key: value for key, value in defaults.items() if key in allowed and value is not None}, **settings}

    @classmethod
    def from_settings(cls, name: str, settings: Settings, folder: Path) -> AzureADLS:
        """Build the connection; it has nothing to do with the project's folder."""
        given = settings.model_dump(by_alias=True, exclude={"type"}, exclude_none=True)
        return cls(**{"container": name, **given}, name=name)

    def __init__(
        self,
        account: str,
        container: str,
        path_prefix: str = "",
        auth_mode: str = "key_vault",
        key_vault_name: str | None = None,
        secret_name: str | None = None,
        account_key: str | None = None,
        validate: bool = True,
        *,
        service_credential: str | None = None,
        client_id: str | None = None,
        tenant_id: str | None = None,
        client_secret: str | None = None,
        sas_token: str | None = None,
        endpoint_suffix: str | None = None,
        credential: Any = None,
        name: str = "",
    ) -> None:
        self.account, self.container, self.path_prefix = account, container, path_prefix
        self.auth_mode, self.name = auth_mode, name
        self.key_vault_name, self.secret_name, self.service_credential = (
            key_vault_name,
            secret_name,
            service_credential,
        )
        self.client_id, self.tenant_id = client_id, tenant_id
        self.account_key, self.client_secret, self.sas_token = account_key, client_secret, sas_token
        self.endpoint_suffix = endpoint_suffix or PUBLIC_CLOUD
        self.credential = credential
        self._fetched: str | None = None
        self._fetching = threading.Lock()
        for secret in (account_key, client_secret, sas_token):
            if secret:
                remember(secret)
        self._validates = validate
        if validate:
            self.validate()

    def get_path(self, relative: str = "") -> str:
        """The URL of `relative`. Raises `PathEscapeError` for `..`, absolute paths and URLs."""
        parts = (check_relative(self.path_prefix), check_relative(relative, self.name))
        inside = "/".join(part for part in parts if part)
        return f"abfss://{self.container}@{self.account}.dfs.{self.endpoint_suffix}/{inside}".rstrip("/")

    def storage_options(self) -> Mapping[str, Any]:
        """The options of `odibi.azure.storage`; fetches the credential where none was received."""
        if self.auth_mode in ("key_vault", "direct_key"):
            return {"account_name": self.account, "account_key": self.get_storage_key()}
        raise NotImplementedError(self.auth_mode)

    def get_storage_key(self, timeout: float = 30.0) -> str:
        """The account key."""
        del timeout
        return self.account_key or ""

    def secrets(self) -> frozenset[str]:
        """The secrets that this connection knows."""
        known = (self.account_key, self.client_secret, self.sas_token, self._fetched)
        return frozenset(secret for secret in known if secret)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.account!r}, {self.container!r}, auth_mode={self.auth_mode!r})"
