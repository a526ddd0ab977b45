"""Who asks: the order of credentials, one token request however many ask, in time, and why there is no token."""

from __future__ import annotations

import base64
import json
import os
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import azure.identity as sdk
import pytest
from azure.core.credentials import AccessToken, AccessTokenInfo

from odibi.azure import identity as module
from odibi.azure import logins
from odibi.azure.identity import Claims, Identity, SharedCredential, Token, claims_of, credential_for, fetch_token
from odibi.errors import KeyFetchError, KeyFetchTimeout
from odibi.secrets import scrub
from odibi.testing.azure import Sandbox

SCOPE = "https://vault.azure.net/.default"
STORAGE = "https://storage.azure.com/.default"
OBJECT_ID = "22222222-2222-2222-2222-222222222222"
HOUR = 3600


def jwt(**claims: Any) -> str:
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"e30.{body}.c2ln"


class Static:
    """A credential of the older kind that counts."""

    def __init__(self, lifetime: float = HOUR, seconds: float = 0.0, **claims: Any) -> None:
        self.lifetime, self.seconds, self.claims = lifetime, seconds, claims
        self.asked: list[tuple[tuple[str, ...], dict[str, Any]]] = []

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        self.asked.append((scopes, options))
        time.sleep(self.seconds)
        return AccessToken(jwt(n=len(self.asked), **self.claims), int(time.time() + self.lifetime))


class WithInfo:
    """A credential of the newer kind, whose tokens are to be renewed at `refresh_in`."""

    def __init__(self, refresh_in: float) -> None:
        self.refresh_in, self.count, self.fails = refresh_in, 0, False

    def get_token_info(self, *scopes: str, options: Any = None) -> AccessTokenInfo:
        self.count += 1
        if self.fails:
            raise RuntimeError("no network")
        now = int(time.time())
        return AccessTokenInfo(f"token-{self.count}", now + HOUR, refresh_on=now + int(self.refresh_in))


def shared(credential: Any) -> SharedCredential:
    return SharedCredential(Identity("given", credential=credential))


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """A machine without any login: no variable, no program, and an identity endpoint that refuses. Gives the folder
    that is the PATH."""
    for name in [name for name in os.environ if name.startswith(("AZURE_", "IDENTITY_", "MSI_", "DATABRICKS_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://127.0.0.1:9")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    module.drop_shared()
    yield tmp_path
    module.drop_shared()


@pytest.fixture
def black_hole() -> Iterator[str]:
    """An address on loopback where connections are neither taken nor refused, as where packets are dropped."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(listener.getsockname())
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        for each in waiting:
            each.close()


# -- values ------------------------------------------------------------------------------------------------------------


def test_equal_identities_are_one_and_secrets_are_not_shown() -> None:
    one, other = (Identity("service_principal", "app", "tenant", "the-client-secret") for _ in range(2))
    assert one == other
    assert hash(one) == hash(other)
    assert "the-client-secret" not in repr(one)
    assert "the-client-secret" not in scrub("said the-client-secret aloud")


def test_a_given_credential_need_not_be_hashable() -> None:
    class Odd(Static):
        __hash__ = None  # type: ignore[assignment]

        def __eq__(self, other: object) -> bool:
            return True

    first, second = Odd(), Odd()
    assert Identity("given", credential=first) == Identity("given", credential=first)
    assert Identity("given", credential=first) != Identity("given", credential=second)
    assert credential_for(Identity("given", credential=first)) is credential_for(Identity("given", credential=first))


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        ({"oid": "o", "appid": "a", "tid": "t", "idtyp": "app"}, Claims("o", "a", "t")),
        ({"oid": "o", "azp": "a", "upn": "me@x"}, Claims("o", "a", "", "me@x", True)),
        ({}, Claims()),
    ],
)
def test_claims_of_a_token(claims: dict[str, Any], expected: Claims) -> None:
    assert claims_of(jwt(**claims)) == expected
    assert claims_of(AccessToken(jwt(**claims), 1)) == expected


@pytest.mark.parametrize("text", ["", "opaque", "a.b.c", "e30.W10.x", "e30.e30"])
def test_a_token_that_tells_nothing(text: str) -> None:
    assert claims_of(text) == Claims()


# -- one request -------------------------------------------------------------------------------------------------------


def test_many_threads_ask_and_one_request_is_made() -> None:
    inner = Static(seconds=0.2)
    credential = shared(inner)
    with ThreadPoolExecutor(50) as pool:
        tokens = list(pool.map(lambda _: credential.get_token(SCOPE).token, range(50)))
    assert len(set(tokens)) == 1
    assert len(inner.asked) == 1


def test_each_scope_has_a_token_of_its_own() -> None:
    inner = Static()
    credential = shared(inner)
    assert credential.get_token(SCOPE) != credential.get_token(STORAGE)
    assert [scopes for scopes, _ in inner.asked] == [(SCOPE,), (STORAGE,)]


def test_old_and_new_ways_of_asking_share_the_token() -> None:
    inner = Static()
    credential = shared(inner)
    info = credential.get_token_info(SCOPE, options={})
    assert (info.token, info.expires_on) == tuple(credential.get_token(SCOPE))
    assert len(inner.asked) == 1


def test_the_tenant_that_a_vault_names_needs_no_second_token() -> None:
    inner = Static(tid="here")
    credential = shared(inner)
    credential.get_token(SCOPE)
    credential.get_token(SCOPE, tenant_id="here")
    assert len(inner.asked) == 1
    credential.get_token(SCOPE, tenant_id="elsewhere")
    assert inner.asked[-1][1] == {"tenant_id": "elsewhere"}


def test_a_token_near_its_end_is_fetched_anew() -> None:
    inner = Static(lifetime=120)
    credential = shared(inner)
    assert credential.get_token(SCOPE) != credential.get_token(SCOPE)


def test_a_token_is_renewed_when_it_says_so() -> None:
    inner = WithInfo(refresh_in=-1)
    credential = shared(inner)
    assert [credential.get_token(SCOPE).token for _ in range(2)] == ["token-1", "token-2"]


def test_a_good_token_serves_on_when_it_can_not_be_renewed() -> None:
    inner = WithInfo(refresh_in=-1)
    credential = shared(inner)
    credential.get_token(SCOPE)
    inner.fails = True
    assert [credential.get_token(SCOPE).token for _ in range(5)] == ["token-1"] * 5
    assert inner.count == 2, "no try at every request"


def test_claims_that_a_service_asks_for_get_a_new_token_which_then_serves() -> None:
    inner = Static()
    credential = shared(inner)
    first = credential.get_token(SCOPE).token
    second = credential.get_token(SCOPE, claims="{}").token
    assert first != second == credential.get_token(SCOPE).token


def test_a_refused_token_is_renewed_by_one_of_those_who_saw_it() -> None:
    inner = Static()
    credential = shared(inner)
    credential.get_token(SCOPE)
    for _ in range(3):
        credential.renew(0)
    credential.get_token(SCOPE)
    assert credential.generation == 1
    assert len(inner.asked) == 2


def test_a_credential_with_fewer_arguments_than_usual() -> None:
    class Small:
        def get_token(self, *scopes: str) -> AccessToken:
            return AccessToken("small", int(time.time()) + HOUR)

    assert shared(Small()).get_token(SCOPE, tenant_id="t", enable_cae=True).token == "small"


def test_a_credential_for_await_is_told() -> None:
    class Awaited:
        async def get_token(self, *scopes: str, **options: Any) -> AccessToken:
            raise AssertionError

    with pytest.raises(KeyFetchError, match=r"is one for `await`; give the same class of azure\.identity"):
        shared(Awaited()).get_token(SCOPE)


def test_an_object_that_gives_no_token_is_told() -> None:
    with pytest.raises(KeyFetchError, match="gave no token but a NoneType"):
        shared(SimpleNamespace(get_token=lambda *scopes: None)).get_token(SCOPE)


def test_tokens_are_kept_out_of_texts() -> None:
    token = shared(Static(oid="x" * 40)).get_token(SCOPE).token
    assert token not in scrub(f"GET with {token}")


def test_a_login_that_hangs_ends_in_time_and_the_next_one_starts_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.3)
    release = threading.Event()
    answers = iter([lambda: release.wait(60), lambda: None])

    class Hangs(Static):
        def get_token(self, *scopes: str, **options: Any) -> AccessToken:
            next(answers)()
            return super().get_token(*scopes)

    credential = shared(Hangs())
    began = time.monotonic()
    with pytest.raises(KeyFetchTimeout, match=r"no token for the given Hangs within 0\.3s"):
        credential.get_token(SCOPE)
    assert time.monotonic() - began < 5
    assert credential.get_token(SCOPE).token
    release.set()


# -- the order ---------------------------------------------------------------------------------------------------------


class Recorded:
    """Stands in for a class of the SDK; takes keyword arguments only."""

    made: ClassVar[list[dict[str, Any]]]

    def __init__(self, **arguments: Any) -> None:
        type(self).made.append(arguments)

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        return AccessToken(f"of {type(self).__name__}", int(time.time()) + HOUR)


def stand_in(name: str) -> type[Recorded]:
    return type(name, (Recorded,), {"made": []})


@pytest.fixture
def default(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> type[Recorded]:
    made = stand_in("Default")
    monkeypatch.setattr(sdk, "DefaultAzureCredential", made)
    return made


class FakeDbutils:
    """`dbutils` of a compute that offers service credentials."""

    def __init__(self, error: Exception | None = None) -> None:
        self.named: list[str] = []
        self.error = error
        self.credentials = SimpleNamespace(getServiceCredentialsProvider=self._give)

    def _give(self, name: str) -> Static:
        self.named.append(name)
        if self.error is not None:
            raise self.error
        return Static(service=name)


def databricks(monkeypatch: pytest.MonkeyPatch, dbutils: Any) -> None:
    monkeypatch.setenv("DATABRICKS_RUNTIME_VERSION", "17.3")
    shell = SimpleNamespace(user_ns={"dbutils": dbutils})
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))


def test_the_given_credential_is_the_first(default: type[Recorded], monkeypatch: pytest.MonkeyPatch) -> None:
    databricks(monkeypatch, FakeDbutils())
    monkeypatch.setenv("DATABRICKS_DEFAULT_SERVICE_CREDENTIAL_NAME", "kv-reader")
    inner = Static()
    fetch_token(Identity("given", credential=inner), SCOPE)
    assert len(inner.asked) == 1
    assert default.made == []


@pytest.mark.parametrize("named", ["in the file", "in the environment"])
def test_a_service_credential_comes_before_the_chain(
    named: str, default: type[Recorded], monkeypatch: pytest.MonkeyPatch
) -> None:
    dbutils = FakeDbutils()
    databricks(monkeypatch, dbutils)
    if named == "in the environment":
        monkeypatch.setenv("DATABRICKS_DEFAULT_SERVICE_CREDENTIAL_NAME", "kv-reader")
    identity = Identity(service_credential="kv-reader" if named == "in the file" else None)
    fetch_token(identity, SCOPE)
    assert dbutils.named == ["kv-reader"]
    assert default.made == []


def test_the_file_wins_over_the_environment(default: type[Recorded], monkeypatch: pytest.MonkeyPatch) -> None:
    dbutils = FakeDbutils()
    databricks(monkeypatch, dbutils)
    monkeypatch.setenv("DATABRICKS_DEFAULT_SERVICE_CREDENTIAL_NAME", "of-the-cluster")
    fetch_token(Identity(service_credential="of-the-file"), SCOPE)
    assert dbutils.named == ["of-the-file"]


def test_on_a_laptop_the_same_file_takes_the_chain(default: type[Recorded]) -> None:
    assert fetch_token(Identity(service_credential="kv-reader"), SCOPE).token == "of Default"


class Broken:
    """As remote dbutils are: every attribute raises something of its own."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError("CONTEXT_UNAVAILABLE_FOR_REMOTE_CLIENT")


@pytest.mark.parametrize("make", [lambda: None, Broken, lambda: SimpleNamespace(credentials=SimpleNamespace())])
def test_a_compute_that_offers_none_says_so(
    make: Any, default: type[Recorded], monkeypatch: pytest.MonkeyPatch
) -> None:
    databricks(monkeypatch, make())
    with pytest.raises(KeyFetchError, match=r"'kv-reader' can not be had here: .*16\.4 or newer with Unity Catalog"):
        fetch_token(Identity(service_credential="kv-reader"), SCOPE)


def test_a_default_of_the_cluster_that_can_not_be_had_leaves_it_to_the_chain(
    default: type[Recorded], monkeypatch: pytest.MonkeyPatch
) -> None:
    databricks(monkeypatch, Broken())
    monkeypatch.setenv("DATABRICKS_DEFAULT_SERVICE_CREDENTIAL_NAME", "kv-reader")
    assert fetch_token(Identity(), SCOPE).token == "of Default"


def test_a_refusal_of_databricks_says_what_is_missing(default: type[Recorded], monkeypatch: pytest.MonkeyPatch) -> None:
    databricks(
        monkeypatch, FakeDbutils(RuntimeError("Access denied to clusters that don't have Unity Catalog enabled"))
    )
    with pytest.raises(KeyFetchError) as caught:
        fetch_token(Identity(service_credential="kv-reader"), SCOPE)
    for part in ("'kv-reader'", "Access denied to clusters", "GRANT ACCESS ON SERVICE CREDENTIAL `kv-reader`"):
        assert part in str(caught.value)


def test_a_service_credential_that_hangs_ends_in_time(default: type[Recorded], monkeypatch: pytest.MonkeyPatch) -> None:
    dbutils = SimpleNamespace(credentials=SimpleNamespace(getServiceCredentialsProvider=lambda name: time.sleep(60)))
    databricks(monkeypatch, dbutils)
    began = time.monotonic()
    with pytest.raises(KeyFetchTimeout):
        fetch_token(Identity(service_credential="kv-reader"), SCOPE, 0.5)
    assert time.monotonic() - began < 5


def test_the_chain_is_made_once_for_all_threads(default: type[Recorded]) -> None:
    with ThreadPoolExecutor(20) as pool:
        list(pool.map(lambda n: fetch_token(Identity(), SCOPE if n % 2 else STORAGE), range(40)))
    assert len(default.made) == 1
    assert default.made[0]["exclude_managed_identity_credential"] is True


def test_another_stand_in_and_another_login_are_noticed(
    default: type[Recorded], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = credential_for(Identity())
    assert credential_for(Identity()) is first
    monkeypatch.setenv("AZURE_CLIENT_ID", "set after the first try")
    second = credential_for(Identity())
    assert second is not first
    monkeypatch.setattr(sdk, "DefaultAzureCredential", stand_in("Other"))
    assert credential_for(Identity()) is not second


def test_the_authority_of_a_sovereign_cloud_is_handed_on(default: type[Recorded]) -> None:
    fetch_token(Identity(authority="login.chinacloudapi.cn"), SCOPE)
    assert default.made[0]["authority"] == "login.chinacloudapi.cn"


# -- modes against the offline Azure -----------------------------------------------------------------------------------


def test_the_machines_identity(azure: Sandbox) -> None:
    token = fetch_token(Identity("managed_identity"), SCOPE)
    assert claims_of(token).object_id == OBJECT_ID
    assert [seen.path for seen in azure.requests] == ["/metadata/identity/oauth2/token"]


def test_an_identity_that_was_assigned(azure: Sandbox) -> None:
    azure.identity.assigned = {"my-client-id"}
    assert (
        claims_of(fetch_token(Identity("managed_identity", client_id="my-client-id"), SCOPE)).app_id == "my-client-id"
    )
    with pytest.raises(
        KeyFetchError, match=r"no login as managed identity other: .*(Identity not found|invalid_request)"
    ):
        fetch_token(Identity("managed_identity", client_id="other"), SCOPE)


def test_the_identity_of_an_app_service(azure: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in azure.app_service_env.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://127.0.0.1:9")
    assert fetch_token(Identity("managed_identity"), SCOPE).token
    assert fetch_token(Identity(), SCOPE).token


def test_a_service_principal(azure: Sandbox) -> None:
    who = azure.principal
    identity = Identity("service_principal", who.client_id, who.tenant_id, who.secret)
    assert Token(identity, STORAGE).fetch(30)
    assert credential_for(identity).owner().app_id == who.client_id


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"client_secret": "wrong-secret"}, r"the client_secret is wrong; give the secret's value.*AADSTS7000215"),
        ({"client_id": "99999999-9999-9999-9999-999999999999"}, r"no such application in this tenant.*AADSTS700016"),
        ({"tenant_id": "99999999-9999-9999-9999-999999999999"}, r"no such tenant; check tenant_id.*AADSTS90002"),
    ],
)
def test_a_service_principal_that_is_refused(azure: Sandbox, changed: dict[str, str], text: str) -> None:
    who = azure.principal
    right = {"client_id": who.client_id, "tenant_id": who.tenant_id, "client_secret": who.secret}
    with pytest.raises(KeyFetchError, match=text) as caught:
        fetch_token(Identity("service_principal", **{**right, **changed}), STORAGE)
    assert "http" not in str(caught.value)
    assert "wrong-secret" not in str(caught.value)


def test_a_login_in_a_sovereign_cloud(azure: Sandbox) -> None:
    who = azure.principal
    identity = Identity(
        "service_principal", who.client_id, who.tenant_id, who.secret, authority="login.microsoftonline.us"
    )
    assert fetch_token(identity, STORAGE).token
    assert "login.microsoftonline.us" in azure.connections


@pytest.mark.parametrize("kind", ["default", "managed_identity"])
def test_an_endpoint_that_hangs_ends_in_time(azure: Sandbox, kind: str) -> None:
    began = time.monotonic()
    with azure.fault("hang", host="identity"), pytest.raises(KeyFetchTimeout, match=r"within 1\.0s"):
        fetch_token(Identity(kind), SCOPE, 1.0)
    assert time.monotonic() - began < 8


def test_an_endpoint_that_trickles_ends_in_time(azure: Sandbox) -> None:
    began = time.monotonic()
    with azure.fault("trickle", host="identity", seconds=0.5), pytest.raises(KeyFetchTimeout):
        fetch_token(Identity("managed_identity"), SCOPE, 1.0)
    assert time.monotonic() - began < 8


# -- nobody is there ---------------------------------------------------------------------------------------------------


def told(caught: pytest.ExceptionInfo[KeyFetchError]) -> list[str]:
    return [line.strip() for line in str(caught.value).splitlines()]


def test_who_was_tried_in_which_order_and_why_each_failed(nowhere: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(KeyFetchError) as caught:
        fetch_token(Identity(), SCOPE)
    first, *tried, last = told(caught)
    assert first == "no credential could log in to Azure; tried in this order:"
    names = [line.split(":")[0] for line in tried]
    others = [name for name in names if name != "WorkloadIdentityCredential"]  # older versions do not name it
    assert others[:2] == ["EnvironmentCredential", "ManagedIdentityCredential"]
    assert "AzureCliCredential" in others
    assert "ManagedIdentityCredential: nothing answers at http://127.0.0.1:9" in tried
    assert "EnvironmentCredential: Environment variables are not fully configured" in tried
    assert "AzureCliCredential: Azure CLI not found on path" in tried
    assert "az login" in last
    assert "https://" not in str(caught.value)
    assert capfd.readouterr().err == "", "the SDK does not say it all over again"


def test_in_databricks_the_way_out_is_a_service_credential(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    databricks(monkeypatch, None)
    with pytest.raises(KeyFetchError, match="name a service_credential of Unity Catalog"):
        fetch_token(Identity(), SCOPE)


def test_no_stall_where_packets_are_dropped(nowhere: Path, black_hole: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", black_hole)
    probes = count_probes(monkeypatch)
    seconds = []
    for _ in range(3):
        began = time.monotonic()
        with pytest.raises(KeyFetchError, match="ManagedIdentityCredential: nothing answers at"):
            fetch_token(Identity(), SCOPE)
        seconds.append(time.monotonic() - began)
    assert len(probes) == 1, "once a process"
    assert min(seconds[1:]) < 0.9, "azure-identity would take a second, each time"


def test_the_machines_identity_where_there_is_none(
    nowhere: Path, black_hole: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", black_hole)
    began = time.monotonic()
    with pytest.raises(KeyFetchError, match=r"no login as the machine's managed identity: nothing answers at .*; only"):
        fetch_token(Identity("managed_identity"), SCOPE)
    assert time.monotonic() - began < 4, "azure-identity takes 12 s"


@pytest.mark.parametrize(
    ("variable", "value"),
    [("IDENTITY_ENDPOINT", "http://127.0.0.1:9/msi"), ("AZURE_TOKEN_CREDENTIALS", "prod")],
)
def test_where_the_environment_says_what_there_is_nothing_is_tried_out(
    default: type[Recorded], monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    probes = count_probes(monkeypatch)
    monkeypatch.setenv(variable, value)
    fetch_token(Identity(), SCOPE)
    assert probes == []
    assert "exclude_managed_identity_credential" not in default.made[0]


def count_probes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    probes: list[str] = []
    accepts = logins._accepts

    def counted(address: str) -> bool:
        probes.append(address)
        return accepts(address)

    monkeypatch.setattr(logins, "_accepts", counted)
    return probes


# -- az ----------------------------------------------------------------------------------------------------------------


def program(folder: Path, name: str, script: str) -> None:
    file = folder / name
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(file.stat().st_mode | stat.S_IXUSR)


@pytest.mark.skipif(os.name == "nt", reason="the programs are shell scripts")
def test_an_az_that_hangs_ends_in_time(nowhere: Path) -> None:
    program(nowhere, "az", "exec /bin/sleep 30")
    began = time.monotonic()
    with pytest.raises(KeyFetchTimeout, match=r"within 1\.0s; .*Azure CLI hangs"):
        fetch_token(Identity(), SCOPE, 1.0)
    assert time.monotonic() - began < 8


@pytest.mark.skipif(os.name == "nt", reason="the programs are shell scripts")
def test_an_az_that_takes_too_long_is_named(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logins, "CLI_SECONDS", 1)
    program(nowhere, "az", "exec /bin/sleep 30")
    with pytest.raises(KeyFetchError, match="AzureCliCredential: az failed, or took longer than 1 s"):
        fetch_token(Identity(), SCOPE)


@pytest.mark.skipif(os.name == "nt", reason="the programs are shell scripts")
def test_a_login_by_az(nowhere: Path) -> None:
    token = jwt(oid="me", upn="me@company")
    expires = int(time.time()) + HOUR
    answer = json.dumps({"accessToken": token, "expires_on": expires, "expiresOn": "2031-01-01 00:00:00.000000"})
    program(nowhere, "az", f"echo '{answer}'")
    assert claims_of(fetch_token(Identity(), SCOPE)).is_user


@pytest.mark.skipif(os.name == "nt", reason="the programs are shell scripts")
def test_the_process_ends_while_az_hangs(nowhere: Path) -> None:
    program(nowhere, "az", "exec /bin/sleep 60")
    script = (
        "from odibi.azure.identity import Identity, fetch_token\n"
        "try: fetch_token(Identity(), 'https://vault.azure.net/.default', 1.0)\n"
        "except TimeoutError as error: print(error)\n"
    )
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=50, check=True)
    assert "within 1.0s" in done.stdout
    assert time.monotonic() - began < 20
