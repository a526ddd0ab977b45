"""Delta tables in Azure storage: several writers, lost answers, refusals, and how many requests it takes.

What holds for every table, wherever it is, is tested in `delta/`, for Azure too.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from odibi.connections import AzureADLS, LocalConnection
from odibi.engine.base import NO_CHECKS, Checks, NotEmptyCheck, Source, Target, WriteReport
from odibi.engine.pandas.delta import maintain, save, scan
from odibi.engine.pandas.delta.commit import UnknownOutcome
from odibi.engine.pandas.session import Session
from odibi.errors import AccessError, CheckFailed, DataError, DataNotFoundError, OdibiError, UnsupportedError
from odibi.formats import normalise_options
from odibi.retry import is_transient
from odibi.testing.azure import Sandbox

ACCOUNT = "silveracct"
COMMITS = r"_delta_log/\d+\.json"


@dataclass
class Lake:
    """Tables of a container, written and read as SQL."""

    azure: Sandbox
    container: str
    session: Session
    connection: AzureADLS = field(init=False)

    def __post_init__(self) -> None:
        self.connection = self.connected()

    def connected(self, container: str = "", **other: Any) -> AzureADLS:
        given = {"auth_mode": "direct_key", "account_key": self.azure.accounts[ACCOUNT], **other}
        return AzureADLS(ACCOUNT, container or self.container, "lake", name="lake", **given)

    def write(
        self,
        sql: str,
        mode: str = "append",
        checks: Checks = NO_CHECKS,
        run_checks: Callable[..., Any] = lambda frame, nulls: (),
        **facts: Any,
    ) -> WriteReport:
        target = Target(facts.pop("connection", self.connection), facts.pop("path", "t"), "delta", mode=mode, **facts)
        return save(self.session, self.session.frame(sql), target, checks, run_checks)

    def rows(self, path: str = "t", **options: Any) -> list[Any]:
        frame = scan(
            self.session, Source(self.connection, path, "delta", normalise_options("delta", "read", options)[0])
        )
        return sorted(self.session.execute(f"SELECT * FROM ({frame.sql})", frame), key=str)

    def names(self, path: str = "t") -> list[str]:
        return sorted(self.azure.list(ACCOUNT, self.container, f"lake/{path}/"))

    def files(self, path: str = "t") -> list[str]:
        return [name for name in self.names(path) if name.endswith(".parquet") and "_delta_log" not in name]

    def log(self, path: str = "t") -> list[list[dict[str, Any]]]:
        names = [name for name in self.names(path) if "_delta_log" in name and name.endswith(".json")]
        texts = (self.azure.get(ACCOUNT, self.container, name).decode() for name in names)
        return [[json.loads(line) for line in text.splitlines()] for text in texts]

    def history(self) -> list[dict[str, Any]]:
        return maintain.history(self.connection.location("t"))


@pytest.fixture
def lake(azure: Sandbox, azure_container: str) -> Iterator[Lake]:
    session = Session()
    yield Lake(azure, azure_container, session)
    session.close()


# -- several writers ---------------------------------------------------------------------------------------------------

WRITER = """
import os, sys, time
from odibi.connections import AzureADLS
from odibi.engine.base import Checks, NotEmptyCheck, Target
from odibi.engine.pandas.delta import save
from odibi.engine.pandas.session import Session
session = Session()
lake = AzureADLS({account!r}, {container!r}, "lake", "direct_key", account_key=os.environ["KEY"], name="lake")
def write(sql, mode="append", checks=Checks(), run_checks=lambda frame, nulls: ()):
    return save(session, session.frame(sql), Target(lake, "t", "delta", mode=mode), checks, run_checks)
"""


def start(lake: Lake, body: str) -> subprocess.Popen[str]:
    code = WRITER.format(account=ACCOUNT, container=lake.container) + body
    env = {**lake.azure.environment(), "KEY": lake.azure.accounts[ACCOUNT], "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env
    )


def finish(process: subprocess.Popen[str]) -> str:
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    return out


APPENDS = "for i in range(10): print(write(f'SELECT {{{n} * 100 + i}} AS v').version_after)"


@pytest.mark.parametrize("there", [True, False], ids=["the table is there", "the table is made"])
def test_four_processes_append_ten_times_each(lake: Lake, there: bool) -> None:
    if there:
        lake.write("SELECT -1 AS v")
    writers = [start(lake, APPENDS.format(n=n)) for n in range(4)]
    versions = sorted(int(line) for writer in writers for line in finish(writer).split())
    expected = [(n * 100 + i,) for n in range(4) for i in range(10)] + [(-1,)] * there
    assert lake.rows() == sorted(expected, key=str)
    assert versions == list(range(there, 40 + there)), "each report names the version that its own commit made"
    adds = [action["add"]["path"] for commit in lake.log() for action in commit if "add" in action]
    assert sorted(f"lake/t/{path}" for path in adds) == lake.files(), "nothing is left of attempts that lost"


def test_appends_and_an_overwrite_at_once(lake: Lake) -> None:
    lake.write("SELECT -1 AS v")
    bodies = [APPENDS.format(n=n) for n in range(2)]
    writers = [start(lake, body) for body in bodies]
    replacing = start(lake, "time.sleep(0.5); print(write('SELECT 5000 AS v', mode='overwrite').version_after)")
    version = int(finish(replacing))
    for writer in writers:
        finish(writer)
    later = [action["add"] for commit in lake.log()[version + 1 :] for action in commit if "add" in action]
    assert lake.rows(version_as_of=version) == [(5000,)]
    assert len(lake.rows()) == 1 + len(later)
    assert len(lake.log()) == 22, "each write is one commit"


def test_a_write_between_check_and_commit(lake: Lake) -> None:
    lake.write("SELECT 1 AS v")
    done: list[bool] = []

    def meanwhile(frame: Any, nulls: Any) -> tuple[()]:
        if not done:
            done.append(True)
            lake.write("SELECT 2 AS v, 'x' AS w", mode="overwrite")
        return ()

    report = lake.write("SELECT 3 AS v", checks=Checks((NotEmptyCheck(),)), run_checks=meanwhile)
    assert report.version_after == 2
    assert lake.rows() == [(2, "x"), (3, None)]
    assert len(lake.files()) == 3


# -- lost answers ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("there", [True, False], ids=["append", "new table"])
@pytest.mark.parametrize("kind", ["drop", "500", "429", "503"])
def test_a_commit_whose_answer_is_lost_is_in_the_table_once(lake: Lake, kind: str, there: bool, times: int) -> None:
    if there:
        lake.write("SELECT 1 AS v")
    with lake.azure.fault(kind, path=COMMITS, method="PUT", times=times) as fault:
        report = lake.write("SELECT 2 AS v")
        assert fault.hits == times
    assert lake.rows() == [(1,)] * there + [(2,)]
    assert report.version_after == int(there)
    assert len(lake.log()) == 1 + there


RESTORE = """
from odibi.engine.pandas.delta import maintain
print(maintain.restore(lake.location("t"), 0))
"""


def test_a_restore_whose_answer_is_lost_is_told_as_done(lake: Lake) -> None:
    """In a process of its own: delta-rs lets no other thread run meanwhile, so none could make the answer get lost."""
    lake.write("SELECT 1 AS v")
    lake.write("SELECT 2 AS v")
    with lake.azure.fault("drop", host=ACCOUNT, method="PUT", path=COMMITS, times=1):
        told = finish(start(lake, RESTORE))
    assert "'version': 2, 'restored_version': 0, 'num_restored_files': 0, 'num_removed_files': 1" in told
    assert lake.rows() == [(1,)]
    assert len(lake.log()) == 3


def test_a_restore_without_the_right_to_write_asks_for_it(lake: Lake) -> None:
    lake.write("SELECT 1 AS v")
    lake.write("SELECT 2 AS v")
    fault = {"host": ACCOUNT, "method": "PUT", "path": COMMITS, "code": "AuthorizationFailure"}
    body = RESTORE.replace("print(", "try: print(") + "except Exception as error: print(error)"
    with lake.azure.fault(403, **fault):
        assert "lake:t: can not write: " in finish(start(lake, body))


def test_a_commit_that_is_in_the_log_counts_although_its_writer_only_saw_errors(lake: Lake) -> None:
    lake.write("SELECT 1 AS v")
    with lake.azure.fault("drop", path=COMMITS, method="PUT"):
        report = lake.write("SELECT 2 AS v")
    assert report.version_after == 1
    assert lake.rows() == [(1,), (2,)]


def test_a_commit_that_never_got_through_leaves_the_table_and_may_be_tried_again(lake: Lake) -> None:
    lake.write("SELECT 1 AS v")
    before = lake.names()
    with lake.azure.fault(503, path=COMMITS, method="PUT"), pytest.raises(AccessError, match="lake:t: ") as caught:
        lake.write("SELECT 2 AS v")
    assert is_transient(caught.value)
    assert lake.names() == before
    lake.write("SELECT 2 AS v")
    assert lake.rows() == [(1,), (2,)]


def test_where_nobody_can_know_whether_it_went_through_nothing_is_tried_again(lake: Lake) -> None:
    lake.write("SELECT 1 AS v")
    with (
        lake.azure.fault("drop", path=COMMITS, method="PUT"),
        lake.azure.fault(503, path=r"_delta_log/0*1\.json", method="GET"),
        pytest.raises(UnknownOutcome, match=r"could not be read.*look at the table's history") as caught,
    ):
        lake.write("SELECT 2 AS v")
    assert not is_transient(caught.value)
    assert lake.rows() == [(1,), (2,)], "it did go through here, and its files were not taken away"


def test_a_commit_that_arrives_after_its_writer_gave_up_finds_its_files(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is in no log when the writer looks; were the files deleted then, the table would be broken for good."""
    from odibi.azure import storage

    lake.write("SELECT 1 AS v")
    monkeypatch.setattr(storage, "DELTA", replace(storage.DELTA, request=1, retry=0.5))
    with lake.azure.fault("latency", host=ACCOUNT, method="PUT", path=COMMITS, seconds=3, times=1):
        with pytest.raises(UnknownOutcome, match=r"not answer to the commit in time.*may still arrive") as caught:
            lake.write("SELECT 2 AS v")
        deadline = time.monotonic() + 30
        while len(lake.log()) < 2 and time.monotonic() < deadline:
            time.sleep(0.2)
    assert not is_transient(caught.value)
    assert lake.rows() in ([(1,)], [(1,), (2,)])
    assert len(lake.files()) == 2


def test_an_upload_that_fails_leaves_nothing(lake: Lake) -> None:
    lake.write("SELECT 1 AS v")
    before = lake.names()
    with lake.azure.fault(403, path=r"part-.*\.parquet", method="PUT"), pytest.raises(AccessError, match="lake:t"):
        lake.write("SELECT range AS v FROM range(10)")
    assert lake.names() == before


def test_a_failed_check_uploads_nothing(lake: Lake) -> None:
    lake.write("SELECT 1 AS v")

    def refuse(frame: Any, nulls: Any) -> tuple[()]:
        raise CheckFailed("no", ())

    with lake.azure.fault("watch"), pytest.raises(CheckFailed):
        lake.write("SELECT 2 AS v", checks=Checks((NotEmptyCheck(),)), run_checks=refuse)
    assert {request.method for request in lake.azure.requests} == {"GET"}


def test_an_interrupt_does_not_wait_for_an_upload(lake: Lake) -> None:
    lake.write("SELECT 1 AS v, 'x' AS w")
    timer = threading.Timer(2, lake.session.interrupt)
    timer.start()
    began = time.monotonic()
    with lake.azure.fault("hang", path=r"part-.*\.parquet", method="PUT"), pytest.raises(KeyboardInterrupt):
        lake.write("SELECT range AS v, md5(range::VARCHAR) AS w FROM range(300000)")
    assert time.monotonic() - began < 20
    assert len(lake.log()) == 1


def test_a_token_that_grew_old_during_the_write_is_renewed(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    from odibi.engine.pandas.delta import table

    lake.connection = lake.connected(auth_mode="managed_identity", account_key=None)
    lake.write("SELECT 1 AS v")
    monkeypatch.setattr(table, "TOKEN_SECONDS", -1)
    opened: list[int | None] = []
    original = table._opened

    def opening(location: Any, version: int | None = None) -> Any:
        opened.append(version)
        return original(location, version)

    monkeypatch.setattr(table, "_opened", opening)
    assert lake.write("SELECT 2 AS v").version_after == 1
    assert opened == [None, 0], "once to plan, once at the same version to commit"
    assert lake.rows() == [(1,), (2,)]


# -- writers that die --------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="kill -9 is a POSIX signal")
def test_what_a_killed_writer_left_is_not_in_the_table_and_vacuum_deletes_it(lake: Lake) -> None:
    lake.write("SELECT 1 AS v")
    before = lake.files()
    body = (
        "from odibi.engine.pandas.delta import commit\ncommit._send = lambda *a: time.sleep(60)\nwrite('SELECT 2 AS v')"
    )
    process = start(lake, body)
    end = time.monotonic() + 60
    while lake.files() == before:
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < end
        time.sleep(0.05)
    process.kill()
    process.communicate()
    (litter,) = set(lake.files()) - set(before)
    assert lake.rows() == [(1,)]
    lake.write("SELECT 3 AS v")
    place = lake.connection.location("t")
    dry = maintain.vacuum(place, 0, dry_run=True, enforce=False)
    assert [f"lake/t/{path}" for path in dry["files"]] == [litter]
    assert litter in lake.files()
    assert maintain.vacuum(place, 0, enforce=False)["files_deleted"] == 1
    assert litter not in lake.files()
    assert lake.rows() == [(1,), (3,)]


def test_a_new_table_can_be_made_where_a_killed_writer_left_files(lake: Lake) -> None:
    lake.azure.put(ACCOUNT, lake.container, "lake/t/part-65a0b1c2-0123456789ab-0.parquet", b"half")
    lake.write("SELECT 1 AS v")
    assert lake.rows() == [(1,)]


# -- what users get wrong ----------------------------------------------------------------------------------------------


def test_no_table_names_what_is_close(lake: Lake) -> None:
    lake.write("SELECT 1 AS v", path="sales")
    with pytest.raises(DataNotFoundError, match=r"lake:sale does not exist.*'sales'"):
        lake.rows("sale")
    for work in (maintain.history, maintain.vacuum, lambda place: maintain.restore(place, 0)):
        with pytest.raises(DataNotFoundError, match="lake:sale does not exist"):
            work(lake.connection.location("sale"))


def test_no_such_version_names_those_that_are(lake: Lake) -> None:
    lake.write("SELECT 1 AS v")
    lake.write("SELECT 2 AS v")
    for version in (2, 99):
        with pytest.raises(DataNotFoundError, match=f"lake:t has no version {version}; its log has versions 0 to 1"):
            lake.rows(version_as_of=version)
    with pytest.raises(DataNotFoundError, match="has no version 9; its log has versions 0 to 1"):
        maintain.restore(lake.connection.location("t"), 9)
    with pytest.raises(DataNotFoundError, match="does not exist"):
        lake.rows("other", version_as_of=1)


def test_time_travel(lake: Lake) -> None:
    for number in range(3):
        lake.write(f"SELECT {number} AS v", mode="overwrite")
        time.sleep(0.01)
    times = [commit["timestamp"] for commit in lake.history()][::-1]
    assert [lake.rows(version_as_of=version) for version in range(3)] == [[(0,)], [(1,)], [(2,)]]
    assert lake.rows(timestamp_as_of=times[1].isoformat()) == [(1,)]
    with pytest.raises(DataNotFoundError, match="the oldest, version 0, is from"):
        lake.rows(timestamp_as_of="2001-01-01T00:00:00+00:00")
    with pytest.raises(DataNotFoundError, match="was last changed at"):
        lake.rows(timestamp_as_of="2999-01-01T00:00:00+00:00")


def test_a_folder_of_other_files_is_refused(lake: Lake) -> None:
    lake.azure.put(ACCOUNT, lake.container, "lake/t/a.csv", b"a\n1\n")
    with pytest.raises(DataError, match=r"lake:t is a folder that holds other files \(a.csv\) and no Delta table"):
        lake.write("SELECT 1 AS v")
    assert lake.names() == ["lake/t/a.csv"]
    with pytest.raises(DataNotFoundError, match=r"holds .csv files: name their format"):
        lake.rows()


def test_what_marks_a_folder_is_no_obstacle(lake: Lake) -> None:
    """Spark leaves empty blobs for folders, and `_SUCCESS`."""
    for name in ("t", "t/_delta_log", "t/k=1", "t/_SUCCESS"):
        lake.azure.put(ACCOUNT, lake.container, f"lake/{name}", b"")
    lake.azure.put(ACCOUNT, lake.container, "lake/t/.part.crc", b"crc")
    lake.write("SELECT 1 AS v")
    assert lake.rows() == [(1,)]


@pytest.mark.parametrize("name", ["a#b", "a?b", "100%", "a b+ü"])
def test_a_name_that_a_url_would_end_at_is_kept(lake: Lake, name: str) -> None:
    """Files and log in one folder: with the log elsewhere it would be another table's."""
    lake.write("SELECT 1 AS v", path=f"{name}/t")
    lake.write("SELECT 2 AS v", path=f"{name}/t")
    assert all(found.startswith(f"lake/{name}/t/") for found in lake.azure.list(ACCOUNT, lake.container))
    assert lake.rows(f"{name}/t") == [(1,), (2,)]
    place = lake.connection.location(f"{name}/t")
    maintain.restore(place, 0)
    assert maintain.vacuum(place, 0, enforce=False)["files_deleted"] == 1
    assert lake.rows(f"{name}/t") == [(1,)]
    assert len(maintain.history(place)) > 2


def test_a_name_that_delta_rs_would_take_for_another_is_refused(lake: Lake) -> None:
    lake.write("SELECT 1 AS v", path="A")
    with pytest.raises(UnsupportedError, match="holds '%41', which delta-rs takes for an escaped character"):
        lake.write("SELECT 2 AS v", path="%41")
    assert not lake.names("%41")
    assert lake.rows("A") == [(1,)]


def test_a_file_in_the_way_is_refused(lake: Lake) -> None:
    lake.azure.put(ACCOUNT, lake.container, "lake/t", b"a\n1\n")
    with pytest.raises(DataError, match="lake:t is a file where the table's folder would go"):
        lake.write("SELECT 1 AS v")
    with pytest.raises(DataNotFoundError, match="lake:t is a file, not a Delta table"):
        lake.rows()


def test_a_data_file_that_is_gone_is_named(lake: Lake) -> None:
    from azure.storage.blob import BlobClient

    lake.write("SELECT 1 AS v")
    (gone,) = lake.files()
    url = f"https://{ACCOUNT}.blob.core.windows.net"
    BlobClient(url, lake.container, gone, credential=lake.azure.accounts[ACCOUNT]).delete_blob()
    with pytest.raises(DataNotFoundError, match=f"lake:t: .*{Path(gone).name}.*gone"):
        lake.rows()


def test_no_container(lake: Lake) -> None:
    lake.connection = lake.connected("nowhere")
    for work in (lake.rows, lambda: lake.write("SELECT 1 AS v")):
        with pytest.raises(OdibiError, match=r"lake:t.*container.*nowhere"):
            work()


def test_without_the_right_to_write_the_table_is_as_it_was(lake: Lake) -> None:
    lake.write("SELECT 1 AS v")
    before = lake.names()
    refused = lake.azure.fault(403, method="PUT", code="AuthorizationPermissionMismatch")
    refused.code = "AuthorizationFailure"
    with refused, pytest.raises(AccessError, match="lake:t: ") as caught:
        lake.write("SELECT 2 AS v")
    assert "\x1b" not in str(caught.value)
    assert not is_transient(caught.value)
    assert lake.names() == before
    assert lake.rows() == [(1,)]


def test_a_sas_that_may_only_read(lake: Lake) -> None:
    from datetime import UTC, datetime, timedelta

    from azure.storage.blob import ContainerSasPermissions, generate_container_sas

    lake.write("SELECT 1 AS v")
    before = lake.names()
    sas = generate_container_sas(
        ACCOUNT,
        lake.container,
        lake.azure.accounts[ACCOUNT],
        permission=ContainerSasPermissions(read=True, list=True),
        expiry=datetime.now(UTC) + timedelta(days=90),
    )
    lake.connection = lake.connected(auth_mode="sas", account_key=None, sas_token=sas)
    assert lake.rows() == [(1,)]
    with pytest.raises(AccessError, match="lake:t: ") as caught:
        lake.write("SELECT 2 AS v")
    assert sas not in str(caught.value)
    assert lake.names() == before


def test_an_identity_writes_and_reads(lake: Lake) -> None:
    lake.connection = lake.connected(auth_mode="managed_identity", account_key=None)
    lake.write("SELECT 1 AS v")
    lake.write("SELECT 2 AS v")
    assert lake.rows() == [(1,), (2,)]
    assert [commit["version"] for commit in lake.history()] == [1, 0]


@pytest.mark.parametrize("kind", ["refuse", "dns", "unreachable"])
def test_an_account_out_of_reach_fails_in_seconds(lake: Lake, kind: str) -> None:
    began = time.monotonic()
    with lake.azure.fault(kind, host=ACCOUNT), pytest.raises(AccessError, match=f"lake:t.*{ACCOUNT}") as caught:
        lake.write("SELECT 1 AS v")
    assert time.monotonic() - began < 60
    assert is_transient(caught.value) == (kind == "unreachable")
    assert "\x1b" not in str(caught.value)


# -- how many requests -------------------------------------------------------------------------------------------------


def requests(lake: Lake, work: Callable[[], Any]) -> list[str]:
    with lake.azure.fault("watch"):
        before = len(lake.azure.requests)
        work()
        return [f"{seen.method} {seen.path}" for seen in lake.azure.requests[before:]]


def test_requests_are_no_more_than_those_of_the_bare_library(lake: Lake) -> None:
    import pyarrow as pa
    from deltalake import DeltaTable, write_deltalake

    from odibi.engine.pandas.delta.table import storage_options

    for _ in range(3):
        lake.write("SELECT 1::BIGINT AS v", path="ours")
        lake.write("SELECT 1::BIGINT AS v", path="theirs")
    place = lake.connection.location("theirs")
    options = storage_options(place)
    table = pa.table({"v": [2]})
    ours = requests(lake, lambda: lake.write("SELECT 2::BIGINT AS v", path="ours"))
    theirs = requests(lake, lambda: write_deltalake(place.uri, table, mode="append", storage_options=options))
    assert len(ours) <= len(theirs), (ours, theirs)
    print(f"append: {len(ours)} requests, delta-rs {len(theirs)}")
    ours = requests(lake, lambda: lake.rows("ours"))
    theirs = requests(lake, lambda: DeltaTable(place.uri, storage_options=options).to_pyarrow_table())
    assert len(ours) <= len(theirs), (ours, theirs)
    print(f"read: {len(ours)} requests, delta-rs {len(theirs)}")


def test_the_report_says_what_the_commit_did(lake: Lake) -> None:
    first = lake.write("SELECT i AS v, i % 3 AS k FROM range(9) t(i)", mode="overwrite", partition_by=("k",))
    assert (first.rows, first.files, first.partitions, first.version_before, first.version_after) == (9, 3, 3, None, 0)
    assert "partitions have fewer than 1,000 rows" in first.warnings[0]
    wider = lake.write("SELECT 10 AS v, 1 AS k, 'new' AS w")
    assert (wider.rows, wider.files, wider.version_before, wider.version_after) == (1, 1, 0, 1)
    assert wider.schema_changes == ("added column w: string",)
    assert len(lake.rows(filters=[["k", "=", 1]])) == 4


# -- from a project file -----------------------------------------------------------------------------------------------

PROJECT = """
project: On Azure
connections:
  lake:
    type: azure_adls
    account: silveracct
    container: {container}
    path_prefix: lake
    auth_mode: direct_key
    account_key: ${{KEY}}
  here: {{type: local, base_path: out}}
story: {{connection: here, path: stories}}
pipelines:
  - pipeline: p
    nodes:
      - name: rows
        transform:
          steps: ["SELECT range AS v, range % 2 AS k FROM range(${{ROWS}})"]
      - name: save
        depends_on: [rows]
        write: {{connection: lake, path: t, mode: append, partition_by: [k]}}
      - name: back
        depends_on: [save]
        read: {{connection: lake, path: t, options: {{filters: [[k, "=", 1]]}}}}
        write: {{connection: here, path: odd.csv, format: csv}}
"""


def call(lake: Lake, *argv: object) -> Any:
    """The command line, as a process of its own; gives the JSON that it prints."""
    env = {**lake.azure.environment(), "KEY": lake.azure.accounts[ACCOUNT], "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", "odibi", *map(str, argv), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert env["KEY"] not in done.stdout + done.stderr
    return json.loads(done.stdout)


def test_a_project_file_and_the_command_line(lake: Lake, tmp_path: Path) -> None:
    file = tmp_path / "odibi.yaml"
    file.write_text(PROJECT.format(container=lake.container))
    for rows in (4, 6):
        call(lake, "run", file, "--set", f"ROWS={rows}")
    stories = [json.loads(path.read_text()) for path in (tmp_path / "out" / "stories").rglob("story.json")]
    told = [node["write"] for story in stories for node in story["nodes"] if node["name"] == "save"]
    facts = [(write["version_before"], write["version_after"], write["rows"], write["files"]) for write in told]
    assert sorted(facts, key=str) == [(0, 1, 6, 2), (None, 0, 4, 2)]
    assert len((tmp_path / "out" / "odd.csv").read_text().split()) == 1 + 5

    history = call(lake, "delta", "history", file, "lake", "t", "--set", "ROWS=0")["history"]
    assert [commit["version"] for commit in history] == [1, 0]
    assert history[0]["metrics"]["num_output_rows"] == 6
    assert json.loads(history[0]["user_metadata"])["node"] == "save"
    restored = call(lake, "delta", "restore", file, "lake", "t", "--version", 0, "--set", "ROWS=0")
    assert (restored["version_before"], restored["version_after"]) == (1, 2)
    assert len(lake.rows()) == 4
    now = ["--retention-hours", 0, "--no-enforce", "--set", "ROWS=0"]
    assert len(call(lake, "delta", "vacuum", file, "lake", "t", "--dry-run", *now)["files"]) == 2
    assert call(lake, "delta", "vacuum", file, "lake", "t", *now)["files_deleted"] == 2
    assert len(lake.files()) == 2
    assert len(lake.rows()) == 4


# -- the same table as on disk -----------------------------------------------------------------------------------------

VALUES = {
    "a": ("INT", ["1", "-5", "NULL"]), "b": ("VARCHAR", ["'x'", "'ü/ %'", "''", "NULL"]),
    "c": ("TIMESTAMP", ["'2024-02-29 23:59:59.5'", "NULL"]), "d": ("DECIMAL(9, 2)", ["1.50", "NULL"]),
}  # fmt: skip


@st.composite
def writes(draw: st.DrawFn) -> tuple[str, str, tuple[str, ...]]:
    """A SELECT, a mode and partition columns."""
    names = draw(st.lists(st.sampled_from(sorted(VALUES)), min_size=2, max_size=4, unique=True))
    rows = draw(st.lists(st.tuples(*(st.sampled_from(VALUES[name][1]) for name in names)), max_size=4))
    types = ", ".join(f"CAST(NULL AS {VALUES[name][0]}) AS {name}" for name in names)
    parts = [f"SELECT {types} WHERE false"]
    for row in rows:
        items = (f"CAST({value} AS {VALUES[name][0]})" for name, value in zip(names, row, strict=True))
        parts.append(f"SELECT {', '.join(items)}")
    mode = draw(st.sampled_from(["append", "append", "overwrite", "ignore"]))
    by = tuple(names[: draw(st.sampled_from([0, 0, 1]))]) if mode == "overwrite" else ()
    return " UNION ALL ".join(parts), mode, by


@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(steps=st.lists(writes(), min_size=1, max_size=4))
def test_any_sequence_of_writes_gives_the_same_table_as_on_disk(lake: Lake, steps: list[Any], tmp_path: Path) -> None:
    name = uuid.uuid4().hex
    places = (lake.connection, LocalConnection(tmp_path, name="lake"))
    for sql, mode, by in steps:
        reports = [lake.write(sql, mode, path=name, partition_by=by, connection=place) for place in places]
        there, here = (
            (each.rows, each.files, each.partitions, each.version_before, each.version_after, each.schema_changes)
            for each in reports
        )
        assert there == here
    there, here = (scan(lake.session, Source(place, name, "delta")) for place in places)
    assert [(c.name, c.type_name) for c in there.columns] == [(c.name, c.type_name) for c in here.columns]
    assert texts(lake.session, there) == texts(lake.session, here)
    told = [[commit["operation"] for commit in maintain.history(place.location(name))] for place in places]
    assert told[0] == told[1]


def texts(session: Session, frame: Any) -> list[str]:
    return sorted(text for (text,) in session.execute(f"SELECT r::VARCHAR FROM ({frame.sql}) AS r", frame))


def test_more_partitions_than_are_read_one_by_one(lake: Lake) -> None:
    sql = "SELECT range AS v, range // 2 AS k, 'x[1]*?' || range % 3 AS t FROM range(600)"
    lake.write(sql, partition_by=("k", "t"))
    frame = scan(lake.session, Source(lake.connection, "t", "delta"))
    assert texts(lake.session, frame) == texts(lake.session, lake.session.frame(sql))


@pytest.mark.skipif(os.name == "nt", reason="no SIGINT for a single process")
def test_an_interrupt_of_a_command_that_waits_for_azure_says_no_more_than_any(lake: Lake, tmp_path: Path) -> None:
    """A thread that nobody waits for hangs in a request meanwhile: that is no reason to take all apart."""
    file = tmp_path / "odibi.yaml"
    file.write_text(PROJECT.format(container=lake.container))
    env = {**lake.azure.environment(), "KEY": lake.azure.accounts[ACCOUNT], "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", "odibi", "run", str(file), "--set", "ROWS=4"]
    with lake.azure.fault("hang", host=ACCOUNT, path=r"part-.*\.parquet"), lake.azure.fault("watch", host=ACCOUNT):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env)
        deadline = time.monotonic() + 60
        while not any(".parquet" in seen.path for seen in lake.azure.requests) and time.monotonic() < deadline:
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=120)
    assert process.returncode == 130, out
    assert "story of p" in out.splitlines()[-1]
    assert not lake.files()
