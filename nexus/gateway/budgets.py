"""Budgets of callers: which ones a call counts against, what it may cost at most, and what it was charged.

Law: exact, in nano-dollars. Calls with a caller's own vendor key or login are neither counted nor rejected for a
budget. Leaving out what identifies the caller does not evade a budget.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping

from nexus.accounting.prices import Price
from nexus.accounting.record import Charge
from nexus.auth.identity import Identity, joined
from nexus.call import Call
from nexus.errors import InvalidRequest, Overloaded, PermissionDenied
from nexus.headers.own import TAGS
from nexus.limits.accounts import BudgetAccount, usd
from nexus.limits.call_limits import caller_account
from nexus.limits.demands import Spending
from nexus.limits.quota import Demand, Quota, Refused, Store
from nexus.limits.reservation import Reservation
from nexus.settings.budgets import Budget, covered
from nexus.settings.llm import LlmSettings

log = logging.getLogger("nexus.usage")

MOST_WARNED = 10_000
"""Maximum number of logged warnings that this process remembers."""


class Budgets:
    """``[budgets]``. ``clock`` is in Unix seconds."""

    def __init__(
        self, settings: Mapping[str, Budget], llm: LlmSettings, clock: Callable[[], float] = time.time
    ) -> None:
        self._clock = clock
        self._settings = settings
        self._by_route: dict[str, list[str]] = {}
        for name, routes in covered(settings, llm).items():
            for route in routes:
                self._by_route.setdefault(route, []).append(name)
        self._warned: OrderedDict[str, None] = OrderedDict()
        self._lock = threading.Lock()

    def cover(self, route: str) -> bool:
        """Whether a model, named ``provider/model``, counts against any budget."""
        return route in self._by_route

    def spending(self, call: Call, route: str, price: Price | None) -> Spending | None:
        """What budgets would pay for a call; None if none covers the model. Raises PermissionDenied if its price is
        unknown, InvalidRequest if the call lacks the tag that a budget is keyed by."""
        names = self._by_route.get(route)
        if names is None:
            return None
        for name in names:
            if price is None and self._settings[name].unknown == "deny":
                text = f"the price of {route} is unknown, and budget {name!r} denies calls without a known price"
                raise PermissionDenied(text)
        now = self._clock()
        accounts = [
            BudgetAccount.of(name, budget, subject_of(call, name, budget), now)
            for name, budget in ((name, self._settings[name]) for name in names)
        ]
        if price is None:
            return Spending(tuple(accounts), lambda usage: 0, lambda input, output: 0)
        tier = call.document.get("service_tier")
        return Spending(tuple(accounts), price.cost, price.for_tier(tier if isinstance(tier, str) else "").most)

    def accounts(self, identity: Identity, address: str) -> Iterator[BudgetAccount]:
        """The caller's shares of budgets that apply to every call: per caller, per key and per group."""
        now = self._clock()
        for name, budget in self._settings.items():
            if budget.tag is None and budget.per != "session":
                yield BudgetAccount.of(name, budget, _whose(identity, address, budget), now)

    def account(self, name: str, subject: str) -> BudgetAccount | None:
        """A subject's share of a budget, both named as in the ledger; None if there is no such budget."""
        settings = self._settings.get(name)
        return None if settings is None else BudgetAccount.of(name, settings, subject, self._clock())

    def concluded(self, reservation: Reservation, store: Store) -> Iterator[Charge]:
        """What a finished call was charged; logs a warning when a budget is nearly used up."""
        for account, nano, used in reservation.charged:
            if self._is_nearly_used(account, used) and self._is_first(account, store):
                fields = {
                    "budget": account.name,
                    "subject": account.subject,
                    "period": account.period.name,
                    "used_usd": usd(used),
                    "limit_usd": usd(account.budget.limit_usd),
                }
                log.warning("a budget is nearly exhausted", extra={"fields": fields})
            if nano:
                yield Charge(account.name, account.subject, account.period.name, nano)

    def _is_nearly_used(self, account: BudgetAccount, used: int) -> bool:
        share = account.budget.warn_at
        return share is not None and used >= share * account.budget.limit_usd

    def _is_first(self, account: BudgetAccount, store: Store) -> bool:
        """Whether no process that uses the same store has warned of this yet."""
        quota = account.quota
        key = f"{quota.key}:warned"
        with self._lock:
            if key in self._warned:
                return False
            self._warned[key] = None
            if len(self._warned) > MOST_WARNED:
                self._warned.popitem(last=False)
        once = Demand(Quota(key, "requests", 1, quota.interval, quota.rule), 1, ago=account.ago)
        try:
            return not isinstance(store.reserve([once]), Refused)
        except Overloaded:
            return True

    def spent(self, charges: Iterable[Charge]) -> list[Demand]:
        """The charges of the current periods, as demands to restore in a store."""
        now, demands = self._clock(), list[Demand]()
        for charge in charges:
            if (budget := self._settings.get(charge.budget)) is not None and charge.nano > 0:
                account = BudgetAccount.of(charge.budget, budget, charge.subject, now)
                if account.period.name == charge.period:
                    demands.append(Demand(account.quota, charge.nano, ago=account.ago))
        return demands

    @property
    def periods(self) -> Mapping[str, str]:
        """The current period of each budget, by the budget's name."""
        now = self._clock()
        return {name: BudgetAccount.of(name, budget, "", now).period.name for name, budget in self._settings.items()}


def subject_of(call: Call, name: str, budget: Budget) -> str:
    """The subject whose share of the budget a call counts against. Raises InvalidRequest if the tag is missing."""
    caller = _whose(call.identity, call.caller, budget)
    if budget.per == "session":
        # Joined with the caller, so that a made-up session id never meets another caller's.
        return joined("session", caller, call.tags.session or "")
    if budget.tag is None:
        return caller
    value = dict(call.tags.given).get(budget.tag)
    if value is None:
        text = f"expected {budget.tag}=..., which budget {name!r} requires, such as {budget.tag}=web"
        raise InvalidRequest.about(TAGS, text)
    return value


def _whose(identity: Identity, address: str, budget: Budget) -> str:
    """The caller, key or group that the budget is kept for."""
    if budget.per == "group":
        # Callers without a group share one budget.
        return identity.group or ""
    if budget.per == "key" and identity.key is not None:
        return joined("key", identity.key)
    return caller_account(identity, address)
