"""Spark's errors, told to the user: short, in the words of the pipeline, at the place in the SQL as written.

An error of Spark comes as a class of pyspark (with a condition such as `UNRESOLVED_COLUMN` and parameters), or bare
from the JVM, as a text with its whole trace. Both are read into `Raised`. What an error means is in tables by
condition: the words are those of every engine (`odibi.engine.words`), so that a fault reads the same everywhere.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from odibi.engine import words
from odibi.engine.spark.platform import explain_refusal
from odibi.engine.words import TRY_CAST, WIDER, Inputs, Told, joined
from odibi.errors import AccessError, DataError, DataNotFoundError, OdibiError, SqlError
from odibi.types import Column

LOG = logging.getLogger("odibi.spark")

AT_END = "syntax error at the end of the SQL"
Place = Callable[["Raised"], "int | None"]
"""Gives the place in the user's text of what an error points to in the text as run."""

_CONDITION = re.compile(r"\[([A-Z][A-Z0-9_]{3,}(?:\.[A-Z0-9_]+)*)\]")
_JVM = re.compile(
    r"^(?::|Caused by:)?\s*(?P<kind>[a-z][\w$]*(?:\.[\w$]+)+(?:Error|Exception|Throwable)\w*)(?:: (?P<text>.*))?$"
)
_TRACE = re.compile(r"\n\s*(?:at \S+\(|\.\.\. \d+ more|Driver stacktrace:|JVM stacktrace:)")
_VIEW = re.compile(r"`?_pyspark_(?:connect_temp_view_)?[0-9a-f]{32}`?")
_SQLSTATE = re.compile(r"\s*SQLSTATE: \w+")
_BLIND = re.compile(r"^\s*\[(?:TASK_WRITE_FAILED|WRITING_JOB_ABORTED)\]")
_WRAPPERS = re.compile(r"\[(?:TASK_WRITE_FAILED|FAILED_READ_FILE\.NO_HINT)\]|Job aborted|Writing job aborted")
"""What Spark says around the error of a task."""
_LINE = re.compile(r"\bline (?P<line>\d+),? (?P<unit>pos|position) (?P<column>\d+)")
_NAME = re.compile(r"`((?:[^`]|``)*)`")


@dataclass(frozen=True)
class Raised:
    """An error of Spark, read. `start` is where the SQL as run is at fault (None where nobody knows), `fragment` what
    stands there; `line` and `column` say the same where only those are told, both from 1. `kind` is the JVM's class
    or pyspark's, `classes` are those of its causes, and `cause` says what the deepest of them does. `whole` is all of
    the text."""

    kind: str
    condition: str
    text: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    start: int | None = None
    fragment: str = ""
    line: int = 0
    column: int = 0
    call_site: str = ""
    cause: str = ""
    classes: str = ""
    whole: str = field(default="", repr=False)

    @property
    def main(self) -> str:
        """The condition without what comes behind the dot."""
        return self.condition.partition(".")[0]

    def name(self, key: str) -> str:
        """The last part of a quoted name among the parameters."""
        return _names(self.parameters.get(key, ""))[-1:][0] if _names(self.parameters.get(key, "")) else ""


def spark_errors() -> tuple[type[BaseException], ...]:
    """The classes of what Spark raises."""
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException

    grpc = sys.modules.get("grpc")
    return (PySparkException, Py4JError, *((grpc.RpcError,) if grpc is not None else ()))


def explain(
    error: BaseException,
    written: str | None = None,
    inputs: Mapping[str, tuple[Column, ...] | None] | None = None,
    place: Place | None = None,
) -> OdibiError:
    """The error to raise from `error`.

    `written` is the user's SQL, None where the query is our own; `inputs` are the frames that it may name, with their
    columns; `place` finds the place in `written`. The JVM's trace goes to the log at level DEBUG, and nowhere else.
    """
    LOG.debug("Spark raised: %s", error)
    raised = replace(read(error), whole=str(error))
    refused = explain_refusal(error)
    if refused is not None:
        return refused
    told = tell_sql(raised, inputs or {})
    if told is not None:
        return SqlError(joined(*told), _offset(raised, told[0], written, place) if written is not None else None)
    for teller in (_of_gone_files, _of_stored_files, _of_function, _of_formats, _of_storage, _of_machine, _of_files):
        found = teller(raised)
        if found is not None:
            return found
    return DataError(joined(*tell_data(raised)))


def _offset(raised: Raised, message: str, written: str, place: Place | None) -> int | None:
    """Where Spark points to, if that is one name; else where the name of the message stands, if it does so once."""
    offset = place(raised) if place is not None else None
    if offset is not None and re.fullmatch(r"[\w.`]+(?:\(.*\))?", raised.fragment, re.DOTALL):
        return offset
    named = re.match(r"(?:there is no \w+ |column |the struct has no field )'([^']+)'", message)
    found = words.find_name(named[1], written) if named is not None else None
    return offset if found is None else found


def underlying(error: BaseException, data: Any) -> BaseException:
    """The error behind a failed write. Spark Connect tells of a failed task nothing but that it failed: what went wrong
    is then found by computing the rows of `data` once more. Any other error is returned as it is."""
    if not _is_pyspark(error) or not _BLIND.search(str(error)) or _trace(error):
        return error
    try:
        data.write.format("noop").mode("overwrite").save()
    except spark_errors() as found:
        return found
    return error


def is_interrupt(error: BaseException) -> bool:
    """True for the error by which work of ours ends that was cancelled, or whose JVM Ctrl-C took away."""
    for each in _causes(error):
        kind = type(each).__name__
        if kind == "Py4JNetworkError":
            return True
        if kind.startswith("Py4J") or _is_pyspark(each):
            text = str(each)
            if "OPERATION_CANCELED" in text or "OPERATION_ABANDONED" in text:
                return True
            if re.search(r"cancell?ed", text, re.IGNORECASE) and re.search(
                r"\bodibi-\d+-\d+|SparkContext was shut down", text
            ):
                return True
    return False


# What may be gone a moment later; an analysis that failed never is.
_PASSING = re.compile(
    r"ExecutorLostFailure|FetchFailed|executor \S+ (?:exited|lost)|ExecutorDeadException"
    r"|BlockManager \S+ (?:lost|not found)"
    r"|StatusCode\.UNAVAILABLE|\bUNAVAILABLE\b:|SocketTimeoutException|ConnectException|UnknownHostException"
    r"|SocketException|NoRouteToHostException|Connection (?:reset|refused|timed out)|Read timed out|Broken pipe"
    r"|status code: (?:408|429|5\d\d)|,\s*(?:429|500|502|503|504),|TooManyRequests|ServerBusy|OperationTimedOut"
    r"|INTERNAL_ERROR_NETWORK|temporarily unavailable|Slow ?Down",
    re.IGNORECASE,
)


def is_transient(error: BaseException) -> bool:
    """True for an I/O error, a lost executor or an unreachable server, which may be gone at the next try."""
    return any(
        (type(each).__name__.startswith("Py4J") or _is_pyspark(each) or _is_rpc(each))
        and not _is_analysis(each)
        and _PASSING.search(str(each))
        for each in _causes(error)
    )


def is_out_of_touch(error: BaseException) -> bool:
    """True where a server of Spark Connect no longer answers: what it was to do it may still do."""
    return any(
        (_is_rpc(each) or type(each).__name__ in ("SparkConnectGrpcException", "RetriesExceeded"))
        and _PASSING.search(str(each))
        for each in _causes(error)
    )


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def _is_pyspark(error: BaseException) -> bool:
    return type(error).__module__.startswith("pyspark.errors")


def _is_rpc(error: BaseException) -> bool:
    return type(error).__module__.startswith("grpc")


def _is_analysis(error: BaseException) -> bool:
    return any(kind.__name__ == "AnalysisException" for kind in type(error).__mro__)


# -- reading -----------------------------------------------------------------------------------------------------------


def read(error: BaseException) -> Raised:
    """Take an error of Spark apart."""
    text = str(error)
    if not _is_pyspark(error):
        return _from_jvm(type(error).__name__, text)
    condition = str(_ask(error, "getCondition" if hasattr(error, "getCondition") else "getErrorClass") or "")
    found = _CONDITION.search(text)
    trace = _trace(error) if (not condition and found is None) or _WRAPPERS.search(text) else ""
    if trace:
        return _from_jvm(type(error).__name__, trace)
    context = _context(error) or {"fragment": _fragment(text)}
    line, column = _line_of(text)
    return Raised(
        kind=type(error).__name__,
        condition=condition or (found[1] if found else ""),
        text=_short(text),
        parameters={str(key): str(value) for key, value in (_ask(error, "getMessageParameters") or {}).items()},
        line=line,
        column=column,
        **context,
    )


def _trace(error: BaseException) -> str:
    """The text of the JVM with its causes, where pyspark has it; empty where no cause is named."""
    text = str(error)
    held = str(getattr(error, "_stackTrace", None) or getattr(error, "_stacktrace", None) or "")
    return next((each for each in (text, held) if "Caused by:" in each), "" if _CONDITION.search(text) else text)


def _ask(error: BaseException, method: str) -> Any:
    """What a getter of pyspark says; None where this release has none."""
    getter = getattr(error, method, None)
    return getter() if getter is not None else None


def _context(error: BaseException) -> dict[str, Any]:
    """Where the error is: in SQL (a place and what stands there) or in a Python call."""
    for each in _ask(error, "getQueryContext") or ():
        if each.contextType().name != "SQL":
            return {"call_site": str(each.callSite()), "fragment": str(each.fragment())}
        if each.startIndex() >= 0 and each.fragment():
            return {"start": int(each.startIndex()), "fragment": str(each.fragment())}
    return {}


def _line_of(text: str) -> tuple[int, int]:
    """Line and column from 1: `line 2 pos 8` and `(line 2, pos 8)` count columns from 0, `position 9` from 1."""
    found = _LINE.search(text)
    if found is None:
        return 0, 0
    return int(found["line"]), int(found["column"]) + (found["unit"] == "pos")


def _from_jvm(kind: str, text: str) -> Raised:
    """From the text of an error that pyspark has no class for: the first cause with a condition that is no wrapper of
    another one, else the deepest."""
    causes = list(_jvm_causes(text))
    with_condition = [cause for cause in causes if _CONDITION.search(cause[1])]
    named = next((cause for cause in with_condition if not _WRAPPERS.search(cause[1])), None)
    named = named or next((cause for cause in with_condition if "[FAILED_READ_FILE" in cause[1]), None)
    named = named or (with_condition[0] if with_condition and causes[-1] in with_condition else None)
    kind, said = named or (causes[-1] if causes else (kind, text))
    found = _CONDITION.search(said)
    line, column = _line_of(said)
    condition = found[1] if found else ""
    return Raised(
        kind.rpartition(".")[2],
        condition,
        _short(said),
        fragment=_fragment(said),
        line=line,
        column=column,
        cause=_first_line(causes[-1][1]) if named is not None and causes[-1] != named else "",
        classes=" ".join(name.rpartition(".")[2] for name, _ in causes),
    )


def _fragment(text: str) -> str:
    """What the carets stand under in `== SQL (line 1, position 9) ==`, where all of it is shown."""
    found = re.search(r"== SQL[^\n]* ==\n(?P<line>[^\n]*)\n(?P<indent> *)(?P<carets>\^+)", text)
    if found is None:
        return ""
    start = len(found["indent"])
    shown = found["line"][start : start + len(found["carets"])]
    return "" if "..." in shown or _VIEW.search(shown) else shown


def _jvm_causes(text: str) -> Iterator[tuple[str, str]]:
    """(class, message) of an error of the JVM and of what it was caused by, from its trace."""
    lines = text.split("\n")
    for number, line in enumerate(lines):
        found = _JVM.match(line)
        if found is None:
            continue
        said = [found["text"] or ""]
        for more in lines[number + 1 :]:
            if re.match(r"\s*at \S+\(|\s*\.\.\. \d+ more|Caused by:", more):
                break
            said.append(more)
        yield found["kind"], "\n".join(said).strip()


def _short(text: str) -> str:
    """Without the trace, the plan, the SQL as run and the names of our own."""
    text = _TRACE.split(text.strip(), maxsplit=1)[0]
    text = text.partition("\n== SQL")[0].partition("\n== DataFrame ==")[0]
    text = re.sub(r"; line \d+ pos \d+;?(?:\n.*)?$", "", text, flags=re.DOTALL)
    text = _SQLSTATE.sub("", text)
    text = re.sub(r";\n['+:\-\s].*$", "", text, flags=re.DOTALL)
    return _VIEW.sub("the input", text).strip()


def clean(raised: Raised) -> str:
    """Spark's own words, without the condition in front, its places, and the settings that it would switch off."""
    text = _CONDITION.sub("", raised.text, count=1).strip()
    text = " ".join(re.sub(r"\(line \d+, pos \d+\)", "", text).split())
    sentences = re.split(r"(?<=[.!?]) (?=[A-Z])", text)
    kept = [each for each in sentences if not re.search(r"\bspark\.\w+\.", each)] or sentences[:1]
    return " ".join(kept).rstrip(".")[:600]


def _first_line(text: str) -> str:
    return text.partition("\n")[0].strip().rstrip(".!")


def _names(text: str) -> list[str]:
    """The parts of `` `t`.`c` ``, without quotes."""
    return [part.replace("``", "`") for part in _NAME.findall(text)]


def _bare(text: str) -> str:
    """`"INT"` without quotes."""
    return text.strip('"')


# -- what is wrong with the SQL ----------------------------------------------------------------------------------------


def tell_sql(raised: Raised, inputs: Inputs) -> Told | None:
    """Message and hint for SQL that does not parse or does not fit its inputs; None where that is not the fault."""
    if raised.kind == "StackOverflowError" or "StackOverflowError" in raised.text:
        return words.TOO_DEEP
    for condition in (raised.condition, raised.main):
        teller = _SQL.get(condition)
        if teller is not None:
            return teller(raised, inputs)
    if raised.kind in ("AnalysisException", "ParseException") and raised.main not in _NOT_OF_SQL:
        return clean(raised), ""
    return None


def _no_column(raised: Raised, inputs: Inputs) -> Told:
    path = _names(raised.parameters.get("objectName", "")) or _names(raised.text)[:1] or [raised.fragment]
    proposed = re.findall(r"((?:`(?:[^`]|``)*`\.?)+)", raised.parameters.get("proposal", ""))
    offered = [found[-1] for found in map(_names, proposed) if found]
    if len(path) == 1:
        return words.no_column(path[0], words.columns_hint(path[0], offered, inputs))
    tables = {_names(each)[-2].lower() for each in proposed if len(_names(each)) > 1}
    if tables and path[-2].lower() not in tables and path[-2].lower() not in map(str.lower, offered):
        return words.no_table(".".join(path[:-1]), [*sorted(tables), *inputs])
    own = {key: columns for key, columns in inputs.items() if key.lower() == path[-2].lower()}
    return words.no_column_in(path[-2], path[-1], words.columns_hint(path[-1], offered, own or inputs))


def _no_table(raised: Raised, inputs: Inputs) -> Told:
    path = _names(raised.parameters.get("relationName", "")) or _names(raised.text)[:1]
    return words.no_input(".".join(path), path, inputs)


def _outside(raised: Raised, inputs: Inputs) -> Told:
    return f"{raised.fragment or 'a name in FROM'!r} can not be read here", words.NO_WORLD


def _syntax(raised: Raised, inputs: Inputs) -> Told:
    near = raised.parameters.get("error", "")
    if not near:
        found = re.search(r"at or near (end of input|'.*?')(?:[:.]|$)", raised.text)
        near = found[1] if found else "end of input"
    if near in ("end of input", "'<EOF>'"):
        return AT_END, ""
    return words.syntax_error(f'"{near[1:-1]}"' if near[:1] == near[-1:] == "'" else near)


def _no_routine(raised: Raised, inputs: Inputs) -> Told:
    name = raised.name("routineName") or (_names(raised.text)[:1] or [raised.fragment.partition("(")[0]])[0]
    return words.no_function(name.lower(), _known_functions())


def _known_functions() -> Sequence[str]:
    from sqlglot.dialects.dialect import Dialect

    return sorted(name.lower() for name in Dialect.get_or_raise("spark").parser_class.FUNCTIONS)


def _no_type(raised: Raised, inputs: Inputs) -> Told:
    return words.no_function(_bare(raised.parameters.get("typeName", "")) or raised.fragment, (), "type")


def _grouped(raised: Raised, inputs: Inputs) -> Told:
    expression = _bare(raised.parameters.get("expression", "")) or raised.fragment
    return words.group_by(expression.rpartition(".")[2] if re.fullmatch(r"[\w.]+", expression) else expression)


def _no_group(raised: Raised, inputs: Inputs) -> Told:
    return (
        "a column beside an aggregate must be in GROUP BY or in an aggregate function",
        "add GROUP BY, or use any_value(…) where any of its values will do",
    )


def _ambiguous(raised: Raised, inputs: Inputs) -> Told:
    name = (_names(raised.parameters.get("name", "")) or [raised.fragment])[-1]
    ways = re.findall(r"((?:`(?:[^`]|``)*`\.?)+)", raised.parameters.get("referenceNames", ""))
    told = sorted({".".join(_names(way)[-2:]) for way in ways})
    return words.ambiguous(name, " or ".join(told) if len(told) > 1 else "")


def _mismatch(raised: Raised, inputs: Inputs) -> Told:
    parameters = raised.parameters
    called = _bare(parameters.get("sqlExpr", "")) or raised.fragment
    takes = _bare(parameters.get("requiredType", "")).replace('"', "").strip("()")
    has = _bare(parameters.get("inputType", "") or parameters.get("actualType", "")).replace('"', "")
    if takes and has:
        return f"no function fits {called}: it takes {takes} and is given {has}", "cast the arguments"
    if raised.condition.endswith("BINARY_OP_DIFF_TYPES"):
        left, right = _bare(parameters.get("left", "")), _bare(parameters.get("right", ""))
        return f"no function fits {called}: {left} and {right} are different types", "cast the arguments"
    if raised.condition.endswith("CAST_WITHOUT_SUGGESTION") or ".CAST_WITH" in raised.condition:
        source, target = _bare(parameters.get("srcType", "")), _bare(parameters.get("targetType", ""))
        return f"{source} can not be cast to {target}", ""
    return words.wrong_arguments(called)


def _wrong_count(raised: Raised, inputs: Inputs) -> Told:
    parameters = raised.parameters
    name, takes = raised.name("functionName"), _bare(parameters.get("expectedNum", ""))
    given = _bare(parameters.get("actualNum", ""))
    if name and takes and given:
        return f"{name}() takes {takes} arguments and is given {given}", ""
    return words.wrong_arguments(raised.fragment or name)


def _no_field(raised: Raised, inputs: Inputs) -> Told:
    return words.no_field(raised.name("fieldName"), _names(raised.parameters.get("fields", "")))


def _no_struct(raised: Raised, inputs: Inputs) -> Told:
    whole = _bare(raised.parameters.get("sqlExpr", "") or raised.parameters.get("baseExpr", "")) or raised.fragment
    return f"{whole!r} is no struct, map or array: nothing can be taken out of it", ""


def _union_width(raised: Raised, inputs: Inputs) -> Told:
    return "set operations can only apply to expressions with the same number of result columns", ""


def _where(raised: Raised, inputs: Inputs) -> Told:
    what = "window functions" if "window" in raised.parameters.get("expressionList", "").lower() else "aggregates"
    return f"WHERE clause cannot contain {what}", "use HAVING, or QUALIFY, or a query around this one"


def _not_boolean(raised: Raised, inputs: Inputs) -> Told:
    given = _bare(raised.parameters.get("type", ""))
    return f"a condition is true or false, and {_bare(raised.parameters.get('filter', ''))} is {given}", "compare it"


def _parameter(raised: Raised, inputs: Inputs) -> Told:
    return "a query parameter (`?` or `:name`) has no value here", words.PARAMETER_HINT


def _own_words(raised: Raised, inputs: Inputs) -> Told:
    return clean(raised), ""


def _duplicate(raised: Raised, inputs: Inputs) -> Told:
    name = raised.name("columnName") or raised.fragment
    return f"the column {name!r} is there twice", "give one of them another name (AS …)"


_SQL: Mapping[str, Callable[[Raised, Inputs], Told]] = {
    "UNRESOLVED_COLUMN": _no_column,
    "UNRESOLVED_MAP_KEY": _no_column,
    "UNRESOLVED_USING_COLUMN_FOR_JOIN": lambda raised, inputs: words.no_column(
        raised.name("colName"), words.columns_hint(raised.name("colName"), (), inputs)
    ),
    "TABLE_OR_VIEW_NOT_FOUND": _no_table,
    "REQUIRES_SINGLE_PART_NAMESPACE": _outside,
    "PARSE_SYNTAX_ERROR": _syntax,
    "FAILED_TO_PARSE_TOO_COMPLEX": lambda raised, inputs: words.TOO_DEEP,
    "PARSE_EMPTY_STATEMENT": lambda raised, inputs: words.EMPTY,
    "UNRESOLVED_ROUTINE": _no_routine,
    "UNRESOLVABLE_TABLE_VALUED_FUNCTION": lambda raised, inputs: words.no_world_table_function(
        _bare(raised.name("name") or raised.parameters.get("name", "")).lower()
    ),
    "UNSUPPORTED_DATATYPE": _no_type,
    "MISSING_GROUP_BY": _no_group,
    "MISSING_AGGREGATION": _grouped,
    "AMBIGUOUS_REFERENCE": _ambiguous,
    "DATATYPE_MISMATCH": _mismatch,
    "WRONG_NUM_ARGS": _wrong_count,
    "FIELD_NOT_FOUND": _no_field,
    "INVALID_EXTRACT_BASE_FIELD_TYPE": _no_struct,
    "NUM_COLUMNS_MISMATCH": _union_width,
    "INVALID_WHERE_CONDITION": _where,
    "DATATYPE_MISMATCH.FILTER_NOT_BOOLEAN": _not_boolean,
    "UNBOUND_SQL_PARAMETER": _parameter,
    "INVALID_IDENTIFIER": lambda raised, inputs: (
        f"the name {raised.parameters.get('ident', raised.fragment)!r} must stand in backticks",
        f"write `{raised.parameters.get('ident', raised.fragment)}`",
    ),
    "COLUMN_ALREADY_EXISTS": _duplicate,
}
"""By condition, whole or without what comes behind its dot. What is not here is told in Spark's own words."""
_NOT_OF_SQL = frozenset({
    "PATH_NOT_FOUND", "PATH_ALREADY_EXISTS", "UNABLE_TO_INFER_SCHEMA", "DELTA_TABLE_NOT_FOUND", "DELTA_PATH_EXISTS",
    "FAILED_READ_FILE", "USER_RAISED_EXCEPTION",
})  # fmt: skip


# -- what is wrong with the data ---------------------------------------------------------------------------------------

_SHAPES = {"DATE": "YYYY-MM-DD", "TIMESTAMP": "YYYY-MM-DD HH:MM:SS", "TIMESTAMP_NTZ": "YYYY-MM-DD HH:MM:SS"}


def tell_data(raised: Raised) -> Told:
    """Message and hint for values that a query could not compute."""
    teller = _DATA.get(raised.main)
    if teller is not None:
        return teller(raised)
    said = clean(raised) or raised.kind
    return f"{said} ({raised.cause})" if raised.cause else said, ""


def _no_value(raised: Raised) -> Told:
    """A text that is no number, date or boolean."""
    value, target = raised.parameters.get("expression", ""), _bare(raised.parameters.get("targetType", ""))
    if not target:
        found = re.search(r"The value (.*?) of the type .*? cannot be cast to \"(\w+)", raised.text, re.DOTALL)
        value, target = (found[1], found[2]) if found else ("the value", "of its type")
    shape = _SHAPES.get(target)
    if shape is not None:
        said = f"{value} is not a {target.lower()}{_column(raised)}; it should look like {shape}"
        return said, f"{TRY_CAST}; {'to_date' if target == 'DATE' else 'to_timestamp'}() reads other formats"
    return f"{value} is not {target}{_column(raised)}", TRY_CAST


def _no_room(raised: Raised) -> Told:
    """A value that is too large for its type."""
    value, target = raised.parameters.get("value", ""), _bare(raised.parameters.get("targetType", ""))
    if not target and raised.parameters.get("precision"):
        target = f"DECIMAL({raised.parameters['precision']},{raised.parameters.get('scale', '0')})"
    if not target:
        said = _CONDITION.sub("", raised.text, count=1)
        found = re.search(r"(\S+)(?: of the type \S+)? cannot be (?:cast to|represented as) \"?([\w(), ]+)", said)
        value, target = (found[1], found[2].strip()) if found else ("a value", "its type")
    number = re.sub(r"(?<=\d)[LDSBF]$|(?<=\d)BD$", "", value)
    return f"{number} does not fit {target.upper()}{_column(raised)}", WIDER


def _column(raised: Raised) -> str:
    """` (column 'x')`, where the fragment is a cast of a column."""
    found = re.match(r"(?:try_)?cast\(\s*`?([\w.]+)`?\s+as\b|`?([\w.]+)`?::", raised.fragment, re.IGNORECASE)
    name = (found[1] or found[2]).rpartition(".")[2] if found else ""
    return f" (column {name!r})" if name and not name.isdigit() else ""


def _overflow(raised: Raised) -> Told:
    what = f": {raised.fragment} does not fit its type" if raised.fragment else " of an integer or decimal"
    return f"overflow{what}", words.OVERFLOW_HINT


def _division(raised: Raised) -> Told:
    return f"division by zero in ({raised.fragment})" if raised.fragment else "division by zero", words.DIVISION_HINT


def _several_rows(raised: Raised) -> Told:
    return words.ONE_VALUE


def _index(raised: Raised) -> Told:
    index, size = raised.parameters.get("indexValue", ""), raised.parameters.get("arraySize", "")
    what = f"index {index} is outside of an array of {size}" if index else "an index is outside of its array"
    return what, "try_element_at(), or get(), gives NULL for such an index"


def _no_time(raised: Raised) -> Told:
    found = re.search(r"Text '(.*?)' could not be parsed", raised.text, re.DOTALL)
    value = f"{found[1]!r} does" if found else "a value does"
    return f"{value} not have the format", "try_to_timestamp() gives NULL for such values"


def _raised_by_user(raised: Raised) -> Told:
    return raised.parameters.get("errorMessage") or clean(raised), ""


def _no_json(raised: Raised) -> Told:
    found = re.search(r"record parsing: (.*?)\.\s", raised.text + " ", re.DOTALL)
    return f"{found[1]!r} is not JSON" if found else clean(raised), ""


_DATA: Mapping[str, Callable[[Raised], Told]] = {
    "CAST_INVALID_INPUT": _no_value,
    "CAST_OVERFLOW": _no_room,
    "CAST_OVERFLOW_IN_TABLE_INSERT": _no_room,
    "NUMERIC_VALUE_OUT_OF_RANGE": _no_room,
    "ARITHMETIC_OVERFLOW": _overflow,
    "BINARY_ARITHMETIC_OVERFLOW": _overflow,
    "DIVIDE_BY_ZERO": _division,
    "REMAINDER_BY_ZERO": _division,
    "INTERVAL_DIVIDED_BY_ZERO": _division,
    "SCALAR_SUBQUERY_TOO_MANY_ROWS": _several_rows,
    "INVALID_ARRAY_INDEX": _index,
    "INVALID_ARRAY_INDEX_IN_ELEMENT_AT": _index,
    "CANNOT_PARSE_TIMESTAMP": _no_time,
    "USER_RAISED_EXCEPTION": _raised_by_user,
    "MALFORMED_RECORD_IN_PARSING": _no_json,
}


# -- functions, files and the machine ----------------------------------------------------------------------------------

_TRACE_LINE = re.compile(r'^\s*File "(?P<file>[^"]+)", line (?P<line>\d+), in (?P<name>\S+)', re.MULTILINE)
_LIBRARIES = re.compile(r"[/\\](?:site-packages|dist-packages|pyspark|lib[/\\]python3[^/\\]*)[/\\]")


def _of_function(raised: Raised) -> OdibiError | None:
    """An exception of a user's Python function that ran in a worker: the deepest line that is no library's."""
    trace = raised.parameters.get("traceback") or raised.text
    if raised.main != "PYTHON_EXCEPTION" and raised.kind != "PythonException" and "Traceback (most" not in trace:
        return None
    tail = trace[trace.rfind("Traceback (most") :]
    lines = list(_TRACE_LINE.finditer(tail))
    own = [line for line in lines if not _LIBRARIES.search(line["file"])] or lines
    said = tail[lines[-1].end() :] if lines else tail
    thrown = re.search(r"^(?P<kind>[A-Za-z_][\w.]*)(?:: (?P<text>.*))?$", said, re.MULTILINE | re.DOTALL)
    what = " ".join(thrown[0].split())[:400] if thrown else clean(raised)
    missing = re.search(r"ModuleNotFoundError: No module named '([\w.]+)'", said)
    inside = "; the module is not on the executors: import it at the top of the file, not inside the function"
    hint = f"{inside}, or install it there" if missing else ""
    if not own:
        return OdibiError(f"a Python function failed: {what}{hint}")
    return OdibiError(f"function {own[-1]['name']!r} failed: {what}{hint}\n  at {own[-1]['file']}:{own[-1]['line']}")


_GONE = re.compile(r"(?:reading file|Path does not exist:?|File)\s+(?P<path>\S+?)\.? File does not exist")


def _of_gone_files(raised: Raised) -> OdibiError | None:
    """A data file that was there when the query was planned."""
    found = _GONE.search(raised.text)
    if found is None:
        return None
    path = re.sub(r"^file:/*(?=/|[A-Za-z]:)", "", found["path"])
    table = next((str(each) for each in Path(path).parents if (each / "_delta_log").is_dir()), None)
    if table is not None:
        return DataNotFoundError(
            f"{table}: the log lists the data file {Path(path).name}, which is gone; restore the file from a copy"
        )
    return DataNotFoundError(f"{path!r} is gone: it was deleted or replaced while it was read; run it again")


def _of_stored_files(raised: Raised) -> OdibiError | None:
    """What a file could not be read for, with its line where that can be told."""
    from odibi.engine.spark.delta.problems import of_log
    from odibi.engine.spark.formats.explain import explain as explain_file

    return of_log(raised) or explain_file(raised.whole)


def _of_formats(raised: Raised) -> OdibiError | None:
    """What odibi's own readers and casts raise inside a job, as they say it."""
    said = raised.parameters.get("errorMessage", "") if raised.main == "USER_RAISED_EXCEPTION" else ""
    if raised.main == "USER_RAISED_EXCEPTION" and not said:
        said = clean(raised)
    return DataError(said.removeprefix("odibi: ")) if said.startswith("odibi: ") else None


_MORE_MEMORY = (
    "give Spark more memory (spark.driver.memory, spark.executor.memory), or run with fewer workers (--workers 1)"
)


def _of_machine(raised: Raised) -> OdibiError | None:
    """Memory, disks, executors and servers."""
    text = f"{raised.kind} {raised.classes}: {raised.text} {raised.cause}"
    if re.search(r"OutOfMemoryError|UNABLE_TO_ACQUIRE_MEMORY|Container killed|exit (?:code|status) 137|\bOOM\b", text):
        return AccessError(f"out of memory: {_told(raised)}; {_MORE_MEMORY}")
    if re.search(r"No space left|disk (?:is )?full|DISK_FULL", text, re.IGNORECASE):
        return AccessError(f"no space left on the disk ({_told(raised)}); free some, or write elsewhere")
    if re.search(r"ExecutorLostFailure|ExecutorDeadException", text):
        return AccessError(f"Spark lost an executor: {_told(raised)}; run it again, or look at the cluster's log")
    if re.search(r"\bUNAVAILABLE\b|Py4JNetworkError|ConnectionRefused", text):
        return AccessError(f"the Spark server can not be reached: {_told(raised)}; is it running?")
    if re.search(r"cancell?ed", text, re.IGNORECASE) and re.search(r"Job|Stage|operation", text, re.IGNORECASE):
        return OdibiError(f"the Spark job was cancelled from outside: {_told(raised)}")
    return None


def _of_storage(raised: Raised) -> OdibiError | None:
    """What a cloud's storage refused; it is told from the whole trace."""
    from odibi.engine.spark import storage

    return storage.explain(raised.whole)


_READ_FILE = re.compile(
    r"(?:reading file|Path does not exist:?|File)\s+'?(?P<path>(?:[a-z]+:)?/\S+?)'?(?:\.?\s|\.?$| does not)"
)


def _of_files(raised: Raised) -> OdibiError | None:
    """Files that are gone, damaged or closed to us."""
    text = f"{raised.kind} {raised.classes}: {raised.text} {raised.cause}"
    found = _READ_FILE.search(raised.text)
    found = found or re.search(r"(?P<path>(?:[a-z]+:)?/\S+) is not a Parquet file", text)
    path = raised.parameters.get("path") or (found["path"] if found else "")
    path = re.sub(r"^file:/*", "/", path)
    if re.search(r"PATH_NOT_FOUND|FILE_NOT_EXIST|FileNotFoundException|File does not exist|NoSuchFile", text):
        return DataNotFoundError(f"there is no file {path!r}" if path else _told(raised))
    if re.search(r"Permission denied|AccessControlException|AccessDenied|Mkdirs failed|Operation not permitted", text):
        return AccessError(f"no permission to open {path!r}" if path else f"no permission: {_told(raised)}")
    if re.search(r"is not a Parquet file|magic number|Could not read footer|too small to be a Parquet", text):
        hint = "it was cut off or is of another format; write it again"
        return DataError(f"{path!r} is not a whole Parquet file; {hint}")
    if raised.main == "FAILED_READ_FILE":
        return DataError(
            f"{path!r} is damaged ({raised.cause or clean(raised)}); restore it from a copy, or write it again"
        )
    return None


def _told(raised: Raised) -> str:
    """One line of what Spark says."""
    return clean(raised)[:300] or raised.kind
