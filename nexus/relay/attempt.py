"""One attempt: open an answer, then hand on its bytes.

Law: worker thread only; knows lanes and providers, no Tornado, no asyncio. Nothing is handed on before the answer has
shown its first event, so that until then another attempt is possible; and nothing incomplete ever looks complete.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from nexus.call import Call, Times
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
from nexus.headers.forwarding import retry_after, returned
from nexus.headers.redaction import Redactor
from nexus.protocols.clients import DIALECTS
from nexus.protocols.error_words import error_words
from nexus.protocols.sse import Frame, FrameDecoder, FrameTooLarge, is_heartbeat, parse_frame
from nexus.provider import Route
from nexus.relay.lanes import Lane, choose, choose_count, choose_stored
from nexus.relay.reading import reading
from nexus.telemetry.causes import log_attempt
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


def open_answer(call: Call, route: Route) -> OpenedReply:
    """One attempt. Raises what went wrong before the first event; the caller closes ``reply``."""
    match call.action:
        case "count_tokens":
            return _count(call, route)
        case "stored":
            return _open_lane(call, route, choose_stored(call, route))
        case _:
            return _generate(call, route)


def _generate(call: Call, route: Route) -> OpenedReply:
    """Once more where the vendor refuses something that a translation added, and the answer can do without."""
    lane = choose(call, route)
    try:
        return _open_lane(call, route, lane)
    except VendorError as refused:
        without = route.provider.do_without(refused, lane.attempt) if lane.translates else None
        if without is None:
            raise
        log_attempt(call, refused, "again at once, without what was refused")
    call.attempts += 1
    return _open_lane(call, route, choose(call, route, without))


def _count(call: Call, route: Route) -> OpenedReply:
    lane = choose_count(call, route)
    try:
        return _open_lane(call, route, lane) if lane is not None else _estimated(call, route)
    except (UpstreamStatus, VendorError) as error:
        if error.status not in _NOT_COUNTED:
            raise
        return _estimated(call, route)


def _estimated(call: Call, route: Route) -> OpenedReply:
    """Nobody counts for this model: a guess, marked as one."""
    tokens = estimate(reading(call).request).total
    body = encode(DIALECTS[call.dialect].write_count(tokens))
    head = Head(200, {"content-type": "application/json", "x-nexus-estimated": "true"}, stream=False)
    return OpenedReply(head, route.provider.name, body, iter(()), LocalReply(200, {}, ()))


def _open_lane(call: Call, route: Route, lane: Lane) -> OpenedReply:
    """Once more where the vendor refuses a key of the house that can be had anew."""
    renewed = route.provider.house_key
    if renewed is None or lane.attempt.key is not None:
        return _exchange(call, route, lane)
    with _waiting(call.times):
        key = renewed.get(call.cancel).value
    try:
        return _exchange(call, route, lane.with_key(key))
    except (UpstreamStatus, VendorError) as refused:
        if not _refuses_key(refused):
            raise
        with _waiting(call.times):
            other = renewed.replace(key, call.cancel)
        if other is None:
            raise
    fields = {"id": call.id, "provider": route.provider.name}
    log.info("the vendor refused the key; the call is tried with another one", extra={"fields": fields})
    call.attempts += 1
    return _exchange(call, route, lane.with_key(other))


def _refuses_key(error: UpstreamError) -> bool:
    return error.status in (401, 403) or error.kind in ("authentication", "permission")


def _exchange(call: Call, route: Route, lane: Lane) -> OpenedReply:
    request = route.provider.request(lane.attempt)
    call.dropped[:] = [*lane.dropped, *request.dropped]
    if log.isEnabledFor(logging.DEBUG):
        log.debug("attempt", extra={"fields": _told(call, route, lane, request)})
    with _waiting(call.times):
        reply = route.provider.send(request, call.cancel)
    try:
        return _open(call, route, lane, reply)
    except BaseException:
        reply.close()
        raise


def _told(call: Call, route: Route, lane: Lane, request: UpstreamRequest) -> dict[str, object]:
    """What an attempt sends, by names only."""
    return {
        "id": call.id,
        "attempt": call.attempts,
        "route": str(route),
        "lane": f"{call.dialect} to {lane.attempt.dialect}" if lane.translates else "passthrough",
        "method": request.method,
        "url": request.url.partition("?")[0],
        "headers": ",".join(sorted(request.headers)),
        "bytes": len(request.body),
    }


def _open(call: Call, route: Route, lane: Lane, reply: UpstreamReply) -> OpenedReply:
    name = route.provider.name
    redactor = Redactor.of((*route.provider.sent_secrets(lane.attempt), *reply.secrets))
    if reply.status >= 400:
        raise _answered(call, route, lane, reply, redactor)
    if not 200 <= reply.status < 300:
        raise ProtocolError(f"{name} answered {reply.status}; check its base_url", provider=name)
    kind = media_type(reply.headers.get("content-type", ""))
    streams = kind == _STREAM
    lane = lane.sent()
    if streams or call.stream:
        reply = Begun(reply, _read(call, reply))
        streams = is_stream(reply.first, kind)
    silence = _Silence(route.provider.settings.timeouts.silence, name)
    if streams and lane.translates and not call.stream:
        raise ProtocolError(f"{name} answered with a stream that nobody asked for", provider=name)
    pieces = (
        _stream(call, lane, reply, name, redactor, silence)
        if streams
        else iter([_body(call, lane, reply, name, redactor)])
    )
    first = next(pieces, b"")
    vendor = redactor.cut_headers(reply.headers)
    if streams is not (kind == _STREAM):
        vendor = {**vendor, "content-type": _STREAM if streams else "application/json"}
    return OpenedReply(_head(call, lane, vendor, reply.status), name, first, pieces, reply, lane.translates)


def _head(call: Call, lane: Lane, vendor: Mapping[str, str], status: int) -> Head:
    content_type = lane.relay.content_type or vendor.get("content-type", "application/json")
    headers = {"content-type": content_type, **returned(vendor)}
    if call.dropped:
        named = ", ".join(dict.fromkeys(call.dropped))
        headers["x-nexus-dropped"] = named.encode("ascii", "backslashreplace").decode()[:MAX_NAMED]
    return Head(status, headers, content_type.startswith(_STREAM))


MAX_NAMED = 2000
"""Characters of the header that names drops; the log has them all."""


def _body(call: Call, lane: Lane, reply: UpstreamReply, name: str, redactor: Redactor) -> bytes:
    raw = redactor.cut_error(_whole(call, reply, name))
    try:
        body = lane.relay.body(raw)
        _remember(call, lane, name)
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
    call: Call, lane: Lane, reply: UpstreamReply, name: str, redactor: Redactor, silence: _Silence
) -> Iterator[bytes]:
    """The client's frames as the vendor's come, the first ones alone; ends normally only behind a whole answer."""
    begun = False
    try:
        for piece in _frames(call, lane, reply, name, redactor, silence):
            begun = True
            yield piece
    except UpstreamError as error:
        if isinstance(error, VendorError):
            _complete_failure(error, name)
        raise
    if not (lane.relay.complete or lane.relay.ended):
        # What is open stays open: a client may act on a block that was closed, a tool call above all.
        raise _cut(name, begun=begun)


def _remember(call: Call, lane: Lane, name: str) -> None:
    """Whose the ids are, before the client has them; an answer that nobody keeps has none."""
    ids = lane.relay.tap.ids
    if ids and call.vendor_ids is not None and not (call.action != "stored" and call.document.get("store") is False):
        fresh = [id for id in ids if id not in call.remembered]
        call.remembered.update(fresh)
        call.vendor_ids.keep(name, fresh)
    ids.clear()


def _frames(
    call: Call, lane: Lane, reply: UpstreamReply, name: str, redactor: Redactor, silence: _Silence
) -> Iterator[bytes]:
    """Edited frames until the answer is complete, or the vendor's bytes end."""
    relay, decoder = lane.relay, FrameDecoder()
    try:
        while not relay.complete and (piece := _read(call, reply)):
            frames = decoder.feed(piece)
            silence.check(frames)
            if edited := b"".join(relay.frame(_cut_frame(frame, redactor)) for frame in frames):
                _remember(call, lane, name)
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


def _read(call: Call, reply: UpstreamReply) -> bytes:
    with _waiting(call.times):
        return reply.read()


def _whole(call: Call, reply: UpstreamReply, name: str) -> bytes:
    pieces: list[bytes] = []
    size = 0
    while piece := _read(call, reply):
        pieces.append(piece)
        size += len(piece)
        if size > MAX_REPLY:
            raise ProtocolError(f"{name}: the answer is longer than {MAX_REPLY} bytes", provider=name)
    return b"".join(pieces)


@contextmanager
def _waiting(times: Times) -> Iterator[None]:
    """Counts the time inside as somebody else's."""
    began = time.monotonic()
    try:
        yield
    finally:
        times.upstream += time.monotonic() - began


def _answered(call: Call, route: Route, lane: Lane, reply: UpstreamReply, redactor: Redactor) -> UpstreamError:
    """The vendor's error, but for our key where the vendor repeats it: as it is, or read for another dialect."""
    name = route.provider.name
    body = redactor.cut(_whole(call, reply, name))
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
