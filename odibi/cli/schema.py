"""`odibi schema`: print the JSON Schema of project files, for editors."""

from __future__ import annotations

import argparse

from odibi.cli.ui import UI


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`schema` has no arguments of its own."""


def run(args: argparse.Namespace, ui: UI) -> int:
    """Print the schema."""
    from odibi.schema import json_schema

    ui.dump(json_schema())
    return 0
