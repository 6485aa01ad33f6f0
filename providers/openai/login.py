"""Recognizes a caller's own ChatGPT login, as Codex sends it, among the credentials that a client may send.

A credential that is not certainly a login is not forwarded: other tokens have this form too, including the gateway's
own. Nothing is verified; the vendor does that. Sources: Codex sends ``Authorization: Bearer`` with a JSON Web Token of
auth.openai.com and the header ``chatgpt-account-id``, to chatgpt.com/backend-api/codex (its auth.json; public traces of
its requests in CaddyGlow/ccproxy-api issue 7 and nodetool-ai/nodetool pull request 3741; the program itself).
"""

from __future__ import annotations

from collections.abc import Mapping

from nexus.headers.forwarding import bearer_token
from nexus.late import pattern
from nexus.settings.auth_scheme import BearerToken
from nexus.wire import decode_object, unpadded

LOGIN_URL = "https://chatgpt.com/backend-api/codex"
"""The only URL that a login is valid for."""

ISSUER = "https://auth.openai.com"
ACCOUNT = "chatgpt-account-id"

FORWARDED = (ACCOUNT, "originator", "version", "session-id", "session_id", "thread-id", "user-agent")
"""Headers by which that server recognizes Codex, in addition to those that begin with ``x-codex-``."""

_JWT = pattern(r"[A-Za-z0-9_-]+\.([A-Za-z0-9_-]+)\.[A-Za-z0-9_-]+")


class ChatGptLogin(BearerToken):
    """The token of a ChatGPT login."""


def login_in(client: Mapping[str, str]) -> ChatGptLogin | None:
    """The login in a client's headers (lower-case names)."""
    token = bearer_token(client)
    found = _JWT.fullmatch(token) if client.get(ACCOUNT) else None
    claims = decode_object(unpadded(found[1]) or b"") if found is not None else {}
    return ChatGptLogin(token) if claims.get("iss") == ISSUER else None
