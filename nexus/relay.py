"""The byte work of one attempt: open an answer, then hand on its pieces.

Law: worker thread only; knows dialects and providers, no Tornado and no asyncio. Nothing is handed on before the answer
has shown its first event, so that until then another attempt is possible; and nothing incomplete ever looks complete.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from nexus.call import Call, Times
from nexus.errors import (
    Answered,
    ProtocolError,
    StreamInterrupted,
    Unreachable,
    UnsupportedFeature,
    UpstreamTimeout,
)
from nexus.headers import retry_after, returned
from nexus.protocols.base import Dialect, Passthrough
from nexus.protocols.clients import DIALECTS
from nexus.protocols.sse import FrameDecoder, FrameTooLarge
from nexus.provider import Attempt, Provider
from nexus.routing import Route
from nexus.upstream import UpstreamReply

MAX_REPLY = 64 * 1024 * 1024
"""Bytes of an answer that is not a stream."""

LAST_WORDS = 10.0
"""Seconds that an upstream gets for its terminator after the last thing of value in an answer."""

DRAIN = 1.0
"""Seconds that it gets to end the HTTP exchange after the terminator, so that the connection can serve again."""

_RETRYABLE = frozenset({408, 429, 529})


@dataclass(frozen=True, slots=True)
class Head:
    """Status and headers of a reply: the point of no return."""

    status: int
    headers: Mapping[str, str]
    stream: bool


@dataclass(frozen=True, slots=True)
class Opened:
    """An answer that has begun: ``pieces`` starts with its first event."""

    head: Head
    provider: str
    first: bytes
    pieces: Iterator[bytes]
    reply: UpstreamReply


def open_answer(call: Call, route: Route) -> Opened:
    """One attempt. Raises what went wrong before the first event; the caller closes ``reply``."""
    provider = route.provider
    if call.dialect not in provider.dialects:
        raise UnsupportedFeature(
            f"model {route.name!r} is not served through this protocol; it speaks {', '.join(provider.dialects)}",
            param="model",
        )
    dialect = DIALECTS[call.dialect]
    body = dialect.edit_request(call.body, call.document, route.model, ask_usage=provider.asks_usage)
    attempt = Attempt(
        dialect=call.dialect,
        model=route.model,
        body=body,
        stream=call.stream,
        headers=call.headers,
        query=call.query,
        key=provider.key(call.headers),
    )
    request = provider.prepare(attempt)
    with _waiting(call.times):
        reply = provider.send(request, call.cancel)
    try:
        return _open(call, route, dialect, reply, attempt)
    except BaseException:
        reply.close()
        raise


def _open(call: Call, route: Route, dialect: Dialect, reply: UpstreamReply, attempt: Attempt) -> Opened:
    provider = route.provider
    if reply.status >= 400:
        raise _answered(call, reply, attempt, provider)
    if not 200 <= reply.status < 300:
        raise ProtocolError(f"{provider.name} answered {reply.status}; check its base_url", provider=provider.name)
    relay = dialect.passthrough(call.document, call.model, call.tap)
    is_stream = reply.headers.get("content-type", "").startswith("text/event-stream")
    head = Head(reply.status, _reply_headers(reply), is_stream)
    if is_stream:
        pieces = _stream(call, relay, reply, provider)
        return Opened(head, provider.name, next(pieces, b""), pieces, reply)
    raw = _whole(call, reply, provider)
    try:
        return Opened(head, provider.name, relay.body(raw), iter(()), reply)
    except ValueError as error:
        raise ProtocolError(
            f"{provider.name} answered {reply.status} with what is not JSON", provider=provider.name
        ) from error


def _stream(call: Call, relay: Passthrough, reply: UpstreamReply, provider: Provider) -> Iterator[bytes]:
    """Edited frames as they come, the first one alone; ends normally only behind the dialect's own end."""
    decoder = FrameDecoder()
    begun = False
    try:
        while piece := _read(call, reply):
            edited = b"".join(map(relay.frame, decoder.feed(piece)))
            if edited:
                begun = True
                yield edited
            if relay.complete:
                break
            if relay.ended:
                reply.end_within(LAST_WORDS)
    except FrameTooLarge as error:
        raise ProtocolError(f"{provider.name}: {error}", provider=provider.name) from error
    except (Unreachable, UpstreamTimeout):
        if relay.ended:
            return
        raise
    if relay.complete or relay.ended:
        return
    if not begun:
        raise Unreachable(f"{provider.name}: the stream ended before its first event", provider=provider.name)
    raise StreamInterrupted(f"{provider.name}: the stream ended before the answer was complete", provider=provider.name)


def drain(reply: UpstreamReply) -> None:
    """Reads a complete answer's last bytes, so that its connection can serve again."""
    deadline = time.monotonic() + DRAIN
    reply.end_within(DRAIN)
    while reply.read() and time.monotonic() < deadline:
        continue


def _whole(call: Call, reply: UpstreamReply, provider: Provider) -> bytes:
    pieces: list[bytes] = []
    size = 0
    while piece := _read(call, reply):
        pieces.append(piece)
        size += len(piece)
        if size > MAX_REPLY:
            raise ProtocolError(f"{provider.name}: the answer is longer than {MAX_REPLY} bytes", provider=provider.name)
    return b"".join(pieces)


def _read(call: Call, reply: UpstreamReply) -> bytes:
    with _waiting(call.times):
        return reply.read()


@contextmanager
def _waiting(times: Times) -> Iterator[None]:
    """Counts the time inside as somebody else's."""
    began = time.monotonic()
    try:
        yield
    finally:
        times.upstream += time.monotonic() - began


def _answered(call: Call, reply: UpstreamReply, attempt: Attempt, provider: Provider) -> Answered:
    """The vendor's error as it is, but for our key where the vendor repeats it."""
    body = _whole(call, reply, provider)
    headers = {"content-type": reply.headers.get("content-type", "application/json"), **returned(reply.headers)}
    if attempt.key is not None and len(secret := attempt.key.get_secret_value()) >= 6:
        body = body.replace(secret.encode(), b"[redacted]")
        headers = {name: value.replace(secret, "[redacted]") for name, value in headers.items()}
    wish = reply.headers.get("x-should-retry")
    retryable = reply.status in _RETRYABLE or reply.status >= 500 if wish is None else wish == "true"
    return Answered(
        provider=provider.name,
        status=reply.status,
        headers=headers,
        body=body,
        retry_after=retry_after(reply.headers),
        retryable=retryable,
    )


def _reply_headers(reply: UpstreamReply) -> dict[str, str]:
    return {"content-type": reply.headers.get("content-type", "application/json"), **returned(reply.headers)}
