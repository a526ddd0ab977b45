"""Seeding and looking into the storage: as much of the Blob interface as that takes, signed with the account's key."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import shutil
import ssl
from collections.abc import Iterator, Mapping
from email.utils import formatdate
from pathlib import Path
from typing import IO
from urllib.parse import quote, urlencode
from xml.etree import ElementTree as ET

from odibi.errors import AccessError, DataNotFoundError

API = "2021-12-02"
SECONDS = 600.0
CHUNK = 1 << 20


class Storage:
    """The storage behind the proxy, past all faults."""

    def __init__(self, port: int, accounts: Mapping[str, str], authority: Path) -> None:
        self._port, self._accounts = port, accounts
        self._tls = ssl.create_default_context(cafile=str(authority))
        self._tls.check_hostname = False  # it is reached by its address

    def make_container(self, account: str, container: str) -> None:
        """Make a container; one that is there is left alone."""
        self._ask("PUT", account, f"/{container}", {"restype": "container"}, fine=(201, 409))

    def delete_container(self, account: str, container: str) -> None:
        """Delete a container with everything in it."""
        self._ask("DELETE", account, f"/{container}", {"restype": "container"}, fine=(202, 404))

    def containers(self, account: str) -> list[str]:
        """The names of the containers."""
        return [_name(item) for item in self._listed(account, "/", {"comp": "list"}, "Container")]

    def put(self, account: str, container: str, path: str, content: bytes | IO[bytes], size: int | None = None) -> None:
        """Write a blob."""
        length = len(content) if isinstance(content, bytes) else size or 0
        headers = {"x-ms-blob-type": "BlockBlob", "Content-Length": str(length)}
        self._ask("PUT", account, f"/{container}/{path}", {}, headers, content, (201,))

    def get(self, account: str, container: str, path: str) -> bytes:
        """A blob's bytes. Raises `DataNotFoundError`."""
        return self._ask("GET", account, f"/{container}/{path}", {}, fine=(200,))

    def copy(self, account: str, container: str, path: str, file: IO[bytes]) -> None:
        """Write a blob's bytes into a file, of any size."""
        self._ask("GET", account, f"/{container}/{path}", {}, fine=(200,), into=file)

    def blobs(self, account: str, container: str, prefix: str = "") -> list[str]:
        """The paths of all blobs."""
        return [_name(item) for item in self._blobs(account, container, prefix)]

    def files(self, account: str, container: str) -> list[str]:
        """The paths of the blobs that are files: Spark leaves an empty blob for each folder."""
        found = self._blobs(account, container, "")
        return [_name(item) for item in found if not item.findtext("Metadata/hdi_isfolder")]

    def _blobs(self, account: str, container: str, prefix: str) -> Iterator[ET.Element]:
        query = {"restype": "container", "comp": "list", "include": "metadata", "prefix": prefix}
        return self._listed(account, f"/{container}", query, "Blob")

    def _listed(self, account: str, path: str, query: Mapping[str, str], tag: str) -> Iterator[ET.Element]:
        marker = ""
        while True:
            page = ET.fromstring(self._ask("GET", account, path, {**query, "marker": marker}, fine=(200,)))
            yield from page.iter(tag)
            marker = page.findtext("NextMarker") or ""
            if not marker:
                return

    def _ask(
        self,
        method: str,
        account: str,
        path: str,
        query: Mapping[str, str],
        headers: Mapping[str, str] | None = None,
        body: bytes | IO[bytes] | None = None,
        fine: tuple[int, ...] = (200,),
        into: IO[bytes] | None = None,
    ) -> bytes:
        query = {key: value for key, value in query.items() if value}
        sent = {"x-ms-date": formatdate(usegmt=True), "x-ms-version": API, "Content-Length": "0", **(headers or {})}
        quoted = quote(path)
        key = self._accounts[account]
        sent["Authorization"] = f"SharedKey {account}:{_signature(method, account, quoted, query, sent, key)}"
        sent["Host"] = f"{account}.blob.core.windows.net"
        connection = http.client.HTTPSConnection("127.0.0.1", self._port, context=self._tls, timeout=SECONDS)
        try:
            connection.request(method, f"{quoted}?{urlencode(query)}" if query else quoted, body, sent)
            response = connection.getresponse()
            if into is not None and response.status in fine:
                shutil.copyfileobj(response, into, CHUNK)
            content = response.read()
        finally:
            connection.close()
        if response.status not in fine:
            raise _failure(f"{account}{path}", response.status, response.getheader("x-ms-error-code") or "", content)
        return content


def _name(item: ET.Element) -> str:
    return item.findtext("Name") or ""


def _failure(what: str, status: int, code: str, content: bytes) -> Exception:
    if status == 404:
        return DataNotFoundError(f"{what} is not in the sandbox ({code})")
    return AccessError(f"{what}: the sandbox's storage answered {status} {code}: {content[:300]!r}")


def _signature(
    method: str, account: str, path: str, query: Mapping[str, str], headers: Mapping[str, str], key: str
) -> str:
    length = headers["Content-Length"]
    fields = [method, "", "", "" if length == "0" else length, "", "", "", "", "", "", "", ""]
    fields += [f"{name}:{headers[name]}" for name in sorted(headers) if name.startswith("x-ms-")]
    fields.append(f"/{account}{path}")
    fields += [f"{name}:{query[name]}" for name in sorted(query)]
    mac = hmac.new(base64.b64decode(key), "\n".join(fields).encode(), hashlib.sha256)
    return base64.b64encode(mac.digest()).decode()
