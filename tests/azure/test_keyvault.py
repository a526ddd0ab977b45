"""Secrets of vaults: fetched with few requests, in time, and each refusal told with its cause and the way out."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, ClassVar

import azure.identity
import azure.keyvault.secrets
import certifi
import pytest
from azure.core.credentials import AccessToken
from azure.core.exceptions import HttpResponseError

from odibi.azure.identity import Claims, Identity, credential_for
from odibi.azure.keyvault import KeyVaultFetchResult, Secret, fetch_keyvault_secret, read, secret_names
from odibi.azure.vault_problems import Asked, problem
from odibi.errors import KeyFetchError, KeyFetchTimeout, MissingExtraError
from odibi.retry import is_transient
from odibi.secrets import scrub
from odibi.testing.azure import Sandbox

VAULT = "sandboxvault"
VALUE = "c2VjcmV0LW9mLXRoZS10ZXN0cw=="
IDENTITY = (
    "object id 22222222-2222-2222-2222-222222222222, app id 33333333-3333-3333-3333-333333333333, "
    "tenant 11111111-1111-1111-1111-111111111111"
)
SECRET = Secret(VAULT, "bronze-key")


@pytest.fixture
def vault(azure: Sandbox) -> Sandbox:
    """The offline Azure, with one secret."""
    azure.set_secret(VAULT, "bronze-key", VALUE)
    return azure


def asked(azure: Sandbox) -> list[str]:
    return [seen.path.rstrip("/") for seen in azure.requests]


def refusal(secret: Secret = SECRET, timeout: float = 20.0) -> KeyFetchError:
    with pytest.raises(KeyFetchError) as caught:
        secret.fetch(timeout)
    assert VALUE not in str(caught.value)
    return caught.value


# -- fetching ----------------------------------------------------------------------------------------------------------


def test_a_secret_costs_one_request_for_the_token_and_one_for_itself(vault: Sandbox) -> None:
    assert SECRET.fetch() == VALUE
    assert asked(vault) == ["/metadata/identity/oauth2/token", "/secrets/bronze-key"]


def test_many_threads_share_client_and_token(vault: Sandbox) -> None:
    with ThreadPoolExecutor(20) as pool:
        assert set(pool.map(lambda _: SECRET.fetch(), range(40))) == {VALUE}
    assert asked(vault).count("/metadata/identity/oauth2/token") == 1
    assert asked(vault).count("/secrets/bronze-key") == 40


def test_a_vault_given_by_its_url(vault: Sandbox) -> None:
    assert Secret(f"https://{VAULT}.vault.azure.net/", "bronze-key").fetch() == VALUE


@pytest.mark.parametrize("suffix", ["vault.azure.cn", "vault.usgovcloudapi.net"])
def test_a_vault_of_a_sovereign_cloud(vault: Sandbox, suffix: str) -> None:
    assert Secret(VAULT, "bronze-key", suffix=suffix).fetch() == VALUE
    assert f"{VAULT}.{suffix}" in vault.connections


def test_a_service_principal_fetches(vault: Sandbox) -> None:
    who = vault.principal
    identity = Identity("service_principal", who.client_id, who.tenant_id, who.secret)
    assert Secret(VAULT, "bronze-key", identity).fetch() == VALUE


def test_the_names_of_all_secrets(vault: Sandbox) -> None:
    for number in range(30):
        vault.set_secret(VAULT, f"more-{number:02}", VALUE)
    assert secret_names(VAULT) == ["bronze-key", *(f"more-{number:02}" for number in range(30))]


def test_the_value_is_kept_out_of_texts(vault: Sandbox) -> None:
    vault.set_secret(VAULT, "fresh", "known-to-nobody-so-far")
    Secret(VAULT, "fresh").fetch()
    assert scrub("it is known-to-nobody-so-far") == "it is ***"


def test_a_result_holds_the_value_and_does_not_show_it(vault: Sandbox) -> None:
    result = fetch_keyvault_secret("bronze", VAULT, "bronze-key")
    assert (result.success, result.secret_value, result.error) == (True, VALUE, None)
    assert result.duration_ms is not None
    assert result.duration_ms > 0
    assert VALUE not in repr(result)


def test_a_result_of_a_failure(vault: Sandbox) -> None:
    result = fetch_keyvault_secret("bronze", VAULT, "nope")
    assert isinstance(result, KeyVaultFetchResult)
    assert not result.success
    assert result.secret_value is None
    assert str(result.error).startswith(f"Secret 'nope' not found in vault '{VAULT}'")


# -- stand-ins ---------------------------------------------------------------------------------------------------------


class Credential:
    made: ClassVar[list[dict[str, Any]]] = []

    def __init__(self, **arguments: Any) -> None:
        self.made.append(arguments)


class Client:
    made: ClassVar[list[dict[str, Any]]] = []

    def __init__(self, **arguments: Any) -> None:
        self.made.append(arguments)

    def get_secret(self, name: str) -> Any:
        return SimpleNamespace(value=f"{name} of {self.made[-1]['vault_url']}")


@pytest.fixture
def stand_ins(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As users' tests replace the SDK: classes that take keyword arguments only."""
    monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://127.0.0.1:9")
    monkeypatch.setattr(azure.identity, "DefaultAzureCredential", Credential)
    monkeypatch.setattr(azure.keyvault.secrets, "SecretClient", Client)
    Credential.made.clear()
    Client.made.clear()
    yield
    monkeypatch.undo()


def test_users_can_replace_the_sdk(stand_ins: None) -> None:
    names = ("a", "b", "c")
    assert [Secret("kv", name).fetch() for name in names] == [f"{n} of https://kv.vault.azure.net" for n in names]
    assert Secret("other", "a").fetch() == "a of https://other.vault.azure.net"
    assert len(Client.made) == 2, "one client a vault"
    assert len(Credential.made) == 1, "one credential a process"


class PlainCredential:
    """A stand-in without arguments."""

    def get_token(self, *scopes: str) -> Any:
        return AccessToken("a-token-of-a-stand-in", 9_999_999_999)


class PlainClient:
    """A stand-in that takes what its users know of, and uses the credential."""

    made = 0

    def __init__(self, vault_url: str, credential: Any) -> None:
        type(self).made += 1
        self.credential = credential

    def get_secret(self, name: str) -> Any:
        return SimpleNamespace(value=f"{name} for {self.credential.get_token('scope').token}")


@pytest.mark.parametrize("turn", [1, 2])
def test_plain_stand_ins_do_and_each_test_has_its_own(turn: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://127.0.0.1:9")
    monkeypatch.setattr(azure.identity, "DefaultAzureCredential", PlainCredential)
    monkeypatch.setattr(azure.keyvault.secrets, "SecretClient", PlainClient)
    PlainClient.made = 0
    assert Secret("kv", "a").fetch() == "a for a-token-of-a-stand-in"
    assert PlainClient.made == 1, "nothing is left of the other turn"


def test_a_missing_package_names_its_extra(vault: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "azure.keyvault.secrets", None)
    with pytest.raises(MissingExtraError, match="azure-keyvault-secrets"):
        SECRET.fetch()


# -- refusals: each cause in words -------------------------------------------------------------------------------------


def test_not_found(vault: Sandbox) -> None:
    text = str(refusal(Secret(VAULT, "nope")))
    assert text.startswith(f"Secret 'nope' not found in vault '{VAULT}'; ")
    assert f"az keyvault secret recover --vault-name {VAULT} --name nope" in text


def test_disabled(vault: Sandbox) -> None:
    vault.set_secret(VAULT, "bronze-key", VALUE, enabled=False)
    text = str(refusal())
    assert text.startswith(f"Secret 'bronze-key' in vault '{VAULT}' is disabled; ")
    assert f"--vault-name {VAULT} --name bronze-key --enabled true" in text


def test_empty(vault: Sandbox) -> None:
    vault.set_secret(VAULT, "bronze-key", " ")
    assert str(refusal()).startswith(f"Secret 'bronze-key' in vault '{VAULT}' is empty; ")


@pytest.mark.parametrize(
    ("dates", "text"), [({"expires": -86400}, "expired on"), ({"not_before": 86400}, "is valid from")]
)
def test_out_of_its_time_it_is_used_with_a_warning(vault: Sandbox, dates: dict[str, int], text: str) -> None:
    times = {name: int(time.time()) + seconds for name, seconds in dates.items()}
    vault.set_secret(VAULT, "bronze-key", VALUE, **times)
    day = datetime.now(UTC) + timedelta(seconds=next(iter(dates.values())))
    with pytest.warns(UserWarning, match=f"Secret 'bronze-key' in vault '{VAULT}' {text} {day:%Y-%m-%d}"):
        assert SECRET.fetch() == VALUE


def test_in_its_time_there_is_no_warning(vault: Sandbox) -> None:
    now = int(time.time())
    vault.set_secret(VAULT, "bronze-key", VALUE, expires=now + 86400, not_before=now - 86400)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        assert read(SECRET).value == VALUE


OBJECT_ID = "22222222-2222-2222-2222-222222222222"
ROLE = f'az role assignment create --role "Key Vault Secrets User" --assignee-object-id {OBJECT_ID} '
POLICY = f"az keyvault set-policy --name {VAULT} --object-id {OBJECT_ID} "


@pytest.mark.parametrize(
    ("code", "there", "not_there"),
    [("ForbiddenByRbac", [ROLE], POLICY), ("AccessDenied", [POLICY], ROLE), ("Unheard", [ROLE, POLICY], "nothing")],
)
def test_access_denied_with_who_was_refused_and_the_grant(
    vault: Sandbox, code: str, there: list[str], not_there: str
) -> None:
    with vault.fault(403, host=VAULT, code=code):
        text = str(refusal())
    start = f"Access denied to vault '{VAULT}' (403 Forbidden); grant 'get' on secrets to this identity: {IDENTITY}\n"
    assert text.startswith(start)
    assert all(command in text for command in there)
    assert not_there not in text


def test_the_grant_names_the_vault_by_the_id_that_the_refusal_tells(vault: Sandbox) -> None:
    with vault.fault(403, host=VAULT, code="ForbiddenByRbac"):
        text = str(refusal())
    assert f"/providers/microsoft.keyvault/vaults/{VAULT}\n" in text


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        ((403, {"code": "ForbiddenByFirewall"}), r"refuses requests from this network \(403, .*203\.0\.113\.7"),
        ((403, {"code": "ForbiddenByConnection"}), r"answers over private links only .*; run inside of its network"),
        ((401, {}), r"does not accept the token of this identity: object id .*; log in again, and check .* clock"),
        ((429, {}), r"asks for less \(429 Too Many Requests\); try again"),
        ((500, {}), r"failed \(500: .*\); try again later"),
        (("dns", {}), r"not found, or the proxy does not let us through to .*; check key_vault_name"),
        (("refuse", {}), r"not found, or the proxy does not let us through to .*; check key_vault_name"),
        (("drop", {}), r"can not be reached: .*; check the network"),
    ],
)  # fmt: skip
def test_what_else_can_go_wrong(vault: Sandbox, fault: tuple[Any, dict[str, Any]], text: str) -> None:
    kind, options = fault
    with vault.fault(kind, host=VAULT, **options):
        assert re.search(f"^Vault '{VAULT}' {text}", str(refusal()), re.DOTALL)


def test_no_credential_at_all(vault: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://127.0.0.1:9")
    text = str(refusal())
    assert text.startswith("no credential could log in to Azure; tried in this order:\n  EnvironmentCredential: ")
    assert VAULT not in vault.connections, "nobody knocked at the vault"


def test_a_vault_of_another_tenant(vault: Sandbox) -> None:
    text = "AKV10032: Invalid issuer. Expected one of https://sts.windows.net/a/, found https://sts.windows.net/b/."
    error = SimpleNamespace(
        status_code=401, message=text, response=SimpleNamespace(text=lambda: '{"error": {"code": "Unauthorized"}}')
    )
    told = problem(error, Asked(VAULT, "host", "s", Claims("o", "a", "b")))  # type: ignore[arg-type]
    assert str(told).startswith(f"Vault '{VAULT}' is in another tenant than this identity: object id o")


def test_something_in_between_that_answers_is_told(vault: Sandbox) -> None:
    error = HttpResponseError("Forbidden")
    error.status_code, error.response = 403, SimpleNamespace(text=lambda: "<html>Blocked</html>")  # type: ignore[assignment]
    assert "Something between here and vault" in str(problem(error, Asked(VAULT, "host", "s", Claims())))


def test_a_certificate_that_is_not_trusted(vault: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.setenv(name, certifi.where())
    assert "The certificate of sandboxvault.vault.azure.net is not trusted" in str(refusal())


def test_a_certificate_of_another_host_is_not_taken(vault: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """The shared TLS context checks names as the SDK's own does."""
    text = str(refusal(Secret(f"https://{VAULT}.other.vault.azure.net", "bronze-key")))
    assert "does not let us through" in text or "not trusted" in text


def test_a_bundle_that_is_not_there(vault: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/ca.pem")
    assert "REQUESTS_CA_BUNDLE" in str(refusal())


@pytest.mark.parametrize(
    ("vault_name", "secret_name", "text"),
    [
        ("", "s", "give key_vault_name and secret_name"),
        ("kv", "", "give key_vault_name and secret_name"),
        ("evil.example/", "s", "can not be the name of a vault"),
        ("https://user@evil.example", "s", "can not be the name of a vault"),
        ("http://kv.vault.azure.net", "s", "can not be the name of a vault"),
        ("kv", "a/b", "can not be the name of a secret"),
    ],
)
def test_names_that_can_not_be(vault_name: str, secret_name: str, text: str) -> None:
    assert text in str(refusal(Secret(vault_name, secret_name)))


def test_a_token_goes_to_vaults_of_azure_only(vault: Sandbox) -> None:
    """An unknown domain gets no token before it proved to be a vault."""
    refusal(Secret("https://localhost:9", "bronze-key"))
    assert asked(vault) == []


def test_errors_that_may_pass_are_tried_again_by_a_run(vault: Sandbox) -> None:
    with vault.fault(500, host=VAULT):
        assert is_transient(refusal())
    with vault.fault(403, host=VAULT):
        assert not is_transient(refusal())


# -- what passes by itself ---------------------------------------------------------------------------------------------


def test_the_vault_says_when_to_come_again(vault: Sandbox) -> None:
    began = time.monotonic()
    with vault.fault(429, host=VAULT, retry_after=1, times=2):
        assert SECRET.fetch() == VALUE
    assert time.monotonic() - began > 1.9


def test_a_moments_trouble_passes(vault: Sandbox) -> None:
    with vault.fault(503, host=VAULT, times=2), vault.fault("refuse", host=VAULT, times=1):
        assert SECRET.fetch() == VALUE


@pytest.fixture
def stale(vault: Sandbox) -> Sandbox:
    """We hold a token that the vault no longer takes, though it says of itself that it lives."""
    vault.identity.claims = {"exp": int(time.time()) - 60}
    credential_for(Identity()).get_token("https://vault.azure.net/.default", enable_cae=True)
    vault.identity.claims = {}
    vault.requests.clear()
    return vault


def test_a_token_that_is_refused_is_renewed_once(stale: Sandbox) -> None:
    assert SECRET.fetch() == VALUE
    assert asked(stale).count("/metadata/identity/oauth2/token") == 1


def test_many_threads_with_a_refused_token_renew_it_once(stale: Sandbox) -> None:
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda _: SECRET.fetch(), range(8))) == {VALUE}
    assert asked(stale).count("/metadata/identity/oauth2/token") == 1


def test_tokens_that_are_always_refused_are_not_asked_for_over_and_over(vault: Sandbox) -> None:
    vault.identity.claims = {"exp": int(time.time()) - 60}
    assert "does not accept the token" in str(refusal())
    assert asked(vault).count("/metadata/identity/oauth2/token") == 2


# -- in time -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["hang", "trickle", "unreachable"])
def test_a_vault_that_does_not_answer(vault: Sandbox, kind: str) -> None:
    began = time.monotonic()
    with vault.fault(kind, host=VAULT):
        error = refusal(timeout=1.0)
    assert time.monotonic() - began < 8
    assert isinstance(error, KeyFetchTimeout)
    assert isinstance(error, TimeoutError)
    start = f"Key Vault fetch timed out after 1.0s for vault '{VAULT}', secret 'bronze-key'"
    assert str(error).startswith(f"{start}; the vault does not answer")


def test_a_handshake_that_hangs(vault: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()  # takes the connection, and never says a word
        began = time.monotonic()
        error = refusal(Secret(f"https://localhost:{listener.getsockname()[1]}", "bronze-key"), 1.0)
    assert time.monotonic() - began < 8
    assert isinstance(error, KeyFetchTimeout)


def test_an_identity_endpoint_that_hangs(vault: Sandbox) -> None:
    began = time.monotonic()
    with vault.fault("hang", host="identity"):
        error = refusal(timeout=1.0)
    assert time.monotonic() - began < 8
    assert "secret 'bronze-key'; an identity endpoint or the Azure CLI hangs" in str(error)


def test_a_vault_that_is_busy_for_longer_is_told_as_that(vault: Sandbox) -> None:
    with vault.fault(429, host=VAULT, retry_after=60):
        error = refusal(timeout=1.0)
    assert "timed out after 1.0s" in str(error)
    assert "429 Too Many Requests" in str(error)


def test_after_a_hang_the_next_fetch_works(vault: Sandbox) -> None:
    with vault.fault("hang", host=VAULT):
        refusal(timeout=0.5)
    assert SECRET.fetch() == VALUE


def test_a_hanging_list_of_names(vault: Sandbox) -> None:
    with vault.fault("hang", host=VAULT), pytest.raises(KeyFetchTimeout, match="the names of its secrets"):
        secret_names(VAULT, timeout=1.0)


@pytest.mark.parametrize("where", [VAULT, "identity"])
def test_the_process_ends_while_a_fetch_hangs(vault: Sandbox, where: str) -> None:
    script = (
        "from odibi.azure.keyvault import Secret\n"
        f"try: Secret({VAULT!r}, 'bronze-key').fetch(1.0)\n"
        "except TimeoutError as error: print(error)\n"
    )
    began = time.monotonic()
    with vault.fault("hang", host=where):
        done = subprocess.run(
            [sys.executable, "-c", script], env=vault.environment(), capture_output=True, text=True, timeout=50,
            check=True,
        )  # fmt: skip
    assert "timed out after 1.0s" in done.stdout
    assert done.stderr == ""
    assert time.monotonic() - began < 20


def test_a_process_that_ends_lets_the_sdk_be_loaded_to_its_end() -> None:
    """A thread that is ended in the midst of loading a library in Rust takes the process down with a signal."""
    script = """
import sys, time
class Slow:
    def find_spec(self, name, path, target=None):
        if name == "azure.identity":
            time.sleep(1)
            print("loaded", flush=True)
sys.meta_path.insert(0, Slow())
from odibi.azure.keyvault import Secret
try: Secret("kv", "s").fetch(0.1)
except TimeoutError: print("late", flush=True)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=50, check=True)
    assert (done.stdout.split(), done.stderr) == (["late", "loaded"], "")


def test_no_thread_is_waited_for(vault: Sandbox) -> None:
    with vault.fault("hang", host=VAULT):
        refusal(timeout=0.5)
        left = [thread for thread in threading.enumerate() if thread.name.startswith("odibi-")]
        assert left
        assert all(thread.daemon for thread in left)
