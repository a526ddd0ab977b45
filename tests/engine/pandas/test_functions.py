"""Python functions on the pandas engine: what they are given and what may come back."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import narwhals as nw
import pandas as pd
import pyarrow as pa
import pytest

from odibi.context import Context, PandasContext
from odibi.engine.pandas.functions import call, from_python, to_narwhals, to_pandas
from odibi.engine.pandas.session import DuckFrame, Session
from odibi.errors import OdibiError

if TYPE_CHECKING:
    import narwhals as typed


@pytest.fixture(scope="module")
def session() -> Any:
    opened = Session()
    yield opened
    opened.close()


def rows(frame: DuckFrame) -> list[tuple[Any, ...]]:
    return frame.session.execute(frame.sql, frame)


def types(frame: DuckFrame) -> dict[str, str]:
    return {column.name: column.type_name for column in frame.columns}


EVERY = """SELECT 9007199254740993::BIGINT AS big, 1::TINYINT AS tiny, true AS flag, 1.5::DOUBLE AS share, 'x' AS name,
  DATE '2024-01-31' AS day, TIMESTAMPTZ '2024-01-31 10:00:00+02' AS zoned, TIMESTAMP '0001-01-01 00:00:00' AS old,
  12.30::DECIMAL(10, 2) AS price, {'a': 1, 'b': [1, 2]} AS nested, [1, NULL] AS list, 'ab'::BLOB AS raw"""
NULLS = f"SELECT * FROM ({EVERY}) UNION ALL SELECT {', '.join(['NULL'] * 12)}"
NONE = f"SELECT * FROM ({EVERY}) WHERE false"
PANDAS_VERSION = int(pd.__version__.partition(".")[0])
NAMES = ["big", "tiny", "flag", "share", "name", "day", "zoned", "old", "price", "nested", "list", "raw"]


# -- to pandas ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sql", [EVERY, NULLS, NONE])
def test_dtypes_do_not_depend_on_the_rows(session: Session, sql: str) -> None:
    frame = to_pandas(session, session.frame(sql))
    text, unit = ("str" if PANDAS_VERSION >= 3 else "object"), ("us" if PANDAS_VERSION >= 2 else "ns")
    zoned, old = f"datetime64[{unit}, UTC]", f"datetime64[{unit}]"
    if unit == "ns" and sql != NONE:  # the year 1 is out of its reach
        zoned, old = "object", "object"
    assert [str(frame.dtypes[name]) for name in NAMES] == [
        "Int64", "Int8", "boolean", "float64", text, "object", zoned, old, "object", "object", "object", "object",
    ]  # fmt: skip


def test_values(session: Session) -> None:
    frame = to_pandas(session, session.frame(f"{NULLS} ORDER BY big NULLS LAST"))
    row = frame.iloc[0]
    assert row["big"] == 9007199254740993
    assert row["day"] == date(2024, 1, 31)
    assert row["zoned"] == datetime(2024, 1, 31, 8, tzinfo=UTC)
    assert row["old"].year == 1
    assert row["price"] == Decimal("12.30")
    assert frame["big"].isna().tolist() == [False, True]
    assert frame["flag"].iloc[1] is pd.NA


@pytest.mark.parametrize("sql", [EVERY, NULLS, NONE])
def test_there_and_back_keeps_types_and_rows(session: Session, sql: str) -> None:
    given = session.frame(sql)

    def same(context: Any, current: Any) -> Any:
        return current

    result = call(session, same, PandasContext(), given, {})
    assert types(result) == types(given)
    query = "SELECT * EXCLUDE (zoned), zoned::VARCHAR FROM ({})"
    found = [session.execute(query.format(frame.sql), frame) for frame in (result, given)]
    assert sorted(found[0], key=str) == sorted(found[1], key=str)


NESTED = """SELECT * FROM (VALUES
  ({'a': 9007199254740993, 'b': [9007199254740993, NULL], 'c': [0.5::DOUBLE]}, [9007199254740993, NULL],
   [[1], [2, NULL]], MAP {'k': 9007199254740993}, [{'a': 1::BIGINT}, NULL]),
  ({'a': NULL, 'b': [1], 'c': NULL}, [1], NULL, MAP {'k': NULL}, NULL), (NULL, NULL, [], NULL, [])
) AS t(struct, list, lists, map, structs)"""


def test_integers_in_nested_values_stay_integers(session: Session) -> None:
    frame = to_pandas(session, session.frame(NESTED))
    struct, numbers = frame["struct"][0], frame["list"][0]
    assert (struct["a"], list(struct["b"])) == (9007199254740993, [9007199254740993, None])
    assert (list(numbers), frame["map"][0]) == ([9007199254740993, None], [("k", 9007199254740993)])
    assert (frame["list"][1].dtype, struct["c"].dtype) == ("int64", "float64")


def test_nested_values_there_and_back(session: Session) -> None:
    frame = session.frame(NESTED)
    back = call(session, lambda context, current: current, context_of(session), frame, {})
    assert (types(back), rows(back)) == (types(frame), rows(frame))


def test_what_a_function_does_to_its_frame_reaches_nobody_else(session: Session) -> None:
    kept = session.keep(session.frame("SELECT 1.5::DOUBLE AS f, 1 AS i, 'x' AS s"))
    table = session.register(pa.table({"f": [1.5], "i": [1], "s": ["x"]}))
    for frame in (kept, table):
        given = to_pandas(session, frame)
        given.loc[0, ["f", "i", "s"]] = [9.0, 9, "z"]
        given["f"] += 1
        assert rows(frame) == [(1.5, 1, "x")]


@pytest.mark.parametrize("name", ["big", "flag", "share", "name", "day", "old", "price"])
def test_every_column_can_be_written(session: Session, name: str) -> None:
    for sql in (f"SELECT {name} FROM ({EVERY})", EVERY):
        given = to_pandas(session, session.frame(sql))
        value = given[name].iloc[0]
        given.loc[0, name] = value
        given.loc[given[name] == value, name] = value
        given.fillna({name: value}, inplace=True)
        assert given[name].iloc[0] == value


def test_what_a_function_does_later_to_the_frame_it_returned_reaches_nobody(session: Session) -> None:
    returned = pd.DataFrame({"f": [1.5, 2.5], "i": [1, 2]})
    frame = from_python(session, returned)
    returned.loc[0, "f"] = 9.0
    returned["i"] += 1
    assert rows(frame) == [(1.5, 1), (2.5, 2)]


# -- from Python -------------------------------------------------------------------------------------------------------

PANDAS = pd.DataFrame({"a": [1, 2], "b": ["x", None]})


def test_a_relation_of_the_users_own_database(session: Session) -> None:
    import duckdb

    assert rows(from_python(session, duckdb.connect().sql("SELECT 1 AS a"))) == [(1,)]


# -- call --------------------------------------------------------------------------------------------------------------


class Engine:
    """As much of an engine as a context asks for."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def native(self, frame: Any) -> Any:
        return to_pandas(self.session, frame)


def context_of(session: Session, **frames: DuckFrame) -> Context:
    engine: Any = Engine(session)
    return Context(engine, frames)


def test_a_function_sees_context_current_and_parameters(session: Session) -> None:
    def join(context: Any, current: Any, *, factor: int, **more: Any) -> Any:
        assert more == {"note": "x"}
        joined = current.merge(context.get("regions"), on="id")
        return joined.assign(amount=joined["amount"] * factor)

    sales = session.frame("SELECT 1 AS id, 5 AS amount")
    regions = session.frame("SELECT 1 AS id, 'EU' AS region")
    frame = call(session, join, context_of(session, sales=sales, regions=regions), sales, {"factor": 2, "note": "x"})
    assert rows(frame) == [(1, 10, "EU")]


def eager(context: Any, current: nw.DataFrame[Any]) -> nw.DataFrame[Any]:
    assert isinstance(current, nw.DataFrame)
    return current.with_columns(b=nw.col("a") * 2)


def lazy(context: Any, current: nw.LazyFrame[Any] | None = None) -> Any:
    assert isinstance(current, nw.LazyFrame)
    return current.with_columns(b=nw.col("a") * 2)


def by_text(context: Any, current: "typed.LazyFrame[Any]") -> Any:  # noqa: UP037
    return lazy(context, current)


def for_checkers_only(context: Any, current: "nwx.LazyFrame") -> Any:  # type: ignore[name-defined]  # noqa: F821, UP037
    return current


def test_annotations_that_exist_for_type_checkers_only() -> None:
    from odibi.transforms.calling import wanted_frame

    by_text.__annotations__["current"] = "nw.LazyFrame[Any]"
    assert wanted_frame(by_text).kind == "lazy"
    assert wanted_frame(for_checkers_only).kind == "native"
    assert wanted_frame(eager).kind == "eager"


def test_the_stable_api_is_kept() -> None:
    import narwhals.stable.v1 as stable

    from odibi.transforms.calling import wanted_frame

    def f(context: Any, current: Any) -> Any: ...

    f.__annotations__["current"] = stable.LazyFrame
    assert wanted_frame(f).kind == "lazy"
    assert wanted_frame(f).module == "narwhals.stable.v1"


def test_narwhals_outside_a_call(session: Session) -> None:
    frame = session.frame("SELECT 1 AS a")
    assert to_narwhals(session, frame, lazy=True).collect()["a"].to_list() == [1]
    assert to_narwhals(session, frame, lazy=False)["a"].to_list() == [1]


# -- failures ----------------------------------------------------------------------------------------------------------


def test_a_failing_function_is_named_with_its_line(session: Session) -> None:
    def fails(context: Any, current: Any) -> Any:
        return current["amuont"]

    with pytest.raises(OdibiError) as caught:
        call(session, fails, PandasContext(), session.frame("SELECT 1 AS amount"), {})
    assert str(caught.value) == (
        f"function 'fails' failed: KeyError: 'amuont'\n  at {__file__}:{fails.__code__.co_firstlineno + 1}"
    )
    assert isinstance(caught.value.__cause__, KeyError)


def test_what_duckdb_refuses_a_function_is_told_as_it_is_of_sql(session: Session) -> None:
    def adds(context: Any, current: Any) -> Any:
        return current.with_columns(y=nw.col("name") + 1)

    adds.__annotations__["current"] = nw.LazyFrame
    with pytest.raises(OdibiError) as caught:
        call(session, adds, Context(None, {}), session.frame("SELECT 'x' AS name"), {})
    first, *lines = str(caught.value).split("\n")
    assert first.startswith("function 'adds' failed: no function fits +(VARCHAR, INTEGER); it takes: ")
    assert first.endswith("…; cast the arguments")
    assert lines == [f"  at {__file__}:{adds.__code__.co_firstlineno + 1}"]
