"""The answer to one attempt: its head, and its bytes up to the first content.

Law: worker thread only. Nothing is passed on before there is content, so that until then another attempt is possible; a
whole body counts as content only when it is complete.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping

from nexus.dataclasses import dataclass, replace
from nexus.errors import ProtocolError, UpstreamError, UpstreamTimeout, VendorError
from nexus.headers import own
from nexus.headers.forwarding import OF_FILES, returned
from nexus.headers.redaction import Redactor
from nexus.protocols.error_words import error_words
from nexus.protocols.loader import FORMS
from nexus.relay.call_state import Attempt
from nexus.relay.failures import in_band, passed, status_failure
from nexus.relay.lanes import Lane
from nexus.relay.stream import Stream, read, remember, silence_of
from nexus.upstream.request import STREAM, LocalReply, UpstreamReply, is_stream, media_type

MAX_REPLY = 64 * 1024 * 1024
"""Maximum size in bytes of an answer that is not a stream."""

HELD = 1024 * 1024
"""Maximum bytes of a JSON document to hold until its end, if its lane passes pieces; of an error to read; and of an
answer to hold without counting it in flight."""

ERROR_WITHIN = 10.0
"""Seconds that the body of an error may take; its status alone is enough for another attempt."""

_DOCUMENTS = frozenset({"application/json", "text/html"})
"""Media types of answers and of pages in their place; other types are files."""

MAX_NAMED = 2000
"""Maximum length of the header that names dropped fields."""


@dataclass(frozen=True, slots=True)
class Head:
    status: int
    headers: Mapping[str, str]
    stream: bool


@dataclass(frozen=True, slots=True)
class OpenedReply:
    """An answer that has begun: ``first`` ends with its first content, ``pieces`` are the rest, empty if it is
    ``whole``. If it ``translates``, the request document is still needed.
    """

    head: Head
    provider: str
    first: bytes
    pieces: Iterator[bytes]
    reply: UpstreamReply
    translates: bool = False
    whole: bool = False


def own_answer(provider: str, body: bytes, headers: Mapping[str, str] | None = None) -> OpenedReply:
    """A whole JSON answer that Nexus wrote; ``headers`` are sent in addition to its type."""
    head = Head(200, {"content-type": "application/json", **(headers or {})}, stream=False)
    return OpenedReply(head, provider, body, iter(()), LocalReply(200, {}, ()))


def open_reply(attempt: Attempt, lane: Lane, reply: UpstreamReply) -> OpenedReply:
    """Reads up to the first content. Raises UpstreamError for any failure before it."""
    call, provider = attempt.call, attempt.route.provider
    name = provider.name
    redactor = Redactor.of((*provider.sent_secrets(lane.request), *reply.secrets))
    if reply.status >= 400:
        reply.end_within(ERROR_WITHIN)
        raise status_failure(attempt, lane, reply, read_whole(attempt, reply), redactor)
    if not 200 <= reply.status < 300 and not (reply.status == 304 and lane.relay.opaque):
        raise ProtocolError(f"{name} answered {reply.status}; check its base_url", provider=name)
    kind = media_type(reply.headers.get("content-type", ""))
    may_stream = (kind == STREAM or call.stream) and not lane.relay.opaque
    streams = may_stream and is_stream(read(attempt.state, reply, silence_of(attempt), ahead=True), kind)
    if streams and lane.translates and not call.stream:
        raise ProtocolError(f"{name} answered a non-streaming call with a stream", provider=name)
    vendor = redactor.cut_headers(reply.headers)
    if streams is not (kind == STREAM) and not lane.relay.opaque:
        vendor = {**vendor, "content-type": STREAM if streams else "application/json"}
    whole = not streams and not lane.relay.piecewise
    try:
        if streams:
            pieces = Stream(attempt, lane.relay, reply, redactor, passes=not lane.translates).pieces()
        elif lane.relay.piecewise:
            pieces = _pieces(attempt, lane, reply, redactor)
        else:
            pieces = iter((_body(attempt, lane, reply, redactor, read_whole(attempt, reply)),))
        first = next(pieces, b"")
    except VendorError as error:
        headers = _head(attempt, lane, vendor, reply.status).headers
        raise VendorError(replace(error.failure, headers=headers)) from error
    return OpenedReply(_head(attempt, lane, vendor, reply.status), name, first, pieces, reply, lane.translates, whole)


def _head(attempt: Attempt, lane: Lane, vendor: Mapping[str, str], status: int) -> Head:
    content_type = lane.relay.content_type or vendor.get("content-type", "application/json")
    headers = {"content-type": content_type, **returned(vendor, _unread(attempt, lane))}
    if attempt.dropped:
        named = ", ".join(dict.fromkeys(attempt.dropped))
        headers[own.DROPPED] = ascii(named)[1:-1][:MAX_NAMED]
    if lane.hints:
        headers[own.AUTO_CACHE] = ", ".join(lane.hints)
    return Head(status, headers, content_type.startswith(STREAM) and not lane.relay.opaque)


def _unread(attempt: Attempt, lane: Lane) -> frozenset[str]:
    """Vendor headers to return with an opaque answer; its length only for HEAD, which has no body."""
    if lane.request.action != "raw":
        return frozenset()
    return OF_FILES | {"content-length"} if attempt.call.method == "HEAD" else OF_FILES


def _pieces(attempt: Attempt, lane: Lane, reply: UpstreamReply, redactor: Redactor) -> Iterator[bytes]:
    """Holds a short document until its end, so that another attempt can answer until then; passes on everything else as
    it comes."""
    is_document = media_type(reply.headers.get("content-type", "")) in _DOCUMENTS
    most = HELD if is_document and not lane.relay.opaque else 0
    held = bytearray()
    for piece in _in_time(attempt, reply):
        held += piece
        if len(held) > most:
            break
    else:
        yield _body(attempt, lane, reply, redactor, bytes(held)) if most else b""
        return
    piece = bytes(held)
    while piece:
        if passed := lane.relay.piece(piece):
            yield passed
        piece = read(attempt.state, reply, silence_of(attempt))
    if last := lane.relay.finish():
        yield last


def _body(attempt: Attempt, lane: Lane, reply: UpstreamReply, redactor: Redactor, raw: bytes) -> bytes:
    name, relay = attempt.route.provider.name, lane.relay
    raw = redactor.cut_error(raw)
    try:
        body = relay.body(raw)
    except VendorError as error:
        failure = in_band(replace(error.failure, message=redactor.cut_text(error.message)), name)
        if lane.translates or not raw.strip():
            raise VendorError(failure) from error
        # With the status that the error stands for.
        raise passed(failure, failure.status, redactor.cut_headers(reply.headers), redactor.cut(raw)) from error
    except ValueError as error:
        words = error_words(None, redactor.cut(raw))
        text = f"{name} answered {reply.status} with invalid JSON: {words}"
        raise ProtocolError(text, provider=name) from error
    remember(attempt, relay)
    if relay.failure is not None:
        raise VendorError(replace(in_band(relay.failure, name), verbatim=body))
    # The server may have answered a streaming request with a whole body.
    is_stream = relay.content_type is not None and relay.content_type.startswith(STREAM)
    if not is_stream:
        return body
    framing = FORMS[attempt.call.form].framing_of(attempt.call.query).begin()
    return framing.put(body) + framing.end()


def read_whole(attempt: Attempt, reply: UpstreamReply) -> bytes:
    """The body of an answer that is not a stream; of an error no more than its beginning, or what arrives of it. Raises
    UpstreamError, and Overloaded if too much is in flight.
    """
    name, is_error = attempt.route.provider.name, reply.status >= 400
    pieces: list[bytes] = []
    size = 0
    try:
        for piece in _in_time(attempt, reply):
            pieces.append(piece)
            size += len(piece)
            if size > MAX_REPLY:
                raise ProtocolError(f"{name}: the answer is larger than {MAX_REPLY} bytes", provider=name)
            if size > HELD:
                if is_error:
                    break
                attempt.call.hold(size)
    except UpstreamError:
        if not is_error or attempt.cancel.reason is not None:
            raise
    return b"".join(pieces)


def _in_time(attempt: Attempt, reply: UpstreamReply) -> Iterator[bytes]:
    """The pieces of an answer to hold until its end. Raises UpstreamTimeout if that takes longer than a stream may be
    silent.
    """
    name, silence, began = attempt.route.provider.name, silence_of(attempt), time.monotonic()
    while piece := read(attempt.state, reply, silence):
        yield piece
        if attempt.state.read_at - began > silence:
            raise UpstreamTimeout(f"{name}: no complete answer within {silence:g} s", provider=name)
