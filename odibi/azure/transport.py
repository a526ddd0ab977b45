"""The HTTP transport of our clients: one TLS context for all their connections.

Left to themselves the SDKs read the bundle of certificate authorities anew for every connection: ten to twenty
milliseconds of one processor each, half a second for the fifty connections of a large project.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

from odibi.errors import KeyFetchError

MAX_CONNECTIONS = 50
_sessions: dict[str, Any] = {}
_making = threading.Lock()


def new_transport() -> Any:
    """A transport for a client of the Azure SDK, with a session that all of them share."""
    from azure.core.pipeline.transport import RequestsTransport

    return RequestsTransport(session=_session(authorities()), session_owner=False)


def drop_sessions() -> None:
    """Forget all open connections; for tests."""
    with _making:
        _sessions.clear()


def authorities() -> str:
    """The path of the bundle of certificate authorities, as requests looks for it."""
    from requests.utils import DEFAULT_CA_BUNDLE_PATH

    return os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or DEFAULT_CA_BUNDLE_PATH


def _session(bundle: str) -> Any:
    import requests

    with _making:
        if bundle not in _sessions:
            session = requests.Session()
            session.mount("https://", _adapter(bundle))
            _sessions[bundle] = session
        return _sessions[bundle]


def _context(bundle: str) -> Any:
    from urllib3.util.ssl_ import create_urllib3_context

    context = create_urllib3_context()
    try:
        context.load_verify_locations(**{"capath" if Path(bundle).is_dir() else "cafile": bundle})
    except OSError as error:
        raise KeyFetchError(
            f"the certificate authorities in {bundle!r} can not be read: {error}; set REQUESTS_CA_BUNDLE to a file of "
            "certificates (PEM), or unset it"
        ) from error
    return context


def _adapter(bundle: str) -> Any:
    from requests.adapters import HTTPAdapter
    from urllib3 import Retry

    context = _context(bundle)

    class OneContext(HTTPAdapter):
        """Hands its TLS context to every pool, and no bundle to be read again."""

        def init_poolmanager(self, *args: Any, **options: Any) -> None:
            super().init_poolmanager(*args, **{**options, "ssl_context": context})

        def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
            return super().proxy_manager_for(proxy, **{**options, "ssl_context": context})

        def build_connection_pool_key_attributes(self, request: Any, verify: Any, cert: Any = None) -> Any:
            host, pool = super().build_connection_pool_key_attributes(request, True, cert)
            return host, {key: value for key, value in pool.items() if key not in ("ca_certs", "ca_cert_dir")}

        def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
            conn.cert_reqs, conn.ca_certs, conn.ca_cert_dir = "CERT_REQUIRED", None, None

    never = Retry(total=False, redirect=False, raise_on_status=False)  # the SDK tries again by itself
    return OneContext(pool_maxsize=MAX_CONNECTIONS, max_retries=never)
