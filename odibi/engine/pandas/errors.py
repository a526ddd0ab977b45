"""DuckDB's exceptions, told to the user: short, in the words of the pipeline, at the place in the text as written.

DuckDB gives an exception as text with a caret under the place, or as JSON (`SET errors_as_json = true`); both are read.
Places in DuckDB's messages are bytes of the SQL as run, places in ours are characters of the SQL as written.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from odibi.engine import words
from odibi.engine.words import TRY_CAST, WIDER, Inputs, Told, find_name, joined
from odibi.errors import AccessError, DataError, DataNotFoundError, OdibiError, SqlError, closest

_CARET = re.compile(r"\n\nLINE (?P<line>\d+): (?P<shown>[^\n]*)\n(?P<indent> *)\^+\s*$")
_JSON = re.compile(r'\{"exception_type".*\}', re.DOTALL)
_INTERNAL = re.compile(r'"?(?:memory\.main\.)?"?__odibi_\w+"?')
_INTEGERS = {
    "INT8": "TINYINT", "INT16": "SMALLINT", "INT32": "INTEGER", "INT64": "BIGINT", "INT128": "HUGEINT",
    "BOOL": "BOOLEAN", "UINT8": "UTINYINT", "UINT16": "USMALLINT", "UINT32": "UINTEGER",
    "UINT64": "UBIGINT", "UINT128": "UHUGEINT",
}  # fmt: skip
"""DuckDB's inner names of types, which its messages use, and those that SQL has."""


@dataclass(frozen=True, slots=True)
class Raised:
    """A DuckDB exception, read. `byte` is the place in the SQL as run; `name` and `candidates` are identifiers."""

    kind: str
    text: str
    byte: int | None = None
    name: str = ""
    candidates: tuple[str, ...] = ()
    line: int = 0
    shown: str = field(default="", repr=False)
    indent: int = 0

    def place(self, sql: str) -> int | None:
        """The place as a character of `sql`, the text that ran."""
        if self.byte is not None:
            return characters(sql, self.byte)
        return _caret_place(sql, self.line, self.shown, self.indent) if self.line else None


def is_interrupt(exc: BaseException) -> bool:
    """True where a query ended because it was told to stop."""
    return any(isinstance(error, duckdb.InterruptException) for error in _causes(exc))


_PASSING = re.compile(
    r"timed? ?out|connection (?:was )?(?:reset|refused|aborted|closed)|could not (?:establish|resolve)|temporar"
    r"|broken pipe|HTTP (?:code |status )?(?:408|429|5\d\d)|\b(?:429|500|502|503|504) "
    r"|too many requests|unavailable|try again",
    re.IGNORECASE,
)


def is_transient(exc: BaseException) -> bool:
    """True for an I/O error that may pass when tried again: a timeout, a reset connection, a busy server."""
    return any(
        isinstance(error, duckdb.IOException | duckdb.HTTPException) and _PASSING.search(read(error).text)
        for error in _causes(exc)
    )


def _causes(exc: BaseException | None) -> Iterator[BaseException]:
    """The error and what it was raised from."""
    while exc is not None:
        yield exc
        exc = exc.__cause__


def explain(exc: duckdb.Error, sql_as_run: str, written: str | None, inputs: Inputs) -> OdibiError:
    """The error to raise from `exc`.

    `written` is the user's SQL that `sql_as_run` contains (or was translated from), None where the query is our own;
    `inputs` are the frames that it may name, with their columns.
    """
    raised = read(exc)
    if raised.kind in ("Parser", "Syntax", "Binder", "Catalog", "Not implemented"):
        message, hint = tell_binding(raised, inputs)
        offset = _offset(raised, sql_as_run, written)
        if offset is None and written is not None:
            offset = find_name(raised.name, written)
        return SqlError(joined(message, hint), offset)
    for kinds, teller in _TELLERS:
        if isinstance(exc, kinds):
            found = teller(raised)
            if found is not None:
                return found
    message, hint = tell_data(raised)
    return _of_data(joined(message, hint), raised, sql_as_run, written)


def read(exc: BaseException) -> Raised:
    """Take a DuckDB exception apart."""
    kind, _, rest = str(exc).partition(" Error: ")
    if not rest:
        kind, rest = "", str(exc)
    nested = _JSON.search(rest)
    if nested:
        return _from_json(json.loads(nested[0]))
    caret = _CARET.search(rest)
    if caret is None:
        return Raised(kind, rest.strip(), name=_first_name(rest))
    indent = len(caret["indent"]) - len(f"LINE {caret['line']}: ")
    text = rest[: caret.start()].strip()
    return Raised(kind, text, name=_first_name(text), line=int(caret["line"]), shown=caret["shown"], indent=indent)


def _from_json(found: dict[str, str]) -> Raised:
    kind, text = found["exception_type"], found["exception_message"].strip()
    nested = _JSON.search(text)
    if nested:
        return _from_json(json.loads(nested[0]))
    byte = int(found["position"]) if found.get("position", "").isdigit() else None
    candidates = tuple(filter(None, found.get("candidates", "").split(",")))
    return Raised(kind, text, byte, found.get("name") or _first_name(text), candidates)


def _first_name(text: str) -> str:
    named = re.search(r'"((?:[^"]|"")+)"', text) or re.search(r"with name (\S+)", text)
    return named[1] if named else ""


# -- what is wrong with the SQL ----------------------------------------------------------------------------------------


def tell_binding(raised: Raised, inputs: Inputs) -> Told:
    """Message and hint for SQL that does not parse or does not fit its inputs."""
    text = raised.text
    for pattern, teller in _BINDING:
        match = pattern.search(text)
        if match:
            return teller(match, raised, inputs)
    first, _, rest = clean(text).partition("\n")
    return first.rstrip(".!"), " ".join(rest.split())[:300]


def _last_name(candidate: str) -> str:
    """`c` of `"t"."c"`."""
    return candidate.strip().removesuffix('"').rpartition('"')[2] or candidate.rpartition(".")[2]


def _syntax(match: re.Match[str], raised: Raised, inputs: Inputs) -> Told:
    return words.syntax_error(match[1])


def _no_column(match: re.Match[str], raised: Raised, inputs: Inputs) -> Told:
    name = match[1].replace('""', '"')
    return words.no_column(name, words.columns_hint(name, _offered(match, raised), inputs))


def _no_column_in_table(match: re.Match[str], raised: Raised, inputs: Inputs) -> Told:
    table, name = match[1], match[2]
    own = {key: columns for key, columns in inputs.items() if key.lower() == table.lower()}
    return words.no_column_in(table, name, words.columns_hint(name, _offered(match, raised), own or inputs))


def _offered(match: re.Match[str], raised: Raised) -> list[str]:
    """The names that DuckDB proposes."""
    listed = re.findall(r'"((?:[^"]|"")+)"', raised.text[match.end() :])
    return [found for found in map(_last_name, listed) if found]


def _no_table(match: re.Match[str], raised: Raised, inputs: Inputs) -> Told:
    offered = [_last_name(item) for item in re.findall(r'"(?:[^"]|"")+"', raised.text[match.end() :])]
    return words.no_table(match[1], [*offered, *inputs])


def _no_function(match: re.Match[str], raised: Raised, inputs: Inputs) -> Told:
    noun = "type" if match[1].lower() == "type" else "function"
    known = [*raised.candidates, *re.findall(r'Did you mean "([^"]+)"', raised.text)]
    return words.no_function(match[2].strip('"'), known, noun)


def _wrong_arguments(match: re.Match[str], raised: Raised, inputs: Inputs) -> Told:
    candidates = [line.strip().replace('"', "") for line in raised.text.splitlines()[1:] if line.startswith("\t")]
    shapes = [re.sub(r"\s*->.*|, /", "", line) for line in candidates if "->" in line]
    return words.wrong_arguments(match[1].replace("_LITERAL", ""), shapes)


def _group_by(match: re.Match[str], raised: Raised, inputs: Inputs) -> Told:
    return words.group_by(match[1])


def _ambiguous(match: re.Match[str], raised: Raised, inputs: Inputs) -> Told:
    return words.ambiguous(match[1], match[2].replace("'", "") if match[2] else "")


def _no_field(match: re.Match[str], raised: Raised, inputs: Inputs) -> Told:
    return words.no_field(match[1], re.findall(r'"([^"]+)"', raised.text[match.end() :]))


def _arrow(match: re.Match[str], raised: Raised, inputs: Inputs) -> Told:
    return "the lambda arrow `x -> …` is no longer SQL of DuckDB", "write `lambda x: …`"


def _too_deep(match: re.Match[str], raised: Raised, inputs: Inputs) -> Told:
    return words.TOO_DEEP


def _where(match: re.Match[str], raised: Raised, inputs: Inputs) -> Told:
    return words.where(match[1])


def _union_width(match: re.Match[str], raised: Raised, inputs: Inputs) -> Told:
    return words.UNION_WIDTH


_BINDING: Sequence[tuple[re.Pattern[str], Callable[[re.Match[str], Raised, Inputs], Told]]] = (
    (re.compile(r"^syntax error at or near (.+)$", re.DOTALL), _syntax),
    (re.compile(r'Referenced column "((?:[^"]|"")+)" (?:not found|was not found)'), _no_column),
    (re.compile(r'^Column "((?:[^"]|"")+)" in \w+ list not found'), _no_column),
    (re.compile(r"^Column with name (\S+) does not exist"), _no_column),
    (re.compile(r'[Tt]able "([^"]+)" does not have a column named "([^"]+)"'), _no_column_in_table),
    (re.compile(r'list "([^"]+)" does not have a column named "([^"]+)"'), _no_column_in_table),
    (re.compile(r'Referenced table "([^"]+)" not found'), _no_table),
    (re.compile(r"^Table with name (\S+) does not exist"), _no_table),
    (re.compile(r"^([\w ]*Function|Type) with name (\S+) (?:does not exist|is not in the catalog)"), _no_function),
    (re.compile(r"No function matches the given name and argument types '(.+?)'\. "), _wrong_arguments),
    (re.compile(r'Could not choose a best candidate function for the function call "(.+?)"\. '), _wrong_arguments),
    (re.compile(r'^column "(.+?)" must appear in the GROUP BY'), _group_by),
    (re.compile(r'Ambiguous reference to column name "(.+?)"(?: \(use: (.+)\))?'), _ambiguous),
    (re.compile(r'Could not find key "(.+?)" in struct'), _no_field),
    (re.compile(r"^Deprecated lambda arrow"), _arrow),
    (re.compile(r"^Max expression depth limit"), _too_deep),
    (re.compile(r"^WHERE clause cannot contain (aggregates|window functions)"), _where),
    (re.compile(r"^Set operations can only apply to expressions with the same number"), _union_width),
)


# -- what is wrong with the data ---------------------------------------------------------------------------------------


def tell_data(raised: Raised) -> Told:
    """Message and hint for values that a query could not compute."""
    text = raised.text
    for pattern, message, hint in _DATA:
        match = pattern.search(text)
        if match:
            named = {key: _type_name(value) for key, value in match.groupdict(default="").items()}
            column = re.search(r" when casting from source column (.+)$", text)
            where = f" (column {column[1]!r})" if column else ""
            first, semicolon, more = message.partition("; ")
            return clean(first.format(**named) + where + semicolon + more.format(**named)), hint
    return clean(text.partition("\n\n")[0].replace("\n", " ").strip()), ""


_CUT_OFF = "it was cut off or is of another format; write it again"
_CSV = r"^CSV Error on Line: (?P<line>\d+)\n"
_CSV_LINE = rf"{_CSV}(?:Original Line: (?P<text>.*?)\n)?"
_CSV_FILE = r".*\n\s+file = (?P<file>[^\n]*)"
_CSV_VALUE = r"Could not convert string \"(?P<value>.*?)\""
_RULES = (
    (
        r"^Could not convert string ['\"](?P<value>.*?)['\"] to '?(?P<type>.+?)'?(?: when casting|$)",
        "{value!r} is not {type}",
        TRY_CAST,
    ),
    (
        r'^invalid (?P<type>\w+) field format: "(?P<value>.*?)", expected format is \((?P<format>.*?)\)(?: when|$)',
        "{value!r} is not a {type}; it should look like {format}",
        f"{TRY_CAST}; strptime() reads other formats",
    ),
    (
        r'^Casting value "(?P<value>.*?)" to type (?P<type>\S+) failed: value is out of range',
        "{value} does not fit {type}",
        WIDER,
    ),
    (
        r"^Could not cast value (?P<value>\S+) to (?P<type>\S+)",
        "{value} does not fit {type}",
        WIDER,
    ),
    (
        r"^Type \S+ with value (?P<value>.+?) can't be cast because .* for the destination type (?P<type>\S+)",
        "{value} does not fit {type}",
        WIDER,
    ),
    (
        r"^Type \S+ with value (?P<value>.+?) can't be cast to the destination type (?P<type>.+?)(?: when|$)",
        "{value} can not be cast to {type}",
        TRY_CAST,
    ),
    (
        r"^Overflow in \w+ of (?P<type>\S+) \((?P<what>.+)\)",
        "overflow: {what} does not fit {type}",
        words.OVERFLOW_HINT,
    ),
    (
        r"^Division by zero in expression (?P<what>\(.+\))\. Use",
        "division by zero in {what}",
        words.DIVISION_HINT,
    ),
    (
        r'^Could not parse string "(?P<value>.*?)" according to format specifier "(?P<format>.*?)"',
        "{value!r} does not have the format {format!r}",
        "try_strptime() gives NULL for such values",
    ),
    (
        r"^More than one row returned by a subquery used as an expression",
        *words.ONE_VALUE,
    ),
    (
        r'^Malformed JSON at byte \d+ of input: (?P<what>[^.]+)\.\s+Input: "(?P<value>.*?)"',
        "{value!r} is not JSON: {what}",
        "TRY_CAST(… AS JSON) gives NULL for such values",
    ),
    (r"^Footer length error in file '(?P<file>.*?)'", "'{file}' is not a whole Parquet file", _CUT_OFF),
    (r"^File '(?P<file>.*?)' too small to be a Parquet file", "'{file}' is too small to be a Parquet file", _CUT_OFF),
    (r"^No magic bytes found at .*end of file '(?P<file>.*?)'", "'{file}' is not a whole Parquet file", _CUT_OFF),
    (
        rf"{_CSV_LINE}Expected Number of Columns: (?P<expected>\d+) Found: (?P<found>\d+){_CSV_FILE}",
        "{file}, line {line}: expected {expected} columns, found {found}: {text!r}",
        "repair the line, or check `delimiter`, `quote` and `header`",
    ),
    (
        rf"{_CSV}.*Invalid unicode{_CSV_FILE}",
        "{file}, line {line}: the text is not UTF-8",
        "give its `encoding` in the read options, for example latin-1",
    ),
    (
        rf"{_CSV_LINE}Error when converting column \"(?P<column>.*?)\"\. {_CSV_VALUE} to '(?P<type>.*?)'{_CSV_FILE}",
        "{file}, line {line}: {value!r} is not {type} (column {column!r})",
        "declare another type in the read's `schema`, or name the text in `null_values`",
    ),
    (
        rf"{_CSV}.*unterminated quote{_CSV_FILE}",
        "{file}, line {line}: a quote is opened here and never closed",
        "close it, or check the option `quote`",
    ),
    (
        rf"{_CSV_LINE}(?P<what>[^\n]+){_CSV_FILE}",
        "{file}, line {line}: {what}",
        "repair the line, or check `delimiter`, `quote` and `escape`",
    ),
    (
        r'^Failed to read file "(?P<file>.*?)": (?P<what>[^\n]+)',
        "{file!r} is damaged ({what})",
        "restore it from a copy, or write it again",
    ),
)
"""What DuckDB says of values, what we say, and the way out."""
_DATA = [(re.compile(pattern, re.DOTALL), message, hint) for pattern, message, hint in _RULES]


def _type_name(text: str) -> str:
    return _INTEGERS.get(text, text)


def _missing(raised: Raised) -> OdibiError | None:
    """Errors of files and of the machine."""
    text = clean(raised.text)
    named = re.search(r'(?:match the pattern|pen file|read file|write file) "([^"]+)"', text)
    path = named[1] if named else ""
    if "No files found" in text or "No such file or directory" in text:
        return DataNotFoundError(_not_there(path) if path else _first_line(text))
    if re.search(r"Permission denied|Access is denied|Operation not permitted", text):
        return AccessError(f"no permission to open {path!r}" if path else _first_line(text))
    if re.search(r"No space left|not enough space|disk (?:is )?full|max_temp_directory_size", text, re.IGNORECASE):
        return AccessError(f"no space left on the disk ({_first_line(text)}); free some, or write elsewhere")
    if "GZIP stream" in text or "ZSTD" in text:
        return DataError(f"{_first_line(text)}; the file is not compressed as its name says, or was cut off")
    return None


def _not_there(path: str) -> str:
    """With the name beside it that is closest, for a local path."""
    folder, name = Path(path).parent, Path(path).name
    try:
        near = closest(name, [entry.name for entry in folder.iterdir()])
    except OSError:
        near = []
    return f"there is no file {path!r}" + (f"; did you mean {near[0]!r}?" if near else "")


def _no_memory(raised: Raised) -> OdibiError | None:
    text = _first_line(clean(raised.text))
    if re.search(r"max_temp_directory_size|No space left", raised.text):
        return AccessError(f"no space left on the disk for what does not fit into memory ({text}); free some")
    return AccessError(f"out of memory: {text}; run with fewer workers (--workers 1), or on a machine with more memory")


def _constraint(raised: Raised) -> OdibiError | None:
    return DataError(_first_line(clean(raised.text)))


_TELLERS: Sequence[tuple[tuple[type[duckdb.Error], ...], Callable[[Raised], OdibiError | None]]] = (
    ((duckdb.OutOfMemoryException,), _no_memory),
    ((duckdb.IOException, duckdb.HTTPException, duckdb.PermissionException), _missing),
    ((duckdb.ConstraintException,), _constraint),
)


def _of_data(text: str, raised: Raised, sql_as_run: str, written: str | None) -> OdibiError:
    """A place in the user's SQL is worth telling; without one the values alone are at fault."""
    offset = _offset(raised, sql_as_run, written) if written is not None else None
    return SqlError(text, offset) if offset is not None else DataError(text)


# -- texts and places --------------------------------------------------------------------------------------------------


def clean(text: str) -> str:
    """Without the names that only this engine knows."""
    return _INTERNAL.sub("the input", text)


def characters(text: str, byte: int) -> int:
    """A place in bytes as a place in characters."""
    return byte if text.isascii() else len(text.encode("utf-8", "surrogatepass")[:byte].decode("utf-8", "ignore"))


def _offset(raised: Raised, sql_as_run: str, written: str | None) -> int | None:
    """The place in `written` of what DuckDB points to in `sql_as_run`."""
    if written is None:
        return None
    core = written.strip().rstrip(";").rstrip()
    start = sql_as_run.rfind(core) if core else -1
    place = raised.place(sql_as_run)
    if start < 0 or place is None:
        return None
    inside = place - start
    return inside + written.index(core) if 0 <= inside <= len(core) else None


def _caret_place(sql: str, line: int, shown: str, indent: int) -> int | None:
    """The place under the caret; DuckDB cuts long lines to a window with `...` at its ends."""
    lines = sql.split("\n")
    if not 0 < line <= len(lines):
        return None
    cut = 3 if shown.startswith("...") else 0
    window = shown[cut : len(shown) - 3 if shown.endswith("...") else None]
    before, text = sum(len(text) + 1 for text in lines[: line - 1]), lines[line - 1]
    if text.count(window) == 1:
        return before + text.index(window) + indent - cut
    for head in range(0 if cut else indent + 1):  # the query ran inside another statement: DESCRIBE, CREATE TABLE … AS
        if line == 1 and (text.startswith(window[head:]) or window[head:].startswith(text)):
            return indent - head
    return None


def _first_line(text: str) -> str:
    return text.partition("\n")[0].strip().rstrip(".!")
