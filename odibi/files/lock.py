"""A lock that the operating system takes back when its holder dies, however it dies."""

from __future__ import annotations

import errno
import os
import sys
from contextlib import suppress

if sys.platform == "win32":
    import msvcrt

    def _take(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _take(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)  # flock: threads of one process exclude each other too


_HELD = (errno.EAGAIN, errno.EWOULDBLOCK, errno.EACCES, errno.EDEADLK)
"""What is told where another holds a lock. All else tells of a place without locks, where waiting would have no end."""


class Lock:
    """A lock on a file, held until `release` or the end of the process."""

    def __init__(self, path: str, descriptor: int) -> None:
        self.path, self._descriptor = path, descriptor

    def still_there(self) -> bool:
        """False when the locked file was deleted, so that another could lock a new one of that name."""
        try:
            return os.path.samestat(os.fstat(self._descriptor), os.stat(self.path))
        except FileNotFoundError:
            return False

    def release(self) -> None:
        """Let go; the file stays."""
        os.close(self._descriptor)

    def discard(self) -> None:
        """Let go, and delete the file. Whoever waits for it asks `still_there` once he has it."""
        if sys.platform == "win32":  # which deletes no open file, so not one that another has taken meanwhile
            os.close(self._descriptor)
        with suppress(OSError):
            os.remove(self.path)
        if sys.platform != "win32":
            os.close(self._descriptor)


def try_lock(path: str) -> Lock | None:
    """The lock on `path`, whose file is made when it is missing; None when another holds it. Raises `OSError` when the
    folder is missing or not writable, with `ENOLCK` where the file system has no locks."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        _take(descriptor)
    except OSError as error:
        os.close(descriptor)
        if error.errno in _HELD:
            return None
        raise OSError(errno.ENOLCK, error.strerror, path) from error
    return Lock(path, descriptor)
