"""A number for every row of a frame, the same each time the frame is read.

Stored Parquet has one (file and row in it) and so have tables (`rowid`), but they get lost in `SELECT *` over them.
Here the frame's SQL is followed down to its source and the number is handed up, as long as every step between only
filters and computes row by row. Everything else gives None.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import duckdb

from odibi.engine.pandas.session import DuckFrame, Session, literal

MAX_SQL = 1_000_000
"""Characters of SQL that are looked into, at most."""
VOLATILE = frozenset((
    "random", "uuid", "uuidv4", "uuidv7", "gen_random_uuid", "setseed", "nextval", "currval", "setval", "stats",
    "current_query", "current_connection_id", "current_query_id", "current_transaction_id", "error", "sleep_ms",
    "vector_type", "write_log",
))  # fmt: skip
"""Functions that may give another value each time, as `duckdb_functions()` has them."""
_MULTIPLYING = frozenset(("unnest", "unlist", "generate_subscripts"))
_PARQUET = frozenset(("read_parquet", "parquet_scan"))
_SHADOWING = frozenset(("file_index", "file_row_number", "rowid"))
_PLAIN: dict[str, Any] = {
    "modifiers": [],
    "group_expressions": [],
    "group_sets": [],
    "aggregate_handling": "STANDARD_HANDLING",
    "having": None,
    "sample": None,
    "qualify": None,
}
"""What a SELECT_NODE holds that filters and computes row by row."""
Tree = dict[str, Any]


def with_row_ids(session: Session, frame: DuckFrame, name: str) -> DuckFrame | None:
    """The frame with one more column `name`, bigint, that numbers its rows; None where they have no lasting number."""
    if len(frame.sql) > MAX_SQL:
        return None
    ((text,),) = session.execute(f"SELECT json_serialize_sql({literal(frame.sql)})")
    tree: Tree = json.loads(text)
    if tree.get("error") or len(tree["statements"]) != 1:
        return None
    node = tree["statements"][0]["node"]
    if not _Descent(session, frame, name).hand_up(node, []):
        return None
    ((sql,),) = session.execute(f"SELECT json_deserialize_sql({literal(json.dumps(tree))})")
    numbered = DuckFrame(session, sql, frame.depth, frame.keeps, frame.holds, cheap=frame.cheap)
    try:
        columns = numbered.columns
    except duckdb.Error:  # an aggregate without GROUP BY, for one, can not hand up a number
        return None
    found = [column for column in columns if column.name != name]
    whole = [(column.name, column.native) for column in frame.columns]
    same = len(columns) == len(found) + 1 and [(column.name, column.native) for column in found] == whole
    return numbered if same else None


class _Descent:
    """One walk from a SELECT down to its source."""

    def __init__(self, session: Session, frame: DuckFrame, name: str) -> None:
        self.session, self.frame, self.name = session, frame, name

    def hand_up(self, node: Tree, scopes: list[Tree]) -> bool:
        """Add the number to what `node` selects. `scopes` are the CTEs in sight, innermost last."""
        if node["type"] != "SELECT_NODE" or any(node.get(key) != plain for key, plain in _PLAIN.items()):
            return False
        if not row_by_row(node["select_list"]) or not row_by_row(node["where_clause"]):
            return False
        ctes = {entry["key"].lower(): (entry["value"], position) for position, entry in _entries(node)}
        inner = self.source(node, [*scopes, {"ctes": ctes, "limit": len(ctes)}])
        if inner is None:
            return False
        if inner or not any(_is_star(item) for item in node["select_list"]):
            node["select_list"].append(self.expression(inner or self.name))
        return True

    def source(self, node: Tree, scopes: list[Tree]) -> str | None:
        """The expression for the number at the source of `node`, empty where the source has the column; None: no."""
        table = node["from_table"]
        if table.get("sample") or table.get("column_name_alias"):
            return None
        if table["type"] == "SUBQUERY":
            return "" if self.hand_up(table["subquery"]["node"], scopes) else None
        if table["type"] == "TABLE_FUNCTION" and table["function"]["function_name"] in _PARQUET:
            return self.stored(table, "file_index * 1099511627776 + file_row_number")
        if table["type"] != "BASE_TABLE" or table.get("at_clause"):
            return None
        path = table["qualified_name"]["path"]
        if len(path) == 1:
            return self.cte(path[0].lower(), scopes)
        return self.stored(table, "rowid") if path[:2] == ["memory", "main"] else None

    def cte(self, name: str, scopes: list[Tree]) -> str | None:
        """Follow a name into its CTE, in which only what was defined before it is in sight."""
        for depth in range(len(scopes) - 1, -1, -1):
            found, position = scopes[depth]["ctes"].get(name, (None, 0))
            if found is None or position >= scopes[depth]["limit"]:
                continue
            if found["aliases"] or found["key_targets"]:
                return None
            visible = [*scopes[:depth], {**scopes[depth], "limit": position}]
            return "" if self.hand_up(found["query_node"], visible) else None
        return None

    def stored(self, table: Tree, expression: str) -> str | None:
        """The expression over the hidden columns of a source, unless the data has columns of their names."""
        if table.get("with_ordinality", "WITHOUT_ORDINALITY") != "WITHOUT_ORDINALITY":
            return None
        statement = self.parse("SELECT 1 FROM t")
        statement["statements"][0]["node"].update(
            select_list=self.parse("SELECT *")["statements"][0]["node"]["select_list"]
        )
        statement["statements"][0]["node"]["from_table"] = table
        ((sql,),) = self.session.execute(f"SELECT json_deserialize_sql({literal(json.dumps(statement))})")
        names = {column.name.lower() for column in self.session.describe(sql, self.frame)}
        return None if names & _SHADOWING else expression

    def expression(self, text: str) -> Tree:
        """`text AS name`, as a tree."""
        item: Tree = self.parse(f"SELECT {text} AS {self.name}")["statements"][0]["node"]["select_list"][0]
        return item

    def parse(self, sql: str) -> Tree:
        ((text,),) = self.session.execute(f"SELECT json_serialize_sql({literal(sql)})")
        tree: Tree = json.loads(text)
        return tree


def row_by_row(tree: Any) -> bool:
    """False for expressions whose value is not decided by the row alone, or that make several rows of one."""
    for part in _parts(tree):
        if part.get("class") in ("WINDOW", "SUBQUERY"):
            return False
        if part.get("function_name") in VOLATILE | _MULTIPLYING:
            return False
    return True


def _parts(tree: Any) -> Iterator[Tree]:
    if isinstance(tree, dict):
        yield tree
        tree = list(tree.values())
    if isinstance(tree, list):
        for item in tree:
            yield from _parts(item)


def _entries(node: Tree) -> list[tuple[int, Tree]]:
    return list(enumerate(node["cte_map"]["map"]))


def _is_star(item: Tree) -> bool:
    return bool(item["class"] == "STAR") and not item["columns"]
