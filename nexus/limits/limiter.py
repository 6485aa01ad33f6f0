"""Reserve before a call, settle after it: the only entry to spending limits.

Law: any thread; a worker thread if the store blocks. Settling never raises: a call must not fail because it could not
be counted. While a call is in flight its estimate stays reserved, so that no number of parallel calls can exceed one
quota.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Sequence

from nexus.conversation.estimate import Estimate
from nexus.dataclasses import replace
from nexus.errors import Overloaded
from nexus.limits.combining_lock import CombiningLock
from nexus.limits.demands import LimitedCall, cost_demand, demand_of, expected_of
from nexus.limits.learned import Learned
from nexus.limits.quota import SECOND, Demand, Granted, Quota, Refused, Store
from nexus.limits.refusal import refusal
from nexus.limits.reservation import Reservation
from nexus.limits.rules import LimitKey, LimitRules

log = logging.getLogger("nexus.limits")

SOON = 5 * SECOND
"""Microseconds to wait for calls in flight, whose end is unknown."""

Decided = Callable[[Quota, bool], None]
"""Called with each quota that decided, and whether it admitted the demand; from any thread."""


class Limits:
    """The spending limits of all callers. ``decided`` is called with every decision."""

    def __init__(self, store: Store, learned: Learned | None = None) -> None:
        self.store = store
        self.learned = learned or Learned()
        self._rules = LimitRules()
        self._lock = CombiningLock(self._close, threading.Lock())
        self.decided: Decided = lambda quota, granted: None
        self.open = 0
        """Reservations not yet concluded; 0 when the gateway is idle."""
        self._slack: dict[str, int] = {}
        """Per quota key: how much more is reserved for open calls of this process than they are expected to use."""

    def reserve(self, call: LimitedCall) -> Reservation:
        """Raises LimitExceeded, or Overloaded if the store cannot decide."""
        quotas, spending = self._rules.resolve(call.limit_key), call.spending
        if not quotas and spending is None:
            return Reservation(call, self._conclude, self.learned)
        counts_input = spending is not None or any(quota.dimension == "input_tokens" for quota in quotas)
        estimate = call.estimate() if counts_input else None
        expectation = expected_of(call, self.learned, estimate or Estimate(1))
        demands = [demand_of(quota, expectation, estimate or Estimate(1)) for quota in quotas]
        if spending is not None:
            demands += [cost_demand(account, expectation, spending) for account in spending.accounts]
        decision = self.store.reserve(demands)
        tell_decision(self.decided, decision)
        with self._lock:
            if isinstance(decision, Refused):
                raise refusal(self._sooner(decision))
            self.open += 1
            self._count_slack(decision.demands, 1)
        return Reservation(call, self._conclude, self.learned, estimate, decision, expectation)

    def book(self, demands: Iterable[Demand]) -> None:
        """Counts usage that was never reserved. A quota that already exceeds its limit is not counted any further."""
        for demand in demands:
            try:
                decision = self.store.reserve([replace(demand, amount=0)])
                if isinstance(decision, Granted):
                    self.store.settle(decision, [demand.amount])
            except Overloaded:
                log.exception("could not count the usage of a batch against limits")

    def quotas(self, limit_key: LimitKey) -> Sequence[Quota]:
        return [quota for quota in self._rules.resolve(limit_key) if quota.dimension != "requests"]

    def _conclude(self, granted: Granted, amounts: list[int]) -> None:
        try:
            self.store.settle(granted, amounts)
        except Exception:
            log.exception("a call could not be settled; what was reserved stays counted for its interval")
        finally:
            self._lock.change(granted.demands)

    def _close(self, demands: Iterable[Demand]) -> None:
        self.open -= 1
        self._count_slack(demands, -1)

    def _count_slack(self, demands: Iterable[Demand], sign: int) -> None:
        for demand in demands:
            if change := sign * _slack(demand):
                key = demand.quota.key
                now = self._slack.get(key, 0) + change
                if now:
                    self._slack[key] = now
                else:
                    del self._slack[key]

    def _sooner(self, refused: Refused) -> Refused:
        """Shortens the wait to ``SOON`` if the demand will fit once calls in flight release what they do not use."""
        quota, wait = refused.demand.quota, refused.wait
        used = refused.standing.used - self._slack.get(quota.key, 0)
        if wait is None or wait <= SOON or used + refused.demand.needed > quota.limit:
            return refused
        return replace(refused, wait=SOON)


def _slack(demand: Demand) -> int:
    """How much more is reserved for an open call than it is expected to use. For money: all of it, because few calls
    cost as much as they may.
    """
    return demand.amount if demand.quota.dimension == "cost" else demand.amount - demand.needed


def tell_decision(decided: Decided, decision: Granted | Refused) -> None:
    """Reports a decision to ``decided``; of a rejection only the quota in the way is known."""
    if isinstance(decision, Refused):
        decided(decision.demand.quota, False)
    else:
        for demand in decision.demands:
            decided(demand.quota, True)
