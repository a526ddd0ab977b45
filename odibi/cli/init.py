"""`odibi init`: start a new project in a folder. What exists is never touched."""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass, field
from pathlib import Path

from odibi.cli.text import near, printable
from odibi.cli.ui import UI
from odibi.errors import AccessError, ConfigError

STARTER = Path(__file__).parent / "starter"
FILES = {
    "config.local.yaml": "config.yaml",
    "my_transforms.py": "my_transforms.py",
    "data/sample.csv": "sample.csv",
    ".env.example": "env.example",
    "README.md": "README.md",
}
IGNORE = ".gitignore"
PROJECT_FILE = next(iter(FILES))


@dataclass
class _Made:
    """What was done, as paths relative to the folder."""

    created: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    extended: list[str] = field(default_factory=list)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `init`."""
    parser.add_argument(
        "dir", nargs="?", type=Path, default=Path(), metavar="DIR", help="folder of the project; default: here"
    )
    parser.add_argument("--name", help="name of the project; default: that of the folder")


def run(args: argparse.Namespace, ui: UI) -> int:
    """Write what is not there yet."""
    folder: Path = args.dir
    name = args.name or folder.resolve().name or "project"
    try:
        made = _make(folder, name)
    except (FileExistsError, NotADirectoryError) as error:
        raise ConfigError(f"{error.filename} is a file; name a folder for the project") from error
    except OSError as error:
        raise AccessError(f"{error.filename or folder} can not be written: {error.strerror or error}") from error
    if ui.json:
        ui.dump({"folder": str(folder.resolve()), "project_file": PROJECT_FILE, **vars(made)})
    else:
        _tell(folder, made, ui)
    return 0


def _make(folder: Path, name: str) -> _Made:
    made = _Made()
    folder.mkdir(parents=True, exist_ok=True)
    for target, source in FILES.items():
        text = (STARTER / source).read_text(encoding="utf-8")
        _write_new(folder, target, text.replace("__PROJECT__", _shown(name, target)), made)
    _ignore(folder, made)
    return made


def _shown(name: str, target: str) -> str:
    """The project's name as the file takes it: a text of JSON is one of YAML, and `${` would be a variable there."""
    one_line = printable(" ".join(name.split()))
    return json.dumps(one_line, ensure_ascii=False).replace("${", "$${") if target.endswith(".yaml") else one_line


def _write_new(folder: Path, target: str, text: str, made: _Made) -> None:
    path = folder / target
    path.parent.mkdir(exist_ok=True)
    try:
        with path.open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except FileExistsError:
        made.kept.append(target)
    else:
        made.created.append(target)


def _ignore(folder: Path, made: _Made) -> None:
    """Make the .gitignore, or add to it the lines that are missing."""
    wanted = (STARTER / "gitignore").read_text(encoding="utf-8")
    path = folder / IGNORE
    if not path.exists():
        _write_new(folder, IGNORE, wanted, made)
        return
    present = path.read_bytes()
    known = {line.strip() for line in present.decode("utf-8", "replace").splitlines()}
    missing = [line for line in wanted.splitlines() if line not in known]
    if not missing:
        made.kept.append(IGNORE)
        return
    gap = b"" if not present or present.endswith(b"\n") else b"\n"
    with path.open("ab") as file:
        file.write(gap + "".join(f"{line}\n" for line in missing).encode())
    made.extended.append(IGNORE)


def _tell(folder: Path, made: _Made, ui: UI) -> None:
    groups = {"wrote": made.created, "added missing lines to": made.extended, "kept, because it exists:": made.kept}
    for verb, names in groups.items():
        for name in names:
            ui.say(f"{verb} {near(folder / name)}")
    ui.say(f"\nRun it:  odibi run {_quoted(near(folder / PROJECT_FILE))}")


def _quoted(path: str) -> str:
    return f'"{path}"' if " " in path else path
