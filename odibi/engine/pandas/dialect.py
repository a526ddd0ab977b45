"""SQL written in another dialect, as DuckDB's. sqlglot translates; it is imported when the first such text comes.

Spark text is read as Databricks', whose CAST is strict and whose division by zero is not hidden, with `''` inside a
string as a quote. What DuckDB cannot do is an error, and so is what sqlglot says it cannot translate.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar

import duckdb

from odibi.engine.pandas.syntax import ONE_SELECT
from odibi.errors import SqlError, UnknownNameError

if TYPE_CHECKING:
    from sqlglot import exp

KNOWN = ("databricks", "duckdb", "spark")
"""Dialects that are known without asking sqlglot."""
_SPARK = frozenset({"spark", "spark2", "databricks"})
_ANSI = re.compile(r"\x1b\[\d*m")
_CLASS = re.compile(r"<class '[\w.]+\.(\w+)'>")
_OPENING = re.compile(r"'|\"|`|/\*|--")


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


def check_dialect(name: str) -> None:
    """Raise UnknownNameError, which lists the dialects, where there is none of that name."""
    if name not in KNOWN and name not in _all_dialects():
        raise UnknownNameError("SQL dialect", name, _all_dialects())


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

    tree = _parse(text, dialect)
    for hint in list(tree.find_all(exp.Hint)):
        hint.pop()  # hints say how to compute, not what
    if dialect in _SPARK:
        for node in reversed(list(tree.walk())):  # inner parts first
            _mean_as_spark(node)
    try:
        return str(tree.sql(dialect=target, unsupported_level=ErrorLevel.RAISE, comments=False))
    except UnsupportedError as error:
        raise SqlError(f"{_plain(str(error))}; write it in a way that both {dialect} and {target} know") from None


def _all_dialects() -> list[str]:
    from sqlglot.dialects.dialect import Dialects

    return sorted(str(dialect.value) for dialect in Dialects if dialect.value)


def _parse(text: str, dialect: str) -> exp.Expr:
    import sqlglot
    from sqlglot import exp
    from sqlglot.errors import ParseError, TokenError

    try:
        found = [tree for tree in sqlglot.parse(text, read=_reader(dialect)) if tree is not None]
    except ParseError as error:
        raise _syntax_error(error.errors[0], text) from None
    except TokenError:
        raise SqlError("a quote or a comment is not closed", _unclosed(text)) from None
    trees = [tree for tree in found if not isinstance(tree, exp.Semicolon)]
    if not trees:
        raise SqlError(f"the SQL is empty; {ONE_SELECT}")
    if len(trees) > 1:
        raise SqlError(f"more than one statement; {ONE_SELECT}", _second(text, dialect))
    if not isinstance(trees[0], exp.Query | exp.Values):
        kind = text.split(maxsplit=1)[0].upper()
        raise SqlError(f"{kind} is not a SELECT; {ONE_SELECT}")
    return trees[0]


@lru_cache(maxsize=8)
def _reader(dialect: str) -> Any:
    """The sqlglot dialect to read with."""
    if dialect not in _SPARK:
        return dialect
    from sqlglot.dialects.databricks import Databricks

    class OdibiSpark(Databricks):
        """Databricks SQL in which a doubled quote inside a string is a quote."""

        class Tokenizer(Databricks.Tokenizer):
            STRING_ESCAPES: ClassVar[list[str]] = ["\\", "'"]

    return OdibiSpark


def _mean_as_spark(node: exp.Expr) -> None:
    """Repairs of what sqlglot translates into something that runs and gives another value."""
    from sqlglot import exp

    one = exp.Literal.number(1)
    if isinstance(node, exp.DayOfWeek):
        node.replace(exp.paren(exp.Add(this=node.copy(), expression=one)))  # Sunday is 1, not 0
    elif isinstance(node, exp.Anonymous) and node.name.lower() == "weekday" and len(node.expressions) == 1:
        monday_is_1 = exp.Anonymous(this="isodow", expressions=[node.expressions[0].copy()])
        node.replace(exp.paren(exp.Sub(this=monday_is_1, expression=one)))
    elif isinstance(node, exp.Like | exp.ILike) and _wants_escape(node):
        node.replace(exp.Escape(this=node.copy(), expression=exp.Literal.string("\\")))
    elif isinstance(node, exp.RegexpReplace):
        _refer_with_backslash(node.args.get("replacement"))


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


def _syntax_error(error: dict[str, Any], text: str) -> SqlError:
    message = _CLASS.sub(lambda match: match[1], _plain(str(error.get("description", "")))) or "syntax error"
    word = str(error.get("highlight") or "")
    lines = text.split("\n")
    line = min(max(int(error.get("line") or 1), 1), len(lines))
    offset = sum(len(before) + 1 for before in lines[: line - 1]) + int(error.get("col") or 1) - max(len(word), 1)
    near = f" near {word!r}" if word else ""
    return SqlError(f"syntax error{near}: {message[0].lower()}{message[1:]}", min(max(offset, 0), len(text)))


def _second(text: str, dialect: str) -> int | None:
    """Where the second statement begins."""
    import sqlglot

    tokens = sqlglot.tokenize(text, read=_reader(dialect))
    ends = [number for number, token in enumerate(tokens) if token.text == ";"]
    after = [token.start for token in tokens[ends[0] + 1 :] if token.text != ";"] if ends else []
    return after[0] if after else None


def _unclosed(text: str) -> int | None:
    """Where the quote or comment opens that nothing closes."""
    at = 0
    while opening := _OPENING.search(text, at):
        closing = {"/*": "*/", "--": "\n"}.get(opening[0], opening[0])
        end = text.find(closing, opening.end())
        if end < 0:
            return opening.start()
        at = end + len(closing)
    return None


def _plain(text: str) -> str:
    """Without terminal codes, and only the first line."""
    return _ANSI.sub("", text).partition("\n")[0].rstrip(". ")
