"""The pages of the documentation, and the code blocks in them.

The first word behind the three backticks is the language; what follows says what the block is:

- `yaml title=sales.yaml`: a whole file. It is written, and validated when all files of the page are there; a command
  line or a block of Python behind it may run it. With `included` it is no project by itself.
- `yaml fragment=nodes`: a part of a project file, see `FRAGMENTS`; it is checked by the models.
- `python title=my_transforms.py`, `csv title=data/a.csv`, …: a file, written as it stands.
- `python`: runs, after the blocks before it, in the folder of the files.
- `bash`: lines that start with `odibi` run; others are for the reader's shell. `console`: shown only, but parsed.
- `text` and others: output, for readers.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    *sorted((ROOT / "docs").glob("*.md")),
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "examples/README.md")),
]
_BLOCK = re.compile(r"^(?P<indent> *)```(?P<info>[^\n`]*)\n(?P<text>.*?)^(?P=indent)```[ ]*$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """One fenced block: language, the words behind it (`title=a.yaml` → {"title": "a.yaml"}), text, and its line."""

    page: Path
    line: int
    language: str
    words: dict[str, str]
    text: str

    @property
    def place(self) -> str:
        return f"{self.page.name}:{self.line}"


def blocks_of(page: Path) -> list[Block]:
    """The blocks of a page, in order."""
    text = page.read_text(encoding="utf-8")
    found = []
    for match in _BLOCK.finditer(text):
        language, *rest = match["info"].split() or [""]
        words = {key: value for key, _, value in (word.partition("=") for word in rest)}
        found.append(Block(page, text.count("\n", 0, match.start()) + 1, language, words, match["text"]))
    return found


def prose_of(page: Path, code: bool = False) -> str:
    """The page without its blocks, and without code inside of sentences unless it is wanted."""
    text = _BLOCK.sub("", page.read_text(encoding="utf-8"))
    return text if code else re.sub(r"`[^`\n]*`", "", text)


def section(page: Path, heading: str) -> str:
    """The text under a heading, to the next one of any level."""
    text = page.read_text(encoding="utf-8")
    match = re.search(rf"^#+ {re.escape(heading)}\n(.*?)(?=^#+ |\Z)", text, re.MULTILINE | re.DOTALL)
    assert match, f"{page.name} has no heading {heading!r}"
    return match[1]


def table(text: str) -> list[list[str]]:
    """The rows of the first table in a text, without its head; cells without backticks."""
    lines = [line.strip() for line in text.splitlines() if line.strip().startswith("|")]
    rows = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip("|"))] for line in lines]
    return [[cell.replace("\\|", "|") for cell in row] for row in rows[2:]]
