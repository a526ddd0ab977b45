"""What a node costs: chains of trivial SQL nodes against the same chain of bare DuckDB tables; and start-up.

python benchmarks/chain.py [--runs 5]
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from measure import HERE, PYTHON, head, in_turn, ratio, verdict


def project(folder: Path, nodes: int) -> str:
    """A project file with a chain of trivial nodes."""
    lines = [
        "connections: {}",
        "pipelines:",
        "  - pipeline: chain",
        "    nodes:",
        "      - name: n0",
        "        transform: {steps: ['SELECT i AS id, i * 2 AS v FROM range(10) t(i)']}",
    ]
    for i in range(1, nodes):
        lines += [
            f"      - name: n{i}",
            f"        depends_on: [n{i - 1}]",
            f"        transform: {{steps: ['SELECT id, v + 1 AS v FROM n{i - 1}']}}",
        ]
    path = folder / f"chain-{nodes}.yaml"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(path)


def main() -> None:
    """Measure the chains, `--version` and `validate`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    args = parser.parse_args()
    head("chain of trivial SQL nodes, whole process")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        small, large = project(folder, 200), project(folder, 2000)
        odibi = [*PYTHON, "-m", "odibi"]
        figures = in_turn(
            {
                "DuckDB, 200": lambda _: [*PYTHON, str(HERE / "baselines" / "chain_duckdb.py"), "200"],
                "odibi, 200": lambda _: [*odibi, "run", small, "--quiet"],
                "odibi, 2000": lambda _: [*odibi, "run", large, "--quiet"],
                "odibi --version": lambda _: [*odibi, "--version"],
                "odibi validate, 200": lambda _: [*odibi, "validate", small],
                "empty Python": lambda _: [*PYTHON, "-c", "pass"],
            },
            args.runs,
        )
    for label, figure in figures.items():
        print(f"  {label:20} {figure}")
    verdict("200 nodes against DuckDB tables", ratio(figures["odibi, 200"].seconds, figures["DuckDB, 200"].seconds), 2)
    verdict("2,000 nodes against 200", ratio(figures["odibi, 2000"].seconds, figures["odibi, 200"].seconds), 12)
    print("  asked: --version at most 0.25 s, validate at most 1 s")


if __name__ == "__main__":
    main()
