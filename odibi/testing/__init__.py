"""What users import in their tests: projects from a string, frames from lists of dicts, comparison, contract tests.

>>> from odibi.testing import assert_frame_equal, run_project
>>> run = run_project('''
...     connections:
...       lake: {type: local, base_path: lake}
...     pipelines:
...       - pipeline: daily
...         nodes:
...           - name: big
...             read: {connection: lake, path: sales.csv}
...             transform: {steps: ["SELECT * FROM current WHERE amount > 10"]}
...             write: {connection: lake, path: big}
... ''', files={"lake/sales.csv": [{"id": 1, "amount": 5}, {"id": 2, "amount": 50}]})
>>> run.status
'completed'
>>> assert_frame_equal(run.read("lake", "big"), [{"id": 2, "amount": 50}])

The contract tests, which a new engine, connection, format or transform inherits, are in `odibi.testing.contracts`; they
need pytest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from odibi.testing.compare import assert_frame_equal
    from odibi.testing.frames import frame, rows_of
    from odibi.testing.memory import MemoryConnection, memory_connections
    from odibi.testing.projects import TestProject, TestRun, project, run_project
    from odibi.testing.spark_jobs import SparkWork, counted_jobs

__all__ = [
    "MemoryConnection",
    "SparkWork",
    "TestProject",
    "TestRun",
    "assert_frame_equal",
    "counted_jobs",
    "frame",
    "memory_connections",
    "project",
    "rows_of",
    "run_project",
]

_HOMES = {
    "MemoryConnection": "memory",
    "SparkWork": "spark_jobs",
    "TestProject": "projects",
    "TestRun": "projects",
    "assert_frame_equal": "compare",
    "counted_jobs": "spark_jobs",
    "frame": "frames",
    "memory_connections": "memory",
    "project": "projects",
    "rows_of": "frames",
    "run_project": "projects",
}


def __getattr__(name: str) -> Any:
    """Public names are imported when asked for: every pytest session imports this package, for its plugin."""
    if name in _HOMES:
        import importlib

        return getattr(importlib.import_module(f"odibi.testing.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'odibi.testing' has no attribute {name!r}")
