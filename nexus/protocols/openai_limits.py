"""OpenAI's rate limit headers, which chat and Responses share. Source: OpenAI's guide to rate limits."""

from __future__ import annotations

import math
from collections.abc import Sequence

from nexus.protocols.dialect import RateLimit, tightest


def write_limits(limits: Sequence[RateLimit]) -> dict[str, str]:
    headers: dict[str, str] = {}
    requests = [limit for limit in limits if limit.dimension == "requests"]
    tokens = [limit for limit in limits if limit.dimension != "requests"]
    for name, found in (("requests", requests), ("tokens", tokens)):
        if found:
            limit = tightest(found)
            headers[f"x-ratelimit-limit-{name}"] = str(limit.limit)
            headers[f"x-ratelimit-remaining-{name}"] = str(limit.remaining)
            headers[f"x-ratelimit-reset-{name}"] = duration(math.ceil(limit.reset))
    return headers


def duration(seconds: int) -> str:
    """As OpenAI writes it: "1s", "6m0s", "1h0m0s"."""
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h{minutes}m{rest}s"
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"
