"""The entry point of a wheel task: returns, or raises, and never ends the process."""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
import threading
import tomllib
import types
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import odibi
from odibi import databricks
from odibi.databricks import main
from odibi.errors import ConfigError, RunFailed, UnknownNameError
from odibi.secrets import forget, remember
from odibi.testing.memory import memory_connections

ROOT = Path(__file__).resolve().parent.parent
PROJECT = """
connections: {source: {type: local, base_path: data}, lake: {type: local, base_path: lake}}
pipelines:
  - pipeline: first
    nodes:
      - name: raw
        read: {connection: source, path: sales.csv}
        write: {connection: lake, path: raw}
  - pipeline: second
    nodes:
      - name: day
        transform: {steps: ["SELECT '${DAY:-monday}' AS day"]}
        write: {connection: lake, path: day}
"""
FAILING = PROJECT.replace("sales.csv", "sales_of_mars.csv")


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Write a project; the working directory is another folder."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)

    def make(text: str = PROJECT, **modules: str) -> Path:
        folder = tmp_path / "project"
        (folder / "data").mkdir(parents=True)
        (folder / "data" / "sales.csv").write_text("id,amount\n1,10\n2,20\n")
        for name, code in modules.items():
            (folder / f"{name}.py").write_text(code)
        (folder / "config.yaml").write_text(text)
        return folder / "config.yaml"

    return make


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What `displayHTML` of the notebook was given."""
    pages: list[str] = []
    shell = types.SimpleNamespace(user_ns={"displayHTML": pages.append})
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: shell))
    return pages


def test_it_returns_nothing_and_paths_are_those_of_the_file(made: Callable[..., Path]) -> None:
    file = made()
    assert main(["--config", str(file)]) is None
    assert sorted(path.name for path in (file.parent / "lake").iterdir()) == ["day", "raw"]
    assert (file.parent / ".odibi" / "stories" / "first").is_dir()
    assert list(Path.cwd().iterdir()) == []


def test_the_arguments_of_the_task_are_the_default(made: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    file = made()
    monkeypatch.setattr(sys, "argv", ["/databricks/python/runner.py", f"--config={file}", "--pipeline=second"])
    main()
    assert [path.name for path in (file.parent / "lake").iterdir()] == ["day"]


@pytest.mark.parametrize("style", ["positional", "words", "named", "run"])
def test_arguments_in_every_style(made: Callable[..., Path], style: str) -> None:
    file = made()
    arguments = {
        "positional": [str(file), "-p", "second", "--set", "DAY=friday"],
        "words": ["--config", str(file), "--pipeline", "second", "--set", "DAY=friday"],
        "named": [f"--config={file}", "--pipeline=second", "--set=DAY=friday", "--dry-run=false", "--quiet=true"],
        "run": ["run", str(file), "--set=DAY=friday"],
    }
    main(arguments[style])
    engine = odibi.Pipeline.from_yaml(file).engine()
    assert list(engine.read("lake", path="day")["day"]) == ["friday"]
    engine.close()


def test_it_tells_plain_lines_on_stdout(made: Callable[..., Path], capsys: pytest.CaptureFixture[str]) -> None:
    main([str(made())])
    out, err = capsys.readouterr()
    assert "first.raw" in out
    assert "story of first:" in out
    assert "\x1b" not in out
    assert err == ""


def test_json_is_one_document(made: Callable[..., Path], capsys: pytest.CaptureFixture[str]) -> None:
    main([str(made()), "--json"])
    assert json.loads(capsys.readouterr().out)["status"] == "completed"


def test_a_dry_run_moves_nothing(made: Callable[..., Path], capsys: pytest.CaptureFixture[str]) -> None:
    file = made()
    main([f"--config={file}", "--dry-run=true"])
    assert not (file.parent / "lake").exists()
    assert "raw" in capsys.readouterr().out


def test_a_failure_is_raised_with_every_node(made: Callable[..., Path]) -> None:
    with pytest.raises(RunFailed, match=r"first\.raw: .*sales_of_mars\.csv"):
        main([str(made(FAILING))])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "which file"),
        (["--help"], "nothing was run"),
        (["{file}", "--confg=x"], "did you mean '--config'"),
        (["{file}", "--workers=none"], "--workers"),
        (["{file}", "--dry-run=maybe"], "write --dry-run=true or take it out"),
        (["{file}", "second"], "unexpected argument"),
        (["config.yaml"], "name its whole path"),
        (["{file}", "--set", "DAY"], "write it as VAR=value"),
    ],
)
def test_wrong_arguments_are_an_error_and_no_exit(
    made: Callable[..., Path], arguments: list[str], message: str
) -> None:
    file = made()
    with pytest.raises(ConfigError, match=message):
        main([word.format(file=file) for word in arguments])


def test_mistakes_of_the_file_are_raised_together(made: Callable[..., Path]) -> None:
    with pytest.raises(ConfigError) as caught:
        main([str(made(PROJECT.replace("read:", "raed:").replace("steps", "stepps")))])
    assert len(caught.value.problems) == 2


def test_an_unknown_pipeline_is_raised(made: Callable[..., Path]) -> None:
    with pytest.raises(UnknownNameError, match="frist"):
        main([str(made()), "-p", "frist"])


LEAVING = "import sys\nfrom odibi import transform\n@transform\ndef leave(context, current):\n    sys.exit(0)\n"


def test_a_function_that_leaves_does_not_look_like_success(made: Callable[..., Path]) -> None:
    text = PROJECT.replace("""["SELECT '${DAY:-monday}' AS day"]""", "[SELECT 1 AS id, function: leave]")
    with pytest.raises(RunFailed, match=r"second\.day"):
        main([str(made("transforms: [leaving.py]" + text, leaving=LEAVING))])


SLOW = """
import time
from odibi import transform
@transform
def slow(context, current):
    for _ in range(20):
        time.sleep(0.1)
    return current
"""


def test_an_interrupt_passes_after_the_story_is_written(made: Callable[..., Path]) -> None:
    text = PROJECT.replace("""["SELECT '${DAY:-monday}' AS day"]""", "[SELECT 1 AS id, function: slow]")
    file = made("transforms: [slow.py]" + text, slow=SLOW)
    before = signal.getsignal(signal.SIGINT)
    story = file.parent / ".odibi" / "stories"
    done = threading.Event()

    def cancel() -> None:
        while not (story / "first").exists() and not done.wait(0.05):
            pass
        if not done.wait(0.3):
            signal.raise_signal(signal.SIGINT) if os.name == "nt" else os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=cancel, daemon=True).start()
    try:
        with pytest.raises(KeyboardInterrupt):
            main([str(file)])
    finally:
        done.set()
    data = json.loads(next(story.glob("second/*/story.json")).read_text())
    assert data["pipeline"]["status"] == "interrupted"
    assert signal.getsignal(signal.SIGINT) is before


# -- the stories below a cell ------------------------------------------------------------------------------------------


def test_stories_are_shown_in_a_notebook(made: Callable[..., Path], shown: list[str]) -> None:
    main([str(made())])
    assert len(shown) == 2
    assert all(page.lstrip().lower().startswith("<!doctype html") for page in shown)


def test_stories_of_a_failed_run_are_shown_too(made: Callable[..., Path], shown: list[str]) -> None:
    with pytest.raises(RunFailed):
        main([str(made(FAILING))])
    assert "sales_of_mars.csv" in shown[0]


def test_no_more_is_shown_than_a_cell_holds(
    made: Callable[..., Path], shown: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(databricks, "SHOWN_BYTES", 100)
    main([str(made())])
    assert shown == []
    assert "the story of first is too large to be shown here; open " in capsys.readouterr().out


def test_a_display_that_fails_fails_no_run(
    made: Callable[..., Path], shown: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(page: str) -> None:
        raise ValueError("no kernel")

    sys.modules["IPython"].get_ipython().user_ns["displayHTML"] = refuse
    main([str(made())])
    assert "can not be shown here: ValueError: no kernel" in capsys.readouterr().out


def test_stories_behind_a_url_are_shown(made: Callable[..., Path], shown: list[str]) -> None:
    text = "story: {connection: notes}" + PROJECT.replace("connections: {", "connections: {notes: {type: memory}, ")
    with memory_connections():
        main([str(made(text))])
    assert len(shown) == 2


def test_what_is_raised_holds_no_secret(made: Callable[..., Path]) -> None:
    remember("sales_of_mars")
    try:
        with pytest.raises(RunFailed) as caught:
            main([str(made(FAILING))])
    finally:
        forget()
    assert "sales_of_mars" not in str(caught.value)
    assert caught.value.__cause__ is None


# -- how a task finds it -----------------------------------------------------------------------------------------------


def test_the_entry_point_of_the_task_is_in_the_metadata_of_the_package() -> None:
    points = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["entry-points"]
    module, _, name = points["packages"]["main"].partition(":")
    assert getattr(importlib.import_module(module), name) is main


def test_the_package_has_it_too_for_a_task_that_does_not_look_into_metadata() -> None:
    assert getattr(importlib.import_module("odibi"), "main") is main  # noqa: B009 - as the task does it
