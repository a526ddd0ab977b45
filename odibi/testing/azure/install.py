"""`odibi sandbox install`: Azurite, with npm, in the user's cache folder.

What is installed is pinned by the lock file beside this module, down to the contents of each package. It names no
registry: npm asks the one of the user's settings.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from odibi.cache import cache_folder, fetch_with, filling
from odibi.errors import AccessError, DataNotFoundError

VERSION = "3.37.0"
MAIN = "node_modules/azurite/dist/src/blob/main.js"
OLDEST_NODE = 20
MEGABYTES = 190
PACKAGE = Path(__file__).with_name("azurite_package")
_OFFLINE = ("ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ECONNRESET", "ETIMEDOUT", "ENETUNREACH", "FETCH_ERROR")
_GET_NODE = (
    f"install Node.js {OLDEST_NODE} or newer, with npm (nodejs.org, or your system's package manager), then run: "
    "odibi sandbox install"
)


class SandboxMissingError(DataNotFoundError):
    """Node.js, npm or Azurite is not installed; the text says what installs it."""


@dataclass(frozen=True)
class Installed:
    """Where Azurite is; `new` when this call has installed it."""

    folder: Path
    version: str
    new: bool


def azurite_folder() -> Path:
    """The folder of the pinned version."""
    return cache_folder() / f"azurite-{VERSION}"


def azurite_main() -> Path | None:
    """The module that starts Azurite: AZURITE_MAIN, or the installed one; None where it is not installed."""
    chosen = os.environ.get("AZURITE_MAIN")
    main = Path(chosen) if chosen else azurite_folder() / MAIN
    return main if main.is_file() else None


def find_node() -> str:
    """Node.js: AZURITE_NODE, or the one on the PATH. Raises `SandboxMissingError` for none and for one too old."""
    node = os.environ.get("AZURITE_NODE") or shutil.which("node")
    if not node:
        raise SandboxMissingError(f"the offline Azure needs Node.js, and there is no `node` on the PATH; {_GET_NODE}")
    try:
        said = subprocess.run(
            [node, "--version"], capture_output=True, text=True, timeout=30, check=True
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError) as error:
        raise SandboxMissingError(f"the offline Azure needs Node.js; {node} does not run: {error}") from None
    major = re.match(r"v(\d+)\.", said)
    if major and int(major[1]) < OLDEST_NODE:
        raise SandboxMissingError(f"the offline Azure needs a newer Node.js than {said} ({node}); {_GET_NODE}")
    return node


def install() -> Installed:
    """Install the pinned Azurite; does nothing where it is there. Raises `SandboxMissingError` without Node.js or npm,
    `AccessError` when npm fails. Either all of it is there afterwards, or nothing."""
    folder = azurite_folder()
    if _is_whole(folder):
        return Installed(folder, VERSION, new=False)
    find_node()
    npm = shutil.which("npm")
    if npm is None:
        raise SandboxMissingError(f"there is Node.js, but no `npm` on the PATH; {_GET_NODE}")
    with filling(folder, _is_whole) as aside:
        _fetch(npm, aside)
    return Installed(folder, VERSION, new=True)


def _fetch(npm: str, folder: Path) -> None:
    """`npm ci` in a folder."""
    for name in ("package.json", "package-lock.json"):
        shutil.copyfile(PACKAGE / name, folder / name)
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error"]
    command += ["--fetch-retries=1", "--fetch-retry-mintimeout=1000"]
    done = fetch_with("npm", command, folder)
    if done.returncode or not _is_whole(folder):
        raise AccessError(_what_npm_said(done.stdout))


def _is_whole(folder: Path) -> bool:
    return (folder / MAIN).is_file()


def _what_npm_said(text: str) -> str:
    """npm's own complaint, and what to do."""
    prefixes = r"^npm (?:error|ERR!)\s*"
    lines = [re.sub(prefixes, "", line).strip() for line in text.splitlines() if re.match(prefixes, line)]
    said = [line for line in lines if line and not line.startswith(("A complete log", "code ", "errno ", "syscall "))]
    cause = " ".join(said[:2]).partition(" at ")[0] or text.strip()[-300:] or "nothing"
    if any(word in text for word in _OFFLINE):
        hint = "npm could not reach its registry; see `npm config get registry`, and HTTPS_PROXY where there is a proxy"
    else:
        hint = "`npm config get registry` shows whom it asked"
    return f"npm could not install Azurite {VERSION}: {cause}; {hint}"
