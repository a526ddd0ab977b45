"""What the operating system refuses, in words that name the place and the next step."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from odibi.connections.base import Location
from odibi.errors import AccessError, DataError, OdibiError

_NO_SPACE = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}
_IN_THE_WAY = {errno.ENOTDIR, errno.EEXIST, errno.EISDIR, errno.ENOTEMPTY}


@contextmanager
def explained(location: Location, doing: str) -> Iterator[None]:
    """Turn an `OSError` of the body into an odibi error about `location`; `doing` is `read` or `write`."""
    try:
        yield
    except OSError as error:
        if isinstance(error, OdibiError):
            raise
        raise explain(error, location, doing) from error


def explain(error: OSError, location: Location, doing: str) -> OdibiError:
    """The odibi error for an `OSError` met while reading or writing `location`."""
    place = location.display
    detail = f"{error.strerror or error}" + (f": {error.filename}" if error.filename else "")
    if error.errno in _NO_SPACE:
        return AccessError(
            f"{place}: no space left to write ({detail}); free space or write elsewhere, the target is as it was"
        )
    if error.errno == errno.EROFS:
        return AccessError(f"{place}: the file system is read-only ({detail}); write elsewhere")
    if error.errno == errno.ENOLCK:
        return AccessError(
            f"{place}: the file system has no locks, without which writers can not tell work in progress from what a "
            f"killed one left ({detail}); {doing} on another disk, or through a connection to the storage behind it"
        )
    if isinstance(error, PermissionError):
        return AccessError(
            f"{place}: no permission to {doing} ({detail}); give this user the right to {doing} there, "
            "or close the program that has the file open"
        )
    if error.errno in _IN_THE_WAY:
        return DataError(
            f"{place}: a file is where a folder must be, or the reverse ({detail}); move it away or choose another path"
        )
    if error.errno == errno.ENAMETOOLONG:
        return DataError(f"{place}: the path is too long for this file system ({detail}); choose a shorter one")
    return AccessError(f"{place}: can not {doing} ({detail}); check that the place is reachable and try again")
