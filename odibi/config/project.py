"""The models of a project file."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from odibi.config.node import NodeConfig
from odibi.model import Model


class PipelineConfig(Model):
    """A list of nodes that run together."""

    pipeline: str
    description: str | None = None
    layer: str | None = None
    nodes: list[NodeConfig]


class StoryConfig(Model):
    """Where the stories of runs go, and what they may show."""

    connection: str | None = Field(None, description="default: the folder .odibi/stories beside the file")
    path: str = "stories/"
    max_sample_rows: int = Field(10, ge=0, le=1000)
    auto_generate: bool = True
    mask: list[str] = Field(default_factory=list, description="Columns whose values are never shown")


class RetryConfig(Model):
    """How transient I/O errors are tried again."""

    enabled: bool = True
    max_attempts: int = Field(3, ge=1, le=20)
    backoff: Literal["exponential", "linear", "constant"] = "exponential"
    backoff_seconds: float = Field(1, ge=0, le=600)


class LoggingConfig(Model):
    """What is logged, and how."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    structured: bool = False
    metadata: dict[str, Any] = Field(default_factory=dict)


class ProjectConfig(Model):
    """One project file. Connections are checked by the connection type's own model."""

    project: str | None = Field(None, description="default: the file's name")
    description: str | None = None
    version: str | None = None
    owner: str | None = None
    include: list[str] = Field(default_factory=list)
    engine: str = "pandas"
    sql_dialect: str | None = Field(None, description="Dialect of the SQL in this file; default: that of its engine")
    transforms: list[str] = Field(default_factory=list)
    connections: dict[str, dict[str, Any]] = Field(default_factory=dict)
    story: StoryConfig = Field(default_factory=StoryConfig)
    retry: RetryConfig = Field(default_factory=RetryConfig)
    logging: LoggingConfig = Field(default_factory=LoggingConfig)
    pipelines: list[PipelineConfig] = Field(default_factory=list)
