"""Connections: where data is. One file a type, one line here to register it."""

from typing import TYPE_CHECKING, Any

from odibi.connections.base import BaseConnection, Diagnosis, Location, Need
from odibi.connections.local import LocalConnection
from odibi.connections.local_dbfs import LocalDBFS
from odibi.registry import Registry

if TYPE_CHECKING:
    from odibi.connections.azure_adls import AzureADLS
    from odibi.connections.unity_catalog import UnityCatalogConnection

CONNECTIONS = Registry(
    "connection type",
    {
        "azure_adls": "odibi.connections.azure_adls:AzureADLS",
        "local": "odibi.connections.local:LocalConnection",
        "local_dbfs": "odibi.connections.local_dbfs:LocalDBFS",
        "unity_catalog": "odibi.connections.unity_catalog:UnityCatalogConnection",
    },
    entry_points="odibi.connections",
)

__all__ = [
    "CONNECTIONS",
    "AzureADLS",
    "BaseConnection",
    "Diagnosis",
    "LocalConnection",
    "LocalDBFS",
    "Location",
    "Need",
    "UnityCatalogConnection",
]


def __getattr__(name: str) -> Any:
    """What only some projects need is imported when asked for."""
    if name == "AzureADLS":
        from odibi.connections.azure_adls import AzureADLS

        return AzureADLS
    if name == "UnityCatalogConnection":
        from odibi.connections.unity_catalog import UnityCatalogConnection

        return UnityCatalogConnection
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
