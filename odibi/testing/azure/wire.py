"""As much of HTTP/1.1 as the sandbox speaks: requests and answers over asyncio streams."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, urlsplit

CHUNK = 1 << 18
MAX_HEAD = 1 << 17


class ConnectionDone(Exception):
    """The connection ends here."""


class Headers:
    """Headers in their order; names are compared without case."""

    def __init__(self, items: Iterable[tuple[str, str]] = ()) -> None:
        self.items = list(items)

    def get(self, name: str, default: str = "") -> str:
        """The first value of a header."""
        return next((value for key, value in self.items if key.lower() == name.lower()), default)

    @property
    def length(self) -> int:
        """Content-Length, 0 without one."""
        text = self.get("Content-Length")
        return int(text) if text.isascii() and text.isdigit() else 0

    @property
    def chunked(self) -> bool:
        """Whether the body is chunked."""
        return "chunked" in self.get("Transfer-Encoding").lower()


@dataclass(frozen=True)
class Seen:
    """A request that the sandbox saw, for tests to look at. `time` is seconds since the epoch."""

    time: float
    method: str
    host: str
    path: str
    query: Mapping[str, str]
    authorization: str = field(repr=False, default="")
    headers: Mapping[str, str] = field(repr=False, default_factory=dict)


@dataclass
class Request:
    """A request whose head was read; its body is still in `reader`."""

    method: str
    target: str
    headers: Headers
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    host: str
    head: bytes = field(repr=False, default=b"")
    unread: bool = True

    @property
    def path(self) -> str:
        """The path, without the query, as it was sent."""
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        """The query."""
        return dict(parse_qsl(urlsplit(self.target).query, keep_blank_values=True))

    @property
    def authorization(self) -> str:
        """What the client authorizes itself with: SharedKey, Bearer, sas, or nothing."""
        scheme = self.headers.get("Authorization").split(" ")[0]
        return scheme or ("sas" if "sig" in self.query else "")

    async def raw_body(self) -> AsyncIterator[bytes]:
        """The body as it is sent, in pieces; chunked ones with their framing."""
        if not self.unread:
            return
        self.unread = False
        if self.headers.get("Expect").lower() == "100-continue":
            self.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        async for piece in framed(self.reader, self.headers):
            yield piece

    async def body(self) -> bytes:
        """The whole body; its framing stays in where it is chunked."""
        return b"".join([piece async for piece in self.raw_body()])


@dataclass
class Answer:
    """An answer. `rest` is a body of `length` bytes that is not read yet; with it `head` is sent as it came."""

    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    head: bytes = b""
    rest: AsyncIterator[bytes] | None = None
    length: int = 0
    keeps: bool = True

    def start(self) -> bytes:
        """The head, ready to send."""
        if self.head:
            return self.head
        lines = [f"HTTP/1.1 {self.status} {_phrase(self.status)}", f"Content-Length: {len(self.body)}"]
        lines += [f"{name}: {value}" for name, value in self.headers]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

    async def pieces(self) -> AsyncIterator[bytes]:
        """Everything that is sent."""
        if self.rest is None:
            yield self.start() + self.body
            return
        yield self.start()
        async for piece in self.rest:
            yield piece


def json_answer(status: int, value: Any, *headers: tuple[str, str]) -> Answer:
    """An answer in JSON."""
    body = json.dumps(value).encode()
    return Answer(status, body, (("Content-Type", "application/json; charset=utf-8"), *headers))


async def read_head(reader: asyncio.StreamReader) -> tuple[bytes, list[str], Headers]:
    """The head as bytes, the words of its first line, and its headers. Raises `ConnectionDone` at the end."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError):
        raise ConnectionDone from None
    first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    pairs = (line.partition(":") for line in lines)
    return head, first.split(" ", 2), Headers((name.strip(), value.strip()) for name, _, value in pairs)


async def framed(reader: asyncio.StreamReader, headers: Headers) -> AsyncIterator[bytes]:
    """A body as it is on the wire."""
    if not headers.chunked:
        async for piece in exactly(reader, headers.length):
            yield piece
        return
    while True:
        line = await reader.readuntil(b"\r\n")
        yield line
        size = int(line.split(b";")[0], 16)
        if size:
            async for piece in exactly(reader, size + 2):
                yield piece
            continue
        while line != b"\r\n":  # trailers
            line = await reader.readuntil(b"\r\n")
            yield line
        return


async def exactly(reader: asyncio.StreamReader, count: int) -> AsyncIterator[bytes]:
    """`count` bytes, in pieces. Raises `ConnectionDone` when they end before."""
    while count:
        piece = await reader.read(min(count, CHUNK))
        if not piece:
            raise ConnectionDone
        count -= len(piece)
        yield piece


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Status"
