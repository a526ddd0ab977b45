"""`odibi spark jars`: fetch what Spark needs beside its own jars, once. And what the doctor tells of Spark."""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from odibi.cli.findings import Finding
from odibi.cli.options import global_options, subcommands
from odibi.cli.text import count, seconds
from odibi.cli.ui import UI
from odibi.errors import MissingExtraError, OdibiError, UnsupportedError
from odibi.notebook import in_databricks

if TYPE_CHECKING:
    from odibi.project import Project


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `spark`, of each of its commands."""
    about = "fetch the jars of Delta, Avro and Azure storage that fit the installed Spark, into odibi's cache folder"
    jars: argparse.ArgumentParser = subcommands(parser).add_parser(
        "jars", help=about, description=f"{about[0].upper()}{about[1:]}.", parents=[global_options()]
    )
    instead = jars.add_mutually_exclusive_group()
    instead.add_argument("--list", action="store_true", help="only list them, and whether they are there")
    instead.add_argument("--where", action="store_true", help="only print their folder")


def run(args: argparse.Namespace, ui: UI) -> int:
    """Do what was asked for."""
    if in_databricks():
        ui.data("Databricks brings the jars of Delta, Avro and Azure storage itself: there is nothing to fetch")
        return 0
    if args.where:
        return _where(ui)
    return _list(ui) if args.list else _fetch(ui)


def _fetch(ui: UI) -> int:
    from odibi.engine.spark import jars

    begin = time.perf_counter()
    spark = jars.distribution()
    if jars.complete_folder(spark) is None:
        ui.say(f"fetching the jars for Spark {spark.spark} into {jars.folder_for(spark)}")
    done = jars.fetch()
    if ui.json:
        ui.dump({**_as_data(spark, done.folder), "fetched": done.new, "by": done.by or None})
        return 0
    number = count(len(done.jars), "jar")
    if done.new:
        took = seconds(time.perf_counter() - begin)
        ui.data(f"{number} for Spark {spark.spark} in {done.folder} ({done.by}, {took})")
    else:
        ui.data(f"{number} for Spark {spark.spark} were there already, in {done.folder}")
    if done.folder != jars.place_of(spark):
        chosen = jars.CHOSEN_FOLDER
        ui.warn(f"{chosen} is set: the jars in {jars.place_of(spark)} are used instead; unset it to use these")
    return 0


def _list(ui: UI) -> int:
    from odibi.engine.spark import jars

    spark = jars.distribution()
    folder = jars.place_of(spark)
    if ui.json:
        ui.dump(_as_data(spark, folder))
        return 0
    for jar in jars.needed(spark):
        ui.data(f"{'there  ' if (folder / jar.file).is_file() else 'missing'}  {jar}")
    return 0


def _where(ui: UI) -> int:
    from odibi.engine.spark import jars

    folder = jars.chosen_folder() or jars.folder_for(jars.distribution())  # a chosen one needs no pyspark
    if ui.json:
        ui.dump({"folder": str(folder)})
    else:
        ui.data(str(folder))
    return 0


def _as_data(spark: Any, folder: Path) -> dict[str, Any]:
    from odibi.engine.spark import jars

    return {
        "spark": spark.spark,
        "scala": spark.scala,
        "hadoop": spark.hadoop,
        "folder": str(folder),
        "jars": [
            {"coordinates": str(jar), "file": jar.file, "there": (folder / jar.file).is_file()}
            for jar in jars.needed(spark)
        ],
    }


def installed_hadoop() -> str:
    """The version of the Hadoop in the Spark that is installed; empty where there is none."""
    from odibi.engine.spark import jars

    try:
        return jars.distribution().hadoop
    except (MissingExtraError, UnsupportedError):
        return ""


# -- for the doctor ----------------------------------------------------------------------------------------------------


def findings() -> Iterator[Finding]:
    """Java, Spark and its jars; says nothing where there is no pyspark, and no more than that on Databricks."""
    from odibi.engine.spark import jars

    if in_databricks():
        return
    try:
        spark = jars.distribution()
    except MissingExtraError:
        return
    except UnsupportedError as error:
        yield Finding("spark", "info", *_message_and_hint(error))
        return
    yield from _java()
    text = f"{spark.spark} (Scala {spark.scala}, Hadoop {spark.hadoop}), {spark.home}"
    facts = {"spark": spark.spark, "scala": spark.scala, "hadoop": spark.hadoop, "home": str(spark.home)}
    remote = os.environ.get("SPARK_REMOTE")
    yield Finding("spark", "ok", f"{text}\nSPARK_REMOTE={_without_token(remote)}" if remote else text, facts=facts)
    yield from _python_delta(spark)
    yield from _jars(spark)


def findings_of(project: Project) -> Iterator[Finding]:
    """Which session runs a project of Spark, what would be set on it (names, never values), and what it refuses."""
    if project.engine_name != "spark":
        return
    session, text = _session_at_hand()
    names = {each.name: list(each.spark_names()) for each in project.connections.values()}
    settings = {name: found for name, found in names.items() if found}
    facts: dict[str, Any] = {"session": text, "settings": settings}
    status, hint = "ok", ""
    if session is not None:
        from odibi.engine.spark.platform import NO_KEYS, Platform

        platform = Platform(session)
        facts["platform"] = platform.as_data()
        if settings and platform.serverless:
            status, hint = "red", f"serverless compute takes no keys or other settings of storage; {NO_KEYS}"
        elif settings and platform.databricks and platform.connect:
            hint = f"compute in standard access mode uses keys only with the privilege ANY FILE; {NO_KEYS}"
    lines = [f"{text}, with settings of {count(len(settings), 'connection')}" if settings else text]
    lines += [f"{name}: {', '.join(found)}" for name, found in settings.items()]
    yield Finding("spark session", status, "\n".join(lines), hint, facts)


def _session_at_hand() -> tuple[Any | None, str]:
    """The session that a run takes, None where it is made then; and what it is."""
    from odibi.engine.spark.session import active
    from odibi.notebook import at_hand, in_databricks

    found = active() or at_hand("spark")
    if found is not None:
        return found, f"the one that is there (Spark {found.version})"
    if in_databricks():
        return None, "that of the Databricks runtime"
    remote = os.environ.get("SPARK_REMOTE", "")
    if remote:
        return None, f"one of the Spark Connect server {_without_token(remote)}"
    return None, "one that odibi makes on this machine, unless Spark's own configuration names a cluster"


def _without_token(remote: str) -> str:
    """The address of a Spark Connect server without its parameters, among which a token may be.

    >>> _without_token("sc://host:443/;token=secret;use_ssl=true")
    'sc://host:443/;…'
    """
    address, parameters, _ = remote.partition(";")
    return f"{address};…" if parameters else address


def _java() -> Iterator[Finding]:
    from odibi.engine.spark import jars

    try:
        java = jars.java()
    except OdibiError as error:
        yield Finding("java", "info", *_message_and_hint(error), facts={"java": None})
        return
    oldest = jars.oldest_java(jars.distribution().spark)
    facts = {"java": java.path, "version": java.version}
    if java.major and java.major < oldest:
        hint = f"Spark needs Java {oldest} or newer; install one and name its folder by JAVA_HOME"
        yield Finding("java", "red", f"{java.version} ({java.path})", hint, facts)
    else:
        yield Finding("java", "ok", f"{java.version or 'of an unknown version'} ({java.path})", facts=facts)


def _python_delta(spark: Any) -> Iterator[Finding]:
    """Whether the Python package of Delta, which users' own code may use, is the release of the jars."""
    from odibi.engine.spark import jars

    try:
        installed = importlib.metadata.version("delta-spark")
    except importlib.metadata.PackageNotFoundError:
        return
    fits = jars.DELTA.get(spark.line, ("", installed))[1]
    if installed != fits:
        text = f"the Python package is {installed}, the jars are {fits}"
        hint = f"odibi needs the jars only; for code of your own that uses it: pip install delta-spark=={fits}"
        yield Finding("delta-spark", "info", text, hint, {"installed": installed, "jars": fits})


def _jars(spark: Any) -> Iterator[Finding]:
    from odibi.engine.spark import jars

    paths = jars.found()
    folder = jars.place_of(spark)
    facts = {"folder": str(folder), "jars": [path.name for path in paths]}
    if jars.has_delta(paths) or jars.has_delta(jars.installed(spark)):
        shown = ", ".join(
            path.stem for path in paths if path.name.startswith(("delta-spark", "spark-avro", "hadoop-azure"))
        )
        yield Finding("spark jars", "ok", f"{shown or 'among its own'}\n{folder}", facts=facts)
        return
    chosen = jars.chosen_folder()
    if chosen:
        hint = f"put Delta's jars there (`{jars.COMMAND} --list` names them), or unset {jars.CHOSEN_FOLDER}"
        yield Finding("spark jars", "red", f"{jars.CHOSEN_FOLDER} names {chosen}, where Delta's are not", hint, facts)
        return
    yield Finding("spark jars", "info", "not fetched: Spark has no Delta", f"fetch them with: {jars.COMMAND}", facts)


def _message_and_hint(error: Exception) -> tuple[str, str]:
    text, _, hint = str(error).partition("; ")
    return text, hint
