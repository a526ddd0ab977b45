"""`odibi` and `python -m odibi`: the command line. Nothing heavy is imported before a command is known."""

from __future__ import annotations

import sys


def main(argv: list[str] | None = None) -> int:
    """Run the command line; gives the exit code (0 fine, 1 failed, 2 wrong configuration, 3 a bug, 130 interrupted)."""
    arguments = sys.argv[1:] if argv is None else argv
    if arguments in (["--version"], ["-V"]):
        from odibi._version import __version__

        print(f"odibi {__version__}")  # noqa: T201 - the command line talks
        return 0
    from odibi.cli import run_command

    return run_command(arguments)


if __name__ == "__main__":
    sys.exit(main())
