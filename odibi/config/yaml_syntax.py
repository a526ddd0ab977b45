"""What is wrong with a text that is no YAML, in words that help: the parser's complaint → place, message and hint."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

_FLOW_VARIABLE = re.compile(r"\$\{[^}\n]*\}|\$\{[A-Za-z0-9_]*")
_BREAK_BEFORE = re.compile(r"[\r\n]")


class SyntaxMistake(Exception):
    """Text that is no YAML, at `index`. `masked` has the same text without the mistake, if reading can go on."""

    def __init__(self, index: int, message: str, hint: str, masked: str | None = None) -> None:
        super().__init__(message)
        self.index, self.message, self.hint, self.masked = index, message, hint, masked


def explain(error: Any, text: str) -> SyntaxMistake:
    """Tell what a `yaml.MarkedYAMLError` means. Both of PyYAML's parsers are understood."""
    index = min(error.problem_mark.index if error.problem_mark else 0, len(text))
    start = min(error.context_mark.index if error.context_mark else index, len(text))
    context, problem = error.context or "", error.problem or ""
    for rule in _RULES:
        mistake = rule(text, index, start, context, problem)
        if mistake is not None:
            return mistake
    complaint = f"{context}: {problem}" if context else problem
    return SyntaxMistake(index, f"is no YAML ({complaint})", "check indentation, quotes and brackets here and above")


Rule = Callable[[str, int, int, str, str], SyntaxMistake | None]


def _variable(text: str, index: int, start: int, context: str, problem: str) -> SyntaxMistake | None:
    """`[${A}]` and `{a: ${B}}`: inside brackets YAML takes the brace of a variable for a mapping."""
    match = _FLOW_VARIABLE.match(text, index - 1) if index and "flow" in context else None
    if match is None:
        return None
    masked = text[: match.start()] + "x" * len(match[0]) + text[match.end() :]
    message = "YAML reads an unquoted ${…} inside {…} or […] as a mapping"
    return SyntaxMistake(match.start(), message, 'quote it: "${NAME}"', masked)


def _tab(text: str, index: int, start: int, context: str, problem: str) -> SyntaxMistake | None:
    if text[index : index + 1] != "\t" and "tab character" not in problem:
        return None
    return SyntaxMistake(index, "a tab stands where YAML wants spaces", "indent with spaces")


def _unclosed_quote(text: str, index: int, start: int, context: str, problem: str) -> SyntaxMistake | None:
    if "quoted scalar" not in context or "unexpected" not in problem:
        return None
    return SyntaxMistake(start, f"the quote {text[start : start + 1]} that opens here is not closed", "close it")


def _escape(text: str, index: int, start: int, context: str, problem: str) -> SyntaxMistake | None:
    if "quoted scalar" not in context:
        return None
    hint = "write \\\\ for a backslash, or use single quotes, in which it means nothing"
    if "nicode" in problem:
        hint = "write the character itself, or \\U and eight digits"
    backslash = text.rfind("\\", start, index + 1)
    return SyntaxMistake(max(backslash, start), "a backslash in double quotes starts no escape that YAML knows", hint)


def _alias(text: str, index: int, start: int, context: str, problem: str) -> SyntaxMistake | None:
    if "scanning an alias" not in context and "scanning an anchor" not in context:
        return None
    sign = text[start : start + 1]
    return SyntaxMistake(start, f"an unquoted text can not start with {sign!r}", f"quote it, like '{sign}…'")


def _tag(text: str, index: int, start: int, context: str, problem: str) -> SyntaxMistake | None:
    if "tag" not in problem and "tag" not in context:
        return None
    return SyntaxMistake(start, "is a tag that does not exist", "a text that starts with '!' must be quoted")


def _block_header(text: str, index: int, start: int, context: str, problem: str) -> SyntaxMistake | None:
    if "block scalar" not in context:
        return None
    sign = text[start : start + 1]
    return SyntaxMistake(index, f"after {sign} the text must start on the next line", "or quote the text")


def _unclosed_bracket(text: str, index: int, start: int, context: str, problem: str) -> SyntaxMistake | None:
    if "flow" not in context or " or '" not in problem:
        return None
    bracket = text[start : start + 1]
    if _BREAK_BEFORE.search(text, start, index) or index >= len(text):
        return SyntaxMistake(start, f"the {bracket} that opens here is not closed", "close it, or separate by commas")
    return SyntaxMistake(index, f"a comma or the end of the {bracket} is expected here", "or quote the text before it")


def _first_character(text: str, index: int, start: int, context: str, problem: str) -> SyntaxMistake | None:
    character = text[index : index + 1]
    if "cannot start any token" not in problem:
        return None
    return SyntaxMistake(index, f"an unquoted text can not start with {character!r}", f"quote it, like '{character}…'")


def _second_colon(text: str, index: int, start: int, context: str, problem: str) -> SyntaxMistake | None:
    if "mapping values are not allowed" not in problem:
        return None
    hint = "quote a text that holds ': '; or check this line's indentation, and whether the line above is 'key: value'"
    return SyntaxMistake(index, "a ':' is not expected here", hint)


def _inline_list(text: str, index: int, start: int, context: str, problem: str) -> SyntaxMistake | None:
    if "sequence entries are not allowed" not in problem:
        return None
    return SyntaxMistake(index, "a list can not start here with '-'", "start it on the next line, or quote the text")


def _no_colon(text: str, index: int, start: int, context: str, problem: str) -> SyntaxMistake | None:
    if "expected ':'" not in problem:
        return None
    hint = "write key: value, with a space after ':'; or check quotes and indentation"
    return SyntaxMistake(start, "a line that is no 'key: value'", hint)


def _closing_bracket(text: str, index: int, start: int, context: str, problem: str) -> SyntaxMistake | None:
    character = text[index : index + 1]
    if character not in ("]", "}") or "flow" in context:
        return None
    return SyntaxMistake(index, f"this {character} closes nothing", "remove it, or quote the text that it belongs to")


def _no_key(text: str, index: int, start: int, context: str, problem: str) -> SyntaxMistake | None:
    if text[index : index + 1] != ":" or ("node content" not in problem and "block" not in context):
        return None
    return SyntaxMistake(index, "a key is missing before ':'", "write key: value, or quote a text that starts with ':'")


def _no_value(text: str, index: int, start: int, context: str, problem: str) -> SyntaxMistake | None:
    if "node content" not in problem:
        return None
    return SyntaxMistake(index, f"a value is expected before {text[index : index + 1]!r}", "write or quote it")


def _misplaced(text: str, index: int, start: int, context: str, problem: str) -> SyntaxMistake | None:
    """What does not belong to the mapping or list around it: mostly a wrong indentation."""
    if "expected key" not in problem and "expected '-'" not in problem and "<block end>" not in problem:
        return None
    line_start = max(text.rfind("\n", 0, index), text.rfind("\r", 0, index)) + 1
    if text[line_start:index].strip():
        return SyntaxMistake(index, "is not expected after the value before it", "quote the whole value")
    what = "list" if "collection" in context or "sequence" in context else "mapping"
    line = len(re.findall(r"\r\n|\n|\r", text[:start])) + 1
    hint = f"indent it like its neighbours: a {what} started on line {line}; a quote above may also be unclosed"
    return SyntaxMistake(index, "the indentation of this line fits no line above", hint)


def _second_document(text: str, index: int, start: int, context: str, problem: str) -> SyntaxMistake | None:
    if "<document start>" not in problem:
        return None
    hint = "one file holds one document: a mapping whose keys start in the first column"
    return SyntaxMistake(index, "stands after the end of the document", hint)


_RULES: tuple[Rule, ...] = (
    _variable,
    _tab,
    _unclosed_quote,
    _escape,
    _alias,
    _tag,
    _block_header,
    _unclosed_bracket,
    _first_character,
    _second_colon,
    _inline_list,
    _no_colon,
    _closing_bracket,
    _no_key,
    _no_value,
    _misplaced,
    _second_document,
)
