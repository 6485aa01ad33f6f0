"""Windows in Redis, shared by every process and machine.

Law: worker threads only, for every call may wait for the network; one script for each decision, so that it is atomic
whatever else happens. redis-py is imported when a store is made. A command is never sent twice: one whose answer was
lost may have counted, and stays counted until its interval is over.

Every claim is booked in a local window too. While Redis is lost that decides alone ("allow") or all are refused with
503 ("deny"), and one call a second looks whether Redis is back. When it is, or is found to have forgotten, both have to
grant until every interval that began before is over: so a single process keeps its limits exactly whatever Redis
loses; several together can pass at most the limit each.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from nexus.errors import Overloaded
from nexus.limits.breaker import Breaker, Pass
from nexus.limits.budget import SECOND, Claim, Granted, Refused, Standing, Token
from nexus.limits.redis_client import errors, explain, place
from nexus.limits.redis_nodes import Nodes
from nexus.limits.script import RESERVE, SETTLE
from nexus.limits.store_memory import MemoryStore
from nexus.limits.window import longer, width_of
from nexus.settings.limits import RedisStorage

log = logging.getLogger("nexus.limits")

REST = 1.0
"""Seconds between two looks at a Redis that is lost."""


@dataclass(slots=True)
class Trouble:
    """Counts since the start, for metrics."""

    failures: int = 0
    """Commands that Redis did not answer."""

    local: int = 0
    """Decisions made without Redis."""

    denied: int = 0
    """Decisions refused because Redis was lost."""

    unsettled: int = 0
    """Settlements that Redis never saw; what had been reserved stays counted for its interval."""


class RedisStore:
    blocks = True

    def __init__(
        self,
        settings: RedisStorage,
        *,
        clock: Callable[[], int] | None = None,
        local: MemoryStore | None = None,
        breaker: Breaker | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """``clock`` replaces the server's time, for tests. Raises MissingRedis."""
        self._settings = settings
        self._nodes = Nodes(settings)
        self._lost = errors().lost
        self._prefix = settings.key_prefix
        self._denies = settings.on_failure == "deny"
        self._clock = clock
        self._local = local or MemoryStore()
        self._breaker = breaker or Breaker(REST)
        self._monotonic = monotonic
        self._doubted: float | None = None
        self._losses = 0
        self._lock = threading.Lock()
        self.trouble = Trouble()

    @property
    def is_lost(self) -> bool:
        return self._breaker.is_open

    def ping(self) -> None:
        # A decision about nothing: it needs the rights that every other one needs.
        if self._run(RESERVE, (), "", ()) is not None:
            log.info("limits are counted in Redis", extra={"fields": {"redis": place(self._settings)}})

    def reserve(self, claims: Sequence[Claim]) -> Granted | Refused:
        while True:
            losses = self._losses
            decision = self._decide(claims)
            if not (isinstance(decision, Granted) and decision.token.buckets) or self._losses == losses:
                return decision
            # Redis forgot something while it decided this: what it granted may be spent already.
            self.settle(decision, [0] * len(claims))

    def settle(self, granted: Granted, amounts: Sequence[int]) -> None:
        token = granted.token
        if token.local is not None:
            self._local.settle(token.local, amounts)
        deltas = [amount - claim.amount for claim, amount in zip(granted.claims, amounts, strict=True)]
        if not token.buckets or not any(deltas):
            return
        rows = [
            (claim.budget.interval, width_of(claim.budget.interval), bucket, delta, generation)
            for claim, bucket, delta, generation in zip(
                granted.claims, token.buckets, deltas, token.generations, strict=True
            )
        ]
        if self._run(SETTLE, granted.claims, secrets.token_hex(4), rows) is None:
            self._count("unsettled")

    def close(self) -> None:
        self._nodes.close()

    def _decide(self, claims: Sequence[Claim]) -> Granted | Refused:
        # Booked here before Redis is asked: should it be lost the next moment, whoever decides without it knows.
        copy = self._copy(claims, checked=self._recently_lost(claims))
        if isinstance(copy, Refused):
            return copy
        nonce = secrets.token_hex(4)
        reply = self._run(RESERVE, claims, nonce, [_claim_arguments(claim) for claim in claims])
        if reply is None:
            self._undo(copy)
            return self._without_redis(claims)
        decision = _read(claims, reply)
        if isinstance(decision, Refused):
            self._undo(copy)
            return decision
        token = Token(decision.token.buckets, decision.token.generations, copy)
        if copy is not None and _forgotten(token.generations, nonce, copy):
            self._forgot(None if self._recently_lost(claims) else "Redis forgot what was spent")
        return Granted(decision.claims, token, decision.standings)

    def _copy(self, claims: Sequence[Claim], checked: bool) -> Granted | Refused | None:
        """The claims in the local window; None where that is full, which is no reason not to ask Redis."""
        try:
            return self._local.reserve(claims) if checked else self._local.book(claims)
        except Overloaded:
            return None

    def _undo(self, copy: Granted | None) -> None:
        if copy is not None:
            self._local.settle(copy, [0] * len(copy.claims))

    def _without_redis(self, claims: Sequence[Claim]) -> Granted | Refused:
        """Raises Overloaded where the settings say so, or where the local window is full."""
        if self._denies:
            self._count("denied")
            raise Overloaded("limits cannot be checked at the moment", retry_after=REST)
        self._count("local")
        decision = self._local.reserve(claims)
        if isinstance(decision, Refused):
            return decision
        return Granted(decision.claims, Token((), (), decision), decision.standings)

    def _recently_lost(self, claims: Sequence[Claim]) -> bool:
        """Whether Redis may have forgotten, or never seen, something that still counts."""
        if self._doubted is None:
            return False
        longest = max(claim.budget.interval for claim in claims) / SECOND
        return self._monotonic() < self._doubted + longest

    def _forgot(self, message: str | None) -> None:
        """From now on the local window decides too; a message where it did not until now."""
        with self._lock:
            self._doubted = self._monotonic()
            self._losses += message is not None
        if message is not None:
            log.warning(message, extra={"fields": {"local_decisions": self.trouble.local}})

    def _run(self, script: str, claims: Sequence[Claim], nonce: str, rows: Sequence[Sequence[object]]) -> Any:
        """The script's reply, or None where Redis does not answer; one row of arguments for each claim."""
        keys = [self._prefix + claim.budget.key for claim in claims]
        now = "" if self._clock is None else self._clock()
        return self._ask(lambda: self._nodes.run(script, keys, [now, nonce, *chain.from_iterable(rows)]))

    def _ask(self, command: Callable[[], Any]) -> Any:
        entered = self._breaker.enter()
        if entered is None:
            return None
        try:
            reply = command()
        except self._lost as error:
            self._failed(error)
            return None
        self._answered(entered)
        return reply

    def _failed(self, error: Exception) -> None:
        self._count("failures")
        # A command that fails while others work is trouble too, and over with the next probe.
        if self._breaker.failed():
            instead = "limited calls are refused" if self._denies else "limits are counted in this process alone"
            reason = explain(error, self._settings)
            fields = {"redis": place(self._settings), "error": type(error).__name__, "reason": reason}
            log.error(f"Redis is lost: {instead}", extra={"fields": fields})

    def _answered(self, entered: Pass) -> None:
        if self._breaker.succeeded(entered):
            self._forgot("Redis is back")

    def _count(self, name: str) -> None:
        with self._lock:
            setattr(self.trouble, name, getattr(self.trouble, name) + 1)


def _claim_arguments(claim: Claim) -> tuple[int, ...]:
    interval = claim.budget.interval
    return (claim.budget.limit, interval, width_of(interval), claim.amount, claim.needed)


def _forgotten(generations: Sequence[bytes], nonce: str, copy: Granted) -> bool:
    """Whether a hash was made by this very decision although this process has spent something under its key."""
    return any(
        generation == nonce.encode() and standing.used > claim.amount
        for generation, claim, standing in zip(generations, copy.claims, copy.standings, strict=True)
    )


def _read(claims: Sequence[Claim], reply: Sequence[Any]) -> Granted | Refused:
    now = int(reply[1])
    rows = [reply[at : at + 4] for at in range(2, len(reply), 4)]
    if reply[0]:
        buckets = tuple(now // width_of(claim.budget.interval) for claim in claims)
        standings = tuple(
            Standing(claim.budget, int(used), claim.budget.interval)
            for claim, (_, used, *_) in zip(claims, rows, strict=True)
        )
        return Granted(tuple(claims), Token(buckets, tuple(row[0] for row in rows)), standings)
    refused: Refused | None = None
    for claim, (_, used, newest, waits) in zip(claims, rows, strict=True):
        wait = None if waits < 0 else int(waits)
        if wait != 0 and (refused is None or longer(wait, refused.wait)):
            reset = max(0, int(newest) + claim.budget.interval - now) if used or newest else 0
            refused = Refused(claim, Standing(claim.budget, int(used), reset), wait)
    if refused is None:
        raise ValueError("Redis refused without a reason")
    return refused
