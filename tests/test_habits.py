"""Habits of the repository that no other tool looks after."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

import odibi

ROOT = Path(__file__).resolve().parent.parent

ROOT_ENTRIES = {
    ".ci",
    ".gitattributes",
    ".gitignore",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "LICENSE",
    "Makefile",
    "README.md",
    "benchmarks",
    "docs",
    "examples",
    "odibi",
    "pyproject.toml",
    "setup",
    "tests",
}

LEFTOVERS = {
    "a path of one machine": r"(?<![\w.:/-])/(?:work|root|home|Users|tmp)/\w|[A-Z]:\\\\?Users\\",
    "the host of a package registry": r"pypi\.org|pythonhosted\.org|repo1?\.maven|registry\.npmjs|proxy\.golang",
    "a leftover marker": r"\b(?:TODO|FIXME|HACK)\b",
    "a conflict marker": r"^(?:<{7}|>{7}) ",
}


def tracked() -> list[Path]:
    """The files git knows, those that are about to be added included; skips where there is no checkout (an sdist)."""
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    command = [git, "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, capture_output=True, check=True, timeout=60).stdout.decode().split("\0")
    return [path for name in listed if name and (path := ROOT / name).is_file()]


def text_of(path: Path) -> str:
    """The text of a file; empty for a binary one."""
    data = path.read_bytes()
    return "" if b"\0" in data else data.decode()


def metadata() -> dict[str, object]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.mark.parametrize("what", LEFTOVERS)
def test_no_leftovers(what: str) -> None:
    pattern = re.compile(LEFTOVERS[what], re.MULTILINE)
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}"
        for path in tracked()
        if path != Path(__file__).resolve()
        for number, line in enumerate(text_of(path).splitlines(), 1)
        if pattern.search(line)
    ]
    assert not found, f"{what}:\n" + "\n".join(found)


def test_the_root_stays_bare() -> None:
    entries = {path.relative_to(ROOT).parts[0] for path in tracked()}
    assert entries <= ROOT_ENTRIES


def test_files_are_small_and_end_with_a_newline() -> None:
    assert [path for path in tracked() if path.stat().st_size > 500_000] == []
    assert [path for path in tracked() if (text := text_of(path)) and not text.endswith("\n")] == []


def test_line_endings_are_unix() -> None:
    assert [path for path in tracked() if "\r\n" in text_of(path)] == []


def test_extra_all_holds_the_other_extras() -> None:
    extras: dict[str, list[str]] = metadata()["optional-dependencies"]  # type: ignore[assignment]
    others = {name for extra, names in extras.items() if extra not in {"all", "dev"} for name in names}
    assert set(extras["all"]) == others
    assert set(extras) == {"all", "avro", "azure", "connect", "demo", "dev", "excel", "sandbox", "spark"}


def test_every_module_has_its_layer() -> None:
    """A module in no layer may import whatever it likes. `graph` and `story` have contracts of their own."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    layers = next(each["layers"] for each in settings["contracts"] if each["id"] == "layers")
    held = {name.strip(" ()").split(".")[1] for layer in layers for name in re.split("[|:]", layer)}
    names = {path.stem for path in (ROOT / "odibi").glob("*.py")} | {
        path.parent.name for path in (ROOT / "odibi").glob("*/__init__.py")
    }
    assert {name for name in names if not name.startswith("_")} - held == {"graph", "story"}


def test_the_changelog_knows_this_version() -> None:
    assert f"\n## {odibi.__version__} " in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_the_package_is_typed() -> None:
    assert (ROOT / "odibi" / "py.typed").is_file()
