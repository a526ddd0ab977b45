"""`odibi validate`, `odibi graph` and `odibi schema`."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Odibi = Callable[..., Any]
Write = Callable[..., Path]


def test_a_line_a_pipeline(odibi: Odibi, project: Path) -> None:
    called = odibi("validate", project)
    assert (called.code, called.err) == (0, "")
    assert called.out == "load: 3 nodes, 1 read, 1 step, 2 checks, 1 write\nreport: 1 node, 1 read, 1 step, 1 write\n"
    assert odibi("validate", project, "-q").out == ""
    result = odibi("validate", project, "--json").json
    assert result["pipelines"]["load"] == {"nodes": 3, "reads": 1, "steps": 1, "checks": 2, "writes": 1}


def test_all_mistakes_at_once(odibi: Odibi, write_project: Write, project: Path) -> None:
    text = (
        project.read_text()
        .replace("connection: source", "connection: sourc")
        .replace("lake, path: totals", "lake, pth: totals")
    )
    file = write_project(text)
    called = odibi("validate", file)
    assert (called.code, called.out) == (2, "")
    lines = called.err.splitlines()
    assert len(lines) == 2
    assert all(re.match(rf"{re.escape(str(file))}:\d+:\d+: pipelines\.\w+\.nodes\.\w+", line) for line in lines)
    assert "did you mean 'source'?" in lines[0]
    assert "did you mean 'path'?" in lines[1]
    result = odibi("validate", file, "--json")
    assert result.code == 2
    assert [(error["line"], error["key"]) for error in result.json["errors"]] == [
        (11, "pipelines.load.nodes.raw.read.connection"),
        (23, "pipelines.report.nodes.totals.write.pth"),
    ]


@pytest.mark.parametrize("text", ["", "a: [", "- 1\n", "\x00"])
def test_what_is_no_project(odibi: Odibi, write_project: Write, text: str) -> None:
    called = odibi("validate", write_project(text))
    assert called.code in (0, 2)
    assert "Traceback" not in called.err
    assert "bug" not in called.err


def test_a_file_without_pipelines_is_fine(odibi: Odibi, write_project: Write) -> None:
    called = odibi("validate", write_project("project: empty\n"))
    assert (called.code, called.err) == (0, "")
    assert "no pipelines" in called.out


def test_graph_as_text(odibi: Odibi, project: Path) -> None:
    called = odibi("graph", project)
    assert (called.code, called.err) == (0, "")
    assert called.out.splitlines() == [
        "load",
        "  raw",
        "      reads   source:sales.csv (csv)",
        "  clean  <- raw",
        "      steps   sql",
        "      checks  not_empty, unique(id)",
        "  save  <- clean (implied: the node before it)",
        "      writes  lake:sales (delta, overwrite)",
        "report  <- load",
        "  totals",
        "      reads   lake:sales (delta)",
        "      steps   sql",
        "      writes  lake:totals (delta, overwrite, by region)",
    ]


def test_graph_of_one_pipeline(odibi: Odibi, project: Path) -> None:
    assert odibi("graph", project, "-p", "report").out.startswith("report")
    wrong = odibi("graph", project, "-p", "lod")
    assert wrong.code == 2
    assert "did you mean 'load'?" in wrong.err


def test_graph_as_data(odibi: Odibi, project: Path) -> None:
    data = odibi("graph", project, "--format", "json").json
    assert data == odibi("graph", project, "--json").json
    raw, clean, save = data["pipelines"][0]["nodes"]
    assert raw["read"]["place"] == "source:sales.csv"
    assert clean["implied"] == []
    assert (save["depends_on"], save["implied"]) == (["clean"], ["clean"])
    assert data["pipelines"][1]["after"] == ["load"]


NAMES = """
connections: {source: {type: local, base_path: data}}
pipelines:
  - pipeline: 'a"] --> b[<script>'
    nodes:
      - name: 'end"; } evil [x]'
        read: {connection: source, path: sales.csv}
      - name: 'größe\\n`#`'
        depends_on: ['end"; } evil [x]']
        transform: {steps: ['SELECT * FROM current']}
"""


def test_names_are_escaped_in_drawings(odibi: Odibi, write_project: Write) -> None:
    file = write_project(NAMES)
    mermaid = odibi("graph", file, "--format", "mermaid").out
    assert "<script>" not in mermaid
    for line in mermaid.splitlines()[1:]:
        labels = re.findall(r'"[^"]*"', line)
        assert line.count('"') in (0, 2), line
        assert all(re.fullmatch(r'"([\w _\-.,:/=+()]|#\d+;)*"', label) for label in labels), line
    assert "größe" in mermaid
    dot = odibi("graph", file, "--format", "dot").out
    assert r'label="end\"; } evil [x]"' in dot
    for line in dot.splitlines():
        assert len(re.findall(r'(?<!\\)"', line)) in (0, 2), line


def test_drawings_show_data_and_implied_edges(odibi: Odibi, project: Path) -> None:
    mermaid = odibi("graph", project, "--format", "mermaid").out
    assert mermaid.startswith("flowchart LR\n")
    assert mermaid.count('[("lake:sales")]') == 1
    assert mermaid.count("-.->") == 1
    dot = odibi("graph", project, "--format", "dot").out
    assert dot.startswith("digraph odibi {\n")
    assert dot.endswith("}\n")
    assert dot.count("style=dashed") == 1


def test_schema(odibi: Odibi) -> None:
    called = odibi("schema")
    assert (called.code, called.err) == (0, "")
    assert "pipelines" in called.json["properties"]
