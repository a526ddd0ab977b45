"""Table features: which of them each engine can read and write, and the way out where it can not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from odibi.engine.base import Target
from odibi.errors import UnsupportedError, closest
from odibi.formats.delta_features import SWITCHES, not_allowed, refusal, turned_on
from odibi.location import Location

WRITTEN_BY_PANDAS = frozenset(
    {
        "appendOnly", "invariants", "checkConstraints", "changeDataFeed", "generatedColumns", "timestampNtz",
        "columnMapping", "deletionVectors", "v2Checkpoint", "variantType", "variantType-preview",
    }
)  # fmt: skip
"""Features of tables that the pandas engine can write and maintain. It reads the tables of all but a few others."""
STATEMENTS: Mapping[str, tuple[str, ...]] = {
    "rowTracking": (
        "ALTER TABLE {table} SET TBLPROPERTIES ('delta.enableRowTracking' = 'false')",
        "ALTER TABLE {table} DROP FEATURE rowTracking",
        "ALTER TABLE {table} DROP FEATURE domainMetadata",
    ),
    "domainMetadata": ("ALTER TABLE {table} DROP FEATURE domainMetadata",),
    "inCommitTimestamp": ("ALTER TABLE {table} DROP FEATURE inCommitTimestamp",),
}
"""SQL by which Spark takes a feature out of a table for good. What is not here leaves traces in the table that the
pandas engine can not work with either (checkpointProtection), or can not be dropped at all."""
COPY = "CREATE TABLE delta.`<new path>` USING delta AS SELECT * FROM {table}"
"""A copy has none of the features."""


KNOWN_PROPERTIES = (
    *SWITCHES, "delta.appendOnly", "delta.checkpointInterval", "delta.dataSkippingNumIndexedCols",
    "delta.dataSkippingStatsColumns", "delta.deletedFileRetentionDuration", "delta.enableChangeDataFeed",
    "delta.logRetentionDuration", "delta.randomizeFilePrefixes", "delta.setTransactionRetentionDuration",
    "delta.targetFileSize",
)  # fmt: skip
"""Properties that a misspelt one may mean."""


def way_out(location: Location, features: Iterable[str]) -> str:
    """The SQL that makes a table usable for the pandas engine, run on Spark."""
    table = location.table or f"delta.`{location.uri}`"
    wanted = list(features)
    if all(name in STATEMENTS for name in wanted):
        statements = dict.fromkeys(each for name in wanted for each in STATEMENTS[name])
        return f"take it out on Spark ({'; '.join(each.format(table=table) for each in statements)})"
    return f"copy the table on Spark, without its history ({COPY.format(table=table)})"


def unsupported(location: Location, features: Iterable[str], doing: str) -> UnsupportedError:
    """The error for table features that the pandas engine can not `read`, `write`, …; with what to do."""
    names = _listed(features)
    word = "features" if len(names) > 1 else "feature"
    return UnsupportedError(
        f"{location.display} has the Delta {word} {', '.join(names)}, which the pandas engine can not {doing}; "
        f"{way_out(location, names)}, or run this with --engine spark"
    )


def _listed(features: Iterable[str]) -> list[str]:
    """The features by name, without the one that others only rest on."""
    names = {spelled(name) for name in features}
    return sorted(names - {"domainMetadata"} or names)


def unknown_to_spark(location: Location, features: Iterable[str], doing: str) -> UnsupportedError:
    """The error for table features that the Delta library of a Spark session does not know."""
    names = sorted({spelled(name) for name in features})
    word = "features" if len(names) > 1 else "feature"
    return UnsupportedError(
        f"{location.display} has the Delta {word} {', '.join(names)}, which the Delta library of this Spark session "
        f"can not {doing}; run this with a newer one, or where the table was made"
    )


_RENAMED = {"clusteredTable": "clustering", "timestampWithoutTimezone": "timestampNtz"}
"""What delta-rs calls features, and their names in the protocol."""


def spelled(name: str) -> str:
    """The name of a feature as a table's protocol has it.

    >>> spelled("ClusteredTable"), spelled('unknown("checkpointProtection")')
    ('clustering', 'checkpointProtection')
    """
    name = name.strip().removeprefix('unknown("').removesuffix('")')
    name = name[:1].lower() + name[1:]
    return _RENAMED.get(name, name)


# -- writes that turn features on --------------------------------------------------------------------------------------


def properties_of(target: Target) -> dict[str, str]:
    """The properties that a table gets when this write makes it."""
    return dict(target.options.get("table_properties") or {})


def check_allowed(target: Target, defaults: Mapping[str, str] | None = None) -> None:
    """Raise `UnsupportedError` where a write that makes a table would turn on features that its options do not allow.

    `defaults` are what the Spark session gives every new table.
    """
    own, allowed = properties_of(target), target.options.get("allow_features") or ()
    features = not_allowed({**(defaults or {}), **own}, allowed)
    if not features:
        return
    what, hint = refusal(features)
    where = "" if set(features.values()) <= set(own) else " of the Spark session's defaults"
    raise UnsupportedError(f"{target.location().display}: {what}{where}; {hint}")


def check_made_by_pandas(target: Target) -> None:
    """Raise `UnsupportedError` for properties of tables that only Spark can make."""
    features = turned_on(properties_of(target))
    if features:
        feature, name = next(iter(features.items()))
        raise UnsupportedError(
            f"{target.location().display}: {name} turns on the Delta feature {feature}, and the pandas engine makes no "
            "such tables; take it out, or run this with --engine spark"
        )


def unknown_property(location: Location, name: str) -> UnsupportedError:
    """The error for a table property that the Delta library of an engine refuses, since it does not know it."""
    near = closest(name, KNOWN_PROPERTIES)
    hint = f"did you mean {near[0]!r}?" if near else "take it out of table_properties"
    return UnsupportedError(f"{location.display}: Delta has no table property {name!r}; {hint}")


def left_alone(target: Target, configuration: Mapping[str, Any]) -> tuple[str, ...]:
    """What is told where a table that exists has other properties than a write says. `configuration` is the table's."""
    have = {name.lower(): str(value) for name, value in configuration.items()}
    other = {
        name: value
        for name, value in properties_of(target).items()
        if have.get(name.lower(), "").lower() != value.lower()
    }
    if not other:
        return ()
    said = ", ".join(f"'{name}' = '{value}'" for name, value in other.items())
    return (
        (
            f"table_properties: the table exists and keeps its own; to change them run on Spark: ALTER TABLE "
            f"delta.`{target.location().uri}` SET TBLPROPERTIES ({said})"
        ),
    )
