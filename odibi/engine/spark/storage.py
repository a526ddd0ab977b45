"""Storage accounts on a Spark session: the settings of connections.

Hadoop keeps one client (`FileSystem`) for each container of an account, for as long as the JVM lives and for all
sessions in it, with the key that it was opened with. So a connection's settings are put on the session before it is
used, and a client that was opened with others is closed.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from odibi.connections.base import BaseConnection
from odibi.engine.base import Source, Target
from odibi.engine.spark.kinds import spark_errors
from odibi.engine.spark.places import NOT_SHARED, authority, container_of
from odibi.engine.spark.platform import NO_KEYS
from odibi.engine.spark.session import Session
from odibi.engine.spark.settings import REDACTION_OF_SQL, SECRET_SETTINGS
from odibi.engine.spark.storage_problems import remember, renewed
from odibi.errors import AccessError, ConfigError

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
            remember(connection)
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
            remember(each)
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
        host = authority(connection.get_path("")).partition("@")[2]
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
        container = container_of(root)
        now = hashlib.sha256(repr(sorted(self.settings.items())).encode()).hexdigest()
        before = _opened.get((_process_of(session), container))
        if before == now:
            return
        _opened[_process_of(session), container] = now
        if not session.platform.jvm:
            if before is not None:
                renewed.add(container)
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
                session.set(NOT_SHARED, "true")


_opened: dict[tuple[str, str], str] = {}
"""By process and container, what it was opened with last; not the secret itself."""


def _process_of(session: Session) -> str:
    """The JVM that keeps the clients."""
    spark = session.spark
    if session.platform.jvm:
        return str(spark.sparkContext.applicationId)
    return str(getattr(spark, "session_id", id(spark)))


def _shown(connection: BaseConnection) -> str:
    return f"connection {connection.name!r}" if connection.name else f"the connection to {connection.get_path('')}"
