"""The fake Azure OpenAI: classic deployments, the v1 API, and tokens from Entra ID and managed identities.

Pure functions from a request and a Behaviour to bytes; bodies and answers are those of ``openai``. A key comes in
``api-key``, or on v1 as a bearer; a token is a bearer that this module issued. Classic paths need an ``api-version``.
Not imitated: whether a deployment exists, content filters, more than one tenant.
"""

from __future__ import annotations

import json
import re
import time
from dataclasses import replace
from urllib.parse import parse_qs, unquote

from tools.fake_upstream import openai
from tools.fake_upstream.behaviour import Behaviour
from tools.fake_upstream.request import SeenRequest
from tools.fake_upstream.vendors import Answer, Refusal, Rules, bearer_token, compact, media_type_of

REQUEST_ID_HEADER = "apim-request-id"
BASE_PATH = "/openai/v1"
TENANT = "fake-tenant"
TOKEN_PATH = f"/{TENANT}/oauth2/v2.0/token"
APP_SERVICE = "/msi/token"
METADATA = "/metadata/identity/oauth2/token"
TOKEN_PATHS: tuple[str, ...] = (TOKEN_PATH, APP_SERVICE, METADATA)
CLIENT_ID = "fake-client"
CLIENT_SECRET = "hushhush-fake-azure-secret"
ASSERTION = "hushhush-fake-platform-token"
IDENTITY_HEADER = "hushhush-fake-identity-header"
RESOURCE = "https://cognitiveservices.azure.com"
SCOPE = f"{RESOURCE}/.default"
VERSION = re.compile(r"\d{4}-\d{2}-\d{2}(?:-preview)?")
TOKEN = re.compile(r"hushhush-entra-\d+-(\d+)")
CLASSIC = re.compile(r"/openai/deployments/([^/]+)(/chat/completions)|/openai(/responses(?:/[^/]+)*)")
V1 = re.compile(r"/openai/v1(/(?:chat/completions|responses(?:/input_tokens)?|models(?:/.+)?))")

warm_up = openai.warm_up
error_frame = openai.error_frame


def request_id(serial: int) -> str:
    return f"fake-azure-{serial:012d}"


def check(request: SeenRequest, rules: Rules) -> Refusal | None:
    if request.route in TOKEN_PATHS:
        return _check_grant(request)
    classic, v1 = CLASSIC.fullmatch(request.route), V1.fullmatch(request.route)
    if classic is None and v1 is None:
        return Refusal(404, (f"{request.path}: Resource not found",), error_code="404")
    versions = parse_qs(request.query).get("api-version", [])
    if classic is not None and (len(versions) != 1 or not VERSION.fullmatch(versions[0])):
        return Refusal(404, (f"api-version {versions}: Resource not found",), error_code="404")
    if problem := _key_problem(request, rules, v1=v1 is not None):
        return Refusal(401, (problem,), error_code="401")
    return openai.check(_inner(request), replace(rules, api_key=None))


def answer(request: SeenRequest, behaviour: Behaviour, serial: int) -> Answer:
    if request.route in TOKEN_PATHS:
        return _grant(request, behaviour, serial)
    return openai.answer(_inner(request), behaviour, serial)


def error(request: SeenRequest, behaviour: Behaviour, request_id: str) -> Answer:
    if request.route in TOKEN_PATHS:
        kind = behaviour.error_type or "invalid_client"
        return Answer(json.dumps({"error": kind, "error_description": behaviour.message or ""}).encode())
    return openai.error(request, behaviour, request_id)


def _inner(request: SeenRequest) -> SeenRequest:
    """The same request to OpenAI's own API."""
    classic, v1 = CLASSIC.fullmatch(request.route), V1.fullmatch(request.route)
    path = "/v1" + (classic[2] or classic[3] if classic else v1[1] if v1 else request.route)
    body = request.json
    if classic and classic[1] and isinstance(body, dict):
        # The deployment in the URL overrides the body's model.
        body = {**body, "model": unquote(classic[1])}
    return replace(request, path=path, json=body, headers=[*_others(request), ("authorization", "Bearer any")])


def _others(request: SeenRequest) -> list[tuple[str, str]]:
    return [(name, value) for name, value in request.headers if name.lower() != "authorization"]


def _key_problem(request: SeenRequest, rules: Rules, *, v1: bool) -> str | None:
    key, token = request.header("api-key"), bearer_token(request)
    if key is not None:
        return None if rules.api_key in (None, key) else "Access denied due to invalid subscription key"
    if token is None:
        return "neither api-key nor a bearer token"
    if match := TOKEN.fullmatch(token):
        return "the access token has expired" if int(match[1]) <= time.time() else None
    if v1 and rules.api_key in (None, token):
        return None
    return "the access token is not one of Entra ID's"


def _check_grant(request: SeenRequest) -> Refusal | None:
    if request.route == TOKEN_PATH:
        return _check_application(request)
    query = {name: values[0] for name, values in parse_qs(request.query).items()}
    app = request.route == APP_SERVICE
    found = []
    if app and request.header("x-identity-header") != IDENTITY_HEADER:
        found.append("x-identity-header: not the expected one")
    if not app and request.header("metadata") != "true":
        found.append("metadata: not true")
    if query.get("api-version") != ("2019-08-01" if app else "2018-02-01"):
        found.append("api-version: not a known one")
    if query.get("resource", "").rstrip("/") != RESOURCE:
        found.append("resource: not the expected one")
    if query.get("client_id", CLIENT_ID) != CLIENT_ID:
        found.append("client_id: no such identity")
    return Refusal(400, tuple(found), error_type="invalid_request") if found else None


def _check_application(request: SeenRequest) -> Refusal | None:
    if request.method != "POST" or media_type_of(request) != "application/x-www-form-urlencoded":
        return Refusal(400, ("not a form that was posted",), error_type="invalid_request")
    form = {name: values[0] for name, values in parse_qs(request.body.decode(errors="replace")).items()}
    expected = {"grant_type": "client_credentials", "client_id": CLIENT_ID, "scope": SCOPE}
    if "client_assertion" in form:
        expected |= {
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": ASSERTION,
        }
    else:
        expected |= {"client_secret": CLIENT_SECRET}
    wrong = tuple(f"{name}: not the expected one" for name, value in expected.items() if form.get(name) != value)
    return Refusal(401, wrong, error_type="invalid_client") if wrong else None


def _grant(request: SeenRequest, behaviour: Behaviour, serial: int) -> Answer:
    end = int(time.time()) + behaviour.token_lifetime
    token = f"hushhush-entra-{serial}-{end}"
    if request.route == TOKEN_PATH:
        return Answer(compact({"token_type": "Bearer", "expires_in": behaviour.token_lifetime, "access_token": token}))
    # The endpoints for managed identities write numbers as text.
    return Answer(
        compact({"access_token": token, "expires_on": str(end), "resource": RESOURCE, "token_type": "Bearer"})
    )
