"""`odibi story` and `odibi delta`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

import pytest

from odibi.testing import memory_connections

Odibi = Callable[..., Any]


@pytest.fixture
def ran(odibi: Odibi, project: Path) -> tuple[Path, list[str]]:
    """A project that ran twice, and the ids of its runs."""
    return project, [odibi("run", project, "--json").json["run_id"] for _ in range(2)]


def test_stories_are_listed_newest_first(odibi: Odibi, ran: tuple[Path, list[str]]) -> None:
    file, (first, second) = ran
    lines = odibi("story", "list", file).out.splitlines()
    assert lines[0].split()[:2] == ["run", "started"]
    assert [line.split()[0] for line in lines[1:]] == [second, second, first, first]
    assert [line.split()[3] for line in lines[1:]] == ["report", "load", "report", "load"]
    stories = odibi("story", "list", file, "-p", "load", "--json").json["stories"]
    assert [story["run_id"] for story in stories] == [second, first]
    assert len(odibi("story", "list", file, "--limit", "1", "--json").json["stories"]) == 1


def test_a_story_is_shown(odibi: Odibi, ran: tuple[Path, list[str]]) -> None:
    file, (first, second) = ran
    assert odibi("story", "show", file, "-p", "load", "--json").json["run"]["id"] == second
    assert odibi("story", "show", file, first[:6], "-p", "load", "--json").json["run"]["id"] == first
    text = odibi("story", "show", file, first).out
    assert text.startswith("# ")
    assert first in text


def test_a_story_is_opened(odibi: Odibi, ran: tuple[Path, list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", lambda url: opened.append(url) or True)
    file, (first, _) = ran
    called = odibi("story", "open", file, first, "-p", "load")
    assert called.code == 0
    assert Path(called.out.strip()).as_uri() == opened[0]
    assert Path(called.out.strip()).name == "story.html"
    monkeypatch.setattr("webbrowser.open", lambda url: False)
    assert "open the file by hand" in odibi("story", "open", file).err


def test_open_a_story_behind_a_url(
    odibi: Odibi, write_project: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No browser opens what is in a storage account: it is given a copy."""
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", lambda url: opened.append(url) or True)
    file = write_project("""
connections: {far: {type: memory, bucket: tales}}
story: {connection: far}
pipelines: [{pipeline: p, nodes: [{name: one, transform: {steps: [SELECT 1 AS id]}}]}]
""")
    with memory_connections():
        assert odibi("run", file).code == 0
        called = odibi("story", "open", file)
    assert called.code == 0
    assert called.out.startswith("memory://")
    page = Path(url2pathname(urlsplit(opened[0]).path))
    assert f"a copy of it: {page}" in called.err
    assert page.read_text(encoding="utf-8").lstrip().startswith("<!")


def test_no_story_no_run_of_that_id_no_pipeline(odibi: Odibi, project: Path) -> None:
    none = odibi("story", "list", project)
    assert none.code == 2
    assert "no stories yet" in none.err
    odibi("run", project)
    for arguments in (["show", project, "zzz"], ["open", project, "zzz"], ["list", project, "-p", "laod"]):
        called = odibi("story", *arguments)
        assert called.code == 2
        assert "unknown" in called.err


def test_a_damaged_story_is_listed(odibi: Odibi, ran: tuple[Path, list[str]]) -> None:
    file, (_, second) = ran
    (data,) = file.parent.glob(f".odibi/stories/load/*{second}/story.json")
    data.write_text("{")
    called = odibi("story", "list", file)
    assert called.code == 0
    assert "unreadable" in called.out
    assert second in called.err
    data.with_name("story.md").unlink()
    assert odibi("story", "show", file, "-p", "load").code == 2


def test_history(odibi: Odibi, ran: tuple[Path, list[str]]) -> None:
    file, _ = ran
    lines = odibi("delta", "history", file, "lake", "sales").out.splitlines()
    assert [line.split()[0] for line in lines] == ["version", "1", "0"]
    history = odibi("delta", "history", file, "lake", "sales", "--limit", "1", "--json").json["history"]
    assert [commit["version"] for commit in history] == [1]
    assert history[0]["timestamp"].endswith("+00:00")


def test_restore_says_from_where_to_where(odibi: Odibi, ran: tuple[Path, list[str]]) -> None:
    file, _ = ran
    called = odibi("delta", "restore", file, "lake", "sales", "--version", "0")
    assert called.code == 0
    assert "from version 1 back to version 0, which is version 2 now" in called.out
    result = odibi("delta", "--json", "restore", file, "lake", "sales", "--version", "1").json
    assert (result["version_before"], result["restored_version"], result["version_after"]) == (2, 1, 3)
    wrong = odibi("delta", "restore", file, "lake", "sales", "--version", "99")
    assert wrong.code in (1, 2)
    assert "Traceback" not in wrong.err


def test_vacuum(odibi: Odibi, ran: tuple[Path, list[str]]) -> None:
    file, _ = ran
    table = ["lake", "sales"]
    assert "0 files" in odibi("delta", "vacuum", file, *table).out
    wrong = odibi("delta", "vacuum", file, *table, "--retention-hours", "0")
    assert wrong.code in (1, 2)
    assert "Traceback" not in wrong.err
    dry = odibi("delta", "vacuum", file, *table, "--retention-hours", "0", "--no-enforce", "--dry-run", "--json")
    assert (dry.json["dry_run"], dry.json["files_deleted"], len(dry.json["files"])) == (True, 0, 1)
    now = ["--retention-hours", "0", "--no-enforce"]
    assert "1 file would be deleted" in odibi("delta", "vacuum", file, *table, *now, "--dry-run").out
    assert "1 file deleted" in odibi("delta", "vacuum", file, *table, "--retention-hours", "0", "--no-enforce").out
    assert odibi("run", file).code == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(["lak", "sales"], "did you mean 'lake'?"), (["lake", "sale"], "sales"), (["lake", "../x"], "..")],
)
def test_no_such_connection_or_table(
    odibi: Odibi, ran: tuple[Path, list[str]], arguments: list[str], said: str
) -> None:
    file, _ = ran
    for action in (["history"], ["vacuum"], ["restore", "--version", "0"]):
        called = odibi("delta", action[0], file, *arguments, *action[1:])
        assert called.code in (1, 2), called
        assert said in called.err
        assert "Traceback" not in called.err
        as_json = odibi("--json", "delta", action[0], file, *arguments, *action[1:])
        assert json.loads(as_json.out)["exit_code"] == called.code
