"""Standings as the rate limit headers of a client's dialect.

Remaining and reset are those of this very decision, the call itself included. Without standings there are no headers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nexus.headers.forwarding import PLAN_PREFIX, REPLY_PREFIXES
from nexus.headers.own import LIMIT
from nexus.limits.quota import SECOND, Standing
from nexus.protocols.dialect import RateLimit
from nexus.protocols.loader import DIALECTS


def headers_for(dialect: str, standings: Sequence[Standing], now: float) -> dict[str, str]:
    """Lower-case names. ``now`` is ``time.time()``."""
    if not standings:
        return {}
    limits = [
        RateLimit(each.quota.dimension, each.quota.limit, each.remaining, each.reset / SECOND) for each in standings
    ]
    return {LIMIT: "own", **DIALECTS[dialect].rate_limit_headers(limits, now)}


def with_own_limits(
    vendors: Mapping[str, str], dialect: str, standings: Sequence[Standing], now: float
) -> Mapping[str, str]:
    """Where the gateway's own limits apply, their headers replace the vendor's: the two are never mixed."""
    if not standings:
        return vendors
    others = {
        name: value
        for name, value in vendors.items()
        if name.startswith(PLAN_PREFIX) or not name.startswith(REPLY_PREFIXES)
    }
    return {**others, **headers_for(dialect, standings, now)}
