"""Unknown and ambiguous columns in a query, from its syntax tree, where no Spark session is at hand.

Only what is certain is reported: a column of an alias whose columns are known, or a plain column where every table in
sight is known and nothing else can explain the name. What this module does not understand (generators, pivots,
functions in FROM) makes the columns of its place unknown. Names compare without case, as Spark's do.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from odibi.engine import words
from odibi.engine.scopes import Named, Names, Scope, Scopes, Tables, joined, known, lower
from odibi.engine.spark.syntax import Mistake

if TYPE_CHECKING:
    from sqlglot import exp

_WORDS = frozenset({
    "user", "session_user", "localtime", "localtimestamp", "grouping__id", "spark_grouping_id", "_metadata", "default",
    "all", "true", "false", "null", "year", "years", "quarter", "month", "months", "week", "weeks", "day", "days",
    "dayofyear", "hour", "hours", "minute", "minutes", "second", "seconds", "millisecond", "microsecond", "yearofweek",
    "dayofweek", "doy", "dow", "session", "system",
})  # fmt: skip
"""Words that the parser takes for columns, besides those that begin with `current_`, and units of time."""


def check(tree: exp.Expr, inputs: Mapping[str, Names]) -> tuple[list[Mistake], Names]:
    """What is certainly wrong, and the names of the query's columns where they are certain (but for their case)."""
    checker = _Checker()
    try:
        names = checker.query(tree, {name.lower(): columns for name, columns in inputs.items()}, ())
    except RecursionError:  # thousands of nested operators: Spark will judge it
        return [], None
    return list(dict.fromkeys(checker.mistakes)), names


class _Checker:
    """One walk through a query; `mistakes` is what it found."""

    def __init__(self) -> None:
        self.mistakes: list[Mistake] = []

    def query(self, node: Any, tables: Tables, outer: Scopes) -> Names:
        """The column names of a query."""
        from sqlglot import exp

        tables = self.ctes(node, tables, outer)
        if isinstance(node, exp.Select):
            return self.select(node, tables, outer)
        if isinstance(node, exp.SetOperation):
            left = self.query(node.this, tables, outer)
            self.query(node.expression, tables, outer)
            return None if node.args.get("by_name") else left
        if isinstance(node, exp.Subquery) and not node.args.get("pivots"):
            if isinstance(node.this, exp.Table):
                scope = Scope()
                self.source(node.this, scope, tables, outer)
                return scope.sources[0].names
            return self.query(node.this, tables, outer)
        return None

    def ctes(self, node: Any, tables: Tables, outer: Scopes) -> Tables:
        with_ = node.args.get("with_")
        for cte in with_.expressions if with_ is not None else ():
            seen: Tables = {**tables, cte.alias.lower(): None} if with_.args.get("recursive") else tables
            names = _renamed(self.query(cte.this, seen, outer), [each.name for each in _alias_columns(cte)])
            tables = {**tables, cte.alias.lower(): names}
        return tables

    def select(self, node: exp.Select, tables: Tables, outer: Scopes) -> Names:
        scope = Scope()
        self.sources(node, scope, tables, outer)
        scope.extra = frozenset(_aliases(node.expressions))
        if not scope.sources:  # nothing to look into: names can only come from outside
            scope.sources.append(Named("", []))
        for key in ("expressions", "where", "group", "having", "qualify", "order", "sort", "cluster", "distribute",
                    "windows", "laterals", "joins"):  # fmt: skip
            self.expressions(node.args.get(key), tables, (scope, *outer))
        return _output(node, scope)

    # -- FROM ----------------------------------------------------------------------------------------------------------

    def sources(self, node: exp.Select, scope: Scope, tables: Tables, outer: Scopes) -> None:
        """What FROM, its joins and LATERAL VIEWs bring; parts to the right see those to the left."""
        start = node.args.get("from_")
        if start is not None:
            self.source(start.this, scope, tables, outer)
        self.joins(node, scope, tables, outer)
        for lateral in node.args.get("laterals") or ():
            scope.merged = True
            self.lateral(lateral, scope)

    def joins(self, node: Any, scope: Scope, tables: Tables, outer: Scopes) -> None:
        for join in node.args.get("joins") or ():
            kind = f"{join.method} {join.side} {join.kind}".upper()
            scope.merged |= bool(join.args.get("using")) or any(word in kind for word in ("NATURAL", "SEMI", "ANTI"))
            self.source(join.this, scope, tables, outer)

    def source(self, part: Any, scope: Scope, tables: Tables, outer: Scopes) -> None:
        from sqlglot import exp

        alias, names = part.alias_or_name.lower(), None
        if isinstance(part, exp.Table) and isinstance(part.this, exp.Identifier):
            names = tables.get(".".join(each.name for each in part.parts).lower())
        elif isinstance(part, exp.Subquery):
            names = self.query(part, tables, (Scope(list(scope.sources), merged=True), *outer))
        elif isinstance(part, exp.Values):
            width = len(part.expressions[0].expressions) if isinstance(part.expressions[0], exp.Tuple) else 1
            names = [f"col{number + 1}" for number in range(width)]
        elif isinstance(part, exp.Lateral):
            self.lateral(part, scope)
            if isinstance(part.this, exp.Subquery):
                self.query(part.this, tables, (Scope(list(scope.sources), merged=True), *outer))
            return
        if part.args.get("pivots"):
            scope.sources.append(Named("", None))
            return
        names = _renamed(names, [each.name for each in _alias_columns(part)])
        scope.sources.append(Named(alias, names))
        self.joins(part, scope, tables, outer)
        for lateral in part.args.get("laterals") or ():
            scope.merged = True
            self.lateral(lateral, scope)

    def lateral(self, part: exp.Lateral, scope: Scope) -> None:
        columns = [each.name for each in _alias_columns(part)]
        scope.sources.append(Named(part.alias.lower(), columns or None))

    # -- expressions ---------------------------------------------------------------------------------------------------

    def expressions(self, part: Any, tables: Tables, scopes: Scopes) -> None:
        """Look at every column in a part of a SELECT."""
        if isinstance(part, list):
            for item in part:
                self.expressions(item, tables, scopes)
        elif part is not None:
            self.expression(part, tables, scopes)

    def expression(self, part: Any, tables: Tables, scopes: Scopes) -> None:
        from sqlglot import exp

        if isinstance(part, exp.Column):
            self.column(part, scopes)
            return
        if isinstance(part, exp.Query | exp.Subquery):
            self.query(part, tables, scopes)
            return
        if isinstance(part, exp.Join):
            self.expressions(part.args.get("on"), tables, scopes)
            return
        if isinstance(part, exp.Lateral):
            if not isinstance(part.this, exp.Subquery):
                self.expressions(part.this, tables, scopes)
            return
        if isinstance(part, exp.Table | exp.DataType | exp.Pivot | exp.Hint | exp.Star | exp.Interval | exp.Kwarg):
            return
        if isinstance(part, exp.Lambda):
            scopes = (Scope([], frozenset(each.name.lower() for each in part.expressions)), *scopes)
        if isinstance(part, exp.Struct | exp.PropertyEQ):
            scopes = (Scope([], frozenset(_aliases(part.expressions))), *scopes)
        for child in part.iter_expressions():
            self.expression(child, tables, scopes)

    def column(self, node: exp.Column, scopes: Scopes) -> None:
        from sqlglot import exp

        if isinstance(node.this, exp.Star):
            return
        path = [part.name for part in node.parts]
        first = path[0].lower()
        if len(path) > 1:
            self.qualified(node, path, scopes)
        elif first in _WORDS or first.startswith("current_"):
            return
        elif not any(scope.may_have(first) for scope in scopes):
            self.tell(words.no_column(path[0], words.columns_here_hint(path[0], known(scopes))), node)
        else:
            self.ambiguous(node, path[0], scopes)

    def ambiguous(self, node: exp.Column, name: str, scopes: Scopes) -> None:
        """A column that two known sources of the innermost scope have, and no alias."""
        scope = next((scope for scope in scopes if scope.may_have(name.lower())), None)
        if scope is None or scope.merged or not scope.certain or name.lower() in scope.extra:
            return
        owners = [source.alias for source in scope.sources if name.lower() in lower(source.names)]
        if len(owners) > 1:
            ways = " or ".join(sorted(f"{owner}.{name}" for owner in owners)) if all(owners) else ""
            self.tell(words.ambiguous(name, ways), node)

    def qualified(self, node: exp.Column, path: Sequence[str], scopes: Scopes) -> None:
        """`alias.column`, where the nearest table of that name is known and nothing else has it."""
        alias, name = path[0].lower(), path[1]
        if any(scope.has_column(alias) for scope in scopes):
            return  # a struct, perhaps
        for scope in scopes:
            named = [source for source in scope.sources if source.alias == alias]
            if named:
                if all(source.names is not None and name.lower() not in lower(source.names) for source in named):
                    hint = words.columns_here_hint(name, named[0].names or [])
                    self.tell(words.no_column_in(path[0], name, hint), node)
                return
        if len(path) == 2 and all(scope.certain and all(each.alias for each in scope.sources) for scope in scopes):
            aliases = [source.alias for scope in scopes for source in scope.sources]
            self.tell(words.no_table(path[0], aliases), node)

    def tell(self, told: words.Told, node: exp.Column) -> None:
        self.mistakes.append(Mistake(*told, node.parts[0].meta.get("start")))


def _aliases(items: Sequence[Any]) -> Iterator[str]:
    """The names that a select list gives, wherever in it they are given."""
    from sqlglot import exp

    for item in items:
        if isinstance(item, exp.Alias | exp.PropertyEQ):
            yield (item.alias or item.this.name).lower()
        elif isinstance(item, exp.Aliases):
            yield from (each.name.lower() for each in item.expressions)


def _alias_columns(part: Any) -> list[Any]:
    alias = part.args.get("alias")
    return list(getattr(alias, "columns", None) or ()) if alias is not None else []


def _output(node: exp.Select, scope: Scope) -> Names:
    """The names that a select list gives, None where one of them is Spark's own invention."""
    if node.args.get("kind") or (node.args.get("laterals") and any(item.is_star for item in node.expressions)):
        return None
    return joined(_names_of(item, scope) for item in node.expressions)


def _names_of(item: Any, scope: Scope) -> Names:
    from sqlglot import exp

    if isinstance(item, exp.Star):
        return _star(item, "", scope)
    if isinstance(item, exp.Column) and isinstance(item.this, exp.Star):
        return _star(item.this, item.table.lower(), scope) if len(item.parts) == 2 else None
    if isinstance(item, exp.Alias):
        return [item.alias]
    if isinstance(item, exp.Column):
        return [scope.spelled([part.name for part in item.parts])]
    return None


def _star(star: exp.Star, alias: str, scope: Scope) -> Names:
    """The columns of `*` and `t.*`; EXCEPT is understood, what else there may be is not."""
    names = scope.columns_of(alias)
    odd = star.args.get("replace") or star.args.get("rename") or star.args.get("ilike")
    if odd or names is None or scope.merged:
        return None
    left_out = {each.name.lower() for each in star.args.get("except_") or ()}
    return [name for name in names if name.lower() not in left_out]


def _renamed(names: Names, aliases: Sequence[str]) -> Names:
    """`t(a, b)`: the columns get other names."""
    if names is None:
        return list(aliases) if aliases else None
    return [*aliases, *names[len(aliases) :]]
