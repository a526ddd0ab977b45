"""The story as one self-contained page: no network, nothing executable from the data, readable without a script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from odibi.story.assets import SCRIPT, SCRIPT_HASH, SHAPES, STYLE, STYLE_HASH
from odibi.story.drawing import MAX_BARS, MAX_GRAPH, graph, state, timeline
from odibi.story.markup import STATUS_WORDS, as_text, cell, code, esc, facts, fold, icon, pill, section
from odibi.story.model import Data, untold_checks, users_of
from odibi.story.text import change, clipped, count, failing, moment, plural, seconds, size, visible

MAX_DETAIL = 3_000_000
"""Characters of all nodes' details; beyond, schema, sample and SQL of completed nodes are left to `story.json`."""
MAX_COLUMNS = 60
"""Columns of a table of samples on the page."""
MAX_SCHEMA = 200
"""Columns listed of a node; changed ones come first."""
_POLICY = "; ".join(
    [
        "default-src 'none'",
        f"style-src '{STYLE_HASH}'",
        f"script-src '{SCRIPT_HASH}'",
        "base-uri 'none'",
        "form-action 'none'",
    ]
)
_HEAD = f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
"""


def to_html(story: Data) -> str:
    """The text of `story.html`."""
    nodes, pipeline = story["nodes"], story["pipeline"]
    links = {node["name"]: f"n{number}" for number, node in enumerate(nodes)}
    title = esc(f"{pipeline['name']}: {pipeline['status']}")
    return "".join(
        [
            _HEAD,
            f"<title>{title}</title><style>{STYLE}</style></head>\n<body>{SHAPES}",
            _top(story),
            "<main>\n",
            section("What failed", _failures(nodes, links), "failures"),
            section("Warnings", _cautions(story, links), "cautions"),
            _graph(nodes, links),
            _timeline(nodes, links),
            _nodes(nodes, links),
            "</main>\n",
            _foot(story),
            f"<script>{SCRIPT}</script></body></html>\n",
        ]
    )


# -- the head of the page ----------------------------------------------------------------------------------------------


def _top(story: Data) -> str:
    run, pipeline = story["run"], story["pipeline"]
    crumb = " › ".join(esc(part) for part in (run["project"], pipeline["layer"]) if part)
    about = "".join(f"<p>{esc(text)}</p>" for text in (pipeline["description"], pipeline["reason"]) if text)
    return (
        f'<header class="top"><div class="crumb">{crumb}</div>'
        f"<h1>{esc(pipeline['name'])} {pill(pipeline['status'])}</h1>"
        f'{about}<div class="big">{facts(_figures(story))}</div></header>\n'
    )


def _figures(story: Data) -> list[tuple[str, str]]:
    run, pipeline = story["run"], story["pipeline"]
    counts = [f"{number:,} {STATUS_WORDS[status]}" for status, number in pipeline["counts"].items() if number]
    selection = ", ".join(run["selection"])
    return [
        ("Duration", seconds(pipeline["duration"])),
        ("Nodes", f'{len(story["nodes"]):,}<span class="soft">{esc(", ".join(counts))}</span>'),
        ("Rows written", count(pipeline["rows_written"])),
        ("Started", f'{pipeline["started"][11:19]}<span class="soft">{pipeline["started"][:10]} UTC</span>'),
        (
            "Engine",
            esc(run["engine"])
            + (f'<span class="soft">SQL: {esc(run["sql_dialect"])}</span>' if run["sql_dialect"] else ""),
        ),
        ("Compared with", _compared(story["compared_with"])),
        ("Only these nodes", esc(clipped(selection, 60))),
    ]


def _compared(compared: Data | None) -> str:
    if not compared or "run_id" not in compared:
        return ""
    when = f"{moment(compared['started'])}, {compared['status']}"
    return f'{esc(compared["run_id"])}<span class="soft">{esc(when)}</span>'


def _failures(nodes: Sequence[Data], links: Mapping[str, str]) -> str:
    return "".join(
        f'<div class="failure"><b>{_link(node["name"], links)}</b>{_error(node["error"])}</div>'
        for node in nodes
        if node["error"]
    )


def _error(error: Data) -> str:
    where = " · ".join(esc(part) for part in (error["type"], error["step"], error["position"]) if part)
    cause = f'<p class="soft">Cause: {esc(error["cause"])}</p>' if error["cause"] else ""
    return f'<p class="soft">{where}</p><div class="message">{esc(error["message"])}</div>{cause}'


def _cautions(story: Data, links: Mapping[str, str]) -> str:
    compared = story["compared_with"] or {}
    general = [*story["pipeline"]["warnings"], *([compared["note"]] if compared.get("note") else [])]
    items = [f"<li>{esc(text)}</li>" for text in general]
    for node in story["nodes"]:
        link = f"{_link(node['name'], links)}: "
        items += [f"<li>{link}{esc(text)}</li>" for text in node["warnings"]]
        items += [f"<li>{link}check {esc(check['name'])}: {_failing(check)}</li>" for check in untold_checks(node)]
    return f'<ul class="plain">{"".join(items)}</ul>' if items else ""


def _graph(nodes: Sequence[Data], links: Mapping[str, str]) -> str:
    if len(nodes) > MAX_GRAPH:
        return section(
            "Graph", f"<p>{len(nodes):,} nodes are too many to draw; what each depends on stands with it.</p>", "graph"
        )
    states = dict.fromkeys(state(node) for node in nodes)
    key = "".join(f"<span>{icon(drawn)} {_meaning(drawn)}</span>" for drawn in states)
    drawing = graph(nodes, links)
    return section("Graph", f'{drawing}<div class="key">{key}</div>', "graph") if drawing else ""


def _meaning(drawn: str) -> str:
    return "completed with warnings" if drawn == "warned" else esc(STATUS_WORDS[drawn])


def _timeline(nodes: Sequence[Data], links: Mapping[str, str]) -> str:
    drawing = timeline(nodes, links)
    if drawing and len(nodes) > 30:
        drawing = fold("Show", drawing)
    return section("Timeline", drawing, "timeline", f"the {MAX_BARS} longest" if len(nodes) > MAX_BARS else "")


def _foot(story: Data) -> str:
    run, pipeline = story["run"], story["pipeline"]
    versions = ", ".join(f"{name} {version}" for name, version in run["versions"].items())
    pairs = [
        ("Run", run["id"]), ("Project", run["project"]), ("Version", run["version"]), ("Owner", run["owner"]),
        ("File", run["file"]), ("Started", moment(pipeline["started"])), ("Ended", moment(pipeline["ended"])),
        ("By", run["user"]), ("On", run["host"]), ("Git commit", run["git_commit"]), ("Versions", versions),
    ]  # fmt: skip
    about = f"<p>{esc(run['description'])}</p>" if run["description"] else ""
    body = about + facts([(label, esc(value)) for label, value in pairs])
    return f"<footer>{section('This run', body, 'run')}<p>The same as data: story.json. As text: story.md.</p></footer>"


# -- the nodes ---------------------------------------------------------------------------------------------------------


def _nodes(nodes: Sequence[Data], links: Mapping[str, str]) -> str:
    users = users_of(nodes)
    parts, used = [], 0
    for node in nodes:
        brief = used > MAX_DETAIL and node["status"] == "completed"
        part = _node(node, links, users.get(node["name"], ()), brief)
        used += len(part)
        parts.append(part)
    note = "for the last ones only the figures; the rest is in story.json" if used > MAX_DETAIL else ""
    return section('Nodes<button id="all" hidden>Open all</button>', "\n".join(parts), "nodes", note)


def _node(node: Data, links: Mapping[str, str], users: Sequence[str], brief: bool) -> str:
    opened = " open" if node["status"] == "failed" else ""
    name = node["name"]
    return (
        f'<details class="node"{opened}><summary>{icon(state(node))}<b>{esc(name)}</b>{_status_word(node)}'
        f'<span class="soft">{esc(" · ".join(node["kinds"]))}</span>'
        f'<span class="soft push">{_summary(node)}</span></summary>'
        f'<div class="body" id="{links[name]}">{_body(node, links, users, brief)}</div></details>'
    )


def _status_word(node: Data) -> str:
    drawn = state(node)
    return "" if drawn == "completed" else pill(drawn, shape=False)


def _summary(node: Data) -> str:
    """Rows, their change and the time, at the right of a node's line."""
    rows, against = _rows_out(node), node["changes_from_previous_run"]
    moved = f" ({change(against['rows_change'])})" if against and against["rows_change"] else ""
    counted = (
        "streamed" if rows is None and node["streamed"] else f"{plural(rows, 'row')}{moved}" if rows is not None else ""
    )
    took = seconds(node["duration"]) if node["duration"] is not None else ""
    return " · ".join(part for part in (counted, took) if part)


def _rows_out(node: Data) -> int | None:
    rows: int | None = node["rows"]
    return node["write"]["rows"] if rows is None and node["write"] else rows


def _body(node: Data, links: Mapping[str, str], users: Sequence[str], brief: bool) -> str:
    parts = [
        "".join(f"<p>{esc(text)}</p>" for text in (node["description"], node["reason"]) if text),
        f"{_error(node['error'])}{_traceback(node['error'])}" if node["error"] else "",
        _cautions_of(node),
        facts(_node_facts(node, links, users)),
        _write(node["write"]),
        _checks(node["checks"]),
    ]
    if not brief:
        parts += [_steps(node["steps"]), _columns(node), _sample(node)]
    return "".join(parts)


def _traceback(error: Data) -> str:
    return fold("Traceback", code(error["traceback"])) if error["traceback"] else ""


def _cautions_of(node: Data) -> str:
    retries = [f"attempt {r['attempt']}: {r['error']}; waited {seconds(r['wait'])}" for r in node["retry_log"]]
    items = "".join(f"<li>{esc(text)}</li>" for text in (*node["warnings"], *retries))
    return f'<h3>Warnings</h3><ul class="plain">{items}</ul>' if items else ""


def _node_facts(node: Data, links: Mapping[str, str], users: Sequence[str]) -> list[tuple[str, str]]:
    read = node["read"]
    return [
        ("Status", pill(node["status"])),
        ("Time", _times(node)),
        (
            "Rows in",
            "<br>".join(
                f"{_link(name, links)}: {count(rows, 'not counted')}" for name, rows in node["rows_in"].items()
            ),
        ),
        ("Rows out", _rows_fact(node, links, users)),
        (
            "Reads",
            f'{esc(read["place"])} <span class="soft">{esc(read["format"])}{_options(read["options"])}</span>'
            if read
            else "",
        ),
        ("Depends on", ", ".join(_link(name, links) for name in node["depends_on"])),
        ("Used by", ", ".join(_link(name, links) for name in users)),
        ("Retries", str(node["retries"] or "")),
    ]


def _times(node: Data) -> str:
    if not node["started"]:
        return ""
    return (
        f'{node["started"][11:23]} – {node["ended"][11:23]} <span class="soft">{esc(seconds(node["duration"]))}</span>'
    )


def _rows_fact(node: Data, links: Mapping[str, str], users: Sequence[str]) -> str:
    if node["rows"] is None:
        into = ", ".join(_link(name, links) for name in users) or "what uses them"
        return f'<span class="soft">not counted: they went straight into {into}</span>' if node["streamed"] else ""
    against = node["changes_from_previous_run"]
    known = against and against["rows_change"] is not None
    return count(node["rows"]) + (
        f' <span class="soft">{change(against["rows_change"])} since the last run</span>' if known else ""
    )


def _options(options: Mapping[str, Any]) -> str:
    return "".join(f", {esc(name)}: {esc(as_text(value))}" for name, value in options.items())


def _link(name: str, links: Mapping[str, str]) -> str:
    return f'<a href="#{links[name]}">{esc(name)}</a>' if name in links else esc(name)


def _write(write: Data | None) -> str:
    if not write:
        return ""
    label = "Wrote" if write["written"] else "Did not write"
    versions = (write["version_before"], write["version_after"])
    pairs = [
        ("To", esc(write["place"])),
        ("Format", esc(write["format"])),
        ("Mode", esc(write["mode"])),
        ("Rows", count(write["rows"], "")),
        ("Version", "" if versions == (None, None) else " → ".join(count(version, "new") for version in versions)),
        ("Files", count(write["files"], "")),
        ("Size", "" if write["bytes"] is None else size(write["bytes"])),
        ("Partitioned by", esc(", ".join(write["partition_by"]))),
        ("Partitions", count(write["partitions"], "")),
    ]
    changes = "".join(f"<li>{esc(text)}</li>" for text in write["schema_changes"])
    return f"<h3>{label}</h3>{facts(pairs)}" + (f'<ul class="plain">{changes}</ul>' if changes else "")


def _checks(checks: Sequence[Data]) -> str:
    if not checks:
        return ""
    rows = "".join(
        f"<tr><td>{pill(check['status'])}</td><td>{esc(check['name'])}</td><td>{_failing(check)}{_examples(check['examples'])}</td></tr>"
        for check in checks
    )
    heads = "<tr><th>State</th><th>Check</th><th>Found</th></tr>"
    return f'<h3>Checks</h3><div class="wide"><table class="checks">{heads}{rows}</table></div>'


def _failing(check: Data) -> str:
    return esc(failing(check["failing_rows"], check["total_rows"], check["message"]))


def _examples(examples: Sequence[Data]) -> str:
    if not examples:
        return ""
    columns = list(dict.fromkeys(name for example in examples for name in example))[:MAX_COLUMNS]
    rows = [[example.get(name) for name in columns] for example in examples]
    return f'<div class="wide">{_table([esc(name) for name in columns], rows)}</div>'


def _table(heads: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A table of data; `heads` are markup already. Columns that hold a number stand to the right."""
    right = [any(type(value) in (int, float) for value in column) for column in zip(*rows, strict=True)]
    top = [
        f'<th class="num">{head}</th>' if number else f"<th>{head}</th>"
        for head, number in zip(heads, right, strict=True)
    ]
    body = [f"<tr>{''.join(map(cell, row, right))}</tr>" for row in rows]
    return f'<table class="sample"><tr>{"".join(top)}</tr>{"".join(body)}</table>'


def _steps(steps: Sequence[Data]) -> str:
    return "<h3>Steps</h3>" + "".join(_step(number, step) for number, step in enumerate(steps, 1)) if steps else ""


def _step(number: int, step: Data) -> str:
    took = f"<span>{esc(seconds(step['duration']))}</span>" if step["duration"] else ""
    head = f"<p><b>{number}. {esc(step['kind'])}</b>{took}<span>{esc(step['position'])}</span></p>"
    if step["run"] is None:
        return f'<div class="step">{head}{code(step["written"])}</div>'
    return (
        f'<div class="step">{head}<div class="pair">'
        f'<div><span class="note">as written</span>{code(step["written"])}</div>'
        f'<div><span class="note">as run</span>{code(step["run"])}</div></div></div>'
    )


def _columns(node: Data) -> str:
    """Names and types, with what changed against the inputs and against the last run."""
    inputs, since = node["changes_from_inputs"], (node["changes_from_previous_run"] or {}).get("columns")
    marks = [_marks(inputs), _marks(since)]
    listed = {column["name"]: column["type"] for column in node["columns"]}
    gone = {column["name"]: column["type"] for found in (inputs, since) if found for column in found["removed"]}
    names = [*listed, *(name for name in gone if name not in listed)]
    if not names:
        return ""
    if len(names) > MAX_SCHEMA:
        names.sort(key=lambda name: not any(name in mark for mark in marks))
    rows = "".join([_column(name, listed.get(name), gone.get(name, ""), marks) for name in names[:MAX_SCHEMA]])
    heads = "<th>Column</th><th>Type</th>" + "".join(
        f"<th>{label}</th>"
        for label, mark in zip(("Against the inputs", "Since the last run"), marks, strict=True)
        if mark
    )
    more = f'<p class="note">and {len(names) - MAX_SCHEMA:,} more in story.json</p>' if len(names) > MAX_SCHEMA else ""
    table = f'<div class="wide"><table class="columns"><tr>{heads}</tr>{rows}</table></div>{more}'
    return f"<h3>{plural(len(listed), 'column')}</h3>{table}"


def _column(name: str, kind: str | None, was: str, marks: Sequence[Mapping[str, str]]) -> str:
    cells = "".join(f"<td>{mark.get(name, '')}</td>" for mark in marks if mark)
    gone = "" if kind is not None else ' class="gone"'
    return f'<tr{gone}><td>{esc(name)}</td><td class="mono">{esc(kind if kind is not None else was)}</td>{cells}</tr>'


def _marks(changes: Data | None) -> dict[str, str]:
    """What happened to each column, as markup."""
    if not changes:
        return {}
    marks = {column["name"]: '<span class="plus">+ added</span>' for column in changes["added"]}
    marks |= {column["name"]: '<span class="minus">− removed</span>' for column in changes["removed"]}
    marks |= {column["name"]: f'<span class="turn">was {esc(column["before"])}</span>' for column in changes["retyped"]}
    return marks


def _sample(node: Data) -> str:
    sample = node["sample"]
    if not sample:
        return ""
    types = {column["name"]: column["type"] for column in node["columns"]}
    shown = sample["columns"][:MAX_COLUMNS]
    left_out = sample["columns_left_out"] + len(sample["columns"]) - len(shown)
    heads = [f"{esc(name)}<span>{esc(clipped(visible(types.get(name, '')), 40))}</span>" for name in shown]
    rows = [row[:MAX_COLUMNS] for row in sample["rows"]]
    more = f'<p class="note">{plural(left_out, "column")} not shown here</p>' if left_out else ""
    return f'<h3>Sample: {plural(len(rows), "row")}</h3><div class="wide">{_table(heads, rows)}</div>{more}'
