"""Windows in the supervisor, shared by its worker processes: limits are exact over all of them, without Redis.

One round trip for each decision, which is one step for all processes; what was used in the end is told without
waiting. What a process had reserved when it died stays counted until its interval is over, for nobody knows what was
spent.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from nexus.errors import Overloaded
from nexus.limits.quota import Demand, Granted, Loop, Quota, Receipt, Refused, Standing
from nexus.limits.store_memory import MemoryStore
from nexus.processes.answers import Lost
from nexus.processes.answers import Refused as CallRefused
from nexus.processes.hub import Function
from nexus.processes.link import Link

log = logging.getLogger("nexus.limits")

_RESERVE = "limits.reserve"
_SETTLE = "limits.settle"
_RESTORE = "limits.restore"

Row = tuple[str, int, int, int, int | None, int]
"""Of a demand: key, limit, interval, amount, least and how long ago it counts as taken."""

_AT_ONCE = 1000
"""Rows that one call carries."""


class RemoteStore:
    blocks = True

    def __init__(self, link: Link) -> None:
        self._link = link

    def ping(self) -> None:
        return None

    def reserve(self, demands: Sequence[Demand]) -> Granted | Refused:
        with _decided():
            return _decision(demands, self._link.call(_RESERVE, [_row(demand) for demand in demands]))

    async def reserve_on_loop(self, demands: Sequence[Demand], loop: Loop) -> Granted | Refused:
        with _decided():
            return _decision(demands, await loop.ask(_RESERVE, [_row(demand) for demand in demands]))

    def settle(self, granted: Granted, amounts: Sequence[int]) -> None:
        rows = [
            (demand.quota.key, demand.quota.interval, bucket, demand.amount, amount)
            for demand, bucket, amount in zip(granted.demands, granted.receipt.buckets, amounts, strict=True)
            if amount != demand.amount
        ]
        if not rows:
            return
        try:
            self._link.tell(_SETTLE, rows)
        except Lost:
            log.warning("a reservation stays counted: the supervisor did not take what was used")

    def restore(self, spent: Sequence[Demand]) -> None:
        """As the store of the supervisor does. Raises Overloaded."""
        try:
            for start in range(0, len(spent), _AT_ONCE):
                self._link.call(_RESTORE, [_row(demand) for demand in spent[start : start + _AT_ONCE]])
        except (Lost, CallRefused) as error:
            raise Overloaded("what was spent cannot be restored", retry_after=1) from error

    def close(self) -> None:
        return None


@contextmanager
def _decided() -> Iterator[None]:
    """Raises Overloaded where the supervisor does not decide."""
    try:
        yield
    except (Lost, CallRefused) as error:
        raise Overloaded("limits cannot be checked at the moment", retry_after=1) from error


def _decision(demands: Sequence[Demand], reply: Sequence[Any]) -> Granted | Refused:
    if reply[0]:
        _, buckets, rows = reply
        standings = tuple(
            Standing(demand.quota, used, reset) for demand, (used, reset) in zip(demands, rows, strict=True)
        )
        return Granted(tuple(demands), Receipt(buckets), standings)
    _, index, used, reset, wait = reply
    return Refused(demands[index], Standing(demands[index].quota, used, reset), wait)


def services(store: MemoryStore) -> Mapping[str, Function]:
    """What a hub serves of it."""

    def reserve(rows: Sequence[Row]) -> tuple[object, ...]:
        demands = _demands(rows)
        decision = store.reserve(demands)
        if isinstance(decision, Granted):
            standings = [(standing.used, standing.reset) for standing in decision.standings]
            return True, decision.receipt.buckets, standings
        index = next(at for at, demand in enumerate(demands) if demand is decision.demand)
        return False, index, decision.standing.used, decision.standing.reset, decision.wait

    def settle(rows: Sequence[tuple[str, int, int, int, int]]) -> None:
        demands = tuple(Demand(_quota(key, 0, interval), held) for key, interval, _, held, _ in rows)
        receipt = Receipt(tuple(bucket for _, _, bucket, _, _ in rows))
        store.settle(Granted(demands, receipt, ()), [amount for *_, amount in rows])

    def restore(rows: Sequence[Row]) -> None:
        store.restore(_demands(rows))

    return {_RESERVE: reserve, _SETTLE: settle, _RESTORE: restore}


def _row(demand: Demand) -> Row:
    quota = demand.quota
    return quota.key, quota.limit, quota.interval, demand.amount, demand.least, demand.ago


def _demands(rows: Sequence[Row]) -> list[Demand]:
    return [Demand(_quota(*row[:3]), *row[3:]) for row in rows]


@lru_cache(maxsize=10_000)
def _quota(key: str, limit: int, interval: int) -> Quota:
    """What a store looks at; of a quota's dimension and rule only refusals speak, and they are made by the worker."""
    return Quota(key, "requests", limit, interval, "")
