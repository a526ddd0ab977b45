"""What Azure storage answers when it refuses, told in one sentence with the way out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from odibi.connections.base import Location
from odibi.errors import AccessError, OdibiError


def explain(error: BaseException, location: Location, doing: str) -> OdibiError | None:
    """The odibi error for what obstore or delta-rs raised about `location`, None where Azure is not the cause; `doing`
    is `read` or `write`. Raise it from `error`. Its `transient` says whether a later try may pass."""
    if isinstance(error, OdibiError):
        return error
    return AccessError(f"{location.display}: can not {doing}")


@contextmanager
def explained(location: Location, doing: str) -> Iterator[None]:
    """Turn what the storage libraries raise in the body into odibi errors; `FileNotFoundError` passes."""
    try:
        yield
    except (FileNotFoundError, OdibiError):
        raise
    except Exception as error:
        found = explain(error, location, doing)
        if found is None:
            raise
        raise found from error  # obstore's errors have no base class but Exception in old versions
