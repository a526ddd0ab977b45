"""Checks over Spark frames: compiled into the write, or in one job where nothing is written.

Under a write stands one Observation, and with `on_fail: fail` a filter above it that raises at the first row that
breaks a check: the write fails before its commit. The Observation keeps the optimizer from pushing that filter below a
join, where it would judge rows that are not written. What it counted is the result of `on_fail: warn`. Only after a
failure one job counts the offenders of all checks and finds the first of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

from pyspark.sql import Observation
from pyspark.sql import functions as F  # noqa: N812 - the name that Spark's own documentation gives it

from odibi import checks as rules
from odibi.engine import words
from odibi.engine.base import (
    Check,
    CheckResult,
    Checks,
    NotEmptyCheck,
    RowCheck,
    UniqueCheck,
    raise_for_checks,
)
from odibi.engine.check_results import result, shown_columns
from odibi.engine.spark import errors, observed
from odibi.engine.spark.frame import SparkFrame
from odibi.engine.spark.session import Session
from odibi.engine.spark.sql import translate
from odibi.files import new_txn
from odibi.transforms.dialect import SPARK
from odibi.types import Column

BUCKETS = 16
"""With `warn` the offenders that are shown are the least of each of so many groups: an Observation must be bounded."""
_DATA_CONDITIONS = re.compile(
    r"CAST_INVALID_INPUT|OVERFLOW|DIVIDE_BY_ZERO|REMAINDER_BY_ZERO|OUT_OF_RANGE|OUT_OF_SUPPORTED_RANGE|INVALID_|"
    r"MAP_KEY_DOES_NOT_EXIST|CANNOT_PARSE|USER_RAISED_EXCEPTION|UNPARSEABLE|MALFORMED|DateTimeException"
)
"""Signs of an error that a value caused, and not the place where it is written."""


def run_checks(session: Session, frame: SparkFrame, checks: Checks) -> tuple[CheckResult, ...]:
    """What every check found, in order, over a frame that is not written: one job; none for schema checks alone."""
    run = Checking(session, frame, checks)
    run.compute([*run.row, *run.keys, *run.empty])
    return run.results()


@dataclass(frozen=True)
class _Compiled:
    """A check by its place among the node's, and for a check of rows the SQL that is true for an offender."""

    place: int
    check: Check
    violation: str = ""


@dataclass
class _Found:
    """What a job or a write counted for one check."""

    failing: int = 0
    examples: list[dict[str, Any]] = field(default_factory=list)


class Checking:
    """The checks of one write: before it, in it, and after it."""

    def __init__(self, session: Session, frame: SparkFrame, checks: Checks) -> None:
        self.session, self.frame, self.checks = session, frame, checks
        self.columns = frame.columns
        self.rows = frame.rows
        self.failures: dict[int, str] = {}
        """Why a check could not be computed, by its place."""
        self.found: dict[int, _Found] = {}
        self.token = new_txn()
        self.observation: Any = None
        self._counted: Mapping[str, Any] = {}
        self.seen: int | None = None
        """The place of the check that stopped the write."""
        self.row: list[_Compiled] = []
        self.keys: list[_Compiled] = []
        self.empty: list[_Compiled] = []
        self._judge()

    @property
    def fails(self) -> bool:
        """Whether a failed check stops the write."""
        return self.checks.on_fail == "fail"

    @property
    def asks_before(self) -> bool:
        """Whether a job over all rows comes before the write."""
        return bool(self.keys)

    # -- without data --------------------------------------------------------------------------------------------------

    def _judge(self) -> None:
        """Sort the checks; those that can not hold for these columns fail here."""
        for place, check in enumerate(self.checks.items):
            wrong = rules.misfit(check, self.columns)
            if wrong:
                self.failures[place] = wrong
            elif isinstance(check, RowCheck):
                self.row.append(_Compiled(place, check, self._violation(check)))
            elif isinstance(check, UniqueCheck):
                self.keys.append(_Compiled(place, check))
            elif isinstance(check, NotEmptyCheck) and self.rows is None:
                self.empty.append(_Compiled(place, check))
        if any(not each.check.columns for each in self.row):
            self._analyse()

    def _violation(self, check: RowCheck) -> str:
        if check.dialect in ("spark", "databricks"):
            return check.violation
        return translate(f"SELECT {check.violation}", check.dialect).removeprefix("SELECT ")

    def _analyse(self) -> None:
        """Let Spark judge expressions of the user's; one that it refuses fails its check alone."""
        from pyspark.errors import AnalysisException

        try:
            self._schema([_asked(each) for each in self.row])
        except AnalysisException:
            for each in [*self.row]:
                try:
                    self._schema([_asked(each)])
                except AnalysisException as error:
                    self._can_not(each, error)

    def _schema(self, conditions: Sequence[str]) -> None:
        """Judge conditions over single rows: what is none, like an aggregate, is refused. A filter alone would also see
        columns that the frame has left out."""
        judged = reduce(lambda data, text: data.where(f"({text}\n)"), conditions, self.frame.data)
        judged.selectExpr("1").schema  # noqa: B018 - on Connect a filter alone has the schema of its input, unasked
        self.frame.data.selectExpr("*", *(f"({text}\n)" for text in conditions)).schema  # noqa: B018 - asking judges

    def _can_not(self, compiled: _Compiled, error: BaseException) -> None:
        """Note that a check can not be computed."""
        told = str(errors.explain(error, _asked(compiled), {"current": self.columns}))
        message, _, hint = told.partition("; ")
        self.failures[compiled.place] = words.joined(*words.of_expression(message, hint))
        self.row.remove(compiled)

    # -- before the write ----------------------------------------------------------------------------------------------

    def before(self) -> None:
        """What a write can not see row by row: keys, and that there are rows at all. At most one job; raises
        `CheckFailed`."""
        self.compute([*self.keys, *([] if self.keys else self.empty)], first=False)
        if self.fails and any(not each.passed for each in self.results(assume=0)):
            self.raise_failed()
        self.compute(self._unshown())

    # -- in the write --------------------------------------------------------------------------------------------------

    def guarded(self, blanks: Sequence[str] = (), counted: bool = False) -> Any:
        """The DataFrame to write once: it counts as it is written, and fails where a row breaks a check. `blanks` are
        columns whose empty texts are counted; with `counted` the rows are, where nothing else asks for it."""
        data = self.frame.data
        if not self.row and not blanks and not (counted and self.rows is None):
            return data
        self.observation = Observation()
        marks = [] if self.fails else [f"{self._mark(each)} AS {_mark_name(each)}" for each in self.row]
        if marks:
            data = data.selectExpr("*", *marks)
        metrics = [F.count(F.lit(1)).alias("rows")]
        metrics += [F.expr(f"count_if({SPARK.quote(name)} = '')").alias(f"blank{i}") for i, name in enumerate(blanks)]
        if marks:
            metrics += [F.expr(sql).alias(name) for each in self.row for name, sql in self._metrics(each)]
        data = data.observe(self.observation, *metrics)
        if marks:
            return data.drop(*(_mark_name(each) for each in self.row))
        return data.where(self._stop()) if self.row else data

    def _stop(self) -> str:
        """A condition that is true for every row that breaks no check, and raises at one that does."""
        cases = " ".join(
            f"WHEN ({each.violation}\n) THEN CAST(raise_error('odibi check {self.token} {each.place}.') AS BOOLEAN)"
            for each in self.row
        )
        return f"CASE {cases} ELSE true END"

    def _metrics(self, compiled: _Compiled) -> list[tuple[str, str]]:
        mark = _mark_name(compiled)
        counted = [(f"n{compiled.place}", f"count({mark})")]
        if not self.checks.examples:
            return counted
        group = f"pmod(xxhash64({mark}), {BUCKETS})"
        return counted + [
            (f"e{compiled.place}_{bucket}", f"min(CASE WHEN {mark} IS NOT NULL AND {group} = {bucket} THEN {mark} END)")
            for bucket in range(BUCKETS)
        ]

    def violated(self, error: BaseException) -> bool:
        """Whether a write failed because a row breaks a check."""
        found = re.search(rf"odibi check {self.token} (\d+)\.", str(error))
        self.seen = int(found[1]) if found else None
        return found is not None

    def broken(self, error: BaseException) -> bool:
        """Whether a write failed because a check can not be computed for some row: it is then among those that failed.
        Asks the data, since the error may be of the data itself."""
        suspects = [each for each in self.row if not isinstance(each.check, rules.NullCheck)]
        if not suspects or not _DATA_CONDITIONS.search(str(error)):
            return False
        found = [(each, told) for each in suspects if (told := self._error_of(each)) is not None]
        if not found or not self._computable():
            return False
        for each, told in found:
            self._can_not(each, told)
        if self.fails:
            self.raise_failed()
        return True

    def _error_of(self, compiled: _Compiled) -> BaseException | None:
        try:
            self.frame.data.selectExpr(f"count_if(({compiled.violation}\n))").collect()
        except errors.spark_errors() as error:
            if errors.is_interrupt(error):
                raise
            return error
        return None

    def _computable(self) -> bool:
        from odibi.engine.spark.keep import probe

        return probe(self.frame)

    # -- after the write -----------------------------------------------------------------------------------------------

    def observed(self) -> Mapping[str, Any]:
        """What the write counted, once it is done; empty where the platform does not tell."""
        if self.observation is not None:
            self._counted, self.observation = observed.read(self.session, self.observation), None
        return self._counted

    def after(self, rows: int | None, written: SparkFrame | None = None) -> tuple[CheckResult, ...]:
        """The results of a write that is done. `rows` is how many it wrote; `written` is a frame over them, asked where
        the Observation tells nothing."""
        counted: Mapping[str, Any] = {}
        if self.row and not self.fails:
            counted = self.observed()
        self.rows = rows if rows is not None else counted.get("rows", self.rows)
        if self.row and not self.fails and not counted:
            if written is not None:
                self.frame = written
            self.compute(self.row)
        elif not self.fails:
            for each in self.row:
                self.found[each.place] = self._from_observation(each, counted)
        return self.results(assume=0)

    def _from_observation(self, compiled: _Compiled, counted: Mapping[str, Any]) -> _Found:
        least = [counted.get(f"e{compiled.place}_{bucket}") for bucket in range(BUCKETS)]
        found = sorted((row for row in least if row is not None), key=_key)
        shown = [self._example(compiled, row) for row in found[: self.checks.examples]]
        return _Found(int(counted[f"n{compiled.place}"]), shown)

    # -- counting ------------------------------------------------------------------------------------------------------

    def raise_failed(self) -> None:
        """Count the offenders of all checks, in one job, and raise `CheckFailed` with all results."""
        uncounted = [each for each in (*self.row, *self.keys, *self.empty) if each.place not in self.found]
        self.compute([*uncounted, *self._unshown()])
        raise_for_checks(self.results(), self.checks.on_fail)
        if self.seen is not None:
            self.failures[self.seen] = (
                "a row broke it in the write, and none does now that the data is computed again; it is not the same "
                "each time: set cache: true"
            )
            raise_for_checks(self.results(), self.checks.on_fail)

    def _unshown(self) -> list[_Compiled]:
        """Keys that occur more than once, of which no example was looked for."""
        found = ((each, self.found.get(each.place)) for each in self.keys)
        shown = self.checks.examples
        return [each for each, counted in found if shown and counted and counted.failing and not counted.examples]

    def compute(self, wanted: Sequence[_Compiled], first: bool = True) -> None:
        """Count offenders and find the `first`, all checks in one job. Where that fails, one job each: the error is
        told of the check that it belongs to."""
        if not wanted:
            return
        try:
            self._compute(wanted, self.checks.examples if first else 0)
        except errors.spark_errors() as error:
            if errors.is_interrupt(error) or not any(isinstance(each.check, RowCheck) for each in wanted):
                raise
            if not self._computable():
                raise
            self._compute_each(wanted)

    def _compute_each(self, wanted: Sequence[_Compiled]) -> None:
        for each in wanted:
            try:
                self._compute([each], self.checks.examples)
            except errors.spark_errors() as error:
                if errors.is_interrupt(error):
                    raise
                self._can_not(each, error)

    def _compute(self, wanted: Sequence[_Compiled], examples: int) -> None:
        row = [each for each in wanted if isinstance(each.check, RowCheck)]
        keys = [each for each in wanted if isinstance(each.check, UniqueCheck)]
        if row or keys:
            parts = [
                *self._offenders(row, examples),
                *(part for each in keys for part in self._duplicates(each, examples)),
            ]
            self._take(reduce(_together, parts).collect(), (*row, *keys))
        elif not self.frame.data.selectExpr("1 AS one").take(1):
            self.rows = 0
        for each in self.empty:
            self.found[each.place] = _Found(0 if self.rows is None or self.rows else 1)

    def _take(self, answers: Sequence[Any], asked: Sequence[_Compiled]) -> None:
        """Read the rows of the one job: counts have no `place`, an offender has that of its check."""
        by_place = {each.place: each for each in asked}
        self.found.update((place, _Found()) for place in by_place)
        for answer in answers:
            told = answer.asDict()
            if told["place"] is not None:
                found, compiled = self.found[told["place"]], by_place[told["place"]]
                found.examples.append(self._example(compiled, told[f"e{compiled.place}"]))
                continue
            self.rows = int(told["rows"])
            for place in by_place:
                if told.get(f"n{place}") is not None:
                    self.found[place].failing = int(told[f"n{place}"])

    def _offenders(self, row: Sequence[_Compiled], examples: int) -> list[Any]:
        """All rows and the offenders of each check, counted; and the first offenders of each, in the order of what is
        shown."""
        if not row:
            return []
        counts = [f"count_if(({each.violation}\n)) AS n{each.place}" for each in row]
        found = [self.frame.data.selectExpr("CAST(NULL AS INT) AS place", "0 AS nth", "count(1) AS rows", *counts)]
        if not examples:
            return found
        places = ", ".join(f"CASE WHEN ({each.violation}\n) THEN {each.place} END" for each in row)
        marks = [f"{self._mark(each)} AS e{each.place}" for each in row]
        broken = self.frame.data.selectExpr(*marks, f"explode(array_compact(array({places}))) AS place")
        order = ", ".join(f"CASE WHEN place = {each.place} THEN e{each.place} END" for each in row)
        ranked = broken.selectExpr("*", f"row_number() OVER (PARTITION BY place ORDER BY {order}) AS nth")
        return [*found, ranked.where(f"nth <= {examples}")]

    def _duplicates(self, compiled: _Compiled, examples: int) -> list[Any]:
        """Rows that share their key with another, counted, and the first such keys."""
        keys = [SPARK.quote(column) for column in compiled.check.columns]
        names = [f"k{index}" for index in range(len(keys))]
        selected = self.frame.data.selectExpr(*(f"{key} AS {name}" for key, name in zip(keys, names, strict=True)))
        groups = selected.groupBy(*names).count()
        failing = f"coalesce(sum(CASE WHEN count > 1 THEN count END), 0) AS n{compiled.place}"
        rows = "coalesce(sum(count), 0) AS rows"
        found = [groups.selectExpr("CAST(NULL AS INT) AS place", "0 AS nth", rows, failing)]
        if not examples:
            return found
        mark = _mark(self._shown(compiled), names, "count")
        first = groups.where("count > 1").selectExpr(f"{compiled.place} AS place", f"{mark} AS e{compiled.place}")
        return [*found, first.orderBy(f"e{compiled.place}").limit(examples)]

    # -- offenders, shown ----------------------------------------------------------------------------------------------

    def _shown(self, compiled: _Compiled) -> list[Column]:
        check = compiled.check
        assert isinstance(check, RowCheck | UniqueCheck), "other checks have no offenders"
        return shown_columns(check, self.checks, self.columns)

    def _mark(self, compiled: _Compiled) -> str:
        """What is shown of a row that breaks the check; NULL for any other row."""
        columns = self._shown(compiled)
        shown = _mark(columns, [SPARK.quote(column.name) for column in columns])
        return f"CASE WHEN ({compiled.violation}\n) THEN {shown} END"

    def _example(self, compiled: _Compiled, mark: Any) -> dict[str, Any]:
        """A mark as the story shows it."""
        names = [column.name for column in self._shown(compiled)]
        values = mark.asDict(recursive=True)
        shown = {name: _plain(values[f"v{index}"]) for index, name in enumerate(names)}
        return shown | ({"rows": values["rows"]} if "rows" in values else {})

    # -- results -------------------------------------------------------------------------------------------------------

    def results(self, assume: int | None = None) -> tuple[CheckResult, ...]:
        """What every check found; `assume` is the number of offenders where none were counted."""
        return tuple(self._result(place, check, assume) for place, check in enumerate(self.checks.items))

    def _result(self, place: int, check: Check, assume: int | None) -> CheckResult:
        if place in self.failures:
            return CheckResult(check.name, False, total_rows=self.rows, message=self.failures[place])
        found = self.found.get(place)
        if isinstance(check, NotEmptyCheck) and self.rows is None and found is not None and not found.failing:
            return CheckResult(check.name, True)
        return result(check, found.failing if found else assume, self.rows, found.examples if found else ())


def _together(one: Any, other: Any) -> Any:
    return one.unionByName(other, allowMissingColumns=True)


def _mark(columns: Sequence[Column], expressions: Sequence[str], count: str = "") -> str:
    """A struct of what is shown of a row, which sorts with NULLs last."""
    parts = []
    for index, (column, expression) in enumerate(zip(columns, expressions, strict=True)):
        parts.append(f"'k{index}', {expression} IS NULL, 'v{index}', {readable(column, expression)}")
    if count:
        parts.append(f"'rows', {count}")
    return f"named_struct({', '.join(parts)})"


def readable(column: Column, expression: str) -> str:
    """A column as it is fetched: zoned timestamps, and what has no order, as text."""
    if column.type is not None and column.type.name == "timestamp":
        return f"concat(CAST({expression} AS STRING), '+00')"
    if column.type is None or re.search(r"\btimestamp\b|\bmap<", column.type_name):
        return f"CAST({expression} AS STRING)"
    return expression


def _plain(value: Any) -> Any:
    return bytes(value) if isinstance(value, bytearray) else value


def _key(mark: Any) -> Any:
    """A mark's place among others; nested values may not compare in Python, then their texts do."""
    return tuple(value if isinstance(value, bool | int | float | str | None) else str(value) for value in mark)


def _asked(compiled: _Compiled) -> str:
    """What the user says of every row, where it is SQL of this dialect; of other checks what breaks them."""
    as_written = re.fullmatch(r"NOT \((.*)\n\)", compiled.violation, re.DOTALL)
    return as_written[1] if as_written else compiled.violation


def _mark_name(compiled: _Compiled) -> str:
    return f"__odibi_{compiled.place}"
