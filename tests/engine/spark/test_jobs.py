"""A node runs the Spark jobs and stages of the lines that one would write by hand, and no more."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from odibi.testing import SparkWork, TestProject, counted_jobs, project

pytestmark = pytest.mark.jvm

HEAD = """
engine: spark
connections: {lake: {type: local, base_path: .}}
story: {auto_generate: true}
pipelines:
  - pipeline: p
    nodes:
"""
READ = "{connection: lake, path: orders.csv, schema: {id: bigint, g: string, amount: double}}"
SQL = "SELECT g, count(*) AS n, sum(amount) AS amount FROM raw GROUP BY g"
ROWS = 200
Work = Callable[[], Any]


@pytest.fixture
def made(spark: Any, tmp_path: Path) -> Callable[[str], TestProject]:
    """A project of these nodes beside a CSV file."""
    lines = [f"{i},g{i % 7},{i * 0.5}" for i in range(ROWS)]

    def make(nodes: str) -> TestProject:
        return project(HEAD + nodes, {"orders.csv": "id,g,amount\n" + "\n".join(lines) + "\n"}, tmp_path)

    return make


@pytest.fixture
def both(spark: Any, made: Callable[[str], TestProject]) -> Callable[..., tuple[SparkWork, SparkWork]]:
    """What a project and a function start: on new tables, and once more on the tables that are there."""

    def run(nodes: str, by_hand: Work, again: bool = True) -> tuple[SparkWork, SparkWork]:
        mine = made(nodes)
        for _ in range(2 if again else 1):
            with counted_jobs(spark) as hand:
                by_hand()
            with counted_jobs(spark) as ours:
                mine.run().raise_for_failure()
        return ours, hand

    return run


def assert_same(ours: SparkWork, hand: SparkWork) -> None:
    """The same work. Queries are not compared: Delta's own count by which thread asks first for a table's state."""
    told = f"odibi: {ours}\nby hand: {hand}"
    assert (len(ours.jobs), ours.stages) == (len(hand.jobs), hand.stages), told


class Hand:
    """The lines by hand."""

    def __init__(self, spark: Any, folder: Path) -> None:
        self.spark, self.folder = spark, folder

    def orders(self) -> Any:
        return self.spark.read.csv(
            f"file://{self.folder}/orders.csv", header=True, schema="id bigint, g string, amount double"
        )

    def totals(self) -> Any:
        return self.spark.sql(SQL.replace("raw", "{raw}"), raw=self.orders())

    def write(self, frame: Any, name: str, format: str = "delta", mode: str = "overwrite", by: str = "") -> None:
        writer = frame.write.format(format).mode(mode)
        (writer.partitionBy(by) if by else writer).save(f"file://{self.folder}/hand/{name}")


@pytest.fixture
def hand(spark: Any, tmp_path: Path) -> Hand:
    return Hand(spark, tmp_path)


NODES = f"""
      - {{name: raw, read: {READ}}}
      - name: totals
        depends_on: [raw]
        transform: {{steps: ["{SQL}"]}}
"""


@pytest.mark.parametrize("again", [False, True], ids=["a new target", "a target that is there"])
@pytest.mark.parametrize(
    ("write", "arguments"),
    [
        ("path: t", {}),
        ("path: t, mode: append", {"mode": "append"}),
        ("path: t, partition_by: [g]", {"by": "g"}),
        ("path: t, format: parquet", {"format": "parquet"}),
        ("path: t, format: parquet, partition_by: [g]", {"format": "parquet", "by": "g"}),
        ("path: t, format: json", {"format": "json"}),
        ("path: t, format: csv", {"format": "csv"}),
    ],
)
def test_read_sql_write(both: Any, hand: Hand, write: str, arguments: Any, again: bool) -> None:
    nodes = f"{NODES}        write: {{connection: lake, {write}}}\n"
    assert_same(*both(nodes, lambda: hand.write(hand.totals(), "t", **arguments), again))


def test_from_a_delta_table(both: Any, hand: Hand, spark: Any, tmp_path: Path) -> None:
    spark.range(100).selectExpr("id", "id % 3 AS g").write.format("delta").save(f"file://{tmp_path}/source")
    sql = "SELECT g, count(*) AS n FROM source WHERE id > 10 GROUP BY g"
    nodes = f"""
      - {{name: source, read: {{connection: lake, path: source}}}}
      - name: t
        depends_on: [source]
        transform: {{steps: ["{sql}"]}}
        write: {{connection: lake, path: t}}
"""

    def by_hand() -> None:
        source = spark.read.format("delta").load(f"file://{tmp_path}/source")
        hand.write(spark.sql(sql.replace("source", "{source}"), source=source), "t")

    assert_same(*both(nodes, by_hand))


def test_what_was_written_is_read_by_the_next(both: Any, hand: Hand, spark: Any, tmp_path: Path) -> None:
    """As one writes it by hand: not computed twice."""
    nodes = f"""{NODES}        write: {{connection: lake, path: t}}
      - name: large
        depends_on: [totals]
        transform: {{steps: ["SELECT * FROM totals WHERE n > 28"]}}
        write: {{connection: lake, path: large}}
"""

    def by_hand() -> None:
        hand.write(hand.totals(), "t")
        hand.write(spark.read.format("delta").load(f"file://{tmp_path}/hand/t").where("n > 28"), "large")

    assert_same(*both(nodes, by_hand))


CHECKS = """        validation:
          no_nulls: [g]
          ranges: {n: {min: 1}}
          accepted_values: {g: [g0, g1, g2, g3, g4, g5, g6]}
          expressions: ["amount >= 0"]
          schema: {required_columns: [g], types: {n: int}}
"""


def test_checks_of_rows_are_in_the_write(both: Any, hand: Hand) -> None:
    nodes = f"{NODES}{CHECKS}        write: {{connection: lake, path: t}}\n"
    assert_same(*both(nodes, lambda: hand.write(hand.totals(), "t")))


def test_checks_that_only_warn_are_in_the_write_too(both: Any, hand: Hand) -> None:
    nodes = f"{NODES}{CHECKS}          on_fail: warn\n        write: {{connection: lake, path: t}}\n"
    assert_same(*both(nodes.replace("min: 1}", "min: 100}"), lambda: hand.write(hand.totals(), "t")))


@pytest.mark.parametrize("check", ["not_empty: true", "unique: [id]"])
def test_not_empty_and_unique_are_one_question_before_the_write(both: Any, hand: Hand, check: str) -> None:
    """A frame that is asked for keys and written would be computed twice: by hand as well one keeps it between."""
    nodes = f"""
      - name: t
        read: {READ}
        validation: {{{check}}}
        write: {{connection: lake, path: t}}
"""

    def by_hand() -> None:
        orders = hand.orders()
        if check.startswith("unique"):
            orders.persist()
            counts = orders.groupBy("id").count()
            assert counts.selectExpr("sum(count) AS rows", "count_if(count > 1) AS failing").first()["failing"] == 0
        else:
            assert orders.take(1)
        hand.write(orders, "t")
        orders.unpersist()

    ours, theirs = both(nodes, by_hand)
    told = f"odibi: {ours}\nby hand: {theirs}"
    assert (ours.queries, len(ours.jobs), ours.stages) <= (theirs.queries, len(theirs.jobs), theirs.stages), told
    assert (len(ours.jobs), ours.stages) <= (len(theirs.jobs), theirs.stages), told


def test_a_check_that_fails_is_one_question_more(made: Any, hand: Hand, spark: Any) -> None:
    """The write that was stopped, and one query that counts the offenders of all checks."""
    nodes = f"{NODES}{CHECKS}        write: {{connection: lake, path: t}}\n"
    mine = made(nodes.replace("amount >= 0", "amount < 0"))
    with counted_jobs(spark) as write:
        hand.write(hand.totals(), "t")
    with counted_jobs(spark) as ours:
        assert mine.run().errors
    assert ours.queries == write.queries + 1, f"odibi: {ours}\nby hand: {write}"


TWO = """
      - {{name: raw, read: {read}}}
      - name: totals
        depends_on: [raw]{cache}
        transform: {{steps: ["{sql}"]}}
      - name: small
        depends_on: [totals]
        transform: {{steps: ["SELECT * FROM totals WHERE n < 29"]}}
        write: {{connection: lake, path: small}}
      - name: large
        depends_on: [totals]
        transform: {{steps: ["SELECT * FROM totals WHERE n >= 29"]}}
        write: {{connection: lake, path: large}}
"""


def test_two_users_of_one_result(both: Any, hand: Hand) -> None:
    """By hand one would compute it twice, for a frame is a plan; that gives the same rows here, and so does odibi."""

    def by_hand() -> None:
        totals = hand.totals()
        hand.write(totals.where("n < 29"), "small")
        hand.write(totals.where("n >= 29"), "large")

    assert_same(*both(TWO.format(read=READ, sql=SQL, cache=""), by_hand))


def test_a_cached_result(both: Any, hand: Hand) -> None:
    def by_hand() -> None:
        totals = hand.totals().persist()
        hand.write(totals.where("n < 29"), "small")
        hand.write(totals.where("n >= 29"), "large")
        totals.unpersist()

    nodes = TWO.format(read=READ, sql=SQL, cache="\n        cache: true")
    made, theirs = both(nodes, by_hand)
    # side by side, the first two that ask may both start what is cached
    assert len(made.jobs) <= len(theirs.jobs) + 1, f"odibi: {made}\nby hand: {theirs}"


def test_a_function_on_a_lazy_frame_starts_nothing(both: Any, made: Any, hand: Hand, tmp_path: Path) -> None:
    (tmp_path / "functions.py").write_text(
        "import narwhals as nw\nfrom odibi import transform\n\n\n@transform\n"
        "def cents(context, current: nw.LazyFrame):\n"
        "    return current.with_columns(cents=nw.col('amount') * 100)\n"
    )
    nodes = f"""
      - name: t
        read: {READ}
        transform: {{steps: [{{function: cents}}]}}
        write: {{connection: lake, path: t}}
"""
    text = HEAD.replace("engine: spark", "engine: spark\ntransforms: [functions.py]")
    mine = project(text + nodes, folder=tmp_path)
    made(nodes)
    mine.file.write_text(text + nodes)
    for _ in range(2):
        with counted_jobs(hand.spark) as theirs:
            hand.write(hand.orders().selectExpr("*", "amount * 100 AS cents"), "t")
        with counted_jobs(hand.spark) as ours:
            mine.run().raise_for_failure()
    assert_same(ours, theirs)


def test_validate_and_a_dry_run_start_no_job(made: Any, spark: Any) -> None:
    from odibi.cli import run_command

    mine = made(f"{NODES}{CHECKS}        write: {{connection: lake, path: t}}\n")
    with counted_jobs(spark) as work:
        assert run_command(["validate", str(mine.file)]) == 0
        assert run_command(["run", str(mine.file), "--dry-run", "--quiet"]) == 0
    assert work.jobs == []
