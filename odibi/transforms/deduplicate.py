"""`deduplicate`: one row per key."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from odibi.model import Model
from odibi.transforms.base import Columns, Finding, Operation, find, resolved, unknown
from odibi.transforms.dialect import Dialect
from odibi.types import Column


class DeduplicateParams(Model):
    """Parameters of `deduplicate`."""

    subset: list[str] | None = Field(
        None, min_length=1, description="The key: one row stays per key; default: whole rows"
    )
    order_by: list[str] = Field(
        default_factory=list,
        description="Which row of a key stays: the first in this order, each `column`, `column asc` or `column desc`",
    )
    keep: Literal["first", "last"] = Field(
        "first", description="The first or the last row of a key in the order of order_by"
    )

    @field_validator("subset", "order_by", mode="before")
    @classmethod
    def _one_or_many(cls, value: object) -> object:
        return [value] if isinstance(value, str) else value

    @model_validator(mode="after")
    def _belongs_together(self) -> Self:
        if self.order_by and self.subset is None:
            raise ValueError("`order_by` needs `subset`: whole rows that are equal have no order")
        if self.keep == "last" and not self.order_by:
            raise ValueError("`keep: last` needs `order_by`: without it any row of a key may stay")
        return self


class Deduplicate(Operation[DeduplicateParams]):
    """Keep exactly one row per key: the first (or last) in the order given, any one without. Keys with NULL are keys
    like others; a row whose order value is NULL stays only where the key has no other. With equal order values any one
    of the rows stays."""

    name = "deduplicate"
    Params = DeduplicateParams

    def sql(self, params: DeduplicateParams, columns: Columns, dialect: Dialect) -> str:
        """Row number 1 of every key, or DISTINCT."""
        if params.subset is None:
            return "SELECT DISTINCT * FROM current"
        keys = dialect.names(resolved(params.subset, columns))
        names = dialect.names(column.name for column in columns)
        number = dialect.quote(free_name("row_number", columns))
        order = order_sql(params, columns, dialect) or keys
        ranked = f"SELECT *, row_number() OVER (PARTITION BY {keys} ORDER BY {order}) AS {number} FROM current"
        return f"SELECT {names} FROM ({ranked}) AS ranked WHERE {number} = 1"

    def output_columns(self, params: DeduplicateParams, columns: Columns) -> tuple[Column, ...] | None:
        """The same columns."""
        return tuple(columns)

    def problems(self, params: DeduplicateParams, columns: Columns) -> list[Finding]:
        """Unknown columns."""
        keys = [
            finding
            for index, name in enumerate(params.subset or ())
            for finding in unknown(f"subset[{index}]", [name], columns)
        ]
        order = [
            finding
            for index, text in enumerate(params.order_by)
            for finding in unknown(f"order_by[{index}]", [split_order(text, columns)[0]], columns)
        ]
        return keys + order


def split_order(text: str, columns: Columns) -> tuple[str, bool]:
    """(column, descending) of `column`, `column asc` or `column desc`. A column of exactly that name wins."""
    name, _, word = text.strip().rpartition(" ")
    if word.lower() in ("asc", "desc") and name and find(text, columns) is None:
        return name.strip(), word.lower() == "desc"
    return text.strip(), False


def order_of(params: DeduplicateParams, columns: Columns) -> list[tuple[str, bool]]:
    """(column, descending) in such an order that the row which stays is the first."""
    pairs = [split_order(text, columns) for text in params.order_by]
    return [(resolved([name], columns)[0], descending is (params.keep == "first")) for name, descending in pairs]


def order_sql(params: DeduplicateParams, columns: Columns, dialect: Dialect) -> str:
    """The ORDER BY under which the row that stays is the first; empty without an order."""
    pairs = order_of(params, columns)
    return ", ".join(f"{dialect.quote(name)} {'DESC' if down else 'ASC'} NULLS LAST" for name, down in pairs)


def free_name(wanted: str, columns: Columns) -> str:
    """A name that no column has."""
    taken = {column.name.lower() for column in columns}
    while wanted in taken:
        wanted = f"_{wanted}"
    return wanted
