"""A certificate authority that lives as long as the sandbox, and one certificate for all of Azure's host names."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from odibi.errors import MissingExtraError


@dataclass(frozen=True)
class Certificates:
    """Files in PEM: the authority that clients must trust, the servers' certificate and its key."""

    authority: Path
    certificate: Path
    key: Path

    @cached_property
    def trust_store(self) -> Path:
        """The authority as Java reads it. Raises `MissingExtraError` where nothing can make the file."""
        from odibi.testing.azure.java import make_trust_store

        return make_trust_store(self.authority, self.authority.with_name("authority.p12"))


def make_certificates(folder: Path, names: Iterable[str]) -> Certificates:
    """Make them in `folder`. Raises `MissingExtraError` without trustme."""
    try:
        import trustme
    except ImportError:
        raise MissingExtraError("trustme", "sandbox", "the offline Azure") from None
    authority = trustme.CA(organization_name="odibi sandbox")
    issued = authority.issue_cert(*names)
    made = Certificates(folder / "authority.pem", folder / "server.pem", folder / "server.key")
    made.authority.write_bytes(authority.cert_pem.bytes())
    made.certificate.write_bytes(b"".join(part.bytes() for part in issued.cert_chain_pems))
    made.key.write_bytes(issued.private_key_pem.bytes())
    return made
