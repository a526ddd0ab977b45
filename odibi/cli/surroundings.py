"""What of the environment has a say in how Azure is reached: variables, proxies, Databricks. For `odibi doctor`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from odibi.cli.findings import Finding

LOGIN = (
    "AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_CLIENT_SECRET", "AZURE_CLIENT_CERTIFICATE_PATH", "AZURE_USERNAME",
    "AZURE_PASSWORD", "AZURE_FEDERATED_TOKEN_FILE", "AZURE_AUTHORITY_HOST", "AZURE_TOKEN_CREDENTIALS",
    "IDENTITY_ENDPOINT", "IDENTITY_HEADER", "MSI_ENDPOINT", "MSI_SECRET", "AZURE_POD_IDENTITY_AUTHORITY_HOST",
)  # fmt: skip
"""What the default credential chain looks at."""
SHOWN = ("AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_AUTHORITY_HOST", "AZURE_TOKEN_CREDENTIALS")
"""Those whose values are no secrets."""
PROXIES = ("HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
CERTIFICATES = {
    "REQUESTS_CA_BUNDLE": "logins and Key Vault", "CURL_CA_BUNDLE": "logins and Key Vault",
    "SSL_CERT_FILE": "reading and writing",
}  # fmt: skip
"""Variables that name certificate authorities, and what of Azure believes them."""
DEFAULT_CREDENTIAL = "DATABRICKS_DEFAULT_SERVICE_CREDENTIAL_NAME"


def databricks() -> Iterator[Finding]:
    """Whether this is Databricks, one that odibi runs on, and what to mind there."""
    from odibi.utils.runtime import this_runtime

    runtime = this_runtime()
    if runtime is None:
        yield Finding("databricks", "info", "no", facts={"runtime_version": None})
        return
    credential = os.environ.get(DEFAULT_CREDENTIAL)
    mode = "serverless" if runtime.serverless else access_mode()
    facts = {"runtime_version": runtime.version, "access_mode": mode, "default_service_credential": credential}
    message, _, hint = runtime.trouble.partition("; ")
    text = message or f"{runtime}" + (f", {mode} access mode" if mode and not runtime.serverless else "")
    if credential:
        text += f"\ndefault service credential {credential!r} ({DEFAULT_CREDENTIAL})"
    yield Finding("databricks", "red" if message else "info", text, hint or _mode_hint(mode), facts)


def access_mode() -> str:
    """dedicated or standard, as the session at hand shows it; empty where there is none."""
    from odibi.notebook import at_hand

    session = at_hand("spark")
    if session is None:
        return ""
    return "standard" if type(session).__module__.startswith("pyspark.sql.connect") else "dedicated"


def _mode_hint(mode: str) -> str:
    if mode not in ("serverless", "standard"):
        return ""
    return (
        "Spark takes no account keys here: for Spark use auth_mode: unity_catalog, with an external location over the"
        " container; the identity of Azure's login is a service credential (service_credential: …)"
    )


def azure_variables() -> Iterator[Finding]:
    """Variables that the login looks at, and those that look as if they counted and do not. Says nothing without."""
    login = [name for name in LOGIN if os.environ.get(name)]
    if login:
        shown = ", ".join(f"{name}={os.environ[name]}" if name in SHOWN else name for name in login)
        yield Finding("azure login", "info", f"{shown}: the default credential goes by these",
                      _login_hint(login), {"set": login})  # fmt: skip
    unused = sorted(name for name in os.environ if name.upper().startswith("AZURE_STORAGE_"))
    if unused:
        text = f"{', '.join(unused)}: set and not used; account and credential come from the file alone"
        yield Finding("azure storage", "info", text, facts={"set": unused})


def _login_hint(login: list[str]) -> str:
    needed = {"AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_CLIENT_SECRET"}
    missing = sorted(needed - set(login))
    if "AZURE_CLIENT_SECRET" in login and missing:
        return f"a service principal needs {' and '.join(missing)} too"
    if "AZURE_CLIENT_ID" in login and not {"AZURE_TENANT_ID", "AZURE_FEDERATED_TOKEN_FILE"} & set(login):
        return "AZURE_CLIENT_ID alone picks the user-assigned managed identity of this id"
    return ""


def network() -> Iterator[Finding]:
    """Proxies and certificate authorities that are set. Says nothing without."""
    proxies = {name: value for name in PROXIES if (value := os.environ.get(name) or os.environ.get(name.lower()))}
    if proxies:
        shown = {name: without_password(value) for name, value in proxies.items()}
        text = ", ".join(f"{name}={value}" for name, value in shown.items())
        yield Finding("proxy", "info", text, facts=dict(shown))
    files = {name: os.environ[name] for name in CERTIFICATES if os.environ.get(name)}
    if files:
        text = ", ".join(f"{name}={value}" for name, value in files.items())
        yield Finding("certificates", "info", text, _certificate_hint(files), dict(files))


def _certificate_hint(files: dict[str, str]) -> str:
    gone = [name for name, file in files.items() if not Path(file).exists()]
    if gone:
        return f"{gone[0]} names a file that is not there: no HTTPS request will work; unset it, or set it right"
    believers = {CERTIFICATES[name] for name in files}
    if len(believers) == 1:
        other = "SSL_CERT_FILE" if "SSL_CERT_FILE" not in files else "REQUESTS_CA_BUNDLE"
        return f"this reaches {believers.pop()} only; set {other} to the same file for {CERTIFICATES[other]}"
    return ""


def without_password(url: str) -> str:
    """A proxy's URL without user and password.

    >>> without_password("http://me:secret@proxy:8080"), without_password("localhost,.corp")
    ('http://proxy:8080', 'localhost,.corp')
    """
    if "@" not in url:
        return url
    if "://" not in url:
        return url.rpartition("@")[2]
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
