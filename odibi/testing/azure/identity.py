"""Who hands out tokens: the metadata endpoint of a machine, that of App Service, and Microsoft Entra."""

from __future__ import annotations

import base64
import json
import time
import uuid
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from odibi.testing.azure.hosts import Place
from odibi.testing.azure.wire import Answer, Request, json_answer

TENANT = "11111111-1111-1111-1111-111111111111"
OBJECT_ID = "22222222-2222-2222-2222-222222222222"
APP_ID = "33333333-3333-3333-3333-333333333333"
PRINCIPAL_ID = "44444444-4444-4444-4444-444444444444"
PRINCIPAL_SECRET = "the-secret-of-the-sandbox~principal"
METADATA_PATH = "/metadata/identity/oauth2/token"
APP_SERVICE_PATH = "/msi/token"
APP_SERVICE_HEADER = "app-service-of-the-sandbox"


@dataclass
class Principal:
    """An application that asks for tokens with a secret."""

    client_id: str = PRINCIPAL_ID
    secret: str = field(default=PRINCIPAL_SECRET, repr=False)
    tenant_id: str = TENANT


@dataclass
class IdentityState:
    """What the identity endpoints answer.

    claims: win over those of every token, e.g. `{"oid": "…"}`
    lifetime: seconds that tokens live; negative: they are expired when they are handed out
    managed: whether the machine has an identity; assigned: client ids of the user-assigned ones, None: any
    """

    claims: dict[str, Any] = field(default_factory=dict)
    lifetime: int = 3600
    managed: bool = True
    assigned: set[str] | None = None
    tenant_id: str = TENANT
    principals: dict[str, Principal] = field(default_factory=lambda: {PRINCIPAL_ID: Principal()})

    def token(self, audience: str, client_id: str, object_id: str, tenant_id: str, expired: bool = False) -> str:
        """A token; nobody checks its signature."""
        lifetime = -600 if expired else self.lifetime
        now = int(time.time())
        claims = {
            "aud": audience,
            "iss": f"https://sts.windows.net/{tenant_id}/",
            "iat": now - 900,
            "nbf": now - 900,
            "exp": now + lifetime,
            "appid": client_id,
            "oid": object_id,
            "sub": object_id,
            "tid": tenant_id,
            "idtyp": "app",
            "ver": "1.0",
            **self.claims,
        }
        return f"{_part({'alg': 'RS256', 'typ': 'JWT', 'kid': 'sandbox'})}.{_part(claims)}.c2FuZGJveA"


def managed_identity(request: Request, state: IdentityState, expired: bool) -> Answer:
    """The answer of the metadata endpoint, or of App Service's."""
    query = request.query
    app_service = request.path == APP_SERVICE_PATH
    if not app_service and request.path != METADATA_PATH:
        return json_answer(404, {"error": "not_found", "error_description": f"there is no {request.path}"})
    if app_service and request.headers.get("X-IDENTITY-HEADER") != APP_SERVICE_HEADER:
        return json_answer(401, {"statusCode": 401, "message": "the header X-IDENTITY-HEADER is wrong"})
    if not app_service and request.headers.get("Metadata").lower() != "true":
        return _refused("bad_request_102", "Required metadata header not specified")
    if not query.get("resource"):
        return _refused("invalid_request", "Required query variable 'resource' is missing")
    wanted = query.get("client_id") or query.get("object_id") or query.get("msi_res_id") or query.get("mi_res_id") or ""
    if not state.managed or (wanted and state.assigned is not None and wanted not in state.assigned):
        return _refused("invalid_request", "Identity not found")
    return json_answer(200, _managed_token(query["resource"], wanted, state, expired))


def _managed_token(resource: str, wanted: str, state: IdentityState, expired: bool) -> dict[str, str]:
    client_id = wanted or APP_ID
    object_id = object_id_of(client_id) if wanted else OBJECT_ID
    lifetime = -600 if expired else state.lifetime
    return {
        "access_token": state.token(resource.rstrip("/"), client_id, object_id, state.tenant_id, expired),
        "client_id": client_id,
        "expires_in": str(max(lifetime, 0)),
        "expires_on": str(int(time.time()) + lifetime),
        "not_before": str(int(time.time()) - 900),
        "resource": resource,
        "token_type": "Bearer",
    }


async def entra(request: Request, place: Place, state: IdentityState, expired: bool) -> Answer:
    """The answer of Microsoft Entra: discovery and tokens."""
    tenant, _, what = request.path.strip("/").partition("/")
    host = place.host
    if what == "discovery/instance":
        return json_answer(200, _instance(host, request.query.get("authorization_endpoint", "")))
    if what.endswith(".well-known/openid-configuration"):
        return json_answer(200, _openid(host, tenant))
    if what in ("oauth2/v2.0/token", "oauth2/token"):
        return _entra_token(dict(parse_qsl((await request.body()).decode("latin-1"))), tenant, state, expired)
    return json_answer(404, {"error": "not_found", "error_description": f"AADSTS90000: there is no {request.path}"})


def _entra_token(form: dict[str, str], tenant: str, state: IdentityState, expired: bool) -> Answer:
    client_id, audience = form.get("client_id", ""), _audience(form)
    principal = state.principals.get(client_id)
    tenants = {each.tenant_id for each in state.principals.values()} | {state.tenant_id}
    if tenant not in tenants:
        text = f"Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID."
        return _aadsts(400, 90002, "invalid_request", text)
    if principal is None or principal.tenant_id != tenant:
        text = f"Application with identifier '{client_id}' was not found in the directory '{tenant}'."
        return _aadsts(400, 700016, "unauthorized_client", text)
    if "client_assertion" not in form and form.get("client_secret") != principal.secret:
        text = (
            "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, "
            f"not the client secret ID, for a secret added to app '{client_id}'."
        )
        return _aadsts(401, 7000215, "invalid_client", text)
    if not audience:
        return _aadsts(400, 90014, "invalid_request", "The required field 'scope' is missing from the request.")
    token = state.token(audience, client_id, object_id_of(client_id), tenant, expired)
    lifetime = 0 if expired else max(state.lifetime, 0)
    value = {"token_type": "Bearer", "expires_in": lifetime, "ext_expires_in": lifetime, "access_token": token}
    return json_answer(200, value)


def object_id_of(client_id: str) -> str:
    """The object id of an application or of a user-assigned identity."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"odibi-sandbox:{client_id}"))


def claims_in(authorization: str) -> dict[str, Any] | None:
    """The claims of a bearer token, None where it is none."""
    scheme, _, token = authorization.partition(" ")
    parts = token.split(".")
    if scheme.lower() != "bearer" or len(parts) != 3:
        return None
    try:
        found = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _audience(form: dict[str, str]) -> str:
    scope = form.get("scope", "").split(" ")[0]
    return (form.get("resource") or scope.removesuffix("/.default")).rstrip("/")


def _part(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def _refused(error: str, text: str) -> Answer:
    return json_answer(400, {"error": error, "error_description": text})


def _aadsts(status: int, number: int, error: str, text: str) -> Answer:
    trace, now = str(uuid.uuid4()), time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime())
    described = f"AADSTS{number}: {text} Trace ID: {trace} Correlation ID: {trace} Timestamp: {now}"
    value = {"error": error, "error_description": described, "error_codes": [number], "timestamp": now}
    return json_answer(status, {**value, "trace_id": trace, "correlation_id": trace})


def _openid(host: str, tenant: str) -> dict[str, Any]:
    base = f"https://{host}/{tenant}"
    return {
        "token_endpoint": f"{base}/oauth2/v2.0/token",
        "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
        "device_authorization_endpoint": f"{base}/oauth2/v2.0/devicecode",
        "jwks_uri": f"{base}/discovery/v2.0/keys",
        "issuer": f"{base}/v2.0",
        "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt", "client_secret_basic"],
        "response_types_supported": ["code", "id_token", "token"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
        "tenant_region_scope": None,
        "cloud_instance_name": host.removeprefix("login."),
    }


def _instance(host: str, asked: str) -> dict[str, Any]:
    tenant = asked.split("/")[3] if asked.count("/") > 3 else TENANT
    return {
        "tenant_discovery_endpoint": f"https://{host}/{tenant}/v2.0/.well-known/openid-configuration",
        "api-version": "1.1",
        "metadata": [{"preferred_network": host, "preferred_cache": host, "aliases": [host]}],
    }
