"""`cast`: columns in other types."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from odibi.model import Model
from odibi.transforms.base import Columns, Finding, Operation, find, unknown
from odibi.transforms.dialect import Dialect
from odibi.types import Column, DataType, parse_type


class CastParams(Model):
    """Parameters of `cast`."""

    columns: dict[str, str] = Field(min_length=1, description="Column: type, as Spark writes types")
    errors: Literal["fail", "null"] = Field("fail", description="A value that can not be cast: fail, or give NULL")

    @field_validator("columns")
    @classmethod
    def _types_exist(cls, columns: dict[str, str]) -> dict[str, str]:
        for text in columns.values():
            parse_type(text)
        return columns


class Cast(Operation[CastParams]):
    """Change the types of columns. A value that does not fit is an error, or NULL with `errors: "null"`."""

    name = "cast"
    Params = CastParams

    def sql(self, params: CastParams, columns: Columns, dialect: Dialect) -> str:
        """Every column, cast where a type is given."""
        types = _types(params, columns)
        items = []
        for column in columns:
            name = dialect.quote(column.name)
            type = types.get(column.name)
            cast = dialect.convert(name, column.type, type, params.errors == "null") if type else ""
            items.append(f"{cast} AS {name}" if cast else name)
        return f"SELECT {', '.join(items)} FROM current"

    def output_columns(self, params: CastParams, columns: Columns) -> tuple[Column, ...] | None:
        """The same columns, with the new types."""
        types = _types(params, columns)
        return tuple(Column(each.name, types[each.name]) if each.name in types else each for each in columns)

    def problems(self, params: CastParams, columns: Columns) -> list[Finding]:
        """Unknown columns."""
        return [finding for name in params.columns for finding in unknown(f"columns.{name}", [name], columns)]


def _types(params: CastParams, columns: Columns) -> dict[str, DataType]:
    named = {find(name, columns): parse_type(text) for name, text in params.columns.items()}
    return {column.name: type for column, type in named.items() if column is not None}
