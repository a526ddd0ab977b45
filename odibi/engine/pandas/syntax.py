"""What a DuckDB SELECT says, from its syntax tree alone: the tables and functions it names, and whether computing it
twice gives the same rows. The tree is the JSON of `json_serialize_sql`; nothing here needs a database.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from odibi.engine import words
from odibi.errors import closest, suggest

QUERY_NODES = frozenset({"SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE", "STATEMENT_NODE"})
PURE_TABLE_FUNCTIONS = frozenset({
    "range", "generate_series", "unnest", "repeat", "repeat_row", "json_each", "json_tree", "regexp_split_to_table",
    "generate_subscripts", "summary",
})  # fmt: skip
WORLD_FUNCTIONS = frozenset({
    "getenv", "read_text", "read_blob", "current_setting", "getvariable", "current_query", "write_log", "sleep_ms",
    "pg_sleep", "setseed", "nextval", "currval", "setval", "which_secret", "inet_client_addr", "inet_client_port",
    "inet_server_addr", "inet_server_port", "json_execute_serialized_sql",
})  # fmt: skip
"""Scalar functions that look at, wait for or change something outside the query's inputs."""
CHANGING_FUNCTIONS = frozenset({
    "random", "uuid", "uuidv4", "uuidv7", "gen_random_uuid", "now", "today", "get_current_time",
    "get_current_timestamp",
    "current_localtime", "current_localtimestamp", "transaction_timestamp", "txid_current", "current_transaction_id",
    "current_connection_id", "current_query_id", "ago", "stats", "vector_type", "current_date", "current_time",
    "current_timestamp",
})  # fmt: skip
CHANGING_WORDS = frozenset({"current_timestamp", "current_date", "current_time", "localtime", "localtimestamp"})
"""Functions that are written without parentheses: the parser takes them for columns."""
PICKING_AGGREGATES = frozenset({
    "first", "last", "any_value", "arbitrary", "arg_max", "arg_min", "argmax", "argmin", "max_by", "min_by",
    "arg_max_null", "arg_min_null", "arg_max_nulls_last", "arg_min_nulls_last", "mode", "approx_quantile",
    "approx_top_k", "reservoir_quantile", "lttb",
})  # fmt: skip
"""Aggregates that pick a row, where rows can tie or come in any order."""
LISTING_AGGREGATES = frozenset({
    "list", "array_agg", "string_agg", "group_concat", "listagg", "json_group_array", "json_group_object",
    "variant_group_array", "variant_group_object", "bitstring_agg",
})  # fmt: skip
"""Aggregates whose result has the order of the rows."""
TIE_PROOF_WINDOWS = frozenset({"WINDOW_RANK", "WINDOW_RANK_DENSE", "WINDOW_PERCENT_RANK", "WINDOW_CUME_DIST"})
_NOWHERE = 2**64 - 1
_PLACE = ("query_location", "query_location_length", "alias")


@dataclass(frozen=True, slots=True)
class Mistake:
    """What is wrong with a query whatever its inputs are. `byte` counts from 0 in the UTF-8 text."""

    message: str
    hint: str = ""
    byte: int | None = None


@dataclass(frozen=True, slots=True)
class TableName:
    """A table that is neither a CTE nor a function, as the query writes it."""

    path: tuple[str, ...]
    byte: int | None

    @property
    def name(self) -> str:
        """The name as a reader sees it."""
        return ".".join(self.path)


@dataclass(slots=True)
class Syntax:
    """What the tree says. `functions` maps a scalar or aggregate function to the byte of its first use."""

    node: dict[str, Any] | None = None
    mistakes: list[Mistake] = field(default_factory=list)
    tables: list[TableName] = field(default_factory=list)
    functions: dict[str, int | None] = field(default_factory=dict)
    deterministic: bool = True


def read_tree(serialized: str) -> Syntax:
    """Walk the JSON of one SELECT statement that parsed. Raises RecursionError for a tree of thousands of levels."""
    statement = json.loads(serialized)["statements"][0]
    found = Syntax(statement["node"])
    if statement.get("named_param_map"):
        message = "a query parameter (`?` or `$name`) has no value here"
        found.mistakes.append(Mistake(message, words.PARAMETER_HINT))
    for part, ctes in _parts(statement["node"]):
        _look(part, ctes, found)
    return found


def place(part: dict[str, Any]) -> int | None:
    """The byte where a part of the tree begins, None where the parser does not say."""
    byte = part.get("query_location", _NOWHERE)
    return None if byte == _NOWHERE else int(byte)


_CONTAINERS = (dict, list)


def _parts(root: dict[str, Any]) -> Iterator[tuple[dict[str, Any], frozenset[str]]]:
    """Every object of the tree with the (lower-case) names of the CTEs it can see; no recursion, trees can be deep."""
    stack: list[tuple[Any, frozenset[str]]] = [(root, frozenset())]
    while stack:
        part, ctes = stack.pop()
        if isinstance(part, list):
            stack += [(item, ctes) for item in part if item and isinstance(item, _CONTAINERS)]
            continue
        if "cte_map" in part:
            ctes = _with_ctes(part, ctes, stack)
        yield part, ctes
        if part.get("type") == "TABLE_FUNCTION":
            part = part["function"]  # its name is no scalar function's
            stack.append((part["arguments"], ctes))
            continue
        stack += [
            (value, ctes)
            for key, value in part.items()
            if value and isinstance(value, _CONTAINERS) and key != "cte_map"
        ]


def _with_ctes(query: dict[str, Any], ctes: frozenset[str], stack: list[Any]) -> frozenset[str]:
    """The CTEs that the body of `query` sees; puts their own bodies on the stack, each with those before it."""
    for entry in query["cte_map"].get("map", ()):
        stack.append((entry["value"], ctes))
        ctes |= {entry["key"].lower()}
    return ctes | {query["cte_name"].lower()} if "cte_name" in query else ctes


def _look(part: dict[str, Any], ctes: frozenset[str], found: Syntax) -> None:
    kind = part.get("type")
    if "cte_map" in part and kind not in QUERY_NODES:
        found.mistakes.append(Mistake(*words.not_a_select(str(kind).split("_")[0])))
    look = _LOOKS.get(str(part.get("class") or kind))
    if look:
        look(part, ctes, found)
    if part.get("sample"):
        found.deterministic = False


def _table(part: dict[str, Any], ctes: frozenset[str], found: Syntax) -> None:
    path = tuple(part["qualified_name"]["path"])
    if len(path) > 1 or path[0].lower() not in ctes:
        found.tables.append(TableName(path, place(part)))


def _table_function(part: dict[str, Any], ctes: frozenset[str], found: Syntax) -> None:
    name = part["function"]["function_name"].lower()
    if name not in PURE_TABLE_FUNCTIONS:
        message, hint = words.no_world_table_function(name)
        if closest(name, PURE_TABLE_FUNCTIONS):
            hint = suggest(name, sorted(PURE_TABLE_FUNCTIONS))
        found.mistakes.append(Mistake(message, hint, place(part)))


def _function(part: dict[str, Any], ctes: frozenset[str], found: Syntax) -> None:
    name = part["function_name"].lower()
    if part.get("is_operator"):
        return
    if len(part["qualified_name"]["path"]) == 1:
        found.functions.setdefault(name, place(part))
    if name in WORLD_FUNCTIONS:
        found.mistakes.append(Mistake(*words.no_world_function(name), place(part)))
    if _may_change(name, part):
        found.deterministic = False


def _may_change(name: str, part: dict[str, Any]) -> bool:
    """True for a function that can give something else the next time."""
    if name == "age":
        return len(part["arguments"]) == 1  # counts to today
    if name in LISTING_AGGREGATES:
        return not _ordered_by_value(part)
    return name in CHANGING_FUNCTIONS or name in PICKING_AGGREGATES


def _ordered_by_value(part: dict[str, Any]) -> bool:
    """True for `list(x ORDER BY x)`: rows that tie have the same value."""
    orders = [_bare(order["expression"]) for order in part["order_bys"].get("orders", ())]
    return bool(part["arguments"]) and _bare(part["arguments"][0]["expression"]) in orders


def _bare(part: Any) -> Any:
    """The tree without places, to compare two of them."""
    if isinstance(part, dict):
        return {key: _bare(value) for key, value in part.items() if key not in _PLACE}
    return [_bare(item) for item in part] if isinstance(part, list) else part


def _window(part: dict[str, Any], ctes: frozenset[str], found: Syntax) -> None:
    """A window is safe where rows that tie in its order get the same value."""
    name = part["function_name"].lower()
    by_rows = any(str(part.get(end)).endswith("_ROWS") for end in ("start", "end"))
    aggregate = part["type"] == "WINDOW_AGGREGATE"
    safe_aggregate = aggregate and not by_rows and name not in PICKING_AGGREGATES and name not in LISTING_AGGREGATES
    if not safe_aggregate and part["type"] not in TIE_PROOF_WINDOWS:
        found.deterministic = False
    if aggregate:
        found.functions.setdefault(name, place(part))


def _column(part: dict[str, Any], ctes: frozenset[str], found: Syntax) -> None:
    names = part["column_names"]
    if len(names) == 1 and names[0].lower() in CHANGING_WORDS:
        found.deterministic = False


def _query(part: dict[str, Any], ctes: frozenset[str], found: Syntax) -> None:
    """LIMIT and DISTINCT ON pick rows; only ORDER BY ALL leaves no ties between different rows."""
    kinds = {modifier["type"]: modifier for modifier in part["modifiers"]}
    if "LIMIT_MODIFIER" in kinds and not _no_rows(kinds) and not _orders_all(kinds.get("ORDER_MODIFIER")):
        found.deterministic = False
    if kinds.get("DISTINCT_MODIFIER", {}).get("distinct_on_targets"):
        found.deterministic = False


def _no_rows(modifiers: dict[str, Any]) -> bool:
    limit = (modifiers.get("LIMIT_MODIFIER") or {}).get("limit") or {}
    return bool(limit.get("literal", {}).get("text") == "0")


def _orders_all(order: dict[str, Any] | None) -> bool:
    return order is not None and any(item["expression"]["class"] == "STAR" for item in order["orders"])


def _join(part: dict[str, Any], ctes: frozenset[str], found: Syntax) -> None:
    if part.get("ref_type") in ("POSITIONAL", "ASOF"):
        found.deterministic = False


def _show(part: dict[str, Any], ctes: frozenset[str], found: Syntax) -> None:
    if part.get("query") is None:
        found.mistakes.append(Mistake(*words.not_a_select("SHOW")))
    elif part["show_type"] == "SUMMARY":
        found.deterministic = False  # its quantiles are estimates


_LOOKS = {
    "BASE_TABLE": _table, "TABLE_FUNCTION": _table_function, "FUNCTION": _function, "WINDOW": _window,
    "COLUMN_REF": _column, "JOIN": _join, "SHOW_REF": _show, "SELECT_NODE": _query, "SET_OPERATION_NODE": _query,
}  # fmt: skip
