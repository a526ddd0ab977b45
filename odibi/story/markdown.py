"""The story as Markdown that GitHub and Azure DevOps show as it is meant: nothing from the data becomes markup."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from odibi.story.markup import STATUS_WORDS, as_text
from odibi.story.model import Data, untold_checks, users_of
from odibi.story.text import change, clipped, count, failing, moment, plural, seconds, size, visible

MAX_DETAILED = 100
"""Nodes with details of their own; of a bigger pipeline only those with errors or warnings have them."""
MAX_GRAPH = 60
MAX_COLUMNS = 20
MAX_SCHEMA = 60
MAX_CELL = 120
_SIGNS = {"completed": "✅", "failed": "❌", "skipped": "⏭️", "interrupted": "⏹️", "passed": "✅", "warned": "⚠️"}
_SPECIAL = re.compile(r"[\\`*_{}\[\]<>()#|~&$@!:\n\t^=]|www\.|GH-", re.IGNORECASE)
_ESCAPES = {
    "<": "&lt;", ">": "&gt;", "&": "&amp;", "|": "&#124;", "$": "&#36;", "`": "&#96;", "\n": " ↵ ", "\t": " ",
    "@": "@<!-- -->", "www.": "www<!-- -->.", "gh-": "GH<!-- -->-",
}  # fmt: skip
"""Entities where a backslash would not do (tables and formulas look at the text first); an empty comment where the
finished text is searched for mentions, addresses and numbers of issues."""
_PLAIN = {"(", ")", "=", "^", "{", "}"}
_AUTOLINK = re.compile(r":(?=//|(?:[+-]1|100|1234|[a-z0-9_+-]*[a-z][a-z0-9_+-]*):)", re.IGNORECASE)
"""A colon of an address or of an emoji's name."""
_BRANCH = re.compile(r"[!#](?=\d)")


def md(text: str) -> str:
    """A text as one line of Markdown that shows exactly that text."""
    text = visible(text).strip()
    if _SPECIAL.search(text) is None:
        return text
    return _SPECIAL.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    found, text, at = match[0], match.string, match.start()
    if found == ":":
        return ":<!-- -->" if _AUTOLINK.match(text, at) else ":"
    if found in "!#" and _BRANCH.match(text, at):
        return f"{found}<!-- -->"
    if found == "_" and text[at - 1 : at].isalnum() and text[at + 1 : at + 2].isalnum():
        return "_"  # inside a word it means nothing
    if found in _PLAIN:
        return found
    if found.lower() in ("www.", "gh-"):
        return f"{found[:-1]}<!-- -->{found[-1]}"
    return _ESCAPES.get(found) or f"\\{found}"


def block(text: str, language: str = "") -> str:
    """A fenced block that the text can not end."""
    text = visible(text).strip("\n")
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}\n"


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table; heads and cells are Markdown already."""
    lines = [f"| {' | '.join(heads)} |", f"|{' --- |' * len(heads)}"]
    return "\n".join([*lines, *[f"| {' | '.join(row)} |" for row in rows]]) + "\n"


def to_markdown(story: Data) -> str:
    """The text of `story.md`."""
    nodes = story["nodes"]
    detailed = nodes if len(nodes) <= MAX_DETAILED else [node for node in nodes if node["error"] or node["warnings"]]
    users = users_of(nodes)
    parts = [_top(story), _failures(nodes), _warnings(story), _graph(nodes), _overview(nodes)]
    parts += [_node(node, users.get(node["name"], ())) for node in detailed]
    if len(detailed) < len(nodes):
        parts.append(
            f"Details of the other {len(nodes) - len(detailed):,} nodes are in `story.json` and on the page.\n"
        )
    return "\n".join(part for part in parts if part)


def _state(status: str) -> str:
    return f"{_SIGNS.get(status, '')} {md(STATUS_WORDS.get(status, status))}".strip()


def _top(story: Data) -> str:
    run, pipeline, compared = story["run"], story["pipeline"], story["compared_with"] or {}
    states = ", ".join(f"{number:,} {status}" for status, number in pipeline["counts"].items() if number)
    versions = ", ".join(f"{name} {version}" for name, version in run["versions"].items())
    earlier = (
        f"{compared['run_id']} of {moment(compared['started'])}, {compared['status']}" if "run_id" in compared else ""
    )
    pairs = [
        ("Status", _state(pipeline["status"])),
        ("Reason", md(pipeline["reason"])),
        ("Project", md(run["project"])),
        ("Layer", md(pipeline["layer"])),
        ("Started", moment(pipeline["started"])),
        ("Ended", moment(pipeline["ended"])),
        ("Duration", md(seconds(pipeline["duration"]))),
        ("Nodes", states),
        ("Rows written", count(pipeline["rows_written"])),
        ("Engine", md(run["engine"])),
        ("SQL dialect", md(run["sql_dialect"])),
        ("Run", md(run["id"])),
        ("Only these nodes", md(", ".join(run["selection"]))),
        ("File", md(run["file"])),
        ("Version", md(run["version"])),
        ("Owner", md(run["owner"])),
        ("By", md(run["user"])),
        ("On", md(run["host"])),
        ("Git commit", md(run["git_commit"])),
        ("Versions", md(versions)),
        ("Compared with", md(earlier)),
    ]
    about = "".join(f"Description: {md(text)}\n\n" for text in (pipeline["description"], run["description"]) if text)
    return f"# Story of {md(pipeline['name'])}\n\n{about}{table(('', ''), [pair for pair in pairs if pair[1]])}"


def _failures(nodes: Sequence[Data]) -> str:
    failed = "\n".join(f"Node **{md(node['name'])}**\n\n{_error(node['error'])}" for node in nodes if node["error"])
    return f"## What failed\n\n{failed}" if failed else ""


def _error(error: Data) -> str:
    where = " · ".join(md(part) for part in (error["type"], error["step"], error["position"]) if part)
    cause = f"\nCause: {md(error['cause'])}\n" if error["cause"] else ""
    return f"Error: {where}\n\n{block(error['message'], 'text')}{cause}"


def _warnings(story: Data) -> str:
    note = (story["compared_with"] or {}).get("note")
    lines = [f"- Run: {md(text)}" for text in (*story["pipeline"]["warnings"], *([note] if note else []))]
    for node in story["nodes"]:
        lines += [f"- Node {md(node['name'])}: {md(text)}" for text in node["warnings"]]
        lines += [f"- Node {md(node['name'])}: {_check_text(check)}" for check in untold_checks(node)]
    return "## Warnings\n\n" + "\n".join(lines) + "\n" if lines else ""


def _graph(nodes: Sequence[Data]) -> str:
    if not 1 < len(nodes) <= MAX_GRAPH:
        return ""
    ids = {node["name"]: f"n{number}" for number, node in enumerate(nodes)}
    boxes = [f'  {ids[node["name"]]}["{_SIGNS.get(node["status"], "")} {_label(node["name"])}"]' for node in nodes]
    edges = [f"  {ids[need]} --> {ids[node['name']]}" for node in nodes for need in node["depends_on"] if need in ids]
    return "## Graph\n\n```mermaid\nflowchart LR\n" + "\n".join([*boxes, *edges]) + "\n```\n"


def _label(name: str) -> str:
    """A label of Mermaid: whatever is no letter or digit as an entity."""
    return "".join(
        letter if letter.isalnum() or letter in " _-" else f"#{ord(letter)};" for letter in clipped(visible(name), 40)
    )


def _overview(nodes: Sequence[Data]) -> str:
    rows = [
        (
            md(node["name"]),
            _state(node["status"]),
            " · ".join(node["kinds"]),
            _rows(node),
            _change(node),
            seconds(node["duration"]),
        )
        for node in nodes
    ]
    heads = ("Node", "State", "Does", "Rows", "Since the last run", "Duration")
    return f"## Nodes\n\n{table(heads, rows)}" if rows else ""


def _times(node: Data) -> str:
    if not node["started"]:
        return ""
    started, ended = node["started"], node["ended"]
    return f"{started[:10]} {started[11:23]} to {ended[11:23]} UTC, {md(seconds(node['duration']))}"


def _rows(node: Data, streamed: str = "streamed") -> str:
    rows = node["rows"] if node["rows"] is not None else node["write"]["rows"] if node["write"] else None
    return count(rows, streamed if node["streamed"] else "")


def _change(node: Data) -> str:
    against = node["changes_from_previous_run"]
    if not against:
        return ""
    rows = f"{change(against['rows_change'])} rows" if against["rows_change"] else ""
    return ", ".join(part for part in (rows, "schema" if against["columns"] else "") if part)


# -- one node ----------------------------------------------------------------------------------------------------------


def _node(node: Data, users: Sequence[str]) -> str:
    parts = [
        f"### {md(node['name'])}\n",
        "".join(f"About: {md(text)}\n\n" for text in (node["description"], node["reason"]) if text),
        table(("", ""), [pair for pair in _facts(node, users) if pair[1]]),
        _checks(node["checks"]),
        _steps(node["steps"]),
        _columns(node),
        _sample(node["sample"]),
    ]
    return "\n".join(part for part in parts if part)


def _facts(node: Data, users: Sequence[str]) -> list[tuple[str, str]]:
    read, write = node["read"], node["write"]
    return [
        ("State", _state(node["status"])),
        ("Time", _times(node)),
        ("Depends on", md(", ".join(node["depends_on"]))),
        ("Used by", md(", ".join(users))),
        ("Rows in", ", ".join(f"{md(name)}: {count(rows, 'not counted')}" for name, rows in node["rows_in"].items())),
        ("Rows out", _rows(node, f"not counted: they went straight into {md(', '.join(users) or 'what uses them')}")),
        ("Reads", f"{md(read['place'])} ({md(read['format'])}){_options(read['options'])}" if read else ""),
        *(_written(write) if write else ()),
        ("Retries", str(node["retries"] or "")),
        *((f"Attempt {r['attempt']}", f"{md(r['error'])}, waited {seconds(r['wait'])}") for r in node["retry_log"]),
    ]


def _options(options: Mapping[str, Any]) -> str:
    return "".join(f", {md(name)}: {_cell(value)}" for name, value in options.items())


def _written(write: Data) -> list[tuple[str, str]]:
    versions = (write["version_before"], write["version_after"])
    return [
        (
            "Wrote" if write["written"] else "Did not write",
            f"{md(write['place'])} ({md(write['format'])}, {md(write['mode'])})",
        ),
        ("Rows written", count(write["rows"], "")),
        ("Version", "" if versions == (None, None) else " → ".join(count(version, "new") for version in versions)),
        ("Files", count(write["files"], "")),
        ("Size", "" if write["bytes"] is None else size(write["bytes"])),
        ("Partitioned by", md(", ".join(write["partition_by"]))),
        ("Partitions", count(write["partitions"], "")),
        *(("Schema", md(text)) for text in write["schema_changes"]),
    ]


def _checks(checks: Sequence[Data]) -> str:
    if not checks:
        return ""
    rows = [
        (_state(check["status"]), md(check["name"]), _found(check), _examples(check["examples"])) for check in checks
    ]
    return table(("Check", "", "Found", "First failing keys"), rows)


def _found(check: Data) -> str:
    return md(failing(check["failing_rows"], check["total_rows"], check["message"]))


def _check_text(check: Data) -> str:
    return f"check {md(check['name'])}: {_found(check)}"


def _examples(examples: Sequence[Data]) -> str:
    return "; ".join(", ".join(f"{md(name)}={_cell(value)}" for name, value in example.items()) for example in examples)


def _steps(steps: Sequence[Data]) -> str:
    return "\n".join(_step(number, step) for number, step in enumerate(steps, 1))


def _step(number: int, step: Data) -> str:
    language = "sql" if step["kind"] == "sql" else "text"
    took = f" ({seconds(step['duration'])})" if step["duration"] else ""
    written = f"Step {number}, {md(step['kind'])}{took}\n\n{block(step['written'], language)}"
    return written if step["run"] is None else f"{written}\nAs run:\n\n{block(step['run'], language)}"


def _columns(node: Data) -> str:
    since = (node["changes_from_previous_run"] or {}).get("columns")
    marks = [_marks(node["changes_from_inputs"]), _marks(since)]
    names = {column["name"]: column["type"] for column in node["columns"]}
    rows = [(md(name), md(kind), *(mark.pop(name, "") for mark in marks)) for name, kind in names.items()]
    rows += [
        (md(name), "", marks[0].pop(name, ""), marks[1].get(name, "")) for name in dict.fromkeys([*marks[0], *marks[1]])
    ]
    if not rows:
        return ""
    more = f"\nAnd {len(rows) - MAX_SCHEMA:,} more columns in `story.json`.\n" if len(rows) > MAX_SCHEMA else ""
    return table(("Column", "Type", "Against the inputs", "Since the last run"), rows[:MAX_SCHEMA]) + more


def _marks(changes: Data | None) -> dict[str, str]:
    if not changes:
        return {}
    marks = {column["name"]: "added" for column in changes["added"]}
    marks |= {column["name"]: f"removed (was {md(column['type'])})" for column in changes["removed"]}
    return marks | {column["name"]: f"was {md(column['before'])}" for column in changes["retyped"]}


def _sample(sample: Data | None) -> str:
    if not sample:
        return ""
    shown = sample["columns"][:MAX_COLUMNS]
    left_out = sample["columns_left_out"] + len(sample["columns"]) - len(shown)
    rows = [[_cell(value) for value in row[:MAX_COLUMNS]] for row in sample["rows"]]
    more = f"\n{plural(left_out, 'column')} not shown here.\n" if left_out else ""
    return table([md(name) for name in shown], rows) + more


def _cell(value: Any) -> str:
    if type(value) is int or type(value) is float:
        return str(value)
    return "*null*" if value is None else md(clipped(as_text(value), MAX_CELL))
