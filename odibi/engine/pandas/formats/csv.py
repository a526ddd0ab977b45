"""CSV: DuckDB reads and writes it; the layout is stated, never guessed.

The header is read here, types are inferred once from a sample, and the scan itself runs with explicit columns: it is as
fast as a bare `read_csv`, and a row that does not fit is an error with its line.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import partial

import duckdb

from odibi.engine.base import Source, Target
from odibi.engine.header import WAY_OUT, header_of
from odibi.engine.pandas.formats.base import (
    Codec,
    File,
    Input,
    as_marked,
    as_utf8,
    copy,
    declared,
    empty_frame,
    iso_text,
    names_sql,
    open_input,
    pick,
    reader,
    struct,
    texts_sql,
)  # fmt: skip
from odibi.engine.pandas.session import DuckFrame, Session, literal, quote
from odibi.engine.pandas.types import column_of
from odibi.engine.sources import (
    EXTENSIONS,
    HINTS,
    check_fit,
    check_names,
    delimiter_of,
    output_compression,
    patterns,
    refuse_types,
)
from odibi.errors import DataError
from odibi.files import explained
from odibi.files.local import LocalFiles
from odibi.formats.csv import CSV
from odibi.types import Column

SNIFFED = ("BOOLEAN", "BIGINT", "HUGEINT", "DOUBLE", "DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE", "VARCHAR")
"""Types that are inferred, the first that fits: no times of day, so these stay text."""
NO_TYPE = '"NULL"'
"""What DuckDB calls the type of NULL: of a column without any value, which fits where any type is wanted."""
ZONED = "TIMESTAMP WITH TIME ZONE"
MAX_SNIFFED_FILES = 10
NATIVE_ENCODINGS = {
    "utf-8": "utf-8",
    "utf-8-sig": "utf-8",
    "iso8859-1": "latin-1",
    "utf-16": "utf-16",
    "ascii": "utf-8",
}
"""Encodings that DuckDB reads, by the names of Python's codecs."""
NESTED = ("array", "map", "struct", "binary")
_TEXT_ONLY = "write parquet, json or delta, or turn it into text first (to_json(…), base64(…))"


def scan(session: Session, source: Source) -> DuckFrame:
    """A lazy frame over delimited text. Raises `DataError` for a header or sample that is not right."""
    input = open_input(session, source, CSV.suffixes, empty_is_fine=HINTS in source.options)
    if not input.files:
        return empty_frame(session, input)
    refuse_types(
        (Column(name, type) for name, type in input.types.items()),
        NESTED,
        "csv",
        input.location.display,
        "declare it string",
    )
    if input.options.get("comment"):
        input = as_marked(session, input)
    elif NATIVE_ENCODINGS.get(input.options.get("encoding", "utf-8")) is None:
        input = as_utf8(session, input)
    with explained(input.location, "read"):
        headers = [_columns_of(input, file) for file in input.files]
    groups = _groups(input, headers)
    names = list(dict.fromkeys(name for group in groups for name in group))
    wanted = pick(input, [*names, *(name for name in input.partitions if name not in names)])
    types = _types(session, input, groups)
    if len(groups) == 1:
        sql = _select(input, input.files, names, types, wanted)
    else:
        parts = [_select(input, files, group, types, [name for name in wanted if name in (*group, *input.partitions)])
                 for group, files in groups.items()]  # fmt: skip
        sql = f"SELECT {names_sql(wanted)} FROM ({' UNION ALL BY NAME '.join(parts)})"
    columns = None if input.partitions else tuple(column_of(name, types[name]) for name in wanted)
    return session.frame(sql, known_columns=columns)


# -- columns -----------------------------------------------------------------------------------------------------------


def _columns_of(input: Input, file: File) -> tuple[str, ...]:
    """The column names of one file: its header, or what stands for it."""
    delimiter = delimiter_of(file.path, input.options)
    first = header_of(
        file.display, partial(LocalFiles().open_read, file.local), file.compression, delimiter, input.options
    )
    if len(first) == 1 and not input.options.get("delimiter") and (other := re.search(r"[;\t|]", first[0])):
        raise DataError(
            f"{file.display}: its first line is one column, {first[0]!r}; "
            f"state the delimiter: {other[0]!r} (or ',' if this is right)"
        )
    if input.options.get("header", True):
        check_names(first, f"{file.display}, header", WAY_OUT)
        return first
    names = input.options.get("names") or tuple(input.schema)
    if names and len(names) != len(first):
        raise DataError(f"{file.display} has {len(first)} columns in its first line, but {len(names)} names are given")
    check_names(names, "names", "give each column a name of its own")
    return tuple(names) or tuple(f"_c{number}" for number in range(len(first)))


def _groups(input: Input, headers: Sequence[tuple[str, ...]]) -> dict[tuple[str, ...], list[File]]:
    """Files by their header. Raises `DataError` where the columns differ and `union_by_name` is not set."""
    groups: dict[tuple[str, ...], list[File]] = {}
    for file, header in zip(input.files, headers, strict=True):
        groups.setdefault(header, []).append(file)
    first = next(iter(groups))
    for header, (file, *_) in groups.items():
        check_fit(file.display, header, input.files[0].display, first, bool(input.options.get("union_by_name")))
    return groups


# -- types -------------------------------------------------------------------------------------------------------------


def _types(session: Session, input: Input, groups: Mapping[tuple[str, ...], Sequence[File]]) -> dict[str, str]:
    """DuckDB's type of every column: declared, else inferred from a sample, else text; `NO_TYPE` where no file has
    rows."""
    names = list(dict.fromkeys(name for group in groups for name in group))
    types = declared(input, names)
    unknown = "VARCHAR"
    if input.options.get("infer_schema", True) and not input.schema and len(types) < len(names):
        left = MAX_SNIFFED_FILES
        sniffed: dict[str, str] = {}
        for group, files in groups.items():
            for file in files[:left]:
                _merge(sniffed, _sniff(session, input, file, group))
            left = max(1, left - len(files))
        types = {**sniffed, **types}
        unknown = NO_TYPE if len(input.files) <= MAX_SNIFFED_FILES else "VARCHAR"
    return {name: types.get(name, unknown) for name in names}


def _merge(types: dict[str, str], more: Mapping[str, str]) -> None:
    """The types that hold what is in both."""
    for name, type in more.items():
        types[name] = _wider(types.get(name, type), type)


def _wider(one: str, other: str) -> str:
    if one == other:
        return one
    for chain in (
        ("BIGINT", "DECIMAL(38,0)"),
        ("BIGINT", "DOUBLE"),
        ("DECIMAL(38,0)", "DOUBLE"),
        ("DATE", "TIMESTAMP"),
    ):
        if {one, other} == set(chain):
            return chain[1]
    return "VARCHAR"


def _sniff(session: Session, input: Input, file: File, names: Sequence[str]) -> dict[str, str]:
    """Types of one file's columns from its first rows; a file without rows says nothing."""
    arguments = {
        **_layout(input, [file]),
        "names": texts_sql(names),
        "auto_type_candidates": texts_sql(SNIFFED),
        "sample_size": str(input.options.get("sample_size", 20480)),
    }
    arguments.setdefault("dateformat", "'%Y-%m-%d'")
    arguments.setdefault("comment", "''")
    call = f"sniff_csv({literal(file.pattern)}{''.join(f', {name}={value}' for name, value in arguments.items())})"
    try:
        ((found, timestamps),) = session.execute(f"SELECT Columns, TimestampFormat FROM {call}")
    except duckdb.Error:
        _find_bad_line(session, input, file, names)
        raise
    if len(found) != len(names):
        _find_bad_line(session, input, file, names)
        raise DataError(
            f"{file.display}: {len(names)} columns in the header, {len(found)} in the rows; check `delimiter`"
        )
    types = {name: str(column["type"]) for name, column in zip(names, found, strict=True)}
    if set(types.values()) == {"VARCHAR"} and not _has_rows(session, input, file, names):
        return {}
    guessed = not input.options.get("timestamp_format") and timestamps and not str(timestamps).startswith("%Y-%m-%d")
    narrowed = {"HUGEINT": "DECIMAL(38,0)", **({"TIMESTAMP": "VARCHAR"} if guessed else {})}
    types = {name: narrowed.get(type, type) for name, type in types.items()}
    return {**types, **_real_booleans(session, input, file, names, types)}


def _has_rows(session: Session, input: Input, file: File, names: Sequence[str]) -> bool:
    text = _read(input, [file], dict.fromkeys(names, "VARCHAR"))
    return bool(session.execute(f"SELECT 1 FROM {text} LIMIT 1"))


def _find_bad_line(session: Session, input: Input, file: File, names: Sequence[str]) -> None:
    """Read a file as text, so that DuckDB raises the error of the line that is wrong."""
    session.execute(f"SELECT count({quote(names[-1])}) FROM {_read(input, [file], dict.fromkeys(names, 'VARCHAR'))}")


def _real_booleans(
    session: Session, input: Input, file: File, names: Sequence[str], types: Mapping[str, str]
) -> dict[str, str]:
    """DuckDB takes `t` and `yes` for booleans; here only `true` and `false` are. Others become text."""
    maybe = [name for name, type in types.items() if type == "BOOLEAN"]
    if not maybe:
        return {}
    tests = ", ".join(f"bool_and(lower({quote(name)}) IN ('true', 'false'))" for name in maybe)
    sample = (
        f"FROM {_read(input, [file], dict.fromkeys(names, 'VARCHAR'))} LIMIT {input.options.get('sample_size', 20480)}"
    )
    (row,) = session.execute(f"SELECT {tests} FROM (SELECT * {sample})")
    return {name: "VARCHAR" for name, real in zip(maybe, row, strict=True) if not real}


# -- the scan ----------------------------------------------------------------------------------------------------------


def _layout(input: Input, files: Sequence[File]) -> dict[str, str]:
    """Everything of the text's layout, so that nothing is left to guess."""
    options = input.options
    nulls = options.get("null_values", ())
    nulls = (nulls,) if isinstance(nulls, str) else nulls
    arguments = {
        "header": str(bool(options.get("header", True))).lower(),
        "delim": literal(delimiter_of(files[0].path, options)),
        "quote": literal(options.get("quote", '"')),
        "escape": literal(options.get("escape", '"') if options.get("quote", '"') else ""),
        "skip": str(options.get("skip_rows", 0)),
        "compression": input.compression,
    }
    if any(nulls):
        arguments["nullstr"] = texts_sql(dict.fromkeys(["", *nulls]))
    if options.get("empty_as_null") is False:
        arguments["allow_quoted_nulls"] = "false"
    if options.get("comment"):
        arguments["comment"] = literal(options["comment"])
    encoding = NATIVE_ENCODINGS[options.get("encoding", "utf-8")]
    if encoding != "utf-8":
        arguments["encoding"] = literal(encoding)
    for name, pattern in patterns(options).items():
        arguments[name.replace("_", "")] = literal(pattern)
    return arguments


def _read(input: Input, files: Sequence[File], types: Mapping[str, str]) -> str:
    instead = {NO_TYPE: "VARCHAR", **({ZONED: "TIMESTAMP"} if _is_zoneless(input) else {})}
    readable = {name: instead.get(type, type) for name, type in types.items()}
    arguments = {"auto_detect": "false", **_layout(input, files), "columns": struct(readable), **input.hive}
    return reader("read_csv", files, arguments)


def _is_zoneless(input: Input) -> bool:
    """Whether timestamps are spelled without a zone: DuckDB reads no column with one then. They are of UTC."""
    pattern = patterns(input.options).get("timestamp_format", "%z")
    return "%z" not in pattern and "%Z" not in pattern


def _select(
    input: Input, files: Sequence[File], names: Sequence[str], types: Mapping[str, str], wanted: Sequence[str]
) -> str:
    utc = {name for name in names if types[name] == ZONED} if _is_zoneless(input) else set[str]()
    items = [
        f"NULL AS {quote(name)}"
        if types.get(name) == NO_TYPE
        else f"CAST({quote(name)} AS {ZONED}) AS {quote(name)}"
        if name in utc
        else quote(name)
        for name in wanted
    ]
    return f"SELECT {', '.join(items)} FROM {_read(input, files, {name: types[name] for name in names})}"


# -- write -------------------------------------------------------------------------------------------------------------


def write(session: Session, frame: DuckFrame, target: Target, path: str) -> int:
    """Write a frame as delimited text. Raises `DataError` for nested and binary columns."""
    options = target.options
    refuse_types(frame.columns, NESTED, "csv", target.path, _TEXT_ONLY)
    compression = output_compression(target)
    arguments = {
        "FORMAT": "csv",
        "HEADER": str(bool(options.get("header", True))).lower(),
        "DELIMITER": literal(delimiter_of(target.path, options)),
        "QUOTE": literal(options.get("quote", '"')),
        "ESCAPE": literal(options.get("escape", '"')),
        "NULLSTR": literal(str(options.get("null_values", ""))),
        "COMPRESSION": compression,
    }
    if options.get("quote_all"):
        arguments["FORCE_QUOTE"] = "*"
    extension = "csv" + EXTENSIONS[compression]
    encoding = options.get("encoding", "utf-8")
    rows = copy(session, frame, _texts(frame, target), target, path, arguments, extension)
    if encoding not in ("utf-8", "ascii"):
        _encode(path, encoding, target, compression)
    return rows


def _texts(frame: DuckFrame, target: Target) -> str:
    """The frame with dates, timestamps and non-finite numbers as the text that both engines read. A NULL that is alone
    in its line is quoted: a blank line is no row to Spark."""
    alone = len(frame.columns) - len(target.partition_by) == 1 and not target.options.get("null_values")
    formats = [patterns(target.options).get(name) for name in ("date_format", "timestamp_format")]
    items = []
    for column in frame.columns:
        text, name = iso_text(column, *formats), quote(column.name)
        if column.type is not None and column.type.name in ("float", "double"):
            text = (
                f"CASE WHEN isfinite({name}) THEN CAST({name} AS VARCHAR) WHEN isnan({name}) THEN 'NaN' "
                f"WHEN {name} > 0 THEN 'Infinity' WHEN {name} < 0 THEN '-Infinity' END"
            )
        if alone and column.name not in target.partition_by:
            text = f"coalesce(CAST({text or name} AS VARCHAR), '')"
        items.append(f"{text} AS {name}" if text else name)
    return f"SELECT {', '.join(items)} FROM ({frame.sql}\n)"


def _encode(path: str, encoding: str, target: Target, compression: str) -> None:
    """Write the text again in another encoding."""
    import os
    import shutil

    if compression != "none" or target.partition_by:
        raise DataError(f"{target.path}: encoding {encoding} goes with a single uncompressed file only; write UTF-8")
    plain = path + ".utf8"
    os.replace(path, plain)
    try:
        with open(plain, encoding="utf-8", newline="") as source, open(path, "w", encoding=encoding, newline="") as out:
            shutil.copyfileobj(source, out, 1 << 20)
    except UnicodeEncodeError as error:
        shown = error.object[error.start : error.end]
        raise DataError(f"{target.path}: {shown!r} does not exist in the encoding {encoding}; write UTF-8") from error
    finally:
        os.remove(plain)


CODEC = Codec(scan, write)
