"""The record of a finished call and its attempts."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

from nexus.accounting.record import LONGEST_NAME, AttemptRecord, CallRecord, Outcome, TokensKnown, outcome_of
from nexus.conversation.usage import Usage
from nexus.dataclasses import replace
from nexus.errors import UNSENT, ClientError, Draining, ErrorAnswer, UpstreamError
from nexus.headers.tracing import new_span_id
from nexus.relay.call_state import Attempt, CallState
from nexus.relay.file_call import Booked

MOST_DROPPED = 2000
"""Maximum total length of the names of a call's dropped fields."""

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
        model=call.model[:LONGEST_NAME],
        route=str(state.route) if state.route is not None else None,
        stream=call.stream,
        status=state.status,
        error=state.failure,
        queued=_since(received, state.taken),
        first=_since(received, first),
        total=total,
        own=first - received - state.waited_at_head if first is not None else None,
        dropped=tuple(_first_names(state.dropped)) if state.dropped else (),
        attempts=tuple(_attempt_records(state, cost)),
        target=state.route.name if state.route is not None else None,
        charges=tuple(state.charges),
        user_agent=call.headers.get("user-agent", ""),
        tried=state.tried,
        request_id=call.request_id,
        context=call.context,
        trace=state.trace,
    )


def _first_names(names: Sequence[str]) -> Iterator[str]:
    """The distinct names, as many as fit: records wait in queues, and clients choose names and their number."""
    left = MOST_DROPPED
    for name in dict.fromkeys(names):
        left -= min(len(name), LONGEST_NAME)
        if left < 0:
            yield "..."
            return
        yield name[:LONGEST_NAME]


def _attempt_records(state: CallState, cost: Cost) -> Iterator[AttemptRecord]:
    record: AttemptRecord | None = None
    for attempt in state.attempts:
        yield (record := _attempt_record(attempt, cost))
    if record is not None:
        for number, booked in enumerate(state.booked, record.number + 1):
            yield _booked_record(record, number, booked)


def _booked_record(download: AttemptRecord, number: int, booked: Booked) -> AttemptRecord:
    """Usage read from a stored answer or from results of a batch, as one attempt; ``download`` is the attempt that read
    it."""
    return replace(
        download,
        number=number,
        route=booked.route,
        request_model=booked.model,
        outcome=Outcome.OK,
        first_content=None,
        model=booked.model,
        stop=None,
        usage=booked.usage,
        tokens_known="yes",
        error=None,
        cost=booked.cost,
        price_source=booked.price_source,
        raw_usage=booked.raw,
        in_ledger=booked.in_ledger,
        events=0,
        span_id=download.span_id and new_span_id(),
    )


def _attempt_record(attempt: Attempt, cost_of: Cost) -> AttemptRecord:
    tap, received, spends = attempt.tap, attempt.call.received, attempt.call.operation.spends
    # A stored answer's usage was counted when it was made.
    usage = attempt.usage if spends else None
    known = _tokens_known(attempt, usage)
    cost, source = cost_of(attempt.route.name, usage, known) if spends else (0, "")
    if attempt.error is not None:
        attempt.fail(attempt.error)
    return AttemptRecord(
        number=attempt.number,
        route=attempt.route.name,
        request_model=attempt.route.model,
        key=attempt.key,
        outcome=outcome_of(attempt.error),
        status=attempt.vendor_status,
        began=attempt.began - received,
        first_content=_since(received, attempt.first_content),
        ended=(attempt.ended or time.monotonic()) - received,
        model=tap.model and tap.model[:LONGEST_NAME],
        stop=tap.stop_reason and tap.stop_reason[:LONGEST_NAME],
        usage=usage,
        tokens_known=known,
        error=attempt.error,
        cost=cost,
        price_source=source,
        raw_usage=tap.usage.raw if spends and tap.usage is not None else tap.units,
        vendor=attempt.route.provider.vendor,
        server=attempt.route.provider.server,
        span_id=attempt.span_id,
        events=attempt.streamed,
    )


def _tokens_known(attempt: Attempt, usage: Usage | None) -> TokensKnown:
    if usage is not None and usage.raw is not None and not usage.estimated:
        ended = attempt.error is None or (attempt.tap.stop_reason is not None and not attempt.error.in_band)
        return "yes" if ended else "partly"
    if usage is not None:
        return "partly"
    spends = attempt.call.operation.spends and attempt.phase != "prepared"
    return "no" if spends and (attempt.may_be_billed or _is_unknown(attempt)) else "yes"


def _is_unknown(attempt: Attempt) -> bool:
    """Whether the request was sent and its outcome is unknown."""
    if attempt.phase != "sent" or attempt.status is not None:
        return False
    match attempt.error:
        case ErrorAnswer():
            return False
        case UpstreamError():
            return attempt.error.phase not in UNSENT
        case ClientError():
            return isinstance(attempt.error, Draining)
        case _:
            return True


def _since(received: float, moment: float | None) -> float | None:
    return None if moment is None else moment - received
