"""The JSON Schema: it is one, it takes right files, and it refuses what the loader refuses for its shape."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from odibi.formats import FORMATS
from odibi.schema import VARIABLE, json_schema
from odibi.transforms import OPERATIONS

SCHEMA = json_schema()
TYPES = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "array": list,
    "object": dict,
    "null": type(None),
}


def fits(schema: Any, value: Any) -> bool:
    """A validator of what our schema uses, and of nothing else."""
    if isinstance(schema, bool):
        return schema
    if "if" in schema and fits(schema["if"], value) and not fits(schema["then"], value):
        return False
    if "$ref" in schema:
        return fits(SCHEMA["$defs"][schema["$ref"].removeprefix("#/$defs/")], value)
    return (
        _type_fits(schema.get("type"), value)
        and value in schema.get("enum", [value])
        and value == schema.get("const", value)
        and all(fits(each, value) for each in schema.get("allOf", ()))  # pydantic before 2.9 wraps references
        and ("anyOf" not in schema or any(fits(each, value) for each in schema["anyOf"]))
        and ("oneOf" not in schema or sum(fits(each, value) for each in schema["oneOf"]) == 1)
        and _content_fits(schema, value)
    )


def _type_fits(type_: Any, value: Any) -> bool:
    if isinstance(value, bool) and type_ in ("integer", "number"):
        return False
    kinds = type_ if isinstance(type_, list) else [type_]
    return type_ is None or any(isinstance(value, TYPES[kind]) for kind in kinds)


def _content_fits(schema: Any, value: Any) -> bool:
    if isinstance(value, str):
        return bool(re.search(schema.get("pattern", ""), value)) and len(value) >= schema.get("minLength", 0)
    if isinstance(value, bool) or value is None:
        return True
    if isinstance(value, (int, float)):
        return schema.get("minimum", value) <= value <= schema.get("maximum", value)
    if isinstance(value, list):
        return len(value) >= schema.get("minItems", 0) and all(fits(schema.get("items", {}), each) for each in value)
    known, rest = schema.get("properties", {}), schema.get("additionalProperties", True)
    return set(schema.get("required", ())) <= set(value) and all(
        fits(known[key], each) if key in known else rest is not False and fits({} if rest is True else rest, each)
        for key, each in value.items()
    )


def subschemas(schema: Any) -> Iterator[Any]:
    if isinstance(schema, dict):
        yield schema
    for each in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        yield from subschemas(each)


def project(**node: Any) -> dict[str, Any]:
    return {
        "connections": {"lake": {"type": "local", "base_path": "data"}, "dbfs": {"type": "local_dbfs"}},
        "pipelines": [{"pipeline": "p", "nodes": [{"name": "a", **node}]}],
    }


def lake(**settings: Any) -> dict[str, Any]:
    return {"connections": {"lake": {"type": "azure_adls", "account": "account1", **settings}}}


RIGHT: list[dict[str, Any]] = [
    {},
    {"key_vault_name": "company-kv", "service_credential": "kv-reader", **lake(secret_name="bronze-key")},
    lake(secret_name="s", key_vault_name="kv", container="c", path_prefix="p", validate=False),
    lake(auth_mode="direct_key", account_key="${KEY}", endpoint_suffix="core.chinacloudapi.cn"),
    lake(auth_mode="managed_identity", client_id="x"),
    lake(auth_mode="service_principal", tenant_id="t", client_id="c", client_secret="s"),
    lake(auth_mode="sas", sas_token="sig=x"),
    lake(auth_mode="default", service_credential="kv-reader"),
    lake(auth_mode="unity_catalog"),
    lake(auth_mode="${MODE}", account_key="k", secret_name="s"),
    {"engine": "spark", "sql_dialect": "spark", "version": "1", "include": ["a.yaml"], "transforms": ["a.py"]},
    {"retry": {"max_attempts": "${N:-3}", "enabled": "${ON}"}, "logging": {"level": "${LEVEL}"}},
    project(read={"connection": "lake", "path": "a.csv", "format": "csv", "options": {"sep": ";", "header": 0}}),
    project(read={"connection": "lake", "path": "a", "format": "${F}", "schema": {"id": "bigint"}}, cache="${CACHE}"),
    project(transform={"steps": ["SELECT 1", {"sql": "SELECT 1"}, {"function": "f", "params": {"a": 1}}]}),
    project(transform={"steps": [{"operation": "rename", "params": {"columns": {"a": "b"}}}]}),
    project(validation={"unique": ["a"], "ranges": {"a": {"min": 0, "max": "${MAX}"}}, "on_fail": "warn"}),
    project(validation={"unique": [["a"], ["b", "c"]], "accepted_values": {"a": [1, "x", True]}}),
    project(write={"connection": "lake", "path": "a", "mode": "append", "partition_by": ["a"]}),
]
WRONG: list[dict[str, Any]] = [
    lake(),
    lake(auth_mode="keyvault"),
    lake(secret_name="s", account_key="k"),
    lake(auth_mode="direct_key"),
    lake(auth_mode="direct_key", account_key=5),
    lake(auth_mode="sas", sas_token="sig=x", client_id="c"),
    lake(auth_mode="unity_catalog", secret_name="s"),
    lake(secret_name="s", accountt="a"),
    {"connections": {"lake": {"type": "azure_adls", "secret_name": "s"}}},
    {"versoin": "1"},
    {"version": 1.0},
    {"engine": "pandsa"},
    {"retry": {"max_attempts": "three"}},
    {"retry": {"max_attempts": 0}},
    {"logging": {"level": "LOUD"}},
    {"connections": {"x": {"type": "azure"}}},
    {"connections": {"x": {"type": "local"}}},
    {"connections": {"x": {"base_path": "data"}}},
    {"connections": {"x": {"type": "local", "base_path": "a", "root": "b"}}},
    project(read={"path": "a"}),
    project(read={"connection": "lake", "path": "a", "format": "cvs"}),
    project(read={"connection": "lake", "path": "a", "formatt": "csv"}),
    project(transform={"steps": [{"sql": "SELECT 1", "function": "f"}]}),
    project(transform={"steps": [{"operation": "renam", "params": {}}]}),
    project(transform={"steps": [{"operation": "rename", "params": {"colums": {}}}]}),
    project(transform={"steps": []}),
    project(write={"connection": "lake", "path": "a", "mode": "apend"}),
    project(cache="yes"),
    {"pipelines": [{"nodes": []}]},
]


@pytest.mark.parametrize("data", RIGHT)
def test_right_files_fit(data: dict[str, Any]):
    assert fits(SCHEMA, data)


@pytest.mark.parametrize("data", WRONG)
def test_wrong_files_do_not_fit(data: dict[str, Any]):
    assert not fits(SCHEMA, data)


def test_it_is_a_schema():
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    for each in subschemas(SCHEMA):
        if isinstance(each.get("$ref"), str):
            assert each["$ref"].removeprefix("#/$defs/") in SCHEMA["$defs"]
    try:
        import jsonschema
    except ImportError:
        return
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_every_key_has_hover_text():
    for name, definition in {"": SCHEMA, **SCHEMA["$defs"]}.items():
        for key, each in definition.get("properties", {}).items():
            assert each.get("description") or "$ref" in each, f"{name}.{key}"


def test_what_is_registered_is_in_it():
    read = SCHEMA["$defs"]["ReadConfig"]["properties"]
    assert set(FORMATS) <= {name for each in read["format"]["anyOf"] for name in each.get("enum", ())}
    assert {"delimiter", "sep", "versionAsOf"} <= set(read["options"]["properties"])
    operations = SCHEMA["$defs"]["OperationStep"]["oneOf"]
    assert {each["properties"]["operation"]["const"] for each in operations} == set(OPERATIONS)


def test_variables():
    assert re.search(VARIABLE["pattern"], "${A}")
    assert re.search(VARIABLE["pattern"], "${A:-5}")
    assert not re.search(VARIABLE["pattern"], "A")
