"""Standings as rate limit headers of a client's dialect.

"Remaining" and "reset" are those of this decision, the call itself included. Without standings there are no headers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nexus.headers.forwarding import PLAN_PREFIX, REPLY_PREFIXES
from nexus.headers.own import BUDGET_REMAINING, LIMIT
from nexus.limits.accounts import usd
from nexus.limits.quota import SECOND, Standing
from nexus.protocols.dialect import RateLimit
from nexus.protocols.loader import DIALECTS


def headers_for(dialect: str, standings: Sequence[Standing], now: float) -> dict[str, str]:
    """The rate limit headers, by lower-case name. ``now`` is in Unix seconds."""
    limits = [
        RateLimit(each.quota.dimension, each.quota.limit, each.remaining, each.reset / SECOND)
        for each in standings
        if each.quota.dimension != "cost"
    ]
    return {LIMIT: "own", **DIALECTS[dialect].rate_limit_headers(limits, now)} if limits else {}


def with_own_limits(
    vendors: Mapping[str, str], dialect: str, standings: Sequence[Standing], now: float
) -> Mapping[str, str]:
    """If the gateway's own limits apply, their headers replace the vendor's: the two are never mixed."""
    own = headers_for(dialect, standings, now)
    if not own:
        return vendors
    others = {
        name: value
        for name, value in vendors.items()
        if name.startswith(PLAN_PREFIX) or not name.startswith(REPLY_PREFIXES)
    }
    return {**others, **own}


def budget_header(left: int | None) -> dict[str, str]:
    """The header for what is left of the tightest budget, in nano-dollars; empty without a budget."""
    return {} if left is None else {BUDGET_REMAINING: usd(left)}
