"""What every engine says of SQL that does not fit, in the same words; and small searches in a text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from odibi.errors import closest
from odibi.types import Column

Inputs = Mapping[str, tuple[Column, ...] | None]
Told = tuple[str, str]
"""A message and what to do about it, each possibly empty."""

ONE_SELECT = "a step is one SELECT over the names in depends_on"
NO_WORLD = "SQL sees only the names in depends_on; read data with `read:`"
NUL = "the SQL holds a NUL character"
EMPTY = ("the SQL is empty", ONE_SELECT)
SEVERAL = ("more than one statement", ONE_SELECT)
STRAY_COMMA = ('syntax error at or near ","', "nothing stands behind this comma: take it away")
PARAMETER_HINT = "fill values in with `${NAME}`"
TRY_CAST = "TRY_CAST gives NULL for such values"
WIDER = f"cast to a wider type; {TRY_CAST}"
TOO_DEEP = (
    "the SQL is nested too deeply, or chains too many operators or UNIONs",
    "spread it over several steps or nodes",
)
DIVISION_HINT = "NULLIF(divisor, 0) gives NULL instead"
OVERFLOW_HINT = "cast to a wider type first, for example BIGINT or DECIMAL(38,0)"
UNION_WIDTH = ("set operations can only apply to expressions with the same number of result columns", "")
ONE_VALUE = ("a subquery that stands for one value returned more than one row", "aggregate it, or add a condition")
MAX_LISTED = 20
_OF_MANY_ROWS = {
    "WHERE clause cannot contain aggregates": "aggregates",
    "WHERE clause cannot contain window functions": "window functions",
    "aggregate functions are not allowed in FILTER": "aggregates",
    "aggregate function calls cannot contain window function calls": "window functions",
}
"""What is told of a condition that is not about one row, by where the condition stands."""


def where(what: str) -> Told:
    """`aggregates`, or `window functions`, in WHERE."""
    return f"WHERE clause cannot contain {what}", "use HAVING, or QUALIFY, or a query around this one"


def not_a_select(kind: str) -> Told:
    """Another statement, `INSERT` for example."""
    return f"{kind} is not a SELECT", ONE_SELECT


def syntax_error(near: str) -> Told:
    """`near` is what the parser stumbled over, with its quotes."""
    return f"syntax error at or near {near}", ""


def no_column(name: str, hint: str) -> Told:
    """A plain column that is nowhere."""
    return f"there is no column {name!r}", hint


def no_column_in(table: str, name: str, hint: str) -> Told:
    """A column that its table does not have."""
    return f"{table!r} has no column {name!r}", hint


def no_table(name: str, known: Iterable[str]) -> Told:
    """`name.column`, where no table in sight has that name."""
    names = list(dict.fromkeys(known))
    near = closest(name, names)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"there is no table {name!r}", (hint + (f"known here: {listing(names)}" if names else "")).strip()


def no_input(name: str, path: Sequence[str], inputs: Iterable[str]) -> Told:
    """A table in FROM that is not among the inputs."""
    known = sorted(inputs)
    if len(path) > 1 or any(sign in name for sign in "./\\*:"):
        return f"{name!r} can not be read here", NO_WORLD
    if name.lower() == "current":
        several = "the step has several inputs: name one of" if len(known) > 1 else "name the input:"
        why = f"{several} {listing(known)}" if known else "the step has no input"
        return "`current` does not exist here", why
    near = closest(name, known)
    hint = f"did you mean {near[0]!r}? " if near else f"add {name!r} to depends_on; "
    return f"there is no input {name!r}", f"{hint}inputs: {listing(known) if known else 'none'}"


def no_function(name: str, known: Iterable[str], noun: str = "function") -> Told:
    """A function, or a type, that the engine does not know."""
    near = closest(name, known)
    shown = name if noun == "type" else f"{name}()"
    return f"there is no {noun} {shown}", f"did you mean {near[0]!r}?" if near else ""


def no_world_function(name: str) -> Told:
    """A function that looks at, or changes, something outside the inputs."""
    return f"the function {name}() can not be used here", NO_WORLD


def no_world_table_function(name: str) -> Told:
    """The same in FROM."""
    return f"the table function {name}() can not be used here", NO_WORLD


def wrong_arguments(call: str, shapes: Sequence[str] = ()) -> Told:
    """A function whose arguments have types that it does not take."""
    hint = f"it takes: {'; '.join(shapes[:6])}{' …' if len(shapes) > 6 else ''}" if shapes else ""
    return f"no function fits {call}", f"{hint}; cast the arguments" if hint else "cast the arguments"


def of_expression(message: str, hint: str) -> Told:
    """What is told of a query, as it is told of an expression that every row is checked by."""
    what = next((what for said, what in _OF_MANY_ROWS.items() if message.startswith(said)), "")
    return (f"an expression cannot contain {what}", "it is checked row by row") if what else (message, hint)


def group_by(name: str) -> Told:
    """A column beside aggregates."""
    return (
        f"column {name!r} must be in GROUP BY or in an aggregate function",
        f"add it to GROUP BY, or use any_value({name}) where any of its values will do",
    )


def ambiguous(name: str, ways: str) -> Told:
    """A column that several tables have; `ways` are its full names."""
    return f"column {name!r} is in more than one table", f"write {ways}" if ways else "name its table"


def no_field(name: str, fields: Sequence[str]) -> Told:
    """A field that a struct does not have."""
    return f"the struct has no field {name!r}", f"its fields: {listing(fields)}" if fields else ""


def columns_hint(name: str, offered: Sequence[str], inputs: Inputs) -> str:
    """`did you mean 'ab'? columns of orders: ab, c`, from what the engine offers and what the inputs have."""
    known = [column.name for columns in inputs.values() for column in columns or ()]
    near = closest(name, offered) or closest(name, [column for column in known if column.lower() != name.lower()])
    if name.lower() in map(str.lower, known) and offered:
        return f"an inner query leaves it out; here there is: {listing(offered)}"
    hint = f"did you mean {near[0]!r}? " if near else ""
    by_table = {table: [column.name for column in columns] for table, columns in inputs.items() if columns}
    return (hint + "; ".join(f"columns of {table}: {listing(names)}" for table, names in by_table.items())).strip()


def columns_here_hint(name: str, known: Sequence[str]) -> str:
    """`did you mean 'ab'? columns here: ab, c`, where only names are known."""
    near = closest(name, known)
    listed = f"columns here: {listing(known)}" if known else ""
    return f"did you mean {near[0]!r}? {listed}" if near else listed


def listing(names: Sequence[str]) -> str:
    """Names with commas, cut where there are many."""
    more = f", … ({len(names)} in all)" if len(names) > MAX_LISTED else ""
    return ", ".join(names[:MAX_LISTED]) + more


def clash(first: str, second: str) -> str:
    """Two columns of a result that SQL can not tell apart."""
    return f"the columns {first!r} and {second!r} of the result differ only in case"


def joined(message: str, hint: str) -> str:
    """Both in one text."""
    return f"{message}; {hint}" if hint else message


def find_name(name: str, written: str) -> int | None:
    """Where an identifier stands in a text, if it does so exactly once."""
    if not name:
        return None
    found = [match.start() for match in re.finditer(rf"(?<!\w){re.escape(name)}(?!\w)", written, re.IGNORECASE)]
    return found[0] if len(found) == 1 else None


def on_both(dialect: str, target: str) -> str:
    """The way out where a translation can not be right."""
    return f"write it in a way that both {dialect} and {target} know"


def place_in(written: str, sql: str, offset: int | None) -> int | None:
    """The place in a text as written of a place in its translation: the same occurrence of the same name."""
    if offset is None or written.startswith(sql):
        return offset
    return _same_occurrence(sql, offset, written)


def _same_occurrence(sql: str, offset: int, written: str) -> int | None:
    """The place in `written` of the identifier at `offset` of its translation, where both have it equally often."""
    match = re.compile(r'["`]?(\w+)').match(sql, offset)
    if match is None:
        return None
    pattern = re.compile(rf"(?<!\w){re.escape(match[1])}(?!\w)", re.IGNORECASE)
    ours = [found.start() for found in pattern.finditer(sql)]
    theirs = [found.start() for found in pattern.finditer(written)]
    if len(ours) == len(theirs) and match.start(1) in ours:
        return theirs[ours.index(match.start(1))]
    return theirs[0] if len(theirs) == 1 else None
