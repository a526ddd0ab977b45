"""What Azure says when it refuses: the bodies and codes of storage and of Key Vault."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Mapping
from email.utils import formatdate
from typing import Any
from xml.sax.saxutils import escape

from odibi.testing.azure.hosts import STORAGE, VAULT, Place
from odibi.testing.azure.wire import Answer, json_answer

_SERVER = "Server failed to authenticate the request."
_FAILED = f"{_SERVER} Make sure the value of Authorization header is formed correctly including the signature."
_NOT_AUTHORIZED = "This request is not authorized to perform this operation"
STORAGE_CODES = {
    "AuthenticationFailed": (403, _FAILED),
    "KeyBasedAuthenticationNotPermitted": (403, "Key based authentication is not permitted on this storage account."),
    "AuthorizationFailure": (403, f"{_NOT_AUTHORIZED}."),
    "AuthorizationPermissionMismatch": (403, f"{_NOT_AUTHORIZED} using this permission."),
    "AuthorizationSourceIPMismatch": (403, f"{_NOT_AUTHORIZED} using this source IP 203.0.113.7."),
    "InsufficientAccountPermissions": (403, "The account being accessed does not have sufficient permissions."),
    "AccountIsDisabled": (403, "The specified account is disabled."),
    "InvalidAuthenticationInfo": (401, f"{_SERVER} Please refer to the information in the www-authenticate header."),
    "ContainerNotFound": (404, "The specified container does not exist."),
    "FilesystemNotFound": (404, "The specified filesystem does not exist."),
    "BlobNotFound": (404, "The specified blob does not exist."),
    "PathNotFound": (404, "The specified path does not exist."),
    "ContainerBeingDeleted": (409, "The specified container is being deleted. Try operation later."),
    "ConditionNotMet": (412, "The condition specified using HTTP conditional header(s) is not met."),
    "TooManyRequests": (429, "The request was throttled; try again later."),
    "InternalError": (500, "The server encountered an internal error. Please retry the request."),
    "ServerBusy": (503, "The server is busy."),
    "InvalidQueryParameterValue": (400, "Value for one of the query parameters in the request URI is invalid."),
    "BadGateway": (502, "Bad gateway."),
    "OperationTimedOut": (504, "The operation could not be completed within the permitted time."),
}
"""Code of a storage account to its status and text."""
_RBAC = (
    "Caller is not authorized to perform action on resource.\r\nIf role assignments, deny assignments or role "
    "definitions were changed recently, please observe propagation time.\r\nCaller: {caller}\r\nAction: "
    "'Microsoft.KeyVault/vaults/secrets/getSecret/action'\r\nResource: '/subscriptions/00000000-0000-0000-0000-"
    "000000000000/resourcegroups/sandbox/providers/microsoft.keyvault/vaults/{vault}/secrets/{secret}'\r\n"
    "Assignment: (not found)\r\nDenyAssignmentId: null\r\nDecisionReason: null \r\nVault: {vault};location=sandbox\r\n"
)
_POLICY = (
    "The user, group or application '{caller}' does not have secrets get permission on key vault "
    "'{vault};location=sandbox'. For help resolving this issue, please see "
    "https://go.microsoft.com/fwlink/?linkid=2125287"
)
_BEHALF = "The policy requires the caller '{caller}' to use on-behalf-of authentication flow."
_FIREWALL = (
    "Client address is not authorized and caller is not a trusted service.\r\nClient address: 203.0.113.7\r\n"
    "Caller: {caller}\r\nVault: {vault};location=sandbox"
)
_CONNECTION = (
    "Connection is not an approved private link and caller was ignored because bypass is not set to 'AzureServices' "
    "and PublicNetworkAccess is set to 'Disabled'.\r\nVault: {vault};location=sandbox"
)
_MISSING = (
    "A secret with (name/id) {secret} was not found in this key vault. If you recently deleted this secret you may be "
    "able to recover it using the correct recovery command. For help resolving this issue, please see "
    "https://go.microsoft.com/fwlink/?linkid=2125182"
)
_THROTTLED = "Request was not processed because too many requests were received. Reason: VaultRequestTypeLimitReached"
_CONFLICT = (
    "Secret {secret} is currently in a deleted but recoverable state, and its name cannot be reused; in this state, "
    "the secret can only be recovered or purged."
)
VAULT_CODES: dict[str, tuple[int, str, str]] = {
    "ForbiddenByRbac": (403, "Forbidden", _RBAC),
    "AccessDenied": (403, "Forbidden", _POLICY),
    "ForbiddenByPolicy": (403, "Forbidden", _BEHALF),
    "ForbiddenByFirewall": (403, "Forbidden", _FIREWALL),
    "ForbiddenByConnection": (403, "Forbidden", _CONNECTION),
    "SecretDisabled": (403, "Forbidden", "Operation get is not allowed on a disabled secret."),
    "SecretNotFound": (404, "SecretNotFound", _MISSING),
    "Unauthorized": (401, "Unauthorized", "[TokenExpired] Error validating token: 'S2S12086'."),
    "Throttled": (429, "Throttled", _THROTTLED),
    "InternalServerError": (500, "InternalServerError", "An internal server error occurred."),
    "ServiceUnavailable": (503, "ServiceUnavailable", "The service is unavailable."),
    "BadParameter": (400, "BadParameter", "The request was not understood."),
    "Conflict": (409, "Conflict", _CONFLICT),
    "BadGateway": (502, "BadGateway", "Bad gateway."),
    "GatewayTimeout": (504, "GatewayTimeout", "Gateway timeout."),
}
"""Code of a vault (the inner one where there is one) to status, outer code and the text's template."""
SIGNED_ONLY = ("KeyBasedAuthenticationNotPermitted",)
TOKEN_ONLY = ("AuthorizationPermissionMismatch",)


def usual_code(service: str, status: int) -> str:
    """The code that a status usually comes with."""
    codes: Mapping[str, tuple[Any, ...]] = STORAGE_CODES if service == STORAGE else VAULT_CODES
    if service == STORAGE and status == 403:
        return "AuthorizationFailure"
    return next((code for code, (of, *_) in codes.items() if of == status), "Error")


def problem(place: Place, status: int, code: str, retry_after: int | None, facts: Mapping[str, str]) -> Answer:
    """The answer of a service that refuses."""
    headers = [] if retry_after is None else [("Retry-After", str(retry_after))]
    code = code or usual_code(place.service, status)
    if place.service == STORAGE:
        return storage_problem(place, code, status, headers)
    if place.service == VAULT:
        return vault_problem(code, {"vault": place.name, **facts}, status, headers)
    body = {"error": code if code != "Error" else "temporarily_unavailable", "error_description": f"status {status}"}
    return json_answer(status, body, *headers)


def storage_problem(place: Place, code: str, status: int = 0, headers: list[tuple[str, str]] | None = None) -> Answer:
    """What a storage account says; dfs hosts say it in JSON."""
    usual, text = STORAGE_CODES.get(code, (status, f"The request failed with {code}."))
    request_id = str(uuid.uuid4())
    message = f"{text}\nRequestId:{request_id}\nTime:{time.strftime('%Y-%m-%dT%H:%M:%S.0000000Z', time.gmtime())}"
    shared = [("x-ms-error-code", code), ("x-ms-request-id", request_id), ("x-ms-version", "2021-12-02")]
    shared += [("Date", formatdate(usegmt=True)), ("Server", "Windows-Azure-Blob/1.0"), *(headers or [])]
    if (status or usual) == 401:
        authorize = f"https://{place.cloud.logins[0]}/common/oauth2/authorize"
        challenge = f"Bearer authorization_uri={authorize} resource_id=https://storage.azure.com"
        shared.append(("WWW-Authenticate", challenge))
    if ".dfs." in place.host:
        body = json.dumps({"error": {"code": code, "message": message}}).encode()
        kind = "application/json;charset=utf-8"
    else:
        detail = _authentication_detail(code)
        xml = f"<Error><Code>{code}</Code><Message>{escape(message)}</Message>{detail}</Error>"
        body, kind = f'\ufeff<?xml version="1.0" encoding="utf-8"?>{xml}'.encode(), "application/xml"
    return Answer(status or usual, body, (("Content-Type", kind), *shared))


def _authentication_detail(code: str) -> str:
    if code != "AuthenticationFailed":
        return ""
    text = (
        "The MAC signature found in the HTTP request 'c2FuZGJveA==' is not the same as any computed signature. Server "
        "used following string to sign: 'GET'."
    )
    return f"<AuthenticationErrorDetail>{text}</AuthenticationErrorDetail>"


def vault_problem(
    code: str, facts: Mapping[str, str], status: int = 0, headers: list[tuple[str, str]] | None = None
) -> Answer:
    """What a vault says."""
    usual, outer, text = VAULT_CODES.get(code, (status, code, f"The request failed with {code}."))
    known = {"vault": "", "secret": "", "caller": "", **facts}
    error: dict[str, Any] = {"code": outer, "message": text.format(**known)}
    if outer != code:
        error["innererror"] = {"code": code}
    extra = (("x-ms-request-id", str(uuid.uuid4())), ("x-ms-keyvault-region", "sandbox"))
    return json_answer(status or usual, {"error": error}, *extra, *(headers or []))
