"""The medallion job as an odibi project on Spark, against the same job by hand in PySpark: in one warm JVM, with the
number of Spark jobs and stages, and as whole processes.

python benchmarks/medallion_spark.py [--rows 1e6] [--runs 7] [--processes 3] [--detail]
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

import data
from measure import HERE, head, in_turn, ratio, verdict
from measure_spark import NAMES, rounds, side_by_side
from medallion import fresh

from odibi import Pipeline
from odibi.engine import SparkEngine

sys.path.insert(0, str(HERE / "baselines"))
import medallion_pyspark as by_hand

LIMIT = 1.05
PROJECT = HERE / "jobs" / "medallion_spark.yaml"


def in_one_jvm(inputs: Path, work: Path, args: argparse.Namespace) -> None:
    """Both ways in this process: the first round makes the tables, each later one overwrites them."""
    spark = SparkEngine().spark
    variables = {"DATA": str(inputs), "OUT": str(work / "ours")}
    figures = rounds(
        spark,
        {
            "by hand": lambda: by_hand.run(spark, str(inputs), str(work / "hand")),
            "odibi": lambda: Pipeline.from_yaml(PROJECT, variables=variables).run().raise_for_failure(),
        },
        args.runs,
        args.warm_up,
    )
    for name, figure in figures.items():
        print(f"  {name:20} {figure}")
    hand, ours = figures["by hand"], figures["odibi"]
    verdict("wall time in one JVM", ratio(ours.seconds, hand.seconds), LIMIT)
    side_by_side("new tables", hand.work[0], ours.work[0], args.detail)
    side_by_side("overwritten tables", hand.work[1], ours.work[1], args.detail)


def whole_processes(inputs: Path, work: Path, runs: int) -> None:
    """Both ways as commands: Python, JVM and session start, the job, the end."""
    from odibi.engine.spark.jars import found

    script, jars = str(HERE / "baselines" / "medallion_pyspark.py"), ",".join(map(str, found()))
    figures = in_turn(
        {
            "by hand": fresh(work / "hand", lambda out: [script, str(inputs), str(out), jars]),
            "odibi": fresh(work / "odibi", lambda out: ["-m", "odibi", "run", str(PROJECT), "--quiet",
                                                        "--set", f"DATA={inputs}", "--set", f"OUT={out}"]),
        },
        runs,
    )  # fmt: skip
    for name, figure in figures.items():
        print(f"  {name:20} {figure}")
    verdict("wall time of processes", ratio(figures["odibi"].seconds, figures["by hand"].seconds), LIMIT)


def main() -> None:
    """Measure all sizes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=float, nargs="+", default=[1e6])
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--warm-up", type=int, default=4, help="rounds before, at least 2")
    parser.add_argument("--processes", type=int, default=3, help="runs of whole processes; 0: none")
    parser.add_argument("--detail", action="store_true", help="list the jobs")
    args = parser.parse_args()
    head("medallion on Spark: CSV -> bronze -> silver (de-duplicated, joined, partitioned) -> gold, all Delta", NAMES)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for rows in map(int, args.rows):
            print(f"\n{rows:,} rows")
            inputs = data.make(folder / f"data-{rows}", rows)
            if args.runs:
                in_one_jvm(inputs, folder, args)
            if args.processes:
                whole_processes(inputs, folder, args.processes)
            for written in ("hand", "ours", "odibi"):
                shutil.rmtree(folder / written, ignore_errors=True)


if __name__ == "__main__":
    main()
