"""A query that is written in another dialect than the engine's: judged as it is translated, told as it is written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from odibi.engine import words
from odibi.engine.base import Query, SqlAnalysis, SqlProblem
from odibi.engine.dialects import is_same
from odibi.errors import SqlError


def judged(
    query: Query, dialect: str, translate: Callable[[str, str], str], judge: Callable[[str], SqlAnalysis]
) -> SqlAnalysis:
    """What an engine, whose dialect is `dialect`, finds out about a query: `translate` takes a text and its dialect,
    `judge` what comes of it."""
    try:
        sql = translate(query.text, query.dialect)
    except SqlError as error:
        return SqlAnalysis((SqlProblem(str(error), "", error.offset),), deterministic=False)
    analysis = judge(sql)
    if sql == query.text or not analysis.problems:
        return analysis
    way_out = "" if is_same(query.dialect, dialect) else words.on_both(query.dialect, dialect)
    problems = [
        replace(each, offset=words.place_in(query.text, sql, each.offset), hint=each.hint or way_out)
        for each in analysis.problems
    ]
    return replace(analysis, problems=tuple(problems))
