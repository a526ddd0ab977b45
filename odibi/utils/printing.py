"""How the helpers talk with `verbose=True`: lines on stdout, which a notebook shows below the cell."""

from __future__ import annotations

import sys

from odibi.secrets import scrub

GOOD, BAD, NEUTRAL = "✓", "✗", "-"
_PLAIN = {GOOD: "+", BAD: "x", NEUTRAL: "-"}


def say(text: str, verbose: bool = True) -> None:
    """Print a text without any secret that this process knows."""
    if verbose:
        print(_printable(scrub(text)))


def tell(mark: str, text: str, verbose: bool = True) -> None:
    """Print a line with its mark in front."""
    say(f"{mark} {text}", verbose)


def _printable(text: str) -> str:
    """The text as stdout can hold it: consoles of Windows have no marks."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        for sign, plain in _PLAIN.items():
            text = text.replace(sign, plain)
        return text.encode(encoding, "replace").decode(encoding)
    return text
