"""What is in the wheel, and that it works away from the checkout."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import odibi

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def unpacked(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the content of the wheel."""
    folder = tmp_path_factory.mktemp("unpacked")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def called(unpacked: Path, cwd: Path, *arguments: str) -> str:
    """What Python, called in `cwd` with the wheel's odibi, prints on stdout."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(unpacked)},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_everything_that_git_knows_of_the_package_is_in_the_wheel(wheel: Path) -> None:
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    listing = subprocess.run([git, "ls-files", "-z", "odibi"], cwd=ROOT, capture_output=True, check=True, timeout=60)
    known = {name for name in listing.stdout.decode().split("\0") if name and (ROOT / name).is_file()}
    assert known - set(zipfile.ZipFile(wheel).namelist()) == set()
    assert {Path(name).suffix for name in known} > {".py", ".typed", ".yaml", ".json", ".csv"}


def test_nothing_but_the_package_is_in_the_wheel(wheel: Path) -> None:
    tops = {name.partition("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert tops == {"odibi", f"odibi-{odibi.__version__}.dist-info"}


def test_it_works_away_from_the_checkout(unpacked: Path, tmp_path: Path) -> None:
    where = called(unpacked, tmp_path, "-c", "import odibi; print(odibi.__file__)").strip()
    assert Path(where).is_relative_to(unpacked)
    assert odibi.__version__ in called(unpacked, tmp_path, "-m", "odibi", "--version")
    called(unpacked, tmp_path, "-m", "odibi", "init", "shop")
    called(unpacked, tmp_path, "-m", "odibi", "run", "shop/config.local.yaml")
    assert json.loads(called(unpacked, tmp_path, "-m", "odibi", "schema"))["type"] == "object"
