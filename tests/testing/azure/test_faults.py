"""Every fault: what real clients say about it, and how long that takes."""

from __future__ import annotations

import time
from contextlib import contextmanager
from datetime import timedelta

import pytest

ACCOUNT = "bronzeacct"
BLOB_HOST = f"{ACCOUNT}.blob.core.windows.net"
VAULT = "faultyvault"


@contextmanager
def within(seconds: float, least: float = 0.0):
    """The block takes between `least` and `seconds` seconds."""
    begin = time.perf_counter()
    yield
    assert least <= time.perf_counter() - begin < seconds


def store(container, retries=0, **how):
    from obstore.store import AzureStore

    return AzureStore(
        container,
        account_name=ACCOUNT,
        client_options={"timeout": "2s", "connect_timeout": "2s"},
        retry_config={"max_retries": retries, "retry_timeout": timedelta(seconds=10)},
        **how,
    )


@pytest.fixture
def blobs(azure, azure_container):
    """A container with one blob, as obstore with the account's key sees it."""
    azure.put(ACCOUNT, azure_container, "a.txt", "there")
    return store(azure_container, account_key=azure.accounts[ACCOUNT])


@pytest.fixture
def secrets(azure):
    """A vault with one secret, as the SDK sees it."""
    from azure.identity import ManagedIdentityCredential
    from azure.keyvault.secrets import SecretClient

    azure.set_secret(VAULT, "db", "value of db")
    quick = {"retry_total": 0, "read_timeout": 2, "connection_timeout": 2}
    return SecretClient(f"https://{VAULT}.vault.azure.net", ManagedIdentityCredential(**quick), **quick)


def test_latency_is_added_to_each_request(azure, blobs, secrets):
    assert secrets.get_secret("db").value == "value of db"  # the token is there from now on
    with azure.fault("latency", seconds=0.4), within(5, least=0.4):
        assert blobs.get("a.txt").bytes() == b"there"
    with azure.fault("latency", seconds=0.4, host=VAULT), within(5, least=0.4):
        secrets.get_secret("db")
    with within(0.4):
        secrets.get_secret("db")


STORAGE = [
    (403, "", "AuthorizationFailure", "not authorized to perform this operation."),
    (403, "AuthenticationFailed", "AuthenticationFailed", "Server failed to authenticate the request"),
    (
        403,
        "KeyBasedAuthenticationNotPermitted",
        "KeyBasedAuthenticationNotPermitted",
        "is not permitted on this storage",
    ),
    (404, "ContainerNotFound", "ContainerNotFound", "The specified container does not exist"),
    (404, "FilesystemNotFound", "FilesystemNotFound", "The specified filesystem does not exist"),
    (429, "", "TooManyRequests", "throttled"),
    (500, "", "InternalError", "The server encountered an internal error"),
    (503, "", "ServerBusy", "The server is busy"),
]


@pytest.mark.parametrize(("status", "code", "shown", "text"), STORAGE)
def test_storage_refuses_with_its_codes(azure, blobs, status, code, shown, text):
    from azure.core.exceptions import HttpResponseError
    from azure.storage.blob import BlobServiceClient
    from obstore.exceptions import BaseError

    sdk = BlobServiceClient(f"https://{BLOB_HOST}", azure.accounts[ACCOUNT], retry_total=0, connection_timeout=2)
    with azure.fault(status, host=ACCOUNT, code=code):
        with pytest.raises((BaseError, FileNotFoundError), match=rf"(?s){status}.*{shown}.*{text}"), within(5):
            blobs.get("a.txt")
        with pytest.raises(HttpResponseError) as refused, within(5):
            sdk.create_container("another")
    assert refused.value.status_code == status
    assert refused.value.error_code == shown
    assert text in refused.value.message
    assert blobs.get("a.txt").bytes() == b"there"


def test_missing_roles_concern_tokens_and_not_keys(azure, azure_container, blobs):
    from obstore.exceptions import BaseError

    with azure.fault(403, host=ACCOUNT, code="AuthorizationPermissionMismatch"):
        assert blobs.get("a.txt").bytes() == b"there"
        with pytest.raises(BaseError, match="using this permission"), within(5):
            store(azure_container).get("a.txt")  # without a key obstore asks the metadata endpoint for a token


def test_keys_that_are_switched_off_do_not_concern_tokens(azure, azure_container, blobs):
    with azure.fault(403, host=ACCOUNT, code="KeyBasedAuthenticationNotPermitted"):
        assert store(azure_container).get("a.txt").bytes() == b"there"


VAULTS = [
    (403, "ForbiddenByRbac", "Caller is not authorized to perform action on resource"),
    (403, "AccessDenied", f"does not have secrets get permission on key vault '{VAULT};"),
    (403, "ForbiddenByFirewall", "Client address is not authorized and caller is not a trusted service"),
    (403, "ForbiddenByConnection", "PublicNetworkAccess is set to 'Disabled'"),
    (403, "SecretDisabled", "Operation get is not allowed on a disabled secret"),
    (404, "SecretNotFound", "A secret with (name/id) db was not found in this key vault"),
    (429, "Throttled", "too many requests"),
    (500, "InternalServerError", "An internal server error occurred"),
    (503, "ServiceUnavailable", "The service is unavailable"),
]


@pytest.mark.parametrize(("status", "code", "text"), VAULTS)
def test_vaults_refuse_with_their_codes(azure, secrets, status, code, text):
    from azure.core.exceptions import HttpResponseError

    with azure.fault(status, host=VAULT, code=code), pytest.raises(HttpResponseError) as caught, within(5):
        secrets.get_secret("db")
    assert caught.value.status_code == status
    assert text in caught.value.message
    inner = getattr(caught.value.error, "innererror", None) or {}
    assert code in (inner.get("code"), caught.value.error.code)
    assert secrets.get_secret("db").value == "value of db"


def test_a_refusing_vault_names_the_caller(azure, secrets):
    from azure.core.exceptions import HttpResponseError

    azure.identity.claims = {"oid": "the-object-id", "appid": "the-app-id"}
    with azure.fault(403, host=VAULT, code="ForbiddenByRbac"), pytest.raises(HttpResponseError) as caught:
        secrets.get_secret("db")
    assert "Caller: appid=the-app-id;oid=the-object-id;" in caught.value.message
    assert f"/vaults/{VAULT}/secrets/db'" in caught.value.message


def test_429_says_when_to_come_back_and_clients_do(azure, azure_container, secrets):
    from azure.identity import ManagedIdentityCredential
    from azure.keyvault.secrets import SecretClient

    patient = SecretClient(f"https://{VAULT}.vault.azure.net", ManagedIdentityCredential())
    with azure.fault(429, host=VAULT, times=1, retry_after=1) as fault, within(10, least=1.0):
        assert patient.get_secret("db").value == "value of db"
    assert fault.hits == 1
    azure.put(ACCOUNT, azure_container, "a.txt", "there")
    retrying = store(azure_container, retries=3, account_key=azure.accounts[ACCOUNT])
    with azure.fault(429, host=ACCOUNT, times=1, retry_after=1) as fault, within(10):
        assert retrying.get("a.txt").bytes() == b"there"
    assert fault.hits == 1


def test_retries_get_over_a_500(azure, azure_container):
    azure.put(ACCOUNT, azure_container, "a.txt", "there")
    retrying = store(azure_container, retries=3, account_key=azure.accounts[ACCOUNT])
    with azure.fault(500, host=ACCOUNT, times=2) as fault, within(10):
        assert retrying.get("a.txt").bytes() == b"there"
    assert fault.hits == 2


@pytest.mark.parametrize("kind", ["hang", "unreachable"])
def test_what_never_answers_ends_at_the_time_out_of_the_client(azure, blobs, secrets, kind):
    from azure.core.exceptions import AzureError
    from obstore.exceptions import BaseError

    secrets.get_secret("db")
    with azure.fault(kind):
        with pytest.raises(BaseError, match=r"timed out|error sending request"), within(15, least=1.5):
            blobs.get("a.txt")
        with pytest.raises(AzureError, match=r"(?i)timed out|timeout"), within(15, least=1.5):
            secrets.get_secret("db")
    assert blobs.get("a.txt").bytes() == b"there"


def test_a_trickle_never_reaches_the_read_time_out(azure, blobs, secrets):
    from obstore.exceptions import BaseError

    secrets.get_secret("db")
    with azure.fault("trickle", seconds=0.01, host=VAULT), within(60, least=2.0):
        secrets.get_secret("db", read_timeout=1)  # longer than the time-out in all, each byte in time
    with (
        azure.fault("trickle", host=ACCOUNT),
        pytest.raises(BaseError, match=r"timed out|error"),
        within(15, least=1.5),
    ):
        blobs.get("a.txt")


def test_a_dropped_connection_ends_in_the_middle(azure, blobs, secrets):
    from azure.core.exceptions import AzureError
    from obstore.exceptions import BaseError

    secrets.get_secret("db")
    with azure.fault("drop"):
        with pytest.raises(BaseError, match=r"(?i)error"), within(10):
            blobs.get("a.txt").bytes()
        with pytest.raises(AzureError, match=r"(?i)connection|incomplete"), within(10):
            secrets.get_secret("db")
    assert blobs.get("a.txt").bytes() == b"there"


def test_a_connection_that_is_dropped_once_is_made_again(azure, azure_container):
    azure.put(ACCOUNT, azure_container, "a.txt", "there" * 100)
    retrying = store(azure_container, retries=3, account_key=azure.accounts[ACCOUNT])
    with azure.fault("drop", host=ACCOUNT, times=1) as fault, within(10):
        assert retrying.get("a.txt").bytes() == b"there" * 100
    assert fault.hits == 1


@pytest.mark.parametrize(("kind", "said"), [("refuse", "503 Connection refused"), ("dns", "502 Host not found")])
def test_a_connection_that_is_not_made_fails_at_once(azure, blobs, secrets, kind, said):
    from azure.core.exceptions import ServiceRequestError
    from obstore.exceptions import BaseError

    secrets.get_secret("db")
    with azure.fault(kind):
        with pytest.raises(BaseError, match="error sending request"), within(10):
            blobs.get("a.txt")
        with pytest.raises(ServiceRequestError, match=said), within(10):
            secrets.get_secret("db")


def test_a_host_that_is_nowhere_can_be_not_found(azure):
    from azure.core.exceptions import ServiceRequestError
    from azure.identity import ManagedIdentityCredential
    from azure.keyvault.secrets import SecretClient

    client = SecretClient("https://nosuchvault.vault.azure.net", ManagedIdentityCredential(), retry_total=0)
    with azure.fault("dns", host="nosuchvault.vault.azure.net"), pytest.raises(ServiceRequestError, match="Host not"):
        client.get_secret("db")
    assert azure.refused == []
    with pytest.raises(ServiceRequestError, match="not part of the sandbox"), within(5):
        client.get_secret("db")
    assert azure.refused == ["nosuchvault.vault.azure.net"]


def test_rotated_keys_are_refused_and_tokens_are_not(azure, azure_container, blobs):
    from obstore.exceptions import BaseError

    with azure.fault("wrong_key", host=ACCOUNT):
        with pytest.raises(BaseError, match=r"(?s)403.*AuthenticationFailed.*MAC signature"), within(5):
            blobs.get("a.txt")
        assert store(azure_container).get("a.txt").bytes() == b"there"


def test_another_key_is_refused_also_without_a_fault(azure, azure_container):
    from obstore.exceptions import BaseError

    with (
        pytest.raises(BaseError, match=r"InvalidAuthenticationInfo|AuthenticationFailed"),
        within(5),
    ):
        store(azure_container, account_key=azure.accounts["goldacct"]).get("a.txt")


def test_tokens_that_are_expired_are_refused_by_vault_and_storage(azure, azure_container, secrets):
    from azure.core.exceptions import HttpResponseError
    from obstore.exceptions import BaseError

    azure.put(ACCOUNT, azure_container, "a.txt", "there")
    with azure.fault("expired_token"):
        with pytest.raises(HttpResponseError, match="TokenExpired") as caught, within(5):
            secrets.get_secret("db")
        assert caught.value.status_code == 401
        with pytest.raises(BaseError, match="401"), within(10):
            store(azure_container).get("a.txt")


def test_tokens_that_are_minted_expired_are_refused_by_their_own_date(azure, azure_container, secrets):
    from azure.core.exceptions import HttpResponseError
    from obstore.exceptions import BaseError

    azure.put(ACCOUNT, azure_container, "a.txt", "there")
    azure.identity.lifetime = -60
    with pytest.raises(HttpResponseError, match="TokenExpired"), within(5):
        secrets.get_secret("db")
    with pytest.raises(BaseError, match=r"403|401"), within(10):
        store(azure_container).get("a.txt")


@pytest.mark.parametrize("kind", ["hang", "unreachable", 500, "drop", "refuse"])
def test_an_identity_endpoint_that_fails_gives_no_token(azure, kind):
    from azure.core.exceptions import AzureError
    from azure.identity import ManagedIdentityCredential

    credential = ManagedIdentityCredential(retry_total=0, read_timeout=1, connection_timeout=1)
    with azure.fault(kind, host="identity"), pytest.raises(AzureError), within(20):
        credential.get_token("https://vault.azure.net/.default")


def test_faults_hit_what_they_name(azure, azure_container, blobs):
    from obstore.exceptions import BaseError

    gold = azure.accounts["goldacct"]
    azure.put("goldacct", azure_container, "a.txt", "gold")
    from obstore.store import AzureStore

    other = AzureStore(azure_container, account_name="goldacct", account_key=gold)
    with azure.fault(500, host=BLOB_HOST, method="PUT", path=r"/b\.txt$") as fault:
        assert other.put("b.txt", b"fine")
        assert blobs.get("a.txt").bytes() == b"there"
        assert blobs.put("c.txt", b"fine")
        with pytest.raises(BaseError, match="500"):
            blobs.put("b.txt", b"not fine")
    assert fault.hits == 1
    with azure.fault(500, host="*.blob.core.windows.net"), pytest.raises(BaseError, match="500"):
        blobs.get("a.txt")


def test_pooled_connections_do_not_get_around_a_fault(azure, blobs):
    from obstore.exceptions import BaseError

    for _ in range(3):
        assert blobs.get("a.txt").bytes() == b"there"
        with azure.fault(403, host=ACCOUNT), pytest.raises(BaseError, match="403"):
            blobs.get("a.txt")


def test_watching_shows_the_requests_to_storage(azure, blobs):
    blobs.get("a.txt")
    assert azure.requests == []
    with azure.fault("watch", host=ACCOUNT):
        blobs.get("a.txt")
    (seen,) = azure.requests
    assert (seen.method, seen.host) == ("GET", BLOB_HOST)
    assert seen.path.endswith("/a.txt")
    assert "SharedKey" not in repr(seen)


def test_large_blobs_go_through_also_while_they_are_watched(azure, blobs):
    content = bytes(range(256)) * 80_000
    with azure.fault("watch"):
        blobs.put("large", content, use_multipart=True, chunk_size=5_000_000)
        assert blobs.get("large").bytes() == content


def test_unknown_faults_are_told_with_those_that_exist(azure):
    from odibi.errors import UnknownNameError

    with pytest.raises(UnknownNameError, match=r"unknown fault 'latencie'; did you mean 'latency'"):
        azure.fault("latencie")
    with pytest.raises(ValueError, match=r"name it, e\.g\. fault\(403\)"):
        azure.fault("status")
    with pytest.raises(ValueError, match="'dns' is about connections, which have no path"):
        azure.fault("dns", path="/secrets")
