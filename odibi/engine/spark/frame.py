"""The Spark engine's frame: a Spark DataFrame, and what is known of it without a job."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from odibi.engine.spark.types import columns_of
from odibi.types import Column


@dataclass(eq=False)
class SparkFrame:
    """A DataFrame (classic or Connect) that nothing was computed of yet, apart from what `kept` holds.

    `known_columns` spares asking for the schema, which is a call of the server on Connect. `lazy` is False for stored
    data and for what is kept: using it computes nothing. `kept` is whatever must live as long as the frame does.
    `first_rows` are rows that were in Python's hands anyway, for the story.
    """

    data: Any
    known_columns: tuple[Column, ...] | None = None
    rows: int | None = None
    lazy: bool = True
    kept: tuple[Any, ...] = ()
    first_rows: Sequence[Mapping[str, Any]] | None = field(default=None, repr=False)

    @property
    def columns(self) -> tuple[Column, ...]:
        """Names and types."""
        if self.known_columns is None:
            self.known_columns = columns_of(self.data.schema)
        return self.known_columns
