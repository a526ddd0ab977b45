"""What a node costs on Spark: a chain of SQL nodes of which the last is written, against the same chain of `spark.sql`.

python benchmarks/chain_spark.py [--nodes 100] [--runs 7]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path
from typing import Any

from measure import head
from measure_spark import NAMES, rounds, side_by_side

from odibi import Pipeline
from odibi.engine import SparkEngine

FIRST = "SELECT id, id * 2 AS v FROM range(10)"
LIMIT = 20
"""Milliseconds a node."""


def project(folder: Path, nodes: int) -> Path:
    """A project file with the chain."""
    lines = [
        "engine: spark",
        "connections: {lake: {type: local, base_path: lake}}",
        "pipelines:",
        "  - pipeline: chain",
        "    nodes:",
        f"      - {{name: n0, transform: {{steps: ['{FIRST}']}}}}",
    ]
    for i in range(1, nodes):
        write = ", write: {connection: lake, path: t}" if i == nodes - 1 else ""
        step = f"SELECT id, v + {i} AS v FROM n{i - 1}"
        lines.append(f"      - {{name: n{i}, depends_on: [n{i - 1}], transform: {{steps: ['{step}']}}{write}}}")
    path = folder / "chain.yaml"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def by_hand(spark: Any, folder: Path, nodes: int) -> None:
    """The same in PySpark."""
    frame = spark.sql(FIRST)
    for i in range(1, nodes):
        frame = spark.sql(f"SELECT id, v + {i} AS v FROM {{previous}}", previous=frame)
    frame.write.format("delta").mode("overwrite").save(str(folder / "by_hand"))


def main() -> None:
    """Measure the chain in one warm JVM."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, default=100)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--warm-up", type=int, default=3)
    parser.add_argument("--detail", action="store_true", help="list the jobs")
    args = parser.parse_args()
    head(f"chain of {args.nodes} SQL nodes on Spark, in one JVM", NAMES)
    spark = SparkEngine().spark
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file = project(folder, args.nodes)
        figures = rounds(
            spark,
            {
                "by hand": lambda: by_hand(spark, folder, args.nodes),
                "odibi": lambda: Pipeline.from_yaml(file).run().raise_for_failure(),
            },
            args.runs,
            args.warm_up,
        )
    for label, figure in figures.items():
        print(f"  {label:20} {figure}")
    hand, ours = figures["by hand"], figures["odibi"]
    each = statistics.median(
        (a - b) / args.nodes * 1000 for a, b in zip(ours.seconds, hand.seconds, strict=True)
    )  # of rounds that stood beside each other
    print(f"  {'ok  ' if each <= LIMIT else 'OVER'} {each:.1f} ms a node over by hand (asked: at most {LIMIT} ms)")
    side_by_side("overwritten table", hand.work[1], ours.work[1], args.detail)


if __name__ == "__main__":
    main()
