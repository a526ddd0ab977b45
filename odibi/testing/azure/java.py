"""What leads a JVM, and so Spark, to the offline Azure: Java reads neither the proxies of the environment nor the
certificates that others trust there.

A JVM that is still to start takes it from the variable SPARK_SUBMIT_OPTS, which spark-submit and pyspark hand on to it;
nothing of a project or of its Spark settings changes. One that runs already is told by `lead`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from odibi.errors import MissingExtraError, UnsupportedError

if TYPE_CHECKING:
    from odibi.testing.azure.sandbox import Sandbox

VARIABLE = "SPARK_SUBMIT_OPTS"
PASSWORD = "changeit"
EMULATOR = {
    "fs.azure.account.hns.enabled": "false",
    "fs.azure.fns.account.service.type": "BLOB",
    "fs.azure.metrics.collection.enabled": "false",
    "mapreduce.fileoutputcommitter.algorithm.version": "2",
}
"""Hadoop's settings for a storage as Azurite is: it speaks only the Blob protocol, renames no folder that has a `=` in
its name, and refuses what newer Hadoop reports of its own work. Azure needs none of them."""
OLDEST_HADOOP = (3, 4, 2)
"""The first whose driver can speak the Blob protocol. Azure speaks the other one too, which older ones have."""


def refuse_old(hadoop: str) -> None:
    """Raise `UnsupportedError` for a version of Hadoop that can not speak to the sandbox's storage.

    >>> refuse_old("3.5.0")
    """
    found = tuple(int(number) for number in re.findall(r"\d+", hadoop)[:3])
    if found < OLDEST_HADOOP:
        raise UnsupportedError(
            f"Spark's Hadoop here is {hadoop}, whose driver can not speak to the offline Azure; it takes Hadoop"
            f" {'.'.join(map(str, OLDEST_HADOOP))} or newer (Spark 4.2 has 3.5.0). Azure itself takes them all"
        )


def make_trust_store(authority: Path, file: Path) -> Path:
    """A trust store with one certificate authority. Raises `MissingExtraError` without a cryptography that can make
    one."""
    try:
        from cryptography import x509
        from cryptography.hazmat.primitives.serialization import BestAvailableEncryption
        from cryptography.hazmat.primitives.serialization.pkcs12 import PKCS12Certificate, serialize_java_truststore
    except ImportError:
        raise MissingExtraError("cryptography>=45", "sandbox", "Spark on the offline Azure") from None
    certificate = PKCS12Certificate(x509.load_pem_x509_certificate(authority.read_bytes()), b"odibi sandbox")
    file.write_bytes(serialize_java_truststore([certificate], BestAvailableEncryption(PASSWORD.encode())))
    return file


def system_properties(sandbox: Sandbox) -> dict[str, str]:
    """The system properties of a JVM in the sandbox."""
    return {
        "https.proxyHost": "127.0.0.1",
        "https.proxyPort": str(sandbox.port),
        "http.nonProxyHosts": "localhost|127.*|[::1]",
        "javax.net.ssl.trustStore": sandbox.certificates.trust_store.as_posix(),
        "javax.net.ssl.trustStoreType": "PKCS12",
        "javax.net.ssl.trustStorePassword": PASSWORD,
    }


def submit_options(sandbox: Sandbox, before: str = "") -> str:
    """The value of SPARK_SUBMIT_OPTS for a JVM that is still to start; `before` is the one that was there. Settings of
    Spark are system properties too, as long as nobody says otherwise."""
    properties = system_properties(sandbox)
    executors = " ".join(f"-D{name}={value}" for name, value in properties.items())
    spark = {f"spark.hadoop.{name}": value for name, value in EMULATOR.items()}
    every = {**properties, **spark, "spark.executor.extraJavaOptions": executors}
    return " ".join([*filter(None, [before]), *(_option(name, value) for name, value in every.items())])


def _option(name: str, value: str) -> str:
    text = f"-D{name}={value}"
    return f'"{text}"' if any(sign in text for sign in " |*") else text


# -- a JVM that runs already -------------------------------------------------------------------------------------------


@contextmanager
def led(spark: Any, sandbox: Sandbox) -> Iterator[Any]:
    """Inside, the JVM of a Spark session, which this process started, reaches the sandbox; its executors are to be
    threads of it (`local[…]`). Gives the session."""
    with jvm_led(sandbox), fitted(spark):
        yield spark


@contextmanager
def jvm_led(sandbox: Sandbox) -> Iterator[None]:
    """Inside, the JVM that this process has started reaches the sandbox. Several may be used in turn by one JVM.

    Clients that Hadoop keeps are closed, before and after, which takes some seconds: their connections lead elsewhere.
    """
    jvm = _jvm()
    refuse_old(str(jvm.org.apache.hadoop.util.VersionInfo.getVersion()))
    properties = {name: jvm.java.lang.System.getProperty(name) for name in system_properties(sandbox)}
    trust = jvm.javax.net.ssl.SSLContext.getDefault()
    _lead(jvm, system_properties(sandbox), _trust_in(jvm, sandbox))
    try:
        yield
    finally:
        _lead(jvm, properties, trust)


@contextmanager
def fitted(spark: Any) -> Iterator[Any]:
    """Inside, a session does without what the sandbox's storage has not. Gives the session."""
    settings = {name: spark.conf.get(name, None) for name in EMULATOR}
    for name, value in EMULATOR.items():
        spark.conf.set(name, value)
    try:
        yield spark
    finally:
        for name, before in settings.items():
            spark.conf.unset(name) if before is None else spark.conf.set(name, before)


def _jvm() -> Any:
    """The JVM of this process; that of a Connect server which it started, too."""
    from pyspark import SparkContext

    if SparkContext._jvm is None:
        raise UnsupportedError("the Spark session is in no JVM that this process started; start it in the sandbox")
    return SparkContext._jvm


def _lead(jvm: Any, properties: Mapping[str, str | None], trust: Any) -> None:
    system = jvm.java.lang.System
    for name, value in properties.items():
        system.clearProperty(name) if value is None else system.setProperty(name, value)
    jvm.javax.net.ssl.SSLContext.setDefault(trust)
    jvm.org.apache.hadoop.security.ssl.DelegatingSSLSocketFactory.resetDefaultFactory()
    jvm.org.apache.hadoop.fs.FileSystem.closeAll()


def _trust_in(jvm: Any, sandbox: Sandbox) -> Any:
    """A Java SSL context that trusts the sandbox and nobody else."""
    store = jvm.java.security.KeyStore.getInstance("PKCS12")
    stream = jvm.java.io.FileInputStream(str(sandbox.certificates.trust_store))
    try:
        store.load(stream, _characters(jvm, PASSWORD))
    finally:
        stream.close()
    managers = jvm.javax.net.ssl.TrustManagerFactory.getInstance("PKIX")
    managers.init(store)
    context = jvm.javax.net.ssl.SSLContext.getInstance("TLS")
    context.init(None, managers.getTrustManagers(), None)
    return context


def _characters(jvm: Any, text: str) -> Any:
    from pyspark import SparkContext

    gateway = SparkContext._gateway
    assert gateway is not None
    array = gateway.new_array(jvm.char, len(text))
    for place, sign in enumerate(text):
        array[place] = sign
    return array
