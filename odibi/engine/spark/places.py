"""Where Spark finds data: locations in its own spelling, and what one read or write takes as options."""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path
from typing import Any

from odibi.engine.base import Source, Target
from odibi.errors import ConfigError, UnsupportedError
from odibi.location import Location
from odibi.transforms.dialect import SPARK

CLOUDS = dict.fromkeys(("abfss", "abfs"), "odibi.azure.spark")
"""Protocols of clouds that Spark is told how to reach, and who knows what it says of them: `options_of`, `opens`,
`urls_in`, `explain`."""
NOT_SHARED = "fs.abfss.impl.disable.cache"
"""Hadoop makes a client for each use and keeps none."""


def spark_path(location: Location) -> str:
    """A location as Spark takes it: a URL, also for a local folder, whose bare path a cluster would look for in its
    own storage. Globs stay globs.

    >>> spark_path(Location("abfss://raw@account1.dfs.core.windows.net/a"))
    'abfss://raw@account1.dfs.core.windows.net/a'
    >>> spark_path(Location("/Volumes/main/sales/landing/a", governed=True))
    '/Volumes/main/sales/landing/a'
    """
    if location.table:
        raise ConfigError(f"{location.display} is a table of a catalog, which has no path; use its name")
    if "://" in location.uri or location.governed:
        return location.uri
    path = location.uri.replace(os.sep, "/")
    return f"file://{path}" if path.startswith("/") else f"file:///{path}"


def delta_name(location: Location) -> str:
    """A Delta table as SQL names it.

    >>> delta_name(Location("table://`main`.`sales`.`orders`", table="`main`.`sales`.`orders`"))
    '`main`.`sales`.`orders`'
    >>> delta_name(Location("abfss://raw@account1.dfs.core.windows.net/a"))
    'delta.`abfss://raw@account1.dfs.core.windows.net/a`'
    """
    return location.table or f"delta.{SPARK.quote(spark_path(location))}"


def reachable(location: Location) -> bool:
    """Whether Python on the driver can read the files of a location, so that no Spark job is needed for what they
    say."""
    if location.table:
        return False
    if location.governed:
        return Path(location.root).exists()
    cloud = cloud_of(location.uri)
    return cloud is None or bool(cloud.opens(location))


def cloud_of(url: str) -> Any:
    """The module that knows a cloud, None for any other place."""
    named = CLOUDS.get(url.partition("://")[0])
    return None if named is None else import_module(named)


def options_of(end: Source | Target) -> dict[str, str]:
    """What Spark takes as options of this one read or write, for a credential that the user gave it as
    `storage_options`; nothing where there is none. Raises `UnsupportedError` for what only Python can use."""
    given = end.options.get("storage_options") or {}
    if not given or end.table is not None:
        return {}
    location = end.location()
    cloud = cloud_of(location.uri)
    if cloud is None:
        raise UnsupportedError(
            f"{location.display}: Spark takes storage_options for Azure storage only; take them out, or set what they"
            " stand for in the session"
        )
    if not end.connection.replaces_access(given):
        return {}
    return {**cloud.options_of(location), NOT_SHARED: "true"}


def authority(url: str) -> str:
    """What stands before the path: the container and the account."""
    return url.partition("://")[2].partition("/")[0]


def container_of(url: str) -> str:
    """The URL of the container that a URL leads into."""
    return f"{url.partition('://')[0]}://{authority(url)}"
