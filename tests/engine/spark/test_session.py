"""The Spark session of an engine: which one it is, whose it is, and how it ends."""

from __future__ import annotations

import json
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from odibi.engine import SparkEngine
from odibi.engine.spark import build, jars, keep, session
from odibi.engine.spark.session import EndedError, Session, active
from odibi.errors import AccessError, MissingExtraError, UnsupportedError
from tests.spark_sessions import KIND

ROOT = Path(__file__).resolve().parents[3]
ZONE = "spark.sql.session.timeZone"


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Engines of other tests that are not closed yet do not count."""
    monkeypatch.setattr(session, "_changed", {})
    monkeypatch.setattr(session, "_levels", {})


@pytest.fixture
def guest(spark: Any, alone: None) -> Iterator[Any]:
    """The session of a user with settings of their own."""
    theirs = {ZONE: "Europe/Berlin", "spark.sql.ansi.enabled": "false"}
    for name, value in theirs.items():
        spark.conf.set(name, value)
    yield spark
    for name in theirs:
        spark.conf.set(name, "UTC" if name == ZONE else "true")


# -- which session -----------------------------------------------------------------------------------------------------


def test_the_session_that_is_given_is_used(spark: Any) -> None:
    made = Session(spark)
    assert made.spark is spark
    assert not made.owned
    made.close()


def test_the_active_session_is_used_from_every_thread(spark: Any) -> None:
    found: list[tuple[Any, bool]] = []

    def look() -> None:
        made = Session()
        found.append((made.spark, made.owned))
        made.close()

    for thread in [threading.Thread(target=look) for _ in range(2)]:
        thread.start()
        thread.join()
    assert found == [(spark, False)] * 2
    assert active() is spark


def test_a_session_that_was_stopped_is_refused(spark: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "is_stopped", lambda _: True)
    with pytest.raises(UnsupportedError, match="is stopped; give one that runs, or none"):
        Session(spark)
    assert active() is None


def test_without_pyspark_the_command_that_installs_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"the Spark engine needs .*'pyspark'; install it with: pip install"):
        Session()


def test_a_run_without_pyspark_says_how_to_get_it(tmp_path: Path) -> None:
    """Neither pyspark nor py4j is there; what needs no Spark still works."""
    (tmp_path / "a.csv").write_text("id\n1\n", encoding="utf-8")
    (tmp_path / "p.yaml").write_text(
        """
        engine: spark
        connections: {here: {type: local, base_path: .}}
        pipelines:
          - pipeline: p
            nodes:
              - {name: a, read: {connection: here, path: a.csv}, transform: {steps: [SELECT id FROM current]}}
        """,
        encoding="utf-8",
    )
    block = """
import importlib.util, sys
from importlib.machinery import PathFinder
GONE = {"pyspark", "py4j", "delta"}
find = PathFinder.find_spec
PathFinder.find_spec = lambda name, *rest: None if name.split(".")[0] in GONE else find(name, *rest)
from odibi.cli import run_command
codes = [run_command([*each.split(), "p.yaml"]) for each in ("validate", "run --dry-run", "run")]
assert codes == [0, 0, 2], codes
"""
    done = subprocess.run([sys.executable, "-c", block], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "the Spark engine needs the package 'pyspark'; install it with: pip install" in done.stdout + done.stderr


def test_tables_of_delta_are_written_and_read(spark: Any, tmp_path: Path) -> None:
    spark.range(3).write.format("delta").save(str(tmp_path / "t"))
    assert spark.read.format("delta").load(str(tmp_path / "t")).count() == 3


# -- settings of others ------------------------------------------------------------------------------------------------


def test_settings_of_a_guest_are_put_back(guest: Any) -> None:
    made = Session(guest)
    assert guest.sql("SELECT current_timezone()").collect()[0][0] == "UTC"
    assert guest.conf.get("spark.sql.ansi.enabled") == "true"
    made.set("spark.sql.shuffle.partitions", "7")
    made.set("spark.odibi.unknown", "1")
    made.close()
    made.close()
    assert guest.conf.get(ZONE) == "Europe/Berlin"
    assert guest.conf.get("spark.sql.ansi.enabled") == "false"
    assert guest.conf.get("spark.sql.shuffle.partitions") == "2"
    assert guest.conf.get("spark.odibi.unknown", None) is None
    assert guest.range(1).count() == 1  # it was not stopped


def test_settings_are_put_back_when_the_last_engine_is_closed(guest: Any) -> None:
    first, second = Session(guest), Session(guest)
    first.close()
    assert guest.conf.get(ZONE) == "UTC"
    second.close()
    assert guest.conf.get(ZONE) == "Europe/Berlin"


def test_a_failed_analysis_prints_nothing(spark: Any, capfd: pytest.CaptureFixture[str]) -> None:
    from pyspark.errors import AnalysisException

    made = Session(spark)
    with pytest.raises(AnalysisException):
        spark.sql("SELECT nope FROM VALUES (1) AS t(id)").collect()
    made.close()
    captured = capfd.readouterr()
    assert (captured.out, captured.err) == ("", "")


@pytest.mark.jvm
def test_loggers_of_a_guest_speak_again(spark: Any, alone: None, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pyspark.logger", reason="Spark 3.5 has no such loggers")
    for name in session.NOISY_LOGGERS:
        monkeypatch.setattr(logging.getLogger(name), "level", logging.WARNING)
    logger = logging.getLogger("SQLQueryContextLogger")
    made = Session(spark)
    quiet = logger.level
    made.close()
    assert quiet > logging.CRITICAL
    assert logger.level <= logging.CRITICAL


# -- interrupting ------------------------------------------------------------------------------------------------------


def _endless(spark: Any) -> Any:
    many = spark.range(2_000_000)
    return many.crossJoin(many.withColumnRenamed("id", "other")).where("hash(id, other) = 17")


def test_an_interrupt_ends_what_runs_and_refuses_what_would_start(spark: Any) -> None:
    from odibi.engine.spark import errors

    made = Session(spark)
    ended: list[BaseException] = []

    def work() -> None:
        try:
            with made.working():
                _endless(spark).count()
        except Exception as error:  # noqa: BLE001 - which one it is, is what is tested
            ended.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    while thread.is_alive():
        time.sleep(0.5)
        made.interrupt()
    assert errors.is_interrupt(ended[0]), repr(ended[0])
    with pytest.raises(KeyboardInterrupt), made.working():
        pass
    made.close()
    other = Session(spark)
    assert other.spark.range(3).count() == 3  # only this engine was interrupted
    other.close()


def test_work_of_others_goes_on(spark: Any) -> None:
    made, other = Session(spark), Session(spark)
    started = threading.Event()
    found: list[int] = []

    def work() -> None:
        with other.working():
            started.set()
            found.append(spark.range(0, 40_000_000, 1, 2).selectExpr("sum(hash(id, 7)) AS s").count())

    thread = threading.Thread(target=work)
    thread.start()
    started.wait()
    while thread.is_alive():
        made.interrupt()
        time.sleep(0.05)
    assert found == [1]
    made.close()
    other.close()


@pytest.mark.jvm
def test_the_tag_stays_with_the_work(spark: Any) -> None:
    made = Session(spark)
    spark.sparkContext.addJobTag("theirs")
    with made.working(), made.working():
        assert set(spark.sparkContext.getJobTags()) == {"theirs", made.tag}
    assert set(spark.sparkContext.getJobTags()) == {"theirs"}
    spark.sparkContext.removeJobTag("theirs")
    made.close()


# -- a JVM that has ended ----------------------------------------------------------------------------------------------


def test_whether_the_jvm_has_ended_is_asked_of_its_process() -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    spark = SimpleNamespace(_sc=SimpleNamespace(_jsc=object(), _gateway=SimpleNamespace(proc=process)))
    assert not session.has_ended(spark)
    process.kill()
    assert session.has_ended(spark, SECONDS)
    with pytest.raises(EndedError, match="Spark's JVM has ended: something killed it"):
        session._session(spark)
    process.communicate()
    assert not session.has_ended(SimpleNamespace())  # of Spark Connect, or of somebody else


def test_a_jvm_that_was_killed_is_told_and_not_taken_for_an_interrupt(
    spark: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from py4j.protocol import Py4JNetworkError

    engine = SparkEngine(spark_session=spark)
    frame = engine.adopt(spark.range(1))
    monkeypatch.setattr(session, "has_ended", lambda *_: True)
    monkeypatch.setattr(session, "END_SECONDS", 0.0)
    for lost in (Py4JNetworkError("Answer from Java side is empty"), ConnectionRefusedError(111, "Connection refused")):

        def compute(*_: Any, lost: Exception = lost) -> Any:
            raise lost

        monkeypatch.setattr(keep, "compute", compute)
        with pytest.raises(EndedError, match=r"JVM has ended: .*spark\.driver\.memory.*start Python anew") as caught:
            engine.compute(frame)
        assert not engine.is_interrupt(caught.value)
        assert not engine.is_transient(caught.value)
    engine.interrupt()
    assert engine.is_interrupt(caught.value)  # Ctrl-C may take the JVM away too
    engine.close()


# -- the session that is built -----------------------------------------------------------------------------------------

NOTHING: dict[str, str] = {}


def test_settings_of_the_user_are_never_overridden(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "spark-defaults.conf").write_text("spark.sql.shuffle.partitions 64\nspark.ui.enabled=true\n")
    monkeypatch.setenv("SPARK_CONF_DIR", str(tmp_path))
    monkeypatch.setenv("PYSPARK_SUBMIT_ARGS", "--driver-memory 3g --conf spark.jars=mine.jar pyspark-shell")
    theirs = build.given_settings()
    assert theirs == {
        "spark.sql.shuffle.partitions": "64",
        "spark.ui.enabled": "true",
        "spark.driver.memory": "3g",
        "spark.jars": "mine.jar",
    }
    ours = build.added_settings(theirs, [Path("delta-spark_4.2.jar"), Path("delta-storage-4.4.jar")])
    assert not set(ours) & {"spark.sql.shuffle.partitions", "spark.ui.enabled", "spark.driver.memory"}
    assert ours["spark.jars"] == "mine.jar,delta-spark_4.2.jar,delta-storage-4.4.jar"
    assert ours["spark.app.name"] == "ODIBI"


def test_a_cluster_of_the_user_gets_no_settings_of_one_machine() -> None:
    ours = build.added_settings({"spark.master": "spark://there:7077"}, [])
    assert "spark.driver.host" not in ours
    assert ours[ZONE] == "UTC"
    assert "SPARK_LOCAL_IP" not in build._variables({"spark.master": "spark://there:7077"})


def test_delta_of_the_user_is_left_alone() -> None:
    theirs = {"spark.jars.packages": "io.delta:delta-spark_2.13:4.0.0", "spark.sql.extensions": "my.Extension"}
    ours = build.added_settings(theirs, [Path("delta-spark_4.2.jar"), Path("delta-storage-4.4.jar"), Path("avro.jar")])
    assert ours["spark.jars"] == "avro.jar"
    assert ours["spark.sql.extensions"] == "my.Extension,io.delta.sql.DeltaSparkSessionExtension"


def test_without_jars_there_is_no_delta_and_no_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "_brings_delta", lambda: False)
    ours = build.added_settings(NOTHING, [])
    assert not set(ours) & {"spark.jars", "spark.sql.extensions", "spark.sql.catalog.spark_catalog"}


def test_logging_of_the_user_is_left_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SPARK_CONF_DIR", str(tmp_path))
    monkeypatch.setenv("SPARK_SUBMIT_OPTS", "-Dmine=1")
    quiet = build._variables(NOTHING)["SPARK_SUBMIT_OPTS"]
    assert quiet == f"-Dmine=1 -Dlog4j2.configurationFile={build.LOGGING.as_uri()}"
    assert "SPARK_SUBMIT_OPTS" not in build._variables({"spark.log.level": "INFO"})
    (tmp_path / "log4j2.properties").touch()
    assert "SPARK_SUBMIT_OPTS" not in build._variables(NOTHING)


def test_without_java_one_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_HOME", "/nowhere")
    with pytest.raises(jars.SparkMissingError, match=r"Spark needs Java, and JAVA_HOME names /nowhere.*install a JDK"):
        build.session()


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("SPARK_HOME", r"SPARK_HOME names .*, where there is no Spark; correct it, or unset it"),
        (
            "ODIBI_SPARK_JARS",
            r"ODIBI_SPARK_JARS names .*, which is no folder; correct it, or unset it and fetch the jars",
        ),
    ],
)
def test_a_folder_that_a_variable_names_is_looked_at_first(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, told: str
) -> None:
    monkeypatch.setenv(name, str(tmp_path / "none"))
    with pytest.raises(jars.SparkMissingError, match=told):
        build.session()


def test_a_pyspark_that_can_not_be_imported_is_no_bug_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyspark.sql", None)
    with pytest.raises(jars.SparkMissingError, match=r"pyspark is installed and can not be imported .*pip install"):
        build.session()


def test_arguments_without_their_last_word_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYSPARK_SUBMIT_ARGS", "--master local[2]")
    found = build._explained(RuntimeError("[JAVA_GATEWAY_EXITED] Java gateway process exited"), "")
    assert str(found) == "Spark's JVM did not start; PYSPARK_SUBMIT_ARGS has to end with pyspark-shell"


def test_a_jvm_that_does_not_start_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jars, "java", lambda: jars.Java("/jdk/bin/java", "11.0.2", 11))
    monkeypatch.setattr(jars, "distribution", lambda: jars.Distribution(Path("x"), "4.2.0", "2.13", "3.5.0"))
    found = build._explained(RuntimeError("[JAVA_GATEWAY_EXITED] Java gateway process exited"), "")
    assert type(found) is AccessError
    assert str(found) == (
        "Spark's JVM did not start; /jdk/bin/java is Java 11.0.2, and Spark 4.2.0 needs 17 or newer; name one by"
        " JAVA_HOME"
    )


@pytest.mark.parametrize(
    ("raised", "told"),
    [
        (
            "java.lang.IllegalStateException: Cannot call methods on a stopped SparkContext.\nThis stopped",
            r"^Spark's master spark://host:7077 does not answer, .*name another one \(spark.master\)$",
        ),
        (
            "org.apache.spark.SparkException: Could not parse Master URL: 'spak://host'",
            r"^the Spark session could not be started: Could not parse Master URL: 'spak://host'$",
        ),
    ],
)
def test_a_master_that_can_not_be_used_is_named(monkeypatch: pytest.MonkeyPatch, raised: str, told: str) -> None:
    monkeypatch.setenv("PYSPARK_SUBMIT_ARGS", "--master spark://host:7077 pyspark-shell")
    calling = "An error occurred while calling None.org.apache.spark.sql.classic.SparkSession.\n: "
    found = build._explained(RuntimeError(f"{calling}{raised}\n\tat org.apache.spark.X.x(X.scala:1)"), "")
    assert type(found) is AccessError
    assert re.search(told, str(found))


def test_a_connect_server_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:  # bound and not listening: nobody else answers there
        taken.bind(("127.0.0.1", 0))
        place = f"127.0.0.1:{taken.getsockname()[1]}"
        for name in build._PROXIES:
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("SPARK_REMOTE", f"sc://{place}/;token=s3cr3t")
        with pytest.raises(AccessError) as caught:
            build.session()
    said = str(caught.value)
    assert said.startswith(
        f"the Spark Connect server of SPARK_REMOTE ({place}) can not be reached: Connection refused;"
    )
    assert "s3cr3t" not in said


def test_what_spark_connect_needs_is_named() -> None:
    found = build._explained(ImportError("[PACKAGE_NOT_INSTALLED] grpcio >= 1.76.0 must be installed"), "sc://there")
    assert type(found) is MissingExtraError
    assert str(found) == "Spark Connect needs the package 'grpcio'; install it with: pip install \".[connect]\""


def test_under_spark_submit_no_java_is_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_HOME", "/nowhere")
    monkeypatch.setenv(build.GATEWAY, "1")
    monkeypatch.setattr(build, "given_settings", lambda: pytest.fail("asked", pytrace=False))
    with pytest.raises(pytest.fail.Exception, match="asked"):
        build.session()


def test_on_databricks_the_session_of_the_runtime_is_used(monkeypatch: pytest.MonkeyPatch, spark: Any) -> None:
    monkeypatch.setattr(session, "active", lambda: None)
    monkeypatch.setattr(session, "at_hand", {"spark": spark}.get)
    monkeypatch.setattr(build, "session", lambda: pytest.fail("a session was built"))
    monkeypatch.setenv("DATABRICKS_RUNTIME_VERSION", "17.3")
    made = Session()
    assert (made.spark, made.owned) == (spark, False)
    made.close()


# -- processes of their own --------------------------------------------------------------------------------------------

WARNINGS = "error,ignore::ResourceWarning"
"""py4j leaves sockets to the garbage collector."""
SECONDS = 600
"""A machine that does much else takes its time to start a JVM."""
in_a_process = pytest.mark.skipif(KIND != "classic", reason="makes a session of its own")


@pytest.fixture
def child(spark_jars: Any, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Start Python in an empty folder, without the settings of this process."""
    del spark_jars
    folder = tmp_path / "cwd"
    folder.mkdir()
    started: list[subprocess.Popen[str]] = []

    def start(code: str, *words: str, **variables: str) -> subprocess.Popen[str]:
        gone = ("SPARK_SUBMIT_OPTS", "SPARK_WORKER_DIR", "SPARK_LOCAL_IP", "PYSPARK_PYTHON", "PYSPARK_DRIVER_PYTHON")
        kept = {name: value for name, value in os.environ.items() if name not in gone}
        process = subprocess.Popen(
            [sys.executable, *(["-c", code] if code else words)],
            cwd=folder,
            env={**kept, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": WARNINGS, **variables},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def _jvm_of(process: subprocess.Popen[str]) -> int:
    """The JVM that a process has started, by its id."""
    found = [
        int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal() and _parent(entry) == process.pid
    ]
    (jvm,) = [each for each in found if b"java" in Path(f"/proc/{each}/cmdline").read_bytes().partition(b"\0")[0]]
    return jvm


def _parent(entry: Path) -> int:
    try:
        return int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, ValueError):
        return 0


def _wait_for_the_end(jvm: int) -> None:
    for _ in range(10 * SECONDS):
        if not Path(f"/proc/{jvm}").exists():
            return
        time.sleep(0.1)
    pytest.fail("the JVM outlives the process that started it")


BUILT = """
import json, os, signal, sys
from odibi.engine.spark.session import Session
interrupts = []
signal.signal(signal.SIGINT, lambda number, frame: interrupts.append(number))
first = Session()
second = Session()
first.spark.range(3).write.format("delta").save(os.environ["TABLE"])
signal.raise_signal(signal.SIGINT)  # pyspark takes this signal when its context is made in the main thread
names = ["spark.app.name", "spark.master", "spark.sql.session.timeZone", "spark.sql.ansi.enabled",
         "spark.sql.shuffle.partitions", "spark.ui.enabled"]
print(json.dumps({
    "owned": [first.owned, second.owned], "same": first.spark is second.spark,
    "settings": {name: first.spark.conf.get(name) for name in names},
    "interrupts": len(interrupts),
    "cwd": os.listdir("."), "variables": [name for name in os.environ if name.startswith("SPARK_SUBMIT")],
}))
second.close()
assert first.spark.range(1).count() == 1
"""


@in_a_process
def test_a_session_is_built_quietly_and_leaves_nothing_behind(child: Callable[..., Any], tmp_path: Path) -> None:
    conf = tmp_path / "conf"
    conf.mkdir()
    (conf / "spark-defaults.conf").write_text("spark.sql.shuffle.partitions  5\n")
    process = child(BUILT, TABLE=str(tmp_path / "t"), SPARK_CONF_DIR=str(conf), TMPDIR=str(tmp_path))
    out, err = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, err
    told = json.loads(out)
    assert (told["owned"], told["same"], told["interrupts"]) == ([True, True], True, 1)
    assert (told["cwd"], told["variables"]) == ([], [])
    assert told["settings"] == {
        "spark.app.name": "ODIBI",
        "spark.master": "local[*]",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.ansi.enabled": "true",
        "spark.sql.shuffle.partitions": "5",
        "spark.ui.enabled": "false",
    }
    assert [line for line in err.splitlines() if "incubator" not in line] == []  # the JVM says this before all options
    assert not list(tmp_path.glob("odibi-spark-*"))


@in_a_process
def test_without_deltas_jars_the_command_that_fetches_them_is_named(child: Callable[..., Any], tmp_path: Path) -> None:
    code = """
from odibi.engine.spark.platform import explain_refusal
from odibi.engine.spark.session import Session
from odibi.engine.spark.errors import spark_errors
spark = Session().spark
print(spark.range(3).count())
try:
    spark.range(3).write.format("delta").save("t")
except spark_errors() as error:
    print(explain_refusal(error))
"""
    (tmp_path / "empty").mkdir()
    process = child(code, ODIBI_SPARK_JARS=str(tmp_path / "empty"))
    out, err = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, err
    assert out.splitlines()[0] == "3"
    assert out.splitlines()[1].startswith("this Spark session has no Delta; fetch its jars with: odibi spark jars (")


ENDS = """
import os, sys
from odibi.engine.spark.session import Session
spark = Session().spark
print("ready", flush=True)
sys.stdin.readline()
"""
AT_WORK = """
import time
from pathlib import Path
from pyspark.sql.functions import udf

def wait(number):
    Path({started!r}).touch()
    time.sleep(3600)
    return number

spark.range(1).select(udf(wait)("id")).collect()
"""


@in_a_process
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="asks /proc which JVM it is")
def test_the_session_ends_with_a_process_that_breaks_off(child: Callable[..., Any]) -> None:
    process = child(ENDS + "1 / 0")
    assert process.stdout.readline() == "ready\n"
    jvm = _jvm_of(process)
    process.communicate("\n", timeout=SECONDS)
    _wait_for_the_end(jvm)


@in_a_process
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="asks /proc which JVM it is")
def test_the_session_ends_with_a_process_that_is_killed_at_work(child: Callable[..., Any], tmp_path: Path) -> None:
    process = child(ENDS + AT_WORK.format(started=str(tmp_path / "started")))
    assert process.stdout.readline() == "ready\n"
    jvm = _jvm_of(process)
    process.stdin.write("\n")
    process.stdin.flush()
    _wait_for(tmp_path / "started", process)
    process.kill()
    process.communicate(timeout=SECONDS)
    _wait_for_the_end(jvm)


def _wait_for(file: Path, process: subprocess.Popen[str]) -> None:
    while not file.exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.1)


PROJECT = """
project: shop
engine: spark
transforms: [endless.py]
connections: {lake: {type: local, base_path: lake}}
pipelines:
  - pipeline: load
    nodes:
      - name: endless
        transform: {steps: [{function: endless}]}
        write: {connection: lake, path: numbers}
"""
FUNCTION = """
from pathlib import Path
import time
from odibi import transform

@transform
def endless(context, current=None):
    from pyspark.sql import SparkSession
    from pyspark.sql.functions import udf

    def wait(number):
        Path("STARTED").touch()
        time.sleep(3600)
        return number

    return SparkSession.builder.getOrCreate().range(1).select(udf(wait)("id").alias("n"))
"""


@in_a_process
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="asks /proc which JVM it is")
def test_ctrl_c_ends_a_run_on_spark_cleanly(child: Callable[..., Any], tmp_path: Path) -> None:
    started = tmp_path / "started"
    (tmp_path / "config.yaml").write_text(PROJECT)
    (tmp_path / "endless.py").write_text(FUNCTION.replace("STARTED", str(started)))
    process = child("", "-m", "odibi", "run", str(tmp_path / "config.yaml"))
    _wait_for(started, process)
    jvm = _jvm_of(process)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=SECONDS)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert "Exception" not in err
    (story,) = (tmp_path / ".odibi" / "stories" / "load").glob("*/story.json")
    told = json.loads(story.read_text())
    assert told["pipeline"]["status"] == "interrupted"
    assert not list((tmp_path / "lake").glob("numbers/_delta_log/*.json"))
    _wait_for_the_end(jvm)


class Conf(dict[str, str]):
    """The settings of a session, and what is done when one is set."""

    def __init__(self, settings: dict[str, str]) -> None:
        super().__init__(settings)
        self.then: Callable[[], None] = lambda: None

    def get(self, name: str, default: Any = None) -> Any:
        return super().get(name, default)

    def set(self, name: str, value: str) -> None:
        self.then()
        self[name] = value

    def unset(self, name: str) -> None:
        self.pop(name, None)


def test_no_engine_begins_while_another_puts_the_settings_back(spark: Any) -> None:
    """It would find them as it wants them, and work with what the user has."""
    del spark  # only that pyspark is there
    conf = Conf({"spark.sql.ansi.enabled": "false"})
    borrowed = type("Borrowed", (), {"conf": conf, "session_id": "s", "is_stopped": False})()
    made = Session(borrowed)
    assert conf["spark.sql.ansi.enabled"] == "true"
    free = []

    def look() -> None:
        taken = session._lock.acquire(blocking=False)
        free.append(taken)
        if taken:
            session._lock.release()

    def beside() -> None:
        thread = threading.Thread(target=look)
        thread.start()
        thread.join()

    conf.then = beside
    made.close()
    assert conf["spark.sql.ansi.enabled"] == "false"
    assert free
    assert not any(free)
