"""Which node uses which: names, dependencies, cycles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from odibi.graph import find_cycle, order
from odibi.resolve.report import Report
from odibi.resolve.scope import Draft

RESERVED = "current"
"""What SQL and functions call the result of the step before."""


def link(drafts: Sequence[Draft], homes: Mapping[str, str], report: Report) -> list[Draft]:
    """Fill in what each node needs, and give the nodes behind what they need. `homes`: node name → its pipeline."""
    by_name = _check_names(drafts, report)
    names_known = not any(report.damage.is_broken(*draft.path, "name") for draft in drafts)
    for index, draft in enumerate(drafts):
        if draft.config.depends_on:
            _explicit(draft, by_name, homes, names_known, report)
        elif _only_writes(draft, report):
            _implicit(draft, drafts[index - 1] if index else None, report)
    return _in_order(drafts, by_name, report)


def _check_names(drafts: Sequence[Draft], report: Report) -> dict[str, Draft]:
    by_name: dict[str, Draft] = {}
    by_lower: dict[str, Draft] = {}
    for draft in drafts:
        path, name = (*draft.path, "name"), draft.name
        first = by_lower.get(name.lower())
        if report.damage.is_broken(*path):
            continue
        if not name:
            report.add(path, "the name is empty", "give the node a name")
            continue
        if name.lower() == RESERVED:
            report.add(
                path, f"a node can not be named {name!r}", f"in SQL `{RESERVED}` is the result of the step before"
            )
        elif first is not None:
            line = report.document.locate((*first.path, "name")).line
            same = "is used twice" if first.name == name else f"is {first.name!r} but for case, which SQL ignores"
            report.add(path, f"the node name {name!r} {same}", f"the first is in line {line}; rename one")
        by_name.setdefault(name, draft)
        by_lower.setdefault(name.lower(), draft)
    return by_name


def _explicit(
    draft: Draft, by_name: Mapping[str, Draft], homes: Mapping[str, str], names_known: bool, report: Report
) -> None:
    for index, name in enumerate(draft.config.depends_on):
        path = (*draft.path, "depends_on", index)
        if name in by_name:
            if name in draft.needs:
                report.add(path, f"node {name!r} is listed twice", "take one of them out")
            else:
                draft.needs += (str(name),)
            continue
        draft.unsure = True
        if report.damage.is_broken(*path) or not names_known:
            continue
        if name in homes:
            report.add(
                path,
                f"node {name!r} is in pipeline {homes[name]!r}",
                "results are shared through tables, not across pipelines: write it there and read it here",
            )
        else:
            report.unknown(path, "node", name, [known for known in by_name if known != draft.name])
    _refuse_several(draft, report)


def _refuse_several(draft: Draft, report: Report) -> None:
    """A node that only writes has one input."""
    several = dict.fromkeys(draft.config.depends_on)
    if _only_writes(draft, report) and len(several) > 1:
        names = ", ".join(map(repr, several))
        report.add(
            (*draft.path, "depends_on"),
            f"several inputs ({names}) and only `write`",
            "leave the one to write in depends_on, or add a transform",
        )


def _only_writes(draft: Draft, report: Report) -> bool:
    config, damage = draft.config, report.damage
    if config.read is not None or config.transform is not None or config.write is None or damage.lacks(*draft.path):
        return False
    return not any(damage.is_broken(*draft.path, key) for key in ("read", "transform", "depends_on"))


def _implicit(draft: Draft, before: Draft | None, report: Report) -> None:
    """A node with only `write` takes the node listed just before it."""
    if before is None:
        report.add(draft.path, "there is nothing to write", "add read or transform, or depends_on: [the node to write]")
    elif before.name:
        draft.needs = (str(before.name),)
    else:
        draft.unsure = True


def _in_order(drafts: Sequence[Draft], by_name: Mapping[str, Draft], report: Report) -> list[Draft]:
    """The nodes behind what they need; each cycle is a mistake, and cut."""
    edges = {name: list(draft.needs) for name, draft in by_name.items()}
    while cycle := find_cycle(edges):
        user, need = cycle[0], cycle[1]
        _tell_cycle(by_name[user], need, cycle, report)
        edges[user].remove(need)
    placed = [by_name[name] for name in order(edges)]
    return placed + [draft for draft in drafts if by_name.get(draft.name) is not draft]


def _tell_cycle(draft: Draft, need: str, cycle: Sequence[str], report: Report) -> None:
    listed = draft.config.depends_on
    path = (*draft.path, "depends_on", listed.index(need)) if need in listed else draft.path
    if len(cycle) == 2:
        report.add(path, f"node {need!r} depends on itself", "take it out of depends_on")
    else:
        report.add(path, f"a cycle of dependencies: {' -> '.join(cycle)}", "take one of them out")
    draft.unsure = True
