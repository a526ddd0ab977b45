"""Time and Spark jobs of what runs in one JVM, in turn: A B A B …, once it is warm."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from odibi.testing import SparkWork, counted_jobs

NAMES = ("pyspark", "delta-spark", "pydantic")
"""Whose versions the figures belong to."""


@dataclass
class Rounds:
    """Seconds of the rounds that count, and the work of all rounds, also of those before."""

    seconds: list[float] = field(default_factory=list)
    work: list[SparkWork] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{statistics.median(self.seconds):7.2f} s ({min(self.seconds):.2f} to {max(self.seconds):.2f})"


def rounds(spark: Any, ways: Mapping[str, Callable[[], Any]], runs: int, warm_up: int) -> dict[str, Rounds]:
    """Run each way `runs` times in turn, after `warm_up` rounds whose time does not count. Which comes first changes
    from round to round; what one leaves behind is not collected in the other's time."""
    found = {name: Rounds() for name in ways}
    for number in range(-warm_up, runs):
        for name in sorted(ways, reverse=bool(number % 2)):
            gc.collect()
            spark.sparkContext._jvm.System.gc()
            began = time.perf_counter()
            with counted_jobs(spark) as work:
                ways[name]()
                seconds = time.perf_counter() - began
            found[name].work.append(work)
            if number >= 0:
                found[name].seconds.append(seconds)
    return found


def side_by_side(title: str, hand: SparkWork, ours: SparkWork, detail: bool) -> None:
    """The jobs and stages of both; each job with `detail`."""
    same = "ok  " if (len(ours.jobs), ours.stages) <= (len(hand.jobs), hand.stages) else "MORE"
    print(
        f"  {same} {title}: {len(ours.jobs)} jobs, {ours.stages} stages;"
        f" by hand {len(hand.jobs)} jobs, {hand.stages} stages"
    )
    if detail:
        print(f"by hand: {hand}\nodibi: {ours}")
