"""Every key and its default is in docs/CONFIGURATION_EXPLAINED.md, every operation in docs/transforms.md."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from odibi.config.node import NodeConfig, ReadConfig, ValidationConfig, WriteConfig
from odibi.config.project import LoggingConfig, PipelineConfig, ProjectConfig, RetryConfig, StoryConfig
from odibi.connections import CONNECTIONS, AzureADLS
from odibi.transforms import OPERATIONS
from tests.docs.pages import ROOT, section, table

PAGE = ROOT / "docs" / "CONFIGURATION_EXPLAINED.md"
MODELS: dict[str, list[type[BaseModel]]] = {
    "The project": [ProjectConfig],
    "Azure storage": [AzureADLS.Settings],
    "Pipelines and nodes": [PipelineConfig, NodeConfig],
    "read": [ReadConfig],
    "validation": [ValidationConfig],
    "write": [WriteConfig],
    "story": [StoryConfig],
    "retry": [RetryConfig],
    "logging": [LoggingConfig],
}
"""Heading to the models whose keys its tables list."""


def codes(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def fields_of(model: type[BaseModel]) -> dict[str, Any]:
    """Key, as it is written, to its default; None where it has none, or none that a reader would write."""
    found = {}
    for name, field in model.model_fields.items():
        default = None if field.default is PydanticUndefined else field.default
        found[field.alias or name] = default
    return found


@pytest.mark.parametrize("heading", MODELS)
def test_a_section_lists_the_keys_and_their_defaults(heading: str) -> None:
    known = {key: default for model in MODELS[heading] for key, default in fields_of(model).items()}
    rows = [row for row in table(section(PAGE, heading)) if codes(row[0])]
    listed = {key: row[1] for row in rows for key in codes(row[0])}
    assert set(listed) == set(known)
    for key, cell in listed.items():
        shown = codes(cell)
        if len(shown) == 1 and shown[0] == cell.strip("`"):
            assert yaml.safe_load(shown[0]) == known[key], key
        elif not cell and heading != "write":
            assert known[key] in (None, [], {}), f"{key}: the default {known[key]!r} is not shown"


def test_every_connection_type_is_listed() -> None:
    rows = table(section(PAGE, "Connections"))
    listed = {codes(row[0])[0]: set(codes(row[1])) for row in rows}
    built_in = {name: CONNECTIONS[name] for name in ("local", "local_dbfs", "azure_adls", "unity_catalog")}
    assert listed == {name: {*fields_of(kind.Settings)} - {"type"} for name, kind in built_in.items()}
    assert set(listed) >= set(CONNECTIONS.loaded()) - {"memory"}


def test_every_operation_is_listed() -> None:
    rows = table(section(ROOT / "docs" / "transforms.md", "Operations"))
    listed = {codes(row[0])[0]: row[1] for row in rows}
    assert set(listed) == set(OPERATIONS.loaded())
    for name, cell in listed.items():
        parameters = codes(re.sub(r"\(`[^`]+`\)", "", cell))
        assert set(parameters) == set(OPERATIONS[name].Params.model_fields), name
        for key, shown in re.findall(r"`(\w+)` \(`([^`]+)`\)", cell):
            assert OPERATIONS[name].Params.model_fields[key].default == shown, f"{name}.{key}"
