"""Header names: validation, and which of them header rules may not change.

Pure functions; all names are lower-case. A name that looks like a credential counts as one: a pattern that forwards too
little is noticed on the first call, one that forwards too much may never be.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping

from nexus.headers.own import GATEWAY_KEY, UPSTREAM_KEY
from nexus.late import pattern

OWN_CREDENTIALS = frozenset({GATEWAY_KEY, UPSTREAM_KEY, "proxy-authorization"})
"""For the gateway only: no rule can forward them."""

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
"""Reveal the client's address; forwarded only by a rule that names them, not by a pattern."""

_SECRET = pattern(
    r"auth(?:orization|entication|n?$|[_-])|cookie|secret|passw|credential|assertion|api[_-]?key"
    r"|(?:^|[_-])(?:token|signature)$|(?:access|csrf|xsrf)token$|(?:^|[_-])jwt(?:$|[_-])|oidc-data$"
    r"|(?<!^idempotency)[_-]key$"
)
_NAME = pattern(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,256}")


def read_header_name(value: str) -> str:
    """A header name in lower case. Raises ValueError, whose message does not repeat it."""
    if not _NAME.fullmatch(value):
        raise ValueError("is not a header name: 1 to 256 letters, digits and !#$%&'*+-.^_`|~")
    return value.lower()


@functools.lru_cache(maxsize=1024)
def is_secret(name: str) -> bool:
    """Whether a header carries a credential, judged by its name."""
    return name in OWN_CREDENTIALS or _SECRET.search(name) is not None


def is_denied(name: str) -> bool:
    """Whether rules may not change a header: it belongs to the connection, the message format or the gateway."""
    denied = name in HOP_BY_HOP or name in FRAMING or name in OWN_CREDENTIALS
    return denied or name.startswith("sec-websocket-")


@functools.lru_cache(maxsize=1024)
def matches_no_pattern(name: str) -> bool:
    """Whether patterns exclude a header, so that it is forwarded only by name, if at all."""
    return is_denied(name) or is_secret(name) or name in BY_NAME_ONLY or name.startswith("x-forwarded-")


def nominated(client: Mapping[str, str]) -> frozenset[str]:
    """The hop-by-hop headers that the client lists in ``Connection``."""
    return frozenset(token.strip().lower() for token in client.get("connection", "").split(","))
