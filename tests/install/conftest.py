"""The wheel that users install, and what an installation of it would bring."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NO_NETWORK = ("error sending request", "dns error", "failed to fetch", "could not connect", "network", "timed out")
"""What uv says, in lower case, where it can not reach the package index."""


def run(command: list[str], **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a tool in the checkout."""
    return subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=300,
        check=False,
    )


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout; building it needs no network."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = run(command)
    assert done.returncode == 0, done.stdout + done.stderr
    return next(folder.glob("*.whl"))


@pytest.fixture
def compile_requirements(tmp_path: Path) -> Callable[..., dict[str, str]]:
    """Resolve requirements for Python 3.12 as an installation would, without installing: name → version."""

    def resolve(source: Path, *options: str, installed: str = "", platform: str = "linux") -> dict[str, str]:
        out = tmp_path / "resolved.txt"
        out.write_text(installed, encoding="utf-8")
        command = [sys.executable, "-m", "uv", "pip", "compile", str(source), "--output-file", str(out)]
        target = ["--python-version", "3.12", "--python-platform", platform]
        quiet = ["--quiet", "--no-header", "--no-annotate"]
        done = run([*command, *target, *quiet, *options], UV_PYTHON_DOWNLOADS="never", UV_NO_PROGRESS="1")
        if done.returncode:
            _skip_without_network(done.stderr)
            pytest.fail(f"nothing fits:\n{done.stderr}")
        return pins(out.read_text(encoding="utf-8"))

    return resolve


def _skip_without_network(said: str) -> None:
    """A machine without a network can not ask the package index; on CI that is a failure."""
    if not os.environ.get("CI") and any(sign in said.lower() for sign in NO_NETWORK):
        pytest.skip(f"the package index can not be reached: {said.strip().splitlines()[-1]}")


def pins(text: str) -> dict[str, str]:
    """The `name==version` lines of a requirements file; everything else is left out."""
    lines = (line.partition("#")[0].partition(";")[0].strip() for line in text.splitlines())
    return dict(line.split("==") for line in lines if "==" in line)


@pytest.fixture(scope="session")
def read_pins() -> Callable[[str], dict[str, str]]:
    """`pins`, for the tests."""
    return pins
