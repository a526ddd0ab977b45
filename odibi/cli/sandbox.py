"""`odibi sandbox`: Azure without Azure. Install it, start it, or run a project file against it."""

from __future__ import annotations

import argparse
import os
import re
import shlex
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from odibi.cli.failures import UsageError
from odibi.cli.options import Parser, add_set, global_options, load, subcommands
from odibi.cli.text import count, seconds
from odibi.cli.ui import UI
from odibi.errors import UnknownNameError

if TYPE_CHECKING:
    import subprocess

    from odibi.project import Project
    from odibi.testing.azure.faults import Fault
    from odibi.testing.azure.sandbox import Sandbox
    from odibi.testing.azure.seed import Seed

SHELLS = ("bash", "powershell", "json")
MAX_PORT = 65535
SIGNALS = ("SIGINT", "SIGTERM", "SIGBREAK")
_HOST = re.compile(r"[.*?\[]")
"""What a whole host name, or a pattern of one, has and no account's or vault's name does."""
_UNSET = (
    "ALL_PROXY", "AZURE_AUTHORITY_HOST", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET", "AZURE_FEDERATED_TOKEN_FILE",
    "AZURE_STORAGE_ACCOUNT", "AZURE_STORAGE_CONNECTION_STRING", "AZURE_STORAGE_KEY", "AZURE_TENANT_ID",
    "AZURE_TOKEN_CREDENTIALS", "IDENTITY_ENDPOINT", "IDENTITY_HEADER", "MSI_ENDPOINT", "MSI_SECRET", "SSL_CERT_DIR",
)  # fmt: skip
"""Variables that would lead a client elsewhere, and that the shell to be set up may have."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `sandbox`, of each of its commands."""
    commands = subcommands(parser)
    _command(commands, "install", "install Azurite with npm, into odibi's cache folder")
    start = _command(commands, "start", "start it, print the environment to export, and stay until Ctrl-C")
    _add_content(start)
    start.add_argument(
        "--from",
        dest="file",
        metavar="FILE",
        help="make the accounts, containers and secrets that this project file names",
    )
    add_set(start)
    start.add_argument("--shell", choices=SHELLS, help="how the environment is printed; default: that of this system")
    start.add_argument("--port", type=_port, default=0, metavar="N", help="port of the proxy; default: a free one")
    run_parser = _command(commands, "run", "run a project file, as it is, against a sandbox made for it")
    _add_own(run_parser)
    from odibi.cli import run as run_command

    run_command.add_arguments(run_parser)


def _command(commands: Any, name: str, about: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        name, help=about, description=f"{about[0].upper()}{about[1:]}.", parents=[global_options()]
    )
    return parser


def _add_content(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--seed",
        action="append",
        default=[],
        metavar="PATH",
        help="data at the start: a folder <account>/<container>/…, or a YAML file; may be given several times",
    )
    parser.add_argument(
        "--fault",
        action="append",
        default=[],
        type=_fault,
        dest="faults",
        metavar="KIND[,option=value]",
        help="what goes wrong, e.g. 403,host=account1,times=2 or latency,seconds=0.1; may be given several times",
    )


def _fault(text: str) -> Fault:
    from odibi.testing.azure.faults import parse_fault

    try:
        return parse_fault(text)
    except (ValueError, UnknownNameError) as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > MAX_PORT:
        raise argparse.ArgumentTypeError(f"{text!r} is no port; one is a number up to {MAX_PORT}")
    return int(text)


def _add_own(parser: argparse.ArgumentParser) -> None:
    """What `sandbox run` takes beside the arguments of `odibi run`."""
    _add_content(parser)
    parser.add_argument("--save", metavar="FOLDER", help="copy what is in the storage afterwards into a new folder")


def run(args: argparse.Namespace, ui: UI) -> int:
    """Do what was asked for."""
    return _ACTIONS[args.action](args, ui)


# -- install -----------------------------------------------------------------------------------------------------------


def _install(args: argparse.Namespace, ui: UI) -> int:
    from odibi.testing.azure.install import MAIN, MEGABYTES, VERSION, azurite_folder, install

    del args
    begin = time.perf_counter()
    if not (azurite_folder() / MAIN).is_file():
        ui.say(f"installing Azurite {VERSION} in {azurite_folder()} (about {MEGABYTES} MB)")
    done = install()
    if ui.json:
        ui.dump({"version": done.version, "folder": str(done.folder), "installed": done.new})
    elif done.new:
        ui.data(f"Azurite {done.version} is installed in {done.folder} ({seconds(time.perf_counter() - begin)})")
    else:
        ui.data(f"Azurite {done.version} was installed already, in {done.folder}")
    _warn_of_extra(ui)
    return 0


def _warn_of_extra(ui: UI) -> None:
    import importlib.util

    from odibi.errors import install_command

    if importlib.util.find_spec("trustme") is None:
        ui.warn(f"the extra `sandbox` is missing as well; install it with: {install_command('sandbox')}")


# -- start -------------------------------------------------------------------------------------------------------------


def _start(args: argparse.Namespace, ui: UI) -> int:
    from odibi.cli.ending import parent_is_gone, stay

    gone = parent_is_gone()  # first: it may go while all this is being started
    begin = time.perf_counter()
    project = load(args) if args.file else None
    seed = _seed(args.seed, project)
    end = threading.Event()
    with _signals(lambda _: end.set()), _started(seed, args.faults, args.port) as sandbox:
        if ui.json or args.shell == "json":
            ui.dump(_as_data(sandbox))
        else:
            ui.data(environment_text(sandbox, args.shell or ("powershell" if os.name == "nt" else "bash")))
        _tell(sandbox, seed, begin, ui)
        _warn_of_hosts(sandbox, args.faults, ui)
        ui.say("set the environment above in another shell; Ctrl-C ends the sandbox")
        stay(end, gone)
        _tell_refused(sandbox, ui)
    return 0


def environment_text(sandbox: Sandbox, shell: str) -> str:
    """The commands that set up a shell."""
    unset = sorted({*_UNSET, *sandbox.foreign()} - sandbox.env.keys())
    if shell == "powershell":
        removed = [f"Remove-Item Env:{name} -ErrorAction SilentlyContinue" for name in unset]
        return "\n".join([*removed, *(f"$env:{name} = {_quoted(value)}" for name, value in sandbox.env.items())])
    exports = (f"export {name}={shlex.quote(value)}" for name, value in sandbox.env.items())
    return "\n".join([f"unset {' '.join(unset)}", *exports])


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _as_data(sandbox: Sandbox) -> dict[str, Any]:
    return {
        "env": sandbox.env,
        "unset": sorted({*_UNSET, *sandbox.foreign()} - sandbox.env.keys()),
        "accounts": dict(sandbox.accounts),
        "vaults": sorted(sandbox.vaults),
        "pid": os.getpid(),
    }


# -- run ---------------------------------------------------------------------------------------------------------------


def _run(args: argparse.Namespace, ui: UI) -> int:
    from odibi.cli.options import take_file_from

    begin = time.perf_counter()
    folder = _new_folder(args.save)
    take_file_from(args, args.nodes)
    project = load(args)
    seed = _seed(args.seed, project)
    if project.engine_name == "spark" and seed.accounts:
        _refuse_old_spark()
    if not seed.accounts:
        ui.warn(f"{project.document.path} has no connection of type azure_adls; the sandbox has no storage account")
    with _started(seed, args.faults) as sandbox:
        _tell(sandbox, seed, begin, ui)
        _warn_of_hosts(sandbox, args.faults, ui)
        if project.engine_name == "spark":
            _ = sandbox.certificates.trust_store  # without it Java would trust nothing here: told before it starts
        code = _child(child_words(args.argv), _environment(sandbox, project))
        if folder is not None:
            saved = sandbox.save(folder)
            ui.say(f"{count(saved, 'file')} of the storage saved in {folder}")
        _tell_refused(sandbox, ui)
    return code


def _refuse_old_spark() -> None:
    """Raise `UnsupportedError` where the Spark that is installed can not speak to the sandbox; what else there is to
    say of it, the run does."""
    from odibi.cli.spark import installed_hadoop
    from odibi.testing.azure.java import refuse_old

    hadoop = installed_hadoop()
    if hadoop:
        refuse_old(hadoop)


def child_words(argv: Sequence[str]) -> list[str]:
    """The arguments of `odibi run` in those of `odibi sandbox run`.

    >>> child_words(["sandbox", "run", "--seed", "data", "prod.yaml", "-p", "sales"])
    ['run', 'prod.yaml', '-p', 'sales']
    """
    own = Parser(add_help=False)
    _add_own(own)
    words = list(argv)
    words.remove("sandbox")
    return own.parse_known_args(words)[1]


def _new_folder(name: str | None) -> Path | None:
    """Where to save. Raises `UsageError` for a folder with something in it: old files among new ones would be read as
    one table."""
    if name is None:
        return None
    folder = Path(name)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"odibi sandbox run: {name!r} is there already; name a new folder with --save")
    return folder


def _environment(sandbox: Sandbox, project: Project) -> dict[str, str]:
    """The sandbox's environment; variables of the shell that the file itself asks for stay."""
    asked = {name: os.environ[name] for name in project.document.variables if name in os.environ}
    return {**asked, **sandbox.environment()}


def _child(words: list[str], environment: dict[str, str]) -> int:
    """`odibi run`, to its end; signals are handed on once. Gives its exit code."""
    from odibi.cli.ending import start_child

    started: list[subprocess.Popen[bytes]] = []

    def hand_on(number: int) -> None:
        for child in started:
            with suppress(OSError):
                child.send_signal(_for_child(number))

    with _signals(hand_on):
        child = start_child(words, environment)
        started.append(child)
        code = _wait(child)
        with suppress(OSError):
            if child.stdin is not None:
                child.stdin.close()
    return code if code >= 0 else 128 - code


def _wait(child: subprocess.Popen[bytes]) -> int:
    import subprocess

    while True:
        with suppress(subprocess.TimeoutExpired):  # on Windows a signal is only seen between two waits
            return child.wait(0.2 if sys.platform == "win32" else None)


def _for_child(number: int) -> int:
    return int(getattr(signal, "CTRL_BREAK_EVENT", number))


# -- what both have ----------------------------------------------------------------------------------------------------


def _seed(paths: Sequence[str], project: Project | None) -> Seed:
    """What the project needs, and the user's own data."""
    from odibi.testing.azure.seed import Seed
    from odibi.testing.azure.seed_file import read_seed

    total = Seed()
    if project is not None:
        from odibi.testing.azure.seed_project import seed_of

        total = seed_of(project)
    for path in paths:
        total += read_seed(Path(path), total.accounts)
    return total


@contextmanager
def _started(seed: Seed, faults: Sequence[Fault], port: int = 0) -> Iterator[Sandbox]:
    from odibi.testing.azure.sandbox import azure_sandbox

    with azure_sandbox((), (), seed, port) as sandbox:
        for fault in faults:
            sandbox.add_fault(fault)
        yield sandbox


def _tell(sandbox: Sandbox, seed: Seed, begin: float, ui: UI) -> None:
    accounts = ", ".join(sandbox.accounts) or "no storage account"
    parts = [accounts, *(f"{name} ({count(len(v.secrets), 'secret')})" for name, v in sandbox.vaults.items())]
    parts += [count(len(seed.blobs), "file")] if seed.blobs else []
    ui.say(f"sandbox: {', '.join(parts)}; ready in {seconds(time.perf_counter() - begin)}")


def _warn_of_hosts(sandbox: Sandbox, faults: Sequence[Fault], ui: UI) -> None:
    """Tell of faults at hosts that nobody will ask: a misspelt one would make all look well."""
    known = sorted({*sandbox.accounts, *sandbox.vaults, "identity", "login"})
    for fault in faults:
        if fault.host is not None and not _HOST.search(fault.host) and fault.host not in known:
            hits_nothing = UnknownNameError("account or vault", fault.host, known)
            ui.warn(f"--fault {fault.kind}: {hits_nothing}")


def _tell_refused(sandbox: Sandbox, ui: UI) -> None:
    """What was asked for and is not there."""
    if sandbox.refused:
        hosts = ", ".join(dict.fromkeys(sandbox.refused))
        ui.warn(f"refused, for it is not part of the sandbox: {hosts}")


@contextmanager
def _signals(handle: Callable[[int], None]) -> Iterator[None]:
    """Inside, requests to end go to `handle`."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    known = [getattr(signal, name) for name in SIGNALS if hasattr(signal, name)]
    before: Mapping[int, Any] = {number: signal.signal(number, lambda got, _: handle(got)) for number in known}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


_ACTIONS = {"install": _install, "start": _start, "run": _run}
