"""One attempt: choose a lane, send the request, open the answer.

Worker thread only; knows lanes and providers, no Tornado, no asyncio. Every attempt starts from the client's original
request.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from functools import partial

from nexus.dataclasses import replace
from nexus.errors import ErrorAnswer, UpstreamError
from nexus.headers.forwarding import credentials_in
from nexus.protocols.embeddings import OPENAI
from nexus.protocols.loader import DIALECTS
from nexus.provider import Without
from nexus.relay.answer import OpenedReply, open_reply
from nexus.relay.call_state import Attempt
from nexus.relay.counting import cannot_count, choose_count, estimated
from nexus.relay.embeddings import Collected
from nexus.relay.empty_answer import EmptyAnswer
from nexus.relay.failures import log_attempt
from nexus.relay.files import candidate_of, changed, choose_file, choose_listed, file_call_of, write_list
from nexus.relay.lanes import ASKED_AGAIN, Lane, choose, choose_passed, choose_raw, choose_stored
from nexus.relay.stream import drain
from nexus.upstream.request import UpstreamRequest

log = logging.getLogger("nexus.relay")


def open_answer(attempt: Attempt) -> OpenedReply:
    """Makes one attempt, and another one if the vendor rejects a field that can be left out or a key that can be
    renewed. Raises what went wrong before the first content; the caller closes ``reply``.
    """
    match attempt.call.operation.relay:
        case "answer":
            return _generate(attempt)
        case "count":
            return _count(attempt)
        case "stored":
            return _open_lane(attempt, choose_stored)
        case "files":
            return _files(attempt)
        case "raw":
            return _open_lane(attempt, choose_raw)
        case "passed":
            return _pass(attempt)


def _generate(attempt: Attempt, without: tuple[Without, ...] = ()) -> OpenedReply:
    """Retries if the vendor rejects something that the client did not ask for and the answer can do without, or if the
    answer is empty; at most once for each such thing."""
    lane = choose(attempt, without)
    try:
        return _open_lane(attempt, partial(choose, without=without), lane)
    except (ErrorAnswer, EmptyAnswer) as refused:
        more = _refused_part(attempt, lane, refused)
        if more is None or more.name in {one.name for one in without}:
            raise
        then = "again at once" if more is ASKED_AGAIN else "again at once, without what was refused"
        log_attempt(attempt.state, refused, then)
        attempt.fail(refused)
    opened = _generate(attempt.again(), (*without, more))
    more.learn()
    return opened


def _refused_part(attempt: Attempt, lane: Lane, refused: ErrorAnswer | EmptyAnswer) -> Without | None:
    """The part to leave out, of a translated request or of the history in one that passes through; None if none."""
    if isinstance(refused, EmptyAnswer):
        return ASKED_AGAIN
    part, plan = attempt.route.provider.do_without(refused.failure, lane.request), attempt.state.plan
    if part is None or lane.translates or part.passed:
        return part
    return part if part.moved and plan is not None and len(plan.own_names) > 1 else None


def _pass(attempt: Attempt) -> OpenedReply:
    call, route = attempt.call, attempt.route
    codec = DIALECTS[call.dialect].embeddings
    format = route.provider.embeddings(route.model, route.settings) or OPENAI
    if codec is None or format is codec.format:
        return _open_lane(attempt, choose_passed)
    collected = Collected(codec, codec.read(call.document), format)
    state = attempt.state
    for texts in collected.batches():
        opened = _open_lane(attempt, partial(collected.lane, texts))
        with opened.reply:
            attempt = state.attempts[-1]
            collected.count(attempt, texts, opened.reply)
            drain(opened.reply)
    return collected.reply(attempt)


def _files(attempt: Attempt) -> OpenedReply:
    file_call, state = file_call_of(attempt), attempt.state
    if file_call.request.verb != "list":
        return _open_lane(attempt, choose_file)
    for row in changed(file_call, time.time()):
        candidate = candidate_of(file_call, row)
        if candidate is None:
            continue
        if attempt.phase != "prepared" or candidate.keeper != attempt.candidate.keeper:
            attempt = state.begin(candidate, attempt.cancel)
        try:
            with _open_lane(attempt, partial(choose_listed, row)).reply as reply:
                drain(reply)
        except ErrorAnswer as error:
            if error.status != 404:
                raise
            # It expired, or was deleted outside Nexus.
            file_call.owners.forget(row)
            file_call.rows.remove(row)
        attempt = state.attempts[-1]
    return write_list(file_call, attempt.route.provider.name)


def _count(attempt: Attempt) -> OpenedReply:
    lane = choose_count(attempt)
    try:
        return _open_lane(attempt, choose_count, lane) if lane is not None else estimated(attempt)
    except UpstreamError as error:
        if not cannot_count(error, attempt, lane):
            raise
        return estimated(attempt)


def _open_lane(attempt: Attempt, pick: Callable[[Attempt], Lane | None], lane: Lane | None = None) -> OpenedReply:
    """Retries once with a new key if the vendor rejects a configured key that can be renewed. ``lane`` is what ``pick``
    returns."""
    lane = lane or _picked(pick, attempt)
    renewed = attempt.route.provider.renewed_key
    if renewed is None or lane.request.key is not None:
        return _send(attempt, lane)
    cancel, waiting = attempt.cancel, attempt.state.waiting
    with waiting():
        key = renewed.get(cancel).value
    try:
        return _send(attempt, lane.with_key(key))
    except ErrorAnswer as refused:
        if refused.status not in (401, 403) and refused.kind not in ("authentication", "permission"):
            raise
        with waiting():
            other = renewed.replace(key, cancel)
        if other is None:
            raise
        attempt.fail(refused)
    fields = {"id": attempt.call.id, "provider": attempt.route.provider.name}
    log.info("the vendor rejected the key; retrying with another one", extra={"fields": fields})
    again = attempt.again()
    return _send(again, _picked(pick, again).with_key(other))


def _picked(pick: Callable[[Attempt], Lane | None], attempt: Attempt) -> Lane:
    lane = pick(attempt)
    assert lane is not None, "the first choice found a lane"
    return lane


def _send(attempt: Attempt, lane: Lane) -> OpenedReply:
    provider = attempt.route.provider
    request = provider.upstream_request(lane.request)
    if not attempt.call.is_repeatable:
        request = replace(request, repeatable=False)
    named = (f"query.{name}" for name in credentials_in(attempt.call.query))
    attempt.dropped[:] = [*lane.dropped, *request.dropped, *named]
    if log.isEnabledFor(logging.DEBUG):
        log.debug("attempt", extra={"fields": _log_fields(attempt, lane, request)})
    attempt.phase, attempt.key = "sent", "caller" if lane.request.key_is_callers else "configured"
    with attempt.state.waiting():
        reply = provider.send(request, attempt.cancel)
    attempt.phase, attempt.status = "answered", reply.status
    try:
        return open_reply(attempt, lane, reply)
    except BaseException:
        reply.close()
        raise


def _log_fields(attempt: Attempt, lane: Lane, request: UpstreamRequest) -> dict[str, object]:
    """Log fields of what an attempt sends: names of headers, never values."""
    call = attempt.call
    return {
        "id": call.id,
        "attempt": attempt.number,
        "route": str(attempt.route),
        "lane": f"{call.dialect} to {lane.request.dialect}" if lane.translates else "passthrough",
        "method": request.method,
        "url": request.url.partition("?")[0],
        "headers": ",".join(sorted(request.headers)),
        "bytes": request.size,
    }
