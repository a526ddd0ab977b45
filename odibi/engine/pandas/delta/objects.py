"""A Delta table behind a URL, as the objects it is made of: the log's commits, and files to upload and delete.

A request takes as long as the way to the store and back, so each function says how many it makes.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, Any

from odibi.connections.base import Location
from odibi.errors import DataError, MissingExtraError, OdibiError

LOG = "_delta_log"
AZURE = frozenset(("abfs", "abfss", "adl", "az", "azure"))
COMMITS_AT_ONCE = 16
"""Requests for commits that are under way together."""
PART = 4 << 20
"""Bytes of one request of an upload."""
PARTS_AT_ONCE = 8
"""Requests of an upload that are under way together, over all its files."""


def is_azure(location: Location) -> bool:
    """True where the URL is one of Azure storage."""
    return location.uri.partition("://")[0] in AZURE


def _store(location: Location, bulk: bool = False) -> tuple[Any, str]:
    """The object store, and the path of the table in it."""
    if is_azure(location):
        from odibi.azure.storage import BULK, QUICK, object_store, place_of

        return object_store(location, BULK if bulk else QUICK), place_of(location).path.strip("/")
    try:
        from obstore.store import from_url
    except ImportError:
        raise MissingExtraError("obstore", "azure", f"a {location.uri.split('://', 1)[0]}:// path") from None
    options: Any = {key: str(value) for key, value in location.storage_options.items()}
    return from_url(location.uri, config=options or None), ""


@contextmanager
def explained(location: Location, doing: str) -> Iterator[None]:
    """Turn what the store raises into an odibi error; `FileNotFoundError` passes. `doing` is `read` or `write`."""
    if is_azure(location):
        from odibi.azure.storage import explained as explained_by_azure

        with explained_by_azure(location, doing):
            yield
        return
    try:
        yield
    except (FileNotFoundError, OdibiError):
        raise
    except Exception as error:
        if type(error).__module__ == "builtins" and not isinstance(error, OSError):
            raise
        raise DataError(f"{location.display}: can not {doing}: {error}") from error  # obstore's errors: no common base


def _inside(prefix: str, relative: str) -> str:
    return f"{prefix}/{relative}" if prefix else relative


def log_names(location: Location) -> list[str]:
    """The names in the table's log: one request for 5,000 of them."""
    return [path.rpartition("/")[2] for path in paths(location, LOG)]


def paths(location: Location, folder: str = "") -> list[str]:
    """All objects of the table, or of a folder of it, relative to the table: one request for 5,000 of them."""
    store, prefix = _store(location)
    start = len(prefix) + 1 if prefix else 0
    with explained(location, "read"):
        try:
            return [each["path"][start:] for batch in store.list(_inside(prefix, folder) or None) for each in batch]
        except FileNotFoundError:
            return []


def first_foreign(location: Location, ours: Any) -> str | None:
    """The first object of the folder of which `ours(name)` is false, None where there is none: one request."""
    store, prefix = _store(location)
    start = len(prefix) + 1 if prefix else 0
    with explained(location, "read"):
        try:
            for batch in store.list(prefix or None):
                for each in batch:
                    if not ours(each["path"].rpartition("/")[2]):
                        return str(each["path"][start:])
        except FileNotFoundError:
            return None
    return None


def is_file(location: Location) -> bool:
    """True where an object has the very name of the table: one request."""
    store, prefix = _store(location)
    if not prefix:
        return False
    with explained(location, "read"):
        try:
            found = store.head(prefix)
        except FileNotFoundError:
            return False
    return bool(found.get("size"))  # an empty object is how some accounts show a folder


def commit_text(location: Location, version: int) -> str | None:
    """A commit of the log, None where it is not there: one request."""
    store, prefix = _store(location)
    with explained(location, "read"):
        try:
            found = store.get(_inside(prefix, f"{LOG}/{version:020}.json")).bytes()
        except FileNotFoundError:
            return None
    return bytes(found).decode("utf-8", errors="replace")


def commit_texts(location: Location, versions: Sequence[int]) -> list[str | None]:
    """Several commits: one request each, some at a time."""
    if len(versions) < 2:
        return [commit_text(location, version) for version in versions]
    with ThreadPoolExecutor(min(len(versions), COMMITS_AT_ONCE), "odibi-log") as pool:
        return list(pool.map(partial(commit_text, location), versions))


def upload(location: Location, root: Path, relative: Sequence[str], stopped: Callable[[], bool]) -> None:
    """Upload local files, which are below `root`, to the same places below the table. One request for each `PART`, a
    few at a time. Raises `AccessError`, and `KeyboardInterrupt` once `stopped()`; then some may be there."""
    store, prefix = _store(location, bulk=True)
    workers = max(1, min(PARTS_AT_ONCE, len(relative)))
    at_once = max(1, PARTS_AT_ONCE // workers)
    failed = threading.Event()

    def put(path: str) -> None:
        with (root / path).open("rb") as file:
            whole = os.fstat(file.fileno()).st_size <= PART
            content = file.read() if whole else _parts(file, lambda: failed.is_set() or stopped())
            store.put(_inside(prefix, path), content, use_multipart=not whole, chunk_size=PART, max_concurrency=at_once)

    with explained(location, "write"), ThreadPoolExecutor(workers, "odibi-upload") as pool:
        uploads = [pool.submit(put, path) for path in relative]
        try:
            for each in uploads:
                each.result()
        except BaseException as error:
            failed.set()
            pool.shutdown(wait=True, cancel_futures=True)
            if stopped():
                raise KeyboardInterrupt from error
            raise


def _parts(file: IO[bytes], stopped: Callable[[], bool]) -> Iterator[bytes]:
    while part := file.read(PART):
        if stopped():
            raise InterruptedError("the upload was stopped")
        yield part


def delete(location: Location, relative: Sequence[str]) -> None:
    """Delete objects of the table; missing ones are fine."""
    store, prefix = _store(location)
    with explained(location, "write"):
        for path in relative:
            try:
                store.delete(_inside(prefix, path))
            except FileNotFoundError:
                continue


def download(session: Any, location: Location, relative: Sequence[str]) -> list[str]:
    """Local copies of objects, which stay as long as the session."""
    from odibi.engine.pandas.formats.base import scratch

    store, prefix = _store(location, bulk=True)

    def get(path: str) -> str:
        local = Path(scratch(session, path))
        with local.open("wb") as file:
            for part in store.get(_inside(prefix, path)).stream(min_chunk_size=PART):
                file.write(part)
        return re.sub(r"([*?\[])", r"[\1]", str(local))

    with explained(location, "read"), ThreadPoolExecutor(PARTS_AT_ONCE, "odibi-download") as pool:
        return list(pool.map(get, relative))
