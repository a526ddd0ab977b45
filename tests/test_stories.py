"""What a project's own secrets look like in what is told of its runs."""

from __future__ import annotations

import json
from pathlib import Path

from odibi.cli.plans import pipelines_data
from odibi.secrets import scrub
from odibi.testing import project

FILE = """
connections: {lake: {type: local, base_path: lake}}
pipelines:
- pipeline: p
  nodes:
  - name: a
    read: {connection: lake, path: a.csv, options: {storage_options: {account_key: very-secret, anon: "true"}}}
    write: {connection: lake, path: b.csv, options: {storage_options: {sas_token: also-secret}}}
"""


def test_storage_options_are_shown_by_name_only() -> None:
    run = project(FILE, {"lake/a.csv": [{"id": 1}]}).run().raise_for_failure()
    page = run.result["p"].story_path
    assert page is not None
    told = [path.read_text(encoding="utf-8") for path in Path(page).parent.iterdir()]
    told.append(json.dumps(pipelines_data(run.pipeline.project, run.pipeline.project.pipelines)))
    assert len(told) == 4
    for text in told:
        assert "secret" not in text
    assert run.story()["nodes"][0]["read"]["options"] == {"storage_options": {"account_key": "***", "anon": "***"}}


def test_what_storage_options_hold_is_taken_out_of_messages() -> None:
    project(FILE).load()
    assert scrub("refused: very-secret, also-secret; true") == "refused: ***, ***; true"
