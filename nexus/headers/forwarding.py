"""Headers that are forwarded in either direction, and how long a vendor asks us to wait.

Pure; every name is lower-case. What is not listed here stays at home: the client's credentials never go
upstream, the vendor's cookies, framing and server headers never come back.
"""

from __future__ import annotations

import math
import time
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from urllib.parse import unquote_plus

from nexus.headers.names import is_secret

Headers = Mapping[str, str]

LONGEST_PAUSE = 7 * 86_400.0
"""Seconds; no vendor means more, whatever it says."""

REPLY_NAMES = frozenset(
    {"retry-after", "retry-after-ms", "x-should-retry", "request-id", "x-request-id", "openai-processing-ms"}
)
REPLY_PREFIXES = ("anthropic-ratelimit-", "x-ratelimit-")
RAW_NAMES = (
    *("content-type", "accept", "range", "if-range", "if-match", "if-none-match", "if-modified-since"),
    *("idempotency-key", "anthropic-version", "anthropic-beta", "openai-beta"),
)
"""What of a client's headers goes to any other path of a vendor; header rules add to it."""

OF_FILES = frozenset({"accept-ranges", "content-disposition", "content-range", "etag", "last-modified"})
"""What else is told of an answer that nobody reads."""

PLAN_PREFIX = "anthropic-ratelimit-unified-"
"""Of the caller's own plan at claude.ai, which no limit of ours replaces."""


def forwarded(client: Headers, prefixes: tuple[str, ...], names: Iterable[str] = ()) -> dict[str, str]:
    """The client's headers that a provider lets travel upstream."""
    wanted = frozenset(names)
    return {
        name: value
        for name, value in client.items()
        if (name in wanted or name.startswith(prefixes)) and not is_secret(name)
    }


def without_credentials(query: str) -> str:
    """A client's query as it travels upstream: less the parameters whose names say that they carry a credential."""
    if not query:
        return ""
    return "&".join(pair for pair in query.split("&") if not is_credential(unquote_plus(pair.partition("=")[0])))


def is_credential(name: str) -> bool:
    """Whether a parameter of a query carries a credential, by the look of its name."""
    # Google's own parameter is just ``key``, Azure's signature ``sig``.
    return name.lower() in ("key", "sig") or is_secret(name.lower())


def bearer_token(client: Headers) -> str:
    """Of ``Authorization: Bearer``; "" where there is none."""
    scheme, _, token = client.get("authorization", "").strip().partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def returned(vendor: Headers, more: Collection[str] = ()) -> dict[str, str]:
    """The vendor's reply headers that travel back to the client, ``more`` among them; a ``retry-after`` that is no date
    is whole seconds."""
    kept = {
        name: value
        for name, value in vendor.items()
        if name in REPLY_NAMES or name in more or name.startswith(REPLY_PREFIXES)
    }
    seconds = _number(kept.get("retry-after"))
    if seconds is not None:
        kept["retry-after"] = str(math.ceil(min(seconds, LONGEST_PAUSE)))
    return kept


def retry_after(vendor: Headers, now: float | None = None) -> float | None:
    """Seconds that the vendor asks to wait, LONGEST_PAUSE at most: ``retry-after-ms``, or ``retry-after`` as seconds or
    HTTP date."""
    asked = _asked(vendor, time.time() if now is None else now)
    return None if asked is None else min(asked, LONGEST_PAUSE)


def _asked(vendor: Headers, now: float) -> float | None:
    milliseconds = _number(vendor.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    value = vendor.get("retry-after")
    seconds = _number(value)
    if seconds is not None or value is None:
        return seconds
    try:
        date = parsedate_to_datetime(value)
        then = date if date.tzinfo is not None else date.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
    return max(0.0, then.timestamp() - now)


def _number(value: str | None) -> float | None:
    try:
        number = float(value) if value is not None else -1.0
    except ValueError:
        return None
    return number if 0 <= number < float("inf") else None
