"""Books usage that vendors report after the call that caused it: of batch requests when their results are read, of an
answer made in the background when it is fetched. Each is booked once, whoever reads it and however often.

Worker thread only. Never raises: an answer must not fail because it could not be counted.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from nexus.accounting.database import Transaction
from nexus.accounting.writing import items_of, write
from nexus.call import Call
from nexus.conversation.usage import DEAREST, Usage
from nexus.dataclasses import replace
from nexus.errors import ClientError
from nexus.gateway.admission import Admission
from nexus.limits.quota import Demand
from nexus.provider.route import Route
from nexus.relay.call_state import Attempt, CallState
from nexus.relay.file_call import Booked, FileCall, Used
from nexus.relay.records import call_record
from nexus.response_store.vendor_ids import VendorIds
from nexus.settings.model import ModelSettings
from nexus.wire import decode_object, encode, text

log = logging.getLogger("nexus.usage")

IdsOf = Callable[[Call], VendorIds]


def book(state: CallState, admission: Admission, ids_of: IdsOf) -> None:
    """Adds the usage to the call's record, for the ledger and metrics, and to limits and budgets. Call it after the
    call was settled."""
    last, file_call = state.last, state.file_call
    if last is None:
        return
    try:
        if file_call is not None:
            _book_batch(state, file_call, last, admission)
        elif last.tap.answer_id:
            _book_answer(state, last, admission, ids_of)
    except ClientError as error:
        if file_call is not None:
            # It has no row, so the next reader records it.
            state.booked = ()
            state.charges.clear()
        object = last.tap.answer_id if file_call is None or file_call.object is None else file_call.object.id
        fields = {"id": state.call.id, "object": object, "why": error.message}
        log.error("could not record usage that was reported later", extra={"fields": fields})


def _book_answer(state: CallState, last: Attempt, admission: Admission, ids_of: IdsOf) -> None:
    """Records how an unfinished answer was counted, or books the usage of one that has finished since."""
    call, keeper, route, usage = state.call, last.candidate.keeper, last.route, last.usage
    if call.operation.spends:
        is_open = usage is None and last.tap.stop_reason is None and call.document.get("store") is not False
        if is_open:
            counted = {} if state.reservation is None else state.reservation.counted_as
            ids_of(call).owe(keeper, last.tap.answer_id, encode({"alias": route.alias, **counted}))
        return
    if usage is not None and (owed := ids_of(call).owed(keeper, last.tap.answer_id)) is not None:
        before = decode_object(owed)
        alias = text(before.get("alias"))
        settings = route.provider.settings.models.get(alias, ModelSettings())
        made_by = replace(last.candidate, route=Route(route.provider, alias, settings))
        cost, source = admission.cost(made_by.route.name, usage)
        state.booked = (Booked(made_by.route.name, last.tap.model or "", usage, cost, source, usage.raw or {}),)
        admission.book_rest(state, made_by, usage, cost, before)


def _book_batch(state: CallState, file_call: FileCall, last: Attempt, admission: Admission) -> None:
    lines, provider = file_call.lines, last.route.provider
    if file_call.results is None or not lines:
        return
    demands: list[Demand] = []

    def record(transaction: Transaction, done: int) -> None:
        by_model: dict[tuple[str | None, str], list[Used]] = {}
        for used in lines[done:]:
            if used is not None:
                by_model.setdefault((used.alias, used.model), []).append(used)
        for (alias, model), some in by_model.items():
            settings = provider.settings.models.get(alias or "")
            route = Route(provider, alias or model, settings or ModelSettings())
            usage, cost = _sum(some), _cost(some)
            price = None if settings is None else admission.in_batch(route.name)
            source = "" if price is None else price.source
            state.booked += (Booked(route.name, model, usage, cost, source, {"requests": len(some)}, in_ledger=True),)
            if settings is not None:
                demands.extend(admission.charge(state, replace(last.candidate, route=route), usage, cost))
        write(transaction, items_of(call_record(state, admission.prices.cost), in_ledger=True))

    file_call.owners.claim(file_call.results, len(lines), record)
    lines.clear()
    # Limits in Redis may take long, and what cannot be recorded counts when the next reader records it.
    admission.limits.book(demands)


def _sum(lines: Sequence[Used]) -> Usage:
    read, cached, written, written_long, answered, reasoned = map(sum, zip(*(one.parts for one in lines), strict=True))
    return Usage(read, cached, written, written_long, answered, reasoned)


def _cost(lines: Sequence[Used]) -> int | None:
    costs = [one.cost for one in lines]
    return None if None in costs else min(sum(cost for cost in costs if cost is not None), DEAREST)
