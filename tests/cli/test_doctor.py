"""`odibi doctor`: everything is looked at, whatever else fails, and nothing is left behind."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from odibi.cli import doctor
from odibi.cli.doctor import EXTRAS, LIBRARIES, Finding

Odibi = Callable[..., Any]


def by_name(called: Any) -> dict[str, dict[str, Any]]:
    return {check["name"]: check for check in called.json["checks"]}


def test_a_good_installation(odibi: Odibi) -> None:
    called = odibi("doctor")
    assert (called.code, called.err) == (0, "")
    for word in ("odibi", "python", "duckdb", "extra azure", "databricks", "temporary folder"):
        assert word in called.out


def test_what_it_knows_is_what_pyproject_says() -> None:
    root = Path(__file__).resolve().parents[2]
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]

    def names(requirements: list[str]) -> set[str]:
        return {requirement.replace("=", ">").partition(">")[0] for requirement in requirements}

    extras = project["optional-dependencies"]
    assert names(project["dependencies"]) == set(LIBRARIES)
    assert {name: names(extras[name]) for name in extras if name not in ("all", "dev")} == {
        name: set(packages) for name, packages in EXTRAS.items()
    }


def test_databricks(odibi: Odibi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATABRICKS_RUNTIME_VERSION", raising=False)
    assert by_name(odibi("doctor", "--json"))["databricks"]["text"] == "no"
    monkeypatch.setenv("DATABRICKS_RUNTIME_VERSION", "16.4")
    assert by_name(odibi("doctor", "--json"))["databricks"]["facts"] == {"runtime_version": "16.4"}


def test_connections_are_looked_at_and_nothing_is_left(odibi: Odibi, project: Path) -> None:
    before = sorted(project.parent.rglob("*"))
    checks = by_name(odibi("doctor", project, "--json"))
    assert sorted(project.parent.rglob("*")) == before
    assert checks["connection source"]["status"] == "ok"
    assert checks["connection source"]["facts"]["state"] == "exists, writable"
    assert checks["connection lake"]["facts"]["state"] == "not there yet, made at the first write"
    assert checks["stories"]["status"] == "ok"


def test_a_folder_that_is_only_read_must_be_there(odibi: Odibi, project: Path) -> None:
    project.write_text(project.read_text().replace("base_path: data", "base_path: dta"))
    called = odibi("doctor", project)
    assert called.code == 1
    assert "✗ connection source" in called.out
    assert "is not there" in called.out
    assert "1 of" in called.err


def test_a_file_where_a_folder_should_be(odibi: Odibi, project: Path) -> None:
    (project.parent / "lake").write_text("")
    assert by_name(odibi("doctor", project, "--json"))["connection lake"]["facts"]["state"] == "is a file"


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="needs file permissions that count")
def test_a_folder_that_can_not_be_written(odibi: Odibi, project: Path) -> None:
    lake = project.parent / "lake"
    lake.mkdir(mode=0o500)
    assert by_name(odibi("doctor", project, "--json"))["connection lake"]["status"] == "red"


def test_a_wrong_file_is_red_and_the_rest_is_still_looked_at(odibi: Odibi, project: Path) -> None:
    project.write_text(project.read_text().replace("pipelines:", "pipelins:"))
    called = odibi("doctor", project)
    assert called.code == 1
    assert "did you mean 'pipelines'?" in called.out
    assert "duckdb" in called.out
    assert odibi("doctor", project.parent / "missing.yaml").code == 1


def test_it_works_when_everything_fails(odibi: Odibi, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> Iterator[Finding]:
        raise RuntimeError("broken")

    monkeypatch.setattr(doctor, "CHECKS", (fails, fails))
    monkeypatch.setattr(doctor, "_connection", fails)
    monkeypatch.setattr(doctor, "_stories", fails)
    called = odibi("doctor", project, "--json")
    assert called.code == 1
    assert [check["text"] for check in called.json["checks"] if check["status"] == "red"] == [
        "the check itself failed: RuntimeError: broken"
    ] * 5


def test_missing_and_broken_libraries(odibi: Odibi, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "broken_library.py").write_text("raise RuntimeError('half installed')")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(doctor, "LIBRARIES", {"no-such-library": "x", "duckdb": "broken_library"})
    checks = by_name(odibi("doctor", "--json"))
    assert checks["no-such-library"]["status"] == "red"
    assert checks["no-such-library"]["hint"] == "install it with: pip install no-such-library"
    assert "half installed" in checks["duckdb"]["text"]
