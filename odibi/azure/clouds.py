"""What differs between the clouds of Azure, by the DNS suffix of their storage."""

from __future__ import annotations

import os
from dataclasses import dataclass

PUBLIC_CLOUD = "core.windows.net"
STORAGE_SCOPE = "https://storage.azure.com/.default"


@dataclass(frozen=True)
class Cloud:
    """The DNS suffix of its key vaults, and the host that gives tokens."""

    vault: str
    login: str


CLOUDS = {
    PUBLIC_CLOUD: Cloud("vault.azure.net", "login.microsoftonline.com"),
    "core.usgovcloudapi.net": Cloud("vault.usgovcloudapi.net", "login.microsoftonline.us"),
    "core.chinacloudapi.cn": Cloud("vault.azure.cn", "login.chinacloudapi.cn"),
}


def cloud_of(suffix: str) -> Cloud:
    """The cloud of a storage suffix; one that is not known is taken for the public one. `AZURE_AUTHORITY_HOST`, which
    the Azure SDKs obey, says where tokens come from."""
    cloud = CLOUDS.get(suffix, CLOUDS[PUBLIC_CLOUD])
    host = os.environ.get("AZURE_AUTHORITY_HOST", "").removeprefix("https://").rstrip("/")
    return Cloud(cloud.vault, host) if host else cloud
