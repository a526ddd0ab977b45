"""Azurite, the storage: where it is, and a process of it that ends with ours."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from queue import Empty, Queue

from odibi.testing.azure.certificates import Certificates
from odibi.testing.azure.install import SandboxMissingError, azurite_main, find_node

LAUNCHER = Path(__file__).with_name("launcher.js")
START_SECONDS = 60.0
_LISTENS = re.compile(r"listens on https?://127\.0\.0\.1:(\d+)")


class Azurite:
    """A running Azurite: `port` on 127.0.0.1, `pid`."""

    def __init__(self, process: subprocess.Popen[str], port: int, lines: Queue[str]) -> None:
        self._process, self.port, self._lines = process, port, lines
        self.pid = process.pid

    def set_accounts(self, accounts: Mapping[str, str]) -> None:
        """From now on these are the accounts, and their keys in base64."""
        if self._process.stdin is None:
            raise RuntimeError("Azurite was started without a pipe")
        while not self._lines.empty():
            self._lines.get_nowait()
        self._process.stdin.write(f"{accounts_text(accounts)}\n")
        self._process.stdin.flush()
        self._lines.get(timeout=START_SECONDS)


def find_azurite() -> tuple[str, Path]:
    """Node.js and Azurite's main module. Raises `SandboxMissingError`."""
    node, main = find_node(), azurite_main()
    if main is None:
        raise SandboxMissingError("the offline Azure needs Azurite, which is not installed; run: odibi sandbox install")
    return node, main


@contextlib.contextmanager
def running_azurite(accounts: Mapping[str, str], certificates: Certificates, folder: Path) -> Iterator[Azurite]:
    """Azurite with these accounts, in memory. Raises `SandboxMissingError` where it is not installed."""
    node, main = find_azurite()
    command = [node, str(LAUNCHER), str(main), "--blobHost", "127.0.0.1", "--blobPort", "0", "--inMemoryPersistence"]
    command += ["--skipApiVersionCheck", "--disableTelemetry", "--silent", "--oauth", "basic"]
    command += ["--cert", str(certificates.certificate), "--key", str(certificates.key)]
    environment = {**os.environ, "AZURITE_ACCOUNTS": accounts_text(accounts)}
    environment.pop("NODE_OPTIONS", None)
    process = subprocess.Popen(
        command,
        env=environment,
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
        start_new_session=os.name != "nt",  # Ctrl-C is for us, who end it afterwards
        creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
    )
    try:
        lines: Queue[str] = Queue()
        port = _wait_until_it_listens(process, lines)
        yield Azurite(process, port, lines)
    finally:
        _end(process)


def accounts_text(accounts: Mapping[str, str]) -> str:
    """The value of AZURITE_ACCOUNTS."""
    return ";".join(f"{name}:{key}" for name, key in accounts.items())


def _wait_until_it_listens(process: subprocess.Popen[str], lines: Queue[str]) -> int:
    """The port; later lines go to `lines`."""

    def pump() -> None:
        with contextlib.suppress(ValueError, OSError):
            for line in process.stdout or ():
                lines.put(line)
        lines.put("")

    threading.Thread(target=pump, daemon=True, name="azurite-output").start()
    said: list[str] = []
    while True:
        try:
            line = lines.get(timeout=START_SECONDS)
        except Empty:
            line = ""
        if not line:
            raise RuntimeError(f"Azurite did not start; it said: {' '.join(said).strip() or 'nothing'}")
        said.append(line.strip())
        if found := _LISTENS.search(line):
            return int(found[1])


def _end(process: subprocess.Popen[str]) -> None:
    with contextlib.suppress(OSError):
        if process.stdin is not None:
            process.stdin.close()
    process.kill()  # it keeps nothing that would have to be written
    process.wait(10)
    if process.stdout is not None:
        process.stdout.close()
