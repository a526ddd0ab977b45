"""Unknown columns in a query some of whose inputs are not known, from its syntax tree.

Only what is certain is reported: a column of an alias whose columns are known, or a plain column where every table in
sight is known and nothing else can explain the name. Names compare without case, as DuckDB's do.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from odibi.engine import words
from odibi.engine.pandas.syntax import Mistake, place
from odibi.engine.scopes import Named, Names, Scope, Scopes, Tables, joined, known, lower

Tree = dict[str, Any]
_WORDS = frozenset({
    "user", "session_user", "localtime", "localtimestamp", "rowid", "default", "all", "true", "false", "null",
})  # fmt: skip
"""Words that the parser takes for columns, besides those that begin with `current_`."""
_OWN_SCOPE = frozenset({"PIVOT", "SHOW_REF"})
"""Parts whose names mean something else inside; what they hold is left to the engine."""
_SKIPPED_KEYS = frozenset({"cte_map", "type_expr", "from_table", "subquery", "sample", "replace_list"})


def check(node: Tree, inputs: Mapping[str, Names]) -> tuple[list[Mistake], Names]:
    """What is certainly missing, and the names of the query's columns where they are certain (but for their case).

    `node` is the tree of the query, `inputs` the tables that it may name and their columns.
    """
    checker = _Checker()
    try:
        names = checker.query(node, {name.lower(): columns for name, columns in inputs.items()}, ())
    except RecursionError:  # thousands of nested operators: the engine will judge it
        return [], None
    return list(dict.fromkeys(checker.mistakes)), names


class _Checker:
    """One walk through a query; `mistakes` is what it found."""

    def __init__(self) -> None:
        self.mistakes: list[Mistake] = []

    def query(self, node: Tree, tables: Tables, outer: Scopes) -> Names:
        """The column names of a query."""
        tables = self.ctes(node, tables, outer)
        kind = node["type"]
        if kind == "SELECT_NODE":
            return self.select(node, tables, outer)
        if kind == "SET_OPERATION_NODE":
            children = [self.query(child, tables, outer) for child in node.get("children", ())]
            return children[0] if children and "BY_NAME" not in node["setop_type"] else None
        if kind == "RECURSIVE_CTE_NODE":
            names = self.query(node["left"], tables, outer)
            self.query(node["right"], {**tables, node["cte_name"].lower(): None}, outer)
            return names
        return None

    def ctes(self, node: Tree, tables: Tables, outer: Scopes) -> Tables:
        for entry in node["cte_map"].get("map", ()):
            cte = entry["value"]
            names = _renamed(self.query(cte["query_node"], tables, outer), cte.get("aliases") or [])
            tables = {**tables, entry["key"].lower(): names}
        return tables

    def select(self, node: Tree, tables: Tables, outer: Scopes) -> Names:
        scope = Scope()
        self.source(node["from_table"], scope, tables, outer)
        scope.extra = frozenset(item["alias"].lower() for item in node["select_list"] if item.get("alias"))
        if not scope.sources:  # nothing to look into: names can only come from outside
            scope.sources.append(Named("", []))
        for key, part in node.items():
            if key not in _SKIPPED_KEYS:
                self.expressions(part, tables, (scope, *outer))
        return _output(node["select_list"], scope, node["from_table"])

    # -- FROM ----------------------------------------------------------------------------------------------------------

    def source(self, part: Tree, scope: Scope, tables: Tables, outer: Scopes) -> None:
        """Add what `part` of FROM brings to `scope`; parts to the right see those to the left."""
        kind = part["type"]
        if kind == "EMPTY":
            return
        if kind == "JOIN":
            self.source(part["left"], scope, tables, outer)
            self.source(part["right"], scope, tables, outer)
            self.expressions(part.get("condition"), tables, (scope, *outer))
            return
        alias = part.get("alias") or (part["qualified_name"]["path"][-1] if kind == "BASE_TABLE" else "")
        names = _renamed(self.columns(part, scope, tables, outer), part.get("column_name_alias") or [])
        scope.sources.append(Named(alias.lower(), names))

    def columns(self, part: Tree, scope: Scope, tables: Tables, outer: Scopes) -> Names:
        kind = part["type"]
        if kind == "BASE_TABLE":
            return tables.get(".".join(part["qualified_name"]["path"]).lower())
        if kind == "SUBQUERY":
            return self.query(part["subquery"]["node"], tables, (Scope(list(scope.sources)), *outer))
        if kind == "EXPRESSION_LIST":
            return [f"col{number}" for number in range(len(part["values"][0]))]
        return None

    # -- expressions ---------------------------------------------------------------------------------------------------

    def expressions(self, part: Any, tables: Tables, scopes: Scopes) -> None:
        """Look at every column in a part of a SELECT."""
        if isinstance(part, list):
            for item in part:
                self.expressions(item, tables, scopes)
        elif isinstance(part, dict) and part.get("type") not in _OWN_SCOPE:
            self.expression(part, tables, scopes)

    def expression(self, part: Tree, tables: Tables, scopes: Scopes) -> None:
        kind = part.get("class")
        if kind == "COLUMN_REF":
            self.column(part, tables, scopes)
            return
        if kind == "SUBQUERY":
            self.query(part["subquery"]["node"], tables, scopes)
        elif kind == "LAMBDA":
            scopes = (Scope([], frozenset(_columns_in(part["lhs"]))), *scopes)
        elif kind == "STAR" and part.get("expr"):
            return  # COLUMNS(…): names are matched, not looked up
        for key, value in part.items():
            if key not in _SKIPPED_KEYS:
                self.expressions(value, tables, scopes)

    def column(self, part: Tree, tables: Tables, scopes: Scopes) -> None:
        name, *rest = part["column_names"]
        first = name.lower()
        if rest:
            self.qualified(part, first, rest, scopes)
        elif not (first in _WORDS or first.startswith("current_") or first in tables or _any_has(first, scopes)):
            self.miss(name, part, scopes)

    def qualified(self, part: Tree, alias: str, rest: Sequence[str], scopes: Scopes) -> None:
        """`alias.column`, where the nearest table of that name is known and nothing else has it."""
        if any(scope.has_column(alias) for scope in scopes):
            return  # a struct, perhaps
        for scope in scopes:
            named = [source for source in scope.sources if source.alias == alias]
            if named:
                if all(source.names is not None and rest[0].lower() not in lower(source.names) for source in named):
                    self.miss_in(named[0], part)
                return

    def miss(self, name: str, part: Tree, scopes: Scopes) -> None:
        hint = words.columns_here_hint(name, known(scopes))
        self.mistakes.append(Mistake(*words.no_column(name, hint), place(part)))

    def miss_in(self, source: Named, part: Tree) -> None:
        alias, name = part["column_names"][:2]
        hint = words.columns_here_hint(name, source.names or [])
        self.mistakes.append(Mistake(*words.no_column_in(alias, name, hint), place(part)))


def _any_has(name: str, scopes: Scopes) -> bool:
    return any(scope.may_have(name) for scope in scopes)


def _output(select_list: list[Tree], scope: Scope, source: Tree) -> Names:
    """The names that a select list gives, None where one of them is DuckDB's own invention."""
    return joined(_names_of(item, scope, source) for item in select_list)


def _names_of(item: Tree, scope: Scope, source: Tree) -> Names:
    if item["class"] == "STAR":
        return _star(item, scope, source)
    if item.get("function_name", "").lower() in ("unnest", "unlist"):
        return None  # a struct becomes several columns
    if any(part.get("class") == "STAR" for part in _walk(item)) and item.get("function_name") != "count":
        return None  # COLUMNS(…) becomes several columns
    if item.get("alias"):
        return [item["alias"]]
    return [scope.spelled(item["column_names"])] if item["class"] == "COLUMN_REF" else None


def _star(item: Tree, scope: Scope, source: Tree) -> Names:
    """The columns of `*` and `t.*`; EXCLUDE and REPLACE are understood, what else there may be is not."""
    alias = (item.get("relation_name") or "").lower()
    names = scope.columns_of(alias)
    odd = item.get("rename_list") or item.get("columns") or item.get("expr") or item.get("qualified_exclude_list")
    if odd or names is None or (not alias and _merges(source)):
        return None
    left_out = set(map(str.lower, item.get("exclude_list") or ()))
    return [name for name in names if name.lower() not in left_out]


def _merges(source: Tree) -> bool:
    """True where FROM has a join whose `*` is not just all columns of both sides."""
    if source["type"] != "JOIN":
        return False
    plain = source["join_type"] not in ("SEMI", "ANTI", "RIGHT_SEMI", "RIGHT_ANTI") and not source.get("using_columns")
    plain = plain and source["ref_type"] in ("REGULAR", "CROSS")
    return not plain or _merges(source["left"]) or _merges(source["right"])


def _renamed(names: Names, aliases: Sequence[str]) -> Names:
    """`t(a, b)`: the first columns get other names."""
    return names if names is None else [*aliases, *names[len(aliases) :]]


def _walk(part: Any) -> Iterator[Tree]:
    if isinstance(part, dict):
        yield part
        part = list(part.values())
    if isinstance(part, list):
        for item in part:
            yield from _walk(item)


def _columns_in(part: Tree) -> Iterator[str]:
    return (name.lower() for item in _walk(part) if item.get("class") == "COLUMN_REF" for name in item["column_names"])
