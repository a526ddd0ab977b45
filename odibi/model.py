"""The base of every configuration model: a frozen value in which unknown keys are errors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, ConfigDict

from odibi.secrets import MASK, names_secret, scrub


class Model(BaseModel):
    """A frozen configuration value. Unknown keys are errors; nothing is guessed from another type."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, protected_namespaces=())

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """What `repr` and `str` show: no secrets, of fields or in what they hold."""
        for name, value in super().__repr_args__():
            yield name, MASK if name is not None and names_secret(name) and value is not None else value

    def __repr__(self) -> str:
        return scrub(super().__repr__())

    def __str__(self) -> str:
        return scrub(super().__str__())


def no_items() -> list[Any]:
    """The default of a list. pydantic asks a default for its signature, which of `list` itself takes a parser to
    find."""
    return []


def no_keys() -> dict[str, Any]:
    """The default of a mapping."""
    return {}
