"""Which types a write stores, what it casts, checks and refuses."""

from __future__ import annotations

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from odibi.engine.pandas.cast import legal_names, plan_cast
from odibi.engine.pandas.session import Session
from odibi.errors import SchemaMismatchError
from odibi.types import Column, parse_type


@pytest.fixture(scope="module")
def session():
    session = Session()
    yield session
    session.close()


def plan(session, sql, table=None, declared=None, mode="append", normalize=False):
    columns = session.describe(sql)
    existing = None if table is None else [Column(name, parse_type(type), type) for name, type in table.items()]
    types = {name: parse_type(text) for name, text in (declared or {}).items()}
    return plan_cast(columns, types, existing, mode, legal_names(columns, normalize))


def cast(session, sql, *args, **facts):
    found = plan(session, sql, *args, **facts).apply(sql)
    return [text for (text,) in session.execute(f"SELECT r::VARCHAR FROM ({found}) AS r")]


@pytest.mark.parametrize(
    ("value", "type"),
    [
        ("1::HUGEINT", "bigint"), ("1::UHUGEINT", "bigint"), ("1::UTINYINT", "smallint"), ("1::USMALLINT", "int"),
        ("1::UINTEGER", "bigint"), ("1::UBIGINT", "bigint"), ("uuid()", "string"), ("'a'::ENUM('a')", "string"),
        ("'{}'::JSON", "string"), ("TIMESTAMP_S '2024-01-01 00:00:00'", "timestamp_ntz"), ("1.5", "decimal(2,1)"),
        ("TIMESTAMP_NS '2024-01-01 00:00:00'", "timestamp_ntz"), ("[1, 2]::INT[2]", "array<int>"),
        ("[{'a': 1::HUGEINT}]", "array<struct<a:bigint>>"), ("MAP {1::UTINYINT: uuid()}", "map<smallint,string>"),
    ],
)  # fmt: skip
def test_a_new_table_stores(session, value, type):
    found = plan(session, f"SELECT {value} AS v")
    assert found.columns[0].type_name == type
    assert session.describe(found.apply(f"SELECT {value} AS v"))[0].type_name == type


@pytest.mark.parametrize(
    "value",
    ["NULL", "[]", "TIME '10:00:00'", "INTERVAL 1 DAY", "'1'::BIT", "1::VARIANT", "{'a': NULL}", "union_value(a := 1)"],
)
def test_a_new_table_asks_for_a_declaration(session, value):
    with pytest.raises(
        SchemaMismatchError, match=r"column 'v'.*declare what it is stored as: write: \{schema: \{v: string\}\}"
    ):
        plan(session, f"SELECT {value} AS v")


def test_all_refused_columns_are_named_at_once(session):
    with pytest.raises(SchemaMismatchError) as error:
        plan(session, "SELECT NULL AS a, 1 AS b, TIME '10:00:00' AS c")
    assert len(str(error.value).splitlines()) == 2


def test_values_beyond_64_bits_are_errors(session):
    with pytest.raises(duckdb.ConversionException, match="out of range"):
        cast(session, "SELECT 9223372036854775808::HUGEINT AS v")


@pytest.mark.parametrize(
    ("value", "type", "written"),
    [
        ("1::TINYINT", "bigint", "1"), ("127::BIGINT", "tinyint", "127"), ("1::HUGEINT", "decimal(38,0)", "1"),
        ("1.5", "decimal(10,4)", "1.5000"), ("1.5", "double", "1.5"), ("1.5::FLOAT", "double", "1.5"),
        ("9007199254740992", "double", "9007199254740992.0"), ("12::DECIMAL(38,0)", "bigint", "12"),
        ("DATE '2024-01-01'", "timestamp_ntz", "'2024-01-01 00:00:00'"), ("NULL", "array<int>", "NULL"),
        ("TIMESTAMP '2024-01-01 10:00:00'", "timestamp", "'2024-01-01 10:00:00+00'"), ("'a'::ENUM('a')", "string", "a"),
        ("{'b': 1, 'A': 2}", "struct<a:bigint,c:string,b:double>", "{'a': 2, 'c': NULL, 'b': 1.0}"),
        ("[[1], NULL]", "array<array<bigint>>", "[[1], NULL]"), ("NULL::STRUCT(a INT)", "struct<a:bigint>", "NULL"),
        ("MAP {'k': {'a': 1}}", "map<string,struct<a:bigint,b:int>>", "{k={'a': 1, 'b': NULL}}"),
    ],
)  # fmt: skip
def test_an_append_is_cast_where_nothing_is_lost(session, value, type, written):
    assert cast(session, f"SELECT {value} AS v", {"v": type}) == [f"{{'v': {written}}}"]


@pytest.mark.parametrize(
    ("value", "type"),
    [
        ("128", "tinyint"), ("9007199254740993", "double"), ("16777217", "float"), ("12345678901234567.5", "double"),
        ("1000::DECIMAL(10,2)", "decimal(4,2)"), ("{'a': [300]}", "struct<a:array<tinyint>>"),
        ("[9007199254740993]", "array<double>"),
    ],
)  # fmt: skip
def test_a_value_that_would_change_is_an_error(session, value, type):
    with pytest.raises(duckdb.Error, match=r"out of range|without loss|Could not cast"):
        cast(session, f"SELECT {value} AS v", {"v": type})


@pytest.mark.parametrize(
    ("value", "type"),
    [
        ("'1'", "int"), ("1", "string"), ("1.5", "bigint"), ("1.5::DOUBLE", "float"), ("1.55", "decimal(10,1)"),
        ("true", "int"), ("TIMESTAMPTZ '2024-01-01 00:00:00+00'", "timestamp_ntz"), ("1.5::DOUBLE", "decimal(10,2)"),
        ("TIMESTAMP '2024-01-01 00:00:00'", "date"), ("{'a': 1, 'z': 2}", "struct<a:int>"), ("[1]", "struct<a:int>"),
        ("'x'::BLOB", "string"), ("TIME '10:00:00'", "string"),
    ],
)  # fmt: skip
def test_an_append_that_could_lose_is_refused_with_both_types(session, value, type):
    with pytest.raises(SchemaMismatchError) as error:
        plan(session, f"SELECT {value} AS v", {"V": type})
    assert "column 'V'" in str(error.value)
    assert str(parse_type(type)) in str(error.value)


def test_a_zoneless_time_into_a_zoned_column_is_said_also_inside(session):
    found = plan(session, "SELECT [{'t': TIMESTAMP '2024-01-01 00:00:00'}] AS v", {"v": "array<struct<t:timestamp>>"})
    assert found.warnings == ("column 'v': times without a zone were taken as UTC: the table's column has a zone",)


def test_declared_types_win_and_are_checked(session):
    sql = "SELECT '12' AS a, 2.0::DOUBLE AS b, TIME '10:00:00' AS c, NULL AS d"
    assert cast(session, sql, declared={"A": "int", "b": "bigint", "c": "string", "d": "date"}) == [
        "{'a': 12, 'b': 2, 'c': '10:00:00', 'd': NULL}"
    ]
    with pytest.raises(duckdb.Error, match=r"column 'b': 2\.5 can not be stored as BIGINT without loss"):
        cast(session, "SELECT 2.5::DOUBLE AS b", declared={"b": "bigint"})
    with pytest.raises(duckdb.ConversionException, match="'x' to INT32"):
        cast(session, "SELECT 'x' AS b", declared={"b": "int"})
    with pytest.raises(SchemaMismatchError, match="declares 'bb', which the data does not have; did you mean 'b'"):
        plan(session, "SELECT 1 AS b", declared={"bb": "int"})


def test_a_declaration_lets_an_append_in(session):
    assert cast(session, "SELECT '1' AS v", {"v": "bigint"}, {"v": "int"}) == ["{'v': 1}"]


def test_columns_match_without_case_and_missing_ones_are_null(session):
    found = plan(session, "SELECT 2 AS B, 3 AS new", {"a": "string", "b": "int"})
    assert [column.name for column in found.columns] == ["a", "b", "new"]
    assert found.changes == ("added column new: int",)
    assert cast(session, "SELECT 2 AS B, 3 AS new", {"a": "string", "b": "int"}) == ["{'a': NULL, 'b': 2, 'new': 3}"]


def test_an_overwrite_says_what_changes(session):
    found = plan(
        session, "SELECT 1::BIGINT AS a, 'x' AS N, 2 AS c", {"a": "int", "n": "string", "d": "date"}, mode="overwrite"
    )
    assert found.changes == (
        "added column c: int",
        "dropped column d: date",
        "type of a: int → bigint",
        "renamed column n → N",
    )


def test_data_that_fits_is_left_alone(session):
    sql = "SELECT 1 AS a, {'x': [1.5]} AS s, now() AS t"
    assert plan(session, sql).apply(sql) == sql


def test_columns_of_one_name_are_refused(session):
    columns = session.describe("SELECT 1 AS a, 2 AS A")
    with pytest.raises(SchemaMismatchError, match="'a' and 'A' have one name, or differ only in case"):
        plan_cast(columns, {}, None, "overwrite")


def test_declared_names_may_be_the_datas_own_or_the_repaired(session):
    sql = 'SELECT 1 AS "a b", 2 AS "c d"'
    found = plan(session, sql, declared={"a b": "bigint", "c_d": "double"}, normalize=True)
    assert [(column.name, column.type_name) for column in found.columns] == [("a_b", "bigint"), ("c_d", "double")]


@given(st.lists(st.text(alphabet="aAbB _,;=\n2é", max_size=4), max_size=8))
def test_repaired_names_are_legal_unique_and_stable(names):
    columns = [Column(name, parse_type("int"), "INTEGER") for name in names]
    found = legal_names(columns, normalize=True)
    assert len({name.lower() for name in found}) == len(names)
    assert not any(sign in name for name in found for sign in " ,;{}()=\n\t")
    assert all(found)
    assert legal_names([Column(name, parse_type("int"), "INTEGER") for name in found], normalize=False) == found
    seen = set()
    for before, after in zip(names, found, strict=True):
        if before and not set(before) & set(" ,;=\n") and before.lower() not in seen:
            assert after == before
        seen.add(before.lower())


def test_illegal_names_inside_structs_are_refused(session):
    with pytest.raises(SchemaMismatchError, match=r"'s' \(such names inside its struct\)"):
        plan(session, "SELECT [{'a b': 1}] AS s", normalize=True)
