"""Which headers are forwarded in either direction, and the delay in a vendor's retry-after.

Pure functions; all names are lower-case. Only listed headers are forwarded: the client's credentials never go upstream;
the vendor's cookies, framing and server headers never go to the client.
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
"""Maximum retry delay in seconds; a longer retry-after is reduced to it."""

REPLY_NAMES = frozenset(
    {"retry-after", "retry-after-ms", "x-should-retry", "request-id", "x-request-id", "openai-processing-ms"}
)
REPLY_PREFIXES = ("anthropic-ratelimit-", "x-ratelimit-")
RAW_NAMES = (
    *("content-type", "accept", "range", "if-range", "if-match", "if-none-match", "if-modified-since"),
    *("idempotency-key", "anthropic-version", "anthropic-beta", "openai-beta"),
)
"""Client headers to forward in passthrough to other paths of a vendor; header rules can add more."""

OF_FILES = frozenset({"accept-ranges", "content-disposition", "content-range", "etag", "last-modified"})
"""Additional response headers to forward when Nexus does not interpret the body."""

PLAN_PREFIX = "anthropic-ratelimit-unified-"
"""Rate limit headers of the caller's own claude.ai plan, which our own limit headers do not replace."""


def forwarded(client: Headers, prefixes: tuple[str, ...], names: Iterable[str] = ()) -> dict[str, str]:
    """The client's headers with one of ``prefixes`` or ``names``, without credentials."""
    wanted = frozenset(names)
    return {
        name: value
        for name, value in client.items()
        if (name in wanted or name.startswith(prefixes)) and not is_secret(name)
    }


def without_credentials(query: str) -> str:
    """A client's query string without the parameters that carry a credential, judged by their names."""
    return "&".join(pair for pair in query.split("&") if not is_credential(_name(pair))) if query else ""


def credentials_in(query: str) -> list[str]:
    """The names of the parameters that carry a credential."""
    return list(dict.fromkeys(filter(is_credential, map(_name, query.split("&"))))) if query else []


def is_credential(name: str) -> bool:
    """Whether a query parameter carries a credential, judged by its name."""
    lower = name.lower()
    # Google's key parameter is ``key``, Azure's signature is ``sig``; ``page_token`` is a position in a list.
    return lower in ("key", "sig") or (is_secret(lower) and not lower.endswith("page_token"))


def _name(pair: str) -> str:
    return unquote_plus(pair.partition("=")[0])


def bearer_token(client: Headers) -> str:
    """The token in ``Authorization: Bearer``, or ""."""
    scheme, _, token = client.get("authorization", "").strip().partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def returned(vendor: Headers, more: Collection[str] = ()) -> dict[str, str]:
    """The vendor's reply headers to forward to the client, including ``more``; rounds a ``retry-after`` in seconds up
    to whole seconds."""
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
    """Seconds that the vendor asks to wait, at most LONGEST_PAUSE, from ``retry-after-ms`` or AWS's
    ``x-amz-retry-after``, or ``retry-after`` as seconds or HTTP date; None without any."""
    delay = _requested_delay(vendor, time.time() if now is None else now)
    return None if delay is None else min(delay, LONGEST_PAUSE)


def _requested_delay(vendor: Headers, now: float) -> float | None:
    milliseconds = _number(vendor.get("retry-after-ms") or vendor.get("x-amz-retry-after"))
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
