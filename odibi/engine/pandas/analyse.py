"""What is wrong with a query, and its columns, before any data moves.

DuckDB judges: its parser gives the tree, its binder the truth, on empty inputs that have the columns of the real ones.
Where only some columns are known, `odibi.engine.pandas.scopes` looks for what is certainly missing.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from functools import cached_property, lru_cache
from typing import Any

import duckdb

from odibi.engine import words
from odibi.engine.analysis import judged
from odibi.engine.base import Query, SqlAnalysis, SqlProblem
from odibi.engine.clashes import suspected
from odibi.engine.pandas import scopes
from odibi.engine.pandas.clashes import HINT, find_clash
from odibi.engine.pandas.dialect import bare, translate
from odibi.engine.pandas.errors import Raised, characters, read, tell_binding
from odibi.engine.pandas.session import quote
from odibi.engine.pandas.syntax import Mistake, Syntax, TableName, read_tree
from odibi.engine.pandas.types import column_of, duckdb_type
from odibi.engine.words import Inputs, find_name
from odibi.types import Column

SETTINGS = (
    "SET TimeZone = 'UTC'",
    "SET ieee_floating_point_ops = false",
    "SET max_expression_depth = 1500",
    "SET autoinstall_known_extensions = false",
    "SET autoload_known_extensions = false",
    "SET python_enable_replacements = false",
    "SET enable_external_access = false",  # whatever a query says, analysing it opens nothing
    "SET errors_as_json = true",
    "SET threads = 1",
    "PRAGMA disable_optimizer",  # binding is all that is wanted
    "PREPARE odibi_tree AS SELECT json_serialize_sql($1)",
)


class Analyser:
    """Judges queries on an empty database of its own, made when first needed. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._tree = lru_cache(maxsize=4096)(self._read_tree)
        self._functions: dict[str, Mistake | None] = {}
        self._trees_ahead: dict[str, str] = {}

    def read_ahead(self, queries: Iterable[Query]) -> None:
        """Have DuckDB parse many queries in one go: a statement for each costs five times as much."""
        texts = {translate(query.text, query.dialect) for query in queries if query.dialect == "duckdb"}
        listed = [text for text in texts if "\0" not in text]
        if len(listed) > 1:
            with self._lock:
                trees = self._connection.execute("SELECT x, json_serialize_sql(x) FROM unnest($1) t(x)", [listed])
                self._trees_ahead.update(trees.fetchall())

    def analyse(self, query: Query, inputs: Inputs) -> SqlAnalysis:
        """The problems of `query`, and its columns where those of its inputs are known (None: not known).

        A column whose type is not known yet has type None and no native type.
        """
        return judged(query, "duckdb", translate, lambda sql: self._analyse(sql, inputs))

    def close(self) -> None:
        """Close the database, if there is one."""
        with self._lock:
            connection = self.__dict__.pop("_connection", None)
            if connection is not None:
                connection.close()

    # -- the tree ------------------------------------------------------------------------------------------------------

    @cached_property
    def _connection(self) -> duckdb.DuckDBPyConnection:
        connection = duckdb.connect()
        for setting in SETTINGS:
            connection.execute(setting)
        return connection

    def _rows(self, sql: str) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._connection.execute(sql).fetchall()

    def _read_tree(self, sql: str) -> Syntax:
        if "\0" in sql:
            return Syntax(mistakes=[Mistake(words.NUL, "", len(sql.partition("\0")[0].encode()))])
        text = self._trees_ahead.pop(sql, None)
        if text is None:
            literal = sql.replace("'", "''")
            ((text,),) = self._rows(f"EXECUTE odibi_tree('{literal}')")
        if text.startswith('{"error":false,"statements":[{') and self._count(sql) == 1:
            try:
                return read_tree(text)
            except RecursionError:  # hundreds of operators in a row: the binder alone judges it
                return self._deep(sql)
        return Syntax(mistakes=[self._refusal(sql)], deterministic=False)

    def _deep(self, sql: str) -> Syntax:
        tables = [TableName((name,), None) for name in sorted(self._connection.get_table_names(sql))]
        return Syntax(tables=tables, deterministic=False)

    def _count(self, sql: str) -> int:
        return len(self._connection.extract_statements(sql)) if ";" in sql else 1

    def _refusal(self, sql: str) -> Mistake:
        """Why a text is not one SELECT."""
        try:
            with self._lock:
                statements = self._connection.extract_statements(sql)
        except duckdb.Error as error:
            raised = read(error)
            message, hint = tell_binding(raised, {})
            return Mistake(message, hint, raised.byte)
        if not statements:
            return Mistake(*words.EMPTY)
        if len(statements) > 1:
            return Mistake(*words.SEVERAL, len(statements[0].query.encode()))
        kind = statements[0].type.name
        if kind == "MULTI":
            return Mistake("PIVOT must say which values become columns", "add IN (…), or use `operation: pivot`")
        return Mistake(*words.not_a_select(kind))

    # -- the inputs ----------------------------------------------------------------------------------------------------

    def _analyse(self, sql: str, inputs: Inputs) -> SqlAnalysis:
        syntax = self._tree(sql)
        by_lower = {name.lower(): name for name in inputs}
        used = {table.name.lower(): table for table in syntax.tables}
        mistakes = list(syntax.mistakes)
        mistakes += (_unknown_table(table, inputs) for key, table in used.items() if key not in by_lower)
        tables = frozenset(by_lower.get(key, table.name) for key, table in used.items())
        known = {name: inputs[name] for name in inputs if name in tables}
        columns: tuple[Column, ...] | None = None
        if not mistakes:
            more, columns = self._bind(sql, syntax, known)
            mistakes += more
        problems = tuple(_problem(mistake, sql) for mistake in mistakes)
        return SqlAnalysis(problems, None if problems else columns, tables, syntax.deterministic)

    def _bind(self, sql: str, syntax: Syntax, inputs: Inputs) -> tuple[list[Mistake], tuple[Column, ...] | None]:
        if all(columns and all(map(native, columns)) for columns in inputs.values()):
            return self._bind_all(sql, inputs)
        if syntax.node is None:
            return [], None
        mistakes = [found for name, byte in syntax.functions.items() if (found := self._unknown_function(name, byte))]
        names = {name: [column.name for column in columns] if columns else None for name, columns in inputs.items()}
        missing, output = scopes.check(syntax.node, names)
        mistakes += missing
        return mistakes, None if output is None else tuple(Column(name, None) for name in output)

    def _bind_all(self, sql: str, inputs: Inputs) -> tuple[list[Mistake], tuple[Column, ...] | None]:
        head = _empty_inputs(inputs)
        bound = f"{head}SELECT * FROM ({bare(sql)}\n)"
        try:
            with self._lock:
                relation = self._connection.sql(bound)
                found = tuple(map(column_of, relation.columns, map(str, relation.types)))
            if not suspected(relation.columns):
                return [], found
            clash = self._clash(bare(sql), inputs)
            return ([Mistake(clash, HINT)], None) if clash else ([], found)
        except duckdb.Error:
            pass  # the same through DESCRIBE tells the place
        try:
            return [], tuple(column_of(name, type) for name, type, *_ in self._rows(f"DESCRIBE {bound}"))
        except duckdb.Error as error:
            raised = read(error)
        message, hint = tell_binding(raised, inputs)
        return [Mistake(message, hint, _byte_inside(raised, f"DESCRIBE {head}", sql))], None

    def _clash(self, sql: str, inputs: Inputs) -> str | None:
        with self._lock, self._connection.cursor() as cursor:
            return find_clash(cursor, sql, {name: _empty_select(columns or ()) for name, columns in inputs.items()})

    def _unknown_function(self, name: str, byte: int | None) -> Mistake | None:
        """A function that DuckDB does not know at all, whatever its arguments; found by calling it without any."""
        if name not in self._functions:
            self._functions[name] = self._probe(name)
        found = self._functions[name]
        return Mistake(found.message, found.hint, byte) if found else None

    def _probe(self, name: str) -> Mistake | None:
        quoted = name.replace('"', '""')
        try:
            self._rows(f'DESCRIBE SELECT "{quoted}"()')
        except duckdb.CatalogException as error:
            raised = read(error)
            if raised.name.lower() == name and "Function with name" in raised.text:
                return Mistake(*tell_binding(raised, {}))
        except duckdb.Error:
            pass  # it exists and wants arguments
        return None


def native(column: Column) -> str:
    """The DuckDB type of a column, empty if unknown."""
    return duckdb_type(column.type) if column.type is not None else column.native


def _empty_inputs(inputs: Inputs) -> str:
    """`WITH "t" AS (SELECT NULL::INTEGER AS "a" WHERE false) `: tables that have columns and nothing else."""
    ctes = []
    for name, columns in inputs.items():
        ctes.append(f"{quote(name)} AS ({_empty_select(columns or ())})")
    return f"WITH {', '.join(ctes)} " if ctes else ""


def _empty_select(columns: Iterable[Column]) -> str:
    listed = ", ".join(f"NULL::{native(column)} AS {quote(column.name)}" for column in columns)
    return f"SELECT {listed} WHERE false"


def _byte_inside(raised: Raised, head: str, sql: str) -> int | None:
    """The byte in the query of a place in the query with its empty inputs around it."""
    if raised.byte is None:
        place = find_name(raised.name, sql)
        return None if place is None else len(sql[:place].encode())
    inside = raised.byte - len(f"{head}SELECT * FROM (".encode())
    return inside if 0 <= inside <= len(sql.encode()) else None


def _problem(mistake: Mistake, sql: str) -> SqlProblem:
    return SqlProblem(mistake.message, mistake.hint, None if mistake.byte is None else characters(sql, mistake.byte))


def _unknown_table(table: TableName, inputs: Iterable[str]) -> Mistake:
    return Mistake(*words.no_input(table.name, table.path, inputs), table.byte)
