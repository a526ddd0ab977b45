"""How much Spark worked: the queries, jobs and stages that a block of code started."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class SparkJob:
    """A job. `stages` ran; `skipped` ones had their result already. `at` is the call that started it."""

    number: int
    at: str
    stages: int
    skipped: int
    tasks: int


@dataclass
class SparkWork:
    """What a block started; filled at its end. An action is a query, and one query may be several jobs: adaptive
    execution starts one for each stage. A job without any stage, of an action over nothing, is left out."""

    jobs: list[SparkJob] = field(default_factory=list)
    queries: int = 0

    @property
    def stages(self) -> int:
        """Stages that ran."""
        return sum(job.stages for job in self.jobs)

    def __str__(self) -> str:
        lines = [f"  {job.number}: {job.at}, {job.stages} stages ({job.skipped} skipped)" for job in self.jobs]
        return "\n".join([f"{self.queries} queries, {len(self.jobs)} jobs, {self.stages} stages", *lines])


@contextmanager
def counted_jobs(spark: Any) -> Iterator[SparkWork]:
    """Count what starts inside on a classic Spark session, whoever starts it (Spark Connect counts nothing).

    >>> from odibi.testing import counted_jobs
    >>> with counted_jobs(spark) as work:  # doctest: +SKIP
    ...     rows = spark.range(3).collect()
    >>> len(work.jobs), work.stages, work.queries  # doctest: +SKIP
    (1, 1, 1)
    """
    context = spark.sparkContext._jsc.sc()
    jobs, queries = context.statusStore(), spark._jsparkSession.sharedState().statusStore()
    context.listenerBus().waitUntilEmpty()
    first, before = context.dagScheduler().numTotalJobs(), _last_query(queries)
    work = SparkWork()
    yield work
    context.listenerBus().waitUntilEmpty()
    started = (_job(jobs.job(number)) for number in range(first, context.dagScheduler().numTotalJobs()))
    work.jobs += [job for job in started if job.stages or job.skipped]
    work.queries = sum(_is_action(queries, number) for number in range(before + 1, _last_query(queries) + 1))


def _last_query(store: Any) -> int:
    """The number of the last query, which counts up from 0."""
    count = store.executionsCount()
    return int(store.executionsList(count - 1, 1).apply(0).executionId()) if count else -1


def _is_action(store: Any, number: int) -> bool:
    """Whether a query is an action, and not one that another one started."""
    found = store.execution(number)
    return bool(found.isDefined() and found.get().rootExecutionId() == number)


def _job(data: Any) -> SparkJob:
    return SparkJob(
        data.jobId(), data.name(), data.numCompletedStages() + data.numFailedStages(), data.numSkippedStages(),
        data.numTasks(),
    )  # fmt: skip
