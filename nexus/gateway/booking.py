"""Books the usage of batch requests as their results are read: each line once, no matter who reads them or how often.

Worker thread only. Never raises: an answer must not fail because it could not be counted.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence

from nexus.accounting.record import AttemptRecord, Outcome
from nexus.conversation.usage import Usage
from nexus.errors import ClientError
from nexus.gateway.admission import Admission
from nexus.provider.route import Route
from nexus.relay.candidate import Candidate
from nexus.relay.exchange import CallState, Exchange
from nexus.relay.held_state import Used

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
    fresh = [used for used in held.lines[booked:] if used is not None]
    held.lines.clear()
    state.booked = tuple(_records(state, last, fresh, admission))


def _records(
    state: CallState, exchange: Exchange, used: Sequence[Used], admission: Admission
) -> Iterator[AttemptRecord]:
    by_model: dict[tuple[str | None, str], list[Used]] = {}
    for one in used:
        by_model.setdefault((one.alias, one.model), []).append(one)
    provider = exchange.route.provider
    for number, ((alias, model), lines) in enumerate(by_model.items(), len(state.exchanges) + 1):
        usage = _sum(lines)
        costs = [one.cost for one in lines]
        cost = None if None in costs else sum(cost for cost in costs if cost is not None)
        settings = provider.settings.models.get(alias or "")
        name = f"{provider.name}/{alias or model}"
        price = admission.in_batch(name) if settings is not None else None
        if settings is not None and alias is not None:
            candidate = Candidate(Route(provider, alias, settings), exchange.candidate.account, exchange.candidate.own)
            _count(state, candidate, usage, cost, admission)
        yield AttemptRecord(
            number=number,
            route=name,
            provider_type=provider.settings.type,
            request_model=model,
            key=exchange.key,
            phase="content",
            outcome=Outcome.OK,
            status=exchange.status,
            began=exchange.began - state.call.received,
            answered=None,
            first_content=None,
            ended=(exchange.ended or time.monotonic()) - state.call.received,
            model=model,
            stop=None,
            usage=usage,
            tokens_known="yes",
            error=None,
            cost=cost,
            price_source="" if price is None else price.source,
            vendor=provider.vendor,
            server=provider.server,
            span_id=exchange.span_id,
            raw_usage={"requests": len(lines)},
        )


def _sum(lines: Sequence[Used]) -> Usage:
    read, cached, written, written_long, answered, reasoned = map(sum, zip(*(one.parts for one in lines), strict=True))
    return Usage(read, cached, written, written_long, answered, reasoned)


def _count(state: CallState, candidate: Candidate, usage: Usage, cost: int | None, admission: Admission) -> None:
    try:
        admission.book(state, candidate, usage, cost)
    except ClientError as error:
        fields = {"id": state.call.id, "route": candidate.route.name, "why": error.message}
        log.error("could not count the usage of a batch against limits", extra={"fields": fields})
