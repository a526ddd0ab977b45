"""`odibi run`: what it prints, what it gives programs, and its exit codes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Odibi = Callable[..., Any]
Write = Callable[..., Path]

FAILING = """
transforms: [functions.py]
connections:
  source: {type: local, base_path: data}
  lake: {type: local, base_path: lake}
pipelines:
  - pipeline: p
    nodes:
      - name: raw
        read: {connection: source, path: sales.csv}
      - name: breaks
        depends_on: [raw]
        transform: {steps: [{function: break_it}]}
      - name: after
        depends_on: [breaks]
        write: {connection: lake, path: after}
      - name: fine
        depends_on: [raw]
        write: {connection: lake, path: fine}
"""
BREAK = """
from odibi import transform

@transform
def break_it(context, current):
    raise ValueError("no good\\x1b[31m")
"""


def test_lines_of_talk_on_stderr_nothing_on_stdout(odibi: Odibi, project: Path) -> None:
    called = odibi("run", project)
    assert (called.code, called.out) == (0, "")
    assert re.search(r"^✓ load\.save +2 rows +\d\.\d\d s$", called.err, re.MULTILINE)
    assert re.search(r"^load +completed +3 +0 +0 ", called.err, re.MULTILINE)
    story = re.search(r"^story of report: (.*)$", called.err, re.MULTILINE)
    assert story
    assert Path(story[1]).is_file()


def test_quiet_says_nothing_of_a_good_run(odibi: Odibi, project: Path) -> None:
    assert odibi("run", project, "--quiet") == type(odibi("-q", "run", project))(0, "", "")


def test_json_is_the_whole_result_and_nothing_else(odibi: Odibi, project: Path) -> None:
    called = odibi("run", "--json", project)
    assert (called.code, called.err) == (0, "")
    result = called.json
    assert (result["status"], result["exit_code"], result["project"], result["engine"]) == (
        "completed",
        0,
        "shop",
        "pandas",
    )
    assert list(result["pipelines"]) == ["load", "report"]
    save = result["pipelines"]["load"]["nodes"]["save"]
    assert (save["status"], save["rows"], save["error"]) == ("completed", 2, None)
    assert save["schema"] == {"id": "bigint", "region": "string", "amount": "bigint"}
    assert (save["write"]["place"], save["write"]["version_before"], save["write"]["version_after"]) == (
        "lake:sales",
        None,
        0,
    )
    assert Path(result["pipelines"]["load"]["story_path"]).is_file()
    assert odibi("--json", "run", project).json["pipelines"]["load"]["nodes"]["save"]["write"]["version_after"] == 1


def test_what_functions_print_stays_out_of_the_json(odibi: Odibi, write_project: Write) -> None:
    text = """
    transforms: [loud.py]
    pipelines:
      - pipeline: p
        nodes: [{name: a, transform: {steps: [SELECT 1 AS x, function: loud]}}]
    """
    file = write_project(text)
    (file.parent / "loud.py").write_text(
        "from odibi import transform\nprint('at import')\n@transform\ndef loud(context, current):\n"
        "    print('in a function')\n    return current\n",
        encoding="utf-8",
    )
    called = odibi("run", "--json", file)
    assert called.json["status"] == "completed"
    assert called.err.split("\n") == ["at import", "in a function", ""]
    assert odibi("validate", "--json", file).json["status"] == "ok"


def test_a_chosen_pipeline_and_node(odibi: Odibi, project: Path) -> None:
    assert odibi("run", project).code == 0
    only = odibi("run", "--json", "-p", "report", "--config", project).json
    assert list(only["pipelines"]) == ["report"]
    node = odibi("run", "--json", project, "-n", "clean").json["pipelines"]["load"]["nodes"]
    assert list(node) == ["raw", "clean"]
    swallowed = odibi("run", "--json", "-n", "clean", project)
    assert list(swallowed.json["pipelines"]["load"]["nodes"]) == ["raw", "clean"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-p", "reprot"], "unknown pipeline 'reprot'; did you mean 'report'?"),
        (["-n", "clear"], "unknown node 'clear'; did you mean 'clean'?"),
        (["-n", "clear", "--dry-run"], "unknown node 'clear'; did you mean 'clean'?"),
        (["--engine", "panda"], "unknown engine 'panda'; did you mean 'pandas'?"),
        (["--set", "X"], "'X' has no '='; write it as VAR=value"),
        (["--workers", "0"], "'0' is less than 1"),
        (["--workers", "many"], "'many'"),
        (["--worker=2"], "did you mean '--workers'?"),
        (["another.yaml"], "unexpected argument 'another.yaml'"),
    ],
)
def test_a_wrong_argument_is_exit_2(odibi: Odibi, project: Path, arguments: list[str], said: str) -> None:
    called = odibi("run", project, *arguments)
    assert called.code == 2
    assert said in called.err
    assert called.out == ""
    as_json = odibi("--json", "run", project, *arguments)
    assert as_json.code == as_json.json["exit_code"] == 2
    assert as_json.json["errors"]


def test_a_failed_node_is_exit_1_and_the_rest_runs(odibi: Odibi, write_project: Write) -> None:
    file = write_project(FAILING, functions=BREAK)
    called = odibi("run", file)
    assert called.code == 1
    assert re.search(r"^✗ p\.breaks .* failed$", called.err, re.MULTILINE)
    assert "config.yaml:13:" in called.err
    assert "ValueError: no good" in called.err
    assert "- p.after" in called.err
    assert "Traceback" not in called.err
    assert "\x1b" not in called.err
    assert re.search(r"^p +failed +2 +1 +1 ", called.err, re.MULTILINE)

    quiet = odibi("run", file, "--quiet")
    assert "no good" in quiet.err
    assert "p.fine" not in quiet.err
    assert "Traceback" in odibi("run", file, "--log-level", "debug").err
    result = odibi("run", file, "--json")
    assert (result.code, result.err) == (1, "")
    nodes = result.json["pipelines"]["p"]["nodes"]
    assert {name: node["status"] for name, node in nodes.items()} == {
        "raw": "completed",
        "breaks": "failed",
        "after": "skipped",
        "fine": "completed",
    }
    assert nodes["breaks"]["error"]["step"] == "steps[0]"
    assert "traceback" not in nodes["breaks"]["error"]


def test_a_bug_of_ours_is_exit_3_with_a_log(odibi: Odibi, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(frame: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("odibi.node._columns", broken)
    called = odibi("run", project)
    assert called.code == 3
    assert "this is a bug in odibi" in called.err
    assert called.err.count("Traceback") == 1
    assert "ZeroDivisionError" in called.err
    as_json = odibi("run", project, "--json")
    assert (as_json.code, as_json.json["exit_code"]) == (3, 3)
    assert "in broken" in json.dumps(as_json.json)


def test_an_error_nobody_foresaw_is_exit_3(odibi: Odibi, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("odibi.cli.validate._counts", lambda pipeline: 1 / 0)
    called = odibi("validate", project)
    assert called.code == 3
    assert "ZeroDivisionError" in called.err


def test_nothing_to_do(odibi: Odibi, write_project: Write) -> None:
    file = write_project("connections: {d: {type: local, base_path: data}}\n")
    called = odibi("run", file)
    assert (called.code, called.out) == (0, "")
    assert "nothing to do" in called.err
    assert odibi("run", file, "--json").json["pipelines"] == {}
    assert "unknown pipeline 'x'" in odibi("run", file, "-p", "x").err


DIALECT = """
sql_dialect: spark
connections: {source: {type: local, base_path: data}, lake: {type: local, base_path: "${LAKE:-lake}"}}
pipelines:
  - pipeline: p
    nodes:
      - name: raw
        read: {connection: source, path: sales.csv}
      - name: named
        depends_on: [raw]
        transform:
          steps:
            - SELECT `id`, `amount` AS `the amount` FROM raw
            - operation: rename
              params: {columns: {"the amount": amount}}
        write: {connection: lake, path: named, mode: append, partition_by: [id]}
"""


def test_a_dry_run_shows_targets_and_sql_and_moves_nothing(odibi: Odibi, write_project: Write) -> None:
    file = write_project(DIALECT)
    called = odibi("run", file, "--dry-run", "--set", "LAKE=elsewhere")
    assert called.code == 0
    assert 'AS "the amount"' in called.out
    assert "`" not in called.out
    assert "lake:named (delta, append, by id)" in called.out
    assert str(file.parent / "elsewhere" / "named") in called.out
    assert "source:sales.csv (csv)" in called.out
    assert sorted(path.name for path in file.parent.iterdir()) == ["config.yaml", "data"]
    (pipeline,) = odibi("run", file, "--dry-run", "--json", "-n", "raw").json["pipelines"]
    assert [node["node"] for node in pipeline["nodes"]] == ["raw"]
    (pipeline,) = odibi("run", file, "--dry-run", "--json").json["pipelines"]
    assert pipeline["nodes"][1]["steps"][0]["text"] == "SELECT `id`, `amount` AS `the amount` FROM raw"
    assert 'AS "the amount"' in pipeline["nodes"][1]["steps"][0]["run"]
    assert pipeline["nodes"][1]["writes"] is True


def test_structured_logging(odibi: Odibi, write_project: Write) -> None:
    text = FAILING + "logging: {level: WARNING, structured: true, metadata: {team: data, level: mine}}\n"
    file = write_project(text, functions=BREAK)
    lines = [json.loads(line) for line in odibi("run", file).err.splitlines()]
    assert [(line["event"], line["node"], line["level"]) for line in lines] == [
        ("node_finished", "breaks", "ERROR"),
        ("node_finished", "after", "WARNING"),
    ]
    assert all(line["team"] == "data" and line["run_id"] and line["time"].endswith("Z") for line in lines)
    told = [json.loads(line)["event"] for line in odibi("run", file, "--log-level", "DEBUG").err.splitlines()]
    assert told[0] == "run_started"
    assert told[-1] == "run_finished"
    assert told.count("node_started") == 3
    assert "story_written" in told


def test_the_level_of_the_file_counts_and_that_of_the_user_wins(odibi: Odibi, write_project: Write) -> None:
    file = write_project(FAILING + "logging: {level: ERROR}\n", functions=BREAK)
    assert "p.fine" not in odibi("run", file).err
    assert "p.after" not in odibi("run", file).err
    assert "p.breaks" in odibi("run", file).err
    assert "p.fine" in odibi("run", file, "--log-level", "info").err


def test_a_story_that_can_not_be_written_is_a_warning(odibi: Odibi, project: Path) -> None:
    (project.parent / ".odibi").write_text("a file where a folder should be")
    called = odibi("run", project)
    assert called.code == 0
    assert "the story can not be written" in called.err


WARNING = """
connections: {source: {type: local, base_path: data}, lake: {type: local, base_path: lake}}
pipelines:
  - pipeline: p
    nodes:
      - name: raw
        read: {connection: source, path: sales.csv}
        validation: {ranges: {amount: {min: 0}}, on_fail: warn}
        write: {connection: lake, path: raw.csv, format: csv}
"""


def test_warnings_are_told(odibi: Odibi, write_project: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ODIBI_ENV", "production")
    called = odibi("run", write_project(WARNING))
    assert called.code == 0
    assert "1 of 3 rows" in called.err
    assert "writes csv in production" in called.err
