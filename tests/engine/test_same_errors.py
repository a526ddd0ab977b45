# ruff: noqa: E501 - one fault a line
"""The same fault gives the same error on every engine: class, step, place in the file, and the words that matter."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from odibi import Pipeline
from odibi.errors import ConfigError
from odibi.testing import project

HEAD = """engine: {engine}
connections:
  lake: {{type: local, base_path: lake}}
"""
ROWS = "id,name,amount\n1,a,2.5\n2,b,0.0\n"


@pytest.fixture(params=["pandas", "spark"])
def engine(request: pytest.FixtureRequest) -> str:
    """The name of an engine; Spark's is made on the session of the tests."""
    if request.param == "spark":
        request.getfixturevalue("spark")
    return str(request.param)


def run(engine: str, text: str, files: Mapping[str, Any]) -> Any:
    made = project(HEAD.format(engine=engine) + text, {"lake/in.csv": ROWS, "lake/there.csv": ROWS, **files})
    return made, Pipeline.from_yaml(made.file)


def at(file: Path, line: int, column: int) -> str:
    """What stands at a place of the file."""
    return file.read_text(encoding="utf-8").split("\n")[line - 1][column - 1 :]


def plain(text: str) -> str:
    """The text, in which nothing of an engine's machinery shows."""
    for noise in ("org.apache", "SQLSTATE", "Py4J", "Traceback", "duckdb.", "__odibi", "_pyspark", "JVM", "spark.sql."):
        assert noise not in text, text
    return text


# -- before anything runs ----------------------------------------------------------------------------------------------


def steps(sql: str, more: str = "") -> str:
    """A node whose columns are known before the run: id, name, amount."""
    written = sql.replace("\n", "\n                ")
    return f"""pipelines:
  - pipeline: p
    nodes:
      - name: made
        transform: {{steps: ["SELECT 1 AS id, 'a' AS name, 2.5 AS amount"]}}
      - name: other
        transform: {{steps: ["SELECT 1 AS id, 'z' AS label"]}}
      - name: node
        depends_on: [made, other]
        transform:
          steps:
            - sql: |
                {written}
        {more}
        write: {{connection: lake, path: out}}
"""


SQL: Mapping[str, tuple[str, str, str | None]] = {
    "unknown column": (
        "SELECT nam FROM made", r"there is no column 'nam'; did you mean 'name'\? columns of made: id, name, amount", "nam"),
    "unknown column in a later line": ("SELECT id,\n  'ü',\n  amont\nFROM made", r"no column 'amont'; did you mean", "amont"),
    "unknown column of an alias": ("SELECT m.nam FROM made m", r"'m' has no column 'nam'; did you mean 'name'\?", "m.nam"),
    "unknown column in WHERE": ("SELECT id FROM made WHERE amont > 1", r"there is no column 'amont'", "amont"),
    "unknown alias": ("SELECT x.id FROM made m", r"there is no table 'x'", "x.id"),
    "column left out by a CTE": (
        "WITH x AS (SELECT id AS k FROM made) SELECT id FROM x", r"no column 'id'; an inner query leaves it out", "id FROM x"),
    "unknown input": ("SELECT * FROM mad", r"there is no input 'mad'; did you mean 'made'\? inputs: made, other", "mad"),
    "input that is not depended on": ("SELECT * FROM zzzz", r"add 'zzzz' to depends_on", "zzzz"),
    "current of several inputs": ("SELECT * FROM current", r"`current` does not exist here; the step has several", "current"),
    "table of a catalog": ("SELECT * FROM a.b.c", r"'a\.b\.c' can not be read here; SQL sees only the names in", "a.b.c"),
    "table function of files": ("SELECT * FROM read_files('x')", r"table function read_files\(\) can not be used", "read_"),
    "ambiguous column": ("SELECT id FROM made, other", r"column 'id' is in more than one table; write .*made\.id", "id FROM"),
    "unknown function": ("SELECT nofn(id) AS x FROM made", r"there is no function nofn\(\)", "nofn"),
    "close function": ("SELECT uppr(name) AS x FROM made", r"no function uppr\(\); did you mean 'upper'\?", "uppr"),
    "unknown type": ("SELECT CAST(id AS INTT) AS x FROM made", r"there is no type INTT", "INTT"),
    "missing GROUP BY": (
        "SELECT name, sum(id) AS s FROM made", r"column 'name' must be in GROUP BY or in an aggregate function; add", "name"),
    "set operation": ("SELECT id FROM made UNION SELECT 1, 2", r"same number of result columns", None),
    "names that differ in case": ("SELECT id, 2 AS ID FROM made", r"columns 'id' and 'ID' .* differ only in case", None),
    "misspelt SELECT": ("SELEC id FROM made", r'syntax error at or near "SELEC"', "SELEC"),
    "misspelt FROM": ("SELECT 1 FRM made", r'syntax error at or near "made"', "made"),
    "comma too many": ("SELECT id,, name FROM made", r'syntax error at or near ","', ","),
    "two statements": ("SELECT id FROM made; SELECT 2", r"more than one statement; a step is one SELECT", None),
    "INSERT": ("INSERT INTO made VALUES (1)", r"INSERT is not a SELECT; a step is one SELECT over the names", None),
    "DROP": ("DROP TABLE made", r"DROP is not a SELECT", None),
    "SHOW": ("SHOW TABLES", r"SHOW is not a SELECT", None),
    "SET": ("SET x = 1", r"SET is not a SELECT", None),
    "only a comment": ("-- nothing", r"the SQL is empty", None),
    "parameter": ("SELECT * FROM made WHERE id = ?", r"a query parameter .* has no value here; fill values in", None),
}  # fmt: skip


@pytest.mark.parametrize("fault", SQL)
def test_what_is_seen_before_anything_runs(engine: str, fault: str) -> None:
    sql, pattern, word = SQL[fault]
    with pytest.raises(ConfigError) as caught:
        run(engine, steps(sql), {})
    (problem,) = caught.value.problems
    assert re.search(pattern, plain(f"{problem.message}; {problem.hint}"), re.DOTALL), problem
    assert problem.key == "pipelines.p.nodes.node.transform.steps[0].sql"
    assert problem.position.file is not None
    if word is not None:
        assert at(problem.position.file, problem.position.line, problem.position.column).startswith(word)


EXPRESSIONS = {
    "unknown column": ("amont > 0", r"there is no column 'amont'; did you mean 'amount'\?", "amont"),
    "aggregate": ("sum(id) > 0", r"an expression cannot contain aggregates; it is checked row by row", "sum"),
    "unknown function": ("nofn(id) > 0", r"there is no function nofn\(\)", "nofn"),
}


@pytest.mark.parametrize(
    ("sql", "second", "pattern", "word"),
    [
        ("SELECT id FROM load", "SELECT name FROM current", r"there is no column 'name'; columns here: id", "name"),
        ("SELECT nofn(id) AS x FROM load", "SELECT x FROM current", r"there is no function nofn\(\)", "nofn"),
        ("SELECT id FROM laod", "SELECT id FROM current", r"there is no input 'laod'; did you mean 'load'", "laod"),
    ],
)
def test_what_is_certain_without_all_columns(engine: str, sql: str, second: str, pattern: str, word: str) -> None:
    with pytest.raises(ConfigError) as caught:
        run(engine, node(node_sql(sql, second)), FUNCTIONS)
    (problem,) = caught.value.problems
    assert re.search(pattern, plain(f"{problem.message}; {problem.hint}")), problem
    assert problem.position.file is not None
    assert at(problem.position.file, problem.position.line, problem.position.column).startswith(word)


@pytest.mark.parametrize("fault", EXPRESSIONS)
def test_expressions_of_a_validation(engine: str, fault: str) -> None:
    text, pattern, word = EXPRESSIONS[fault]
    with pytest.raises(ConfigError) as caught:
        run(engine, steps("SELECT * FROM made", f'validation: {{expressions: ["{text}"]}}'), {})
    (problem,) = caught.value.problems
    assert re.search(pattern, plain(f"{problem.message}; {problem.hint}")), problem
    assert problem.position.file is not None
    assert at(problem.position.file, problem.position.line, problem.position.column).startswith(word)


# -- while it runs -----------------------------------------------------------------------------------------------------


def node(body: str) -> str:
    return f"""transforms: [functions.py]
pipelines:
  - pipeline: p
    nodes:
      - name: load
        read: {{connection: lake, path: in.csv}}
      - name: node
        depends_on: [load]
        {body}
"""


def node_sql(text: str, second: str = "") -> str:
    more = f"\n            - {second}" if second else ""
    return f"""transform:
          steps:
            - {text}{more}
        write: {{connection: lake, path: out}}"""


def call(name: str) -> str:
    return f"transform: {{steps: [{{function: {name}}}]}}\n        write: {{connection: lake, path: out}}"


FUNCTIONS = {
    "functions.py": """from odibi import transform


@transform
def broken(context, current=None):
    return context.get("load")["nope"]["x"]


@transform
def raises(context, current=None):
    raise ValueError("no good")


@transform
def nothing(context, current=None):
    return None


@transform
def unknown(context, current=None):
    return context.get("laod")
"""
}
SQL_STEP = ("TransformError", "SqlError", "steps[0]")
DATA_STEP = ("TransformError", "DataError", "steps[0]")
RUNS: Mapping[str, tuple[str, str, str, str, str | None, str]] = {
    "unknown column": (node_sql("SELECT nam FROM load"), *SQL_STEP, "nam", r"no column 'nam'; did you mean 'name'\? columns of load: id"),
    "unknown column of an alias": (node_sql("SELECT l.nam FROM load l"), *SQL_STEP, "l.nam", r"'l' has no column 'nam'; did you"),
    "missing GROUP BY": (node_sql("SELECT name, sum(id) AS s FROM load"), *SQL_STEP, "name", r"column 'name' must be in GROUP BY"),
    "names that differ in case": (node_sql("SELECT *, 2 AS ID FROM load"), *SQL_STEP, None, r"'id' and 'ID' .* differ only in case"),
    "division by zero": (node_sql("SELECT 1 / (id - 1) AS x FROM load"), *DATA_STEP, "SELECT", r"division by zero in \(.*; NULLIF\(divisor, 0\)"),
    "remainder by zero": (node_sql("SELECT 1 % (id - 1) AS x FROM load"), *DATA_STEP, "SELECT", r"division by zero"),
    "a cast that fails": (
        node_sql("SELECT CAST(name AS INT) AS x FROM load"), *DATA_STEP, "SELECT", r"'a' is not INT\w* \(column 'name'\); TRY_CAST gives NULL"),
    "a date that is none": (
        node_sql("SELECT CAST(name AS DATE) AS x FROM load"), *DATA_STEP, "SELECT", r"'a' is not a date \(column 'name'\); it should look like YYYY-MM-DD"),
    "a value that does not fit": (
        node_sql("SELECT CAST(id + 300 AS TINYINT) AS x FROM load"), *DATA_STEP, "SELECT", r"30[12] does not fit TINYINT.*; cast to a wider type"),
    "an overflow": (
        node_sql("SELECT id + 9223372036854775807 AS x FROM load"), *DATA_STEP, "SELECT", r"overflow: .* does not fit .*; cast to a wider type first"),
    "a subquery of several rows": (
        node_sql("SELECT (SELECT id FROM load) AS x FROM load"), *DATA_STEP, "SELECT", r"a subquery that stands for one value returned more"),
    "a fault in the first of two steps": (
        node_sql("SELECT 1 / (id - 1) AS x FROM load", "SELECT x + 1 AS y FROM current"), *DATA_STEP, "SELECT 1", r"division by zero"),
    "a function that raises": (
        call("raises"), "TransformError", "OdibiError", "steps[0]", "{function: raises", r"function 'raises' failed: ValueError: no good\n  at .*functions\.py:11"),
    "a function that gives nothing": (
        call("nothing"), "TransformError", "DataError", "steps[0]", "{function: nothing", r"function 'nothing': .*is no frame; return"),
    "a function that asks for what is not there": (
        call("unknown"), "TransformError", "OdibiError", "steps[0]", "{function: unknown", r"'laod'; did you mean 'load'\?"),
    "a check that fails": (
        "validation: {no_nulls: [id], ranges: {id: {max: 1}}}\n        write: {connection: lake, path: out}",
        "WriteError", "CheckFailed", "write", None, r"1 of 2 checks do not hold; nothing was written"),
    "a key that is not unique": (
        "transform: {steps: [SELECT 1 AS id FROM load]}\n        validation: {unique: [id]}\n        write: {connection: lake, path: out}",
        "WriteError", "CheckFailed", "write", None, r"1 of 1 checks do not hold; .*unique"),
    "no rows": (
        "transform: {steps: [SELECT * FROM load WHERE id > 5]}\n        validation: {not_empty: true}\n        write: {connection: lake, path: out}",
        "WriteError", "CheckFailed", "write", None, r"1 of 1 checks do not hold; .*not_empty"),
    "only NULL": (
        node_sql("SELECT id, NULL AS x FROM load"), "WriteError", "SchemaMismatchError", "write", None, r"column 'x' holds only NULL .*declare"),
    "a name that Delta can not hold": (
        node_sql("SELECT id AS {} FROM load"), "WriteError", "SchemaMismatchError", "write", None, r"can not hold these column names: 'a;b'.*normalize_names"),
    "a type that does not fit": (
        "write: {connection: lake, path: out, schema: {name: int}}", "WriteError", "DataError", "write", None, r"'a' is not INT\w*"),
    "a target that is there": (
        "write: {connection: lake, path: there.csv, mode: error}", "WriteError", "", "write", None, r"lake:there\.csv exists"),
    "a column to partition by": (
        "write: {connection: lake, path: out, partition_by: [region]}", "WriteError", "", "write", None, r"'region'"),
}  # fmt: skip


@pytest.mark.parametrize("fault", RUNS)
def test_what_fails_while_it_runs(engine: str, fault: str) -> None:
    body, kind, cause, step, word, pattern = RUNS[fault]
    body = body.replace("AS {}", 'AS "a;b"' if engine == "pandas" else "AS `a;b`")
    made, pipeline = run(engine, node(body), FUNCTIONS)
    result = pipeline.run()["p"]
    assert not (made.folder / "lake" / "out").exists(), "something was written"
    error = result.nodes["node"].error
    assert error is not None
    assert (error.type, error.step) == (kind, step), error
    assert not cause or error.cause == cause, error
    assert not re.search(r"^\s+at \S+\(.*:\d+\)", error.traceback, re.MULTILINE), "the JVM's trace"
    assert not re.search(r"^ *\+- ", error.traceback, re.MULTILINE), "Spark's plan"
    assert re.search(pattern, plain(error.message), re.DOTALL), error.message
    place = re.search(r"odibi\.yaml:(\d+):(\d+)$", error.position)
    assert place is not None, error.position
    if word is not None:
        assert at(made.file, int(place[1]), int(place[2])).startswith(word)


READS: Mapping[str, tuple[str, Mapping[str, Any], str, Sequence[str]]] = {
    "missing file": ("path: ins.csv", {}, "DataNotFoundError", [r"lake:ins\.csv does not exist; did you mean 'in\.csv'\?"]),
    "missing table": ("path: nothing", {}, "DataNotFoundError", [r"lake:nothing"]),
    "declared type": (
        "path: in.csv, schema: {id: bigint, name: int, amount: double}", {}, "DataError", [r"in\.csv", r"'a' is not \w+ \(column 'name'\)"]),
    "no table": ("path: in", {"lake/in/a.txt": "x"}, "", [r"lake:in is a folder without a _delta_log"]),
    "a file as a table": ("path: in.csv, format: delta", {}, "", [r"lake:in\.csv is a file, not a Delta table"]),
    "false parquet": ("path: a.parquet", {"lake/a.parquet": "id,name\n1,2\n" * 9}, "DataError", [r"a\.parquet"]),
}  # fmt: skip


@pytest.mark.parametrize("fault", READS)
def test_what_can_not_be_read(engine: str, fault: str) -> None:
    source, files, cause, patterns = READS[fault]
    text = f"""pipelines:
  - pipeline: p
    nodes:
      - name: load
        read: {{connection: lake, {source}}}
        write: {{connection: lake, path: out}}
"""
    made, pipeline = run(engine, text, files)
    error = pipeline.run()["p"].nodes["load"].error
    assert error is not None
    assert error.type == "ReadError", error
    assert error.step == "read"
    assert not cause or error.cause == cause, error
    for pattern in patterns:
        assert re.search(pattern, plain(error.message), re.DOTALL), error.message
    assert re.search(r"odibi\.yaml:\d+:\d+$", error.position)
    assert not (made.folder / "lake" / "out").exists()
