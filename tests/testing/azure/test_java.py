"""What leads a JVM to the offline Azure, as far as it can be seen without one; with one: tests/engine/spark."""

from __future__ import annotations

import shlex
import sys

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import pkcs12

from odibi.errors import MissingExtraError, UnsupportedError
from odibi.testing.azure import Sandbox, java


def test_java_trusts_the_sandbox_and_nobody_else(azure_server: Sandbox) -> None:
    store = pkcs12.load_pkcs12(azure_server.certificates.trust_store.read_bytes(), java.PASSWORD.encode())
    authority = x509.load_pem_x509_certificate(azure_server.certificates.authority.read_bytes())
    assert store.key is None
    assert [each.certificate for each in store.additional_certs] == [authority]


def test_a_jvm_that_is_still_to_start_is_led_by_its_environment(azure_server: Sandbox) -> None:
    words = shlex.split(azure_server.env[java.VARIABLE])
    assert f"-Dhttps.proxyPort={azure_server.port}" in words
    assert "-Dspark.hadoop.fs.azure.fns.account.service.type=BLOB" in words
    (executors,) = [word for word in words if word.startswith("-Dspark.executor.extraJavaOptions=")]
    assert f"-Djavax.net.ssl.trustStore={azure_server.certificates.trust_store}" in executors
    assert all(word.startswith("-D") for word in words)


def test_options_of_the_shell_stay(azure_server: Sandbox) -> None:
    made = azure_server.environment({java.VARIABLE: "-Dmine=1", "PATH": "x"})
    assert made[java.VARIABLE].startswith("-Dmine=1 -Dhttps.proxyHost=127.0.0.1 ")
    assert made["PATH"] == "x"


def test_without_spark_nothing_of_java_is_needed(azure_server: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cryptography that can make no trust store is one of the others' too."""
    azure_server.certificates.__dict__.pop("trust_store", None)
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.serialization.pkcs12", None)
    assert java.VARIABLE not in azure_server.env
    assert "HTTPS_PROXY" in azure_server.env
    with pytest.raises(MissingExtraError, match="Spark on the offline Azure needs the package 'cryptography>=45'"):
        _ = azure_server.certificates.trust_store


@pytest.mark.parametrize("hadoop", ["3.3.4", "3.4.1", "2.10"])
def test_an_old_hadoop_is_refused(hadoop: str) -> None:
    with pytest.raises(
        UnsupportedError, match=rf"Hadoop here is {hadoop}, whose driver can not speak.*3\.4\.2 or newer"
    ):
        java.refuse_old(hadoop)
