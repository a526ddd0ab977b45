"""A small pipeline through a notebook's connections, to see that all of it works: access, formats, Delta, the story."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from odibi.utils.printing import GOOD, say, tell
from odibi.utils.templates import as_yaml, without_secrets

if TYPE_CHECKING:
    from odibi.results import RunResult

FOLDER = "odibi_setup_sample"
ORDERS = "id,region,amount\n1,EU,10.5\n2,US,20.0\n3,EU,7.25\n"
TOTALS = "SELECT region, count(*) AS orders, sum(amount) AS amount FROM current GROUP BY region"


def run_sample_pipeline(
    connections: Mapping[str, Mapping[str, Any]], folder: str = FOLDER, verbose: bool = True
) -> RunResult:
    """Write a small table through the connections, in their order: CSV to the first one, Parquet to those between,
    Delta to the last; everything below `folder`, which may be deleted afterwards.

    `connections` are settings as in a project file; gives the run's result. Raises `RunFailed` with what is wrong at
    each node, `ConfigError` for settings that can not be used, `KeyFetchError` when a key can not be had.

    >>> import tempfile
    >>> places = {name: {"type": "local", "base_path": tempfile.mkdtemp()} for name in ("bronze", "gold")}
    >>> run_sample_pipeline(places, verbose=False)["sample"].completed
    ['to_bronze', 'to_gold']
    """
    from odibi.pipeline import Pipeline

    home = Path(tempfile.mkdtemp(prefix="odibi-sample-"))
    (home / "orders.csv").write_text(ORDERS, encoding="utf-8")
    settings, variables = without_secrets(connections)
    steps = list(_steps(list(settings), folder))
    source = _free_name("sample", settings)
    nodes = list(_nodes(steps, source))
    project = {
        "project": "odibi sample",
        "sql_dialect": "spark",
        "connections": {source: {"type": "local", "base_path": str(home)}, **settings},
        "pipelines": [{"pipeline": "sample", "nodes": nodes}],
    }
    file = home / "sample.yaml"
    file.write_text(as_yaml(project), encoding="utf-8")
    pipeline = Pipeline.from_yaml(file, variables=variables)
    result = pipeline.run()
    say(str(result), verbose)
    result.raise_for_failure()
    for name, path in steps:
        tell(GOOD, pipeline.project.connections[name].get_path(path), verbose)
    return result


def _steps(names: list[str], folder: str) -> Iterator[tuple[str, str]]:
    """Connection and path of each write; a single connection gets the first and the last."""
    if not names:
        raise ValueError("there is no connection; give at least one, as {'bronze': {'type': 'azure_adls', …}}")
    yield names[0], f"{folder}/orders.csv"
    for name in names[1:-1]:
        yield name, f"{folder}/orders.parquet"
    yield names[-1], f"{folder}/orders_by_region"


def _nodes(steps: list[tuple[str, str]], source: str) -> Iterator[dict[str, Any]]:
    read, before = {"connection": source, "path": "orders.csv"}, ""
    for number, (connection, path) in enumerate(steps):
        node: dict[str, Any] = {"name": f"to_{connection}" if before != f"to_{connection}" else "totals"}
        if before:
            node["depends_on"] = [before]
        node["read"] = read
        if number == len(steps) - 1:
            node["transform"] = {"steps": [TOTALS]}
        node["write"] = {"connection": connection, "path": path}
        yield node
        read, before = {"connection": connection, "path": path}, node["name"]


def _free_name(name: str, taken: Mapping[str, Any]) -> str:
    while name in taken:
        name += "_"
    return name
