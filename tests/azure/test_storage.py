"""Stores of Azure accounts: the file decides and not the environment, what fails says why and soon, and half a file is
never taken for whole."""

from __future__ import annotations

import os
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from odibi.azure.access import access_of, place_of
from odibi.azure.storage import delta_options, drop_stores, explain, object_store
from odibi.azure.transfer import PART, Blob, Ranges, upload
from odibi.checks import NullCheck
from odibi.connections import AzureADLS, BaseConnection
from odibi.engine import PandasEngine
from odibi.engine.base import NO_CHECKS, Checks, Query, Source, Target
from odibi.errors import (
    AccessError,
    CheckFailed,
    DataError,
    DataNotFoundError,
    KeyFetchError,
    MissingExtraError,
    OdibiError,
)
from odibi.files import expand, files_for, staged
from odibi.location import Location
from odibi.retry import is_transient
from odibi.testing.azure import Sandbox

ACCOUNT = "bronzeacct"
HOST = f"{ACCOUNT}.blob.core.windows.net"
SOON = 45.0
"""Seconds in which everything has failed."""


@pytest.fixture(autouse=True)
def fresh_stores() -> Iterator[None]:
    drop_stores()
    yield
    drop_stores()


@pytest.fixture
def lake(azure: Sandbox, azure_container: str) -> BaseConnection:
    return by_key(azure, azure_container)


def by_key(azure: Sandbox, container: str, account: str = ACCOUNT) -> AzureADLS:
    key = azure.accounts[account]
    return AzureADLS(account, container, auth_mode="direct_key", account_key=key, name="lake")


def sas_of(azure: Sandbox, container: str, permission: str = "racwdl", hours: float = 24 * 60) -> str:
    from azure.storage.blob import generate_container_sas

    return str(
        generate_container_sas(
            ACCOUNT, container, account_key=azure.accounts[ACCOUNT], permission=permission,
            expiry=datetime.now(UTC) + timedelta(hours=hours),
        )
    )  # fmt: skip


def modes(azure: Sandbox, container: str) -> dict[str, AzureADLS]:
    return {
        "key": by_key(azure, container),
        "sas": AzureADLS(ACCOUNT, container, auth_mode="sas", sas_token=sas_of(azure, container), name="lake"),
        "token": AzureADLS(ACCOUNT, container, auth_mode="managed_identity", name="lake"),
    }


def read(connection: BaseConnection, path: str) -> bytes:
    location = connection.location(path)
    with files_for(location).open_read(location.uri) as file:
        return file.read()


def write(connection: BaseConnection, path: str, content: bytes) -> None:
    with staged(connection.location(path)) as local:
        Path(local).write_bytes(content)


@contextmanager
def fails(match: str, transient: bool, seconds: float = SOON) -> Iterator[None]:
    """The block fails within these seconds, with one line that holds no more than it should."""
    begin = time.monotonic()
    with pytest.raises(AccessError, match=match) as caught:
        yield
    assert time.monotonic() - begin < seconds
    text = str(caught.value)
    assert is_transient(caught.value) is transient, text
    for sign in ("\n", "\x1b", "<?xml", "Debug source", "sig=", "https://bronze"):
        assert sign not in text
    assert text.startswith("lake:")


# -- what a location says ----------------------------------------------------------------------------------------------


def test_a_url_names_account_container_endpoint_and_path() -> None:
    here = place_of(Location("abfss://c1@acct.dfs.core.chinacloudapi.cn/a b/ü.csv"))
    assert (here.account, here.container, here.path) == ("acct", "c1", "a b/ü.csv")
    assert here.endpoint == "https://acct.blob.core.chinacloudapi.cn"
    assert place_of(Location("az://c1/x", storage_options={"account_name": "acct"})).account == "acct"
    with pytest.raises(DataError, match="names no account"):
        place_of(Location("az://c1/x"))


def test_what_is_given_for_one_read_counts_more_than_the_connections_own() -> None:
    own = AzureADLS("acct", "container1", auth_mode="direct_key", account_key="a2V5a2V5", name="lake")
    access = access_of(own.location("x", {"sas_token": "?sv=1&sig=abcdefgh"}))
    assert (access.kind, access.value) == ("sas", "sv=1&sig=abcdefgh")
    assert "abcdefgh" not in repr(access)


def test_an_option_that_nothing_knows_is_refused_with_the_close_one() -> None:
    with pytest.raises(DataError, match="did you mean 'account_key'"):
        access_of(Location("abfss://c1@acct.dfs.core.windows.net/x", storage_options={"acount_key": "x"}))
    with pytest.raises(AccessError, match="no credential for storage account 'acct'"):
        access_of(Location("abfss://c1@acct.dfs.core.windows.net/x"))


def test_options_that_say_something_else_than_the_path_are_refused() -> None:
    url = "abfss://c1@acct.dfs.core.windows.net/x"
    with pytest.raises(DataError, match="account_name 'other', and the path is in storage account 'acct'"):
        place_of(Location(url, storage_options={"account_key": "x", "account_name": "other"}))
    with pytest.raises(DataError, match="the account key in storage_options is no text; write it in quotes"):
        access_of(Location(url, storage_options={"account_key": 123}))


# -- the environment ---------------------------------------------------------------------------------------------------

OTHER_KEY = "b3RoZXJvdGhlcm90aGVy"
LEFTOVERS: Mapping[str, Mapping[str, str]] = {
    "connection string": {"AZURE_STORAGE_CONNECTION_STRING": "DefaultEndpointsProtocol=https;AccountName=goldacct;"
                          f"AccountKey={OTHER_KEY};EndpointSuffix=core.windows.net"},
    "account": {"AZURE_STORAGE_ACCOUNT_NAME": "goldacct", "AZURE_STORAGE_ACCOUNT_KEY": OTHER_KEY},
    "access key": {"AZURE_STORAGE_ACCESS_KEY": OTHER_KEY},
    "sas": {"AZURE_STORAGE_SAS_KEY": "sv=1&sig=x", "AZURE_STORAGE_SAS_TOKEN": "sv=1&sig=x"},
    "endpoint": {"AZURE_STORAGE_ENDPOINT": "https://goldacct.blob.core.windows.net",
                 "AZURE_ENDPOINT": "https://goldacct.blob.core.windows.net"},
    "emulator": {"AZURE_STORAGE_USE_EMULATOR": "true", "AZURITE_BLOB_STORAGE_URL": "http://127.0.0.1:1"},
    "client": {"AZURE_CLIENT_ID": "a", "AZURE_CLIENT_SECRET": "b", "AZURE_STORAGE_CLIENT_ID": "a",
               "AZURE_STORAGE_CLIENT_SECRET": "b", "AZURE_STORAGE_TENANT_ID": "c"},
    "token": {"AZURE_STORAGE_TOKEN": "junk"},
    "container": {"AZURE_CONTAINER_NAME": "elsewhere"},
    "msi": {"AZURE_MSI_ENDPOINT": "http://127.0.0.1:1", "AZURE_OBJECT_ID": "x"},
    "federated": {"AZURE_FEDERATED_TOKEN_FILE": "/nowhere"},
    "anonymous": {"AZURE_SKIP_SIGNATURE": "true"},
    "kind": {"AZURE_CREDENTIAL_TYPE": "azure_cli", "AZURE_USE_AZURE_CLI": "true"},
    "fabric": {"AZURE_USE_FABRIC_ENDPOINT": "true"},
}  # fmt: skip


@pytest.mark.parametrize("leftover", LEFTOVERS)
def test_the_environment_never_decides(
    azure: Sandbox, azure_container: str, monkeypatch: pytest.MonkeyPatch, leftover: str
) -> None:
    """Plain formats go to the account of the file in every mode. Delta does so too, or says what to unset."""
    import pyarrow as pa
    from deltalake import write_deltalake

    for name, value in LEFTOVERS[leftover].items():
        monkeypatch.setenv(name, value)
    for mode, connection in modes(azure, azure_container).items():
        if mode == "token" and leftover == "client":
            continue  # the identity's own settings
        drop_stores()
        write(connection, f"{mode}.txt", b"x")
        assert read(connection, f"{mode}.txt") == b"x"
        location = connection.location(f"delta_{mode}")
        try:
            write_deltalake(location.uri, pa.table({"a": [1]}), storage_options=delta_options(location))
        except AccessError as error:
            assert mode == "sas"
            assert "unset it" in str(error)  # noqa: PT017
    assert {"key.txt", "sas.txt"} <= set(azure.list(ACCOUNT, azure_container))
    assert not azure.list("goldacct", azure_container)


def test_an_encryption_key_in_the_environment_is_not_used(
    azure: Sandbox, lake: BaseConnection, azure_container: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_ENCRYPTION_KEY", "anVuaw==")
    write(lake, "a.txt", b"x")
    assert azure.get(ACCOUNT, azure_container, "a.txt") == b"x"


# -- refusals ----------------------------------------------------------------------------------------------------------

REFUSALS = [
    (403, "AuthenticationFailed", "account key is not the one of storage account 'bronzeacct'.*keys list", False),
    (403, "KeyBasedAuthenticationNotPermitted", "closed to access by key.*managed_identity", False),
    (403, "AuthorizationFailure", "refuses requests from this network.*network-rule add", False),
    (404, "ContainerNotFound", "has no container.*container create", False),
    (404, "FilesystemNotFound", "has no container", False),
    (409, "BlobImmutableDueToPolicy", "retention policy", False),
    (412, "LeaseIdMissing", "leased by another program", False),
    (409, "PublicAccessNotPermitted", "lets nobody in without a credential", False),
    (400, "AccountRequiresHttps", "takes HTTPS only", False),
    (429, "TooManyRequests", "is busy", True),
    (503, "ServerBusy", "is busy", True),
    (500, "InternalError", "a fault of its own", True),
]


@pytest.mark.parametrize(("status", "code", "match", "transient"), REFUSALS, ids=[row[1] for row in REFUSALS])
def test_each_cause_is_told_with_the_way_out(
    azure: Sandbox, lake: BaseConnection, azure_container: str, status: int, code: str, match: str, transient: bool
) -> None:
    """Reading and writing, in one sentence, also where the first refusal is that of a HEAD, which has no body."""
    azure.put(ACCOUNT, azure_container, "a.txt", b"old")
    with azure.fault(status, code=code, host=HOST):
        with fails(f"can not read: .*{match}", transient):
            read(lake, "a.txt")
        with fails(f"can not write: .*{match}", transient):
            upload_text(lake, "a.txt")
    assert azure.get(ACCOUNT, azure_container, "a.txt") == b"old"


def upload_text(connection: BaseConnection, path: str) -> None:
    location = connection.location(path)
    with files_for(location).open_write(location.uri) as file:
        file.write(b"new")


def test_a_wrong_key_is_told_by_the_real_server(azure: Sandbox, azure_container: str) -> None:
    wrong = AzureADLS(ACCOUNT, azure_container, auth_mode="direct_key", account_key=OTHER_KEY, name="lake")
    with fails("account key is not the one of storage account 'bronzeacct'", transient=False):
        read(wrong, "a.txt")


def test_a_key_that_is_no_base64(azure: Sandbox, azure_container: str) -> None:
    location = by_key(azure, azure_container).location("a.txt", {"account_key": "not base 64!"})
    with fails("is no Base64 text", transient=False):
        expand(location)


def test_a_missing_container_is_no_missing_file(azure: Sandbox) -> None:
    with fails("has no container 'nosuch'", transient=False):
        read(by_key(azure, "nosuch"), "a.txt")
    with fails("3 to 63 lower-case letters", transient=False):
        read(AzureADLS(ACCOUNT, "UPPER", auth_mode="direct_key", account_key=azure.accounts[ACCOUNT], name="lake",
                       validate=False), "a.txt")  # fmt: skip


def test_a_missing_file_is_told_with_the_close_names(azure: Sandbox, lake: BaseConnection) -> None:
    write(lake, "in/orders.csv", b"x")
    with pytest.raises(DataNotFoundError, match=r"did you mean 'orders\.csv'"):
        expand(lake.location("in/order.csv"))


def test_an_expired_sas(azure: Sandbox, azure_container: str) -> None:
    token = sas_of(azure, azure_container, hours=-1)
    old = AzureADLS(ACCOUNT, azure_container, auth_mode="sas", sas_token=token, name="lake", validate=False)
    with fails("the SAS .*(expired|not accepted).*make a new SAS", transient=False):
        read(old, "a.txt")


def test_a_sas_that_may_only_read(azure: Sandbox, azure_container: str) -> None:
    azure.put(ACCOUNT, azure_container, "a.txt", b"x")
    connection = AzureADLS(
        ACCOUNT, azure_container, auth_mode="sas", sas_token=sas_of(azure, azure_container, "rl"), name="lake"
    )
    assert read(connection, "a.txt") == b"x"
    with fails("the SAS of storage account 'bronzeacct' lacks the permission to write", transient=False):
        upload_text(connection, "a.txt")


@pytest.mark.parametrize(("doing", "role"), [("read", "Storage Blob Data Reader"), ("write", "Data Contributor")])
def test_no_role_names_the_identity_and_the_command(
    azure: Sandbox, azure_container: str, doing: str, role: str
) -> None:
    connection = modes(azure, azure_container)["token"]
    with (
        azure.fault(403, code="AuthorizationPermissionMismatch", host=HOST),
        fails(f"object id .*no role that lets it {doing}.*az role assignment create --role.*{role}", transient=False),
    ):
        read(connection, "a.txt") if doing == "read" else upload_text(connection, "a.txt")


def test_an_identity_without_a_token_fails_as_such(azure: Sandbox, azure_container: str) -> None:
    class NoToken:
        def get_token(self, *_: str, **__: Any) -> Any:
            raise KeyFetchError("nobody is logged in; run az login")

    location = Location(
        f"abfss://{azure_container}@{HOST.replace('.blob.', '.dfs.')}/a.txt", storage_options={"credential": NoToken()}
    )
    with pytest.raises(KeyFetchError, match="nobody is logged in"):
        expand(location)


def test_a_token_that_runs_out_is_renewed(azure: Sandbox, azure_container: str) -> None:
    """obstore asks again once the token it has is near its end."""
    from azure.identity import ManagedIdentityCredential

    real, asked = ManagedIdentityCredential(), []

    class Short:
        def get_token(self, *scopes: str, **options: Any) -> Any:
            asked.append(scopes)
            return real.get_token(*scopes, **options)._replace(expires_on=int(time.time()) + 2)

    location = Location(
        f"abfss://{azure_container}@{HOST.replace('.blob.', '.dfs.')}/a.txt", storage_options={"credential": Short()}
    )
    files = files_for(location)
    with files.open_write(location.uri) as file:
        file.write(b"x")
    before = len(asked)
    time.sleep(2.5)
    assert files_for(location).size(location.uri) == 1
    assert len(asked) > before
    assert asked[-1] == ("https://storage.azure.com/.default",)
    assert delta_options(location)["bearer_token"]


# -- the network -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "match"),
    [("refuse", "can not be reached"), ("unreachable", "did not answer in time|can not be reached"),
     ("dns", "can not be reached|there is no host"), ("hang", "did not answer in time"),
     ("trickle", "did not answer in time")],
)  # fmt: skip
def test_what_can_not_be_reached_fails_soon(azure: Sandbox, lake: BaseConnection, kind: str, match: str) -> None:
    transient = kind != "dns"
    with azure.fault(kind, host=HOST):
        begin = time.monotonic()
        with pytest.raises(AccessError, match=match) as caught:
            read(lake, "a.txt")
    assert time.monotonic() - begin < SOON
    assert kind == "dns" or is_transient(caught.value) is transient


@pytest.mark.parametrize("kind", ["drop", "500", "503", "429"])
def test_what_passes_is_tried_again_at_once(
    azure: Sandbox, lake: BaseConnection, azure_container: str, kind: str
) -> None:
    """Twice refused or cut off, and yet nobody notices."""
    content = random.Random(1).randbytes(PART + 12345)
    azure.put(ACCOUNT, azure_container, "a.bin", content)
    retry = {"retry_after": 1} if kind == "429" else {}
    with azure.fault(kind, host=HOST, method="GET", times=2, **retry):
        assert read(lake, "a.bin") == content


def test_an_upload_that_is_cut_off_leaves_the_old_file(
    azure: Sandbox, lake: BaseConnection, azure_container: str
) -> None:
    azure.put(ACCOUNT, azure_container, "a.bin", b"old")
    with azure.fault("drop", host=HOST, method="PUT"), fails("broke off|can not be reached|did not answer", True):
        write(lake, "a.bin", bytes(3 * PART))
    assert azure.get(ACCOUNT, azure_container, "a.bin") == b"old"
    assert list(azure.list(ACCOUNT, azure_container)) == ["a.bin"]


def test_a_killed_writer_leaves_the_old_file(
    azure: Sandbox, lake: BaseConnection, azure_container: str, tmp_path: Path
) -> None:
    """Killed while its parts are under way: nothing of them is ever seen."""
    import subprocess

    azure.put(ACCOUNT, azure_container, "a.bin", b"old")
    local = tmp_path / "new"
    local.write_bytes(bytes(6 * PART))
    code = (
        "from pathlib import Path; from odibi.connections import AzureADLS; from odibi.azure.transfer import upload; "
        f"lake = AzureADLS({ACCOUNT!r}, {azure_container!r}, auth_mode='direct_key', "
        f"account_key={azure.accounts[ACCOUNT]!r}); upload(Path({str(local)!r}), lake.location('a.bin'))"
    )
    with azure.fault("latency", host=HOST, method="PUT", seconds=1.0) as blocks:
        writer = subprocess.Popen([sys.executable, "-c", code])
        deadline = time.monotonic() + 60
        while blocks.hits < 6 and time.monotonic() < deadline:
            time.sleep(0.05)
        with azure.fault("hang", host=HOST, method="PUT") as commit:  # the blocks pass, what makes them a file does not
            while not commit.hits and time.monotonic() < deadline:
                time.sleep(0.05)
            writer.kill()
            writer.wait()
    assert azure.get(ACCOUNT, azure_container, "a.bin") == b"old"
    assert list(azure.list(ACCOUNT, azure_container)) == ["a.bin"]


def test_a_failed_check_uploads_nothing(
    azure: Sandbox, lake: BaseConnection, azure_container: str, engine: PandasEngine
) -> None:
    azure.put(ACCOUNT, azure_container, "t.csv", b"id\n1\n")
    frame = engine.query(Query("SELECT NULL::INT AS id", "duckdb"), {})[0]
    no_nulls = NullCheck("no_nulls: id", "id IS NULL", ("id",))
    with pytest.raises(CheckFailed):
        engine.save(frame, Target(lake, "t.csv", "csv", "overwrite"), Checks((no_nulls,)))
    assert azure.get(ACCOUNT, azure_container, "t.csv") == b"id\n1\n"


def test_a_file_is_read_piece_by_piece_in_few_requests(
    azure: Sandbox, lake: BaseConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = random.Random(6).randbytes(3 * PART)
    write(lake, "a.bin", content)
    location = lake.location("a.bin")
    asked: list[int] = []
    whole = Blob.read
    monkeypatch.setattr(Blob, "read", lambda self, a, b: asked.append(b - a) or whole(self, a, b))
    with files_for(location).open_read(location.uri) as file:
        assert file.read(10) == content[:10]
        file.seek(-5, os.SEEK_END)
        assert file.read() == content[-5:]
        file.seek(0)
        pieces = []
        while piece := file.read(100_000):
            pieces.append(piece)
    assert b"".join(pieces) == content
    assert len(asked) < 20
    assert asked[0] <= 64 << 10


def test_a_large_file_comes_back_as_it_was_written(azure: Sandbox, lake: BaseConnection, tmp_path: Path) -> None:
    content = random.Random(2).randbytes(3 * PART + 77)
    write(lake, "big.bin", content)
    location = lake.location("big.bin")
    files_for(location).download(location.uri, str(tmp_path / "copy"))  # type: ignore[attr-defined]
    assert (tmp_path / "copy").read_bytes() == content


def test_a_slow_line_gets_small_pieces(
    azure: Sandbox, lake: BaseConnection, monkeypatch: pytest.MonkeyPatch, azure_container: str
) -> None:
    """Where large parts take longer than their limit, small ones come, and the file is whole; both ways."""
    from odibi.azure import transfer

    content = random.Random(3).randbytes(2 * PART + 5)
    monkeypatch.setattr(transfer, "BULK", replace(transfer.BULK, request=0.001, retries=0))
    write(lake, "big.bin", content)
    assert azure.get(ACCOUNT, azure_container, "big.bin") == content
    assert read(lake, "big.bin") == content


def test_an_interrupt_stops_an_upload(
    azure: Sandbox, lake: BaseConnection, azure_container: str, tmp_path: Path
) -> None:
    local = tmp_path / "big"
    local.write_bytes(bytes(4 * PART))
    with pytest.raises(KeyboardInterrupt):
        upload(local, lake.location("big.bin"), lambda: True)
    assert list(azure.list(ACCOUNT, azure_container)) == []


# -- reading what changes ----------------------------------------------------------------------------------------------


def test_a_file_that_is_replaced_while_it_is_read_is_told(azure: Sandbox, lake: BaseConnection, tmp_path: Path) -> None:
    write(lake, "a.bin", bytes(2 * PART))
    location = lake.location("a.bin")
    blob: Blob = files_for(location).blob(location.uri)  # type: ignore[attr-defined]
    ranges = Ranges(blob, tmp_path / "copy")
    assert ranges.read(0, 10) == bytes(10)
    write(lake, "a.bin", b"\1" * (2 * PART))
    assert ranges.read(0, 10) == bytes(10)  # what was read stays
    with pytest.raises(AccessError, match="replaced while it was read") as caught:
        ranges.read(0, 11)
    assert is_transient(caught.value)


@pytest.mark.parametrize("in_memory", [1 << 30, 100_000])
def test_ranges_give_every_byte_and_keep_what_is_asked_again(
    azure: Sandbox, lake: BaseConnection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_memory: int
) -> None:
    from odibi.azure import transfer

    monkeypatch.setattr(transfer, "_ROOM", transfer._Room(in_memory))
    content = random.Random(4).randbytes(PART + 1000)
    write(lake, "a.bin", content)
    location = lake.location("a.bin")
    blob: Blob = files_for(location).blob(location.uri)  # type: ignore[attr-defined]
    asked: list[tuple[int, int]] = []
    whole = Blob.read
    monkeypatch.setattr(Blob, "read", lambda self, a, b: asked.append((a, b)) or whole(self, a, b))
    ranges, draw = Ranges(blob, tmp_path / "copy"), random.Random(5)
    for _ in range(200):
        start = draw.randrange(len(content))
        end = start + draw.randrange(1, 3000)
        assert ranges.read(start, end) == content[start:end]
    before = len(asked)
    assert [ranges.read(0, len(content)) == content for _ in range(2)] == [True, True]
    after = len(asked)
    assert after > before
    assert ranges.read(5, len(content) - 5) == content[5:-5]
    assert len(asked) == after


def big_parquet(engine: PandasEngine, connection: BaseConnection, path: str, rows: int = 700_000) -> None:
    """About 16 MB: too large to be copied as a whole."""
    frame = engine.query(Query(f"SELECT range AS id, random() AS x, random() AS y FROM range({rows})", "duckdb"), {})[0]
    engine.save(frame, Target(connection, path, "parquet", "overwrite"), NO_CHECKS)


@pytest.fixture
def engine() -> Iterator[PandasEngine]:
    made = PandasEngine()
    yield made
    made.close()


def test_of_large_parquet_only_what_a_query_needs_comes(
    azure: Sandbox, lake: BaseConnection, engine: PandasEngine
) -> None:
    big_parquet(engine, lake, "big.parquet")
    frame = engine.scan(Source(lake, "big.parquet", "parquet", {}))
    assert "odibi://" in frame.sql
    total = engine.query(Query("SELECT sum(id) AS s, count(*) AS n FROM big", "duckdb"), {"big": frame})[0]
    assert [tuple(row) for row in total.session.execute(total.sql, total)] == [(699_999 * 350_000, 700_000)]
    from odibi.engine.pandas.remote import _MOUNTED

    ((ranges, _),) = _MOUNTED[frame.session]._files.values()
    assert ranges.fetched < ranges.blob.size / 2


def test_partitions_of_large_files_are_read_whatever_their_folders_are_named(
    lake: BaseConnection, engine: PandasEngine
) -> None:
    for plant in ("1", "2"):
        big_parquet(engine, lake, f"p/plant={plant}/f01/x.parquet")
    frame = engine.scan(Source(lake, "p", "parquet", {}))
    assert "odibi://" in frame.sql
    rows = frame.session.execute(f"SELECT plant, count(*) FROM ({frame.sql}) GROUP BY ALL ORDER BY ALL", frame)
    assert rows == [(1, 700_000), (2, 700_000)]


def test_memory_is_given_back_with_the_engine(
    azure: Sandbox, lake: BaseConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    from odibi.azure import transfer

    monkeypatch.setattr(transfer, "_ROOM", transfer._Room(transfer.IN_MEMORY))
    engine = PandasEngine()
    big_parquet(engine, lake, "big.parquet")
    frame = engine.scan(Source(lake, "big.parquet", "parquet", {}))
    frame.session.execute(f"SELECT sum(x) FROM ({frame.sql})", frame)
    assert transfer._ROOM._left < transfer.IN_MEMORY
    engine.close()
    assert transfer._ROOM._left == transfer.IN_MEMORY


def test_many_threads_read_and_nothing_locks_up(azure: Sandbox, lake: BaseConnection, engine: PandasEngine) -> None:
    big_parquet(engine, lake, "big.parquet")
    wrong: list[object] = []

    def work() -> None:
        for _ in range(5):
            frame = engine.scan(Source(lake, "big.parquet", "parquet", {}))
            rows = frame.session.execute(f"SELECT sum(id), count(x) FROM ({frame.sql})", frame)
            if rows != [(699_999 * 350_000, 700_000)]:
                wrong.append(rows)

    threads = [threading.Thread(target=work, daemon=True) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(90)
    assert not any(thread.is_alive() for thread in threads)
    assert wrong == []


def test_a_refusal_in_the_middle_of_a_query_is_ours(azure: Sandbox, lake: BaseConnection, engine: PandasEngine) -> None:
    big_parquet(engine, lake, "big.parquet")
    frame = engine.scan(Source(lake, "big.parquet", "parquet", {}))
    with (
        azure.fault(403, code="AuthorizationFailure", host=HOST),
        fails("refuses requests from this network", transient=False),
    ):
        engine.save(frame, Target(lake, "copy.parquet", "parquet", "overwrite"), NO_CHECKS)


def test_a_file_replaced_before_the_query_is_told(azure: Sandbox, lake: BaseConnection, engine: PandasEngine) -> None:
    big_parquet(engine, lake, "big.parquet")
    frame = engine.scan(Source(lake, "big.parquet", "parquet", {}))
    big_parquet(engine, lake, "big.parquet", 800_000)
    with pytest.raises(AccessError, match="replaced while it was read"):
        engine.save(frame, Target(lake, "copy.parquet", "parquet", "overwrite"), NO_CHECKS)


def test_an_interrupt_ends_a_query_that_waits_for_bytes(
    azure: Sandbox, lake: BaseConnection, engine: PandasEngine
) -> None:
    big_parquet(engine, lake, "big.parquet")
    frame = engine.scan(Source(lake, "big.parquet", "parquet", {}))
    with azure.fault("hang", host=HOST):
        threading.Timer(0.5, engine.interrupt).start()
        begin = time.monotonic()
        with pytest.raises(BaseException) as caught:  # noqa: PT011
            frame.session.execute(f"SELECT sum(x) FROM ({frame.sql})", frame)
        assert engine.is_interrupt(caught.value), caught.value
        assert time.monotonic() - begin < 8


# -- formats -----------------------------------------------------------------------------------------------------------


def test_three_accounts_join_in_one_query(azure: Sandbox, azure_container: str, engine: PandasEngine) -> None:
    accounts = ("bronzeacct", "silveracct", "goldacct")
    frames = {}
    for number, account in enumerate(accounts):
        connection = by_key(azure, azure_container, account)
        text = f"id,{account}\n1,{number}\n"
        azure.put(account, azure_container, "same/name.csv", text)
        frames[account] = engine.scan(Source(connection, "same/name.csv", "csv", {}))
    joined = engine.query(
        Query("SELECT * FROM bronzeacct JOIN silveracct USING (id) JOIN goldacct USING (id)", "duckdb"), frames
    )[0]
    target = by_key(azure, azure_container, "goldacct")
    engine.save(joined, Target(target, "out.parquet", "parquet", "overwrite"), NO_CHECKS)
    out = engine.scan(Source(target, "out.parquet", "parquet", {}))
    assert out.session.execute(out.sql, out) == [(1, 0, 1, 2)]


def test_hive_partitions_are_read(
    azure: Sandbox, azure_container: str, lake: BaseConnection, engine: PandasEngine
) -> None:
    for region, day in (("EU west/ü=%", 1), ("A", 2), ("a", 3)):
        from urllib.parse import quote

        azure.put(ACCOUNT, azure_container, f"p/region={quote(region, safe=' ')}/d={day}/x.csv", f"id\n{day}\n")
    azure.put(ACCOUNT, azure_container, "p/_SUCCESS", "")
    frame = engine.scan(Source(lake, "p", "csv", {}))
    rows = sorted(frame.session.execute(f"SELECT id, region, d FROM ({frame.sql})", frame))
    assert rows == [(1, "EU west/ü=%", 1), (2, "A", 2), (3, "a", 3)]


def test_empty_blobs_that_stand_for_folders_are_no_data(
    azure: Sandbox, azure_container: str, lake: BaseConnection
) -> None:
    from azure.storage.blob import BlobServiceClient

    with BlobServiceClient(f"https://{HOST}", credential=azure.accounts[ACCOUNT]) as service:
        service.get_blob_client(azure_container, "d").upload_blob(b"", metadata={"hdi_isfolder": "true"})
        service.get_blob_client(azure_container, "d/e").upload_blob(b"", metadata={"hdi_isfolder": "true"})
    azure.put(ACCOUNT, azure_container, "d/e/x.csv", b"id\n1\n")
    location = lake.location("d")
    files = files_for(location)
    assert files.kind(location.uri) == "folder"
    assert expand(location) == [files.join(location.uri, "e", "x.csv")]
    assert [(entry.name, entry.is_folder) for entry in files.entries(location.uri)] == [("e", True)]


def test_a_folder_is_not_overwritten(azure: Sandbox, azure_container: str, lake: BaseConnection) -> None:
    azure.put(ACCOUNT, azure_container, "t.csv/part.csv", b"id\n1\n")
    with pytest.raises(DataError, match="can not be replaced in one step on an object store"):
        write(lake, "t.csv", b"id\n2\n")
    assert list(azure.list(ACCOUNT, azure_container)) == ["t.csv/part.csv"]


def test_two_writers_of_one_blob_leave_one_of_the_two(
    azure: Sandbox, lake: BaseConnection, azure_container: str
) -> None:
    """Blocks of both are never mixed; the one that comes too late says so or has won."""
    contents = [bytes([number]) * (2 * PART) for number in range(3)]
    failed: list[BaseException] = []

    def put(content: bytes) -> None:
        try:
            write(lake, "a.bin", content)
        except OdibiError as error:
            failed.append(error)

    threads = [threading.Thread(target=put, args=(content,)) for content in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert azure.get(ACCOUNT, azure_container, "a.bin") in contents
    assert all(is_transient(error) and "same blob" in str(error) for error in failed)


@pytest.mark.parametrize("name", ["a b/ü.csv", "100%.csv", "a%20b.csv", "a#b?.csv", "p=EU west%2F/x.csv", "it's.csv"])
def test_odd_names_are_kept(azure: Sandbox, lake: BaseConnection, azure_container: str, name: str) -> None:
    write(lake, name, b"x")
    assert list(azure.list(ACCOUNT, azure_container)) == [name]
    assert read(lake, name) == b"x"


@pytest.mark.parametrize("name", ["d//x.csv", "d/./x.csv"])
def test_a_name_without_a_folder_is_told(azure: Sandbox, lake: BaseConnection, azure_container: str, name: str) -> None:
    azure.put(ACCOUNT, azure_container, name, b"x")
    with fails(f"lake:d: can not read: .*has a blob named '{name}'.*rename it", transient=False):
        expand(lake.location("d"))


def test_a_full_disk_for_copies_is_told(
    azure: Sandbox, azure_container: str, lake: BaseConnection, engine: PandasEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    import errno

    from odibi.files import azure as module

    azure.put(ACCOUNT, azure_container, "a.csv", b"id\n1\n")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module, "download", full)
    with fails("no space left for a copy in .*TMPDIR", transient=False):
        engine.scan(Source(lake, "a.csv", "csv", {}))


# -- without the extra -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("path", "format"), [("a.csv", "csv"), ("a.parquet", "parquet"), ("table", "delta")])
def test_without_the_extra_it_is_named(
    path: str, format: str, azure: Sandbox, lake: BaseConnection, engine: PandasEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("obstore", "obstore.store"):
        monkeypatch.setitem(sys.modules, module, None)
    frame = engine.query(Query("SELECT 1 AS id", "duckdb"), {})[0]
    with pytest.raises(MissingExtraError, match=r"Azure storage needs the package 'obstore'.*\[azure\]"):
        engine.scan(Source(lake, path, format, {}))
    with pytest.raises(MissingExtraError, match="'obstore'"):
        engine.save(frame, Target(lake, path, format, "overwrite"), NO_CHECKS)


# -- cost --------------------------------------------------------------------------------------------------------------


def test_obstore_is_imported_only_for_what_is_remote(tmp_path: Path) -> None:
    import subprocess

    code = (
        "import sys; from odibi.connections import LocalConnection; from odibi.engine import PandasEngine; "
        "from odibi.engine.base import Source; import pathlib; "
        f"p = pathlib.Path({str(tmp_path)!r}); (p / 'a.csv').write_text('id\\n1\\n'); e = PandasEngine(); "
        "e.scan(Source(LocalConnection(p), 'a.csv', 'csv', {})); e.close(); "
        "print([m for m in sys.modules if m in ('obstore', 'fsspec', 'adlfs', 'odibi.azure', 'odibi.files.azure')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=dict(os.environ), check=True
    )
    assert done.stdout.strip() == "[]"


def test_many_names_are_listed_in_few_requests(azure: Sandbox, azure_container: str, lake: BaseConnection) -> None:
    location = lake.location("many")
    store = object_store(location)
    names = [f"many/{number:05}.csv" for number in range(300)]
    for name in names:
        store.put(name, b"")
    with azure.fault("watch", host=HOST):
        before = len(azure.requests)
        assert len(expand(location)) == 300
        assert len(azure.requests) - before <= 6


def test_explain_knows_what_is_not_azures(azure: Sandbox, lake: BaseConnection) -> None:
    assert explain(ValueError("something else"), lake.location("x"), "read") is None
    own: Callable[[], OdibiError] = lambda: DataError("ours")  # noqa: E731
    error = own()
    assert explain(error, lake.location("x"), "read") is error
