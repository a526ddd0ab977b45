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
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from urllib.parse import urlsplit
from xml.sax.saxutils import escape

from odibi.cache import cache_folder, fetch_with, filling
from odibi.errors import AccessError, DataNotFoundError, MissingExtraError, UnsupportedError

COMMAND = "odibi spark jars"
CHOSEN_FOLDER = "ODIBI_SPARK_JARS"
"""Names a folder of jars that are used as they are, instead of the fetched ones."""
PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
OLDEST_JAVA = MappingProxyType({"3": 8, "4": 17})
"""Major version of Spark to the oldest Java it starts on."""
IVY = "org.apache.ivy.Main"
_OFFLINE = (
    "unknownhost", "unknown host", "connection refused", "timed out", "network is unreachable", "no route to host",
    "temporary failure in name resolution", "connection reset", "server access error", "name or service not known",
)  # fmt: skip
_GET_JAVA = (
    "install a JDK, version {oldest} or newer (your system's package manager has one), and see that `java` is on"
    " the PATH or that JAVA_HOME names its folder"
)


class SparkMissingError(DataNotFoundError):
    """Java, Spark, or the jars, are not there; the text says what brings them."""


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
"""Line of Spark to artifact and version of the Delta that is tested with it. Of 4.4.1 there are no jars."""
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
        raise UnsupportedError(_no_spark(home))
    return Distribution(home, core[2].removesuffix(".jar"), core[1], hadoop[1])


def find_spark() -> Path:
    """The folder of the Spark that pyspark starts. Raises `SparkMissingError` where there is none to start."""
    home = spark_home()
    if not any((home / "bin" / name).is_file() for name in ("spark-submit", "spark-submit.cmd")):
        raise SparkMissingError(_no_spark(home))
    return home


def _no_spark(home: Path) -> str:
    if os.environ.get("SPARK_HOME"):
        return f"SPARK_HOME names {home}, where there is no Spark; correct it, or unset it: pyspark brings one along"
    return (
        f"{home} has no Spark of its own, only its Python side, which needs a Spark Connect server; the jars are"
        " the server's (its spark.jars, or --packages)"
    )


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
            f"odibi knows no jars for Spark {spark.spark} ({spark.home}), only for {known}; install one of these, e.g."
            f" pyspark=={max(DELTA)}.*, or put jars that fit into a folder and name it by {CHOSEN_FOLDER}"
        )
    artifact, delta = DELTA[spark.line]
    own = {path.name for path in installed(spark)}
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
    chosen = chosen_folder()
    if chosen is not None:
        return tuple(sorted(chosen.glob("*.jar")))
    try:
        spark = distribution()
        jars = needed(spark)
    except UnsupportedError:
        return ()
    folder = folder_for(spark)
    return tuple(folder / jar.file for jar in jars) if is_complete(folder, jars) else ()


def chosen_folder() -> Path | None:
    """The folder that ODIBI_SPARK_JARS names."""
    chosen = os.environ.get(CHOSEN_FOLDER)
    return Path(chosen).expanduser().absolute() if chosen else None


def check_chosen_folder() -> None:
    """Raise `SparkMissingError` where the folder that ODIBI_SPARK_JARS names is not there."""
    chosen = chosen_folder()
    if chosen is not None and not chosen.is_dir():
        raise SparkMissingError(
            f"{CHOSEN_FOLDER} names {chosen}, which is no folder; correct it, or unset it and fetch the jars with: "
            f"{COMMAND}"
        )


def place_of(spark: Distribution) -> Path:
    """Where the jars of a Spark are looked for: the folder that ODIBI_SPARK_JARS names, else that of the fetched
    ones."""
    return chosen_folder() or folder_for(spark)


def complete_folder(spark: Distribution) -> Path | None:
    """The folder with all the jars that a Spark needs, None where there is none."""
    jars = needed(spark)
    return next((each for each in (place_of(spark), folder_for(spark)) if is_complete(each, jars)), None)


def installed(spark: Distribution) -> tuple[Path, ...]:
    """Spark's own jars."""
    return tuple((spark.home / "jars").glob("*.jar"))


def is_complete(folder: Path, jars: Iterable[Jar]) -> bool:
    """Whether all of them are in the folder."""
    return all((folder / jar.file).is_file() for jar in jars)


def has_delta(paths: Iterable[Path]) -> bool:
    """Whether Delta is among these jars."""
    names = {path.name for path in paths}
    return all(any(name.startswith(start) for name in names) for start in ("delta-spark_", "delta-storage-"))


# -- fetching ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Fetched:
    """Where the jars are; `new` when this call has fetched them, `by` names the tool."""

    folder: Path
    jars: tuple[Jar, ...]
    new: bool
    by: str = ""


def fetch() -> Fetched:
    """Fetch the jars that fit the installed Spark; does nothing where they are there, in the folder that
    ODIBI_SPARK_JARS names or among those that were fetched. Either all of them are there afterwards, or none.

    Raises `MissingExtraError` without pyspark, `UnsupportedError` for a Spark that odibi knows no jars for,
    `SparkMissingError` without Java, `AccessError` when they can not be fetched or kept.
    """
    spark = distribution()
    jars = needed(spark)
    there, folder = complete_folder(spark), folder_for(spark)
    if there is not None:
        return Fetched(there, jars, new=False)
    java = find_java()
    with filling(folder, partial(is_complete, jars=jars)) as aside:
        maven = shutil.which("mvn")
        if maven:
            _fetch_with_maven(maven, jars, aside)
        else:
            _fetch_with_ivy(java, spark, jars, aside)
        _keep_only_jars(aside, jars)
    return Fetched(folder, jars, new=True, by="Maven" if maven else "Ivy")


def find_java() -> str:
    """The `java` that Spark will run: that of JAVA_HOME, else the one on the PATH. Raises `SparkMissingError`."""
    home = os.environ.get("JAVA_HOME")
    found: str | None = shutil.which("java", path=str(Path(home, "bin")) if home else None)
    if found:
        return found
    where = f"JAVA_HOME names {home}, where there is no bin/java" if home else "there is no `java` on the PATH"
    raise SparkMissingError(
        f"Spark needs Java, and {where}; {_GET_JAVA.format(oldest=oldest_java(_version_or_newest()))}"
    )


@dataclass(frozen=True)
class Java:
    """A Java that is installed; `version` is empty and `major` 0 where it does not tell."""

    path: str
    version: str
    major: int


def java() -> Java:
    """The Java that Spark will run; it is started to ask its version. Raises `SparkMissingError`."""
    path = find_java()
    try:
        said = subprocess.run([path, "-version"], capture_output=True, text=True, timeout=30, check=False).stderr
    except (OSError, subprocess.SubprocessError) as error:
        raise SparkMissingError(f"Spark needs Java, and {path} does not run ({error}); install it again") from None
    found = re.search(r'"(?:1\.)?(\d+)[^"]*"', said)
    return Java(path, found[0].strip('"'), int(found[1])) if found else Java(path, "", 0)


def oldest_java(spark: str) -> int:
    """The oldest Java that a Spark starts on."""
    return OLDEST_JAVA.get(spark.partition(".")[0], max(OLDEST_JAVA.values()))


def _version_or_newest() -> str:
    try:
        return distribution().spark
    except (UnsupportedError, MissingExtraError):
        return max(DELTA)


def _fetch_with_maven(maven: str, jars: Iterable[Jar], folder: Path) -> None:
    """Have Maven copy them; it goes by the user's settings (mirrors, proxies, credentials)."""
    pom = folder / "pom.xml"
    pom.write_text(pom_of(jars), encoding="utf-8")
    _run([maven, "-B", "-q", "-C", "-f", str(pom), PLUGIN, f"-DoutputDirectory={folder}"], folder, "Maven")


def pom_of(jars: Iterable[Jar]) -> str:
    """A project for Maven with these artifacts and nothing of what they depend on: Spark brings that, in the versions
    it was built with."""
    everything = "<exclusions><exclusion><groupId>*</groupId><artifactId>*</artifactId></exclusion></exclusions>"
    artifacts = "\n".join(
        f"    <dependency><groupId>{escape(jar.group)}</groupId><artifactId>{escape(jar.artifact)}</artifactId>"
        f"<version>{escape(jar.version)}</version>{everything}</dependency>"
        for jar in jars
    )
    return f"""<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>odibi</groupId><artifactId>spark-jars</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
{artifacts}
  </dependencies>
</project>
"""


def _fetch_with_ivy(java: str, spark: Distribution, jars: Iterable[Jar], folder: Path) -> None:
    """Have Ivy fetch them, which Spark has among its own jars. Its folder is its own, else it would take what Maven
    left half-known in the user's."""
    (folder / "ivysettings.xml").write_text(_IVY_SETTINGS, encoding="utf-8")
    (folder / "ivy.xml").write_text(_ivy_of(jars), encoding="utf-8")
    paths = str(spark.home / "jars" / "*")
    options = ["-settings", "ivysettings.xml", "-ivy", "ivy.xml", "-cache", "ivy-cache", "-warn"]
    where = ["-retrieve", "[artifact]-[revision].[ext]"]
    command = [java, *proxy_options(os.environ), f"-Divy.default.ivy.user.dir={folder / 'ivy-home'}", "-cp", paths, IVY]
    _run([*command, *options, *where], folder, "Ivy")


_IVY_SETTINGS = """<ivysettings>
  <settings defaultResolver="central"/>
  <resolvers><ibiblio name="central" m2compatible="true" usepoms="false"/></resolvers>
</ivysettings>
"""


def _ivy_of(jars: Iterable[Jar]) -> str:
    lines = "\n".join(
        f'    <dependency org="{jar.group}" name="{jar.artifact}" rev="{jar.version}" transitive="false"/>'
        for jar in jars
    )
    return f"""<ivy-module version="2.0">
  <info organisation="odibi" module="spark-jars"/>
  <dependencies>
{lines}
  </dependencies>
</ivy-module>
"""


def proxy_options(environment: Mapping[str, str]) -> list[str]:
    """Java's words for HTTPS_PROXY, which it does not look at.

    >>> proxy_options({"HTTPS_PROXY": "http://proxy.corp:8080"})
    ['-Dhttps.proxyHost=proxy.corp', '-Dhttps.proxyPort=8080']
    """
    proxy = environment.get("HTTPS_PROXY") or environment.get("https_proxy") or ""
    parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    if not parts.hostname:
        return []
    return [f"-Dhttps.proxyHost={parts.hostname}", *([f"-Dhttps.proxyPort={parts.port}"] if parts.port else [])]


def _run(command: list[str], folder: Path, tool: str) -> None:
    """Raises `AccessError` with what the tool said."""
    done = fetch_with(tool, command, folder)
    if done.returncode:
        raise AccessError(_what_it_said(tool, done.stdout))


def _what_it_said(tool: str, text: str) -> str:
    """The tool's own complaint, and what to do."""
    lines = [
        re.sub(r"^\W*(ERROR|WARN)?\W*", "", re.sub(r"\x1b\[[\d;]*m", "", line)).strip() for line in text.splitlines()
    ]
    telling = [line for line in lines if re.search(r"Could not|not found|error|Unknown|refused|Exception", line)]
    cause = (telling or [line for line in lines if line] or ["nothing"])[0].partition(" -> ")[0]
    if any(word in text.lower() for word in _OFFLINE):
        asks = "Maven asks the mirrors of its settings.xml" if tool == "Maven" else "it goes by HTTPS_PROXY"
        hint = (
            f"it seems that the network can not be reached ({asks}); without one, copy the jars that `{COMMAND} --list`"
            f" names into a folder and name it by {CHOSEN_FOLDER}"
        )
    else:
        hint = f"`{COMMAND} --list` names the jars"
    return f"{tool} could not fetch the jars: {cause}; {hint}"


def _keep_only_jars(aside: Path, jars: tuple[Jar, ...]) -> None:
    """Take away what the tools left beside the jars. Raises `AccessError` where a jar is missing."""
    if not is_complete(aside, jars):
        gone = ", ".join(jar.file for jar in jars if not (aside / jar.file).is_file())
        raise AccessError(f"the jars were fetched, but not all of them are there: {gone}; run {COMMAND} again")
    for other in aside.iterdir():
        if other.suffix != ".jar":
            shutil.rmtree(other) if other.is_dir() else other.unlink()
