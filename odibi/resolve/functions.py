"""The modules with users' transform functions: imported, so that `@transform` registers what they define."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.machinery import PathFinder
from pathlib import Path
from types import ModuleType

from odibi.errors import ConfigError, suggest
from odibi.resolve.report import Report
from odibi.transforms import register_module


def import_modules(entries: list[str], report: Report) -> bool:
    """Import every entry of `transforms:`; mistakes go into the report. True when all were imported."""
    fine = True
    for index, entry in enumerate(entries):
        path = ("transforms", index)
        problem = _import(entry, report.document.base_of(path))
        if problem is not None:
            report.add(path, *problem)
            fine = False
    return fine


def _import(entry: str, folder: Path) -> tuple[str, str] | None:
    """Import one file or module; (message, hint) of what went wrong."""
    is_file = entry.endswith(".py") or "/" in entry or "\\" in entry
    file = folder / entry
    if is_file and not file.is_file():
        return f"there is no file {entry!r}", _close_files(file)
    with _importable(folder):
        try:
            register_module(_load_file(file) if is_file else _load_module(entry, folder))
        except ModuleNotFoundError as error:
            if not is_file and error.name and (entry == error.name or entry.startswith(f"{error.name}.")):
                return f"there is no module {entry!r}", "install it, or give a file: a path that ends with .py"
            return _raised(error, entry)
        except SyntaxError as error:
            place = f"{error.filename}:{error.lineno}" if error.filename else entry
            return f"{entry!r} is not Python: {error.msg} ({place})", ""
        except ConfigError as error:
            message, _, hint = str(error).partition("; ")
            return message, hint
        except (Exception, SystemExit) as error:  # noqa: BLE001 - the user's own code may raise anything
            return _raised(error, entry)
    return None


@contextmanager
def _importable(folder: Path) -> Iterator[None]:
    """Let modules beside the YAML file be imported."""
    text = str(folder)
    sys.path.insert(0, text)
    try:
        yield
    finally:
        if text in sys.path:
            sys.path.remove(text)


def _load_file(file: Path) -> ModuleType:
    """Run a file as a module of its own. Each project has its own copy, so that an edited file is read again."""
    resolved = file.resolve()
    name = f"{resolved.stem}_{hashlib.sha1(str(resolved).encode(), usedforsecurity=False).hexdigest()[:8]}"
    spec = importlib.util.spec_from_file_location(name, resolved)
    if spec is None or spec.loader is None:
        raise ImportError(f"{file.name} is no Python file; its name must end with .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickle look their module up
    try:
        spec.loader.exec_module(module)
    except BaseException:
        sys.modules.pop(name, None)
        raise
    return module


def _load_module(name: str, folder: Path) -> ModuleType:
    top = name.partition(".")[0]
    if top.isidentifier() and _is_another(top, folder):
        for loaded in [each for each in sys.modules if each == top or each.startswith(f"{top}.")]:
            del sys.modules[loaded]
    importlib.invalidate_caches()
    return importlib.import_module(name)


def _is_another(top: str, folder: Path) -> bool:
    """Whether a module of this name was imported for another project, and this one has its own."""
    loaded = sys.modules.get(top)
    if loaded is None:
        return False
    spec = PathFinder.find_spec(top, [str(folder)])
    if spec is None or spec.loader is None:
        return False
    return spec.origin != getattr(loaded, "__file__", None)


def _raised(error: BaseException, entry: str) -> tuple[str, str]:
    """What an import raised, and where in the user's own code."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not _is_machinery(frame.filename)]
    place = f" ({frames[-1].filename}:{frames[-1].lineno})" if frames else ""
    text = f": {error}" if str(error) else ""
    return f"importing {entry!r} raised {type(error).__name__}{text}{place}", ""


def _is_machinery(filename: str) -> bool:
    return filename.startswith("<frozen") or filename in (__file__, importlib.__file__)


def _close_files(file: Path) -> str:
    """The end of a message about a file that is not there: the Python files beside it."""
    if not file.parent.is_dir():
        return f"there is no folder {str(file.parent)!r} either"
    names = sorted(each.name for each in file.parent.glob("*.py"))
    return suggest(file.name, names) if names else f"there is no Python file in {str(file.parent)!r}"
