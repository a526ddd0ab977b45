"""Projects from a string, frames by schema, connections in memory."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest

from odibi.connections import CONNECTIONS
from odibi.errors import ConfigError, RunFailed, UnknownNameError
from odibi.testing import frame, memory_connections, project, run_project

TEXT = """
    connections: {lake: {type: local, base_path: "${PLACE:-lake}"}}
    pipelines:
      - pipeline: p
        nodes:
          - {name: a, read: {connection: lake, path: in.csv}, write: {connection: lake, path: out}}
"""


@pytest.mark.parametrize("content", ["id\n1\n", b"id\n1\n", [{"id": 1}]])
def test_files_are_text_bytes_or_rows(content: object) -> None:
    run = run_project(TEXT, {"lake/in.csv": content})  # type: ignore[dict-item]
    assert run.ok
    assert run.rows("lake", "out") == [{"id": 1}]
    assert run.node("a").rows == 1
    assert run.story()["pipeline"]["status"] == "completed"
    assert repr(run).startswith("<TestRun completed in ")


@pytest.mark.parametrize("path", ["in.parquet", "in.jsonl", "in.xlsx", "in.avro", "in.csv.gz", "in"])
def test_rows_are_written_by_the_suffix(path: str) -> None:
    run = run_project(TEXT.replace("in.csv", path), {f"lake/{path}": [{"id": 1}]})
    assert run.rows("lake", "out") == [{"id": 1}]


def test_variables_fill_the_text() -> None:
    assert run_project(TEXT, {"pond/in.csv": "id\n1\n"}, PLACE="pond").ok


def test_a_folder_can_be_given_and_stays(tmp_path: Path) -> None:
    run_project(TEXT, {"lake/in.csv": "id\n1\n"}, tmp_path / "x")
    gc.collect()
    assert (tmp_path / "x/lake/out").is_dir()


def test_a_temporary_folder_goes_with_the_project() -> None:
    run = run_project(TEXT, {"lake/in.csv": "id\n1\n"})
    folder = run.folder
    assert folder.is_dir()
    del run
    gc.collect()
    assert not folder.exists()


def test_what_went_wrong_is_at_hand() -> None:
    run = run_project(TEXT)
    assert run.status == "failed"
    assert "lake:in.csv does not exist" in run.errors["a"]
    with pytest.raises(RunFailed):
        run.raise_for_failure()
    with pytest.raises(KeyError, match="known: a"):
        run.node("b")
    with pytest.raises(ConfigError):
        project(TEXT.replace("connection: lake", "connection: lak")).load()


def test_a_project_runs_again_on_other_files() -> None:
    made = project(TEXT, {"lake/in.csv": "id\n1\n"})
    made.run().raise_for_failure()
    made.add({"lake/in.csv": "id\n2\n"})
    assert made.run().rows("lake", "out") == [{"id": 2}]


def test_a_frame_has_the_declared_types() -> None:
    schema = {"id": "int", "at": "timestamp", "tags": "array<string>"}
    made = frame([{"id": 1}], schema)
    assert made.columns.tolist() == ["id", "at", "tags"]
    assert str(made["id"].dtype) == "Int32"
    assert len(frame([], schema)) == 0
    with pytest.raises(ValueError, match="column 'id' are not all of type int"):
        frame([{"id": "x"}], schema)
    with pytest.raises(ValueError, match="column 'id' have no common type"):
        frame([{"id": "x"}, {"id": 1}])
    with pytest.raises(UnknownNameError, match="engine 'pandsa'"):
        frame([], schema, engine="pandsa")


MEMORY = TEXT.replace('{type: local, base_path: "${PLACE:-lake}"}', "{type: memory, bucket: b}").replace(
    "path: out", "path: out.csv"
)


def test_a_pipeline_runs_in_memory_alone() -> None:
    with memory_connections() as connection:
        lake = connection("b")
        made = project(MEMORY + "    story: {connection: lake, path: stories}\n")
        engine = made.load().engine()
        engine.write(frame([{"id": 1}]), lake, path="in.csv")
        engine.close()
        run = made.run().raise_for_failure()
        assert run.rows("lake", "out.csv") == [{"id": 1}]
        assert run.story()["pipeline"]["status"] == "completed"
        assert [path.name for path in made.folder.iterdir()] == ["odibi.yaml"]
    assert "memory" not in CONNECTIONS
    with memory_connections() as connection:
        assert not project(MEMORY).run().ok, "what was there is forgotten"
