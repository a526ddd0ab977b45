"""Azure without Azure: real storage (Azurite), a Key Vault, identity endpoints and faults, behind a proxy on loopback.

Code under test keeps its production URLs and options: the environment of the sandbox leads every client to it, and any
host that is not part of it is refused. See `azure_sandbox`; in pytest the fixtures `azure` and `azure_container` are
there as soon as odibi is installed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from odibi.testing.azure.faults import Fault
    from odibi.testing.azure.install import SandboxMissingError
    from odibi.testing.azure.sandbox import Sandbox, azure_sandbox
    from odibi.testing.azure.wire import Seen

__all__ = ["Fault", "Sandbox", "SandboxMissingError", "Seen", "azure_sandbox"]

_HOMES = {"Fault": "faults", "Sandbox": "sandbox", "SandboxMissingError": "install", "Seen": "wire"}


def __getattr__(name: str) -> Any:
    """Public names are imported when asked for: every pytest session imports this package, for its plugin."""
    if name in __all__:
        import importlib

        return getattr(importlib.import_module(f"{__name__}.{_HOMES.get(name, 'sandbox')}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
