"""One attempt: choose a lane, send the request, open the answer.

Worker thread only; knows lanes and providers, no Tornado, no asyncio. Every attempt starts from the client's original
request.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from functools import partial

from nexus.errors import UpstreamError, UpstreamStatus, VendorError
from nexus.headers.forwarding import credentials_in
from nexus.protocols.embeddings import OPENAI
from nexus.protocols.loader import DIALECTS
from nexus.provider import Without
from nexus.relay.answer import OpenedReply, open_reply
from nexus.relay.counting import cannot_count, choose_count, estimated
from nexus.relay.embeddings import Collected
from nexus.relay.empty_answer import EmptyAnswer
from nexus.relay.exchange import Exchange
from nexus.relay.failures import log_attempt
from nexus.relay.held import changed, choose_held, choose_listed, place_of, state_of, write_list
from nexus.relay.lanes import ASKED_AGAIN, Lane, choose, choose_passed, choose_raw, choose_stored
from nexus.relay.stream import drain
from nexus.upstream.request import UpstreamRequest

log = logging.getLogger("nexus.relay")


def open_answer(exchange: Exchange) -> OpenedReply:
    """Makes one attempt, and another one if the vendor rejects a field that can be left out or a key that can be
    renewed. Raises what went wrong before the first content; the caller closes ``reply``.
    """
    match exchange.call.operation.relay:
        case "answer":
            return _generate(exchange)
        case "count":
            return _count(exchange)
        case "stored":
            return _open_lane(exchange, choose_stored)
        case "held":
            return _held(exchange)
        case "raw":
            return _open_lane(exchange, choose_raw)
        case "passed":
            return _pass(exchange)


def _generate(exchange: Exchange, without: tuple[Without, ...] = ()) -> OpenedReply:
    """Retries if the vendor rejects something that the client did not ask for and the answer can do without, or if the
    answer is empty; at most once for each such thing."""
    lane = choose(exchange, without)
    try:
        return _open_lane(exchange, partial(choose, without=without), lane)
    except (UpstreamStatus, VendorError, EmptyAnswer) as refused:
        more = _refused_part(exchange, lane, refused)
        if more is None or more.name in {one.name for one in without}:
            raise
        then = "retry at once" if more is ASKED_AGAIN else "retry at once, without what was refused"
        log_attempt(exchange.state, refused, then)
        exchange.fail(refused)
    opened = _generate(exchange.again(), (*without, more))
    more.learn()
    return opened


def _refused_part(
    exchange: Exchange, lane: Lane, refused: UpstreamStatus | VendorError | EmptyAnswer
) -> Without | None:
    """A part of a translated request, or of the history in one that passes through."""
    if isinstance(refused, EmptyAnswer):
        return ASKED_AGAIN
    part, plan = exchange.route.provider.do_without(refused.failure, lane.attempt), exchange.state.plan
    if part is None or lane.translates or part.passed:
        return part
    return part if part.moved and plan is not None and len(plan.places) > 1 else None


def _pass(exchange: Exchange) -> OpenedReply:
    call, route = exchange.call, exchange.route
    asked_in = route.provider.embeddings(route.model, route.settings)
    codec, asked_in = DIALECTS[call.dialect].embeddings, asked_in or OPENAI
    if codec is None or asked_in is codec.format:
        return _open_lane(exchange, choose_passed)
    collected = Collected(codec, codec.read(call.document), asked_in)
    state = exchange.state
    for texts in collected.batches():
        opened = _open_lane(exchange, partial(collected.lane, texts))
        with opened.reply:
            exchange = state.last or exchange
            collected.count(exchange, texts, opened.reply)
            drain(opened.reply)
    return collected.reply(exchange)


def _held(exchange: Exchange) -> OpenedReply:
    held, state = state_of(exchange), exchange.state
    if held.ask.verb != "list":
        return _open_lane(exchange, choose_held)
    for row in changed(held, time.time()):
        place = place_of(held, row)
        if place is None:
            continue
        if exchange.phase != "prepared" or place.keeper != exchange.candidate.keeper:
            exchange = state.begin(place, exchange.cancel)
        try:
            with _open_lane(exchange, partial(choose_listed, row)).reply as reply:
                drain(reply)
        except (UpstreamStatus, VendorError) as error:
            if error.status != 404:
                raise
            # It expired, or was deleted outside Nexus.
            held.holdings.forget(row)
            held.rows.remove(row)
        exchange = state.last or exchange
    return write_list(held, exchange.route.provider.name)


def _count(exchange: Exchange) -> OpenedReply:
    lane = choose_count(exchange)
    try:
        return _open_lane(exchange, choose_count, lane) if lane is not None else estimated(exchange)
    except UpstreamError as error:
        if not cannot_count(error, exchange, lane):
            raise
        return estimated(exchange)


def _open_lane(exchange: Exchange, pick: Callable[[Exchange], Lane | None], lane: Lane | None = None) -> OpenedReply:
    """Retries once with a new key if the vendor rejects a configured key that can be renewed. ``lane`` is what ``pick``
    returns."""
    lane = lane or _picked(pick, exchange)
    renewed = exchange.route.provider.renewed_key
    if renewed is None or lane.attempt.key is not None:
        return _exchange(exchange, lane)
    cancel, waiting = exchange.cancel, exchange.state.waiting
    with waiting():
        key = renewed.get(cancel).value
    try:
        return _exchange(exchange, lane.with_key(key))
    except (UpstreamStatus, VendorError) as refused:
        if not _refuses_key(refused):
            raise
        with waiting():
            other = renewed.replace(key, cancel)
        if other is None:
            raise
        exchange.fail(refused)
    fields = {"id": exchange.call.id, "provider": exchange.route.provider.name}
    log.info("the vendor rejected the key; retrying with another one", extra={"fields": fields})
    again = exchange.again()
    return _exchange(again, _picked(pick, again).with_key(other))


def _picked(pick: Callable[[Exchange], Lane | None], exchange: Exchange) -> Lane:
    lane = pick(exchange)
    if lane is None:
        raise RuntimeError("a lane that was there once is gone")
    return lane


def _refuses_key(error: UpstreamError) -> bool:
    return error.status in (401, 403) or error.kind in ("authentication", "permission")


def _exchange(exchange: Exchange, lane: Lane) -> OpenedReply:
    provider = exchange.route.provider
    request = provider.request(lane.attempt)
    named = (f"query.{name}" for name in credentials_in(exchange.call.query))
    exchange.dropped[:] = [*lane.dropped, *request.dropped, *named]
    if log.isEnabledFor(logging.DEBUG):
        log.debug("attempt", extra={"fields": _log_fields(exchange, lane, request)})
    exchange.phase, exchange.key = "sent", "caller" if lane.attempt.key_is_callers else "configured"
    with exchange.state.waiting():
        reply = provider.send(request, exchange.cancel)
    exchange.phase, exchange.status = "answered", reply.status
    try:
        return open_reply(exchange, lane, reply)
    except BaseException:
        reply.close()
        raise


def _log_fields(exchange: Exchange, lane: Lane, request: UpstreamRequest) -> dict[str, object]:
    """What an attempt sends: names, never values."""
    call = exchange.call
    return {
        "id": call.id,
        "attempt": exchange.number,
        "route": str(exchange.route),
        "lane": f"{call.dialect} to {lane.attempt.dialect}" if lane.translates else "passthrough",
        "method": request.method,
        "url": request.url.partition("?")[0],
        "headers": ",".join(sorted(request.headers)),
        "bytes": request.size,
    }
