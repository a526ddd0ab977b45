"""The Spark engine on storage accounts, through Hadoop's ABFS driver and production URLs. What every engine does there
is in tests/contracts."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from odibi.connections import AzureADLS
from odibi.context import PandasContext
from odibi.engine import PandasEngine, SparkEngine
from odibi.engine.spark import storage, storage_problems
from odibi.engine.spark.errors import spark_errors
from odibi.errors import AccessError, DataError, DataNotFoundError, KeyFetchError, OdibiError
from odibi.testing import assert_frame_equal
from odibi.testing.azure import Sandbox
from odibi.testing.azure.sandbox import account_key
from odibi.testing.frames import arrow_table

pytestmark = pytest.mark.one_machine  # executors of their own would have to be started inside of the sandbox
ROOT = Path(__file__).parents[3]
WRONG_KEY = base64.b64encode(b"x" * 64).decode()
ROWS = [{"id": 1, "name": "a"}, {"id": 2, "name": "ü"}]
Lake = Callable[..., AzureADLS]


@pytest.fixture
def engine(azure_spark: Any) -> Iterator[SparkEngine]:
    made = SparkEngine(spark_session=azure_spark)
    yield made
    made.close()


@pytest.fixture
def lake(azure: Sandbox, azure_container: str) -> Lake:
    """Connections to the sandbox's accounts, by the first part of their names."""

    def made(name: str = "bronze", container: str | None = None, **more: Any) -> AzureADLS:
        account = f"{name}acct"
        given = {"auth_mode": "direct_key", "account_key": azure.accounts.get(account), **more}
        return AzureADLS(account, container or azure_container, name=name, **given)

    return made


def rows(engine: SparkEngine, given: Any = None) -> Any:
    return engine.native(engine.adopt(arrow_table(given or ROWS)))


# -- accounts ----------------------------------------------------------------------------------------------------------


def test_three_accounts_meet_in_one_query(azure_spark: Any, azure: Sandbox, lake: Lake) -> None:
    lakes = {name: lake(name) for name in ("bronze", "silver", "gold")}
    azure.put("bronzeacct", lakes["bronze"].container, "in/a.csv", "id,name\n1,a\n2,ü\n")
    engine = SparkEngine(lakes, azure_spark)
    engine.write(rows(engine, [{"id": 1, "x": 10}, {"id": 3, "x": 30}]), "silver", path="t.parquet")
    context = PandasContext()
    context.register("b", engine.read("bronze", path="in/*.csv"))
    context.register("s", engine.read("silver", path="t.parquet"))
    report = engine.write(
        engine.execute_sql("SELECT b.id, name, x FROM b JOIN s ON b.id = s.id", context), "gold", path="t"
    )
    assert (report.rows, report.version_after) == (1, 0)
    assert_frame_equal(engine.read("gold", path="t"), [{"id": 1, "name": "a", "x": 10}])
    assert not azure.refused
    engine.close()


def test_both_engines_take_turns_at_a_table(engine: SparkEngine, lake: Lake) -> None:
    gold, pandas = lake("gold"), PandasEngine()
    engine.write(rows(engine), gold, path="t")
    pandas.write(arrow_table([{"id": 3, "name": "c"}]).to_pandas(), gold, path="t", mode="append")
    engine.write(rows(engine, [{"id": 4, "name": "d"}]), gold, path="t", mode="append")
    expected = [*ROWS, {"id": 3, "name": "c"}, {"id": 4, "name": "d"}]
    assert_frame_equal(engine.read(gold, path="t"), expected)
    assert_frame_equal(pandas.read(gold, path="t"), expected)
    assert [each["version"] for each in engine.get_delta_history(gold, "t")] == [2, 1, 0]
    pandas.restore_delta(gold, "t", 0)
    assert_frame_equal(engine.read(gold, path="t"), ROWS)
    pandas.close()


@pytest.mark.parametrize("path", ["t.csv", "t.parquet", "t.json"])
def test_files_are_written_for_both_engines(engine: SparkEngine, lake: Lake, path: str) -> None:
    silver, pandas = lake("silver"), PandasEngine()
    engine.write(rows(engine), silver, path=path)
    with pytest.raises(DataError, match=r"a folder of files can not be replaced in one step on an object store.*Delta"):
        engine.write(rows(engine, ROWS[:1]), silver, path=path)
    assert_frame_equal(engine.read(silver, path=path), ROWS)
    assert_frame_equal(pandas.read(silver, path=path), ROWS)
    pandas.close()


def test_a_signature_opens_its_container(azure_spark: Any, azure: Sandbox, lake: Lake) -> None:
    azure.put("bronzeacct", lake().container, "a.csv", "id\n1\n")
    sas = "sv=2024-11-04&ss=b&srt=sco&sp=rwdlac&se=2099-01-01T00:00:00Z&spr=https&sig=bG9jYWw%3D"
    azure.accept_shared_access("bronzeacct", sas)
    engine = SparkEngine(spark_session=azure_spark)
    lent = lake(auth_mode="sas", account_key=None, sas_token=sas)
    assert_frame_equal(engine.read(lent, path="a.csv"), [{"id": 1}])
    engine.close()


def test_a_managed_identity_needs_no_secret(azure_spark: Any, azure: Sandbox, lake: Lake) -> None:
    azure.put("bronzeacct", lake().container, "a.csv", "id\n1\n")
    engine = SparkEngine(spark_session=azure_spark)
    made = lake(auth_mode="managed_identity", account_key=None)
    assert_frame_equal(engine.read(made, path="a.csv"), [{"id": 1}])
    engine.close()


def test_an_application_logs_in(azure_spark: Any, azure: Sandbox, lake: Lake) -> None:
    azure.put("goldacct", lake("gold").container, "a.csv", "id\n1\n")
    app = azure.add_principal("an-app", "very-secret-text", "a-tenant")
    who = {"client_id": app.client_id, "client_secret": app.secret, "tenant_id": app.tenant_id}
    engine = SparkEngine(spark_session=azure_spark)
    made = lake("gold", auth_mode="service_principal", account_key=None, **who)
    assert_frame_equal(engine.read(made, path="a.csv"), [{"id": 1}])
    assert "very-secret-text" not in str(azure_spark.sql("SET").collect())
    engine.close()


def test_a_key_of_ones_own_is_for_one_read_only(engine: SparkEngine, azure: Sandbox, lake: Lake) -> None:
    azure.put("bronzeacct", lake().container, "a.csv", "id\n1\n")
    governed = lake(auth_mode="unity_catalog", account_key=None)
    mine = {"storage_options": {"account_key": azure.accounts["bronzeacct"]}}
    assert_frame_equal(engine.read(governed, path="a.csv", options=mine), [{"id": 1}])
    assert engine.write(rows(engine), governed, path="t", options=mine).rows == 2
    with pytest.raises(AccessError, match="Spark has no credential for storage account 'bronzeacct'"):
        engine.read(governed, path="a.csv").collect()


# -- keys --------------------------------------------------------------------------------------------------------------


def vaulted(lake: Lake, azure: Sandbox, *names: str) -> dict[str, AzureADLS]:
    """Connections whose keys are in the sandbox's vault."""
    for name in names:
        azure.set_secret("sandboxvault", f"{name}-key", azure.accounts[f"{name}acct"])
    given = {"auth_mode": "key_vault", "account_key": None, "key_vault_name": "sandboxvault"}
    return {name: lake(name, secret_name=f"{name}-key", **given) for name in names}


def test_keys_come_from_the_vault_for_all_accounts_at_once(azure_spark: Any, azure: Sandbox, lake: Lake) -> None:
    lakes = vaulted(lake, azure, "bronze", "silver", "gold")
    engine = SparkEngine(lakes, azure_spark)
    for name, each in lakes.items():
        assert engine.spark.range(2).write.mode("overwrite").parquet(each.get_path("p")) is None, name
    assert {name for name in lakes if any(f"/secrets/{name}-key" in seen.path for seen in azure.requests)} == {*lakes}
    engine.close()


def test_what_can_not_be_fetched_is_told_together(azure_spark: Any, azure: Sandbox, lake: Lake) -> None:
    lakes = vaulted(lake, azure, "bronze")
    nothing = {"auth_mode": "key_vault", "account_key": None, "key_vault_name": "sandboxvault"}
    lakes |= {name: lake(name, secret_name=f"no-{name}", **nothing) for name in ("silver", "gold")}
    engine = SparkEngine(lakes, azure_spark)
    for use in (lambda: engine.spark, lambda: engine.read("bronze", path="a.csv")):
        with pytest.raises(KeyFetchError, match=r"(?s)2 connection\(s\):.*silver: .*'no-silver'.*gold: .*'no-gold'"):
            use()
    engine.close()


@pytest.mark.jvm  # a server of Spark Connect keeps its clients, see `storage`
def test_a_key_that_was_rotated_is_used(azure_spark: Any, azure: Sandbox, lake: Lake) -> None:
    """By the same JVM, whose clients were opened with the old one."""
    lakes = vaulted(lake, azure, "bronze")
    old = azure.accounts["bronzeacct"]
    try:
        for number, key in enumerate((old, base64.b64encode(b"new" * 20).decode())):
            azure.add_account("bronzeacct", key)
            azure.set_secret("sandboxvault", "bronze-key", key)
            engine = SparkEngine(vaulted(lake, azure, "bronze"), azure_spark)
            assert engine.write(rows(engine), "bronze", path=f"t{number}").rows == 2
            assert_frame_equal(engine.read("bronze", path="t0"), ROWS)
            engine.close()
    finally:
        azure.add_account("bronzeacct", old)
    assert lakes


@pytest.mark.jvm
def test_a_wrong_key_is_put_right_in_the_same_session(azure_spark: Any, azure: Sandbox, lake: Lake) -> None:
    azure.put("bronzeacct", lake().container, "a.csv", "id\n1\n")
    wrong, right = SparkEngine(spark_session=azure_spark), SparkEngine(spark_session=azure_spark)
    with pytest.raises(AccessError, match="the account key is not the one of storage account 'bronzeacct'"):
        wrong.read(lake(account_key=WRONG_KEY), path="a.csv").collect()
    wrong.close()
    assert_frame_equal(right.read(lake(), path="a.csv"), [{"id": 1}])
    right.close()


def test_settings_of_a_borrowed_session_are_put_back(azure_spark: Any, azure: Sandbox, lake: Lake) -> None:
    before = {row.key: row.value for row in azure_spark.sql("SET").collect()}
    engine = SparkEngine({"bronze": lake()}, azure_spark)
    name = "fs.azure.account.key.bronzeacct.dfs.core.windows.net"
    assert engine.spark.conf.get(name) == azure.accounts["bronzeacct"]
    engine.close()
    assert {row.key: row.value for row in azure_spark.sql("SET").collect()} == before


# -- what no text shows ------------------------------------------------------------------------------------------------


def forms(key: str) -> set[str]:
    """A key, and how it could be written."""
    raw = key.encode()
    return {key, urllib.parse.quote(key, safe=""), base64.b64encode(raw).decode(), raw.hex(), key.rstrip("=")}


def on_pages(engine: SparkEngine) -> Iterator[str]:
    """What the pages of Spark, and its event log, tell of the last queries: their plans and the settings for them; and
    of the environment."""
    if not engine.session.platform.jvm:  # the pages are the server's
        return
    context, shared = engine.spark.sparkContext._jsc.sc(), engine.spark._jsparkSession.sharedState()
    context.listenerBus().waitUntilEmpty()
    store = shared.statusStore()
    queries = store.executionsList(max(0, store.executionsCount() - 20), 20)
    shown = [queries.apply(number) for number in range(queries.size())]
    settings = "\n".join(query.modifiedConfigs().toString() for query in shown)
    assert "fs.azure.account.key.bronzeacct" in settings
    yield settings
    yield from (query.physicalPlanDescription() for query in shown)
    yield context.statusStore().environmentInfo().sparkProperties().toString()


def test_keys_are_in_nothing_that_spark_shows(azure_spark: Any, azure: Sandbox, lake: Lake) -> None:
    engine = SparkEngine({"bronze": lake()}, azure_spark)
    key = azure.accounts["bronzeacct"]
    options = {"storage_options": {"account_key": azure.accounts["silveracct"]}}
    engine.write(rows(engine), "bronze", path="t")
    engine.write(rows(engine), lake("silver", auth_mode="unity_catalog", account_key=None), path="t", options=options)
    frame = engine.read(lake("silver", auth_mode="unity_catalog", account_key=None), path="t", options=options)
    shown = [
        *(str(row) for statement in ("SET", "SET -v") for row in engine.spark.sql(statement).collect()),
        str(engine.spark.sql("SET fs.azure.account.key.bronzeacct.dfs.core.windows.net").collect()),
        str(engine.spark.sql(f"DESCRIBE HISTORY delta.`{lake().get_path('t')}`").collect()),
        str(engine.spark.sql(f"DESCRIBE DETAIL delta.`{lake().get_path('t')}`").collect()),
        *(row.plan for row in engine.spark.sql("EXPLAIN EXTENDED SELECT * FROM {f}", f=frame).collect()),
        repr(frame), repr(engine), str(engine.get_delta_history("bronze", "t")), *on_pages(engine),
    ]  # fmt: skip
    text = "\n".join(shown)
    assert "redacted" in text
    for secret in forms(key) | forms(azure.accounts["silveracct"]):
        assert secret not in text
    engine.close()


def test_a_malformed_key_is_in_no_error(engine: SparkEngine, lake: Lake) -> None:
    """Hadoop prints it as it is."""
    bad = "this is no base64, und geheim: äöü!"
    with pytest.raises(
        AccessError, match="the account key of storage account 'bronzeacct' is no Base64 text"
    ) as caught:
        engine.read(lake(account_key=bad), path="a.csv").collect()
    error: BaseException | None = caught.value
    while error is not None:
        assert bad not in str(error)
        error = error.__cause__ or error.__context__


# -- refusals ----------------------------------------------------------------------------------------------------------


def both(engine: SparkEngine, act: Callable[[Any], Any]) -> tuple[OdibiError, OdibiError]:
    """The errors of both engines."""
    pandas = PandasEngine()
    found = []
    for each in (engine, pandas):
        with pytest.raises(OdibiError) as caught:
            act(each)
        found.append(caught.value)
    pandas.close()
    return found[0], found[1]


def frame_of(engine: Any) -> Any:
    return engine.native(engine.adopt(arrow_table(ROWS)))


def read_all(engine: Any, connection: AzureADLS, path: str) -> Any:
    found = engine.read(connection, path=path)
    return found.collect() if isinstance(engine, SparkEngine) else found


@pytest.mark.parametrize("path", ["a.csv", "t"])
def test_a_container_that_is_not_there(engine: SparkEngine, lake: Lake, path: str) -> None:
    spark, pandas = both(engine, lambda each: read_all(each, lake(container="no-such-one"), path))
    assert (type(spark), str(spark)) == (type(pandas), str(pandas))
    assert "storage account 'bronzeacct' has no container 'no-such-one'" in str(spark)
    spark, pandas = both(engine, lambda each: each.write(frame_of(each), lake(container="no-such-one"), path=path))
    assert (type(spark), str(spark)) == (type(pandas), str(pandas))


@pytest.mark.parametrize("path", ["in/b.csv", "in/tt"])
def test_data_that_is_not_there(engine: SparkEngine, azure: Sandbox, lake: Lake, path: str) -> None:
    azure.put("bronzeacct", lake().container, "in/a.csv", "id\n1\n")
    spark, pandas = both(engine, lambda each: read_all(each, lake(), path))
    assert isinstance(spark, DataNotFoundError)
    assert (type(spark), str(spark)) == (type(pandas), str(pandas))


@pytest.mark.parametrize("path", ["a.csv", "t"])
def test_a_wrong_key(engine: SparkEngine, lake: Lake, path: str) -> None:
    wrong = lake(account_key=WRONG_KEY)
    spark, pandas = both(engine, lambda each: read_all(each, wrong, path))
    assert (type(spark), str(spark)) == (type(pandas), str(pandas))
    assert "wrong, or rotated meanwhile" in str(spark)
    spark, pandas = both(engine, lambda each: each.write(frame_of(each), wrong, path=path))
    assert (type(spark), str(spark)) == (type(pandas), str(pandas))


@pytest.mark.parametrize(
    ("status", "code"),
    [(403, "AuthorizationFailure"), (403, "KeyBasedAuthenticationNotPermitted"), (409, "LeaseIdMissing")],
)
def test_what_the_account_refuses(engine: SparkEngine, azure: Sandbox, lake: Lake, status: int, code: str) -> None:
    azure.put("bronzeacct", lake().container, "a.csv", "id\n1\n")
    with azure.fault(status, host="bronzeacct", code=code):
        spark, pandas = both(engine, lambda each: read_all(each, lake(), "a.csv"))
    assert (type(spark), str(spark)) == (type(pandas), str(pandas))


def test_an_account_that_can_not_be_reached_is_told_of(engine: SparkEngine, azure: Sandbox, lake: Lake) -> None:
    """The limits are those of production, so this takes some seconds; Hadoop's own would take many minutes."""
    with (
        azure.fault("refuse", host="bronzeacct"),
        pytest.raises(AccessError, match=r"bronze:a\.csv: can not read: ") as caught,
    ):
        read_all(engine, lake(), "a.csv")
    assert "storage account 'bronzeacct'" in str(caught.value) or "bronzeacct.blob" in str(caught.value)
    assert (
        engine.session.spark.conf.get("fs.azure.io.retry.max.retries")
        == storage.LIMITS["fs.azure.io.retry.max.retries"]
    )


def test_users_functions_see_the_accounts_too(engine: SparkEngine, azure: Sandbox, lake: Lake) -> None:
    """And what they do wrong is told like what odibi does."""
    azure.put("bronzeacct", lake().container, "a.csv", "id\n1\n")
    made = SparkEngine({"bronze": lake()}, engine.session.spark)
    assert made.spark.read.csv(lake().get_path("a.csv"), header=True).count() == 1
    with suppress(*spark_errors()), pytest.raises(Exception, match="PATH_NOT_FOUND") as caught:
        made.spark.read.csv(lake().get_path("b.csv"))
    told = storage_problems.explain(str(caught.value))
    assert isinstance(told, DataNotFoundError)
    assert "bronze:b.csv does not exist; did you mean 'a.csv'?" in str(told)
    made.close()


# -- the command line --------------------------------------------------------------------------------------------------


def test_an_unmodified_production_file_runs_in_the_sandbox(spark: Any, azure_server: Sandbox, tmp_path: Path) -> None:
    """In a process of its own, whose JVM is led there by its environment; the event log that it writes shows no key."""
    assert spark is not None  # the tests of Spark are run one after another
    folder, saved, log = tmp_path / "examples", tmp_path / "saved", tmp_path / "log"
    shutil.copytree(ROOT / "examples", folder, ignore=shutil.ignore_patterns("output", ".odibi"))
    log.mkdir()
    conf = tmp_path / "conf"
    conf.mkdir()
    events = {"enabled": "true", "dir": log.as_uri(), "compress": "false", "rolling.enabled": "false"}
    lines = [*(f"spark.eventLog.{name} {value}" for name, value in events.items()), "spark.driver.memory 1g"]
    (conf / "spark-defaults.conf").write_text("\n".join([*lines, "spark.sql.shuffle.partitions 2"]))
    words = ["sandbox", "run", "example_multi_account.yaml", "--seed", "sandbox_seed", "--engine", "spark"]
    done = subprocess.run(
        [sys.executable, "-m", "odibi", *words, "--save", str(saved), "--json"],
        cwd=folder, env={**os.environ, "SPARK_CONF_DIR": str(conf), "PYTHONPATH": str(ROOT)}, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert {each["status"] for each in json.loads(done.stdout)["pipelines"].values()} == {"completed"}
    assert (saved / "goldacct" / "gold" / "sales" / "by_region" / "_delta_log" / f"{0:020}.json").is_file()
    written = "".join(file.read_text(encoding="utf-8") for file in log.iterdir())
    assert "SparkListenerEnvironmentUpdate" in written
    shown = done.stdout + done.stderr + written
    for account in ("bronzeacct", "silveracct", "goldacct"):
        assert not [secret for secret in forms(account_key(account)) if secret in shown]
