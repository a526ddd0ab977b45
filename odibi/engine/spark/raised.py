"""An error of Spark, taken apart.

It comes as a class of pyspark (with a condition such as `UNRESOLVED_COLUMN` and parameters), or bare from the JVM, as a
text with its whole trace. Both are read into `Raised`, on which the tables of `sql_problems` and `data_problems` go by.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from odibi.engine.spark.kinds import is_pyspark, spark_errors

LOG = logging.getLogger("odibi.spark")
OURS = "odibi: "
"""What the text of an error begins with that an expression or a reader of ours raises; the rest is for the user."""

_CONDITION = re.compile(r"\[([A-Z][A-Z0-9_]{3,}(?:\.[A-Z0-9_]+)*)\]")
_JVM = re.compile(
    r"^(?::|Caused by:)?\s*(?P<kind>[a-z][\w$]*(?:\.[\w$]+)+(?:Error|Exception|Throwable)\w*)(?:: (?P<text>.*))?$"
)
_SERVERS_TRACE = "\n\nJVM stacktrace:"
"""What Spark Connect puts between a message and the trace, in which the message may be left out."""
_TRACE = re.compile(r"\n\s*(?:at \S+\(|\.\.\. \d+ more|Driver stacktrace:|JVM stacktrace:)")
VIEW = r"_pyspark_(?:connect_temp_view_)?[0-9a-f]{32}"
"""What pyspark calls the view that stands for a frame in a text, on classic Spark and on Connect."""
_VIEW = re.compile(f"`?{VIEW}`?")
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
    cause: str = ""
    classes: str = ""
    whole: str = field(default="", repr=False)

    @property
    def main(self) -> str:
        """The condition without what comes behind the dot."""
        return self.condition.partition(".")[0]

    def name(self, key: str) -> str:
        """The last part of a quoted name among the parameters."""
        found = names_in(self.parameters.get(key, ""))
        return found[-1] if found else ""


_BEFORE_SPARK_4 = (
    (re.compile(r"Encountered error while reading file (\S+?)\. Details:"),
     r"[FAILED_READ_FILE.NO_HINT] Encountered error while reading file \1. SQLSTATE: KD001"),
    (re.compile(r"File (\S+) does not exist\nIt is possible the underlying files have been updated"),
     r"[FAILED_READ_FILE.FILE_NOT_EXIST] Encountered error while reading file \1. File does not exist"),
)  # fmt: skip
"""What older Spark says without a condition, and how newer Spark says it."""


def read(error: BaseException) -> Raised:
    """Take an error of Spark apart."""
    text = _as_newer(str(error))
    return replace(_read(error, text), whole=text)


def _as_newer(text: str) -> str:
    for old, new in _BEFORE_SPARK_4:
        text = old.sub(new, text)
    return text


def _read(error: BaseException, text: str) -> Raised:
    if not is_pyspark(error):
        return _from_jvm(type(error).__name__, text)
    condition = condition_of(error)
    trace = _trace(error) if not condition or _WRAPPERS.search(text) else ""
    if trace:
        return _from_jvm(type(error).__name__, _as_newer(trace))
    context = _context(error) or {"fragment": _fragment(text)}
    line, column = _line_of(text)
    return Raised(
        kind=type(error).__name__,
        condition=condition,
        text=_short(text),
        parameters={str(key): str(value) for key, value in (_ask(error, "getMessageParameters") or {}).items()},
        line=line,
        column=column,
        **context,
    )


def condition_of(error: BaseException) -> str:
    """The error condition, e.g. `CONFIG_NOT_AVAILABLE`: what the error says of itself, else the first in its text.
    Empty where it has none."""
    said = _ask(error, "getCondition" if hasattr(error, "getCondition") else "getErrorClass")  # its name before Spark 4
    found = _CONDITION.search(str(error))
    return str(said) if said else found[1] if found else ""


def without_condition(text: str) -> str:
    """A text without the condition that stands in front of it."""
    return _CONDITION.sub("", text, count=1)


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
    """Where the error is in SQL, and what stands there; in a Python call only the latter."""
    for each in _ask(error, "getQueryContext") or ():
        if each.contextType().name != "SQL":
            return {"fragment": str(each.fragment())}
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
    said = said or text.partition(_SERVERS_TRACE)[0]
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
    text = without_condition(raised.text).strip()
    text = " ".join(re.sub(r"\(line \d+, pos \d+\)", "", text).split())
    sentences = re.split(r"(?<=[.!?]) (?=[A-Z])", text)
    kept = [each for each in sentences if not re.search(r"\bspark\.\w+\.", each)] or sentences[:1]
    return " ".join(kept).rstrip(".")[:600]


def _first_line(text: str) -> str:
    return text.partition("\n")[0].strip().rstrip(".!")


def names_in(text: str) -> list[str]:
    """The parts of `` `t`.`c` ``, without quotes."""
    return [part.replace("``", "`") for part in _NAME.findall(text)]


def unquoted(text: str) -> str:
    """`"INT"` without quotes."""
    return text.strip('"')


def underlying(error: BaseException, data: Any) -> BaseException:
    """The error behind a failed write. Spark Connect tells of a failed task nothing but that it failed: what went wrong
    is then found by computing the rows of `data` once more. Any other error is returned as it is."""
    if not is_pyspark(error) or not _BLIND.search(str(error)) or _trace(error):
        return error
    try:
        data.write.format("noop").mode("overwrite").save()
    except spark_errors() as found:
        return found
    return error
