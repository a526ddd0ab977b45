"""The jars that Spark needs beside its own: Delta, Avro, and the driver of Azure's storage. `odibi spark jars` fetches
them once, into odibi's cache folder; from then on they are found without a network.

Which ones fit is known for the Spark that is installed: its version, Scala and Hadoop are read off the names of its own
jars, so that a SPARK_HOME of one's own is judged like the jars inside pyspark. No registry is named here: Maven asks
the one of the user's settings, and Ivy, which Spark brings along for machines without Maven, knows its own.
"""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from odibi.cache import cache_folder
from odibi.errors import DataNotFoundError, MissingExtraError, UnsupportedError

COMMAND = "odibi spark jars"
CHOSEN_FOLDER = "ODIBI_SPARK_JARS"
"""Names a folder of jars that are used as they are, instead of the fetched ones."""
SECONDS = 900.0
PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
OLDEST_JAVA = MappingProxyType({"3": 8, "4": 17})
"""Major version of Spark to the oldest Java it starts on."""
_OFFLINE = ("UnknownHost", "Unknown host", "Connection refused", "Connect timed out", "connect timed out", "timed out",
            "Network is unreachable", "No route to host", "Temporary failure in name resolution", "unresolved dependency",
            "Connection reset")  # fmt: skip


class JarsMissingError(DataNotFoundError):
    """Jars, or Java, are not there; the text says what brings them."""


@dataclass(frozen=True)
class Jar:
    """A Maven artifact, without what it depends on."""

    group: str
    artifact: str
    version: str

    @property
    def file(self) -> str:
        """The name of its file."""
        return f"{self.artifact}-{self.version}.jar"

    def __str__(self) -> str:
        return f"{self.group}:{self.artifact}:{self.version}"


@dataclass(frozen=True)
class Distribution:
    """A Spark that is installed: where, its version, and the Scala and Hadoop it was built with."""

    home: Path
    spark: str
    scala: str
    hadoop: str

    @property
    def line(self) -> str:
        """Major and minor version: what the jars have to fit."""
        return ".".join(self.spark.split(".")[:2])


DELTA: Mapping[str, tuple[str, str]] = MappingProxyType({
    "3.5": ("delta-spark_{scala}", "3.3.2"),
    "4.0": ("delta-spark_4.0_{scala}", "4.4.0"),
    "4.1": ("delta-spark_4.1_{scala}", "4.4.0"),
    "4.2": ("delta-spark_4.2_{scala}", "4.4.0"),
})  # fmt: skip
"""Line of Spark to artifact and version of the Delta that was tested on it. (4.4.1 is on PyPI, but its jars are nowhere.)"""
AVRO: Mapping[str, str] = MappingProxyType({"3.5": "3.5.7", "4.0": "4.0.2", "4.1": "4.1.1", "4.2": "4.1.1"})
"""Line of Spark to the release of spark-avro. There is none for 4.2 yet; the one of 4.1 serves it."""
AZURE: Mapping[str, tuple[Jar, ...]] = MappingProxyType({
    "3.3": (Jar("org.apache.hadoop.thirdparty", "hadoop-shaded-guava", "1.1.1"),
            Jar("org.wildfly.openssl", "wildfly-openssl", "1.0.7.Final")),
    "3.4": (Jar("org.apache.hadoop.thirdparty", "hadoop-shaded-guava", "1.4.0"),
            Jar("org.wildfly.openssl", "wildfly-openssl", "2.1.4.Final")),
    "3.5": (Jar("org.apache.hadoop.thirdparty", "hadoop-shaded-guava", "1.5.0"),
            Jar("org.wildfly.openssl", "wildfly-openssl", "2.2.5.Final"),
            Jar("org.hdrhistogram", "HdrHistogram", "2.1.12")),
})  # fmt: skip
"""Line of Hadoop to what its Azure driver needs that Spark does not bring."""


# -- what fits ---------------------------------------------------------------------------------------------------------


def spark_home() -> Path:
    """The folder of the Spark that pyspark starts: SPARK_HOME, else the one inside pyspark. Raises `MissingExtraError`
    without pyspark."""
    spec = importlib.util.find_spec("pyspark")
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtraError("pyspark", "spark", "the Spark engine")
    return Path(os.environ.get("SPARK_HOME") or next(iter(spec.submodule_search_locations)))


def distribution() -> Distribution:
    """The Spark that is installed. Raises `MissingExtraError` without pyspark, `UnsupportedError` for a pyspark that
    has no Spark in it (it can only speak to a Spark Connect server, and jars are the server's)."""
    home = spark_home()
    names = [path.name for path in (home / "jars").glob("*.jar")]
    core = _first(r"spark-core_(\d+\.\d+)-(\d[\w.]*)\.jar", names)
    hadoop = _first(r"hadoop-client-api-(\d[\w.]*)\.jar", names)
    if core is None or hadoop is None:
        raise UnsupportedError(
            f"{home} has no Spark of its own, only its Python side, which needs a Spark Connect server; the jars are the"
            " server's (its spark.jars, or --packages)"
        )
    return Distribution(home, core[2].removesuffix(".jar"), core[1], hadoop[1])


def _first(pattern: str, names: Iterable[str]) -> re.Match[str] | None:
    return next((found for name in names if (found := re.fullmatch(pattern, name))), None)


def needed(spark: Distribution) -> tuple[Jar, ...]:
    """The jars that fit. Raises `UnsupportedError` for a Spark that odibi knows no jars for.

    >>> [str(jar) for jar in needed(Distribution(Path("x"), "4.2.0", "2.13", "3.5.0"))][:2]
    ['io.delta:delta-spark_4.2_2.13:4.4.0', 'io.delta:delta-storage:4.4.0']
    """
    if spark.line not in DELTA:
        known = ", ".join(DELTA)
        raise UnsupportedError(
            f"no Delta release that odibi knows fits Spark {spark.spark} ({spark.home}); it knows jars for Spark {known}: "
            f"install one of these (pyspark=={max(DELTA)}.*), or put jars that fit into a folder and name it by {CHOSEN_FOLDER}"
        )
    artifact, delta = DELTA[spark.line]
    own = {path.name for path in (spark.home / "jars").glob("*.jar")}
    jars = (
        Jar("io.delta", artifact.format(scala=spark.scala), delta),
        Jar("io.delta", "delta-storage", delta),
        Jar("org.apache.spark", f"spark-avro_{spark.scala}", AVRO[spark.line]),
        *_azure(spark),
    )
    return tuple(jar for jar in jars if jar.file not in own)


def _azure(spark: Distribution) -> tuple[Jar, ...]:
    line = ".".join(spark.hadoop.split(".")[:2])
    beside = AZURE.get(line)
    return (Jar("org.apache.hadoop", "hadoop-azure", spark.hadoop), *beside) if beside else ()


# -- what is there -----------------------------------------------------------------------------------------------------


def folder_for(spark: Distribution) -> Path:
    """Where the jars of a Spark are kept."""
    return cache_folder() / f"spark-jars-{spark.spark}-hadoop-{spark.hadoop}"


def found() -> tuple[Path, ...]:
    """The jars to start Spark with: those of the folder that ODIBI_SPARK_JARS names, else the fetched ones, all or
    none. Empty where there are none."""
    if chosen := os.environ.get(CHOSEN_FOLDER):
        return tuple(sorted(Path(chosen).expanduser().absolute().glob("*.jar")))
    try:
        spark = distribution()
        jars = needed(spark)
    except UnsupportedError:
        return ()
    folder = folder_for(spark)
    return tuple(folder / jar.file for jar in jars) if is_complete(folder, jars) else ()


def is_complete(folder: Path, jars: Iterable[Jar]) -> bool:
    """Whether all of them are in the folder."""
    return all((folder / jar.file).is_file() for jar in jars)


def has_delta(paths: Iterable[Path]) -> bool:
    """Whether Delta is among these jars."""
    names = [path.name for path in paths]
    return all(any(name.startswith(start) for name in names) for start in ("delta-spark_", "delta-storage-"))
