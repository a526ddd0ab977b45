"""What every transform, built in or a user's own, must do."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import pytest

from odibi.testing.compare import assert_frame_equal
from odibi.testing.contracts.base import Rows
from odibi.testing.frames import arrow_table, frame
from odibi.testing.projects import Content, TestRun, project


class TransformContract:
    """A step gives the expected rows, also of no rows, whether its input is stored or computed, and spoils nothing.

    class TestAddRegion(TransformContract):
        step = {"function": "add_region", "params": {"default": "EU"}}
        files = {"my_transforms.py": Path("my_transforms.py").read_text()}
        transforms = ("my_transforms.py",)
        schema = {"id": "bigint"}
        rows = ({"id": 1},)
        expected = ({"id": 1, "region": "EU"},)
    """

    step: ClassVar[Mapping[str, Any]]
    """The step as a project file writes it."""
    rows: ClassVar[Rows]
    """The input."""
    schema: ClassVar[Mapping[str, str]]
    """Its types."""
    expected: ClassVar[Rows]
    """The result."""
    expected_schema: ClassVar[Mapping[str, str] | None] = None
    """The types of the result, where they matter."""
    transforms: ClassVar[Sequence[str]] = ()
    """The project's `transforms`."""
    files: ClassVar[Mapping[str, Content]] = {}
    """Files that the project needs."""

    @pytest.fixture
    def engine_name(self) -> str:
        """The name of the engine in project files."""
        return "pandas"

    def test_it_gives_the_expected_rows(self, engine_name: str) -> None:
        """Of an input that is stored."""
        run = self.run(engine_name, self.rows)
        assert_frame_equal(run.read("lake", "out"), list(self.expected))
        if self.expected_schema is not None:
            assert run.node("step").schema == self.expected_schema

    def test_a_computed_input_gives_the_same(self, engine_name: str) -> None:
        """A lazy frame is a frame."""
        run = self.run(engine_name, self.rows, before="SELECT * FROM current WHERE 1 = 1")
        assert_frame_equal(run.read("lake", "out"), list(self.expected))

    def test_no_rows_give_no_failure(self, engine_name: str) -> None:
        """The columns of the result do not depend on there being rows, where the operation does not say otherwise."""
        run = self.run(engine_name, [])
        assert run.ok

    def test_the_input_is_as_it_was(self, engine_name: str) -> None:
        """Others who use it see what was there before."""
        run = self.run(engine_name, self.rows)
        assert_frame_equal(run.read("lake", "seen"), frame(self.rows, self.schema), check_dtypes=False)

    def run(self, engine: str, rows: Rows, before: str | None = None) -> TestRun:
        """Run the step over rows, beside a node that only copies them; the run has completed."""
        steps = [*([before] if before else []), dict(self.step)]
        nodes = [
            {"name": "given", "read": {"connection": "lake", "path": "in"}, "cache": True},
            {
                "name": "step",
                "depends_on": ["given"],
                "transform": {"steps": steps},
                "write": {"connection": "lake", "path": "out"},
            },
            {"name": "copy", "depends_on": ["given"], "write": {"connection": "lake", "path": "seen"}},
        ]
        document = {
            "engine": engine,
            "connections": {"lake": {"type": "local", "base_path": "lake"}},
            "transforms": list(self.transforms),
            "pipelines": [{"pipeline": "p", "nodes": nodes}],
        }
        made = project(json.dumps(document), self.files)
        used = made.load().engine()
        # Arrow: before pandas 3 a column of text without rows has no type
        used.write(arrow_table(rows, self.schema), "lake", path="in")
        used.close()
        return made.run().raise_for_failure()
