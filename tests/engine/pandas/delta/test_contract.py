"""What holds however a Delta table is written."""

from __future__ import annotations

import pytest

from odibi.engine.base import CheckResult, Checks, NotEmptyCheck
from odibi.errors import CheckFailed, SchemaMismatchError, TargetExistsError

ODD = """
    SELECT 9007199254740993 + i AS big, 'NaN'::DOUBLE AS nan, '-inf'::DOUBLE AS inf, -0.0::DOUBLE AS zero,
      1.5::FLOAT AS f,
      ('0.' || repeat('1', 20))::DECIMAL(38, 20) AS exact, 'é"''\n' || chr(128512) || i AS text, ''::VARCHAR AS empty,
      '\\x00\\xFF'::BLOB AS bytes, DATE '0001-01-01' + i::INT AS day, TIMESTAMP '2024-02-29 23:59:59.999999' AS local,
      TIMESTAMPTZ '1500-01-01 00:00:00.000001+05:30' AS instant, [1, NULL, 3] AS list, []::INT[] AS none,
      {'a': i, 'b': {'x': [NULL, 'y']}} AS nested, MAP {'k"1': [1.5], 'k2': NULL} AS map,
      NULL::INT AS nothing, i % 2 = 0 AS flag, 127::TINYINT AS tiny, repeat('long', 50) || i AS long
    FROM range(3) AS t(i)
"""


def test_odd_but_right_data_comes_back(any_lake):
    report = any_lake.write(ODD)
    assert report.rows == 3
    assert any_lake.rows() == any_lake.select(ODD)
    assert any_lake.texts(report.frame) == any_lake.select(ODD)
    assert list(any_lake.types()) == [column.name for column in any_lake.session.describe(ODD)]


def test_append_adds_and_overwrite_replaces(any_lake):
    any_lake.write("SELECT 1 AS a, 'x' AS b")
    any_lake.write("SELECT 2 AS a, 'y' AS b", mode="append")
    assert any_lake.rows() == any_lake.select("SELECT 1 AS a, 'x' AS b UNION ALL SELECT 2, 'y'")
    report = any_lake.write("SELECT 3 AS a")
    assert any_lake.rows() == any_lake.select("SELECT 3 AS a")
    assert "dropped column b: string" in report.schema_changes
    assert report.version_after == report.version_before + 1


def test_modes_error_and_ignore(any_lake):
    any_lake.write("SELECT 1 AS a")
    with pytest.raises(TargetExistsError, match=r"lake:t exists \(mode: error\)"):
        any_lake.write("SELECT 2 AS a", mode="error")
    report = any_lake.write("SELECT 2 AS a", mode="ignore")
    assert not report.written
    assert any_lake.rows() == any_lake.select("SELECT 1 AS a")


def test_an_append_casts_to_the_tables_types_and_names(any_lake):
    any_lake.write("SELECT 1::SMALLINT Id, 1.50::DECIMAL(10, 2) price, TIMESTAMPTZ '2024-01-01 00:00:00+00' AS at")
    report = any_lake.write("SELECT TIMESTAMP '2024-06-01 12:00:00' AS AT, 2::HUGEINT AS id", mode="append")
    assert any_lake.types() == {"Id": "smallint", "price": "decimal(10,2)", "at": "timestamp"}
    assert report.warnings == ("column 'at': times without a zone were taken as UTC: the table's column has a zone",)
    assert "{'Id': 2, 'price': NULL, 'at': '2024-06-01 12:00:00+00'}" in any_lake.rows()


@pytest.mark.parametrize(
    ("table", "data", "said"),
    [
        ("1::INT", "'x'", "the data is string, the table's column is int"),
        ("1::BIGINT", "1.5::DOUBLE", "the data is double, the table's column is bigint"),
        ("DATE '2024-01-01'", "TIMESTAMP '2024-01-01 00:00:00'", "is timestamp_ntz, the table's column is date"),
        ("[1]", "1", r"the data is int, the table's column is array<int>"),
    ],
)
def test_a_type_conflict_names_both_types_and_leaves_the_table(any_lake, table, data, said):
    any_lake.write(f"SELECT {table} AS v")
    before, files = any_lake.rows(), any_lake.files()
    with pytest.raises(SchemaMismatchError, match=said):
        any_lake.write(f"SELECT {data} AS v", mode="append")
    assert (any_lake.rows(), any_lake.files()) == (before, files)


def test_a_value_that_does_not_fit_is_an_error_and_leaves_nothing(any_lake):
    any_lake.write("SELECT 1::INT AS v")
    files = any_lake.files()
    with pytest.raises(Exception, match=r"(?s)5000000000.*out of range.*source column v"):
        any_lake.write("SELECT 5000000000 AS v", mode="append")
    assert any_lake.files() == files
    assert any_lake.rows() == ["{'v': 1}"]


def test_new_columns_are_added_in_one_commit(any_lake):
    any_lake.write("SELECT 1 AS a")
    report = any_lake.write("SELECT 2 AS a, TIMESTAMP '2024-01-01 00:00:00' AS at, {'x': 1} AS s", mode="append")
    assert report.schema_changes == ("added column at: timestamp_ntz", "added column s: struct<x:int>")
    assert report.version_after == report.version_before + 1
    assert any_lake.rows() == [
        "{'a': 1, 'at': NULL, 's': NULL}",
        "{'a': 2, 'at': '2024-01-01 00:00:00', 's': {'x': 1}}",
    ]
    any_lake.write("SELECT 3 AS a", mode="append")
    assert len(any_lake.rows()) == 3


PARTS = """
    SELECT 1 AS v, k FROM (VALUES ('a b'), ('a/b'), ('é'), ('%'), (NULL), ('..'), ('a=b'), ('x[1]*?'), ('q''"'),
      ('a%20b'), ('+'), (' lead'), ('C:\\x')) AS t(k)
"""


def test_partition_values_are_exact(any_lake):
    if any_lake.way == "careful":
        any_lake.write("SELECT 1 AS v, 'x' AS k")
    report = any_lake.write(PARTS, partition_by=["k"])
    assert report.partitions == 13
    assert any_lake.rows() == any_lake.select(PARTS)
    assert any_lake.texts(report.frame) == any_lake.select(PARTS)
    for value in ("a/b", "a%20b", "é", "q'\"", "x[1]*?"):
        assert len(any_lake.rows(filters=[["k", "=", value]])) == 1
    assert len(any_lake.rows(filters=[["k", "=", None]])) == 1


def test_the_text_that_marks_null_in_folder_names_is_a_value(lake):
    sql = "SELECT 1 AS v, '__HIVE_DEFAULT_PARTITION__' AS k UNION ALL SELECT 2, NULL"
    report = lake.write(sql, partition_by=["k"])
    assert lake.rows() == lake.texts(report.frame) == lake.select(sql)


def test_an_empty_text_as_partition_value_is_null_and_said(lake):
    report = lake.write("SELECT 1 AS v, '' AS k UNION ALL SELECT 2, NULL", partition_by=["k"])
    assert lake.rows() == lake.texts(report.frame) == ["{'v': 1, 'k': NULL}", "{'v': 2, 'k': NULL}"]
    assert report.warnings[0] == "partition column 'k': empty texts were stored as NULL, which is the same in Delta"


@pytest.mark.parametrize(
    "value",
    [
        "DATE '2024-01-01'", "TIMESTAMP '2024-01-01 10:00:00.5'", "TIMESTAMPTZ '2024-01-01 10:00:00.5+02'", "true",
        "1.50::DECIMAL(5, 2)", "0.1::DOUBLE", "-5::TINYINT", "9007199254740993",
    ],
)  # fmt: skip
def test_a_table_can_be_partitioned_by_each_type(any_lake, value):
    sql = f"SELECT 1 AS v, {value} AS k UNION ALL SELECT 2, NULL"
    report = any_lake.write(sql, partition_by=["k"])
    assert any_lake.rows() == any_lake.select(sql)
    assert any_lake.texts(report.frame) == any_lake.select(sql)


def test_overwrite_replaces_the_partitioning_and_append_keeps_it(any_lake):
    any_lake.write("SELECT 1 AS a, 2 AS b", partition_by=["a"])
    any_lake.write("SELECT 2 AS a, 2 AS b", mode="append")
    with pytest.raises(SchemaMismatchError, match="an append keeps the table's partitioning"):
        any_lake.write("SELECT 2 AS a, 2 AS b", mode="append", partition_by=["b"])
    report = any_lake.write("SELECT 3 AS a, 4 AS b, TIMESTAMP '2024-01-01 00:00:00' AS at", partition_by=["b"])
    assert "partitioning: [a] → [b]" in report.schema_changes
    assert any_lake.rows() == ["{'a': 3, 'b': 4, 'at': '2024-01-01 00:00:00'}"]
    assert len(any_lake.rows(version_as_of=report.version_before)) == 2


def test_a_failed_check_leaves_the_table_and_no_files(any_lake):
    any_lake.write("SELECT 1 AS a")
    before = any_lake.files()

    def refuse(frame, nulls):
        assert any_lake.texts(frame) == ["{'a': 2}"]
        raise CheckFailed("no", ())

    for mode in ("append", "overwrite"):
        with pytest.raises(CheckFailed):
            any_lake.write("SELECT 2 AS a", mode=mode, checks=Checks((NotEmptyCheck(),)), run_checks=refuse)
    assert any_lake.files() == before
    assert any_lake.rows() == ["{'a': 1}"]


def test_check_results_are_reported(any_lake):
    result = CheckResult("not_empty", True)
    report = any_lake.write(
        "SELECT 1 AS a", checks=Checks((NotEmptyCheck(),)), run_checks=lambda frame, nulls: (result,)
    )
    assert report.checks == (result,)


def test_zero_rows_keep_their_types(any_lake):
    sql = "SELECT 1 AS a, 'x' AS k, TIMESTAMP '2024-01-01 00:00:00' AS at WHERE false"
    report = any_lake.write(sql, partition_by=["k"])
    assert (report.rows, any_lake.rows()) == (0, [])
    assert any_lake.texts(report.frame) == []
    assert any_lake.types() == {"a": "int", "k": "string", "at": "timestamp_ntz"}
    any_lake.write("SELECT 1 AS a, 'x' AS k", mode="append")
    assert len(any_lake.rows()) == 1


def test_two_thousand_columns(any_lake):
    sql = f"SELECT {', '.join(f'{i} AS c{i}' for i in range(2000))}"
    any_lake.write(sql)
    any_lake.write(sql, mode="append")
    assert any_lake.session.execute(f"SELECT sum(c1999), count(*) FROM ({any_lake.read().sql})") == [(3998, 2)]


def test_names_that_delta_can_not_hold(any_lake):
    sql = 'SELECT 1 AS "a b", 2 AS "a,b", 3 AS a_b, 4 AS "A_B", 5 AS "q""u", 6 AS "é"'
    with pytest.raises(SchemaMismatchError, match="normalize_names"):
        any_lake.write(sql)
    any_lake.write(sql, options={"normalize_names": True})
    assert any_lake.rows() == ["{'a_b_2': 1, 'a_b_3': 2, 'a_b': 3, 'A_B_4': 4, 'q\"u': 5, 'é': 6}"]


def test_metadata_of_the_commit_is_kept(any_lake):
    from odibi.engine.pandas.delta import maintain

    any_lake.write("SELECT range AS a FROM range(7)", metadata={"pipeline": "p", "node": "n"})
    newest = maintain.history(any_lake.connection.location("t"), 1)[0]
    assert newest["user_metadata"] == '{"pipeline": "p", "node": "n"}'
    assert newest["metrics"]["num_output_rows"] == 7
    assert newest["metrics"]["num_files"] == 1
