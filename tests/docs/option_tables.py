"""The tables of options in docs/FILE_FORMATS.md, made from `odibi.formats`. To print them anew:

python -m tests.docs.option_tables
"""

from __future__ import annotations

from typing import Any

from odibi.formats import FORMATS
from odibi.formats.base import Option

HEAD = ["Option", "Side", "Default", "", "Also written"]


def option_rows(format: str) -> list[list[str]]:
    """The rows of a format's table: an option of both sides is one row, unless the sides differ."""
    sides = FORMATS[format].read, FORMATS[format].write
    rows = []
    for name in dict.fromkeys([*sides[0], *sides[1]]):
        read, write = (side.get(name) for side in sides)
        if read and write and _same(read, write):
            rows.append(_row(read, "both"))
            continue
        rows += [_row(each, side) for each, side in ((read, "read"), (write, "write")) if each]
    return rows


def _same(one: Option, other: Option) -> bool:
    return (one.kind, one.doc, one.default, one.choices) == (other.kind, other.doc, other.default, other.choices)


def _row(option: Option, side: str) -> list[str]:
    doc = option.doc
    if option.choices:
        doc += ": " + ", ".join(f"`{choice}`" for choice in option.choices)
    aliases = ", ".join(f"`{alias}`" for alias in option.aliases)
    return [f"`{option.name}`", side, _shown(option.default), doc, aliases]


def _shown(value: Any) -> str:
    if value is None:
        return ""
    if value == "":
        return "empty"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def lines(format: str) -> list[str]:
    """The table as Markdown."""
    rows = [HEAD, ["---"] * len(HEAD), *option_rows(format)]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]


if __name__ == "__main__":
    for each in FORMATS:
        print(f"### Options of {each}\n", *lines(each), "", sep="\n")
