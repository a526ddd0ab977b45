"""`odibi init`: a project that runs at once, and nothing that exists is touched."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Odibi = Callable[..., Any]
FILES = {"config.local.yaml", "my_transforms.py", "data/sample.csv", ".gitignore", ".env.example", "README.md"}


def files_in(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_the_new_project_runs_at_once(odibi: Odibi, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "shop"
    called = odibi("init", folder)
    assert (called.code, called.out) == (0, "")
    assert files_in(folder) == FILES
    config = folder / "config.local.yaml"
    assert odibi("validate", config).err == ""
    result = odibi("run", config, "--json")
    assert result.code == 0
    assert result.json["project"] == "shop"
    nodes = result.json["pipelines"]["sales"]["nodes"]
    assert nodes["clean"]["rows"] == 5
    assert nodes["totals"]["write"]["place"] == "lake:totals"
    assert {"config.local.yaml", "*.local.yaml", ".env"} <= set((folder / ".gitignore").read_text().splitlines())


def test_nothing_is_overwritten(odibi: Odibi, tmp_path: Path) -> None:
    mine = {"config.local.yaml": "mine", "README.md": "mine too", ".gitignore": "# mine\n.env"}
    for name, text in mine.items():
        (tmp_path / name).write_text(text)
    result = odibi("init", tmp_path, "--json").json
    assert set(result["kept"]) == {"config.local.yaml", "README.md"}
    assert result["extended"] == [".gitignore"]
    assert (tmp_path / "config.local.yaml").read_text() == "mine"
    assert (tmp_path / "README.md").read_text() == "mine too"
    lines = (tmp_path / ".gitignore").read_text().splitlines()
    assert lines[:2] == ["# mine", ".env"]
    assert lines.count(".env") == 1
    assert {"config.local.yaml", "*.local.yaml"} <= set(lines)
    again = odibi("init", tmp_path, "--json").json
    assert (again["created"], again["extended"]) == ([], [])
    assert set(again["kept"]) == FILES


@pytest.mark.parametrize("name", ['a: "b" #c', "Größe\n✓", "NO", "123", "${X}", "\\"])
def test_any_name(odibi: Odibi, tmp_path: Path, name: str) -> None:
    odibi("init", tmp_path, "--name", name)
    result = odibi("validate", tmp_path / "config.local.yaml", "--json").json
    assert result["status"] == "ok"
    assert result["project"] == " ".join(name.split())


def test_a_file_in_the_way(odibi: Odibi, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file", tmp_path / "file" / "inside"):
        called = odibi("init", place)
        assert called.code == 2
        assert "is a file; name a folder" in called.err
