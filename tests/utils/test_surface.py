"""What the helpers cost to import, and how they print."""

from __future__ import annotations

import io
import json
import subprocess
import sys

import pytest

from odibi.secrets import forget, remember
from odibi.utils.printing import say, tell


def test_the_helpers_load_nothing_of_azure_until_it_is_needed() -> None:
    script = (
        "import json, sys; import odibi.utils\n"
        "odibi.utils.configure_connections_parallel({'lake': {'type': 'local', 'base_path': 'x'}}, verbose=False)\n"
        "print(json.dumps(sorted(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    loaded = set(json.loads(done.stdout))
    assert not loaded & {"azure.identity", "azure.core", "azure.keyvault.secrets", "obstore", "duckdb", "pandas"}


def test_what_is_printed_holds_no_secret(capsys: pytest.CaptureFixture[str]) -> None:
    remember("a-secret-of-the-vault")
    try:
        tell("✗", "refused: a-secret-of-the-vault")
    finally:
        forget()
    out = capsys.readouterr().out
    assert out.startswith("✗ refused: ")
    assert "a-secret-of-the-vault" not in out


def test_a_console_without_marks_gets_plain_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    console = io.TextIOWrapper(io.BytesIO(), encoding="cp1252")
    monkeypatch.setattr(sys, "stdout", console)
    say("✓ bronze\n✗ gold …")
    console.flush()
    assert console.buffer.getvalue().replace(b"\r\n", b"\n") == b"+ bronze\nx gold \x85\n"  # type: ignore[attr-defined]
