"""Connections: where data is. One file a type, one line here to register it."""

from odibi.connections.base import BaseConnection, Location
from odibi.connections.local import LocalConnection
from odibi.connections.local_dbfs import LocalDBFS
from odibi.registry import Registry

CONNECTIONS = Registry(
    "connection type",
    {
        "local": "odibi.connections.local:LocalConnection",
        "local_dbfs": "odibi.connections.local_dbfs:LocalDBFS",
    },
    entry_points="odibi.connections",
)

__all__ = ["CONNECTIONS", "BaseConnection", "LocalConnection", "LocalDBFS", "Location"]
