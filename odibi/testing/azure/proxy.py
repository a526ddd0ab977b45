"""The proxy on loopback that leads production host names to the sandbox, and lets nothing else out.

Clients talk to its front (`front.js`), which passes storage through as bytes while nothing is wrong with it. All else
comes here: where a fault is meant for a storage host, the connection ends here, requests are read, and answered or
forwarded one by one. Vaults and identity are always answered here.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading
from collections.abc import AsyncIterator, Coroutine, Iterator
from typing import Any, TypeVar, cast
from urllib.parse import urlencode, urlsplit

from odibi.testing.azure.answers import respond
from odibi.testing.azure.azurite import Azurite
from odibi.testing.azure.certificates import Certificates
from odibi.testing.azure.faults import CONNECTING, Fault
from odibi.testing.azure.hosts import CLOUDS, IDENTITY, METADATA_ADDRESS, Place, place_of, storage_hosts
from odibi.testing.azure.identity import TENANT, IdentityState
from odibi.testing.azure.state import State
from odibi.testing.azure.wire import (
    CHUNK,
    MAX_HEAD,
    Answer,
    ConnectionDone,
    Headers,
    Request,
    framed,
    read_head,
)

T = TypeVar("T")
BACKLOG = 512
HERE = Place(IDENTITY, IDENTITY, METADATA_ADDRESS, CLOUDS[0])
SHARED_ACCESS_KEYS = frozenset(("sv", "ss", "srt", "sr", "sp", "st", "se", "sip", "spr", "sig", "si", "sdd", "ses"))
"""What a shared access signature puts into a query."""
_REFUSED_TEXT = "this host is not part of the sandbox"
_CONNECT_ANSWERS = {"refuse": (503, "Connection refused"), "dns": (502, "Host not found")}
_ENDS = (ConnectionDone, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError)
"""How a conversation ends: they went away, or do not speak HTTP."""


class Proxy:
    """The proxy's event loop, in a thread of its own."""

    def __init__(self, state: State, azurite: Azurite, certificates: Certificates) -> None:
        self.state, self._azurite, self.storage_port = state, azurite, azurite.port
        self._server_tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._server_tls.load_cert_chain(certificates.certificate, certificates.key)
        self._client_tls = ssl.create_default_context(cafile=str(certificates.authority))
        self._open: dict[asyncio.Transport, Place] = {}
        self._loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._behind = 0

    @property
    def port(self) -> int:
        """The port that clients talk to."""
        return self._azurite.front

    @contextlib.contextmanager
    def running(self) -> Iterator[Proxy]:
        """Listen on 127.0.0.1 until the end of the block."""
        thread = threading.Thread(target=self._loop.run_forever, daemon=True, name="azure-sandbox")
        thread.start()
        server = self._do(asyncio.start_server(self._accept, "127.0.0.1", 0, limit=MAX_HEAD, backlog=BACKLOG))
        self._behind = server.sockets[0].getsockname()[1]
        self.tell_front()
        try:
            yield self
        finally:
            server.close()
            self._do(self._end())
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join(10)
            if not thread.is_alive():
                self._loop.close()

    def add(self, fault: Fault) -> None:
        """Switch a fault on; connections that would get around it are closed."""
        fault.remove = lambda: self.discard(fault)
        self.state.faults.add(fault)
        self.tell_front()
        self._do(self._close_for(fault))

    def discard(self, fault: Fault) -> None:
        """Switch a fault off; those who hang on it are let go."""
        self.state.faults.discard(fault)
        self.tell_front()
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(fault.removed.set)

    def close_connections(self) -> None:
        """Close every connection, as a restart of the services would."""
        self.tell_front(cut=True)
        self._do(self._close_for(None))

    def tell_front(self, cut: bool = False) -> None:
        """Tell the front which hosts it passes through; tunnels to others are cut, and with `cut` all of them."""
        places = [place for host in storage_hosts(self.state.accounts) if (place := place_of(host)) is not None]
        hosts = [place.host for place in places if not self._looked_into(place)]
        self._azurite.tell(front={"storage": self.storage_port, "behind": self._behind, "hosts": hosts, "cut": cut})

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    async def _end(self) -> None:
        await self._close_for(None)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.sleep(0.05)  # what they closed is closed some turns of the loop later

    async def _close_for(self, fault: Fault | None) -> None:
        for transport, place in list(self._open.items()):
            if fault is None or (fault.concerns(place) and fault.kind in CONNECTING):
                transport.abort()
        await asyncio.sleep(0)
        await asyncio.sleep(0)  # a transport closes its socket in the loop's next turn

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = cast("asyncio.Task[None]", asyncio.current_task())
        self._tasks.add(task)
        transport = cast("asyncio.Transport", writer.transport)
        try:
            head, words, headers = await read_head(reader)
            if words[0] == "CONNECT" and len(words) > 1:
                await self._connect(words[1], transport, writer)
            else:
                await self._plain(_request(head, words, headers, reader, writer), transport)
        except asyncio.CancelledError:  # the sandbox ends
            pass
        except _ENDS:
            pass
        finally:
            self._tasks.discard(task)
            self._open.pop(transport, None)
            transport.close()

    # -- a tunnel to a host --------------------------------------------------------------------------------------------

    async def _connect(self, target: str, transport: asyncio.Transport, writer: asyncio.StreamWriter) -> None:
        host = target.rpartition(":")[0].strip("[]").lower()
        place = place_of(host)
        if place is not None:
            await self._maybe_keep_out(place, writer)
        if place is None or not self.state.plays(place) or place.service == IDENTITY:
            self.state.refused.append(host)
            await _say(writer, 403, _REFUSED_TEXT)
            return
        self.state.connections.append(host)
        self._open[transport] = place
        transport.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        reader = asyncio.StreamReader(MAX_HEAD)
        protocol = asyncio.StreamReaderProtocol(reader)
        tls = await self._loop.start_tls(transport, protocol, self._server_tls, server_side=True)
        if tls is None:
            return
        protocol.connection_made(tls)
        secure = asyncio.StreamWriter(tls, protocol, reader, self._loop)
        try:
            await self._converse(reader, secure, place)
        finally:
            secure.close()
            with contextlib.suppress(OSError, asyncio.TimeoutError):
                await asyncio.wait_for(secure.wait_closed(), 5)

    async def _maybe_keep_out(self, place: Place, writer: asyncio.StreamWriter) -> None:
        """Where a fault says that there is no connection, there is none."""
        fault = self.state.faults.at_connection(place)
        if fault is None:
            return
        if fault.kind == "unreachable":
            await fault.removed.wait()
        else:
            await _say(writer, *_CONNECT_ANSWERS[fault.kind])
        raise ConnectionDone

    def _looked_into(self, place: Place) -> bool:
        """Whether the requests to a storage account must be read."""
        return self.state.faults.concern(place) or place.name in self.state.shared_access

    # -- requests ------------------------------------------------------------------------------------------------------

    async def _plain(self, request: Request, transport: asyncio.Transport) -> None:
        """A request without a tunnel: for the metadata endpoint, at its own address or at ours."""
        asked = urlsplit(request.target)
        ours = asked.hostname in (None, METADATA_ADDRESS) or (asked.hostname, asked.port) == ("127.0.0.1", self.port)
        if not ours:
            self.state.refused.append(str(asked.hostname))
            await _say(request.writer, 403, _REFUSED_TEXT)
            return
        self._open[transport] = HERE
        fault = self.state.faults.at_connection(HERE)
        if fault is not None:
            if fault.kind == "unreachable":
                await fault.removed.wait()
            raise ConnectionDone
        await self._converse(request.reader, request.writer, HERE, request)

    async def _converse(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, place: Place, first: Request | None = None
    ) -> None:
        """Answer requests until the connection ends."""
        gateway = _Gateway(self.storage_port, place, self._client_tls, self.state)
        try:
            while True:
                request = first or _request(*await read_head(reader), reader, writer)
                first = None
                answer, shaping = await respond(request, place, self.state, gateway.forward)
                await _send(answer, writer, shaping, request.method == "HEAD")
                async for _ in request.raw_body():
                    pass
                if not answer.keeps or request.headers.get("Connection").lower() == "close":
                    return
        finally:
            gateway.close()


class _Gateway:
    """Requests to the storage, one connection after another."""

    def __init__(self, port: int, place: Place, context: ssl.SSLContext, state: State) -> None:
        self._port, self._place, self._context, self._state = port, place, context, state
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def forward(self, request: Request) -> Answer:
        """What the storage answers; its body is still to be read."""
        reader, writer = await self._connected()
        writer.write(self._head(request))
        async for piece in request.raw_body():
            writer.write(piece)
            await writer.drain()
        await writer.drain()
        while True:
            head, words, headers = await read_head(reader)
            status = int(words[1])
            if status >= 200:
                break
        if request.method == "HEAD" or status in (204, 304):
            return Answer(status, head=head, rest=_nothing())
        if not headers.chunked and not headers.get("Content-Length"):
            return Answer(status, head=head, rest=_until_the_end(reader), keeps=False)
        return Answer(status, head=head, rest=framed(reader, headers), length=headers.length)

    def _head(self, request: Request) -> bytes:
        """The head to forward. The storage checks who signed a shared access signature; one that the sandbox was told
        to accept goes as a token instead."""
        query = request.query
        if "sig" not in query or not self._state.opens(self._place.name, query["sig"]):
            return request.head
        kept = urlencode({key: value for key, value in query.items() if key not in SHARED_ACCESS_KEYS})
        first, _, rest = request.head.partition(b"\r\n")
        method, _, version = first.decode("latin-1").split(" ")
        target = f"{request.path}?{kept}" if kept else request.path
        token = IdentityState().token("https://storage.azure.com", "", "", TENANT)
        line = f"{method} {target} {version}\r\nAuthorization: Bearer {token}\r\n"
        if not request.headers.get("x-ms-version"):
            line += f"x-ms-version: {query['sv']}\r\n"
        return line.encode("latin-1") + rest

    def close(self) -> None:
        """Close the connection."""
        if self._streams is not None:
            self._streams[1].close()

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._streams is None or self._streams[0].at_eof() or self._streams[1].is_closing():
            self.close()
            self._streams = await asyncio.open_connection(
                "127.0.0.1", self._port, ssl=self._context, server_hostname=self._place.host, limit=MAX_HEAD
            )
        return self._streams


def _request(
    head: bytes, words: list[str], headers: Headers, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> Request:
    if len(words) != 3:
        raise ConnectionDone
    return Request(words[0], words[1], headers, reader, writer, headers.get("Host"), head)


async def _send(answer: Answer, writer: asyncio.StreamWriter, shaping: Fault | None, head_only: bool) -> None:
    if head_only and answer.rest is None:
        answer.body, answer.head = b"", answer.start()
    if shaping is None:
        async for piece in answer.pieces():
            writer.write(piece)
            await writer.drain()
    elif shaping.kind == "trickle":
        await _trickle(answer, writer, shaping)
    else:
        await _half(answer, writer)


async def _trickle(answer: Answer, writer: asyncio.StreamWriter, fault: Fault) -> None:
    async for piece in answer.pieces():
        for number in range(len(piece)):
            writer.write(piece[number : number + 1])
            await writer.drain()
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(fault.removed.wait(), fault.seconds)
                raise ConnectionDone


async def _half(answer: Answer, writer: asyncio.StreamWriter) -> None:
    """Half of the answer, then the connection is gone."""
    start, length = answer.start(), answer.length if answer.rest is not None else len(answer.body)
    left = len(start) + length // 2 if length else len(start) // 2
    async for piece in answer.pieces():
        writer.write(piece[:left])
        await writer.drain()
        left -= len(piece)
        if left <= 0:
            break
    await asyncio.sleep(0.01)
    raise ConnectionDone


async def _say(writer: asyncio.StreamWriter, status: int, text: str) -> None:
    """A proxy's own answer; the connection ends with it."""
    head = f"HTTP/1.1 {status} {text}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    writer.write(head.encode("latin-1"))
    await writer.drain()
    writer.close()


async def _nothing() -> AsyncIterator[bytes]:
    return
    yield b""  # what makes it an iterator


async def _until_the_end(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while piece := await reader.read(CHUNK):
        yield piece
