"""Modules of the user's functions reach the executors.

What a function hands to Spark (a UDF, the function of `mapInPandas`) is pickled, and of what can be imported pickle
writes the name alone: on a cluster the executors have no such file. So modules of the user's that are not installed are
pickled by value, with all that is used of them. Nothing is added to the user's session and no file is sent, so an
edited file is taken as it is now; and it works alike on Connect, where Spark pickles when a plan is run.
"""

from __future__ import annotations

import importlib
import sys
import sysconfig
import weakref
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from odibi.engine.spark import errors
from odibi.engine.spark.session import Session

_COLUMNS_FOR_UDFS = "spark.sql.execution.arrow.pythonUDF.columnarInput.enabled"
_ARROW_FOR_UDFS = "spark.sql.execution.pythonUDF.arrow.enabled"
_ready: weakref.WeakSet[Session] = weakref.WeakSet()


def reach(session: Session, function: Callable[..., Any]) -> None:
    """Let the module of a function, and the ones it uses, be pickled by value from now on."""
    if session not in _ready:
        _spare_columns(session)
        _ready.add(session)
    pickle: Any = importlib.import_module("pyspark.cloudpickle")
    for each in modules_of(function):
        pickle.register_pickle_by_value(each)


def _spare_columns(session: Session) -> None:
    """Let plain Python UDFs be given rows. Spark 4.2.0 is the first that gives them Arrow batches by itself, and where
    these come out of Parquet, Delta or a persisted frame as they are, it sends what its workers can not read, and both
    wait for ever. What is declared as a pandas UDF is not concerned, nor is a Spark without that setting."""
    try:
        session.spark.conf.get(_COLUMNS_FOR_UDFS)
    except errors.spark_errors():
        return
    for name in (_COLUMNS_FOR_UDFS, _ARROW_FOR_UDFS):
        session.set(name, "false")


def modules_of(function: Callable[..., Any]) -> list[ModuleType]:
    """The user's modules that a function may use: its own, and those that are named in them, over any number of
    steps."""
    found: dict[str, ModuleType] = {}
    waiting = [_module_of(function)]
    while waiting:
        module = waiting.pop()
        if module is not None and module.__name__ not in found and _is_users(module):
            found[module.__name__] = module
            waiting += [_module_of(value) for value in list(vars(module).values())]
    return list(found.values())


def _module_of(value: Any) -> ModuleType | None:
    """The module itself, or the one that a function, a class or an object comes from."""
    if isinstance(value, ModuleType):
        return value
    name = getattr(value, "__module__", None)
    return sys.modules.get(name) if isinstance(name, str) else None


def _is_users(module: ModuleType) -> bool:
    """Whether the executors lack it: it has a file, and is neither installed nor the main program."""
    file = getattr(module, "__file__", None)
    name = module.__name__
    if not isinstance(file, str) or name == "__main__" or name.partition(".")[0] == "odibi" or name not in sys.modules:
        return False
    path = Path(file)
    return not any(folder in path.parents for folder in _installed()) and "site-packages" not in path.parts


@cache
def _installed() -> tuple[Path, ...]:
    """Where Python and what is installed lies."""
    return tuple({Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib", "purelib", "platlib")})
