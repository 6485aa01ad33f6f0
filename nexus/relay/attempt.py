"""One attempt: open an answer, then hand on its bytes.

Law: worker thread only; knows lanes and providers, no Tornado, no asyncio. Nothing is handed on before the answer has
shown its first event, so that until then another attempt is possible; and nothing incomplete ever looks complete.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from nexus.conversation.estimate import estimate
from nexus.errors import (
    ProtocolError,
    StreamInterrupted,
    Unreachable,
    UpstreamError,
    UpstreamStatus,
    UpstreamTimeout,
    VendorError,
)
from nexus.headers import own
from nexus.headers.forwarding import retry_after, returned
from nexus.headers.redaction import Redactor
from nexus.protocols.error_words import error_words
from nexus.protocols.loader import DIALECTS
from nexus.protocols.sse import Frame, FrameDecoder, FrameTooLarge, is_heartbeat, parse_frame
from nexus.relay.exchange import Exchange
from nexus.relay.failures import log_attempt
from nexus.relay.lanes import Lane, choose, choose_count, choose_stored
from nexus.relay.reading import reading
from nexus.upstream.request import LocalReply, UpstreamReply, UpstreamRequest
from nexus.upstream.sniff import Begun, is_stream, media_type
from nexus.wire import encode

log = logging.getLogger("nexus.relay")

MAX_REPLY = 64 * 1024 * 1024
"""Bytes of an answer that is not a stream."""

LAST_WORDS = 5.0
"""Seconds that an upstream gets for its terminator after the last thing of value in an answer, whatever it sends."""

DRAIN = 1.0
"""Seconds that it gets to end the HTTP exchange after the terminator, so that the connection can serve again."""

_RETRYABLE = frozenset({408, 429, 529})
_NOT_COUNTED = frozenset({404, 405, 501})
"""What a server answers that does not know how to count."""

_STREAM = "text/event-stream"


@dataclass(frozen=True, slots=True)
class Head:
    """Status and headers of a reply: the point of no return."""

    status: int
    headers: Mapping[str, str]
    stream: bool


@dataclass(frozen=True, slots=True)
class OpenedReply:
    """An answer that has begun: ``first`` holds its first event, ``pieces`` what follows. Where it ``translates``, what
    was asked is still needed.
    """

    head: Head
    provider: str
    first: bytes
    pieces: Iterator[bytes]
    reply: UpstreamReply
    translates: bool = False


def open_answer(exchange: Exchange) -> OpenedReply:
    """One attempt; where a vendor refuses what can be left out or renewed, another one behind it. Raises what went
    wrong before the first event; the caller closes ``reply``.
    """
    match exchange.call.action:
        case "count_tokens":
            return _count(exchange)
        case "stored":
            return _open_lane(exchange, choose_stored)
        case _:
            return _generate(exchange)


def _generate(exchange: Exchange) -> OpenedReply:
    """Once more where the vendor refuses something that a translation added, and the answer can do without."""
    lane = choose(exchange)
    try:
        return _open_lane(exchange, choose, lane)
    except VendorError as refused:
        without = exchange.route.provider.do_without(refused, lane.attempt) if lane.translates else None
        if without is None:
            raise
        log_attempt(exchange.state, refused, "again at once, without what was refused")
        exchange.fail(refused)
    return _open_lane(exchange.again(), partial(choose, without=without))


def _count(exchange: Exchange) -> OpenedReply:
    lane = choose_count(exchange)
    try:
        return _open_lane(exchange, choose_count, lane) if lane is not None else _estimated(exchange)
    except (UpstreamStatus, VendorError) as error:
        if error.status not in _NOT_COUNTED:
            raise
        return _estimated(exchange)


def _estimated(exchange: Exchange) -> OpenedReply:
    """Nobody counts for this model: a guess, marked as one."""
    tokens = estimate(reading(exchange.state).request).total
    body = encode(DIALECTS[exchange.call.dialect].write_count(tokens))
    head = Head(200, {"content-type": "application/json", own.ESTIMATED: "true"}, stream=False)
    return OpenedReply(head, exchange.route.provider.name, body, iter(()), LocalReply(200, {}, ()))


def _open_lane(exchange: Exchange, pick: Callable[[Exchange], Lane | None], lane: Lane | None = None) -> OpenedReply:
    """Once more where the vendor refuses a key of the house that can be had anew. ``lane`` is what ``pick`` picks."""
    lane = lane or _picked(pick, exchange)
    renewed = exchange.route.provider.house_key
    if renewed is None or lane.attempt.key is not None:
        return _exchange(exchange, lane)
    cancel, waiting = exchange.call.cancel, exchange.state.waiting
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
    log.info("the vendor refused the key; the call is tried with another one", extra={"fields": fields})
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
    exchange.dropped[:] = [*lane.dropped, *request.dropped]
    if log.isEnabledFor(logging.DEBUG):
        log.debug("attempt", extra={"fields": _told(exchange, lane, request)})
    exchange.phase = "sent"
    with exchange.state.waiting():
        reply = provider.send(request, exchange.call.cancel)
    exchange.phase = "answered"
    try:
        return _open(exchange, lane, reply)
    except BaseException:
        reply.close()
        raise


def _told(exchange: Exchange, lane: Lane, request: UpstreamRequest) -> dict[str, object]:
    """What an attempt sends, by names only."""
    call = exchange.call
    return {
        "id": call.id,
        "attempt": exchange.number,
        "route": str(exchange.route),
        "lane": f"{call.dialect} to {lane.attempt.dialect}" if lane.translates else "passthrough",
        "method": request.method,
        "url": request.url.partition("?")[0],
        "headers": ",".join(sorted(request.headers)),
        "bytes": len(request.body),
    }


def _open(exchange: Exchange, lane: Lane, reply: UpstreamReply) -> OpenedReply:
    call, provider = exchange.call, exchange.route.provider
    name = provider.name
    redactor = Redactor.of((*provider.sent_secrets(lane.attempt), *reply.secrets))
    if reply.status >= 400:
        raise _answered(exchange, lane, reply, redactor)
    if not 200 <= reply.status < 300:
        raise ProtocolError(f"{name} answered {reply.status}; check its base_url", provider=name)
    kind = media_type(reply.headers.get("content-type", ""))
    streams = kind == _STREAM
    lane = lane.sent()
    if streams or call.stream:
        reply = Begun(reply, _read(exchange, reply))
        streams = is_stream(reply.first, kind)
    silence = _Silence(provider.settings.timeouts.silence, name)
    if streams and lane.translates and not call.stream:
        raise ProtocolError(f"{name} answered with a stream that nobody asked for", provider=name)
    pieces = (
        _stream(exchange, lane, reply, redactor, silence) if streams else iter([_body(exchange, lane, reply, redactor)])
    )
    first = next(pieces, b"")
    vendor = redactor.cut_headers(reply.headers)
    if streams is not (kind == _STREAM):
        vendor = {**vendor, "content-type": _STREAM if streams else "application/json"}
    return OpenedReply(_head(exchange, lane, vendor, reply.status), name, first, pieces, reply, lane.translates)


def _head(exchange: Exchange, lane: Lane, vendor: Mapping[str, str], status: int) -> Head:
    content_type = lane.relay.content_type or vendor.get("content-type", "application/json")
    headers = {"content-type": content_type, **returned(vendor)}
    if exchange.dropped:
        named = ", ".join(dict.fromkeys(exchange.dropped))
        headers[own.DROPPED] = named.encode("ascii", "backslashreplace").decode()[:MAX_NAMED]
    return Head(status, headers, content_type.startswith(_STREAM))


MAX_NAMED = 2000
"""Characters of the header that names drops; the log has them all."""


def _body(exchange: Exchange, lane: Lane, reply: UpstreamReply, redactor: Redactor) -> bytes:
    name = exchange.route.provider.name
    raw = redactor.cut_error(_whole(exchange, reply))
    try:
        body = lane.relay.body(raw)
        _remember(exchange, lane)
        return redactor.cut(body) if lane.relay.unread else body
    except VendorError as failure:
        raw, failure.message = redactor.cut(raw), redactor.cut_text(failure.message)
        _complete_failure(failure, name)
        if lane.translates:
            raise
        raise _in_place_of_an_answer(failure, redactor.cut_headers(reply.headers), raw) from failure
    except ValueError as error:
        words = error_words(None, redactor.cut(raw))
        text = f"{name} answered {reply.status} with what is not JSON: {words}"
        raise ProtocolError(text, provider=name) from error


def _in_place_of_an_answer(failure: VendorError, headers: Mapping[str, str], body: bytes) -> UpstreamStatus:
    """The vendor's error on a 200, as it is, under the status that says so."""
    return UpstreamStatus(
        provider=failure.provider,
        status=failure.status,
        headers={"content-type": headers.get("content-type", "application/json"), **returned(headers)},
        body=body,
        retry_after=failure.retry_after,
        retryable=failure.retryable,
    )


def _stream(
    exchange: Exchange, lane: Lane, reply: UpstreamReply, redactor: Redactor, silence: _Silence
) -> Iterator[bytes]:
    """The client's frames as the vendor's come, the first ones alone; ends normally only behind a whole answer."""
    begun, name = False, exchange.route.provider.name
    try:
        for piece in _frames(exchange, lane, reply, redactor, silence):
            begun = True
            yield piece
    except UpstreamError as error:
        if isinstance(error, VendorError):
            _complete_failure(error, name)
        raise
    if not (lane.relay.complete or lane.relay.ended):
        # What is open stays open: a client may act on a block that was closed, a tool call above all.
        raise _cut(name, begun=begun)


def _remember(exchange: Exchange, lane: Lane) -> None:
    """Whose the ids are, before the client has them; an answer that nobody keeps has none."""
    ids, call, state = lane.relay.tap.ids, exchange.call, exchange.state
    if ids and state.vendor_ids is not None and not (call.action != "stored" and call.document.get("store") is False):
        fresh = [id for id in ids if id not in state.remembered]
        state.remembered.update(fresh)
        state.vendor_ids.keep(exchange.route.provider.name, fresh)
    ids.clear()


def _frames(
    exchange: Exchange, lane: Lane, reply: UpstreamReply, redactor: Redactor, silence: _Silence
) -> Iterator[bytes]:
    """Edited frames until the answer is complete, or the vendor's bytes end."""
    relay, decoder, name = lane.relay, FrameDecoder(), exchange.route.provider.name
    try:
        while not relay.complete and (piece := _read(exchange, reply)):
            frames = decoder.feed(piece)
            silence.check(frames)
            if edited := b"".join(relay.frame(_cut_frame(frame, redactor)) for frame in frames):
                _remember(exchange, lane)
                yield edited
            if relay.ended:
                reply.end_within(LAST_WORDS)
        if not relay.complete and (rest := decoder.last()) is not None:
            yield relay.frame(_cut_frame(rest, redactor))
        if relay.cut:
            reply.close()
    except (FrameTooLarge, ValueError) as error:
        raise ProtocolError(f"{name}: the stream is not what its dialect promises", provider=name) from error
    except (Unreachable, UpstreamTimeout):
        if not relay.ended:
            raise
    if (relay.complete or relay.ended) and (last := relay.finish()):
        yield last


class _Silence:
    """The clock of a stream that sends nothing but signs of life."""

    def __init__(self, seconds: float, name: str) -> None:
        self._seconds = seconds
        self._name = name
        self._since = time.monotonic()

    def check(self, frames: Sequence[Frame]) -> None:
        """Raises UpstreamTimeout once nothing of value has come for too long."""
        now = time.monotonic()
        if any(not is_heartbeat(frame) for frame in frames):
            self._since = now
        elif now - self._since > self._seconds:
            text = f"{self._name}: nothing but pings for {self._seconds:g} s"
            raise UpstreamTimeout(text, provider=self._name)


def _cut_frame(frame: Frame, redactor: Redactor) -> Frame:
    raw = redactor.cut_error(frame.raw)
    return frame if raw is frame.raw else parse_frame(raw)


def _cut(name: str, *, begun: bool) -> UpstreamError:
    if begun:
        return StreamInterrupted(f"{name}: the stream ended before the answer was complete", provider=name)
    return Unreachable(f"{name}: the stream ended before its first event", provider=name)


def drain(reply: UpstreamReply) -> None:
    """Reads a complete answer's last bytes, so that its connection can serve again."""
    deadline = time.monotonic() + DRAIN
    reply.end_within(DRAIN)
    while reply.read() and time.monotonic() < deadline:
        continue


def _read(exchange: Exchange, reply: UpstreamReply) -> bytes:
    with exchange.state.waiting():
        return reply.read()


def _whole(exchange: Exchange, reply: UpstreamReply) -> bytes:
    name = exchange.route.provider.name
    pieces: list[bytes] = []
    size = 0
    while piece := _read(exchange, reply):
        pieces.append(piece)
        size += len(piece)
        if size > MAX_REPLY:
            raise ProtocolError(f"{name}: the answer is longer than {MAX_REPLY} bytes", provider=name)
    return b"".join(pieces)


def _answered(exchange: Exchange, lane: Lane, reply: UpstreamReply, redactor: Redactor) -> UpstreamError:
    """The vendor's error, but for our key where the vendor repeats it: as it is, or read for another dialect."""
    route = exchange.route
    name = route.provider.name
    body = redactor.cut(_whole(exchange, reply))
    headers = redactor.cut_headers(reply.headers)
    wish = headers.get("x-should-retry")
    retryable = reply.status in _RETRYABLE or reply.status >= 500 if wish is None else wish == "true"
    failure = lane.read_error(route, reply.status, headers, body)
    if failure is not None:
        failure.provider, failure.retryable = name, retryable
        return failure
    return UpstreamStatus(
        provider=name,
        status=reply.status,
        headers={"content-type": headers.get("content-type", "application/json"), **returned(headers)},
        body=body,
        retry_after=retry_after(headers),
        retryable=retryable,
    )


def _complete_failure(error: VendorError, name: str) -> None:
    """What a reader that met a vendor's error inside a stream could not know."""
    error.provider = error.provider or name
    error.retryable = error.kind in ("overloaded", "rate_limit", "timeout", "upstream")
