"""Where odibi keeps what it fetched once: Azurite, Spark's jars. And how it gets there: all of it, or nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from odibi.errors import AccessError

SECONDS = 900.0
"""How long a tool may take to fetch."""


def cache_folder() -> Path:
    """ODIBI_CACHE_DIR, or the system's place for caches. It may not exist yet."""
    if chosen := os.environ.get("ODIBI_CACHE_DIR"):
        return Path(chosen).expanduser().absolute()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "odibi" / "cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "odibi"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "odibi"


@contextmanager
def filling(folder: Path, is_whole: Callable[[Path], bool]) -> Iterator[Path]:
    """A private folder to fill, which takes the place of `folder` in one step where that went well. Where another
    process was faster, its folder stays; one that is not whole goes. Raises `AccessError`."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    except OSError as error:
        text = f"{folder.parent} can not be written to: {error.strerror}; ODIBI_CACHE_DIR names another folder"
        raise AccessError(text) from error
    try:
        yield aside
        if folder.exists() and not is_whole(folder):
            shutil.rmtree(folder)
        with suppress(OSError):
            aside.rename(folder)
        if not is_whole(folder):
            raise AccessError(f"{folder} can not be made; ODIBI_CACHE_DIR names another place")
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def fetch_with(tool: str, command: Sequence[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a tool that fetches into a folder; all that it says is in `stdout`. Raises `AccessError` where it does not
    end."""
    try:
        return subprocess.run(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise AccessError(f"{tool} did not end within {SECONDS:.0f} s; see whether its registry answers") from None
