"""Modules of the user's functions reach the executors.

What a function hands to Spark (a UDF, the function of `mapInPandas`) is pickled, and pickle names what comes from a
module that can be imported: on a cluster the executors have no such file. So the modules of a project are pickled by
value, with all that they refer to. Nothing is added to the user's session, no file is sent; it works alike on Connect.
"""

from __future__ import annotations

import sys
import sysconfig
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from odibi.engine.spark.session import Session

_NOT_OURS = ("site-packages", "dist-packages")


def reach(session: Session, function: Callable[..., Any]) -> None:
    """Let the module of a function, and the modules beside it, be pickled by value from now on."""
    import pyspark.cloudpickle as pickle

    module = sys.modules.get(getattr(function, "__module__", "") or "")
    for each in () if module is None else modules_of(module):
        if each.__name__ not in pickle.list_registry_pickle_by_value():
            pickle.register_pickle_by_value(each)


def modules_of(module: ModuleType) -> Iterator[ModuleType]:
    """The module, and the imported ones that lie in its folder or below; none where it is installed."""
    folder = _folder_of(module)
    if folder is None:
        return
    for each in list(sys.modules.values()):
        place = _folder_of(each)
        if place is not None and (place == folder or folder in place.parents):
            yield each


def _folder_of(module: Any) -> Path | None:
    """The folder of a module's file; None for what is installed, built in, or the main program."""
    file = getattr(module, "__file__", None)
    if not isinstance(file, str) or getattr(module, "__name__", "") in ("__main__", "") or _installed(file):
        return None
    return Path(file).parent


def _installed(file: str) -> bool:
    places = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    return any(part in _NOT_OURS for part in Path(file).parts) or any(file.startswith(each) for each in places)
