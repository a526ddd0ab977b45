"""The medallion job as an odibi project, against the same job by hand.

python benchmarks/medallion.py [--rows 1e5 1e6 1e7] [--runs 5]
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import data
from measure import HERE, PYTHON, head, in_turn, ratio, verdict

LIMITS = {10**5: (1.35, None), 10**6: (1.2, 1.3), 10**7: (1.15, 1.15)}
"""Rows to what is asked for: wall time, peak memory."""


def fresh(folder: Path, arguments: Callable[[Path], Sequence[str]]) -> Callable[[int], Sequence[str]]:
    """A command that writes into a new folder each time; the one before is deleted."""

    def make(number: int) -> Sequence[str]:
        shutil.rmtree(folder / str(number - 1), ignore_errors=True)
        return [*PYTHON, *arguments(folder / str(number))]

    return make


def job(name: str, inputs: Path, out: Path) -> list[str]:
    """The command line of an odibi project."""
    return [
        "-m",
        "odibi",
        "run",
        str(HERE / "jobs" / name),
        "--quiet",
        "--set",
        f"DATA={inputs}",
        "--set",
        f"OUT={out}",
    ]


def compare(rows: int, runs: int, work: Path) -> None:
    """Measure and print one size."""
    inputs = data.make(work / f"data-{rows}", rows)
    by_hand = str(HERE / "baselines" / "medallion_duckdb.py")
    figures = in_turn(
        {
            "by hand": fresh(work / "hand", lambda out: [by_hand, str(inputs), str(out)]),
            "odibi": fresh(work / "odibi", lambda out: job("medallion.yaml", inputs, out)),
            "odibi, deduplicate": fresh(work / "dedup", lambda out: job("medallion_deduplicate.yaml", inputs, out)),
        },
        runs,
    )
    print(f"\n{rows:,} rows")
    for name, figure in figures.items():
        print(f"  {name:20} {figure}")
    hand = figures["by hand"]
    seconds, mebibytes = LIMITS.get(rows, (1.2, 1.3))
    verdict("wall time", ratio(figures["odibi"].seconds, hand.seconds), seconds)
    if mebibytes:
        verdict("peak memory", ratio(figures["odibi"].mebibytes, hand.mebibytes), mebibytes)
    verdict("wall time with operation: deduplicate", ratio(figures["odibi, deduplicate"].seconds, hand.seconds), 1.0)


def main() -> None:
    """Measure all sizes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=float, nargs="+", default=[1e5, 1e6, 1e7])
    parser.add_argument("--runs", type=int, default=5)
    args = parser.parse_args()
    head("medallion: CSV -> bronze -> silver (de-duplicated, joined, partitioned) -> gold, all Delta")
    with tempfile.TemporaryDirectory() as folder:
        for rows in args.rows:
            compare(int(rows), args.runs, Path(folder))


if __name__ == "__main__":
    main()
