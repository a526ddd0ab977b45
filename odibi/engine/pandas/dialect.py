"""SQL written in another dialect, as DuckDB's. sqlglot translates; it is imported when the first such text comes.

Spark text is read as Databricks', whose CAST is strict and whose division by zero is not hidden, with `''` inside a
string as a quote. What DuckDB cannot do is an error, and so is what sqlglot says it cannot translate.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

import duckdb

from odibi.engine import words
from odibi.engine.dialects import SPARK, check_dialect, parse, plain
from odibi.errors import SqlError

if TYPE_CHECKING:
    from sqlglot import exp

__all__ = ["bare", "check_dialect", "translate"]

_INTS = frozenset((
    "ArraySize", "BitLength", "BitwiseCount", "Day", "DayOfMonth", "DayOfYear", "Hour", "Length", "Levenshtein",
    "Minute", "Month", "Quarter", "Second", "StrPosition", "WeekOfYear", "Year",
))  # fmt: skip
"""What gives an `int` in Spark and a `bigint` in DuckDB, in sqlglot's names; tables would have other types."""
_RANKS = frozenset(("DenseRank", "Ntile", "Rank", "RowNumber"))
"""The same of window functions."""


def bare(sql: str) -> str:
    """The text without the semicolon and the comments at its end, so that it can stand in parentheses."""
    if ";" not in sql:
        return sql
    tokens = [(at, kind) for at, kind in duckdb.tokenize(sql) if kind != duckdb.token_type.comment]
    raw = sql.encode()
    end = len(raw)
    while tokens and raw[tokens[-1][0] : tokens[-1][0] + 1] == b";":
        end = tokens.pop()[0]
    return raw[:end].decode().rstrip() if end < len(raw) else sql


@lru_cache(maxsize=4096)
def translate(text: str, dialect: str, target: str = "duckdb") -> str:
    """The query in the target's SQL; a text that is in it already is returned as it is, but for a `;` at its end.

    Raises SqlError, with the place in `text`, where it is not one SELECT or can not be translated, and UnknownNameError
    for a dialect that does not exist.

    >>> translate("SELECT `a b` FROM t;", "spark")
    'SELECT "a b" FROM t'
    """
    if dialect == target:
        return bare(text)
    check_dialect(dialect)
    from sqlglot import exp
    from sqlglot.errors import ErrorLevel, UnsupportedError

    tree = parse(text, dialect)
    for hint in list(tree.find_all(exp.Hint)):
        hint.pop()  # hints say how to compute, not what
    if dialect in SPARK:
        for node in reversed(list(tree.walk())):  # inner parts first
            _mean_as_spark(node)
    try:
        return str(tree.sql(dialect=target, unsupported_level=ErrorLevel.RAISE, comments=False))
    except UnsupportedError as error:
        raise SqlError(words.joined(plain(str(error)), words.on_both(dialect, target))) from None


def _mean_as_spark(node: exp.Expr) -> None:
    """Repairs of what sqlglot translates into something that runs and gives another value."""
    from sqlglot import exp

    one = exp.Literal.number(1)
    if isinstance(node, exp.DayOfWeek):
        node.replace(_as_int(exp.Add(this=node.copy(), expression=one)))  # Sunday is 1, not 0
    elif isinstance(node, exp.Anonymous) and node.name.lower() == "weekday" and len(node.expressions) == 1:
        monday_is_1 = exp.Anonymous(this="isodow", expressions=[node.expressions[0].copy()])
        node.replace(_as_int(exp.Sub(this=monday_is_1, expression=one)))
    elif isinstance(node, exp.Like | exp.ILike) and _wants_escape(node):
        node.replace(exp.Escape(this=node.copy(), expression=exp.Literal.string("\\")))
    elif isinstance(node, exp.RegexpReplace):
        _refer_with_backslash(node.args.get("replacement"))
    elif _is_int(node) and not isinstance(node.parent, exp.Cast):
        node.replace(_as_int(node.copy()))


def _as_int(node: exp.Expr) -> exp.Expr:
    from sqlglot import exp

    return exp.cast(node, "int")


def _is_int(node: exp.Expr) -> bool:
    """Whether it is a call that gives an `int` in Spark and not in DuckDB."""
    from sqlglot import exp

    kind = type(node).__name__
    if isinstance(node, exp.Extract):
        return node.name.upper() != "SECOND"
    return kind in _INTS or (isinstance(node, exp.Window) and type(node.this).__name__ in _RANKS)


def _wants_escape(like: exp.Expr) -> bool:
    """A backslash is Spark's escape in a pattern; DuckDB has none unless it is told."""
    from sqlglot import exp

    if isinstance(like.parent, exp.Escape) or isinstance(like.expression, exp.Any | exp.All):
        return False
    return not isinstance(like.expression, exp.Literal) or "\\" in like.expression.name


def _refer_with_backslash(replacement: exp.Expr | None) -> None:
    r"""`$1` refers to a group in Java, `\1` in DuckDB."""
    from sqlglot import exp

    if isinstance(replacement, exp.Literal) and replacement.is_string and "\\" not in replacement.name:
        replacement.set("this", re.sub(r"\$(\d)", r"\\\1", replacement.name))
