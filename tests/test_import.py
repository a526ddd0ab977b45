"""The public surface is a list, and importing it is cheap."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import odibi

AZURE = {"adlfs", "aiohttp", "azure", "cryptography", "msal", "obstore", "requests", "trustme"}
HEAVY = AZURE | {
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
    "odibi.connections": ["AzureADLS", "BaseConnection", "LocalConnection", "LocalDBFS"],
    "odibi.context": ["PandasContext", "SparkContext"],
    "odibi.databricks": ["main"],
    "odibi.engine": ["Engine", "PandasEngine", "SparkEngine"],
    "odibi.utils": [
        "KeyVaultFetchResult",
        "compare_fetch_times",
        "configure_connections_parallel",
        "configure_spark",
        "fetch_keyvault_secret",
        "fetch_keyvault_secrets_parallel",
        "get_databricks_identity_info",
        "list_keyvault_secrets",
        "print_connection_templates",
        "print_keyvault_setup_instructions",
        "run_sample_pipeline",
        "validate_databricks_environment",
    ],
}


LOCAL_RUN = """
from odibi.__main__ import main
from pathlib import Path
Path("data").mkdir()
Path("data/sales.csv").write_text("id,amount\\n1,2\\n")
Path("config.yaml").write_text('''
connections: {data: {type: local, base_path: data}}
pipelines:
  - pipeline: p
    nodes:
      - {name: sales, read: {connection: data, path: sales.csv}, write: {connection: data, path: sales}}
''')
assert main(["run", "config.yaml", "--quiet"]) == 0
"""


def loaded_by(code: str, cwd: Path | None = None) -> set[str]:
    """Modules that a fresh interpreter has loaded after `code`: their top-level names, and those of odibi in full."""
    script = f"{code}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    environment = {**os.environ, "PYTHONPATH": str(Path(odibi.__file__).parents[1])}
    command = [sys.executable, "-c", script]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, timeout=60, cwd=cwd, env=environment, encoding="utf-8"
    )
    names = set(json.loads(done.stdout.splitlines()[-1]))
    return {name.partition(".")[0] for name in names} | {name for name in names if name.startswith("odibi.")}


def test_import_is_light() -> None:
    assert not loaded_by("import odibi") & HEAVY


def test_version_and_error_are_light_too() -> None:
    assert not loaded_by("import odibi, odibi.errors, odibi.registry, odibi.graph; odibi.__version__") & HEAVY


def test_a_local_run_imports_nothing_of_azure(tmp_path: Path) -> None:
    loaded = loaded_by(LOCAL_RUN, tmp_path)
    assert "duckdb" in loaded
    assert not loaded & AZURE
    assert not {name for name in loaded if name.startswith(("odibi.azure", "odibi.connections.azure"))}


def test_the_version_is_told_without_anything_heavy() -> None:
    assert not loaded_by("from odibi.__main__ import main\nmain(['--version'])") & HEAVY


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
