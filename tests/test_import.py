"""The public surface is a list, and importing it is cheap."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys

import pytest

import odibi

HEAVY = {
    "adlfs",
    "azure",
    "deltalake",
    "duckdb",
    "fastavro",
    "fsspec",
    "narwhals",
    "numpy",
    "openpyxl",
    "pandas",
    "pyarrow",
    "pydantic",
    "pyspark",
    "rich",
    "sqlglot",
    "yaml",
}

PUBLIC = {
    "odibi": ["Pipeline", "transform"],
    "odibi.config": ["NodeConfig", "PipelineConfig", "ProjectConfig"],
    "odibi.connections": ["BaseConnection", "LocalConnection", "LocalDBFS"],
    "odibi.context": ["PandasContext"],
    "odibi.engine": ["Engine", "PandasEngine"],
}


def loaded_by(code: str) -> set[str]:
    """Top-level names of the modules that a fresh interpreter has loaded after `code`."""
    script = f"{code}\nimport json, sys\nprint(json.dumps(sorted({{name.partition('.')[0] for name in sys.modules}})))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    return set(json.loads(done.stdout))


def test_import_is_light() -> None:
    assert not loaded_by("import odibi") & HEAVY


def test_version_and_error_are_light_too() -> None:
    assert not loaded_by("import odibi, odibi.errors, odibi.registry, odibi.graph; odibi.__version__") & HEAVY


def test_the_list_of_public_names_is_complete() -> None:
    assert sorted(odibi.__all__) == ["Pipeline", "__version__", "transform"]
    assert set(odibi.__all__) <= set(dir(odibi))


@pytest.mark.parametrize(("module", "name"), [(module, name) for module, names in PUBLIC.items() for name in names])
def test_public_name(module: str, name: str) -> None:
    home = importlib.import_module(module)
    assert getattr(home, name).__doc__, "a public name has a docstring"
    assert name in home.__all__


@pytest.mark.parametrize("module", PUBLIC)
def test_unknown_name_is_an_attribute_error(module: str) -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = importlib.import_module(module).no_such_name
