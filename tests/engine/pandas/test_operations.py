"""The pandas engine's own way to deduplicate. What operations give is in the contract of operations."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odibi.engine.pandas.operations import FAST, apply
from odibi.engine.pandas.session import DuckFrame, Session
from odibi.transforms import OPERATIONS

Row = dict[str, Any]


@pytest.fixture(scope="module")
def session() -> Any:
    opened = Session()
    yield opened
    opened.close()


def rows(frame: DuckFrame) -> list[Row]:
    names = [column.name for column in frame.columns]
    return [dict(zip(names, row, strict=True)) for row in frame.session.execute(frame.sql, frame)]


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
