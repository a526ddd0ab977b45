"""Texts as values: the casts of CSV. They are written out, so that no setting of a session decides what they do, and a
text that is no value is an error that names it and its column."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from odibi.engine.spark.formats.base import literal, quote
from odibi.engine.spark.raised import OURS
from odibi.engine.spark.types import spark_type
from odibi.errors import DataError
from odibi.formats.dates import java_of
from odibi.types import INTEGERS, DataType

MAX_SHOWN = 200
_LONG_FRACTION = r"^([^eE]*\.[0-9]{19})[0-9]+\s*$"
"""Digits that a decimal would round, and the integer then once more: of 0.49999999999 came 1."""
REPLACED = "\ufffd"
"""What a decoder puts where bytes are no character."""
WAY_OUT = "; declare another type in the read's `schema`, or name the text in `null_values`"


@dataclass(frozen=True)
class Patterns:
    """How dates and timestamps are spelled, as Java takes it; empty: ISO 8601."""

    date: str = ""
    timestamp: str = ""
    old_years: bool = False
    """Whether years have two digits, so that 69 to 99 are of the last century."""

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Patterns:
        """Those that the options state. Raises `DataError` for one that Spark can not read with."""
        return cls(_pattern(options, "date_format"), _pattern(options, "timestamp_format"))


def _pattern(options: Mapping[str, Any], name: str) -> str:
    try:
        return java_of(options[name], parsing=True) if options.get(name) else ""
    except ValueError as error:
        raise DataError(f"{name} {error}") from error


def typed(name: str, type: DataType, patterns: Patterns, file: str, guarded: bool = False) -> str:
    """SQL for a column of texts as a type; NULL stays NULL. `file` is SQL for what to call the file.

    A `guarded` string raises an error where the bytes were no text of the encoding.
    """
    column = quote(name)
    if type.name == "string":
        return f"{_guard(column, file)} AS {column}" if guarded else column
    value, seldom = _quick(column, type, patterns), attempt("odibi_text", type, patterns)
    shown = f"left(odibi_text, {MAX_SHOWN})"
    what = f"concat({literal(OURS)}, {file}, {literal(': ')}, {literal(chr(39))}, {shown}, "
    what += literal(f"' is not {_words(type)} (column {name!r}){WAY_OUT}") + ")"
    otherwise = f"get(transform(array({column}), odibi_text -> coalesce({seldom}, raise_error({what}))), 0)"
    return f"coalesce({value}, CASE WHEN {column} IS NOT NULL THEN {otherwise} END) AS {column}"


def _quick(text: str, type: DataType, patterns: Patterns) -> str:
    """SQL that is the value of nearly all texts, NULL for the others. What is seldom is in a lambda, which Spark does
    not compile into its loop over the rows: the JVM leaves a method of more than 8 kB uncompiled."""
    name = spark_type(type).simpleString()
    if type.name == "date" and not patterns.date:
        return f"CASE WHEN length({text}) <= 10 AND locate('-', {text}, 7) > 0 THEN try_cast({text} AS DATE) END"
    if type.name == "timestamp_ntz" and not patterns.timestamp:  # which has no time alone, unlike the other
        return f"CASE WHEN locate(':', {text}, 14) = 14 THEN try_cast({text} AS {name}) END"
    if type.name == "timestamp" and not patterns.timestamp:
        has_both = f"locate('-', {text}, 7) > 0 AND locate(':', {text}, 11) > 0"
        return f"CASE WHEN {has_both} THEN try_cast({text} AS {name}) END"
    if type.name in (*INTEGERS, "decimal", "boolean"):
        return f"try_cast({text} AS {name})"
    return attempt(text, type, patterns)


def _words(type: DataType) -> str:
    """A type as the messages of every engine call it."""
    return {"timestamp_ntz": "TIMESTAMP", "int": "INTEGER", "timestamp": "TIMESTAMP WITH TIME ZONE"}.get(
        type.name, str(type).upper()
    )


def _guard(column: str, file: str) -> str:
    hint = ": the text is not utf-8; state its `encoding`, for example latin-1, cp1252 or utf-16"
    error = f"raise_error(concat({literal(OURS)}, {file}, {literal(hint)}))"
    return f"CASE WHEN contains({column}, {literal(REPLACED)}) THEN {error} ELSE {column} END"


# -- one text as one type ----------------------------------------------------------------------------------------------


def attempt(text: str, type: DataType, patterns: Patterns) -> str:
    """SQL that is the value of a text, NULL where it is none."""
    name = spark_type(type).simpleString()
    if type.name in INTEGERS:
        short = f"regexp_replace({text}, {literal(_LONG_FRACTION)}, '$1')"
        rounded = f"try_cast(round(try_cast({short} AS DECIMAL(38,19))) AS {name})"
        return f"coalesce(try_cast({text} AS {name}), {rounded})"
    if type.name in ("float", "double"):
        ends = {letter: f"endswith({text}, '{letter}')" for letter in "dDfF"}  # 1.5d is Java
        java = f"{ends['d']} OR {ends['D']} OR ({ends['f']} OR {ends['F']}) AND NOT endswith(lower({text}), 'inf')"
        return f"try_cast(CASE WHEN {java} THEN NULL ELSE {text} END AS {name})"
    if type.name == "date":
        return _date(text, patterns)
    if type.name in ("timestamp", "timestamp_ntz"):
        return _timestamp(text, name, patterns)
    return f"try_cast({text} AS {name})"


def _date(text: str, patterns: Patterns) -> str:
    if patterns.date:
        return _century(
            f"CAST(try_to_timestamp(trim({text}), {literal(patterns.date)}) AS DATE)", patterns.date, "DATE"
        )
    day = f"coalesce(try_cast({text} AS DATE), try_cast(replace({text}, '/', '-') AS DATE))"
    moment = f"CAST({_timestamp(text, 'timestamp_ntz', Patterns())} AS DATE)"
    return f"CASE WHEN length(trim({text})) > 10 THEN {moment} WHEN {_has_day(text)} THEN {day} END"


def _timestamp(text: str, type: str, patterns: Patterns) -> str:
    if patterns.timestamp:
        moment = f"CAST(try_to_timestamp(trim({text}), {literal(patterns.timestamp)}) AS {type})"
        return _century(moment, patterns.timestamp, type)
    moment = f"coalesce(try_cast({text} AS {type}), try_cast(replace({text}, '/', '-') AS {type}))"
    whole = f"length(trim({text})) <= 10 OR instr({text}, ':') > 0"
    return f"CASE WHEN {_has_day(text)} AND ({whole}) THEN {moment} END"


def _has_day(text: str) -> str:
    """Spark also takes `2024` and `2024-03` for days, and `10:00` for a time of today."""
    return f"(length(trim({text})) >= 8 AND substr(ltrim({text}), 5, 1) IN ('-', '/'))"


def _century(value: str, pattern: str, type: str) -> str:
    """Of years with two digits, 69 to 99 are of the last century; Java puts them all into this one."""
    if "yy" not in pattern.replace("yyyy", ""):
        return value
    earlier = f"CAST({value} - INTERVAL '100' YEAR AS {type})"
    return f"CASE WHEN year({value}) >= 2069 THEN {earlier} ELSE {value} END"
