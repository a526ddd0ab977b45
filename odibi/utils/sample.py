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
ORDERS = "SELECT * FROM (VALUES (1, 'EU', 10.5), (2, 'US', 20.0), (3, 'EU', 7.25)) AS orders (id, region, amount)"
TOTALS = "SELECT region, count(*) AS orders, sum(amount) AS amount FROM current GROUP BY region"


def run_sample_pipeline(
    connections: Mapping[str, Mapping[str, Any]],
    folder: str = FOLDER,
    verbose: bool = True,
    engine: str = "pandas",
) -> RunResult:
    """Write a small table through the connections, in their order: CSV to the first one, Parquet to those between,
    Delta to the last; everything below `folder`, which may be deleted afterwards.

    `connections` are settings as in a project file; gives the run's result. With the engine `spark` it runs on the
    session of the notebook, and all that it writes are Delta tables, in `<folder>/spark`.

    Raises `RunFailed` with what is wrong at each node, `ConfigError` for settings that can not be used, `KeyFetchError`
    when a key can not be had.

    >>> import tempfile
    >>> places = {name: {"type": "local", "base_path": tempfile.mkdtemp()} for name in ("bronze", "gold")}
    >>> run_sample_pipeline(places, verbose=False)["sample"].completed
    ['to_bronze', 'to_gold']
    """
    from odibi.pipeline import Pipeline

    home = Path(tempfile.mkdtemp(prefix="odibi-sample-"))
    settings, variables = without_secrets(connections)
    steps = list(_steps(list(settings), folder, engine))
    project = {
        "project": "odibi sample",
        "engine": engine,
        "sql_dialect": "spark",
        "connections": settings,
        "pipelines": [{"pipeline": "sample", "nodes": list(_nodes(steps))}],
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


def _steps(names: list[str], folder: str, engine: str) -> Iterator[tuple[str, str]]:
    """Connection and path of each write; a single connection gets the first and the last. A plain file that Spark
    writes is a folder, which can not be replaced in one step everywhere."""
    if not names:
        raise ValueError("there is no connection; give at least one, as {'bronze': {'type': 'azure_adls', …}}")
    if engine == "spark":
        folder = f"{folder}/spark"
    first, between = ("orders", "orders") if engine == "spark" else ("orders.csv", "orders.parquet")
    yield names[0], f"{folder}/{first}"
    for name in names[1:-1]:
        yield name, f"{folder}/{between}"
    yield names[-1], f"{folder}/orders_by_region"


def _nodes(steps: list[tuple[str, str]]) -> Iterator[dict[str, Any]]:
    """The data of the first node is in its SQL: a cluster sees no files of this machine."""
    read: dict[str, Any] | None = None
    before = ""
    for number, (connection, path) in enumerate(steps):
        node: dict[str, Any] = {"name": f"to_{connection}" if before != f"to_{connection}" else "totals"}
        if read is None:
            node["transform"] = {"steps": [ORDERS]}
        else:
            node |= {"depends_on": [before], "read": read}
        if number and number == len(steps) - 1:
            node["transform"] = {"steps": [TOTALS]}
        node["write"] = {"connection": connection, "path": path}
        yield node
        read, before = {"connection": connection, "path": path}, node["name"]
