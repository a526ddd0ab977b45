"""The fixtures."""


def test_the_fixtures_give_a_storage_that_production_urls_reach(azure, azure_container):
    from obstore.store import AzureStore

    for account, key in azure.accounts.items():
        AzureStore(azure_container, account_name=account, account_key=key).put("a.txt", account.encode())
    assert {azure.get(name, azure_container, "a.txt").decode() for name in azure.accounts} == set(azure.accounts)
    assert azure.refused == []


def test_each_test_starts_without_secrets_faults_and_requests(azure):
    assert azure.requests == []
    assert azure.faults == ()
    assert all(not vault.secrets for vault in azure.vaults.values())
