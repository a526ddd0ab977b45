"""The sandbox as its users see it: what is in it, what leads to it, and what it does not let out."""

from __future__ import annotations

import os
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from odibi.errors import AccessError, ConfigError, DataNotFoundError, UnknownNameError
from odibi.testing.azure import azure_sandbox


def test_what_is_put_is_there(azure, azure_container):
    azure.put("goldacct", azure_container, "folder/ä b+c.txt", "text")
    assert azure.get("goldacct", azure_container, "folder/ä b+c.txt") == b"text"
    assert azure.list("goldacct", azure_container) == ["folder/ä b+c.txt"]
    assert azure.list("goldacct", azure_container, "other") == []
    assert azure.list("bronzeacct", azure_container) == []
    assert azure_container in azure.containers("silveracct")
    azure.delete_container("goldacct", azure_container)
    assert azure_container not in azure.containers("goldacct")


def test_what_is_not_there_is_told(azure, azure_container):
    with pytest.raises(DataNotFoundError, match=r"goldacct/.*/x\.txt is not in the sandbox \(BlobNotFound\)"):
        azure.get("goldacct", azure_container, "x.txt")
    with pytest.raises(DataNotFoundError, match="ContainerNotFound"):
        azure.list("goldacct", "no-such-container")
    with pytest.raises(UnknownNameError, match=r"unknown storage account 'goldact'; did you mean 'goldacct'"):
        azure.put("goldact", azure_container, "x", b"")
    with pytest.raises(AccessError, match="OutOfRangeInput"):
        azure.make_container("goldacct", "x")


def test_more_blobs_than_a_page_are_listed(azure, azure_container):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: azure.put("goldacct", azure_container, f"{n:04}", b""), range(60)))
    assert len(azure.list("goldacct", azure_container)) == 60


def test_accounts_can_be_added_while_it_runs(azure, azure_container):
    from obstore.store import AzureStore

    key = azure.add_account("lateacct")
    azure.make_container("lateacct", azure_container)
    AzureStore(azure_container, account_name="lateacct", account_key=key).put("a", b"late")
    assert azure.get("lateacct", azure_container, "a") == b"late"
    with pytest.raises(ValueError, match="the key of account 'otheracct' is no base64"):
        azure.add_account("otheracct", "no base64!")


def test_the_test_before_leaves_no_account(azure):
    assert set(azure.accounts) == {"bronzeacct", "silveracct", "goldacct"}


@pytest.mark.parametrize("suffix", ["core.windows.net", "core.chinacloudapi.cn", "core.usgovcloudapi.net"])
@pytest.mark.parametrize("endpoint", ["blob", "dfs"])
def test_all_clouds_and_both_endpoints_lead_to_the_storage(azure, azure_container, suffix, endpoint):
    from obstore.store import AzureStore

    url = f"https://bronzeacct.{endpoint}.{suffix}"
    AzureStore(azure_container, account_name="bronzeacct", account_key=azure.accounts["bronzeacct"], endpoint=url).put(
        "a", b"there"
    )
    assert azure.get("bronzeacct", azure_container, "a") == b"there"
    assert f"bronzeacct.{endpoint}.{suffix}" in azure.connections


@pytest.mark.parametrize(
    "url", ["https://example.com/", "http://example.com/", "https://otheracct.blob.core.windows.net/"]
)
def test_no_other_host_is_reached(azure, url):
    begin = time.perf_counter()
    with pytest.raises(urllib.error.URLError, match=r"not part of the sandbox|403"):
        urllib.request.urlopen(url, timeout=10)
    assert time.perf_counter() - begin < 5
    assert azure.refused == [url.split("/")[2]]


def test_clients_that_ask_the_metadata_address_itself_are_answered(azure, azure_container):
    from obstore.store import AzureStore

    azure.put("bronzeacct", azure_container, "a", b"there")
    assert AzureStore(azure_container, account_name="bronzeacct").get("a").bytes() == b"there"
    assert {seen.host for seen in azure.requests} == {"169.254.169.254"}


def test_servers_of_the_machine_itself_are_reached_as_ever(azure):
    import http.server
    import threading

    server = http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
    threading.Thread(target=server.handle_request, daemon=True).start()
    with pytest.raises(urllib.error.HTTPError, match="501"):
        urllib.request.urlopen(f"http://127.0.0.1:{server.server_address[1]}/", timeout=10)
    server.server_close()
    assert azure.refused == []


def test_the_environment_leads_nowhere_else(azure):
    names = {
        "AZURE_STORAGE_CONNECTION_STRING": "x",
        "AZURE_CLIENT_ID": "y",
        "HTTPS_PROXY": "http://z",
        "OTHER": "stays",
    }
    made = azure.environment(names)
    assert "AZURE_STORAGE_CONNECTION_STRING" not in made
    assert "AZURE_CLIENT_ID" not in made
    assert made["OTHER"] == "stays"
    assert made["HTTPS_PROXY"] == azure.env["HTTPS_PROXY"]


def test_applied_gives_the_environment_back(azure, monkeypatch):
    monkeypatch.setenv("AZURE_CLIENT_ID", "of the shell")
    monkeypatch.setenv("HTTPS_PROXY", "http://of.the.shell")
    monkeypatch.delenv("SSL_CERT_FILE")
    before = dict(os.environ)
    with azure.applied():
        assert "AZURE_CLIENT_ID" not in os.environ
        assert os.environ["HTTPS_PROXY"] == azure.env["HTTPS_PROXY"]
    assert dict(os.environ) == before


def test_all_that_users_use_works_with_production_options(azure, azure_container, monkeypatch):
    import aiohttp.connector
    import pandas as pd
    import pyarrow as pa
    from deltalake import DeltaTable, write_deltalake

    # aiohttp, under adlfs, trusts what was trusted when it was imported, which another test may have done before
    monkeypatch.setattr(aiohttp.connector, "_SSL_CONTEXT_VERIFIED", ssl.create_default_context(), raising=False)
    for account, key in azure.accounts.items():
        options = {"account_name": account, "account_key": key}
        url = f"abfss://{azure_container}@{account}.dfs.core.windows.net"
        for number in range(3):
            write_deltalake(f"{url}/table", pa.table({"n": [number]}), mode="append", storage_options=options)
        assert DeltaTable(f"{url}/table", storage_options=options).version() == 2
        pd.DataFrame({"a": [account]}).to_parquet(f"{url}/a.parquet", storage_options=options)
        assert pd.read_parquet(f"{url}/a.parquet", storage_options=options)["a"].tolist() == [account]
    assert azure.refused == []


def test_fifty_clients_shake_hands_at_once(azure):
    from azure.identity import ManagedIdentityCredential
    from azure.keyvault.secrets import SecretClient

    for number in range(50):
        azure.set_secret("crowded", f"s{number}", str(number))
    credential = ManagedIdentityCredential()

    def fetch(number):
        return SecretClient("https://crowded.vault.azure.net", credential).get_secret(f"s{number}").value

    with ThreadPoolExecutor(50) as pool:
        assert list(pool.map(fetch, range(50))) == [str(number) for number in range(50)]


# -- seeds -------------------------------------------------------------------------------------------------------------

SEED = """
accounts:
  seedacct:
    data: files
    more: {notes/a.txt: "a note"}
    empty:
keys: {seedacct: "b3VyIG93biBrZXk="}
vaults:
  seedvault:
    plain: a value
    key: {account_key_of: seedacct}
    off: {value: hidden, enabled: false}
"""


@pytest.fixture
def seed(tmp_path):
    (tmp_path / "files" / "deep").mkdir(parents=True)
    (tmp_path / "files" / "deep" / "b.bin").write_bytes(b"\0\1")
    (tmp_path / "seed.yaml").write_text(SEED)
    return tmp_path / "seed.yaml"


def test_a_seed_is_what_there_is_at_the_start(azure_server, seed, tmp_path):
    with azure_sandbox((), (), seed) as sandbox:
        assert dict(sandbox.accounts) == {"seedacct": "b3VyIG93biBrZXk="}
        assert sandbox.containers("seedacct") == ["data", "empty", "more"]
        assert sandbox.get("seedacct", "data", "deep/b.bin") == b"\0\1"
        assert sandbox.get("seedacct", "more", "notes/a.txt") == b"a note"
        secrets = sandbox.vaults["seedvault"].secrets
        assert {name: versions[-1].value for name, versions in secrets.items()} == {
            "plain": "a value", "key": "b3VyIG93biBrZXk=", "off": "hidden",
        }  # fmt: skip
        assert not secrets["off"][-1].enabled
        assert sandbox.save(tmp_path / "out") == 2
    assert (tmp_path / "out" / "seedacct" / "more" / "notes" / "a.txt").read_text() == "a note"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "accounts: {Big: {data: {}}}",
            "seed.yaml:1:12: accounts.Big: 'Big' is no name of a storage account",
        ),
        (
            "accounts: {acct: {no_such: {}}}",
            "1:19: accounts.acct.no_such: 'no_such' is no name of a container",
        ),
        (
            "accounts: {acct: {data: nowhere}}",
            "the folder 'nowhere' does not exist; it is looked for beside",
        ),
        ("account: {}", "seed.yaml:1:1: account: unknown key 'account'; did you mean 'accounts'"),
        ("vaults: {kvname: {s: {account_key_of: acct}}}", "unknown storage account 'acct'"),
        ("vaults: {kvname: {s: {enabled: true}}}", "needs either `value` or `account_key_of`"),
        ("vaults: {kvname: {s_1: x}}", "'s_1' is no name of a secret"),
        ("vaults: {kvname: {s: {valu: x}}}", "1:23: vaults.kvname.s.valu: unknown key 'valu'; did you mean 'value'"),
        ("keys: {acct: 'no base64!'}", "keys.acct: is no base64"),
        ("accounts: [", "seed.yaml:1:"),
    ],
)
def test_mistakes_in_a_seed_have_a_place(tmp_path, text, said):
    (tmp_path / "seed.yaml").write_text(text)
    with pytest.raises(ConfigError) as caught, azure_sandbox(seed=tmp_path / "seed.yaml"):
        pass
    assert said in str(caught.value)


def test_folders_that_are_no_seed_are_told(tmp_path):
    (tmp_path / "acct").mkdir()
    (tmp_path / "acct" / "file.csv").touch()
    (tmp_path / "Bad_Name").mkdir()
    with pytest.raises(ConfigError) as caught, azure_sandbox(seed=tmp_path):
        pass
    assert "file.csv: a file stands where a folder named as the container must be" in str(caught.value)
    assert "'Bad_Name' is no name of a storage account" in str(caught.value)
    with pytest.raises(DataNotFoundError, match="does not exist; name a folder"), azure_sandbox(seed=tmp_path / "x"):
        pass
    (tmp_path / "seed.txt").touch()
    with pytest.raises(ConfigError, match="neither a folder nor a YAML"), azure_sandbox(seed=tmp_path / "seed.txt"):
        pass


# -- its end -----------------------------------------------------------------------------------------------------------

HOLD = """
import sys, time
from odibi.testing.azure import azure_sandbox
with azure_sandbox() as sandbox:
    print(sandbox._azurite.pid, sandbox.certificates.key.parent, flush=True)
    if sys.argv[1] == "fork":
        import os
        if os.fork() == 0:
            time.sleep(20)
            os._exit(0)
    time.sleep(60)
"""


@pytest.mark.parametrize("how", ["alone", "fork"])
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")
def test_azurite_ends_with_its_killed_parent(azure_server, how):
    """Also where a child of the parent has inherited the pipe that tells of its end."""
    parent = subprocess.Popen([sys.executable, "-c", HOLD, how], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    number, folder = parent.stdout.readline().split()
    assert Path(f"/proc/{number}").exists()
    assert Path(folder).exists()
    time.sleep(0.5)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    end = time.monotonic() + 15
    while Path(f"/proc/{number}").exists() and time.monotonic() < end:
        time.sleep(0.05)
    assert not Path(f"/proc/{number}").exists()
    assert not Path(folder).exists()


def test_an_azurite_that_does_not_start_says_why(tmp_path, monkeypatch):
    main = tmp_path / "main.js"
    main.write_text("console.log('no memory left'); process.exit(3)")
    monkeypatch.setenv("AZURITE_MAIN", str(main))
    with pytest.raises(AccessError, match="Azurite did not start; it said: no memory left"), azure_sandbox():
        pass
