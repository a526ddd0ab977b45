"""`odibi sandbox`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

CSV = "id,amount\n1,5\n2,50\n"
PROJECT = """
key_vault_name: company-kv
connections:
  bronze: {type: azure_adls, account: bronzeacct, secret_name: bronze-key}
  gold: {type: azure_adls, account: goldacct, container: reports, path_prefix: sales, secret_name: gold-key}
pipelines:
  - pipeline: sales
    nodes:
      - name: big
        read: {connection: bronze, path: sales.csv}
        transform: {steps: ["SELECT * FROM current WHERE amount > ${LIMIT:-10}"]}
        write: {connection: gold, path: big.csv}
story: {auto_generate: false}
"""
MODES = """
connections:
  bronze: {type: azure_adls, account: bronzeacct, auth_mode: direct_key, account_key: "a2V5IG9mIHRoZSBmaWxl"}
  machine: {type: azure_adls, account: machineacct, container: raw, auth_mode: managed_identity, client_id: of-it}
  app: {type: azure_adls, account: appacct, container: raw, auth_mode: service_principal,
        client_id: app-1, tenant_id: tenant-1, client_secret: "${APP_SECRET}"}
  signed: {type: azure_adls, account: signedacct, container: raw, auth_mode: sas,
           sas_token: "sv=2022-11-02&ss=b&srt=sco&sp=rwdlac&se=2999-01-01T00:00:00Z&sig=c2lnbmVk%2Bc29tZXdoZXJl%3D"}
  chain: {type: azure_adls, account: chainacct, container: raw, auth_mode: default}
  china: {type: azure_adls, account: chinaacct, container: raw, auth_mode: default,
          endpoint_suffix: core.chinacloudapi.cn}
pipelines:
  - pipeline: copies
    nodes:
      - {name: sales, read: {connection: bronze, path: sales.csv}}
      - {name: machine, depends_on: [sales], write: {connection: machine, path: sales.csv}}
      - {name: app, depends_on: [sales], write: {connection: app, path: sales.csv}}
      - {name: signed, depends_on: [sales], write: {connection: signed, path: sales.csv}}
      - {name: chain, depends_on: [sales], write: {connection: chain, path: sales.csv}}
      - {name: china, depends_on: [sales], write: {connection: china, path: sales.csv}}
story: {auto_generate: false}
"""


@pytest.fixture
def files(tmp_path, azure_server):
    """A production file and a seed for it; `azure_server` skips where there is no Azurite."""
    (tmp_path / "prod.yaml").write_text(PROJECT)
    data = tmp_path / "seed" / "bronzeacct" / "bronze" / "sales.csv"
    data.parent.mkdir(parents=True)
    data.write_text(CSV)
    return tmp_path


def children_of(parent: int, word: bytes) -> list[int]:
    """The child processes with a word in their command line (Linux)."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            fields = (place / "stat").read_text().rpartition(")")[2].split()
            if int(fields[1]) == parent and word in (place / "cmdline").read_bytes():
                found.append(int(place.name))
    return found


def is_alive(number: int) -> bool:
    """Whether a process is there, and more than the memory of one (Linux)."""
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_until(condition, seconds=30.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


def test_an_unmodified_production_file_runs(process, files):
    called = process(
        "sandbox", "run", files / "prod.yaml", "--seed", files / "seed", "--save", files / "out", "--json"
    ).finish()
    assert called.code == 0, called.err
    assert called.json["pipelines"]["sales"]["completed"] == ["big"]
    assert (files / "out" / "goldacct" / "reports" / "sales" / "big.csv").read_text() == "id,amount\n2,50\n"
    assert (files / "out" / "bronzeacct" / "bronze" / "sales.csv").read_text() == CSV


def test_arguments_of_run_are_handed_on(process, files):
    called = process(
        "sandbox", "run", "--seed", files / "seed", "--config", files / "prod.yaml", "--set", "LIMIT=1", "-p", "sales",
        "--save", files / "out", "--workers", "1",
    ).finish()  # fmt: skip
    assert called.code == 0, called.err
    assert (files / "out" / "goldacct" / "reports" / "sales" / "big.csv").read_text() == CSV
    assert "sandbox: bronzeacct, goldacct, company-kv (2 secrets), 1 file; ready in" in called.err
    assert "saved in" in called.err


def test_what_was_saved_is_a_seed(process, files):
    seed, out = files / "seed", files / "out"
    assert process("sandbox", "run", files / "prod.yaml", "--seed", seed, "--save", out).finish().code == 0
    again = process("sandbox", "run", files / "prod.yaml", "--seed", out, "--set", "LIMIT=1", "-q").finish()
    assert again.code == 0, again.err


def test_every_way_to_get_access_works(process, files):
    (files / "modes.yaml").write_text(MODES)
    env = {"APP_SECRET": "secret~of~the~app", "AZURE_CLIENT_ID": "of-the-shell", "AZURE_STORAGE_CONNECTION_STRING": "x"}
    called = process(
        "sandbox", "run", files / "modes.yaml", "--seed", files / "seed", "--save", files / "out", env=env
    ).finish()
    assert called.code == 0, called.err
    assert "secret~of~the~app" not in called.err
    for account in ("machineacct", "appacct", "signedacct", "chainacct", "chinaacct"):
        assert (files / "out" / account / "raw" / "sales.csv").read_text() == CSV


def test_a_variable_of_the_shell_that_the_file_asks_for_stays(process, files):
    text = MODES.replace("${APP_SECRET}", "${AZURE_CLIENT_SECRET}")
    (files / "modes.yaml").write_text(text)
    env = {"AZURE_CLIENT_SECRET": "secret~of~the~app"}
    called = process("sandbox", "run", files / "modes.yaml", "--seed", files / "seed", "-n", "app", env=env).finish()
    assert called.code == 0, called.err


def test_a_run_that_fails_gives_its_exit_code(process, files):
    called = process("sandbox", "run", files / "prod.yaml").finish()
    assert called.code == 1
    assert "sales.csv" in called.err


def test_hosts_that_are_not_part_of_it_are_told(process, files):
    (files / "functions.py").write_text(
        "import urllib.request\nfrom odibi import transform\n\n@transform\ndef leave(context, current):\n"
        "    try:\n        urllib.request.urlopen('https://example.com/', timeout=5)\n"
        "    except OSError as error:\n        print(error)\n    return current\n"
    )
    text = PROJECT.replace("steps: [", "steps: [{function: leave}, ") + "transforms: [functions.py]\n"
    (files / "prod.yaml").write_text(text)
    called = process("sandbox", "run", files / "prod.yaml", "--seed", files / "seed").finish()
    assert called.code == 0, called.err
    assert "refused, for it is not part of the sandbox: example.com" in called.err


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            "auth_mode: direct_key, account_key: no-base64!",
            "account_key: is no base64, and the sandbox",
        ),
        ("secret_name: bronze-key", "secret 'bronze-key' of vault 'company-kv' would hold the keys of two accounts"),
        ("auth_mode: default, endpoint_suffix: core.example.net", "the sandbox does not play 'core.example.net'"),
    ],
)
def test_a_file_that_can_not_be_played_is_told_with_its_place(odibi, tmp_path, settings, said):
    file = tmp_path / "prod.yaml"
    file.write_text(
        f"key_vault_name: company-kv\nconnections:\n"
        f"  bronze: {{type: azure_adls, account: bronzeacct, secret_name: bronze-key}}\n"
        f"  other: {{type: azure_adls, account: otheracct, {settings}}}\n"
    )
    called = odibi("sandbox", "run", file)
    assert called.code == 2
    assert f"{file}:4:" in called.err
    assert said in called.err


def test_two_keys_of_one_account_are_told(odibi, tmp_path):
    file = tmp_path / "prod.yaml"
    line = "{{type: azure_adls, account: anacct, auth_mode: direct_key, account_key: {}}}"
    file.write_text(f"connections:\n  one: {line.format('b25l')}\n  two: {line.format('dHdv')}\n")
    called = odibi("sandbox", "run", file)
    assert called.code == 2
    assert "is another key of account 'anacct' than that of connection 'one'" in called.err
    assert "dHdv" not in called.err


def test_a_spark_that_can_not_speak_to_it_is_told(odibi, tmp_path, monkeypatch):
    pytest.importorskip("pyspark")
    (tmp_path / "jars").mkdir()
    for name in ("spark-core_2.13-4.0.1.jar", "hadoop-client-api-3.4.1.jar"):
        (tmp_path / "jars" / name).touch()
    monkeypatch.setenv("SPARK_HOME", str(tmp_path))
    (tmp_path / "prod.yaml").write_text(PROJECT)
    called = odibi("sandbox", "run", str(tmp_path / "prod.yaml"), "--engine", "spark")
    assert called.code == 1
    assert "error: Spark's Hadoop here is 3.4.1, whose driver can not speak to the offline Azure" in called.err


def test_nothing_old_is_mixed_with_what_is_saved(odibi, tmp_path):
    (tmp_path / "prod.yaml").write_text(PROJECT)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "old").touch()
    called = odibi("sandbox", "run", tmp_path / "prod.yaml", "--save", tmp_path / "out")
    assert called.code == 2
    assert "is there already; name a new folder with --save" in called.err


def test_mistakes_in_a_seed_have_a_place(odibi, tmp_path):
    (tmp_path / "prod.yaml").write_text(PROJECT)
    (tmp_path / "seed.yaml").write_text("accounts:\n  bronzeacct: {Bronze: null}\nvault: {}\n")
    called = odibi("sandbox", "run", tmp_path / "prod.yaml", "--seed", tmp_path / "seed.yaml")
    assert called.code == 2
    assert "seed.yaml:3:1: vault: unknown key" in called.err


def test_faults_can_be_switched_on(process, files):
    words = ["sandbox", "run", files / "prod.yaml", "--seed", files / "seed"]
    called = process(*words, "--fault", "403,host=company-kv,code=ForbiddenByRbac").finish()
    assert called.code == 1
    assert "company-kv" in called.err


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("403,hots=x", "'hots=x' is no option of a fault; write option=value, with host, path"),
        ("latencie", "unknown fault 'latencie'; did you mean 'latency'?"),
        ("latency,seconds=x", "'x' is no number, which seconds is"),
        ("status", "needs a status"),
    ],
)
def test_wrong_faults_are_told(odibi, tmp_path, fault, said):
    called = odibi("sandbox", "run", tmp_path / "prod.yaml", "--fault", fault)
    assert called.code == 2
    assert said in called.err


def test_unknown_options_are_told(odibi, tmp_path):
    called = odibi("sandbox", "run", tmp_path / "prod.yaml", "--sead", "x")
    assert called.code == 2
    assert "unknown option '--sead' (did you mean '--seed'?); `odibi" in called.err


def environment_of(started) -> dict[str, object]:
    """What a sandbox printed as JSON."""
    text = ""
    while True:
        line = started.popen.stdout.readline()
        assert line, started.popen.stderr.read()
        text += line
        if line == "}\n":
            return json.loads(text)


def test_start_prints_an_environment_that_works_and_stays(process, files):
    started = process("sandbox", "start", "--from", files / "prod.yaml", "--seed", files / "seed", "--json")
    data = environment_of(started)
    assert list(data["accounts"]) == ["bronzeacct", "goldacct"]
    assert {"HTTPS_PROXY", "SSL_CERT_FILE"} <= data["env"].keys()
    assert "AZURE_CLIENT_ID" in data["unset"]
    called = process("run", files / "prod.yaml", env=data["env"]).finish()
    assert called.code == 0, called.err
    started.popen.send_signal(signal.SIGINT)
    assert started.finish().code == 0


@pytest.mark.skipif(sys.platform == "win32", reason="bash")
def test_bash_takes_what_start_prints(process, files):
    started = process("sandbox", "start", "--from", files / "prod.yaml", "--shell", "bash")
    lines = []
    while len(lines) < 12:
        lines.append(started.popen.stdout.readline())
        assert lines[-1], started.popen.stderr.read()
    script = "".join(lines) + 'echo "$HTTPS_PROXY|$AZURE_CLIENT_ID"\n'
    env = {**os.environ, "AZURE_CLIENT_ID": "of-the-shell"}
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, env=env, check=True, timeout=60)
    assert done.stdout.startswith("http://127.0.0.1:")
    assert done.stdout.endswith("|\n")
    started.popen.send_signal(signal.SIGTERM)
    assert started.finish().code == 0


def test_powershell_quotes(azure_server):
    from odibi.cli.sandbox import environment_text

    text = environment_text(azure_server, "powershell")
    assert "$env:HTTPS_PROXY = 'http://127.0.0.1:" in text
    assert "Remove-Item Env:AZURE_CLIENT_ID" in text


SLOW = """
import time
from odibi import transform

@transform
def wait(context, current):
    print("waiting", flush=True)
    time.sleep(60)
    return current
"""


@pytest.fixture
def slow(files):
    """A project that takes a minute."""
    (files / "functions.py").write_text(SLOW)
    text = PROJECT.replace("steps: [", "steps: [{function: wait}, ") + "transforms: [functions.py]\n"
    (files / "prod.yaml").write_text(text)
    return files


def wait_for_output(started, text: str) -> None:
    while True:
        line = started.popen.stdout.readline()
        assert line, started.popen.stderr.read()
        if text in line:
            return


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")
def test_ctrl_c_reaches_the_run_once_and_nothing_stays(process, slow):
    started = process("sandbox", "run", slow / "prod.yaml", "--seed", slow / "seed", start_new_session=True)
    wait_for_output(started, "waiting")
    children = children_of(started.popen.pid, b"")
    os.killpg(started.popen.pid, signal.SIGINT)  # as a terminal does
    started.wait_for("stopping; once more leaves at once")
    time.sleep(0.5)
    assert started.popen.poll() is None  # a second one did not arrive
    os.killpg(started.popen.pid, signal.SIGINT)
    called = started.finish()
    assert called.code == 130
    assert called.err.count("left at once") == 1
    assert not [number for number in children if is_alive(number)]


@pytest.mark.skipif(os.name == "nt", reason="sends a signal to one process")
def test_an_interrupt_does_not_wait_for_a_vault_that_hangs(process, files):
    fault = ("--fault", "hang,host=company-kv")
    started = process("sandbox", "run", files / "prod.yaml", "--seed", files / "seed", *fault)
    started.wait_for("ready in")
    time.sleep(3)  # the run has begun to wait
    started.popen.send_signal(signal.SIGINT)
    began = time.monotonic()
    called = started.finish()
    assert called.code == 130, called.err
    assert time.monotonic() - began < 10
    assert "interrupted: the run was interrupted" in called.err
    assert "leaked" not in called.err


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")
def test_nothing_survives_a_killed_parent(process, slow):
    started = process("sandbox", "run", slow / "prod.yaml", "--seed", slow / "seed")
    wait_for_output(started, "waiting")
    azurites = children_of(started.popen.pid, b"launcher.js")
    runs = children_of(started.popen.pid, b"prod.yaml")
    assert azurites
    assert runs
    started.popen.kill()
    wait_until(lambda: not [number for number in azurites + runs if is_alive(number)])


def test_start_ends_with_its_parent(tmp_path, azure_server):
    script = (
        "import subprocess, sys, time\n"
        "p = subprocess.Popen([sys.executable, '-m', 'odibi', 'sandbox', 'start', '--json'], stdout=subprocess.PIPE)\n"
        "p.stdout.readline(); print(p.pid, flush=True); time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    number = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    parent.stdout.close()
    if sys.platform.startswith("linux"):
        wait_until(lambda: not is_alive(number))


# -- install -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ODIBI_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("AZURITE_MAIN", raising=False)
    monkeypatch.delenv("AZURITE_NODE", raising=False)
    return tmp_path / "cache"


def programs(folder: Path, monkeypatch, **scripts: str) -> None:
    """The only programs on the PATH, as shell scripts."""
    folder.mkdir()
    for name, text in scripts.items():
        (folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", os.pathsep.join([str(folder), "/bin", "/usr/sbin"] if scripts else [str(folder)]))


NPM = """
/bin/mkdir -p node_modules/azurite/dist/src/blob
echo > node_modules/azurite/dist/src/blob/main.js
"""
posix = pytest.mark.skipif(sys.platform == "win32", reason="programs are shell scripts here")


def test_install_without_node_says_what_to_install(odibi, cache, tmp_path, monkeypatch):
    programs(tmp_path / "bin", monkeypatch)
    called = odibi("sandbox", "install")
    assert called.code == 2
    assert "needs Node.js, and there is no `node` on the PATH; install Node.js 20 or newer" in called.err
    assert not list(cache.glob("*"))


@posix
def test_install_with_an_old_node_says_so(odibi, cache, tmp_path, monkeypatch):
    programs(tmp_path / "bin", monkeypatch, node="echo v18.20.1")
    called = odibi("sandbox", "install")
    assert called.code == 2
    assert "needs a newer Node.js than v18.20.1" in called.err


@posix
def test_install_without_npm_says_so(odibi, cache, tmp_path, monkeypatch):
    from odibi.testing.azure import install

    programs(tmp_path / "bin", monkeypatch, node="echo v22.1.0")
    monkeypatch.setattr(
        install.shutil, "which", lambda name: str(tmp_path / "bin" / "node") if name == "node" else None
    )
    called = odibi("sandbox", "install")
    assert called.code == 2
    assert "no `npm` on the PATH" in called.err


@posix
def test_install_is_made_whole_once(odibi, cache, tmp_path, monkeypatch):
    programs(tmp_path / "bin", monkeypatch, node="echo v22.1.0", npm=NPM)
    called = odibi("sandbox", "install", "--json")
    assert called.code == 0, called.err
    assert called.json == {"version": "3.37.0", "folder": str(cache / "azurite-3.37.0"), "installed": True}
    assert [entry.name for entry in cache.iterdir()] == ["azurite-3.37.0"]
    again = odibi("sandbox", "install")
    assert "was installed already" in again.out


@posix
@pytest.mark.parametrize(
    ("npm", "said"),
    [
        (
            "echo 'npm error code ENOTFOUND' >&2; echo 'npm error request to x failed, reason: ENOTFOUND' >&2; exit 1",
            "request to x failed, reason: ENOTFOUND; npm could not reach its registry",
        ),
        (
            "echo 'npm error code E404' >&2; echo 'npm error 404 azurite is not in this registry' >&2; exit 1",
            "404 azurite is not in this registry; `npm config get registry` shows whom it asked",
        ),
        ("exit 0", "npm could not install Azurite 3.37.0"),
    ],
)
def test_an_install_that_fails_leaves_nothing_and_says_why(odibi, cache, tmp_path, monkeypatch, npm, said):
    programs(tmp_path / "bin", monkeypatch, node="echo v22.1.0", npm=npm)
    called = odibi("sandbox", "install")
    assert called.code == 1
    assert said in called.err
    assert list(cache.iterdir()) == []


def test_the_lock_file_names_no_registry_and_pins_every_package():
    from odibi.testing.azure.install import PACKAGE, VERSION

    lock = json.loads((PACKAGE / "package-lock.json").read_text())
    packages = {name: each for name, each in lock["packages"].items() if name}
    assert packages["node_modules/azurite"]["version"] == VERSION
    assert not [name for name, each in packages.items() if "resolved" in each or "integrity" not in each]
    assert "://" not in (PACKAGE / "package-lock.json").read_text()


def test_start_without_azurite_names_the_command(odibi, cache):
    called = odibi("sandbox", "start")
    assert called.code == 2
    assert "run: odibi sandbox install" in called.err


@pytest.mark.parametrize("port", ["99999", "x", "-1"])
def test_a_port_that_is_none(odibi, port):
    called = odibi("sandbox", "start", f"--port={port}")
    assert called.code == 2
    assert "is no port; one is a number up to 65535" in called.err


def test_a_port_that_is_taken(odibi, azure_server):
    port = azure_server.env["HTTPS_PROXY"].rpartition(":")[2]
    called = odibi("sandbox", "start", "--port", port)
    assert (called.code, called.out) == (1, "")
    assert called.err == f"error: port {port} of this machine is taken; name another one, or none for a free one\n"


def test_a_fault_at_a_host_that_nobody_asks_is_told(process, files):
    faults = ["403,host=brnzeacct", "latency,host=bronzeacct,seconds=0", "watch,host=*.vault.azure.net"]
    words = [word for fault in faults for word in ("--fault", fault)]
    called = process("sandbox", "run", files / "prod.yaml", "--seed", files / "seed", *words).finish()
    assert called.code == 0, called.err
    told = [line for line in called.err.splitlines() if "--fault" in line]
    assert len(told) == 1
    assert "unknown account or vault 'brnzeacct'; did you mean 'bronzeacct'?" in told[0]
