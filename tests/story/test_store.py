"""Names of folders, and finding stories again."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odibi.errors import UnknownNameError
from odibi.story.store import LocalStore, find_story, list_stories, read_story, safe_name


@given(st.text())
def test_any_name_gives_a_folder_that_every_system_takes(name):
    safe = safe_name(name)
    assert safe
    assert len(safe.encode()) < 200
    assert not set(safe) & set("<>:\"/\\|?*%#&'\n\t\0")
    assert safe[0] not in " ."
    assert safe[-1] not in " ."
    assert safe.split(".")[0].lower() not in {"con", "prn", "aux", "nul", "com1", "lpt9"}


@given(st.text(max_size=10), st.text(max_size=10))
def test_two_names_never_share_a_folder(one, other):
    assert (safe_name(one) == safe_name(other)) == (one == other)


@pytest.mark.parametrize("name", ["bronze_to_silver", "Sales 2025", "flüge", "a.b-c", "10%"])
def test_usual_names_are_kept(name):
    assert safe_name(name) == name or name == "10%"


@pytest.mark.parametrize("name", ["..", ".", "", "../x", "nul", "CON.txt", "a/b", "x" * 300, "end.", " a"])
def test_names_that_would_do_harm_are_changed(name):
    assert safe_name(name) != name


@pytest.fixture
def stories(made_up, tell, tmp_path) -> LocalStore:
    """Two runs of `bronze_to_gold`, and one of `other` between them."""
    for pipeline, run_id, days, status in (
        ("bronze_to_gold", "aaaa1111", 3, "completed"),
        ("other", "bbbb2222", 2, "completed"),
        ("bronze_to_gold", "cccc3333", 1, "failed"),
    ):
        info = made_up.run_info(run_id, made_up.START - timedelta(days=days))
        tell(made_up.events_of(made_up.records(), status, info, pipeline))
    return LocalStore(tmp_path / "stories")


def test_stories_are_listed_newest_first(stories):
    heads = list(list_stories(stories))
    assert [(head.pipeline, head.run_id, head.status) for head in heads] == [
        ("bronze_to_gold", "cccc3333", "failed"),
        ("other", "bbbb2222", "completed"),
        ("bronze_to_gold", "aaaa1111", "completed"),
    ]
    assert (heads[0].nodes, heads[0].failed, heads[0].rows_written) == (12, 1, 353_477)
    assert heads[0].started.startswith("2025-02-28T02:15:04")
    assert Path(heads[0].page).is_file()
    assert [head.run_id for head in list_stories(stories, "other")] == ["bbbb2222"]


def test_a_story_is_found_by_run_pipeline_or_as_the_latest(stories):
    assert find_story(stories).run_id == "cccc3333"
    assert find_story(stories, "latest", "other").run_id == "bbbb2222"
    assert find_story(stories, "aaaa").run_id == "aaaa1111"
    assert find_story(stories, "other").run_id == "bbbb2222"
    assert find_story(stories, "2025-02-26").run_id == "aaaa1111"
    assert read_story(stories, find_story(stories, "aaaa").folder)["run"]["id"] == "aaaa1111"
    with pytest.raises(UnknownNameError, match=r"unknown story 'cccc3334'; did you mean 'cccc3333'\?"):
        find_story(stories, "cccc3334")
    with pytest.raises(UnknownNameError, match="did you mean 'other'"):
        list_stories(stories, "othr")


def test_nothing_to_list(tmp_path):
    assert list(list_stories(LocalStore(tmp_path / "none"))) == []
    with pytest.raises(UnknownNameError, match="none exist"):
        find_story(LocalStore(tmp_path / "none"))


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"schema_version": 99}', '{"schema_version": 1, "run": {}}', "\0" * 10]
)
def test_a_story_that_can_not_be_read_is_listed_with_a_note(stories, tmp_path, text):
    head = find_story(stories)
    (tmp_path / "stories" / head.folder / "story.json").write_text(text, encoding="utf-8")
    broken = find_story(stories)
    assert (broken.run_id, broken.status) == ("cccc3333", "")
    assert broken.started == "2025-02-28T02:15:04Z"
    assert "can not be read" in broken.note
    with pytest.raises(ValueError, match=r"story\.json|Expecting"):
        read_story(stories, broken.folder)


def test_a_run_that_was_killed_while_it_wrote_is_listed(stories, tmp_path):
    head = find_story(stories)
    (tmp_path / "stories" / head.folder / "story.json").unlink()
    assert "stopped while" in find_story(stories).note


def test_files_beside_the_folders_are_no_stories(stories, tmp_path):
    (tmp_path / "stories" / ".DS_Store").write_text("x")
    (tmp_path / "stories" / "other" / "notes.txt").write_text("x")
    assert len(list(list_stories(stories))) == 3
