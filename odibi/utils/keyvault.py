"""A vault seen from a notebook: who asks, what that one needs, what is there, and how long it takes."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypedDict

from odibi.errors import KeyFetchError
from odibi.utils.building import Settings, build_all
from odibi.utils.printing import NEUTRAL, say, tell

if TYPE_CHECKING:
    from odibi.azure.identity import Claims, Identity
    from odibi.location import Need

SCOPE = "https://vault.azure.net/.default"
TIMEOUT = 30.0


class IdentityInfo(TypedDict):
    """The ids of an identity, as Microsoft Entra writes them."""

    app_id: str
    object_id: str
    tenant_id: str


class FetchTimes(TypedDict):
    """How long fetching took, in milliseconds, and how many distinct secrets it was."""

    secrets: int
    sequential_ms: float
    parallel_ms: float


def get_databricks_identity_info(
    service_credential: str | None = None, timeout: float = TIMEOUT, credential: Any = None
) -> IdentityInfo:
    """As whom this process asks Key Vault, out of the claims of its own token: application id, object id and tenant.

    `service_credential` names one of Unity Catalog; without it, it is the default of the environment, else what the
    compute (or `az login`) offers. `credential` is one of the Azure SDK's own, and wins. Raises `KeyFetchError`, which
    is a `RuntimeError`, with the credentials that were tried and what to do.

    >>> from azure.core.credentials import AccessToken
    >>> from odibi.testing.azure.identity import IdentityState
    >>> token = IdentityState().token("https://vault.azure.net", "an-app", "an-object", "a-tenant")
    >>> class Login:
    ...     def get_token(self, *scopes, **options):
    ...         return AccessToken(token, 9_999_999_999)
    >>> get_databricks_identity_info(credential=Login())
    {'app_id': 'an-app', 'object_id': 'an-object', 'tenant_id': 'a-tenant'}
    """
    claims = _claims(_identity(service_credential, credential), timeout)
    return IdentityInfo(app_id=claims.app_id, object_id=claims.object_id, tenant_id=claims.tenant_id)


def print_keyvault_setup_instructions(
    vault: str, service_credential: str | None = None, timeout: float = TIMEOUT, credential: Any = None
) -> None:
    """Print the commands that let this identity read the secrets of a vault, for both kinds of vault. Where the
    identity can not be found out, its object id is left to be filled in, and why is said. The arguments are those of
    `get_databricks_identity_info`.

    >>> class NoLogin:
    ...     def get_token(self, *scopes, **options):
    ...         raise RuntimeError("nobody is logged in")
    >>> print_keyvault_setup_instructions("company-kv", credential=NoLogin())
    - the identity is not known here: ...nobody is logged in...
    Access to the secrets of vault 'company-kv', for the object id that you fill in
    ...
    """
    from odibi.azure.grants import vault_policy, vault_role

    object_id, is_user, who = "", False, "the object id that you fill in"
    try:
        claims = _claims(_identity(service_credential, credential), timeout)
    except KeyFetchError as error:
        tell(NEUTRAL, f"the identity is not known here: {error}")
    else:
        object_id, is_user, who = claims.object_id, claims.is_user, str(claims)
    say(
        "\n".join(
            [
                f"Access to the secrets of vault {vault!r}, for {who}",
                "",
                "Which kind of vault is it?",
                f"  az keyvault show --name {vault} --query properties.enableRbacAuthorization",
                "",
                'true: it uses Azure RBAC; give the role "Key Vault Secrets User":',
                f"  {vault_role(vault, object_id, is_user)}",
                "",
                "false or empty: it uses access policies; allow to get and list secrets:",
                f"  {vault_policy(vault, object_id)}",
                "",
                "Roles count after some minutes.",
            ]
        )
    )


def list_keyvault_secrets(
    vault: str,
    service_credential: str | None = None,
    timeout: float = TIMEOUT,
    verbose: bool = True,
    credential: Any = None,
) -> list[str]:
    """The names of a vault's secrets, sorted; no value is fetched. `verbose` prints them. The other arguments are those
    of `get_databricks_identity_info`.

    Raises `KeyFetchError` with the cause and what to do: access denied, firewall, no such vault, no credential, time.

    >>> from unittest.mock import patch
    >>> from azure.keyvault.secrets import SecretProperties
    >>> there = "https://shop-kv.vault.azure.net/secrets/"
    >>> listed = [SecretProperties(vault_id=there + name) for name in ("gold", "dev")]
    >>> with patch("azure.keyvault.secrets.SecretClient") as client:
    ...     client.return_value.list_properties_of_secrets.return_value = listed
    ...     names = list_keyvault_secrets("shop-kv", credential=object())
    2 secrets in vault 'shop-kv'
    - dev
    - gold
    """
    from odibi.azure.keyvault import secret_names

    names = sorted(secret_names(vault, _identity(service_credential, credential), timeout))
    say(f"{len(names)} secret{'' if len(names) == 1 else 's'} in vault {vault!r}", verbose)
    for name in names:
        tell(NEUTRAL, name, verbose)
    return names


def compare_fetch_times(
    connections: Mapping[str, Settings], timeout: float = TIMEOUT, verbose: bool = True
) -> FetchTimes:
    """Fetch the secrets of connections one after another and then in parallel, with a warm token both times.

    `connections` as in `configure_connections_parallel`. Raises `KeyFetchError` for a secret that can not be fetched,
    `ValueError` for settings that can not be used.

    >>> compare_fetch_times({"lake": {"type": "local", "base_path": "lake"}})
    nothing to fetch: none of the connections needs a secret
    {'secrets': 0, 'sequential_ms': 0.0, 'parallel_ms': 0.0}
    """
    asked = {name: each for name, each in build_all(connections).items() if each.needs() is not None}
    needs = {need for each in asked.values() if (need := each.needs()) is not None}
    if not needs:
        say("nothing to fetch: none of the connections needs a secret", verbose)
        return FetchTimes(secrets=0, sequential_ms=0.0, parallel_ms=0.0)
    from odibi.prefetch import prefetch

    next(iter(needs)).fetch(timeout)  # the token, and the connection to the vault
    began = time.perf_counter()
    _one_after_another(needs, timeout)
    between = time.perf_counter()
    prefetch(asked, timeout=timeout)
    ended = time.perf_counter()
    found = FetchTimes(secrets=len(needs), sequential_ms=(between - began) * 1000, parallel_ms=(ended - between) * 1000)
    what = f"{len(needs)} secret{'' if len(needs) == 1 else 's'}"
    say(f"{what} one after another: {found['sequential_ms']:6.0f} ms", verbose)
    say(f"{what} in parallel:       {found['parallel_ms']:6.0f} ms", verbose)
    return found


def _one_after_another(needs: set[Need], timeout: float) -> None:
    for need in needs:
        need.fetch(timeout)


def _identity(service_credential: str | None, credential: Any = None) -> Identity:
    from odibi.azure.identity import Identity

    if credential is not None:
        return Identity("given", credential=credential)
    return Identity("default", service_credential=service_credential)


def _claims(identity: Identity, timeout: float) -> Claims:
    """Whom a token of the vault belongs to. Raises `KeyFetchError` where it does not say."""
    from odibi.azure.identity import claims_of, fetch_token

    claims = claims_of(fetch_token(identity, SCOPE, timeout))
    if not claims.object_id:
        raise KeyFetchError("the token does not say whose it is; ask who runs this workspace for the object id")
    return claims
