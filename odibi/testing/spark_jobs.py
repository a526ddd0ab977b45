"""How much Spark worked: the jobs and stages that a block of code started."""

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
    """What a block started; filled at its end."""

    jobs: list[SparkJob] = field(default_factory=list)

    @property
    def stages(self) -> int:
        """Stages that ran."""
        return sum(job.stages for job in self.jobs)

    @property
    def tasks(self) -> int:
        """Tasks of the jobs' stages that were to run."""
        return sum(job.tasks for job in self.jobs)

    def __str__(self) -> str:
        lines = [f"  {job.number}: {job.at}, {job.stages} stages ({job.skipped} skipped)" for job in self.jobs]
        return "\n".join([f"{len(self.jobs)} jobs, {self.stages} stages", *lines])


@contextmanager
def counted_jobs(spark: Any) -> Iterator[SparkWork]:
    """Count the jobs of a classic Spark session that start inside, whoever starts them (Spark Connect counts none).

    >>> from odibi.testing import counted_jobs
    >>> with counted_jobs(spark) as work:  # doctest: +SKIP
    ...     frame = spark.range(3)
    ...     rows = frame.collect()
    >>> len(work.jobs), work.stages  # doctest: +SKIP
    (1, 1)
    """
    context = spark.sparkContext._jsc.sc()
    first = context.dagScheduler().numTotalJobs()
    work = SparkWork()
    yield work
    context.listenerBus().waitUntilEmpty()
    store = context.statusStore()
    work.jobs += [_job(store.job(number)) for number in range(first, context.dagScheduler().numTotalJobs())]


def _job(data: Any) -> SparkJob:
    return SparkJob(
        data.jobId(), data.name(), data.numCompletedStages() + data.numFailedStages(), data.numSkippedStages(),
        data.numTasks(),
    )  # fmt: skip
