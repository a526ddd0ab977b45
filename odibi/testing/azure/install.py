"""`odibi sandbox install`: Azurite in the user's cache folder."""

from __future__ import annotations

import os
import sys
from pathlib import Path

VERSION = "3.37.0"
MAIN = "node_modules/azurite/dist/src/blob/main.js"


def cache_folder() -> Path:
    """Where odibi keeps what it fetched: ODIBI_CACHE_DIR, or the system's place for caches."""
    if chosen := os.environ.get("ODIBI_CACHE_DIR"):
        return Path(chosen).expanduser()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "odibi" / "cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "odibi"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "odibi"


def azurite_folder() -> Path:
    """The folder of the pinned version."""
    return cache_folder() / f"azurite-{VERSION}"


def azurite_main() -> Path | None:
    """The module that starts Azurite: AZURITE_MAIN, or the installed one; None where it is not installed."""
    chosen = os.environ.get("AZURITE_MAIN")
    main = Path(chosen) if chosen else azurite_folder() / MAIN
    return main if main.is_file() else None
