"""What a Spark SELECT says, from its syntax tree alone: the tables and functions it names, and whether computing it
twice gives the same rows. sqlglot reads it, and does not know all of Spark's SQL: what it can not read has no tree.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

from odibi.engine import words
from odibi.engine.dialects import parse, reader
from odibi.errors import SqlError, closest, suggest

if TYPE_CHECKING:
    from sqlglot import exp

PURE_TABLE_FUNCTIONS = frozenset({
    "range", "explode", "explode_outer", "posexplode", "posexplode_outer", "inline", "inline_outer", "stack",
    "json_tuple", "variant_explode", "variant_explode_outer", "sql_keywords", "collations",
})  # fmt: skip
WORLD_FUNCTIONS = frozenset({
    "java_method", "reflect", "try_reflect", "secret", "try_secret", "list_secrets", "http_request", "ai_query",
    "read_files", "read_file",
})  # fmt: skip
"""Scalar functions that look at, or do, something outside the query's inputs."""
CHANGING_FUNCTIONS = frozenset({
    "rand", "randn", "random", "randstr", "uniform", "uuid", "shuffle", "monotonically_increasing_id",
    "spark_partition_id", "input_file_name", "input_file_block_start", "input_file_block_length",
    "now", "curdate", "current_date", "current_time", "current_timestamp", "localtimestamp", "current_datetime",
})  # fmt: skip
PICKING_FUNCTIONS = frozenset({
    "first", "first_value", "last", "last_value", "any_value", "nth_value", "max_by", "min_by", "arg_max", "arg_min",
    "mode", "approx_percentile", "percentile_approx", "approx_quantile", "approx_top_k", "approx_top_k_accumulate",
})  # fmt: skip
"""Aggregates that pick a row, where rows can tie or come in any order, and those that estimate."""
LISTING_FUNCTIONS = frozenset({
    "collect_list", "collect_set", "array_agg", "array_unique_agg", "listagg", "string_agg", "group_concat",
})  # fmt: skip
"""Aggregates whose result has the order of the rows."""
TIE_PROOF_WINDOWS = frozenset({"rank", "dense_rank", "percent_rank", "cume_dist"})
PICKING_WINDOWS = frozenset({"row_number", "ntile", "lag", "lead"})
ORDER_IGNORED = frozenset({"sort_array", "array_sort", "size", "cardinality", "array_size", "array_max", "array_min"})
"""Functions that make a list's order of no matter."""
STATEMENTS = frozenset({
    "add", "alter", "analyze", "begin", "cache", "call", "clear", "comment", "commit", "convert", "copy", "create",
    "declare", "delete", "desc", "describe", "drop", "dfs", "execute", "explain", "export", "grant", "import",
    "insert", "list", "load", "lock", "merge", "msck", "optimize", "refresh", "reorg", "repair", "replace", "reset",
    "restore", "revoke", "rollback", "set", "show", "start", "truncate", "uncache", "unlock", "update", "use", "vacuum",
})  # fmt: skip
"""Words that statements begin with which are no SELECT."""
QUERIES = frozenset({"select", "with", "from", "values", "table", "map", "reduce", "("})
"""Words that a query begins with."""
_UNREADABLE = re.compile(
    r"\|>|\bwindow\s*\(|\bmap\s+|\breduce\s+|\btable\b|\busing\s+'|\bcollate\b|\bidentifier\s*\(|\bwhere\s*$"
    r"|\bwatermark\b|\bmeasure\b|\brecursive\b|\bwith\s*\(|\blateral\b|\btablesample\b|\bapprox\b|\bexact\b",
    re.IGNORECASE,
)
"""What is right in Spark, or may be, and stops sqlglot's parser: no word about a syntax error then."""
_FIRST = re.compile(r"(?:\s+|--[^\n]*(?:\n|$)|/\*.*?\*/)*(?P<word>\w+|\(|.|$)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Mistake:
    """What is wrong with a query whatever its inputs are. `offset` counts characters of the text from 0."""

    message: str
    hint: str = ""
    offset: int | None = None


@dataclass(frozen=True, slots=True)
class TableName:
    """A table that is neither a CTE nor a function; `start` and `end` are where its name stands in the text.

    `fits` says that another name can be put there; `aliased` that the query gives it a name of its own.
    """

    path: tuple[str, ...]
    start: int | None
    end: int | None
    fits: bool
    aliased: bool

    @property
    def name(self) -> str:
        """The name as a reader sees it."""
        return ".".join(self.path)


@dataclass(slots=True)
class Syntax:
    """What the tree says; without a tree sqlglot could not read the text, and nothing is said of it.

    `functions` maps functions that sqlglot has no class for to the place of their first use.
    """

    tree: exp.Expr | None = None
    mistakes: list[Mistake] = field(default_factory=list)
    tables: list[TableName] = field(default_factory=list)
    functions: dict[str, int | None] = field(default_factory=dict)
    deterministic: bool = True
    doubted: Mistake | None = None
    """What is most likely a syntax error: Spark has the last word where it is at hand."""


@lru_cache(maxsize=4096)
def read(sql: str) -> Syntax:
    """What a text of Spark SQL says; the same object for the same text, so it is not to be changed."""
    if "\0" in sql:
        return Syntax(mistakes=[Mistake(words.NUL, "", sql.index("\0"))], deterministic=False)
    refusal = _not_a_query(sql)
    if refusal is not None:
        return Syntax(mistakes=[refusal], deterministic=False)
    try:
        tree = None if "|>" in sql else parse(sql, "spark")
    except SqlError as error:
        message, _, hint = str(error).partition("; ")
        mistake = Mistake(message, hint, error.offset)
        if (message, hint) == words.STRAY_COMMA or not message.startswith("syntax error"):
            return Syntax(mistakes=[] if message.endswith("SELECT") else [mistake], deterministic=False)
        unsure = _UNREADABLE.search(sql) or "number of provided arguments" in message
        return Syntax(deterministic=False, doubted=None if unsure else _plain_words(mistake, sql))
    except RecursionError:
        return Syntax(deterministic=False)
    if tree is None:
        return Syntax(deterministic=False)
    from sqlglot import exp

    found = Syntax(tree)
    for node, ctes in _nodes(tree):
        if node.arg_key == "from_" and isinstance(
            node.this, exp.Select
        ):  # a table or column that is called like a word
            return Syntax(deterministic=False)
        _look(node, ctes, found, sql)
    return found


def mistakes_in(found: Syntax, inputs: Collection[str]) -> list[Mistake]:
    """What is wrong with a text, and which tables it names that are not inputs; each of them once."""
    by_lower = {name.lower() for name in inputs}
    strange: dict[str, Mistake] = {}
    for table in found.tables:
        if len(table.path) > 1 or table.name.lower() not in by_lower:
            told = words.no_input(table.name, table.path, inputs)
            strange.setdefault(table.name.lower(), Mistake(*told, table.start))
    return [*found.mistakes, *sorted(strange.values(), key=lambda mistake: mistake.offset or 0)]


def bare(sql: str) -> str:
    """The text without the semicolon and the comments at its end, so that it can stand in parentheses."""
    if ";" not in sql:
        return sql
    from sqlglot import TokenType

    tokens = list(_tokens(sql))
    end = len(sql)
    while tokens and tokens[-1].token_type == TokenType.SEMICOLON:
        end = tokens.pop().start
    return sql[:end].rstrip() if end < len(sql) else sql


@lru_cache(maxsize=256)
def _tokens(sql: str) -> tuple[Any, ...]:
    import sqlglot
    from sqlglot.errors import TokenError

    try:
        return tuple(sqlglot.tokenize(sql, read=reader("spark")))
    except TokenError:
        return ()


def literals(sql: str) -> Iterator[tuple[int, int]]:
    """Where the string literals of a text begin and end, with their quotes."""
    from sqlglot import TokenType

    kinds = {TokenType.STRING, TokenType.RAW_STRING}
    return ((token.start, token.end + 1) for token in _tokens(sql) if token.token_type in kinds)


def _not_a_query(sql: str) -> Mistake | None:
    """What the first word tells."""
    first = _FIRST.match(sql)
    word = first["word"] if first else ""
    if not word or word == ";":
        return Mistake(*words.EMPTY)
    if word.lower() in QUERIES:
        return None
    if word.lower() in STATEMENTS:
        return Mistake(*words.not_a_select(word.upper()))
    return Mistake(*words.syntax_error(f'"{word}"'), first.start("word") if first else None)


def _plain_words(mistake: Mistake, sql: str) -> Mistake:
    """A syntax error as every engine tells it, without sqlglot's own explanation."""
    near = re.match(r"syntax error near '(.*)': ", mistake.message, re.DOTALL)
    if near is None:
        return Mistake("syntax error at the end of the SQL", "", len(sql.rstrip()))
    return Mistake(*words.syntax_error(f'"{near[1]}"'), mistake.offset)


# -- the walk ----------------------------------------------------------------------------------------------------------


def _nodes(root: exp.Expr) -> Iterator[tuple[exp.Expr, frozenset[str]]]:
    """Every node with the (lower-case) names of the CTEs it can see; no recursion, trees can be deep."""
    from sqlglot import exp

    stack: list[tuple[exp.Expr, frozenset[str]]] = [(root, frozenset())]
    while stack:
        node, ctes = stack.pop()
        if isinstance(node, exp.Hint):
            continue
        with_ = node.args.get("with_")
        if isinstance(with_, exp.With):
            ctes = _with_ctes(with_, ctes, stack)
        yield node, ctes
        stack += [(child, ctes) for child in node.iter_expressions(reverse=True) if child is not with_]


def _with_ctes(with_: exp.With, ctes: frozenset[str], stack: list[tuple[exp.Expr, frozenset[str]]]) -> frozenset[str]:
    """The CTEs that the body sees; puts their own bodies on the stack, each with those before it."""
    for cte in with_.expressions:
        name = {cte.alias.lower()}
        stack.append((cte, ctes | name if with_.args.get("recursive") else ctes))
        ctes |= name
    return ctes


def _look(node: exp.Expr, ctes: frozenset[str], found: Syntax, sql: str) -> None:
    from sqlglot import exp

    if isinstance(node, exp.Table):
        _table(node, ctes, found, sql)
    elif isinstance(node, exp.Placeholder | exp.Parameter):
        found.mistakes.append(
            Mistake("a query parameter (`?` or `:name`) has no value here", words.PARAMETER_HINT, _parameter(sql))
        )
    elif isinstance(node, exp.QueryTransform):
        found.mistakes.append(Mistake(*words.no_world_function("TRANSFORM … USING")))
    elif isinstance(node, exp.DML | exp.DDL | exp.Command) and not isinstance(node, exp.Query | exp.CTE):
        found.mistakes.append(Mistake(*words.not_a_select(node.key.upper())))
    elif isinstance(node, exp.Func):
        _function(node, found, sql)
    if not _repeatable(node):
        found.deterministic = False


def _table(node: exp.Table, ctes: frozenset[str], found: Syntax, sql: str) -> None:
    from sqlglot import exp

    if isinstance(node.this, exp.Func):
        names = _names(node.this)
        if not names & PURE_TABLE_FUNCTIONS:
            _refuse_table_function(node.this, found, sql)
        return
    if isinstance(node.parent, exp.Lateral) and not isinstance(node.this, exp.Identifier):
        return
    parts = node.parts
    path = tuple(part.name for part in parts)
    if len(path) == 1 and path[0].lower() in ctes:
        return
    start, end = _span(parts[0], parts[-1])
    found.tables.append(TableName(path, start, end, _fits(node, sql, start, end), bool(node.alias)))


def _span(first: exp.Expr, last: exp.Expr) -> tuple[int | None, int | None]:
    start, end = first.meta.get("start"), last.meta.get("end")
    return start, end + 1 if end is not None else None


def _fits(node: exp.Table, sql: str, start: int | None, end: int | None) -> bool:
    """True where the text at the place is the name and nothing else, and an alias may follow it."""
    if start is None or end is None:
        return False
    said = sql[start:end]
    name = node.name
    if said.lower() != name.lower() and said.lower() != "`" + name.lower().replace("`", "``") + "`":
        return False
    plain = {"this", "alias", "joins", "laterals", "pivots"}
    odd = {key for key, value in node.args.items() if value} - plain
    return not odd or (odd == {"sample"} and bool(node.alias))


def _refuse_table_function(node: exp.Func, found: Syntax, sql: str) -> None:
    name = _name(node)
    message, hint = words.no_world_table_function(name)
    if closest(name, PURE_TABLE_FUNCTIONS):
        hint = suggest(name, sorted(PURE_TABLE_FUNCTIONS))
    found.mistakes.append(Mistake(message, hint, _called(name, sql)))


def _function(node: exp.Func, found: Syntax, sql: str) -> None:
    from sqlglot import exp

    if not isinstance(node, exp.Anonymous) or isinstance(node.parent, exp.Table):
        return
    name = str(node.name).lower()
    if isinstance(node.parent, exp.Dot) and node.parent.expression is node:
        qualifier = node.parent.this.sql(dialect="spark")
        if qualifier.lower() not in ("builtin", "system.builtin"):
            full = f"{qualifier}.{name}"
            found.mistakes.append(Mistake(*words.no_world_function(full), words.find_name(full, sql)))
        return
    if name in WORLD_FUNCTIONS:
        found.mistakes.append(Mistake(*words.no_world_function(name), _called(name, sql)))
        return
    found.functions.setdefault(name, _called(name, sql))


def _name(node: exp.Func) -> str:
    """The name of a function, in lower case."""
    from sqlglot import exp

    return str(node.name).lower() if isinstance(node, exp.Anonymous) else str(node.sql_name()).lower()


def _names(node: exp.Expr) -> frozenset[str]:
    """All names of a function, in lower case."""
    from sqlglot import exp

    if isinstance(node, exp.Anonymous | exp.AnonymousAggFunc):
        return frozenset({str(node.name).lower()})
    return _class_names(type(node)) if isinstance(node, exp.Func) else frozenset()  # type: ignore[arg-type]


@cache
def _class_names(kind: Any) -> frozenset[str]:
    return frozenset(str(name).lower() for name in kind.sql_names())


def _called(name: str, sql: str) -> int | None:
    """Where a function is first called."""
    found = re.search(rf"(?<![\w.`]){re.escape(name)}\s*\(", sql, re.IGNORECASE)
    return found.start() if found else None


def _parameter(sql: str) -> int | None:
    """Where a parameter stands."""
    from sqlglot import TokenType

    ends = {TokenType.VAR, TokenType.IDENTIFIER, TokenType.R_PAREN, TokenType.R_BRACKET, TokenType.STRING}
    before: Any = None
    for token in _tokens(sql):
        colon = token.token_type == TokenType.COLON and before not in ends
        if colon or token.token_type == TokenType.PLACEHOLDER:
            return int(token.start)
        before = token.token_type
    return None


# -- repeatable --------------------------------------------------------------------------------------------------------


def _repeatable(node: exp.Expr) -> bool:
    """False for a part of a query that can give something else the next time."""
    from sqlglot import exp

    if isinstance(node, exp.Column) and not node.table and node.name.lower() in CHANGING_FUNCTIONS:
        return False
    if isinstance(node, exp.Limit | exp.Offset):
        return _no_rows(node) or _orders_all(node.parent)
    if isinstance(node, exp.TableSample | exp.Distinct):
        return isinstance(node, exp.Distinct) and not node.args.get("on")
    if isinstance(node, exp.Window):
        return _window_repeatable(node)
    names = _names(node)
    if names & CHANGING_FUNCTIONS or names & PICKING_FUNCTIONS:
        return False
    if names & LISTING_FUNCTIONS:
        return _order_ignored(node) or _ordered_by_value(node)
    if names & {"unix_timestamp", "str_to_unix", "to_unix_timestamp", "time_to_unix"}:
        return not names & {"unix_timestamp", "str_to_unix"} or node.args.get("this") is not None or _has_args(node)
    return True


def _has_args(node: exp.Expr) -> bool:
    return bool(node.expressions)


def _order_ignored(node: exp.Expr) -> bool:
    """True where the list is sorted, or only counted, at once."""
    from sqlglot import exp

    outer = node.parent
    while isinstance(outer, exp.Filter | exp.Paren):
        outer = outer.parent
    if outer is None:
        return False
    return bool(_names(outer) & ORDER_IGNORED) and not any(isinstance(part, exp.Lambda) for part in outer.walk())


def _ordered_by_value(node: exp.Expr) -> bool:
    """True for `listagg(x) WITHIN GROUP (ORDER BY x)`: rows that tie have the same value."""
    from sqlglot import exp

    order = node.this
    if not isinstance(order, exp.Order):
        return False
    value = order.this.expressions[0] if isinstance(order.this, exp.Distinct) else order.this
    return any(isinstance(each, exp.Ordered) and each.this == value for each in order.expressions)


def _window_repeatable(node: exp.Window) -> bool:
    """A window is safe where rows that tie in its order get the same value."""
    from sqlglot import exp

    if node.arg_key == "windows":
        return True
    function = node.this
    while isinstance(function, exp.IgnoreNulls | exp.RespectNulls | exp.Filter):
        function = function.this
    names = _names(function)
    if names & TIE_PROOF_WINDOWS:
        return True
    if names & PICKING_WINDOWS or not isinstance(function, exp.AggFunc):
        return False
    return not _by_rows(node)


def _by_rows(node: exp.Window) -> bool:
    """True where its frame counts rows; of a named window it is enough that one of them does."""
    from sqlglot import exp

    spec = node.args.get("spec")
    if spec is not None:
        return str(spec.args.get("kind") or "").upper() == "ROWS"
    select = node.find_ancestor(exp.Select)
    named = (select.args.get("windows") or []) if select is not None else []
    return any(_by_rows(each) for each in named if each.args.get("spec") is not None)


def _no_rows(node: exp.Expr) -> bool:
    from sqlglot import exp

    count = node.args.get("expression")
    return isinstance(node, exp.Limit) and isinstance(count, exp.Literal) and count.name == "0"


def _orders_all(query: exp.Expr | None) -> bool:
    """Only ORDER BY ALL leaves no ties between different rows."""
    order = query.args.get("order") if query is not None else None
    return order is not None and any(each.this.name.upper() == "ALL" for each in order.expressions)
