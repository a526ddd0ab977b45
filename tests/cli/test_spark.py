"""`odibi spark jars`, and what the doctor tells of Spark."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from odibi.cli import spark as command
from odibi.engine.spark import jars
from odibi.engine.spark.jars import Distribution, Fetched, Java, SparkMissingError

Call = Callable[..., Any]


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Distribution:
    """A Spark 4.2.0 whose jars are not fetched yet, and a Java."""
    home = tmp_path / "home"
    (home / "jars").mkdir(parents=True)
    for name in ("spark-core_2.13-4.2.0.jar", "hadoop-client-api-3.5.0.jar"):
        (home / "jars" / name).touch()
    monkeypatch.setenv("SPARK_HOME", str(home))
    monkeypatch.delenv("ODIBI_SPARK_JARS", raising=False)
    monkeypatch.setenv("ODIBI_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("SPARK_REMOTE", raising=False)
    monkeypatch.setattr(jars, "java", lambda: Java("/jdk/bin/java", "17.0.15", 17))
    return jars.distribution()


@pytest.fixture
def fetched(installed: Distribution, monkeypatch: pytest.MonkeyPatch) -> Distribution:
    """The same after `odibi spark jars`, which asks no network here."""
    _put(installed)
    return installed


def _put(spark: Distribution) -> Fetched:
    folder = jars.folder_for(spark)
    folder.mkdir(parents=True)
    for jar in jars.needed(spark):
        (folder / jar.file).touch()
    return Fetched(folder, jars.needed(spark), new=True, by="Maven")


# -- jars --------------------------------------------------------------------------------------------------------------


def test_jars_are_fetched_once(odibi: Call, installed: Distribution, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jars, "fetch", lambda: _put(installed))
    first = odibi("spark", "jars")
    folder = jars.folder_for(installed)
    assert first.code == 0
    assert first.err == f"fetching the jars for Spark 4.2.0 into {folder}\n"
    assert first.out.startswith(f"7 jars for Spark 4.2.0 in {folder} (Maven, ")
    monkeypatch.undo()


def test_jars_that_are_there_are_not_fetched(odibi: Call, fetched: Distribution) -> None:
    again = odibi("spark", "jars")
    assert (again.code, again.err) == (0, "")
    assert again.out == f"7 jars for Spark 4.2.0 were there already, in {jars.folder_for(fetched)}\n"
    assert odibi("spark", "jars", "--json").json["fetched"] is False


def test_the_list_tells_what_is_missing(odibi: Call, fetched: Distribution) -> None:
    folder = jars.folder_for(fetched)
    (folder / "delta-storage-4.4.0.jar").unlink()
    lines = odibi("spark", "jars", "--list").out.splitlines()
    assert lines[:2] == ["there    io.delta:delta-spark_4.2_2.13:4.4.0", "missing  io.delta:delta-storage:4.4.0"]
    data = odibi("spark", "jars", "--list", "--json").json
    assert [(each["file"], each["there"]) for each in data["jars"]][1] == ("delta-storage-4.4.0.jar", False)
    assert data["folder"] == str(folder)


def test_the_folder_is_told(
    odibi: Call, fetched: Distribution, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert odibi("spark", "jars", "--where").out.strip() == str(jars.folder_for(fetched))
    monkeypatch.setenv("ODIBI_SPARK_JARS", str(tmp_path))
    assert odibi("spark", "jars", "--where").out.strip() == str(tmp_path)
    assert "ODIBI_SPARK_JARS is set: the jars in" in odibi("spark", "jars").err


def test_jars_in_a_chosen_folder_are_there(
    odibi: Call, installed: Distribution, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As on a machine without a network, to which the folder was brought: nothing is fetched."""
    chosen = tmp_path / "brought"
    chosen.mkdir()
    for jar in jars.needed(installed):
        (chosen / jar.file).touch()
    monkeypatch.setenv("ODIBI_SPARK_JARS", str(chosen))
    monkeypatch.setattr(jars, "find_java", lambda: pytest.fail("it is about to fetch"))
    again = odibi("spark", "jars")
    assert (again.code, again.err) == (0, "")
    assert again.out == f"7 jars for Spark 4.2.0 were there already, in {chosen}\n"
    assert odibi("spark", "jars", "--json").json["folder"] == str(chosen)
    assert {line.split()[0] for line in odibi("spark", "jars", "--list").out.splitlines()} == {"there"}
    (chosen / "delta-storage-4.4.0.jar").unlink()
    assert "missing  io.delta:delta-storage:4.4.0" in odibi("spark", "jars", "--list").out


def test_what_is_missing_is_one_message_and_a_wrong_installation(
    odibi: Call, installed: Distribution, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JAVA_HOME", "/nowhere")
    called = odibi("spark", "jars")
    assert called.code == 2
    assert (
        "error: Spark needs Java, and JAVA_HOME names /nowhere, where there is no bin/java; install a JDK" in called.err
    )


def test_list_and_where_are_two_questions(odibi: Call, installed: Distribution) -> None:
    assert odibi("spark", "jars", "--list", "--where").code == 2


def test_on_databricks_there_is_nothing_to_fetch(odibi: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABRICKS_RUNTIME_VERSION", "16.4")
    called = odibi("spark", "jars")
    assert (called.code, called.out) == (
        0,
        "Databricks brings the jars of Delta, Avro and Azure storage itself: there is nothing to fetch\n",
    )


# -- the doctor --------------------------------------------------------------------------------------------------------


def _told() -> dict[str, tuple[str, str, str]]:
    return {each.name: (each.status, each.text, each.hint) for each in command.findings()}


def test_the_doctor_shows_java_spark_and_its_jars(fetched: Distribution, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command.importlib.metadata, "version", lambda name: "4.4.0")
    told = _told()
    assert told["java"] == ("ok", "17.0.15 (/jdk/bin/java)", "")
    assert told["spark"][:2] == ("ok", f"4.2.0 (Scala 2.13, Hadoop 3.5.0), {fetched.home}")
    status, text, _ = told["spark jars"]
    assert (status, text.splitlines()[0]) == (
        "ok",
        "delta-spark_4.2_2.13-4.4.0, spark-avro_2.13-4.1.1, hadoop-azure-3.5.0",
    )
    assert "delta-spark" not in told


def test_the_doctor_names_the_command_where_jars_are_missing(installed: Distribution) -> None:
    assert _told()["spark jars"] == ("info", "not fetched: Spark has no Delta", "fetch them with: odibi spark jars")


def test_the_doctor_is_red_for_a_chosen_folder_without_delta(
    fetched: Distribution, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ODIBI_SPARK_JARS", str(tmp_path))
    assert _told()["spark jars"][0] == "red"


def test_the_doctor_is_red_for_a_java_that_is_too_old(fetched: Distribution, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jars, "java", lambda: Java("/jdk/bin/java", "11.0.2", 11))
    status, text, hint = _told()["java"]
    assert (status, text) == ("red", "11.0.2 (/jdk/bin/java)")
    assert hint == "Spark needs Java 17 or newer; install one and name its folder by JAVA_HOME"


def test_the_doctor_tells_of_missing_java(fetched: Distribution, monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> Java:
        raise SparkMissingError("Spark needs Java, and there is no `java` on the PATH; install a JDK")

    monkeypatch.setattr(jars, "java", none)
    assert _told()["java"] == ("info", "Spark needs Java, and there is no `java` on the PATH", "install a JDK")


def test_the_doctor_compares_the_python_package_of_delta(
    fetched: Distribution, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command.importlib.metadata, "version", lambda name: "4.4.1")
    status, text, hint = _told()["delta-spark"]
    assert (status, text) == ("info", "the Python package is 4.4.1, the jars are 4.4.0")
    assert hint.endswith("pip install delta-spark==4.4.0")


def test_the_doctor_shows_no_token_of_a_server(fetched: Distribution, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPARK_REMOTE", "sc://host:443/;token=s3cr3t")
    assert "sc://host:443/;…" in _told()["spark"][1]
    assert "s3cr3t" not in str(_told())


def test_the_doctor_says_nothing_of_spark_where_there_is_none_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jars.importlib.util, "find_spec", lambda name: None)
    assert _told() == {}
    monkeypatch.undo()
    monkeypatch.setenv("DATABRICKS_RUNTIME_VERSION", "16.4")
    assert _told() == {}
