"""SQL over Spark frames: one SELECT that sees its inputs and nothing else of the session.

`spark.sql("… {__0} …", __0=frame)` puts a frame into a text, on classic Spark and on Connect, and leaves no view.
Where the tree of the text is known, the names of the inputs are replaced where they stand (`FROM {__0} AS orders`), so
that the plan is that of a hand-written query: a chain of a hundred queries is planned as fast. Where it is not, the
inputs stand in front of the text as CTEs. Either way the text stands in parentheses, in which only a query can stand.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any
from weakref import WeakKeyDictionary

from odibi.engine import words
from odibi.engine.base import Query
from odibi.engine.clashes import clash_in, suspected
from odibi.engine.spark import errors
from odibi.engine.spark.dialect import translate
from odibi.engine.spark.frame import SparkFrame
from odibi.engine.spark.raised import VIEW, Raised, clean
from odibi.engine.spark.session import Session
from odibi.engine.spark.sql_problems import AT_END, tell_sql
from odibi.engine.spark.syntax import PURE_TABLE_FUNCTIONS, Mistake, Syntax, TableName, literals, mistakes_in, read
from odibi.errors import SqlError
from odibi.transforms.dialect import SPARK
from odibi.types import Column

__all__ = ["Statement", "run_query", "translate"]

CLASH_HINT = "give one of them another name (AS …), or leave it out (SELECT * EXCEPT …)"
_AT_OURS = words.joined(*words.syntax_error('")"'))
"""What Spark says of a text that ends too early: it meets our parenthesis."""
_VIEW = re.compile(VIEW)


def run_query(session: Session, query: Query, inputs: Mapping[str, SparkFrame]) -> tuple[SparkFrame, str]:
    """The result of a SELECT over the inputs, lazy, and the SQL as Spark runs it. No job is started."""
    text = translate(query.text, query.dialect)
    found = read(text)
    spark = session.spark
    mistakes = mistakes_in(found, inputs) or mistakes_by_spark(spark, text, found, inputs)
    if mistakes:
        raise _refused(mistakes[0], text, query)
    statement = Statement.of(text, found, inputs)
    names = {f"__{place}": inputs[name].data for place, name in enumerate(statement.inputs)}
    try:
        data = spark.sql(statement.template, **names)
    except errors.spark_errors() as error:
        if errors.is_interrupt(error):
            raise
        columns = {name: frame.columns for name, frame in inputs.items()}
        told = errors.explain(error, text, columns, statement.place)
        raise _as_written(told, text, query, found) from error
    return _frame(data, query.columns), text


def _frame(data: Any, known: tuple[Column, ...] | None) -> SparkFrame:
    """A frame whose columns have names of their own."""
    if known is not None and not suspected(column.name for column in known):
        return SparkFrame(data, known)
    names = list(data.columns)
    own = own_names(names)
    return SparkFrame(data if own == names else data.toDF(*own), known)


def own_names(names: Sequence[str]) -> list[str]:
    """The names of a result, the second `id` of a join as `id_1`, as every engine has it. Raises SqlError for two that
    differ only in case."""
    clash = clash_in(names)
    if clash is not None:
        raise SqlError(words.joined(clash, CLASH_HINT))
    taken, used = {name.lower() for name in names}, set[str]()
    own = []
    for name in names:
        numbered = (f"{name}_{number}" for number in itertools.count(1))
        free = name if name.lower() not in used else next(each for each in numbered if each.lower() not in taken | used)
        own.append(free)
        used.add(free.lower())
    return own


# -- what a query may name ---------------------------------------------------------------------------------------------


def mistakes_by_spark(spark: Any, text: str, found: Syntax, inputs: Iterable[str]) -> list[Mistake]:
    """What only a session knows: functions that its users registered, and what a text names that sqlglot can not
    read."""
    if found.tree is None:
        return _unread(spark, text, inputs)
    strange = sorted(found.functions.keys() - _builtin_functions(spark)) if found.functions else []
    own = _own_functions(spark) if strange else frozenset()
    return [
        Mistake(*words.no_function(name, _builtin_functions(spark)), found.functions[name])
        for name in strange
        if name in own
    ]


_BUILTIN: WeakKeyDictionary[Any, frozenset[str]] = WeakKeyDictionary()


def _builtin_functions(spark: Any) -> frozenset[str]:
    """Spark's own functions, asked for once a session."""
    known = _BUILTIN.get(spark)
    if known is None:
        known = frozenset(str(row[0]).lower() for row in spark.sql("SHOW SYSTEM FUNCTIONS").collect())
        _BUILTIN[spark] = known
    return known


def _own_functions(spark: Any) -> frozenset[str]:
    """Functions that users of the session registered, by their last name."""
    rows = spark.sql("SHOW USER FUNCTIONS").collect()
    return frozenset(str(row[0]).rpartition(".")[2].strip("`").lower() for row in rows)


def no_function(spark: Any, name: str) -> Mistake | None:
    """What is wrong with a function that Spark does not know at all; None where it is there and wants arguments."""
    try:
        _ = spark.sql(f"SELECT {SPARK.quote(name)}()").schema
    except errors.spark_errors() as error:
        if errors.read(error).condition == "UNRESOLVED_ROUTINE":
            return Mistake(*words.no_function(name, _builtin_functions(spark)))
    return None


_RELATION = re.compile(r"'UnresolvedRelation \[(.*?)\], \[")
_CTE = re.compile(r"CTE \[(.*?)\]")
_TABLE_FUNCTION = re.compile(r"'UnresolvedTableValuedFunction \[(.*?)\]")


def _unread(spark: Any, text: str, inputs: Iterable[str]) -> list[Mistake]:
    """The tables of a text that sqlglot can not read, from Spark's own parser: EXPLAIN prints its tree, and fails for
    what is no statement."""
    try:
        ((plan,),) = spark.sql(f"EXPLAIN EXTENDED {text}").collect()
    except errors.spark_errors() as error:
        raised = errors.read(error)
        told = tell_sql(raised, {}) or (clean(raised), "")
        ahead = len("EXPLAIN EXTENDED ")
        at = _line_place(text, raised.line, raised.column, ahead) if raised.start is None else raised.start - ahead
        return [Mistake(*told, at)]
    parsed = str(plan).partition("== Analyzed Logical Plan ==")[0]
    known = {name.lower() for name in inputs} | {
        name.strip().lower() for listed in _CTE.findall(parsed) for name in listed.split(",")
    }
    if "'UnresolvedIdentifier" in parsed or "Command" in parsed or "ScriptTransformation" in parsed:
        return [Mistake(*words.not_a_select(text.split(maxsplit=1)[0].upper()))]
    paths = [tuple(listed.split(", ")) for listed in _RELATION.findall(parsed)]
    strange = [path for path in paths if len(path) > 1 or path[0].lower() not in known]
    mistakes = [
        Mistake(*words.no_input(".".join(path), path, inputs), words.find_name(path[-1], text)) for path in strange[:1]
    ]
    called = [name.lower() for name in _TABLE_FUNCTION.findall(parsed)]
    mistakes += [Mistake(*words.no_world_table_function(name)) for name in called if name not in PURE_TABLE_FUNCTIONS]
    return mistakes


def _line_place(text: str, line: int, column: int, ahead: int) -> int | None:
    """The place of a line and a column, both from 1, of a text whose first line has `ahead` characters in front."""
    lines = text.split("\n")
    if not 0 < line <= len(lines):
        return None
    place = sum(len(each) + 1 for each in lines[: line - 1]) + column - 1 - (ahead if line == 1 else 0)
    return min(max(place, 0), len(text))


# -- the text that runs ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Piece:
    """A part of the text that runs: `start` and `end` are the part of the user's text that it is, or stands for. `put`
    is what stands there instead, `input` the number of the input whose name does."""

    start: int
    end: int
    put: str | None = None
    input: int | None = None


@dataclass(frozen=True)
class Statement:
    """A query with its inputs put in. `inputs` are the names of those it uses, in the order of their numbers."""

    text: str
    pieces: tuple[Piece, ...]
    inputs: tuple[str, ...]

    @staticmethod
    def of(text: str, found: Syntax, inputs: Iterable[str]) -> Statement:
        """The text with the names replaced where they stand, else with CTEs in front."""
        exact, by_lower = set(inputs), {name.lower(): name for name in inputs}
        if found.tree is not None and all(table.fits for table in found.tables):
            named = [(table, _spelled(table, exact, by_lower)) for table in found.tables]
            used = tuple(dict.fromkeys(name for _, name in named))
            cuts = [_replaced(table, used.index(name), text) for table, name in named]
            return Statement(text, _between([*cuts, *_guards(text)], text), used)
        lower = text.lower()
        used = tuple(name for name in inputs if name.lower() in lower or "`" in name)
        return Statement(text, (*_ctes(used), *_between(_guards(text), text)), used)

    @staticmethod
    def over_empty(text: str, selects: Mapping[str, str]) -> Statement:
        """The text over SELECTs that stand for its inputs."""
        ctes = ", ".join(f"{SPARK.quote(name)} AS ({select})" for name, select in selects.items())
        head = [Piece(0, 0, f"WITH {ctes}\n")] if ctes else []
        return Statement(text, (*head, *_between(_guards(text), text)), ())

    @cached_property
    def template(self) -> str:
        """The text for `spark.sql`, in which inputs are `{__0}`, and braces of the user's doubled where it has any."""
        return "".join(self._said(piece) for piece in self.pieces)

    def _said(self, piece: Piece) -> str:
        if piece.input is not None:
            return f"{{__{piece.input}}}"
        said = self.text[piece.start : piece.end] if piece.put is None else piece.put
        return said.replace("{", "{{").replace("}", "}}") if self.inputs else said

    def place(self, raised: Raised) -> int | None:
        """The place in the text of what Spark points to in the text that ran, in which views stand for the inputs."""
        for length in (9 + 32, 27 + 32):  # the names that classic Spark and Connect give them
            run, starts = self._run(length)
            start = raised.start
            if start is None and raised.line:
                start = _line_place(run, raised.line, raised.column, 0)
            if start is None:
                return None
            if raised.start is None or not raised.fragment or _fits_fragment(run, start, raised.fragment):
                return self._back(start, starts)
        return None

    def _run(self, length: int) -> tuple[str, list[int]]:
        """The text that ran, and where each piece begins in it, for names of that many characters."""
        starts, run = [], ""
        for piece in self.pieces:
            starts.append(len(run))
            own = self.text[piece.start : piece.end] if piece.put is None else piece.put
            run += "\0" * length if piece.input is not None else own
        return run, starts

    def _back(self, start: int, starts: Sequence[int]) -> int:
        number = max(number for number, begin in enumerate(starts) if begin <= start)
        piece = self.pieces[number]
        if piece.put is None and piece.input is None:
            return min(piece.start + start - starts[number], piece.end)
        return min(piece.start, len(self.text.rstrip()))


def _fits_fragment(run: str, start: int, fragment: str) -> bool:
    """True where the fragment stands there, whatever the names of the inputs are."""
    said, there = _VIEW.sub("", fragment), run[start : start + len(fragment)].replace("\0", "")
    return said == there or (bool(said) and there.startswith(said[: len(there)]) and len(there) > 0)


def _spelled(table: TableName, exact: set[str], by_lower: Mapping[str, str]) -> str:
    return table.name if table.name in exact else by_lower[table.name.lower()]


def _replaced(table: TableName, number: int, text: str) -> list[Piece]:
    """The pieces for a name in FROM: the input, and the name as its alias where it has none."""
    assert table.start is not None
    assert table.end is not None
    alias = "" if table.aliased else f" AS {_quoted(text[table.start : table.end])}"
    return [Piece(table.start, table.end, input=number), *([Piece(table.end, table.end, alias)] if alias else [])]


def _quoted(name: str) -> str:
    return name if name.startswith("`") else f"`{name}`"


def _ctes(used: Sequence[str]) -> list[Piece]:
    """The head `WITH a AS (SELECT * FROM …), …`; nothing of it is the user's."""
    pieces = []
    for number, name in enumerate(used):
        head = f"{', ' if number else 'WITH '}{SPARK.quote(name)} AS (SELECT * FROM "
        pieces += [Piece(0, 0, head), Piece(0, 0, input=number)]
        pieces.append(Piece(0, 0, ")"))
    return [*pieces, Piece(0, 0, "\n")] if pieces else []


def _guards(text: str) -> list[list[Piece]]:
    """`'a${b}'` becomes `'a$' '{b}'`, which means the same: Spark would put a setting of the session there, maybe a
    key."""
    if "${" not in text:
        return []
    cuts = []
    for start, end in literals(text):
        said = text[start:end]
        quote = said[-1]
        again = f"{quote} {said[: said.index(quote) + 1]}"
        cuts += [
            [Piece(start + at.start() + 1, start + at.start() + 1, again)] for at in re.finditer(r"\$(?=\{)", said)
        ]
    return cuts


def _between(cuts: Sequence[Sequence[Piece]], text: str) -> tuple[Piece, ...]:
    """The user's text around the cuts, in parentheses."""
    pieces, at = [Piece(0, 0, "(")], 0
    for cut in sorted(cuts, key=lambda cut: cut[0].start):
        pieces += [Piece(at, cut[0].start), *cut]
        at = cut[-1].end
    return (*pieces, Piece(at, len(text)), Piece(len(text), len(text), "\n)"))


# -- what went wrong, in the text as written ---------------------------------------------------------------------------


def _refused(mistake: Mistake, text: str, query: Query) -> SqlError:
    offset = words.place_in(query.text, text, mistake.offset)
    return SqlError(words.joined(mistake.message, mistake.hint), offset)


def _as_written(error: Exception, text: str, query: Query, found: Syntax) -> Exception:
    """The error with its place in the text as written."""
    if not isinstance(error, SqlError):
        return error
    better = improved(error, text, found)
    return _refused(Mistake(str(better), "", better.offset), text, query)


def improved(error: SqlError, text: str, found: Syntax) -> SqlError:
    """What the tree knows better than Spark: a missing GROUP BY is told at the column."""
    if str(error) == _AT_OURS and (error.offset or 0) >= len(text.rstrip()):
        error = SqlError(AT_END, error.offset)
    if found.tree is not None and str(error).startswith("a column beside an aggregate"):
        column = ungrouped(found)
        if column is not None:
            error = SqlError(words.joined(*words.group_by(column[0])), column[1])
    return error


def ungrouped(found: Syntax) -> tuple[str, int | None] | None:
    """The first column that stands beside an aggregate in a SELECT without GROUP BY, and its place."""
    from sqlglot import exp

    for select in found.tree.find_all(exp.Select) if found.tree is not None else ():
        if select.args.get("group") or not any(_aggregates(item) for item in select.expressions):
            continue
        for item in select.expressions:
            for column in item.find_all(exp.Column):
                inside = column.find_ancestor(exp.AggFunc, exp.Select, exp.Window)
                if inside is select and not column.is_star:
                    return column.name, column.parts[0].meta.get("start")
    return None


def _aggregates(item: Any) -> bool:
    from sqlglot import exp

    return any(not isinstance(each.parent, exp.Window) for each in item.find_all(exp.AggFunc))


def with_names(columns: tuple[Column, ...]) -> tuple[Column, ...]:
    """The columns under names of their own."""
    names = own_names([column.name for column in columns])
    return tuple(replace(column, name=name) for column, name in zip(columns, names, strict=True))
