"""In which order the places that could answer a call are tried: targets times the accounts at each.

Pure but for the clock's reading; it changes nothing that it asks. Never empty: when all rest they are tried all
the same, and the only candidate there is never rests. A caller's own key stays with the one provider that it is for.
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
    """The candidates of a call in order. ``home`` is the place where its session would go if nothing rested,
    ``affinity`` what decides that; "" where there is nothing to decide.
    """

    candidates: tuple[Candidate, ...]
    affinity: str = ""
    home: str = ""


class Router:
    """Orders candidates by what is known of the places, and knows it: what outlives a configuration."""

    def __init__(self, rests: Rests | None = None) -> None:
        self.rests = rests or Rests()
        self.moves = Moves()
        self.rooms = Rooms()
        self.budgets = Budgets(self.rests.clock)
        self.alarms = Alarms()

    def choose(self, call: Call, model: Model) -> Choice:
        """Raises AuthenticationFailed where no target has a key for the call."""
        if model.virtual is None and len(model.targets[0].provider.accounts) == 1:
            # The call of a plain model pays for nothing of what follows.
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
        # Sorting is stable: behind the place where the session stays the order is its own.
        ordered.sort(key=lambda one: one.name != stays)
        return Choice(self.rested(ordered, now), affinity, home)

    def plan(self, call: Call, model: Model) -> Plan:
        """Where a call to a model may go. Raises AuthenticationFailed as ``choose`` does."""
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
        """The places in order, and of those that rest for how long and why, for the log."""
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
        """Those that are up, then the resting ones by the end of their rest."""
        known = [replace(one, resting=end) if (end := self._end(one, now)) is not None else one for one in candidates]
        return tuple(sorted(known, key=lambda one: one.resting or 0.0))

    def _end(self, candidate: Candidate, now: float) -> float | None:
        return self.rests.end(candidate.scopes, now)


def candidates_of(call: Call, model: Model, route: Route, affinity: str) -> Iterator[Candidate]:
    """The places of one target, in the order that the session prefers; none where the call has no key for it.

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
    """Every place, in the order that the call's session prefers."""
    first = spread(affinity, model.spread, lambda one: one[0].name, lambda one: one[1])
    for route in (*(route for route, _ in first), *model.targets):
        yield from candidates_of(call, model, route, affinity)


def own_provider(call: Call, model: Model) -> Provider | None:
    """The provider that the caller's own key or login is for: the first, in the order of the file, that forwards it."""
    return next((route.provider for route in model.routes if _own(call, route.provider)), None)


def _has_key(provider: Provider) -> bool:
    """Whether a call without a key of its own can go there."""
    return provider.settings.has_key or not provider.settings.takes_callers_key


def _own(call: Call, provider: Provider) -> str:
    """What tells the caller's own key from other callers'; "" where it has none, or none that is forwarded there."""
    if not provider.settings.takes_callers_key:
        return ""
    key = provider.own_key(call.own_headers, call.dialect)
    return "" if key is None else f"own:{hashlib.sha256(key.get_secret_value().encode()).hexdigest()[:32]}"


def _nobodys_key(model: Model) -> str:
    names = ", ".join(dict.fromkeys(route.provider.name for route in model.routes))
    return f"model {model.name!r} needs the caller's own key for one of: {names}"
