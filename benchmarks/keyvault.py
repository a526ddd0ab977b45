"""Secrets of Key Vault: what odibi takes to fetch those of many connections, beside one after another and the bare SDK.

    python benchmarks/keyvault.py [--runs 7] [--latency 0.1]

The vaults and the identity endpoint are those of the offline Azure, in a process of their own; every request takes
`--latency` seconds there. "Cold" has no token, no client and no open connection yet, "warm" has all of them. The
libraries are imported before; what that costs stands below the table. Ends with 1 where a limit is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from measure import PYTHON, run_once

VAULTS = ("vault-a", "vault-b", "vault-c")
SECRETS = [(VAULTS[number % 3], f"key-{number}") for number in range(50)]
FIVE = [("vault-a", f"five-{number}") for number in range(5)]
IMPORTS = {
    "python alone": "pass",
    "import odibi.prefetch": "import odibi.prefetch",
    "azure.identity and azure.keyvault.secrets": "import azure.identity, azure.keyvault.secrets",
}

Run = Callable[[], None]


def serve(latency: float) -> None:
    """The offline Azure until stdin ends; its environment goes to stdout."""
    from odibi.testing.azure import azure_sandbox

    with azure_sandbox(accounts=["unusedacct"], vaults=VAULTS) as sandbox:
        for vault, name in [*SECRETS, *FIVE]:
            sandbox.set_secret(vault, name, f"value of {name} in {vault}")
        sandbox.fault("latency", seconds=latency)
        print(json.dumps(sandbox.env), flush=True)
        sys.stdin.read()


def with_bundle(env: dict[str, str], path: Path) -> dict[str, str]:
    """The environment, with a bundle of the size that users have: reading it is a good part of a connection."""
    import certifi

    path.write_text(Path(certifi.where()).read_text() + Path(env["REQUESTS_CA_BUNDLE"]).read_text())
    return {**env, "REQUESTS_CA_BUNDLE": str(path), "CURL_CA_BUNDLE": str(path)}


def forget() -> None:
    """As in a new process: no token, no client, no challenge of a vault."""
    from azure.keyvault.secrets._shared import http_challenge_cache

    from odibi.azure.identity import drop_shared

    drop_shared()
    http_challenge_cache.clear()


def in_parallel(which: list[tuple[str, str]]) -> None:
    """As a run does it."""
    from odibi.connections import AzureADLS
    from odibi.prefetch import prefetch

    prefetch(
        {f"c{n}": AzureADLS(f"account{n}", "lake", key_vault_name=v, secret_name=s) for n, (v, s) in enumerate(which)}
    )


def one_after_another(which: list[tuple[str, str]]) -> None:
    """The same needs, in turn."""
    from odibi.azure.keyvault import Secret

    for vault, name in which:
        Secret(vault, name).fetch(30)


def bare(which: list[tuple[str, str]]) -> None:
    """The SDK as its documentation shows it."""
    from azure.identity import DefaultAzureCredential
    from azure.keyvault.secrets import SecretClient

    credential = DefaultAzureCredential()
    clients: dict[str, SecretClient] = {}
    for vault, name in which:
        if vault not in clients:
            clients[vault] = SecretClient(f"https://{vault}.vault.azure.net", credential)
        clients[vault].get_secret(name)


def cases() -> dict[str, tuple[Run, bool]]:
    """Name to what is run, and whether it starts cold."""
    one = FIVE[:1]
    return {
        "1 secret, cold": (lambda: in_parallel(one), True),
        "5 secrets, cold": (lambda: in_parallel(FIVE), True),
        "5 secrets, cold, one after another": (lambda: one_after_another(FIVE), True),
        "50 secrets of 3 vaults, cold": (lambda: in_parallel(SECRETS), True),
        "50 secrets of 3 vaults, cold, one after another": (lambda: one_after_another(SECRETS), True),
        "1 secret, warm": (lambda: in_parallel(one), False),
        "5 secrets, warm": (lambda: in_parallel(FIVE), False),
        "5 secrets, warm, one after another": (lambda: one_after_another(FIVE), False),
        "50 secrets of 3 vaults, warm": (lambda: in_parallel(SECRETS), False),
        "1 secret, cold, bare SDK": (lambda: bare(one), True),
        "5 secrets, cold, bare SDK": (lambda: bare(FIVE), True),
    }


def measured(runs: int) -> dict[str, list[float]]:
    """Milliseconds of every case, the cases in turn."""
    told: dict[str, list[float]] = {}
    for number in range(-1, runs):
        for name, (run, cold) in cases().items():
            if "one after another" in name and "50" in name and number > 1:
                continue  # ten seconds each
            if cold:
                forget()
            else:
                run()
            began = time.perf_counter()
            run()
            if number >= 0:
                told.setdefault(name, []).append((time.perf_counter() - began) * 1000)
    return told


def judged(middle: Mapping[str, float]) -> list[tuple[str, float, float]]:
    """What must hold: text, figure, limit."""
    return [
        ("5 warm, ms", middle["5 secrets, warm"], 200.0),
        ("5 cold / 1 cold", middle["5 secrets, cold"] / middle["1 secret, cold"], 1.25),
        ("50 of 3 vaults cold / 1 cold", middle["50 secrets of 3 vaults, cold"] / middle["1 secret, cold"], 2.0),
    ]


def main() -> int:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--latency", type=float, default=0.1)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        serve(given.latency)
        return 0
    command = [sys.executable, __file__, "--serve", "--latency", str(given.latency)]
    server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert server.stdin is not None
    assert server.stdout is not None
    try:
        with tempfile.TemporaryDirectory() as folder:
            os.environ.update(with_bundle(json.loads(server.stdout.readline()), Path(folder, "bundle.pem")))
            figures = measured(given.runs)
    finally:
        server.stdin.close()
        server.wait(30)
    for name, each in figures.items():
        print(f"{name:50} {statistics.median(each):8.0f} ms   ({min(each):.0f} to {max(each):.0f})")
    print()
    for name, statement in IMPORTS.items():
        took = statistics.median(run_once([*PYTHON, "-c", statement])[0] for _ in range(5))
        print(f"{name:50} {took * 1000:8.0f} ms")
    print()
    held = judged({name: statistics.median(each) for name, each in figures.items()})
    for text, figure, limit in held:
        print(f"{text:50} {figure:8.2f}   at most {limit:g}: {'ok' if figure <= limit else 'MISSED'}")
    return 0 if all(figure <= limit for _, figure, limit in held) else 1


if __name__ == "__main__":
    sys.exit(main())
