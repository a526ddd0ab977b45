"""The recorder: every run has its story, and no story fails a run."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import odibi.story
from odibi.errors import AccessError
from odibi.events import NodeStarted, PipelineFinished, PipelineStarted, RunStarted, StorySettings, StoryWritten
from odibi.story.model import head_of, to_json
from odibi.story.recorder import StoryRecorder
from odibi.story.store import LocalStore, read_story

SCHEMA = json.loads(Path(odibi.story.__file__).with_name("schema.json").read_text(encoding="utf-8"))


def story_of(recorder, pipeline="bronze_to_gold"):
    return json.loads(Path(recorder.paths[pipeline]).with_name("story.json").read_text(encoding="utf-8"))


def node(story, name):
    return next(found for found in story["nodes"] if found["name"] == name)


def test_three_files_in_a_folder_of_time_and_run(made_up, tell, tmp_path):
    recorder = tell(made_up.events_of(made_up.records()))
    folder = tmp_path / "stories" / "bronze_to_gold" / "2025-03-01T02-15-04.120Z-7f3a9c21"
    assert recorder.paths == {"bronze_to_gold": str(folder / "story.html")}
    assert sorted(path.name for path in folder.iterdir()) == ["story.html", "story.json", "story.md"]
    assert recorder.warnings == []


def test_a_real_story_follows_the_schema(made_up, tell, schema_check):
    tell(made_up.events_of(made_up.earlier_records(), "completed", made_up.run_info("aaaa1111", made_up.at(-9))))
    story = story_of(tell(made_up.events_of(made_up.records())))
    assert schema_check.problems(story, SCHEMA, SCHEMA) == []
    story["nodes"][0]["rows"] = "many"
    assert len(schema_check.problems(story, SCHEMA, SCHEMA)) == 1


@given(st.data())
def test_any_text_makes_a_story_that_reads_back(hostile, schema_check, data):
    drawn = data.draw(st.lists(hostile.texts, min_size=3, max_size=6))
    story = hostile.story(lambda number: drawn[number % len(drawn)])
    text = to_json(story)
    assert json.loads(text) == story
    assert schema_check.problems(story, SCHEMA, SCHEMA) == []
    assert head_of(text) == {key: value for key, value in story.items() if key != "nodes"}


def test_secrets_are_scrubbed_from_every_text(hostile):
    secret = 'k<&"ey=='
    story = hostile.story(
        lambda number: f"a {secret} b", StorySettings(scrub=lambda text: text.replace(secret, "[hidden]"))
    )
    assert secret not in json.dumps(story, ensure_ascii=False).replace('\\"', '"')
    assert json.dumps(story).count("[hidden]") > 40


def test_masked_columns_are_hidden_everywhere(made_up, tell):
    recorder = tell(made_up.events_of(made_up.records()), mask=["EMAIL"])
    for file in Path(recorder.paths["bronze_to_gold"]).parent.iterdir():
        text = file.read_text(encoding="utf-8")
        assert "passenger" not in text
        assert "x@y.z" not in text
        assert "a@b.c" not in text
        assert "***" in text.replace("\\*", "*")


def test_samples_are_bounded(made_up, tell):
    assert (
        len(
            node(story_of(tell(made_up.events_of(made_up.records()), max_sample_rows=3)), "clean_flights")["sample"][
                "rows"
            ]
        )
        == 3
    )
    assert (
        node(story_of(tell(made_up.events_of(made_up.records()), max_sample_rows=0)), "clean_flights")["sample"] is None
    )


def test_wide_samples_say_what_is_left_out(made_up, tell):
    wide = made_up.NodeRecord("wide", "p", columns=made_up.columns(*((f"c{i}", "int") for i in range(2_000))))
    wide.sample = [{f"c{i}": i for i in range(2_000)}]
    sample = node(story_of(tell(made_up.events_of([wide], pipeline="p")), "p"), "wide")["sample"]
    assert (len(sample["columns"]), sample["columns_left_out"]) == (200, 1_800)


def test_changes_against_the_inputs(made_up, tell):
    story = story_of(tell(made_up.events_of(made_up.records())))
    changes = node(story, "clean_flights")["changes_from_inputs"]
    assert [column["name"] for column in changes["added"]] == ["price", "email", "seat", "day"]
    assert changes["removed"] == [{"name": "tailnum", "type": "string"}]
    assert {"name": "dep_time", "before": "string", "after": "timestamp_ntz"} in changes["retyped"]
    assert node(story, "clean_airlines")["changes_from_inputs"] is None
    joined = node(story, "flights_joined")["changes_from_inputs"]
    assert [column["name"] for column in joined["added"]] == ["airline"]
    assert [column["name"] for column in joined["removed"]] == ["code", "name"]


def test_a_column_that_one_of_two_inputs_has_unchanged_is_not_retyped(made_up, tell):
    joined = made_up.NodeRecord("j", "p", columns=made_up.columns(("id", "int")))
    joined.columns_in = {"a": made_up.columns(("id", "int")), "b": made_up.columns(("id", "bigint"))}
    other = made_up.NodeRecord("k", "p", columns=joined.columns, columns_in=dict(reversed(joined.columns_in.items())))
    story = story_of(tell(made_up.events_of([joined, other], pipeline="p")), "p")
    for found in story["nodes"]:
        assert (found["changes_from_inputs"] or {"retyped": []})["retyped"] == []


def earlier(made_up, tell, run_id="aaaa1111", days=1, status="completed", **settings):
    info = made_up.run_info(run_id, made_up.START - timedelta(days=days))
    return tell(made_up.events_of(made_up.earlier_records(), status, info), **settings)


def test_changes_against_the_run_before(made_up, tell):
    earlier(made_up, tell)
    story = story_of(tell(made_up.events_of(made_up.records())))
    assert story["compared_with"]["run_id"] == "aaaa1111"
    since = node(story, "clean_flights")["changes_from_previous_run"]
    assert (since["rows_before"], since["rows_change"]) == (326_142, 1_204)
    assert since["columns"]["retyped"] == [{"name": "flight_id", "before": "int", "after": "bigint"}]
    assert node(story, "delays_by_carrier")["changes_from_previous_run"]["rows_change"] == 0
    assert node(story, "delays_by_weather")["changes_from_previous_run"] is None


def test_the_last_completed_run_is_compared_with(made_up, tell):
    earlier(made_up, tell, "aaaa1111", 3)
    earlier(made_up, tell, "bbbb2222", 2)
    earlier(made_up, tell, "cccc3333", 1, "failed")
    assert story_of(tell(made_up.events_of(made_up.records())))["compared_with"]["run_id"] == "bbbb2222"


def test_without_a_completed_run_the_last_one_is_compared_with(made_up, tell):
    earlier(made_up, tell, "aaaa1111", 2, "failed")
    earlier(made_up, tell, "bbbb2222", 1, "interrupted")
    assert story_of(tell(made_up.events_of(made_up.records())))["compared_with"]["run_id"] == "bbbb2222"


def test_a_later_run_is_not_an_earlier_one(made_up, tell):
    earlier(made_up, tell, "aaaa1111", -1)
    assert story_of(tell(made_up.events_of(made_up.records())))["compared_with"] is None


@pytest.mark.parametrize("text", ["", "{}", '{"schema_version": 1,\n"nodes": [\n', "\udc80", "[1]"])
def test_an_earlier_story_that_is_broken_is_passed_over_with_a_note(made_up, tell, text):
    earlier(made_up, tell, "aaaa1111", 2)
    broken = earlier(made_up, tell, "bbbb2222", 1)
    Path(broken.paths["bronze_to_gold"]).with_name("story.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    recorder = tell(made_up.events_of(made_up.records()))
    compared = story_of(recorder)["compared_with"]
    assert compared["run_id"] == "aaaa1111"
    assert "bbbb2222 can not be compared with" in compared["note"]
    assert recorder.warnings == []
    assert "bbbb2222 can not be compared with" in Path(recorder.paths["bronze_to_gold"]).read_text(encoding="utf-8")


class Refusing(LocalStore):
    """A store that lets nothing in after `allowed` files."""

    def __init__(self, folder, error, allowed=0):
        super().__init__(folder)
        self.error, self.allowed = error, allowed

    def write(self, relative, text):
        if not self.allowed:
            raise self.error
        self.allowed -= 1
        return super().write(relative, text)


@pytest.mark.parametrize(
    "error", [AccessError("no permission for sig=S3CRET"), RuntimeError("some SDK's own"), KeyError("x")]
)
@pytest.mark.parametrize("allowed", [0, 1, 2])
def test_where_a_story_can_not_be_written_it_goes_to_a_temporary_folder(made_up, tell, tmp_path, error, allowed):
    store = Refusing(tmp_path / "refusing", error, allowed)
    recorder = tell(made_up.events_of(made_up.records()), store, scrub=lambda text: text.replace("S3CRET", "***"))
    page = Path(recorder.paths["bronze_to_gold"])
    assert page.is_relative_to(tmp_path / "fallback")
    assert page.with_name("story.json").is_file()
    (warning,) = recorder.warnings
    assert "can not be written to" in warning
    assert type(error).__name__ in warning
    assert "S3CRET" not in warning
    assert warning in story_of(recorder)["pipeline"]["warnings"]


def test_without_a_fallback_folder_the_system_s_is_used(made_up, tell, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    recorder = tell(
        made_up.events_of(made_up.records()), Refusing(tmp_path / "no", OSError("disk full")), fallback=None
    )
    assert next(tmp_path.glob("odibi-stories-*")) in Path(recorder.paths["bronze_to_gold"]).parents


def test_where_nothing_can_be_written_the_run_goes_on(made_up, tell, tmp_path):
    (tmp_path / "file").write_text("in the way")
    store = Refusing(tmp_path / "refusing", OSError("disk full"))
    recorder = tell(made_up.events_of(made_up.records()), store, fallback=tmp_path / "file")
    assert recorder.paths == {}
    assert "nor to a temporary folder" in recorder.warnings[0]


def test_a_store_that_can_not_be_listed_is_noted(made_up, tell, tmp_path):
    class Unlisted(LocalStore):
        def runs(self, pipeline):
            raise RuntimeError("403")

    recorder = tell(made_up.events_of(made_up.records()), Unlisted(tmp_path / "stories"))
    assert story_of(recorder)["compared_with"] == {"note": "earlier stories can not be listed: RuntimeError: 403"}


def test_the_place_of_a_story_is_told(made_up, tmp_path):
    told = []
    recorder = StoryRecorder(LocalStore(tmp_path), StorySettings(), told.append)
    for event in made_up.events_of(made_up.records()):
        recorder(event)
    assert told == [StoryWritten("bronze_to_gold", recorder.paths["bronze_to_gold"], "")]


def test_nothing_is_written_without_auto_generate(made_up, tell, tmp_path):
    recorder = tell(made_up.events_of(made_up.records()), auto_generate=False)
    assert recorder.paths == {}
    assert not (tmp_path / "stories").exists()


def test_a_skipped_pipeline_without_a_start_has_its_story(made_up, tell):
    info = made_up.run_info()
    finished = PipelineFinished("late", "skipped", made_up.START, 0.0, [], (), "pipeline 'early' did not complete")
    story = story_of(tell([RunStarted(info, ["late"]), finished]), "late")
    assert (story["pipeline"]["status"], story["pipeline"]["reason"]) == (
        "skipped",
        "pipeline 'early' did not complete",
    )
    assert story["nodes"] == []


def test_nodes_that_nobody_reported_on_are_told_apart(made_up, tell):
    nodes = made_up.records()[:3]
    infos = made_up.infos(nodes)
    story = story_of(
        tell(
            [
                RunStarted(made_up.run_info(), ["p"]),
                PipelineStarted("p", infos, made_up.START),
                NodeStarted("p", "load_airlines", made_up.START),
                PipelineFinished("p", "interrupted", made_up.at(3), 3.0, nodes[:1]),
            ]
        ),
        "p",
    )
    assert [found["status"] for found in story["nodes"]] == ["completed", "interrupted", "skipped"]
    assert story["pipeline"]["counts"] == {"completed": 1, "failed": 0, "skipped": 1, "interrupted": 1}


def test_names_that_differ_in_case_only_keep_their_stories_apart(made_up, tmp_path):
    recorder = StoryRecorder(LocalStore(tmp_path), StorySettings())
    for pipeline in ("Sales", "sales"):
        for event in made_up.events_of(made_up.records(), pipeline=pipeline):
            recorder(event)
    one, other = (Path(recorder.paths[name]).parent for name in ("Sales", "sales"))
    assert one.as_posix().casefold() != other.as_posix().casefold()


def test_a_pipeline_s_name_can_not_leave_the_folder(made_up, tell, tmp_path):
    name = "../../up/and away:*"
    recorder = tell(made_up.events_of(made_up.records(), pipeline=name))
    page = Path(recorder.paths[name])
    assert page.resolve().is_relative_to((tmp_path / "stories").resolve())
    assert story_of(recorder, name)["pipeline"]["name"] == name
    folder = page.parent.relative_to(tmp_path / "stories").as_posix()
    assert read_story(LocalStore(tmp_path / "stories"), folder)["pipeline"]["name"] == name


def test_story_imports_nothing_heavy():
    import subprocess
    import sys

    heavy = [
        "pandas",
        "numpy",
        "pyarrow",
        "duckdb",
        "deltalake",
        "pydantic",
        "sqlglot",
        "rich",
        "html",
        "hashlib",
        "tempfile",
    ]
    code = f"import sys, odibi.story.recorder; print([name for name in {heavy} if name in sys.modules])"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )


def test_the_docs_name_every_key(made_up, tell):
    docs = Path(odibi.story.__file__).parents[2] / "docs" / "stories.md"
    text = docs.read_text(encoding="utf-8")
    story = story_of(tell(made_up.events_of(made_up.records())))
    keys = {*story, *story["run"], *story["pipeline"], *story["nodes"][0], *node(story, "clean_flights")["write"]}
    assert [key for key in sorted(keys) if f"`{key}`" not in text] == []
