"""The models of one node: read, transform, validation, write."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from odibi.model import Model

Mode = Literal["overwrite", "append", "error", "ignore"]
OnFail = Literal["fail", "warn"]
Scalar = bool | int | float | str
Bound = int | float | str
"""A limit of a range: a number, or a date or timestamp as text."""


class ReadConfig(Model):
    """Where a node's data comes from."""

    connection: str = Field(description="Name of a connection of this project")
    path: str | None = Field(None, description="File, folder, glob or Delta table, relative to the connection")
    table: str | None = Field(None, description="Table name, for connections that have a catalog")
    format: str | None = Field(None, description="csv, parquet, json, excel, avro or delta; default: from the path's suffix, else delta")
    options: dict[str, Any] = Field(default_factory=dict, description="Options of the format, in one vocabulary on every engine")
    schema_: dict[str, str] | None = Field(None, alias="schema", description="Columns and their types, as Spark writes types")


class SqlStep(Model):
    """A transform step in SQL over the names in `depends_on` and `current`."""

    sql: str = Field(description="One SELECT over the names in depends_on; `current` is the result of the step before")


class FunctionStep(Model):
    """A transform step in Python: a function registered with `@transform`."""

    function: str = Field(description="Name of a registered transform function")
    params: dict[str, Any] = Field(default_factory=dict, description="Keyword arguments of the function")


class OperationStep(Model):
    """A built-in transform step."""

    operation: str = Field(description="Name of a built-in operation")
    params: dict[str, Any] = Field(default_factory=dict, description="Parameters of the operation")


Step = str | SqlStep | FunctionStep | OperationStep


class TransformConfig(Model):
    """What a node does to its data, step by step."""

    steps: list[Step] = Field(min_length=1, description="Steps in order; a string is SQL")


class RangeConfig(Model):
    """Limits of a column, both inclusive; NULL is in range."""

    min: Bound | None = None
    max: Bound | None = None


class SchemaCheckConfig(Model):
    """What a frame's schema must hold."""

    required_columns: list[str] = Field(default_factory=list)
    types: dict[str, str] = Field(default_factory=dict, description="Column types; `int` is any integer type here")


class ValidationConfig(Model):
    """What must hold for a node's result before it is written."""

    not_empty: bool = False
    no_nulls: list[str] = Field(default_factory=list)
    unique: list[str] | list[list[str]] = Field(default_factory=list, description="One key of these columns, or a list of keys")
    ranges: dict[str, RangeConfig] = Field(default_factory=dict)
    accepted_values: dict[str, list[Scalar]] = Field(default_factory=dict)
    expressions: list[str] = Field(default_factory=list, description="SQL that must not be false for any row")
    schema_: SchemaCheckConfig | None = Field(None, alias="schema")
    on_fail: OnFail = "fail"


class WriteConfig(Model):
    """Where a node's result goes."""

    connection: str = Field(description="Name of a connection of this project")
    path: str | None = Field(None, description="File, folder or Delta table, relative to the connection")
    table: str | None = Field(None, description="Table name, for connections that have a catalog")
    format: str | None = Field(None, description="default: from the path's suffix, else delta")
    mode: Mode = "overwrite"
    partition_by: list[str] = Field(default_factory=list)
    schema_: dict[str, str] = Field(default_factory=dict, alias="schema", description="Declared types of columns")
    options: dict[str, Any] = Field(default_factory=dict)


class NodeConfig(Model):
    """One node: at least one of read, transform and write."""

    name: str
    description: str | None = None
    depends_on: list[str] = Field(default_factory=list)
    read: ReadConfig | None = None
    transform: TransformConfig | None = None
    validation: ValidationConfig | None = None
    cache: bool = Field(False, description="Keep the result in memory for the nodes that use it")
    write: WriteConfig | None = None
