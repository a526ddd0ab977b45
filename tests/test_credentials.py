"""The credentials of a run: which are fetched, when, how often, and what is told when one can not be had."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest

from odibi import Pipeline
from odibi.cli import run_command
from odibi.connections import CONNECTIONS, LocalConnection
from odibi.connections.base import Need
from odibi.errors import KeyFetchError
from odibi.model import Model
from odibi.run import Stop

FETCHED: list[str] = []
GONE = threading.Event()


@dataclass(frozen=True)
class Secret:
    """A stand-in for one in a vault: `wrong…` is not there, `slow…` comes when the test ends."""

    name: str

    def fetch(self, timeout: float) -> str:
        FETCHED.append(self.name)
        if self.name.startswith("slow"):
            GONE.wait(timeout)
        if self.name.startswith("wrong"):
            raise KeyFetchError(f"Secret {self.name!r} not found in vault 'company-kv'")
        return f"value of {self.name}"


class Vaulted(LocalConnection):
    """A local folder that opens with a secret."""

    type_name = "vaulted"

    class Settings(Model):
        type: Literal["vaulted"] = "vaulted"
        entry: str

    @classmethod
    def from_settings(cls, name: str, settings: Any, folder: Path) -> Vaulted:  # type: ignore[override]
        made = cls(folder / name, name=name)
        made.entry, made.received = settings.entry, []
        return made

    entry: str
    received: list[str]

    def needs(self) -> Need | None:
        return Secret(self.entry)

    def receive(self, value: str) -> None:
        self.received.append(value)

    def replaces_access(self, storage_options: Mapping[str, Any]) -> bool:
        return "account_key" in storage_options


@pytest.fixture(autouse=True)
def vaults() -> Iterator[None]:
    CONNECTIONS.add("vaulted", Vaulted)
    FETCHED.clear()
    GONE.clear()
    yield
    GONE.set()
    CONNECTIONS.remove("vaulted")


FILE = """
connections:
  bronze: {{type: vaulted, entry: {bronze}}}
  silver: {{type: vaulted, entry: silver-key}}
  gold: {{type: vaulted, entry: {gold}}}
  unused: {{type: vaulted, entry: unused-key}}
  tales: {{type: {tales}}}
story: {{connection: tales}}
pipelines:
  - pipeline: first
    nodes:
      - {{name: a, read: {{connection: bronze, path: a.csv}}, write: {{connection: silver, path: a}}}}
      - {{name: b, depends_on: [a], transform: {{steps: [SELECT * FROM a]}}, write: {{connection: gold, path: b}}}}
  - pipeline: second
    nodes:
      - {{name: c, read: {{connection: bronze, path: a.csv}}, write: {{connection: silver, path: c}}}}
  - pipeline: own
    nodes:
      - name: d
        read: {{connection: bronze, path: a.csv, options: {{storage_options: {{account_key: mine-and-mine-alone}}}}}}
"""


def project(folder: Path, **words: str) -> Path:
    defaults = {"bronze": "shared-key", "gold": "shared-key", "tales": "local, base_path: tales"}
    (folder / "bronze").mkdir(exist_ok=True)
    (folder / "bronze/a.csv").write_text("id\n1\n", encoding="utf-8")
    file = folder / "p.yaml"
    file.write_text(FILE.format(**{**defaults, **words}), encoding="utf-8")
    return file


# -- which, and how often ----------------------------------------------------------------------------


def test_a_secret_that_connections_share_is_fetched_once(tmp_path: Path) -> None:
    pipeline = Pipeline.from_yaml(project(tmp_path))
    pipeline.run("first").raise_for_failure()
    assert sorted(FETCHED) == ["shared-key", "silver-key"]
    received = {name: each.received for name, each in pipeline.project.connections.items() if isinstance(each, Vaulted)}
    shared = ["value of shared-key"]
    assert received == {"bronze": shared, "silver": ["value of silver-key"], "gold": shared, "unused": []}


def test_every_run_fetches_anew(tmp_path: Path) -> None:
    pipeline = Pipeline.from_yaml(project(tmp_path))
    pipeline.run("second").raise_for_failure()
    pipeline.run("second").raise_for_failure()
    assert sorted(FETCHED) == ["shared-key"] * 2 + ["silver-key"] * 2


@pytest.mark.parametrize(
    ("pipelines", "nodes", "needed"),
    [
        ([], [], ["gold-key", "shared-key", "silver-key"]),
        (["second"], [], ["shared-key", "silver-key"]),
        (["first"], ["b"], ["gold-key", "shared-key"]),  # `a` is computed for it, and not written
        (["first"], ["a"], ["shared-key", "silver-key"]),
        (["own"], [], []),  # it brings a credential of its own
    ],
)
def test_only_what_is_needed_is_fetched(
    tmp_path: Path, pipelines: list[str], nodes: list[str], needed: list[str]
) -> None:
    Pipeline.from_yaml(project(tmp_path, gold="gold-key")).run(pipelines, nodes=nodes)
    assert sorted(FETCHED) == needed


def test_stories_need_their_connection_too(tmp_path: Path) -> None:
    file = project(tmp_path, tales="vaulted, entry: tales-key")
    result = Pipeline.from_yaml(file).run("own").raise_for_failure()
    assert FETCHED == ["tales-key"]
    assert str(result["own"].story_path).startswith(str(tmp_path / "tales"))


@pytest.mark.parametrize("command", [["validate"], ["graph"], ["run", "--dry-run"]])
def test_looking_fetches_nothing(tmp_path: Path, command: list[str]) -> None:
    assert run_command([*command, str(project(tmp_path, bronze="wrong-key"))]) == 0
    assert FETCHED == []


# -- what can not be fetched ----------------------------------------------------------------------------


def test_all_failures_are_told_before_anything_runs(tmp_path: Path) -> None:
    pipeline = Pipeline.from_yaml(project(tmp_path, bronze="wrong-key", gold="wrong-too"))
    with pytest.raises(RuntimeError) as raised:
        pipeline.run()
    assert isinstance(raised.value, KeyFetchError)
    lines = str(raised.value).splitlines()
    assert lines[0] == "Failed to fetch storage keys for 2 connection(s):"
    assert sorted(lines[1:]) == [
        "  - bronze: Secret 'wrong-key' not found in vault 'company-kv'",
        "  - gold: Secret 'wrong-too' not found in vault 'company-kv'",
    ]
    assert not (tmp_path / "silver").exists()


def test_the_command_line_says_so_once_and_ends_with_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["run", str(project(tmp_path, gold="wrong-key"))]) == 1
    told = capsys.readouterr()
    assert told.err.count("Secret 'wrong-key' not found in vault 'company-kv'") == 1
    assert "Failed to fetch storage keys for 1 connection(s):" in told.err
    assert run_command(["run", "--json", str(project(tmp_path, gold="wrong-key"))]) == 1
    told = capsys.readouterr()
    assert "not found in vault" in json.loads(told.out)["errors"][0]["message"]


def test_the_stories_tell_why_nothing_ran(tmp_path: Path) -> None:
    with pytest.raises(KeyFetchError):
        Pipeline.from_yaml(project(tmp_path, gold="wrong-key")).run(["first", "second"])
    stories = [json.loads(path.read_text(encoding="utf-8")) for path in tmp_path.glob("tales/stories/*/*/story.json")]
    assert {story["pipeline"]["name"] for story in stories} == {"first", "second"}
    for story in stories:
        assert story["pipeline"]["status"] == "failed"
        assert "Secret 'wrong-key' not found" in story["pipeline"]["reason"]
        assert {node["status"] for node in story["nodes"]} == {"skipped"}


def test_stories_whose_own_credential_came_tell_it_too(tmp_path: Path) -> None:
    file = project(tmp_path, bronze="wrong-key", tales="vaulted, entry: tales-key")
    with pytest.raises(KeyFetchError) as raised:
        Pipeline.from_yaml(file).run("second")
    assert raised.value.failed == {"bronze"}
    (story,) = tmp_path.glob("tales/stories/second/*/story.html")
    assert raised.value.stories == {"second": str(story)}


def test_where_stories_need_a_credential_themselves_they_go_to_a_temporary_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Which is told; the credential is not asked for again."""
    file = project(tmp_path, tales="vaulted, entry: wrong-key")
    assert run_command(["run", str(file), "-p", "own"]) == 1
    assert FETCHED == ["wrong-key"]
    assert not (tmp_path / "tales").exists()
    told = capsys.readouterr().err
    assert "the credential of their connection did not come; it is in a temporary folder" in told
    assert "error: Failed to fetch storage keys for 1 connection(s):\n  - tales: Secret 'wrong-key'" in told
    place = Path(told.partition("story of own: ")[2].splitlines()[0])
    story = json.loads(place.with_name("story.json").read_text(encoding="utf-8"))
    assert "Secret 'wrong-key' not found" in story["pipeline"]["reason"]
    shutil.rmtree(place.parents[2])


def test_an_interrupt_does_not_wait_for_a_vault(tmp_path: Path) -> None:
    stop = Stop()
    threading.Timer(0.3, stop.request).start()
    began = time.monotonic()
    result = Pipeline.from_yaml(project(tmp_path, bronze="slow-key")).run(stop=stop)
    assert result.status == "interrupted"
    assert time.monotonic() - began < 20
    assert not (tmp_path / "silver").exists()
    assert len(list(tmp_path.glob("tales/stories/*/*/story.json"))) == 3
