"""The public front: load, run, look."""

from __future__ import annotations

from pathlib import Path

import pytest

from odibi import Pipeline
from odibi.context import PandasContext
from odibi.engine import PandasEngine
from odibi.errors import ConfigError, UnknownNameError
from odibi.events import RunFinished, RunStarted
from odibi.results import RunResult

TEXT = """
project: Sales
connections: {lake: {type: local, base_path: "${PLACE:-lake}"}}
pipelines:
  - pipeline: one
    nodes:
      - {name: a, transform: {steps: [SELECT 1 AS id]}, write: {connection: lake, path: a}}
  - pipeline: two
    nodes:
      - {name: b, transform: {steps: [SELECT 2 AS id]}, write: {connection: lake, path: b}}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "sales.yaml"
    path.write_text(TEXT)
    return path


def test_a_loaded_project_has_its_names(file: Path) -> None:
    pipeline = Pipeline.from_yaml(file)
    assert pipeline.names == ["one", "two"]
    assert repr(pipeline) == "<Pipeline 'Sales': one, two>"
    assert Pipeline.from_yaml(str(file)).names == pipeline.names


@pytest.mark.parametrize(
    ("asked", "ran"), [(None, ["one", "two"]), ("two", ["two"]), (["two", "one"], ["one", "two"]), ([], ["one", "two"])]
)
def test_all_one_or_some_run_in_file_order(file: Path, asked: str | list[str] | None, ran: list[str]) -> None:
    result = Pipeline.from_yaml(file).run(asked)
    assert isinstance(result, RunResult)
    assert list(result) == ran
    assert result.ok


def test_it_runs_again(file: Path) -> None:
    pipeline = Pipeline.from_yaml(file)
    first, second = pipeline.run("one"), pipeline.run("one")
    assert first.run_id != second.run_id
    versions = [result["one"].nodes["a"].write.version_after for result in (first, second)]  # type: ignore[union-attr]
    assert versions == [0, 1]


def test_the_library_prints_nothing(file: Path, capfd: pytest.CaptureFixture[str]) -> None:
    Pipeline.from_yaml(file).run()
    assert tuple(capfd.readouterr()) == ("", "")


def test_variables_win_over_the_environment(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLACE", "env")
    Pipeline.from_yaml(file, variables={"PLACE": "given"}).run("one").raise_for_failure()
    assert (file.parent / "given/a").is_dir()
    assert not (file.parent / "env").exists()


def test_paths_are_relative_to_the_file(
    file: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    result = Pipeline.from_yaml(file).run("one")
    assert (file.parent / "lake/a").is_dir()
    assert Path(str(result["one"].story_path)).is_relative_to(file.parent / ".odibi" / "stories")


def test_a_given_engine_is_used_and_left_open(file: Path) -> None:
    engine = PandasEngine()
    Pipeline.from_yaml(file).run(engine=engine)
    assert engine.execute_sql("SELECT 1 AS id", PandasContext())["id"].tolist() == [1]
    engine.close()


def test_an_engine_of_the_project_knows_its_connections(file: Path) -> None:
    pipeline = Pipeline.from_yaml(file)
    pipeline.run("one")
    engine = pipeline.engine()
    assert engine.read("lake", path="a")["id"].tolist() == [1]
    with pytest.raises(UnknownNameError, match=r"unknown connection 'lak'; did you mean 'lake'\?"):
        engine.read("lak", path="a")
    engine.close()


def test_observers_see_the_whole_run(file: Path) -> None:
    events: list[object] = []
    Pipeline.from_yaml(file).run(observers=[events.append])
    assert isinstance(events[0], RunStarted)
    assert isinstance(events[-1], RunFinished)


def test_all_mistakes_come_at_once(file: Path) -> None:
    file.write_text(
        TEXT.replace("connection: lake, path: a", "connection: laek, path: a").replace("SELECT 2", "SELEC 2")
    )
    with pytest.raises(ConfigError) as caught:
        Pipeline.from_yaml(file)
    assert len(caught.value.problems) == 2


def test_an_unknown_engine_is_a_mistake(file: Path) -> None:
    with pytest.raises(ConfigError, match="unknown engine 'pandsa'; did you mean 'pandas'"):
        Pipeline.from_yaml(file, engine="pandsa")
