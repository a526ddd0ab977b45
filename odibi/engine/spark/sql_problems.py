"""What is wrong with a query, by the condition that Spark names, in the words of every engine."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from odibi.engine import words
from odibi.engine.spark.raised import Raised, clean, names_in, unquoted
from odibi.engine.words import Inputs, Told

AT_END = "syntax error at the end of the SQL"


def tell_sql(raised: Raised, inputs: Inputs) -> Told | None:
    """Message and hint for SQL that does not parse or does not fit its inputs; None where that is not the fault."""
    if raised.kind == "StackOverflowError" or "StackOverflowError" in raised.text:
        return words.TOO_DEEP
    for condition in (raised.condition, raised.main):
        teller = BY_CONDITION.get(condition)
        if teller is not None:
            return teller(raised, inputs)
    if "window functions inside WHERE clause" in raised.text:
        return words.where("window functions")
    if raised.kind in ("AnalysisException", "ParseException") and raised.main not in _NOT_OF_SQL:
        return clean(raised), ""
    return None


def _no_column(raised: Raised, inputs: Inputs) -> Told:
    path = names_in(raised.parameters.get("objectName", "")) or names_in(raised.text)[:1] or [raised.fragment]
    proposed = re.findall(r"((?:`(?:[^`]|``)*`\.?)+)", raised.parameters.get("proposal", ""))
    offered = [found[-1] for found in map(names_in, proposed) if found]
    if len(path) == 1:
        return words.no_column(path[0], words.columns_hint(path[0], offered, inputs))
    tables = {names_in(each)[-2].lower() for each in proposed if len(names_in(each)) > 1}
    if tables and path[-2].lower() not in tables and path[-2].lower() not in map(str.lower, offered):
        return words.no_table(".".join(path[:-1]), [*sorted(tables), *inputs])
    own = {key: columns for key, columns in inputs.items() if key.lower() == path[-2].lower()}
    return words.no_column_in(path[-2], path[-1], words.columns_hint(path[-1], offered, own or inputs))


def _no_table(raised: Raised, inputs: Inputs) -> Told:
    path = names_in(raised.parameters.get("relationName", "")) or names_in(raised.text)[:1]
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
    name = raised.name("routineName") or (names_in(raised.text)[:1] or [raised.fragment.partition("(")[0]])[0]
    return words.no_function(name.lower(), _known_functions())


def _known_functions() -> Sequence[str]:
    from sqlglot.dialects.dialect import Dialect

    return sorted(name.lower() for name in Dialect.get_or_raise("spark").parser_class.FUNCTIONS)


def _no_type(raised: Raised, inputs: Inputs) -> Told:
    return words.no_function(unquoted(raised.parameters.get("typeName", "")) or raised.fragment, (), "type")


def _grouped(raised: Raised, inputs: Inputs) -> Told:
    expression = unquoted(raised.parameters.get("expression", "")) or raised.fragment
    return words.group_by(expression.rpartition(".")[2] if re.fullmatch(r"[\w.]+", expression) else expression)


def _no_group(raised: Raised, inputs: Inputs) -> Told:
    return (
        "a column beside an aggregate must be in GROUP BY or in an aggregate function",
        "add GROUP BY, or use any_value(…) where any of its values will do",
    )


def _ambiguous(raised: Raised, inputs: Inputs) -> Told:
    name = (names_in(raised.parameters.get("name", "")) or [raised.fragment])[-1]
    ways = re.findall(r"((?:`(?:[^`]|``)*`\.?)+)", raised.parameters.get("referenceNames", ""))
    told = sorted({".".join(names_in(way)[-2:]) for way in ways})
    return words.ambiguous(name, " or ".join(told) if len(told) > 1 else "")


def _mismatch(raised: Raised, inputs: Inputs) -> Told:
    parameters = raised.parameters
    called = unquoted(parameters.get("sqlExpr", "")) or raised.fragment
    takes = unquoted(parameters.get("requiredType", "")).replace('"', "").strip("()")
    has = unquoted(parameters.get("inputType", "") or parameters.get("actualType", "")).replace('"', "")
    if takes and has:
        return f"no function fits {called}: it takes {takes} and is given {has}", "cast the arguments"
    if raised.condition.endswith("BINARY_OP_DIFF_TYPES"):
        left, right = unquoted(parameters.get("left", "")), unquoted(parameters.get("right", ""))
        return f"no function fits {called}: {left} and {right} are different types", "cast the arguments"
    if raised.condition.endswith("CAST_WITHOUT_SUGGESTION") or ".CAST_WITH" in raised.condition:
        source, target = unquoted(parameters.get("srcType", "")), unquoted(parameters.get("targetType", ""))
        return f"{source} can not be cast to {target}", ""
    return words.wrong_arguments(called)


def _wrong_count(raised: Raised, inputs: Inputs) -> Told:
    parameters = raised.parameters
    name, takes = raised.name("functionName"), unquoted(parameters.get("expectedNum", ""))
    given = unquoted(parameters.get("actualNum", ""))
    if name and takes and given:
        return f"{name}() takes {takes} arguments and is given {given}", ""
    return words.wrong_arguments(raised.fragment or name)


def _no_field(raised: Raised, inputs: Inputs) -> Told:
    return words.no_field(raised.name("fieldName"), names_in(raised.parameters.get("fields", "")))


def _no_struct(raised: Raised, inputs: Inputs) -> Told:
    whole = unquoted(raised.parameters.get("sqlExpr", "") or raised.parameters.get("baseExpr", "")) or raised.fragment
    return f"{whole!r} is no struct, map or array: nothing can be taken out of it", ""


def _union_width(raised: Raised, inputs: Inputs) -> Told:
    return words.UNION_WIDTH


def _where(raised: Raised, inputs: Inputs) -> Told:
    what = "window functions" if "window" in raised.parameters.get("expressionList", "").lower() else "aggregates"
    return words.where(what)


def _not_boolean(raised: Raised, inputs: Inputs) -> Told:
    given = unquoted(raised.parameters.get("type", ""))
    return f"a condition is true or false, and {unquoted(raised.parameters.get('filter', ''))} is {given}", "compare it"


def _parameter(raised: Raised, inputs: Inputs) -> Told:
    return "a query parameter (`?` or `:name`) has no value here", words.PARAMETER_HINT


def _duplicate(raised: Raised, inputs: Inputs) -> Told:
    name = raised.name("columnName") or raised.fragment
    return f"the column {name!r} is there twice", "give one of them another name (AS …)"


BY_CONDITION: Mapping[str, Callable[[Raised, Inputs], Told]] = {
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
        unquoted(raised.name("name") or raised.parameters.get("name", "")).lower()
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
