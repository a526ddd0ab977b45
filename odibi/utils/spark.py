"""A notebook's connections on its Spark session."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from odibi.connections import BaseConnection
from odibi.errors import OdibiError
from odibi.utils.printing import BAD, GOOD, say, tell


def configure_spark(
    connections: Mapping[str, BaseConnection], spark_session: Any = None, verbose: bool = True
) -> tuple[Any, list[str]]:
    """Make the accounts of connections known to a Spark session: the given one, else that of the notebook.

    `connections` are those that `configure_connections_parallel` built; a key that was not fetched yet is. Gives the
    session, which now reads and writes `connections["gold"].get_path("a/table")` by itself, and a text `name: what is
    wrong; what would be right` for every connection that the session can not reach: nothing of that is raised. Raises
    `MissingExtraError` and the like where there is no Spark at all.

    >>> from odibi.connections import LocalConnection
    >>> session, errors = configure_spark({"lake": LocalConnection("lake")})  # doctest: +SKIP
    Spark 4.2.0
    ✓ lake  lake
    """
    from odibi.engine import SparkEngine

    spark = SparkEngine({}, spark_session).spark
    say(f"Spark {spark.version}", verbose)
    wrong: dict[str, str] = {}
    width = max(map(len, connections), default=0)
    for name, connection in connections.items():
        found = _refusal(name, connection, spark)
        if found is not None:
            wrong[name] = found
        tell(BAD if name in wrong else GOOD, f"{name:{width}}  {wrong.get(name) or connection.get_path('')}", verbose)
    return spark, [f"{name}: {text}" for name, text in wrong.items()]


def _refusal(name: str, connection: BaseConnection, spark: Any) -> str | None:
    """Why a session can not reach a connection, None where it was told how."""
    from odibi.engine import SparkEngine

    unusable = connection.unusable("spark")
    if unusable:
        return unusable
    try:
        _ = SparkEngine({name: connection}, spark).spark
    except OdibiError as error:
        return str(error).removeprefix(f"connection {name!r}: ")
    return None
