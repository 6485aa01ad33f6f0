"""Standings as the rate limit headers that each dialect's SDKs and tools read.

Law: pure. Remaining and reset are those of this very decision, the call itself included; a reset is when nothing
counts any more, rounded up to whole seconds. Standings of nobody make no header.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from nexus.headers.forwarding import PLAN_PREFIX, REPLY_PREFIXES
from nexus.headers.own import LIMIT
from nexus.limits.quota import SECOND, Standing

OWN = {LIMIT: "own"}

_ANTHROPIC = {"input_tokens": "input-tokens", "output_tokens": "output-tokens", "requests": "requests"}


def headers_for(dialect: str, standings: Sequence[Standing], now: float) -> dict[str, str]:
    """Lower-case names. ``now`` is ``time.time()``."""
    if not standings:
        return {}
    return OWN | (_anthropic(standings, now) if dialect == "messages" else _openai(standings))


def with_own_limits(
    vendors: Mapping[str, str], dialect: str, standings: Sequence[Standing], now: float
) -> Mapping[str, str]:
    """Where limits of our own apply, they are told in place of the vendor's: the two are never mixed."""
    if not standings:
        return vendors
    others = {
        name: value
        for name, value in vendors.items()
        if name.startswith(PLAN_PREFIX) or not name.startswith(REPLY_PREFIXES)
    }
    return {**others, **headers_for(dialect, standings, now)}


def _openai(standings: Sequence[Standing]) -> dict[str, str]:
    headers: dict[str, str] = {}
    requests = [standing for standing in standings if standing.quota.dimension == "requests"]
    tokens = [standing for standing in standings if standing.quota.dimension != "requests"]
    for name, found in (("requests", requests), ("tokens", tokens)):
        if found:
            tightest = min(found, key=_share_left)
            headers[f"x-ratelimit-limit-{name}"] = str(tightest.quota.limit)
            headers[f"x-ratelimit-remaining-{name}"] = str(tightest.remaining)
            headers[f"x-ratelimit-reset-{name}"] = clock_duration(_seconds(tightest))
    return headers


def _anthropic(standings: Sequence[Standing], now: float) -> dict[str, str]:
    headers: dict[str, str] = {}
    tokens = [standing for standing in standings if standing.quota.dimension != "requests"]
    named = [(_ANTHROPIC[standing.quota.dimension], standing) for standing in standings]
    # The vendor's own meaning of "tokens": whichever limit is the most restrictive at the moment.
    named += [("tokens", min(tokens, key=_share_left))] if tokens else []
    for name, standing in named:
        start = f"anthropic-ratelimit-{name}-"
        headers[f"{start}limit"] = str(standing.quota.limit)
        headers[f"{start}remaining"] = str(standing.remaining)
        headers[f"{start}reset"] = moment(now + standing.reset / SECOND)
    return headers


def _share_left(standing: Standing) -> float:
    return standing.remaining / standing.quota.limit


def _seconds(standing: Standing) -> int:
    return -(-standing.reset // SECOND)


def clock_duration(seconds: int) -> str:
    """As OpenAI writes it: "1s", "6m0s", "1h0m0s"."""
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h{minutes}m{rest}s"
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"


def moment(seconds: float) -> str:
    """RFC 3339 in UTC, whole seconds, rounded up."""
    return datetime.fromtimestamp(-(-seconds // 1), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
