"""The order in which places that could answer a call are tried: targets times the accounts of each.

Pure except for reading the clock. Never empty: if all places are in cooldown they are tried all the same, and a sole
candidate is tried regardless of its cooldown. A caller's own key is used only with the provider that it is for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import replace

from nexus.call import Call
from nexus.dataclasses import dataclass
from nexus.errors import AuthenticationFailed
from nexus.gateway.affinity import Moves, affinity_of, spread
from nexus.gateway.alarms import Alarms
from nexus.gateway.bounds import Budgets, Rooms
from nexus.gateway.rests import Rests
from nexus.gateway.routing import Model
from nexus.provider import Provider
from nexus.provider.route import Route
from nexus.relay.candidate import Candidate, Plan


@dataclass(frozen=True, slots=True)
class Choice:
    """The candidates of a call in order. ``home`` is the place where its session would go if nothing were in cooldown,
    ``affinity`` the key that decides it; both are "" if there is only one choice.
    """

    candidates: tuple[Candidate, ...]
    affinity: str = ""
    home: str = ""


class Router:
    """Orders candidates by the state of the places, and keeps that state across configurations."""

    def __init__(self, rests: Rests | None = None) -> None:
        self.rests = rests or Rests()
        self.moves = Moves()
        self.rooms = Rooms()
        self.budgets = Budgets(self.rests.clock)
        self.alarms = Alarms()

    def choose(self, call: Call, model: Model) -> Choice:
        """Orders the candidates of a call. Raises AuthenticationFailed if no target has a key for it."""
        if model.virtual is None and len(model.targets[0].provider.accounts) == 1:
            # Fast path for a plain model with one account.
            route = model.targets[0]
            own = _own(call, route.provider)
            return Choice((Candidate(route, route.provider.accounts[0], own, bool(own)),))
        now = self.rests.clock()
        affinity = affinity_of(call, model.name)
        ordered = list(_expanded(call, model, affinity))
        if not ordered:
            raise AuthenticationFailed(_nobodys_key(model))
        if len(ordered) == 1:
            return Choice(tuple(ordered))
        home = ordered[0].name
        stays = self.moves.place(affinity, now)
        # The sort is stable: the order behind the session's current place is unchanged.
        ordered.sort(key=lambda one: one.name != stays)
        return Choice(self.rested(ordered, now), affinity, home)

    def plan(self, call: Call, model: Model) -> Plan:
        """All the places that a call to a model may go to. Raises AuthenticationFailed as ``choose`` does."""
        choice, virtual = self.choose(call, model), model.virtual
        if virtual is None:
            return Plan(list(choice.candidates), affinity=choice.affinity, home=choice.home)
        return Plan(
            list(choice.candidates),
            virtual=model.name,
            affinity=choice.affinity,
            home=choice.home,
            overflow=self._places(call, model, model.on_overflow, choice),
            budget=self._places(call, model, model.on_budget, choice),
            patience=virtual.patience,
            deadline=call.received + virtual.deadline if virtual.deadline is not None else None,
        )

    def _places(self, call: Call, model: Model, route: Route | None, choice: Choice) -> tuple[Candidate, ...]:
        if route is None:
            return ()
        affinity = choice.affinity or affinity_of(call, model.name)
        return self.rested(candidates_of(call, model, route, affinity), self.rests.clock())

    def log_fields(self, plan: Plan) -> dict[str, str | None]:
        """For the log: the places in order, and for how long and why each one in cooldown is."""
        now = self.rests.clock()
        rests = [
            f"{one.name} for {one.resting - now:.0f} s: {self.rests.why(one.scopes)}"
            for one in plan.waiting
            if one.resting is not None
        ]
        return {
            "order": ", ".join(one.name for one in plan.waiting),
            "home": plan.home or None,
            "resting": ", ".join(rests) or None,
        }

    def rested(self, candidates: Iterable[Candidate], now: float) -> tuple[Candidate, ...]:
        """Candidates that are up, then those in cooldown by the end of their cooldown."""
        known = [replace(one, resting=end) if (end := self._end(one, now)) is not None else one for one in candidates]
        return tuple(sorted(known, key=lambda one: one.resting or 0.0))

    def _end(self, candidate: Candidate, now: float) -> float | None:
        return self.rests.end(candidate.scopes, now)


def candidates_of(call: Call, model: Model, route: Route, affinity: str) -> Iterator[Candidate]:
    """The places of one target, in the order that the session prefers; none if the call has no key for it.

    A caller's own key never goes into a pool, nor to another provider than the one that it is for.
    """
    provider, home = route.provider, own_provider(call, model)
    if home is provider:
        yield Candidate(route, own=_own(call, provider), brings_key=True)
        return
    stays = home is not None and not (model.virtual is not None and model.virtual.spill_over)
    if not stays and _has_key(provider):
        for account in spread(affinity, provider.accounts, lambda one: one.name, lambda one: 1.0):
            yield Candidate(route, account, brings_key=home is not None)


def _expanded(call: Call, model: Model, affinity: str) -> Iterator[Candidate]:
    """Every place, in the order that the session prefers."""
    first = spread(affinity, model.spread, lambda one: one[0].name, lambda one: one[1])
    for route in (*(route for route, _ in first), *model.targets):
        yield from candidates_of(call, model, route, affinity)


def own_provider(call: Call, model: Model) -> Provider | None:
    """The provider that the caller's own key or login is for: the first in configuration order that forwards it."""
    return next((route.provider for route in model.routes if _own(call, route.provider)), None)


def _has_key(provider: Provider) -> bool:
    """Whether a call without its own key can go there."""
    return provider.settings.has_key or not provider.settings.takes_callers_key


def _own(call: Call, provider: Provider) -> str:
    """A hashed id of the caller's own key; "" if it has none, or none that is forwarded there."""
    if not provider.settings.takes_callers_key:
        return ""
    key = provider.own_key(call.own_headers, call.dialect)
    return "" if key is None else f"own:{hashlib.sha256(key.get_secret_value().encode()).hexdigest()[:32]}"


def _nobodys_key(model: Model) -> str:
    names = ", ".join(dict.fromkeys(route.provider.name for route in model.routes))
    return f"model {model.name!r} needs the caller's own key for one of: {names}"
