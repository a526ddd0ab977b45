"""An installation beside the libraries of a Databricks Runtime leaves them alone.

`tests/install/runtimes` holds what each supported runtime has installed. An installer keeps what is installed as long
as it fits: that is how the resolver is called here, with the wheel itself (odibi's own name is never asked for).
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from packaging.version import Version

RUNTIMES = {path.stem: path for path in sorted((Path(__file__).parent / "runtimes").glob("*.txt"))}
PYPROJECT = Path(__file__).resolve().parents[2] / "pyproject.toml"
MAY_MOVE = ("azure-", "msal", "deltalake", "arro3-core")
"""What a plain installation may replace: Azure's SDKs (today azure-core on 16.4 and 17.3, for the newest
azure-keyvault-secrets), and delta-rs, which 18.2 and 19 bring older than odibi needs it."""
OLDER_THAN_NEEDED = ("deltalake", "arro3-core")

Resolve = Callable[..., dict[str, str]]
Pins = Callable[[str], dict[str, str]]


@pytest.fixture
def requirement(wheel: Path, tmp_path: Path) -> Path:
    """A requirements file that names the wheel with the extra `azure`."""
    file = tmp_path / "requirements.in"
    file.write_text(f"odibi[azure] @ {wheel.as_uri()}\n", encoding="utf-8")
    return file


def test_the_runtimes_that_odibi_supports_are_here() -> None:
    assert set(RUNTIMES) == {"16.4", "17.3", "18.2", "19"}


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_an_installation_leaves_the_runtime_alone(
    runtime: str, requirement: Path, compile_requirements: Resolve, read_pins: Pins
) -> None:
    text = RUNTIMES[runtime].read_text(encoding="utf-8")
    installed = read_pins(text)
    resolved = compile_requirements(requirement, installed=text)
    moved = {name: (old, resolved[name]) for name, old in installed.items() if resolved.get(name, old) != old}
    assert {name: change for name, change in moved.items() if not name.startswith(MAY_MOVE)} == {}
    assert {"pandas", "numpy", "pyarrow", "pydantic"} <= set(resolved) & set(installed)
    assert not {"pyspark", "delta-spark", "databricks-connect"} & set(resolved), "they would replace the runtime's own"


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_with_the_runtime_as_constraints_nothing_of_azure_moves_either(
    runtime: str, requirement: Path, compile_requirements: Resolve, read_pins: Pins, tmp_path: Path
) -> None:
    held = {
        name: version
        for name, version in read_pins(RUNTIMES[runtime].read_text(encoding="utf-8")).items()
        if name not in OLDER_THAN_NEEDED
    }
    constraints = tmp_path / "constraints.txt"
    constraints.write_text("".join(f"{name}=={version}\n" for name, version in held.items()), encoding="utf-8")
    resolved = compile_requirements(requirement, "--constraint", str(constraints))
    assert {name: resolved[name] for name in held if name in resolved and resolved[name] != held[name]} == {}


@pytest.mark.parametrize("platform", ["linux", "aarch64-unknown-linux-gnu", "windows", "macos"])
def test_the_oldest_versions_have_wheels(platform: str, compile_requirements: Resolve) -> None:
    options = ("--extra", "azure", "--resolution", "lowest-direct", "--only-binary", ":all:")
    resolved = compile_requirements(PYPROJECT, *options, platform=platform)
    for name in ("deltalake", "duckdb", "obstore", "pyarrow"):
        assert Version(resolved[name]) == lower_bound(name), name


def lower_bound(name: str) -> Version:
    """The oldest version of a library that pyproject.toml allows."""
    project = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]
    requirements = [*project["dependencies"], *project["optional-dependencies"]["azure"]]
    return next(Version(text.partition(">=")[2]) for text in requirements if text.partition(">=")[0] == name)
