"""Storage accounts on a Spark session: the settings of connections, where Spark finds data, what refusals mean.

Hadoop keeps one client (`FileSystem`) for each container of an account, for as long as the JVM lives and for all
sessions in it, with the key that it was opened with. So a connection's settings are put on the session when it is first
used, and a client that was opened with others is closed.
"""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

from odibi.connections.base import Location
from odibi.errors import ConfigError

# -- places ------------------------------------------------------------------------------------------------------------


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
    return location.table or "delta.`" + spark_path(location).replace("`", "``") + "`"


def reachable(location: Location) -> bool:
    """Whether Python on the driver can read the files of a location, so that no Spark job is needed for what they
    say."""
    if location.table:
        return False
    if location.governed:
        return Path(location.uri).exists() or Path(location.root).exists()
    if location.local_path is not None:
        return True
    from odibi.azure.access import CREDENTIALS

    if not location.uri.startswith(AZURE):
        return True
    opened = any(location.storage_options.get(name) for name in CREDENTIALS)
    return opened and importlib.util.find_spec("obstore") is not None


AZURE = ("abfss://", "abfs://")
