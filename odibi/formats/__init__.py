"""Formats and their options: names and meaning, the same on every engine. How a format is read is the engine's matter.

One file a format, one line here to register it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from odibi.errors import ConfigError, UnknownNameError, closest
from odibi.formats.base import COMPRESSED, Format, Mistake, Option, Side
from odibi.registry import Registry

FORMATS = Registry(
    "format",
    {
        "delta": "odibi.formats.delta:DELTA",
        "parquet": "odibi.formats.parquet:PARQUET",
        "csv": "odibi.formats.csv:CSV",
        "json": "odibi.formats.json:JSON",
        "excel": "odibi.formats.excel:EXCEL",
        "avro": "odibi.formats.avro:AVRO",
    },
)
ALIASES = {"jsonl": "json", "ndjson": "json", "xlsx": "excel"}
"""Other names of formats that users write."""
SUFFIXES = {
    ".csv": "csv", ".tsv": "csv", ".parquet": "parquet", ".pq": "parquet", ".json": "json", ".jsonl": "json",
    ".ndjson": "json", ".xlsx": "excel", ".xlsm": "excel", ".avro": "avro", ".delta": "delta",
}  # fmt: skip
"""The format that a path's suffix means (as in the formats themselves, which are not loaded for this)."""

__all__ = ["FORMATS", "SUFFIXES", "Format", "Mistake", "Option", "Side", "format_of", "normalise_options"]


def format_of(path: str, explicit: str | None = None) -> str:
    """The format of a path: the one that is said, else by its suffix (`.csv.gz` too), else delta.

    Raises `UnknownNameError` for a format that does not exist.

    >>> format_of("raw/a.jsonl.zst"), format_of("sales"), format_of("b.csv", "parquet")
    ('json', 'delta', 'parquet')
    """
    if explicit is not None:
        name = ALIASES.get(explicit.lower(), explicit.lower())
        if name not in FORMATS:
            raise UnknownNameError("format", explicit, FORMATS)
        return name
    suffixes = [suffix.lower() for suffix in PurePosixPath(path.replace("\\", "/")).suffixes]
    if len(suffixes) > 1 and suffixes[-1] in COMPRESSED:
        found = SUFFIXES.get(suffixes[-2], "")
        return found if found in ("csv", "json") else "delta"
    return SUFFIXES.get(suffixes[-1], "delta") if suffixes else "delta"


def table_format(explicit: str | None = None) -> str:
    """The format of a table that a catalog knows: it is made as a Delta table, and the catalog knows what it is.

    Raises `UnknownNameError` for a format that does not exist, `ConfigError` for another one.
    """
    name = format_of("", explicit)
    if name != "delta":
        raise ConfigError(f"a table of a catalog is no {name} data; leave out `format`, or name a `path`")
    return name


def normalise_options(format: str, side: Side, options: Mapping[str, Any]) -> tuple[dict[str, Any], list[Mistake]]:
    """Options under their canonical names and in canonical shape, and the mistakes: (key as written, what, hint).

    >>> normalise_options("csv", "read", {"sep": ";", "header": 0})
    ({'delimiter': ';', 'header': True}, [])
    >>> normalise_options("csv", "read", {"delimeter": ";"})[1][0][1]
    "unknown option 'delimeter' for reading csv"
    """
    known = FORMATS[format].options(side)
    canonical = {alias.lower(): option.name for option in known.values() for alias in (option.name, *option.aliases)}
    found: dict[str, Any] = {}
    said: dict[str, str] = {}
    mistakes: list[Mistake] = []
    for key, value in options.items():
        name = canonical.get(str(key).lower())
        if name is None:
            mistakes.append(_unknown(format, side, str(key), known))
        elif name in said:
            mistakes.append((key, f"{key!r} and {said[name]!r} are the same option", "keep one of them"))
        else:
            said[name] = key
            try:
                found[name] = known[name].parse(value)
            except ValueError as error:
                mistakes.append((key, f"option {key!r} {error}", known[name].doc))
    return found, mistakes + _misfits(FORMATS[format], known, found, said)


def _misfits(
    format: Format, known: Mapping[str, Option], found: Mapping[str, Any], said: Mapping[str, str]
) -> list[Mistake]:
    """Options that are right each, but not together. `said` has them as they are written."""
    mistakes: list[Mistake] = []
    for pair in format.exclusive:
        both = [said[name] for name in said if name in pair]
        if len(both) == 2:
            mistakes.append((both[1], f"{both[0]!r} and {both[1]!r} exclude each other", "keep one of them"))
    for name in found:
        other, value = known[name].only_with or ("", None)
        if other and found.get(other, known[other].default) != value:
            needed = f"{other}: {str(value).lower()}"
            what = f"option {said[name]!r} goes with {needed} only"
            mistakes.append((said[name], what, f"add {needed}, or take it out"))
    return mistakes + (format.check(found, said) if format.check else [])


def _unknown(format: str, side: Side, key: str, known: Mapping[str, Option]) -> Mistake:
    """The mistake of an option that does not exist: with the closest name, also one of the other side."""
    spellings = {alias: option.name for option in known.values() for alias in (option.name, *option.aliases)}
    near = closest(key, spellings)
    hint = (f"did you mean {near[0]!r}? " if near else "") + f"options that exist: {', '.join(sorted(known))}"
    other: Side = "write" if side == "read" else "read"
    if any(
        key.lower() in (name.lower() for name in (option.name, *option.aliases))
        for option in FORMATS[format].options(other).values()
    ):
        hint = f"it is an option of the {other}; {hint}"
    return key, f"unknown option {key!r} for {'reading' if side == 'read' else 'writing'} {format}", hint
