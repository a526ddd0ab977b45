"""`type: azure_adls`: a container of an Azure storage account (ADLS Gen2 or Blob)."""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import ConfigDict, Field

from odibi.azure import hadoop, rules
from odibi.azure.clouds import PUBLIC_CLOUD, STORAGE_SCOPE, cloud_of
from odibi.azure.rules import KEYS_OF_MODE
from odibi.connections.base import BaseConnection, Diagnosis, Location, Need, check_relative
from odibi.errors import ConfigError, KeyFetchError, KeyFetchTimeout, Problem, UnsupportedError
from odibi.model import Model
from odibi.secrets import remember

if TYPE_CHECKING:
    from odibi.azure.identity import Identity

SOON = timedelta(days=7)
"""A SAS that ends within this time is worth a warning."""
KEY_MODES = ("key_vault", "direct_key")
_ELSEWHERE = "use key_vault, managed_identity, service_principal or sas"
_SAFER = "use key_vault, managed_identity or unity_catalog"
_IN_FILE = {
    "direct_key": "the account key is in the file or its variables",
    "sas": "the signature is in the file or its variables, and ends one day",
}


def _extend_schema(schema: dict[str, Any]) -> None:
    schema["allOf"] = [_only_keys_of(mode) for mode in KEYS_OF_MODE]


def _only_keys_of(mode: str) -> dict[str, Any]:
    """In this mode its keys must be there (the vault may be the project's), and those of others must not."""
    foreign: dict[str, Any] = {key: False for key in rules.AUTH_KEYS if key not in KEYS_OF_MODE[mode]}
    required = [key for key in rules.MODES[mode].required if key != "key_vault_name"]
    chosen: dict[str, Any] = {"properties": {"auth_mode": {"const": mode}}}
    if mode != rules.DEFAULT_MODE:
        chosen["required"] = ["auth_mode"]
    return {"if": chosen, "then": {"properties": foreign, "required": required}}


class AzureADLS(BaseConnection):
    """A container of a storage account, or a folder in it.

    >>> lake = AzureADLS("account1", "bronze", "raw", auth_mode="direct_key", account_key="a2V5")
    >>> lake.get_path("sales.csv")
    'abfss://bronze@account1.dfs.core.windows.net/raw/sales.csv'
    >>> lake.pandas_storage_options()
    {'account_name': 'account1', 'account_key': 'a2V5'}
    """

    type_name: ClassVar[str] = "azure_adls"

    class Settings(Model):
        """The keys of `type: azure_adls`."""

        model_config = ConfigDict(hide_input_in_errors=True, json_schema_extra=_extend_schema)
        key_hints: ClassVar[Mapping[str, str]] = {name: f"did you mean {key!r}?" for name, key in rules.MEANT.items()}

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
        account_key: str | None = Field(default=None, repr=False, description="direct_key: the account key")
        client_id: str | None = Field(
            default=None, description="managed_identity: of a user-assigned one; service_principal: the application id"
        )
        tenant_id: str | None = Field(default=None, description="service_principal: the tenant")
        client_secret: str | None = Field(default=None, repr=False, description="service_principal: its secret")
        sas_token: str | None = Field(default=None, repr=False, description="sas: the shared access signature")
        endpoint_suffix: str | None = Field(
            default=None, description="DNS suffix of a sovereign cloud, e.g. core.chinacloudapi.cn"
        )
        validate_: bool = Field(default=True, alias="validate", description="Check the settings before a run")

    @classmethod
    def complete(cls, settings: Mapping[str, Any], defaults: Mapping[str, Any]) -> Mapping[str, Any]:
        """The project's vault and service credential, for the modes that use them."""
        mode = settings.get("auth_mode", rules.DEFAULT_MODE)
        allowed = KEYS_OF_MODE.get(mode, ()) if isinstance(mode, str) else ()
        lacking = {key: value for key, value in defaults.items() if key in allowed and value and not settings.get(key)}
        return {**settings, **lacking}

    @classmethod
    def mistakes(cls, settings: Mapping[str, Any], name: str = "") -> Iterator[Problem]:
        """What is wrong with the settings, by key; nothing where they say `validate: false`."""
        if str(settings.get("validate", True)).strip().lower() not in ("false", "no", "off", "0"):
            meant = {rules.MEANT[key]: value for key, value in settings.items() if key in rules.MEANT}
            yield from rules.mistakes({**meant, **settings}, name)

    @classmethod
    def from_settings(cls, name: str, settings: Settings, folder: Path) -> AzureADLS:
        """Build the connection, whose settings were checked; it has nothing to do with the project's folder."""
        del folder
        given = settings.model_dump(exclude={"type", "validate_"}, exclude_none=True)
        return cls(**{"container": name, **given, "validate": False}, name=name)

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
        """`credential` is an Azure TokenCredential to use instead of one that is looked for, in the modes `key_vault`
        and `default`. The other arguments are the keys of a project file. Raises `ValueError` with all mistakes, unless
        `validate` is False."""
        self.account, self.container, self.path_prefix, self.auth_mode = account, container, path_prefix, auth_mode
        self.key_vault_name, self.secret_name = key_vault_name or None, secret_name or None
        self.service_credential, self.credential = service_credential or None, credential
        self.client_id, self.tenant_id, self.client_secret = client_id or None, tenant_id or None, client_secret
        self.account_key, self.sas_token = account_key, sas_token
        self.endpoint_suffix = endpoint_suffix or PUBLIC_CLOUD
        self.name = name
        self._fetched: str | None = None
        self._fetching = threading.Lock()
        for secret in self.secrets():
            remember(secret)
        if validate:
            self.validate()
            for text in self.odd(os.environ.get("ODIBI_ENV") == "production"):
                warnings.warn(f"{self!r}: {text}", UserWarning, stacklevel=2)

    # -- checks --------------------------------------------------------------------------------------------------------

    def validate(self) -> None:
        """Check the settings, without the network. Raises `ConfigError` (a `ValueError`) with all mistakes."""
        found = list(rules.mistakes(self._settings(), self.name))
        if found:
            raise ConfigError(found)

    def _settings(self) -> dict[str, Any]:
        keys = ("account", "container", "path_prefix", "endpoint_suffix", "auth_mode", *rules.AUTH_KEYS)
        return {key: getattr(self, key) for key in keys if getattr(self, key) is not None}

    def odd(self, production: bool) -> Iterator[str]:
        """Keys and signatures in production, and what will stop working soon."""
        if production and self.auth_mode in _IN_FILE:
            yield f"{self.auth_mode} in production: {_IN_FILE[self.auth_mode]}; {_SAFER}"
        ends = rules.expiry(self.sas_token or "") if self.auth_mode == "sas" else None
        if ends is not None and ends - datetime.now(UTC) < SOON:
            yield f"sas_token expires on {ends:%Y-%m-%d %H:%M} UTC; make a new one"
        if self.auth_mode == "direct_key" and ";accountkey=" in (self.account_key or "").lower():
            yield "account_key looks like a whole connection string; give only what stands behind AccountKey="

    def unusable(self, engine: str) -> str:
        """`unity_catalog` has no credential that anything but Spark on Databricks could use, `default` none that Spark
        could."""
        if engine == "spark":
            return self._not_for_spark() if self.auth_mode in rules.MODES and self.auth_mode not in _SPARK else ""
        return self._only_databricks() if self.auth_mode == "unity_catalog" else ""

    def clashes(self, other: BaseConnection, engine: str) -> str:
        """Hadoop's driver opens an account in one way: by a key or a signature (which may be different ones for its
        containers), or as one identity."""
        if engine != "spark" or not isinstance(other, AzureADLS) or other._host != self._host:
            return ""
        if "unity_catalog" in (self.auth_mode, other.auth_mode) or self._way() == other._way():
            return ""
        return (
            f"{self._shown()} and {other._shown()} open one storage account in different ways, and Spark has one way "
            "for each account; give both the same auth_mode and credential"
        )

    def _way(self) -> tuple[str | None, ...]:
        """By what the account is opened; equal for two keys of it, and for two signatures."""
        if self.auth_mode in KEY_MODES:
            return ("key",)
        if self.auth_mode == "managed_identity":
            return (self.auth_mode, self.client_id)
        if self.auth_mode == "service_principal":
            return (self.auth_mode, self.tenant_id, self.client_id, self.client_secret)
        return (self.auth_mode,)

    def _only_databricks(self) -> str:
        who = f"{self._shown()} has auth_mode unity_catalog"
        return f"{who}, which works with Spark on Databricks only; elsewhere {_ELSEWHERE}"

    def _not_for_spark(self) -> str:
        return (
            f"{self._shown()} has auth_mode {self.auth_mode}, whose credentials the Azure SDK for Python finds and "
            f"Spark does not know; use unity_catalog on Databricks, elsewhere key_vault or managed_identity"
        )

    def _shown(self) -> str:
        return f"connection {self.name!r}" if self.name else f"the connection to account {self.account!r}"

    # -- where ---------------------------------------------------------------------------------------------------------

    def get_path(self, relative: str = "") -> str:
        """The URL of `relative`. Raises `PathEscapeError` for `..`, absolute paths and URLs."""
        parts = (check_relative(self.path_prefix), check_relative(relative, self.name))
        inside = "/".join(part for part in parts if part)
        return f"abfss://{self.container}@{self._host}/{inside}".rstrip("/")

    @property
    def _host(self) -> str:
        return hadoop.host_of(self.account, self.endpoint_suffix)

    def location(self, relative: str, storage_options: Mapping[str, Any] | None = None) -> Location:
        """The location with what opens it. Where `storage_options` bring a credential, the connection's own is neither
        fetched nor part of it; in the mode unity_catalog there is none."""
        given = dict(storage_options or {})
        without = self.auth_mode == "unity_catalog" or self.replaces_access(given)
        own = self._named() if without else self.storage_options()
        return Location(self.get_path(relative), self.get_path(""), self.name, relative, {**own, **given})

    def replaces_access(self, storage_options: Mapping[str, Any]) -> bool:
        """Whether the options of a read or write bring a credential of their own."""
        from odibi.azure.access import CREDENTIALS

        return any(storage_options.get(name) for name in CREDENTIALS)

    # -- with which credential -----------------------------------------------------------------------------------------

    def identity(self) -> Identity | None:
        """Who asks the vault or the storage account; None where a key, a signature or the cluster itself opens it."""
        from odibi.azure.identity import Identity

        login = {} if self.endpoint_suffix == PUBLIC_CLOUD else {"authority": cloud_of(self.endpoint_suffix).login}
        if self.auth_mode == "managed_identity":
            return Identity("managed_identity", client_id=self.client_id, **login)
        if self.auth_mode == "service_principal":
            return Identity(
                "service_principal", client_id=self.client_id, tenant_id=self.tenant_id,
                client_secret=self.client_secret, **login,
            )  # fmt: skip
        if self.auth_mode not in ("key_vault", "default"):
            return None
        if self.credential is not None:
            return Identity("given", credential=self.credential)
        return Identity("default", service_credential=self.service_credential, **login)

    def needs(self) -> Need | None:
        """The secret in the vault, or the identity's token for storage; None where everything is in the settings."""
        identity = self.identity()
        if identity is None:
            return None
        if self.auth_mode == "key_vault":
            from odibi.azure.keyvault import Secret

            return Secret(
                self.key_vault_name or "", self.secret_name or "", identity, cloud_of(self.endpoint_suffix).vault
            )
        from odibi.azure.identity import Token

        return Token(identity, STORAGE_SCOPE)

    def is_ready(self) -> bool:
        """True where Spark's settings hold nothing that a vault has, or the vault was asked."""
        return self.auth_mode != "key_vault" or self._fetched is not None

    def receive(self, value: str) -> None:
        """Take the account key that was fetched, until the next one is. (A token is kept by its credential.)"""
        if self.auth_mode == "key_vault":
            key = rules.bare_key(value)
            remember(value)
            remember(key)
            self._fetched = key

    def get_storage_key(self, timeout: float = 30.0) -> str:
        """The account key; fetched from the vault where that was not done before, within `timeout` seconds.

        Raises `KeyFetchError`, and `UnsupportedError` in a mode without a key.
        """
        if self.auth_mode == "direct_key":
            return rules.bare_key(self.account_key or "")
        if self.auth_mode != "key_vault":
            raise UnsupportedError(f"{self._shown()} has auth_mode {self.auth_mode}, which has no account key; "
                                   "use storage_options()")  # fmt: skip
        if not self._fetching.acquire(timeout=max(0.0, timeout)):  # another thread fetches it, and has more patience
            raise KeyFetchTimeout(f"{self._title}: Key Vault fetch timed out after {timeout:.1f}s for vault "
                                  f"{self.key_vault_name!r}, secret {self.secret_name!r}")  # fmt: skip
        try:
            if self._fetched is None:
                self.receive(self._fetch(timeout))
            return str(self._fetched)
        finally:
            self._fetching.release()

    def _fetch(self, timeout: float) -> str:
        need = self.needs()
        assert need is not None
        try:
            return need.fetch(timeout)
        except KeyFetchError as error:
            raise type(error)(f"{self._title}: {error}") from error

    @property
    def _title(self) -> str:
        return self.name or self.account

    def storage_options(self) -> Mapping[str, Any]:
        """The options of `odibi.azure.storage`; fetches the credential where none was received.

        Raises `KeyFetchError`, and `UnsupportedError` in the mode unity_catalog.
        """
        return {**self._named(), **self._access()}

    def _named(self) -> dict[str, Any]:
        suffix = {} if self.endpoint_suffix == PUBLIC_CLOUD else {"endpoint_suffix": self.endpoint_suffix}
        return {"account_name": self.account, **suffix}

    def _access(self) -> dict[str, Any]:
        if self.auth_mode in KEY_MODES:
            return {"account_key": self.get_storage_key()}
        if self.auth_mode == "sas":
            return {"sas_token": rules.bare_sas(self.sas_token or "")}
        if self.auth_mode == "unity_catalog":
            raise UnsupportedError(self._only_databricks())
        return {"credential": self._token_credential()}

    def _token_credential(self) -> Any:
        from odibi.azure.identity import credential_for

        identity = self.identity()
        if identity is None:
            raise UnsupportedError(f"Unsupported auth_mode {self.auth_mode!r}")
        return credential_for(identity)

    # -- for others ----------------------------------------------------------------------------------------------------

    def pandas_storage_options(self) -> dict[str, Any]:
        """What `pandas.read_csv(path, storage_options=…)` and adlfs take; fetches the credential where none was
        received.

        Raises `KeyFetchError`, and `UnsupportedError` in the mode unity_catalog.
        """
        options = {"account_name": self.account, **self._access()}
        if "credential" in options:
            from odibi.azure.for_adlfs import AsyncCredential

            options["credential"] = AsyncCredential(options["credential"])
        if self.endpoint_suffix != PUBLIC_CLOUD:
            options["account_host"] = f"{self.account}.blob.{self.endpoint_suffix}"
        return options

    def spark_settings(self) -> Mapping[str, str]:
        """Hadoop's settings for this account; empty in the mode unity_catalog, where the cluster has access itself.

        Raises `KeyFetchError`, and `UnsupportedError` in the mode default.
        """
        settings = _SPARK.get(self.auth_mode)
        if settings is None:
            raise UnsupportedError(self._not_for_spark())
        return settings(self)

    def spark_names(self) -> tuple[str, ...]:
        """The names of `spark_settings`; fetches nothing."""
        return tuple(hadoop.account_key(self._host, "")) if self.auth_mode in KEY_MODES else super().spark_names()

    def configure_spark(self, spark: Any) -> None:
        """Give a Spark session access to this account."""
        for name, value in self.spark_settings().items():
            spark.conf.set(name, value)

    def secrets(self) -> frozenset[str]:
        """The secrets that this connection knows."""
        sas = self.sas_token or ""
        known = (self.account_key, rules.bare_key(self.account_key or ""), self.client_secret, self._fetched,
                 sas, rules.bare_sas(sas), rules.sas_parts(sas).get("sig"))  # fmt: skip
        return frozenset(secret for secret in known if secret)

    def describe(self) -> dict[str, str]:
        """Mode, account, container, vault and the name of the secret; never a secret."""
        facts = {
            "type": self.type_name,
            "root": self.get_path(""),
            "auth_mode": self.auth_mode,
            "account": self.account,
            "container": self.container,
            **{
                key: getattr(self, key)
                for key in rules.KEYS_OF_MODE.get(self.auth_mode, ())
                if key not in rules.SECRET_KEYS
            },
        }
        return {key: str(value) for key, value in facts.items() if value}

    def diagnose(self, timeout: float = 30.0, writes: bool = False) -> Iterator[Diagnosis]:
        """What `doctor` tells of reaching the container; see `odibi.azure.diagnose`."""
        from odibi.azure.diagnose import diagnose

        return diagnose(self, timeout, writes)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.account!r}, {self.container!r}, auth_mode={self.auth_mode!r})"


def _key_for_spark(lake: AzureADLS) -> dict[str, str]:
    return hadoop.account_key(lake._host, lake.get_storage_key())


def _sas_for_spark(lake: AzureADLS) -> dict[str, str]:
    return hadoop.shared_access_signature(lake._host, lake.container, rules.bare_sas(lake.sas_token or ""))


def _principal_for_spark(lake: AzureADLS) -> dict[str, str]:
    login = cloud_of(lake.endpoint_suffix).login
    return hadoop.service_principal(
        lake._host, lake.tenant_id or "", lake.client_id or "", lake.client_secret or "", login
    )


_SPARK: Mapping[str, Callable[[AzureADLS], Mapping[str, str]]] = {
    "key_vault": _key_for_spark,
    "direct_key": _key_for_spark,
    "managed_identity": lambda lake: hadoop.managed_identity(lake._host, lake.client_id),
    "service_principal": _principal_for_spark,
    "sas": _sas_for_spark,
    "unity_catalog": lambda lake: {},
}
