"""Header names: how one is read, and which of them a rule may not touch.

Pure; every name is lower-case. A name that looks like a credential counts as one: a pattern that forwards too
little is noticed on the first call, one that forwards too much never is.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping

from nexus.headers.own import GATEWAY_KEY, UPSTREAM_KEY
from nexus.late import pattern

OWN_CREDENTIALS = frozenset({GATEWAY_KEY, UPSTREAM_KEY, "proxy-authorization"})
"""Meant for the gateway alone: no rule can open them."""

HOP_BY_HOP = frozenset(
    {
        "connection",
        "http2-settings",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
FRAMING = frozenset(
    {
        "accept",
        "accept-charset",
        "accept-encoding",
        "accept-ranges",
        "content-encoding",
        "content-length",
        "content-type",
        "expect",
        "host",
        "origin",
    }
)
BY_NAME_ONLY = frozenset({"forwarded", "via", "x-real-ip"})
"""Tell where a client sits; a pattern does not send them on."""

_SECRET = pattern(
    r"auth(?:orization|entication|n?$|[_-])|cookie|secret|passw|credential|api[_-]?key|(?:^|[_-])(?:token|jwt|signature)$"
    r"|(?<!^idempotency)[_-]key$"
)
_NAME = pattern(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,256}")


def read_header_name(value: str) -> str:
    """A header name, in lower case. Raises ValueError without repeating it."""
    if not _NAME.fullmatch(value):
        raise ValueError("is not a header name: 1 to 256 letters, digits and !#$%&'*+-.^_`|~")
    return value.lower()


@functools.lru_cache(maxsize=1024)
def is_secret(name: str) -> bool:
    """Whether a header carries a credential, by name or by the look of it."""
    return name in OWN_CREDENTIALS or _SECRET.search(name) is not None


def is_denied(name: str) -> bool:
    """Whether a header belongs to one connection, to the form of one message, or to the gateway."""
    denied = name in HOP_BY_HOP or name in FRAMING or name in OWN_CREDENTIALS
    return denied or name.startswith("sec-websocket-")


@functools.lru_cache(maxsize=1024)
def matches_no_pattern(name: str) -> bool:
    """Whether a header travels by its name only, if at all."""
    return is_denied(name) or is_secret(name) or name in BY_NAME_ONLY or name.startswith("x-forwarded-")


def nominated(client: Mapping[str, str]) -> frozenset[str]:
    """The headers that a client itself declared to belong to its connection."""
    return frozenset(token.strip().lower() for token in client.get("connection", "").split(","))
