"""The base of every configuration model: a frozen value in which unknown keys are errors."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict


class Model(BaseModel):
    """A frozen configuration value. Unknown keys are errors; nothing is guessed from another type."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, protected_namespaces=())


def no_items() -> list[Any]:
    """The default of a list. pydantic asks a default for its signature, which of `list` itself takes a parser to
    find."""
    return []


def no_keys() -> dict[str, Any]:
    """The default of a mapping."""
    return {}
