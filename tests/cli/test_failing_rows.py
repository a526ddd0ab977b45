"""A failed check shows its first failing rows on the terminal, without the values of masked columns."""

from __future__ import annotations

import pytest

from odibi.__main__ import main

PROJECT = """
story: {mask: [email]}
connections:
  lake: {type: local, base_path: lake}
pipelines:
  - pipeline: p
    nodes:
      - name: a
        transform: {steps: ["SELECT i, 'x@y' AS email FROM range(10) r(i)"]}
        validation: {CHECK}
        write: {connection: lake, path: a}
"""


@pytest.mark.parametrize(
    ("check", "shown"),
    [
        ("ranges: {i: {max: 7}}", "first of ranges(i): {'i': 8}"),
        ("accepted_values: {email: [z]}", "first of accepted_values(email): {'email': '***'}"),
    ],
)
def test_the_first_failing_rows_are_shown(tmp_path, capsys, check, shown):
    file = tmp_path / "p.yaml"
    file.write_text(PROJECT.replace("CHECK", check), encoding="utf-8")
    assert main(["run", str(file)]) == 1
    told = capsys.readouterr().err
    assert shown in told
    assert "x@y" not in told
