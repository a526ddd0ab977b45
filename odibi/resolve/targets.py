"""Where nodes meet in stored data: two that write one target, and one that reads what another writes."""

from __future__ import annotations

import fnmatch
import os
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from odibi.engine.base import Source, Target
from odibi.formats import FORMATS
from odibi.resolve.report import Report
from odibi.resolve.scope import Draft

_GLOB = "*?["


@dataclass
class _Stored:
    """Everything that is written, by its place; and by every folder around it."""

    writers: dict[str, tuple[int, Draft]] = field(default_factory=dict)
    inside: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))


def check_targets(pipelines: Sequence[Sequence[Draft]], names: Sequence[str], report: Report) -> list[tuple[str, ...]]:
    """Check all pipelines; gives for each the earlier pipelines whose targets it reads."""
    stored = _collect(pipelines, names, report)
    _refuse_nested(stored, names, report)
    return [_check_reads(number, drafts, names, stored, report) for number, drafts in enumerate(pipelines)]


def _collect(pipelines: Sequence[Sequence[Draft]], names: Sequence[str], report: Report) -> _Stored:
    stored = _Stored()
    for number, drafts in enumerate(pipelines):
        for draft in drafts:
            if draft.target is None:
                continue
            place = _place(draft.target)
            if place in stored.writers:
                _tell_shared(draft, number, *stored.writers[place], names, report)
                continue
            stored.writers[place] = (number, draft)
            for folder in _folders(place):
                stored.inside[folder].append(place)
    return stored


def _tell_shared(
    draft: Draft, number: int, first_number: int, first: Draft, names: Sequence[str], report: Report
) -> None:
    whose = "" if number == first_number else f" of pipeline {names[first_number]!r}"
    line = report.document.locate((*first.path, "write")).line
    key = "path" if draft.config.write is not None and draft.config.write.path is not None else "table"
    report.add(
        (*draft.path, "write", key),
        f"node {first.name!r}{whose} (line {line}) writes this target too",
        "write one of them elsewhere, or join both in one node",
    )


def _refuse_nested(stored: _Stored, names: Sequence[str], report: Report) -> None:
    """A table inside another's folder is swept with it, by vacuum or when a folder of files is replaced."""
    for place, (number, draft) in stored.writers.items():
        around = next((folder for folder in _folders(place) if folder in stored.writers), None)
        if around is None:
            continue
        outer_number, outer = stored.writers[around]
        whose = "" if number == outer_number else f" of pipeline {names[outer_number]!r}"
        line = report.document.locate((*outer.path, "write")).line
        report.add(
            (*draft.path, "write", "path"),
            f"this lies inside of what node {outer.name!r}{whose} (line {line}) writes, and would be swept with it",
            "write it beside, not inside",
        )


def _check_reads(
    number: int, drafts: Sequence[Draft], names: Sequence[str], stored: _Stored, report: Report
) -> tuple[str, ...]:
    after: dict[int, None] = {}
    ancestors: dict[str, int] | None = None
    order = {draft.name: index for index, draft in enumerate(drafts)}
    for reader in drafts:
        for writer_number, writer in _writers_of(reader, stored):
            if writer_number < number:
                after[writer_number] = None
            elif writer_number > number:
                _warn_later(reader, writer, names[writer_number], report)
            elif writer is not reader:
                ancestors = ancestors if ancestors is not None else _ancestors(drafts, order)
                if not ancestors[reader.name] >> order[writer.name] & 1:
                    _tell_unordered(reader, writer, bool(ancestors[writer.name] >> order[reader.name] & 1), report)
    return tuple(names[each] for each in sorted(after))


def _ancestors(drafts: Sequence[Draft], order: Mapping[str, int]) -> dict[str, int]:
    """For each node, everything it needs, directly or not, as bits. `drafts` come behind what they need."""
    found: dict[str, int] = {}
    for draft in drafts:
        bits = 0
        for need in draft.needs:
            bits |= found.get(need, 0) | 1 << order[need]
        found[draft.name] = bits
    return found


def _tell_unordered(reader: Draft, writer: Draft, writer_needs_reader: bool, report: Report) -> None:
    if reader.unsure or report.damage.lacks(*reader.path) or report.damage.is_broken(*reader.path, "depends_on"):
        return
    message = f"node {writer.name!r} writes what this reads, and this does not depend on it"
    hint = f"add {writer.name!r} to depends_on"
    if writer_needs_reader:
        message = f"node {writer.name!r} writes what this reads, and comes after it"
        hint = f"move this read into node {writer.name!r}, or read and write different paths"
    report.add((*reader.path, "read"), message, hint)


def _warn_later(reader: Draft, writer: Draft, pipeline: str, report: Report) -> None:
    report.warn(
        (*reader.path, "read"),
        f"reads what pipeline {pipeline!r} writes later (node {writer.name!r}), so it sees the state of the run before",
        f"list {pipeline!r} first, if it should see the new state",
    )


# -- places ------------------------------------------------------------------------------------------------------------


def _place(end: Source | Target) -> str:
    """One spelling for each place, however it is reached: by other connections, links, or another case on Windows."""
    if end.table is not None:
        return f"table://{end.connection.get_table(end.table).lower()}"
    path = end.connection.get_path(end.path)
    if "://" in path:
        return path.rstrip("/")
    return os.path.normcase(os.path.realpath(path)).replace("\\", "/")


def _folders(place: str) -> Iterator[str]:
    """The folders around a place, from the inside."""
    while "/" in place.rstrip("/"):
        place = place.rpartition("/")[0]
        yield place


def _writers_of(reader: Draft, stored: _Stored) -> Iterator[tuple[int, Draft]]:
    """Who writes what a node reads: the same place, a folder around it, or what a folder or glob read takes in."""
    source = reader.source
    if source is None:
        return
    place = _place(source)
    for around in (place, *_folders(place)):
        if around in stored.writers:
            yield stored.writers[around]
    if FORMATS[source.format].transactional:
        return
    if any(sign in source.path for sign in _GLOB):
        fixed = place[: min(place.index(sign) for sign in _GLOB if sign in place)].rpartition("/")[0]
        inside = [each for each in stored.inside.get(fixed, ()) if fnmatch.fnmatchcase(each, place)]
    else:
        inside = stored.inside.get(place, [])
    for each in inside:
        number, writer = stored.writers[each]
        if writer.target is not None and writer.target.format == source.format:
            yield number, writer
