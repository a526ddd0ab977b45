"""Azurite, the storage, and the front of the proxy: where they are, and a process of them that ends with ours."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from queue import Empty, Queue
from typing import Any

from odibi.errors import AccessError
from odibi.testing.azure.certificates import Certificates
from odibi.testing.azure.install import SandboxMissingError, azurite_folder, azurite_main, find_node

LAUNCHER = Path(__file__).with_name("launcher.js")
START_SECONDS = 60.0
MAX_SAID = 500
KNOWN = "known"
_LISTENS = re.compile(r"listens on https?://127\.0\.0\.1:(\d+)")
_FRONT = re.compile(r"^front at (\d+)")
_TO = "to "


class Azurite:
    """A running Azurite: `port` on 127.0.0.1, `pid`; `front` is the port of the proxy that clients talk to, and
    `connections` are the hosts that it connected to Azurite, in order."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._lines: Queue[str] = Queue()
        self._telling = threading.Lock()
        self.pid, self.port, self.front = process.pid, 0, 0
        self.connections: list[str] = []
        threading.Thread(target=self._listen, daemon=True, name="azurite-output").start()

    def set_accounts(self, accounts: Mapping[str, str]) -> None:
        """From now on these are the accounts, and their keys in base64."""
        self.tell(accounts=accounts_text(accounts))

    def tell(self, **message: Any) -> None:
        """Give the process a message, and wait until it has taken it, and `connections` is up to date."""
        with self._telling, contextlib.suppress(BrokenPipeError):  # it has ended, with the sandbox
            if self._process.stdin is None or self._process.poll() is not None:
                return
            self._process.stdin.write(json.dumps(message) + "\n")
            self._process.stdin.flush()
            while (line := self._lines.get(timeout=START_SECONDS)) and line.strip() != KNOWN:
                pass

    def _listen(self) -> None:
        """Take what it says: tunnels are noted, the rest is for those who wait."""
        with contextlib.suppress(ValueError, OSError):
            for line in self._process.stdout or ():
                if line.startswith(_TO):
                    self.connections.append(line.removeprefix(_TO).strip())
                else:
                    self._lines.put(line)
        self._lines.put("")

    def wait_until_it_listens(self) -> None:
        """Learn both ports. Raises `AccessError` where it ends instead."""
        said: list[str] = []
        while not self.port:
            try:
                line = self._lines.get(timeout=START_SECONDS)
            except Empty:
                line = ""
            if not line:
                raise AccessError(_why_not(" ".join(said)))
            if found := _FRONT.search(line):
                self.front = int(found[1])
                continue
            said.append(line.strip())
            if found := _LISTENS.search(line):
                self.port = int(found[1])


def _why_not(said: str) -> str:
    """Why it did not start, and what to do.

    >>> _why_not("Error: listen EADDRINUSE: address already in use 127.0.0.1:8080 at Server.setupListenHandle")
    'port 8080 of this machine is taken; name another one, or none for a free one'
    """
    if found := re.search(r"(EADDRINUSE|EACCES)\b.* 127\.0\.0\.1:(\d+)", said):
        state = "is taken" if found[1] == "EADDRINUSE" else "may not be used"
        return f"port {found[2]} of this machine {state}; name another one, or none for a free one"
    told = said.strip()[:MAX_SAID] or "nothing"
    return f"Azurite did not start; it said: {told}; to install it anew, delete the folder {azurite_folder()}"


def find_azurite() -> tuple[str, Path]:
    """Node.js and Azurite's main module. Raises `SandboxMissingError`."""
    node, main = find_node(), azurite_main()
    if main is None:
        raise SandboxMissingError("the offline Azure needs Azurite, which is not installed; run: odibi sandbox install")
    return node, main


@contextlib.contextmanager
def running_azurite(
    accounts: Mapping[str, str], certificates: Certificates, folder: Path, port: int = 0
) -> Iterator[Azurite]:
    """Azurite with these accounts, in memory, and the front on `port`. Raises `SandboxMissingError` where it is not
    installed."""
    node, main = find_azurite()
    command = [
        node,
        str(LAUNCHER),
        str(port),
        str(main),
        "--blobHost",
        "127.0.0.1",
        "--blobPort",
        "0",
        "--inMemoryPersistence",
    ]
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
        azurite = Azurite(process)
        azurite.wait_until_it_listens()
        yield azurite
    finally:
        _end(process)


def accounts_text(accounts: Mapping[str, str]) -> str:
    """The value of AZURITE_ACCOUNTS."""
    return ";".join(f"{name}:{key}" for name, key in accounts.items())


def _end(process: subprocess.Popen[str]) -> None:
    with contextlib.suppress(OSError):
        if process.stdin is not None:
            process.stdin.close()
    process.kill()  # it keeps nothing that would have to be written
    process.wait(10)
    if process.stdout is not None:
        process.stdout.close()
