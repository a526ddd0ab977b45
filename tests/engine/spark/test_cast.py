"""Which types a write stores on Spark, what it casts, checks and refuses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from odibi.engine.casting import CastPlan, legal_names
from odibi.engine.spark.cast import apply, plan_cast
from odibi.engine.spark.kinds import spark_errors
from odibi.engine.spark.types import columns_of
from odibi.errors import SchemaMismatchError
from odibi.types import Column, parse_type

Types = Mapping[str, str]


def cast(
    spark: Any,
    sql: str,
    table: Types | None = None,
    declared: Types | None = None,
    mode: str = "append",
    names: Sequence[str] = (),
) -> tuple[CastPlan, Any]:
    """The plan, and the data cast."""
    data = spark.sql(sql)
    columns = columns_of(data.schema)
    existing = None if table is None else [Column(name, parse_type(type), type) for name, type in table.items()]
    types = {name: parse_type(text) for name, text in (declared or {}).items()}
    plan = plan_cast(data.schema, columns, types, existing, mode, names or legal_names(columns, normalize=False))
    return plan, apply(plan, data, types)


@pytest.mark.parametrize(
    "value",
    ["NULL", "array()", "map()", "INTERVAL 1 DAY", "INTERVAL 1 YEAR", "named_struct('a', NULL)", "array(array(NULL))"],
)
def test_a_new_table_asks_for_a_declaration(spark: Any, value: str) -> None:
    with pytest.raises(
        SchemaMismatchError, match=r"column 'v'.*declare what it is stored as: write: \{schema: \{v: string\}\}"
    ):
        cast(spark, f"SELECT {value} AS v")


def test_all_refused_columns_are_named_at_once(spark: Any) -> None:
    with pytest.raises(SchemaMismatchError) as error:
        cast(spark, "SELECT NULL AS a, 1 AS b, INTERVAL 1 DAY AS c")
    assert len(str(error.value).splitlines()) == 2


TAKEN = [
    ("1Y", "bigint", "1"),
    ("127L", "tinyint", "127"),
    ("1.5BD", "decimal(10,4)", "1.5000"),
    ("1.5BD", "double", "1.5"),
    ("float(1.5)", "double", "1.5"),
    ("9007199254740992L", "double", "9.007199254740992E15"),
    ("4611686018427387904L", "double", "4.6116860184273879E18"),
    ("CAST(12 AS decimal(38,0))", "bigint", "12"),
    ("DATE'2024-01-01'", "timestamp_ntz", "2024-01-01 00:00:00"),
    ("TIMESTAMP_NTZ'2024-01-01 10:00:00'", "timestamp", "2024-01-01 10:00:00"),
    ("NULL", "array<int>", "NULL"),
    ("array()", "array<struct<a:int>>", "[]"),
    ("named_struct('b', 1, 'A', 2)", "struct<a:bigint,c:string,b:double>", "{2, null, 1.0}"),
    ("array(array(1), NULL)", "array<array<bigint>>", "[[1], null]"),
    ("CAST(NULL AS struct<a:int>)", "struct<a:bigint>", "NULL"),
    ("map('k', named_struct('a', 1))", "map<string,struct<a:bigint,b:int>>", "{k -> {1, null}}"),
    ("array(named_struct('x', named_struct('z', 1)))", "array<struct<x:struct<z:bigint>>>", "[{{1}}]"),
]


def test_an_append_is_cast_where_nothing_is_lost(spark: Any) -> None:
    """One query for all: a query costs more than its expression."""
    names = [f"c{index}" for index in range(len(TAKEN))]
    sql = ", ".join(f"{value} AS {name}" for name, (value, _, _) in zip(names, TAKEN, strict=True))
    table = {name: type for name, (_, type, _) in zip(names, TAKEN, strict=True)}
    plan, data = cast(spark, f"SELECT {sql}", table)
    texts = data.selectExpr(*(f"coalesce(CAST({name} AS STRING), 'NULL') AS {name}" for name in names)).collect()[0]
    assert list(texts) == [text for _, _, text in TAKEN]
    assert {column.name: column.type_name for column in columns_of(data.schema)} == {
        name: str(parse_type(type)) for name, type in table.items()
    }
    assert plan.warnings == ("column 'c9': times without a zone were taken as UTC: the table's column has a zone",)


@pytest.mark.parametrize(
    ("value", "type"),
    [
        ("128", "tinyint"), ("9007199254740993L", "double"), ("16777217", "float"), ("12345678901234567.5BD", "double"),
        ("1000BD", "decimal(4,2)"), ("named_struct('a', array(300))", "struct<a:array<tinyint>>"),
        ("array(9007199254740993L)", "array<double>"), ("9223372036854775807L", "double"),
        ("9223372036854775807L", "float"), ("map(1, 9007199254740993L)", "map<int,double>"),
    ],
)  # fmt: skip
def test_a_value_that_would_change_is_an_error(spark: Any, value: str, type: str) -> None:
    _, data = cast(spark, f"SELECT {value} AS v", {"v": type})
    with pytest.raises(spark_errors(), match=r"CAST_OVERFLOW|OUT_OF_RANGE|can not be stored as \w+ without loss"):
        data.collect()


@pytest.mark.parametrize(
    ("value", "type"),
    [
        ("'1'", "int"), ("1", "string"), ("1.5BD", "bigint"), ("1.5D", "float"), ("1.55BD", "decimal(10,1)"),
        ("true", "int"), ("TIMESTAMP'2024-01-01'", "timestamp_ntz"), ("1.5D", "decimal(10,2)"),
        ("TIMESTAMP_NTZ'2024-01-01'", "date"), ("named_struct('a', 1, 'z', 2)", "struct<a:int>"),
        ("array(1)", "struct<a:int>"), ("X'00'", "string"), ("INTERVAL 1 DAY", "string"),
    ],
)  # fmt: skip
def test_an_append_that_could_lose_is_refused_with_both_types(spark: Any, value: str, type: str) -> None:
    with pytest.raises(SchemaMismatchError) as error:
        cast(spark, f"SELECT {value} AS v", {"V": type})
    assert "column 'V'" in str(error.value)
    assert str(parse_type(type)) in str(error.value)


@pytest.mark.parametrize(
    ("value", "type", "error"),
    [
        ("2.5D", "bigint", "2.5 can not be stored as BIGINT without loss"),
        ("double('NaN')", "bigint", "NaN can not be stored as BIGINT without loss"),
        ("9.3e18D", "bigint", "9.3E18 can not be stored as BIGINT without loss"),
        ("double('9223372036854775807')", "bigint", "E18 can not be stored as BIGINT without loss"),
        ("1.9BD", "int", "1.9 can not be stored as INTEGER without loss"),
        ("'x'", "int", "CAST_INVALID_INPUT"),
    ],
)
def test_declared_types_are_checked(spark: Any, value: str, type: str, error: str) -> None:
    _, data = cast(spark, f"SELECT {value} AS v", declared={"v": type})
    with pytest.raises(spark_errors(), match=error):
        data.collect()


@pytest.mark.parametrize(("value", "type"), [
    ("X'00'", "int"), ("array(1)", "int"), ("DATE'2024-01-01'", "int"), ("TIMESTAMP'2024-01-01'", "bigint"),
    ("TIMESTAMP'2024-01-01'", "double"), ("1", "timestamp"), ("1.5D", "timestamp_ntz"),
])  # fmt: skip
def test_casts_that_do_not_exist_are_told_with_both_types(spark: Any, value: str, type: str) -> None:
    with pytest.raises(SchemaMismatchError, match=r"column 'v': .* can not be cast to the declared \w+; declare"):
        cast(spark, f"SELECT {value} AS v, 'x' AS w", declared={"v": type, "w": "string"})


@pytest.mark.parametrize(
    ("value", "type", "error"),
    [
        ("'10:00'", "timestamp", "'10:00' is not a timestamp"),
        ("'2024'", "date", "'2024' is not a date"),
        ("'2024-05'", "timestamp_ntz", "'2024-05' is not a timestamp_ntz"),
        ("1e300D", "float", "1.0E300 does not fit FLOAT"),
        ("array('10:00')", "array<timestamp>", "'10:00' is not a timestamp"),
    ],
)
def test_what_spark_would_make_something_of_is_an_error(spark: Any, value: str, type: str, error: str) -> None:
    with pytest.raises(spark_errors(), match=f"odibi: {error} \\(column 'v"):
        cast(spark, f"SELECT {value} AS v", declared={"v": type})[1].collect()


@pytest.mark.parametrize(
    ("value", "type", "told"),
    [
        ("' 2024-5-1'", "date", "2024-05-01"),
        ("'2024-05-01T10:00:00Z'", "timestamp", "2024-05-01 10:00:00"),
        ("CAST(NULL AS STRING)", "timestamp", None),
        ("CAST(NULL AS DOUBLE)", "float", None),
        ("double('-Infinity')", "float", "-Infinity"),
        ("double('NaN')", "float", "NaN"),
        ("0.1D", "float", "0.1"),
    ],
)
def test_what_is_declared_and_fits(spark: Any, value: str, type: str, told: str | None) -> None:
    data = cast(spark, f"SELECT {value} AS v", declared={"v": type})[1]
    assert data.selectExpr("CAST(v AS STRING)").first()[0] == told


def test_what_has_no_name_of_ours_may_be_declared(spark: Any) -> None:
    _, data = cast(spark, "SELECT INTERVAL 1 DAY AS i, NULL AS n", declared={"i": "string", "N": "date"})
    assert data.collect()[0].asDict() == {"i": "INTERVAL '1' DAY", "n": None}


def test_a_collation_is_not_stored(spark: Any) -> None:
    """Delta refuses it, or asks of every reader that it knows collations."""
    if spark.version < "4":
        pytest.skip("Spark has collations from 4.0 on")
    text = "'a' COLLATE UTF8_LCASE"
    sql = f"SELECT {text} AS c, array({text}) AS l, named_struct('collate', {text}, 'n', 1) AS s"
    for table in (None, {"c": "string", "l": "array<string>", "s": "struct<collate:string,n:int>"}):
        plan, data = cast(spark, sql, table)
        assert "COLLATE" not in data.schema.simpleString().upper().replace("<COLLATE:", "")
        assert [str(column.type) for column in plan.columns] == [
            "string", "array<string>", "struct<collate:string,n:int>",
        ]  # fmt: skip
        assert [tuple(row) for row in data.collect()] == [("a", ["a"], ("a", 1))]


def test_data_that_fits_is_left_alone(spark: Any) -> None:
    plan, _ = cast(spark, "SELECT 1 AS a, named_struct('x', array(1.5)) AS s, now() AS t")
    assert plan.identity


def test_columns_that_names_do_not_tell_apart(spark: Any) -> None:
    plan, data = cast(spark, "SELECT 1 AS x, 2 AS X, 3 AS `a.b`", names=("x", "X_2", "a"))
    assert plan.by_place
    assert data.collect()[0].asDict() == {"x": 1, "X_2": 2, "a": 3}


def test_awkward_names(spark: Any) -> None:
    _, data = cast(spark, "SELECT 1 AS `a.b``c'`", declared={"a.b`c'": "double"}, names=("a.b`c'",))
    assert data.collect()[0].asDict() == {"a.b`c'": 1.0}
