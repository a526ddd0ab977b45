"""`odibi demo`: run the flights demo on real data."""

from __future__ import annotations

import argparse
from pathlib import Path

from odibi.cli.ui import UI


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `demo`."""
    parser.add_argument("--dir", type=Path, default=Path("odibi-demo"), help="folder of the demo (default odibi-demo)")


def run(args: argparse.Namespace, ui: UI) -> int:
    """Run the demo."""
    from odibi.demo import run_demo

    return run_demo(args.dir, ui)
