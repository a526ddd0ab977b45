"""Moving the bytes of blobs: in parts, several at once, each with a time limit of its own.

A whole file may take hours on a slow line; a part that does not come within its limit tells a slow line or a dead peer.
So after the first limit that is missed, small pieces are asked for one at a time: on a slow line they come, and from a
dead peer they do not.
"""

from __future__ import annotations

import threading
import time
import weakref
from bisect import bisect_right, insort
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from odibi.azure.storage import BULK, SLOW, object_store, place_of
from odibi.azure.storage_problems import explain, is_timeout
from odibi.errors import OdibiError
from odibi.location import Location
from odibi.parallel import Stopped, each, never

PART = 8 << 20
"""Bytes that are asked for at once. Larger parts gain nothing; smaller ones pay for each request."""
AT_ONCE = 8
PIECE = 256 << 10
"""Bytes that are asked for at once on a slow line: 10 seconds are enough at 210 kbit/s."""
MOST_BLOCKS = 40_000
"""Blocks of a blob; Azure takes 50,000."""
TRIES, PAUSE = 3, 0.5
IN_MEMORY = 256 << 20
"""Bytes of what queries asked for that the process keeps in memory; of more than that, what is asked for again is kept
in a file. Most is asked for once, and writing it all would take as long as the query."""
_ONE_AT_A_TIME = threading.Lock()


@dataclass
class Blob:
    """A blob as it was when it was first looked at; `location` is its own."""

    location: Location
    size: int
    etag: str | None = None
    slow: bool = field(default=False, repr=False)

    @property
    def path(self) -> str:
        """Its name in the container."""
        return place_of(self.location).path

    def read(self, start: int, end: int) -> Any:
        """The bytes from `start` to before `end`, as a buffer that was not copied. Raises odibi errors; the one of a
        blob that was replaced since it was first looked at is transient."""
        for attempt in range(TRIES):
            if self.slow:
                return self._slowly(start, end)
            try:
                return self._get(start, end, BULK)
            except Exception as error:  # obstore's errors have no base class in old versions
                told = _told(error, self.location, "read")
                if is_timeout(error):
                    self.slow = True
                elif attempt == TRIES - 1 or not getattr(told, "transient", False):
                    raise told from error
            time.sleep(0 if self.slow else PAUSE * 2**attempt)
        return self._slowly(start, end)

    def _slowly(self, start: int, end: int) -> bytes:
        try:
            return b"".join(self._piece(at, min(at + PIECE, end)) for at in range(start, end, PIECE))
        except Exception as error:
            raise _told(error, self.location, "read") from error  # as above

    def _piece(self, start: int, end: int) -> Any:
        with _ONE_AT_A_TIME:
            return self._get(start, end, SLOW)

    def _get(self, start: int, end: int, limits: Any) -> Any:
        import obstore

        options: Any = {"range": (start, end)}
        if self.etag is not None:
            options["if_match"] = self.etag
        got = obstore.get(object_store(self.location, limits), self.path, options=options)
        content = got.bytes()
        if self.etag is None:
            self.etag = got.meta["e_tag"]
        if len(content) != end - start:
            raise ConnectionError(f"{len(content)} of {end - start} bytes came")
        return content


def _told(error: Exception, location: Location, doing: str) -> Exception:
    """The error to raise."""
    return error if isinstance(error, OdibiError) else explain(error, location, doing) or error


# -- whole files -------------------------------------------------------------------------------------------------------


def download(blob: Blob, local: Path, stopped: Stopped = never) -> None:
    """Copy a blob to a local file, which is whole afterwards. Raises odibi errors, `OSError` of the disk."""
    with local.open("wb") as file:
        if blob.size <= PART:
            file.write(blob.read(0, blob.size) if blob.size else b"")
            return

    def fetch(start: int) -> None:
        content = blob.read(start, min(start + PART, blob.size))
        with local.open("rb+") as file:
            file.seek(start)
            file.write(content)

    each(fetch, range(0, blob.size, PART), AT_ONCE, stopped)


def upload(local: Path, location: Location, stopped: Stopped = never) -> None:
    """Put a local file in the place of a blob. It is seen whole, once its last block is committed. Raises odibi errors,
    `KeyboardInterrupt` once it is stopped."""
    size = local.stat().st_size
    least = size // MOST_BLOCKS + 1
    try:
        try:
            _put(local, location, max(PART, least), AT_ONCE, BULK, stopped)
        except Exception as error:
            if size <= PIECE or not is_timeout(error):
                raise
            _put(local, location, max(PIECE, least), 1, SLOW, stopped)
    except Exception as error:
        raise _told(error, location, "write") from error


def _put(local: Path, location: Location, part: int, at_once: int, limits: Any, stopped: Stopped) -> None:
    import obstore

    store, path = object_store(location, limits), place_of(location).path
    if local.stat().st_size <= part:
        with local.open("rb") as file:
            obstore.put(store, path, file.read(), use_multipart=False)
        return
    obstore.put(store, path, _parts(local, part, stopped), chunk_size=part, max_concurrency=at_once)


def _parts(local: Path, part: int, stopped: Stopped) -> Iterator[bytes]:
    with local.open("rb") as file:
        while content := file.read(part):
            if stopped():
                raise KeyboardInterrupt
            yield content


# -- parts of files ----------------------------------------------------------------------------------------------------


class _Room:
    """Bytes in memory that all blobs share."""

    def __init__(self, size: int) -> None:
        self._left, self._lock = size, threading.Lock()

    def take(self, size: int) -> bool:
        """Whether there is room for so many; then it is taken."""
        with self._lock:
            fits = size <= self._left
            self._left -= size if fits else 0
            return fits

    def give(self, size: int) -> None:
        """Give room back."""
        with self._lock:
            self._left += size


_ROOM = _Room(IN_MEMORY)


class Ranges:
    """A blob of which only what is asked for is fetched: it is kept in memory as far as there is room for it. What is
    asked for once more is kept in a local file, which has holes."""

    def __init__(self, blob: Blob, local: Path, stopped: Stopped = never) -> None:
        self.blob, self.local, self._stopped = blob, local, stopped
        self._in_memory: list[tuple[int, int, bytes]] = []
        self._returns: list[Any] = []
        self._passed: set[tuple[int, int]] = set()
        """What came before and was not kept."""
        self._have: list[tuple[int, int]] = []
        """What is in the local file: ends are not included, sorted, apart from each other."""
        self._lock = threading.Lock()
        local.touch()

    @property
    def fetched(self) -> int:
        """Bytes that came."""
        return sum(end - start for start, end in self._have) + sum(len(content) for _, _, content in self._in_memory)

    def read(self, start: int, end: int) -> bytes:
        """The bytes from `start` to before `end`, or to the blob's end."""
        end = min(end, self.blob.size)
        if start >= end:
            return b""
        for low, high, content in tuple(self._in_memory):
            if low <= start and end <= high:
                return content[start - low : end - low]
        if self._has(start, end):
            with self.local.open("rb") as file:
                file.seek(start)
                return file.read(end - start)
        content = self._fetch(start, end)
        self._keep(start, end, content)
        return content

    def release(self) -> None:
        """Give back the memory."""
        self._in_memory.clear()
        while self._returns:
            self._returns.pop()()

    def _keep(self, start: int, end: int, content: bytes) -> None:
        if _ROOM.take(len(content)):
            self._returns.append(weakref.finalize(self, _ROOM.give, len(content)))
            self._returns[-1].atexit = False
            self._in_memory.append((start, end, content))
            return
        if (start, end) not in self._passed:
            self._passed.add((start, end))
            return
        with self.local.open("rb+") as file:
            file.seek(start)
            file.write(content)
        self._note(start, end)

    def _fetch(self, start: int, end: int) -> bytes:
        """The parts side by side, in threads that an interrupt does not wait for."""
        found: dict[int, Any] = {}

        def fetch(at: int) -> None:
            found[at] = self.blob.read(at, min(at + PART, end))

        each(fetch, range(start, end, PART), AT_ONCE, self._stopped)
        return b"".join(found[at] for at in sorted(found))

    def _has(self, start: int, end: int) -> bool:
        with self._lock:
            place = bisect_right(self._have, (start, self.blob.size))
            return any(low <= start and end <= high for low, high in self._have[max(place - 1, 0) : place + 1])

    def _note(self, start: int, end: int) -> None:
        with self._lock:
            touching = [held for held in self._have if held[0] <= end and start <= held[1]]
            for low, high in touching:
                self._have.remove((low, high))
                start, end = min(start, low), max(end, high)
            insort(self._have, (start, end))
