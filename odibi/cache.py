"""Where odibi keeps what it fetched once: Azurite, Spark's jars."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def cache_folder() -> Path:
    """ODIBI_CACHE_DIR, or the system's place for caches. It may not exist yet."""
    if chosen := os.environ.get("ODIBI_CACHE_DIR"):
        return Path(chosen).expanduser().absolute()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "odibi" / "cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "odibi"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "odibi"
