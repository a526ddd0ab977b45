"""Hive partitions: columns whose values are the names of folders, `region=EU`. Their types are told without a job."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from urllib.parse import unquote

from odibi.engine.sources import Found
from odibi.errors import DataError
from odibi.types import DataType

NULL = "__HIVE_DEFAULT_PARTITION__"
_INTEGER = re.compile(r"0|[1-9]\d{0,18}|-\d{1,19}")
_DATE = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})")


def values_of(found: Found, said: Mapping[str, DataType]) -> dict[str, DataType]:
    """The partitions of a source and their types: as said, else date, bigint or string, whatever all values are."""
    values: dict[str, set[str]] = {name: set() for name in found.partitions}
    for path in found.paths if values else ():
        inside = found.files.split(path)[0][len(found.base) :]
        for part in re.split(r"[/\\]", inside):
            name, sign, value = part.partition("=")
            if sign and name:
                values[name].add(value)
    for name, some in values.items():
        if "" in some:
            raise DataError(
                f"{found.location.display}: the folder {name}= stands for an empty text, which Spark does not read; "
                "write the data again with NULL there, or as a Delta table"
            )
    return {name: said.get(name) or _type({each for each in some if each != NULL}) for name, some in values.items()}


def _type(values: set[str]) -> DataType:
    texts = {unquote(value) for value in values}
    for type, fits in (("date", _is_date), ("bigint", _is_integer)):
        if texts and all(map(fits, texts)):
            return DataType(type)
    return DataType("string")


def _is_integer(text: str) -> bool:
    return bool(_INTEGER.fullmatch(text)) and -(2**63) <= int(text) < 2**63


def _is_date(text: str) -> bool:
    found = _DATE.fullmatch(text)
    try:
        return bool(found and date(int(found[1]), int(found[2]), int(found[3])))
    except ValueError:
        return False
