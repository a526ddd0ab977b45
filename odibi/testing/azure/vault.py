"""Key Vault's secrets, as its REST interface answers."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from odibi.testing.azure.hosts import Place
from odibi.testing.azure.identity import claims_in
from odibi.testing.azure.problems import vault_problem
from odibi.testing.azure.wire import Answer, Request, json_answer

PAGE = 25


@dataclass
class Version:
    """One version of a secret; `expires` and `not_before` are seconds since the epoch."""

    value: str = field(repr=False)
    enabled: bool = True
    expires: int | None = None
    not_before: int | None = None
    content_type: str | None = None
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    created: int = field(default_factory=lambda: int(time.time()))

    def attributes(self) -> dict[str, Any]:
        """As the interface shows them."""
        shown = {"enabled": self.enabled, "created": self.created, "updated": self.created}
        times = {"exp": self.expires, "nbf": self.not_before}
        given = {key: value for key, value in times.items() if value is not None}
        return {**shown, **given, "recoveryLevel": "Recoverable+Purgeable", "recoverableDays": 90}


Secrets = dict[str, list[Version]]


@dataclass
class Vault:
    """A vault: its secrets with all their versions, and the names that were deleted."""

    secrets: Secrets = field(default_factory=dict)
    deleted: Secrets = field(default_factory=dict)


async def answer(request: Request, place: Place, vault: Vault, tenant: str) -> Answer:
    """The answer to a request; without a valid token the challenge that says where to get one."""
    refused = unauthorized(request, place, tenant)
    if refused is not None:
        return refused
    match request.path.strip("/").split("/"):
        case ["secrets"] if request.method == "GET":
            return _listed(request, place, [(name, versions[-1]) for name, versions in sorted(vault.secrets.items())])
        case ["secrets", name, "versions"] if request.method == "GET":
            return _versions(request, place, vault, name)
        case ["secrets", name, *version] if request.method == "GET" and len(version) < 2:
            return _get(place, vault, name, "".join(version))
        case ["secrets", name] if request.method == "PUT":
            return _put(place, vault, name, json.loads(await request.body()))
        case ["secrets", name] if request.method == "DELETE":
            return _delete(place, vault, name)
    return json_answer(404, {"error": {"code": "NotFound", "message": f"there is no {request.path}"}})


def unauthorized(request: Request, place: Place, tenant: str) -> Answer | None:
    """What a request without a good token is told, None where the token is good."""
    resource = f"https://{place.cloud.vault}"
    header = request.headers.get("Authorization")
    claims = claims_in(header)
    if not header:
        text = "AKV10000: Request is missing a Bearer or PoP token."
    elif claims is None or str(claims.get("aud", "")).rstrip("/") != resource:
        text = f"AKV10022: Invalid audience. Expected {resource}, found: {(claims or {}).get('aud', 'none')}."
    elif float(claims.get("exp", 0)) < time.time():
        text = "[TokenExpired] Error validating token: 'S2S12086'."
    else:
        return None
    challenge = f'Bearer authorization="https://{place.cloud.logins[0]}/{tenant}", resource="{resource}"'
    error = {"error": {"code": "Unauthorized", "message": text}}
    return json_answer(401, error, ("WWW-Authenticate", challenge))


def caller_of(request: Request) -> str:
    """The caller as messages name it."""
    claims = claims_in(request.headers.get("Authorization")) or {}
    return ";".join(f"{key}={claims.get(key, '')}" for key in ("appid", "oid", "iss"))


def secret_in(path: str) -> str:
    """The name of the secret that a path is about."""
    parts = path.strip("/").split("/")
    return parts[1] if len(parts) > 1 and parts[0] == "secrets" else ""


def _get(place: Place, vault: Vault, name: str, version: str) -> Answer:
    versions = vault.secrets.get(name, [])
    found = next((each for each in reversed(versions) if version in ("", each.id)), None)
    if found is None:
        return vault_problem("SecretNotFound", {"secret": f"{name}/{version}" if version else name})
    if not found.enabled:
        return vault_problem("SecretDisabled", {})
    return json_answer(200, {"value": found.value, **_shown(place, name, found, True)})


def _put(place: Place, vault: Vault, name: str, given: Mapping[str, Any]) -> Answer:
    if name in vault.deleted:
        return vault_problem("Conflict", {"secret": name})
    attributes = given.get("attributes") or {}
    made = Version(
        str(given.get("value", "")),
        attributes.get("enabled", True),
        attributes.get("exp"),
        attributes.get("nbf"),
        given.get("contentType"),
    )
    vault.secrets.setdefault(name, []).append(made)
    return json_answer(200, {"value": made.value, **_shown(place, name, made, True)})


def _delete(place: Place, vault: Vault, name: str) -> Answer:
    if name not in vault.secrets:
        return vault_problem("SecretNotFound", {"secret": name})
    vault.deleted[name] = vault.secrets.pop(name)
    shown = _shown(place, name, vault.deleted[name][-1], True)
    recovery = {"recoveryId": f"https://{place.host}/deletedsecrets/{name}", "deletedDate": int(time.time())}
    return json_answer(200, {**shown, **recovery})


def _versions(request: Request, place: Place, vault: Vault, name: str) -> Answer:
    if name not in vault.secrets:
        return vault_problem("SecretNotFound", {"secret": name})
    return _listed(request, place, [(name, each) for each in vault.secrets[name]], True)


def _listed(request: Request, place: Place, found: list[tuple[str, Version]], with_version: bool = False) -> Answer:
    """A page of a list; the link to the next one is in it."""
    query = request.query
    start, size = _number(query.get("$skiptoken"), 0), _number(query.get("maxresults"), PAGE)
    page = [_shown(place, name, version, with_version) for name, version in found[start : start + size]]
    link = f"https://{place.host}{request.path}?api-version={query.get('api-version', '')}&$skiptoken={start + size}"
    following = f"{link}&maxresults={size}" if start + size < len(found) else None
    return json_answer(200, {"value": page, "nextLink": following})


def _number(text: str | None, otherwise: int) -> int:
    return int(text) if text and text.isdigit() else otherwise


def _shown(place: Place, name: str, version: Version, with_version: bool) -> dict[str, Any]:
    tail = f"/{version.id}" if with_version else ""
    shown: dict[str, Any] = {"id": f"https://{place.host}/secrets/{name}{tail}", "attributes": version.attributes()}
    if version.content_type:
        shown["contentType"] = version.content_type
    return shown
