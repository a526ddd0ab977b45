"""The JSON Schema of project files: completion and hover text in editors.

It is made of the same models that check a file, and of what is registered: connection types, formats, operations.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from odibi.config.project import ProjectConfig
from odibi.connections import CONNECTIONS
from odibi.engine import ENGINES
from odibi.formats import ALIASES, FORMATS, Side
from odibi.formats.base import Option
from odibi.transforms import OPERATIONS

Schema = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"
VARIABLE: Schema = {
    "type": "string",
    "pattern": r"\$\{[A-Za-z_][A-Za-z0-9_]*(:-[^{}]*)?\}",
    "description": "A variable: ${NAME} or ${NAME:-default}",
}
_VARIABLE_REF: Schema = {"$ref": "#/$defs/Variable"}
_KINDS: dict[str, Schema] = {
    "bool": {"type": "boolean"},
    "header": {"type": ["boolean", "integer", "null"]},
    "int": {"type": "integer", "minimum": 0},
    "mapping": {"type": "object"},
    "types": {"type": "object"},
    "filters": {"type": "array", "items": {"type": "array", "minItems": 3, "maxItems": 3}},
}
"""Kinds of options (see `odibi.formats.base.KINDS`) whose values are not simply text or lists of it."""


def json_schema() -> Schema:
    """The JSON Schema (draft 2020-12) of a project file, with everything that is registered in this process.

    >>> json_schema()["properties"]["pipelines"]["type"]
    'array'
    """
    schema = _model_schema(ProjectConfig)
    definitions: Schema = schema.setdefault("$defs", {})
    schema["properties"]["connections"]["additionalProperties"] = _connections(definitions)
    schema["properties"]["engine"] |= {"enum": sorted(ENGINES)}
    definitions["OperationStep"] = _operations(definitions)
    sides: tuple[tuple[str, Side], ...] = (("ReadConfig", "read"), ("WriteConfig", "write"))
    for name, side in sides:
        _describe_end(definitions[name]["properties"], side)
    _allow_variables(schema)
    definitions["Variable"] = dict(VARIABLE)
    return {"$schema": DIALECT, "title": "odibi project", **schema}


def _model_schema(model: type[BaseModel], prefix: str = "") -> Schema:
    """A model's schema; the names of its definitions start with `prefix`."""
    schema = model.model_json_schema(by_alias=True, ref_template=f"#/$defs/{prefix}{{model}}")
    if prefix and "$defs" in schema:
        schema["$defs"] = {f"{prefix}{name}": each for name, each in schema["$defs"].items()}
    for each in _walk(schema):
        each.pop("title", None)
        if "description" in each:  # of a docstring: what follows is for readers of Python
            each["description"] = each["description"].partition("\n\n")[0]
    return schema


def _walk(schema: Any) -> Iterator[Schema]:
    """Every schema inside a schema, itself first; names of properties are none."""
    if isinstance(schema, list):
        for item in schema:
            yield from _walk(item)
    if not isinstance(schema, dict):
        return
    yield schema
    for key, value in schema.items():
        if key in ("properties", "$defs", "patternProperties"):
            for each in value.values():
                yield from _walk(each)
        elif key in ("items", "additionalProperties", "anyOf", "oneOf", "allOf", "prefixItems"):
            yield from _walk(value)


# -- what is registered ------------------------------------------------------------------------------------------------


def _connections(definitions: Schema) -> Schema:
    """One schema a connection type, told apart by `type`."""
    variants = []
    for name in CONNECTIONS:
        schema = _take(CONNECTIONS[name].Settings, f"connection_{name}_", definitions)
        schema["properties"]["type"] = {"const": name, "description": "What kind of connection this is"}
        schema["required"] = ["type", *(key for key in schema.get("required", ()) if key != "type")]
        variants.append(schema)
    return {"oneOf": variants}


def _operations(definitions: Schema) -> Schema:
    """One schema an operation, told apart by `operation`."""
    variants = []
    for name in OPERATIONS:
        operation = OPERATIONS[name]
        params = _take(operation.Params, f"operation_{name}_", definitions)
        about = _first_line(operation) or params.get("description", "")
        properties = {"operation": {"const": name, "description": about}, "params": params}
        required = ["operation", "params"] if params.get("required") else ["operation"]
        variants.append(
            {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
        )
    return {"description": "A built-in transform step", "oneOf": variants}


def _take(model: type[BaseModel], prefix: str, definitions: Schema) -> Schema:
    """A model's schema; its definitions go beside the others."""
    schema = _model_schema(model, prefix)
    definitions.update(schema.pop("$defs", {}))
    return schema


def _first_line(thing: Any) -> str:
    return (thing.__doc__ or "").strip().partition("\n")[0]


def _describe_end(properties: Schema, side: Side) -> None:
    """Name the formats and the options of a read or a write."""
    about = properties["format"].get("description", "")
    names = sorted({*FORMATS, *ALIASES})
    properties["format"] = {"description": about, "enum": [*names, None]}
    options: Schema = {}
    for name in FORMATS:
        for option in FORMATS[name].options(side).values():
            _add_option(options, option, name)
    properties["options"]["properties"] = options


def _add_option(options: Schema, option: Option, format: str) -> None:
    for name in (option.name, *option.aliases):
        known = options.get(name)
        if known is not None:
            known["description"] = known["description"].removesuffix(")") + f", {format})"
            continue
        alias = "" if name == option.name else f"; the same as {option.name}"
        options[name] = {"description": f"{option.doc}{alias} ({format})"}
        if not alias:
            options[name] |= _KINDS.get(option.kind, {})


# -- variables ---------------------------------------------------------------------------------------------------------


def _allow_variables(schema: Schema) -> None:
    """Let `${NAME}` stand wherever a number, a truth or one of some words is expected."""
    for each in list(_walk(schema)):
        if not _wants_variable(each):
            continue
        kept: Schema = {key: each.pop(key) for key in ("description", "default") if key in each}
        inner = dict(each)
        each.clear()
        each.update(kept, anyOf=[inner, _VARIABLE_REF])


def _wants_variable(schema: Mapping[str, Any]) -> bool:
    """Whether a schema takes simple values, and no text of any kind."""
    kinds = schema.get("type", ())
    kinds = {kinds} if isinstance(kinds, str) else set(kinds)
    return bool(kinds & {"integer", "number", "boolean"} and "string" not in kinds) or "enum" in schema
