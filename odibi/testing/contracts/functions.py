"""What every engine must do for users' Python functions: what they are given, what they may return, how they fail."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from odibi.context import Context
from odibi.engine import Engine
from odibi.engine.base import Query
from odibi.errors import DataError, OdibiError
from odibi.testing.compare import assert_frame_equal
from odibi.testing.contracts.base import OnEngine
from odibi.testing.frames import arrow_table

ROWS: Sequence[Mapping[str, Any]] = ({"a": 1, "b": "x"}, {"a": 2, "b": None})
BIG = 2**53 + 1
EVERY: Mapping[str, tuple[str, Any]] = {
    "big": ("bigint", BIG),
    "tiny": ("tinyint", 1),
    "flag": ("boolean", True),
    "share": ("double", 1.5),
    "name": ("string", "x"),
    "day": ("date", date(2024, 1, 31)),
    "zoned": ("timestamp", datetime(2024, 1, 31, 8, tzinfo=UTC)),
    "old": ("timestamp_ntz", datetime(1, 1, 1)),  # noqa: DTZ001
    "price": ("decimal(10,2)", Decimal("12.30")),
    "nested": ("struct<a:int,b:array<int>>", {"a": 1, "b": [1, 2]}),
    "list": ("array<bigint>", [BIG, None]),
    "map": ("map<string,bigint>", [("k", BIG)]),
    "raw": ("binary", b"ab"),
}
SCHEMA = {name: type for name, (type, _) in EVERY.items()}
ONE = {name: value for name, (_, value) in EVERY.items()}


def frames_of_many_kinds() -> Mapping[str, Callable[[], Any]]:
    """The same two rows (`ROWS`) as each kind of frame that a function may return on every engine."""
    import narwhals as nw
    import pandas as pd
    import pyarrow as pa

    pandas = pd.DataFrame({"a": [1, 2], "b": ["x", None]})
    table = pa.table({"a": [1, 2], "b": ["x", None]})

    def polars() -> Any:
        return pytest.importorskip("polars").DataFrame({"a": [1, 2], "b": ["x", None]})

    return {
        "pandas": lambda: pandas,
        "narwhals": lambda: nw.from_native(pandas),
        "narwhals lazy": lambda: nw.from_native(pandas).lazy(),
        "arrow": lambda: table,
        "arrow reader": table.to_reader,
        "arrow batch": lambda: table.to_batches()[0],
        "narwhals of arrow": lambda: nw.from_native(table),
        "polars": polars,
        "polars lazy": lambda: polars().lazy(),
        "narwhals of polars": lambda: nw.from_native(polars().lazy()),
    }


KINDS = (
    "pandas", "narwhals", "narwhals lazy", "arrow", "arrow reader", "arrow batch", "narwhals of arrow", "polars",
    "polars lazy", "narwhals of polars",
)  # fmt: skip


class FunctionContract(OnEngine):
    """Functions are given frames, may return any, and fail with their file and line."""

    # -- what may come back --------------------------------------------------------------------------------------------

    @pytest.mark.parametrize("kind", KINDS)
    def test_every_kind_of_frame(self, engine: Engine, kind: str) -> None:
        """Rows are known, types are those of the values."""
        frame = engine.adopt(frames_of_many_kinds()[kind]())
        assert types(frame) == {"a": "bigint", "b": "string"}
        assert frame.rows == 2
        assert not engine.is_lazy(frame)
        assert engine.sample(frame, 1) == [ROWS[0]]
        holds(engine, frame, ROWS)

    def test_what_is_given_may_come_back(self, engine: Engine) -> None:
        """The native frame, and what narwhals makes of it."""
        import narwhals as nw

        frame = engine.adopt(arrow_table(ROWS))
        for data in (engine.native(frame), nw.from_native(engine.native(frame)), engine.narwhals(frame, lazy=True)):
            holds(engine, engine.adopt(data), ROWS)

    @pytest.mark.parametrize(
        ("make", "text"),
        [
            (lambda pd: None, "None is no frame; return a DataFrame"),
            (lambda pd: pd.Series([1]), "a Series is no frame"),
            (lambda pd: (pd.DataFrame(), pd.DataFrame()), "a tuple is no frame"),
            (lambda pd: [{"a": 1}], "a list is no frame"),
            (lambda pd: 5, "an int is no frame"),
            (lambda pd: pd.DataFrame({"a": [1]}).groupby("a"), "a DataFrameGroupBy is no frame"),
        ],
    )
    def test_what_is_no_frame_is_named(self, engine: Engine, make: Callable[[Any], Any], text: str) -> None:
        """With what would be right, and the function's name."""
        import pandas as pd

        with pytest.raises(DataError, match=text):
            engine.adopt(make(pd))
        with pytest.raises(DataError, match=f"function 'forgets': {text}"):
            self.call(engine, named("forgets", lambda context: make(pd)))

    @pytest.mark.parametrize(
        ("make", "text"),
        [
            (lambda pd: pd.DataFrame({"bad": [1, "a"]}), r"column 'bad' holds values of several types \(int, str\)"),
            (lambda pd: pd.DataFrame({"bad": [object()]}), "column 'bad' holds"),
            (
                lambda pd: pd.DataFrame({"p": pd.period_range("2024", periods=1, freq="D")}),
                "column 'p' holds extension",
            ),
            (lambda pd: pd.DataFrame([[1, 2]], columns=["a", "a"]), "the column name 'a' occurs twice; rename one"),
            (lambda pd: pd.DataFrame([[1, 2]], columns=["a", "A"]), "'A' and 'a' differ only in case"),
            (lambda pd: pd.DataFrame([[1, 2]], columns=["a", 3]), "the column name 3 is int, not text"),
            (lambda pd: pd.DataFrame([[1]], columns=pd.MultiIndex.from_tuples([("a", "b")])), "is a tuple"),
            (lambda pd: pd.DataFrame({"a": [1]}, index=["x"]), "index holds (str|object) labels and has no name"),
            (lambda pd: pd.DataFrame({"a": [1]}, index=pd.Index([1], name="a")), "the index 'a' has the name of a"),
        ],
    )
    def test_frames_that_no_table_can_hold(self, engine: Engine, make: Callable[[Any], Any], text: str) -> None:
        """Column and way out are named."""
        import pandas as pd

        with pytest.raises(DataError, match=text):
            engine.adopt(make(pd))

    def test_an_index_with_names_becomes_columns(self, engine: Engine) -> None:
        """One of numbers alone is dropped."""
        import pandas as pd

        given = pd.DataFrame({"k": ["x", "x"], "l": [1, 1], "v": [1, 2]})
        holds(engine, engine.adopt(given[::-1]), given.to_dict("records"))
        holds(engine, engine.adopt(given.groupby(["k", "l"]).sum()), [{"k": "x", "l": 1, "v": 3}])
        assert engine.adopt(pd.DataFrame({"a": []})).rows == 0

    def test_what_pandas_holds(self, engine: Engine) -> None:
        """Missing values are NULL, integers stay integers, times keep their zone or have none."""
        import numpy as np
        import pandas as pd

        given = pd.DataFrame(
            {
                "ints": pd.array([BIG, None], dtype="Int64"),
                "flags": pd.array([True, None], dtype="boolean"),
                "floats": [math.inf, math.nan],
                "objects": pd.Series([1, None], dtype=object),
                "category": pd.Categorical(["a", None]),
                "stamp": pd.to_datetime(["2024-01-31", None]),
                "zoned": pd.to_datetime(["2024-01-31 10:00", None]).tz_localize("Europe/Berlin"),
                "lists": [[1, 2], None],
                "dicts": [{"a": 1}, None],
                "small": np.array([1, 2], dtype="int16"),
            }
        )
        frame = engine.adopt(given)
        found = types(frame)
        assert found.pop("category")
        assert found == {
            "ints": "bigint", "flags": "boolean", "floats": "double", "objects": "bigint", "stamp": "timestamp_ntz",
            "zoned": "timestamp", "lists": "array<bigint>", "dicts": "struct<a:bigint>", "small": "smallint",
        }  # fmt: skip
        first = {
            "ints": BIG, "flags": True, "floats": math.inf, "objects": 1, "category": "a",
            "stamp": datetime(2024, 1, 31), "zoned": datetime(2024, 1, 31, 9, tzinfo=UTC),  # noqa: DTZ001
            "lists": [1, 2], "dicts": {"a": 1}, "small": 1,
        }  # fmt: skip
        holds(engine, frame, [first, {**dict.fromkeys(first), "small": 2}])

    # -- there and back ------------------------------------------------------------------------------------------------

    @pytest.mark.parametrize("rows", [[ONE], [ONE, dict.fromkeys(ONE)], []], ids=["one", "nulls", "none"])
    @pytest.mark.parametrize("how", ["native", "lazy", "eager"])
    def test_there_and_back_keeps_types_and_rows(self, engine: Engine, rows: list[Any], how: str) -> None:
        """Whether there are rows or not."""
        given = engine.adopt(arrow_table(rows, SCHEMA))
        result = self.call(engine, SAME[how], given)
        assert types(result) == SCHEMA
        holds(engine, result, rows)

    def test_columns_without_values_take_the_type_they_had(self, engine: Engine) -> None:
        """Values alone do not tell it."""
        import pandas as pd

        schema = {"id": "int", "day": "date", "price": "decimal(12,2)", "l": "array<int>"}
        given = engine.adopt(
            arrow_table([{"id": 1, "day": date(2024, 1, 31), "price": Decimal("1.5"), "l": [1]}], schema)
        )
        returned = pd.DataFrame(
            {"id": pd.array([1], dtype="Int32"), "day": [None], "price": [Decimal("1.5")], "l": [[1]]}
        )
        result = self.call(engine, named("empty", lambda context, current: returned), given)
        assert types(result) == schema

    def test_a_decimal_that_grew_keeps_its_digits(self, engine: Engine) -> None:
        """The type it had would cut them off."""
        import pandas as pd

        given = engine.adopt(arrow_table([{"price": Decimal("1.5")}], {"price": "decimal(3,1)"}))
        returned = pd.DataFrame({"price": [Decimal("12345.678")]})
        result = self.call(engine, named("grow", lambda context, current: returned), given)
        holds(engine, result, [{"price": Decimal("12345.678")}])

    # -- what is given -------------------------------------------------------------------------------------------------

    def test_a_function_sees_context_current_and_parameters(self, engine: Engine) -> None:
        """Native frames, all of one kind."""

        def picks(context: Any, current: Any, *, name: str, **more: Any) -> Any:
            assert more == {"note": "x"}
            assert context.list_names() == ["regions", "sales"]
            assert type(context.get("regions")) is type(current)
            return context.get(name)

        sales, regions = engine.adopt(arrow_table([{"id": 1}])), engine.adopt(arrow_table([{"id": 1, "region": "EU"}]))
        context = Context(engine, {"sales": sales, "regions": regions})
        result = engine.call(picks, context, sales, {"name": "regions", "note": "x"})
        holds(engine, result, [{"id": 1, "region": "EU"}])

    def test_a_function_without_current(self, engine: Engine) -> None:
        """And one whose step has no input."""

        def made(context: Any, current: Any = 5) -> Any:
            assert current is None
            return frames_of_many_kinds()["pandas"]()

        frame = engine.adopt(arrow_table(ROWS))
        context = Context(engine, {"a": frame})
        holds(engine, engine.call(lambda context: context.get("a"), context, frame, {}), ROWS)
        holds(engine, engine.call(made, context, None, {}), ROWS)

    @pytest.mark.parametrize("state", ["given", "computed", "kept"])
    @pytest.mark.parametrize("how", ["lazy", "eager"])
    def test_narwhals_frames(self, engine: Engine, state: str, how: str) -> None:
        """Where `current` is annotated so, whatever the engine holds."""
        frame = engine.adopt(arrow_table(ROWS))
        if state != "given":
            frame = engine.query(Query("SELECT * FROM t", engine.dialect), {"t": frame})[0]
        frame = engine.keep(frame) if state == "kept" else frame
        result = self.call(engine, TWICE[how], frame)
        holds(engine, result, [{**row, "c": row["a"] * 2} for row in ROWS])

    def test_the_stable_api_of_narwhals(self, engine: Engine) -> None:
        """The API of the annotation is the one that is given."""
        import narwhals.stable.v1 as stable

        def doubles(context: Any, current: Any) -> Any:
            assert isinstance(current, stable.LazyFrame)
            return current.with_columns(c=stable.col("a") * 2)

        doubles.__annotations__["current"] = stable.LazyFrame
        result = self.call(engine, doubles, engine.adopt(arrow_table(ROWS)))
        holds(engine, result, [{**row, "c": row["a"] * 2} for row in ROWS])

    # -- failures ------------------------------------------------------------------------------------------------------

    def test_a_failing_function_is_named_with_its_line(self, engine: Engine) -> None:
        """And what it raised is the cause."""

        def fails(context: Any) -> Any:
            raise ValueError("no such amount")

        with pytest.raises(OdibiError) as caught:
            self.call(engine, fails)
        place = f"{__file__}:{fails.__code__.co_firstlineno + 1}"
        assert str(caught.value) == f"function 'fails' failed: ValueError: no such amount\n  at {place}"
        assert isinstance(caught.value.__cause__, ValueError)

    def test_sys_exit_is_an_error_of_the_function(self, engine: Engine) -> None:
        """The run goes on without it."""

        def stops(context: Any) -> Any:
            sys.exit(3)

        with pytest.raises(OdibiError, match=r"function 'stops' called sys.exit\(3\)"):
            self.call(engine, stops)

    def test_an_interrupt_goes_through(self, engine: Engine) -> None:
        """Ctrl-C is the user's."""

        def stops(context: Any) -> Any:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            self.call(engine, stops)

    # -- helpers -------------------------------------------------------------------------------------------------------

    def call(self, engine: Engine, function: Callable[..., Any], current: Any = None) -> Any:
        """What a function gives."""
        frames = {} if current is None else {"t": current}
        return engine.call(function, Context(engine, frames), current, {})


def types(frame: Any) -> dict[str, str]:
    """Names and types of a frame's columns."""
    return {column.name: column.type_name for column in frame.columns}


def holds(engine: Engine, frame: Any, rows: Any) -> None:
    """Check what a frame holds."""
    assert_frame_equal(engine.narwhals(frame, lazy=True), list(rows), check_dtypes=False)


def named(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """A lambda under another name."""
    function.__name__ = name
    return function


def _same(context: Any, current: Any) -> Any:
    return current


def _doubled(context: Any, current: Any) -> Any:
    import narwhals as nw

    return current.with_columns(c=nw.col("a") * 2)


def _annotated(function: Callable[..., Any], kind: str) -> Callable[..., Any]:
    """The function with `current` annotated as a narwhals frame, which it checks."""

    def wanting(context: Any, current: Any) -> Any:
        assert type(current).__name__ == ("LazyFrame" if kind == "lazy" else "DataFrame")
        return function(context, current)

    wanting.__annotations__["current"] = f"nw.{'LazyFrame' if kind == 'lazy' else 'DataFrame'}"
    return wanting


SAME = {"native": _same, "lazy": _annotated(_same, "lazy"), "eager": _annotated(_same, "eager")}
TWICE = {"lazy": _annotated(_doubled, "lazy"), "eager": _annotated(_doubled, "eager")}
