"""`rename`: columns under other names."""

from __future__ import annotations

from pydantic import Field

from odibi.model import Model
from odibi.transforms.base import Columns, Finding, Operation, find, repeated, unknown
from odibi.transforms.dialect import Dialect
from odibi.types import Column


class RenameParams(Model):
    """Parameters of `rename`."""

    columns: dict[str, str] = Field(min_length=1, description="Old name: new name")


class Rename(Operation[RenameParams]):
    """Give columns other names; the others and the order stay."""

    name = "rename"
    Params = RenameParams

    def sql(self, params: RenameParams, columns: Columns, dialect: Dialect) -> str:
        """Every column, under its new name."""
        names = new_names(params, columns)
        items = (
            dialect.quote(column.name) + (f" AS {dialect.quote(new)}" if new != column.name else "")
            for column, new in zip(columns, names, strict=True)
        )
        return f"SELECT {', '.join(items)} FROM current"

    def output_columns(self, params: RenameParams, columns: Columns) -> tuple[Column, ...] | None:
        """The same columns, renamed."""
        names = new_names(params, columns)
        return tuple(Column(new, each.type, each.native) for each, new in zip(columns, names, strict=True))

    def problems(self, params: RenameParams, columns: Columns) -> list[Finding]:
        """Unknown columns, and names that would exist twice."""
        found = [finding for old in params.columns for finding in unknown(f"columns.{old}", [old], columns)]
        return found or repeated("columns", new_names(params, columns))


def new_names(params: RenameParams, columns: Columns) -> list[str]:
    """The names of the result, in order."""
    names = {column.name: column.name for column in columns}
    for old, new in params.columns.items():
        column = find(old, columns)
        names[column.name if column else old] = new
    return [names[column.name] for column in columns]
