"""What the Spark at hand allows, found out by asking it: a version number tells little of what a platform has patched
or forbidden. And what its refusals mean, each with the way out.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from functools import cached_property
from typing import Any

from odibi.engine.spark.jars import COMMAND
from odibi.engine.spark.raised import condition_of
from odibi.errors import AccessError, DataNotFoundError, OdibiError, UnsupportedError
from odibi.notebook import RUNTIME_VARIABLE, in_databricks

NO_KEYS = (
    "use auth_mode: unity_catalog, with an external location of Unity Catalog over the container, or compute in"
    " dedicated access mode"
)
NO_JVM = "use DataFrames and SQL alone (no sparkContext, RDD or _jvm), or compute in dedicated access mode"
_REFUSED = (AttributeError, NotImplementedError, RuntimeError)
"""What asking for the JVM raises where there is none: by pyspark's age and platform."""
_ANY_KEY = "spark.databricks.clusterUsageTags.sparkVersion"
_SERVERLESS = ("CONFIG_NOT_AVAILABLE", "NOT_SUPPORTED_WITH_SERVERLESS")


class Platform:
    """Facts of one Spark session. Each is asked for when it is first needed, and costs no job."""

    def __init__(self, spark: Any) -> None:
        self._spark = spark

    @cached_property
    def connect(self) -> bool:
        """Spark Connect: views are looked up by name when they are used, columns are known to the server alone."""
        return str(self._spark.__class__.__module__).startswith("pyspark.sql.connect")

    @cached_property
    def jvm(self) -> bool:
        """Whether `sparkContext`, `.rdd` and `_jvm` can be used."""
        if self.connect:
            return False
        return not _is_refused(lambda: self._spark.sparkContext._jsc.hadoopConfiguration().get("fs.defaultFS"))

    @cached_property
    def local(self) -> bool:
        """Whether the executors are threads of this machine's one JVM, which sees what Python sees."""
        return self.jvm and re.match(r"local(\[|$)", str(self._spark.sparkContext.master)) is not None

    @cached_property
    def databricks(self) -> bool:
        """Databricks, also from a laptop through Databricks Connect."""
        return in_databricks() or self.serverless or bool(self._cluster_version)

    @cached_property
    def serverless(self) -> bool:
        """Databricks serverless compute, which refuses most settings, and says so of those it does not know too."""
        if os.environ.get(RUNTIME_VARIABLE, "").startswith("client."):
            return True
        if os.environ.get("IS_SERVERLESS", "").lower() == "true":
            return True
        return self._cluster_version is None

    @cached_property
    def _cluster_version(self) -> str | None:
        """What a Databricks cluster says of itself; empty outside of Databricks, None where asking is refused as it is
        on serverless compute."""
        from pyspark.errors import PySparkException

        try:
            return str(self._spark.conf.get(_ANY_KEY, "") or "")
        except PySparkException as error:
            return None if condition_of(error).startswith(_SERVERLESS) else ""

    @cached_property
    def persist(self) -> bool:
        """Whether frames can be kept by `persist`."""
        frame = self._spark.range(0)
        if _is_refused(frame.persist):
            return False
        frame.unpersist()
        return True

    @cached_property
    def local_checkpoint(self) -> bool:
        """Whether frames have `localCheckpoint`, which cuts their plan off (Connect: from Spark 4.0 on)."""
        return hasattr(self._spark.range(0), "localCheckpoint") and not self.serverless

    @cached_property
    def tags(self) -> bool:
        """Whether work can be tagged, to be interrupted by its tag."""
        return hasattr(self._spark, "addTag") and not _is_refused(self._spark.getTags)

    def as_data(self) -> dict[str, bool]:
        """All facts, for the doctor and for logs."""
        names = ("connect", "jvm", "local", "databricks", "serverless", "persist", "tags")
        return {name: getattr(self, name) for name in names}


def _is_refused(ask: Callable[[], object]) -> bool:
    """Whether the platform refuses. Asks; what is raised for other reasons is raised."""
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException

    try:
        ask()
    except (*_REFUSED, PySparkException, Py4JError):
        return True
    return False


# -- refusals, explained -----------------------------------------------------------------------------------------------


def explain_refusal(error: BaseException) -> OdibiError | None:
    """The platform's refusal in odibi's words, with the way out; None for an error that is none."""
    text = str(error)
    condition = condition_of(error)
    for applies, explain in _REFUSALS:
        found = applies(condition, text)
        if found is not None:
            return explain(found)
    return None


def _of_setting(condition: str, text: str) -> str | None:
    """The setting that was refused."""
    older = re.search(r"Cannot modify the value of an? (?:static|Spark) config: [\"'`]?([\w.]+\w)", text)
    if older:
        return older[1]
    if not condition.startswith(("CONFIG_NOT_AVAILABLE", "CANNOT_MODIFY_CONFIG", "CANNOT_MODIFY_STATIC_CONFIG")):
        return None
    name = re.search(r"(?:[Cc]onfiguration|config(?:uration)? entry|Spark config:?) [\"'`]?([\w.<>-]+\w)", text)
    return name[1] if name else ""


def _explain_setting(name: str) -> OdibiError:
    if name.startswith(("fs.azure.", "spark.hadoop.fs.azure.")):
        return AccessError(f"this compute takes no account keys or other settings of storage ({name}); {NO_KEYS}")
    what = f"the setting {name}" if name else "this setting"
    return UnsupportedError(
        f"this compute does not take {what}; leave it out, or set it where the session is made (the cluster's Spark"
        " config, spark-defaults.conf)"
    )


def _of_serverless(condition: str, text: str) -> str | None:
    """What serverless compute does not do."""
    if condition.startswith("CACHE_REQUIRES_NEWER_CLIENT"):
        return "PERSIST TABLE"
    if not condition.startswith("NOT_SUPPORTED_WITH_SERVERLESS"):
        return None
    found = re.search(r"\]\s*(.+?) is not supported on serverless", text, re.DOTALL)
    return found[1] if found else "this"


def _explain_serverless(what: str) -> OdibiError:
    if what in ("PERSIST TABLE", "CACHE TABLE") or what.startswith("CACHE TABLE"):
        return UnsupportedError(
            "this serverless compute can not keep a frame (persist, cache); use environment version 5 or newer, or let"
            " the node write a table and the next ones read it"
        )
    if what.startswith("GLOBAL TEMPORARY VIEW"):
        return UnsupportedError(
            "serverless compute has no global temporary views; name the input in depends_on instead"
        )
    return UnsupportedError(f"serverless compute does not support {what}; run it on a cluster")


def _of_jvm(condition: str, text: str) -> str | None:
    """What of the JVM was asked for and is not there."""
    if condition == "JVM_ATTRIBUTE_NOT_SUPPORTED":
        found = re.search(r"[Aa]ttribute [\"'`]?(\w+)", text)
        return found[1] if found else "JVM"
    if condition == "NOT_IMPLEMENTED" and (found := re.search(r"(sparkContext|newSession|rdd|_jvm)\b", text)):
        return found[1]
    blocked = re.search(r"Py4JSecurityException: (?:Method|Constructor) (.+?) is not (?:whitelisted|allow)", text)
    if blocked:
        return blocked[1].removeprefix("public ")
    return "the JVM" if "PY4J_BLOCKED_API" in text else None


def _explain_jvm(what: str) -> OdibiError:
    return UnsupportedError(f"Spark's JVM can not be reached on this compute ({what}); {NO_JVM}")


def _of_remote_only(condition: str, text: str) -> str | None:
    del condition
    return "" if "Only remote Spark sessions using Databricks Connect are supported" in text else None


def _explain_remote_only(_: str) -> OdibiError:
    return UnsupportedError(
        "here only sessions of Databricks Connect can be made; give one: SparkEngine(spark_session=…), made with"
        " databricks.connect.DatabricksSession.builder.getOrCreate()"
    )


def _of_any_file(condition: str, text: str) -> str | None:
    found = re.search(r"does not have permission (\w+) on any file", text, re.IGNORECASE)
    del condition
    return found[1] if found else None


def _explain_any_file(privilege: str) -> OdibiError:
    return AccessError(
        f"this compute reaches paths outside of Unity Catalog only with the privilege {privilege.upper()} ON ANY FILE;"
        f" ask for GRANT {privilege.upper()} ON ANY FILE, or for an external location over the path"
    )


def _of_no_delta(condition: str, text: str) -> str | None:
    """`missing` without Delta's jars, `settings` where they are there and the session was not set up for them."""
    if condition.startswith("DELTA_CONFIGURE_SPARK_SESSION_WITH_EXTENSION"):
        return "settings"
    missing = condition.startswith("DATA_SOURCE_NOT_FOUND") or "Failed to find data source" in text
    if missing and re.search(r"\bdelta\b", text, re.IGNORECASE):
        return "missing"
    if "delta.catalog.DeltaCatalog" in text and re.search(r"CATALOG.*NOT_FOUND|Cannot find catalog plugin", text):
        return "missing"
    return None


def _explain_no_delta(which: str) -> OdibiError:
    if which == "settings":
        return UnsupportedError(
            "this Spark session has Delta's jars, but is not set up for Delta; start it with"
            " spark.sql.extensions=io.delta.sql.DeltaSparkSessionExtension and"
            " spark.sql.catalog.spark_catalog=org.apache.spark.sql.delta.catalog.DeltaCatalog"
        )
    return NoDeltaError(
        f"this Spark session has no Delta; fetch its jars with: {COMMAND} (a session that odibi starts then has them;"
        f" one of your own takes them by spark.jars, see `{COMMAND} --list`)"
    )


class NoDeltaError(DataNotFoundError):
    """A Spark session without the jars of Delta."""


_REFUSALS: tuple[tuple[Callable[[str, str], str | None], Callable[[str], OdibiError]], ...] = (
    (_of_setting, _explain_setting),
    (_of_serverless, _explain_serverless),
    (_of_jvm, _explain_jvm),
    (_of_remote_only, _explain_remote_only),
    (_of_any_file, _explain_any_file),
    (_of_no_delta, _explain_no_delta),
)
