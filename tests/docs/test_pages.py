"""Documentation runs: every block of code, every command line and every link of the pages."""

from __future__ import annotations

import inspect
import os
import re
import shlex
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from odibi.cli import parse, run_command
from odibi.cli.failures import UsageError
from odibi.config.problems import check
from odibi.config.project import ProjectConfig
from odibi.connections import CONNECTIONS
from odibi.project import load_project
from tests.docs.pages import PAGES, ROOT, Block, blocks_of, prose_of

OUTPUT = {"", "text", "mermaid", "json", "gitignore", "dotenv", "toml", "ini"}
"""Languages of blocks that show something and do nothing."""


def _nodes(nodes: Any) -> Any:
    return {"pipelines": [{"pipeline": "p", "nodes": nodes}]}


FRAGMENTS: dict[str, Callable[[Any], Any]] = {
    "project": lambda data: data,
    "connections": lambda data: {"connections": data},
    "nodes": _nodes,
    "node": lambda data: _nodes([{"name": "n", **data}]),
    "read": lambda data: _nodes([{"name": "n", "read": data}]),
    "write": lambda data: _nodes([{"name": "n", "write": data}]),
    "steps": lambda data: _nodes([{"name": "n", "transform": {"steps": data}}]),
    "validation": lambda data: _nodes([{"name": "n", "validation": data}]),
}
"""What `yaml fragment=…` may be a part of, and the whole project around it."""


ON_SPARK = [ROOT / "docs" / "spark.md", ROOT / "docs" / "testing.md"]
"""Pages whose blocks need a Spark session."""


def page_id(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder like a checkout: with the examples, and nothing that they wrote. What it defines can be imported."""
    leave_out = shutil.ignore_patterns("output", ".odibi", "__pycache__")
    shutil.copytree(ROOT / "examples", tmp_path / "examples", ignore=leave_out)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    before = {*sys.modules}
    yield tmp_path
    for name in {*sys.modules} - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.mark.parametrize("page", [page for page in PAGES if page not in ON_SPARK], ids=page_id)
def test_the_blocks_of_a_page_run(page: Path, folder: Path, request: pytest.FixtureRequest) -> None:
    _run_blocks(page, folder, request)


@pytest.mark.jvm
@pytest.mark.one_machine
@pytest.mark.usefixtures("spark")
@pytest.mark.parametrize("page", ON_SPARK, ids=page_id)
def test_the_blocks_of_a_page_run_on_spark(page: Path, folder: Path, request: pytest.FixtureRequest) -> None:
    _run_blocks(page, folder, request)


def _run_blocks(page: Path, folder: Path, request: pytest.FixtureRequest) -> None:
    namespace: dict[str, Any] = {"__name__": "page"}
    blocks = blocks_of(page)
    for block in blocks:
        _do(block, folder, namespace, request)
    whole = [block for block in blocks if block.language == "yaml" and "title" in block.words]
    for file in {block.words["title"] for block in whole if "included" not in block.words}:
        load_project(folder / file)


def _do(block: Block, folder: Path, namespace: dict[str, Any], request: pytest.FixtureRequest) -> None:
    if "title" in block.words:
        _write(block, folder / block.words["title"], request)
    elif block.language == "yaml":
        _check_fragment(block)
    elif block.language == "python":
        exec(compile(block.text, block.place, "exec"), namespace)
    elif block.language == "bash":
        for line in command_lines(block):
            assert run_command(arguments(line)) == 0, f"{block.place}: {line}"
    elif block.language != "console":
        assert block.language in OUTPUT, f"{block.place}: is {block.language!r} code that should run?"


def _write(block: Block, path: Path, request: pytest.FixtureRequest) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(block.text, encoding="utf-8")
    if path.name.startswith("test_"):
        _run_tests(block, request)


def _run_tests(block: Block, request: pytest.FixtureRequest) -> None:
    """A file of tests, as pytest would run it; the fixtures that they take are those of plugins."""
    names: dict[str, Any] = {"__name__": "tests_of_page", "__file__": block.words["title"]}
    exec(compile(block.text, block.place, "exec"), names)
    tests = [value for name, value in names.items() if name.startswith("test_")]
    assert tests, f"{block.place}: no tests"
    for test in tests:
        test(**{name: request.getfixturevalue(name) for name in inspect.signature(test).parameters})


def _check_fragment(block: Block) -> None:
    kind = block.words.get("fragment")
    assert kind in FRAGMENTS, f"{block.place}: say title=FILE or fragment={'|'.join(FRAGMENTS)}"
    data = FRAGMENTS[kind](yaml.safe_load(re.sub(r"\$\{\w+:-(\w+)\}", r"\1", block.text)))
    checked = check(ProjectConfig, data)
    assert not checked.findings, f"{block.place}: {checked.findings}"
    for settings in data.get("connections", {}).values():
        CONNECTIONS[settings["type"]].Settings.model_validate(settings)


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_every_command_line_is_one(page: Path) -> None:
    """Also those that are shown but do not run here."""
    lines = [
        line for block in blocks_of(page) if block.language in ("bash", "console") for line in command_lines(block)
    ]
    for line in lines:
        if "--help" not in line:
            parse(arguments(line))


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_every_command_in_a_sentence_is_one(page: Path) -> None:
    """`odibi story list`, `odibi run --engine`: named without what they can not do without."""
    for line in re.findall(r"`(odibi [^`\n…|]+)`", prose_of(page, code=True)):
        words = arguments(line)
        words = [*words[1:], "--help"] if words[0] == "help" else words
        refusal = _refusal(words)
        assert not re.search("unknown option|invalid choice: '[a-z]", refusal), f"{page.name}: {line}: {refusal}"


def _refusal(words: list[str], attempts: int = 4) -> str:
    """Why a command line is refused, with what is missing filled in; empty where it is not."""
    if "--help" in words or not attempts:
        return ""
    try:
        parse(words)
    except UsageError as error:
        return str(error) if "required" not in str(error) else _refusal([*words, "1"], attempts - 1)
    return ""


def command_lines(block: Block) -> list[str]:
    """The odibi commands in a block of shell."""
    lines = [line.strip().removeprefix("$ ") for line in block.text.replace("\\\n", " ").splitlines()]
    return [line for line in lines if line.startswith("odibi ")]


def arguments(line: str) -> list[str]:
    """The arguments of a command line; what is behind `#`, `|`, `>` is the shell's."""
    words = shlex.split(line, comments=True)
    end = next((place for place, word in enumerate(words) if word in ("|", ">", "&&")), len(words))
    return words[1:end]


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", prose_of(page)):
        if target.startswith(("http://", "https://", "mailto:")):
            continue
        path, _, anchor = target.partition("#")
        file = Path(os.path.normpath(page.parent / path)) if path else page
        assert file.exists(), f"{page.name}: {target}"
        if anchor:
            assert anchor in _anchors(file), f"{page.name}: {target}"


def _anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_page_can_be_found_from_the_readme() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [page.name for page in PAGES if page.parent.name == "docs" and f"(docs/{page.name})" not in text] == []


def test_nobody_is_told_to_install_another_product() -> None:
    from odibi.errors import install_command

    commands = {line.strip() for page in PAGES for line in page.read_text().splitlines() if "pip install" in line}
    assert all(re.search(r"pip install \"?\.\[|pip install \.", line) for line in commands), commands
    assert install_command("excel,avro") in (ROOT / "README.md").read_text(encoding="utf-8")
