"""What a step can do besides SQL: functions that users register with `@transform`, and the built-in operations.

To add an operation: one file here and one line in `OPERATIONS`. Other packages add functions by the entry points
`odibi.transforms`, operations by `odibi.operations`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import ModuleType, TracebackType
from typing import Any, TypeVar, overload

from odibi.errors import ConfigError, UnknownNameError
from odibi.registry import Registry

Function = Callable[..., Any]
F = TypeVar("F", bound=Function)

OPERATIONS = Registry(
    "operation",
    {
        "cast": "odibi.transforms.cast:Cast",
        "deduplicate": "odibi.transforms.deduplicate:Deduplicate",
        "fill_nulls": "odibi.transforms.fill_nulls:FillNulls",
        "pivot": "odibi.transforms.pivot:Pivot",
        "rename": "odibi.transforms.rename:Rename",
        "sample": "odibi.transforms.sample:Sample",
        "unpivot": "odibi.transforms.unpivot:Unpivot",
    },
    entry_points="odibi.operations",
)
"""The built-in operations: name -> a class, see `odibi.transforms.base.Operation`."""

KIND = "transform function"
TRANSFORMS = Registry(KIND, {}, entry_points="odibi.transforms")
"""Functions registered in this process outside a project; a project's own: see `project_transforms`."""

_MARK = "__odibi_transform__"
_registry: ContextVar[Registry] = ContextVar("odibi_transforms", default=TRANSFORMS)


@overload
def transform(function: F, /) -> F: ...
@overload
def transform(*, name: str | None = None) -> Callable[[F], F]: ...
def transform(function: F | None = None, /, *, name: str | None = None) -> F | Callable[[F], F]:
    """Register a function `f(context, current=None, **params)` as a step for YAML: `function: f`.

    The function is given the context (`context.get("node")` is a native frame) and, where it has a parameter
    `current`, the result of the step before. It returns a frame. `name` is the name in YAML, default: the function's.
    The function itself is returned as it is, so a test calls it like any other. Raises `ConfigError` when another
    function already has the name.

    >>> from odibi import transform
    >>> @transform
    ... def add_region(context, current=None, default="EU"):
    ...     return current.assign(region=default)
    """
    if function is None:
        return lambda decorated: _register(decorated, name or decorated.__name__)
    if not callable(function):
        raise TypeError(f"@transform takes a function, or name=…: write @transform(name={function!r})")
    return _register(function, name or function.__name__)


def _register(function: F, name: str) -> F:
    setattr(function, _MARK, name)
    _add(_registry.get(), name, function)
    return function


def _add(registry: Registry, name: str, function: Function) -> None:
    earlier = registry.registered(name)
    if earlier is not None and not same_definition(earlier, function):
        raise ConfigError(
            f"two transform functions are named {name!r}: {place_of(earlier)} and {place_of(function)}; "
            "rename one, or register it as @transform(name=…)"
        )
    registry.add(name, function)


def same_definition(one: Function, other: Function) -> bool:
    """True for a function that was imported twice, or defined again in a notebook or an interactive session."""
    if one is other:
        return True
    if getattr(one, "__qualname__", one) != getattr(other, "__qualname__", other):
        return False
    return _file(one) == _file(other) or one.__module__ == other.__module__ == "__main__"


@contextmanager
def project_transforms() -> Iterator[Registry]:
    """A registry for one project: what `@transform` registers inside goes there, so two projects in one process may
    each have a function of the same name. What the process registered before (a script, a notebook) is found too."""
    registry = Registry(KIND, {}, entry_points="odibi.transforms")
    for name in TRANSFORMS.loaded():
        registry.add(name, TRANSFORMS.registered(name))
    token = _registry.set(registry)
    try:
        yield registry
    finally:
        _registry.reset(token)


def register_module(module: ModuleType) -> None:
    """Register the marked functions of a module that was imported before, when the decorators ran for someone else."""
    for value in list(vars(module).values()):
        name = getattr(value, _MARK, None) if callable(value) else None
        if isinstance(name, str):
            _add(_registry.get(), name, value)
        elif isinstance(value, ModuleType) and value.__name__.startswith(module.__name__ + "."):
            register_module(value)


def place_of(function: Function) -> str:
    """`file:line` of a function's definition, for messages."""
    code = getattr(function, "__code__", None)
    if code is None:
        return f"{getattr(function, '__module__', '?')}.{getattr(function, '__qualname__', function)}"
    return f"{code.co_filename}:{code.co_firstlineno}"


def error_place(error: BaseException, function: Function) -> str:
    """`file:line` of the deepest frame of `error` inside the file that defines `function`; its definition if none."""
    file, place = _file(function), place_of(function)
    trace: TracebackType | None = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == file:
            place = f"{file}:{trace.tb_lineno}"
        trace = trace.tb_next
    return place


def find_function(name: str) -> Function:
    """The function registered under `name`. Raises `UnknownNameError`, which says how to make it known."""
    registry = _registry.get()
    if name in registry:
        found: Function = registry[name]
        return found
    raise UnknownNameError(KIND, name, registry)


def signature_problems(function: Function, params: Mapping[str, Any]) -> list[tuple[str | None, str, str]]:
    """What is wrong with `params` for `function`: (parameter or None, message, hint), nothing is called."""
    from odibi.transforms.signature import problems

    return problems(function, params)


def _file(function: Function) -> str:
    code = getattr(function, "__code__", None)
    return str(code.co_filename) if code is not None else ""
