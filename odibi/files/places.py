"""Which file system a location is in."""

from __future__ import annotations

from importlib import import_module

from odibi.files.base import Files
from odibi.files.local import LocalFiles
from odibi.files.urls import UrlFiles
from odibi.location import Location

STORES = dict.fromkeys(("abfss", "abfs", "az"), "odibi.files.azure:AzureFiles")
"""The stores that odibi reaches itself; fsspec has the rest. Each is a `UrlFiles` with a constructor `at(location)`."""


def files_for(location: Location) -> Files:
    """The file system that `location` is in."""
    return LocalFiles(location.root) if location.local_path is not None else remote_files(location)


def remote_files(location: Location) -> UrlFiles:
    """The file system of a location behind a URL."""
    module, _, name = STORES.get(location.uri.split("://", 1)[0], "odibi.files.remote:RemoteFiles").partition(":")
    found: UrlFiles = getattr(import_module(module), name).at(location)
    return found
