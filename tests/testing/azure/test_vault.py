"""The Key Vault and the identity endpoints, with the real SDKs."""

from __future__ import annotations

import time

import pytest

VAULT = "thevault"
SCOPE = "https://vault.azure.net/.default"


@pytest.fixture
def client(azure):
    from azure.identity import ManagedIdentityCredential
    from azure.keyvault.secrets import SecretClient

    azure.add_vault(VAULT)
    return SecretClient(f"https://{VAULT}.vault.azure.net", ManagedIdentityCredential(), retry_total=0)


def claims(token):
    from odibi.testing.azure.identity import claims_in

    return claims_in(f"Bearer {token}")


def test_secrets_have_versions(azure, client):
    first = client.set_secret("db", "one", content_type="text/plain")
    client.set_secret("db", "two")
    assert client.get_secret("db").value == "two"
    assert client.get_secret("db", first.properties.version).value == "one"
    assert client.get_secret("db", first.properties.version).properties.content_type == "text/plain"
    assert len(list(client.list_properties_of_secret_versions("db"))) == 2


def test_many_secrets_come_in_pages(azure, client):
    for number in range(60):
        azure.set_secret(VAULT, f"s{number:02}", "x")
    azure.requests.clear()
    assert [each.name for each in client.list_properties_of_secrets()] == [f"s{number:02}" for number in range(60)]
    assert len([seen for seen in azure.requests if seen.path == "/secrets"]) >= 3


def test_disabled_deleted_and_missing_secrets_are_told_apart(azure, client):
    from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

    azure.set_secret(VAULT, "off", "x", enabled=False)
    with pytest.raises(HttpResponseError, match="not allowed on a disabled secret") as caught:
        client.get_secret("off")
    assert caught.value.error.innererror["code"] == "SecretDisabled"
    with pytest.raises(ResourceNotFoundError, match=r"\(SecretNotFound\) A secret with \(name/id\) none was not found"):
        client.get_secret("none")
    client.set_secret("gone", "x")
    client.begin_delete_secret("gone")
    with pytest.raises(ResourceNotFoundError, match="SecretNotFound"):
        client.get_secret("gone")
    with pytest.raises(HttpResponseError, match="deleted but recoverable"):
        client.set_secret("gone", "again")


def test_expired_secrets_are_given_with_their_date(azure, client):
    past = time.time() - 3600
    azure.set_secret(VAULT, "old", "x", expires=past)
    found = client.get_secret("old")
    assert found.value == "x"
    assert found.properties.expires_on.timestamp() == int(past)


def test_a_token_for_something_else_is_refused(azure, client):
    from azure.core.credentials import AccessToken
    from azure.core.exceptions import ClientAuthenticationError
    from azure.identity import ManagedIdentityCredential
    from azure.keyvault.secrets import SecretClient

    class Storage:
        def get_token(self, *scopes, **options):
            return AccessToken(ManagedIdentityCredential().get_token("https://storage.azure.com").token, 9999999999)

    with pytest.raises(ClientAuthenticationError, match="AKV10022: Invalid audience"):
        SecretClient(f"https://{VAULT}.vault.azure.net", Storage(), retry_total=0).get_secret("db")


@pytest.mark.parametrize(
    ("suffix", "login"),
    [("vault.azure.cn", "login.chinacloudapi.cn"), ("vault.usgovcloudapi.net", "login.microsoftonline.us")],
)
def test_vaults_of_sovereign_clouds(azure, suffix, login):
    from azure.identity import ClientSecretCredential, ManagedIdentityCredential
    from azure.keyvault.secrets import SecretClient

    azure.set_secret(VAULT, "db", "value")
    app = ClientSecretCredential(
        azure.principal.tenant_id, azure.principal.client_id, azure.principal.secret, authority=login
    )
    for credential in (ManagedIdentityCredential(), app):
        assert SecretClient(f"https://{VAULT}.{suffix}", credential).get_secret("db").value == "value"
    assert azure.refused == []


def test_the_whole_chain_finds_the_identity_of_the_machine(azure):
    from azure.identity import DefaultAzureCredential

    token = DefaultAzureCredential().get_token(SCOPE)
    found = claims(token.token)
    assert found["aud"] == "https://vault.azure.net"
    assert found["oid"] == "22222222-2222-2222-2222-222222222222"
    assert 0 < token.expires_on - time.time() <= 3600


def test_claims_and_life_time_are_ours_to_choose(azure):
    from azure.identity import ManagedIdentityCredential

    azure.identity.claims = {"oid": "an-object", "xms_mirid": "/a/resource"}
    azure.identity.lifetime = 60
    token = ManagedIdentityCredential().get_token(SCOPE)
    assert claims(token.token)["oid"] == "an-object"
    assert claims(token.token)["xms_mirid"] == "/a/resource"
    assert token.expires_on - time.time() <= 60


def test_user_assigned_identities(azure):
    from azure.core.exceptions import AzureError
    from azure.identity import ManagedIdentityCredential

    azure.identity.assigned = {"known"}
    assert claims(ManagedIdentityCredential(client_id="known").get_token(SCOPE).token)["appid"] == "known"
    with pytest.raises(AzureError, match=r"Identity not found|invalid_request"):
        ManagedIdentityCredential(client_id="unknown", retry_total=0).get_token(SCOPE)
    azure.identity.managed = False
    with pytest.raises(AzureError, match=r"Identity not found|invalid_request"):
        ManagedIdentityCredential(retry_total=0).get_token(SCOPE)


def test_app_service(azure, monkeypatch):
    from azure.identity import ManagedIdentityCredential

    for name, value in azure.app_service_env.items():
        monkeypatch.setenv(name, value)
    assert claims(ManagedIdentityCredential().get_token(SCOPE).token)["aud"] == "https://vault.azure.net"
    assert {seen.path for seen in azure.requests} == {"/msi/token"}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"client_secret": "wrong"}, "AADSTS7000215: Invalid client secret provided"),
        ({"client_id": "nobody"}, "AADSTS700016: Application with identifier 'nobody' was not found"),
        ({"tenant_id": "55555555-5555-5555-5555-555555555555"}, "AADSTS90002: Tenant '55555555"),
    ],
)
def test_entra_refuses_in_its_own_words(azure, change, said):
    from azure.core.exceptions import ClientAuthenticationError
    from azure.identity import ClientSecretCredential

    mine = azure.principal
    right = {"tenant_id": mine.tenant_id, "client_id": mine.client_id, "client_secret": mine.secret}
    assert claims(ClientSecretCredential(**right).get_token(SCOPE).token)["appid"] == mine.client_id
    with pytest.raises(ClientAuthenticationError, match=said):
        ClientSecretCredential(**right | change).get_token(SCOPE)


def test_principals_reach_the_storage_too(azure, azure_container):
    from obstore.store import AzureStore

    made = azure.add_principal("app-1", "secret-1", "66666666-6666-6666-6666-666666666666")
    azure.put("goldacct", azure_container, "a", b"there")
    store = AzureStore(
        azure_container,
        account_name="goldacct",
        tenant_id=made.tenant_id,
        client_id=made.client_id,
        client_secret=made.secret,
    )
    assert store.get("a").bytes() == b"there"
    assert "secret-1" not in repr(made)


def test_shared_access_signatures(azure, azure_container):
    from obstore.store import AzureStore

    azure.put("silveracct", azure_container, "folder/a b.txt", b"there")
    token = "sv=2022-11-02&ss=b&srt=sco&sp=rwdlac&se=2999-01-01T00:00:00Z&spr=https&sig=ab%2Bc%2Fd%3D"
    store = AzureStore(azure_container, account_name="silveracct", sas_key=token, retry_config={"max_retries": 0})
    with pytest.raises(Exception, match="403"):
        store.get("folder/a b.txt")
    azure.accept_shared_access("silveracct", f"?{token}")
    assert store.get("folder/a b.txt").bytes() == b"there"
    assert [each["path"] for each in store.list("folder").collect()] == ["folder/a b.txt"]
    store.put("b.txt", b"new")
    assert azure.get("silveracct", azure_container, "b.txt") == b"new"
