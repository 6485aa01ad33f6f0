"""The order in which the candidates for a call are tried: targets times the accounts of each.

Pure except for reading the clock. Never empty: if all candidates are in cooldown they are tried all the same, and a
sole candidate is tried regardless of its cooldown. A caller's own key is used only with the provider that it is for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from nexus.call import Call
from nexus.dataclasses import replace
from nexus.errors import AuthenticationFailed
from nexus.gateway.affinity import Moves, affinity_of, spread
from nexus.gateway.alarms import Alarms
from nexus.gateway.bounds import RetryBudgets, Rooms
from nexus.gateway.cooldowns import Cooldowns
from nexus.gateway.routing import Model
from nexus.provider import Provider
from nexus.provider.route import Route
from nexus.relay.candidate import Candidate, Plan
from nexus.wire import digest


class Router:
    """Orders candidates by their state, and keeps that state across configurations."""

    def __init__(self, cooldowns: Cooldowns | None = None) -> None:
        self.cooldowns = cooldowns or Cooldowns()
        self.moves = Moves()
        self.rooms = Rooms()
        self.retry_budgets = RetryBudgets(self.cooldowns.clock)
        self.alarms = Alarms()

    def plan(self, call: Call, model: Model) -> Plan:
        """All candidates for a call to a model. Raises AuthenticationFailed if no target has a key for it."""
        virtual = model.virtual
        if virtual is None and len(model.targets[0].provider.accounts) == 1:
            # Fast path for a plain model with one account.
            route = model.targets[0]
            own = _own(call, route.provider)
            return Plan([Candidate(route, route.provider.accounts[0], own, bool(own))])
        now, affinity = self.cooldowns.clock(), affinity_of(call, model.name)
        plan = Plan(list(_expanded(call, model, affinity)))
        if not plan.waiting:
            names = ", ".join(dict.fromkeys(route.provider.name for route in model.routes))
            raise AuthenticationFailed(f"model {model.name!r} needs the caller's own key for one of: {names}")
        if len(plan.waiting) > 1:
            plan.affinity, plan.home = affinity, plan.waiting[0].name
            stays = self.moves.candidate(affinity, now)
            # The sort is stable: the order behind the session's current candidate is unchanged.
            plan.waiting.sort(key=lambda one: one.name != stays)
            plan.waiting = self.by_cooldown(plan.waiting, now)
        if virtual is not None:
            plan.virtual, plan.patience = model.name, virtual.patience
            plan.deadline = call.received + virtual.deadline if virtual.deadline is not None else None
            plan.overflow = self._ordered(call, model, model.on_overflow, affinity)
            plan.budget = self._ordered(call, model, model.on_budget, affinity)
        return plan

    def _ordered(self, call: Call, model: Model, route: Route | None, affinity: str) -> tuple[Candidate, ...]:
        candidates = () if route is None else candidates_of(call, model, route, affinity)
        return tuple(self.by_cooldown(candidates, self.cooldowns.clock()))

    def log_fields(self, plan: Plan) -> dict[str, str | None]:
        """Fields for the log: the candidates in order, and for how long and why any of them are in cooldown."""
        now = self.cooldowns.clock()
        cooldowns = [
            f"{one.name} for {one.cooldown_until - now:.0f} s: {self.cooldowns.why(one.scopes)}"
            for one in plan.waiting
            if one.cooldown_until is not None
        ]
        return {
            "order": ", ".join(one.name for one in plan.waiting),
            "home": plan.home or None,
            "cooldown": ", ".join(cooldowns) or None,
        }

    def by_cooldown(self, candidates: Iterable[Candidate], now: float) -> list[Candidate]:
        """Candidates that are up, then those in cooldown by the end of their cooldown."""
        ends = ((one, self.cooldowns.end(one.scopes, now)) for one in candidates)
        known = [one if end is None else replace(one, cooldown_until=end) for one, end in ends]
        return sorted(known, key=lambda one: one.cooldown_until or 0.0)


def candidates_of(call: Call, model: Model, route: Route, affinity: str) -> Iterator[Candidate]:
    """The candidates of one target, in the order that the session prefers; none if the call has no key for it.

    A caller's own key never goes into a pool, nor to another provider than the one that it is for.
    """
    provider, home = route.provider, own_provider(call, model)
    if home is provider:
        yield Candidate(route, own=_own(call, provider), brings_key=True)
        return
    stays = home is not None and not (model.virtual is not None and model.virtual.spill_over)
    if not stays and (provider.settings.has_key or not provider.settings.takes_callers_key):
        for account in spread(affinity, provider.accounts, lambda one: one.name, lambda one: 1.0):
            yield Candidate(route, account, brings_key=home is not None)


def _expanded(call: Call, model: Model, affinity: str) -> Iterator[Candidate]:
    """Every candidate, in the order that the session prefers."""
    first = spread(affinity, model.spread, lambda one: one[0].name, lambda one: one[1])
    for route in (*(route for route, _ in first), *model.targets):
        yield from candidates_of(call, model, route, affinity)


def own_provider(call: Call, model: Model) -> Provider | None:
    """The provider that the caller's own key or login is for: the first in configuration order that forwards it."""
    return next((route.provider for route in model.routes if _own(call, route.provider)), None)


def _own(call: Call, provider: Provider) -> str:
    """A hashed id of the caller's own key; "" if the provider does not forward one."""
    if not provider.settings.takes_callers_key:
        return ""
    key = provider.own_key(call.own_headers, call.dialect)
    return "" if key is None else f"own:{digest(key.get_secret_value(), 32)}"
