"""Connections to Azure storage: what is refused before anything runs, and what each mode gives to those who read."""

# ruff: noqa: E501 - messages stand here as users see them

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
import traceback
import warnings
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odibi.connections import AzureADLS
from odibi.connections import azure_adls as module
from odibi.engine import PandasEngine
from odibi.errors import (
    ConfigError,
    KeyFetchError,
    KeyFetchTimeout,
    PathEscapeError,
    Position,
    Problem,
    UnsupportedError,
)
from odibi.secrets import remember

KEY = "c2VjcmV0LWtleQ=="
REAL_KEY = "QUJD" * 21 + "QQ=="
HOST = "account1.dfs.core.windows.net"
TENANT = "11111111-2222-3333-4444-555555555555"
SAS = "sv=2024-11-04&ss=b&srt=sco&sp=rwdlac&se=2099-01-01T00:00:00Z&spr=https&sig=a%2Bb%2Fc%3D"
MODES: dict[str, dict[str, Any]] = {
    "key_vault": {"key_vault_name": "company-kv", "secret_name": "bronze-key"},
    "direct_key": {"account_key": KEY},
    "managed_identity": {},
    "service_principal": {"tenant_id": TENANT, "client_id": "an-app", "client_secret": "very-secret-text"},
    "sas": {"sas_token": SAS},
    "default": {},
    "unity_catalog": {},
}


def lake(mode: str = "direct_key", **changes: Any) -> AzureADLS:
    arguments = {"account": "account1", "container": "bronze", "auth_mode": mode, **MODES[mode], **changes}
    return AzureADLS(**arguments)


def refusal(**arguments: Any) -> str:
    with pytest.raises(ConfigError) as raised:
        AzureADLS(**{"account": "account1", "container": "bronze", **arguments})
    assert isinstance(raised.value, ValueError)
    return str(raised.value)


class StubNeed:
    """What a vault would give; `values` in turn, an exception is raised."""

    def __init__(self, *values: str | Exception) -> None:
        self.values, self.timeouts = list(values), []

    def fetch(self, timeout: float) -> str:
        self.timeouts.append(timeout)
        value = self.values.pop(0)
        if isinstance(value, Exception):
            raise value
        return value


@pytest.fixture
def vaulted(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Make a key_vault connection whose secret is `values` in turn."""

    def make(*values: str | Exception) -> tuple[AzureADLS, StubNeed]:
        made, need = lake("key_vault", name="bronze"), StubNeed(*values)
        monkeypatch.setattr(made, "needs", lambda: need)
        return made, need

    return make


# -- where -------------------------------------------------------------------------------------------------------------


def test_paths() -> None:
    assert lake().get_path("in/sales.csv") == f"abfss://bronze@{HOST}/in/sales.csv"
    assert lake(path_prefix="/raw/".strip("/")).get_path("a//b.csv") == f"abfss://bronze@{HOST}/raw/a/b.csv"
    assert lake(path_prefix="raw").get_path() == f"abfss://bronze@{HOST}/raw"
    assert lake().get_path("") == f"abfss://bronze@{HOST}"
    china = lake(endpoint_suffix="core.chinacloudapi.cn")
    assert china.get_path("a") == "abfss://bronze@account1.dfs.core.chinacloudapi.cn/a"


def test_no_path_leaves_the_prefix() -> None:
    with pytest.raises(PathEscapeError, match="of connection 'bronze' leaves the connection"):
        lake(path_prefix="raw", name="bronze").get_path("../x")


# -- what is refused ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
def test_each_mode_is_good_with_its_keys(mode: str) -> None:
    lake(mode).validate()


def test_key_vault_is_the_default_and_says_what_it_needs() -> None:
    text = refusal()
    assert "key_vault_name: key_vault mode requires 'key_vault_name'; add `key_vault_name: …`" in text
    assert "secret_name: key_vault mode requires 'secret_name'; add `secret_name: …`" in text


@pytest.mark.parametrize(
    ("mode", "key"),
    [
        (mode, key)
        for mode, keys in MODES.items()
        for key in keys
    ],
)  # fmt: skip
@pytest.mark.parametrize("nothing", [None, ""])
def test_a_key_that_a_mode_requires(mode: str, key: str, nothing: str | None) -> None:
    with pytest.raises(ValueError, match=f"{mode} mode requires '{key}'"):
        lake(mode, **{key: nothing})


def test_an_unknown_mode_names_the_close_one() -> None:
    text = refusal(auth_mode="keyvault")
    assert text.startswith("auth_mode: Unsupported auth_mode 'keyvault'; did you mean 'key_vault'? known: key_vault, ")
    assert "requires" not in text


@pytest.mark.parametrize(
    ("mode", "key", "owners"),
    [
        ("key_vault", "account_key", "direct_key"),
        ("direct_key", "secret_name", "key_vault"),
        ("direct_key", "service_credential", "key_vault or default"),
        ("managed_identity", "client_secret", "service_principal"),
        ("sas", "client_id", "managed_identity or service_principal"),
        ("unity_catalog", "account_key", "direct_key"),
    ],
)
def test_a_key_of_another_mode(mode: str, key: str, owners: str) -> None:
    with pytest.raises(ValueError, match=f"{key!r} belongs to auth_mode {owners}, and this is {mode}; take it out"):
        lake(mode, **{key: "something"})
    lake(mode, **{key: ""})  # what an unset ${VAR:-} gives


@pytest.mark.parametrize("key", ["account", "container", "auth_mode", "key_vault_name", "secret_name"])
def test_a_key_in_a_wrong_place_is_not_shown(key: str) -> None:
    pasted = "Zx9q8Lw/3+Vt" * 7 + "aa=="
    settings = {"account": "acct1", "container": "bronze", "key_vault_name": "kv-1", "secret_name": "k", key: pasted}
    with pytest.raises(ConfigError, match=r"what looks like a secret \(88 characters\)") as caught:
        AzureADLS(**settings)
    assert pasted not in repr(caught.value.problems) + "".join(traceback.format_exception(caught.value))


def test_mistakes_as_data_show_no_secret() -> None:
    remember("p4ssw0rd-of-bronze")
    error = ConfigError([Problem(Position(), "key", "'p4ssw0rd-of-bronze' is wrong", "not p4ssw0rd-of-bronze")])
    assert "p4ss" not in repr(error.problems)


NAMES = [
    ({"account": "Account1"}, "'Account1' is no name of a storage account; one has 3 to 24 lower-case letters and digits"),
    ({"account": "my-account"}, "'my-account' is no name of a storage account"),
    ({"account": "account1.dfs.core.windows.net"}, "give its name alone: 'account1'"),
    ({"account": "https://account1.blob.core.windows.net/"}, "give its name alone: 'account1'"),
    ({"account": ""}, "azure_adls requires 'account'"),
    ({"container": "Bronze"}, "'Bronze' is no name of a container; one has 3 to 63 lower-case letters"),
    ({"container": "a--b"}, "is no name of a container"),
    ({"container": "bronze/raw"}, "write `container: bronze` and the folder as `path_prefix`"),
    ({"container": ""}, "the container's name is empty"),
    ({"path_prefix": "../x"}, "path_prefix: '../x' leaves the connection"),
    ({"path_prefix": "/raw"}, "path_prefix: '/raw' is absolute"),
    ({"endpoint_suffix": "https://blob.core.windows.net/"}, "is no DNS suffix of a cloud; write 'core.windows.net'"),
    ({"endpoint_suffix": "dfs.core.chinacloudapi.cn"}, "write 'core.chinacloudapi.cn'"),
    ({"endpoint_suffix": "somewhere"}, "write it like 'core.windows.net'"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "text"), NAMES)
def test_names_are_checked(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError) as raised:
        lake(**changes)
    assert text in str(raised.value)


@pytest.mark.parametrize("container", ["$web", "$root", "abc", "a-b-c", "0123456789" * 6])
def test_names_of_containers(container: str) -> None:
    lake(container=container)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"key_vault_name": "https://company-kv.vault.azure.net/"}, "give its name alone: 'company-kv'"),
        ({"key_vault_name": "company-kv.vault.azure.net"}, "give its name alone: 'company-kv'"),
        ({"key_vault_name": "-kv"}, "'-kv' is no name of a key vault; one has 3 to 24"),
        ({"key_vault_name": "k" * 25}, "is no name of a key vault"),
        ({"secret_name": "bronze_key"}, "'bronze_key' is no name of a secret; one has letters, digits and hyphens"),
    ],
)
def test_names_in_a_vault_are_checked(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError) as raised:
        lake("key_vault", **changes)
    assert text in str(raised.value)


@pytest.mark.parametrize(
    ("token", "text"),
    [
        (
            f"https://account1.blob.core.windows.net/?{SAS}",
            "sas_token is a whole URL; give only what stands behind the '?'",
        ),
        (
            f"BlobEndpoint=https://a.blob.core.windows.net/;SharedAccessSignature={SAS}",
            "sas_token is a connection string",
        ),
        ("sv=2024-11-04&se=2099-01-01", "sas_token has no signature (sig=…)"),
        (
            "sv=2024-11-04&se=2020-01-01T00%3A00%3A00Z&sig=abc",
            "sas_token expired on 2020-01-01 00:00 UTC; make a new one",
        ),
        ("sv=2024-11-04&se=2020-01-01&sig=abc", "sas_token expired on 2020-01-01 00:00 UTC"),
    ],
)
def test_signatures_that_can_not_work(token: str, text: str) -> None:
    with pytest.raises(ConfigError) as raised:
        lake("sas", sas_token=token)
    assert text in str(raised.value)
    assert "abc" not in str(raised.value)


def test_signatures_with_a_question_mark_or_without_an_end() -> None:
    assert lake("sas", sas_token=f"?{SAS}\n").storage_options()["sas_token"] == SAS
    lake("sas", sas_token="sv=2024-11-04&si=policy&sig=abc")


def test_all_mistakes_at_once() -> None:
    with pytest.raises(ConfigError) as raised:
        AzureADLS("Account", "Bronze", "..", "direct_key", key_vault_name="kv1")
    assert [problem.key for problem in raised.value.problems] == ["account", "container", "path_prefix", "key_vault_name", "account_key"]  # fmt: skip


def test_without_validation_anything_goes_until_it_is_asked_for() -> None:
    wrong = AzureADLS("Account", "Bronze", auth_mode="?", validate=False)
    with pytest.raises(ValueError, match="Unsupported auth_mode"):
        wrong.validate()


# -- keys --------------------------------------------------------------------------------------------------------------


@given(st.text(min_size=1, alphabet=st.characters(exclude_categories=["Cs"])))
def test_a_key_may_be_any_text(key: str) -> None:
    assert lake(account_key=key).pandas_storage_options() == {"account_name": "account1", "account_key": key}


def test_blanks_around_a_key_of_azure_are_taken_off() -> None:
    assert len(REAL_KEY) == 88
    assert lake(account_key=f"  {REAL_KEY}\r\n").get_storage_key() == REAL_KEY
    assert lake(account_key=" my key ").get_storage_key() == " my key "


def test_a_fetched_key_is_kept_until_another_is_received(vaulted: Any) -> None:
    made, need = vaulted(f"{REAL_KEY}\n")
    assert made.get_storage_key(timeout=7) == REAL_KEY
    assert made.pandas_storage_options() == {"account_name": "account1", "account_key": REAL_KEY}
    assert need.timeouts == [7]
    made.receive("second")
    assert made.storage_options() == {"account_name": "account1", "account_key": "second"}


def test_many_threads_fetch_a_key_once(vaulted: Any) -> None:
    made, need = vaulted(KEY)
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(made.get_storage_key())) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [KEY] * 20
    assert len(need.timeouts) == 1


def test_who_has_less_patience_does_not_wait_for_another_thread(vaulted: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    made, need = vaulted(KEY)
    hangs, release = threading.Event(), threading.Event()
    fetch = need.fetch
    monkeypatch.setattr(need, "fetch", lambda timeout: (hangs.set(), release.wait(20), fetch(timeout))[-1])
    patient = threading.Thread(target=made.get_storage_key)
    patient.start()
    assert hangs.wait(10)
    began = time.monotonic()
    with pytest.raises(
        TimeoutError, match=r"^bronze: .* timed out after 0.1s for vault 'company-kv', secret 'bronze-key'$"
    ):
        made.get_storage_key(timeout=0.1)
    assert time.monotonic() - began < 10
    release.set()
    patient.join()
    assert made.get_storage_key(timeout=0.1) == KEY


@pytest.mark.parametrize("kind", [KeyFetchError, KeyFetchTimeout])
def test_a_failed_fetch_names_the_connection_and_is_tried_again(vaulted: Any, kind: type[KeyFetchError]) -> None:
    made, _ = vaulted(kind("Secret 'bronze-key' not found in vault 'company-kv'"), KEY)
    with pytest.raises(kind, match=r"^bronze: Secret .bronze-key. not found in vault .company-kv.$"):
        made.get_storage_key()
    assert made.get_storage_key() == KEY


@pytest.mark.parametrize("mode", ["managed_identity", "service_principal", "sas", "default", "unity_catalog"])
def test_modes_without_a_key_say_so(mode: str) -> None:
    with pytest.raises(UnsupportedError, match=f"auth_mode {mode}, which has no account key"):
        lake(mode).get_storage_key()


# -- options of a read that bring a credential ---------------------------------------------------------------------------


def test_the_users_own_credential_takes_the_place_of_the_connections(vaulted: Any) -> None:
    made, need = vaulted()
    for name in ("account_key", "sas_token", "credential", "bearer_token"):
        location = made.location("a.csv", {name: "mine"})
        assert location.storage_options == {"account_name": "account1", name: "mine"}
    assert need.timeouts == []


def test_other_options_of_the_user_are_added(vaulted: Any) -> None:
    made, _ = vaulted(KEY)
    options = made.location("a.csv", {"allow_http": "true"}).storage_options
    assert options == {"account_name": "account1", "account_key": KEY, "allow_http": "true"}


# -- what pandas, delta-rs and Spark get ---------------------------------------------------------------------------------


def test_options_of_a_sovereign_cloud() -> None:
    china = lake(endpoint_suffix="core.chinacloudapi.cn")
    assert china.storage_options() == {
        "account_name": "account1",
        "account_key": KEY,
        "endpoint_suffix": "core.chinacloudapi.cn",
    }
    assert china.pandas_storage_options()["account_host"] == "account1.blob.core.chinacloudapi.cn"


def test_options_of_a_signature() -> None:
    assert lake("sas").storage_options() == {"account_name": "account1", "sas_token": SAS}
    assert lake("sas").pandas_storage_options() == {"account_name": "account1", "sas_token": SAS}


def test_unity_catalog_is_for_spark_on_databricks() -> None:
    made = lake("unity_catalog", name="landing")
    for ask in (made.storage_options, made.pandas_storage_options, lambda: PandasEngine().read(made, path="a")):
        with pytest.raises(
            UnsupportedError,
            match="connection 'landing' has auth_mode unity_catalog, which works with Spark on Databricks only; elsewhere use key_vault",
        ):
            ask()
    assert dict(made.location("a").storage_options) == {"account_name": "account1"}
    assert made.spark_settings() == {}
    assert made.needs() is None
    assert made.unusable("spark") == ""
    assert made.unusable("pandas")
    assert not lake().unusable("pandas")


def test_default_credentials_are_not_for_spark() -> None:
    made = lake("default", name="landing")
    assert made.unusable("pandas") == ""
    assert made.unusable("spark").startswith("connection 'landing' has auth_mode default, whose credentials the Azure")


def test_what_spark_needs_is_at_hand_or_in_a_vault() -> None:
    made = lake("key_vault")
    assert not made.is_ready()
    made.receive("a2V5")
    assert made.is_ready()
    assert all(lake(mode).is_ready() for mode in ("direct_key", "sas", "managed_identity", "unity_catalog"))


class Session:
    def __init__(self) -> None:
        self.conf = self
        self.settings: dict[str, str] = {}

    def set(self, name: str, value: str) -> None:
        self.settings[name] = value


def settings_of(made: AzureADLS) -> dict[str, str]:
    session = Session()
    made.configure_spark(session)
    return session.settings


def test_spark_gets_an_account_key() -> None:
    assert settings_of(lake()) == {f"fs.azure.account.key.{HOST}": KEY}


def test_spark_gets_a_signature_for_account_and_container(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATABRICKS_RUNTIME_VERSION", raising=False)
    wanted = {}
    for scope in (HOST, f"bronze.{HOST}"):
        wanted |= {f"fs.azure.account.auth.type.{scope}": "SAS", f"fs.azure.sas.fixed.token.{scope}": SAS}
    assert settings_of(lake("sas")) == wanted
    monkeypatch.setenv("DATABRICKS_RUNTIME_VERSION", "17.3")
    provider = settings_of(lake("sas"))[f"fs.azure.sas.token.provider.type.{HOST}"]
    assert provider == "org.apache.hadoop.fs.azurebfs.sas.FixedSASTokenProvider"


def test_spark_gets_an_application() -> None:
    assert settings_of(lake("service_principal")) == {
        f"fs.azure.account.auth.type.{HOST}": "OAuth",
        f"fs.azure.account.oauth.provider.type.{HOST}": "org.apache.hadoop.fs.azurebfs.oauth2.ClientCredsTokenProvider",
        f"fs.azure.account.oauth2.client.id.{HOST}": "an-app",
        f"fs.azure.account.oauth2.client.secret.{HOST}": "very-secret-text",
        f"fs.azure.account.oauth2.client.endpoint.{HOST}": f"https://login.microsoftonline.com/{TENANT}/oauth2/token",
    }
    china = settings_of(lake("service_principal", endpoint_suffix="core.chinacloudapi.cn"))
    endpoint = china["fs.azure.account.oauth2.client.endpoint.account1.dfs.core.chinacloudapi.cn"]
    assert endpoint == f"https://login.chinacloudapi.cn/{TENANT}/oauth2/token"


def test_spark_asks_for_the_identity_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", raising=False)
    plain = settings_of(lake("managed_identity"))
    assert plain == {
        f"fs.azure.account.auth.type.{HOST}": "OAuth",
        f"fs.azure.account.oauth.provider.type.{HOST}": "org.apache.hadoop.fs.azurebfs.oauth2.MsiTokenProvider",
    }
    own = settings_of(lake("managed_identity", client_id="mine"))
    assert own == {**plain, f"fs.azure.account.oauth2.client.id.{HOST}": "mine"}
    monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://127.0.0.1:1")
    endpoint = settings_of(lake("managed_identity"))[f"fs.azure.account.oauth2.msi.endpoint.{HOST}"]
    assert endpoint == "http://127.0.0.1:1/metadata/identity/oauth2/token"


def test_spark_can_not_use_what_the_sdk_finds() -> None:
    with pytest.raises(UnsupportedError, match="auth_mode default, whose credentials the Azure SDK for Python finds"):
        lake("default").spark_settings()


# -- warnings ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["direct_key", "sas"])
def test_keys_in_production_are_warned_of(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ODIBI_ENV", "production")
    with pytest.warns(UserWarning, match=f"{mode} in production: .*use key_vault"):
        lake(mode)
    for other in set(MODES) - {"direct_key", "sas"}:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            lake(other)


def test_a_signature_that_ends_soon_is_warned_of() -> None:
    ends = datetime.now(UTC) + timedelta(days=2)
    with pytest.warns(UserWarning, match=f"sas_token expires on {ends:%Y-%m-%d}"):
        lake("sas", sas_token=f"sv=1&se={ends:%Y-%m-%dT%H:%M:%SZ}&sig=abc")


def test_a_connection_string_for_a_key_is_warned_of() -> None:
    with pytest.warns(UserWarning, match="give only what stands behind AccountKey="):
        lake(
            account_key=f"DefaultEndpointsProtocol=https;AccountName=a;AccountKey={KEY};EndpointSuffix=core.windows.net"
        )


# -- nothing is shown ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
def test_secrets_are_not_shown(mode: str) -> None:
    made = lake(mode)
    if mode == "key_vault":
        made.receive("fetched-secret-value")
    shown = f"{made!r} {made} {made.describe()}"
    if mode in ("key_vault", "direct_key", "sas"):
        shown += repr(made.location("a.csv"))
    assert made.secrets() or mode in ("managed_identity", "default", "unity_catalog")
    for secret in made.secrets():
        assert secret not in shown
    settings = AzureADLS.Settings.model_validate({"account": "account1", "auth_mode": mode, **MODES[mode]})
    assert not [secret for secret in made.secrets() if secret in f"{settings!r} {settings}"]


def test_models_do_not_show_what_they_refuse() -> None:
    for settings in (
        {"account": "a", "account_key": ["very-secret-text"]},
        {"account": "a", "kee": "very-secret-text"},
    ):
        with pytest.raises(ValueError, match="validation error") as raised:
            AzureADLS.Settings.model_validate(settings)
        assert "very-secret-text" not in str(raised.value)


def test_the_signature_alone_is_a_secret_too() -> None:
    assert {SAS, "a+b/c="} <= lake("sas").secrets()


def test_what_doctor_and_stories_say() -> None:
    assert lake("key_vault", service_credential="kv-reader").describe() == {
        "type": "azure_adls", "root": f"abfss://bronze@{HOST}", "auth_mode": "key_vault", "account": "account1",
        "container": "bronze", "key_vault_name": "company-kv", "secret_name": "bronze-key",
        "service_credential": "kv-reader",
    }  # fmt: skip
    assert lake("service_principal").describe()["client_id"] == "an-app"


def test_a_credential_for_adlfs_waits_for_tokens() -> None:
    from odibi.azure.for_adlfs import AsyncCredential

    class Shared:
        def get_token(self, *scopes: str, **options: Any) -> tuple[Any, ...]:
            return (*scopes, options)

    async def ask() -> Any:
        async with AsyncCredential(Shared()) as credential:
            return await credential.get_token("scope", claims="c")

    assert asyncio.run(ask()) == ("scope", {"claims": "c"})


def test_every_mode_has_its_settings_for_spark_or_none() -> None:
    assert set(module._SPARK) == set(MODES) - {"default"} == set(module.KEYS_OF_MODE) - {"default"}


def test_a_login_that_hangs_holds_up_neither_loop_nor_process_of_adlfs() -> None:
    script = """
import asyncio, time
from odibi.azure.for_adlfs import AsyncCredential
class Hangs:
    def get_token(self, *scopes): time.sleep(60)
async def main():
    try: await asyncio.wait_for(AsyncCredential(Hangs()).get_token("scope"), 0.2)
    except TimeoutError: print("late")
asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=True)
    assert (done.stdout.strip(), done.stderr) == ("late", "")
