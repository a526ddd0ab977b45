"""The jars of Spark: which fit, how they are fetched, and what is told where something is missing."""

from __future__ import annotations

import re
import shutil
import stat
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from odibi import cache
from odibi.engine.spark import jars
from odibi.engine.spark.jars import Distribution, SparkMissingError
from odibi.errors import AccessError, MissingExtraError, UnsupportedError

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the tools that the tests stand in for are scripts")

SPARKS = {
    "3.5": Distribution(Path("nowhere"), "3.5.7", "2.12", "3.3.4"),
    "4.0": Distribution(Path("nowhere"), "4.0.1", "2.13", "3.4.1"),
    "4.1": Distribution(Path("nowhere"), "4.1.0", "2.13", "3.4.2"),
    "4.2": Distribution(Path("nowhere"), "4.2.0", "2.13", "3.5.0"),
}


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Make a Spark of some version be the installed one, with a cache folder of its own."""

    def make(spark: str = "4.2.0", scala: str = "2.13", hadoop: str = "3.5.0", *others: str) -> Path:
        home = tmp_path / "home"
        (home / "jars").mkdir(parents=True, exist_ok=True)
        for name in (f"spark-core_{scala}-{spark}.jar", f"hadoop-client-api-{hadoop}.jar", *others):
            (home / "jars" / name).touch()
        monkeypatch.setenv("SPARK_HOME", str(home))
        monkeypatch.delenv("ODIBI_SPARK_JARS", raising=False)
        monkeypatch.setenv("ODIBI_CACHE_DIR", str(tmp_path / "cache"))
        return home

    return make


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Make these scripts the only programs on the PATH, beside a few of the system's."""

    def make(**scripts: str) -> None:
        folder = tmp_path / "bin"
        folder.mkdir(exist_ok=True)
        for name in ("sh", "cat", "touch", "sleep", "sed", "grep", "tr"):
            found = shutil.which(name)
            assert found is not None
            (folder / name).symlink_to(found)
        for name, text in scripts.items():
            script = folder / name
            script.write_text(f"#!{shutil.which('sh')}\n{text}\n")
            script.chmod(script.stat().st_mode | stat.S_IEXEC)
        monkeypatch.setenv("PATH", str(folder))
        monkeypatch.delenv("JAVA_HOME", raising=False)

    return make


MAVEN = f"""exec {sys.executable} - "$@" <<'END'
import sys, pathlib, xml.etree.ElementTree as tree
pom = next(word for word in sys.argv if word.endswith("pom.xml"))
out = next(word.partition("=")[2] for word in sys.argv if word.startswith("-DoutputDirectory="))
for each in tree.parse(pom).iter("{{http://maven.apache.org/POM/4.0.0}}dependency"):
    group, artifact, version, exclusions = each
    assert [part.text for part in exclusions[0]] == ["*", "*"]
    pathlib.Path(out, f"{{artifact.text}}-{{version.text}}.jar").touch()
END"""
"""Stands in for Maven: makes the files that the project file asks for."""


# -- which fit ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "delta", "avro"),
    [
        ("3.5", "io.delta:delta-spark_2.12:3.3.2", "org.apache.spark:spark-avro_2.12:3.5.7"),
        ("4.0", "io.delta:delta-spark_4.0_2.13:4.4.0", "org.apache.spark:spark-avro_2.13:4.0.2"),
        ("4.1", "io.delta:delta-spark_4.1_2.13:4.4.0", "org.apache.spark:spark-avro_2.13:4.1.1"),
        ("4.2", "io.delta:delta-spark_4.2_2.13:4.4.0", "org.apache.spark:spark-avro_2.13:4.1.1"),
    ],
)
def test_each_spark_has_jars_that_fit(line: str, delta: str, avro: str) -> None:
    found = [str(jar) for jar in jars.needed(SPARKS[line])]
    assert {delta, avro, f"org.apache.hadoop:hadoop-azure:{SPARKS[line].hadoop}"} < set(found)
    assert f"io.delta:delta-storage:{delta.rpartition(':')[2]}" in found
    assert len(found) == len(set(found))


def test_what_spark_has_itself_is_not_fetched(install: Callable[..., Path]) -> None:
    install("4.2.0", "2.13", "3.5.0", "hadoop-shaded-guava-1.5.0.jar")
    assert "hadoop-shaded-guava" not in " ".join(str(jar) for jar in jars.needed(jars.distribution()))


def test_the_installed_spark_tells_its_versions(install: Callable[..., Path]) -> None:
    home = install("3.5.7", "2.12", "3.3.4")
    assert jars.distribution() == Distribution(home, "3.5.7", "2.12", "3.3.4")


def test_an_unknown_spark_is_named_with_those_that_are_known(install: Callable[..., Path]) -> None:
    install("5.0.0")
    with pytest.raises(
        UnsupportedError, match=r"no jars for Spark 5\.0\.0 .*only for 3\.5, 4\.0, 4\.1, 4\.2; install one"
    ):
        jars.fetch()
    assert jars.found() == ()


def test_a_pyspark_without_spark_in_it_needs_no_jars(
    install: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    home = install()
    shutil.rmtree(home / "jars")
    monkeypatch.delenv("SPARK_HOME")
    monkeypatch.setattr(jars, "spark_home", lambda: home)
    with pytest.raises(UnsupportedError, match="needs a Spark Connect server; the jars are the server's"):
        jars.fetch()


def test_without_pyspark_the_command_that_installs_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jars.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"the Spark engine needs .*'pyspark'; install it with: pip install"):
        jars.fetch()


# -- fetching ----------------------------------------------------------------------------------------------------------


def test_fetched_jars_are_found_again_without_a_network(
    install: Callable[..., Path], tools: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    install()
    tools(java="true", mvn=MAVEN)
    assert jars.found() == ()
    first = jars.fetch()
    assert (first.new, first.by) == (True, "Maven")
    assert sorted(path.name for path in first.folder.iterdir()) == sorted(jar.file for jar in first.jars)
    monkeypatch.setenv("PATH", "")
    again = jars.fetch()
    assert (again.new, again.folder) == (False, first.folder)
    assert {path.name for path in jars.found()} == {jar.file for jar in first.jars}
    assert jars.has_delta(jars.found())


def test_a_new_release_is_fetched_anew(
    install: Callable[..., Path], tools: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    install()
    tools(java="true", mvn=MAVEN)
    jars.fetch()
    monkeypatch.setattr(jars, "DELTA", {"4.2": ("delta-spark_4.2_{scala}", "9.9.9")})
    assert jars.found() == ()
    folder = jars.fetch().folder
    assert [path.name for path in folder.glob("delta-spark*")] == ["delta-spark_4.2_2.13-9.9.9.jar"]


@pytest.mark.parametrize(
    "maven",
    [
        "echo '[ERROR] Could not find artifact io.delta:x in central' >&2; exit 1",
        "exit 0",
        MAVEN.removeprefix("exec ") + "\nexit 1",
    ],
)
def test_half_fetched_jars_count_as_none(install: Callable[..., Path], tools: Callable[..., None], maven: str) -> None:
    install()
    tools(java="true", mvn=maven)
    with pytest.raises(AccessError, match="fetch"):
        jars.fetch()
    assert jars.found() == ()
    assert not list(jars.cache_folder().iterdir())


def test_a_folder_that_lost_a_jar_is_fetched_anew(install: Callable[..., Path], tools: Callable[..., None]) -> None:
    install()
    tools(java="true", mvn=MAVEN)
    folder = jars.fetch().folder
    next(folder.glob("delta-storage*")).unlink()
    assert jars.found() == ()
    assert jars.fetch().new
    assert jars.has_delta(jars.found())


@pytest.mark.parametrize("tool", ["mvn", "java"])
def test_without_a_network_the_way_out_is_named(
    install: Callable[..., Path], tools: Callable[..., None], tool: str
) -> None:
    install()
    scripts = {
        "java": "true",
        tool: "echo 'java.net.UnknownHostException: repo.example: Name or service not known'; exit 1",
    }
    tools(**scripts)
    with pytest.raises(AccessError) as caught:
        jars.fetch()
    asks = "Maven asks the mirrors of its settings.xml" if tool == "mvn" else "it goes by HTTPS_PROXY"
    assert f"the network can not be reached ({asks})" in str(caught.value)
    assert "copy the jars that `odibi spark jars --list` names into a folder and name it by ODIBI_SPARK_JARS" in str(
        caught.value
    )


def test_a_tool_that_hangs_is_given_up(
    install: Callable[..., Path], tools: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    install()
    tools(java="true", mvn="exec sleep 60")
    monkeypatch.setattr(cache, "SECONDS", 0.2)
    with pytest.raises(AccessError, match="Maven did not end within"):
        jars.fetch()


def test_without_maven_ivy_is_asked_in_a_folder_of_its_own(
    install: Callable[..., Path], tools: Callable[..., None]
) -> None:
    home = install()
    said = home / "said"
    tools(
        java=f"""echo "$@" > {said}
      sed -n 's/.*name="\\([^"]*\\)" rev="\\([^"]*\\)" transitive="false".*/\\1-\\2.jar/p' ivy.xml |
      while read -r name; do touch "$name"; done"""
    )
    done = jars.fetch()
    assert done.by == "Ivy"
    words = said.read_text()
    assert f"-cp {home / 'jars' / '*'} org.apache.ivy.Main" in words
    assert "-Divy.default.ivy.user.dir=" in words
    assert "-cache ivy-cache" in words
    assert {path.suffix for path in done.folder.iterdir()} == {".jar"}


# -- Spark -------------------------------------------------------------------------------------------------------------


def test_a_spark_home_without_spark_is_named(install: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    home = install()
    with pytest.raises(SparkMissingError, match=r"SPARK_HOME names .*home, where there is no Spark"):
        jars.find_spark()
    (home / "bin").mkdir()
    (home / "bin" / "spark-submit").touch()
    assert jars.find_spark() == home
    monkeypatch.setenv("SPARK_HOME", str(home / "none"))
    with pytest.raises(UnsupportedError, match=r"SPARK_HOME names .*none, where there is no Spark; correct it"):
        jars.distribution()


# -- Java --------------------------------------------------------------------------------------------------------------


def test_without_java_one_message_says_what_to_install(
    install: Callable[..., Path], tools: Callable[..., None]
) -> None:
    install()
    tools()
    with pytest.raises(SparkMissingError, match=r"no `java` on the PATH; install a JDK, version 17 or newer"):
        jars.fetch()


def test_a_java_home_without_java_is_named(
    install: Callable[..., Path], tools: Callable[..., None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    install("3.5.7", "2.12", "3.3.4")
    tools(java="true")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "jdk"))
    with pytest.raises(
        SparkMissingError, match=r"JAVA_HOME names .*jdk, where there is no bin/java; install a JDK, version 8"
    ):
        jars.find_java()


@pytest.mark.parametrize(
    ("said", "major"), [('openjdk version "17.0.15" 2025', 17), ('java version "1.8.0_432"', 8), ("hm", 0)]
)
def test_java_tells_its_version(tools: Callable[..., None], said: str, major: int) -> None:
    tools(java=f"echo '{said}' >&2")
    assert jars.java().major == major


# -- a folder of one's own ---------------------------------------------------------------------------------------------


def test_a_chosen_folder_is_used_as_it_is(
    install: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install("5.0.0")
    for name in ("delta-spark_5.0_2.13-5.0.0.jar", "delta-storage-5.0.0.jar", "note.txt"):
        (tmp_path / name).touch()
    monkeypatch.setenv("ODIBI_SPARK_JARS", str(tmp_path))
    assert [path.name for path in jars.found()] == ["delta-spark_5.0_2.13-5.0.0.jar", "delta-storage-5.0.0.jar"]
    assert jars.has_delta(jars.found())


def test_no_registry_is_named() -> None:
    text = Path(jars.__file__).read_text(encoding="utf-8")
    assert re.findall(r"//([\w-]+(?:\.[\w-]+)+)", text) == ["maven.apache.org", "proxy.corp"]  # a namespace, an example
