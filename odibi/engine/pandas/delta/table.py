"""Opening Delta tables, and what a table's protocol asks of those who read and write it."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from odibi.engine import delta_log
from odibi.engine.delta_features import WRITTEN_BY_PANDAS, unknown_property, unsupported
from odibi.engine.delta_log import LOG
from odibi.engine.delta_rules import file_in_the_way, generated_columns, is_append_only, rules_of
from odibi.engine.pandas.delta import objects
from odibi.engine.pandas.delta.schema import columns_of
from odibi.errors import DataError, DataNotFoundError, OdibiError, UnsupportedError
from odibi.files import explain, files_for
from odibi.location import Location
from odibi.types import Column

READ_BY_DUCKDB = {"timestampNtz", "typeWidening", "typeWidening-preview", "v2Checkpoint", "vacuumProtocolCheck"}
"""Reader features that do not change what the Parquet files of the snapshot hold (widened types are cast)."""
WRITTEN_FAST = {"timestampNtz", "appendOnly", "invariants"}
"""Writer features that a commit of plain files honours; `appendOnly` and `invariants` are looked at one by one."""
_STORAGE = re.compile(r"MicrosoftAzure|ObjectStore|object store|Error performing|HTTP error|status code", re.IGNORECASE)
"""Signs of a text that the store is the cause of the error, and not the table."""
NOT_NULL = "notNullOrInvariants"
"""No feature of the protocol: columns that may not be NULL, and invariants of old tables."""
MAX_DETAIL = 200
"""Characters of a library's own message that are shown."""
TOKEN_SECONDS = 240
"""How long what was opened with a token may be used before it is opened anew: tokens are given with 5 minutes left."""
_COMMIT = re.compile(r"(\d{20})\.json")
_CHECKPOINT = re.compile(r"(\d{20})\.checkpoint\..*parquet")


@dataclass(frozen=True)
class Table:
    """A Delta table at one version. `delta` is delta-rs's object for it, which moves on when it writes."""

    location: Location
    delta: Any
    version: int
    opened: float = field(default_factory=time.monotonic, compare=False)

    @cached_property
    def schema(self) -> str:
        """The schema as Delta's JSON."""
        return str(self.delta.schema().to_json())

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        """Names and types."""
        return columns_of(self.schema)

    @cached_property
    def metadata(self) -> Any:
        """Id, name, partition columns and configuration."""
        return self.delta.metadata()

    @property
    def partition_by(self) -> tuple[str, ...]:
        """Partition columns in order."""
        return tuple(self.metadata.partition_columns)

    @cached_property
    def configuration(self) -> dict[str, str]:
        """The table's properties."""
        return {key: value for key, value in self.metadata.configuration.items() if value is not None}

    @cached_property
    def reader_features(self) -> frozenset[str]:
        """What a reader must know. Older tables declare column mapping in the properties alone."""
        found = set(self.delta.protocol().reader_features or ())
        if "columnMapping" in found and not self._mapped:
            found.discard("columnMapping")
        return frozenset(found | ({"columnMapping"} if self._mapped else set()))

    @property
    def _mapped(self) -> bool:
        return self.configuration.get("delta.columnMapping.mode", "none") != "none"

    @cached_property
    def writer_features(self) -> frozenset[str]:
        """What a writer must honour and this table uses, whether its protocol lists features or only has a number."""
        protocol = self.delta.protocol()
        listed = set(protocol.writer_features or ()) - {
            "appendOnly",
            "invariants",
            "checkConstraints",
            "changeDataFeed",
        }
        listed -= {"generatedColumns", "columnMapping"}
        return frozenset(listed | set(self._used()))

    def _used(self) -> Iterator[str]:
        if self._mapped:
            yield "columnMapping"
        if self.append_only:
            yield "appendOnly"
        if self.configuration.get("delta.enableChangeDataFeed", "").lower() == "true":
            yield "changeDataFeed"
        if any(key.startswith("delta.constraints.") for key in self.configuration):
            yield "checkConstraints"
        if '"delta.generationExpression"' in self.schema:
            yield "generatedColumns"
        if '"delta.identity.' in self.schema:
            yield "identityColumns"
        if '"delta.invariants"' in self.schema or '"nullable":false' in self.schema.replace(" ", ""):
            yield NOT_NULL

    @property
    def append_only(self) -> bool:
        """True where rows may never be removed."""
        return is_append_only(self.configuration)

    @property
    def has_ntz(self) -> bool:
        """True where the protocol allows zoneless timestamps."""
        return "timestampNtz" in (self.delta.protocol().writer_features or ())

    @property
    def fast(self) -> bool:
        """True where a commit of plain Parquet files honours all that the table asks of a writer."""
        return self.writer_features <= WRITTEN_FAST

    @property
    def rules(self) -> list[str]:
        """What rows must obey, as a reader understands it."""
        return rules_of(self.schema, self.configuration)

    @property
    def generated(self) -> frozenset[str]:
        """Lower-case names of the columns that a writer computes."""
        return generated_columns(self.schema)


def open_table(location: Location, version: int | None = None) -> Table:
    """The table at a version (default: the newest).

    Raises `DataNotFoundError` where no table or no such version is, `DataError` for a log that can not be read,
    `UnsupportedError` for a table that asks for what nobody here knows.
    """
    if version is not None and version < 0:
        if not has_log(location):
            raise no_table(location)
        raise _no_version(location, version)
    found = None if location.local_path is not None and not has_log(location) else _opened(location, version)
    if found is not None:
        return found
    if version is not None and has_log(location):
        raise _no_version(location, version)
    raise no_table(location)


def find_table(location: Location) -> Table | None:
    """The newest version of the table, None where none is. Raises `DataError` where a file is in the way."""
    if location.local_path is None:
        return _opened(location)  # behind a URL every look costs a way to the store and back
    table_uri(location)
    if has_log(location):
        return open_table(location)
    if files_for(location).kind(location.uri) == "file":
        raise file_in_the_way(location)
    return None


def _opened(location: Location, version: int | None = None) -> Table | None:
    """The table; None where delta-rs finds none."""
    from deltalake import DeltaTable
    from deltalake.exceptions import TableNotFoundError

    uri, options = table_uri(location), storage_options(location)
    with explained(location):
        try:
            delta = DeltaTable(uri, version=version, storage_options=options)
            return Table(location, delta, int(delta.version()))
        except TableNotFoundError:
            return None
        except Exception as error:
            if version is not None and "specified end version" in str(error):
                raise _no_version(location, version) from error
            raise


def renewed(table: Table) -> Table:
    """The table at the same version, with a token that has not run out meanwhile."""
    if time.monotonic() - table.opened < TOKEN_SECONDS or "bearer_token" not in (storage_options(table.location) or {}):
        return table
    return _opened(table.location, table.version) or table


def open_at(location: Location, when: str) -> Table:
    """The table as it was at a time (ISO 8601 with a zone), by the times that its history shows.

    Raises `DataNotFoundError` outside its history.
    """
    times = commit_times(open_table(location))
    return open_table(location, delta_log.version_at(location, when, times))


def newest(location: Location, known: Table | None) -> Table | None:
    """The table as it is now, None where none is. What is known of it is brought up to date, which behind a URL takes
    a few requests however long the log is."""
    if location.local_path is not None or known is None:
        return find_table(location)
    delta = renewed(known).delta
    try:
        with explained(location):
            delta.update_incremental()
            found = Table(location, delta, int(delta.version()), known.opened)
    except (DataError, DataNotFoundError):  # another table is in its place
        return find_table(location)
    return found if found.version > known.version else find_table(location)


def commit_times(table: Table) -> dict[int, datetime]:
    """When each version that the log still has was committed, ascending; clocks that went back are ignored.

    `table` is at its newest version: delta-rs gives the history of an older one the numbers of the wrong versions.
    """
    return delta_log.commit_times(commits_of(table))


def commits_of(table: Table, limit: int | None = None) -> list[dict[str, Any]]:
    """What the newest commits, or all that the log still has, say of themselves, newest first."""
    location = table.location
    if location.local_path is not None:  # delta-rs finds no commits in folders with some odd signs in their names
        return delta_log.commits(location, limit)
    return remote_commits(location, limit)


def remote_commits(location: Location, limit: int | None = None) -> list[dict[str, Any]]:
    """The same of a table behind a URL, without opening it; empty where none is. delta-rs would read the whole log
    first, and let no other thread run meanwhile."""
    versions = log_versions(location)[::-1][:limit]
    found = zip(versions, objects.commit_texts(location, versions), strict=True)
    return [{**delta_log.commit_info(text), "version": version} for version, text in found if text is not None]


def has_log(location: Location) -> bool:
    """True where a folder is a Delta table."""
    return bool(log_versions(location, checkpoints=True))


def log_versions(location: Location, checkpoints: bool = False) -> list[int]:
    """The versions that a table's log has commits for (or checkpoints of), ascending."""
    names = _log_names(location) if location.local_path is not None else objects.log_names(location)
    patterns = (_COMMIT, _CHECKPOINT) if checkpoints else (_COMMIT,)
    return sorted({int(found[1]) for name in names for pattern in patterns if (found := pattern.fullmatch(name))})


def _log_names(location: Location) -> list[str]:
    try:
        return [path.name for path in (Path(location.uri) / LOG).iterdir()]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise explain(error, location, "read") from error


def _no_version(location: Location, version: int) -> DataNotFoundError:
    return delta_log.no_version(location, version, log_versions(location))


no_table = delta_log.no_table


STORES = frozenset(("abfs", "abfss", "adl", "az", "azure", "gs", "s3", "s3a", "file"))
"""Protocols that delta-rs has an object store for."""


def table_uri(location: Location) -> str:
    """The location as delta-rs takes it. Raises `UnsupportedError` for a path that it can write to but not read."""
    if found := re.search(r"%[0-9A-Fa-f]{2}", location.uri):
        raise UnsupportedError(
            f"{location.display}: the path {location.uri} holds {found[0]!r}, which delta-rs takes for an "
            "escaped character; rename the folder"
        )
    protocol = location.uri.partition("://")[0]
    if location.local_path is None and protocol not in STORES:
        raise UnsupportedError(
            f"{location.display}: Delta tables can not be kept on {protocol}://; write a plain format "
            f"(format: parquet), or use a connection whose URL begins with one of {', '.join(sorted(STORES))}"
        )
    cloud = objects.cloud_of(location)
    uri = cloud.delta_uri(location) if cloud is not None else location.uri
    return uri if location.local_path is not None else objects.escaped(uri)


def storage_options(location: Location) -> dict[str, str] | None:
    """The location's options as delta-rs takes them, with a fresh token where one is needed."""
    cloud = objects.cloud_of(location)
    if cloud is not None:
        found: dict[str, str] = cloud.delta_options(location)
        return found
    return {key: str(value) for key, value in location.storage_options.items()} or None


@contextmanager
def explained(location: Location, doing: str = "read") -> Iterator[None]:
    """Turn what delta-rs raises into texts for the user; it raises plain `Exception` and `ValueError` too."""
    try:
        yield
    except OdibiError:
        raise
    except OSError as error:
        raise _refused(location, error, doing) from error
    except Exception as error:
        if type(error) is not Exception and type(error).__module__ == "builtins":
            raise
        raise _problem(location, error, doing) from error  # delta-rs's errors have no common base class
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        raise DataError(
            f"{location.display}: delta-rs broke off ({str(error)[:MAX_DETAIL]}); run this with --engine spark"
        ) from error


def _refused(location: Location, error: OSError, doing: str) -> OdibiError:
    found = _of_storage(location, error, doing)
    return found or explain(error, location, doing)


def _of_storage(location: Location, error: Exception, doing: str) -> OdibiError | None:
    """What the store behind a URL refused: delta-rs tells it inside of its own texts."""
    cloud = objects.cloud_of(location)
    told: OdibiError | None = cloud.explain(error, location, doing) if cloud is not None else None
    return told


def plain_text(error: BaseException) -> str:
    """delta-rs's text in one line, without the colours and arrows of its nested causes.

    >>> plain_text(OSError("Kernel error -> Generic error\\n   \\x1b[31m↳\\x1b[0m 404 Not Found"))
    'Kernel error: Generic error: 404 Not Found'
    """
    text = re.sub(r"\x1b\[[0-9;]*m", "", str(error)).replace(" -> ", ": ")
    return ": ".join(part for line in text.split("\n") if (part := line.strip(" \t↳→")))


def _problem(location: Location, error: Exception, doing: str) -> OdibiError:
    text = str(error).split("\n")[0] if location.local_path is not None else plain_text(error)
    text = text.removeprefix("Kernel error: ")
    place = location.display
    refused = re.search(r"Feature '(\w+)' is not supported|features required: \[(.*?)\]", text)
    if refused:
        return unsupported_features(location, (refused[1] or refused[2]).split(", "), "use")
    unknown = re.search(r"Error parsing property '(.+?)':", text)
    if unknown:
        return unknown_property(location, unknown[1])
    if "catalog-managed" in text:
        return UnsupportedError(f"{place} is managed by a catalog (catalogManaged) and can only be used through it")
    if "not found" in text and ".parquet" in text:
        return DataNotFoundError(
            f"{place}: a data file that the table's log lists is gone: {text}; restore the file or the table"
        )
    if _STORAGE.search(text) and (told := _of_storage(location, error, doing)):
        return told
    if any(sign in text for sign in ("Json error", "commit files", "metadata or protocol", "log segment", "parsing")):
        return delta_log.damaged(place, _short(text, location))
    return DataError(f"{place}: {text}")


def _short(text: str, location: Location) -> str:
    """What is wrong with a log, without the inner data that delta-rs shows."""
    gone = delta_log.gap_in(log_versions(location)) if "gap" in text else ""
    if gone:
        return gone
    return text if len(text) <= MAX_DETAIL else text[:MAX_DETAIL] + " …"


def unsupported_features(location: Location, features: Iterable[str], doing: str) -> UnsupportedError:
    """The error for table features that delta-rs does not have, with what to do."""
    return unsupported(location, features, doing)


def check_writable(table: Table, doing: str = "write") -> None:
    """Raise `UnsupportedError` for a table with features that a writer must honour and delta-rs does not: it refuses
    some of them only after it wrote files, or in words that tell something else."""
    unknown = not_writable(table)
    if unknown:
        raise unsupported(table.location, unknown, doing)


def not_writable(table: Table) -> frozenset[str]:
    """The features of a table that a writer must honour and delta-rs does not."""
    return table.writer_features - WRITTEN_BY_PANDAS - {NOT_NULL}
