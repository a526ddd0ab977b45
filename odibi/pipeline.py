"""The public front: load a project, run its pipelines, look at the result."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

from odibi.engine import ENGINES
from odibi.engine.base import Engine
from odibi.events import Observer
from odibi.project import Project, load_project
from odibi.results import RunResult
from odibi.retry import NO_RETRY, RetryPolicy
from odibi.run import RunOptions, Stop, run_project
from odibi.secrets import scrub


class Pipeline:
    """A loaded project, checked whole and ready to run.

    >>> import pathlib, tempfile
    >>> file = pathlib.Path(tempfile.mkdtemp(), "config.yaml")
    >>> _ = file.write_text('''
    ... connections: {lake: {type: local, base_path: lake}}
    ... pipelines:
    ...   - pipeline: daily
    ...     nodes:
    ...       - name: one
    ...         transform: {steps: ["SELECT 1 AS id"]}
    ...         write: {connection: lake, path: one}
    ... ''')
    >>> result = Pipeline.from_yaml(file).run().raise_for_failure()
    >>> result["daily"].completed, result["daily"].nodes["one"].rows
    (['one'], 1)
    """

    def __init__(self, project: Project) -> None:
        self.project = project

    @classmethod
    def from_yaml(
        cls,
        path: str | os.PathLike[str],
        *,
        variables: Mapping[str, str] | None = None,
        engine: str | None = None,
    ) -> Pipeline:
        """Load and check a project file. `variables` fill `${VAR}` before the environment does; `engine` overrides
        the file's.

        Raises `ConfigError` with all mistakes of the file at once; what is odd but no mistake is a `UserWarning`.
        """
        project = load_project(Path(path), overrides=dict(variables or {}), engine=engine)
        for text in project.warnings:
            warnings.warn(text, UserWarning, stacklevel=2)
        return cls(project)

    @property
    def names(self) -> list[str]:
        """Names of the pipelines, in file order."""
        return [pipeline.name for pipeline in self.project.pipelines]

    def engine(self) -> Engine:
        """A new engine with the project's connections."""
        made: Engine = ENGINES[self.project.engine_name](self.project.connections)
        return made

    def run(
        self,
        pipelines: str | Sequence[str] | None = None,
        *,
        nodes: Sequence[str] = (),
        workers: int | None = None,
        engine: Engine | None = None,
        observers: Sequence[Observer] = (),
        stop: Stop | None = None,
    ) -> RunResult:
        """Run all pipelines, one (`"a"`) or some (`["a", "b"]`).

        `nodes` runs only these, with what they need, and only they write. `engine` is used and left open when given.
        `stop` ends the run cleanly when it is asked to.
        Failures of nodes are in the result (`.raise_for_failure()`); an unknown name raises `UnknownNameError`.
        Credentials are fetched anew for every run, before anything else; `KeyFetchError` has all that failed.
        """
        names = [pipelines] if isinstance(pipelines, str) else list(pipelines or ())
        story = self.project.story
        options = RunOptions(
            pipelines=names,
            nodes=tuple(nodes),
            workers=workers,
            retry=_retry_policy(self.project),
            sample_rows=story.max_sample_rows if story.auto_generate else 0,
        )
        used = engine or self.engine()
        try:
            recorder = self._recorder if story.auto_generate else None
            return run_project(self.project, used, options, observers, recorder, stop)
        finally:
            if engine is None:
                used.close()

    def _recorder(self, emit: Observer, reachable: bool) -> Observer:
        from odibi.stories import recorder_for

        return recorder_for(self.project, emit, reachable)

    def __repr__(self) -> str:
        return scrub(f"<Pipeline {self.project.name!r}: {', '.join(self.names) or 'no pipelines'}>")


def _retry_policy(project: Project) -> RetryPolicy:
    retry = project.retry
    return RetryPolicy(retry.max_attempts, retry.backoff, retry.backoff_seconds) if retry.enabled else NO_RETRY
