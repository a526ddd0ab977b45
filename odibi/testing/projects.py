"""A project from a string, in a folder of its own: built, run, and looked at."""

from __future__ import annotations

import json
import shutil
import tempfile
import textwrap
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from odibi.engine import Engine
from odibi.errors import DataNotFoundError
from odibi.events import NodeRecord, Observer
from odibi.pipeline import Pipeline
from odibi.results import PipelineResult, RunResult

Content = str | bytes | Sequence[Mapping[str, Any]]
"""What a file holds: text, bytes, or rows as dicts, which are written in the format of the file's suffix."""


class TestProject:
    """A project file and its data in a folder. Made by `project`."""

    __test__ = False  # pytest takes classes of such a name for tests

    def __init__(self, text: str, folder: Path, engine: str | None, variables: Mapping[str, str]) -> None:
        self.folder, self.variables, self.engine_name = folder, dict(variables), engine
        self.file = folder / "odibi.yaml"
        self.file.write_text(textwrap.dedent(text), encoding="utf-8")

    def add(self, files: Mapping[str, Content]) -> TestProject:
        """Write files below the folder; rows as dicts become a file, or a Delta table, by the suffix."""
        for relative, content in files.items():
            path = self.folder / relative
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, str):
                path.write_bytes(content.encode())
            elif isinstance(content, bytes):
                path.write_bytes(content)
            else:
                _write_rows(content, self.folder, relative)
        return self

    def load(self) -> Pipeline:
        """The project, checked whole. Raises `ConfigError` with all its mistakes."""
        return Pipeline.from_yaml(self.file, variables=self.variables, engine=self.engine_name)

    def run(
        self,
        pipelines: str | Sequence[str] | None = None,
        *,
        nodes: Sequence[str] = (),
        workers: int | None = None,
        engine: Engine | None = None,
        observers: Sequence[Observer] = (),
    ) -> TestRun:
        """Load and run; what nodes did wrong is in the result. Arguments as of `Pipeline.run`."""
        pipeline = self.load()
        result = pipeline.run(pipelines, nodes=nodes, workers=workers, engine=engine, observers=observers)
        return TestRun(self, pipeline, result)

    def __repr__(self) -> str:
        return f"<TestProject in {self.folder}>"


class TestRun:
    """A run of a test project: `result`, `folder`, what was written, and the story."""

    __test__ = False

    def __init__(self, project: TestProject, pipeline: Pipeline, result: RunResult) -> None:
        self.project, self.pipeline, self.result = project, pipeline, result

    @property
    def folder(self) -> Path:
        """The folder of the project file."""
        return self.project.folder

    @property
    def status(self) -> str:
        """`completed`, `failed` or `interrupted`."""
        return self.result.status

    @property
    def ok(self) -> bool:
        """True when everything completed."""
        return self.result.ok

    def raise_for_failure(self) -> TestRun:
        """Raise `RunFailed` unless everything completed; else give the run itself."""
        self.result.raise_for_failure()
        return self

    def node(self, name: str) -> NodeRecord:
        """What is known of a node: rows, schema, timing, error. Raises `KeyError` for a name that did not run."""
        found = [each.nodes[name] for each in self.result.values() if name in each.nodes]
        if not found:
            known = [node for each in self.result.values() for node in each.nodes]
            raise KeyError(f"no node {name!r}; known: {', '.join(known)}")
        return found[0]

    @property
    def errors(self) -> dict[str, str]:
        """Node name to message, for the nodes that failed."""
        records = [record for each in self.result.values() for record in each.nodes.values()]
        return {record.name: record.error.message for record in records if record.error}

    def read(
        self,
        connection: str,
        path: str,
        format: str | None = None,
        options: Mapping[str, Any] | None = None,
        engine: Engine | None = None,
    ) -> Any:
        """What is stored there now, as the engine's native frame. Arguments as of `Engine.read`."""
        used = engine or self.pipeline.engine()
        frame = used.read(connection, format, path, options=options)
        if engine is None:
            weakref.finalize(frame, used.close).atexit = False
        return frame

    def rows(
        self, connection: str, path: str, format: str | None = None, options: Mapping[str, Any] | None = None
    ) -> list[dict[str, Any]]:
        """What is stored there now, as dicts of plain values; what is missing is None."""
        from odibi.engine.base import Source
        from odibi.formats import format_of, normalise_options
        from odibi.testing.frames import rows_of

        chosen = format_of(path, format)
        known, _ = normalise_options(chosen, "read", options or {})
        engine = self.pipeline.engine()
        try:  # not by the native frame: pandas has no integers beside NULL inside lists
            frame = engine.scan(Source(engine.connections[connection], path, chosen, known))
            return rows_of(engine.narwhals(frame, lazy=True))
        finally:
            engine.close()

    def story(self, pipeline: str | None = None) -> dict[str, Any]:
        """The data of a pipeline's story (`story.json`); of the only pipeline when none is named."""
        chosen = self._one(pipeline)
        if chosen.story_path is None:
            raise DataNotFoundError(
                f"pipeline {chosen.pipeline!r} has no story; does the file say auto_generate: false?"
            )
        return dict(json.loads(_story_text(self.pipeline, chosen.story_path)))

    def _one(self, name: str | None) -> PipelineResult:
        if name is not None:
            return self.result[name]
        if len(self.result) != 1:
            raise ValueError(f"the run had {len(self.result)} pipelines, name one: {', '.join(self.result)}")
        return next(iter(self.result.values()))

    def __repr__(self) -> str:
        return f"<TestRun {self.status} in {self.folder}>"


def project(
    text: str,
    files: Mapping[str, Content] | None = None,
    folder: str | Path | None = None,
    *,
    engine: str | None = None,
    **variables: str,
) -> TestProject:
    """A project from the text of its file, in `folder` (default: a temporary one, which goes with the project).

    `files` are put below the folder: path to text, bytes or rows as dicts. `variables` fill `${VAR}` in the text.

    >>> made = project("connections: {lake: {type: local, base_path: '${PLACE}'}}", PLACE="lake")
    >>> made.load().project.connections["lake"].base_path.name
    'lake'
    """
    made = TestProject(text, _folder(folder), engine, variables)
    if folder is None:
        weakref.finalize(made, shutil.rmtree, made.folder, ignore_errors=True)
    return made.add(files or {})


def run_project(
    text: str,
    files: Mapping[str, Content] | None = None,
    folder: str | Path | None = None,
    *,
    engine: str | None = None,
    pipelines: str | Sequence[str] | None = None,
    nodes: Sequence[str] = (),
    workers: int | None = None,
    **variables: str,
) -> TestRun:
    """Build a project from the text of its file and run it; see `project` and `TestProject.run`.

    >>> run = run_project('''
    ...     connections: {lake: {type: local, base_path: lake}}
    ...     pipelines:
    ...       - pipeline: p
    ...         nodes:
    ...           - name: one
    ...             transform: {steps: ["SELECT 1 AS id"]}
    ...             write: {connection: lake, path: one.csv}
    ... ''')
    >>> run.rows("lake", "one.csv"), run.story()["pipeline"]["status"]
    ([{'id': 1}], 'completed')
    """
    made = project(text, files, folder, engine=engine, **variables)
    return made.run(pipelines, nodes=nodes, workers=workers)


def _folder(folder: str | Path | None) -> Path:
    if folder is None:
        return Path(tempfile.mkdtemp(prefix="odibi-test-")).resolve()
    Path(folder).mkdir(parents=True, exist_ok=True)
    return Path(folder)


def _write_rows(rows: Sequence[Mapping[str, Any]], folder: Path, relative: str) -> None:
    from odibi.connections import LocalConnection
    from odibi.engine import ENGINES
    from odibi.testing.frames import arrow_table

    engine: Engine = ENGINES["pandas"]()
    try:
        engine.write(arrow_table(rows), LocalConnection(folder), path=relative)
    finally:
        engine.close()


def _story_text(pipeline: Pipeline, page: str) -> str:
    """The data beside a story's page, which is in a folder or behind a URL."""
    if "://" not in page:
        return (Path(page).parent / "story.json").read_text(encoding="utf-8")
    from odibi.stories import store_for

    return store_for(pipeline.project).read("/".join([*page.split("/")[-3:-1], "story.json"]))
