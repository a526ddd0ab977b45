"""The built-in operations: what they give, on the engine's own way and by their portable SQL."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from odibi.engine.pandas.operations import FAST, apply
from odibi.engine.pandas.session import DuckFrame, Session
from odibi.errors import DataError, UnknownNameError
from odibi.transforms import OPERATIONS
from odibi.transforms.dialect import DUCKDB, SPARK
from odibi.types import Column, parse_type

Row = dict[str, Any]


@pytest.fixture(scope="module")
def session() -> Any:
    opened = Session()
    yield opened
    opened.close()


def rows(frame: DuckFrame) -> list[Row]:
    names = [column.name for column in frame.columns]
    return [dict(zip(names, row, strict=True)) for row in frame.session.execute(frame.sql, frame)]


def run(session: Session, name: str, sql: str, **params: Any) -> DuckFrame:
    operation = OPERATIONS[name]()
    return apply(session, operation, operation.Params(**params), session.frame(sql))[0]


def columns(**types: str) -> tuple[Column, ...]:
    return tuple(Column(name, parse_type(text)) for name, text in types.items())


SALES = """SELECT * FROM (VALUES ('EU', 'jan', 1, 1.5), ('EU', 'jan', 2, 2.5), ('EU', 'feb', 4, NULL),
  ('US', NULL, 8, 1.0), (NULL, 'jan', 16, 1.0)) v(region, month, qty, price)"""


# -- every operation ---------------------------------------------------------------------------------------------------

EXAMPLES: dict[str, dict[str, Any]] = {
    "cast": {"columns": {"qty": "string"}},
    "deduplicate": {"subset": ["region"], "order_by": ["qty desc"]},
    "fill_nulls": {"values": {"month": "none"}},
    "pivot": {"group_by": ["region"], "pivot_column": "month", "value_column": "qty", "values": ["jan", None]},
    "rename": {"columns": {"qty": "quantity"}},
    "sample": {"rows": 2, "seed": 1},
    "unpivot": {"id_columns": ["region", "month"], "value_columns": ["qty", "price"]},
}


def test_there_is_an_example_of_every_operation() -> None:
    assert sorted(OPERATIONS) == sorted(EXAMPLES)


@pytest.mark.parametrize("name", EXAMPLES)
def test_what_is_announced_before_a_run_is_what_comes_out(session: Session, name: str) -> None:
    operation = OPERATIONS[name]()
    params = operation.Params(**EXAMPLES[name])
    frame = session.frame(SALES)
    assert operation.problems(params, frame.columns) == []
    announced = operation.output_columns(params, frame.columns)
    result, _ = apply(session, operation, params, frame)
    portable = session.frame(operation.sql(params, frame.columns, DUCKDB), {"current": frame})
    for each in (result, portable):
        assert [(c.name, c.type) for c in each.columns] == [(c.name, c.type) for c in announced]
        assert len(rows(each)) == len(rows(result))


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_sql_is_spark_sql_too(session: Session, name: str) -> None:
    import sqlglot

    operation = OPERATIONS[name]()
    sql = operation.sql(operation.Params(**EXAMPLES[name]), session.frame(SALES).columns, SPARK)
    sqlglot.parse_one(sql, dialect="spark", error_level=sqlglot.ErrorLevel.RAISE)


@pytest.mark.parametrize("name", EXAMPLES)
def test_parameters_are_described_and_unknown_ones_refused(name: str) -> None:
    params = OPERATIONS[name].Params
    assert all(field.description for field in params.model_fields.values())
    with pytest.raises(ValidationError, match="Extra inputs"):
        params(**EXAMPLES[name], colour="red")


@pytest.mark.parametrize(
    ("name", "params", "path"),
    [
        ("cast", {"columns": {"qtty": "int"}}, "columns.qtty"),
        ("deduplicate", {"subset": ["regoin"]}, "subset[0]"),
        ("deduplicate", {"subset": ["region"], "order_by": ["qtty desc"]}, "order_by[0]"),
        ("fill_nulls", {"values": {"monht": "x"}}, "values.monht"),
        ("fill_nulls", {"value": 0, "columns": ["qtty"]}, "columns[0]"),
        ("pivot", {**EXAMPLES["pivot"], "group_by": ["regoin"]}, "group_by[0]"),
        ("pivot", {**EXAMPLES["pivot"], "pivot_column": "monht"}, "pivot_column"),
        ("pivot", {**EXAMPLES["pivot"], "value_column": "qtty"}, "value_column"),
        ("rename", {"columns": {"qtty": "x"}}, "columns.qtty"),
        ("unpivot", {"id_columns": ["regoin"]}, "id_columns[0]"),
        ("unpivot", {"id_columns": ["region"], "value_columns": ["qtty"]}, "value_columns[0]"),
    ],
)
def test_unknown_columns_are_told_with_the_closest(session: Session, name: str, params: Any, path: str) -> None:
    operation = OPERATIONS[name]()
    ((where, message, hint),) = operation.problems(operation.Params(**params), session.frame(SALES).columns)
    assert where == path
    assert message.startswith("unknown column")
    assert "did you mean" in hint
    with pytest.raises(DataError, match="unknown column"):
        run(session, name, SALES, **params)


def test_an_unknown_operation_lists_what_exists() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'pivot'"):
        OPERATIONS["pivto"]


# -- rename, cast, fill_nulls ------------------------------------------------------------------------------------------


def test_names_are_found_whatever_their_case(session: Session) -> None:
    assert rows(run(session, "rename", "SELECT 1 AS Id, 2 AS x", columns={"ID": "key"})) == [{"key": 1, "x": 2}]


def test_a_rename_may_swap_but_not_collide(session: Session) -> None:
    assert rows(run(session, "rename", "SELECT 1 AS a, 2 AS b", columns={"a": "b", "b": "a"})) == [{"b": 1, "a": 2}]
    with pytest.raises(DataError, match="'B' would exist twice"):
        run(session, "rename", "SELECT 1 AS b, 2 AS a", columns={"a": "B"})


def test_awkward_names_survive(session: Session) -> None:
    sql = 'SELECT 1 AS "a ""b""", 2 AS "ü %s {x}"'
    assert rows(run(session, "rename", sql, columns={'a "b"': "c'd"})) == [{"c'd": 1, "ü %s {x}": 2}]
    assert rows(run(session, "deduplicate", sql, subset=["ü %s {x}"])) == [{'a "b"': 1, "ü %s {x}": 2}]


def test_a_bad_cast_is_an_error_or_null_when_asked(session: Session) -> None:
    import duckdb

    sql = "SELECT * FROM (VALUES ('1'), ('x')) v(a)"
    with pytest.raises(duckdb.Error, match="'x'"):
        rows(run(session, "cast", sql, columns={"a": "int"}))
    assert rows(run(session, "cast", sql, columns={"a": "int"}, errors="null")) == [{"a": 1}, {"a": None}]


def test_a_type_that_is_none_is_refused() -> None:
    with pytest.raises(ValidationError, match="unknown type 'intt'"):
        OPERATIONS["cast"].Params(columns={"a": "intt"})


@pytest.mark.parametrize(
    "text", ["array<int>", "struct<a:int,`b c`:string>", "map<string,double>", "timestamp", "binary"]
)
def test_casts_to_every_kind_of_type(session: Session, text: str) -> None:
    (column,) = run(session, "cast", "SELECT NULL AS a", columns={"a": text}).columns
    assert str(column.type) == text


def test_nulls_are_filled_per_column(session: Session) -> None:
    sql = "SELECT NULL::VARCHAR AS s, NULL::DATE AS d, NULL::DECIMAL(5,2) AS n, 1 AS i"
    found = rows(run(session, "fill_nulls", sql, values={"s": "it's", "d": "2024-01-31", "n": 0.5, "i": 0}))
    assert found == [{"s": "it's", "d": date(2024, 1, 31), "n": Decimal("0.50"), "i": 1}]


def test_one_value_fills_the_columns_of_its_kind(session: Session) -> None:
    sql = "SELECT NULL::VARCHAR AS s, NULL::INT AS i, NULL::DOUBLE AS f, NULL::BOOLEAN AS b, NULL::DATE AS d"
    assert rows(run(session, "fill_nulls", sql, value=0)) == [{"s": None, "i": 0, "f": 0.0, "b": None, "d": None}]
    assert rows(run(session, "fill_nulls", sql, value="-")) == [{"s": "-", "i": None, "f": None, "b": None, "d": None}]
    assert rows(run(session, "fill_nulls", sql, value=False))[0]["b"] is False


@pytest.mark.parametrize(("type", "value"), [("int", 0.5), ("int", "x"), ("string", 0), ("boolean", 1), ("date", 5)])
def test_a_value_that_a_column_can_not_hold_is_refused(type: str, value: Any) -> None:
    operation = OPERATIONS["fill_nulls"]()
    ((path, message, _),) = operation.problems(operation.Params(values={"a": value}), columns(a=type))
    assert path == "values.a"
    assert f"is {type} and can not hold {value!r}" in message


@pytest.mark.parametrize("params", [{}, {"value": 1, "values": {"a": 1}}, {"values": {"a": 1}, "columns": ["a"]}])
def test_fill_nulls_is_given_one_way(params: Any) -> None:
    with pytest.raises(ValidationError):
        OPERATIONS["fill_nulls"].Params(**params)


# -- sample ------------------------------------------------------------------------------------------------------------


def test_a_seed_takes_the_same_rows_whatever_their_order(session: Session) -> None:
    taken = [
        sorted(
            row["i"]
            for row in rows(run(session, "sample", f"SELECT i FROM range(1000) t(i) ORDER BY i {way}", **params))
        )
        for params in ({"fraction": 0.1, "seed": 7}, {"rows": 100, "seed": 7})
        for way in ("ASC", "DESC")
    ]
    assert taken[0] == taken[1]
    assert taken[2] == taken[3]
    assert 60 < len(taken[0]) < 140
    assert len(taken[2]) == 100


def test_another_seed_takes_other_rows(session: Session) -> None:
    one, two = (rows(run(session, "sample", "SELECT i FROM range(1000) t(i)", rows=50, seed=seed)) for seed in (1, 2))
    assert one != two


def test_edges_of_a_sample(session: Session) -> None:
    sql = "SELECT i FROM range(10) t(i)"
    assert len(rows(run(session, "sample", sql, fraction=1, seed=1))) == 10
    assert len(rows(run(session, "sample", sql, fraction=0, seed=1))) == 0
    assert len(rows(run(session, "sample", sql, rows=50))) == 10
    assert len(rows(run(session, "sample", sql, fraction=1.0))) == 10
    assert OPERATIONS["sample"]().is_deterministic(OPERATIONS["sample"].Params(rows=1)) is False
    assert OPERATIONS["sample"]().is_deterministic(OPERATIONS["sample"].Params(rows=1, seed=0)) is True


@pytest.mark.parametrize("params", [{}, {"rows": 1, "fraction": 0.1}, {"fraction": 1.5}, {"rows": -1}])
def test_a_sample_is_a_share_or_a_number(params: Any) -> None:
    with pytest.raises(ValidationError):
        OPERATIONS["sample"].Params(**params)


# -- pivot and unpivot -------------------------------------------------------------------------------------------------


def pivoted(session: Session, agg_func: str, value: str = "qty", **more: Any) -> list[Row]:
    params = {"group_by": "region", "pivot_column": "month", "value_column": value, "agg_func": agg_func, **more}
    return sorted(rows(run(session, "pivot", SALES, **params)), key=lambda row: str(row["region"]))


def test_a_pivot_looks_its_values_up(session: Session) -> None:
    assert pivoted(session, "sum") == [
        {"region": "EU", "feb": 4, "jan": 3, "null": None},
        {"region": None, "feb": None, "jan": 16, "null": None},
        {"region": "US", "feb": None, "jan": None, "null": 8},
    ]


def test_given_values_fix_the_columns_and_their_order(session: Session) -> None:
    found = pivoted(session, "sum", values=["jan", "dec"])
    assert [list(row) for row in found] == [["region", "jan", "dec"]] * 3
    assert found[0] == {"region": "EU", "jan": 3, "dec": None}


@pytest.mark.parametrize(
    ("agg_func", "value", "jan", "type"),
    [
        ("sum", "price", Decimal("4.0"), "decimal(12,1)"),
        ("count", "price", 2, "bigint"),
        ("avg", "price", 2.0, "double"),
        ("min", "price", Decimal("1.5"), "decimal(2,1)"),
        ("max", "qty", 2, "int"),
        ("sum", "qty", 3, "bigint"),
    ],
)
def test_aggregates_and_their_types(session: Session, agg_func: str, value: str, jan: Any, type: str) -> None:
    assert pivoted(session, agg_func, value)[0]["jan"] == jan
    params = {"group_by": ["region"], "pivot_column": "month", "value_column": value, "agg_func": agg_func}
    assert run(session, "pivot", SALES, **params).columns[1].type_name == type


def test_counts_of_nothing_are_zero(session: Session) -> None:
    assert pivoted(session, "count")[0] == {"region": "EU", "feb": 1, "jan": 2, "null": 0}


def test_first_is_one_of_the_values(session: Session) -> None:
    assert pivoted(session, "first")[0]["jan"] in (1, 2)


@pytest.mark.parametrize(
    ("values", "names"),
    [
        ("(true), (false), (NULL)", ["false", "true", "null"]),
        ("(DATE '2024-01-31'), (DATE '2023-12-31')", ["2023-12-31", "2024-01-31"]),
        ("(1.50), (0.25)", ["0.25", "1.50"]),
        ("(''), ('it''s \"x\"')", ["empty", 'it\'s "x"']),
        ("(TIMESTAMPTZ '2024-01-31 10:00:00+01')", ["2024-01-31 09:00:00+00"]),
        ("([1, 2])", ["[1, 2]"]),
        ("(0.1::DOUBLE), (1e300::DOUBLE)", ["0.1", "1e+300"]),
    ],
)
def test_columns_are_named_as_values_are_written(session: Session, values: str, names: list[str]) -> None:
    sql = f"SELECT 1 AS g, k, 5 AS v FROM (VALUES {values}) t(k)"
    (row,) = rows(run(session, "pivot", sql, group_by=["g"], pivot_column="k", value_column="v"))
    assert list(row) == ["g", *names]
    assert all(row[name] == 5 for name in names)


def test_too_many_values_are_refused(session: Session) -> None:
    sql = "SELECT 1 AS g, i AS k, i AS v FROM range(1001) t(i)"
    with pytest.raises(DataError, match="more than 1,000 distinct values"):
        run(session, "pivot", sql, group_by=["g"], pivot_column="k", value_column="v")


def test_values_that_make_one_name_twice_are_refused(session: Session) -> None:
    sql = "SELECT 1 AS g, k, 1 AS v FROM (VALUES ('a'), ('A')) t(k)"
    with pytest.raises(DataError, match="would exist twice"):
        run(session, "pivot", sql, group_by=["g"], pivot_column="k", value_column="v")


def test_text_can_not_be_added_up(session: Session) -> None:
    with pytest.raises(DataError, match="region' is string, sum needs numbers"):
        run(session, "pivot", SALES, group_by=["month"], pivot_column="qty", value_column="region")


def test_a_pivot_of_no_rows(session: Session) -> None:
    found = run(session, "pivot", f"{SALES} WHERE false", group_by=["region"], pivot_column="month", value_column="qty")
    assert rows(found) == []
    assert [column.name for column in found.columns] == ["region"]


def test_unpivot_keeps_nulls_and_widens_numbers(session: Session) -> None:
    found = run(session, "unpivot", SALES, id_columns=["region", "month"], name_column="what", value_column="how many")
    assert [(c.name, c.type_name) for c in found.columns][2:] == [("what", "string"), ("how many", "decimal(11,1)")]
    assert len(rows(found)) == 10
    assert {"region": "EU", "month": "feb", "what": "price", "how many": None} in rows(found)


def test_unpivot_of_different_types_asks_for_a_cast(session: Session) -> None:
    with pytest.raises(DataError, match=r"month: string, qty: int.*cast them"):
        run(session, "unpivot", SALES, id_columns=["region"], value_columns=["month", "qty"])


def test_unpivot_undoes_pivot(session: Session) -> None:
    wide = run(session, "pivot", SALES, group_by=["region"], pivot_column="month", value_column="qty")
    operation = OPERATIONS["unpivot"]()
    long, _ = apply(session, operation, operation.Params(id_columns=["region"]), wide)
    assert sum(row["value"] or 0 for row in rows(long)) == 31


# -- deduplicate -------------------------------------------------------------------------------------------------------

KEYS = st.sampled_from([None, "a", "b", "c"])
ORDERS = st.one_of(st.none(), st.integers(0, 3))
TABLES = st.lists(st.tuples(KEYS, KEYS, ORDERS, ORDERS), max_size=30)


def stored(session: Session, path: Any, data: list[tuple[Any, ...]], files: int = 2) -> DuckFrame:
    """The rows, numbered by `n`, in Parquet files."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    types = {"n": pa.int64(), "k": pa.string(), "l": pa.string(), "x": pa.int64(), "y": pa.int64()}
    table = [dict(zip(types, (n, *row), strict=True)) for n, row in enumerate(data)]
    half = max(1, -(-len(table) // files))
    paths = []
    for index in range(files):
        part = table[index * half : (index + 1) * half]
        paths.append(str(path / f"{index}.parquet"))
        pq.write_table(pa.Table.from_pylist(part, pa.schema(types)), paths[-1], row_group_size=5)
    return session.frame(f"FROM read_parquet({paths})")


def best(data: list[tuple[Any, ...]], key: list[int], order: list[tuple[int, bool]]) -> dict[Any, Any]:
    """The order values of the row that stays, by key: computed in Python."""

    def rank(row: tuple[Any, ...]) -> Any:
        return [(row[at] is None, 0 if row[at] is None else (-row[at] if down else row[at])) for at, down in order]

    found: dict[Any, Any] = {}
    for row in data:
        name = tuple(row[at] for at in key)
        if name not in found or rank(row) < rank(found[name]):
            found[name] = row
    return {name: [row[at] for at, _ in order] for name, row in found.items()}


@pytest.mark.parametrize("source", ["stored", "lazy"])
@given(
    data=TABLES,
    key=st.sampled_from([["k"], ["k", "l"]]),
    order=st.sampled_from([[], ["x desc"], ["x"], ["x asc", "y desc"], ["y desc", "x desc"]]),
    keep=st.sampled_from(["first", "last"]),
)
def test_exactly_one_row_stays_per_key_and_it_is_the_right_one(
    session: Session, tmp_path_factory: Any, source: str, data: Any, key: list[str], order: list[str], keep: str
) -> None:
    keep = keep if order else "first"
    frame = stored(session, tmp_path_factory.mktemp("d"), data)
    if source == "lazy":  # a join hides the files: the frame is kept first
        frame = session.frame("SELECT current.* FROM current JOIN (SELECT 1 AS one) AS o ON true", {"current": frame})
    operation = OPERATIONS["deduplicate"]()
    result, _ = apply(session, operation, operation.Params(subset=key, order_by=order, keep=keep), frame)
    found = rows(result)
    at = {"k": 0, "l": 1, "x": 2, "y": 3}
    directions = [(at[text.split()[0]], ("desc" in text) is (keep == "first")) for text in order]
    expected = best(data, [at[name] for name in key], directions)
    assert len(found) == len(expected)
    assert {tuple(row[name] for name in key): [row[list(at)[i]] for i, _ in directions] for row in found} == expected
    assert all(tuple(row.values())[1:] == data[row["n"]] for row in found), "rows stay whole"


def test_whole_rows(session: Session) -> None:
    sql = "SELECT * FROM (VALUES (1, NULL), (1, NULL), (1, 2)) v(a, b)"
    assert sorted(rows(run(session, "deduplicate", sql)), key=str) == [{"a": 1, "b": 2}, {"a": 1, "b": None}]


def test_stored_files_are_not_copied(session: Session, tmp_path: Any) -> None:
    frame = stored(session, tmp_path, [("a", None, 1, 2), ("a", None, 2, 2)])
    filtered = session.frame("SELECT k, l AS m, x + 1 AS z FROM orders WHERE x > 0", {"orders": frame})
    operation = OPERATIONS["deduplicate"]()
    result, sql = apply(session, operation, operation.Params(subset="k", order_by="z desc"), filtered)
    assert rows(result) == [{"k": "a", "m": None, "z": 3}]
    assert result.keeps == ()
    assert "arg_max" in (sql or "")


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT k, x FROM orders WHERE random() < 2", 1),
        ("SELECT k, unnest([x, 5]) AS x FROM orders", 1),
        ("SELECT k, max(x) AS x FROM orders GROUP BY k", 1),
        ("SELECT k, max(x) AS x FROM orders GROUP BY ALL", 1),
        ("SELECT max(k) AS k, max(x) AS x FROM orders", 1),
        ("SELECT DISTINCT k, x FROM orders", 1),
        ("SELECT k, x FROM orders LIMIT 1", 1),
        ("SELECT k, x FROM orders UNION ALL SELECT k, x FROM orders", 1),
        ("SELECT k, row_number() OVER () AS x FROM orders", 1),
        ("SELECT k, x FROM orders QUALIFY row_number() OVER (ORDER BY x) = 1", 1),
        ("SELECT a.k, a.x FROM orders a, orders b", 1),
        ("SELECT k, x FROM orders WHERE x IN (SELECT x FROM orders LIMIT 1)", 1),
        ("SELECT k, x FROM orders TABLESAMPLE reservoir(100%)", 1),
        ("WITH orders AS (SELECT * FROM orders), b AS (FROM orders) SELECT k, x FROM b", 1),
        ("WITH x AS (SELECT 1) SELECT c.k AS k, c.x FROM orders AS c", 1),
        ("SELECT k, x FROM orders o(n, k)", 1),
        ("SELECT * EXCLUDE (n, l, y) FROM orders", 1),
        ("SELECT COLUMNS('k|x') FROM orders", 1),
        ("SELECT k, x, 1 AS __odibi_row FROM orders", 1),
        ("SELECT k, x FROM orders ORDER BY x", 1),
        ("FROM (SELECT k, x FROM (FROM orders) WHERE x > 0) AS t", 1),
    ],
)
def test_any_sql_in_front_gives_one_row_per_key(session: Session, tmp_path: Any, sql: str, expected: int) -> None:
    frame = stored(session, tmp_path, [("a", None, 1, 2), ("a", None, 2, 2), ("a", None, 2, 3)])
    before = session.frame(sql, {"orders": frame})
    operation = OPERATIONS["deduplicate"]()
    result, _ = apply(session, operation, operation.Params(subset="k", order_by="x desc"), before)
    assert [column.name for column in result.columns] == [column.name for column in before.columns]
    assert len(rows(result)) == expected
    assert rows(result)[0]["k"] == "a"


def test_a_column_with_the_name_of_a_hidden_one_is_not_taken_for_it(session: Session, tmp_path: Any) -> None:
    session.execute(
        f"COPY (SELECT 'a' AS k, i AS x, 0 AS file_row_number FROM range(3) t(i)) TO '{tmp_path}/a.parquet'"
    )
    frame = session.frame(f"FROM read_parquet('{tmp_path}/a.parquet')")
    operation = OPERATIONS["deduplicate"]()
    result, _ = apply(session, operation, operation.Params(subset="k", order_by="x desc"), frame)
    assert rows(result) == [{"k": "a", "x": 2, "file_row_number": 0}]


def test_a_column_may_be_named_like_an_order(session: Session) -> None:
    sql = 'SELECT * FROM (VALUES (1, 5), (1, 7)) v(k, "at desc")'
    assert rows(run(session, "deduplicate", sql, subset="k", order_by=["at desc"])) == [{"k": 1, "at desc": 5}]
    assert rows(run(session, "deduplicate", sql, subset="k", order_by=["at desc desc"])) == [{"k": 1, "at desc": 7}]


@pytest.mark.parametrize("params", [{"order_by": ["x"]}, {"subset": ["a"], "keep": "last"}, {"subset": []}])
def test_what_means_nothing_is_refused(params: Any) -> None:
    with pytest.raises(ValidationError):
        OPERATIONS["deduplicate"].Params(**params)


def test_the_volatile_functions_are_those_of_this_duckdb(session: Session) -> None:
    from odibi.engine.pandas.row_ids import VOLATILE

    listed = session.execute("SELECT DISTINCT function_name FROM duckdb_functions() WHERE stability = 'VOLATILE'")
    assert {name for (name,) in listed} <= VOLATILE


def test_fast_ways_are_of_operations_that_exist() -> None:
    assert set(FAST) <= set(OPERATIONS)


def test_options_of_the_files_survive(session: Session, tmp_path: Any) -> None:
    (tmp_path / "p=1").mkdir()
    (tmp_path / "p=02").mkdir()
    session.execute(f"COPY (SELECT 'a' AS k, 1 AS x) TO '{tmp_path}/p=1/a.parquet'")
    session.execute(f"COPY (SELECT 5 AS new, 'b' AS k, 2 AS x) TO '{tmp_path}/p=02/a.parquet'")
    files = f"['{tmp_path}/p=1/a.parquet', '{tmp_path}/p=02/a.parquet']"
    options = "hive_partitioning = true, hive_types = {'p': 'VARCHAR'}, union_by_name = true"
    frame = session.frame(f'SELECT f."k", f."x", f."new", f."p" FROM read_parquet({files}, {options}) AS f')
    operation = OPERATIONS["deduplicate"]()
    result, _ = apply(session, operation, operation.Params(subset="k", order_by="x desc"), frame)
    assert result.keeps == ()
    assert sorted(rows(result), key=str) == [
        {"k": "a", "x": 1, "new": None, "p": "1"},
        {"k": "b", "x": 2, "new": 5, "p": "02"},
    ]
