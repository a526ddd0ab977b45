"""SQL written in another dialect, as Spark's. sqlglot translates; it is imported when the first such text comes.

For DuckDB's SQL this is a preview: what is known to come out wrong, or not at all, is refused with its name and place
rather than run wrongly. A few differences are repaired (`_mean_as_duckdb`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING

from odibi.engine import words
from odibi.engine.dialects import SPARK, check_dialect, parse, plain, reader
from odibi.engine.spark.syntax import bare
from odibi.errors import SqlError

if TYPE_CHECKING:
    from sqlglot import exp

_SLICE = "[…:…]"
Refusal = tuple[str, str]
"""What is refused, and what to write instead (maybe empty)."""
_FORMAT = re.compile(r"%[YymdHMSbBaAjfI%p]")
_INTEGERS = frozenset({"TINYINT", "SMALLINT", "INT", "BIGINT"})
_STRANGE_TYPES = frozenset({
    "INT128", "INT256", "UINT128", "UINT256", "UBIGINT", "UINT", "USMALLINT", "UTINYINT", "TIME", "TIMETZ", "UUID",
    "ENUM", "UNION", "BIT", "INTERVAL", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS",
})  # fmt: skip
_NO_LIST = "string_agg(… ORDER BY …) is on both: Spark's lists lose order and NULLs"
_REFUSED_FUNCTIONS = {
    "list": _NO_LIST, "array_agg": _NO_LIST, "date_part": "extract(… FROM …) is on both",
    "datepart": "extract(… FROM …) is on both",
    "quantile_cont": "median() is on both", "quantile_disc": "", "quantile": "", "percentile_cont": "",
    "time_bucket": "date_trunc() with a cast is on both",
    "epoch": "", "epoch_ms": "", "epoch_us": "", "epoch_ns": "", "age": "subtract with date_diff('day', …)",
    "timezone": "", "date_sub": "", "datesub": "", "list_sum": "", "list_sort": "", "list_reverse_sort": "",
    "format": "concatenate with || or concat()", "monthname": "strftime(…, '%B') is on both",
    "dayname": "strftime(…, '%A') is on both", "hash": "md5() is on both", "glob": "",
}  # fmt: skip
"""Functions that Spark does not have, or that mean something else there, and the way out."""


@lru_cache(maxsize=4096)
def translate(text: str, dialect: str) -> str:
    """The query in Spark's SQL; Spark's own is returned as it is, but for a `;` at its end.

    Raises SqlError, with the place in `text`, where it is not one SELECT or can not be translated, and UnknownNameError
    for a dialect that does not exist.

    >>> translate('SELECT "a b" FROM t;', "duckdb")
    'SELECT `a b` FROM t'
    """
    if dialect in SPARK:
        return bare(text)
    check_dialect(dialect)
    from sqlglot.errors import ErrorLevel, UnsupportedError

    tree = parse(text, dialect)
    if dialect == "duckdb":
        _refuse(tree, text, dialect)
        for node in reversed(list(tree.walk())):  # inner parts first
            _mean_as_duckdb(node)
    try:
        return str(tree.sql(dialect="spark", unsupported_level=ErrorLevel.RAISE, comments=False))
    except UnsupportedError as error:
        raise SqlError(f"{plain(str(error))}; {words.on_both(dialect, 'spark')}") from None


def _refuse(tree: exp.Expr, text: str, dialect: str) -> None:
    """Raise for the first construct that is known to go wrong."""
    for name, start in _calls(text, dialect):
        if name in _REFUSED_FUNCTIONS:
            raise SqlError(_refused(f"`{name}()`", _REFUSED_FUNCTIONS[name], dialect), start)
    for node in tree.walk():
        for judge in _JUDGES:
            found = judge(node)
            if found is not None:
                raise SqlError(_refused(*found, dialect), _place(found[0], text))


def _calls(text: str, dialect: str) -> Iterator[tuple[str, int]]:
    """The functions that a text calls, by the names that it gives them: sqlglot has other names for some."""
    import sqlglot
    from sqlglot import TokenType

    tokens = sqlglot.tokenize(text, read=reader(dialect))
    for token, after in pairwise(tokens):
        if after.token_type == TokenType.L_PAREN:
            yield token.text.lower(), token.start


def _refused(what: str, instead: str, dialect: str) -> str:
    return f"{what} can not be translated from {dialect} to spark; {instead or words.on_both(dialect, 'spark')}"


def _place(what: str, text: str) -> int | None:
    """Where a construct first stands: its words, with any space between them and without their brackets."""
    wanted = what.strip("`").removesuffix("()")
    if wanted == _SLICE:
        sliced = re.search(r"\[[^\]\[]*:(?!:)", text)
        return sliced.start() if sliced else None
    pattern = r"\s+".join(map(re.escape, wanted.split()))
    ahead = r"(?<!\w)" if wanted[:1].isalnum() else ""
    found = re.search(ahead + pattern, text, re.IGNORECASE)
    return found.start() if found else None


# -- what is refused ---------------------------------------------------------------------------------------------------


def _stars(node: exp.Expr) -> Refusal | None:
    from sqlglot import exp

    if isinstance(node, exp.Star) and node.args.get("replace"):
        return "`REPLACE`", "list the columns"
    if isinstance(node, exp.Star) and node.args.get("rename"):
        return "`RENAME`", "list the columns"
    if isinstance(node, exp.Columns):
        return "`COLUMNS`", "list the columns"
    return None


def _sources(node: exp.Expr) -> Refusal | None:
    from sqlglot import exp

    if isinstance(node, exp.Join):
        kind = f"{node.method} {node.kind}".upper()
        odd = next((word for word in ("POSITIONAL", "ASOF") if word in kind), None)
        return (f"`{odd} JOIN`", "") if odd else None
    if isinstance(node, exp.Table) and isinstance(node.this, exp.Func):
        return f"`{_called(node.this)}()`", "generate the rows in a function step"
    if isinstance(node, exp.Pivot) and not node.args.get("fields"):
        return ("`UNPIVOT`" if node.args.get("unpivot") else "`PIVOT`"), "use `operation: pivot` or `unpivot`"
    if isinstance(node, exp.TableSample):
        return "`SAMPLE`", ""
    return None


def _called(node: exp.Func) -> str:
    from sqlglot import exp

    if isinstance(node, exp.GenerateSeries | exp.ExplodingGenerateSeries):
        return "range" if node.args.get("is_end_exclusive") else "generate_series"
    return str(node.name if isinstance(node, exp.Anonymous) else node.sql_name()).lower()


def _expressions(node: exp.Expr) -> Refusal | None:
    from sqlglot import exp

    if isinstance(node, exp.Comprehension):
        return "`for`", "list_transform() and list_filter() are on both"
    if isinstance(node, exp.ToMap | exp.Map | exp.VarMap):
        return "`MAP`", "map_from_entries() and struct literals are on both"
    if isinstance(node, exp.Slice):
        return f"`{_SLICE}`", "list_slice() or substring() is on both"
    if isinstance(node, exp.SimilarTo):
        return "`SIMILAR TO`", "regexp_matches() is on both"
    if isinstance(node, exp.JSONExtract) and not isinstance(node, exp.JSONExtractScalar):
        return "`->`", "`->>` on a column of text is on both"
    if isinstance(node, exp.JSONExtractScalar) and not isinstance(node.this, exp.Column):
        return "`->>`", "`->>` on a column of text is on both"
    if isinstance(node, exp.Like) and "\\" in _text(node.expression) and not isinstance(node.parent, exp.Escape):
        return "`LIKE`", "add ESCAPE: a backslash escapes in Spark and not in DuckDB"
    return None


def _functions(node: exp.Expr) -> Refusal | None:
    from sqlglot import exp

    if isinstance(node, exp.RegexpReplace) and "g" not in _text(node.args.get("modifiers")):
        return "`regexp_replace()`", "give it the option 'g': Spark replaces all matches, DuckDB the first"
    if isinstance(node, exp.Substring) and _text(node.args.get("start")) == "0":
        return "`substring()`", "begin at 1"
    return _format(node)


def _format(node: exp.Expr) -> Refusal | None:
    """Date formats whose letters are not all known."""
    from sqlglot import exp

    if isinstance(node, exp.TimeToStr | exp.StrToTime | exp.StrToDate):
        format = node.args.get("format")
        if isinstance(format, exp.Literal) and "%" in _FORMAT.sub("", format.name):
            return f"`{format.name}`", "use %Y %m %d %H %M %S %f %y %b %B %a %A %j %I %p"
    return None


def _dates(node: exp.Expr) -> Refusal | None:
    from sqlglot import exp

    if isinstance(node, exp.DateDiff | exp.TimestampDiff) and _unit(node) not in ("DAY", "DAYS"):
        return "`date_diff()`", f"DuckDB counts boundaries of {_unit(node)}, Spark whole ones: only 'day' is on both"
    if isinstance(node, exp.DateTrunc | exp.TimestampTrunc) and not isinstance(node.parent, exp.Cast):
        return "`date_trunc()`", "cast it: CAST(date_trunc(…) AS DATE)"
    if isinstance(node, exp.Add | exp.Sub | exp.DateAdd | exp.DateSub) and isinstance(node.expression, exp.Interval):
        outer = node.parent
        while isinstance(outer, exp.Paren):
            outer = outer.parent
        return None if isinstance(outer, exp.Cast) else ("`INTERVAL`", "cast the sum: CAST(d + INTERVAL … AS DATE)")
    if isinstance(node, exp.Extract) and _text(node.this).upper() in ("DOW", "ISODOW", "DAYOFWEEK", "EPOCH", "WEEKDAY"):
        return f"`{_text(node.this)}`", "isodow() is on both"
    return None


def _casts(node: exp.Expr) -> Refusal | None:
    from sqlglot import exp

    if not isinstance(node, exp.Cast):
        return None
    name = _type_name(node)
    if name in _STRANGE_TYPES:
        return f"`{'HUGEINT' if name == 'INT128' else name}`", "use a type that both have"
    if name in _INTEGERS and _is_fraction(node.this):
        return f"`{name}`", "DuckDB rounds where Spark cuts: say round() or trunc()"
    return None


def _type_name(node: exp.Cast) -> str:
    return str(getattr(node.to.this, "value", node.to.this)).upper()


def _is_fraction(node: exp.Expr) -> bool:
    """True for what is visibly no integer."""
    from sqlglot import exp

    while isinstance(node, exp.Paren | exp.Neg):
        node = node.this
    if isinstance(node, exp.Literal):
        return not node.is_string and "." in node.name
    if isinstance(node, exp.Cast):
        return _type_name(node) in ("DOUBLE", "FLOAT", "DECIMAL")
    return isinstance(node, exp.Div | exp.Avg)


def _unit(node: exp.Expr) -> str:
    return _text(node.args.get("unit")).upper() or "DAY"


def _text(node: exp.Expr | None) -> str:
    """The text of a literal or a word."""
    from sqlglot import exp

    return node.name if isinstance(node, exp.Literal | exp.Var | exp.Column | exp.Identifier) else ""


_JUDGES: tuple[Callable[[exp.Expr], Refusal | None], ...] = (
    _stars, _sources, _expressions, _functions, _dates, _casts,
)  # fmt: skip


# -- what is repaired --------------------------------------------------------------------------------------------------


def _mean_as_duckdb(node: exp.Expr) -> None:
    """Repairs of what sqlglot translates into something that runs and gives another value."""
    from sqlglot import exp

    one = exp.Literal.number(1)
    if isinstance(node, exp.DayOfWeek) or _is_call(node, "weekday"):
        inner = exp.DayOfWeek(this=_argument(node).copy())
        node.replace(exp.paren(exp.Sub(this=inner, expression=one)))  # Sunday is 0, not 1
    elif isinstance(node, exp.DayOfWeekIso) or _is_call(node, "isodow"):
        monday_is_0 = exp.Anonymous(this="weekday", expressions=[_argument(node).copy()])
        node.replace(exp.paren(exp.Add(this=monday_is_0, expression=one)))
    elif isinstance(node, exp.Log) and node.args.get("expression") is None:
        node.replace(exp.Log(this=exp.Literal.number(10), expression=node.this.copy()))
    elif isinstance(node, exp.RegexpReplace):
        replacement = node.args.get("replacement")
        if isinstance(replacement, exp.Literal):
            said = replacement.name.replace("$", "\\$")
            replacement.set("this", re.sub(r"\\(\d)", r"$\1", said))
    elif isinstance(node, exp.RegexpExtract) and node.args.get("group") is None:
        node.set("group", exp.Literal.number(0))


def _is_call(node: exp.Expr, name: str) -> bool:
    from sqlglot import exp

    return isinstance(node, exp.Anonymous) and str(node.name).lower() == name and len(node.expressions) == 1


def _argument(node: exp.Expr) -> exp.Expr:
    from sqlglot import exp

    found: exp.Expr = node.expressions[0] if isinstance(node, exp.Anonymous) else node.this
    return found
