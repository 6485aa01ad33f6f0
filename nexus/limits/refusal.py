"""The gateway's own 429, with what the caller can do about it.

The message names the rule, the limit and what is left; ``retry_after`` is exact, and absent if waiting cannot help.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime

from nexus.errors import RateLimited
from nexus.headers.own import LIMIT
from nexus.limits.accounts import CENT, in_dollars
from nexus.limits.headers import budget_header, headers_for
from nexus.limits.quota import SECOND, Dimension, Refused

WORDS: dict[Dimension, str] = {
    "input_tokens": "input tokens",
    "output_tokens": "output tokens",
    "requests": "requests",
    "cost": "nano-dollars",
}

HINT: dict[Dimension, str] = {
    "input_tokens": "shorten it",
    "output_tokens": "lower max_tokens",
    "requests": "request fewer answers",
    "cost": "request less",
}

LONG = 60 * SECOND
"""Microseconds: an automatic retry by the client makes no sense after a longer wait."""


class LimitExceeded(RateLimited):
    """``refused`` is the decision: the quota in the way, and the demand on it."""

    def __init__(self, refused: Refused) -> None:
        self.refused = refused
        retry_after = None if refused.wait is None else refused.wait / SECOND
        param = "max_tokens" if refused.never and refused.demand.quota.dimension == "output_tokens" else None
        super().__init__(self._message(refused), param=param, retry_after=retry_after)

    def reply_headers(self, dialect: str) -> dict[str, str]:
        # OpenAI's and Anthropic's SDKs would otherwise retry every 429.
        hopeless = {"x-should-retry": "false"} if self.is_hopeless else {}
        own = headers_for(dialect, (self.refused.standing,), time.time())
        return {**super().reply_headers(dialect), LIMIT: "own", **own, **hopeless}

    @property
    def is_hopeless(self) -> bool:
        """Whether an automatic retry by the client is useless."""
        return self.refused.never

    @staticmethod
    def _message(refused: Refused) -> str:
        quota, needed = refused.standing.quota, refused.demand.needed
        what = WORDS[quota.dimension]
        limit = f"Nexus limits {quota.rule} to {quota.limit} {what} per {interval_words(quota.interval)}"
        if refused.wait is None:
            return f"{limit}; this request needs {needed} and can never succeed: {HINT[quota.dimension]}"
        seconds = max(1, -(-refused.wait // SECOND))
        return f"{limit}; {refused.standing.remaining} are left and this request needs {needed}: retry in {seconds} s"


class BudgetExceeded(LimitExceeded):
    """The same for money, in nano-dollars."""

    def __init__(self, refused: Refused) -> None:
        super().__init__(refused)
        self._waits_long = refused.wait is None or refused.wait > LONG
        if self._waits_long:
            self.kind = "quota"

    def reply_headers(self, dialect: str) -> dict[str, str]:
        return {**super().reply_headers(dialect), **budget_header(self.refused.standing.remaining)}

    @property
    def is_hopeless(self) -> bool:
        return self._waits_long

    @staticmethod
    def _message(refused: Refused) -> str:
        quota, needed = refused.standing.quota, refused.demand.needed
        left = f"{in_dollars(refused.standing.remaining)} is left of {quota.rule}"
        # Rounded up: rounded down, it could seem to fit.
        needs = f"this request may cost {in_dollars(needed if needed < CENT else -(-needed // CENT) * CENT)}"
        if refused.wait is None:
            return f"{left}; {needs} and can never succeed: {HINT['cost']}"
        if refused.wait <= LONG:
            return f"{left}; {needs}: retry in {max(1, -(-refused.wait // SECOND))} s"
        begins = datetime.fromtimestamp(time.time() + refused.wait / SECOND, UTC)
        return f"{left}; {needs}: it resets at {begins:%Y-%m-%dT%H:%M:%SZ}"


def refusal(refused: Refused) -> LimitExceeded:
    """The error for the kind of quota that was exceeded."""
    return BudgetExceeded(refused) if refused.demand.quota.dimension == "cost" else LimitExceeded(refused)


def interval_words(interval: int) -> str:
    """Microseconds in the notation of settings, with the largest unit that fits without a remainder."""
    for unit, size in (("d", 86_400_000_000), ("h", 3_600_000_000), ("m", 60_000_000), ("s", SECOND), ("ms", 1000)):
        if interval % size == 0:
            return f"{interval // size}{unit}"
    return f"{interval / 1000:g}ms"
