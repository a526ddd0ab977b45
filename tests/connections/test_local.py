"""Local folders: links that escape, and the spellings of DBFS."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from odibi.connections import LocalConnection, LocalDBFS
from odibi.errors import ConfigError, PathEscapeError
from odibi.testing import run_project


@pytest.fixture
def lake(tmp_path: Path) -> LocalConnection:
    (tmp_path / "lake").mkdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/secret.csv").write_text("id\n1\n")
    return LocalConnection(tmp_path / "lake", name="lake")


def link(place: Path, target: Path) -> None:
    try:
        place.symlink_to(target)
    except OSError:
        pytest.skip("this user may not make symbolic links")


@pytest.mark.parametrize("path", ["out/secret.csv", "out", "out/new/t.csv", "out/*.csv"])
def test_links_that_leave_are_refused(lake: LocalConnection, tmp_path: Path, path: str) -> None:
    link(tmp_path / "lake/out", tmp_path / "outside")
    with pytest.raises(PathEscapeError, match="leaves it through a symbolic link"):
        lake.get_path(path)


def test_links_inside_are_fine(lake: LocalConnection, tmp_path: Path) -> None:
    (tmp_path / "lake/real").mkdir()
    link(tmp_path / "lake/alias", tmp_path / "lake/real")
    assert lake.get_path("alias/t.csv") == str(tmp_path / "lake/alias/t.csv")


def test_a_base_that_is_a_link_is_a_base(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    link(tmp_path / "base", tmp_path / "real")
    assert LocalConnection(tmp_path / "base").get_path("a.csv") == str(tmp_path / "base/a.csv")


def test_a_file_in_a_folder_that_links_out_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "lake/in").mkdir(parents=True)
    (tmp_path / "secret.csv").write_text("id\n1\n")
    link(tmp_path / "lake/in/a.csv", tmp_path / "secret.csv")
    text = """
        connections: {lake: {type: local, base_path: lake}}
        pipelines:
          - pipeline: p
            nodes:
              - {name: a, read: {connection: lake, path: PATH, format: csv}, write: {connection: lake, path: out}}
    """
    for path in ("in", "'in/*.csv'"):
        run = run_project(text.replace("PATH", path), folder=tmp_path)
        assert "symbolic link" in run.errors["a"], path
    with pytest.raises(ConfigError, match=r"read\.path: .*symbolic link"):
        run_project(text.replace("PATH", "in/a.csv"), folder=tmp_path)


def test_nothing_is_made_before_the_first_write(tmp_path: Path) -> None:
    connection = LocalConnection(tmp_path / "lake")
    connection.validate()
    connection.location("a")
    assert not (tmp_path / "lake").exists()


def test_a_relative_base_does_not_follow_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    connection = LocalConnection("lake")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert connection.get_path("a") == str(tmp_path / "lake" / "a")


@pytest.mark.parametrize(
    "path", ["dbfs:/mnt/raw/a.csv", "/dbfs/mnt/raw/a.csv", "mnt/raw/a.csv", "dbfs:///mnt/raw/a.csv"]
)
def test_dbfs_paths_are_below_the_root(tmp_path: Path, path: str) -> None:
    assert LocalDBFS(tmp_path).get_path(path) == os.path.join(tmp_path, "mnt", "raw", "a.csv")


@pytest.mark.parametrize("path", ["dbfs:/../x", "/dbfs/../../x", "/mnt/x", "dbfs:/mnt/../../x"])
def test_dbfs_paths_do_not_leave_the_root(tmp_path: Path, path: str) -> None:
    with pytest.raises(PathEscapeError):
        LocalDBFS(tmp_path).get_path(path)


def test_no_path_is_no_base_path() -> None:
    """It would be the working directory, wherever that is."""
    with pytest.raises(ValueError, match="requires 'base_path'"):
        LocalConnection("").validate()
