"""What a refusal of Key Vault means: each cause in words, with as whom it was, and the command that helps.

A text is one sentence, `what; what would be right`; commands that are long stand on lines of their own below it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from odibi.azure.attempts import in_short
from odibi.azure.grants import vault_policy, vault_role
from odibi.azure.identity import Claims
from odibi.errors import KeyFetchError, KeyFetchTimeout

_NO_NAME = re.compile(r"resolve|getaddrinfo|Name or service|nodename|No address|not known", re.IGNORECASE)
_CODES = re.compile(r"ForbiddenBy\w+|SecretDisabled|AccessDenied|SecretNotFound|AKV\d+")
BUSY = "asks for less (429 Too Many Requests); try again in a minute, or share the load among more vaults"


class PassingKeyFetchError(KeyFetchError):
    """One that may be gone at the next try."""

    transient = True


@dataclass(frozen=True)
class Asked:
    """What was asked for, and as whom; `secret` is empty for a list of names."""

    vault: str
    host: str
    secret: str
    owner: Claims

    @property
    def title(self) -> str:
        """The secret, for the start of a sentence."""
        return f"Secret {self.secret!r} in vault {self.vault!r}"


def problem(error: BaseException, asked: Asked) -> KeyFetchError:
    """The error for what the SDK raised."""
    status = getattr(error, "status_code", None)
    if status is None:
        return _no_answer(error, asked)
    code, said = _said(error)
    if status < 400:
        return PassingKeyFetchError(f"Vault {asked.vault!r} sent half of an answer ({in_short(said)}); try again")
    if not code and status in (403, 502, 503, 504):
        return PassingKeyFetchError(
            f"Something between here and vault {asked.vault!r} answers {status} in its place; check HTTPS_PROXY and "
            f"NO_PROXY, and that the proxy lets {asked.host} pass"
        )
    tellers = {401: _not_accepted, 403: _refused, 404: _missing}
    if status in tellers:
        return tellers[status](code, said, asked)
    if status == 429:
        return PassingKeyFetchError(f"Vault {asked.vault!r} {BUSY}")
    kind = PassingKeyFetchError if status >= 500 else KeyFetchError
    return kind(f"Vault {asked.vault!r} failed ({status}: {in_short(said)}); try again later")


def code_of(error: BaseException) -> str:
    """The code of what a vault answered (`ForbiddenByRbac`, `SecretNotFound`, `AKV10032`, …), empty without one."""
    return _said(error)[0]


def _said(error: BaseException) -> tuple[str, str]:
    """The innermost code of a vault's answer, and its text."""
    body = _body(error)
    message = str(body.get("message") or getattr(error, "message", error))
    inner = body.get("innererror")
    code = inner.get("code") if isinstance(inner, Mapping) else None
    found = _CODES.search(message)
    return str(code or (found[0] if found else "") or body.get("code") or ""), message


def _body(error: BaseException) -> Mapping[str, Any]:
    """What stands under `error` in the answer; empty for an answer that is no vault's."""
    try:
        found = json.loads(error.response.text())  # type: ignore[attr-defined]
    except (AttributeError, TypeError, ValueError):
        model = getattr(error, "error", None)
        code, message = getattr(model, "code", None), getattr(model, "message", None)
        return {"code": code, "message": message, "innererror": getattr(model, "innererror", None)} if model else {}
    inner = found.get("error") if isinstance(found, dict) else None
    return inner if isinstance(inner, dict) else {}


# -- answers -----------------------------------------------------------------------------------------------------------


def _missing(code: str, said: str, asked: Asked) -> KeyFetchError:
    if code != "SecretNotFound" and "not found in this key vault" not in said:
        return KeyFetchError(f"{asked.host} does not answer as a vault does (404); check key_vault_name")
    return KeyFetchError(
        f"Secret {asked.secret!r} not found in vault {asked.vault!r}; check secret_name, or recover it if it was "
        f"deleted lately:\n  az keyvault secret recover --vault-name {asked.vault} --name {asked.secret}"
    )


def _refused(code: str, said: str, asked: Asked) -> KeyFetchError:
    vault = asked.vault
    if code == "SecretDisabled" or "disabled secret" in said:
        return KeyFetchError(
            f"{asked.title} is disabled; enable it:\n"
            f"  az keyvault secret set-attributes --vault-name {vault} --name {asked.secret} --enabled true"
        )
    if code == "ForbiddenByFirewall":
        address = re.search(r"Client address: ([0-9a-fA-F.:]+)", said)
        return KeyFetchError(
            f"Vault {vault!r} refuses requests from this network (403, its firewall); run where it lets in, or let "
            f"this address in:\n  az keyvault network-rule add --name {vault} --ip-address "
            f"{address[1] if address else '<public address>'}"
        )
    if code == "ForbiddenByConnection":
        return KeyFetchError(
            f"Vault {vault!r} answers over private links only (403, public access is off); run inside of its network, "
            "where the DNS zone privatelink.vaultcore.azure.net is linked"
        )
    return KeyFetchError(_denied(code, said, asked))


def _denied(code: str, said: str, asked: Asked) -> str:
    """Access denied, as whom, and the grant that is missing: of the kind that the vault uses, or of both."""
    vault, who = asked.vault, _owner(said, asked.owner)
    resource = re.search(r"Resource: '(/subscriptions/[^']*?/vaults/[^'/]+)", said)
    by_role = vault_role(vault, who.object_id, who.is_user, resource[1] if resource else "")
    by_policy = vault_policy(vault, who.object_id)
    if code == "ForbiddenByRbac" or "not authorized to perform action" in said:
        ways = [by_role]
    elif code in ("AccessDenied", "ForbiddenByPolicy") or "secrets get permission" in said:
        ways = [by_policy]
    else:
        ways = [f"{by_role}   (RBAC)", f"{by_policy}   (access policies)"]
    commands = "\n".join(f"  {way}" for way in ways)
    what = "get" if asked.secret else "list"
    return (
        f"Access denied to vault {vault!r} (403 Forbidden); grant {what!r} on secrets to this identity: {who}\n"
        f"{commands}\n  (a grant takes up to ten minutes to work)"
    )


def _owner(said: str, owner: Claims) -> Claims:
    """Who was refused, by the token that was used, else as the vault names the caller."""
    if owner.object_id:
        return owner
    parts = dict(re.findall(r"(appid|oid|tid)=([0-9a-fA-F-]{36})", said))
    return Claims(parts.get("oid", ""), parts.get("appid", ""), parts.get("tid", ""))


def _not_accepted(code: str, said: str, asked: Asked) -> KeyFetchError:
    if code == "AKV10032" or "invalid issuer" in said.lower():
        return KeyFetchError(
            f"Vault {asked.vault!r} is in another tenant than this identity: {asked.owner}; use an identity of the "
            "vault's tenant (az login --tenant …, AZURE_TENANT_ID)"
        )
    return KeyFetchError(
        f"Vault {asked.vault!r} does not accept the token of this identity: {asked.owner} (401 Unauthorized: "
        f"{in_short(said)}); log in again, and check this machine's clock"
    )


# -- no answer ---------------------------------------------------------------------------------------------------------


def _no_answer(error: BaseException, asked: Asked) -> KeyFetchError:
    """No HTTP answer at all: no name, no way, or no time."""
    said, vault, host = str(getattr(error, "message", error)), asked.vault, asked.host
    if re.search(r"proxy|tunnel", said, re.IGNORECASE):
        return PassingKeyFetchError(
            f"Vault {vault!r} not found, or the proxy does not let us through to {host} ({_reason(said)}); check "
            "key_vault_name, HTTPS_PROXY and NO_PROXY"
        )
    if _NO_NAME.search(said):
        return KeyFetchError(
            f"Vault {vault!r} not found: no address is known for {host}; check key_vault_name, and the network's DNS "
            "if the vault is private"
        )
    if "certificate" in said.lower():
        return KeyFetchError(
            f"The certificate of {host} is not trusted ({_reason(said)}); behind a proxy that reads along, set "
            "REQUESTS_CA_BUNDLE to the file of its certificate authority"
        )
    if "challenge resource" in said or "invalid scope" in said:
        return KeyFetchError(f"{host} asks for tokens of another service ({in_short(said)}); check key_vault_name")
    if "timed out" in said.lower():
        return KeyFetchTimeout(f"Vault {vault!r} does not answer ({_reason(said)}); check the network, and any proxy")
    if type(error).__module__.startswith(("azure", "requests", "urllib3")) or isinstance(error, OSError):
        return PassingKeyFetchError(f"Vault {vault!r} can not be reached: {_reason(said)}; check the network")
    return KeyFetchError(f"{asked.title} can not be read: {type(error).__name__}: {in_short(said)}; check the names")


def _reason(said: str) -> str:
    """The innermost reason of what the HTTP libraries say."""
    inner = re.findall(r"(?:Error|Exception)\((?:\S+ object at \w+>, )?['\"]+(.*?)['\"]+\)", said)
    text = inner[-1] if inner else said
    text = re.sub(r"^.*object at 0x\w+>[,:] ?['\"]?|^\S+\(host=[^)]*\): ", "", text)
    return in_short(re.split(r"['\"], ", text)[0].strip("()'\" ") or said)
