"""Checks over a frame: one aggregate query for all row checks, one narrow query per key, and only for what failed one
more bounded query that finds the first offenders."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import duckdb

from odibi import checks as rules
from odibi.engine import check_results, words
from odibi.engine.base import Check, CheckResult, Checks, NotEmptyCheck, RowCheck, SchemaCheck, UniqueCheck
from odibi.engine.pandas import errors
from odibi.engine.pandas.session import DuckFrame, Session, quote
from odibi.types import Column

Countable = RowCheck | UniqueCheck | NotEmptyCheck


@dataclass(frozen=True)
class KnownStats:
    """What a write already counted: rows, and NULLs by column. Checks that follow from it read no data."""

    rows: int | None = None
    nulls: Mapping[str, int] = field(default_factory=dict)


def run_checks(
    session: Session, frame: DuckFrame, checks: Checks, known_stats: KnownStats | None = None
) -> tuple[CheckResult, ...]:
    """What every check found, in order; none is left out because another failed. A cheap frame is read once for all row
    checks and once, narrowly, for each key; a lazy one is read once in all, and again only where something failed."""
    if not checks.items:
        return ()
    return _Run(session, frame, checks, known_stats or KnownStats(frame.rows)).results()


class _Run:
    """One call of `run_checks`."""

    def __init__(self, session: Session, frame: DuckFrame, checks: Checks, known: KnownStats) -> None:
        self.session, self.frame, self.checks = session, frame, checks
        self.known = known
        self.columns = frame.columns
        self.source = f"({frame.sql}\n)"
        self.rows = known.rows if known.rows is not None else frame.rows
        self.counts: dict[Check, int] = {}
        self.failures: dict[int, str] = {}
        """Why a check could not be computed, by its place."""

    def results(self) -> tuple[CheckResult, ...]:
        pending: list[tuple[int, Countable]] = []
        for place, check in enumerate(self.checks.items):
            wrong = rules.misfit(check, self.columns)
            if wrong:
                self.failures[place] = wrong
            elif not isinstance(check, SchemaCheck) and not self.answered(check):
                pending.append((place, check))
        if pending:
            self.count(pending)
        return tuple(self.result(place, check) for place, check in enumerate(self.checks.items))

    def answered(self, check: Check) -> bool:
        """Whether what is known already answers the check."""
        if isinstance(check, rules.NullCheck) and self.rows is not None:
            column = rules.find_column(check.columns[0], self.columns)
            if column is not None and column.name in self.known.nulls:
                self.counts[check] = self.known.nulls[column.name]
                return True
        return isinstance(check, NotEmptyCheck) and self.rows is not None

    def count(self, pending: Sequence[tuple[int, Countable]]) -> None:
        """All counts in one query. Where that fails, one query each: the error is told of the check it belongs to."""
        try:
            self.aggregate([check for _, check in pending])
        except duckdb.Error as error:
            if errors.is_interrupt(error):
                raise
            # when the data itself can not be computed, that is the error
            self.session.execute(f"SELECT max(hash(COLUMNS(*))) FROM {self.source}", self.frame)
            for place, check in pending:
                self.count_alone(place, check)

    def count_alone(self, place: int, check: Countable) -> None:
        try:
            self.aggregate([check])
        except duckdb.Error as error:
            if errors.is_interrupt(error):
                raise
            inputs = {"current": self.columns}
            told = errors.explain(error, self.violation(check) if isinstance(check, RowCheck) else "", None, inputs)
            message, _, hint = str(told).partition("; ")
            self.failures[place] = words.joined(*words.of_expression(message, hint))

    def aggregate(self, checks: Sequence[Countable]) -> None:
        together = [
            check
            for check in checks
            if isinstance(check, RowCheck) or (self.frame.lazy and isinstance(check, UniqueCheck))
        ]
        items = [self.item(check) for check in together]
        if items or self.rows is None:
            ((rows, *found),) = self.session.execute(
                f"SELECT {', '.join(['count(*)', *items])} FROM {self.source}", self.frame
            )
            self.rows = int(rows)
            for check, count in zip(together, found, strict=True):
                self.counts[check] = int(count) if isinstance(check, RowCheck) else self.rows - int(count)
        for key in (check for check in checks if isinstance(check, UniqueCheck)):
            if key not in together or self.counts[key]:
                self.counts[key] = self.duplicates(key)

    def item(self, check: Countable) -> str:
        """One aggregate of the query: offending rows, or the number of keys."""
        if isinstance(check, RowCheck):
            return f"count(*) FILTER (WHERE {self.violation(check)})"
        return f"count(DISTINCT row({self.names(check.columns)}))"

    def violation(self, check: RowCheck) -> str:
        if check.dialect == "duckdb":
            return check.violation
        from odibi.engine.pandas.dialect import translate

        return translate(f"SELECT {check.violation}", check.dialect).removeprefix("SELECT ")

    def duplicates(self, check: UniqueCheck) -> int:
        """Rows that share their key with another row."""
        groups = f"SELECT count(*) AS n FROM {self.source} GROUP BY {self.names(check.columns)} HAVING count(*) > 1"
        ((rows,),) = self.session.execute(f"SELECT coalesce(sum(n), 0) FROM ({groups})", self.frame)
        return int(rows)

    def names(self, columns: Sequence[str]) -> str:
        return ", ".join(quote(column) for column in columns)

    # -- results -------------------------------------------------------------------------------------------------------

    def result(self, place: int, check: Check) -> CheckResult:
        if place in self.failures:
            return CheckResult(check.name, False, total_rows=self.rows, message=self.failures[place])
        if isinstance(check, SchemaCheck | NotEmptyCheck):
            return check_results.result(check, None, self.rows)
        failing = self.counts[check]
        return check_results.result(check, failing, self.rows, self.examples(check) if failing else ())

    def examples(self, check: RowCheck | UniqueCheck) -> list[dict[str, Any]]:
        """The first offenders, in the order of what is shown: the columns of the check, and of the node's keys."""
        if not self.checks.examples:
            return []
        shown = check_results.shown_columns(check, self.checks, self.columns)
        items = ", ".join(readable(column) for column in shown)
        if isinstance(check, UniqueCheck):
            keys = self.names([column.name for column in shown])
            tail = f"GROUP BY {keys} HAVING count(*) > 1 ORDER BY {keys}"
            items, names = f"{items}, count(*)", [*(column.name for column in shown), "rows"]
        else:
            tail = f"WHERE {self.violation(check)} ORDER BY ALL"
            names = [column.name for column in shown]
        sql = f"SELECT {items} FROM {self.source} {tail} LIMIT {self.checks.examples}"
        return [dict(zip(names, row, strict=True)) for row in self.session.execute(sql, self.frame)]


def readable(column: Column) -> str:
    """A column as it is fetched; zoned timestamps as text, which Python can hold without a time zone library."""
    name = quote(column.name)
    zoned = "TIME ZONE" in column.native or re.search(r"\btimestamp\b", column.type_name)
    return f"CAST({name} AS VARCHAR) AS {name}" if zoned else name
