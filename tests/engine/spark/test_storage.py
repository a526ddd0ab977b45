"""Storage accounts on a Spark session: which settings, what is refused, what the texts of ABFS mean."""

# ruff: noqa: E501 - messages stand here as users and Spark write them

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from odibi.connections import AzureADLS, BaseConnection, LocalConnection, Location, UnityCatalogConnection
from odibi.engine.base import Source
from odibi.engine.spark import storage, storage_problems
from odibi.engine.spark.places import delta_name, options_of, reachable, spark_path
from odibi.engine.spark.storage import LIMITS, Storage
from odibi.engine.spark.storage_problems import explain
from odibi.errors import AccessError, ConfigError, DataError, DataNotFoundError, UnsupportedError

KEY, OTHER_KEY = "QUJD" * 21 + "QQ==", "QUJE" * 21 + "QQ=="
SAS = "sv=2024-11-04&ss=b&srt=sco&sp=rwdlac&se=2099-01-01T00:00:00Z&spr=https&sig=a%2Bb%2Fc%3D"
HOST = "account1.dfs.core.windows.net"
URL = f"abfss://raw@{HOST}"


def lake(
    container: str = "raw", mode: str = "direct_key", account: str = "account1", name: str = "lake", **more: Any
) -> AzureADLS:
    given: dict[str, Any] = {"direct_key": {"account_key": KEY}, "sas": {"sas_token": SAS}}.get(mode, {})
    return AzureADLS(account, container, auth_mode=mode, name=name, **{**given, **more})


@pytest.fixture(autouse=True)
def _nothing_known() -> Iterator[None]:
    """No connection of another test answers for a URL."""
    storage_problems._connections.clear()
    storage_problems.renewed.clear()
    storage._opened.clear()
    yield
    storage_problems.renewed.clear()


class Conf:
    """A session's settings; those of `refused` can be neither set nor read, as on serverless compute."""

    def __init__(self, refused: str = "", **settings: str) -> None:
        self.settings, self.refused = settings, refused

    def get(self, name: str, default: Any = None) -> Any:
        return self.settings.get(name, default)


class FakeSession:
    """As `Session`: `set` says whether the platform took the setting."""

    owned = False

    def __init__(self, refused: str = "", jvm: bool = False, **settings: str) -> None:
        self.conf = Conf(refused, **settings)
        self.spark = SimpleNamespace(conf=self.conf, session_id="one")
        self.platform = SimpleNamespace(jvm=jvm, local=True)

    def set(self, name: str, value: str) -> bool:
        if self.conf.refused and name.startswith(self.conf.refused):
            return False
        self.conf.settings[name] = value
        return True


def opened(session: Any, *connections: BaseConnection) -> dict[str, str]:
    """The settings of a session on which connections were opened."""
    made = Storage(session, {each.name: each for each in connections})
    for each in connections:
        made.open_connection(each)
    settings: dict[str, str] = session.conf.settings
    return settings


# -- places ------------------------------------------------------------------------------------------------------------


def test_local_paths_are_urls(tmp_path: Path) -> None:
    location = LocalConnection(tmp_path / "a b").location("x/*.csv")
    assert spark_path(location) == f"file://{(tmp_path / 'a b').as_posix()}/x/*.csv"
    assert delta_name(location).startswith("delta.`file://")


def test_other_places_are_as_they_are() -> None:
    assert spark_path(lake().location("a b/c")) == f"{URL}/a b/c"
    assert spark_path(UnityCatalogConnection("main", "s", "v").location("a")) == "/Volumes/main/s/v/a"
    assert delta_name(Location("abfss://c@h/a`b")) == "delta.`abfss://c@h/a``b`"


def test_a_table_has_a_name_and_no_path() -> None:
    location = UnityCatalogConnection("main", "sales", name="uc").table_location("orders")
    assert delta_name(location) == "`main`.`sales`.`orders`"
    with pytest.raises(ConfigError, match="uc:orders is a table of a catalog, which has no path"):
        spark_path(location)


def test_what_python_reaches(tmp_path: Path) -> None:
    assert reachable(LocalConnection(tmp_path).location("a"))
    assert reachable(lake().location("a"))
    assert reachable(lake(mode="sas").location("a"))
    assert not reachable(lake(mode="unity_catalog").location("a"))
    assert not reachable(UnityCatalogConnection("main", "sales").table_location("orders"))
    assert not reachable(UnityCatalogConnection("main", "sales", "no-such-volume").location("a"))


# -- settings ----------------------------------------------------------------------------------------------------------


def test_each_account_has_its_own() -> None:
    settings = opened(FakeSession(), lake(), lake(account="account2", name="two", account_key=OTHER_KEY))
    assert settings["fs.azure.account.key.account1.dfs.core.windows.net"] == KEY
    assert settings["fs.azure.account.key.account2.dfs.core.windows.net"] == OTHER_KEY
    assert {name: settings[name] for name in LIMITS} == LIMITS
    assert "fs[.]azure" in settings["spark.sql.redaction.options.regex"]


def test_what_the_user_has_set_stays() -> None:
    mine = {"fs.azure.http.read.timeout": "60000", "spark.hadoop.fs.azure.io.retry.max.retries": "9"}
    settings = opened(FakeSession(**mine, **{"spark.sql.redaction.options.regex": "(?i)mine"}), lake())
    assert settings["fs.azure.http.read.timeout"] == "60000"
    assert "fs.azure.io.retry.max.retries" not in settings
    assert settings["spark.sql.redaction.options.regex"].startswith("(?i)mine|")


def test_without_a_cloud_nothing_is_set(tmp_path: Path) -> None:
    catalog = UnityCatalogConnection("main", "sales", name="uc")
    governed = lake(mode="unity_catalog", name="governed")
    assert opened(FakeSession(), LocalConnection(tmp_path, name="l"), catalog, governed) == {}


def test_connections_at_hand_are_set_before_they_are_used(tmp_path: Path) -> None:
    session = FakeSession()
    vault = lake(mode="key_vault", account="account2", name="v", key_vault_name="company-kv", secret_name="s")
    made = Storage(session, {"a": lake(name="a"), "v": vault})
    made.open(Source(LocalConnection(tmp_path), "x", "csv"))
    assert f"fs.azure.account.key.{HOST}" in session.conf.settings
    assert not [name for name in session.conf.settings if "account2" in name]
    vault.receive(OTHER_KEY)
    made.open_connection(vault)
    assert session.conf.settings["fs.azure.account.key.account2.dfs.core.windows.net"] == OTHER_KEY


def test_a_new_key_of_a_connection_is_taken() -> None:
    session, one = FakeSession(), lake(mode="key_vault", key_vault_name="company-kv", secret_name="s")
    made = Storage(session, {})
    for key in (KEY, OTHER_KEY):
        one.receive(key)
        made.open_connection(one)
        assert session.conf.settings[f"fs.azure.account.key.{HOST}"] == key


def test_two_keys_of_one_account_are_one_way() -> None:
    settings = opened(FakeSession(), lake(name="a"), lake("other", name="b", account_key=OTHER_KEY))
    assert settings[f"fs.azure.account.key.{HOST}"] == KEY


def test_two_signatures_of_one_account_are_one_way_each_for_its_container() -> None:
    other = SAS.replace("a%2Bb", "d%2Be")
    settings = opened(FakeSession(), lake(mode="sas", name="a"), lake("other", "sas", name="b", sas_token=other))
    assert settings[f"fs.azure.sas.fixed.token.raw.{HOST}"] == SAS
    assert settings[f"fs.azure.sas.fixed.token.other.{HOST}"] == other


@pytest.mark.parametrize(
    ("one", "two"),
    [
        (lake(name="a"), lake(mode="sas", name="b")),
        (lake(mode="sas", name="a"), lake(name="b")),
        (lake(mode="managed_identity", name="a"), lake(mode="managed_identity", name="b", client_id="x")),
        (
            lake(mode="managed_identity", name="a", client_id="y"),
            lake(mode="managed_identity", name="b", client_id="x"),
        ),
    ],
)
def test_two_ways_into_one_account_are_refused(one: AzureADLS, two: AzureADLS) -> None:
    with pytest.raises(
        ConfigError, match="connection 'a' and connection 'b' open one storage account in different ways"
    ):
        opened(FakeSession(), one, two)


def test_connections_that_are_not_used_do_not_stop_the_one_that_is() -> None:
    """One account is opened in two ways by connections of a file, of which a run uses one."""
    one, two = lake(name="a"), lake(mode="managed_identity", name="b")
    vault = lake(mode="key_vault", name="v", key_vault_name="company-kv", secret_name="s")
    for used, others in ((one, [two]), (two, [one, vault])):
        session = FakeSession()
        made = Storage(session, {each.name: each for each in [*others, used]})
        made.open_all()
        made.open_connection(used)
        assert used.spark_settings().items() <= session.conf.settings.items()


def test_refused_settings_are_told_when_their_connection_is_used(tmp_path: Path) -> None:
    made = Storage(FakeSession(refused="fs.azure.account"), {"lake": lake()})
    made.open_connection(LocalConnection(tmp_path))
    with pytest.raises(AccessError, match="connection 'lake': this compute takes no account keys"):
        made.open_connection(made.connections["lake"])


def test_compute_that_takes_no_keys_is_told_with_the_alternative() -> None:
    with pytest.raises(
        AccessError, match=r"connection 'lake': this compute takes no account keys .*auth_mode: unity_catalog"
    ):
        opened(FakeSession(refused="fs.azure.account"), lake())
    assert opened(FakeSession(refused="fs.azure"), lake(mode="unity_catalog")) == {}


def test_limits_that_are_refused_are_done_without() -> None:
    settings = opened(FakeSession(refused="fs.azure.io"), lake())
    assert f"fs.azure.account.key.{HOST}" in settings


def test_a_session_that_can_not_forget_a_key_is_to_be_restarted() -> None:
    session = FakeSession()
    opened(session, lake())
    opened(session, lake(account_key=OTHER_KEY))
    told = explain(
        'Operation failed: "Server failed", 403, GET, https://account1.blob.core.windows.net/raw/x, rId: 1-2, AuthenticationFailed, "Server failed"',
        Location(f"{URL}/x"),
    )
    assert str(told).endswith("it keeps the old one: restart it")


# -- the user's own options --------------------------------------------------------------------------------------------


def read(options: Mapping[str, Any], connection: BaseConnection | None = None) -> dict[str, str]:
    return options_of(Source(connection or lake(mode="unity_catalog"), "x", "csv", {"storage_options": options}))


def test_a_key_and_a_signature_are_options_of_one_read() -> None:
    alone = {"fs.abfss.impl.disable.cache": "true"}
    assert read({"account_key": OTHER_KEY}) == {f"fs.azure.account.key.{HOST}": OTHER_KEY, **alone}
    given = read({"sas_token": f"?{SAS}"})
    assert given[f"fs.azure.sas.fixed.token.raw.{HOST}"] == SAS
    assert given[f"fs.azure.account.auth.type.{HOST}"] == "SAS"
    assert options_of(Source(lake(), "x", "csv")) == {}
    assert read({"account_name": "account1"}) == {}


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"bearer_token": "a-token"}, "a token"),
        ({"credential": object()}, "a credential object"),
        ({"account_key": OTHER_KEY, "endpoint": "http://localhost:10000"}, "endpoint"),
    ],
)
def test_what_only_python_can_use_is_refused(options: dict[str, Any], what: str) -> None:
    with pytest.raises(UnsupportedError, match=f"lake:x: storage_options has {what}, which Spark can not use"):
        read(options)


def test_options_are_judged_as_elsewhere(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="'acount_key', which is not one of Azure storage; did you mean 'account_key'"):
        read({"acount_key": KEY, "sas_token": SAS})
    with pytest.raises(DataError, match="the path is in storage account 'account1'"):
        read({"account_name": "other", "account_key": KEY})
    with pytest.raises(UnsupportedError, match="Spark takes storage_options for Azure storage only"):
        read({"key": "x"}, LocalConnection(tmp_path))


def test_a_credential_of_the_users_own_needs_none_of_the_connection() -> None:
    session = FakeSession()
    vault = lake(mode="key_vault", key_vault_name="company-kv", secret_name="s")
    Storage(session, {}).open(Source(vault, "x", "csv", {"storage_options": {"account_key": KEY}}))
    assert not [name for name in session.conf.settings if name.startswith("fs.azure.account")]


# -- what Spark says ---------------------------------------------------------------------------------------------------

JVM = """An error occurred while calling o108.parquet.
: {text}
\tat org.apache.hadoop.fs.azurebfs.services.AbfsRestOperation.completeExecute(AbfsRestOperation.java:368)
\t... 12 more"""
GET = 'Operation failed: "{message}", {status}, GET, https://account1.blob.core.windows.net/raw?restype=container&comp=list&prefix=x, rId: 7816f42c-076a, {code}, "{message} RequestId:7816f42c Time:2026-11-21T16:53:17.751Z"'
HEAD = 'Operation failed: "{message}", {status}, HEAD, https://account1.blob.core.windows.net/raw/x?upn=false&timeout=90s, rId: d709adb6-a05f'


def get(status: int, code: str, message: str = "A message.") -> str:
    return GET.format(status=status, code=code, message=message)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (get(404, "ContainerNotFound"), "can not read: storage account 'account1' has no container 'raw'; check `container`, or make it"),
        (get(404, "FilesystemNotFound"), "can not read: storage account 'account1' has no container 'raw'"),
        (get(403, "AuthenticationFailed"), "can not read: the account key is not the one of storage account 'account1' (wrong, or rotated meanwhile)"),
        (get(400, "InvalidAuthenticationInfo"), "can not read: the account key is not the one of storage account 'account1'"),
        (get(403, "KeyBasedAuthenticationNotPermitted"), "can not read: storage account 'account1' is closed to access by key, so account keys are refused"),
        (get(403, "AuthorizationFailure"), "can not read: storage account 'account1' refuses requests from this network (its firewall"),
        (get(403, "AuthorizationPermissionMismatch"), "can not read: the identity"),
        (get(409, "LeaseIdMissing"), "can not read: the blob is leased by another program"),
        (get(503, "ServerBusy"), "can not read: storage account 'account1' is busy and asks to come back later"),
        (get(418, "Teapot", "Short and stout."), "can not read: storage account 'account1' answered 418 Teapot (Short and stout)"),
        ("java.nio.file.AccessDeniedException: " + HEAD.format(message="Forbidden", status=403), "can not read: storage account 'account1' refuses access and does not say why; odibi doctor finds out more"),
        (HEAD.format(message="Too Many Requests", status=429), "can not read: storage account 'account1' is busy"),
        ('Failure to initialize configuration for account1.dfs.core.windows.net key ="null": Invalid configuration value detected for fs.azure.account.key', "can not read: Spark has no credential for storage account 'account1'; read and write it by a connection of type azure_adls"),
        ("KeyProviderException: Failure to initialize configuration for storage account account1.dfs.core.windows.net: Invalid configuration value detected for fs.azure.account.key", "can not read: Spark has no credential for storage account 'account1'"),
        ('Failure to initialize configuration for account1.dfs.core.windows.net key ="not base64!": Invalid configuration value detected for fs.azure.account.key', "can not read: the account key of storage account 'account1' is no Base64 text"),
        ("Status code: -1 error code: null error message: java.net.UnknownHostException: account1.dfs.core.windows.net", "can not read: there is no host account1.blob.core.windows.net; check `account` ('account1') and the network's DNS"),
        ('Status code: -1 error code: null error message: java.io.IOException: Unable to tunnel through proxy. Proxy returns "HTTP/1.1 403 Forbidden"', "can not read: the proxy of Java (https.proxyHost) refuses to connect to storage account 'account1'"),
        ("Status code: -1 error code: null error message: java.net.SocketTimeoutException: Read timed out", "can not read: storage account 'account1' did not answer in time"),
        ("Status code: -1 error code: null error message: javax.net.ssl.SSLHandshakeException: PKIX path building failed: unable to find valid certification path to requested target", "can not read: the certificate of storage account 'account1' is not trusted by Java"),
        ("Status code: -1 error code: null error message: Connect to account1.dfs.core.windows.net:443 failed: Connection refused", "can not read: storage account 'account1' can not be reached"),
    ],
)  # fmt: skip
def test_what_abfs_says_is_told_as_elsewhere(text: str, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("odibi.azure.spark._ask", lambda location, doing: None)
    found = explain(JVM.format(text=text), lake().location("x"))
    assert str(found).startswith(f"lake:x: {told}")
    assert isinstance(found, AccessError)
    assert "\n" not in str(found)


def test_what_may_pass_is_transient() -> None:
    busy, wrong = (
        explain(get(503, "ServerBusy"), lake().location("x")),
        explain(get(403, "AuthenticationFailed"), lake().location("x")),
    )
    assert getattr(busy, "transient", False)
    assert not getattr(wrong, "transient", False)


def test_the_urls_tell_where_it_was() -> None:
    one, two = lake(name="one"), lake("other", name="two", path_prefix="in")
    opened(FakeSession(), one, two)
    told = explain(JVM.format(text=get(404, "ContainerNotFound")))
    assert str(told).startswith("one:")
    there = explain(f"x abfss://other@{HOST}/in/a/b.csv: " + get(404, "ContainerNotFound"))
    assert str(there).startswith("two:a/b.csv: can not read: storage account 'account1' has no container 'other'")
    nobody = explain('Failure to initialize configuration for account9.dfs.core.windows.net key ="null": x')
    assert str(nobody).startswith("can not read: Spark has no credential for storage account 'account9'")


def test_a_write_that_fails_at_what_it_reads() -> None:
    source = lake(account="account2", name="source")
    opened(FakeSession(), source)
    text = get(403, "AuthenticationFailed")
    there = explain(text.replace("account1", "account2"), lake().location("x"), "write")
    assert str(there).startswith("source:/: can not read: the account key is not the one of storage account 'account2'")
    assert str(explain(text, lake().location("x"), "write")).startswith("lake:x: can not write: the account key")


@pytest.mark.parametrize(
    "text",
    [
        "[UNRESOLVED_COLUMN.WITH_SUGGESTION] A column `404` cannot be resolved",
        "[CAST_INVALID_INPUT] The value 'status code 403' of the type \"STRING\" cannot be cast",
        "[PATH_NOT_FOUND] Path does not exist: file:/tmp/x. SQLSTATE: 42K03",
        "java.io.IOException: Connection refused",
    ],
)
def test_what_is_not_about_storage_is_left_to_others(text: str, tmp_path: Path) -> None:
    assert explain(text) is None
    assert explain(text, LocalConnection(tmp_path).location("x")) is None
    assert explain(text, lake().location("x")) is None or "PATH_NOT_FOUND" in text


def test_a_malformed_key_is_in_no_text() -> None:
    wrong = lake(account_key="not base64 / äöü!")
    text = f'Failure to initialize configuration for {HOST} key ="not base64 / äöü!": Invalid configuration value detected for fs.azure.account.key'
    assert "äöü" not in str(explain(text, wrong.location("x")))
    assert "äöü" not in str(DataError(text))


@pytest.mark.parametrize(
    ("text", "kind", "told"),
    [
        ("[SCHEMA_NOT_FOUND] The schema `main`.`sales` cannot be found. Verify the spelling", DataNotFoundError, "there is no schema main.sales; check `schema`, or make it: CREATE SCHEMA `main`.`sales`"),
        ("[CATALOG_NOT_FOUND] The catalog `main` not found.", DataNotFoundError, "there is no catalog 'main' that this Spark knows; check `catalog`"),
        ("[INSUFFICIENT_PERMISSIONS] Insufficient privileges: User does not have USE SCHEMA on Schema 'main.sales'. SQLSTATE: 42501", AccessError, "can not read: Insufficient privileges: User does not have USE SCHEMA on Schema 'main.sales'; the owner can grant it: USE CATALOG on main"),
        ("PERMISSION_DENIED: User does not have SELECT on Table 'main.sales.t'.", AccessError, "can not read: User does not have SELECT on Table 'main.sales.t'; the owner"),
    ],
)  # fmt: skip
def test_what_a_catalog_says(text: str, kind: type[Exception], told: str) -> None:
    found = explain(text, UnityCatalogConnection("main", "sales", name="uc").table_location("t"))
    assert isinstance(found, kind)
    assert str(found).startswith(f"uc:t: {told}")


def test_other_faults_at_a_table_are_left_to_others() -> None:
    location = UnityCatalogConnection("main", "sales", name="uc").table_location("t")
    assert explain("[CAST_INVALID_INPUT] The value 'x' cannot be cast", location) is None
