"""The base of every configuration model: a frozen value in which unknown keys are errors."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Model(BaseModel):
    """A frozen configuration value. Unknown keys are errors; nothing is guessed from another type."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, protected_namespaces=())
