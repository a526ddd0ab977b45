"""Secrets of every shape go through runs, stories, commits, errors, logs and the command line; then everything that was
told is searched for them, by a search that decodes (`tests.secret_shapes`)."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import re
import subprocess
import sys
import threading
import traceback
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

import odibi
from odibi.__main__ import main
from odibi.cli.logs import clean_logs
from odibi.cli.ui import UI
from odibi.config.loader import load_text
from odibi.connections import AzureADLS
from odibi.connections.base import Location
from odibi.engine import PandasEngine
from odibi.errors import AccessError, ConfigError, OdibiError
from odibi.pipeline import Pipeline
from odibi.project import load_project
from odibi.secrets import forget, remember
from odibi.testing import TestRun, project
from odibi.testing.azure import Sandbox
from tests.secret_shapes import EXAMPLES, account_keys, leaks, sas_tokens, secrets

ROOT = Path(odibi.__file__).resolve().parents[1]
WORDS = ("word", "other word")
SHAPES = pytest.mark.parametrize("secret", [pytest.param(v, id=k) for k, v in EXAMPLES.items() if k not in WORDS])
pytestmark = pytest.mark.filterwarnings("ignore:careful")
TOKEN = re.compile(r"eyJ[A-Za-z0-9_-]{6,}\.eyJ[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]*")

FUNCTIONS = """
import logging, warnings
from odibi import transform

@transform
def chatter(context, current=None, word=""):
    logging.getLogger("library").debug("debug %s", word)
    logging.getLogger("library").warning("warning %r", word)
    try:
        raise ValueError("inner " + word)
    except ValueError:
        logging.getLogger("library").exception("logged")
    warnings.warn(f"careful: {word}")
    return current

@transform
def failing(context, current=None, word=""):
    try:
        open("/no such file " + word.replace("\\0", ""))
    except OSError as error:
        raise RuntimeError(f"refused: {word!r}") from error
"""


def written(secret: str) -> str:
    """A text as a value in YAML, which reads no pairs of surrogates as JSON has them."""
    signs = (c if " " <= c <= "~" and c not in '"\\' else f"\\U{ord(c):08X}" for c in secret.replace("${", "$${"))
    return f'"{"".join(signs)}"'


def file_with(secret: str, more: str = "") -> str:
    """A project that has a secret, and shows it wherever it can: in names, SQL, parameters, data, checks, failures."""
    word = written(secret)
    literal = written("'" + secret.replace("'", "''").replace("\0", "") + "'")[1:-1]
    return f"""
project: {written("Sales of " + secret)}
description: {word}
owner: {word}
transforms: [functions_of_leaks.py]
{more}
connections:
  lake: {{type: local, base_path: lake}}
pipelines:
- pipeline: good
  description: {word}
  nodes:
  - name: a
    description: {word}
    read: {{connection: lake, path: a.json, options: {{storage_options: {{account_key: {word}}}}}}}
  - name: b
    depends_on: [a]
    transform:
      steps:
      - "SELECT *, {literal} AS told FROM a"
      - {{function: chatter, params: {{word: {word}}}}}
    validation: {{accepted_values: {{secret: [other]}}, on_fail: warn}}
    write: {{connection: lake, path: b, options: {{storage_options: {{sas_token: {word}}}}}}}
- pipeline: bad
  nodes:
  - name: c
    read: {{connection: lake, path: a.json}}
    transform: {{steps: [{{function: failing, params: {{word: {word}}}}}]}}
  - name: d
    read: {{connection: lake, path: a.json}}
    validation: {{accepted_values: {{secret: [other]}}}}
  - name: e
    read: {{connection: lake, path: a.json}}
    transform: {{steps: ["SELECT {literal} AS x, no_such_column FROM current"]}}
"""


def ran(secret: str) -> TestRun:
    """Both pipelines, over rows that hold the secret as text, and as a number where it is one."""
    rows = [{"id": 1, "secret": secret}, {"id": int(secret) if secret.isdigit() else 2, "secret": f"is {secret}."}]
    content = "[" + ",".join(json.dumps(row) for row in rows) + "]"
    text = file_with(secret).replace("{literal}", "''")
    made = project(text, {"lake/a.json": content, "functions_of_leaks.py": FUNCTIONS})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return made.run()


def told_by(run: TestRun) -> Iterator[str]:
    """Everything that a run tells in Python, and leaves in files that are not the data itself."""
    result, loaded = run.result, run.pipeline.project
    yield from map(repr, (result, loaded, run.pipeline, loaded.config, loaded.document, *loaded.connections.values()))
    yield from map(str, (result, loaded.config))
    yield result._repr_html_()
    for each in result.values():
        for record in each.nodes.values():
            yield from record.warnings
            if record.error is not None:
                yield from (record.error.message, record.error.traceback)
    with pytest.raises(odibi.errors.RunFailed) as caught:
        result.raise_for_failure()
    yield from errors_told(caught.value)
    for path in run.folder.rglob("*"):
        if path.is_file() and (".odibi" in path.parts or (path.suffix == ".json" and "_delta_log" in path.parts)):
            text = path.read_text(encoding="utf-8")
            yield (
                text
                if "_delta_log" not in path.parts
                else "\n".join(line for line in text.splitlines() if line.startswith('{"commitInfo"'))
            )  # the log's statistics are of the data


def errors_told(error: BaseException) -> Iterator[str]:
    """What can be read of an error and of those that it comes from."""
    yield "".join(traceback.format_exception(error))
    each: BaseException | None = error
    while each is not None:
        yield from (str(each), repr(each), repr(each.args), *map(str, getattr(each, "__notes__", ())))
        each = each.__cause__ or each.__context__


@SHAPES
def test_a_run_tells_no_secret(secret: str) -> None:
    run = ran(secret)
    assert run.result["good"].status == "completed"
    assert run.result["bad"].failed == ["c", "d", "e"]
    stories = [path for path in run.folder.rglob("story.*") if path.is_file()]
    assert len(stories) == 6
    for text in told_by(run):
        assert not leaks(text, secret)
    for path in stories:
        if path.suffix == ".json":
            assert json.loads(path.read_text(encoding="utf-8"))["pipeline"]["name"] in ("good", "bad")


@given(secrets)
@settings(max_examples=15)
def test_a_run_tells_no_secret_whatever_its_shape(secret: str) -> None:
    forget()
    with contextlib.suppress(ConfigError):  # a text that YAML can not hold
        run = ran(secret)
        assert not leaks(told_by(run), secret)


@pytest.mark.parametrize("secret", [EXAMPLES[name] for name in WORDS])
def test_a_secret_that_is_a_word_of_ours_breaks_nothing(secret: str) -> None:
    run = ran(secret)
    assert run.result["good"].status == "completed"
    story = run.story("bad")
    assert (story["run"]["owner"], story["pipeline"]["status"]) == ("***", "failed")
    assert "RuntimeError: refused: '***'" in story["nodes"][0]["error"]["message"]


def test_what_was_masked_stays_masked_and_other_data_is_as_it_was() -> None:
    run = ran(EXAMPLES["key"])
    node, then = run.story("good")["nodes"]
    assert then["sample"]["rows"] == [[1, "***", "***"], [2, "is ***.", "***"]]
    assert node["read"]["options"] == {"storage_options": {"account_key": "***"}}


# -- the command line --------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "lake").mkdir()
    (tmp_path / "functions_of_leaks.py").write_text(FUNCTIONS, encoding="utf-8")
    return tmp_path


def prepared(folder: Path, secret: str, more: str = "") -> str:
    (folder / "lake" / "a.json").write_text(json.dumps([{"id": 1, "secret": secret}]), encoding="utf-8")
    (folder / "config.yaml").write_text(file_with(secret, more), encoding="utf-8")
    return str(folder / "config.yaml")


@SHAPES
@pytest.mark.parametrize("options", ["", "--json", "--quiet", "structured"])
def test_the_command_line_tells_no_secret(
    folder: Path, secret: str, options: str, capsys: pytest.CaptureFixture[str]
) -> None:
    structured = options == "structured"
    file = prepared(folder, secret, "logging: {structured: true}" if structured else "")
    flags = [options] if options.startswith("--") else []
    assert main(["run", file, "--log-level", "DEBUG", *flags]) == 1
    told = capsys.readouterr()
    assert not leaks(told.out, secret)
    assert not leaks(told.err, secret)
    if options == "--json":
        assert json.loads(told.out)["pipelines"]["bad"]["nodes"]["c"]["error"]["message"]
        assert json.loads(told.out)["status"] == "failed"
    if structured:
        events = [json.loads(line) for line in told.err.splitlines() if line.startswith('{"')]
        assert {"run_started", "node_finished", "run_finished"} <= {event["event"] for event in events}


@SHAPES
@pytest.mark.parametrize("command", ["validate", "graph", "run --dry-run", "doctor", "run --json --dry-run"])
def test_other_commands_tell_no_secret(
    folder: Path, secret: str, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    name, *flags = command.split()
    main([name, prepared(folder, secret), *flags])
    told = capsys.readouterr()
    assert told.out + told.err
    assert not leaks(told.out + told.err, secret)


@pytest.mark.parametrize("shape", ["key", "sas", "password", "lines", "unicode"])
def test_a_process_at_debug_tells_no_secret(folder: Path, shape: str) -> None:
    secret = EXAMPLES[shape]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"}
    command = [sys.executable, "-m", "odibi", "run", prepared(folder, secret), "--log-level", "DEBUG"]
    done = subprocess.run(command, capture_output=True, env=environment, timeout=120, check=False)
    assert done.returncode == 1
    assert b"library: debug ***" in done.stderr
    assert b"careful: ***" in done.stderr
    assert b"refused: " in done.stderr
    assert not leaks(done.stdout, secret)
    assert not leaks(done.stderr, secret)


def test_a_table_that_cuts_its_cells_cuts_no_secret_in_two(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    secret = "Zq9" * 20
    file = prepared(folder, secret)
    main(["run", file, "-p", "good"])
    capsys.readouterr()
    assert main(["delta", "history", file, "lake", "b"]) == 0
    told = capsys.readouterr()
    assert "Zq9Zq9" not in told.out + told.err


def test_logs_of_libraries_are_clean_and_as_they_were_afterwards(capsys: pytest.CaptureFixture[str]) -> None:
    secret = EXAMPLES["password"]
    remember(secret)
    before = (logging.getLogRecordFactory(), logging.lastResort, logging.getLogger().level, warnings.formatwarning)
    with clean_logs(UI(log_level="DEBUG")):
        factory = logging.getLogRecordFactory()
        records = [factory("lib", 10, "f.py", 1, "see %s and %r", (secret, secret), None)]
        records.append(factory("lib", 10, "f.py", 1, "%d", ("no number",), None))
        try:
            raise ValueError(secret)
        except ValueError:
            records.append(factory("lib", 10, "f.py", 1, "failed", (), sys.exc_info()))
        for record in records[:1] + records[2:]:
            assert not leaks(logging.Formatter("%(message)s %(args)s").format(record), secret)
        thread = threading.Thread(target=lambda: int(secret), name=f"t {secret}")
        thread.start()
        thread.join()
    assert not leaks(capsys.readouterr().err, secret)
    now = (logging.getLogRecordFactory(), logging.lastResort, logging.getLogger().level, warnings.formatwarning)
    assert before == now


# -- mistakes in the file ----------------------------------------------------------------------------------------------

VALUE = "s3cr3tVALUE99"
BLOCK = "connections:\n  lake:\n    type: azure_adls\n    account: bronzeacct\n    auth_mode: direct_key\n"
FLOW = "connections:\n  lake: {type: azure_adls, account: bronzeacct, auth_mode: direct_key, "


ENDS = [
    "*S", "!S", "&S", "@S", "`S", "%S", '"S', "'S", '"\\qS"', "|S", ">S", "S: x", "x: S", "[S", "{S", "{S}",
    "[S]", "!!int S", "!!foo S", "S\n   other: 1", "- S", "S\n--- x", "S\n  foo", "${S", '"${A b S}"',
    "S\n    account_key: S", "\n      S: 1", "\n    - S", "-\tS", "S\n\tx: 1",
    "5\n    client_secret: S\n    sas_token: [S]",
]  # fmt: skip
LINES = [
    "account_key:S",
    "account_key S",
    "account_key = S",
    "account_kee: S",
    "account_key: S\n   x: 1",
    "\taccount_key: S",
]
INSIDE = [
    "account_key: abc,S}", "account_key: abc,S,S}", "account_key:S}", "account_key S}", "account_key: ${S}}",
    "account_key: S", "account_key: S]", "account_key: abc,[S", "account_key: abc, {S", "account_key: abc: S}",
    "account_key: *S}", "account_key: !S}", 'account_key: "S", "S"}', 'account_key: "a"S}',
]  # fmt: skip
FILES = [
    *(f"{BLOCK}    account_key: {end}\n" for end in ENDS),
    *(f"{BLOCK}    {line}\n" for line in LINES),
    *(f"{FLOW}{end}\n" for end in INSIDE),
    FLOW.replace("direct_key", "S=") + "}\n",
    "connections:\n  lake: S\n",
    "- S",
    "S",
]


@pytest.mark.parametrize("text", FILES)
def test_mistakes_around_a_secret_show_nothing_of_it(text: str, tmp_path: Path) -> None:
    assert VALUE not in mistakes(re.sub(r"\bS\b|(?<=q)S", VALUE, text), tmp_path)


@given(secrets)
@settings(max_examples=60)
def test_whatever_a_secret_does_to_yaml_it_is_not_shown(secret: str) -> None:
    forget()
    for text in (f"{BLOCK}    account_key: {secret}\n    x: 1\n", f"{FLOW}account_key: '{secret}', x: 1}}\n"):
        try:
            document = load_text(text, Path("a.yaml"), {}, {}, partial=True)
            told = "\n".join(map(str, document.problems))
        except ConfigError as error:
            told = str(error)
        assert secret not in told


def test_values_from_variables_are_not_shown(tmp_path: Path) -> None:
    keys = ('account_key: ["${VALUE}"]', 'client_secret: {a: "${VALUE}"}', 'validate: "${VALUE}"', 'x: "${VALUE}"')
    text = BLOCK + "".join(f"    {key}\n" for key in keys)
    told = mistakes(text, tmp_path, VALUE=VALUE)
    assert "account_key" in told
    assert VALUE not in told


@pytest.mark.parametrize(
    "place", ["type: ${DEV_KEY}", "type: local\n    ${DEV_KEY}: x", "type: local\n    base_path: a\nengine: ${DEV_KEY}"]
)
def test_a_key_from_a_variable_is_not_shown_where_a_name_belongs(place: str, tmp_path: Path) -> None:
    key = EXAMPLES["key"]
    told = mistakes(f"connections:\n  dev:\n    {place}\n", tmp_path, DEV_KEY=key)
    assert not leaks(told, key)


def mistakes(text: str, folder: Path, **variables: str) -> str:
    """Everything that is said of a file that is wrong, as text and as data."""
    file = folder / "config.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_project(file, variables)
    return "\n".join(errors_told(caught.value))


# -- Azure -------------------------------------------------------------------------------------------------------------


def shown(*values: Any) -> list[str]:
    return [text for value in values for text in (repr(value), str(value), f"{value!a}")]


@SHAPES
def test_nothing_public_shows_a_secret(secret: str) -> None:
    from odibi.azure.identity import Identity
    from odibi.azure.keyvault import KeyVaultFetchResult

    connections = [
        AzureADLS("bronzeacct", "lake", auth_mode=mode, validate=False, **{key: secret})
        for mode, key in (("direct_key", "account_key"), ("sas", "sas_token"), ("service_principal", "client_secret"))
    ]
    told = [
        *connections,
        *(each.describe() for each in connections),
        connections[0].location("a.csv"),
        Location("abfss://c@a/x", storage_options={"sas_token": secret}),
        Identity("service_principal", "id", "tenant", secret),
        KeyVaultFetchResult("lake", "bronzeacct", True, secret),
        AzureADLS.Settings(account="a", account_key=secret),
        PandasEngine({"lake": connections[0]}),
    ]
    assert not leaks(shown(*told), secret)


@given(account_keys)
@settings(max_examples=5)
def test_errors_of_a_wrong_key_do_not_hold_it(azure_server: Sandbox, key: str) -> None:
    with azure_server.applied():
        lake = AzureADLS("bronzeacct", "nowhere", auth_mode="direct_key", account_key=key)
        told = list(refusals(lake))
    assert len(told) > 10
    assert not leaks(told, key)


@pytest.mark.parametrize("fault", ["refuse", "drop", "403", "500"])
def test_errors_of_storage_do_not_hold_the_signature(azure: Sandbox, azure_container: str, fault: str) -> None:
    sas = EXAMPLES["sas"]
    lake = AzureADLS("bronzeacct", azure_container, auth_mode="sas", sas_token=sas)
    with azure.fault(fault, host="bronzeacct"):
        told = list(refusals(lake))
    assert len(told) > 10
    assert not leaks(told, sas)
    assert not leaks(told, "kLm+3qz/Z0a1b2c3d4e5f6g7h8i9j0k1l2m3n4o5p6=")


def refusals(lake: AzureADLS) -> Iterator[str]:
    """What is told of reads and writes that a storage account refuses."""
    import pandas as pd

    engine = PandasEngine({"lake": lake})
    frame = pd.DataFrame({"id": [1]})
    for path in ("a.csv", "table", "a.parquet"):
        for act in (lambda p=path: engine.read(lake, path=p), lambda p=path: engine.write(frame, lake, path=p)):
            try:
                act()
            except Exception as error:  # noqa: BLE001 - whatever it is, it must tell no secret
                yield from errors_told(error)
    engine.close()


@given(sas_tokens)
@settings(max_examples=5)
def test_errors_and_logs_of_the_azure_sdk_do_not_hold_what_the_request_held(azure_server: Sandbox, sas: str) -> None:
    """A real request of the SDK, with the secret in URL and headers, refused; at DEBUG, with all its logging on."""
    from azure.core.exceptions import AzureError
    from azure.storage.blob import BlobClient

    forget()
    remember(sas)
    url = f"https://bronzeacct.blob.core.windows.net/c/a.csv?{sas}"
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)  # of the user's; pytest has some of its own, else odibi's would be there
    logging.getLogger().addHandler(handler)
    with azure_server.applied(), clean_logs(UI(log_level="DEBUG")):
        for fault in ("403", "refuse"):
            client = BlobClient.from_blob_url(url, logging_enable=True, retry_total=0)
            try:
                with azure_server.fault(fault, host="bronzeacct"):
                    client.download_blob(headers={"x-ms-meta-note": sas, "Authorization": f"Bearer {sas}"})
            except AzureError as error:
                with pytest.raises(OdibiError) as caught:
                    raise_from(error)
    logging.getLogger().removeHandler(handler)
    logged = stream.getvalue()
    assert "bronzeacct.blob.core.windows.net" in logged
    assert not leaks(logged, sas)
    assert not leaks(errors_told(caught.value), sas)
    signature = sas.partition("sig=")[2]
    assert signature not in logged
    assert signature not in "".join(errors_told(caught.value))


def raise_from(error: Exception) -> None:
    try:
        raise error
    except type(error):
        raise AccessError(f"refused: {error}") from error


CLOUD = """
key_vault_name: leaks-kv
connections:
  lake: {{type: azure_adls, account: bronzeacct, container: {container}, secret_name: bronze-key}}
story: {{connection: lake, path: stories}}
transforms: [functions_of_leaks.py]
pipelines:
- pipeline: good
  nodes:
  - {{name: a, read: {{connection: lake, path: a.csv}}, write: {{connection: lake, path: a}}}}
- pipeline: bad
  nodes:
  - name: b
    read: {{connection: lake, path: a.csv}}
    transform: {{steps: [{{function: failing, params: {{word: {key}}}}}]}}
"""


@pytest.mark.parametrize("options", ["", "--json"])
def test_a_run_in_the_cloud_tells_no_key_and_no_token(
    azure: Sandbox, azure_container: str, folder: Path, options: str
) -> None:
    key = azure.accounts["bronzeacct"]
    azure.set_secret("leaks-kv", "bronze-key", key)
    azure.put("bronzeacct", azure_container, "a.csv", f"id,text\n1,{key}\n")
    file = folder / "config.yaml"
    file.write_text(CLOUD.format(container=azure_container, key=written(key)), encoding="utf-8")
    command = [sys.executable, "-m", "odibi", "run", str(file), "--log-level", "DEBUG", *options.split()]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(command, capture_output=True, env=environment, timeout=180, check=False)
    assert done.returncode == 1, done.stderr.decode()
    told = [done.stdout, done.stderr]
    assert b"vault.azure.net" in done.stderr or options  # the SDK's own log
    names = azure.list("bronzeacct", azure_container, "stories/")
    assert len(names) == 6
    told += [azure.get("bronzeacct", azure_container, name) for name in names]
    logs = [name for name in azure.list("bronzeacct", azure_container, "a/_delta_log/") if name.endswith(".json")]
    log = azure.get("bronzeacct", azure_container, logs[0]).splitlines()
    told += [line for line in log if line.startswith(b'{"commitInfo"')]
    for each in told:
        assert not leaks(each, key)
        assert not TOKEN.search(each.decode())
    assert b"***" in told[0] + told[1]


def test_a_vault_that_refuses_tells_no_token(azure: Sandbox, azure_container: str, folder: Path) -> None:
    file = folder / "config.yaml"
    file.write_text(CLOUD.format(container=azure_container, key=written("x")), encoding="utf-8")
    with azure.fault("403", host="leaks-kv"), pytest.raises(OdibiError) as caught:
        Pipeline.from_yaml(file).run()
    assert not TOKEN.search("".join(errors_told(caught.value)))
