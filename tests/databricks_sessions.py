"""Sessions that refuse what those of Databricks refuse, with its own messages: each stands in front of a real session,
and lets everything else through."""

from __future__ import annotations

from typing import Any

SERVERLESS_SETTINGS = {
    "spark.sql.shuffle.partitions",
    "spark.sql.session.timeZone",
    "spark.sql.ansi.enabled",
    "spark.sql.files.maxPartitionBytes",
    "spark.sql.legacy.timeParserPolicy",
    "spark.databricks.execution.timeout",
}


class Through:
    """Lets everything through to a real object, its class too."""

    refused: tuple[str, ...] = ()

    def __init__(self, real: Any) -> None:
        self._real = real

    @property
    def __class__(self) -> type:  # type: ignore[override]
        return type(self._real)

    def __getattr__(self, name: str) -> Any:
        if name in self.refused:
            raise self.refusal(name)
        return getattr(self._real, name)

    def refusal(self, name: str) -> Exception:
        """What asking for a refused attribute raises."""
        raise NotImplementedError(name)


class _Conf(Through):
    """Takes six settings."""

    def _check(self, name: str) -> None:
        from pyspark.errors import AnalysisException

        if name not in SERVERLESS_SETTINGS:
            raise AnalysisException(f"[CONFIG_NOT_AVAILABLE] Configuration {name} is not available. SQLSTATE: 42K0I")

    def get(self, name: str, *default: Any) -> Any:
        self._check(name)
        return self._real.get(name, *default)

    def set(self, name: str, value: Any) -> None:
        self._check(name)
        self._real.set(name, value)


class _Frame(Through):
    """Can not be kept."""

    def persist(self, *_: Any) -> Any:
        from pyspark.errors import AnalysisException

        raise AnalysisException(
            "[NOT_SUPPORTED_WITH_SERVERLESS] PERSIST TABLE is not supported on serverless compute. SQLSTATE: 0A000"
        )


class Serverless(Through):
    """A session of serverless compute, environment version 4."""

    refused = ("sparkContext", "_jvm", "_jsparkSession", "newSession")

    @property
    def conf(self) -> Any:
        return _Conf(self._real.conf)

    def range(self, *args: Any) -> Any:
        return _Frame(self._real.range(*args))

    def refusal(self, name: str) -> Exception:
        from pyspark.errors import PySparkAttributeError

        return PySparkAttributeError(
            "[JVM_ATTRIBUTE_NOT_SUPPORTED] Directly accessing the underlying Spark driver JVM using the attribute"
            f" '{name}' is not supported on serverless compute."
        )


class Standard(Through):
    """A classic session with the table ACLs of standard access mode."""

    refused = ("sparkContext",)

    def refusal(self, name: str) -> Exception:
        from py4j.protocol import Py4JError

        return Py4JError(
            f"An error occurred while calling o1.{name}. Trace:\npy4j.security.Py4JSecurityException: Method public"
            " org.apache.hadoop.conf.Configuration org.apache.spark.api.java.JavaSparkContext.hadoopConfiguration() is"
            " not whitelisted on class class org.apache.spark.api.java.JavaSparkContext"
        )
