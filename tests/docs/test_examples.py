"""The examples run, as they are, in a copy of their folder."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from odibi import Pipeline
from odibi.cli import run_command
from odibi.config.loader import load_document
from odibi.schema import json_schema
from odibi.testing import assert_frame_equal
from odibi.testing.azure import Sandbox
from tests.docs.pages import ROOT

EXAMPLES = ROOT / "examples"
FILES = sorted(path.name for path in EXAMPLES.glob("*.yaml"))
ON_AZURE = ["example_multi_account.yaml"]
LOCAL = [name for name in FILES if name not in ON_AZURE]
ON_SPARK = ["example_spark.yaml"]
"""Say `engine: spark`; the others are told so."""
NOTEBOOKS = sorted(path.name for path in EXAMPLES.glob("*.ipynb"))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the examples, without what they wrote."""
    leave_out = shutil.ignore_patterns("output", ".odibi", "__pycache__")
    shutil.copytree(EXAMPLES, tmp_path / "examples", ignore=leave_out)
    monkeypatch.chdir(tmp_path / "examples")
    return tmp_path / "examples"


def tables(file: str, *paths: str) -> Iterator[Any]:
    """What is stored in the connection `lake` of a project."""
    engine = Pipeline.from_yaml(file).engine()
    for path in paths:
        yield engine.read("lake", path=path)
    engine.close()


# -- projects ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("file", [name for name in LOCAL if name not in ON_SPARK])
def test_an_example_validates_and_runs_twice(file: str, folder: Path) -> None:
    assert run_command(["validate", file]) == 0
    assert run_command(["run", file, "--quiet"]) == 0
    assert run_command(["run", file, "--quiet"]) == 0


@pytest.mark.parametrize("file", FILES)
def test_an_example_says_in_which_dialect_its_sql_is(file: str) -> None:
    """So that it runs on every engine; a file that is only included can not say it."""
    data = load_document(EXAMPLES / file).data
    assert data.get("sql_dialect") == "spark" or "pipelines" not in data


# -- the same file on both engines -------------------------------------------------------------------------------------


@pytest.mark.parametrize("file", LOCAL)
def test_an_example_gives_the_same_on_both_engines(file: str, folder: Path, spark: Any) -> None:
    """Every table and file that it writes; of the one that is about tables, also when it runs on the other's."""
    output, first = folder / "output", folder / "output_first"
    by_pandas = _run(file, "pandas")
    if file == "example_delta_pipeline.yaml":
        shutil.copytree(output, first)
        by_pandas = _run(file, "pandas")
    shutil.rmtree(output, ignore_errors=True)
    if first.exists():
        first.rename(output)
    by_spark = _run(file, "spark")
    assert by_pandas.keys() == by_spark.keys()
    for place, frame in by_pandas.items():
        if "some_orders" in place:  # a sample: each engine takes other rows
            assert (by_spark[place].shape, list(by_spark[place])) == (frame.shape, list(frame))
        else:
            assert_frame_equal(by_spark[place], frame)


def _run(file: str, engine: str) -> dict[str, Any]:
    Pipeline.from_yaml(file, engine=engine).run().raise_for_failure()
    return dict(_written(file))


def _written(file: str) -> Iterator[tuple[str, Any]]:
    """Where a project writes, and what is there now, read by the pandas engine."""
    pipeline = Pipeline.from_yaml(file, engine="pandas")
    engine = pipeline.engine()
    for each in pipeline.project.pipelines:
        for end in (node.target for node in each.nodes if node.target is not None):
            yield f"{end.connection.name}:{end.path}", engine.read(end.connection, end.format, end.path)
    engine.close()


def test_what_examples_write_is_not_committed() -> None:
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert "/examples/output/" in ignored
    for file in LOCAL:
        for name, settings in load_document(EXAMPLES / file).data.get("connections", {}).items():
            if settings["type"] in ("azure_adls", "unity_catalog"):  # nothing is left in this folder
                continue
            place = settings.get("base_path", settings.get("root"))
            assert place == "data" or place.startswith("output/"), f"{file}: {name}"


def test_local(folder: Path) -> None:
    assert run_command(["run", "example_local.yaml", "--quiet"]) == 0
    clean, by_region = tables("example_local.yaml", "clean_orders", "by_region")
    assert len(clean) == 24
    assert clean["channel"].isin(["web", "shop", "phone", "unknown"]).all()
    assert by_region["amount"].sum() == clean["amount"].sum()
    assert by_region["orders"].sum() == 24


def test_delta_pipeline(folder: Path) -> None:
    file = "example_delta_pipeline.yaml"
    for _ in range(2):
        assert run_command(["run", file, "--quiet"]) == 0
    orders, by_region, totals = tables(file, "silver/orders", "gold/by_region", "gold/totals_of_runs")
    corrected = orders[orders["order_id"].isin([1003, 1011])]
    assert_frame_equal(
        corrected[["order_id", "quantity"]], [{"order_id": 1003, "quantity": 2}, {"order_id": 1011, "quantity": 1}]
    )
    assert by_region["small"].sum() + by_region["large"].sum() == orders["amount"].sum()
    assert len(totals) == 2  # one row a run
    engine = Pipeline.from_yaml(file).engine()
    assert [commit["version"] for commit in engine.get_delta_history("lake", "silver/orders")] == [1, 0]
    engine.close()


def test_partitioned_delta(folder: Path) -> None:
    file = "example_partitioned_delta.yaml"
    for month, first in (("1", "2026-01"), ("2", "2026-02")):
        assert run_command(["run", file, "--quiet", "--set", f"MONTH={month}"]) == 0
        (by_item,) = tables(file, "by_item")
        assert {str(day)[:7] for day in by_item["first_day"]} == {first}
    assert (folder / "output/partitioned/orders/year=2026/month=1").is_dir()


def put_seed(azure: Sandbox) -> None:
    """What `odibi sandbox run --seed` does with a folder: `<account>/<container>/<path>`."""
    seed = EXAMPLES / "sandbox_seed"
    for path in seed.rglob("*.csv"):
        account, container, *rest = path.relative_to(seed).parts
        azure.make_container(account, container)
        azure.put(account, container, "/".join(rest), path.read_bytes())
    azure.make_container("goldacct", "gold")
    for account, key in azure.accounts.items():
        azure.set_secret("company-kv", f"{account.removesuffix('acct')}-key", key)


def test_several_accounts(folder: Path, azure: Sandbox) -> None:
    put_seed(azure)
    file = "example_multi_account.yaml"
    for _ in range(2):
        result = Pipeline.from_yaml(file).run().raise_for_failure()
    engine = Pipeline.from_yaml(file).engine()
    by_region, by_month = (engine.read("gold", path=path) for path in ("by_region", "by_month"))
    engine.close()
    rows = sorted(by_region.to_dict("records"), key=lambda row: row["region"])
    assert [(row["region"], row["orders"], row["sold"], str(row["amount"])) for row in rows] == [
        ("north", 5, 5, "310.50"),
        ("south", 4, 3, "467.60"),
        ("west", 1, 1, "117.00"),
    ]
    assert sorted(by_month["month"]) == [1, 2]
    for each in result.values():
        assert str(each.story_path).startswith("abfss://gold@goldacct.dfs.core.windows.net/sales/stories/")
    secrets = [seen.path for seen in azure.requests if seen.path.startswith("/secrets/") and seen.authorization]
    assert len(secrets) == 7  # three for each run, one for the engine that reads afterwards


def test_several_accounts_on_spark(folder: Path, azure: Sandbox, azure_spark: Any) -> None:
    """Also into the tables that the other engine made."""
    put_seed(azure)
    file = "example_multi_account.yaml"
    found = []
    for engine in ("pandas", "spark"):
        Pipeline.from_yaml(file, engine=engine).run().raise_for_failure()
        reader = Pipeline.from_yaml(file, engine="pandas").engine()
        found.append([reader.read("gold", path=path) for path in ("by_region", "by_month")])
        reader.close()
    for by_pandas, by_spark in zip(*found, strict=True):
        assert_frame_equal(by_spark, by_pandas)


def test_several_accounts_as_a_reader_runs_them(folder: Path, azure_server: Sandbox) -> None:
    """The command in examples/README.md, which starts an offline Azure of its own."""
    command = ["sandbox", "run", "example_multi_account.yaml", "--seed", "sandbox_seed", "--save", "saved", "--quiet"]
    assert run_command(command) == 0
    assert list((folder / "saved/goldacct/gold/sales/by_region/_delta_log").glob("*.json"))


# -- the template ------------------------------------------------------------------------------------------------------


def test_the_template_has_every_key() -> None:
    """Of every model that checks a file, and of every operation; keys that can not be used here stand in a comment."""
    text = "\n".join(
        (EXAMPLES / name).read_text(encoding="utf-8") for name in ("template_full.yaml", "template_connections.yaml")
    )
    missing = {key for key in _keys(json_schema()) if not re.search(rf"\b{key}:", text)}
    assert not missing


def _keys(schema: Any) -> Iterator[str]:
    """The names of all properties; options are listed in docs/FILE_FORMATS.md."""
    if isinstance(schema, list):
        for each in schema:
            yield from _keys(each)
    if not isinstance(schema, dict):
        return
    for key, value in schema.items():
        if key in ("properties", "$defs"):
            for name, each in value.items():
                if key == "properties":
                    yield name
                if name != "options":
                    yield from _keys(each)
        elif isinstance(value, dict | list):
            yield from _keys(value)


def test_the_template_says_each_default_rightly() -> None:
    """`key: value   # default: …` where the schema knows a default."""
    from odibi.config.project import LoggingConfig, RetryConfig, StoryConfig

    text = (EXAMPLES / "template_full.yaml").read_text(encoding="utf-8")
    for model in (StoryConfig, RetryConfig, LoggingConfig):
        for name, field in model.model_fields.items():
            shown = re.search(rf"^  {name}: .*# default: ([^;\n]+)", text, re.MULTILINE)
            if shown is not None and field.default is not None and shown[1] != "none":
                assert yaml.safe_load(shown[1].split()[0].rstrip(",")) == field.default, name


# -- notebooks ---------------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("default:partition_by:UserWarning")  # tiny partitions, on purpose
@pytest.mark.parametrize("file", NOTEBOOKS)
def test_a_notebook_runs_from_top_to_bottom(file: str, folder: Path) -> None:
    namespace: dict[str, Any] = {"__name__": "__main__", "display": lambda *things: None}
    for number, cell in enumerate(_cells(file)):
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), f"{file}[{number}]", "exec"), namespace)


@pytest.mark.parametrize("file", NOTEBOOKS)
def test_a_notebook_is_stored_without_what_it_printed(file: str) -> None:
    for cell in _cells(file):
        if cell["cell_type"] == "code":
            assert cell["outputs"] == []
            assert cell["execution_count"] is None


def test_there_are_two_walkthroughs() -> None:
    assert NOTEBOOKS == ["walkthrough_delta.ipynb", "walkthrough_pipeline.ipynb"]


def _cells(file: str) -> list[dict[str, Any]]:
    notebook = json.loads((EXAMPLES / file).read_text(encoding="utf-8"))
    assert notebook["nbformat"] == 4
    cells: list[dict[str, Any]] = notebook["cells"]
    return cells
