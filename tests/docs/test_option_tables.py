"""docs/FILE_FORMATS.md lists the formats and options that exist, with their defaults."""

from __future__ import annotations

import pytest

from odibi.formats import ALIASES, FORMATS, SUFFIXES
from tests.docs.option_tables import lines
from tests.docs.pages import ROOT, section, table

PAGE = ROOT / "docs" / "FILE_FORMATS.md"


@pytest.mark.parametrize("format", list(FORMATS))
def test_the_options_of_a_format_are_in_its_table(format: str) -> None:
    """When this fails: `python -m tests.docs.option_tables` prints the tables as they should be."""
    shown = [line for line in section(PAGE, f"Options of {format}").splitlines() if line.startswith("|")]
    assert shown == lines(format)


def test_formats_and_suffixes_are_listed() -> None:
    rows = table(section(PAGE, "File formats"))
    names = {name for row in rows for name in row[1].replace("`", "").split(", ")}
    suffixes = {text.strip("`") for row in rows for text in row[2].split(", ") if text.startswith("`")}
    assert names == {*FORMATS, *ALIASES} - {"ndjson"}
    assert suffixes == set(SUFFIXES)
