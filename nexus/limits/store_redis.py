"""The limit store in Redis, shared by all processes and machines.

Worker threads only, because every call may wait for the network. One script per decision, so that it is atomic. A
cluster runs no script over keys of several slots: there the slots are reserved one after the other, and released if a
later one refuses. redis-py is imported when a store is created. A reservation is never sent twice: if its answer was
lost, its settlement corrects it (``settlements``).

Every demand is booked in a local window too. While Redis is unavailable, that window decides alone ("allow") or all
limited calls get a 503 ("deny"), and one call per second probes Redis. After Redis returns, or turns out to have lost
data, both must grant until every interval that began before is over: so a single process keeps its limits exactly,
whatever Redis loses; several processes together can exceed them by at most one limit each.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from itertools import chain, groupby, islice
from typing import Any

from nexus.dataclasses import replace
from nexus.errors import Overloaded
from nexus.limits.breaker import Breaker
from nexus.limits.quota import SECOND, Demand, Granted, Receipt, Refused, Standing
from nexus.limits.redis_nodes import PAUSE, Redis
from nexus.limits.script import RESERVE
from nexus.limits.settlements import Settlements, keys_of
from nexus.limits.store_keys import tag_of
from nexus.limits.store_memory import MemoryStore
from nexus.limits.window import longer, width_of
from nexus.limits.window_table import PLACES
from nexus.settings.limits import RedisStorage

log = logging.getLogger("nexus.limits")


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
        """``clock`` replaces the server's time, for tests. Raises CannotServe."""
        self._splits = False
        self._prefix = settings.key_prefix
        self._denies = settings.on_failure == "deny"
        self._clock = clock
        self._local = local or MemoryStore()
        self._monotonic = monotonic
        self._lost_at: float | None = None
        self._losses = 0
        self._known: dict[str, tuple[bytes, float]] = {}
        """Per quota key: the generation of its hash, and when it was seen."""
        self._lock = threading.Lock()
        self.local_decisions = 0
        """Number of decisions made without Redis since the start."""
        instead = "limited calls are refused" if self._denies else "limits are counted in this process only"
        self.redis = Redis(settings, log, instead=instead, back=self._returned, breaker=breaker)
        self._settlements = Settlements(self.redis, self._run, self._prefix, monotonic)

    @property
    def is_cut_off(self) -> bool:
        return self.redis.is_down

    def ping(self) -> None:
        # A decision without demands: it needs the same permissions as any other.
        if self._run(RESERVE, (), ()) is not None:
            log.info("limits are counted in Redis", extra={"fields": {"redis": self.redis.address}})

    def reserve(self, demands: Sequence[Demand]) -> Granted | Refused:
        if not self._splits:
            try:
                return self._reserve(demands)
            except self.redis.cross_slot:
                self._splits = True
        return self._reserve_in_turn([tuple(part) for _, part in groupby(demands, _tag)])

    def _reserve_in_turn(self, parts: Sequence[tuple[Demand, ...]]) -> Granted | Refused:
        granted: list[Granted] = []
        decision: Granted | Refused | None = None
        try:
            for part in parts:
                decision = self._reserve(part)
                if isinstance(decision, Refused):
                    return decision
                granted.append(decision)
            demands = tuple(chain.from_iterable(parts))
            standings = tuple(chain.from_iterable(one.standings for one in granted))
            whole = Granted(demands, Receipt(parts=tuple(granted)), standings)
            granted = []
            return whole
        finally:
            for one in granted:
                self.settle(one, [0] * len(one.demands))

    def _reserve(self, demands: Sequence[Demand]) -> Granted | Refused:
        while True:
            losses = self._losses
            decision = self._decide(demands)
            if isinstance(decision, Refused) or self._losses == losses:
                return decision
            # Redis lost data or returned during this decision: what was granted may have been spent before.
            self.settle(decision, [0] * len(demands))

    def restore(self, spent: Sequence[Demand]) -> None:
        """Does nothing: Redis keeps its data over a restart of Nexus."""

    def settle(self, granted: Granted, amounts: Sequence[int]) -> None:
        receipt, left = granted.receipt, iter(amounts)
        for part in receipt.parts:
            self.settle(part, list(islice(left, len(part.demands))))
        if receipt.local is not None:
            self._local.settle(receipt.local, amounts)
        if receipt.name:
            self._settlements.settle(granted, amounts)

    def _returned(self) -> None:
        self._forgot("Redis is back")
        self._settlements.send()

    def close(self) -> None:
        self._settlements.send()
        self.redis.close()

    def _decide(self, demands: Sequence[Demand]) -> Granted | Refused:
        # Book locally before asking Redis: if Redis is lost right after, local decisions already include this one.
        copy = self._copy(demands, checked=self._recently_lost(demands))
        if isinstance(copy, Refused) and copy.wait is not None:
            return copy
        booked, failures = copy if isinstance(copy, Granted) else None, self.redis.failures
        receipt = Receipt(name=secrets.token_hex(8), at=self._monotonic(), local=booked)
        try:
            arguments = chain.from_iterable(_demand_arguments(demand) for demand in demands)
            reply = self._run(RESERVE, keys_of(self._prefix, demands, receipt.name), arguments)
        except self.redis.cross_slot:
            self._undo(copy)
            raise
        if isinstance(copy, Refused):
            # It never fits, so Redis took nothing either; but it may know of more that was used.
            there = copy if reply is None else _read(demands, reply, receipt)
            return there if isinstance(there, Refused) and there.standing.used > copy.standing.used else copy
        if reply is None:
            self._undo(copy)
            return self._without_redis(demands, receipt, maybe_reserved=self.redis.failures != failures)
        decision = _read(demands, reply, receipt)
        if isinstance(decision, Refused):
            self._undo(copy)
        elif copy is not None and self._has_forgotten(reply[2::4], copy):
            self._forgot(None if self._recently_lost(demands) else "Redis lost the counts of limits")
        return decision

    def _copy(self, demands: Sequence[Demand], checked: bool) -> Granted | Refused | None:
        """Books the demands in the local window; None if that is full, in which case only Redis decides."""
        try:
            return self._local.reserve(demands) if checked else self._local.book(demands)
        except Overloaded:
            return None

    def _undo(self, copy: Granted | Refused | None) -> None:
        if isinstance(copy, Granted):
            self._local.settle(copy, [0] * len(copy.demands))

    def _without_redis(self, demands: Sequence[Demand], receipt: Receipt, maybe_reserved: bool) -> Granted | Refused:
        """Decides with the local window. Raises Overloaded if the settings deny that, or if the window is full."""
        decision: Granted | Refused | None = None
        try:
            if self._denies:
                raise Overloaded("limits are temporarily unavailable; retry in a moment", retry_after=PAUSE)
            with self._lock:
                self.local_decisions += 1
            decision = self._local.reserve(demands)
        finally:
            if maybe_reserved and not isinstance(decision, Granted):
                self._settlements.settle(Granted(tuple(demands), receipt, ()), [0] * len(demands))
        if isinstance(decision, Refused):
            return decision
        return replace(decision, receipt=replace(receipt, local=decision))

    def _recently_lost(self, demands: Sequence[Demand]) -> bool:
        """Whether Redis may have lost, or never received, something that still counts."""
        if self._lost_at is None:
            return False
        longest = max(demand.quota.interval for demand in demands) / SECOND
        return self._monotonic() < self._lost_at + longest

    def _has_forgotten(self, generations: Sequence[bytes], copy: Granted) -> bool:
        """Whether the hash of a key changed within its interval, while something spent here still counts."""
        now, forgotten = self._monotonic(), False
        with self._lock:
            for generation, demand, standing in zip(generations, copy.demands, copy.standings, strict=True):
                known, at = self._known.pop(demand.quota.key, (generation, now))
                self._known[demand.quota.key] = generation, now
                recent = now < at + demand.quota.interval / SECOND and standing.used > demand.amount
                forgotten |= recent and generation != known
            while len(self._known) > PLACES:
                del self._known[next(iter(self._known))]
        return forgotten

    def _forgot(self, message: str | None) -> None:
        """Makes the local window decide too from now on. ``message`` is None if it already does."""
        with self._lock:
            self._lost_at = self._monotonic()
            self._losses += message is not None
        if message is not None:
            log.warning(message, extra={"fields": {"local_decisions": self.local_decisions}})

    def _run(self, script: str, keys: Sequence[str], arguments: Iterable[object]) -> Any:
        """The script's reply, or None if Redis does not answer."""
        now = "" if self._clock is None else self._clock()
        return self.redis.run(script, keys, [now, secrets.token_hex(4), *arguments])


def _tag(demand: Demand) -> str:
    return tag_of(demand.quota.key)


def _demand_arguments(demand: Demand) -> tuple[int, ...]:
    interval = demand.quota.interval
    return (demand.quota.limit, interval, width_of(interval), demand.amount, demand.needed, demand.ago)


def _read(demands: Sequence[Demand], reply: Sequence[Any], receipt: Receipt) -> Granted | Refused:
    now = int(reply[1])
    rows = [reply[at : at + 4] for at in range(2, len(reply), 4)]
    if reply[0]:
        standings = tuple(
            Standing(demand.quota, int(used), demand.quota.interval - demand.ago)
            for demand, (_, used, *_) in zip(demands, rows, strict=True)
        )
        return Granted(tuple(demands), receipt, standings)
    refused: Refused | None = None
    for demand, (_, used, newest, waits) in zip(demands, rows, strict=True):
        wait = None if waits < 0 else int(waits)
        if wait != 0 and (refused is None or longer(wait, refused.wait)):
            reset = max(0, int(newest) + demand.quota.interval - now) if used or newest else 0
            refused = Refused(demand, Standing(demand.quota, int(used), reset), wait)
    if refused is None:
        raise ValueError("Redis refused without a reason")
    return refused
