"""What a Delta table may ask of its readers and writers beyond the basics (its *features*), and what turns it on."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

COMMON = frozenset(
    {"appendOnly", "invariants", "checkConstraints", "changeDataFeed", "generatedColumns", "timestampNtz"}
)
"""Features that both engines, and most other readers of Delta, take part in."""
SWITCHES = {
    "delta.enableDeletionVectors": ("deletionVectors", "false"),
    "delta.columnMapping.mode": ("columnMapping", "none"),
    "delta.enableTypeWidening": ("typeWidening", "false"),
    "delta.enableRowTracking": ("rowTracking", "false"),
    "delta.enableInCommitTimestamps": ("inCommitTimestamp", "false"),
    "delta.checkpointPolicy": ("v2Checkpoint", "classic"),
    "delta.enableIcebergCompatV1": ("icebergCompatV1", "false"),
    "delta.enableIcebergCompatV2": ("icebergCompatV2", "false"),
    "delta.enableIcebergCompatV3": ("icebergCompatV3", "false"),
}
"""Table properties that turn a feature on, unless they have this value."""
_SWITCHES = {name.lower(): told for name, told in SWITCHES.items()}
_SWITCH = ("true or false", re.compile(r"true|false", re.IGNORECASE))
_WHOLE = ("a whole number", re.compile(r"-?\d+"))
_PERIOD = (
    "a period like 'interval 30 days'",
    re.compile(r"(interval\s+)?(\d+\s+(week|day|hour|minute|second|millisecond|microsecond)s?\s*)+", re.IGNORECASE),
)
_VALUES = {
    "delta.appendonly": _SWITCH, "delta.enablechangedatafeed": _SWITCH, "delta.checkpointinterval": _WHOLE,
    "delta.dataskippingnumindexedcols": _WHOLE, "delta.logretentionduration": _PERIOD,
    "delta.deletedfileretentionduration": _PERIOD, "delta.settransactionretentionduration": _PERIOD,
}  # fmt: skip
"""What a property takes, where a writer that does not look would make a table which others can not use."""
_BY_NAME = re.compile(r"delta\.feature\.([\w-]+)", re.IGNORECASE)


def turned_on(properties: Mapping[str, str]) -> dict[str, str]:
    """The features that table properties turn on, and by which property each; common ones are left out.

    >>> turned_on({"delta.enableDeletionVectors": "true", "delta.appendOnly": "true"})
    {'deletionVectors': 'delta.enableDeletionVectors'}
    """
    found: dict[str, str] = {}
    for name, value in properties.items():
        feature, off = _SWITCHES.get(name.lower(), ("", ""))
        by_name = _BY_NAME.fullmatch(name)
        if by_name:
            feature, off = by_name[1], ""
        if feature and feature not in COMMON and value.lower() != off:
            found.setdefault(feature, name)
    return found


def not_allowed(properties: Mapping[str, str], allowed: Sequence[str]) -> dict[str, str]:
    """Those of them that the file does not allow."""
    known = {name.lower() for name in allowed}
    return {feature: name for feature, name in turned_on(properties).items() if feature.lower() not in known}


def refusal(features: Mapping[str, str]) -> tuple[str, str]:
    """What is said of features that are not allowed, and what would be right."""
    (feature, name), *others = features.items()
    more = f" (and {', '.join(other for other, _ in others)})" if others else ""
    what = (
        f"{name} turns on the Delta feature {feature}{more}, which not every engine and reader of the table "
        "can work with"
    )
    return what, f"take it out, or allow it: allow_features: [{', '.join(features)}]"


def check(found: Mapping[str, Any], said: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """What is wrong with the options of a write: (key as written, what, hint)."""
    properties = found.get("table_properties", {})
    mistakes = list(misvalued(properties))
    features = not_allowed(properties, found.get("allow_features", ()))
    if features:
        mistakes.append(refusal(features))
    return [(said["table_properties"], what, hint) for what, hint in mistakes]


def misvalued(properties: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """What is said of properties whose value they do not take, and what would be right.

    >>> list(misvalued({"delta.appendOnly": "yes", "delta.logRetentionDuration": "30 days"}))
    [("delta.appendOnly can not be 'yes'", 'it takes true or false')]
    """
    for name, value in properties.items():
        takes, pattern = _VALUES.get(name.lower(), ("", None))
        if pattern is not None and not pattern.fullmatch(value.strip()):
            yield f"{name} can not be {value!r}", f"it takes {takes}"
