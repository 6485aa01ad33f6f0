"""Recognizes a caller's own claude.ai login among the credentials that a client may send.

A credential that is not certainly a login is not forwarded: SDKs send any key, even another vendor's, as
``Authorization: Bearer``. Source: Claude Code with a claude.ai login sends a token ``sk-ant-oat...`` and the beta
``oauth-...`` (rule C14).
"""

from __future__ import annotations

from collections.abc import Mapping

from nexus.headers.forwarding import bearer_token
from nexus.late import pattern
from nexus.settings.auth_scheme import BearerToken

LOGIN_HOST = "api.anthropic.com"
"""The only host that a login is valid for."""

_TOKEN = "sk-ant-oat"
_WHOLE = pattern(r"[A-Za-z0-9._~+/-]+=*")
"""One bearer token (RFC 6750). Two Authorization headers arrive joined by a comma; the second may hold another key."""

_BETA = pattern(r"oauth-\d{4}-\d{2}-\d{2}")
_KEYS = ("sk-", "nx-", "AIza", "AKIA", "ASIA", "ABSK", "bedrock-api-key-")
"""Prefixes of API keys: vendors' and our own."""


def login_in(client: Mapping[str, str]) -> BearerToken | None:
    """The login in a client's headers (lower-case names): a token with the prefix, or one sent with the OAuth beta."""
    token = bearer_token(client)
    if not _WHOLE.fullmatch(token):
        return None
    if token.startswith(_TOKEN):
        return BearerToken(token)
    betas = (beta.strip() for beta in client.get("anthropic-beta", "").split(","))
    with_beta = any(_BETA.fullmatch(beta) for beta in betas)
    return BearerToken(token) if with_beta and not token.startswith(_KEYS) else None
