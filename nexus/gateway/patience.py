"""How long an attempt may take to begin: a virtual model's patience with one target, and its deadline for all.

What goes off ends the attempt alone, never the call; a call without either pays nothing.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from functools import partial

from nexus.errors import UpstreamTimeout
from nexus.gateway.alarms import Alarm, Alarms
from nexus.relay.candidate import Candidate, Plan
from nexus.relay.exchange import CallState, Exchange


def begin_in_time(
    alarms: Alarms, state: CallState, plan: Plan, candidate: Candidate
) -> tuple[Exchange, Sequence[Alarm]]:
    """The next attempt, and what ends it unless it is called off."""
    ends = list(_ends(state, plan, candidate))
    if not ends:
        return state.begin(candidate), ()
    cancel = state.call.cancel.child()
    pending = [alarms.set(moment, partial(cancel.throw, error), error.phase) for moment, error in ends]
    exchange = state.begin(candidate, cancel)
    exchange.on_begun = partial(_call_off_patience, pending)
    return exchange, pending


def _call_off_patience(pending: Sequence[Alarm]) -> None:
    """A model that thinks is at work; the deadline holds all the same."""
    for alarm in pending:
        if alarm.kind == "patience":
            alarm.call_off()


def _ends(state: CallState, plan: Plan, candidate: Candidate) -> Iterator[tuple[float, UpstreamTimeout]]:
    """When an attempt is given up, and with which words. The last target may take its time."""
    name, now = candidate.route.provider.name, time.monotonic()
    others = any(one.route.name != candidate.route.name for one in plan.waiting)
    if plan.patience is not None and state.call.stream and others:
        text = f"{name}: nothing of an answer within {plan.patience:g} s"
        yield now + plan.patience, UpstreamTimeout(text, provider=name).at("patience", "no content in time")
    if plan.deadline is not None:
        text = f"{name}: no answer began before the deadline of model {plan.virtual!r}"
        yield plan.deadline, UpstreamTimeout(text, provider=name).at("deadline", "no content in time")
