"""The set-up notebook of Databricks: run as it is against the offline Azure, in a kernel of its own."""

from __future__ import annotations

import ast
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import odibi.utils
from odibi.errors import install_command

if TYPE_CHECKING:
    from odibi.testing.azure import Sandbox

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "setup" / "databricks_setup.ipynb"
VAULT = "company-kv"

STAND_IN = """
class Library:
    restarts = 0
    def restartPython(self):
        Library.restarts += 1

class DBUtils:
    library = Library()

dbutils = DBUtils()
installed = []
get_ipython().register_magic_function(installed.append, "line", "pip")
"""
"""What a notebook of Databricks has that a bare kernel lacks. `%pip` installs nothing here."""

SERVICE_CREDENTIALS = """
from azure.identity import ManagedIdentityCredential

asked = []

class Credentials:
    def getServiceCredentialsProvider(self, name):
        asked.append(name)
        return ManagedIdentityCredential()

DBUtils.credentials = Credentials()
"""
"""Compute on which service credentials can be had."""

SPARK = """
from odibi.engine.spark import build

spark = build.session()
"""
"""Compute with a Spark session that the runtime has made."""
NO_SPARK = {
    "spark, refused = configure_spark(connections)": "",
    'result_on_spark = run_sample_pipeline(settings, engine="spark")\nresult_on_spark': "",
}
"""The cells of Spark take the time that a JVM takes; they are run once."""


def cells(kind: str = "code") -> list[str]:
    notebook = json.loads(FILE.read_text(encoding="utf-8"))
    return ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == kind]


# -- what is in it -----------------------------------------------------------------------------------------------------


def test_it_is_stored_without_what_it_printed() -> None:
    notebook = json.loads(FILE.read_text(encoding="utf-8"))
    assert notebook["nbformat"] == 4
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            assert cell["outputs"] == []
            assert cell["execution_count"] is None


def test_it_has_eight_steps_and_troubleshooting() -> None:
    headings = re.findall(r"^## (.+)$", "\n".join(cells("markdown")), re.MULTILINE)
    assert [heading.split(".")[0] for heading in headings[:8]] == list("12345678")
    assert headings[-1] == "Troubleshooting"


PLAIN = (
    ast.Assign, ast.Attribute, ast.Call, ast.Constant, ast.Dict, ast.Expr, ast.ImportFrom, ast.List, ast.Load,
    ast.Module, ast.Name, ast.Store, ast.Tuple, ast.alias, ast.keyword,
)  # fmt: skip


def test_it_has_no_logic_of_its_own() -> None:
    """Values, and calls of `odibi.utils`."""
    for text in cells():
        code = re.sub(r"^%.*$", "", text, flags=re.MULTILINE)
        for node in ast.walk(ast.parse(code)):
            assert isinstance(node, PLAIN), f"{type(node).__name__} in:\n{text}"
            if isinstance(node, ast.ImportFrom):
                assert node.module == "odibi.utils"


def test_it_uses_every_helper_that_there_is_for_it() -> None:
    """No stale name, and none forgotten."""
    imported = {
        name.name
        for text in cells()
        for node in ast.walk(ast.parse(re.sub(r"^%.*$", "", text, flags=re.MULTILINE)))
        if isinstance(node, ast.ImportFrom)
        for name in node.names
    }
    elsewhere = {"KeyVaultFetchResult", "fetch_keyvault_secret", "fetch_keyvault_secrets_parallel"}
    assert imported == {*odibi.utils.__all__} - elsewhere


def test_it_installs_what_the_one_constant_says() -> None:
    assert f"%{install_command('azure')}" in cells()[0].splitlines()
    assert cells()[1] == "dbutils.library.restartPython()"


def test_its_links_and_settings_are_real() -> None:
    from odibi.config.problems import check
    from odibi.connections import AzureADLS

    text = "\n".join(cells("markdown"))
    for name in re.findall(r"`((?:docs|setup|examples)/[\w./]+)`", text):
        assert (ROOT / name).is_file(), name
    names: dict[str, Any] = {"VAULT": "company-kv", "SERVICE_CREDENTIAL": None}
    source = next(cell for cell in cells() if cell.startswith("from odibi.utils import configure"))
    tree = ast.parse(source)
    tree.body = [node for node in tree.body if isinstance(node, ast.Assign)]
    exec(compile(tree, "settings", "exec"), names)
    for settings in names["settings"].values():
        assert check(AzureADLS.Settings, settings).findings == ()


# -- running it --------------------------------------------------------------------------------------------------------


@pytest.fixture
def run_notebook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Run the notebook from top to bottom in a kernel; gives all that it printed and showed."""
    import nbclient
    import nbformat

    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")
    (tmp_path / "setup").mkdir()
    shutil.copy(FILE, tmp_path / "setup")
    (tmp_path / "scratch").mkdir()

    def run(environment: dict[str, str], before: str, changes: dict[str, str] | None = None, after: str = "") -> str:
        notebook = nbformat.read(tmp_path / "setup" / FILE.name, 4)
        for cell in notebook.cells:
            for old, new in {**(changes or {}), **({} if SPARK in before else NO_SPARK)}.items():
                cell.source = cell.source.replace(old, new)
        notebook.cells.insert(0, nbformat.v4.new_code_cell(before))
        notebook.cells.append(nbformat.v4.new_code_cell(after))
        env = {**environment, "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path / "scratch")}
        where = {"metadata": {"path": str(tmp_path / "setup")}}
        client = nbclient.NotebookClient(notebook, timeout=600, kernel_name="python3", resources=where)
        client.execute(env=env)
        return "\n".join(filter(None, map(_output, notebook.cells)))

    return run


def _output(cell: Any) -> str:
    shown = [out.get("text") or out.get("data", {}).get("text/plain", "") for out in cell.get("outputs", [])]
    return "".join(shown)


@pytest.fixture
def prepared(azure: Sandbox) -> Sandbox:
    """Accounts, containers and secrets as the notebook names them."""
    for name in ("bronze", "silver", "gold"):
        azure.delete_container(f"{name}acct", name)
        azure.make_container(f"{name}acct", name)
        azure.set_secret(VAULT, f"{name}-key", azure.accounts[f"{name}acct"])
    return azure


def environment(azure: Sandbox, version: str = "17.3") -> dict[str, str]:
    return {**azure.environment(), "DATABRICKS_RUNTIME_VERSION": version}


def test_it_runs_from_top_to_bottom(prepared: Sandbox, run_notebook: Callable[..., str]) -> None:
    prepared.identity.claims["oid"] = "99999999-2222-3333-4444-555555555555"
    after = "print('restarted', Library.restarts, 'times; installed', installed)"
    out = run_notebook(environment(prepared), STAND_IN, after=after)

    assert "✓ Databricks Runtime 17.3" in out
    assert prepared.identity.claims["oid"] in out
    assert "Key Vault Secrets User" in out
    assert "az keyvault set-policy" in out
    assert "bronze-key" in out
    assert "connections:\n  bronze:\n    type: azure_adls" in out
    assert re.search(r"✓ gold +\d+ ms", out)
    assert "restarted 1 times" in out
    assert "installed ['install \".[azure]\"']" in out
    for key in prepared.accounts.values():
        assert key not in out
    assert "odibi_setup_sample/orders.csv" in prepared.list("bronzeacct", "bronze")
    assert any("_delta_log" in path for path in prepared.list("goldacct", "gold"))
    assert prepared.refused == []


def test_it_runs_with_a_service_credential(prepared: Sandbox, run_notebook: Callable[..., str]) -> None:
    changes = {"SERVICE_CREDENTIAL = None": 'SERVICE_CREDENTIAL = "kv-reader"'}
    after = "print('asked for', sorted(set(asked)))"
    out = run_notebook(environment(prepared, "client.4.2"), STAND_IN + SERVICE_CREDENTIALS, changes, after)
    assert "environment version 4" in out
    assert "asked for ['kv-reader']" in out
    assert "service_credential: kv-reader" in out


@pytest.mark.usefixtures("spark")  # beside the other tests of Spark, and skipped where they are
@pytest.mark.jvm
@pytest.mark.one_machine
def test_the_cells_of_spark_run_on_the_session_of_the_runtime(
    prepared: Sandbox, run_notebook: Callable[..., str]
) -> None:
    after = "print('the same session', spark is before, refused)"
    out = run_notebook(environment(prepared), STAND_IN + SPARK + "before = spark\n", after=after)
    assert re.search(r"✓ gold +abfss://gold@goldacct\.dfs\.core\.windows\.net", out)
    assert "the same session True []" in out
    for account, path in (("bronzeacct", "spark/orders"), ("goldacct", "spark/orders_by_region")):
        names = prepared.list(account, account.removesuffix("acct"))
        assert any(name.startswith(f"odibi_setup_sample/{path}/_delta_log/") for name in names)
    for key in prepared.accounts.values():
        assert key not in out


def test_the_cells_that_are_left_out_elsewhere_are_there() -> None:
    text = "\n".join(cells())
    assert all(old in text for old in NO_SPARK)


def test_an_older_runtime_is_told(prepared: Sandbox, run_notebook: Callable[..., str]) -> None:
    out = run_notebook(environment(prepared, "15.4"), STAND_IN)
    assert "✗ Databricks Runtime 15.4 is not supported: its own pydantic 1" in out


def test_a_missing_secret_is_told_and_the_rest_goes_on(prepared: Sandbox, run_notebook: Callable[..., str]) -> None:
    import nbclient

    del prepared.vaults[VAULT].secrets["gold-key"]
    with pytest.raises(nbclient.exceptions.CellExecutionError) as caught:
        run_notebook(environment(prepared), STAND_IN)
    assert "Secret 'gold-key' not found in vault 'company-kv'" in str(caught.value)
    assert "run_sample_pipeline(settings)" in str(caught.value), "the step before it goes on and tells"
