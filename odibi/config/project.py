"""The models of a project file."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ConfigDict, Field

from odibi.config.node import NodeConfig
from odibi.model import Model, no_items, no_keys


class PipelineConfig(Model):
    """A list of nodes that run together.

    >>> PipelineConfig.model_validate({"pipeline": "daily", "nodes": []}).pipeline
    'daily'
    """

    pipeline: str = Field(description="Name of the pipeline")
    description: str | None = Field(default=None, description="What the pipeline is for; shown in the story")
    layer: str | None = Field(
        default=None, description="bronze, silver, gold, or any name of yours; shown in the story"
    )
    nodes: list[NodeConfig] = Field(description="The nodes; they run as soon as what they depend on is done")


class StoryConfig(Model):
    """Where the stories of runs go, and what they may show."""

    connection: str | None = Field(
        default=None, description="Connection the stories are written to; default: .odibi/stories beside the file"
    )
    path: str = Field(default="stories/", description="Folder of the stories, relative to the connection")
    max_sample_rows: int = Field(default=10, ge=0, le=1000, description="Rows of each node that a story may show")
    auto_generate: bool = Field(default=True, description="Write a story after every run")
    mask: list[str] = Field(default_factory=no_items, description="Columns whose values are never shown")


class RetryConfig(Model):
    """How transient I/O errors are tried again."""

    enabled: bool = Field(default=True, description="Try transient I/O errors again")
    max_attempts: int = Field(default=3, ge=1, le=20, description="Attempts in all, the first included")
    backoff: Literal["exponential", "linear", "constant"] = Field(
        default="exponential", description="How the wait grows from attempt to attempt"
    )
    backoff_seconds: float = Field(default=1, ge=0, le=600, description="Seconds to wait before the second attempt")


class LoggingConfig(Model):
    """What is logged, and how."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="The least level that is logged"
    )
    structured: bool = Field(default=False, description="One JSON object a line instead of text")
    metadata: dict[str, Any] = Field(default_factory=no_keys, description="Keys added to every structured line")


class ProjectConfig(Model):
    """One project file. Connections are checked by the connection type's own model.

    >>> ProjectConfig.model_validate({"project": "Sales lake"}).engine
    'pandas'
    """

    model_config = ConfigDict(hide_input_in_errors=True)

    project: str | None = Field(default=None, description="Name of the project; default: the file's name")
    description: str | None = Field(default=None, description="What the project is for; shown in the story")
    version: str | None = Field(default=None, description="Version of the project, as text; shown in the story")
    owner: str | None = Field(default=None, description="Who answers for the project; shown in the story")
    include: list[str] = Field(
        default_factory=no_items, description="Files that connections, pipelines and transforms are taken from"
    )
    engine: str = Field(default="pandas", description="Who computes; `odibi run --engine` overrides it")
    sql_dialect: str | None = Field(
        default=None, description="Dialect of the SQL in this file; default: that of its engine"
    )
    key_vault_name: str | None = Field(
        default=None, description="Azure Key Vault of the connections that name none themselves"
    )
    service_credential: str | None = Field(
        default=None,
        description="Unity Catalog service credential (Databricks) of the connections that name none themselves",
    )
    transforms: list[str] = Field(
        default_factory=no_items,
        description="Python files (relative to this file) or modules with @transform functions",
    )
    connections: dict[str, dict[str, Any]] = Field(
        default_factory=no_keys,
        repr=False,  # they may hold secrets
        description="Where data is, by name",
    )
    story: StoryConfig = Field(default_factory=StoryConfig, description="The report of every run")
    retry: RetryConfig = Field(default_factory=RetryConfig, description="How transient I/O errors are tried again")
    logging: LoggingConfig = Field(default_factory=LoggingConfig, description="What is logged, and how")
    pipelines: list[PipelineConfig] = Field(
        default_factory=no_items, description="The pipelines; they run one after another, in this order"
    )
