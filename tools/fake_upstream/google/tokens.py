"""Google's token endpoint: access tokens for service accounts (JWT bearer grant) and for refresh tokens.

Tokens contain their expiry, so nothing is stored. The fake service account's key pair is made once per process; only
``service_account`` returns it. Not imitated: the meaning of scopes, revocation, id tokens.
"""

from __future__ import annotations

import json
import re
import time
from functools import cache
from typing import Any
from urllib.parse import parse_qs

from tools.fake_upstream.behaviour import Behaviour
from tools.fake_upstream.request import SeenRequest
from tools.fake_upstream.vendors import Answer, Refusal, compact, error_words, media_type_of

TOKEN_PATH = "/token"
JWT_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
SCOPE = "https://www.googleapis.com/auth/cloud-platform"
EMAIL = "fake@fake-project.iam.gserviceaccount.com"
CLIENT_ID = "fake-client.apps.googleusercontent.com"
CLIENT_SECRET = "fake-client-secret"
REFRESH_TOKEN = "1//fake-refresh-token"
TOKEN = re.compile(r"ya29\.fake-\d+-(\d+)")
MOST_SECONDS = 3600


def service_account(origin: str, project: str = "fake-project") -> dict[str, str]:
    """The contents of a key file for a service account whose tokens the fake at ``origin`` issues."""
    return {
        "type": "service_account",
        "project_id": project,
        "private_key_id": "fake-key",
        "private_key": _key_pair()[0],
        "client_email": EMAIL,
        "client_id": "100000000000000000000",
        "token_uri": origin + TOKEN_PATH,
        "universe_domain": "googleapis.com",
    }


def authorized_user(origin: str, project: str = "fake-project") -> dict[str, str]:
    """The credentials that ``gcloud auth application-default login`` writes, with ``token_uri``.

    google-auth's ``from_authorized_user_file`` ignores the file's URI and asks Google; pass it the URI explicitly.
    """
    return {
        "type": "authorized_user",
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "refresh_token": REFRESH_TOKEN,
        "quota_project_id": project,
        "token_uri": origin + TOKEN_PATH,
    }


def token_problem(token: str | None, expected: str | None) -> str | None:
    """Why ``token`` is invalid, or None. Valid are ``expected``, if given, and tokens that this module issued."""
    if token is None:
        return "authorization: no bearer token"
    if match := TOKEN.fullmatch(token):
        return "authorization: the access token has expired" if int(match[1]) <= time.time() else None
    return "authorization: not the expected token" if expected not in (None, token) else None


def check_grant(request: SeenRequest, *, strict: bool) -> Refusal | None:
    if request.method != "POST":
        return Refusal(405, (f"{request.method} {request.path}: only POST",), (("allow", "POST"),))
    if media_type_of(request) != "application/x-www-form-urlencoded":
        return Refusal(400, ("content-type: not a form",), error_type="invalid_request")
    form = {key: values[0] for key, values in parse_qs(request.body.decode(errors="replace")).items()}
    match form.get("grant_type"):
        case "refresh_token":
            expected = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "refresh_token": REFRESH_TOKEN}
            wrong = [key for key, value in expected.items() if form.get(key) != value and (strict or key not in form)]
            found = tuple(f"{key}: not the expected one" for key in wrong)
        case grant if grant == JWT_GRANT:
            found = _assertion_problems(form.get("assertion", ""), strict=strict)
        case grant:
            return Refusal(400, (f"grant_type: {grant!r} is not known",), error_type="unsupported_grant_type")
    return Refusal(400, found, error_type="invalid_grant") if found else None


def grant(behaviour: Behaviour, serial: int) -> Answer:
    token = f"ya29.fake-{serial}-{int(time.time()) + behaviour.token_lifetime}"
    value = {"access_token": token, "expires_in": behaviour.token_lifetime, "scope": SCOPE, "token_type": "Bearer"}
    return Answer(compact(value))


def grant_error(behaviour: Behaviour) -> Answer:
    kind = behaviour.error_type or ("invalid_grant" if behaviour.status < 500 else "internal_failure")
    return Answer(json.dumps({"error": kind, "error_description": error_words(behaviour)}).encode())


def _assertion_problems(assertion: str, *, strict: bool) -> tuple[str, ...]:
    from google.auth import jwt

    try:
        # google-auth does not annotate this one.
        decode: Any = jwt.decode
        claims: dict[str, Any] = dict(decode(assertion, certs=_key_pair()[1] if strict else None, verify=strict))
    except ValueError as error:
        return (f"assertion: {error}",)
    found = [f"assertion: no claim {name}" for name in ("iss", "aud", "iat", "exp", "scope") if name not in claims]
    if not found and claims["exp"] - claims["iat"] > MOST_SECONDS:
        found.append("assertion: lives longer than an hour")
    if strict and not found and claims["iss"] != EMAIL:
        found.append("assertion: not the expected service account")
    if not found and SCOPE not in str(claims["scope"]).split():
        found.append(f"assertion: scope is not {SCOPE}")
    if not found and not str(claims["aud"]).endswith("/token"):
        found.append("assertion: aud is not the token endpoint")
    return tuple(found)


@cache
def _key_pair() -> tuple[str, str]:
    """Private and public key as PEM. Made at the first call, so that only tests of service accounts pay for it."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    # A short key, because loading a key validates it, which took longer than a server's start with 2048 bits.
    key = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return private.decode(), public.decode()
