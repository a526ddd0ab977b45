"""`@transform`: how functions are registered, found and judged."""

from __future__ import annotations

import subprocess
import sys
from typing import Any, Literal, Optional

import pytest

from odibi.errors import ConfigError, UnknownNameError
from odibi.transforms import (
    TRANSFORMS,
    error_place,
    find_function,
    place_of,
    project_transforms,
    register_module,
    signature_problems,
    transform,
)

SOURCE = "from odibi import transform\n\n@transform\ndef clean(context, current=None):\n    return current\n"


@pytest.fixture
def registry() -> Any:
    """A registry of the test's own, without what the process registered before (examples in docstrings do)."""
    with project_transforms() as found:
        for name in found.loaded():
            found.remove(name)
        yield found


def load(path: Any, name: str) -> Any:
    import importlib.util

    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_decorated_with_and_without_arguments(registry: Any) -> None:
    @transform
    def one(context: Any) -> None: ...

    @transform(name="zwei")
    def two(context: Any) -> None: ...

    assert registry["one"] is one
    assert registry["zwei"] is two
    assert find_function("zwei") is two
    assert one.__name__ == "one"


def test_a_name_in_place_of_a_function_is_explained() -> None:
    with pytest.raises(TypeError, match="@transform\\(name='clean'\\)"):
        transform("clean")  # type: ignore[call-overload]


def test_two_functions_of_one_name_are_an_error_that_names_both_places(registry: Any) -> None:
    @transform(name="f")
    def one(context: Any) -> None: ...

    with pytest.raises(ConfigError) as caught:

        @transform(name="f")
        def two(context: Any) -> None: ...

    assert str(caught.value).count("test_registry.py:") == 2
    assert "rename one" in str(caught.value)


def test_a_file_that_is_imported_twice_is_fine(registry: Any, tmp_path: Any) -> None:
    file = tmp_path / "steps.py"
    file.write_text(SOURCE)
    first, second = load(file, "a"), load(file, "b")
    assert registry["clean"] is second.clean is not first.clean


def test_each_project_has_its_own_functions(tmp_path: Any) -> None:
    for name in ("one", "two"):
        (tmp_path / f"{name}.py").write_text(SOURCE)
        with project_transforms() as registry:
            module = load(tmp_path / f"{name}.py", name)
            assert registry["clean"] is module.clean
    assert "clean" not in TRANSFORMS.loaded()


def test_a_module_imported_for_another_project_is_registered_again(tmp_path: Any) -> None:
    (tmp_path / "steps.py").write_text(SOURCE)
    with project_transforms():
        module = load(tmp_path / "steps.py", "steps")
    with project_transforms() as registry:
        assert "clean" not in registry
        register_module(module)
        assert registry["clean"] is module.clean


def test_an_unknown_function_lists_what_exists(registry: Any) -> None:
    @transform
    def add_region(context: Any) -> None: ...

    with pytest.raises(UnknownNameError, match="did you mean 'add_region'"):
        find_function("add_regoin")


def test_the_decorator_is_light() -> None:
    heavy = {"pydantic", "pandas", "numpy", "duckdb"}
    code = f"import sys; from odibi import transform; print(sorted({heavy!r} & set(sys.modules)))"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )


def test_the_place_of_an_error_is_the_deepest_line_in_the_users_file() -> None:
    def helper() -> None:
        int("x")

    def f(context: Any) -> None:
        helper()

    with pytest.raises(ValueError, match="invalid literal") as caught:
        f(None)
    assert error_place(caught.value, f) == f"{__file__}:{helper.__code__.co_firstlineno + 1}"
    assert error_place(ValueError(), f) == place_of(f)


def function(
    context: Any,
    current: Any = None,
    *,
    count: int,
    name: str | None = None,
    names: "list[str]" = (),  # type: ignore[assignment]  # noqa: UP037
    kind: Literal["a", "b"] = "a",
    share: Optional[float] = None,  # noqa: UP045
    flags: dict[str, bool] | None = None,
    frame: "pd.DataFrame" = None,  # type: ignore[name-defined]  # noqa: F821, UP037
) -> None: ...


@pytest.mark.parametrize(
    "params",
    [
        {"count": 1},
        {"count": 1, "name": None, "names": ["x"], "kind": "b", "share": 1, "flags": {"x": True}, "frame": 5},
    ],
)
def test_parameters_that_fit(params: dict[str, Any]) -> None:
    assert signature_problems(function, params) == []


@pytest.mark.parametrize(
    ("params", "name", "message", "hint"),
    [
        ({}, None, "function 'function' needs 'count'", "add 'count' to params"),
        ({"count": 1, "nmae": "x"}, "nmae", "function 'function' has no parameter 'nmae'", "did you mean 'name'?"),
        ({"cuont": 1}, "cuont", "function 'function' has no parameter 'cuont'", "did you mean 'count'?"),
        ({"count": "1"}, "count", "takes a whole number, not text ('1')", ""),
        ({"count": True}, "count", "takes a whole number, not a boolean (True)", ""),
        ({"count": 1.5}, "count", "takes a whole number, not a number (1.5)", ""),
        ({"count": None}, "count", "takes a whole number, not null", ""),
        ({"count": 1, "name": 5}, "name", "takes text or null, not a whole number (5)", ""),
        ({"count": 1, "names": "x"}, "names", "takes a list of text, not text ('x')", ""),
        ({"count": 1, "names": [1]}, "names", "takes a list of text", ""),
        ({"count": 1, "kind": "c"}, "kind", "takes 'a' or 'b', not text ('c')", ""),
        ({"count": 1, "share": "x"}, "share", "takes a number or null", ""),
        ({"count": 1, "flags": {"x": 1}}, "flags", "takes a mapping of text to true or false or null", ""),
        ({"count": 1, "current": 1}, "current", "is given by odibi", "take it out"),
        ({"count": 1, "context": 1}, "context", "is given by odibi", "take it out"),
    ],
)
def test_parameters_that_do_not_fit(params: dict[str, Any], name: str | None, message: str, hint: str) -> None:
    ((found, text, advice),) = signature_problems(function, params)
    assert found == name
    assert message in text
    assert hint in advice


def test_a_function_without_a_context_is_explained() -> None:
    def f() -> None: ...

    ((_, message, hint),) = signature_problems(f, {})
    assert "takes no context" in message
    assert "def f(context, current=None" in hint


def test_a_function_that_nobody_would_await_is_refused() -> None:
    async def f(context: Any, current: Any) -> Any: ...

    ((_, message, hint),) = signature_problems(f, {})
    assert message == "function 'f' is async, and nobody would await it"
    assert hint == "write it as def f(…)"


def test_a_function_that_takes_anything_takes_any_parameter() -> None:
    def f(context: Any, **params: Any) -> None: ...

    assert signature_problems(f, {"x": 1}) == []
