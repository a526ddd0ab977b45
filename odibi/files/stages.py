"""Write aside, then publish in one step: a reader sees the old data or the new.

A private folder `.odibi-<txn>` beside the target holds what is being written. The living writer holds an OS lock on
the file `lock` in it, so that any later writer of the target knows litter from work in progress, and sweeps it.
Behind URLs there are no locks: there the age, which is part of the transaction's name, decides.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from functools import partial

from odibi.connections.base import Location
from odibi.errors import DataError
from odibi.files.base import STAGE_PREFIX
from odibi.files.local import LocalFiles
from odibi.files.lock import Lock, try_lock
from odibi.files.places import files_for, remote_files
from odibi.files.problems import explained
from odibi.files.urls import UrlFiles
from odibi.parallel import Stopped, never

Expected = Callable[[str], bool]
"""Whether what is at a path is what was read."""
ADDED = "added"
"""A file of a stage: the names of files that go into the target's folder, until all are there."""
Clean = Callable[[str], None]
"""Takes the id of a transaction that did not end well, and deletes what it left elsewhere."""
_PACKED = re.compile(r"\.(gz|zst|zip|bz2|xz)$")
REMOTE_LITTER_SECONDS = 24 * 3600
PUBLISH_ATTEMPTS = 50
PUBLISH_SECONDS = 60
"""How long one waits for another who puts something at the same place, which takes a moment."""
READ_SECONDS = 5
"""How long a reader waits for a folder that is just being exchanged for another."""
_TAKEN = (errno.ENOTEMPTY, errno.EEXIST)


class ChangedMeanwhile(DataError):
    """What was read to be written anew is not what is there now. Nothing was written: one may try again."""

    transient = True

    def __init__(self, location: Location) -> None:
        super().__init__(
            f"{location.display} was changed by another writer meanwhile; nothing was written: run it again"
        )


@dataclass(frozen=True)
class Stage:
    """A transaction: `txn` is an id for file names, `path` a private local folder, on the disk of a local target."""

    txn: str
    path: str


def new_txn() -> str:
    """A new transaction's id: its time and something that no other has."""
    return f"{int(time.time()):x}-{os.urandom(6).hex()}"


def age_of(txn: str) -> float:
    """Seconds since a transaction began; 0 for a name that is not ours."""
    with suppress(ValueError):
        return time.time() - int(txn.split("-", 1)[0], 16)
    return 0.0


@contextmanager
def staging(location: Location, clean: Clean | None = None) -> Iterator[Stage]:
    """A private place to write for `location`; swept before, gone afterwards. After an error `clean(txn)` is called.

    Raises `AccessError` when the place can not be made.
    """
    sweep(location, clean)
    opened = _remote_stage if location.local_path is None else _local_stage
    with opened(location) as stage:
        try:
            yield stage
        except BaseException:
            if clean is not None:
                clean(stage.txn)
            raise


@contextmanager
def _local_stage(location: Location) -> Iterator[Stage]:
    with explained(location, "write"):
        folder, lock = _open_stage(location)
    try:
        yield Stage(os.path.basename(folder).removeprefix(STAGE_PREFIX), folder)
    finally:
        try:
            _recover(folder, location.uri)
        except BaseException:
            lock.release()  # what could not be put back stays, for a later sweep
            raise
        _remove_stage(folder, lock)


def _open_stage(location: Location) -> tuple[str, Lock]:
    """A new folder whose lock we hold. A sweeper may take it from us before we hold the lock: then another."""
    parent = _stage_parent(location)
    os.makedirs(parent, exist_ok=True)
    while True:
        folder = os.path.join(parent, STAGE_PREFIX + new_txn())
        os.mkdir(folder)
        try:
            lock = _lock_that_is_there(os.path.join(folder, "lock"))
            if lock is not None:
                _write_text(os.path.join(folder, "target"), _target_name(location))
                return folder, lock
        except FileNotFoundError:
            continue
        except OSError:  # no room, or no locks
            LocalFiles().delete(folder)
            raise


def _stage_parent(location: Location) -> str:
    """The folder beside the target; inside it where the target is the connection's base."""
    return location.uri if location.uri == location.root else os.path.dirname(location.uri)


def _target_name(location: Location) -> str:
    return "" if location.uri == location.root else os.path.basename(location.uri)


def _remove_stage(folder: str, lock: Lock) -> None:
    for entry in LocalFiles().entries(folder):  # none where another sweeper was faster
        if entry.name != "lock":
            with suppress(OSError):  # what can not be deleted now is deleted by the next sweep
                LocalFiles().delete(entry.path)
    lock.discard()  # a writer who is just making this folder must not take it for his
    with suppress(OSError):
        os.rmdir(folder)


def sweep(location: Location, clean: Clean | None = None) -> None:
    """Delete what dead writers of `location` left: their folders, and through `clean(txn)` what else they wrote.

    A folder that a killed writer had moved aside, with nothing in its place yet, is put back.
    """
    if location.local_path is None:
        _sweep_remote(location, clean)
        return
    with explained(location, "write"):
        for entry in _stage_folders(_stage_parent(location)):
            _sweep_local(entry, location, clean)
        if os.path.lexists(path := _lock_path(location)) and (lock := _lock_that_is_there(path)) is not None:
            lock.discard()


def _stage_folders(parent: str) -> list[str]:
    try:
        with os.scandir(parent) as found:
            return sorted(entry.path for entry in found if entry.name.startswith(STAGE_PREFIX) and entry.is_dir())
    except (FileNotFoundError, NotADirectoryError):
        return []


def _sweep_local(folder: str, location: Location, clean: Clean | None) -> None:
    try:
        lock = _lock_that_is_there(os.path.join(folder, "lock"))
    except OSError:  # gone meanwhile, or not ours to delete
        return
    if lock is None:
        return
    target = _read_text(os.path.join(folder, "target"))
    if target not in (None, _target_name(location)):
        lock.release()
        return
    try:
        if target is not None:
            with alone(location):  # else what a living writer moves aside for a moment is taken for missing
                _recover(folder, location.uri)
            if clean is not None:
                clean(os.path.basename(folder).removeprefix(STAGE_PREFIX))
    except BaseException:
        lock.release()
        raise
    _remove_stage(folder, lock)


def _recover(folder: str, target: str) -> None:
    """Put back what was moved aside and not replaced, and take back files of which not all were added."""
    names = _read_text(os.path.join(folder, ADDED))
    for name in json.loads(names) if names else ():
        for place in (os.path.join(target, name), _hidden(os.path.join(target, name))):
            with suppress(FileNotFoundError, NotADirectoryError):  # or there is a file now in the folder's place
                os.remove(place)
    old = os.path.join(folder, "old")
    if os.path.lexists(old) and not os.path.lexists(target):
        try:
            os.rename(old, target)
        except OSError as error:
            if error.errno not in _TAKEN:  # another writer put its own there meanwhile
                raise


def _write_text(path: str, text: str) -> None:
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def _read_text(path: str) -> str | None:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except (FileNotFoundError, NotADirectoryError):
        return None


# -- behind URLs -------------------------------------------------------------------------------------------------------


def _temporary_folder() -> AbstractContextManager[str]:
    import tempfile

    return tempfile.TemporaryDirectory(prefix="odibi-", ignore_cleanup_errors=True)


@contextmanager
def _remote_stage(location: Location) -> Iterator[Stage]:
    files = remote_files(location)
    txn = new_txn()
    marker = _remote_folder(files, location, txn)
    with explained(location, "write"), files.open_write(files.join(marker, "target")) as file:
        file.write(_remote_name(files, location).encode())
    try:
        with _temporary_folder() as folder:
            yield Stage(txn, folder)
    finally:
        with suppress(OSError):  # what can not be deleted now is litter that a sweep deletes
            files.delete(marker)


def _remote_folder(files: UrlFiles, location: Location, txn: str) -> str:
    parent = location.uri if location.uri == location.root else files.split(location.uri)[0]
    return files.join(parent, STAGE_PREFIX + txn)


def _remote_name(files: UrlFiles, location: Location) -> str:
    return "" if location.uri == location.root else files.split(location.uri)[1]


def _sweep_remote(location: Location, clean: Clean | None) -> None:
    files = remote_files(location)
    parent = files.split(_remote_folder(files, location, ""))[0]
    with explained(location, "write"):
        for entry in files.entries(parent):
            txn = entry.name.removeprefix(STAGE_PREFIX)
            if not entry.name.startswith(STAGE_PREFIX) or age_of(txn) < REMOTE_LITTER_SECONDS:
                continue
            if _remote_target(files, entry.path) != _remote_name(files, location):
                continue
            if clean is not None:
                clean(txn)
            files.delete(entry.path)


def _remote_target(files: UrlFiles, folder: str) -> str | None:
    try:
        with files.open_read(files.join(folder, "target")) as file:
            return file.read().decode()
    except FileNotFoundError:
        return None


# -- plain files -------------------------------------------------------------------------------------------------------


@contextmanager
def staged(
    location: Location,
    folder: bool = False,
    suffixes: tuple[str, ...] = (),
    stopped: Stopped = never,
    expected: Expected | None = None,
) -> Iterator[str]:
    """A local path to write a file to (with `folder`: an empty folder to write files into), published on success.

    An existing folder is replaced only where all it holds are data files whose names end in one of `suffixes` (empty:
    any). Raises `DataError` where something else is in the way, `AccessError` where publishing is refused; then, as
    after any error inside, the target is as it was. An upload ends with `KeyboardInterrupt` once it is stopped. Where
    a local folder goes in the place of what it was made of, `expected` is asked of that once it is moved aside: what
    another writer changed meanwhile is put back, and `ChangedMeanwhile` raised.
    """
    check_replaceable(location, folder, suffixes)
    with _room(location) as stage:
        path = os.path.join(stage.path, "new", os.path.basename(location.uri.rstrip("/")) if not folder else "")
        os.makedirs(os.path.dirname(path))
        path = path.rstrip(os.sep)
        yield path
        with explained(location, "write"):
            if location.local_path is None:
                _publish_remote(location, path, stage.txn, stopped)
            else:
                _publish_local(
                    location, path, stage.path, expected, partial(check_replaceable, location, folder, suffixes)
                )


@contextmanager
def _room(location: Location) -> Iterator[Stage]:
    """A stage; where an upload replaces the target in one step a temporary folder is enough."""
    if location.local_path is None and remote_files(location).puts_in_one_step:
        with _temporary_folder() as folder:
            yield Stage(new_txn(), folder)
    else:
        with staging(location) as stage:
            yield stage


def check_replaceable(location: Location, folder: bool = False, suffixes: tuple[str, ...] = ()) -> None:
    """Raise `DataError` where a plain file (or folder of files) can not be put in the place of what is there."""
    files = files_for(location)
    if location.uri == location.root:
        raise DataError(f"{location.display or location.uri}: the path is the connection's base; name a file below it")
    kind = files.kind(location.uri)
    if location.local_path is None and (folder or kind == "folder"):
        raise DataError(
            f"{location.display}: a folder of files can not be replaced in one step on an object store; "
            "write a single file (no partition_by, a path that is no folder yet), or a Delta table (format: delta)"
        )
    if kind != "folder":
        return
    if files.exists(files.join(location.uri, "_delta_log")):
        raise DataError(f"{location.display} is a Delta table; write it with format: delta, or choose another path")
    foreign = [
        path for path in files.walk(location.uri) if suffixes and not _PACKED.sub("", path.lower()).endswith(suffixes)
    ]
    if foreign:
        raise DataError(
            f"{location.display} is a folder that holds other files ({os.path.relpath(foreign[0], location.uri)}, …) "
            "and is not replaced; choose another path, or delete the folder yourself"
        )


@contextmanager
def added(location: Location, expected: Expected | None = None) -> Iterator[str]:
    """An empty local folder; on success its files are put beside those in the target, which is a folder. Nothing that
    is there is touched, so writers who add at the same time lose nothing. After an error, or the death of the writer
    once the next one comes, none of the files is there. `expected` is asked whether there still is the folder that the
    files were made for; else `ChangedMeanwhile` is raised."""
    with staging(location) as stage:
        path = os.path.join(stage.path, "new")
        os.makedirs(path)
        yield path
        with explained(location, "write"):
            _sync(path)
            with alone(location):
                if expected is not None and not expected(location.uri):
                    raise ChangedMeanwhile(location)
                move_in(stage, path, location.uri, unique=True)


def move_in(stage: Stage, folder: str, target: str, unique: bool = False) -> list[str]:
    """Move the files of a folder, which is in the stage, into a folder that is there, with `unique` under names that no
    other file has; gives their new places. Should anything go wrong, the end of the stage takes them back. Raises
    `FileExistsError`."""
    found = [os.path.join(top, name) for top, _, names in os.walk(folder) for name in names]
    places = {path: os.path.relpath(path, folder) for path in found}
    if unique:
        places = {path: _unique(place, stage.txn) for path, place in places.items()}
    for place in places.values():
        if os.path.lexists(os.path.join(target, place)):
            raise FileExistsError(place)
    note = os.path.join(stage.path, ADDED)
    _write_text(note + ".new", json.dumps(list(places.values())))
    os.rename(note + ".new", note)
    for path, place in places.items():
        _make_folders(target, os.path.dirname(place))
        _move(path, os.path.join(target, place))
    os.remove(note)  # from here on they stay
    return [os.path.join(target, place) for place in places.values()]


def _move(path: str, place: str) -> None:
    """Rename a file; where the place is on another disk (a link, a mount) it is copied under a hidden name first."""
    try:
        os.rename(path, place)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        hidden = _hidden(place)
        with open(path, "rb") as old, open(hidden, "wb") as new:
            while block := old.read(1 << 20):
                new.write(block)
        _sync(hidden)
        os.rename(hidden, place)


def _hidden(place: str) -> str:
    folder, name = os.path.split(place)
    return os.path.join(folder, STAGE_PREFIX + name)


def _unique(name: str, txn: str) -> str:
    folder, base = os.path.split(name)
    stem, dot, rest = base.partition(".")
    return os.path.join(folder, f"{stem}-{txn}{dot}{rest}")


def _make_folders(target: str, inside: str) -> None:
    """Make folders below one that is there: if it is gone, another writer is replacing it."""
    for part in inside.split(os.sep) if inside else ():
        target = os.path.join(target, part)
        with suppress(FileExistsError):
            os.mkdir(target)


@contextmanager
def alone(location: Location) -> Iterator[None]:
    """The one writer on this machine that now puts something at a local place. What is looked at in there is what is
    replaced; and what is moved aside for a moment, nobody else takes for missing. Raises `DataError` where another does
    not come to an end."""
    until = time.monotonic() + PUBLISH_SECONDS
    while (lock := _lock_that_is_there(_lock_path(location))) is None:
        if time.monotonic() > until:
            raise DataError(
                f"{location.display} is being written by another process for more than {PUBLISH_SECONDS} seconds;"
                f" nothing was written: end that process, or delete {_lock_path(location)} if there is none"
            )
        time.sleep(0.005)
    try:
        yield
    finally:
        lock.discard()


def in_exchange(location: Location) -> bool:
    """Whether a writer is just putting something at a local place, so that what is missing there may come at once."""
    return location.local_path is not None and os.path.lexists(_lock_path(location))


def _lock_path(location: Location) -> str:
    name = hashlib.sha256(_target_name(location).encode()).hexdigest()[:16]
    return os.path.join(_stage_parent(location), f"{STAGE_PREFIX}lock-{name}")


def _lock_that_is_there(path: str) -> Lock | None:
    lock = None
    with suppress(PermissionError):  # Windows, while it is deleted
        lock = try_lock(path)
    if lock is None or lock.still_there():
        return lock
    lock.release()
    return None


def _publish_local(
    location: Location, new: str, stage: str, expected: Expected | None, check: Callable[[], None]
) -> None:
    _sync(new)
    with alone(location):
        check()  # again: what came there while the new was made is not lost
        try:
            _replace(location, new, stage, expected)
            with suppress(OSError):  # none, or it can not be moved: nothing is to be put back from here on
                os.rename(os.path.join(stage, "old"), os.path.join(stage, "replaced"))
        except BaseException:
            _recover(stage, location.uri)
            raise
    _sync_folder(os.path.dirname(location.uri))


def _replace(location: Location, new: str, stage: str, expected: Expected | None) -> None:
    target = location.uri
    if expected is not None and not expected(target):
        raise ChangedMeanwhile(location)
    for attempt in range(PUBLISH_ATTEMPTS):
        _move_aside(target, new, stage)
        old = os.path.join(stage, "old")
        moved_link = os.path.islink(old)  # which may lead nowhere from here
        if expected is not None and not moved_link and not expected(old if os.path.lexists(old) else target):
            raise ChangedMeanwhile(location)
        try:
            os.replace(new, target)
            break
        except OSError as error:  # another writer put its folder there meanwhile: the later one stays
            if error.errno not in _TAKEN or attempt == PUBLISH_ATTEMPTS - 1:
                raise


def _move_aside(target: str, new: str, stage: str) -> None:
    """Make room for what no rename can replace: a folder, or anything where a folder is to go."""
    folder = os.path.isdir(target) and not os.path.islink(target)
    if not folder and not (os.path.isdir(new) and os.path.lexists(target)):
        return
    old = os.path.join(stage, "old")
    if os.path.lexists(old):
        LocalFiles().delete(old)
    with suppress(FileNotFoundError):  # another writer moved it aside
        os.rename(target, old)


def _publish_remote(location: Location, new: str, txn: str, stopped: Stopped) -> None:
    files = remote_files(location)
    if files.puts_in_one_step:
        files.upload(new, location.uri, stopped)
        return
    aside = files.join(_remote_folder(files, location, txn), "new")
    files.upload(new, aside, stopped)
    files.move(aside, location.uri)


def _sync(path: str) -> None:
    """Bring a file, or the files of a folder, to the disk: a rename must not overtake the content in a power cut."""
    for each in [path] if os.path.isfile(path) else LocalFiles().walk(path):
        with open(each, "rb+") as file:
            os.fsync(file.fileno())


def _sync_folder(path: str) -> None:
    with suppress(OSError):  # Windows opens no folders; some network disks refuse
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
