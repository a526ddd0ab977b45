"""The offline Azure as a whole."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import tempfile
import uuid
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from odibi.errors import MissingExtraError, UnknownNameError
from odibi.testing.azure import java
from odibi.testing.azure.azurite import Azurite, running_azurite
from odibi.testing.azure.certificates import Certificates, make_certificates
from odibi.testing.azure.faults import Fault, make_fault
from odibi.testing.azure.hosts import certificate_names
from odibi.testing.azure.identity import APP_SERVICE_HEADER, APP_SERVICE_PATH, IdentityState, Principal
from odibi.testing.azure.proxy import Proxy
from odibi.testing.azure.seed import Seed, as_seed, fill
from odibi.testing.azure.state import State
from odibi.testing.azure.storage import Storage
from odibi.testing.azure.vault import Vault, Version
from odibi.testing.azure.wire import Seen

Names = list[str]  # inside the class `list` is a method
Requests = list[Seen]
ACCOUNTS = ("bronzeacct", "silveracct", "goldacct")
VAULTS = ("sandboxvault",)
_FOREIGN = ("AZURE_", "IDENTITY_", "MSI_")
_FOREIGN_NAMES = ("ALL_PROXY", "all_proxy", "IMDS_ENDPOINT", "SSL_CERT_DIR")


class Sandbox:
    """A running offline Azure. `azure_sandbox` makes one."""

    def __init__(self, state: State, proxy: Proxy, azurite: Azurite, certificates: Certificates) -> None:
        self._state, self._proxy, self._azurite = state, proxy, azurite
        self.certificates = certificates
        self._storage = Storage(azurite.port, state.accounts, certificates.authority)
        self._first = (dict(state.accounts), tuple(state.vaults))

    # -- what code under test needs ------------------------------------------------------------------------------------

    @property
    def port(self) -> int:
        """The port, on this machine, of the proxy that leads to all of it."""
        return self._proxy.port

    @property
    def env(self) -> dict[str, str]:
        """The environment under which every client reaches the sandbox, Spark's JVM too; see also `foreign`."""
        return {**self._of_python, **self._of_java()}

    def _of_java(self, before: str = "") -> dict[str, str]:
        """Nothing where no trust store can be made: who has no Spark needs none."""
        with contextlib.suppress(MissingExtraError):
            return {java.VARIABLE: java.submit_options(self, before)}
        return {}

    @property
    def _of_python(self) -> dict[str, str]:
        url, authority = f"http://127.0.0.1:{self._proxy.port}", str(self.certificates.authority)
        here = "localhost,127.0.0.1,::1"
        proxies = dict.fromkeys(("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"), url)
        trusted = dict.fromkeys(("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "CURL_CA_INFO"), authority)
        return {**proxies, **trusted, "NO_PROXY": here, "no_proxy": here, "AZURE_POD_IDENTITY_AUTHORITY_HOST": url}

    @property
    def app_service_env(self) -> dict[str, str]:
        """What an App Service sets beside it: with this its endpoint hands out the tokens."""
        endpoint = f"http://127.0.0.1:{self._proxy.port}{APP_SERVICE_PATH}"
        return {"IDENTITY_ENDPOINT": endpoint, "IDENTITY_HEADER": APP_SERVICE_HEADER}

    def foreign(self, environ: Mapping[str, str] | None = None) -> Names:
        """The variables of an environment (default: the process's) that would lead clients elsewhere."""
        names = os.environ if environ is None else environ
        return sorted(name for name in names if name.startswith(_FOREIGN) or name in _FOREIGN_NAMES)

    def environment(self, environ: Mapping[str, str] | None = None) -> dict[str, str]:
        """A whole environment for a child process, made from another (default: the process's)."""
        before = dict(os.environ if environ is None else environ)
        for name in self.foreign(before):
            del before[name]
        return {**before, **self._of_python, **self._of_java(before.get(java.VARIABLE, ""))}

    @contextlib.contextmanager
    def applied(self, environ: MutableMapping[str, str] = os.environ) -> Iterator[Sandbox]:
        """Inside, the process's environment is the sandbox's."""
        before = dict(environ)
        after = self.environment(before)
        for name in before.keys() - after.keys():
            del environ[name]
        environ.update(after)
        try:
            yield self
        finally:
            for name in environ.keys() - before.keys():
                del environ[name]
            environ.update(before)

    # -- storage -------------------------------------------------------------------------------------------------------

    @property
    def accounts(self) -> Mapping[str, str]:
        """Storage account to its key, in base64."""
        return dict(self._state.accounts)

    def add_account(self, name: str, key: str | None = None) -> str:
        """One more storage account, or another key for one; gives the key. Raises `ValueError` for no base64."""
        made = checked_key(name, key) if key is not None else account_key(name)
        self._state.accounts[name] = made
        self._azurite.set_accounts(self._state.accounts)
        self._proxy.tell_front()
        return made

    def make_container(self, account: str, container: str) -> None:
        """Make a container; one that is there is left alone."""
        self._storage.make_container(self._known(account), container)

    def make_containers(self, prefix: str = "t") -> str:
        """A container of a new name in every account; gives the name."""
        name = f"{prefix}{uuid.uuid4().hex[:12]}"
        for account in self._state.accounts:
            self._storage.make_container(account, name)
        return name

    def delete_container(self, account: str, container: str) -> None:
        """Delete a container with everything in it; none is fine too."""
        self._storage.delete_container(self._known(account), container)

    def containers(self, account: str) -> Names:
        """The names of an account's containers."""
        return self._storage.containers(self._known(account))

    def put(self, account: str, container: str, path: str, content: bytes | str) -> None:
        """Write a blob; the container must be there."""
        data = content.encode() if isinstance(content, str) else content
        self._storage.put(self._known(account), container, path, data)

    def put_file(self, account: str, container: str, path: str, file: Path) -> None:
        """Write a blob from a file."""
        with file.open("rb") as content:
            self._storage.put(self._known(account), container, path, content, file.stat().st_size)

    def get(self, account: str, container: str, path: str) -> bytes:
        """A blob's bytes. Raises `DataNotFoundError`."""
        return self._storage.get(self._known(account), container, path)

    def list(self, account: str, container: str, prefix: str = "") -> Names:
        """The paths of a container's blobs. Raises `DataNotFoundError` when there is no such container."""
        return self._storage.blobs(self._known(account), container, prefix)

    def save(self, folder: Path) -> int:
        """Copy everything that is in the storage to `folder/<account>/<container>/<path>`, which can be a seed again;
        gives the number of files. A path that would leave the folder is left out."""
        saved = 0
        for account in self.accounts:
            for container in self.containers(account):
                place = folder / account / container
                place.mkdir(parents=True, exist_ok=True)
                for path in self._storage.files(account, container):
                    target = place.joinpath(*(part for part in path.split("/") if part not in ("", ".")))
                    if ".." not in path.split("/"):
                        target.parent.mkdir(parents=True, exist_ok=True)
                        with target.open("wb") as file:
                            self._storage.copy(account, container, path, file)
                        saved += 1
        return saved

    # -- vaults and identity -------------------------------------------------------------------------------------------

    @property
    def vaults(self) -> dict[str, Vault]:
        """The vaults; add and delete as you like."""
        return self._state.vaults

    def add_vault(self, name: str) -> None:
        """One more vault; one that is there is left alone."""
        self._state.vaults.setdefault(name, Vault())

    def set_secret(
        self, vault: str, name: str, value: str, enabled: bool = True, expires: float | None = None, **more: Any
    ) -> None:
        """A new version of a secret; the vault is made where it is not there. `expires` (and `not_before`) are seconds
        since the epoch."""
        until = None if expires is None else int(expires)
        version = Version(value, enabled, until, **more)
        self._state.vaults.setdefault(vault, Vault()).secrets.setdefault(name, []).append(version)

    def accept_shared_access(self, account: str, token: str) -> None:
        """From now on a shared access signature opens an account, whoever signed it; its dates and permissions are
        not looked at."""
        signature = dict(parse_qsl(token.lstrip("?"))).get("sig", "").replace(" ", "+")
        self._state.shared_access.setdefault(self._known(account), set()).add(signature)
        self._proxy.close_connections()  # from now on they are looked into

    @property
    def identity(self) -> IdentityState:
        """What the identity endpoints answer: claims, life time of tokens, known identities."""
        return self._state.identity

    @property
    def principal(self) -> Principal:
        """An application that can ask Microsoft Entra for tokens: `client_id`, `secret`, `tenant_id`."""
        return next(iter(self._state.identity.principals.values()))

    def add_principal(self, client_id: str, secret: str, tenant_id: str) -> Principal:
        """One more application."""
        made = Principal(client_id, secret, tenant_id)
        self._state.identity.principals[client_id] = made
        return made

    # -- what goes wrong, and what was seen ----------------------------------------------------------------------------

    def fault(self, kind: str | int, **options: Any) -> Fault:
        """Switch a fault on; it goes with `fault.remove()`, at the end of a `with`, or with `clear_faults`. `kind` is
        one of `odibi.testing.azure.faults.KINDS` or a status; the options are those of `Fault`."""
        return self.add_fault(make_fault(kind, **options))

    def add_fault(self, fault: Fault) -> Fault:
        """Switch a fault on that was made elsewhere."""
        self._proxy.add(fault)
        return fault

    @property
    def faults(self) -> tuple[Fault, ...]:
        """The faults that are on."""
        return self._state.faults.all()

    def clear_faults(self) -> None:
        """Switch all faults off."""
        for fault in self.faults:
            fault.remove()

    @property
    def requests(self) -> Requests:
        """The requests seen so far: those to vaults and identity endpoints, and those to storage while any fault (also
        `watch`) concerns it."""
        return self._state.requests

    @property
    def refused(self) -> Names:
        """The hosts that were asked for and are not part of the sandbox."""
        return self._state.refused

    @property
    def connections(self) -> Names:
        """The hosts that were connected to, in order."""
        self._azurite.tell()
        return self._state.connections

    def reset(self) -> None:
        """As new, but for the storage's content: no faults, no requests, no secrets; identities and accounts as at the
        start."""
        self.clear_faults()
        self._reset_accounts()
        fresh = IdentityState()
        for name, value in vars(fresh).items():
            setattr(self._state.identity, name, value)
        for log in (self._state.requests, self._state.refused, self._state.connections):
            log.clear()
        self._state.vaults.clear()
        self._state.vaults.update((name, Vault()) for name in self._first[1])
        self._proxy.close_connections()

    def _reset_accounts(self) -> None:
        accounts, _ = self._first
        self._state.shared_access.clear()
        if self._state.accounts != accounts:
            self._state.accounts.clear()
            self._state.accounts.update(accounts)
            self._azurite.set_accounts(accounts)

    def _known(self, account: str) -> str:
        if account not in self._state.accounts:
            raise UnknownNameError("storage account", account, self._state.accounts)
        return account


@contextlib.contextmanager
def azure_sandbox(
    accounts: Iterable[str] | Mapping[str, str] = ACCOUNTS,
    vaults: Iterable[str] = VAULTS,
    seed: str | Path | Seed | Iterable[str | Path | Seed] = (),
    port: int = 0,
) -> Iterator[Sandbox]:
    """An offline Azure until the end of the block. `accounts` are storage accounts, with keys (base64) where they
    matter; `seed` is what there is at the start: a folder `<account>/<container>/…`, a YAML file, or several. The
    environment is left alone: see `Sandbox.applied` and `Sandbox.environment`.

    Raises `SandboxMissingError` without Node.js or Azurite, `MissingExtraError` without the extra `sandbox`,
    `ConfigError` for mistakes in the seed.
    """
    content = as_seed(seed)
    named = accounts if isinstance(accounts, Mapping) else dict.fromkeys(accounts)
    keys = {name: key or account_key(name) for name, key in {**content.accounts, **named}.items()}
    checked = {name: checked_key(name, key) for name, key in keys.items()}
    state = State(checked, vaults={name: Vault() for name in vaults})
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="odibi-sandbox-")))
        certificates = make_certificates(folder, certificate_names())
        azurite = stack.enter_context(running_azurite(state.accounts, certificates, folder, port))
        state.connections = azurite.connections
        proxy = stack.enter_context(Proxy(state, azurite, certificates).running())
        sandbox = Sandbox(state, proxy, azurite, certificates)
        fill(sandbox, content)
        yield sandbox


def account_key(name: str) -> str:
    """The key that the sandbox gives an account: always the same for a name."""
    return base64.b64encode(hashlib.sha512(f"odibi-sandbox:{name}".encode()).digest()).decode()


def checked_key(name: str, key: str) -> str:
    """A key as the storage takes it. Raises `ValueError` when it is no base64."""
    try:
        base64.b64decode(key, validate=True)
    except ValueError:
        raise ValueError(f"the key of account {name!r} is no base64; account keys are") from None
    return key
