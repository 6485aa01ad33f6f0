"""Settlements on their way to Redis, each sent until Redis answers, and counted once.

What Redis does not answer waits until Redis is back. A settlement corrects whatever Redis knows of its reservation: all
of it, nothing (the call was decided without Redis), or either (the answer was lost).
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import groupby
from typing import Any

from nexus.dataclasses import dataclass, replace
from nexus.limits.quota import SECOND, Demand, Granted
from nexus.limits.redis_nodes import Redis
from nexus.limits.script import SETTLE
from nexus.limits.store_keys import tag_of
from nexus.limits.window import width_of

MOST = 10_000
"""Settlements kept while Redis is unavailable; the oldest are dropped."""

AT_ONCE = 50
"""Settlements of one script, which all other scripts wait for."""

Run = Callable[[str, Sequence[str], Iterable[object]], Any]
"""Runs a script with keys and arguments; None if Redis does not answer."""


@dataclass(frozen=True, slots=True)
class Settlement:
    """The true ``amounts`` of the demands that were reserved under ``name``, ``at`` a time."""

    name: str
    at: float
    demands: Sequence[Demand]
    amounts: Sequence[int]
    may_have_arrived: bool = False

    @property
    def is_exact(self) -> bool:
        return all(demand.amount == amount for demand, amount in zip(self.demands, self.amounts, strict=True))

    @property
    def parts(self) -> Iterator[Settlement]:
        """One for each slot of a cluster, which cannot have reserved several under one name."""
        both = zip(self.demands, self.amounts, strict=True)
        for _, part in groupby(both, lambda one: tag_of(one[0].quota.key)):
            demands, amounts = zip(*part, strict=True)
            yield replace(self, demands=demands, amounts=amounts)


class Settlements:
    def __init__(self, redis: Redis, run: Run, prefix: str, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._redis = redis
        self._run = run
        self._prefix = prefix
        self._monotonic = monotonic
        self._unsent: deque[Settlement] = deque(maxlen=MOST)
        self._at_once = AT_ONCE

    def settle(self, granted: Granted, amounts: Sequence[int]) -> None:
        receipt = granted.receipt
        settlement = Settlement(receipt.name, receipt.at, granted.demands, amounts)
        self._unsent.append(settlement)
        # One that changes nothing only takes the reservation's key away: it goes with the next ones.
        if not settlement.is_exact or len(self._unsent) >= AT_ONCE:
            self.send()

    def send(self) -> None:
        """Sends all, many at once; in a cluster, whose scripts have keys of one slot only, one after the other."""
        unanswered: list[Settlement] = []
        while not self._redis.is_down and (batch := self._next_batch()):
            try:
                answered = self._run(SETTLE, *self._arguments(batch)) is not None
            except self._redis.cross_slot:
                self._at_once = 1
                self._unsent.extendleft(part for one in batch for part in one.parts)
                continue
            if not answered:
                unanswered += (replace(one, may_have_arrived=True) for one in batch)
        self._unsent.extend(unanswered)

    def _next_batch(self) -> list[Settlement]:
        batch: list[Settlement] = []
        with suppress(IndexError):
            while len(batch) < self._at_once:
                batch.append(self._unsent.popleft())
        return batch

    def _arguments(self, batch: Sequence[Settlement]) -> tuple[list[str], list[object]]:
        keys: list[str] = []
        arguments: list[object] = []
        for one in batch:
            keys += keys_of(self._prefix, one.demands, one.name)
            arguments += (int(one.may_have_arrived), len(one.demands))
            passed = round((self._monotonic() - one.at) * SECOND)
            for demand, amount in zip(one.demands, one.amounts, strict=True):
                interval = demand.quota.interval
                arguments += (interval, width_of(interval), demand.amount, amount, demand.ago + passed)
        return keys, arguments


def keys_of(prefix: str, demands: Sequence[Demand], name: str) -> list[str]:
    """The keys of the quotas and, in the same slot, that of the reservation; none without demands."""
    keys = [prefix + demand.quota.key for demand in demands]
    return [*keys, f"{prefix}{{{tag_of(demands[0].quota.key)}}}:reserved:{name}"] if keys else keys
