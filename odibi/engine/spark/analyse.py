"""What is wrong with a query, and its columns, before any data moves.

Where a Spark session is at hand, Spark judges: on tables that have the columns of the inputs and no rows, which costs
its analyser and no job. Where none is, none is started: sqlglot's tree tells what is certainly wrong
(`odibi.engine.spark.scopes`), and the rest is left to the run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from odibi.engine.analysis import judged
from odibi.engine.base import Query, SqlAnalysis, SqlProblem
from odibi.engine.spark import scopes
from odibi.engine.spark.dialect import translate
from odibi.engine.spark.syntax import Mistake, Syntax, mistakes_in, read
from odibi.engine.words import Inputs
from odibi.errors import SqlError
from odibi.transforms.dialect import SPARK
from odibi.types import Column


class Analyser:
    """Judges queries, on a session (`odibi.engine.spark.session.Session`) or without one. Safe to use from several
    threads."""

    def __init__(self, session: Any = None) -> None:
        self._session = session
        self._functions: dict[str, Mistake | None] = {}

    def analyse(self, query: Query, inputs: Inputs) -> SqlAnalysis:
        """The problems of `query`, and its columns where those of its inputs are known (None: not known).

        A column whose type is not known yet has type None and no native type.
        """
        return judged(query, "spark", translate, lambda sql: self._analyse(sql, inputs))

    def _analyse(self, sql: str, inputs: Inputs) -> SqlAnalysis:
        found = read(sql)
        by_lower = {name.lower(): name for name in inputs}
        tables = frozenset(by_lower.get(table.name.lower(), table.name) for table in found.tables)
        mistakes: Sequence[Mistake] = mistakes_in(found, inputs)
        columns: tuple[Column, ...] | None = None
        if not mistakes:
            used = inputs if found.tree is None else {name: inputs[name] for name in inputs if name in tables}
            mistakes, columns = self._judge(sql, found, inputs, used)
        problems = tuple(SqlProblem(each.message, each.hint, each.offset) for each in mistakes)
        return SqlAnalysis(problems, None if problems else columns, tables, found.deterministic)

    def _judge(
        self, sql: str, found: Syntax, inputs: Inputs, used: Inputs
    ) -> tuple[Sequence[Mistake], tuple[Column, ...] | None]:
        mistakes: Sequence[Mistake] = ()
        if self._session is not None:
            from odibi.engine.spark.sql import mistakes_by_spark

            mistakes = mistakes_by_spark(self._session.spark, sql, found, inputs)
            if mistakes:
                return mistakes, None
            if all(columns and all(map(native, columns)) for columns in used.values()):
                return _bound(self._session.spark, sql, found, used)
            mistakes = self._unknown_functions(found)
        if found.tree is None:
            return [found.doubted] if found.doubted and self._session is None else [], None
        names = {name: [column.name for column in columns] if columns else None for name, columns in used.items()}
        missing, output = scopes.check(found.tree, names)
        return [*mistakes, *missing], None if output is None else tuple(Column(name, None) for name in output)

    def _unknown_functions(self, found: Syntax) -> list[Mistake]:
        """Functions that Spark does not know at all, whatever their arguments; found by calling them without any."""
        told = ((self._probed(name), place) for name, place in found.functions.items())
        return [replace(mistake, offset=place) for mistake, place in told if mistake is not None]

    def _probed(self, name: str) -> Mistake | None:
        if name not in self._functions:
            from odibi.engine.spark.sql import no_function

            self._functions[name] = no_function(self._session.spark, name)
        return self._functions[name]


def native(column: Column) -> str:
    """The Spark type of a column, empty if unknown."""
    return str(column.type) if column.type is not None else column.native


def _bound(spark: Any, sql: str, found: Syntax, inputs: Inputs) -> tuple[Sequence[Mistake], tuple[Column, ...] | None]:
    """Spark's own judgement. The tables are part of the text, so that nothing of them is left in the session."""
    from odibi.engine.spark import errors
    from odibi.engine.spark.sql import Statement, improved, with_names
    from odibi.engine.spark.types import columns_of

    statement = Statement.over_empty(sql, {name: _empty(columns or ()) for name, columns in inputs.items()})
    try:
        return [], with_names(columns_of(spark.sql(statement.template).schema))
    except SqlError as error:
        told = error
    except errors.spark_errors() as error:
        explained = errors.explain(error, sql, inputs, statement.place)
        if not isinstance(explained, SqlError):
            return [], None  # a session that is gone, for example: the run will tell
        told = improved(explained, sql, found)
    message, _, hint = str(told).partition("; ")
    return [Mistake(message, hint, told.offset)], None


def _empty(columns: Sequence[Column]) -> str:
    listed = ", ".join(f"CAST(NULL AS {native(column)}) AS {SPARK.quote(column.name)}" for column in columns)
    return f"SELECT {listed} WHERE false"
