"""Books the usage of batch requests as their results are read: each line once, no matter who reads them or how often.

Worker thread only. Never raises: an answer must not fail because it could not be counted.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from nexus.conversation.usage import DEAREST, Usage
from nexus.errors import ClientError
from nexus.gateway.admission import Admission
from nexus.provider.route import Route
from nexus.relay.call_state import CallState
from nexus.relay.candidate import Candidate
from nexus.relay.held_state import Booked, Used

log = logging.getLogger("nexus.usage")


def book(state: CallState, admission: Admission) -> None:
    """Adds the usage to the call's record, for the ledger and metrics, and to limits and budgets."""
    held, last = state.held, state.last
    results = None if held is None else held.results
    if held is None or results is None or last is None or not held.lines:
        return
    try:
        booked = held.holdings.claim(results, len(held.lines))
    except ClientError as error:
        log.error(
            "could not record the usage of a batch",
            extra={"fields": {"id": state.call.id, "object": results.id, "why": error.message}},
        )
        return
    by_model: dict[tuple[str | None, str], list[Used]] = {}
    for used in held.lines[booked:]:
        if used is not None:
            by_model.setdefault((used.alias, used.model), []).append(used)
    held.lines.clear()
    state.booked = tuple(_booked(state, last.candidate, *of, lines, admission) for of, lines in by_model.items())


def _booked(
    state: CallState, at: Candidate, alias: str | None, model: str, lines: Sequence[Used], admission: Admission
) -> Booked:
    provider = at.route.provider
    usage = _sum(lines)
    costs = [one.cost for one in lines]
    cost = None if None in costs else min(sum(cost for cost in costs if cost is not None), DEAREST)
    settings = provider.settings.models.get(alias or "")
    name = f"{provider.name}/{alias or model}"
    price = admission.in_batch(name) if settings is not None else None
    if settings is not None and alias is not None:
        _count(state, Candidate(Route(provider, alias, settings), at.account, at.own), usage, cost, admission)
    return Booked(name, model, len(lines), usage, cost, "" if price is None else price.source)


def _sum(lines: Sequence[Used]) -> Usage:
    read, cached, written, written_long, answered, reasoned = map(sum, zip(*(one.parts for one in lines), strict=True))
    return Usage(read, cached, written, written_long, answered, reasoned)


def _count(state: CallState, candidate: Candidate, usage: Usage, cost: int | None, admission: Admission) -> None:
    try:
        admission.book(state, candidate, usage, cost)
    except ClientError as error:
        fields = {"id": state.call.id, "route": candidate.route.name, "why": error.message}
        log.error("could not count the usage of a batch against limits", extra={"fields": fields})
