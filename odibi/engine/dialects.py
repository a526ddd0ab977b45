"""Reading SQL of any dialect. sqlglot does it; it is imported when the first text that needs it comes.

Spark text is read as Databricks', whose CAST is strict and whose division by zero is not hidden, with `''` inside a
string as a quote.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar

from odibi.engine import words
from odibi.errors import SqlError, UnknownNameError

if TYPE_CHECKING:
    from sqlglot import exp

KNOWN = ("databricks", "duckdb", "spark")
"""Dialects that are known without asking sqlglot."""
SPARK = frozenset({"spark", "spark2", "databricks"})
_ANSI = re.compile(r"\x1b\[\d*m")
_CLASS = re.compile(r"<class '[\w.]+\.(\w+)'>")
_COMMA = re.compile(
    r",(?:\s|--[^\n]*(?:\n|$)|/\*.*?\*/)*(?:[,);]|$|(?:from|where|group|having|order)\b)", re.IGNORECASE | re.DOTALL
)
"""What may be a comma with nothing behind it: only tokens tell, since it can stand in a string."""
_OPENING = re.compile(r"'|\"|`|/\*|--")


def check_dialect(name: str) -> None:
    """Raise UnknownNameError, which lists the dialects, where there is none of that name."""
    if name not in KNOWN and name not in _all_dialects():
        raise UnknownNameError("SQL dialect", name, _all_dialects())


def is_same(one: str, other: str) -> bool:
    """True where a text in one dialect is read as one in the other."""
    return one == other or (one in SPARK and other in SPARK)


def _all_dialects() -> list[str]:
    from sqlglot.dialects.dialect import Dialects

    return sorted(str(dialect.value) for dialect in Dialects if dialect.value)


def parse(text: str, dialect: str) -> exp.Expr:
    """The tree of one SELECT. Raises SqlError, with the place, where the text is something else."""
    import sqlglot
    from sqlglot import exp
    from sqlglot.errors import ParseError, TokenError

    try:
        found = [tree for tree in sqlglot.parse(text, read=reader(dialect)) if tree is not None]
    except ParseError as error:
        raise _syntax_error(error.errors[0], text) from None
    except TokenError:
        raise SqlError("a quote or a comment is not closed", _unclosed(text)) from None
    trees = [tree for tree in found if not isinstance(tree, exp.Semicolon)]
    if not trees:
        raise SqlError(words.joined(*words.EMPTY))
    if len(trees) > 1:
        raise SqlError(words.joined(*words.SEVERAL), _second(text, dialect))
    if not isinstance(trees[0], exp.Query | exp.Values):
        kind = text.split(maxsplit=1)[0].upper()
        raise SqlError(words.joined(*words.not_a_select(kind)))
    comma = _stray_comma(text, dialect) if dialect in SPARK and _COMMA.search(text) else None
    if comma is not None:
        raise SqlError(words.joined(*words.STRAY_COMMA), comma)
    return trees[0]


@lru_cache(maxsize=8)
def reader(dialect: str) -> Any:
    """The sqlglot dialect to read with."""
    if dialect not in SPARK:
        return dialect
    from sqlglot.dialects.databricks import Databricks

    class OdibiSpark(Databricks):
        """Databricks SQL in which a doubled quote inside a string is a quote."""

        class Tokenizer(Databricks.Tokenizer):
            STRING_ESCAPES: ClassVar[list[str]] = ["\\", "'"]

    return OdibiSpark


def _syntax_error(error: dict[str, Any], text: str) -> SqlError:
    message = _CLASS.sub(lambda match: match[1], plain(str(error.get("description", "")))) or "syntax error"
    word = str(error.get("highlight") or "")
    lines = text.split("\n")
    line = min(max(int(error.get("line") or 1), 1), len(lines))
    offset = sum(len(before) + 1 for before in lines[: line - 1]) + int(error.get("col") or 1) - max(len(word), 1)
    near = f" near {word!r}" if word else ""
    return SqlError(f"syntax error{near}: {message[0].lower()}{message[1:]}", min(max(offset, 0), len(text)))


def _second(text: str, dialect: str) -> int | None:
    """Where the second statement begins."""
    import sqlglot

    tokens = sqlglot.tokenize(text, read=reader(dialect))
    ends = [number for number, token in enumerate(tokens) if token.text == ";"]
    after = [token.start for token in tokens[ends[0] + 1 :] if token.text != ";"] if ends else []
    return after[0] if after else None


def _stray_comma(text: str, dialect: str) -> int | None:
    """Where a comma stands with nothing behind it, which sqlglot and DuckDB let pass and Spark does not: it takes the
    next keyword for a name. `SELECT a, from FROM t` does have a column `from`."""
    import sqlglot
    from sqlglot import TokenType as Kind

    ends = {Kind.COMMA, Kind.R_PAREN, Kind.SEMICOLON, Kind.WHERE, Kind.GROUP_BY, Kind.HAVING, Kind.ORDER_BY}
    tokens = sqlglot.tokenize(text, read=reader(dialect))
    kinds = [token.token_type for token in tokens] + [Kind.SEMICOLON, Kind.SEMICOLON]
    for number, token in enumerate(tokens):
        after, then = kinds[number + 1], kinds[number + 2]
        if token.token_type is Kind.COMMA and (after in ends or (after is Kind.FROM and then is not Kind.FROM)):
            return int(token.start)
    return None


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


def plain(text: str) -> str:
    """Without terminal codes, and only the first line."""
    return _ANSI.sub("", text).partition("\n")[0].rstrip(". ")
