"""Storage accounts on a Spark session: the settings of connections, where Spark finds data, what refusals mean.

Hadoop keeps one client (`FileSystem`) for each container of an account, for as long as the JVM lives and for all
sessions in it, with the key that it was opened with. So a connection's settings are put on the session before it is
used, and a client that was opened with others is closed.
"""

from __future__ import annotations

import hashlib
import os
import re
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

from odibi.connections.base import BaseConnection, Location
from odibi.engine.base import Source, Target
from odibi.engine.spark.kinds import spark_errors
from odibi.engine.spark.platform import NO_KEYS
from odibi.engine.spark.session import Session
from odibi.engine.spark.settings import REDACTION_OF_SQL, SECRET_SETTINGS
from odibi.errors import AccessError, ConfigError, DataNotFoundError, OdibiError, UnsupportedError
from odibi.transforms.dialect import SPARK

CLOUDS = dict.fromkeys(("abfss", "abfs"), "odibi.azure.spark")
"""Protocols of clouds that Spark is told how to reach, and who knows what it says of them: `options_of`, `opens`,
`urls_in`, `explain`."""

# -- places ------------------------------------------------------------------------------------------------------------


def spark_path(location: Location) -> str:
    """A location as Spark takes it: a URL, also for a local folder, whose bare path a cluster would look for in its
    own storage. Globs stay globs.

    >>> spark_path(Location("abfss://raw@account1.dfs.core.windows.net/a"))
    'abfss://raw@account1.dfs.core.windows.net/a'
    >>> spark_path(Location("/Volumes/main/sales/landing/a", governed=True))
    '/Volumes/main/sales/landing/a'
    """
    if location.table:
        raise ConfigError(f"{location.display} is a table of a catalog, which has no path; use its name")
    if "://" in location.uri or location.governed:
        return location.uri
    path = location.uri.replace(os.sep, "/")
    return f"file://{path}" if path.startswith("/") else f"file:///{path}"


def delta_name(location: Location) -> str:
    """A Delta table as SQL names it.

    >>> delta_name(Location("table://`main`.`sales`.`orders`", table="`main`.`sales`.`orders`"))
    '`main`.`sales`.`orders`'
    >>> delta_name(Location("abfss://raw@account1.dfs.core.windows.net/a"))
    'delta.`abfss://raw@account1.dfs.core.windows.net/a`'
    """
    return location.table or f"delta.{SPARK.quote(spark_path(location))}"


def reachable(location: Location) -> bool:
    """Whether Python on the driver can read the files of a location, so that no Spark job is needed for what they
    say."""
    if location.table:
        return False
    if location.governed:
        return Path(location.root).exists()
    cloud = _cloud_of(location.uri)
    return cloud is None or bool(cloud.opens(location))


def _cloud_of(url: str) -> Any:
    """The module that knows a cloud, None for any other place."""
    named = CLOUDS.get(url.partition("://")[0])
    return None if named is None else import_module(named)


def options_of(end: Source | Target) -> dict[str, str]:
    """What Spark takes as options of this one read or write, for a credential that the user gave it as
    `storage_options`; nothing where there is none. Raises `UnsupportedError` for what only Python can use."""
    given = end.options.get("storage_options") or {}
    if not given or end.table is not None:
        return {}
    location = end.location()
    cloud = _cloud_of(location.uri)
    if cloud is None:
        raise UnsupportedError(
            f"{location.display}: Spark takes storage_options for Azure storage only; take them out, or set what they"
            " stand for in the session"
        )
    if not end.connection.replaces_access(given):
        return {}
    return {**cloud.options_of(location), _NOT_SHARED: "true"}


# -- settings ----------------------------------------------------------------------------------------------------------

LIMITS = {
    "fs.azure.io.retry.max.retries": "3",
    "fs.azure.io.retry.min.backoff.interval": "500",
    "fs.azure.io.retry.backoff.interval": "500",
    "fs.azure.io.retry.max.backoff.interval": "5000",
    "fs.azure.http.connection.timeout": "3000",
    "fs.azure.http.read.timeout": "10000",
    "fs.azure.metrics.collection.enabled": "false",
}
"""An account that can not be reached is told of in ten to twenty seconds, as on the other engine (these are
milliseconds); Hadoop by itself tries for many minutes. A client that is closed, as where a key was changed, reports to
nobody how it fared: newer Hadoop would, and where it is refused it tries again for five seconds."""
_NOT_SHARED = "fs.abfss.impl.disable.cache"
"""Hadoop makes a client for each use and keeps none."""


class Storage:
    """The accounts of an engine's connections on its session."""

    def __init__(self, session: Session, connections: Mapping[str, BaseConnection]) -> None:
        self.session, self.connections = session, connections
        self._lock = threading.RLock()
        self._accounts: dict[str, _Account] = {}
        self._begun = self._limited = self._all = False

    def open_all(self) -> None:
        """Make all connections known to the session. Raises `KeyFetchError` with all credentials that could not be
        fetched, which is done in parallel."""
        with self._lock:
            if self._all:
                return
            usable = self._alone()
            needy = {name: each for name, each in usable.items() if not each.is_ready()}
            if needy:
                from odibi.prefetch import prefetch

                prefetch(needy)
            self._begin()
            for each in usable.values():
                self._configure(each)
            self._all = True

    def open(self, end: Source | Target) -> None:
        """See to it that the session reaches what is read or written."""
        self.open_connection(end.connection, end.options.get("storage_options") or {})

    def open_connection(self, connection: BaseConnection, storage_options: Mapping[str, Any] | None = None) -> None:
        """See to it that the session reaches a connection, unless the user's own options bring a credential. Fetches
        the connection's where none was received."""
        with self._lock:
            self._begin()
            _remember(connection)
            if storage_options and connection.replaces_access(storage_options):
                self._limit()
                return
            account = self._configure(connection)
            if account is not None:
                account.renew(self.session, connection.get_path(""))

    def _begin(self) -> None:
        """All connections whose credentials are at hand: functions may use them without asking odibi. What is wrong
        with one is told when it is used; so is which one opens an account that several open in different ways."""
        if self._begun:
            return
        self._begun = True
        for each in self.connections.values():
            _remember(each)
        for each in self._alone().values():
            if each.is_ready():
                with suppress(AccessError):
                    self._configure(each)

    def _alone(self) -> dict[str, BaseConnection]:
        """The connections that Spark can use, without those that open an account in different ways: which of these it
        is to be, the first use says."""
        usable = {name: each for name, each in self.connections.items() if not each.unusable("spark")}
        return {
            name: each
            for name, each in usable.items()
            if not any(each.clashes(other, "spark") for other in usable.values())
        }

    def _configure(self, connection: BaseConnection) -> _Account | None:
        """Put a connection's settings on the session; None where it has none."""
        settings = dict(connection.spark_settings())
        if not settings:
            return None
        self._limit()
        host = _authority(connection.get_path("")).partition("@")[2]
        account = self._accounts.setdefault(host, _Account(host))
        account.take(connection, settings, self.session)
        return account

    def _limit(self) -> None:
        """Set what is good for every account, where the user has not said otherwise and the platform takes it."""
        if self._limited:
            return
        self._limited = True
        for name, value in LIMITS.items():
            if not self._value(name) and not self._value(f"spark.hadoop.{name}"):
                self.session.set(name, value)
        hidden = self._value(REDACTION_OF_SQL) or ""
        if SECRET_SETTINGS not in hidden:
            self.session.set(REDACTION_OF_SQL, "|".join(filter(None, [hidden, SECRET_SETTINGS])))

    def _value(self, name: str) -> str | None:
        with suppress(*spark_errors()):
            value = self.session.spark.conf.get(name, None)
            return None if value is None else str(value)
        return None


class _Account:
    """What an account is opened with. Hadoop has one way for each account."""

    def __init__(self, host: str) -> None:
        self.host = host
        self.settings: dict[str, str] = {}
        self.owner: BaseConnection | None = None

    def take(self, connection: BaseConnection, settings: Mapping[str, str], session: Session) -> None:
        """Use a connection's settings. Raises `ConfigError` where another connection opens the account in another way,
        `AccessError` where the platform takes none."""
        if self.owner is not None and self.owner is not connection:
            clash = self.owner.clashes(connection, "spark")
            if clash:
                raise ConfigError(clash)
            settings = {name: value for name, value in settings.items() if name not in self.settings}
        else:
            self.owner = connection
        for name, value in settings.items():
            if self.settings.get(name) == value:
                continue
            if not session.set(name, value):
                raise AccessError(
                    f"{_shown(connection)}: this compute takes no account keys or other settings of storage ({name});"
                    f" {NO_KEYS}"
                )
            self.settings[name] = value

    def renew(self, session: Session, root: str) -> None:
        """Close the client that Hadoop keeps for a container where it was opened with other settings."""
        container = _container_of(root)
        now = hashlib.sha256(repr(sorted(self.settings.items())).encode()).hexdigest()
        before = _opened.get((_process_of(session), container))
        if before == now:
            return
        _opened[_process_of(session), container] = now
        if not session.platform.jvm:
            if before is not None:
                _renewed.add(container)
        elif before is not None or not session.owned:  # a JVM that odibi started has no other clients
            self._close_old(session, container)

    def _close_old(self, session: Session, container: str) -> None:
        from py4j.protocol import Py4JError

        jvm, spark = session.spark._jvm, session.spark
        with suppress(Py4JError):  # what is wrong with the account is told by what reads and writes there
            configuration = spark._jsparkSession.sessionState().newHadoopConf()
            client = jvm.org.apache.hadoop.fs.FileSystem.get(jvm.java.net.URI(container), configuration)
            held = client.getConf()
            if all(held.get(name) == value for name, value in self.settings.items()):
                return
            client.close()
            if not session.platform.local:  # the executors have clients of their own, which nobody can close
                session.set(_NOT_SHARED, "true")


_opened: dict[tuple[str, str], str] = {}
"""By process and container, what it was opened with last; not the secret itself."""
_renewed: set[str] = set()
"""Containers whose credential changed while a server that can not be told to forget the old one was running."""


def _process_of(session: Session) -> str:
    """The JVM that keeps the clients."""
    spark = session.spark
    if session.platform.jvm:
        return str(spark.sparkContext.applicationId)
    return str(getattr(spark, "session_id", id(spark)))


def _authority(url: str) -> str:
    return url.partition("://")[2].partition("/")[0]


def _container_of(url: str) -> str:
    return f"{url.partition('://')[0]}://{_authority(url)}"


def _shown(connection: BaseConnection) -> str:
    return f"connection {connection.name!r}" if connection.name else f"the connection to {connection.get_path('')}"


# -- refusals ----------------------------------------------------------------------------------------------------------

_connections: WeakValueDictionary[str, BaseConnection] = WeakValueDictionary()
"""Connections that were used, by their root: the texts of Spark name URLs."""
_NO_CATALOG = re.compile(
    "CATALOG_NOT_FOUND|NO_SUCH_CATALOG|REQUIRES_SINGLE_PART_NAMESPACE|[Cc]atalog plugin class not found"
)
_NO_RIGHT = re.compile(
    r"(?:PERMISSION_DENIED|INSUFFICIENT_PERMISSIONS)\S*\]?:?\s*([^\n]+?)(?:\.?\s*SQLSTATE|\.?$)", re.MULTILINE
)
_NOT_FOUND = re.compile(r"\[PATH_NOT_FOUND\]|DELTA_TABLE_NOT_FOUND|DELTA_PATH_DOES_NOT_EXIST")


def _remember(connection: BaseConnection) -> None:
    with suppress(ConfigError):
        root = connection.get_path("")
        if root.partition("://")[0] in CLOUDS:
            _connections[root] = connection


def explain(text: str, location: Location | None = None, doing: str = "read") -> OdibiError | None:
    """What a text of Spark says of a cloud's storage, in the words of every engine; None where it is about something
    else. `text` is the whole of it, with the JVM's trace. `location` is where Spark was reading or writing, if that is
    known; where the URLs in the text lead elsewhere, they tell (a write computes what it reads, too). `doing` is what
    was done there, `read` or `write`."""
    if location is not None and location.table:
        return _of_catalog(text, location, doing)
    urls = [url for module in dict.fromkeys(CLOUDS.values()) for url in import_module(module).urls_in(text)]
    place = location if location is not None and _concerns(location, urls) else _place_at(urls)
    if place is None:
        return None
    if _NOT_FOUND.search(text):
        return _missing(place)
    found: OdibiError | None = _cloud_of(place.uri).explain(text, place, doing if place is location else "read")
    return None if found is None else _with_restart(found, place)


def _concerns(location: Location, urls: Sequence[str]) -> bool:
    """Whether a text with these URLs can be about a location."""
    if location.uri.partition("://")[0] not in CLOUDS:
        return False
    return not urls or any(_is_inside(url, _container_of(location.uri)) for url in urls)


def _place_at(urls: Sequence[str]) -> Location | None:
    """Where URLs lead, as a place of a connection where one was used."""
    for url in urls:
        roots = [root for root in list(_connections) if _is_inside(url, root)]
        connection = _connections.get(max(roots, key=len)) if roots else None
        if connection is not None:
            root = connection.get_path("")
            options = connection.location("").storage_options if connection.is_ready() else {}
            relative = url[len(root) :].strip("/") if url.startswith(root) else ""
            return Location(url if relative else root, root, connection.name, relative or "/", options)
    return next(map(Location, urls), None)


def _is_inside(url: str, root: str) -> bool:
    if _authority(url).startswith("*@"):  # only the account is named
        return _authority(url)[1:] == _authority(root)[_authority(root).index("@") :]
    return url == root or url.startswith(f"{root}/")


def _of_catalog(text: str, location: Location, doing: str) -> OdibiError | None:
    """What a catalog says of one of its tables."""
    parts = [each.replace("``", "`") for each in re.findall(r"`((?:[^`]|``)+)`", location.table)]
    catalog, schema = parts[0], ".".join(parts[:2])
    if re.search(r"\[SCHEMA_NOT_FOUND\]|NoSuchNamespace|NoSuchDatabase", text):
        make = f"CREATE SCHEMA {location.table.rpartition('.')[0]}"
        return DataNotFoundError(f"{location.display}: there is no schema {schema}; check `schema`, or make it: {make}")
    if _NO_CATALOG.search(text):
        return DataNotFoundError(
            f"{location.display}: there is no catalog {catalog!r} that this Spark knows; check `catalog`, and where it"
            " runs"
        )
    if found := _NO_RIGHT.search(text):
        said = found[1].strip().rstrip(".")
        return AccessError(
            f"{location.display}: can not {doing}: {said}; the owner can grant it: USE CATALOG on {catalog}, USE"
            f" SCHEMA, SELECT and MODIFY on {schema}"
        )
    return None


def _missing(location: Location) -> OdibiError | None:
    """The error for data that is not there, with what is close; that of the account where the container is not."""
    if not reachable(location) or not location.connection:
        return None
    from odibi.files import missing

    try:
        return missing(location)
    except OdibiError as error:
        return error


def _with_restart(error: OdibiError, location: Location) -> OdibiError:
    """A Connect server keeps the client that it opened first, whatever key comes later."""
    if _container_of(location.uri) not in _renewed:
        return error
    hint = "the credential changed since this Spark server first used the account, and it keeps the old one: restart it"
    return type(error)(f"{error}; {hint}")
