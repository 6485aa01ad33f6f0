"""``GET dashboard/data``: the dashboard's data as JSON.

Authenticated like a call; callers who may not see everyone's usage see only their own. Runs neither on the loop nor on
the threads of calls. Its cost is bounded, and does not grow with the number of viewers.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import nexus
from nexus.accounting.calendar import DayOfRoute, of_points
from nexus.accounting.days import DAY
from nexus.accounting.report import filters_of
from nexus.auth.identity import Identity, Who, sight_of
from nexus.conversation.usage import NANO
from nexus.dataclasses import asdict, dataclass
from nexus.errors import Overloaded
from nexus.gateway.cooldowns import Cooldowns
from nexus.gateway.routing import Routes
from nexus.processes.link import NoResult
from nexus.provider.route import Route
from nexus.relay.candidate import Candidate
from nexus.server.endpoints.base import BaseHandler
from nexus.server.endpoints.dashboard import figures
from nexus.server.endpoints.dashboard.connect import clients
from nexus.server.endpoints.dashboard.effective import effective
from nexus.server.endpoints.dashboard.figures import RouteState
from nexus.server.endpoints.dashboard.standing import Gauge, gauge_of, standings
from nexus.server.runtime import Runtime
from nexus.server.server import Server
from nexus.telemetry.logs import redacted
from nexus.wire import Json, encode

LATE = "the supervisor process did not answer in time; retry in a moment"


@dataclass(frozen=True, slots=True)
class Viewer:
    """``only`` is whose usage the viewer may see, None for everyone's; ``known`` is the digest of the texts that the
    page already has."""

    identity: Identity
    address: str
    only: Who | None
    known: str


class DataHandler(BaseHandler):
    is_vital = True

    async def get(self) -> None:
        only = sight_of(self.identity, self.runtime.settings.usage.readers)
        viewer = Viewer(self.identity, self.caller, only, self.query().get("known", ""))
        try:
            found = await self.server.query_workers.work(partial(document, self.server, self.runtime, viewer))
        except NoResult:
            raise Overloaded(LATE, retry_after=1) from None
        self.set_header("Cache-Control", "no-store")
        self.send(encode(found))


def document(server: Server, runtime: Runtime, viewer: Viewer) -> dict[str, Json]:
    """Returns all data for the page. Raises NoResult."""
    now, only = time.time(), viewer.only
    view = server.calendar.completed(server.recorder.view(only), now, filters_of(only))
    routes = runtime.gateway.routes.seen_by(viewer.identity)
    states = [_state_of(route, server.kept.router.cooldowns, now, tells_why=only is None) for route in routes]
    days = _days(server, view, viewer, now)
    return {
        "now": now,
        "sees": dict(filters_of(only)) or None,
        "ledger": server.books.ledger is not None,
        "state": _state(server, view),
        "recent": figures.recent(view),
        "spend": figures.spend(days, now),
        "chart": figures.charts(view, days, now),
        "routes": figures.routes(view, states),
        "calls": [_call(line) for line in view["calls"]],
        "gauges": [asdict(gauge) for gauge in _gauges(server, runtime, routes, viewer, now)],
        **_texts(runtime, routes, viewer),
    }


def _state(server: Server, view: Mapping[str, Any]) -> dict[str, Json]:
    return {
        "phase": "draining" if server.lifecycle.is_stopping else "up",
        "since": view["since"],
        "version": nexus.__version__,
        "in_flight": server.in_flight,
        "workers": server.processes,
    }


def _days(server: Server, view: Mapping[str, Any], viewer: Viewer, now: float) -> list[DayOfRoute]:
    """Returns daily totals from the ledger if it outlives the process, else from memory. Today's come from whichever
    has more, because the ledger lags by seconds and memory is lost with the process.
    """
    recorded, kept, today = None, of_points(view["chart"]["month"]), int(now // DAY)
    if server.books.outlives_process:
        recorded = server.calendar.days(now, filters_of(viewer.only))
    if recorded is None:
        return kept
    latest = max(recorded, kept, key=lambda days: sum(one.attempts + one.calls for one in days if one.day == today))
    return [*(one for one in recorded if one.day != today), *(one for one in latest if one.day == today)]


def _gauges(server: Server, runtime: Runtime, routes: Routes, viewer: Viewer, now: float) -> Iterator[Gauge]:
    """Yields the viewer's limits and budgets, and everyone's budgets if the viewer may see them."""
    budgets, store = runtime.gateway.admission.budgets, server.kept.limits.store
    own = list(budgets.accounts(viewer.identity, viewer.address)) if budgets is not None else []
    if budgets is not None and viewer.only is None:
        spent = server.calendar.spent(now, budgets.periods) or []
        found = [(account, nano) for name, subject, nano in spent if (account := budgets.account(name, subject))]
        known = {(account.name, account.subject) for account, _ in found}
        own = [account for account in own if (account.name, account.subject) not in known]
        yield from sorted((gauge_of(account, nano) for account, nano in found), key=lambda one: -one.used / one.limit)
    yield from standings(store, routes, viewer.identity, viewer.address, own)


def _call(line: dict[str, Any]) -> dict[str, Json]:
    cost = line["cost"]
    return {**line, "why": redacted(line["why"]), "cost_usd": None if cost is None else cost / NANO}


def _state_of(route: Route, cooldowns: Cooldowns, now: float, *, tells_why: bool) -> RouteState:
    """Returns a route's state: "cooldown" if all of its accounts are in cooldown, until the first one is back."""
    name, kind, moment = route.name, route.provider.settings.type, cooldowns.clock()
    places = [Candidate(route, account).scopes for account in route.provider.accounts]
    ends = [cooldowns.end(scopes, moment) for scopes in places]
    until = [end for end in ends if end is not None]
    if not until:
        return RouteState(name, kind)
    why = next((reason for scopes in places if (reason := cooldowns.why(scopes))), "") if tells_why else ""
    state = "cooldown" if len(until) == len(ends) else "partly"
    return RouteState(name, kind, state, now + min(until) - moment, redacted(why))


def _texts(runtime: Runtime, routes: Routes, viewer: Viewer) -> dict[str, Json]:
    """Returns the texts that change only with the configuration; only their digest if the page already has them."""
    settings, names = runtime.settings, [model.name for model in routes.models]
    parts = encode([nexus.__version__, settings.origin.digest, settings.origin.written_at, names, viewer.only is None])
    digest = hashlib.sha256(parts).hexdigest()[:16]
    if digest == viewer.known:
        return {"known": digest}
    return {
        "known": digest,
        "connect": [asdict(client) for client in clients(settings, names)],
        "config": effective(settings) if viewer.only is None else None,
    }
