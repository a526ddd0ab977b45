"""What a Delta table may ask of its readers and writers beyond the basics (its *features*), and what turns it on."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
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
    features = not_allowed(found.get("table_properties", {}), found.get("allow_features", ()))
    if not features:
        return []
    what, hint = refusal(features)
    return [(said["table_properties"], what, hint)]
