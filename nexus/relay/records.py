"""The record of a finished call and its attempts."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from nexus.accounting.record import AttemptRecord, CallRecord, Outcome, TokensKnown, outcome_of
from nexus.conversation.usage import Usage
from nexus.dataclasses import replace
from nexus.errors import UNSENT, ClientError, Draining, UpstreamError, UpstreamStatus, VendorError
from nexus.relay.exchange import CallState, Exchange
from nexus.relay.held_state import Booked

Cost = Callable[[str, Usage | None, TokensKnown], tuple[int | None, str]]
"""From route, usage and whether the usage is complete: the cost in nano-dollars, None if unknown, and the source of the
price."""


def call_record(state: CallState, cost: Cost) -> CallRecord:
    call, first, received = state.call, state.first_byte, state.call.received
    total = time.monotonic() - received
    return CallRecord(
        id=call.id,
        at=time.time() - total,
        caller=call.caller,
        identity=call.identity,
        tags=call.tags,
        protocol=call.form,
        operation=call.operation,
        model=call.model,
        route=str(state.route) if state.route is not None else None,
        stream=call.stream,
        status=state.status,
        error=state.failure,
        queued=_since(received, state.taken),
        first=_since(received, first),
        total=total,
        own=first - received - state.waited_at_head if first is not None else None,
        dropped=tuple(dict.fromkeys(state.dropped)),
        attempts=tuple(_attempt_records(state, cost)),
        target=state.route.name if state.route is not None else None,
        charges=tuple(state.charges),
        user_agent=call.headers.get("user-agent", ""),
        tried=state.tried,
        request_id=call.request_id,
        context=call.context,
        trace=state.trace,
    )


def _attempt_records(state: CallState, cost: Cost) -> Iterator[AttemptRecord]:
    record: AttemptRecord | None = None
    for exchange in state.exchanges:
        yield (record := _attempt_record(exchange, cost))
    if record is not None:
        for number, booked in enumerate(state.booked, record.number + 1):
            yield _batch_record(record, number, booked)


def _batch_record(download: AttemptRecord, number: int, booked: Booked) -> AttemptRecord:
    """The requests of a batch to one model, as one attempt; ``download`` is the one that read their results."""
    return replace(
        download,
        number=number,
        route=booked.route,
        request_model=booked.model,
        phase="content",
        outcome=Outcome.OK,
        first_content=None,
        model=booked.model,
        stop=None,
        usage=booked.usage,
        tokens_known="yes",
        error=None,
        cost=booked.cost,
        price_source=booked.price_source,
        raw_usage={"requests": booked.lines},
        events=0,
    )


def _attempt_record(exchange: Exchange, cost_of: Cost) -> AttemptRecord:
    tap, received, known = exchange.tap, exchange.call.received, _tokens_known(exchange)
    spends = exchange.call.operation.spends
    # A stored answer's usage was counted when it was made.
    usage = tap.usage if spends else None
    cost, source = cost_of(exchange.route.name, usage, known) if spends else (0, "")
    if exchange.error is not None:
        exchange.fail(exchange.error)
    return AttemptRecord(
        number=exchange.number,
        route=exchange.route.name,
        provider_type=exchange.route.provider.settings.type,
        request_model=exchange.route.model,
        key=exchange.key,
        phase=exchange.phase,
        outcome=outcome_of(exchange.error),
        status=exchange.vendor_status,
        began=exchange.began - received,
        first_content=_since(received, exchange.first_content),
        ended=(exchange.ended or time.monotonic()) - received,
        model=tap.model,
        stop=tap.stop_reason,
        usage=usage,
        tokens_known=known,
        error=exchange.error,
        cost=cost,
        price_source=source,
        raw_usage=usage.raw if usage is not None else tap.units,
        vendor=exchange.route.provider.vendor,
        server=exchange.route.provider.server,
        span_id=exchange.span_id,
        events=exchange.streamed,
    )


def _tokens_known(exchange: Exchange) -> TokensKnown:
    usage = exchange.tap.usage if exchange.call.operation.spends else None
    if usage is not None and usage.raw is not None and not usage.estimated:
        ended = exchange.error is None or (exchange.tap.stop_reason is not None and not exchange.error.in_band)
        return "yes" if ended else "partly"
    if usage is not None and usage.total:
        return "partly"
    spends = exchange.call.operation.spends and exchange.phase != "prepared"
    return "no" if spends and (exchange.may_be_billed or _is_lost(exchange)) else "yes"


def _is_lost(exchange: Exchange) -> bool:
    """Whether the request was sent and its outcome is unknown."""
    if exchange.phase != "sent" or exchange.status is not None:
        return False
    match exchange.error:
        case UpstreamStatus() | VendorError():
            return False
        case UpstreamError():
            return exchange.error.phase not in UNSENT
        case ClientError():
            return isinstance(exchange.error, Draining)
        case _:
            return True


def _since(received: float, moment: float | None) -> float | None:
    return None if moment is None else moment - received
