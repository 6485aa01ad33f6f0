"""Anthropic's rate limit headers. Source: Anthropic's API reference, rate limits, response headers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime

from nexus.protocols.dialect import RateLimit, tightest


def write_limits(limits: Sequence[RateLimit], now: float) -> dict[str, str]:
    headers: dict[str, str] = {}
    tokens = [limit for limit in limits if limit.dimension != "requests"]
    named = [(limit.dimension.replace("_", "-"), limit) for limit in limits]
    # Anthropic's meaning of "tokens": the currently most restrictive limit.
    named += [("tokens", tightest(tokens))] if tokens else []
    for name, limit in named:
        start = f"anthropic-ratelimit-{name}-"
        headers[f"{start}limit"] = str(limit.limit)
        headers[f"{start}remaining"] = str(limit.remaining)
        headers[f"{start}reset"] = moment(now + limit.reset)
    return headers


def moment(seconds: float) -> str:
    """RFC 3339 in UTC, whole seconds, rounded up."""
    return datetime.fromtimestamp(math.ceil(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
