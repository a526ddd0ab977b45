"""What the Spark at hand allows, and its refusals in odibi's words.

The refusals of Databricks are made by `tests.databricks_sessions`, with the platform's own messages.
"""

from __future__ import annotations

from typing import Any

import pytest

from odibi.engine.spark.platform import NoDeltaError, Platform, explain_refusal
from odibi.engine.spark.raised import condition_of
from odibi.engine.spark.session import Session
from odibi.engine.spark.settings import SETTINGS
from odibi.errors import AccessError, OdibiError, UnsupportedError
from tests.databricks_sessions import SERVERLESS_SETTINGS, Serverless, Standard
from tests.spark_sessions import KIND

# -- facts -------------------------------------------------------------------------------------------------------------


def test_the_facts_of_this_session(spark: Any) -> None:
    connect = KIND == "connect"
    platform = Platform(spark)
    assert platform.as_data() == {
        "connect": connect,
        "jvm": not connect,
        "local": KIND == "classic",
        "databricks": False,
        "serverless": False,
        "persist": True,
        "tags": platform.tags,
    }


def test_serverless_is_known_by_what_it_refuses(spark: Any) -> None:
    platform = Platform(Serverless(spark))
    facts = (platform.serverless, platform.databricks, platform.persist, platform.local_checkpoint, platform.jvm)
    assert facts == (True, True, False, False, False)


@pytest.mark.parametrize(
    "variables", [{"DATABRICKS_RUNTIME_VERSION": "client.4.2"}, {"IS_SERVERLESS": "true"}], ids=["version", "flag"]
)
def test_serverless_is_known_by_its_environment(
    spark: Any, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert Platform(spark).serverless


def test_a_cluster_of_databricks_is_not_serverless(spark: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABRICKS_RUNTIME_VERSION", "17.3")
    platform = Platform(spark)
    assert (platform.databricks, platform.serverless) == (True, False)


@pytest.mark.jvm
def test_a_jvm_behind_table_acls_can_not_be_reached(spark: Any) -> None:
    assert Platform(spark).jvm
    assert not Platform(Standard(spark)).jvm


def test_serverless_takes_the_settings_that_it_takes(spark: Any) -> None:
    session = Session(Serverless(spark))
    assert session.spark.conf.get("spark.sql.session.timeZone") == "UTC"
    assert session.set("spark.sql.shuffle.partitions", "3")
    assert not session.set("fs.azure.account.key.a.dfs.core.windows.net", "a2V5")
    session.close()
    assert spark.conf.get("spark.sql.shuffle.partitions") == "2"


def test_the_answers_rest_on_settings_that_serverless_takes_or_has(spark: Any) -> None:
    del spark
    assert set(SETTINGS) - SERVERLESS_SETTINGS == {"spark.sql.parquet.outputTimestampType"}


# -- refusals ----------------------------------------------------------------------------------------------------------

REFUSALS = [
    (
        (
            "[CONFIG_NOT_AVAILABLE] Configuration fs.azure.account.key.acct.dfs.core.windows.net is not"
            " available. SQLSTATE: 42K0I"
        ),
        AccessError,
        (
            "this compute takes no account keys or other settings of storage"
            " (fs.azure.account.key.acct.dfs.core.windows.net); use auth_mode: unity_catalog, with an external"
            " location of Unity Catalog over the container"
        ),
    ),
    (
        (
            "[CONFIG_NOT_AVAILABLE.WITHOUT_SUGGESTION] Configuration spark.databricks.delta.autoCompact.enabled"
            " is not available. SQLSTATE: 42K0I"
        ),
        UnsupportedError,
        "this compute does not take the setting spark.databricks.delta.autoCompact.enabled; leave it out",
    ),
    (
        '[CANNOT_MODIFY_CONFIG] Cannot modify the value of the Spark config: "spark.driver.memory".',
        UnsupportedError,
        "this compute does not take the setting spark.driver.memory; leave it out",
    ),
    (
        "Cannot modify the value of a static config: spark.sql.warehouse.dir.",
        UnsupportedError,
        "this compute does not take the setting spark.sql.warehouse.dir; leave it out",
    ),
    (
        ("[NOT_SUPPORTED_WITH_SERVERLESS] PERSIST TABLE is not supported on serverless compute. SQLSTATE: 0A000"),
        UnsupportedError,
        ("this serverless compute can not keep a frame (persist, cache); use environment version 5 or newer, or let"),
    ),
    (
        (
            "[NOT_SUPPORTED_WITH_SERVERLESS] CACHE TABLE AS SELECT is not supported on serverless compute."
            " SQLSTATE: 0A000"
        ),
        UnsupportedError,
        "this serverless compute can not keep a frame (persist, cache); use environment version 5",
    ),
    (
        "[CACHE_REQUIRES_NEWER_CLIENT_ON_SERVERLESS_GC] a newer client",
        UnsupportedError,
        "this serverless compute can not keep a frame (persist, cache); use environment version 5",
    ),
    (
        (
            "[NOT_SUPPORTED_WITH_SERVERLESS] GLOBAL TEMPORARY VIEW is not supported on serverless compute."
            " SQLSTATE: 0A000"
        ),
        UnsupportedError,
        "serverless compute has no global temporary views; name the input in depends_on",
    ),
    (
        (
            "[JVM_ATTRIBUTE_NOT_SUPPORTED] Directly accessing the underlying Spark driver JVM using the"
            " attribute '_jvm' is not supported on shared clusters."
        ),
        UnsupportedError,
        "Spark's JVM can not be reached on this compute (_jvm); use DataFrames and SQL alone",
    ),
    (
        (
            "[JVM_ATTRIBUTE_NOT_SUPPORTED] Attribute `sparkContext` is not supported in Spark Connect as it"
            " depends on the JVM."
        ),
        UnsupportedError,
        "Spark's JVM can not be reached on this compute (sparkContext); use DataFrames",
    ),
    (
        "[NOT_IMPLEMENTED] sparkContext() is not implemented.",
        UnsupportedError,
        "Spark's JVM can not be reached on this compute (sparkContext)",
    ),
    (
        (
            "py4j.security.Py4JSecurityException: Method public void"
            " org.apache.spark.sql.internal.CatalogImpl.dropTempView() is not whitelisted on class class"
            " org.apache.spark.sql.internal.CatalogImpl"
        ),
        UnsupportedError,
        (
            "Spark's JVM can not be reached on this compute (void"
            " org.apache.spark.sql.internal.CatalogImpl.dropTempView())"
        ),
    ),
    (
        (
            "py4j.security.Py4JSecurityException: Constructor public org.apache.spark.SparkConf(boolean) is not"
            " whitelisted."
        ),
        UnsupportedError,
        "Spark's JVM can not be reached on this compute (org.apache.spark.SparkConf(boolean))",
    ),
    (
        "PY4J_BLOCKED_API: sparkContext.getConf",
        UnsupportedError,
        "Spark's JVM can not be reached on this compute",
    ),
    (
        ("Only remote Spark sessions using Databricks Connect are supported. Could not find connection parameters"),
        UnsupportedError,
        "here only sessions of Databricks Connect can be made; give one: SparkEngine(spark_session=…)",
    ),
    (
        "User does not have permission SELECT on any file.",
        AccessError,
        (
            "this compute reaches paths outside of Unity Catalog only with the privilege SELECT ON ANY FILE; ask"
            " for GRANT"
        ),
    ),
    (
        ("[DATA_SOURCE_NOT_FOUND] Failed to find the data source: delta. Make sure the provider name is correct"),
        NoDeltaError,
        "this Spark session has no Delta; fetch its jars with: odibi spark jars",
    ),
    (
        (
            "[DELTA_CONFIGURE_SPARK_SESSION_WITH_EXTENSION_AND_CATALOG] This Delta operation requires the"
            " SparkSession to be configured"
        ),
        UnsupportedError,
        ("this Spark session has Delta's jars, but is not set up for Delta; start it with spark.sql.extensions="),
    ),
]


@pytest.mark.parametrize(("text", "kind", "said"), REFUSALS, ids=[said[:60] for _, _, said in REFUSALS])
def test_a_refusal_is_explained_with_its_way_out(text: str, kind: type[OdibiError], said: str) -> None:
    found = explain_refusal(RuntimeError(text))
    assert type(found) is kind
    assert str(found).startswith(said)


@pytest.mark.parametrize(
    "text", ["[DIVIDE_BY_ZERO] Division by zero", "[DATA_SOURCE_NOT_FOUND] … source: kudu", "boom"]
)
def test_what_is_no_refusal_is_left_to_others(text: str) -> None:
    assert explain_refusal(RuntimeError(text)) is None


def test_the_condition_is_what_the_error_says_of_itself(spark: Any) -> None:
    from pyspark.errors import AnalysisException

    with pytest.raises(AnalysisException) as caught:
        spark.sql("SELECT nope FROM VALUES (1) AS t(id)").collect()
    assert condition_of(caught.value) == "UNRESOLVED_COLUMN.WITH_SUGGESTION"
    assert condition_of(ValueError("[FAILED_READ_FILE.FILE_NOT_EXIST] gone")) == "FAILED_READ_FILE.FILE_NOT_EXIST"
    assert condition_of(ValueError("nothing")) == ""


def test_a_refusal_of_this_session_is_explained(spark: Any) -> None:
    from pyspark.errors import PySparkException

    with pytest.raises(PySparkException) as caught:
        spark.conf.set("spark.sql.warehouse.dir", "elsewhere")
    found = explain_refusal(caught.value)
    assert isinstance(found, UnsupportedError)
    assert "does not take the setting spark.sql.warehouse.dir" in str(found)
