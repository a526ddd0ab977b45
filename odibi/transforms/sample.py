"""`sample`: some of the rows."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from odibi.model import Model
from odibi.transforms.base import Columns, Finding, Operation
from odibi.transforms.dialect import Dialect
from odibi.types import Column

_STEPS = 1_000_000_007  # a prime: the remainder of a hash is spread evenly


class SampleParams(Model):
    """Parameters of `sample`: a share or a number of rows."""

    fraction: float | None = Field(
        None, ge=0, le=1, description="Share of the rows, 0 to 1; the count is near it, not exact"
    )
    rows: int | None = Field(None, ge=0, description="Number of rows; all, where there are fewer")
    seed: int | None = Field(None, description="The same seed takes the same rows of the same data")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.fraction is None) == (self.rows is None):
            raise ValueError("give either `fraction` or `rows`")
        return self


class Sample(Operation[SampleParams]):
    """Take some of the rows. With a seed the choice depends on the values of a row alone, so it does not change with
    the order of the rows; equal rows are then taken or left together by `fraction`. Engines choose differently."""

    name = "sample"
    Params = SampleParams

    def sql(self, params: SampleParams, columns: Columns, dialect: Dialect) -> str:
        """A filter, or the first rows in a random order."""
        if params.fraction is not None:
            if params.seed is None:
                return f"SELECT * FROM current WHERE {dialect.random} < {params.fraction!r}"
            limit = round(params.fraction * _STEPS)
            return f"SELECT * FROM current WHERE {self._hash(params, columns, dialect)} < {limit}"
        order = dialect.random if params.seed is None else self._hash(params, columns, dialect)
        return f"SELECT * FROM current ORDER BY {order} LIMIT {params.rows}"

    def _hash(self, params: SampleParams, columns: Columns, dialect: Dialect) -> str:
        values = (_hashable(column, dialect) for column in columns)
        row = ", ".join([str(params.seed), *values])
        return (
            f"{dialect.hash}({row}) % {_STEPS}" if not dialect.signed_hash else f"pmod({dialect.hash}({row}), {_STEPS})"
        )

    def output_columns(self, params: SampleParams, columns: Columns) -> tuple[Column, ...] | None:
        """The same columns."""
        return tuple(columns)

    def problems(self, params: SampleParams, columns: Columns) -> list[Finding]:
        """Nothing depends on the columns."""
        return []

    def is_deterministic(self, params: SampleParams) -> bool:
        """With a seed."""
        return params.seed is not None


def _hashable(column: Column, dialect: Dialect) -> str:
    name = dialect.quote(column.name)
    return name if column.type is None else dialect.before_hash(name, column.type)
