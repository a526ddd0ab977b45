"""Runs in a row: each must end with the right exit code, not hang, and say nothing at its end that is not ours.

python benchmarks/soak.py [--runs 200]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import data
from measure import HERE, head

PROJECTS = {"medallion.yaml": 0, "failing.yaml": 1, "python.yaml": 0}
"""A project and the exit code it must end with."""


def once(name: str, inputs: Path, out: Path) -> str:
    """Run a project; gives `ok`, or what was wrong."""
    command = [sys.executable, "-W", "error", "-m", "odibi", "run", str(HERE / "jobs" / name), "--quiet"]
    variables = ["--set", f"DATA={inputs}", "--set", f"OUT={out}"]
    try:
        done = subprocess.run([*command, *variables], capture_output=True, text=True, timeout=120, check=False)
    except subprocess.TimeoutExpired:
        return f"{name}: did not end"
    if done.returncode != PROJECTS[name]:
        return f"{name}: exit code {done.returncode}, not {PROJECTS[name]}: {done.stderr[-400:]}"
    odd = [
        line
        for line in done.stderr.splitlines()
        if "Warning" in line or "terminate" in line or "Exception ignored" in line
    ]
    return f"{name}: said {odd[0]!r}" if odd else "ok"


def main() -> None:
    """Run and count."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=200)
    args = parser.parse_args()
    head(f"{args.runs} runs in a row")
    with tempfile.TemporaryDirectory() as folder:
        inputs = data.make(Path(folder) / "data", 2000)
        names = list(PROJECTS)
        said = Counter(once(names[i % len(names)], inputs, Path(folder) / "out") for i in range(args.runs))
    for text, count in said.most_common():
        print(f"  {count:4} {text}")
    sys.exit(0 if set(said) == {"ok"} else 1)


if __name__ == "__main__":
    main()
