"""The models of one node: read, transform, validation, write."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag

from odibi.config.variables import Filled
from odibi.errors import closest
from odibi.model import Model, no_items, no_keys

Mode = Literal["overwrite", "append", "error", "ignore"]
OnFail = Literal["fail", "warn"]
Scalar = bool | int | float | str


def _number_if_filled(value: Any) -> Any:
    """A limit that comes from a variable is a number where it reads like one."""
    if isinstance(value, Filled):
        for kind in (int, float):
            try:
                return kind(value)
            except ValueError:
                continue
    return value


Bound = Annotated[int | float | str, BeforeValidator(_number_if_filled)]
"""A limit of a range: a number, or a date or timestamp as text."""


class ReadConfig(Model):
    """Where a node's data comes from."""

    connection: str = Field(description="Name of a connection of this project")
    path: str | None = Field(default=None, description="File, folder, glob or Delta table, relative to the connection")
    table: str | None = Field(default=None, description="Table name, for connections that have a catalog")
    format: str | None = Field(
        default=None, description="Format of the data; default: from the path's suffix, else delta"
    )
    options: dict[str, Any] = Field(
        default_factory=no_keys, description="Options of the format, in one vocabulary on every engine"
    )
    schema_: dict[str, str] | None = Field(
        default=None, alias="schema", description="Columns and their types, as Spark writes types"
    )


STEP_KEYS = ("sql", "function", "operation")
_ONE_KIND = "a step is one of sql, function and operation; make it two steps"
_PARAMS = "SQL takes no params; write the values into it, or use ${VARIABLE}"


class SqlStep(Model):
    """A transform step in SQL over the names in `depends_on` and `current`."""

    key_hints: ClassVar[Mapping[str, str]] = {"function": _ONE_KIND, "operation": _ONE_KIND, "params": _PARAMS}

    sql: str = Field(description="One SELECT over the names in depends_on; `current` is the result of the step before")


class FunctionStep(Model):
    """A transform step in Python: a function registered with `@transform`."""

    key_hints: ClassVar[Mapping[str, str]] = {"sql": _ONE_KIND, "operation": _ONE_KIND}

    function: str = Field(description="Name of a registered transform function")
    params: dict[str, Any] = Field(default_factory=no_keys, description="Keyword arguments of the function")


class OperationStep(Model):
    """A built-in transform step."""

    key_hints: ClassVar[Mapping[str, str]] = {"sql": _ONE_KIND, "function": _ONE_KIND}

    operation: str = Field(description="Name of a built-in operation")
    params: dict[str, Any] = Field(default_factory=no_keys, description="Parameters of the operation")


_STEP_MODELS: dict[type[Any], str] = {SqlStep: "<sql>", FunctionStep: "<function>", OperationStep: "<operation>"}


def _step_kind(step: Any) -> str | None:
    """Which kind of step a value is meant to be: by the key it has, else by one that is nearly right."""
    if isinstance(step, str):
        return "<text>"
    if not isinstance(step, dict):
        return _STEP_MODELS.get(type(step))
    for key in STEP_KEYS:
        if key in step:
            return f"<{key}>"
    near = next((found[0] for key in step if isinstance(key, str) and (found := closest(key, STEP_KEYS))), None)
    return f"<{near}>" if near else None


Step = Annotated[
    Annotated[str, Tag("<text>")]
    | Annotated[SqlStep, Tag("<sql>")]
    | Annotated[FunctionStep, Tag("<function>")]
    | Annotated[OperationStep, Tag("<operation>")],
    Discriminator(
        _step_kind,
        custom_error_type="odibi",
        custom_error_message="a step is SQL as text, or a mapping with one of the keys sql, function, operation",
    ),
]


class TransformConfig(Model):
    """What a node does to its data, step by step."""

    key_hints: ClassVar[Mapping[str, str]] = {
        key: f"put it into steps: `steps: [{{{key}: …}}]`" for key in (*STEP_KEYS, "params")
    }

    steps: list[Step] = Field(min_length=1, description="Steps in order; a string is SQL")


class RangeConfig(Model):
    """Limits of a column, both inclusive; NULL is in range."""

    min: Bound | None = Field(default=None, description="The smallest value that is right")
    max: Bound | None = Field(default=None, description="The largest value that is right")


class SchemaCheckConfig(Model):
    """What a frame's schema must hold."""

    required_columns: list[str] = Field(default_factory=no_items, description="Columns that must be there")
    types: dict[str, str] = Field(default_factory=no_keys, description="Column types; `int` is any integer type here")


def _key_kind(unique: Any) -> str:
    return "<keys>" if isinstance(unique, list) and any(isinstance(key, list) for key in unique) else "<key>"


Unique = Annotated[
    Annotated[list[str], Tag("<key>")] | Annotated[list[list[str]], Tag("<keys>")], Discriminator(_key_kind)
]


class ValidationConfig(Model):
    """What must hold for a node's result before it is written."""

    not_empty: bool = Field(default=False, description="There is at least one row")
    no_nulls: list[str] = Field(default_factory=no_items, description="Columns without NULL")
    unique: Unique = Field(
        default_factory=no_items, description="Columns that together are a key, or a list of such keys"
    )
    ranges: dict[str, RangeConfig] = Field(default_factory=no_keys, description="Limits by column, both inclusive")
    accepted_values: dict[str, list[Scalar]] = Field(
        default_factory=no_keys, description="The values a column may have, by column"
    )
    expressions: list[str] = Field(default_factory=no_items, description="SQL that must not be false for any row")
    schema_: SchemaCheckConfig | None = Field(
        default=None, alias="schema", description="Columns and types that must be there"
    )
    on_fail: OnFail = Field(default="fail", description="fail: the node fails and nothing is written; warn: a warning")


class WriteConfig(Model):
    """Where a node's result goes."""

    connection: str = Field(description="Name of a connection of this project")
    path: str | None = Field(default=None, description="File, folder or Delta table, relative to the connection")
    table: str | None = Field(default=None, description="Table name, for connections that have a catalog")
    format: str | None = Field(
        default=None, description="Format of the data; default: from the path's suffix, else delta"
    )
    mode: Mode = Field(
        default="overwrite", description="What happens to data that is there: replaced, kept, or refused"
    )
    partition_by: list[str] = Field(default_factory=no_items, description="Columns whose values become folders")
    schema_: dict[str, str] = Field(
        default_factory=no_keys, alias="schema", description="Declared types of columns, as Spark writes types"
    )
    options: dict[str, Any] = Field(
        default_factory=no_keys, description="Options of the format, in one vocabulary on every engine"
    )


_STEPS = "put it into `transform: {steps: […]}`"


class NodeConfig(Model):
    """One node: at least one of read, transform and write.

    >>> node = NodeConfig.model_validate({"name": "one", "transform": {"steps": ["SELECT 1 AS id"]}})
    >>> node.name, node.transform.steps
    ('one', ['SELECT 1 AS id'])
    """

    key_hints: ClassVar[Mapping[str, str]] = {"sql": _STEPS, "steps": _STEPS, "function": _STEPS, "operation": _STEPS}

    name: str = Field(description="Name of the node, and of its result in the SQL of later nodes")
    description: str | None = Field(default=None, description="What the node is for; shown in the story")
    depends_on: list[str] = Field(default_factory=no_items, description="Nodes of this pipeline whose results it uses")
    read: ReadConfig | None = Field(default=None, description="Where the data comes from")
    transform: TransformConfig | None = Field(default=None, description="What is done to the data")
    validation: ValidationConfig | None = Field(default=None, description="What must hold before the data is written")
    cache: bool = Field(default=False, description="Keep the result in memory for the nodes that use it")
    write: WriteConfig | None = Field(default=None, description="Where the result goes")
