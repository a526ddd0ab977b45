"""docs/databricks_setup.md says what works where, as the code has it."""

from __future__ import annotations

import pytest

from tests.docs.pages import ROOT, section
from tests.docs.support_tables import TABLES, lines

PAGE = ROOT / "docs" / "databricks_setup.md"


@pytest.mark.parametrize("heading", TABLES)
def test_what_is_supported_is_in_its_table(heading: str) -> None:
    """When this fails: `python -m tests.docs.support_tables` prints the tables as they should be."""
    shown = [line for line in section(PAGE, heading).splitlines() if line.startswith("|")]
    assert shown == lines(heading)
