"""The session that odibi builds where there is none: local unless the user's own settings say otherwise.

What is set in spark-defaults.conf (SPARK_CONF_DIR), by spark-submit or in PYSPARK_SUBMIT_ARGS is the user's word, and
never overridden.
"""

from __future__ import annotations

import atexit
import os
import re
import shlex
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from odibi.engine.spark import jars
from odibi.engine.spark.platform import explain_refusal
from odibi.engine.spark.raised import clean, read
from odibi.engine.spark.settings import REDACTION, SECRET_SETTINGS, SETTINGS
from odibi.errors import AccessError, MissingExtraError, OdibiError, install_command

APP_NAME = "ODIBI"
DELTA_EXTENSION = "io.delta.sql.DeltaSparkSessionExtension"
DELTA_CATALOG = "org.apache.spark.sql.delta.catalog.DeltaCatalog"
LOGGING = Path(__file__).with_name("log4j2.properties")
GIGABYTE = 1 << 30
GATEWAY = "PYSPARK_GATEWAY_PORT"
"""Set where spark-submit started Python: its JVM runs already."""
CONNECT_PORT = 15002
REACH_SECONDS = 15.0
_PROXIES = ("grpc_proxy", "https_proxy", "http_proxy", "HTTPS_PROXY", "HTTP_PROXY")
"""Where one of these is set, servers may be reached through a proxy alone."""
DEEP_STACK = "-Xss4m"
"""Spark walks its plans recursively: with Java's own 1 MB, 150 nodes that stay plans are too many."""
_NOT_SETTINGS = {
    "--master": "spark.master",
    "--name": "spark.app.name",
    "--deploy-mode": "spark.submit.deployMode",
    "--jars": "spark.jars",
    "--packages": "spark.jars.packages",
    "--driver-memory": "spark.driver.memory",
    "--driver-java-options": "spark.driver.extraJavaOptions",
    "--executor-memory": "spark.executor.memory",
}
"""Options of spark-submit that are settings under another name."""


def session() -> Any:
    """A new session; its JVM starts. Raises `SparkMissingError` without Java, Spark or the chosen folder of jars,
    `AccessError` when it does not start."""
    remote = os.environ.get("SPARK_REMOTE", "")
    server_elsewhere = remote.startswith("sc://")
    if server_elsewhere:
        _reach(remote)
    elif GATEWAY not in os.environ:
        jars.find_java()
        jars.find_spark()
        jars.check_chosen_folder()
    theirs = given_settings()
    settings = {} if server_elsewhere else added_settings(theirs, jars.found())
    builder = _builder()
    for name, value in settings.items():
        builder = builder.config(name, value)
    with _environment(_variables(theirs)):
        try:
            built = builder.getOrCreate()
        except _failures() as error:
            raise _explained(error, remote) from error
    atexit.register(_stop, built)
    return built


def _builder() -> Any:
    try:
        from pyspark.sql import SparkSession
    except ImportError as error:  # it is installed: `spark_home` has found it
        raise jars.SparkMissingError(
            f"pyspark is installed and can not be imported ({error}); install it again: {install_command('spark')}"
        ) from error
    return SparkSession.builder


def _reach(remote: str) -> None:
    """Raises `AccessError` for a Spark Connect server that is not there: its client would try for ten minutes."""
    address = urlsplit(remote)
    if not address.hostname or any(os.environ.get(name) for name in _PROXIES):
        return
    place = (address.hostname, address.port or CONNECT_PORT)
    try:
        socket.create_connection(place, timeout=REACH_SECONDS).close()
    except OSError as error:
        raise AccessError(
            f"the Spark Connect server of SPARK_REMOTE ({place[0]}:{place[1]}) can not be reached:"
            f" {error.strerror or error}; see that it runs, or unset SPARK_REMOTE for a Spark on this machine"
        ) from None


def _failures() -> tuple[type[BaseException], ...]:
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException

    return (PySparkException, Py4JError, RuntimeError, OSError, ImportError)


def _stop(built: Any) -> None:
    """At the end of the process: a cluster then knows that the application ended well, and event logs are closed."""
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException

    with suppress(PySparkException, Py4JError, OSError, AttributeError):
        built.stop()


# -- settings ----------------------------------------------------------------------------------------------------------


def added_settings(theirs: Mapping[str, str], paths: Sequence[Path]) -> dict[str, str]:
    """What is set beside the user's own settings: Delta with the jars that were found, what odibi's answers rest on,
    and what makes Spark a good guest on one machine. Of theirs only lists are changed: they get ours at their end."""
    settings = {"spark.app.name": APP_NAME, **SETTINGS, REDACTION: SECRET_SETTINGS}
    if theirs.get("spark.master", os.environ.get("MASTER", "local")).startswith("local"):
        settings.update(_of_one_machine())
    ours, delta = _jars_beside(theirs, paths)
    lists = {"spark.jars": ours}
    if delta:
        lists["spark.sql.extensions"] = DELTA_EXTENSION
        settings["spark.sql.catalog.spark_catalog"] = DELTA_CATALOG
    added = {name: value for name, value in settings.items() if name not in theirs}
    for name, value in lists.items():
        given = [each for each in theirs.get(name, "").split(",") if each]
        if value and value not in given:
            added[name] = ",".join([*given, value])
    return added


def _jars_beside(theirs: Mapping[str, str], paths: Sequence[Path]) -> tuple[str, bool]:
    """The jars to add to the user's own, and whether Delta is among all of them."""
    own = ",".join(theirs.get(name, "") for name in ("spark.jars", "spark.jars.packages"))
    has_own_delta = "delta-spark" in own or "delta-core" in own
    ours = [path for path in paths if not (has_own_delta and path.name.startswith("delta-"))]
    return ",".join(map(str, ours)), has_own_delta or jars.has_delta(paths) or _brings_delta()


def _brings_delta() -> bool:
    """Whether Delta is among Spark's own jars."""
    return jars.has_delta((jars.spark_home() / "jars").glob("delta-*.jar"))


def _of_one_machine() -> dict[str, str]:
    """Spark in one process: few partitions (the defaults are made for a cluster, and cost a small table seconds), no
    port that others reach, nothing left in the working directory."""
    cores = os.cpu_count() or 1
    settings = {
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.shuffle.partitions": str(2 * cores),
        "spark.databricks.delta.snapshotPartitions": "1",
        "spark.sql.warehouse.dir": Path(_scratch(), "warehouse").as_uri(),
        "spark.driver.extraJavaOptions": f"-Dderby.system.home={_quoted(_scratch())} {DEEP_STACK}",
    }
    memory = _memory()
    return {**settings, **({"spark.driver.memory": f"{memory}m"} if memory else {})}


def _quoted(path: str) -> str:
    return f'"{path}"' if " " in path else path


@cache
def _scratch() -> str:
    """A folder of this process, for what must be somewhere."""
    folder = tempfile.mkdtemp(prefix="odibi-spark-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _memory() -> int | None:
    """Megabytes of heap: a quarter of the machine's memory, 1 to 8 GB (Spark's own default is 1 GB); None where it can
    not be told."""
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows has no sysconf
        return None
    return max(GIGABYTE, min(8 * GIGABYTE, total // 4)) >> 20


# -- what the user has set ---------------------------------------------------------------------------------------------


def given_settings() -> dict[str, str]:
    """The `spark.…` settings that the user gives Spark from outside of Python."""
    if GATEWAY in os.environ:  # that JVM knows them all
        from pyspark import SparkConf, SparkContext

        SparkContext._ensure_initialized()
        return dict(SparkConf().getAll())
    return {**_defaults_file(), **_submit_arguments(os.environ.get("PYSPARK_SUBMIT_ARGS", ""))}


def conf_folder() -> Path:
    """Where Spark looks for its configuration."""
    return Path(os.environ.get("SPARK_CONF_DIR") or jars.spark_home() / "conf")


def _defaults_file(file: Path | None = None) -> dict[str, str]:
    file = file or conf_folder() / "spark-defaults.conf"
    return parse_properties(file.read_text(encoding="utf-8")) if file.is_file() else {}


def parse_properties(text: str) -> dict[str, str]:
    """The settings of a spark-defaults.conf.

    >>> parse_properties("# mine\\nspark.master  local[4]\\nspark.jars=a.jar,b.jar\\n\\nspark.x")
    {'spark.master': 'local[4]', 'spark.jars': 'a.jar,b.jar', 'spark.x': ''}
    """
    lines = (line.strip() for line in text.splitlines())
    pairs = (re.split(r"\s*[=:\s]\s*", line, maxsplit=1) for line in lines if line and line[0] not in "#!")
    return {pair[0]: pair[1].strip() if len(pair) > 1 else "" for pair in pairs}


def _submit_arguments(text: str) -> dict[str, str]:
    """The settings in PYSPARK_SUBMIT_ARGS.

    >>> _submit_arguments("--master local[4] --conf spark.a=b=c --packages x:y:1 pyspark-shell")
    {'spark.master': 'local[4]', 'spark.a': 'b=c', 'spark.jars.packages': 'x:y:1'}
    """
    settings: dict[str, str] = {}
    words = iter(shlex.split(text))
    for word in words:
        option, equals, value = word.partition("=")
        if option in ("--conf", "-c"):
            name, _, value = (value if equals else next(words, "")).partition("=")
            settings[name] = value
        elif option == "--properties-file":
            settings = {**_defaults_file(Path(value if equals else next(words, ""))), **settings}
        elif option in _NOT_SETTINGS:
            settings[_NOT_SETTINGS[option]] = value if equals else next(words, "")
    return settings


# -- its environment ---------------------------------------------------------------------------------------------------


def _variables(theirs: Mapping[str, str]) -> dict[str, str]:
    """Variables that must be there when the JVM starts, those that the user has set aside."""
    wanted = {"PYSPARK_PYTHON": sys.executable, "PYSPARK_DRIVER_PYTHON": sys.executable, "SPARK_LOCAL_IP": "127.0.0.1"}
    if not theirs.get("spark.master", "local").startswith("local"):
        del wanted["SPARK_LOCAL_IP"]
    if "spark.pyspark.python" in theirs:
        del wanted["PYSPARK_PYTHON"]
    variables = {name: value for name, value in wanted.items() if name not in os.environ}
    options = os.environ.get("SPARK_SUBMIT_OPTS", "")
    if not _has_own_logging(theirs, options):
        quiet = f"-Dlog4j2.configurationFile={LOGGING.as_uri()}"
        variables["SPARK_SUBMIT_OPTS"] = f"{options} {quiet}".strip()
    return variables


def _has_own_logging(theirs: Mapping[str, str], options: str) -> bool:
    said = " ".join([options, theirs.get("spark.driver.extraJavaOptions", ""), theirs.get("spark.log.level", "")])
    names = ("log4j2.properties", "log4j2.xml", "log4j2.yaml", "log4j2.json", "log4j.properties")
    return "log4j" in said or "spark.log.level" in theirs or any((conf_folder() / name).is_file() for name in names)


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Inside, the variables are set. PYSPARK_PYTHON stays: workers are started by it later."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name in variables:
            if name.startswith("PYSPARK_"):
                continue
            old = before[name]
            if old is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = old


# -- when it does not start --------------------------------------------------------------------------------------------


def _explained(error: BaseException, remote: str) -> OdibiError:
    """Why there is no session."""
    text = str(error)
    if isinstance(error, ImportError):
        return MissingExtraError(error.name or "grpcio", "connect", "Spark Connect")
    if remote.startswith("sc://"):
        first = text.strip().splitlines()[0] if text.strip() else type(error).__name__
        return AccessError(f"the Spark Connect server of SPARK_REMOTE can not be reached: {first}")
    if "JAVA_GATEWAY_EXITED" in text:
        return AccessError(f"Spark's JVM did not start; {_about_java()}")
    if "stopped SparkContext" in text:  # while it was made: Spark ends itself where its master does not answer
        master = given_settings().get("spark.master", os.environ.get("MASTER", "local"))
        return AccessError(
            f"Spark's master {master} does not answer, or has refused the application; see that it runs, or name"
            " another one (spark.master)"
        )
    said = clean(read(error)) or type(error).__name__
    return explain_refusal(error) or AccessError(f"the Spark session could not be started: {said}")


def _about_java() -> str:
    """What may be wrong with Java, or with how it is started."""
    arguments = os.environ.get("PYSPARK_SUBMIT_ARGS", "").split()
    if arguments and arguments[-1] != "pyspark-shell":
        return "PYSPARK_SUBMIT_ARGS has to end with pyspark-shell"
    try:
        java = jars.java()
    except jars.SparkMissingError as error:
        return str(error)
    spark = jars.distribution().spark
    oldest = jars.oldest_java(spark)
    what = f"{java.path} is Java {java.version or 'of an unknown version'}"
    if java.major and java.major < oldest:
        return f"{what}, and Spark {spark} needs {oldest} or newer; name one by JAVA_HOME"
    return f"{what}; what it said is above; see the settings of its memory and options"
