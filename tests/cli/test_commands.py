"""What holds for all commands: help, global options, exit codes, encodings, a reader that goes away."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from odibi.cli import COMMANDS
from odibi.cli.ui import UI
from odibi.errors import AccessError
from odibi.secrets import remember

Odibi = Callable[..., Any]


@pytest.mark.parametrize("argv", [[], ["help"], ["--help"], ["-h"]])
def test_help_lists_the_commands(odibi: Odibi, argv: list[str]) -> None:
    called = odibi(*argv)
    assert (called.code, called.err) == (0, "")
    for name, about in COMMANDS.items():
        assert name in called.out
        assert about in called.out


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_help(odibi: Odibi, command: str) -> None:
    called = odibi(command, "--help")
    assert (called.code, called.err) == (0, "")
    assert called.out.startswith(f"usage: odibi {command}")
    assert "--log-level" in called.out
    assert odibi("help", command) == called


@pytest.mark.parametrize("argv", [["--version"], ["-V"], ["--quiet", "--version"]])
def test_version(odibi: Odibi, argv: list[str]) -> None:
    from odibi import __version__

    assert odibi(*argv).out == f"odibi {__version__}\n"


def test_an_unknown_command(odibi: Odibi) -> None:
    called = odibi("validat", "x.yaml")
    assert called.code == 2
    assert "unknown command 'validat'; did you mean 'validate'?" in called.err
    assert odibi("--json", "validat").json["exit_code"] == 2
    assert odibi("--log-level", "debug", "validat").code == 2


@pytest.mark.parametrize("argv", [["--nonsense"], ["story"], ["delta", "histroy"], ["--log-level", "LOUD", "schema"]])
def test_wrong_usage_is_exit_2(odibi: Odibi, argv: list[str]) -> None:
    called = odibi(*argv)
    assert called.code == 2
    assert called.err.startswith("error: ")
    assert "--help" in called.err


@pytest.mark.parametrize("argv", [["--json", "validate"], ["validate", "--json"]])
def test_global_options_stand_before_or_after(odibi: Odibi, project: Path, argv: list[str]) -> None:
    assert odibi(*argv, project).json["status"] == "ok"


@pytest.mark.parametrize("command", ["run", "validate", "graph"])
def test_no_file_a_folder_or_a_file_that_is_not_there(
    odibi: Odibi, project: Path, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = odibi(command, project.parent)
    assert folder.code == 2
    assert "config.yaml" in folder.err
    missing = odibi(command, project.parent / "confg.yaml")
    assert missing.code == 2
    assert "did you mean 'config.yaml'?" in missing.err
    monkeypatch.chdir(project.parent)
    nothing = odibi(command)
    assert nothing.code == 2
    assert "which file? name one of: config.yaml" in nothing.err
    assert odibi(command, "config.yaml", "--config", "other.yaml").code == 2


def test_keyboard_interrupt_is_130(odibi: Odibi, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("odibi.cli.validate._counts", interrupt)
    assert odibi("validate", project).code == 130
    assert odibi("validate", project, "--json").json["status"] == "interrupted"


def test_a_terminal_without_unicode(process: Callable[..., Any], project: Path) -> None:
    ascii_only = {"PYTHONIOENCODING": "ascii:strict"}
    run = process("run", project, env=ascii_only).finish()
    assert run.code == 0
    assert "+ load.save" in run.err
    text = project.read_text().replace("project: shop", "project: ✓ Größe").replace("name: clean", 'name: "größe"')
    project.write_text(text.replace("[raw]", "[raw]"), encoding="utf-8")
    graph = process("graph", project, env=ascii_only).finish()
    assert graph.code == 0
    assert "gr\\xf6\\xdfe" in graph.out
    data = process("graph", project, "--json", env=ascii_only).finish()
    assert json.loads(data.out)["project"] == "✓ Größe"


@pytest.mark.skipif(os.name == "nt", reason="a POSIX shell")
def test_a_reader_that_goes_away_is_no_error(project: Path) -> None:
    root = Path(__file__).resolve().parents[2]
    for command in ("schema", f"run {project}", f"run --json {project}"):
        script = f"({sys.executable} -m odibi {command} 2>&1; echo code $? >&2) | head -n 1"
        environment = {**os.environ, "PYTHONPATH": str(root)}
        done = subprocess.run(
            ["sh", "-c", script], capture_output=True, text=True, env=environment, timeout=60, check=False
        )
        assert done.stderr == "code 0\n", command
        assert done.stdout.count("\n") == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_an_output_that_is_full_is_told(process: Callable[..., Any]) -> None:
    with Path("/dev/full").open("w") as full:
        called = process("schema", stdout=full).finish()
    assert called.code == 1
    assert called.err.count("\n") == 1
    assert "can not be written" in called.err


def test_closed_streams(process: Callable[..., Any], project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    UI().data("a")
    UI().error("b")
    closed = io.StringIO()
    closed.close()
    monkeypatch.setattr(sys, "stdout", closed)
    UI().data("a")


def test_ui_writes_what_the_stream_can_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii", newline="\n"))
    UI().data("Größe \udcff")
    assert raw.getvalue() == b"Gr\\xf6\\xdfe \\udcff\n"


def test_secrets_are_scrubbed(capsys: pytest.CaptureFixture[str]) -> None:
    remember("s3cret")
    remember("status")  # a word of our own
    ui = UI()
    ui.data("a s3cret")
    ui.say("a s3cret")
    ui.log({"status": "s3cret status"})
    told = capsys.readouterr()
    assert (told.out, told.err) == ("a ***\n", 'a ***\n{"status": "*** ***"}\n')
    ui.dump({"status": "s3cret"})
    assert json.loads(capsys.readouterr().out) == {"status": "***"}


def test_an_os_error_is_told_without_a_traceback(odibi: Odibi, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied", "secret.txt")

    monkeypatch.setattr("odibi.cli.validate._counts", refuse)
    called = odibi("validate", project)
    assert (called.code, called.err) == (1, "error: Permission denied: secret.txt\n")
    assert issubclass(AccessError, OSError)


HEAVY = {"pandas", "numpy", "pyarrow", "sqlglot", "narwhals", "rich", "webbrowser"}


def test_a_run_of_sql_imports_nothing_heavy(project: Path) -> None:
    root = Path(__file__).resolve().parents[2]
    script = (
        "import sys\nfrom odibi.__main__ import main\ncode = main(sys.argv[1:])\n"
        f"print(code, sorted({HEAVY!r} & set(sys.modules)))"
    )
    for command in ("validate", "run"):
        done = subprocess.run(
            [sys.executable, "-c", script, "-q", command, str(project)],
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": str(root)},
            timeout=60,
            check=False,
        )
        assert done.stdout == "0 []\n", (command, done.stdout, done.stderr)
